//! The simulation from plan to files: weeks are generated while earlier ones are written.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, ScopedJoinHandle};

use super::SimulationError;
use super::calendar::{Calendar, Hours, Week};
use super::customer::{BLOCK, Block, Population};
use super::demand::{Expected, Exposure};
use super::line::{Counts, Line};
use super::market::{Market, Prices};
use super::orders::{BlockWeek, Desk, LONGEST_RETURN, Period, World};
use super::output::{Directory, Sink, Truth, Written};
use super::parameters::Parameters;
use super::plan::{Plan, Size};
use super::random::Zeta;
use super::shop::Shop;

/// Weeks that wait for a writer.
const QUEUE: usize = 2;
/// Customers from whom the number of customers for a number of lines is found.
const PILOT: usize = 8 * BLOCK;

/// What a simulation wrote.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// What is in the file of transactions.
    pub counts: Counts,
    /// Customers of the shop.
    pub customers: u32,
    /// All files, `truth.json` last.
    pub files: Vec<Written>,
}

/// Simulates a shop and writes its transactions, their mapping and the truth into a directory.
///
/// `replace` allows a directory that holds files. `progress` is told the share of the weeks that
/// are generated, 0 to 1, and ends the simulation by returning false.
///
/// # Errors
/// A plan that does not hold, a directory that holds files, a file that cannot be written, or the
/// end that `progress` asked for.
pub fn simulate(
    plan: &Plan,
    directory: &std::path::Path,
    replace: bool,
    progress: &mut dyn FnMut(f64) -> bool,
) -> Result<Simulated, SimulationError> {
    plan.check()?;
    let directory = Directory::create(directory, replace)?;
    let parameters = Parameters::default();
    let shop = Shop::new(plan, &parameters);
    let calendar = Calendar::new(plan.start, plan.months, &parameters);
    let prices = Prices::new(&shop, calendar.weeks.len(), plan.seed, &parameters);
    let population = Population::new(plan, &parameters, &shop, &calendar);
    let world = World {
        plan,
        parameters: &parameters,
        shop: &shop,
        calendar: &calendar,
        prices: &prices,
        population: &population,
        hours: Hours::new(plan.clock.clone()),
        quantity: zeta(parameters.quantity),
        trade_quantity: zeta(parameters.trade_quantity),
        shares: shop.shares(),
    };
    let customers = customers(&world);
    let blocks = blocks(&world, customers as usize);
    let sinks = directory.sinks(plan, &shop, &calendar)?;
    let mut weeks = Weeks::new(&world, &blocks);
    let written = weeks.run(sinks, progress)?;
    let truth = Truth {
        world: &world,
        prices: &prices,
        blocks: &blocks,
        expected: &weeks.expected,
        counts: &weeks.counts,
    };
    let files = directory.finish(&truth, written)?;
    Ok(Simulated { counts: weeks.counts, customers, files })
}

fn zeta((exponent, largest): (f64, u32)) -> Zeta {
    Zeta::new(exponent, largest)
}

/// How many customers the plan asks for.
fn customers(world: &World<'_>) -> u32 {
    match world.plan.size {
        Size::Customers(customers) => customers,
        Size::Lines(lines) => {
            let rows = rows_per_customer(world).max(1e-9);
            (lines as f64 / rows).round().clamp(1.0, 20_000_000.0) as u32
        }
    }
}

/// Expected rows per customer of a pilot: sales, and what follows from them.
fn rows_per_customer(world: &World<'_>) -> f64 {
    let blocks = blocks(world, PILOT);
    let weeks = &world.calendar.weeks;
    let sales = weeks.iter().enumerate().map(|(number, week)| {
        let market = market(world, number, week);
        let exposure = Exposure::new(week);
        let period = Period { market: &market, exposure, instants: Vec::new() };
        blocks.iter().map(|block| Desk::new(world, &period, block).expect().lines).sum::<f64>()
    });
    let sales: f64 = sales.sum();
    let parameters = world.parameters;
    let categories = world.shop.categories.iter();
    let returned: f64 = categories.map(|category| category.share * category.return_rate).sum();
    let returned = returned * parameters.return_propensity.1 + parameters.cancellation;
    let rows = sales * (1.0 + returned + parameters.corrected);
    rows / PILOT as f64 / (1.0 - world.plan.dirty)
}

fn market(world: &World<'_>, number: usize, week: &Week) -> Market {
    let responses = &world.parameters.price_responses;
    Market::new(world.shop, world.prices, week, number, responses)
}

fn blocks(world: &World<'_>, customers: usize) -> Vec<Block> {
    let make = |number: usize| {
        let count = customers.saturating_sub(number * BLOCK).min(BLOCK);
        world.population.block(number, count)
    };
    parallel(world.plan.threads, customers.div_ceil(BLOCK), make)
}

/// The results of `0..count` in their order, made by some threads.
fn parallel<T: Send>(threads: usize, count: usize, make: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let work = || {
        let numbers = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        let mine = numbers.take_while(|number| *number < count);
        mine.map(|number| (number, make(number))).collect::<Vec<_>>()
    };
    let mut made = thread::scope(|scope| {
        let others: Vec<ScopedJoinHandle<'_, Vec<(usize, T)>>> =
            (1..threads.min(count)).map(|_| scope.spawn(work)).collect();
        let mut made = work();
        for other in others {
            match other.join() {
                Ok(more) => made.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        made
    });
    made.sort_unstable_by_key(|(number, _)| *number);
    made.into_iter().map(|(_, made)| made).collect()
}

/// Generates week after week.
struct Weeks<'a> {
    world: &'a World<'a>,
    blocks: &'a [Block],
    /// Rows that are recorded in a later week than they were made.
    pending: Vec<Line>,
    expected: Vec<Expected>,
    counts: Counts,
}

impl<'a> Weeks<'a> {
    fn new(world: &'a World<'a>, blocks: &'a [Block]) -> Self {
        let (pending, expected) = (Vec::new(), Vec::new());
        Self { world, blocks, pending, expected, counts: Counts::default() }
    }

    /// Generates all weeks while the sinks write, each in a thread of its own.
    fn run(
        &mut self,
        sinks: Vec<Box<dyn Sink + '_>>,
        progress: &mut dyn FnMut(f64) -> bool,
    ) -> Result<Vec<Written>, SimulationError> {
        thread::scope(|scope| {
            let mut queues = Vec::new();
            let mut writers = Vec::new();
            for sink in sinks {
                let (queue, lines) = sync_channel(QUEUE);
                queues.push(queue);
                writers.push(scope.spawn(move || drain(sink, &lines)));
            }
            let goes_on = self.generate(&queues, progress);
            drop(queues);
            let mut written = Vec::new();
            for writer in writers {
                match writer.join() {
                    Ok(file) => written.push(file?),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            if goes_on { Ok(written) } else { Err(SimulationError::Stopped) }
        })
    }

    /// Says whether the end was reached; a writer that went away tells itself why.
    fn generate(
        &mut self,
        queues: &[SyncSender<Arc<Vec<Line>>>],
        progress: &mut dyn FnMut(f64) -> bool,
    ) -> bool {
        let weeks = &self.world.calendar.weeks;
        for (number, week) in weeks.iter().enumerate() {
            self.week(number, week);
            let next = weeks.get(number + 1).map(|next| next.monday());
            let lines = Arc::new(self.due(next));
            let sent = queues.iter().all(|queue| queue.send(Arc::clone(&lines)).is_ok());
            if !sent || !progress((number + 1) as f64 / weeks.len() as f64) {
                return false;
            }
        }
        true
    }

    /// Generates one week of all blocks.
    fn week(&mut self, number: usize, week: &Week) {
        let world = self.world;
        let market = market(world, number, week);
        let monday = week.days.first().map(|day| day.date);
        let days = monday.into_iter().flat_map(|monday| {
            (0..LONGEST_RETURN as i32 + 10)
                .map(move |day| monday.saturating_add(jiff::Span::new().days(day)))
        });
        let period = Period {
            market: &market,
            exposure: Exposure::new(week),
            instants: world.hours.instants(days),
        };
        let make = |block: usize| {
            let block = self.blocks.get(block);
            block.map(|block| Desk::new(world, &period, block).run())
        };
        let made: Vec<Option<BlockWeek>> = parallel(world.plan.threads, self.blocks.len(), make);
        let mut expected = Expected::new(world.shares.len());
        for block in made.into_iter().flatten() {
            self.pending.extend(block.lines);
            self.counts += &block.counts;
            expected.merge(&block.expected);
        }
        self.expected.push(expected);
    }

    /// Takes the rows that are recorded before the Monday of the next week, in the order of their
    /// arrival; all rows after the last week.
    fn due(&mut self, next: Option<i32>) -> Vec<Line> {
        let clock = &self.world.plan.clock;
        let limit = next.map_or(i64::MAX, |monday| clock.start_of_day(monday).micros());
        let is_due = |line: &Line| line.recorded_at < limit;
        let mut due: Vec<Line> = self.pending.iter().filter(|line| is_due(line)).copied().collect();
        self.pending.retain(|line| !is_due(line));
        due.sort_unstable_by_key(Line::key);
        due
    }
}

fn drain(
    mut sink: Box<dyn Sink + '_>,
    lines: &Receiver<Arc<Vec<Line>>>,
) -> Result<Written, SimulationError> {
    for lines in lines {
        sink.write(&lines)?;
    }
    sink.finish()
}
