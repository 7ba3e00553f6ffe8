//! `dcgan demo-data`: the built-in faces as files.

use crate::progress;
use crate::threads::ThreadArgs;
use crate::{demo, usage::UsageError};
use anyhow::{Context, Result, bail};
use dcgan_train::{Picture, write_atomic};
use rayon::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

/// Arguments of `dcgan demo-data`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder to write to, new or empty
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Number of faces
    #[arg(long, value_name = "N", default_value_t = demo::FACES)]
    count: usize,
    /// Seed of the faces; train --demo learns those of seed 0
    #[arg(long, value_name = "SEED", default_value_t = demo::SEED)]
    seed: u64,
    /// Height and width in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 64)]
    size: usize,
    #[command(flatten)]
    threads: ThreadArgs,
}

/// The smallest face that can be made out, and the largest that makes sense to draw.
const SIZES: std::ops::RangeInclusive<usize> = 16..=1024;

pub(crate) fn run(args: &Args) -> Result<()> {
    if args.count == 0 {
        bail!(UsageError::new("--count 0 leaves nothing to draw: choose 1 or more"));
    }
    if !SIZES.contains(&args.size) {
        bail!(UsageError::new(format_args!("--size {}: choose {} to {}", args.size, SIZES.start(), SIZES.end())));
    }
    args.threads.start()?;
    prepare(&args.dir)?;
    let digits = (args.count - 1).to_string().len().max(5);
    let bar = progress::bar(args.count as u64, "drawing faces {wide_bar} {human_pos}/{human_len}  {eta} left");
    (0..args.count).into_par_iter().try_for_each(|index| -> Result<()> {
        let pixels = demo::face(args.seed, index, args.size, 3);
        let face = Picture { width: args.size, height: args.size, channels: 3, pixels };
        // The number has its zeros so that the files sort as the faces count, which is the order of `train --demo`.
        let path = args.dir.join(format!("{index:0digits$}.png"));
        write_atomic(&path, &face.to_png()?).with_context(|| format!("cannot write {path:?}"))?;
        bar.inc(1);
        Ok(())
    })?;
    bar.finish_and_clear();
    progress::say(&format!(
        "{} faces in {dir}; train on them with: dcgan train {dir}",
        args.count,
        dir = args.dir.display()
    ));
    Ok(())
}

/// Makes sure that `dir` is a folder with nothing in it.
fn prepare(dir: &Path) -> Result<()> {
    let cannot = || format!("cannot write to {dir:?}");
    fs::create_dir_all(dir).with_context(cannot)?;
    if fs::read_dir(dir).with_context(cannot)?.next().is_some() {
        bail!("{dir:?} is not empty: name a new folder");
    }
    Ok(())
}
