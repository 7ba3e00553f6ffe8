//! How a data set is loaded.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::decode::Channels;
use crate::error::DataError;
use crate::fit::Fit;
use crate::limits;
use crate::resize::Filter;

/// How [`Dataset::load`](crate::Dataset::load) reads a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    /// Height and width in pixels that every picture gets: 1 to [`LoadOptions::MAX_SIZE`].
    pub size: usize,
    /// Gray or color; the conversion comes before the resize, as in Pillow's `convert` then `resize`.
    pub channels: Channels,
    /// What happens to pictures that are not square.
    pub fit: Fit,
    /// How pixels are weighed in resizing.
    pub filter: Filter,
    /// Color of transparent pixels and of the bars of [`Fit::Pad`]: red, green, blue.
    pub background: [u8; 3],
    /// Number of usable pictures to stop at. They are the first in the order of [`source`](crate::source); broken ones
    /// do not count.
    pub max_images: Option<NonZeroUsize>,
    /// Number of files below which loading fails before any is read. Data sets of up to 64 files are read all the same:
    /// that takes no time, and a file that is broken may be the better reason.
    pub min_files: usize,
    /// The folder of the cache; `None` keeps the pictures in memory.
    pub cache: Option<PathBuf>,
}

impl LoadOptions {
    /// The largest [`size`](LoadOptions::size). Each thread holds one picture of that size.
    pub const MAX_SIZE: usize = limits::MAX_SIZE;

    /// The options of the PyTorch tutorial: stretched, bilinear, all pictures; a white background and no cache.
    pub fn new(size: usize, channels: Channels) -> LoadOptions {
        let (fit, filter) = (Fit::default(), Filter::default());
        LoadOptions { size, channels, fit, filter, background: [255; 3], max_images: None, min_files: 0, cache: None }
    }

    /// Number of bytes of a fitted picture.
    pub(crate) fn image_bytes(&self) -> usize {
        self.size * self.size * self.channels.count()
    }

    /// Checks the size.
    ///
    /// # Errors
    /// [`DataError::Size`] if it is not from 1 to [`LoadOptions::MAX_SIZE`].
    pub(crate) fn check(&self) -> Result<(), DataError> {
        match self.size {
            1..=LoadOptions::MAX_SIZE => Ok(()),
            size => Err(DataError::Size(size)),
        }
    }
}

/// Progress of [`Dataset::load`](crate::Dataset::load).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadProgress {
    /// Number of files read, usable or not.
    pub done: usize,
    /// Number of files to read, as far as is known: under `max_images` a broken file can bring in another one.
    pub total: usize,
}
