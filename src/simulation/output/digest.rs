//! A file that knows its length and its SHA-256.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::simulation::SimulationError;

/// A file that was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Written {
    /// Its name within the directory.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal digits.
    pub sha256: String,
}

/// Writes through a buffer and hashes what goes through.
#[derive(Debug)]
pub(super) struct DigestFile {
    path: PathBuf,
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl DigestFile {
    pub(super) fn create(path: &Path) -> Result<Self, SimulationError> {
        let file = File::create(path).map_err(|error| SimulationError::output(path)(&error))?;
        let file = BufWriter::with_capacity(1 << 18, file);
        Ok(Self { path: path.to_owned(), file, hash: Sha256::new(), bytes: 0 })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes all content at once and ends the file.
    pub(super) fn write_all(mut self, content: &[u8]) -> Result<Written, SimulationError> {
        let written = Write::write_all(&mut self, content);
        written.map_err(|error| SimulationError::output(&self.path)(&error))?;
        self.finish()
    }

    /// Ends the file.
    pub(super) fn finish(mut self) -> Result<Written, SimulationError> {
        self.file.flush().map_err(|error| SimulationError::output(&self.path)(&error))?;
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let digest: [u8; 32] = self.hash.finalize().into();
        let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Written { name, bytes: self.bytes, sha256 })
    }
}

impl Write for DigestFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
