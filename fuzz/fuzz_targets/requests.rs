//! Messages to a server in this process. The first byte chooses the method.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use patron_fuzz::requests::{Vectors, requests};
use patron_fuzz::wire::send;
use patron_fuzz::{Served, shop_directory};

/// The methods, in the order in which `prepare` numbers them.
fn methods() -> Vec<&'static str> {
    let vectors = Vectors { columns: 1, values: vec![0.0] };
    requests(&vectors).into_iter().map(|(method, _)| method).collect()
}

fuzz_target!(|data: &[u8]| {
    static SERVED: OnceLock<(Served, Vec<&'static str>)> = OnceLock::new();
    let (served, methods) = SERVED.get_or_init(|| {
        let directory = shop_directory();
        assert!(
            directory.join("data").exists(),
            "run `cargo run --release --example prepare` first"
        );
        (Served::on(&directory), methods())
    });
    let Some((method, message)) = data.split_first() else { return };
    let method = methods[usize::from(*method) % methods.len()];
    // A panic within the server ends the process; what it answers otherwise is its own affair.
    let _ = served.runtime.block_on(send(served.channel.clone(), method, message.to_vec()));
});
