//! `dcgan demo-data`: the built-in faces as files.

use crate::hint::Hint;
use crate::output::JsonArgs;
use crate::threads::ThreadArgs;
use crate::{demo, usage::UsageError};
use crate::{picture_file, progress};
use anyhow::{Context, Result, bail};
use dcgan_files::write_atomic;
use dcgan_image::Picture;
use dcgan_settings::Seed;
use rayon::prelude::*;
use serde_json::json;
use std::collections::HashSet;
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
    #[arg(long, value_name = "SEED", default_value_t = Seed(demo::SEED), allow_negative_numbers = true)]
    seed: Seed,
    /// Height and width in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 64)]
    size: usize,
    #[command(flatten)]
    threads: ThreadArgs,
    #[command(flatten)]
    json: JsonArgs,
}

/// Smallest and largest height and width of a face in pixels.
const SIZES: std::ops::RangeInclusive<usize> = 16..=1024;

/// Writes the faces as PNG files, several at a time. Continues an interrupted call: it keeps the files that are there
/// after comparing them with what it would write.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.count == 0 {
        bail!(UsageError::new("--count 0 leaves nothing to draw: choose 1 or more"));
    }
    if !SIZES.contains(&args.size) {
        bail!(UsageError::new(format_args!("--size {}: choose {} to {}", args.size, SIZES.start(), SIZES.end())));
    }
    let digits = (args.count - 1).to_string().len().max(5);
    // Numbers are padded with zeros so that the files sort in the order of `train --demo`.
    let name = |index: usize| format!("{index:0digits$}.png");
    let there = prepare(&args.dir, args.count, name)?;
    args.threads.start()?;
    let encoded = |index: usize| -> Result<Vec<u8>> {
        let pixels = demo::face(args.seed.0, index, args.size, 3);
        Ok(Picture { width: args.size, height: args.size, channels: 3, pixels }.to_png()?)
    };
    // Files of an interrupted process are complete; other files of these names are the user's.
    there.par_iter().try_for_each(|&index| {
        let path = args.dir.join(name(index));
        if fs::read(&path).with_context(|| format!("cannot read {path:?}"))? != encoded(index)? {
            bail!("{path:?} is not the face that would be written there: name a new folder");
        }
        Ok(())
    })?;
    let bar = progress::bar(args.count as u64, "drawing faces {wide_bar} {human_pos}/{human_len}  {left}");
    (0..args.count).into_par_iter().try_for_each(|index| -> Result<()> {
        if !there.contains(&index) {
            let path = args.dir.join(name(index));
            write_atomic(&path, &encoded(index)?).with_context(|| format!("cannot write {path:?}"))?;
        }
        bar.inc(1);
        Ok(())
    })?;
    bar.finish_and_clear();
    let command = Hint::new("train").path(&args.dir);
    progress::say(&format!("{} faces in {}; train on them with: {command}", args.count, args.dir.display()));
    let (first, last) = (name(0), name(args.count - 1));
    args.json.print(&json!({
        "folder": args.dir.to_string_lossy(),
        "files": args.count,
        "first": first,
        "last": last,
        "size": args.size,
        "seed": args.seed,
    }))
}

/// Creates the folder `dir`, or checks that it has no other files than the first `count` faces, which an interrupted
/// process may have left. Returns the numbers of those.
fn prepare(dir: &Path, count: usize, name: impl Fn(usize) -> String) -> Result<HashSet<usize>> {
    let cannot = || format!("cannot write to {dir:?}");
    picture_file::prepare_folder(dir)?;
    let mut there = HashSet::new();
    for entry in fs::read_dir(dir).with_context(cannot)? {
        let found = entry.with_context(cannot)?.file_name();
        let number = found.to_str().and_then(|found| found.strip_suffix(".png")?.parse().ok());
        match number.filter(|&number| number < count && found == name(number).as_str()) {
            Some(number) => there.insert(number),
            None => bail!("{dir:?} is not empty: it has {found:?}; name a new folder"),
        };
    }
    Ok(there)
}
