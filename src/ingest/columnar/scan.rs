//! Partitions into histories, on several threads, with results in order.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::line::{Line, NONE};
use super::{ParquetHistories, ReadHistoriesError};
use crate::transaction::{
    CustomerHistory, CustomerId, HistoryLine, LocalTime, Money, OrderKey, Quantity, Symbol,
    Timestamp,
};

/// Chunks for each thread that may be begun or done and not yet handed over.
const IN_FLIGHT: usize = 4;

/// What a chunk came to, or why there is nothing more.
type Chunk<S> = Result<S, io::Error>;

/// Which chunks are taken, done and handed over.
struct Queue<S> {
    state: Mutex<State<S>>,
    changed: Condvar,
    chunks: usize,
    window: usize,
}

struct State<S> {
    next: usize,
    delivered: usize,
    done: BTreeMap<usize, Chunk<S>>,
    is_stopped: bool,
    workers: usize,
}

pub(super) fn scan<S, T: Send>(
    histories: &ParquetHistories,
    threads: usize,
    new: &(impl Fn() -> S + Sync),
    visit: &(impl Fn(&mut S, &CustomerId, &CustomerHistory) + Sync),
    finish: &(impl Fn(S) -> T + Sync),
    mut sink: impl FnMut(T) -> ControlFlow<()>,
) -> Result<(), ReadHistoriesError> {
    let chunks = histories.partitions.count();
    let threads = threads.max(1).min(chunks);
    let state =
        State { next: 0, delivered: 0, done: BTreeMap::new(), is_stopped: false, workers: threads };
    let queue = Queue {
        state: Mutex::new(state),
        changed: Condvar::new(),
        chunks,
        window: threads * IN_FLIGHT,
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let _leave = Leave(&queue);
                let mut builder = Builder::new(histories);
                while let Some(at) = queue.take() {
                    let mut chunk = new();
                    let visited =
                        builder.visit(at, &mut |id, history| visit(&mut chunk, id, history));
                    queue.put(at, visited.map(|()| finish(chunk)));
                }
            });
        }
        let _stop = Stop(&queue);
        while let Some(chunk) = queue.deliver()? {
            if sink(chunk?).is_break() {
                break;
            }
        }
        Ok(())
    })
}

impl<S> Queue<S> {
    fn state(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next chunk to work on, once it is not too far ahead.
    fn take(&self) -> Option<usize> {
        let mut state = self.state();
        while !state.is_stopped && state.next >= state.delivered + self.window {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.is_stopped || state.next == self.chunks {
            return None;
        }
        state.next += 1;
        Some(state.next - 1)
    }

    fn put(&self, at: usize, chunk: Chunk<S>) {
        self.state().done.insert(at, chunk);
        self.changed.notify_all();
    }

    /// The next chunk in order, once it is done; `None` after the last.
    fn deliver(&self) -> Result<Option<Chunk<S>>, ReadHistoriesError> {
        let mut state = self.state();
        if state.delivered == self.chunks {
            return Ok(None);
        }
        loop {
            let at = state.delivered;
            if let Some(chunk) = state.done.remove(&at) {
                state.delivered += 1;
                self.changed.notify_all();
                return Ok(Some(chunk));
            }
            if state.workers == 0 {
                return Err(ReadHistoriesError::Thread);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Tells that a worker is gone. When it panicked, the others need not go on.
struct Leave<'a, S>(&'a Queue<S>);

impl<S> Drop for Leave<'_, S> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.workers -= 1;
        state.is_stopped |= thread::panicking();
        drop(state);
        self.0.changed.notify_all();
    }
}

/// Lets no more work be taken.
struct Stop<'a, S>(&'a Queue<S>);

impl<S> Drop for Stop<'_, S> {
    fn drop(&mut self) {
        self.0.state().is_stopped = true;
        self.0.changed.notify_all();
    }
}

/// Makes the histories of one partition after the other for one thread.
struct Builder<'a> {
    histories: &'a ParquetHistories,
    buffer: Vec<u64>,
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
                // So the history has only to see that it is sorted.
                for ties in history.chunk_by_mut(|a, b| a.occurred_at == b.occurred_at) {
                    ties.sort_unstable();
                }
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
