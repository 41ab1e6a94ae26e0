//! Records of a bulk import, divided by customer, beyond a limit in a file that has no name.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::mem;
use std::path::PathBuf;

/// Byte strings in a fixed number of partitions, each in the order in which it was appended.
#[derive(Debug)]
pub(super) struct Spill {
    directory: PathBuf,
    limit: usize,
    partitions: Vec<Partition>,
    in_memory: usize,
    file: Option<File>,
    file_length: u64,
}

#[derive(Debug, Default)]
struct Partition {
    bytes: Vec<u8>,
    /// Offsets and lengths in the file of what was appended before `bytes`.
    written: Vec<(u64, usize)>,
}

impl Spill {
    /// Partitions that hold up to `limit` bytes in memory together and the rest in `directory`.
    pub(super) fn new(partitions: usize, limit: usize, directory: PathBuf) -> Self {
        let partitions = (0..partitions.max(1)).map(|_| Partition::default()).collect();
        Self { directory, limit, partitions, in_memory: 0, file: None, file_length: 0 }
    }

    /// Lets `write` append to a partition.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn append(
        &mut self,
        partition: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> io::Result<()> {
        let place = partition % self.partitions.len().max(1);
        if let Some(partition) = self.partitions.get_mut(place) {
            let before = partition.bytes.len();
            write(&mut partition.bytes);
            self.in_memory += partition.bytes.len().saturating_sub(before);
        }
        if self.in_memory > self.limit { self.write_out() } else { Ok(()) }
    }

    /// Number of partitions.
    pub(super) fn len(&self) -> usize {
        self.partitions.len()
    }

    /// Takes everything that was appended to a partition.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn take(&mut self, partition: usize) -> io::Result<Vec<u8>> {
        let Some(partition) = self.partitions.get_mut(partition).map(mem::take) else {
            return Ok(Vec::new());
        };
        let Some(file) = self.file.as_mut().filter(|_| !partition.written.is_empty()) else {
            return Ok(partition.bytes);
        };
        let written: usize = partition.written.iter().map(|(_, length)| length).sum();
        let mut bytes = Vec::with_capacity(written + partition.bytes.len());
        for (offset, length) in partition.written {
            file.seek(SeekFrom::Start(offset))?;
            let read = file.take(length as u64).read_to_end(&mut bytes)?;
            if read < length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        bytes.extend_from_slice(&partition.bytes);
        Ok(bytes)
    }

    fn write_out(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&self.directory)?),
        };
        for partition in self.partitions.iter_mut().filter(|partition| !partition.bytes.is_empty())
        {
            file.write_all(&partition.bytes)?;
            let length = partition.bytes.len();
            partition.written.push((self.file_length, length));
            self.file_length += length as u64;
            partition.bytes.clear();
        }
        self.in_memory = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_come_back_whole_from_memory_and_file() {
        let directory = tempfile::tempdir().unwrap();
        for limit in [0, 10, 1 << 20] {
            let mut spill = Spill::new(3, limit, directory.path().to_owned());
            let mut expected = vec![Vec::new(); 3];
            for number in 0..100_u8 {
                let partition = usize::from(number % 3);
                spill.append(partition, |bytes| bytes.extend([number, number])).unwrap();
                expected[partition].extend([number, number]);
            }
            let taken: Vec<_> = (0..3).map(|partition| spill.take(partition).unwrap()).collect();
            assert_eq!(taken, expected, "limit {limit}");
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
