//! Reading pictures from a folder or archive: options, progress, and messages about the data set. Shared by all
//! commands that read pictures.

use crate::progress::{self, say};
use crate::text::thousands;
use crate::usage::UsageError;
use anyhow::Result;
use dcgan_data::{CacheUse, Channels, Dataset, Filter, Fit, ImageEntry, LoadOptions, LoadReport, OBLONG};
use dcgan_settings::{Background, CacheLocation, ImageOptions};
use std::path::{Path, PathBuf};

pub(crate) use dcgan::text::count;

/// Options of how pictures become squares. `train` has them in `dcgan_settings::TrainOptions`.
#[derive(Debug, clap::Args)]
pub(crate) struct FitArgs {
    /// How pictures that are not square are fitted: stretch, crop (the middle) or pad [default: stretch]
    #[arg(long, value_name = "HOW")]
    fit: Option<Fit>,
    /// Resampling filter: nearest, box, bilinear, hamming, bicubic or lanczos [default: bilinear]
    #[arg(long, value_name = "FILTER")]
    filter: Option<Filter>,
    /// Colour of transparent pixels and of the bars of --fit pad: white, black, grey or #rrggbb [default: white]
    #[arg(long, value_name = "COLOUR")]
    background: Option<Background>,
}

impl FitArgs {
    /// Returns the options for loading pictures, with the defaults for those that were not given.
    pub(crate) fn options(&self, strict: bool, cache: CacheLocation) -> ImageOptions {
        ImageOptions {
            fit: self.fit.unwrap_or_default(),
            filter: self.filter.unwrap_or_default(),
            background: self.background.unwrap_or_default(),
            strict,
            cache,
        }
    }
}

/// Options of the cache of decoded pictures.
#[derive(Debug, clap::Args)]
pub(crate) struct CacheArgs {
    /// Folder for decoded pictures, which the next run reuses [default: the user's cache folder]
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    cache: Option<PathBuf>,
    /// Read every file again and keep no decoded pictures
    #[arg(long)]
    no_cache: bool,
}

impl CacheArgs {
    /// Returns where decoded pictures are kept.
    pub(crate) fn cache(&self) -> CacheLocation {
        CacheLocation::new(self.cache.clone(), self.no_cache)
    }
}

/// Number of files of a kind that are named; the others are counted.
const SHOWN: usize = 5;

/// Checks that no file had to be left out, if `strict`.
pub(crate) fn check_strict(strict: bool, report: &LoadReport) -> Result<()> {
    Ok(dcgan::check_strict(strict, report)?)
}

/// Checks that a data set fills a batch.
pub(crate) fn check_batch(report: &LoadReport, batch_size: usize) -> Result<()> {
    Ok(dcgan::check_batch(report, batch_size)?)
}

/// Checks that `--max-images` leaves enough pictures for a batch.
pub(crate) fn check_max_images(max_images: Option<usize>, batch_size: usize) -> Result<(), UsageError> {
    dcgan::check_max_images(max_images, batch_size).map_err(UsageError::new)
}

/// Reads the pictures at `path`, with a progress bar.
pub(crate) fn load(
    path: &Path,
    size: usize,
    channels: Channels,
    max_images: Option<usize>,
    options: &ImageOptions,
) -> Result<(Dataset, LoadReport)> {
    load_at_least(0, path, size, channels, max_images, options)
}

/// As [`load`], but fails at once if there are fewer files than `min_files`.
pub(crate) fn load_at_least(
    min_files: usize,
    path: &Path,
    size: usize,
    channels: Channels,
    max_images: Option<usize>,
    options: &ImageOptions,
) -> Result<(Dataset, LoadReport)> {
    let options = LoadOptions { min_files, ..options.load_options(size, channels, max_images) };
    let bar = progress::bar(0, "reading pictures {wide_bar} {human_pos}/{human_len}  {left}");
    let loaded = Dataset::load(path, &options, |progress| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
    });
    bar.finish_and_clear();
    Ok(loaded?)
}

/// Prints what the user should know about a data set to stderr.
pub(crate) fn say_report(report: &LoadReport) {
    say_cache(report);
    for line in oddities(report).into_iter().chain(left_out(report, SHOWN)) {
        say(&line);
    }
}

/// Prints how the cache was used.
pub(crate) fn say_cache(report: &LoadReport) {
    if report.damaged_in_cache > 0 {
        let damaged = count(report.damaged_in_cache, "picture was", "pictures were");
        say(&format!("warning   the cache was damaged: {damaged} read from the files again"));
    }
    if let Some(line) = cache_line(report) {
        say(&line);
    }
}

/// Returns a line about the use of the cache; `None` if there is no cache.
fn cache_line(report: &LoadReport) -> Option<String> {
    match &report.cache {
        CacheUse::Off => None,
        CacheUse::Read(path) => Some(format!("cache     read from {}", path.display())),
        CacheUse::Written { path, taken_over } => {
            let new = thousands(report.images.len() - taken_over);
            Some(format!("cache     {new} new, {} known; kept in {}", thousands(*taken_over), path.display()))
        }
        CacheUse::Failed { path, reason } => Some(format!(
            "cache     none, for {path:?} cannot be written ({reason}): choose another --cache, or --no-cache"
        )),
    }
}

/// Formats numbers of files by their extensions, the most frequent first.
pub(crate) fn kinds_of_files<'a>(kinds: impl Iterator<Item = (&'a str, usize)>) -> String {
    let mut kinds: Vec<(&str, usize)> = kinds.collect();
    kinds.sort_by_key(|&(_, n)| std::cmp::Reverse(n));
    let name = |kind: &str| if kind.is_empty() { "without extension".to_owned() } else { kind.to_owned() };
    let texts: Vec<String> = kinds.iter().map(|(kind, n)| format!("{} {}", thousands(*n), name(kind))).collect();
    few(&texts, ", ")
}

/// Returns a line for each kind of odd picture, with a few names.
pub(crate) fn oddities(report: &LoadReport) -> Vec<String> {
    let side = report.tiny_side();
    let identical = report.identical();
    let repeats: Vec<String> = identical
        .iter()
        .map(|group| group.iter().map(|used| name(report, used)).collect::<Vec<_>>())
        .map(|names| few(&names, " = "))
        .collect();
    let kinds = [
        (names(report, report.tiny()), format!("tiny (a side under {side} pixels)")),
        (names(report, report.oblong()), format!("very oblong (more than {OBLONG} : 1)")),
        (names(report, report.single_color()), "of a single colour".to_owned()),
        (names(report, report.animated()), "moving, of which the first frame is used".to_owned()),
    ];
    let mut lines: Vec<String> = kinds
        .into_iter()
        .filter(|(names, _)| !names.is_empty())
        .map(|(names, what)| format!("odd       {} {what}: {}", thousands(names.len()), few(&names, ", ")))
        .collect();
    let unread = report.unread_kinds();
    if !unread.is_empty() {
        let (files, kinds) = (unread.iter().map(|(_, n)| n).sum(), kinds_of_files(unread.into_iter()));
        let pictures = count(files, "picture is of a kind that is", "pictures are of kinds that are");
        lines.push(format!("odd       {pictures} not read ({kinds}): save them as PNG or JPEG"));
    }
    if !identical.is_empty() {
        let copies = identical.iter().map(|group| group.len() - 1).sum::<usize>();
        let copies = count(copies, "picture repeats another", "pictures repeat others");
        lines.push(format!("odd       {copies}: {}", few(&repeats, "; ")));
    }
    lines
}

/// Returns lines about the files that cannot be used, `shown` of them with their reasons.
pub(crate) fn left_out(report: &LoadReport, shown: usize) -> Vec<String> {
    let skipped = &report.skipped;
    if skipped.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![format!("left out  {} that cannot be used:", thousands(skipped.len()))];
    lines.extend(skipped.iter().take(shown).map(|file| format!("          {file}")));
    if skipped.len() > shown {
        lines.push(format!("          and {} more; dcgan check names them all", thousands(skipped.len() - shown)));
    }
    lines
}

fn names<'a>(report: &LoadReport, used: impl Iterator<Item = &'a ImageEntry>) -> Vec<String> {
    used.map(|used| name(report, used)).collect()
}

/// Returns a file's path relative to the data set.
fn name(report: &LoadReport, used: &ImageEntry) -> String {
    format!("{:?}", used.path.strip_prefix(&report.path).unwrap_or(&used.path))
}

/// Joins the first [`SHOWN`] names, and counts the others.
fn few(names: &[String], separator: &str) -> String {
    let mut text = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(separator);
    if names.len() > SHOWN {
        text += &format!(" and {} more", thousands(names.len() - SHOWN));
    }
    text
}
