//! Versions of models in a directory, in the layout of Triton and KServe.
//!
//! ```text
//! models/churn/recipe.toml        what to train
//! models/churn/aliases.json       champion -> 3
//! models/churn/3/manifest.json    lineage, metrics, golden rows
//! models/churn/3/model.bin        the fitted model: magic, format, payload, checksum
//! models/churn/3/evaluation.json  the evaluation in full
//! ```
//!
//! A version is written beside its place, synced and renamed, so it is there whole or not at all.
//! It is loaded only when magic, format and checksum hold and its golden rows answer as they did.

mod aliases;
mod artifact;
mod directory;
mod error;
mod manifest;
mod name;
mod reference;
mod write;

pub use self::aliases::{Alias, Aliases};
pub use self::artifact::{FORMAT_VERSION, InvalidArtifact, decode_model, encode_model};
pub use self::directory::{LoadedModel, ModelRepository, NewVersion};
pub use self::error::RepositoryError;
pub use self::manifest::{
    DataLineage, Gate, GoldenRows, LabelWindow, MANIFEST_VERSION, Manifest, Metric, SegmentsLineage,
};
pub use self::name::{AliasName, InvalidName, ModelName, Version};
pub use self::reference::{InvalidReference, ModelReference};
