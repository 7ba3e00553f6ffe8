//! `dcgan generate`: new pictures from a trained generator.

use crate::device::{Device, DeviceArgs};
use crate::hint::Hint;
use crate::model_file::{self, GeneratorArgs};
use crate::noise::{Noise, NoiseArgs, NoiseBatch};
use crate::output::{ForceArgs, Output, WriteArgs, is_stdout};
use crate::picture_file::{self, PictureFormat};
use crate::preview::{Preview, Screen};
use crate::text::file_size;
use crate::upscale::{Scale, ScaleArgs};
use crate::usage::{UsageError, up_to};
use crate::{pictures, pipeline, progress};
use anyhow::{Context, Result, bail};
use dcgan::{Discriminate, Generator, Picture};
use dcgan_data::resize::Resizer;
use dcgan_files::{NewFile, write_atomic};
use dcgan_formats::{LatentFormat, LatentWriter};
use dcgan_image::{COLUMNS, compose_columns, sheet_size};
use dcgan_model::ModelConfig;
use rayon::prelude::*;
use serde_json::json;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// Arguments of `dcgan generate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    generator: GeneratorArgs,
    /// Number of faces
    #[arg(short = 'n', long, value_name = "N", default_value_t = 32)]
    count: u64,
    #[command(flatten)]
    noise: NoiseArgs,
    /// Draw K candidates for each face and keep the one that the discriminator rates as most real
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = up_to(MAX_BEST_OF), conflicts_with = "latents")]
    best_of: usize,
    /// File with the discriminator for --best-of, if MODEL has none
    #[arg(long, value_name = "FILE", requires = "best_of")]
    discriminator: Option<PathBuf>,
    /// Name of the discriminator in a file with several
    #[arg(long, value_name = "NAME", requires = "best_of")]
    discriminator_network: Option<String>,
    /// A picture file (.png, .jpg or .webp) for all faces on one sheet, a folder for a file per face, or - for standard
    /// output [default: faces.png]
    #[arg(long, value_name = "PATH", allow_hyphen_values = true)]
    out: Option<PathBuf>,
    #[command(flatten)]
    write: WriteArgs,
    /// Show the sheet in the terminal, in the best way it supports or in this one; without --out, no file is written
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "terminal")]
    show: Option<Preview>,
    /// Format of the files in a folder [default: png]
    #[arg(long, value_name = "FORMAT")]
    format: Option<PictureFormat>,
    /// Faces in a row of the sheet
    #[arg(long, value_name = "N", default_value_t = COLUMNS, value_parser = up_to(1024))]
    columns: usize,
    #[command(flatten)]
    scale: ScaleArgs,
    /// Also write the noise of the faces, as .npy or .safetensors; --latents draws them again
    #[arg(long, value_name = "FILE")]
    save_latents: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Number of noise vectors drawn at a time. It limits the memory and does not affect the faces.
const BATCH: usize = 128;

/// Largest size of a sheet, in bytes of pixels.
const MAX_SHEET: usize = 1 << 30;

/// Largest value of `--best-of`: that many pictures are in memory at the same time.
const MAX_BEST_OF: usize = 1024;

/// Destination of the faces.
enum Destination {
    /// One file for all faces.
    Sheet(Output, PictureFormat),
    /// A file for each face.
    Folder(PathBuf, PictureFormat),
    /// The terminal only.
    Terminal,
}

impl Destination {
    /// Chooses the destination from `--out`, `--format` and `--show`. A name without an extension is that of a folder.
    fn new(out: Option<&Path>, format: Option<PictureFormat>, show: bool, force: ForceArgs) -> Result<Self> {
        if out.is_none() && show {
            return Ok(Self::Terminal);
        }
        let default_format = format.unwrap_or(PictureFormat::Png);
        let default = Path::new("faces").with_extension(default_format.extension());
        let Some(out) = out.filter(|out| !is_stdout(out)) else {
            return Ok(Self::Sheet(force.output("--out", out, &default)?, default_format));
        };
        if picture_file::names_folder(out) {
            return Ok(Self::Folder(out.to_owned(), format.unwrap_or(PictureFormat::Png)));
        }
        match (PictureFormat::from_path(out)?, format) {
            (named, Some(asked)) if named != asked => {
                let message =
                    format!("--format {0}, but --out {out:?}: name a .{0} file or a folder", asked.extension());
                bail!(UsageError::new(message))
            }
            (named, _) => Ok(Self::Sheet(force.output("--out", Some(out), &default)?, named)),
        }
    }
}

/// Checks all names before it loads the model, then draws and writes the faces some at a time.
pub(crate) fn run(mut args: Args) -> Result<()> {
    let show = args.show.filter(|show| *show != Preview::Off);
    let destination = Destination::new(args.out.as_deref(), args.format, show.is_some(), args.write.force)?;
    if let Destination::Sheet(output, _) = &destination {
        args.write.json.check(output)?;
    }
    if let Some(latents) = &args.save_latents {
        args.write.force.check("--save-latents", latents)?;
    }
    let screen = screen(show)?;
    let model_path = args.generator.locate()?;
    let device = args.device.start()?;
    let (path, model) = args.generator.load(&model_path)?;
    let generator =
        device.generator(&model.network, &model.tensors).with_context(|| format!("cannot draw with {path:?}"))?;
    let critic =
        if args.best_of > 1 { Some(load_critic(&args, &model_path, &device, generator.config())?) } else { None };
    if let Destination::Folder(..) = destination {
        if screen.is_some() {
            bail!(UsageError::new("--show shows a sheet: name a picture file with --out, or no --out at all"));
        }
        // One file per seed: a seed that is named twice is drawn once.
        args.noise.seeds = args.noise.seeds.map(|seeds| seeds.distinct());
    }
    let noise = args.noise.open(args.count, generator.config().latent_dim, args.best_of)?;
    if noise.count() == 0 {
        bail!(UsageError::new("-n 0 leaves nothing to draw: choose 1 or more"));
    }
    let latents =
        args.save_latents.as_deref().map(|path| LatentFile::create(path, &noise, generator.config())).transpose()?;
    let artist = Artist { generator, critic, noise, latents };
    match destination {
        Destination::Folder(folder, format) => single_faces(artist, &args, &folder, format),
        Destination::Sheet(output, format) => sheet(artist, &args, Some((output, format)), screen),
        Destination::Terminal => sheet(artist, &args, None, screen),
    }
}

/// Returns the screen for `--show`.
fn screen(show: Option<Preview>) -> Result<Option<Screen>> {
    let screen = Screen::new(Some(show.unwrap_or(Preview::Off)));
    if matches!(show, Some(Preview::Terminal)) && screen.is_none() {
        bail!(UsageError::new("--show, but stderr is no terminal: name the way, such as --show=blocks"));
    }
    Ok(screen)
}

/// Loads the discriminator for `--best-of`.
fn load_critic(args: &Args, model: &Path, device: &Device, generator: &ModelConfig) -> Result<Box<dyn Discriminate>> {
    let file = args.discriminator.as_deref().unwrap_or(model);
    let name = args.discriminator_network.as_deref();
    let (path, model) = model_file::load_discriminator(file, name).with_context(|| match model_file::run_of(file) {
        Some(run) => {
            let command = Hint::new("generate").path(run).option("--best-of", args.best_of);
            format!(
                "--best-of needs a discriminator, and {file:?} has the generator only; its run has both: \
                 {command}, or name one with --discriminator"
            )
        }
        None => "--best-of needs a discriminator: give a run's folder or a checkpoint as MODEL, or name a file of one \
                 with --discriminator"
            .to_owned(),
    })?;
    let config = &model.network.config;
    if (config.image_size, config.channels) != (generator.image_size, generator.channels) {
        bail!(
            "the discriminator in {path:?} is for pictures of {} × {size} × {size}, which the generator does not draw",
            config.channels,
            size = config.image_size
        );
    }
    device.discriminator(&model.network, &model.tensors)
}

/// Draws faces and writes their noise to a file if asked for.
struct Artist {
    generator: Generator,
    /// Discriminator that chooses the best of several faces.
    critic: Option<Box<dyn Discriminate>>,
    noise: Noise,
    latents: Option<LatentFile>,
}

/// Some faces as the network computes them.
struct FaceBatch {
    names: Vec<String>,
    /// Values in [−1, 1]: faces × channels × size × size.
    values: Vec<f32>,
}

impl Artist {
    /// Draws the next faces; `None` after the last.
    fn next(&mut self) -> Result<Option<FaceBatch>> {
        let Self { generator, critic, noise, latents } = self;
        let Some(NoiseBatch { names, mut vectors }) = noise.next(BATCH)? else { return Ok(None) };
        let mut values = generator.draw_values(&vectors)?;
        if let Some(critic) = critic {
            let logits = critic.logits(&values)?;
            let best = best_of_each(&logits, logits.len() / names.len());
            let ModelConfig { latent_dim, .. } = *generator.config();
            values = pick(&values, generator.config().image_len(), &best);
            vectors = pick(&vectors, latent_dim, &best);
        }
        if let Some(latents) = latents {
            latents.write(&vectors)?;
        }
        Ok(Some(FaceBatch { names, values }))
    }
}

/// Returns the index of the highest logit in each group of `candidates`; of equal ones the first.
fn best_of_each(logits: &[f32], candidates: usize) -> Vec<usize> {
    let groups = logits.chunks(candidates).enumerate();
    let best = groups.map(|(group, logits)| {
        let start = group * candidates;
        (1..logits.len()).fold(0, |best, i| if logits[i] > logits[best] { i } else { best }) + start
    });
    best.collect()
}

/// Returns the items of `len` values at these indices.
fn pick(values: &[f32], len: usize, places: &[usize]) -> Vec<f32> {
    places.iter().flat_map(|place| &values[place * len..(place + 1) * len]).copied().collect()
}

/// `--save-latents`
struct LatentFile {
    path: PathBuf,
    new: NewFile,
    writer: LatentWriter<BufWriter<File>>,
}

impl LatentFile {
    /// Creates the file for all vectors of `noise`; its extension decides the format. It gets its name in
    /// [`LatentFile::finish`].
    fn create(path: &Path, noise: &Noise, config: &ModelConfig) -> Result<Self> {
        let Some(format) = LatentFormat::from_path(path) else {
            bail!(UsageError::new(format_args!("--save-latents {path:?}: name a .npy or .safetensors file")));
        };
        picture_file::prepare_output(path)?;
        let cannot = || format!("cannot write {path:?}");
        let (new, file) = NewFile::create(path).with_context(cannot)?;
        let writer = LatentWriter::to_file(file, format, noise.count(), config.latent_dim).with_context(cannot)?;
        Ok(Self { path: path.to_owned(), new, writer })
    }

    fn write(&mut self, vectors: &[f32]) -> Result<()> {
        self.writer.write(vectors).with_context(|| format!("cannot write {:?}", self.path))
    }

    fn finish(self) -> Result<()> {
        self.writer.finish().and_then(|()| self.new.commit()).with_context(|| format!("cannot write {:?}", self.path))
    }
}

/// Draws all faces on one sheet.
fn sheet(
    mut artist: Artist,
    args: &Args,
    output: Option<(Output, PictureFormat)>,
    screen: Option<Screen>,
) -> Result<()> {
    let config = *artist.generator.config();
    let count = artist.noise.count();
    let shown = usize::try_from(count).unwrap_or(usize::MAX).min(args.columns);
    let scale = args.scale.of_sheet(sheet_size(shown, args.columns, config.image_size).0);
    let most = MAX_SHEET / (config.image_len() * scale.factor() * scale.factor());
    if count > most as u64 {
        let message = format!("{count} faces are more than the {most} that fit on a sheet: name a folder with --out");
        bail!(UsageError::new(message));
    }
    if let Some((output, format)) = &output {
        format.check_size(sheet_size(count as usize, args.columns, config.image_size * scale.factor()))?;
        picture_file::prepare_output(output.path())?;
    }
    let mut faces = Vec::with_capacity(count as usize);
    while let Some(drawn) = artist.next()? {
        let pictures = drawn
            .values
            .par_chunks(config.image_len())
            .map_init(Resizer::new, |resizer, values| scale.apply(resizer, picture(values, &config)));
        faces.par_extend(pictures);
    }
    let sheet = compose_columns(&faces, args.columns);
    if let Some((output, format)) = &output {
        picture_file::save(&sheet, *format, output.path())?;
    }
    artist.latents.map_or(Ok(()), LatentFile::finish)?;
    if let Some(screen) = screen {
        screen.show(&sheet);
    }
    if let Some((output, _)) = output {
        let Picture { width, height, .. } = sheet;
        let (shown, name, size) = (number_of_faces(count), output.name(), file_size(output.path()));
        let report = json!({
            "file": name, "faces": count, "width": width, "height": height, "latents": args.save_latents,
        });
        output.finish()?;
        args.write.json.print(&report)?;
        progress::say(&format!("{shown} in {name} ({width} × {height} pixels{size})"));
    }
    Ok(())
}

/// Writes one file per face while the next ones are drawn.
fn single_faces(mut artist: Artist, args: &Args, folder: &Path, format: PictureFormat) -> Result<()> {
    let config = *artist.generator.config();
    let scale: Scale = args.scale.of_faces();
    let side = config.image_size * scale.factor();
    format.check_size((side, side))?;
    args.write
        .force
        .check_folder("--out", folder, |name| is_face_file(name, artist.noise.count(), &args.noise, format))?;
    picture_file::prepare_folder(folder)?;
    let count = artist.noise.count();
    let bar = progress::bar(count, "drawing faces {wide_bar} {human_pos}/{human_len}  {left}");
    let write = |drawn: FaceBatch| {
        let faces = drawn.names.par_iter().zip(drawn.values.par_chunks(config.image_len()));
        faces
            .map_init(Resizer::new, |resizer, (name, values)| {
                let face = scale.apply(resizer, picture(values, &config));
                let path = folder.join(name).with_extension(format.extension());
                let written = format.encode(&face).and_then(|bytes| write_atomic(&path, &bytes));
                written.with_context(|| format!("cannot write {path:?}"))
            })
            .collect::<Result<()>>()?;
        bar.inc(drawn.names.len() as u64);
        Ok(())
    };
    pipeline::run(|| artist.next(), write)?;
    bar.finish_and_clear();
    artist.latents.map_or(Ok(()), LatentFile::finish)?;
    args.write.json.print(&json!({
        "folder": folder, "faces": count, "width": side, "height": side, "format": format.extension(),
        "latents": args.save_latents,
    }))?;
    progress::say(&format!("{} in {}", number_of_faces(count), folder.display()));
    Ok(())
}

/// Returns "1 face" or "32 faces".
fn number_of_faces(count: u64) -> String {
    pictures::count(usize::try_from(count).unwrap_or(usize::MAX), "face", "faces")
}

/// Returns whether `name` is the file name of one of the `count` faces of `noise`.
fn is_face_file(name: &str, count: u64, noise: &NoiseArgs, format: PictureFormat) -> bool {
    let Some(stem) = name.strip_suffix(&format!(".{}", format.extension())) else { return false };
    let (kind, number) = stem.split_once('-').unwrap_or_default();
    let Ok(number) = number.parse::<u64>() else { return false };
    match &noise.seeds {
        Some(seeds) => kind == "seed" && seeds.contains(number),
        None => kind == "face" && number < count,
    }
}

/// Converts the values of one face to a picture.
fn picture(values: &[f32], config: &ModelConfig) -> Picture {
    Picture::from_nchw(values, config.channels, config.image_size).swap_remove(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_real_of_each_group_is_picked() {
        assert_eq!(best_of_each(&[0.1, 3.0, -1.0, -5.0, -2.0, -2.0], 3), [1, 4]);
        assert_eq!(best_of_each(&[f32::NAN, 1.0], 2), [0]);
        assert_eq!(pick(&[0.0, 1.0, 10.0, 11.0, 20.0, 21.0], 2, &[2, 0]), [20.0, 21.0, 0.0, 1.0]);
    }

    #[test]
    fn the_name_decides_between_sheet_and_folder() {
        let force = ForceArgs::default();
        let new = |out: &str, format| Destination::new(Some(Path::new(out)), format, false, force);
        assert!(matches!(new("a.png", None), Ok(Destination::Sheet(_, PictureFormat::Png))));
        assert!(matches!(new("a.jpeg", Some(PictureFormat::Jpeg)), Ok(Destination::Sheet(_, PictureFormat::Jpeg))));
        assert!(matches!(new("a", None), Ok(Destination::Folder(_, PictureFormat::Png))));
        assert!(matches!(new("a.b/", Some(PictureFormat::WebP)), Ok(Destination::Folder(_, PictureFormat::WebP))));
        let jpeg = Some(PictureFormat::Jpeg);
        assert!(matches!(
            Destination::new(None, jpeg, false, force),
            Ok(Destination::Sheet(file, _)) if file.path() == Path::new("faces.jpg")
        ));
        assert!(matches!(Destination::new(None, None, true, force), Ok(Destination::Terminal)));
        let error = new("a.png", Some(PictureFormat::Jpeg)).err().unwrap();
        assert!(error.is::<UsageError>() && error.to_string().contains("a .jpg file or a folder"), "{error}");
    }

    #[test]
    fn files_of_faces_are_known_by_their_names() {
        let seeds = NoiseArgs::of_seeds(Some("3-5,99".parse().unwrap()));
        let is_file = |name: &str, noise: &NoiseArgs| is_face_file(name, 10, noise, PictureFormat::Png);
        assert!(["seed-0003.png", "seed-0099.png"].iter().all(|name| is_file(name, &seeds)));
        assert!(
            ["seed-0006.png", "face-0003.png", "seed-0003.jpg", "seed.png"].iter().all(|name| !is_file(name, &seeds))
        );
        let numbers = NoiseArgs::of_seeds(None);
        assert!(is_file("face-0009.png", &numbers) && !is_file("face-0010.png", &numbers));
    }
}
