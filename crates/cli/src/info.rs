//! `dcgan info`: what a model file holds.

use crate::model_file::{self, NetworkArgs};
use crate::report;
use crate::text::thousands;
use anyhow::Result;
use dcgan::epoch_generators;
use dcgan::text::ranges;
use dcgan_formats::{Format, Model};
use dcgan_model::{Layer, Network, Progress, Role, Shape};
use serde::Serialize;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Arguments of `dcgan info`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A model file (.pt, .pth, .safetensors or a checkpoint), or a run's folder [default: latest, the newest run in
    /// runs/]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    network: NetworkArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The content of a model file; JSON has these names.
#[derive(Debug, Serialize)]
struct ModelInfo {
    file: String,
    format: String,
    role: String,
    /// Prefix of the names of its tensors in the file.
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    /// Data type of its weights in the file.
    dtype: String,
    /// Names of tensors in the file that do not belong to the network.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<String>,
    /// Notes for the user.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    image_size: usize,
    channels: usize,
    /// Length of the noise vector; a discriminator has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    latent_dim: Option<usize>,
    base_channels: usize,
    /// Number of trained values.
    parameters: usize,
    /// Epochs whose generators a run's folder holds, for --epoch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    epochs: Vec<u64>,
    /// Progress of the training, if the file is a checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    training: Option<TrainingInfo>,
    layers: Vec<LayerRow>,
}

/// Training that a checkpoint belongs to.
#[derive(Debug, Serialize)]
struct TrainingInfo {
    /// Number of complete epochs.
    epochs: u64,
    /// Number of steps taken.
    steps: u64,
    /// Program that wrote the checkpoint.
    producer: String,
    /// Version of the file layout.
    format_version: String,
    /// Fingerprint of the training pictures.
    data_fingerprint: String,
}

#[derive(Debug, Serialize)]
struct LayerRow {
    /// Index in the names of the state_dict.
    index: usize,
    /// The layer as PyTorch prints it.
    layer: String,
    /// Shape of the output: channels, height, width.
    output_shape: [usize; 3],
    /// Number of trained values.
    parameters: usize,
}

/// Prints what the file holds. Unlike other commands it accepts a network whose weights are not finite, and says so.
pub(crate) fn run(args: &Args) -> Result<()> {
    let path = model_file::locate(args.file.as_deref())?;
    let (file, model) = model_file::look_at(&path, &args.network)?;
    let report = ModelInfo { epochs: epoch_generators(&path).into_keys().collect(), ..ModelInfo::new(&file, &model) };
    report::print(&report, args.json, ModelInfo::write_table)?;
    Ok(())
}

impl ModelInfo {
    /// Collects what is shown of a model. `epochs` stays empty: it belongs to a run's folder.
    fn new(file: &Path, model: &Model) -> Self {
        let Network { role, config, .. } = &model.network;
        let is_checkpoint = model.format == Format::Checkpoint;
        let mut notes = model.notes.clone();
        notes.extend(model.check_finite().err().map(|error| error.to_string()));
        Self {
            file: file.display().to_string(),
            format: model.format.to_string(),
            role: role.to_string(),
            // All tensors of our own checkpoints are known.
            name: if is_checkpoint { String::new() } else { model.name.clone() },
            dtype: model.dtype.clone(),
            left_out: if is_checkpoint { Vec::new() } else { model.left_out.clone() },
            notes,
            image_size: config.image_size,
            channels: config.channels,
            latent_dim: (*role == Role::Generator).then_some(config.latent_dim),
            base_channels: model.network.base_channels(),
            parameters: model.network.parameter_count(),
            epochs: Vec::new(),
            training: TrainingInfo::of(model),
            layers: layer_rows(&model.network),
        }
    }

    /// Writes the facts and a table of the layers for the terminal.
    fn write_table(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { file, format, role, name, dtype, left_out, notes, .. } = self;
        let Self { image_size, channels, latent_dim, base_channels, parameters, epochs, training, layers, .. } = self;
        let name = if name.is_empty() { String::new() } else { format!(" {name}") };
        writeln!(out, "{file}: {role}{name} ({format})")?;
        if dtype != "float32" {
            writeln!(out, "weights of type {dtype}")?;
        }
        if !left_out.is_empty() {
            writeln!(out, "left out: {}", left_out.join(", "))?;
        }
        notes.iter().try_for_each(|note| writeln!(out, "note: {note}"))?;
        if let Some(TrainingInfo { epochs, steps, producer, format_version, data_fingerprint }) = training {
            let steps = thousands(*steps as usize);
            writeln!(out, "after epoch {epochs}, step {steps}, of pictures with fingerprint {data_fingerprint}")?;
            writeln!(out, "written by {producer} in format {format_version}")?;
        }
        if !epochs.is_empty() {
            writeln!(out, "epochs whose generators are kept, for --epoch: {}", ranges(epochs))?;
        }
        writeln!(out, "pictures of {channels} × {image_size} × {image_size}")?;
        if let Some(latent_dim) = latent_dim {
            writeln!(out, "latent dimension {latent_dim}, base channels {base_channels}\n")?;
        } else {
            writeln!(out, "base channels {base_channels}\n")?;
        }
        let shapes: Vec<String> =
            layers.iter().map(|row| row.output_shape.map(|n| n.to_string()).join(" × ")).collect();
        let counts: Vec<String> = layers.iter().map(|row| thousands(row.parameters)).collect();
        let total = thousands(*parameters);
        let width = |texts: &mut dyn Iterator<Item = &str>| texts.map(|text| text.chars().count()).max().unwrap_or(0);
        let layer_width = width(&mut layers.iter().map(|row| row.layer.as_str()));
        let shape_width = width(&mut shapes.iter().map(String::as_str).chain(["output"]));
        let count_width = width(&mut [total.as_str(), "parameters"].into_iter());
        let mut line = |index: &str, layer: &str, shape: &str, count: &str| {
            let row = format!("{index:>3}  {layer:layer_width$}  {shape:>shape_width$}  {count:>count_width$}");
            writeln!(out, "{}", row.trim_end())
        };
        line("", "layer", "output", "parameters")?;
        for ((row, shape), count) in layers.iter().zip(&shapes).zip(&counts) {
            line(&row.index.to_string(), &row.layer, shape, if row.parameters == 0 { "" } else { count })?;
        }
        line("", "total", "", &total)
    }
}

impl TrainingInfo {
    /// Returns the progress of the training from a checkpoint's metadata; `None` for other files.
    fn of(model: &Model) -> Option<Self> {
        let fact = |key: &str| model.metadata.get(key).cloned().unwrap_or_else(|| "unknown".to_owned());
        let Progress { epoch: epochs, step: steps, .. } = serde_json::from_str(model.metadata.get("progress")?).ok()?;
        let [producer, format_version, data_fingerprint] = ["producer", "format_version", "data_fingerprint"].map(fact);
        Some(Self { epochs, steps, producer, format_version, data_fingerprint })
    }
}

/// Returns a row per layer with its output shape (channels, height, width) and number of parameters.
fn layer_rows(network: &Network) -> Vec<LayerRow> {
    let tensors = network.tensors();
    let parameters = |index: usize| {
        let prefix = format!("{index}.");
        let own = tensors.iter().filter(|tensor| tensor.is_parameter && tensor.name.starts_with(&prefix));
        own.map(|tensor| tensor.shape.iter().product::<usize>()).sum()
    };
    let row = |(index, (layer, _, Shape { channels, height, width })): (usize, (Layer, Shape, Shape))| LayerRow {
        index,
        layer: layer.to_string(),
        output_shape: [channels, height, width],
        parameters: parameters(index),
    };
    network.shapes().into_iter().enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dcgan_model::ModelConfig;

    #[test]
    fn rows_add_up_to_the_network() {
        for network in [Network::generator(&ModelConfig::default()), Network::discriminator(&ModelConfig::default())] {
            let rows = layer_rows(&network);
            assert_eq!(rows.len(), network.layers.len());
            assert_eq!(rows.iter().map(|row| row.parameters).sum::<usize>(), network.parameter_count());
        }
    }
}
