//! A network read from a file, and what the file says about it.

use crate::error::FormatError;
use dcgan_model::{Network, Role, StateDict, Tensor};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// What a file says beside its tensors, for example `image_size` and `64`. See [`describe`].
pub type Metadata = BTreeMap<String, String>;

/// How a model was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `torch.jit.save`, scripted or traced.
    TorchScript,
    /// `torch.save` of a state_dict.
    StateDict,
    /// safetensors.
    Safetensors,
    /// A training's checkpoint, which holds both networks.
    Checkpoint,
    /// ONNX; it is written and not read.
    Onnx,
}

impl Format {
    /// Returns the format that a file of this name is written in: `.pt` is TorchScript, `.pth` a state_dict,
    /// `.safetensors` and `.onnx` are themselves. `None` for any other extension.
    pub fn from_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_string_lossy().to_lowercase().as_str() {
            "pt" => Some(Self::TorchScript),
            "pth" => Some(Self::StateDict),
            "safetensors" => Some(Self::Safetensors),
            "onnx" => Some(Self::Onnx),
            _ => None,
        }
    }
}

/// A network read from a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Where in the file it was: what stands before the names of its tensors, for example `main` or `netG`; mostly
    /// empty.
    pub name: String,
    /// What the tensors were recognized as.
    pub network: Network,
    /// The network's tensors, in the order of [`Network::tensors`].
    pub tensors: StateDict,
    /// What else the file says; empty for a file that PyTorch wrote.
    pub metadata: Metadata,
    /// How it was kept.
    pub format: Format,
    /// The type that its weights have in the file, by PyTorch's name, for example `float32`. Other floats were
    /// converted to it.
    pub dtype: String,
    /// Tensors and groups of them around the network in the file that are no part of it, for example `n_averaged`.
    pub left_out: Vec<String>,
    /// What its user should know before drawing with it, one sentence each; mostly none.
    pub notes: Vec<String>,
}

impl Model {
    /// Checks that all values are numbers. With NaN or infinity among them nothing can be drawn.
    ///
    /// # Errors
    /// Names the first tensor with a value that is none. See [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported).
    pub fn check_finite(&self) -> Result<(), FormatError> {
        let is_bad = |(_, tensor): &(&String, &Tensor)| {
            tensor.as_f32().is_some_and(|values| values.iter().any(|value| !value.is_finite()))
        };
        let bad: Vec<&String> = self.tensors.iter().filter(is_bad).map(|(name, _)| name).collect();
        let Some(first) = bad.first() else { return Ok(()) };
        let more = match bad.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Err(FormatError::unsupported(format!(
            "its weights are not numbers any more (NaN or infinity in {first}{more}), so nothing can be drawn with it: \
             the training has diverged, take an earlier checkpoint or train with a lower learning rate"
        )))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::TorchScript => "TorchScript",
            Format::StateDict => "PyTorch state_dict",
            Format::Safetensors => "safetensors",
            Format::Checkpoint => "checkpoint",
            Format::Onnx => "ONNX",
        })
    }
}

/// The metadata that every model file of ours has: `producer`, `network`, and the numbers of its
/// [`ModelConfig`](dcgan_model::ModelConfig).
pub fn describe(network: &Network) -> Metadata {
    let config = &network.config;
    [
        ("producer", format!("dcgan {}", env!("CARGO_PKG_VERSION"))),
        ("network", network.role.to_string()),
        ("image_size", config.image_size.to_string()),
        ("channels", config.channels.to_string()),
        ("latent_dim", config.latent_dim.to_string()),
        ("base_channels", network.base_channels().to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// Checks that a network draws pictures.
pub(crate) fn check_draws(network: &Network) -> Result<(), FormatError> {
    match network.role {
        Role::Generator => Ok(()),
        role => Err(FormatError::unsupported(format!("a {role} draws no pictures"))),
    }
}
