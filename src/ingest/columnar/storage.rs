//! Bytes that are kept in memory up to a limit and in a temporary file beyond it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Where bytes go. The file has no name from its first moment on, so nothing is left behind.
#[derive(Debug)]
pub(super) struct Storage {
    limit: u64,
    used: AtomicU64,
    directory: PathBuf,
    spill: Mutex<Option<Spill>>,
}

/// Bytes that are kept.
#[derive(Debug)]
pub(super) enum Kept {
    Memory(Box<[u8]>),
    /// Position of the first byte in the file.
    File(u64),
}

#[derive(Debug)]
struct Spill {
    file: File,
    length: u64,
}

impl Storage {
    /// Keeps at most `limit` bytes in memory; `directory` is touched when they are not enough.
    pub(super) fn new(limit: u64, directory: PathBuf) -> Self {
        Self { limit, used: AtomicU64::new(0), directory, spill: Mutex::new(None) }
    }

    /// Keeps `bytes`.
    pub(super) fn keep(&self, bytes: Vec<u8>) -> io::Result<Kept> {
        let length = bytes.len() as u64;
        let before = self.used.fetch_add(length, Ordering::Relaxed);
        if before.saturating_add(length) <= self.limit {
            return Ok(Kept::Memory(bytes.into()));
        }
        self.used.fetch_sub(length, Ordering::Relaxed);
        let mut spill = self.spill.lock().unwrap_or_else(PoisonError::into_inner);
        let spill = match &mut *spill {
            Some(spill) => spill,
            none => none.insert(Spill { file: unlinked(&self.directory)?, length: 0 }),
        };
        let position = spill.length;
        spill.file.seek(SeekFrom::Start(position))?;
        spill.file.write_all(&bytes)?;
        spill.length += length;
        Ok(Kept::File(position))
    }

    /// Forgets what was kept, whose room in memory is then free. The file does not shrink.
    pub(super) fn release(&self, kept: Kept) {
        if let Kept::Memory(bytes) = kept {
            self.used.fetch_sub(bytes.len() as u64, Ordering::Relaxed);
        }
    }

    /// Some of the kept bytes; `buffer` takes those that come from the file.
    pub(super) fn read<'a>(
        &self,
        kept: &'a Kept,
        range: Range<usize>,
        buffer: &'a mut Vec<u8>,
    ) -> io::Result<&'a [u8]> {
        match kept {
            Kept::Memory(bytes) => Ok(bytes.get(range).unwrap_or_default()),
            Kept::File(position) => {
                buffer.clear();
                buffer.resize(range.len(), 0);
                let mut spill = self.spill.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(Spill { file, .. }) = &mut *spill {
                    file.seek(SeekFrom::Start(position + range.start as u64))?;
                    file.read_exact(buffer)?;
                }
                Ok(buffer)
            }
        }
    }

    /// Whether the limit was passed.
    #[cfg(test)]
    pub(super) fn has_spilled(&self) -> bool {
        self.spill.lock().unwrap().is_some()
    }
}

/// A new file that has already been removed: it lives as long as it is open.
fn unlinked(directory: &std::path::Path) -> io::Result<File> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = directory.join(format!("patron-spill-{}-{number}", std::process::id()));
        match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => {
                fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_beyond_the_limit_come_back_from_a_file_without_a_name() {
        let directory = tempfile::tempdir().unwrap();
        let storage = Storage::new(100, directory.path().to_owned());
        let numbers: Vec<u8> = (0..=255).cycle().take(20_000).collect();
        let first = storage.keep(numbers[..100].to_vec()).unwrap();
        assert!(!storage.has_spilled());
        let second = storage.keep(numbers.clone()).unwrap();
        let third = storage.keep(numbers[50..60].to_vec()).unwrap();
        assert!(storage.has_spilled());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        let mut buffer = Vec::new();
        assert_eq!(storage.read(&first, 98..100, &mut buffer).unwrap(), [98, 99]);
        let read = storage.read(&second, 3..19_000, &mut buffer).unwrap();
        assert_eq!(read, &numbers[3..19_000]);
        assert_eq!(storage.read(&third, 9..10, &mut buffer).unwrap(), [59]);
        storage.release(first);
        assert!(matches!(storage.keep(vec![1; 100]).unwrap(), Kept::Memory(_)));
    }
}
