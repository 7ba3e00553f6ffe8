//! Writing a cache file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use dcgan_files::NewFile;
use sha2::{Digest, Sha256};

use super::entry::Entry;
use super::format::{HEADER_BYTES, Header};
use crate::image_file::ImageFile;

/// A cache file that is being written, under a temporary name until it is complete.
#[derive(Debug)]
pub(crate) struct Writer {
    file: File,
    /// `None` once the file has its name, or cannot get it.
    pub(super) new: Option<NewFile>,
    path: PathBuf,
    fingerprint: [u8; 32],
    image_bytes: usize,
    /// Bytes of images that are in the file.
    written: u64,
}

impl Writer {
    /// Creates a temporary file beside `path`.
    pub(super) fn create(path: PathBuf, fingerprint: [u8; 32], image_bytes: usize) -> io::Result<Writer> {
        let (new, mut file) = NewFile::create(&path)?;
        file.write_all(&[0; HEADER_BYTES])?;
        Ok(Writer { file, new: Some(new), path, fingerprint, image_bytes, written: 0 })
    }

    /// Adds the pixels of images.
    pub(crate) fn write(&mut self, pixels: &[u8]) -> io::Result<()> {
        self.file.write_all(pixels)?;
        self.written += pixels.len() as u64;
        Ok(())
    }

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// Any error of the file system. The images can then still be taken with [`take_back`](Self::take_back).
    pub(crate) fn commit(&mut self, entries: &[Entry]) -> io::Result<()> {
        let manifest = postcard::to_allocvec(entries).map_err(io::Error::other)?;
        let header = Header {
            fingerprint: self.fingerprint,
            images: self.written / self.image_bytes as u64,
            image_bytes: self.image_bytes as u64,
            manifest_bytes: manifest.len() as u64,
            manifest_hash: Sha256::digest(&manifest).into(),
        };
        let file = &mut self.file;
        file.write_all(&manifest)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&header.to_bytes())?;
        file.sync_all()?;
        self.new.take().map_or(Ok(()), NewFile::commit)
    }

    /// The images of a file that is complete; `entries` are those that it was completed with.
    pub(crate) fn into_images(self, entries: &[Entry]) -> ImageFile {
        image_file(self.file, self.path, self.image_bytes, entries)
    }

    /// Appends the images so far to `block`, when the file cannot be completed.
    pub(crate) fn take_back(mut self, block: &mut Vec<u8>) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(HEADER_BYTES as u64))?;
        let read = (&mut self.file).take(self.written).read_to_end(block)?;
        if read as u64 == self.written { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// The images of a cache file with these entries.
pub(super) fn image_file(file: File, path: PathBuf, image_bytes: usize, entries: &[Entry]) -> ImageFile {
    let usable = entries.iter().filter(|entry| entry.outcome.is_usable());
    let checksums = usable.map(|entry| entry.checksum).collect();
    ImageFile::new(file, path, HEADER_BYTES as u64, image_bytes, checksums)
}
