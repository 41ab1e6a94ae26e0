//! Parquet files of transactions: row by row, and by column into histories.

#![no_main]

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use patron::ingest::{Mapping, ParquetHistories, ReadOptions, from_bytes};
use patron::transaction::{ShopClock, Timestamp};
use patron_fuzz::project;

/// What every file is read with.
struct Reading {
    mapping: Mapping,
    clock: ShopClock,
    /// A file of this process alone.
    path: PathBuf,
}

fn reading() -> Reading {
    let mapping = fs::read_to_string(project("tests/data/cdnow/mapping.toml"));
    let mapping = mapping.expect("the mapping of the sample is there");
    Reading {
        mapping: Mapping::parse(&mapping).expect("it holds"),
        clock: ShopClock::new("Europe/London").expect("a known zone"),
        path: std::env::temp_dir().join(format!("patron-fuzz-{}.parquet", std::process::id())),
    }
}

/// The decoder of the parquet crate panics on some damaged files, which Patron contains and answers
/// with an error; every other panic is a finding.
fn only_ours_is_a_finding() {
    let finding = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let file = panic.location().map_or("", std::panic::Location::file);
        let theirs = ["/parquet-", "/arrow-", "/thrift-", "/snap-", "/bytes-", "/library/"];
        if !theirs.iter().any(|part| file.contains(part)) {
            finding(panic);
        }
    }));
}

fuzz_target!(init: only_ours_is_a_finding(), |data: &[u8]| {
    static READING: OnceLock<Reading> = OnceLock::new();
    let Reading { mapping, clock, path } = READING.get_or_init(reading);
    let bytes = bytes::Bytes::copy_from_slice(data);
    if let Ok(rows) = from_bytes("sales.parquet", bytes, mapping) {
        rows.for_each(drop);
    }
    fs::write(path, data).expect("the temporary directory can be written");
    let options = ReadOptions {
        currency: "USD",
        clock,
        threads: 1,
        memory_limit_bytes: 1 << 20,
        spill_directory: path.parent().expect("a file is in a directory"),
        now: Timestamp::from_micros(0),
        tick: &|_| ControlFlow::Continue(()),
    };
    let _ = ParquetHistories::read(std::slice::from_ref(path), mapping, options);
});
