//! Where the pictures go while a data set is loaded: to a new cache file, to memory, or nowhere because the cache has
//! them already.

use std::io;
use std::time::SystemTime;

use crate::cache::{Cache, CachedImages, Entry, Writer};
use crate::error::DataError;
use crate::image_file::ImageFile;
use crate::options::LoadOptions;
use crate::report::CacheUse;
use crate::scan::Scan;
use crate::source::Stamp;

/// Number of files of which only the stamp is new that makes it worth writing the cache anew.
const MAX_RESTAMPED: usize = 256;

/// The images collected so far.
enum Storage {
    /// They are the first images of the cache.
    Cached,
    Memory(Vec<u8>),
    /// A new cache file.
    File(Writer),
}

/// The images that were collected, in their order.
#[derive(Debug)]
pub(crate) enum Images {
    /// They are the first images of the cache that was read.
    Cached,
    Memory(Vec<u8>),
    File(ImageFile),
}

/// Collects what is known about each file, and the images of those that are usable, in the order of the data set.
///
/// As long as everything is as in the cache, nothing is copied. From the first difference on, images are written to a
/// new cache file, or to memory if there is to be no cache or it cannot be written.
pub(crate) struct Collector<'a> {
    options: &'a LoadOptions,
    /// The largest number of images that there may be.
    capacity: usize,
    /// Where the cache is; `None` without a cache.
    cache: Option<Cache>,
    cached: Option<&'a CachedImages>,
    /// The time at which loading started; stamps are judged by it.
    now: SystemTime,
    storage: Storage,
    entries: Vec<Entry>,
    images: usize,
    /// Images that were copied from the old cache file.
    reused: usize,
    restamped: usize,
    failure: Option<CacheUse>,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(
        options: &'a LoadOptions,
        capacity: usize,
        cache: Option<Cache>,
        cached: Option<&'a CachedImages>,
        now: SystemTime,
    ) -> Result<Self, DataError> {
        let (storage, entries, failure) = (Storage::Cached, Vec::new(), None);
        let (images, reused, restamped) = (0, 0, 0);
        let mut collector =
            Collector { options, capacity, cache, cached, now, storage, entries, images, reused, restamped, failure };
        if cached.is_none() {
            collector.leave_cache()?;
        }
        Ok(collector)
    }

    /// Number of files so far.
    pub(crate) fn files(&self) -> usize {
        self.entries.len()
    }

    /// Number of usable files so far.
    pub(crate) fn images(&self) -> usize {
        self.images
    }

    /// Adds the next file of the data set.
    ///
    /// # Errors
    /// [`DataError::OutOfMemory`], and errors of reading the old cache file or the one being written.
    pub(crate) fn add(&mut self, name: &[u8], stamp: Stamp, scan: Scan) -> Result<(), DataError> {
        let (name, settled) = (name.to_vec(), stamp.is_settled(self.now));
        match (scan, self.cached) {
            (Scan::Cached { entry: number, is_restamped }, Some(cached)) => {
                let Entry { content, outcome, checksum, .. } = cached.entries[number].clone();
                if number != self.entries.len() {
                    self.leave_cache()?;
                }
                if outcome.is_usable() {
                    if !matches!(self.storage, Storage::Cached) {
                        let mut pixels = vec![0; self.options.image_bytes()];
                        cached.images().read(cached.image_index(number), &mut pixels)?;
                        self.store(&pixels)?;
                        self.reused += 1;
                    }
                    self.images += 1;
                }
                self.restamped += usize::from(is_restamped && settled);
                self.entries.push(Entry { name, stamp, settled, content, checksum, outcome });
            }
            (Scan::New { content, outcome, pixels }, _) => {
                self.leave_cache()?;
                if outcome.is_usable() {
                    self.store(&pixels)?;
                    self.images += 1;
                }
                let checksum = crc32fast::hash(&pixels);
                self.entries.push(Entry { name, stamp, settled, content, checksum, outcome });
            }
            (Scan::Cached { .. }, None) => unreachable!("only a cache has entries"),
        }
        Ok(())
    }

    /// Copies the images so far to a storage of their own, unless they have one, because the cache has other ones from
    /// here on.
    fn leave_cache(&mut self) -> Result<(), DataError> {
        if !matches!(self.storage, Storage::Cached) {
            return Ok(());
        }
        self.storage = match self.cache.as_ref().map(Cache::create) {
            Some(Ok(writer)) => Storage::File(writer),
            Some(Err(error)) => {
                self.give_up_cache(&error);
                Storage::Memory(self.memory()?)
            }
            None => Storage::Memory(self.memory()?),
        };
        if let Some(cached) = self.cached {
            self.reused = self.images;
            cached.images().read_each(0..self.images, |images| self.store(images))?;
        }
        Ok(())
    }

    /// Appends the pixels of one or more images. If the cache file cannot be written, continues in memory.
    fn store(&mut self, pixels: &[u8]) -> Result<(), DataError> {
        let error = match &mut self.storage {
            Storage::Cached => return Ok(()),
            // There is room for all; see `memory`.
            Storage::Memory(block) => {
                block.extend_from_slice(pixels);
                return Ok(());
            }
            Storage::File(writer) => match writer.write(pixels) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            },
        };
        // The disk is full, perhaps. What it has taken is still there to be read.
        self.give_up_cache(&error);
        let mut block = self.memory()?;
        if let Storage::File(writer) = std::mem::replace(&mut self.storage, Storage::Cached) {
            writer.take_back(&mut block).map_err(|source| self.unreadable(source))?;
        }
        block.extend_from_slice(pixels);
        self.storage = Storage::Memory(block);
        Ok(())
    }

    /// Returns the images, what is known about each file, and what became of the cache.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub(crate) fn finish(mut self) -> Result<(Images, Vec<Entry>, CacheUse), DataError> {
        if self.restamped > MAX_RESTAMPED {
            self.leave_cache()?;
        }
        let path = self.cache.as_ref().map(|cache| cache.path().to_owned()).unwrap_or_default();
        let images = match std::mem::replace(&mut self.storage, Storage::Cached) {
            Storage::Cached => return Ok((Images::Cached, self.entries, CacheUse::Read(path))),
            Storage::Memory(block) => Images::Memory(block),
            Storage::File(_) if self.images == 0 => Images::Memory(Vec::new()),
            Storage::File(mut writer) => match writer.commit(&self.entries) {
                Ok(()) => Images::File(writer.into_images(&self.entries)),
                Err(error) => {
                    self.give_up_cache(&error);
                    let mut block = self.memory()?;
                    writer.take_back(&mut block).map_err(|source| self.unreadable(source))?;
                    Images::Memory(block)
                }
            },
        };
        let taken_over = self.reused;
        let cache = match (self.failure, self.cache) {
            (Some(failure), _) => failure,
            (None, Some(_)) => CacheUse::Written { path, taken_over },
            (None, None) => CacheUse::Off,
        };
        Ok((images, self.entries, cache))
    }

    /// An empty block with room for all images that there may be.
    fn memory(&self) -> Result<Vec<u8>, DataError> {
        let mut block = Vec::new();
        let bytes = self.capacity.checked_mul(self.options.image_bytes());
        let reserved = bytes.map(|bytes| block.try_reserve_exact(bytes));
        reserved.and_then(Result::ok).ok_or_else(|| self.out_of_memory())?;
        Ok(block)
    }

    /// Returns the error for images that do not fit in memory.
    fn out_of_memory(&self) -> DataError {
        let LoadOptions { size, channels, .. } = *self.options;
        DataError::OutOfMemory { pictures: self.capacity, size, channels: channels.count() }
    }

    /// Records why the cache cannot be written.
    fn give_up_cache(&mut self, error: &io::Error) {
        let path = self.options.cache.clone().unwrap_or_default();
        self.failure = Some(CacheUse::Failed { path, reason: error.to_string() });
    }

    /// Returns the error for a cache file that cannot be read back.
    fn unreadable(&self, source: io::Error) -> DataError {
        DataError::Unreadable { path: self.options.cache.clone().unwrap_or_default(), source }
    }
}
