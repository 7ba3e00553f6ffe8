//! `dcgan project`: the face that is nearest to a given picture.

use crate::device::DeviceArgs;
use crate::model_file;
use crate::picture_file::{self, PictureFormat};
use crate::pictures::{Cache, FitArgs, PictureOptions};
use crate::progress;
use crate::upscale::ScaleArgs;
use crate::usage::{UsageError, up_to};
use anyhow::{Context, Result, bail};
use dcgan::{Picture, ProjectOptions, project};
use dcgan_data::resize::Resizer;
use dcgan_data::{Channels, fit::Fitter};
use dcgan_formats::{LatentFormat, LatentWriter};
use dcgan_model::Role;
use dcgan_train::{NewFile, compose_columns};
use std::path::{Path, PathBuf};

/// Arguments of `dcgan project`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The picture to find a face for; it is prepared as train prepares pictures
    #[arg(value_name = "IMAGE")]
    image: PathBuf,
    /// A trained generator (.pt, .pth, .safetensors or a checkpoint), or a run's folder
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// File for a sheet of three: the picture, the random face that the search began with, and what the search made of it
    #[arg(long, value_name = "FILE", default_value = "projection.png")]
    out: PathBuf,
    /// File for the noise that was found, .npy or .safetensors [default: beside the sheet, .npy]
    #[arg(long, value_name = "FILE")]
    save_latents: Option<PathBuf>,
    #[command(flatten)]
    fit: FitArgs,
    /// Searches at the same time; the best one counts
    #[arg(long, value_name = "N", default_value_t = ProjectOptions::default().starts, value_parser = up_to(256))]
    starts: usize,
    /// Steps of each search
    #[arg(long, value_name = "N", default_value_t = ProjectOptions::default().steps, value_parser = up_to(1_000_000))]
    steps: usize,
    /// Adam's learning rate at the first step
    #[arg(long, value_name = "LR", default_value_t = ProjectOptions::default().lr, allow_negative_numbers = true)]
    lr: f64,
    /// Weight of the noise's mean square beside the pixels' mean square error; higher keeps to more usual faces
    #[arg(long, value_name = "WEIGHT", default_value_t = ProjectOptions::default().prior, allow_negative_numbers = true)]
    prior: f64,
    /// Seed of the random faces that the searches start from
    #[arg(long, value_name = "SEED", default_value_t = ProjectOptions::default().seed)]
    seed: u64,
    #[command(flatten)]
    scale: ScaleArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let Args { starts, steps, lr, prior, seed, .. } = *args;
    if !(lr.is_finite() && lr > 0.0) {
        bail!(UsageError::new(format_args!("--lr {lr}: choose a number above 0, such as 0.1")));
    }
    if !(prior.is_finite() && prior >= 0.0) {
        bail!(UsageError::new(format_args!("--prior {prior}: choose 0 or more, such as 0.001")));
    }
    let format = PictureFormat::from_path(&args.out)?;
    let latent_path = args.save_latents.clone().unwrap_or_else(|| args.out.with_extension("npy"));
    let Some(latent_format) = LatentFormat::from_path(&latent_path) else {
        bail!(UsageError::new(format_args!("--save-latents {latent_path:?}: name a .npy or .safetensors file")));
    };
    let device = args.device.start()?;
    let (path, model) = model_file::load(&args.model)?;
    if model.network.role != Role::Generator {
        bail!("{path:?} holds a {}, and only a generator can draw", model.network.role);
    }
    let config = model.network.config;
    let options = args.fit.options(false, Cache::Off)?;
    let target = read_picture(&args.image, config.image_size, config.channels, &options)?;
    let values: Vec<f32> = target.to_nchw();

    let mut generator = device.differentiable(&model.network, &model.tensors, starts)?;
    let options = ProjectOptions { starts, steps, lr, prior, seed, ..ProjectOptions::default() };
    let bar = progress::bar(steps as u64, "searching {wide_bar} step {human_pos}/{human_len}  error {msg}  {eta} left");
    let found = project(&mut *generator, &values, &options, |step, error| {
        bar.set_position(step as u64);
        bar.set_message(format!("{:.1}", levels(error)));
    })?;
    bar.finish_and_clear();
    drop(generator);

    // Drawn as generate draws, so that the noise gives this very face again.
    let mut generator = device.generator(&model.network, &model.tensors)?;
    let mut faces = vec![target];
    faces.extend(generator.draw(&[found.start.as_slice(), &found.noise].concat())?);
    let mut resizer = Resizer::new();
    let faces: Vec<Picture> = faces.into_iter().map(|face| args.scale.apply(&mut resizer, face)).collect();
    picture_file::create_parent(&args.out)?;
    picture_file::save(&compose_columns(&faces, faces.len()), format, &args.out)?;
    save_latents(&latent_path, latent_format, &found.noise)?;
    let [before, after] = [found.start_error, found.error].map(levels);
    progress::say(&format!("error {before:.1} of 255 for the random face it began with, {after:.1} after the search"));
    let (out, latents, model) = (args.out.display(), latent_path.display(), args.model.display());
    progress::say(&format!("{out} has the picture, the random face and the result; draw it again with:"));
    progress::say(&format!("dcgan generate {model} --latents {latents}"));
    Ok(())
}

/// The root of a mean square error of values in [−1, 1], in the 255 levels of a picture.
fn levels(mean_square: f64) -> f64 {
    mean_square.sqrt() * 127.5
}

/// A picture file, prepared as pictures to train on are.
fn read_picture(path: &Path, size: usize, channels: usize, options: &PictureOptions) -> Result<Picture> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {path:?}"))?;
    let picture = dcgan_data::decode(&bytes, Channels::from_count(channels), options.background)
        .with_context(|| format!("cannot use {path:?}"))?;
    let mut prepared = Picture::black(size, size, channels);
    Fitter::new(size, options.fit, options.filter, options.background).fit(&mut prepared.pixels, &picture);
    Ok(prepared)
}

fn save_latents(path: &Path, format: LatentFormat, noise: &[f32]) -> Result<()> {
    picture_file::create_parent(path)?;
    let write = || {
        let (new, file) = NewFile::create(path)?;
        let mut writer = LatentWriter::to_file(file, format, 1, noise.len())?;
        writer.write(noise)?;
        writer.finish()?;
        new.commit()
    };
    write().with_context(|| format!("cannot write {path:?}"))
}
