//! How the repository fails.

use std::path::PathBuf;

use super::artifact::InvalidArtifact;
use super::name::{AliasName, ModelName, Version};

/// Why the repository could not do what was asked. What was there before is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// No folder of this name, or one without recipe and versions.
    #[error("model {model}: not in the repository; `patron models list` shows what is")]
    UnknownModel {
        /// The model.
        model: ModelName,
    },
    /// No such version.
    #[error(
        "model {model}: no version {version}; `patron models versions {model}` shows what there is"
    )]
    UnknownVersion {
        /// The model.
        model: ModelName,
        /// The version.
        version: Version,
    },
    /// No such alias.
    #[error("model {model}: no version has the alias {alias}; train it, or set the alias")]
    UnknownAlias {
        /// The model.
        model: ModelName,
        /// The alias.
        alias: AliasName,
    },
    /// The model has no recipe to be trained by.
    #[error("{path}: no recipe; write one, or give one with the request")]
    NoRecipe {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The model file does not hold.
    #[error("model {model} version {version}: {problem}")]
    Artifact {
        /// The model.
        model: ModelName,
        /// The version.
        version: Version,
        /// What is wrong.
        problem: InvalidArtifact,
    },
    /// The model file is whole but not the one the manifest tells of, or it answers differently.
    #[error("model {model} version {version}: {problem}; restore it or train again")]
    Mismatch {
        /// The model.
        model: ModelName,
        /// The version.
        version: Version,
        /// What differs.
        problem: String,
    },
    /// A JSON file of the repository is not what it should be.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Someone else moved an alias in between.
    #[error(
        "model {model}: aliases were changed in between (etag {found}, not {expected}); read them again"
    )]
    Etag {
        /// The model.
        model: ModelName,
        /// The etag that the caller had.
        expected: String,
        /// The etag now.
        found: String,
    },
    /// An alias still points at the version.
    #[error("model {model} version {version} is {alias}; move the alias first")]
    InUse {
        /// The model.
        model: ModelName,
        /// The version.
        version: Version,
        /// The alias.
        alias: AliasName,
    },
    /// The file system failed.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's words.
        source: std::io::Error,
    },
}
