//! `dcgan convert`: writes a network in another file format.

use crate::model_file::{self, NetworkArgs};
use crate::output::{WriteArgs, is_stdout};
use crate::text::mebibytes;
use crate::usage::UsageError;
use crate::{picture_file, progress};
use anyhow::{Context, Result, bail};
use dcgan::{convert_options, model_bytes};
use dcgan_files::write_atomic;
use serde_json::json;
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

/// Reads IN and writes OUT in the format that OUT's extension or `--format` names. A single argument is OUT; IN is then
/// the newest run.
pub(crate) fn run(args: &Args) -> Result<()> {
    let (input, asked) = match &args.second {
        Some(output) => (Some(args.first.as_path()), output.as_path()),
        None => (None, args.first.as_path()),
    };
    let default = Path::new("model").with_extension(args.format.as_deref().unwrap_or_default());
    let name = match (is_stdout(asked), &args.format) {
        (true, None) => bail!(UsageError::new("OUT - is standard output: add --format pt, pth, safetensors or onnx")),
        (true, Some(_)) => default.as_path(),
        (false, None) => asked,
        (false, Some(_)) => {
            bail!(UsageError::new("--format is for standard output (OUT -): the name of a file says its format"))
        }
    };
    let prefix = args.prefix.as_deref().unwrap_or_default();
    let (format, options) = convert_options(name, args.uint8, prefix).map_err(UsageError::new)?;

    let output = args.write.output("OUT", Some(asked), &default)?;
    let input = model_file::locate(input)?;
    picture_file::check_output(output.path())?;
    let (input, model) = model_file::load(&input, &args.network)?;
    let bytes = model_bytes(&model, format, &options).with_context(|| format!("cannot write {asked:?}"))?;
    write_atomic(output.path(), &bytes).with_context(|| format!("cannot write {asked:?}"))?;
    let name = output.name();
    output.finish()?;
    args.write.json.print(&json!({
        "input": input, "file": name, "network": model.network.role.to_string(), "format": format.to_string(),
        "bytes": bytes.len(),
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
