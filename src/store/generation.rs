//! A file that tells which commit is the newest, for those who would otherwise ask the database.
//!
//! Every transaction writes it before it commits, while nobody else may write. So whoever finds the
//! commit there that it knows may be sure that there is no newer one. A transaction that fails, or a
//! process that dies, leaves a commit there that nobody knows: then everyone asks the database, until
//! the next commit.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::StoreError;
use super::error::Fault;
use super::state::State;

/// The file beside a database.
#[derive(Debug)]
pub(super) struct Generation {
    path: PathBuf,
    file: File,
}

impl Generation {
    /// Opens or creates the file of a database.
    pub(super) fn open(database: &Path) -> Result<Self, StoreError> {
        let path = database.with_extension("generation");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        match options.open(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(error) => Err(StoreError::Open { path, detail: error.to_string() }),
        }
    }

    /// Tells everyone that the next commit ends in `state`. Only in the transaction of that commit.
    pub(super) fn tell(&self, state: &State) -> Result<(), Fault> {
        let failed = |error: io::Error| {
            Fault::from(StoreError::Io { path: self.path.clone(), detail: error.to_string() })
        };
        self.file.write_all_at(&bytes(state), 0).map_err(failed)
    }

    /// Whether `state`, which was committed, is the newest.
    pub(super) fn is(&self, state: &State) -> bool {
        let mut found = bytes(&State::default());
        let read = self.file.read_exact_at(&mut found, 0);
        read.is_ok() && found == bytes(state)
    }
}

/// Both numbers rise, and no two commits have the same. Those that a torn read mixes are no matter:
/// all is as it was before the commit, or something is new.
fn bytes(state: &State) -> [u8; 16] {
    (u128::from(state.epoch.cast_unsigned()) << 64 | u128::from(state.last_batch.cast_unsigned()))
        .to_le_bytes()
}
