//! Work on several threads, with results in the order of the items.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Items for each thread that may be begun or done and not yet handed on.
const IN_FLIGHT: usize = 3;

/// Why a pass broke off.
#[derive(Debug, thiserror::Error)]
pub enum Broken<E> {
    /// An item could not be had or worked on.
    #[error(transparent)]
    Failed(#[from] E),
    /// A thread panicked.
    #[error("a thread broke off before its work was done; report this as a defect")]
    Panicked,
}

/// Runs `work` on every item of `next` on `threads` threads, each with a state of its own from
/// `new`, and hands the results to `sink` in the order of the items until it breaks. A few items
/// per thread are in memory at a time.
///
/// `next` and `sink` are called on the calling thread.
///
/// # Errors
/// The first error of `next`, or the first of `work` that comes to light; or that a thread
/// panicked.
pub fn in_order<I: Send, S, T: Send, E: Send>(
    threads: usize,
    mut next: impl FnMut() -> Result<Option<I>, E>,
    new: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, I) -> Result<T, E> + Sync,
    mut sink: impl FnMut(T) -> ControlFlow<()>,
) -> Result<(), Broken<E>> {
    if threads <= 1 {
        let mut state = new();
        while let Some(item) = next()? {
            if sink(work(&mut state, item)?).is_break() {
                break;
            }
        }
        return Ok(());
    }
    let (items, taken) = channel::<(usize, I)>();
    let (done, results) = channel();
    let taken = Mutex::new(taken);
    thread::scope(|scope| {
        for _ in 0..threads {
            let (taken, done, new, work) = (&taken, done.clone(), &new, &work);
            scope.spawn(move || work_off(taken, &done, new, work));
        }
        drop(done);
        let most = threads * IN_FLIGHT;
        Passing { items: Some(items), results, waiting: BTreeMap::new(), sent: 0, passed: 0 }
            .run(most, &mut next, &mut sink)
    })
}

fn work_off<I, S, T, E>(
    items: &Mutex<Receiver<(usize, I)>>,
    done: &Sender<(usize, Result<T, Broken<E>>)>,
    new: impl Fn() -> S,
    work: impl Fn(&mut S, I) -> Result<T, E>,
) {
    let mut state = None;
    loop {
        let next = items.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, item)) = next else {
            return;
        };
        let worked = catch_unwind(AssertUnwindSafe(|| work(state.get_or_insert_with(&new), item)));
        let outcome = match worked {
            Ok(outcome) => outcome.map_err(Broken::Failed),
            Err(_) => Err(Broken::Panicked),
        };
        if done.send((number, outcome)).is_err() {
            return;
        }
    }
}

/// Items out, results back in order.
struct Passing<I, T, E> {
    items: Option<Sender<(usize, I)>>,
    results: Receiver<(usize, Result<T, Broken<E>>)>,
    waiting: BTreeMap<usize, T>,
    sent: usize,
    passed: usize,
}

impl<I, T, E> Passing<I, T, E> {
    fn run(
        mut self,
        most: usize,
        next: &mut impl FnMut() -> Result<Option<I>, E>,
        sink: &mut impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), Broken<E>> {
        loop {
            while self.sent - self.passed < most
                && let Some(items) = &self.items
            {
                match next()?.map(|item| items.send((self.sent, item))) {
                    Some(Ok(())) => self.sent += 1,
                    _ => self.items = None,
                }
            }
            if self.passed == self.sent || self.pass_on(sink)?.is_break() {
                return Ok(());
            }
        }
    }

    /// Waits for one result and hands on what is due.
    fn pass_on(
        &mut self,
        sink: &mut impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Broken<E>> {
        let (number, result) = self.results.recv().map_err(|_| Broken::Panicked)?;
        self.waiting.insert(number, result?);
        while let Some(result) = self.waiting.remove(&self.passed) {
            self.passed += 1;
            if sink(result).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(
        threads: usize,
        work: impl Fn(&mut usize, u32) -> Result<u32, String> + Sync,
        last: u32,
    ) -> (Vec<u32>, Result<(), Broken<String>>) {
        let mut items = 0..100;
        let mut seen = Vec::new();
        let outcome = in_order(
            threads,
            || Ok(items.next()),
            || 0,
            work,
            |result| {
                seen.push(result);
                if result == last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
        (seen, outcome)
    }

    #[test]
    fn results_come_in_order_at_any_number_of_threads() {
        for threads in [0, 1, 2, 3, 8] {
            let (seen, outcome) = pass(threads, |_, item| Ok(item * 2), u32::MAX);
            assert!(outcome.is_ok() && seen == (0..100).map(|item| item * 2).collect::<Vec<_>>());
            let (seen, outcome) = pass(threads, |_, item| Ok(item), 7);
            assert!(outcome.is_ok() && seen == (0..=7).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_state_stays_with_its_thread() {
        let count = |seen: &mut usize, _| {
            *seen += 1;
            Ok(*seen as u32)
        };
        let (seen, _) = pass(1, count, u32::MAX);
        assert_eq!(seen, (1..=100).collect::<Vec<_>>());
        let (mut seen, _) = pass(4, count, u32::MAX);
        seen.sort_unstable();
        assert!(seen.iter().filter(|count| **count == 1).count() <= 4);
    }

    #[test]
    fn errors_and_panics_end_the_pass() {
        for threads in [1, 3] {
            let fails =
                |_: &mut usize, item| if item == 40 { Err("no".to_owned()) } else { Ok(item) };
            let (seen, outcome) = pass(threads, fails, u32::MAX);
            assert!(matches!(outcome, Err(Broken::Failed(text)) if text == "no"));
            assert!(seen.len() <= 40);
        }
        let (_, outcome) =
            pass(2, |_, item| if item == 5 { panic!("on purpose") } else { Ok(item) }, 99);
        assert!(matches!(outcome, Err(Broken::Panicked)));
    }
}
