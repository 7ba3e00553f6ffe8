//! Data sets of images: finding, decoding, resizing and caching the files, and batches for training.
//!
//! ```text
//! folder ─┐
//! zip     ├─ source ─▶ bytes ─ decode ─▶ RGB or gray ─ fit ─▶ squares ─ cache ─▶ Dataset ─ Prefetcher ─▶ Batch
//! tar    ─┘                                │
//!                                          └─▶ LoadReport: images, oddities, skipped files
//! ```
//!
//! A [`Dataset`] is loaded once, before training, and never changes. Every image is decoded, resized to the same square
//! and stored as bytes: 12 KiB for 64 × 64 × 3. By default all steps give what the PyTorch tutorial gets from
//! torchvision's `ImageFolder` and Pillow: the same order ([`source`]), the same pixels ([`mod@decode`]), the same
//! resize to the byte ([`resize`]). Files that cannot be used are skipped and listed in the [`LoadReport`].
//!
//! Files may be hostile. No header makes the program allocate more memory than the limits that [`mod@decode`] and
//! [`source`] state, nothing that could block is opened, and a panic of a decoder is an error of that file.
//!
//! A [`Prefetcher`] gathers batches on a thread of its own. It draws no random numbers: the trainer decides the order
//! of each epoch and passes it in as indices. The engine converts bytes to values in [−1, 1].
//!
//! ```
//! use std::sync::Arc;
//! use dcgan_data::{Channels, Dataset, Prefetcher, batches};
//!
//! // Five pictures drawn in code; `Dataset::load` takes them from a folder.
//! let dataset = Dataset::from_fn(5, 64, Channels::Rgb, |i, pixels| pixels.fill(i as u8))?;
//! let mut prefetcher = Prefetcher::new(Arc::new(dataset), batches(vec![3, 0, 4, 1, 2], 2))?;
//! let mut sizes = Vec::new();
//! while let Some(batch) = prefetcher.next_batch()? {
//!     assert_eq!(batch.pixels.len(), batch.indices.len() * 64 * 64 * 3);
//!     sizes.push(batch.indices.len());
//! }
//! assert_eq!(sizes, [2, 2, 1]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cache;
mod checksum;
mod collector;
mod dataset;
pub mod decode;
mod error;
pub mod fit;
#[doc(hidden)]
pub mod fuzzing;
mod image_file;
mod limits;
mod load;
mod name;
mod options;
mod positioned;
mod prefetch;
mod report;
pub mod resize;
mod scan;
pub mod source;

pub use dataset::Dataset;
pub use decode::{Channels, ColorType, DecodeError, DecodedImage, ImageFormat, decode};
pub use error::{DataError, SkipReason, SkippedFile};
pub use fit::Fit;
pub use limits::{MAX_FILE_BYTES, MAX_PIXELS, MAX_SIDE};
pub use options::{LoadOptions, LoadProgress};
pub use prefetch::{Batch, Prefetcher, batches};
pub use report::{CacheUse, ImageEntry, ImageInfo, LoadReport, OBLONG};
pub use resize::Filter;
