//! Records of a bulk import, divided by customer, beyond a limit in a file that has no name.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::mem;
use std::path::PathBuf;

/// Bytes that are written to the file at a time.
const BUFFER: usize = 1 << 20;

/// Byte strings in a fixed number of partitions, each in the order in which it was appended.
#[derive(Debug)]
pub(super) struct Spill {
    directory: PathBuf,
    limit: usize,
    partitions: Vec<Partition>,
    in_memory: usize,
    file: Option<BufWriter<File>>,
    file_length: u64,
}

#[derive(Debug, Default)]
struct Partition {
    chunks: Vec<Box<[u8]>>,
    /// Offsets and lengths in the file of what was appended before `chunks`.
    written: Vec<(u64, usize)>,
}

impl Spill {
    /// Partitions that hold up to `limit` bytes in memory together and the rest in `directory`.
    pub(super) fn new(partitions: usize, limit: usize, directory: PathBuf) -> Self {
        let partitions = (0..partitions.max(1)).map(|_| Partition::default()).collect();
        Self { directory, limit, partitions, in_memory: 0, file: None, file_length: 0 }
    }

    /// Appends to a partition.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn append(&mut self, partition: usize, bytes: Box<[u8]>) -> io::Result<()> {
        let place = partition % self.partitions.len().max(1);
        if let Some(partition) = self.partitions.get_mut(place) {
            self.in_memory += bytes.len();
            partition.chunks.push(bytes);
        }
        if self.in_memory > self.limit { self.write_out() } else { Ok(()) }
    }

    /// Number of partitions.
    pub(super) fn len(&self) -> usize {
        self.partitions.len()
    }

    /// Takes everything that was appended to a partition, cut only where two appended byte strings
    /// met.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn take(&mut self, partition: usize) -> io::Result<Vec<Box<[u8]>>> {
        let Some(mut partition) = self.partitions.get_mut(partition).map(mem::take) else {
            return Ok(Vec::new());
        };
        let Some(file) = self.file.as_mut().filter(|_| !partition.written.is_empty()) else {
            return Ok(partition.chunks);
        };
        let written: usize = partition.written.iter().map(|(_, length)| length).sum();
        let mut bytes = Vec::with_capacity(written);
        for (offset, length) in partition.written {
            file.seek(SeekFrom::Start(offset))?;
            let read = file.get_mut().take(length as u64).read_to_end(&mut bytes)?;
            if read < length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        partition.chunks.insert(0, bytes.into());
        Ok(partition.chunks)
    }

    fn write_out(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none
                .insert(BufWriter::with_capacity(BUFFER, tempfile::tempfile_in(&self.directory)?)),
        };
        for partition in self.partitions.iter_mut().filter(|partition| !partition.chunks.is_empty())
        {
            let mut length = 0;
            for chunk in partition.chunks.drain(..) {
                file.write_all(&chunk)?;
                length += chunk.len();
            }
            partition.written.push((self.file_length, length));
            self.file_length += length as u64;
        }
        file.flush()?;
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
                spill.append(partition, Box::new([number, number])).unwrap();
                expected[partition].extend([number, number]);
            }
            let taken = (0..3).map(|partition| spill.take(partition).unwrap().concat());
            let taken: Vec<_> = taken.collect();
            assert_eq!(taken, expected, "limit {limit}");
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
