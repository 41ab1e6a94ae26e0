//! Where files may be read and written on a caller's behalf.

use std::path::{Path, PathBuf};

/// The configured directories.
#[derive(Clone, Debug)]
pub(super) struct FileAccess {
    /// `None` for anywhere.
    directories: Option<Vec<PathBuf>>,
}

/// A file outside the configured directories.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{path}: not below one of files.directories of the server's configuration")]
pub struct PathNotAllowed {
    path: PathBuf,
}

impl FileAccess {
    /// Files below `directories` only, or anywhere.
    pub(super) fn new(directories: Option<Vec<PathBuf>>) -> Self {
        Self { directories }
    }

    /// The absolute path of a file that may be read or written.
    pub(super) fn allowed(&self, path: &Path) -> Result<PathBuf, PathNotAllowed> {
        let refused = || PathNotAllowed { path: path.to_owned() };
        let absolute = std::path::absolute(path).map_err(|_| refused())?;
        let Some(directories) = &self.directories else {
            return Ok(absolute);
        };
        let folder = absolute.parent().unwrap_or(&absolute);
        // Links are followed before the comparison, so that a link cannot lead out.
        let real_folder = folder.canonicalize().map_err(|_| refused())?;
        let real = match absolute.canonicalize() {
            Ok(existing) => existing,
            Err(_) => real_folder.join(absolute.file_name().unwrap_or_default()),
        };
        let below = |directory: &PathBuf| {
            directory.canonicalize().is_ok_and(|directory| real.starts_with(directory))
        };
        if directories.iter().any(below) { Ok(real) } else { Err(refused()) }
    }
}
