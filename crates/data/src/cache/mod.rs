//! The decoded, fitted pictures of a data set in one file, so that a second start need not decode them.
//!
//! # Which file
//! There is one file for a data set's place and the options that decide its pixels; its name is made from both. A
//! picture is taken from it if its file's content is known, which is asked in two steps: a file whose name and
//! [`Stamp`](crate::source::Stamp) (length, times, inode) are as they were has not changed, and any other is read, and
//! looked up by the SHA-256 of its bytes. So files that were added, changed or removed are noticed, and those that were
//! only renamed, copied or touched are not decoded again.
//!
//! # Why it can be trusted
//! A file gets its name only when all of it has been written and synced, and is never changed after that: two runs that
//! start at once write two files, and the last one stays. A file whose header, length or manifest is not exactly as it
//! should be is not used at all. The manifest has a checksum of each image, which is compared before the image is used
//! and again whenever it is read. An image that does not fit is read from its source again, and the cache is written
//! anew. Temporary files of runs that were killed are removed by the next one; see [`dcgan_files`].
//!
//! The file is read with positioned reads, not mapped: reading a mapped file that another program cuts kills the
//! process, and a mapping counts against a limit of address space.

mod contents;
mod entry;
mod format;
mod writer;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use dcgan_files::sweep;
use sha2::{Digest, Sha256};

pub(crate) use self::contents::CachedImages;
pub(crate) use self::entry::{Entry, Outcome};
pub(crate) use self::format::check_any;
use self::format::{HEADER_BYTES, Header, is_other_version};
pub(crate) use self::writer::Writer;
use crate::decode::Channels;
use crate::options::LoadOptions;
use crate::positioned::{read_at, read_exact_at};

/// Version of the arithmetic. It must be raised whenever a decoder or fitting changes what becomes of a file.
const PIXELS: u32 = 2;
const SUFFIX: &str = "pictures";

/// The place of the cached images of one data set under one set of options.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    path: PathBuf,
    fingerprint: [u8; 32],
    image_bytes: usize,
}

/// What an earlier run has left at the place of a cache.
#[derive(Debug)]
pub(crate) enum CacheState {
    /// No file, or one of another version.
    Absent,
    /// A file of which nothing can be used.
    Damaged,
    /// A file whose images can be used if they fit their checksums.
    Usable(Box<CachedImages>),
}

impl Cache {
    /// The cache in `folder` for the data set at `root`. Nothing is read or written yet.
    pub(crate) fn new(folder: &Path, root: &Path, options: &LoadOptions) -> Cache {
        let LoadOptions { size, channels, fit, filter, background, max_images: _, min_files: _, cache: _ } = options;
        let real = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        let mut hash = Sha256::new();
        hash.update(format!("{PIXELS} {size} {} {fit:?} {filter:?} {background:?} ", hashed_name(*channels)));
        hash.update(real.as_os_str().as_encoded_bytes());
        let fingerprint: [u8; 32] = hash.finalize().into();
        // The first letters are for people who look into the folder.
        let name = real.file_name().unwrap_or_default().to_string_lossy();
        let name: String = name.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).take(40).collect();
        let digits: String = fingerprint[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let path = folder.join(format!("{name}-{size}x{}-{digits}.{SUFFIX}", channels.count()));
        Cache { folder: folder.to_owned(), path, fingerprint, image_bytes: options.image_bytes() }
    }

    /// Returns the path of the cache file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file that an earlier run has left, and reads its entries.
    pub(crate) fn open(&self) -> CacheState {
        // Opening a pipe would wait for its writer.
        let metadata = fs::metadata(&self.path);
        if !metadata.is_ok_and(|metadata| metadata.is_file()) {
            return CacheState::Absent;
        }
        let Ok(file) = File::open(&self.path) else { return CacheState::Absent };
        let mut start = [0; HEADER_BYTES];
        let Ok(read) = read_at(&file, &mut start, 0) else { return CacheState::Absent };
        match self.read_entries(&file, &start[..read]) {
            Some(entries) => {
                let images = writer::image_file(file, self.path.clone(), self.image_bytes, &entries);
                CacheState::Usable(Box::new(CachedImages::new(images, entries)))
            }
            None if is_other_version(&start[..read]) => CacheState::Absent,
            None => CacheState::Damaged,
        }
    }

    /// The entries of a file with these first bytes, if it is whole and was made for this place and these options.
    fn read_entries(&self, file: &File, start: &[u8]) -> Option<Vec<Entry>> {
        let header = Header::parse(start)?;
        let manifest = header.manifest(&self.fingerprint, self.image_bytes, file.metadata().ok()?.len())?;
        let len = usize::try_from(header.manifest_bytes).ok()?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).ok()?;
        bytes.resize(len, 0);
        read_exact_at(file, &mut bytes, manifest.start).ok()?;
        header.entries(&bytes)
    }

    /// Starts a new file, which [`Writer::commit`] puts in the place of the old one.
    pub(crate) fn create(&self) -> io::Result<Writer> {
        fs::create_dir_all(&self.folder)?;
        sweep(&self.folder);
        Writer::create(self.path.clone(), self.fingerprint, self.image_bytes)
    }
}

/// The name of `channels` in the hash that names cache files. Another name would make all caches useless.
fn hashed_name(channels: Channels) -> &'static str {
    match channels {
        Channels::Gray => "Grey",
        Channels::Rgb => "Rgb",
    }
}

#[cfg(test)]
mod tests;
