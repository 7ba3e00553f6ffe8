//! `dcgan timelapse`: the same faces through the epochs of a run, as a moving picture.

use crate::animation::{Animation, Form};
use crate::progress::say;
use crate::usage::UsageError;
use anyhow::{Context, Result, bail};
use dcgan_data::{Channels, decode};
use dcgan_train::{Picture, label, samples};
use std::fs;
use std::path::{Path, PathBuf};

/// Arguments of `dcgan timelapse`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run's folder
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// File to write: .gif, .png (APNG), .webp, .mp4 (with ffmpeg), or a folder for the frames [default: RUN/timelapse.gif]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Epochs in a second [default: 4, or what makes 20 seconds of a long run, up to 30]
    #[arg(long, value_name = "N")]
    fps: Option<u16>,
    /// Seconds that the last epoch stays
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, allow_negative_numbers = true)]
    hold: f64,
    /// Leave out the line that names the epoch
    #[arg(long)]
    no_label: bool,
}

/// The longest [`Args::hold`] in seconds.
const MAX_HOLD: f64 = 600.0;
/// Seconds that a time-lapse may take before it becomes faster.
const SECONDS: usize = 20;

pub(crate) fn run(args: Args) -> Result<()> {
    if !(0.0..=MAX_HOLD).contains(&args.hold) {
        bail!(UsageError::new(format_args!("--hold {}: choose 0 to {MAX_HOLD} seconds", args.hold)));
    }
    let samples = samples(&args.run).with_context(|| no_samples(&args.run))?;
    let [.., (_, last)] = &samples[..] else { bail!(no_samples(&args.run)) };
    let form_of_all = {
        let frame = read(last, None)?;
        (frame.width, frame.height)
    };
    let fps = args.fps.unwrap_or_else(|| samples.len().div_ceil(SECONDS).clamp(4, 30) as u16);
    let out = args.out.unwrap_or_else(|| args.run.join("timelapse.gif"));
    let frame = |(epoch, path): &(u64, PathBuf)| -> Result<Picture> {
        let sheet = read(path, Some(form_of_all))?;
        if args.no_label { Ok(sheet) } else { Ok(label(&sheet, &format!("epoch {epoch}"))?) }
    };
    let first = frame(&samples[0])?;
    let form = Form { width: first.width, height: first.height, channels: 3, fps, frames: samples.len() as u32 };
    let mut animation = Animation::create(&out, form)?;
    // As many at a time as keep the cores busy: a run of a thousand epochs must not lie in memory.
    let (moving, still) = samples.split_at(samples.len() - 1);
    for some in moving.chunks(rayon::current_num_threads()) {
        animation.push(&some.iter().map(&frame).collect::<Result<Vec<_>>>()?, 1)?;
    }
    let hold = (args.hold * f64::from(fps)).round().max(1.0) as u32;
    animation.push(&[frame(&still[0])?], hold)?;
    animation.finish()?;
    let (from, to) = (samples[0].0, still[0].0);
    say(&format!("{}: epochs {from} to {to}, {fps} a second", out.display()));
    Ok(())
}

fn no_samples(run: &Path) -> String {
    format!("{run:?} holds no samples/epoch-0000.png or later: it is no run's folder")
}

/// Reads a sheet of faces, which must have the size of the others.
fn read(path: &Path, expected: Option<(usize, usize)>) -> Result<Picture> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {path:?}"))?;
    let sheet = decode(&bytes, Channels::Rgb, [255; 3]).with_context(|| format!("cannot read {path:?}"))?;
    if let Some((width, height)) = expected.filter(|&size| size != (sheet.width, sheet.height)) {
        bail!("{path:?} has {} × {} pixels, and the last sheet {width} × {height}", sheet.width, sheet.height);
    }
    Ok(Picture { width: sheet.width, height: sheet.height, channels: 3, pixels: sheet.pixels })
}
