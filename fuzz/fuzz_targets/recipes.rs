//! Recipes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use patron::training::Recipe;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Recipe::parse(text);
    }
});
