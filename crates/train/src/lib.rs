//! Training a DCGAN: pictures and an engine in, events out.
//!
//! [`train`] runs the recipe on any [`Engine`](dcgan_model::Engine) and never prints. What happens is told to [`Listener`]s: the terminal,
//! the [`RunFolder`] on disk, a test. All of them see the same [`Event`]s, and none can change the result.
//!
//! ```
//! use dcgan_data::{Channels, Dataset};
//! use dcgan_engine_cpu::{Cpu, CpuEngine, Isa};
//! use dcgan_model::ModelConfig;
//! use dcgan_train::{Event, Listener, ListenerError, Session, TrainConfig, train};
//! use std::sync::Arc;
//!
//! /// Keeps G's loss of every step.
//! struct Losses(Vec<f32>);
//!
//! impl Listener for Losses {
//!     fn on_event(&mut self, event: &Event<'_>) -> Result<(), ListenerError> {
//!         if let Event::Step(metrics) = event {
//!             self.0.push(metrics.g_loss);
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let model = ModelConfig { image_size: 32, channels: 1, latent_dim: 4, base_channels: 2 };
//! let config = TrainConfig { model, batch_size: 4, epochs: 3, ..TrainConfig::default() };
//! let pictures = Dataset::from_fn(8, 32, Channels::Grey, |i, pixels| pixels.fill(i as u8 * 30))?;
//! let mut engine = CpuEngine::new(Cpu::new(Isa::select()?, 1)?, &config.model, config.adam, config.batch_size)?;
//! let mut losses = Losses(Vec::new());
//!
//! train(&config, Session::default(), &Arc::new(pictures), &mut engine, &mut [&mut losses])?;
//! assert_eq!(losses.0.len(), 6);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod event;
mod files;
mod fingerprint;
mod grid;
mod health;
mod label;
mod lock;
mod loss_plot;
mod order;
mod picture;
mod quality;
mod run_folder;
mod session_record;
mod tensorboard;
mod trainer;
mod window;

pub use config::{TrainConfig, TrainConfigError};
pub use dcgan_formats::{Checkpoint, EpochMeans, EpochSums, Progress};
pub use event::{EpochSummary, Event, Listener, ListenerError, NotFinite, Plan, Rollback, StepMetrics, Summary};
pub use files::{NewFile, truncate_lines, write_atomic, write_durable};
pub use fingerprint::fingerprint;
pub use grid::{COLUMNS, PADDING, compose, compose_columns, sheet_size};
pub use health::{Finding, Health};
pub use label::{LABEL_HEIGHT, label};
pub use loss_plot::LossPlot;
pub use order::batches;
pub use picture::{Picture, quantise};
pub use quality::{Augment, Quality};
pub use run_folder::{Keep, RunFolder, RunFolderError, Saved, sample_name, samples};
pub use session_record::SessionRecord;
pub use tensorboard::TensorBoard;
pub use trainer::{PREVIEW_FACES, Session, TrainError, train};
