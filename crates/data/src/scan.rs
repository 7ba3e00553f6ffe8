//! The scan of one file: from its bytes, or from what the cache knows about it, to what it is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use crate::cache::{CachedImages, Outcome};
use crate::decode::{check_size, decode, dimensions};
use crate::error::SkipReason;
use crate::fit::Fitter;
use crate::options::LoadOptions;
use crate::report::ImageInfo;
use crate::source::{FileSource, Item};

/// Bytes of a file, or pixels of a picture, above which it is large: while one is decoded, the other large ones wait.
/// So a folder of decompression bombs takes no more memory than one of them, whatever the number of threads.
const LARGE_FILE: u64 = 16 << 20;
const LARGE_PICTURE: u64 = 1 << 23;

/// What a scan has found out about a file.
#[derive(Debug)]
pub(crate) enum Scan {
    /// An entry of the cache describes the file.
    Cached {
        /// Index of the entry.
        entry: usize,
        /// Whether the name or the stamp in the entry is not that of the file.
        is_restamped: bool,
    },
    /// The file was read.
    New {
        /// The SHA-256 of its bytes, if all of them were read.
        content: Option<[u8; 32]>,
        outcome: Outcome,
        /// The fitted pixels; empty unless the file is usable.
        pixels: Vec<u8>,
    },
}

/// Scans the files of a data set, on any number of threads.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    pub(crate) source: &'a FileSource,
    pub(crate) options: &'a LoadOptions,
    /// What an earlier run has cached.
    pub(crate) cached: Option<&'a CachedImages>,
    /// Images of the cache that do not fit their checksums.
    pub(crate) damaged: AtomicUsize,
    /// Files that were opened.
    pub(crate) files_read: AtomicUsize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(source: &'a FileSource, options: &'a LoadOptions, cached: Option<&'a CachedImages>) -> Self {
        Scanner { source, options, cached, damaged: AtomicUsize::new(0), files_read: AtomicUsize::new(0) }
    }

    /// A file's name in the cache: its path below the root.
    pub(crate) fn name<'i>(&self, item: &'i Item) -> &'i [u8] {
        let relative = item.path.strip_prefix(self.source.root()).unwrap_or(&item.path);
        relative.as_os_str().as_encoded_bytes()
    }

    /// Verifies the cached images of these files in one go, as [`scan`](Self::scan) would one by one.
    pub(crate) fn verify(&self, items: &[Item]) {
        if let Some(cached) = self.cached {
            cached.verify(items.iter().filter_map(|item| cached.find(self.name(item))));
        }
    }

    /// Finds out what a file is. It is read unless the cache has an entry that is sure to be current, and decoded
    /// unless the cache knows its content.
    pub(crate) fn scan(&self, item: &Item, fitter: &mut Fitter) -> Scan {
        let own = self.own_entry(item);
        if let (Some(entry), Some(cached)) = (own, self.cached)
            && cached.entries[entry].is_current(item.stamp)
        {
            return Scan::Cached { entry, is_restamped: false };
        }
        self.files_read.fetch_add(1, Ordering::Relaxed);
        let turn = (item.len > LARGE_FILE).then(wait_for_turn);
        let bytes = match self.source.read(item) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return self.scan_without_content(own, Outcome::OtherFile),
            Err(reason) => return self.scan_without_content(own, Outcome::Unusable(reason)),
        };
        let content: [u8; 32] = Sha256::digest(&bytes).into();
        if let Some(entry) = self.find_content(own, &content) {
            return Scan::Cached { entry, is_restamped: true };
        }
        let mut pixels = vec![0; self.options.image_bytes()];
        let content = Some(content);
        match decode_and_fit(&bytes, self.options, fitter, &mut pixels, turn) {
            Ok(info) => Scan::New { content, outcome: Outcome::Usable(info), pixels },
            Err(reason) => Scan::New { content, outcome: Outcome::Unusable(reason), pixels: Vec::new() },
        }
    }

    /// The entry of the file's name, unless its image is damaged.
    fn own_entry(&self, item: &Item) -> Option<usize> {
        let cached = self.cached?;
        let entry = cached.find(self.name(item))?;
        let is_intact = cached.is_intact(entry);
        self.damaged.fetch_add(usize::from(!is_intact), Ordering::Relaxed);
        is_intact.then_some(entry)
    }

    /// An entry with this content whose image is intact: the one of the file's own name, or else any other.
    fn find_content(&self, own: Option<usize>, content: &[u8; 32]) -> Option<usize> {
        let cached = self.cached?;
        let own = own.filter(|&entry| cached.entries[entry].content.as_ref() == Some(content));
        own.or_else(|| cached.find_content(content).filter(|&entry| cached.is_intact(entry)))
    }

    /// The scan of a file whose content is not known. If it comes to the same as before, the entry stays.
    fn scan_without_content(&self, own: Option<usize>, outcome: Outcome) -> Scan {
        let is_same = |entry: &usize| self.cached.is_some_and(|cached| cached.entries[*entry].outcome == outcome);
        match own.filter(is_same) {
            Some(entry) => Scan::Cached { entry, is_restamped: true },
            None => Scan::New { content: None, outcome, pixels: Vec::new() },
        }
    }
}

/// Decodes an image and resizes it into `square`. `turn` is held while a large image is decoded.
fn decode_and_fit(
    bytes: &[u8],
    options: &LoadOptions,
    fitter: &mut Fitter,
    square: &mut [u8],
    turn: Option<MutexGuard<'_, ()>>,
) -> Result<ImageInfo, SkipReason> {
    let (width, height) = dimensions(bytes)?;
    check_size(width, height)?;
    let is_large = u64::from(width) * u64::from(height) > LARGE_PICTURE;
    let _turn = turn.or_else(|| is_large.then(wait_for_turn));
    let picture = decode(bytes, options.channels, options.background)?;
    fitter.fit(square, &picture);
    Ok(ImageInfo::new(&picture, square))
}

/// Waits until no other large picture is being decoded.
fn wait_for_turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
