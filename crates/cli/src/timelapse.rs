//! `dcgan timelapse`: the same faces through the epochs of a run, as a moving picture.

use crate::animation::{Animation, Container, Form, is_frame_name};
use crate::model_file;
use crate::output::{ForceArgs, JsonArgs, is_stdout};
use crate::progress::say;
use crate::text::file_size;
use crate::usage::UsageError;
use anyhow::{Context, Result, bail};
use dcgan_data::{Channels, decode};
use dcgan_image::{Picture, label};
use dcgan_train::samples;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// Arguments of `dcgan timelapse`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run's folder [default: latest, the newest in runs/]
    #[arg(value_name = "RUN")]
    run: Option<PathBuf>,
    /// File to write: .gif, .png (APNG), .webp, .mp4 (with ffmpeg), a folder for the frames, or - for a GIF on standard
    /// output [default: timelapse.gif]
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
    #[command(flatten)]
    json: JsonArgs,
    /// Epochs per second [default: 4, for a long run as many as make 20 seconds, up to 30]
    #[arg(long, value_name = "N")]
    fps: Option<u16>,
    /// Seconds for which the last epoch is shown
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, allow_negative_numbers = true)]
    hold: f64,
    /// Do not write the number of the epoch on the frames
    #[arg(long)]
    no_label: bool,
}

/// Default file of the animation.
const OUT: &str = "timelapse.gif";
/// Largest value of [`Args::hold`] in seconds.
const MAX_HOLD: f64 = 600.0;
/// Length in seconds from which a time-lapse becomes faster.
const SECONDS: usize = 20;

pub(crate) fn run(args: Args) -> Result<()> {
    if !(0.0..=MAX_HOLD).contains(&args.hold) {
        bail!(UsageError::new(format_args!("--hold {}: choose 0 to {MAX_HOLD} seconds", args.hold)));
    }
    let container = args.out.as_deref().filter(|out| !is_stdout(out)).map(Container::from_path).transpose()?;
    let output = args.force.output("--out", args.out.as_deref(), Path::new(OUT))?;
    args.json.check(&output)?;
    if container == Some(Container::Frames) {
        args.force.check_folder("--out", output.path(), is_frame_name)?;
    }
    let run =
        model_file::locate_run(args.run.as_deref(), "RUN", |run| samples(run).is_ok_and(|found| !found.is_empty()))?;
    let samples = samples(&run).with_context(|| no_samples(&run))?;
    let [.., (_, last)] = &samples[..] else { bail!(no_samples(&run)) };
    let form_of_all = {
        let frame = read(last, None)?;
        (frame.width, frame.height)
    };
    let fps = args.fps.unwrap_or_else(|| samples.len().div_ceil(SECONDS).clamp(4, 30) as u16);
    let frame = |(epoch, path): &(u64, PathBuf)| -> Result<Picture> {
        let sheet = read(path, Some(form_of_all))?;
        if args.no_label { Ok(sheet) } else { Ok(label(&sheet, &format!("epoch {epoch}"))?) }
    };
    let first = frame(&samples[0])?;
    let form = Form { width: first.width, height: first.height, channels: 3, fps, frames: samples.len() as u32 };
    let mut animation = Animation::create(output.path(), form)?;
    // As many at a time as keep the cores busy, so that a run of a thousand epochs is not in memory at once.
    let (moving, still) = samples.split_at(samples.len() - 1);
    for some in moving.chunks(rayon::current_num_threads()) {
        animation.push(&some.iter().map(&frame).collect::<Result<Vec<_>>>()?, 1)?;
    }
    let hold = (args.hold * f64::from(fps)).round().max(1.0) as u32;
    animation.push(&[frame(&still[0])?], hold)?;
    animation.finish()?;
    let (from, to) = (samples[0].0, still[0].0);
    let size = if container == Some(Container::Frames) { String::new() } else { file_size(output.path()) };
    let name = output.name();
    output.finish()?;
    args.json.print(&json!({ "file": name, "run": run, "first_epoch": from, "last_epoch": to, "fps": fps }))?;
    say(&format!("{name}: epochs {from} to {to}, {fps} a second{size}"));
    Ok(())
}

fn no_samples(run: &Path) -> String {
    format!("{run:?} holds no samples/epoch-0000.png or later: it is no run's folder")
}

/// Reads a sheet of faces and checks that it has the size of the others.
fn read(path: &Path, expected: Option<(usize, usize)>) -> Result<Picture> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {path:?}"))?;
    let sheet = decode(&bytes, Channels::Rgb, [255; 3]).with_context(|| format!("cannot read {path:?}"))?;
    if let Some((width, height)) = expected.filter(|&size| size != (sheet.width, sheet.height)) {
        bail!("{path:?} has {} × {} pixels, and the last sheet {width} × {height}", sheet.width, sheet.height);
    }
    Ok(Picture { width: sheet.width, height: sheet.height, channels: 3, pixels: sheet.pixels })
}
