//! `dcgan timelapse`: the same faces through a run, as a moving picture.

use crate::animation::{self, Animation, Form};
use crate::model_file::RunArgs;
use crate::output::WriteArgs;
use crate::progress::say;
use crate::text::file_size;
use crate::usage::UsageError;
use anyhow::{Context, Result, bail};
use dcgan_data::{Channels, decode};
use dcgan_image::{Picture, label};
use dcgan_train::{Sample, all_samples};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// Arguments of `dcgan timelapse`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    run: RunArgs,
    /// File to write: .gif, .png (APNG), .webp, .mp4 (with ffmpeg), a folder for the frames, or - for a GIF on standard
    /// output [default: timelapse.gif]
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    out: Option<PathBuf>,
    #[command(flatten)]
    write: WriteArgs,
    /// Leave out the samples within epochs, which train --sample-every has written
    #[arg(long)]
    epochs_only: bool,
    /// Samples per second [default: 4, for many samples as many as make 20 seconds, up to 30]
    #[arg(long, value_name = "N")]
    fps: Option<u16>,
    /// Seconds for which the last sample is shown
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, allow_negative_numbers = true)]
    hold: f64,
    /// Do not write the epoch and the step on the frames
    #[arg(long)]
    no_label: bool,
}

/// Default file of the animation.
const OUT: &str = "timelapse.gif";
/// Largest value of [`Args::hold`] in seconds.
const MAX_HOLD: f64 = 600.0;
/// Length in seconds from which a time-lapse becomes faster.
const SECONDS: usize = 20;

/// Writes the run's sheets in the order of their steps as frames; the last one stays for `--hold` seconds. Only some
/// sheets are in memory at a time.
pub(crate) fn run(args: Args) -> Result<()> {
    if !(0.0..=MAX_HOLD).contains(&args.hold) {
        bail!(UsageError::new(format_args!("--hold {}: choose 0 to {MAX_HOLD} seconds", args.hold)));
    }
    let (output, is_folder) = animation::output(args.write, args.out.as_deref(), Path::new(OUT))?;
    let run = args.run.locate(|run| all_samples(run).is_ok_and(|found| !found.is_empty()))?;
    let mut samples = all_samples(&run).with_context(|| no_samples(&run))?;
    samples.retain(|sample| sample.step.is_none() || !args.epochs_only);
    let [.., last] = &samples[..] else { bail!(no_samples(&run)) };
    let form_of_all = {
        let frame = read(&last.path, None)?;
        (frame.width, frame.height)
    };
    let fps = args.fps.unwrap_or_else(|| samples.len().div_ceil(SECONDS).clamp(4, 30) as u16);
    let frame = |Sample { epoch, step, path }: &Sample| -> Result<Picture> {
        let sheet = read(path, Some(form_of_all))?;
        let text = step.map_or_else(|| format!("epoch {epoch}"), |step| format!("epoch {epoch}, step {step}"));
        if args.no_label { Ok(sheet) } else { Ok(label(&sheet, &text)?) }
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
    let (from, to, frames) = (samples[0].epoch, still[0].epoch, samples.len());
    let size = if is_folder { String::new() } else { file_size(output.path()) };
    let name = output.name();
    output.finish()?;
    args.write.json.print(
        &json!({ "file": name, "run": run, "first_epoch": from, "last_epoch": to, "samples": frames, "fps": fps }),
    )?;
    say(&format!("{name}: {frames} samples, epochs {from} to {to}, {fps} a second{size}"));
    Ok(())
}

/// Message for a folder without sheets.
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
