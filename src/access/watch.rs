//! Files that may change while the server runs.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::file::{FileError, is_world_readable, read_guarded};

/// Some files that belong together, read again when one of them changes.
#[derive(Debug)]
pub struct WatchedFiles {
    paths: Vec<PathBuf>,
    /// The one that nobody else should read.
    secret: Option<PathBuf>,
    seen: Option<Seen>,
}

/// What the last look found.
#[derive(Debug, Eq, PartialEq)]
enum Seen {
    Content([u8; 32]),
    Failure(String),
}

impl WatchedFiles {
    /// Files without secrets.
    pub fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { paths: paths.into_iter().collect(), secret: None, seen: None }
    }

    /// Names the one of the files that nobody else should read.
    pub fn with_secret(mut self, path: PathBuf) -> Self {
        self.secret = Some(path);
        self
    }

    /// The content of all files, in order, unless it is what the last look found. Contents are
    /// compared, not times: a copy may keep the old time.
    ///
    /// # Errors
    /// When one cannot be read, or others may write it. The same failure is told once.
    pub fn changed(&mut self) -> Result<Option<Vec<Vec<u8>>>, FileError> {
        let read: Result<Vec<_>, _> = self.paths.iter().map(|path| read_guarded(path)).collect();
        let seen = match &read {
            Ok(contents) => Seen::Content(digest(contents)),
            Err(error) => Seen::Failure(error.to_string()),
        };
        if self.seen.as_ref() == Some(&seen) {
            return Ok(None);
        }
        self.seen = Some(seen);
        if let Some(path) = self.secret.as_ref().filter(|path| is_world_readable(path)) {
            tracing::warn!(path = %path.display(), "every user may read this file; chmod 600");
        }
        read.map(Some)
    }
}

fn digest(contents: &[Vec<u8>]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for content in contents {
        digest.update(content.len().to_le_bytes());
        digest.update(content);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::file::replace;

    #[test]
    fn a_change_and_a_failure_are_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let mut files = WatchedFiles::new([one.clone(), two.clone()]);
        replace(&one, "1").unwrap();
        assert!(files.changed().is_err());
        assert!(files.changed().unwrap().is_none());
        replace(&two, "2").unwrap();
        assert_eq!(files.changed().unwrap().unwrap(), [b"1", b"2"]);
        assert!(files.changed().unwrap().is_none());
        replace(&two, "").unwrap();
        replace(&one, "12").unwrap();
        assert_eq!(files.changed().unwrap().unwrap(), [&b"12"[..], b""]);
    }
}
