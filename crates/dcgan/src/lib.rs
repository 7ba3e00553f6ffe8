//! A DCGAN in Rust: draw with a trained generator, train a new one.
//!
//! This crate is the interface for other programs. It is small on purpose: a [`Generator`] that draws, [`train`] with [`Listener`]s, and the few
//! values they exchange. What lies below (networks as data, engines, file formats) are crates of their own.
//!
//! # Draw
//!
//! A model is a file that `dcgan train` or PyTorch wrote. A face is decided by its noise, and the noise by a seed, as in
//! `torch.manual_seed(seed); G.eval()(torch.randn(1, latent, 1, 1))`. Neither the other faces nor the number of threads change it.
//!
//! ```
//! # use dcgan::{Init, ModelConfig, Network, TorchRng};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("generator.safetensors");
//! # let network = Network::generator(&ModelConfig { image_size: 32, channels: 3, latent_dim: 16, base_channels: 2 });
//! # let tensors = dcgan_model::initial_network(&network, Init::Normal, &mut TorchRng::seed_from_u64(0));
//! # dcgan_formats::write_safetensors(&mut std::fs::File::create(&path)?, &tensors, &dcgan_formats::describe(&network))?;
//! let mut generator = dcgan::Generator::load(&path)?;
//! let faces = generator.draw_seeds(0..8)?;
//! dcgan::compose(&faces).save_png(&folder.path().join("faces.png"))?;
//! # Ok(())
//! # }
//! ```
//!
//! # Train
//!
//! [`train`] takes settings, pictures and an engine, and tells [`Listener`]s what happens. [`RunFolder`] is the listener that writes what
//! `dcgan train` writes; the example below is one that stops when it has seen enough.
//!
//! ```
//! use dcgan::{Channels, CpuEngine, Dataset, Event, Listener, ListenerError, ModelConfig, Session, TrainConfig};
//! use std::sync::Arc;
//!
//! /// Keeps the faces that are drawn before training and after every epoch.
//! #[derive(Default)]
//! struct Album(Vec<dcgan::Picture>);
//!
//! impl Listener for Album {
//!     fn on_event(&mut self, event: &Event<'_>) -> Result<(), ListenerError> {
//!         if let Event::Preview { faces, .. } = event {
//!             self.0.push(dcgan::compose(faces));
//!         }
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let model = ModelConfig { image_size: 32, channels: 3, latent_dim: 16, base_channels: 2 };
//! let config = TrainConfig { model, batch_size: 4, epochs: 2, ..TrainConfig::default() };
//! // `Dataset::load` takes pictures from a folder.
//! let pictures = Dataset::from_fn(8, 32, Channels::Rgb, |index, pixels| pixels.fill(index as u8 * 30))?;
//!
//! let mut engine = CpuEngine::new(dcgan::cpu(None)?, &config.model, config.adam, config.batch_size)?;
//! let mut album = Album::default();
//! dcgan::train(&config, Session::default(), &Arc::new(pictures), &mut engine, &mut [&mut album])?;
//! assert_eq!(album.0.len(), 3);
//!
//! let mut generator = dcgan::Generator::from_engine(&engine, &config.model)?;
//! generator.draw_seeds([7])?;
//! # Ok(())
//! # }
//! ```
//!
//! # More
//!
//! [`slerp`] walks from one noise vector to another, [`project`] finds the noise of a given picture, and [`Neighbours`] finds the training pictures
//! nearest to a drawn one. An engine of your own, or another device than the processor, has its place wherever [`Engine`], [`Generate`] or
//! [`Differentiate`] stands: [`Generator::with_engine`] draws with it.
//!
//! `cargo run --example generate` and `--example train_custom_loop` are whole programs.

mod error;
mod generator;
mod neighbours;
mod noise;
mod projection;

pub use dcgan_data::{Channels, DataError, Dataset, Filter, Fit, LoadOptions, Report};
pub use dcgan_engine_cpu::{Cpu, CpuDifferentiableGenerator, CpuDiscriminator, CpuEngine, CpuGenerator, Isa};
pub use dcgan_formats::{Checkpoint, FormatError, Model, Progress};
pub use dcgan_model::{
    AdamConfig, Differentiate, Discriminate, Engine, EngineError, Generate, Init, Loss, ModelConfig, Network, Recipe,
    Role, StateDict, StepReport, TorchRng, TrainState, initial_state,
};
pub use dcgan_train::{
    Augment, EpochSummary, Event, Keep, Listener, ListenerError, Picture, Plan, Quality, RunFolder, Session,
    StepMetrics, Summary, TrainConfig, TrainError, compose, train,
};
pub use error::Error;
pub use generator::{Generator, cpu};
pub use neighbours::{Neighbour, Neighbours};
pub use noise::{seed_noise, slerp};
pub use projection::{ProjectOptions, Projection, project};
