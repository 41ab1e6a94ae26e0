//! Partitions into histories, on several threads, with results in order.

use std::convert::Infallible;
use std::io;
use std::ops::ControlFlow;

use super::line::{Line, NONE};
use super::{ParquetHistories, ReadHistoriesError};
use crate::parallel::{Broken, in_order};
use crate::transaction::{
    CustomerHistory, CustomerId, HistoryLine, LocalTime, Money, OrderKey, Quantity, Symbol,
    Timestamp,
};

pub(super) fn scan<S, T: Send>(
    histories: &ParquetHistories,
    threads: usize,
    new: impl Fn() -> S + Sync,
    visit: impl Fn(&mut S, &CustomerId, &CustomerHistory) + Sync,
    finish: impl Fn(S) -> T + Sync,
    sink: impl FnMut(T) -> ControlFlow<()>,
) -> Result<(), ReadHistoriesError> {
    let mut partitions = 0..histories.partitions.count();
    let work = |builder: &mut Builder<'_>, partition| {
        let mut collected = new();
        builder.visit(partition, &mut |id, history| visit(&mut collected, id, history))?;
        Ok(finish(collected))
    };
    let next = || Ok::<_, io::Error>(partitions.next());
    in_order(threads, next, || Builder::new(histories), work, sink).map_err(|broken| match broken {
        Broken::Failed(error) => error.into(),
        Broken::Panicked => ReadHistoriesError::Thread,
    })
}

/// Makes the histories of one partition after the other for one thread.
struct Builder<'a> {
    histories: &'a ParquetHistories,
    buffer: Vec<u8>,
    lines: Vec<Sorted>,
    history: CustomerHistory,
    last_local: Option<(i64, LocalTime)>,
}

/// A line on its way to its place.
struct Sorted {
    /// Rank of the customer.
    rank: u32,
    superseded_at: i64,
    line: Line,
}

impl<'a> Builder<'a> {
    fn new(histories: &'a ParquetHistories) -> Self {
        Self {
            histories,
            buffer: Vec::new(),
            lines: Vec::new(),
            history: CustomerHistory::default(),
            last_local: None,
        }
    }

    fn visit(
        &mut self,
        partition: usize,
        visit: &mut dyn FnMut(&CustomerId, &CustomerHistory),
    ) -> io::Result<()> {
        self.load(partition)?;
        let lines = std::mem::take(&mut self.lines);
        let (first, bounds, mut order) = by_customer(&lines);
        let time = |at: &u32| lines.get(*at as usize).map_or(0, |line| line.line.occurred_at);
        for (rank, bounds) in (first..).zip(bounds.windows(2)) {
            let &[start, end] = bounds else { continue };
            let Some(group) = order.get_mut(start as usize..end as usize) else { continue };
            let Some(id) = self.histories.names.customers.get(rank as usize) else { continue };
            if group.is_empty() {
                continue;
            }
            if !group.is_sorted_by_key(time) {
                group.sort_by_key(time);
            }
            let mut history = std::mem::take(&mut self.history);
            let Ok(()) = history.refill(|history| {
                let sorted = group.iter().filter_map(|at| lines.get(*at as usize));
                history.extend(sorted.map(|sorted| self.expanded(sorted)));
                Ok::<(), Infallible>(())
            });
            visit(id, &history);
            self.history = history;
        }
        self.lines = lines;
        Ok(())
    }

    /// All lines of a partition that count.
    fn load(&mut self, partition: usize) -> io::Result<()> {
        let ParquetHistories { names, storage, blocks, fates, .. } = self.histories;
        self.lines.clear();
        for (number, block) in blocks.iter().enumerate() {
            for line in block.lines(partition, storage, &mut self.buffer)? {
                let line = line?;
                let Some(superseded_at) = fates.superseded_at(number, &line) else { continue };
                let rank = (line.customer as usize).checked_sub(1);
                let Some(rank) = rank.and_then(|at| names.ranks.get(at)) else { continue };
                let superseded_at = superseded_at.unwrap_or(Timestamp::MAX.micros());
                self.lines.push(Sorted { rank: *rank, superseded_at, line });
            }
        }
        Ok(())
    }

    fn expanded(&mut self, sorted: &Sorted) -> HistoryLine {
        let Sorted { line, superseded_at, .. } = sorted;
        let names = &self.histories.names;
        let occurred_at = Timestamp::from_micros(line.occurred_at);
        let local = match self.last_local {
            Some((at, local)) if at == line.occurred_at => local,
            _ => self.histories.clock.local(occurred_at),
        };
        self.last_local = Some((line.occurred_at, local));
        let none = Symbol::NONE;
        let [product, category] = names.items.get(line.item as usize).copied().unwrap_or([none; 2]);
        let context = names.contexts.get(line.context as usize);
        let [channel, store, promotion] = context.copied().unwrap_or([none; 3]);
        let quantity = Quantity::from_thousandths(line.quantity);
        let discount = Money::from_micros(line.discount);
        let amount = quantity.line_amount(Money::from_micros(line.unit_price), discount);
        let cost = (line.unit_cost != NONE).then(|| Money::from_micros(line.unit_cost));
        HistoryLine {
            occurred_at,
            recorded_at: Timestamp::from_micros(line.recorded_at),
            superseded_at: Timestamp::from_micros(*superseded_at),
            local,
            order: OrderKey::from_raw(line.order),
            cancels: OrderKey::from_raw(line.cancels),
            product,
            category,
            channel,
            store,
            promotion,
            quantity,
            amount,
            discount,
            margin: cost.and_then(|cost| quantity.times(cost)).map(|cost| amount - cost),
        }
    }
}

/// The lowest rank, where the lines of each rank from there begin (and the last ends), and the
/// positions of the lines by rank and arrival.
fn by_customer(lines: &[Sorted]) -> (u32, Vec<u32>, Vec<u32>) {
    let first = lines.iter().map(|line| line.rank).min().unwrap_or_default();
    let last = lines.iter().map(|line| line.rank).max().unwrap_or_default();
    let mut bounds = vec![0_u32; (last - first) as usize + 2];
    for line in lines {
        if let Some(bound) = bounds.get_mut((line.rank - first) as usize + 1) {
            *bound += 1;
        }
    }
    let mut sum = 0;
    for bound in &mut bounds {
        sum += *bound;
        *bound = sum;
    }
    let mut next = bounds.clone();
    let mut order = vec![0; lines.len()];
    for (at, line) in (0..).zip(lines) {
        let Some(next) = next.get_mut((line.rank - first) as usize) else { continue };
        if let Some(place) = order.get_mut(*next as usize) {
            *place = at;
        }
        *next += 1;
    }
    (first, bounds, order)
}
