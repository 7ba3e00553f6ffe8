//! Training a DCGAN: pictures and an engine in, events out.
//!
//! [`train`] runs the recipe on any [`Engine`](dcgan_model::Engine) and never prints. What happens is told to [`Listener`]s: the terminal,
//! the [`RunFolder`] on disk, a test. All of them see the same [`Event`]s, and none can change the result.

mod config;
mod event;
mod files;
mod grid;
mod order;
mod picture;
mod run_folder;
mod trainer;

pub use config::{TrainConfig, TrainConfigError};
pub use event::{EpochSummary, Event, Listener, ListenerError, Plan, StepMetrics, Summary};
pub use files::{write_atomic, write_durable};
pub use grid::{COLUMNS, PADDING, compose, sheet_size};
pub use order::{batches, epoch_order};
pub use picture::{Picture, quantise};
pub use run_folder::{RunFolder, RunFolderError};
pub use trainer::{PREVIEW_FACES, TrainError, preview_noise, train};
