//! A DCGAN in Rust: draw with a trained generator, train a new one.
//!
//! This crate is the interface for other programs. It is small on purpose: a [`Generator`] that draws, a [`Training`]
//! with [`Listener`]s, and the values they exchange. What lies below (networks as data, engines, file formats) are
//! crates of their own.
//!
//! # Load and draw
//!
//! A model is a run's folder, or a file that `dcgan train` or PyTorch wrote. A face is decided by its noise, and the
//! noise by a seed, as in `torch.manual_seed(seed); G.eval()(torch.randn(1, latent, 1, 1))`. Neither the other faces
//! nor the number of threads change it.
//!
//! ```no_run
//! use dcgan::{Generator, compose};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // The folder that `dcgan train --demo` makes. A file, such as runs/0000-demo/generator.pt, will do as well.
//!     let generator = Generator::load("runs/0000-demo")?;
//!     let faces = generator.draw_seeds(0..8)?;
//!     compose(&faces).save_png("faces.png")?;
//!     Ok(())
//! }
//! ```
//!
//! `--example draw` is this program with the names from its command line. Without a trained model yet, begin with
//! [a training](#train-with-a-listener).
//!
//! # A program that only draws
//!
//! Without its default feature `train` the crate loads, draws, interpolates, projects and saves. It then needs 62 other
//! crates instead of 121 (`cargo tree`), without picture decoders, plotting library and font. `--example draw` is such
//! a program.
//!
//! ```toml
//! [dependencies]
//! dcgan = { path = "dcgan/crates/dcgan", default-features = false }
//! ```
//!
//! # Train with a listener
//!
//! [`Training`] takes settings and images, builds an engine for all of the settings, and tells [`Listener`]s what
//! happens. [`Training::run_folder`] writes what `dcgan train` writes.
//!
//! ```
//! use dcgan::{
//!     Channels, Event, Generator, Listener, ListenerError, ModelConfig, TrainConfig, Training, demo_faces,
//! };
//!
//! /// Prints the losses of each epoch.
//! struct Losses;
//!
//! impl Listener for Losses {
//!     fn on_event(&mut self, event: &Event<'_>) -> Result<(), ListenerError> {
//!         if let Event::EpochDone(epoch) = event {
//!             println!("epoch {}: D {:.3}, G {:.3}", epoch.epoch, epoch.d_loss, epoch.g_loss);
//!         }
//!         Ok(())
//!     }
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // Any new folder will do, such as "runs/small".
//!     let parent = tempfile::tempdir()?;
//!     let folder = parent.path().join("small");
//!
//!     // A network and a data set so small that this takes a second. `Dataset::load` reads a folder of pictures.
//!     let model = ModelConfig { image_size: 32, latent_dim: 16, ..ModelConfig::TUTORIAL }.with_base_channels(2);
//!     let config = TrainConfig { model, batch_size: 4, epochs: 2, ..TrainConfig::TUTORIAL };
//!     let images = demo_faces(8, 32, Channels::Rgb)?;
//!
//!     let mut losses = Losses;
//!     let trained = Training::new(config, images)?.listener(&mut losses).run_folder(&folder).run()?;
//!     trained.generator.save(folder.join("generator.onnx"))?;
//!     assert_eq!(Generator::load(&folder)?.draw_seeds(0..8)?, trained.generator.draw_seeds(0..8)?);
//!     Ok(())
//! }
//! ```
//!
//! # Resume
//!
//! A run folder can be continued, here or with `dcgan train --resume`, after a crash too. A training that resumes ends
//! in the same bits as one that never stopped. Settings may change as far as [`TrainConfig::resume`] allows. A
//! checkpoint in memory, from [`Event::Checkpoint`], is continued by [`Training::resume`].
//!
//! ```
//! use dcgan::{Channels, ModelConfig, TrainConfig, Training, demo_faces, run_settings};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let parent = tempfile::tempdir()?;
//!     let folder = parent.path().join("small");
//!     let model = ModelConfig { image_size: 32, latent_dim: 16, ..ModelConfig::TUTORIAL }.with_base_channels(2);
//!     let config = TrainConfig { model, batch_size: 4, epochs: 1, ..TrainConfig::TUTORIAL };
//!     let images = || demo_faces(8, 32, Channels::Rgb);
//!     Training::new(config, images()?)?.run_folder(&folder).run()?;
//!
//!     let mut settings = run_settings(&folder)?;
//!     settings.train.epochs = 2;
//!     let resumed = Training::with_settings(settings, images()?)?.resume_folder(&folder)?.run()?;
//!
//!     let whole = Training::new(TrainConfig { epochs: 2, ..config }, images()?)?.run()?;
//!     assert_eq!(resumed.generator.draw_seeds(0..8)?, whole.generator.draw_seeds(0..8)?);
//!     Ok(())
//! }
//! ```
//!
//! # An engine of your own
//!
//! An engine implements [`Generate`] to draw ([`Generator::with_engine`]) and [`Engine`] to train
//! ([`Training::with_engine`]). This one draws images of a single gray; `--example own_engine` trains with one.
//!
//! ```
//! use dcgan::{EngineError, Generate, Generator, ModelConfig};
//!
//! struct PlainGray(ModelConfig);
//!
//! impl Generate for PlainGray {
//!     fn generate(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
//!         let images = noise.chunks(self.0.latent_dim).map(|z| vec![z[0].tanh(); self.0.image_len()]);
//!         Ok(images.flatten().collect())
//!     }
//! }
//!
//! fn main() -> Result<(), dcgan::Error> {
//!     let config = ModelConfig { image_size: 32, latent_dim: 16, ..ModelConfig::TUTORIAL };
//!     let generator = Generator::with_engine(Box::new(PlainGray(config)), config);
//!     let images = generator.draw_seeds(0..8)?;
//!     assert!(images[0].pixels.iter().all(|value| *value == images[0].pixels[0]));
//!     Ok(())
//! }
//! ```
//!
//! # More
//!
//! [`Settings`] are all options of `dcgan train`, and [`TrainOptions::set`] takes them by name. [`slerp`] walks from
//! one noise vector to another, [`project`] finds the noise of a given picture, and [`Neighbours`] finds the training
//! pictures nearest to a drawn one. [`Generator::load_epoch`] draws with the generator after one epoch of a run that
//! was trained with `--keep-generators`. `--example train_custom_loop` calls an engine step by step.
//!
//! Whole programs: `cargo run --example generate`, `draw`, `train`, `own_engine`, `train_custom_loop`.

#[cfg(feature = "train")]
mod contact_sheet;
mod convert;
#[cfg(feature = "train")]
mod data_report;
#[cfg(feature = "train")]
mod demo;
#[cfg(feature = "train")]
mod enlarge;
mod error;
#[cfg(feature = "train")]
mod evaluate;
mod generator;
#[cfg(feature = "train")]
mod images;
#[cfg(feature = "train")]
mod neighbour_report;
#[cfg(feature = "train")]
mod neighbours;
mod noise;
mod projection;
mod run_files;
pub mod text;
#[cfg(feature = "train")]
mod training;
mod walk;

#[cfg(feature = "train")]
pub use contact_sheet::contact_sheet;
pub use convert::{convert, convert_options, model_bytes};
#[cfg(feature = "train")]
pub use data_report::{data_report, skipped_report, write_data_report};
#[cfg(feature = "train")]
pub use dcgan_data::{
    CacheUse, Channels, ColorType, DataError, Dataset, DecodeError, Filter, Fit, ImageEntry, ImageFormat, ImageInfo,
    LoadOptions, LoadProgress, LoadReport, SkipReason, SkippedFile,
};
pub use dcgan_engine_cpu::{Cpu, CpuDifferentiableGenerator, CpuDiscriminator, CpuEngine, CpuGenerator, Isa};
pub use dcgan_formats::{ErrorKind as FormatErrorKind, Format, FormatError, Metadata, Model};
pub use dcgan_image::{Picture, compose, compose_columns};
pub use dcgan_model::{
    AdamConfig, AdamState, Augmentation, BestGenerator, Checkpoint, ConfigError, Conv, Differentiate, Discriminate,
    DiscriminatorNorm, Engine, EngineError, EpochMeans, EpochSums, Generate, Init, Layer, Loss, Misfit, ModelConfig,
    Network, NetworkState, Progress, Recipe, RecognizeError, Role, Shape, StateDict, StepReport, Tensor, TensorData,
    TensorSpec, TorchRng, TrainState, initial_state,
};
#[cfg(feature = "train")]
pub use dcgan_settings::{
    AverageDecay, Background, CacheLocation, DataSource, DeviceChoice, Difference, GpuApi, ImageOptions, Preset,
    RunTime, Seed, Settings, SettingsError, Threads, TrainOptions,
};
#[cfg(feature = "train")]
pub use dcgan_train::{
    Augment, EpochEvaluation, EpochSummary, Evaluation, Evaluator, Event, EventRecord, Finding, Health, Keep, Listener,
    ListenerError, NotFinite, Plan, ResumeError, Rollback, RunFolder, RunFolderError, SavedCheckpoint, Schedule,
    Session, SessionRecord, StepMetrics, Summary, TrainConfig, TrainConfigError, TrainError, train, trained_generator,
};
#[cfg(feature = "train")]
pub use demo::{demo_face, demo_faces};
#[cfg(feature = "train")]
pub use enlarge::enlarge;
pub use error::Error;
#[cfg(feature = "train")]
pub use error::ImagesError;
#[cfg(feature = "train")]
pub use evaluate::{draw_samples, evaluate};
pub use generator::{Generator, cpu};
#[cfg(feature = "train")]
pub use images::{check_batch, check_max_images, check_strict, fit_images, load_images, prepare_picture, run_name};
#[cfg(feature = "train")]
pub use neighbour_report::{FaceDistance, NeighbourReport, training_picture};
#[cfg(feature = "train")]
pub use neighbours::{Neighbour, Neighbours};
pub use noise::{seed_noise, slerp};
pub use projection::{ProjectOptions, Projection, levels, poor_projection, project};
pub use run_files::epoch_generators;
#[cfg(feature = "train")]
pub use training::{Trained, Training, evaluator, run_options, run_settings};
pub use walk::Walk;
