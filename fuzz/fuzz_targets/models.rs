//! Payloads of `model.bin`, in a frame that holds; and the frame itself.

#![no_main]

use libfuzzer_sys::fuzz_target;
use patron::repository::decode_model;
use sha2::{Digest as _, Sha256};

fuzz_target!(|data: &[u8]| {
    let _ = decode_model(data);
    let mut bytes = b"PATRONM\0".to_vec();
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend((data.len() as u64).to_le_bytes());
    bytes.extend(data);
    let checksum: [u8; 32] = Sha256::digest(&bytes).into();
    bytes.extend(checksum);
    if let Ok(model) = decode_model(&bytes) {
        // What was read can be written, and read again.
        let written = patron::repository::encode_model(&model).expect("it is written");
        decode_model(&written).expect("what was written is read");
    }
});
