//! Words that are kept in memory up to a limit and in a temporary file beyond it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Words that are turned into bytes at a time.
const CHUNK: usize = 8_192;

/// Where words go. The file has no name from its first moment on, so nothing is left behind.
#[derive(Debug)]
pub(super) struct Storage {
    limit: u64,
    used: AtomicU64,
    directory: PathBuf,
    spill: Mutex<Option<Spill>>,
}

/// Words that are kept.
#[derive(Debug)]
pub(super) enum Words {
    Memory(Box<[u64]>),
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

    /// Keeps `words`.
    pub(super) fn keep(&self, words: Vec<u64>) -> io::Result<Words> {
        let bytes = size_of::<u64>() as u64 * words.len() as u64;
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) <= self.limit {
            return Ok(Words::Memory(words.into_boxed_slice()));
        }
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        let mut spill = self.spill.lock().unwrap_or_else(PoisonError::into_inner);
        let spill = match &mut *spill {
            Some(spill) => spill,
            none => none.insert(Spill { file: unlinked(&self.directory)?, length: 0 }),
        };
        let position = spill.length;
        spill.append(&words)?;
        Ok(Words::File(position))
    }

    /// Forgets `words`, whose room in memory is then free. The file does not shrink.
    pub(super) fn release(&self, words: Words) {
        if let Words::Memory(words) = words {
            self.used.fetch_sub(size_of::<u64>() as u64 * words.len() as u64, Ordering::Relaxed);
        }
    }

    /// Some of the kept words; `buffer` takes those that come from the file.
    pub(super) fn read<'a>(
        &self,
        words: &'a Words,
        range: Range<usize>,
        buffer: &'a mut Vec<u64>,
    ) -> io::Result<&'a [u64]> {
        match words {
            Words::Memory(words) => Ok(words.get(range).unwrap_or_default()),
            Words::File(position) => {
                buffer.clear();
                let start = position + (range.start * size_of::<u64>()) as u64;
                let mut spill = self.spill.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(spill) = &mut *spill {
                    spill.read(start, range.len(), buffer)?;
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

impl Spill {
    fn append(&mut self, words: &[u64]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.length))?;
        let mut bytes = Vec::with_capacity(CHUNK * size_of::<u64>());
        for chunk in words.chunks(CHUNK) {
            bytes.clear();
            bytes.extend(chunk.iter().flat_map(|word| word.to_le_bytes()));
            self.file.write_all(&bytes)?;
            self.length += bytes.len() as u64;
        }
        Ok(())
    }

    fn read(&mut self, start: u64, count: usize, words: &mut Vec<u64>) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(start))?;
        let mut bytes = vec![0; CHUNK.min(count) * size_of::<u64>()];
        let mut left = count;
        while left > 0 {
            let now = left.min(CHUNK);
            let bytes = bytes.get_mut(..now * size_of::<u64>()).unwrap_or_default();
            self.file.read_exact(bytes)?;
            let (chunks, _) = bytes.as_chunks();
            words.extend(chunks.iter().map(|chunk| u64::from_le_bytes(*chunk)));
            left -= now;
        }
        Ok(())
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
    fn words_beyond_the_limit_come_back_from_a_file_without_a_name() {
        let directory = tempfile::tempdir().unwrap();
        let storage = Storage::new(800, directory.path().to_owned());
        let first = storage.keep((0..100).collect()).unwrap();
        assert!(!storage.has_spilled());
        let second = storage.keep((0..20_000).collect()).unwrap();
        let third = storage.keep((50..60).collect()).unwrap();
        assert!(storage.has_spilled());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        let mut buffer = Vec::new();
        assert_eq!(storage.read(&first, 98..100, &mut buffer).unwrap(), [98, 99]);
        let read = storage.read(&second, 3..19_000, &mut buffer).unwrap();
        assert!(read.iter().copied().eq(3..19_000));
        assert_eq!(storage.read(&third, 9..10, &mut buffer).unwrap(), [59]);
        storage.release(first);
        assert!(matches!(storage.keep(vec![1; 100]).unwrap(), Words::Memory(_)));
    }
}
