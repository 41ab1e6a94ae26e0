//! `model.bin`: plain data with a magic, a format version, a length and a checksum.
//!
//! ```text
//! offset  bytes  what
//! 0       8      magic "PATRONM\0"
//! 8       4      format version, little-endian
//! 12      8      length of the payload, little-endian
//! 20      n      payload: the fitted model as MessagePack with named fields
//! 20 + n  32     SHA-256 of everything before
//! ```

use sha2::{Digest, Sha256};

use crate::model::FittedModel;

/// The format that this program writes; it reads this one and all before it.
pub const FORMAT_VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"PATRONM\0";
const HEADER: usize = 20;
const CHECKSUM: usize = 32;

/// Why bytes are no model file. The version that served before goes on serving.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidArtifact {
    /// Another kind of file.
    #[error("not a Patron model file: expected the magic PATRONM, found other bytes")]
    Foreign,
    /// Made by a newer program.
    #[error("model file format {found}, this program reads up to {supported}; use a newer patron")]
    FutureFormat {
        /// Its format.
        found: u32,
        /// The newest format known here.
        supported: u32,
    },
    /// Its end is missing, or something follows it.
    #[error(
        "model file cut or lengthened: expected {expected} bytes, found {found}; restore it or train again"
    )]
    Length {
        /// Bytes there should be.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// At least one byte changed.
    #[error("model file damaged: its checksum does not hold; restore it or train again")]
    Checksum,
    /// The payload is no model.
    #[error("model file payload: {0}")]
    Payload(String),
}

/// The file of a model.
///
/// # Errors
/// When the model cannot be serialised, which none of the kinds does.
pub fn encode_model(model: &FittedModel) -> Result<Vec<u8>, InvalidArtifact> {
    let payload = rmp_serde::to_vec_named(model)
        .map_err(|error| InvalidArtifact::Payload(error.to_string()))?;
    let mut bytes = Vec::with_capacity(HEADER + payload.len() + CHECKSUM);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&payload);
    let checksum: [u8; CHECKSUM] = Sha256::digest(&bytes).into();
    bytes.extend_from_slice(&checksum);
    Ok(bytes)
}

/// The model of a file.
///
/// # Errors
/// When the bytes are not exactly what [`encode_model`] of this or an older program wrote.
pub fn decode_model(bytes: &[u8]) -> Result<FittedModel, InvalidArtifact> {
    let found = bytes.len() as u64;
    let Some((magic, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(InvalidArtifact::Foreign);
    };
    if magic != MAGIC {
        return Err(InvalidArtifact::Foreign);
    }
    let cut = |expected| InvalidArtifact::Length { expected, found };
    let smallest = (HEADER + CHECKSUM) as u64;
    let (format, rest) = rest.split_first_chunk::<4>().ok_or(cut(smallest))?;
    let format = u32::from_le_bytes(*format);
    if format == 0 || format > FORMAT_VERSION {
        return Err(InvalidArtifact::FutureFormat { found: format, supported: FORMAT_VERSION });
    }
    let (length, rest) = rest.split_first_chunk::<8>().ok_or(cut(smallest))?;
    let expected = smallest.saturating_add(u64::from_le_bytes(*length));
    if expected != found {
        return Err(cut(expected));
    }
    let (payload, checksum) = rest.split_last_chunk::<CHECKSUM>().ok_or(cut(expected))?;
    let covered = bytes.get(..HEADER + payload.len()).unwrap_or_default();
    let actual: [u8; CHECKSUM] = Sha256::digest(covered).into();
    if actual != *checksum {
        return Err(InvalidArtifact::Checksum);
    }
    rmp_serde::from_slice(payload).map_err(|error| InvalidArtifact::Payload(error.to_string()))
}
