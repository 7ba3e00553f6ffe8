//! From a network to a file of any kind.

use crate::error::FormatError;
use crate::model::{Format, Metadata};
use crate::onnx::{write_onnx, write_onnx_uint8};
use crate::safetensors::write_tensors;
use crate::torch::{write_named, write_torchscript, write_torchscript_uint8};
use dcgan_model::{Network, StateDict};
use std::io::{Seek, Write};

/// How a network is to be written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WriteOptions {
    /// As a program that takes noise N × latent and gives uint8 pictures N × 3 × H × W, instead of the tutorial's
    /// module that takes noise N × latent × 1 × 1 and gives pictures N × C × H × W in \[−1, 1\]. For generators
    /// as TorchScript or ONNX.
    pub uint8: bool,
    /// What to put before the names of tensors, for example `main.` for the networks of PyTorch's example. For
    /// state_dicts and safetensors.
    pub prefix: String,
}

/// Writes a network in any format. The same input always gives the same bytes. TorchScript and ONNX get the weights
/// that spectral norm computes, instead of spectral norm.
///
/// # Errors
/// [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) if `tensors` are not exactly the network's,
/// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if the format or the network has no such option,
/// [`ErrorKind::Limit`](crate::ErrorKind::Limit) if it is too large for the format, and
/// [`ErrorKind::Io`](crate::ErrorKind::Io) if `out` cannot be written.
pub fn write(
    mut out: impl Write + Seek,
    format: Format,
    network: &Network,
    tensors: &StateDict,
    metadata: &Metadata,
    options: &WriteOptions,
) -> Result<(), FormatError> {
    network.check(tensors).map_err(|error| FormatError::malformed(error.to_string()))?;
    let holds_code = matches!(format, Format::TorchScript | Format::Onnx);
    if options.uint8 && !holds_code {
        let message =
            format!("{format} holds tensors and no code, so it cannot draw uint8 pictures: write TorchScript or ONNX");
        return Err(FormatError::unsupported(message));
    }
    if !options.prefix.is_empty() && holds_code {
        let message = format!(
            "{format} calls its tensors by their names, which cannot be changed: write a state_dict or safetensors"
        );
        return Err(FormatError::unsupported(message));
    }
    let renamed = || tensors.iter().map(|(name, tensor)| (format!("{}{name}", options.prefix), tensor)).collect();
    match format {
        Format::TorchScript if options.uint8 => write_torchscript_uint8(out, network, tensors, metadata),
        Format::TorchScript => write_torchscript(out, network, tensors, metadata),
        Format::Onnx if options.uint8 => write_onnx_uint8(&mut out, network, tensors, metadata),
        Format::Onnx => write_onnx(&mut out, network, tensors, metadata),
        Format::StateDict => write_named(out, renamed(), metadata),
        Format::Safetensors => write_tensors(&mut out, renamed(), metadata),
        Format::Checkpoint => {
            Err(FormatError::unsupported("a checkpoint holds a training and is not made from a network"))
        }
    }
}
