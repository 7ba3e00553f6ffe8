//! `dcgan generate`: new pictures from a trained generator.

use crate::device::{Device, DeviceArgs};
use crate::model_file;
use crate::noise::{Noise, NoiseArgs, NoiseBatch};
use crate::picture_file::{self, PictureFormat};
use crate::preview::{Preview, Screen};
use crate::upscale::ScaleArgs;
use crate::usage::{UsageError, up_to};
use crate::{pipeline, progress};
use anyhow::{Context, Result, bail};
use dcgan::{Discriminate, Generator, Picture};
use dcgan_data::resize::Resizer;
use dcgan_formats::{LatentFormat, LatentWriter};
use dcgan_model::{ModelConfig, Role};
use dcgan_train::{COLUMNS, NewFile, compose_columns, write_atomic};
use rayon::prelude::*;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// Arguments of `dcgan generate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A trained generator (.pt, .pth, .safetensors or a checkpoint), or a run's folder
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Number of faces
    #[arg(short = 'n', long, value_name = "N", default_value_t = 32)]
    count: u64,
    #[command(flatten)]
    noise: NoiseArgs,
    /// Draw so many for each face and keep the one that the discriminator finds most real
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = up_to(MAX_BEST_OF), conflicts_with = "latents")]
    best_of: usize,
    /// Where --best-of finds the discriminator, if not in MODEL
    #[arg(long, value_name = "FILE", requires = "best_of")]
    discriminator: Option<PathBuf>,
    /// A picture file (.png, .jpg or .webp) for all faces on one sheet, or a folder for a file per face [default: faces.png]
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Show the sheet in the terminal, as the terminal can or in the way named; without --out, no file is written
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "terminal")]
    show: Option<Preview>,
    /// Format of the files in a folder [default: png]
    #[arg(long, value_name = "FORMAT")]
    format: Option<PictureFormat>,
    /// Faces to a row of the sheet
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

/// Noise vectors drawn at a time. It bounds the memory; a face does not depend on it.
const BATCH: usize = 128;

/// The largest sheet, in bytes of pixels.
const MAX_SHEET: usize = 1 << 30;

/// The most faces to choose from: their pictures are in memory at the same time.
const MAX_BEST_OF: usize = 1024;

/// Where the faces go.
enum Destination {
    /// A file for all.
    Sheet(PathBuf, PictureFormat),
    /// A file for each.
    Folder(PathBuf, PictureFormat),
    /// Nowhere but to the terminal.
    Terminal,
}

impl Destination {
    fn new(out: Option<&Path>, format: Option<PictureFormat>, show: bool) -> Result<Self> {
        let Some(out) = out else {
            let format = format.unwrap_or(PictureFormat::Png);
            let sheet = Path::new("faces").with_extension(format.extension());
            return Ok(if show { Self::Terminal } else { Self::Sheet(sheet, format) });
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
            (named, _) => Ok(Self::Sheet(out.to_owned(), named)),
        }
    }
}

pub(crate) fn run(mut args: Args) -> Result<()> {
    let show = args.show.filter(|show| *show != Preview::Off);
    let destination = Destination::new(args.out.as_deref(), args.format, show.is_some())?;
    let screen = screen(show)?;
    let device = args.device.start()?;
    let (path, model) = model_file::load(&args.model)?;
    let generator =
        device.generator(&model.network, &model.tensors).with_context(|| format!("cannot draw with {path:?}"))?;
    let critic = if args.best_of > 1 { Some(load_critic(&args, &device, generator.config())?) } else { None };
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
        Destination::Sheet(file, format) => sheet(artist, &args, Some((&file, format)), screen),
        Destination::Terminal => sheet(artist, &args, None, screen),
    }
}

/// What `--show` shows on.
fn screen(show: Option<Preview>) -> Result<Option<Screen>> {
    let screen = Screen::new(Some(show.unwrap_or(Preview::Off)));
    if matches!(show, Some(Preview::Terminal)) && screen.is_none() {
        bail!(UsageError::new("--show, but stderr is no terminal: name the way, such as --show=blocks"));
    }
    Ok(screen)
}

fn load_critic(args: &Args, device: &Device, generator: &ModelConfig) -> Result<Box<dyn Discriminate>> {
    let file = args.discriminator.as_deref().unwrap_or(&args.model);
    let (path, model) = model_file::load_network(file, Some(Role::Discriminator))
        .context("--best-of needs a discriminator; a checkpoint has one, or name it with --discriminator")?;
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

/// Draws faces and keeps their noise.
struct Artist {
    generator: Generator,
    /// Chooses among several.
    critic: Option<Box<dyn Discriminate>>,
    noise: Noise,
    latents: Option<LatentFile>,
}

/// Faces as the network gives them.
struct Drawn {
    names: Vec<String>,
    /// Faces × channels × size × size.
    values: Vec<f32>,
}

impl Artist {
    /// The next faces, `None` behind the last.
    fn next(&mut self) -> Result<Option<Drawn>> {
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
        Ok(Some(Drawn { names, values }))
    }
}

/// The place of the highest logit of every `candidates`; of equal ones the first.
fn best_of_each(logits: &[f32], candidates: usize) -> Vec<usize> {
    let groups = logits.chunks(candidates).enumerate();
    let best = groups.map(|(group, logits)| {
        let start = group * candidates;
        (1..logits.len()).fold(0, |best, i| if logits[i] > logits[best] { i } else { best }) + start
    });
    best.collect()
}

/// The items of `len` values at these places.
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
    fn create(path: &Path, noise: &Noise, config: &ModelConfig) -> Result<Self> {
        let Some(format) = LatentFormat::from_path(path) else {
            bail!(UsageError::new(format_args!("--save-latents {path:?}: name a .npy or .safetensors file")));
        };
        picture_file::create_parent(path)?;
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

/// All faces on one sheet.
fn sheet(mut artist: Artist, args: &Args, file: Option<(&Path, PictureFormat)>, screen: Option<Screen>) -> Result<()> {
    let config = *artist.generator.config();
    let count = artist.noise.count();
    let most = MAX_SHEET / (config.image_len() * args.scale.factor * args.scale.factor);
    if count > most as u64 {
        let message = format!("{count} faces are more than the {most} that fit on a sheet: name a folder with --out");
        bail!(UsageError::new(message));
    }
    let mut faces = Vec::with_capacity(count as usize);
    while let Some(drawn) = artist.next()? {
        let pictures = drawn
            .values
            .par_chunks(config.image_len())
            .map_init(Resizer::new, |resizer, values| args.scale.apply(resizer, picture(values, &config)));
        faces.par_extend(pictures);
    }
    let sheet = compose_columns(&faces, args.columns);
    if let Some((file, format)) = file {
        picture_file::create_parent(file)?;
        picture_file::save(&sheet, format, file)?;
    }
    artist.latents.map_or(Ok(()), LatentFile::finish)?;
    if let Some(screen) = screen {
        screen.show(&sheet);
    }
    if let Some((file, _)) = file {
        let Picture { width, height, .. } = sheet;
        progress::say(&format!("{count} faces in {} ({width} × {height} pixels)", file.display()));
    }
    Ok(())
}

/// One file per face, written while the next ones are drawn.
fn single_faces(mut artist: Artist, args: &Args, folder: &Path, format: PictureFormat) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot write to {folder:?}"))?;
    let config = *artist.generator.config();
    let count = artist.noise.count();
    let bar = progress::bar(count, "drawing faces {wide_bar} {human_pos}/{human_len}  {eta} left");
    let write = |drawn: Drawn| {
        let faces = drawn.names.par_iter().zip(drawn.values.par_chunks(config.image_len()));
        faces
            .map_init(Resizer::new, |resizer, (name, values)| {
                let face = args.scale.apply(resizer, picture(values, &config));
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
    progress::say(&format!("{count} faces in {}", folder.display()));
    Ok(())
}

/// The picture of one face's values.
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
        let new = |out: &str, format| Destination::new(Some(Path::new(out)), format, false);
        assert!(matches!(new("a.png", None), Ok(Destination::Sheet(_, PictureFormat::Png))));
        assert!(matches!(new("a.jpeg", Some(PictureFormat::Jpeg)), Ok(Destination::Sheet(_, PictureFormat::Jpeg))));
        assert!(matches!(new("a", None), Ok(Destination::Folder(_, PictureFormat::Png))));
        assert!(matches!(new("a.b/", Some(PictureFormat::WebP)), Ok(Destination::Folder(_, PictureFormat::WebP))));
        let jpeg = Some(PictureFormat::Jpeg);
        assert!(
            matches!(Destination::new(None, jpeg, false), Ok(Destination::Sheet(file, _)) if file == Path::new("faces.jpg"))
        );
        assert!(matches!(Destination::new(None, None, true), Ok(Destination::Terminal)));
        let error = new("a.png", Some(PictureFormat::Jpeg)).err().unwrap();
        assert!(error.is::<UsageError>() && error.to_string().contains("a .jpg file or a folder"), "{error}");
    }
}
