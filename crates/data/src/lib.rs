//! Pictures on disk to one block of pixels in memory, and batches from it.
//!
//! ```text
//! folder ── scan ──▶ paths ── decode ──▶ RGB or grey ── resize ──▶ Dataset ── Prefetcher ──▶ Batch
//! ```
//!
//! A [`Dataset`] is read once, before training, and never changes: every picture decoded, stretched to the same
//! square and stored as bytes, 12 KiB for one of 64 × 64 × 3. All steps give what the PyTorch tutorial gets from
//! torchvision's `ImageFolder` and Pillow: the same order ([`mod@scan`]), the same pixels ([`mod@decode`]), the same
//! resize to the byte ([`resize`]). Files that cannot be used are left out and listed in the [`LoadReport`].
//!
//! A [`Prefetcher`] then copies batches together on a thread of its own. It draws no random numbers: the trainer
//! owns them, decides the order of each epoch, and passes it in as indices. Bytes become numbers in [−1, 1] in the
//! engine.
//!
//! ```
//! use std::sync::Arc;
//! use dcgan_data::{Channels, Dataset, Prefetcher, batches};
//!
//! // Five pictures drawn in code; `Dataset::load` takes them from a folder.
//! let dataset = Dataset::from_fn(5, 64, Channels::Rgb, |i, pixels| pixels.fill(i as u8))?;
//! let mut prefetcher = Prefetcher::new(Arc::new(dataset), batches(vec![3, 0, 4, 1, 2], 2));
//! let mut sizes = Vec::new();
//! while let Some(batch) = prefetcher.next_batch() {
//!     assert_eq!(batch.pixels.len(), batch.indices.len() * 64 * 64 * 3);
//!     sizes.push(batch.indices.len());
//! }
//! assert_eq!(sizes, [2, 2, 1]);
//! # Ok::<(), dcgan_data::DataError>(())
//! ```

mod dataset;
pub mod decode;
mod error;
mod prefetch;
pub mod resize;
pub mod scan;

pub use dataset::{Dataset, LoadOptions, LoadProgress, LoadReport, MAX_FILE_BYTES};
pub use decode::{Channels, DecodeError, MAX_PIXELS, MAX_SIDE, Picture, decode};
pub use error::{DataError, SkipReason, Skipped};
pub use prefetch::{Batch, Prefetcher, batches};
pub use scan::{EXTENSIONS, Scan, scan};
