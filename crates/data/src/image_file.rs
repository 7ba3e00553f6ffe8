//! Images of one size in a file, read when they are needed.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use rayon::prelude::*;

use crate::error::DataError;
use crate::positioned::read_exact_at;

/// Bytes that are read at a time when many images in a row are wanted.
const BUFFER_BYTES: usize = 8 << 20;

/// Images of one size, one after the other in an open file, and the CRC-32 of each.
///
/// Images are read with positioned reads. If the file is cut or changed while it is in use, the next read of an image
/// that is affected is an error.
#[derive(Debug)]
pub(crate) struct ImageFile {
    file: File,
    /// The name that the file had when it was opened, for messages.
    path: PathBuf,
    /// Position of the first image in the file.
    start: u64,
    image_bytes: usize,
    checksums: Vec<u32>,
}

impl ImageFile {
    /// As many images of `image_bytes` bytes as there are `checksums`, from the position `start` of `file` on.
    pub(crate) fn new(file: File, path: PathBuf, start: u64, image_bytes: usize, checksums: Vec<u32>) -> ImageFile {
        ImageFile { file, path, start, image_bytes, checksums }
    }

    /// Number of images.
    pub(crate) fn len(&self) -> usize {
        self.checksums.len()
    }

    /// The CRC-32 of each image.
    pub(crate) fn checksums(&self) -> &[u32] {
        &self.checksums
    }

    /// Keeps the first `len` images and forgets the others.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.checksums.truncate(len);
    }

    /// Reads image `index` into `out`.
    ///
    /// # Errors
    /// [`DataError::CacheChanged`] if it cannot be read or is not what its checksum says.
    pub(crate) fn read(&self, index: usize, out: &mut [u8]) -> Result<(), DataError> {
        self.read_range(index, out).map_err(|source| self.changed(source))
    }

    /// Calls `each` with the images of `range`, a few at a time and in their order.
    ///
    /// # Errors
    /// Those of [`ImageFile::read`] and of `each`.
    pub(crate) fn read_each(
        &self,
        range: Range<usize>,
        mut each: impl FnMut(&[u8]) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let mut buffer = Vec::new();
        for part in self.parts(range) {
            buffer.resize(part.len() * self.image_bytes, 0);
            self.read(part.start, &mut buffer)?;
            each(&buffer)?;
        }
        Ok(())
    }

    /// Compares the images of `range` with their checksums in one sequential pass over the file. An image that cannot
    /// be read is not intact.
    pub(crate) fn are_intact(&self, range: Range<usize>) -> Vec<bool> {
        let mut intact = Vec::with_capacity(range.len());
        let mut buffer = Vec::new();
        for part in self.parts(range) {
            buffer.resize(part.len() * self.image_bytes, 0);
            match read_exact_at(&self.file, &mut buffer, self.position(part.start)) {
                Ok(()) => {
                    let images = buffer.par_chunks_exact(self.image_bytes).zip(&self.checksums[part]);
                    intact.par_extend(images.map(|(image, checksum)| crc32fast::hash(image) == *checksum));
                }
                // A part of the disk may be unreadable, or the file too short.
                Err(_) => {
                    let image = &mut buffer[..self.image_bytes];
                    intact.extend(part.map(|index| self.read_range(index, image).is_ok()));
                }
            }
        }
        intact
    }

    /// Cuts a range of images into parts that fill the buffer.
    fn parts(&self, range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let most = (BUFFER_BYTES / self.image_bytes).max(1);
        range.clone().step_by(most).map(move |start| start..range.end.min(start + most))
    }

    /// Returns the position of an image in the file.
    fn position(&self, index: usize) -> u64 {
        self.start + index as u64 * self.image_bytes as u64
    }

    /// Reads images from `first` on into `out`, and checks each.
    fn read_range(&self, first: usize, out: &mut [u8]) -> io::Result<()> {
        read_exact_at(&self.file, out, self.position(first))?;
        let mut images = out.chunks_exact(self.image_bytes).zip(&self.checksums[first..]);
        match images.all(|(image, checksum)| crc32fast::hash(image) == *checksum) {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::InvalidData, "its bytes have changed")),
        }
    }

    /// Returns the error for a file that was changed while it was in use.
    fn changed(&self, source: io::Error) -> DataError {
        DataError::CacheChanged { path: self.path.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, SeekFrom, Write};

    const BYTES: usize = 3 << 20;

    /// Seven images of 3 MiB after 5 other bytes, so two fill the buffer.
    fn seven() -> (File, ImageFile, Vec<Vec<u8>>) {
        let images: Vec<Vec<u8>> = (0..7).map(|n| (0..BYTES).map(|i| (n * 37 + i * i / 7) as u8).collect()).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[[9; 5].as_slice(), &images.concat()].concat()).unwrap();
        let checksums = images.iter().map(|image| crc32fast::hash(image)).collect();
        (file.try_clone().unwrap(), ImageFile::new(file, "cache".into(), 5, BYTES, checksums), images)
    }

    #[test]
    fn images_are_read_alone_and_in_a_row() {
        let (_, file, images) = seven();
        let mut image = vec![0; BYTES];
        for index in [6, 0, 3] {
            file.read(index, &mut image).unwrap();
            assert!(image == images[index]);
        }
        for range in [0..7, 1..6, 2..2, 6..7] {
            let mut read = Vec::new();
            file.read_each(range.clone(), |images| {
                read.extend_from_slice(images);
                Ok(())
            })
            .unwrap();
            assert!(read == images[range.clone()].concat(), "{range:?}");
            assert_eq!(file.are_intact(range.clone()), vec![true; range.len()]);
        }
    }

    #[test]
    fn changed_and_missing_images_are_errors() {
        let (mut handle, file, _) = seven();
        handle.seek(SeekFrom::Start((5 + 2 * BYTES + 17) as u64)).unwrap();
        handle.write_all(b"?").unwrap();
        handle.set_len((5 + 6 * BYTES - 1) as u64).unwrap();
        assert_eq!(file.are_intact(0..7), [true, true, false, true, true, false, false]);
        let error = |index| file.read(index, &mut vec![0; BYTES]).unwrap_err().to_string();
        assert!(error(2).contains("\"cache\"") && error(2).contains("have changed"), "{}", error(2));
        assert!(error(5).contains("has become shorter") && error(6).contains("has become shorter"), "{}", error(5));
    }
}
