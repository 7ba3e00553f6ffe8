//! `dcgan convert`: a network from one format to another.

use crate::model_file::{self, NetworkArgs};
use crate::output::{WriteArgs, is_stdout};
use crate::text::mebibytes;
use crate::usage::UsageError;
use crate::{picture_file, progress};
use anyhow::{Context, Result, bail};
use dcgan_files::write_atomic;
use dcgan_formats::{Format, WriteOptions, describe, write};
use serde_json::json;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// Arguments of `dcgan convert`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A model file, PyTorch's or ours, a checkpoint, or a run's folder [default: latest, the newest run in runs/]
    #[arg(value_name = "IN")]
    first: PathBuf,
    /// File to write: .pt (TorchScript), .pth (PyTorch state_dict), .safetensors or .onnx; - for standard output, with
    /// --format
    #[arg(value_name = "OUT", allow_hyphen_values = true)]
    second: Option<PathBuf>,
    /// Format for standard output: pt, pth, safetensors or onnx
    #[arg(long, value_name = "FORMAT", value_parser = ["pt", "pth", "safetensors", "onnx"])]
    format: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
    #[command(flatten)]
    network: NetworkArgs,
    /// Write a generator that takes N × latent noise and returns uint8 RGB pictures, as torch-fidelity takes it:
    /// TorchScript (.pt, .pth) or .onnx
    #[arg(long)]
    uint8: bool,
    /// Prefix of the names of the tensors, for example main for PyTorch's DCGAN example (.pth and .safetensors)
    #[arg(long, value_name = "NAME", conflicts_with = "uint8")]
    prefix: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let (input, asked) = match &args.second {
        Some(output) => (Some(args.first.as_path()), output.as_path()),
        None => (None, args.first.as_path()),
    };
    let default = Path::new("model").with_extension(args.format.as_deref().unwrap_or_default());
    let format = match (is_stdout(asked), &args.format) {
        (true, None) => bail!(UsageError::new("OUT - is standard output: add --format pt, pth, safetensors or onnx")),
        (true, Some(_)) => format_of(&default, args.uint8)?,
        (false, None) => format_of(asked, args.uint8)?,
        (false, Some(_)) => {
            bail!(UsageError::new("--format is for standard output (OUT -): the name of a file says its format"))
        }
    };
    let prefix = args.prefix.as_deref().unwrap_or_default();
    if !prefix.is_empty() && matches!(format, Format::TorchScript | Format::Onnx) {
        let message =
            format_args!("--prefix is for .pth and .safetensors: a {format} file needs its own names").to_string();
        return Err(UsageError::new(message).into());
    }
    let dot = if prefix.is_empty() || prefix.ends_with('.') { "" } else { "." };
    let options = WriteOptions { uint8: args.uint8, prefix: format!("{prefix}{dot}") };

    let output = args.write.output("OUT", Some(asked), &default)?;
    let input = model_file::locate(input)?;
    picture_file::check_output(output.path())?;
    let (input, model) = model_file::load(&input, &args.network)?;
    // Metadata of the training are kept.
    let mut metadata = model.metadata;
    metadata.extend(describe(&model.network));
    let mut bytes = Vec::new();
    write(Cursor::new(&mut bytes), format, &model.network, &model.tensors, &metadata, &options)
        .with_context(|| format!("cannot write {asked:?}"))?;
    write_atomic(output.path(), &bytes).with_context(|| format!("cannot write {asked:?}"))?;
    let name = output.name();
    output.finish()?;
    args.write.json.print(&json!({
        "input": input, "file": name, "network": model.network.role.to_string(), "format": format.to_string(), "bytes": bytes.len(),
    }))?;
    progress::say(&format!(
        "{} of {input} ({from}) in {name} ({format}, {size})",
        model.network.role,
        input = input.display(),
        from = model.format,
        size = mebibytes(bytes.len()),
    ));
    Ok(())
}

/// Returns the format for a file's extension.
fn format_of(path: &Path, uint8: bool) -> Result<Format, UsageError> {
    match Format::from_path(path) {
        // torch-fidelity takes TorchScript under this extension only.
        Some(Format::StateDict) if uint8 => Ok(Format::TorchScript),
        Some(Format::Safetensors) if uint8 => {
            Err(UsageError::new("--uint8 needs a format that holds code: name the output .pt, .pth or .onnx"))
        }
        Some(format) => Ok(format),
        None => Err(UsageError::new(format_args!(
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
