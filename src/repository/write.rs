//! Writes that are there whole or not at all.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use uuid::Uuid;

use super::RepositoryError;

/// Prefix of files and folders that are not finished; whoever lists the repository passes them by.
pub(super) const UNFINISHED: &str = ".unfinished-";

pub(super) fn unfinished_name() -> String {
    format!("{UNFINISHED}{}", Uuid::now_v7())
}

/// Replaces `path` by `bytes`: readers see the old content or the new.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), RepositoryError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let temporary = folder.join(unfinished_name());
    let written = write_synced(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path).map_err(at(path)))
        .and_then(|()| sync_folder(folder));
    if written.is_err() {
        // Best effort: an unfinished file is passed by anyway.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Writes a new file and waits until it is on the medium.
pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), RepositoryError> {
    let mut file = File::create(path).map_err(at(path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at(path))
}

/// Makes renames within a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), RepositoryError> {
    let opened = File::open(folder).map_err(at(folder))?;
    opened.sync_all().map_err(at(folder))
}

/// Names the file in an error of the operating system.
pub(super) fn at(path: &Path) -> impl FnOnce(std::io::Error) -> RepositoryError {
    let path = path.to_owned();
    move |source| RepositoryError::Io { path, source }
}
