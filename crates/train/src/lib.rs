//! Training a DCGAN: pictures and an engine in, events out.
//!
//! [`train`] runs the recipe on any [`Engine`](dcgan_model::Engine) and never prints. What happens is told to
//! [`Listener`]s: the terminal, the [`RunFolder`] on disk, a test. All of them see the same [`Event`]s, and none can
//! change the result.
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
//! let model = ModelConfig { image_size: 32, channels: 1, latent_dim: 4, ..ModelConfig::TUTORIAL };
//! let model = model.with_base_channels(2);
//! let config = TrainConfig { model, batch_size: 4, epochs: 3, ..TrainConfig::default() };
//! let pictures = Dataset::from_fn(8, 32, Channels::Gray, |i, pixels| pixels.fill(i as u8 * 30))?;
//! let mut engine = CpuEngine::new(Cpu::new(Isa::select()?, 1)?, &config.model, config.recipe(), config.batch_size)?;
//! let mut losses = Losses(Vec::new());
//!
//! train(&config, Session::default(), &Arc::new(pictures), &mut engine, &mut [&mut losses])?;
//! assert_eq!(losses.0.len(), 6);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod augment;
mod config;
mod event;
mod event_record;
mod health;
mod hyperparameters;
mod length;
mod lines;
mod lock;
mod loss_plot;
mod machine;
mod order;
mod ranks;
mod resume;
mod run_folder;
mod run_folder_error;
mod schedule;
mod session_record;
mod step;
mod tensorboard;
mod texture;
mod train_error;
mod trainer;
mod window;

pub use augment::Augment;
pub use config::{PREVIEW_FACES, TrainConfig, TrainConfigError};
pub use dcgan_image::Picture;
pub use dcgan_metrics::{Evaluation, Evaluator};
pub use dcgan_model::{BestGenerator, Checkpoint, EpochMeans, EpochSums, Progress};
pub use event::{
    EpochEvaluation, EpochSummary, Event, Listener, ListenerError, NotFinite, Plan, Rollback, StepMetrics, Summary,
};
pub use event_record::EventRecord;
pub use health::{Finding, Health};
pub use length::fit_to_time;
pub use lines::{DamagedLines, truncate_lines};
pub use loss_plot::LossPlot;
pub use machine::processor_name;
pub use ranks::{Fact, Ranks, RanksError};
pub use resume::ResumeError;
pub use run_folder::{
    Extras, Keep, RunFolder, Sample, SavedCheckpoint, all_samples, sample_name, samples, step_sample_name,
};
pub use run_folder_error::RunFolderError;
pub use schedule::Schedule;
pub use session_record::SessionRecord;
pub use step::{time_step, train_step};
pub use tensorboard::TensorBoard;
pub use train_error::TrainError;
pub use trainer::{Session, train, trained_generator};
