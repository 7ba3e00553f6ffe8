//! `dcgan interpolate`: a walk from face to face.

use crate::animation::{self, Animation, Form};
use crate::device::DeviceArgs;
use crate::model_file::GeneratorArgs;
use crate::noise::parse_trunc;
use crate::output::WriteArgs;
use crate::seeds::Seeds;
use crate::text::file_size;
use crate::upscale::ScaleArgs;
use crate::usage::UsageError;
use crate::{picture_file, pictures, pipeline, progress};
use anyhow::{Context, Result, anyhow, bail};
use dcgan::{Picture, seed_noise};
use dcgan_data::resize::Resizer;
use dcgan_formats::LatentReader;
use dcgan_image::{compose_columns, sheet_size};
use rayon::prelude::*;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Arguments of `dcgan interpolate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    generator: GeneratorArgs,
    /// Faces to walk through, in this order; each is that of generate --seeds [default: 0-7, or with --grid four for
    /// each walk]
    #[arg(long, value_name = "LIST", conflicts_with = "latents", allow_hyphen_values = true)]
    seeds: Option<Seeds>,
    /// Walk through the noise vectors of a .npy or .safetensors file
    #[arg(long, value_name = "FILE")]
    latents: Option<PathBuf>,
    /// Stop at the last face instead of returning to the first
    #[arg(long)]
    no_loop: bool,
    /// Frames from one face to the next
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    steps: u32,
    /// Frames per second
    #[arg(
        long, value_name = "N", default_value_t = 25,
        value_parser = clap::value_parser!(u16).range(1..=i64::from(Form::MAX_FPS))
    )]
    fps: u16,
    /// Number of walks side by side, among which the faces are divided
    #[arg(long, value_name = "COLUMNSxROWS", default_value = "1x1", value_parser = parse_grid)]
    grid: (usize, usize),
    /// Factor of the noise: below 1, faces are more typical and more alike
    #[arg(long, value_name = "PSI", default_value_t = 1.0, value_parser = parse_trunc, allow_negative_numbers = true)]
    trunc: f32,
    #[command(flatten)]
    scale: ScaleArgs,
    /// A .gif, .png (APNG), .webp or .mp4 (needs ffmpeg) file, a folder for the frames, or - for a GIF on standard
    /// output; .gif has 256 colours a frame, .png and .webp keep every pixel and are twice as large [default:
    /// interpolation.gif]
    #[arg(long, value_name = "PATH", allow_hyphen_values = true)]
    out: Option<PathBuf>,
    #[command(flatten)]
    write: WriteArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Largest number of faces drawn at a time. It does not affect the frames.
const BATCH: usize = 128;
/// Largest size of a frame, in bytes of pixels.
const MAX_FRAME: usize = 1 << 26;
/// Approximate number of bytes of the frames in memory at a time.
const FRAMES_BYTES: usize = 1 << 28;
/// Default file of the animation.
const OUT: &str = "interpolation.gif";
/// Default seeds of a single walk.
const SEEDS: &str = "0-7";
/// Default number of seeds of each walk in a grid.
const GRID_SEEDS: usize = 4;
/// Largest number of walks along a side of the grid.
const MAX_GRID: usize = 64;

/// Parses the columns and rows of `--grid`, such as `4x3`.
fn parse_grid(text: &str) -> Result<(usize, usize), String> {
    let side = |text: &str| text.trim().parse().ok().filter(|side| (1..=MAX_GRID).contains(side));
    let sides = text.split_once(['x', 'X', '×']).and_then(|(columns, rows)| Some((side(columns)?, side(rows)?)));
    sides.ok_or_else(|| format!("write columns and rows, such as 4x3, each 1 to {MAX_GRID}"))
}

/// Draws the frames of the walk and writes them, some at a time: while some are encoded, the next are drawn.
pub(crate) fn run(args: &Args) -> Result<()> {
    // Checks the name before anything is loaded.
    let (output, is_folder) = animation::output(args.write, args.out.as_deref(), Path::new(OUT))?;
    if !is_folder {
        picture_file::prepare_output(output.path())?;
    }
    let model = args.generator.locate()?;
    let device = args.device.start()?;
    let (path, model) = args.generator.load(&model)?;
    let generator =
        device.generator(&model.network, &model.tensors).with_context(|| format!("cannot draw with {path:?}"))?;
    let walk = Walk::new(args, generator.config().latent_dim)?;
    let config = *generator.config();
    let scale = args.scale.of_animation(walk.frame_size(config.image_size).0);
    let (width, height) = walk.frame_size(config.image_size * scale.factor());
    if width * height * config.channels > MAX_FRAME {
        bail!(UsageError::new(format_args!(
            "frames of {width} × {height} pixels are too large: choose a smaller --grid or --scale"
        )));
    }
    let form = Form { width, height, channels: config.channels, fps: args.fps, frames: walk.frames };
    let mut animation = Animation::create(output.path(), form)?;

    let bar = progress::bar(walk.frames.into(), "drawing frames {wide_bar} {human_pos}/{human_len}  {left}");
    let mut next = 0;
    let frame_bytes = width * height * config.channels;
    let frames_at_a_time = (BATCH / walk.cells()).min(FRAMES_BYTES / frame_bytes).max(1) as u32;
    let draw = || {
        let frames = next..walk.frames.min(next + frames_at_a_time);
        next = frames.end;
        if frames.is_empty() {
            return Ok(None);
        }
        let noise: Vec<f32> = frames.into_par_iter().flat_map_iter(|frame| walk.noise(frame)).collect();
        Ok(Some(generator.draw_values(&noise)?))
    };
    let write = |values: Vec<f32>| {
        let faces = values.par_chunks(config.image_len()).map_init(Resizer::new, |resizer, values| {
            let face = Picture::from_nchw(values, config.channels, config.image_size).swap_remove(0);
            scale.apply(resizer, face)
        });
        let faces: Vec<Picture> = faces.collect();
        let frames: Vec<Picture> = faces.par_chunks(walk.cells()).map(|faces| walk.frame(faces)).collect();
        animation.push(&frames, 1)?;
        bar.inc(frames.len() as u64);
        Ok(())
    };
    pipeline::run(draw, write)?;
    animation.finish()?;
    bar.finish_and_clear();
    let seconds = f64::from(walk.frames) / f64::from(args.fps);
    let size = if is_folder { String::new() } else { file_size(output.path()) };
    let (name, frames) = (output.name(), pictures::count(walk.frames as usize, "frame", "frames"));
    let report = json!({
        "file": name, "frames": walk.frames, "width": width, "height": height, "fps": args.fps, "seconds": seconds,
    });
    output.finish()?;
    args.write.json.print(&report)?;
    progress::say(&format!("{frames} of {width} × {height} pixels in {name}: {seconds:.1} s{size}"));
    Ok(())
}

/// Computes the noise of every frame.
#[derive(Debug)]
struct Walk {
    keys: Keys,
    latent_dim: usize,
    trunc: f32,
    columns: usize,
    rows: usize,
    walk: dcgan::Walk,
    frames: u32,
}

/// Faces to walk through.
#[derive(Debug)]
enum Keys {
    Seeds(Seeds),
    /// Noise vectors of the faces, one after the other.
    Vectors(Vec<f32>),
}

impl Walk {
    /// Reads the faces from `--latents` or `--seeds`. Fails unless every walk of the grid has the same number of them,
    /// at least 2.
    fn new(args: &Args, latent_dim: usize) -> Result<Self> {
        let (columns, rows) = args.grid;
        let (keys, count) = match &args.latents {
            Some(path) => read_all(path, latent_dim)?,
            None => {
                let seeds = args.seeds.clone().map_or_else(|| default_seeds(columns * rows), Ok)?;
                let count = seeds.count();
                (Keys::Seeds(seeds), count)
            }
        };
        let cells = (columns * rows) as u64;
        let Some(walk) = dcgan::Walk::new(count, cells, args.steps, !args.no_loop) else {
            bail!(UsageError::new(format_args!(
                "{} for {}: name 2 or more for each, as many for one as for another",
                pictures::count(count as usize, "face", "faces"),
                pictures::count(cells as usize, "walk", "walks"),
            )));
        };
        let frames = walk.frames();
        // APNG counts frames in 31 bits.
        let Some(frames) = u32::try_from(frames).ok().filter(|frames| *frames <= i32::MAX as u32) else {
            bail!(UsageError::new(format_args!("{frames} frames are too many: choose fewer --steps or faces")));
        };
        Ok(Self { keys, latent_dim, trunc: args.trunc, columns, rows, walk, frames })
    }

    /// A grid of walks.
    fn cells(&self) -> usize {
        self.columns * self.rows
    }

    /// Returns width and height of a frame whose faces have `size` pixels a side.
    fn frame_size(&self, size: usize) -> (usize, usize) {
        if self.cells() == 1 { (size, size) } else { sheet_size(self.cells(), self.columns, size) }
    }

    /// Returns the noise of a frame: cells × latent.
    fn noise(&self, frame: u32) -> Vec<f32> {
        let noise = self.walk.noise(frame.into(), |index| self.key(index));
        noise.into_iter().map(|z| z * self.trunc).collect()
    }

    /// Returns the noise of face `index`, before `--trunc`.
    fn key(&self, index: u64) -> Vec<f32> {
        match &self.keys {
            Keys::Seeds(seeds) => seed_noise(seeds.get(index).unwrap_or_default(), self.latent_dim),
            Keys::Vectors(vectors) => {
                let start = index as usize * self.latent_dim;
                vectors[start..start + self.latent_dim].to_vec()
            }
        }
    }

    /// Composes a frame of these faces.
    fn frame(&self, faces: &[Picture]) -> Picture {
        match faces {
            [face] => face.clone(),
            faces => compose_columns(faces, self.columns),
        }
    }
}

/// Returns the default seeds of this many walks.
fn default_seeds(cells: usize) -> Result<Seeds> {
    let list = if cells == 1 { SEEDS.to_owned() } else { format!("0-{}", cells * GRID_SEEDS - 1) };
    list.parse().map_err(|message| anyhow!("{message}"))
}

/// Reads all noise vectors of a file.
fn read_all(path: &Path, latent_dim: usize) -> Result<(Keys, u64)> {
    let mut reader = LatentReader::open(path)?;
    if reader.latent_dim() != latent_dim {
        bail!("{path:?} holds vectors of {} values, and this generator takes {latent_dim}", reader.latent_dim());
    }
    let count = reader.count();
    let vectors = reader.read(usize::try_from(count).unwrap_or(usize::MAX))?;
    Ok((Keys::Vectors(vectors), count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use dcgan::slerp;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn walk(line: &str) -> Walk {
        let words = ["interpolate", "model"].into_iter().chain(line.split_whitespace());
        Walk::new(&Command::try_parse_from(words).unwrap().args, 100).unwrap()
    }

    #[test]
    fn a_loop_comes_back_to_its_start_and_shows_it_once() {
        let walk = walk("--seeds 5,2,9 --steps 4");
        assert_eq!(walk.frames, 12);
        for (frame, seed) in [(0, 5), (4, 2), (8, 9)] {
            assert_eq!(walk.noise(frame), seed_noise(seed, 100));
        }
        assert_eq!(walk.noise(11), slerp(&seed_noise(9, 100), &seed_noise(5, 100), 0.75));
    }

    #[test]
    fn a_walk_without_a_loop_ends_at_its_last_face() {
        let walk = walk("--seeds 5,2,9 --steps 4 --no-loop");
        assert_eq!(walk.frames, 9);
        assert_eq!(walk.noise(8), seed_noise(9, 100));
        assert_eq!(walk.noise(6), slerp(&seed_noise(2, 100), &seed_noise(9, 100), 0.5));
    }

    #[test]
    fn each_cell_walks_through_its_own_faces() {
        let walk = walk("--seeds 0-5 --steps 10 --grid 3x1 --trunc 0.5");
        assert_eq!((walk.cells(), walk.frames), (3, 20));
        let expected = |seeds: [u64; 3]| -> Vec<f32> {
            seeds.iter().flat_map(|&seed| seed_noise(seed, 100)).map(|z| z * 0.5).collect()
        };
        assert_eq!(walk.noise(0), expected([0, 2, 4]));
        assert_eq!(walk.noise(10), expected([1, 3, 5]));
        assert_eq!((walk.frame_size(64), self::walk("").frame_size(64)), ((3 * 66 + 2, 68), (64, 64)));
    }

    #[test]
    fn a_grid_has_seeds_of_its_own() {
        assert_eq!(walk("--steps 10").frames, 80);
        let grid = walk("--steps 10 --grid 3x2");
        assert_eq!((grid.cells(), grid.frames), (6, 40));
        assert_eq!(grid.noise(10)[..100], seed_noise(1, 100));
        assert_eq!(grid.noise(0)[500..], seed_noise(20, 100));
    }

    #[test]
    fn grids_are_read() {
        assert_eq!(parse_grid("4x3"), Ok((4, 3)));
        assert_eq!(parse_grid("1×64"), Ok((1, 64)));
        for text in ["", "4", "0x3", "4x65", "4x3x2", "axb"] {
            assert!(parse_grid(text).unwrap_err().contains("such as 4x3"), "{text}");
        }
    }
}
