//! `dcgan train`: from a folder of pictures to a generator.

use crate::progress::{self, TrainingProgress, say};
use crate::settings::{Settings, Source, TrainOptions};
use crate::text::thousands;
use crate::{demo, pictures, threads};
use anyhow::{Context, Result};
use dcgan_data::{Channels, Dataset};
use dcgan_engine_cpu::CpuEngine;
use dcgan_train::RunFolder;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Arguments of `dcgan train`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    options: TrainOptions,
    /// Settings from a file, such as a run's config.toml; flags override it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Where runs go that were given no folder.
const RUNS: &str = "runs";

pub(crate) fn run(args: Args) -> Result<()> {
    let options = match &args.config {
        Some(path) => args.options.or(TrainOptions::from_file(path)?),
        None => args.options,
    };
    let settings = options.resolve()?;
    let config = &settings.train;
    threads::start(settings.threads)?;

    let data = Arc::new(load_pictures(&settings)?);
    let mut engine = CpuEngine::new(threads::cpu(settings.threads)?, &config.model, config.adam, config.batch_size)?;
    let mut folder = create_folder(&settings)?;
    say(&format!("folder    {}", folder.path().display()));

    let mut progress = TrainingProgress::new();
    let summary = dcgan_train::train(config, &data, &mut engine, &mut [&mut folder, &mut progress])
        .with_context(|| format!("the run in {:?} has failed", folder.path()))?;

    let generator = folder.torchscript_path();
    say(&format!("done. The last faces are in {}", folder.sample_path(summary.epochs).display()));
    say(&format!("Draw new ones with: dcgan generate {}", generator.display()));
    Ok(())
}

/// Reads or draws the pictures, and says what they are.
fn load_pictures(settings: &Settings) -> Result<Dataset> {
    let model = &settings.train.model;
    let (size, channels) = (model.image_size, colour(model.channels));
    let form = format!("{size} × {size} {}", if channels == Channels::Grey { "grey" } else { "colour" });
    match &settings.source {
        Source::Demo { count } => {
            let bar = progress::bar(*count as u64, "drawing faces {wide_bar} {human_pos}/{human_len}");
            let data = Dataset::from_fn(*count, size, channels, |index, out| {
                out.copy_from_slice(&demo::face(demo::SEED, index, size, channels.count()));
                bar.inc(1);
            })?;
            bar.finish_and_clear();
            say(&format!("pictures  {} built-in faces, {form}", thousands(data.len())));
            Ok(data)
        }
        Source::Folder { path, max_images, pictures } => {
            let (data, report) = pictures::load(path, size, channels, *max_images, pictures)?;
            say(&format!("pictures  {} from {}, {form}", thousands(data.len()), path.display()));
            pictures::say_report(&report);
            pictures.check(&report)?;
            pictures::check_batch(&report, settings.train.batch_size)?;
            Ok(data)
        }
    }
}

fn colour(channels: usize) -> Channels {
    if channels == 1 { Channels::Grey } else { Channels::Rgb }
}

fn create_folder(settings: &Settings) -> Result<RunFolder> {
    let config = settings.to_toml();
    let folder = match &settings.out {
        Some(path) => RunFolder::create(path, &config),
        None => RunFolder::create_numbered(Path::new(RUNS), &run_name(&settings.source), &config),
    };
    folder.context("cannot make the run's folder; choose another with --out")
}

/// A name for a run on these pictures: that of their folder or archive, with what is awkward in a file name or a shell taken out.
fn run_name(source: &Source) -> String {
    let Source::Folder { path, .. } = source else { return "demo".to_owned() };
    // `.` and `faces/..` have no name of their own.
    let named = path.canonicalize().unwrap_or_else(|_| path.clone());
    let is_archive = named.is_file();
    let name = if is_archive { named.file_stem() } else { named.file_name() };
    let name = name.unwrap_or_default().to_string_lossy();
    let tame = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = name.chars().map(tame).take(40).collect();
    if name.is_empty() { "run".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_named_after_their_pictures() {
        let name = |path: &str| {
            run_name(&Source::Folder { path: path.into(), max_images: None, pictures: Default::default() })
        };
        assert_eq!(name("/no/such/faces"), "faces");
        assert_eq!(name("/no/such/my faces (new)/"), "my-faces--new-");
        assert_eq!(name("/no/such/动漫"), "动漫");
        assert_eq!(name("src/.."), "cli");
        assert_eq!(name("/"), "run");
        assert_eq!(run_name(&Source::Demo { count: 1 }), "demo");
    }
}
