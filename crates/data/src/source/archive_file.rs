//! An archive that many threads read at once, each from its own position.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use crate::positioned::read_at;

const BUFFER_BYTES: usize = 16 << 10;

/// A part of an open file, with a position of its own. A clone shares the file and nothing else.
#[derive(Debug)]
pub(super) struct ArchiveFile {
    file: Arc<File>,
    start: u64,
    len: u64,
    position: u64,
    /// What was read from `buffered_at` on: archives are read in small steps.
    buffer: Vec<u8>,
    buffered_at: u64,
}

impl Clone for ArchiveFile {
    fn clone(&self) -> Self {
        let (file, buffer) = (Arc::clone(&self.file), Vec::new());
        ArchiveFile { file, buffer, buffered_at: 0, ..*self }
    }
}

impl ArchiveFile {
    /// All of a file of this length.
    pub(super) fn new(file: File, len: u64) -> ArchiveFile {
        ArchiveFile { file: Arc::new(file), start: 0, len, position: 0, buffer: Vec::new(), buffered_at: 0 }
    }

    /// The `len` bytes from `start` on, or as many of them as there are.
    pub(super) fn part(&self, start: u64, len: u64) -> ArchiveFile {
        let len = len.min(self.len.saturating_sub(start));
        let mut part = self.clone();
        (part.start, part.len, part.position) = (self.start.saturating_add(start), len, 0);
        part
    }

    /// Reads bytes at a position of this part.
    fn read_at(&self, bytes: &mut [u8], position: u64) -> io::Result<usize> {
        read_at(&self.file, bytes, self.start + position)
    }
}

impl Read for ArchiveFile {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let wanted = out.len().min(left);
        if wanted == 0 {
            return Ok(0);
        }
        let offset = usize::try_from(self.position.wrapping_sub(self.buffered_at)).unwrap_or(usize::MAX);
        if offset >= self.buffer.len() {
            if wanted >= BUFFER_BYTES {
                let read = self.read_at(&mut out[..wanted], self.position)?;
                self.position += read as u64;
                return Ok(read);
            }
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.resize(BUFFER_BYTES.min(left), 0);
            let read = self.read_at(&mut buffer, self.position)?;
            buffer.truncate(read);
            (self.buffer, self.buffered_at) = (buffer, self.position);
        }
        let offset = (self.position - self.buffered_at) as usize;
        let available = &self.buffer[offset..];
        let read = available.len().min(wanted);
        out[..read].copy_from_slice(&available[..read]);
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for ArchiveFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.len.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn parts_are_read_as_they_lie_and_end_where_they_should() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|i| (i * 7 % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let whole = ArchiveFile::new(file, bytes.len() as u64);
        for (start, len) in [(0, 100_000), (5, 17), (99_990, 50), (200_000, 1), (17, 60_000)] {
            let expected = &bytes[start.min(bytes.len())..(start + len).min(bytes.len())];
            let mut part = whole.part(start as u64, len as u64);
            for step in [1, 1000, 50_000] {
                part.seek(SeekFrom::Start(0)).unwrap();
                let mut read = Vec::new();
                while part.by_ref().take(step).read_to_end(&mut read).unwrap() > 0 {}
                assert!(read == expected, "{start} {len} {step}");
            }
            if expected.len() > 3 {
                part.seek(SeekFrom::End(-3)).unwrap();
                let mut last = Vec::new();
                part.clone().read_to_end(&mut last).unwrap();
                assert_eq!(last, expected[expected.len() - 3..]);
                assert_eq!(part.seek(SeekFrom::Current(-1)).unwrap(), expected.len() as u64 - 4);
            }
            assert!(part.seek(SeekFrom::Current(-1_000_000)).is_err());
        }
    }
}
