//! Files that decide who may come in.

use std::fs::{self, Metadata};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system's refusal.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Somebody else may change it.
    #[error("{0}: users other than its owner may write it (mode {mode:o}); chmod 600 {0}", .path.display())]
    Writable {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Its content does not hold.
    #[error("{}: {problem}", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What was expected, what was found.
        problem: String,
    },
}

impl FileError {
    /// Names the file in an error of the operating system.
    pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    /// A content that does not hold.
    pub fn content(path: &Path, problem: impl ToString) -> Self {
        Self::Content { path: path.to_owned(), problem: problem.to_string() }
    }
}

/// Reads a file that nobody but its owner may write.
///
/// # Errors
/// When others may, or when it cannot be read.
pub(super) fn read_guarded(path: &Path) -> Result<Vec<u8>, FileError> {
    let mode = mode(&fs::metadata(path).map_err(FileError::at(path))?);
    if mode & 0o022 != 0 {
        return Err(FileError::Writable { path: path.to_owned(), mode: mode & 0o777 });
    }
    fs::read(path).map_err(FileError::at(path))
}

/// Whether every user of the machine may read it.
pub(super) fn is_world_readable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| mode(&metadata) & 0o004 != 0)
}

/// Replaces a file: readers see the old content or the new, and only its owner may read it.
pub(super) fn replace(path: &Path, content: &str) -> Result<(), FileError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let written = NamedTempFile::new_in(folder).and_then(|mut file| {
        file.write_all(content.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)
    });
    written.map(drop).map_err(FileError::at(path))
}

#[cfg(unix)]
fn mode(metadata: &Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode()
}

/// Elsewhere permissions are not told by bits.
#[cfg(not(unix))]
fn mode(_: &Metadata) -> u32 {
    0
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_others_may_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        replace(&path, "one").unwrap();
        replace(&path, "two").unwrap();
        assert_eq!(read_guarded(&path).unwrap(), b"two");
        assert!(!is_world_readable(&path));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let refused = read_guarded(&path).unwrap_err().to_string();
        assert!(refused.contains("mode 666") && refused.contains("chmod 600"), "{refused}");
        assert!(is_world_readable(&path));
        assert!(read_guarded(&folder.path().join("none")).is_err());
    }
}
