//! Mappings of transactions and of attributes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use patron::ingest::check_mapping;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = check_mapping(text);
    }
});
