//! CSV files of transactions, row by row.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use patron::ingest::{Mapping, from_bytes};
use patron_fuzz::SHOP_MAPPING;

fuzz_target!(|data: &[u8]| {
    static MAPPING: OnceLock<Mapping> = OnceLock::new();
    let mapping = MAPPING.get_or_init(|| Mapping::parse(SHOP_MAPPING).expect("it holds"));
    let bytes = bytes::Bytes::copy_from_slice(data);
    if let Ok(rows) = from_bytes("shop.csv", bytes, mapping) {
        // A line that is wrong is a row with its problem; an error ends the file.
        rows.for_each(drop);
    }
});
