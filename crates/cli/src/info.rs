//! `dcgan info`: what a model file holds.

use crate::model_file;
use crate::report;
use crate::text::thousands;
use anyhow::Result;
use dcgan_formats::{Model, Progress};
use dcgan_model::{Layer, Network, Role, Shape};
use serde::Serialize;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Arguments of `dcgan info`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A model file (.pt, .pth, .safetensors or a checkpoint), or a run's folder
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is printed, in JSON under these names.
#[derive(Debug, Serialize)]
struct Report {
    file: String,
    format: String,
    role: String,
    image_size: usize,
    channels: usize,
    /// A discriminator knows of no noise.
    #[serde(skip_serializing_if = "Option::is_none")]
    latent_dim: Option<usize>,
    base_channels: usize,
    /// Trained values.
    parameters: usize,
    /// How far the training was; of a checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    training: Option<Training>,
    layers: Vec<LayerRow>,
}

/// The training that a checkpoint is of.
#[derive(Debug, Serialize)]
struct Training {
    /// Epochs ended.
    epochs: u64,
    /// Steps taken.
    steps: u64,
    /// The program that wrote it.
    producer: String,
    /// The version of the layout.
    format_version: String,
    /// Of the pictures it has learnt from.
    data_fingerprint: String,
}

#[derive(Debug, Serialize)]
struct LayerRow {
    /// Index in the state_dict's names.
    index: usize,
    /// As PyTorch prints it.
    layer: String,
    /// Channels, height, width.
    output_shape: [usize; 3],
    /// Trained values.
    parameters: usize,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let (file, model) = model_file::load(&args.file)?;
    let report = Report::new(&file, &model);
    report::print(&report, args.json, Report::write_table)?;
    Ok(())
}

impl Report {
    fn new(file: &Path, model: &Model) -> Self {
        let Network { role, config, .. } = &model.network;
        Self {
            file: file.display().to_string(),
            format: model.format.to_string(),
            role: role.to_string(),
            image_size: config.image_size,
            channels: config.channels,
            latent_dim: (*role == Role::Generator).then_some(config.latent_dim),
            base_channels: config.base_channels,
            parameters: model.network.parameter_count(),
            training: Training::of(model),
            layers: layer_rows(&model.network),
        }
    }

    fn write_table(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { file, format, role, image_size, channels, latent_dim, base_channels, parameters, training, layers } =
            self;
        writeln!(out, "{file}: {role} ({format})")?;
        if let Some(Training { epochs, steps, producer, format_version, data_fingerprint }) = training {
            let steps = thousands(*steps as usize);
            writeln!(out, "after epoch {epochs}, step {steps}, of pictures with fingerprint {data_fingerprint}")?;
            writeln!(out, "written by {producer} in format {format_version}")?;
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

impl Training {
    /// What a checkpoint says of its training; `None` for other files.
    fn of(model: &Model) -> Option<Self> {
        let fact = |key: &str| model.metadata.get(key).cloned().unwrap_or_else(|| "unknown".to_owned());
        let Progress { epoch: epochs, step: steps, .. } = serde_json::from_str(model.metadata.get("progress")?).ok()?;
        let [producer, format_version, data_fingerprint] = ["producer", "format_version", "data_fingerprint"].map(fact);
        Some(Self { epochs, steps, producer, format_version, data_fingerprint })
    }
}

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
