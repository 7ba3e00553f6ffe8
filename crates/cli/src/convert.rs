//! `dcgan convert`: a network from one format to another.

use crate::model_file;
use crate::progress;
use crate::text::mebibytes;
use crate::usage::UsageError;
use anyhow::{Context, Result};
use clap::ValueEnum;
use dcgan_formats::{Format, WriteOptions, describe, write};
use dcgan_model::Role;
use dcgan_train::write_atomic;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// Arguments of `dcgan convert`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A model file, PyTorch's or ours, a checkpoint, or a run's folder
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// File to write: .pt (TorchScript), .pth (PyTorch state_dict), .safetensors or .onnx
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// Which network, of a file with both; the generator if not given
    #[arg(long, value_name = "WHICH")]
    network: Option<WhichNetwork>,
    /// Write a generator that takes N × latent noise and gives uint8 RGB pictures, as torch-fidelity wants it: TorchScript (.pt, .pth) or .onnx
    #[arg(long)]
    uint8: bool,
    /// Put this before the names of the tensors, for example main for PyTorch's DCGAN example (.pth and .safetensors)
    #[arg(long, value_name = "NAME", conflicts_with = "uint8")]
    prefix: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum WhichNetwork {
    Generator,
    Discriminator,
}

impl From<WhichNetwork> for Role {
    fn from(which: WhichNetwork) -> Self {
        match which {
            WhichNetwork::Generator => Role::Generator,
            WhichNetwork::Discriminator => Role::Discriminator,
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let format = format_of(&args.output, args.uint8)?;
    let prefix = args.prefix.as_deref().unwrap_or_default();
    if !prefix.is_empty() && matches!(format, Format::TorchScript | Format::Onnx) {
        let message =
            format_args!("--prefix is for .pth and .safetensors: a {format} file needs its own names").to_string();
        return Err(UsageError::new(message).into());
    }
    let dot = if prefix.is_empty() || prefix.ends_with('.') { "" } else { "." };
    let options = WriteOptions { uint8: args.uint8, prefix: format!("{prefix}{dot}") };

    let (input, model) = model_file::load_network(&args.input, args.network.map(Role::from))?;
    // What a former writer knew of the training goes along.
    let mut metadata = model.metadata;
    metadata.extend(describe(&model.network));
    let mut bytes = Vec::new();
    write(Cursor::new(&mut bytes), format, &model.network, &model.tensors, &metadata, &options)
        .with_context(|| format!("cannot write {:?}", args.output))?;
    write_atomic(&args.output, &bytes).with_context(|| format!("cannot write {:?}", args.output))?;
    progress::say(&format!(
        "{} of {input} ({from}) in {output} ({format}, {size})",
        model.network.role,
        input = input.display(),
        from = model.format,
        output = args.output.display(),
        size = mebibytes(bytes.len()),
    ));
    Ok(())
}

/// The format that a file's name asks for.
fn format_of(path: &Path, uint8: bool) -> Result<Format, UsageError> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("pt") => Ok(Format::TorchScript),
        // torch-fidelity takes TorchScript under this name alone.
        Some("pth") if uint8 => Ok(Format::TorchScript),
        Some("onnx") => Ok(Format::Onnx),
        Some("safetensors") if uint8 => {
            Err(UsageError::new("--uint8 needs a format that holds code: name the output .pt, .pth or .onnx"))
        }
        Some("pth") => Ok(Format::StateDict),
        Some("safetensors") => Ok(Format::Safetensors),
        _ => Err(UsageError::new(format_args!(
            "{path:?} does not say which format is wanted: name it .pt (TorchScript), .pth (PyTorch state_dict), .safetensors or .onnx"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_the_format() {
        let format = |name: &str, uint8| format_of(Path::new(name), uint8);
        for (name, plain) in [
            ("a/g.pt", Format::TorchScript),
            ("G.PTH", Format::StateDict),
            ("g.safetensors", Format::Safetensors),
            ("g.v2.onnx", Format::Onnx),
        ] {
            assert_eq!(format(name, false).unwrap(), plain, "{name}");
        }
        assert_eq!(format("g.pth", true).unwrap(), Format::TorchScript);
        assert!(format("g.safetensors", true).is_err());
        for name in ["g", "g.bin", ".pt", "pth"] {
            assert!(format(name, false).unwrap_err().to_string().contains(".pth (PyTorch state_dict)"), "{name}");
        }
    }
}
