//! Old model files must keep loading, and nothing else may load as one.

use std::path::Path;

use patron::repository::{InvalidArtifact, ModelName, ModelRepository, decode_model};
use proptest::prelude::*;

const FIXTURES: &str = "tests/data/model_format_1";

#[test]
fn every_kind_of_format_1_loads_and_answers_its_golden_rows() {
    let repository = ModelRepository::open(Path::new(FIXTURES)).unwrap();
    for name in ["segments", "churn", "propensity", "forecast"] {
        let name: ModelName = name.parse().unwrap();
        let loaded = repository.load(&name, 1).unwrap();
        assert_eq!(loaded.manifest.kind.as_str(), name.as_str());
        assert!(!loaded.manifest.golden.answers.is_empty(), "{name} has no golden rows");
    }
}

#[test]
fn a_later_format_is_refused_by_name() {
    let mut bytes = model_file("churn");
    bytes[8..12].copy_from_slice(&2_u32.to_le_bytes());
    let error = decode_model(&bytes).unwrap_err();
    assert_eq!(error, InvalidArtifact::FutureFormat { found: 2, supported: 1 });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_byte_or_a_cut_never_loads(at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let bytes = model_file("propensity");
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] ^= flip;
        prop_assert!(decode_model(&changed).is_err());
        prop_assert!(decode_model(&bytes[..at.index(bytes.len())]).is_err());
    }

    #[test]
    fn any_payload_under_a_right_checksum_is_refused_without_a_panic(
        payload in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        prop_assert!(decode_model(&framed(&payload)).is_err());
    }
}

fn model_file(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(FIXTURES).join(name).join("1/model.bin")).unwrap()
}

/// A file whose frame holds, around any payload.
fn framed(payload: &[u8]) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let mut bytes = b"PATRONM\0".to_vec();
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(payload);
    let checksum: [u8; 32] = Sha256::digest(&bytes).into();
    bytes.extend(checksum);
    bytes
}
