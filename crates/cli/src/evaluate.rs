//! `dcgan evaluate`: how close generated pictures are to real ones, in figures.

use crate::device::{Device, DeviceArgs};
use crate::model_file::NetworkArgs;
use crate::pictures::{self, CacheArgs, FitArgs};
use crate::text::thousands;
use crate::usage::UsageError;
use crate::{demo, model_file, progress, report, threads};
use anyhow::{Context, Result, bail};
use dcgan::Generator;
use dcgan_data::{Channels, DataError, Dataset};
use dcgan_metrics::{Evaluation, Evaluator, Images, MetricsError};
use dcgan_model::ModelConfig;
use dcgan_settings::{ImageOptions, Seed};
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Arguments of `dcgan evaluate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A trained generator (.pt, .pth, .safetensors or a checkpoint), a run's folder, or a folder or archive of
    /// generated pictures [default: latest, the newest run in runs/]
    #[arg(value_name = "MODEL")]
    first: Option<PathBuf>,
    #[command(flatten)]
    network: NetworkArgs,
    /// The real pictures to compare with: a folder, .zip or .tar
    #[arg(value_name = "DATA", conflicts_with = "demo")]
    second: Option<PathBuf>,
    /// Compare with the built-in faces instead of DATA
    #[arg(long)]
    demo: bool,
    /// Pictures to compare, at most half as many as there are real ones
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(8..=100_000))]
    samples: u32,
    /// Seed of the noise
    #[arg(long, value_name = "SEED", default_value_t = Seed(0), allow_negative_numbers = true)]
    seed: Seed,
    #[command(flatten)]
    fit: FitArgs,
    #[command(flatten)]
    cache: CacheArgs,
    /// Compare with the first N pictures of DATA only
    #[arg(long, value_name = "N")]
    max_images: Option<NonZeroUsize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Time between two frames of the spinner.
const TICK: Duration = Duration::from_millis(100);

/// Height and width of the generated pictures if they come from a folder.
const FOLDER_SIZE: usize = 64;

/// Pictures in the form that the measures take.
struct Pixels {
    bytes: Vec<u8>,
    size: usize,
    channels: usize,
}

impl Pixels {
    /// Returns the pictures as the measures take them. Fails if they are of a size that cannot be measured.
    fn images(&self) -> Result<Images<'_>, MetricsError> {
        Images::new(&self.bytes, self.size, self.channels)
    }

    /// `count` pictures of a data set, evenly spaced, or all of them.
    fn of_dataset(data: &Dataset, count: usize) -> Result<Self, DataError> {
        let bytes = data.evenly_spaced(count)?;
        Ok(Self { bytes, size: data.size(), channels: data.channels().count() })
    }
}

/// Compares generated with real pictures and prints the measures. The real ones are prepared first, because they decide
/// how many are generated.
pub(crate) fn run(args: &Args) -> Result<()> {
    let (model, data) = model_file::locate_with_data(args.first.as_deref(), args.second.as_deref(), args.demo)?;
    let device = args.device.start()?;
    let options = args.fit.options(false, args.cache.cache());
    let cpu = match device.cpu() {
        Some(cpu) => cpu.clone(),
        None => threads::cpu(None)?,
    };
    let source = SampleSource::open(args, &model, &device, &options)?;
    let real = real_pictures(args, data.as_deref(), &options, source.size(), source.channels())?;
    let bar = progress::bar(1, "comparing the real pictures {spinner} {elapsed}");
    bar.enable_steady_tick(TICK);
    let cannot = |error: MetricsError| UsageError::new(format_args!("cannot compare: {error}"));
    let samples = source.limit(args.samples as usize);
    let evaluator = real.images().and_then(|images| Evaluator::new(&cpu, images, samples)).map_err(cannot)?;
    bar.finish_and_clear();
    let generated = source.pixels(evaluator.samples(), args.seed.0)?;
    let bar = progress::bar(1, "comparing {spinner} {elapsed}");
    bar.enable_steady_tick(TICK);
    let evaluation = generated.images().and_then(|images| evaluator.evaluate(images)).map_err(cannot)?;
    bar.finish_and_clear();
    report::print(&evaluation, args.json, |evaluation, out| write_table(evaluation, out))?;
    Ok(())
}

/// Source of the generated pictures.
enum SampleSource {
    Generator(Generator),
    Pictures(Dataset),
}

impl SampleSource {
    /// Loads the generator at `path`, or the pictures if `path` is a folder or archive of them.
    fn open(args: &Args, path: &Path, device: &Device, options: &ImageOptions) -> Result<Self> {
        if model_file::is_data(path) {
            args.network.check_pictures(path)?;
            let (data, _) = pictures::load(path, FOLDER_SIZE, Channels::Rgb, None, options)?;
            return Ok(Self::Pictures(data));
        }
        let (path, model) = model_file::load(path, &args.network)?;
        let generator = device.generator(&model.network, &model.tensors);
        Ok(Self::Generator(generator.with_context(|| format!("cannot draw with {path:?}"))?))
    }

    fn size(&self) -> usize {
        match self {
            Self::Generator(generator) => generator.config().image_size,
            Self::Pictures(data) => data.size(),
        }
    }

    fn channels(&self) -> usize {
        match self {
            Self::Generator(generator) => generator.config().channels,
            Self::Pictures(data) => data.channels().count(),
        }
    }

    /// Returns the largest number of pictures that are available, at most `samples`.
    fn limit(&self, samples: usize) -> usize {
        match self {
            Self::Generator(_) => samples,
            Self::Pictures(data) => samples.min(data.len()),
        }
    }

    /// Returns `count` pictures: drawn from the noise of `seed`, or chosen evenly from the folder.
    fn pixels(&self, count: usize, seed: u64) -> Result<Pixels> {
        match self {
            Self::Generator(generator) => draw(generator, count, seed),
            Self::Pictures(data) => Ok(Pixels::of_dataset(data, count)?),
        }
    }
}

/// Draws `count` faces as bytes, with a progress bar.
fn draw(generator: &Generator, count: usize, seed: u64) -> Result<Pixels> {
    let ModelConfig { image_size: size, channels, .. } = *generator.config();
    let bar = progress::bar(count as u64, "drawing faces {wide_bar} {human_pos}/{human_len}  {left}");
    let bytes = dcgan::draw_samples(generator, count, seed, |drawn| bar.inc(drawn as u64))?;
    bar.finish_and_clear();
    Ok(Pixels { bytes, size, channels })
}

/// Reads the real pictures, resized to `size` × `size` pixels: twice as many as are generated, because the floor
/// compares one half with the other. Without `data` they are the built-in faces.
fn real_pictures(
    args: &Args,
    data: Option<&Path>,
    options: &ImageOptions,
    size: usize,
    channels: usize,
) -> Result<Pixels> {
    let max_images = args.max_images.map(NonZeroUsize::get);
    // Both halves of the floor.
    let samples = 2 * args.samples as usize;
    let Some(path) = data else {
        let count = max_images.unwrap_or(demo::FACES).min(samples);
        let channels = Channels::from_count(channels);
        let faces = demo::dataset(count, size, channels, |_| {})?;
        return Ok(Pixels::of_dataset(&faces, count)?);
    };
    let (data, report) = pictures::load(path, size, Channels::from_count(channels), max_images, options)?;
    if data.is_empty() {
        bail!(UsageError::new(format_args!("{path:?} has no pictures to compare with")));
    }
    pictures::left_out(&report, 3).iter().for_each(|line| progress::say(line));
    Ok(Pixels::of_dataset(&data, samples)?)
}

/// Prints the measures, one to a line, each beside its floor.
fn write_table(evaluation: &Evaluation, out: &mut dyn Write) -> io::Result<()> {
    let samples = thousands(evaluation.samples);
    writeln!(out, "{samples} generated pictures against {samples} real ones, and these against {samples} others")?;
    writeln!(out, "\n{:<30} {:>9} {:>16}", "", "generated", "other real ones")?;
    let mut row = |name: &str, digits: usize, value: f64, floor: f64| {
        writeln!(out, "{name:<30} {value:>9.digits$} {floor:>16.digits$}")
    };
    for ((size, value), (_, floor)) in evaluation.swd.levels.iter().zip(&evaluation.swd_floor.levels) {
        row(&format!("SWD x 1000, {size} pixels"), 1, *value, *floor)?;
    }
    row("SWD x 1000, mean", 1, evaluation.swd.mean, evaluation.swd_floor.mean)?;
    row("Fréchet distance", 3, evaluation.fd, evaluation.fd_floor)?;
    row("kernel distance x 1000", 3, 1000.0 * evaluation.kid, 1000.0 * evaluation.kid_floor)?;
    row("precision", 3, evaluation.precision, evaluation.precision_floor)?;
    row("recall", 3, evaluation.recall, evaluation.recall_floor)?;
    row("authenticity", 3, evaluation.authenticity, evaluation.authenticity_floor)?;
    writeln!(
        out,
        "\nDistances are better when lower, the others when higher; the right column is what a perfect generator would \
         have.\nFréchet and kernel distance, precision and recall are of features \"{}\": compare them only with each \
         other.",
        evaluation.features
    )
}
