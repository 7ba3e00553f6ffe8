//! What a DCGAN is, without any arithmetic on pictures.
//!
//! The idea that keeps the program simple is that **a network is data**: [`Network`] is an ordered list of [`Layer`]s made from a
//! [`ModelConfig`]. Engines execute that list, file formats write it, `dcgan info` prints it and the tests enumerate it; nothing else
//! knows the architecture.
//!
//! ```
//! use dcgan_model::{ModelConfig, Network};
//!
//! let config = ModelConfig::default(); // the tutorial: 64 × 64 RGB, 100 latent values, base width 64
//! let generator = Network::generator(&config);
//! assert_eq!(generator.parameter_count(), 3_576_704);
//! assert_eq!(generator.tensors()[0].name, "0.weight");
//! assert_eq!(generator.tensors()[0].shape, [100, 512, 4, 4]);
//! ```
//!
//! Beside the layers this crate holds what every engine and every file shares: named tensors ([`StateDict`]), PyTorch's random numbers
//! ([`TorchRng`]), the initial weights ([`initial_state`]), and what an engine offers: [`Engine`] trains, [`Generate`] draws, [`Discriminate`] judges
//! and [`Differentiate`] leads back to the noise.

mod config;
mod engine;
mod inference;
mod init;
mod network;
mod recipe;
mod rng;
mod tensor;

pub use config::{ConfigError, ModelConfig};
pub use engine::{AdamConfig, AdamState, Engine, EngineError, NetworkState, StepReport, TrainState};
pub use inference::{Differentiate, Discriminate, Generate};
pub use init::{Init, initial_network, initial_state};
pub use network::{Conv, Layer, Misfit, Network, RecogniseError, Role, Shape, TensorSpec};
pub use recipe::{Augmentation, Loss, Recipe};
pub use rng::TorchRng;
pub use tensor::{StateDict, Tensor, TensorData};
