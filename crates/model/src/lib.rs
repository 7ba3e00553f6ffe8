//! The description of a DCGAN, without any arithmetic on images.
//!
//! The idea that keeps the program simple is that **a network is data**: [`Network`] is an ordered list of [`Layer`]s
//! made from a [`ModelConfig`]. Engines execute that list, file formats write it, `dcgan info` prints it and the tests
//! enumerate it; nothing else knows the architecture.
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
//! Beside the layers this crate holds what every engine and every file shares: named tensors ([`StateDict`]), PyTorch's
//! random numbers ([`TorchRng`]), the initial weights ([`initial_state`]), and the interfaces of an engine: [`Engine`]
//! for training, [`Generate`], [`Discriminate`] and [`Differentiate`] for trained networks. For training on several
//! machines there are [`Shards`] of a batch, and [`Transport`] between the processes.

mod adam;
mod batch;
mod checkpoint;
mod config;
mod engine;
mod error;
mod gradient_sum;
mod inference;
mod init;
mod name;
mod network;
mod recipe;
mod rng;
pub mod shards;
mod tensor;
mod train_state;
mod transport;
pub mod tree;

pub use adam::AdamConfig;
pub use checkpoint::{BestGenerator, Checkpoint, EpochMeans, EpochSums, Progress};
pub use config::{ConfigError, DiscriminatorNorm, ModelConfig};
pub use engine::{Engine, StepReport};
pub use error::EngineError;
pub use gradient_sum::GradientPart;
pub use inference::{Differentiate, Discriminate, Generate};
pub use init::{Init, initial_network, initial_state};
pub use name::{name_of, parse_name};
pub use network::{Conv, Layer, Misfit, Network, RecognizeError, Role, Shape, TensorSpec};
pub use recipe::{Augmentation, Loss, Objective, Recipe};
pub use rng::TorchRng;
pub use shards::Shards;
pub use tensor::{StateDict, Tensor, TensorData};
pub use train_state::{AdamState, NetworkState, TrainState};
pub use transport::{CommunicationTime, SingleRank, TimedTransport, Transport, TransportError};
