//! All pieces of all files, on several threads.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use super::decode::Contract;
use super::names::Names;
use super::piece::{Partitions, PieceReader, PieceResult};
use super::plan::{Columns, ParquetInput, Piece, pieces};
use super::repeats::Fates;
use super::storage::Storage;
use super::tally::Tally;
use super::{ParquetHistories, ReadHistoriesError, ReadOptions};
use crate::ingest::mapping::Mapping;

/// Longest time between two calls of `tick`.
const TICK: Duration = Duration::from_millis(50);

/// What the threads share.
struct Work<'a> {
    contract: Contract<'a>,
    storage: &'a Storage,
    partitions: Partitions,
    inputs: &'a [ParquetInput],
    pieces: &'a [Piece],
    next: AtomicUsize,
    rows: AtomicU64,
    is_stopped: AtomicBool,
}

type Outcome = (usize, Result<PieceResult, ReadHistoriesError>);

pub(super) fn read(
    paths: &[PathBuf],
    mapping: &Mapping,
    options: &ReadOptions<'_>,
) -> Result<ParquetHistories, ReadHistoriesError> {
    let inputs: Result<Vec<ParquetInput>, _> =
        paths.iter().map(|path| open(path, mapping)).collect();
    let inputs = inputs?;
    let pieces = pieces(&inputs);
    let rows = inputs.iter().map(ParquetInput::rows).sum();
    let partitions = Partitions::of_rows(rows);
    let storage = Storage::new(options.memory_limit_bytes, options.spill_directory.to_owned());
    let names = Names::default();
    let contract = Contract {
        mapping,
        currency: options.currency,
        now: options.now,
        names: &names,
        numbers_customers: true,
    };
    let work = Work {
        contract,
        storage: &storage,
        partitions,
        inputs: &inputs,
        pieces: &pieces,
        next: AtomicUsize::new(0),
        rows: AtomicU64::new(0),
        is_stopped: AtomicBool::new(false),
    };
    let results = work.run(options, rows)?;
    let mut tally = Tally::default();
    let (mut blocks, mut runs) = (Vec::new(), Vec::new());
    for result in results {
        tally.add(result.tally);
        blocks.push(result.block);
        runs.push(result.runs);
    }
    let go_on = || match (options.tick)(1.0) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(ReadHistoriesError::Cancelled),
    };
    let fates = Fates::of((&blocks, &runs), partitions, &storage, options.threads, &go_on)?;
    runs.into_iter().for_each(|runs| storage.release(runs.kept));
    let names = names.finish();
    let counts = tally.finish(fates.duplicates, fates.corrected, names.customers.len() as u64);
    let clock = options.clock.clone();
    Ok(ParquetHistories { clock, names, partitions, storage, blocks, fates, counts })
}

fn open(path: &Path, mapping: &Mapping) -> Result<ParquetInput, ReadHistoriesError> {
    match ParquetInput::open(path, mapping, Columns::Mapped) {
        Ok(Some(input)) => Ok(input),
        Ok(None) => Err(ReadHistoriesError::NotParquet { path: path.to_owned() }),
        Err(source) => Err(ReadHistoriesError::File { path: path.to_owned(), source }),
    }
}

impl Work<'_> {
    /// The results of all pieces in their order, or the fault of the first piece that has one.
    fn run(
        &self,
        options: &ReadOptions<'_>,
        rows: u64,
    ) -> Result<Vec<PieceResult>, ReadHistoriesError> {
        let (sender, receiver) = mpsc::channel::<Outcome>();
        let mut results: Vec<Option<PieceResult>> = Vec::new();
        results.resize_with(self.pieces.len(), || None);
        let mut fault: Option<(usize, ReadHistoriesError)> = None;
        let mut is_cancelled = false;
        thread::scope(|scope| {
            for _ in 0..options.threads.max(1).min(self.pieces.len()) {
                let sender = sender.clone();
                scope.spawn(move || self.read_pieces(&sender));
            }
            drop(sender);
            loop {
                let outcome = receiver.recv_timeout(TICK);
                let fraction = self.rows.load(Ordering::Relaxed) as f64 / rows.max(1) as f64;
                if !is_cancelled && (options.tick)(fraction.min(1.0)).is_break() {
                    is_cancelled = true;
                    self.is_stopped.store(true, Ordering::Relaxed);
                }
                match outcome {
                    Ok((at, Ok(result))) => {
                        if let Some(place) = results.get_mut(at) {
                            *place = Some(result);
                        }
                    }
                    Ok((at, Err(error))) => {
                        if fault.as_ref().is_none_or(|(first, _)| at < *first) {
                            fault = Some((at, error));
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
        });
        match fault {
            _ if is_cancelled => Err(ReadHistoriesError::Cancelled),
            Some((_, error)) => Err(error),
            None => results.into_iter().collect::<Option<_>>().ok_or(ReadHistoriesError::Thread),
        }
    }

    /// Takes pieces in order until none is left. After a fault no more are begun, but those that
    /// were go on: one of them may hold an earlier fault.
    fn read_pieces(&self, sender: &Sender<Outcome>) {
        let mut reader = PieceReader::new(self.contract, self.storage, self.partitions);
        let hear = |rows: u64| {
            self.rows.fetch_add(rows, Ordering::Relaxed);
            !self.is_stopped.load(Ordering::Relaxed)
        };
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(piece) = self.pieces.get(at) else { return };
            let Some(input) = self.inputs.get(piece.input) else { return };
            let result = match reader.read(input, piece, &hear) {
                Ok(Some(result)) => Ok(result),
                Ok(None) => return,
                Err(error) => Err(error),
            };
            if result.is_err() {
                self.next.fetch_max(self.pieces.len(), Ordering::Relaxed);
            }
            if sender.send((at, result)).is_err() {
                return;
            }
        }
    }
}
