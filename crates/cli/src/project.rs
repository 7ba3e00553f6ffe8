//! `dcgan project`: the face that is nearest to a given picture.

use crate::device::DeviceArgs;
use crate::hint::Hint;
use crate::limited;
use crate::model_file::GeneratorArgs;
use crate::output::WriteArgs;
use crate::picture_file::{self, PictureFormat};
use crate::pictures::FitArgs;
use crate::progress;
use crate::upscale::ScaleArgs;
use crate::usage::{UsageError, up_to};
use anyhow::{Context, Result, bail};
use dcgan::{Picture, ProjectOptions, levels, poor_projection as poor, project};
use dcgan_data::resize::Resizer;
use dcgan_data::{Channels, MAX_FILE_BYTES};
use dcgan_files::NewFile;
use dcgan_formats::{LatentFormat, LatentWriter};
use dcgan_image::{compose_columns, sheet_size};
use dcgan_model::Role;
use dcgan_settings::{CacheLocation, ImageOptions, Seed};

use serde_json::json;
use std::path::{Path, PathBuf};

/// Arguments of `dcgan project`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The picture to find a face for; it is prepared as train prepares pictures
    #[arg(value_name = "IMAGE")]
    image: PathBuf,
    #[command(flatten)]
    generator: GeneratorArgs,
    /// File for a sheet of three: the picture, the random face that the search started from, and the face that it
    /// found; - for standard output [default: projection.png]
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    out: Option<PathBuf>,
    #[command(flatten)]
    write: WriteArgs,
    /// File for the noise that the search found, .npy or .safetensors [default: beside the sheet, .npy]
    #[arg(long, value_name = "FILE")]
    save_latents: Option<PathBuf>,
    #[command(flatten)]
    fit: FitArgs,
    /// Number of searches, of which the best result is kept
    #[arg(long, value_name = "N", default_value_t = ProjectOptions::default().starts, value_parser = up_to(256))]
    starts: usize,
    /// Steps of each search
    #[arg(long, value_name = "N", default_value_t = ProjectOptions::default().steps, value_parser = up_to(1_000_000))]
    steps: usize,
    /// Adam's learning rate at the first step
    #[arg(long, value_name = "LR", default_value_t = ProjectOptions::default().lr, allow_negative_numbers = true)]
    lr: f64,
    /// Weight of the noise's mean square beside the pixels' mean square error; higher gives more typical faces
    #[arg(
        long, value_name = "WEIGHT",
        default_value_t = ProjectOptions::default().prior, allow_negative_numbers = true
    )]
    prior: f64,
    /// Seed of the random faces that the searches start from
    #[arg(
        long, value_name = "SEED",
        default_value_t = Seed(ProjectOptions::default().seed), allow_negative_numbers = true
    )]
    seed: Seed,
    #[command(flatten)]
    scale: ScaleArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Searches for the noise, writes it and a sheet of three: the picture, the random face that the search began with, and
/// the result.
pub(crate) fn run(args: &Args) -> Result<()> {
    let Args { starts, steps, lr, prior, seed: Seed(seed), .. } = *args;
    let options = ProjectOptions { starts, steps, lr, prior, seed, ..ProjectOptions::default() };
    options.validate().map_err(UsageError::new)?;
    let output = args.write.output("--out", args.out.as_deref(), Path::new(OUT))?;
    let format = PictureFormat::from_path(output.path())?;
    let beside = if output.is_stdout() { Path::new(OUT) } else { output.path() };
    let default_latents = beside.with_extension("npy");
    let latents = args.save_latents.as_deref();
    let latent_path = match latents {
        // `--force` replaces the noise beside the sheet too.
        None if args.out.is_some() && !output.is_stdout() => {
            args.write.force.check("--save-latents", &default_latents)?;
            default_latents
        }
        _ => args.write.force.output("--save-latents", latents, &default_latents)?.path().to_owned(),
    };
    let Some(latent_format) = LatentFormat::from_path(&latent_path) else {
        bail!(UsageError::new(format_args!("--save-latents {latent_path:?}: name a .npy or .safetensors file")));
    };
    let model_path = args.generator.locate()?;
    picture_file::prepare_output(output.path())?;
    picture_file::prepare_output(&latent_path)?;
    let device = args.device.start()?;
    let (path, model) = args.generator.load(&model_path)?;
    if model.network.role != Role::Generator {
        bail!("{path:?} holds a {}, and only a generator can draw", model.network.role);
    }
    let config = model.network.config;
    let fit = args.fit.options(false, CacheLocation::Off);
    let target = read_picture(&args.image, config.image_size, config.channels, &fit)?;
    let values: Vec<f32> = target.to_nchw();

    let mut generator = device.differentiable(&model.network, &model.tensors, starts)?;
    let bar = progress::bar(steps as u64, "searching {wide_bar} step {human_pos}/{human_len}  error {msg}  {left}");
    let found = project(&mut *generator, &values, &options, |step, error| {
        bar.set_position(step as u64);
        bar.set_message(format!("{:.1}", levels(error)));
    })?;
    bar.finish_and_clear();
    drop(generator);

    // Drawn as `generate` draws, so that the noise gives the same face again.
    let generator = device.generator(&model.network, &model.tensors)?;
    let mut faces = vec![target];
    faces.extend(generator.draw(&[found.start.as_slice(), &found.noise].concat())?);
    let mut resizer = Resizer::new();
    let scale = args.scale.of_sheet(sheet_size(faces.len(), faces.len(), config.image_size).0);
    let faces: Vec<Picture> = faces.into_iter().map(|face| scale.apply(&mut resizer, face)).collect();
    picture_file::create_parent(output.path())?;
    picture_file::save(&compose_columns(&faces, faces.len()), format, output.path())?;
    save_latents(&latent_path, latent_format, &found.noise)?;
    let [before, after] = [found.start_error, found.error].map(levels);
    progress::say(&format!("error {before:.1} of 255 for the random face it began with, {after:.1} after the search"));
    if let Some(reason) = poor(before, after) {
        progress::say(&format!("note      {reason}"));
    }
    let out = output.name();
    output.finish()?;
    args.write.json.print(&json!({
        "file": out, "latents": latent_path, "error_of_random_face": before, "error": after,
        "poor": poor(before, after),
    }))?;
    progress::say(&format!("{out} has the picture, the random face and the result; draw it again with:"));
    let command = args.generator.repeat_in(Hint::new("generate").path(&model_path));
    progress::say(&command.words("--latents").path(&latent_path).to_string());
    Ok(())
}

/// Default file of the sheet.
const OUT: &str = "projection.png";
/// Reads a picture file and prepares it as `train` prepares its pictures.
fn read_picture(path: &Path, size: usize, channels: usize, options: &ImageOptions) -> Result<Picture> {
    let bytes = limited::read(path, MAX_FILE_BYTES)?;
    let prepared = dcgan::prepare_picture(&bytes, size, Channels::from_count(channels), options);
    prepared.with_context(|| format!("cannot use {path:?}"))
}

/// Writes one noise vector to a file. The file is complete or absent.
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
