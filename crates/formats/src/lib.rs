//! Model files: TorchScript, state_dicts, safetensors, ONNX and checkpoints, to and from named tensors.
//!
//! Every format here is a way to keep a [`StateDict`](dcgan_model::StateDict) and some [`Metadata`]. [`load`] tells the
//! format from the file's content and the network from the tensors' names and shapes. Writers go to any
//! [`Write`](std::io::Write), and the same input gives the same bytes.
//!
//! Files come from anywhere, so reading executes nothing, checks every length before it takes memory, and answers what
//! is wrong with a [`FormatError`]; it never panics.
//!
//! ```
//! use dcgan_formats::{Format, describe, load_bytes, write_torchscript};
//! use dcgan_model::{Init, ModelConfig, Network, TorchRng, initial_network};
//! use std::io::Cursor;
//!
//! let config = ModelConfig { image_size: 32, channels: 3, latent_dim: 4, ..ModelConfig::TUTORIAL };
//! let config = config.with_base_channels(2);
//! let network = Network::generator(&config);
//! let tensors = initial_network(&network, Init::Default, &mut TorchRng::seed_from_u64(0));
//!
//! let mut file = Vec::new();
//! write_torchscript(Cursor::new(&mut file), &network, &tensors, &describe(&network))?;
//!
//! let model = load_bytes(&file)?;
//! assert_eq!(model.format, Format::TorchScript);
//! assert_eq!(model.network, network);
//! assert_eq!(model.tensors, tensors);
//! # Ok::<(), dcgan_formats::FormatError>(())
//! ```

mod bytes;
mod checkpoint;
mod error;
mod file;
mod latents;
mod load;
mod model;
mod models;
mod natural;
mod npy;
mod onnx;
mod recognize;
mod safetensors;
mod spectral_norm;
mod stored;
mod torch;
mod write;

pub use checkpoint::{checkpoint_config, load_checkpoint, read_checkpoint, write_checkpoint};
pub use error::{ErrorKind, FormatError};
pub use file::MAX_FILE_BYTES;
pub use latents::{LatentFormat, LatentReader, LatentWriter};
pub use load::{load, load_all, load_bytes, load_named, load_network};
pub use model::{Format, Metadata, Model, describe};
pub use models::Models;
pub use safetensors::{read_safetensors, write_half_safetensors, write_safetensors};
pub use torch::{write_state_dict, write_torchscript, write_torchscript_uint8};
pub use write::{WriteOptions, write};
