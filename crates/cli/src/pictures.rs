//! Pictures from a folder or archive: the options that say how, and what is said about them. Shared by all commands that read pictures.

use crate::progress::{self, say};
use crate::settings::path_as_toml;
use crate::text::thousands;
use crate::usage::UsageError;
use anyhow::{Result, bail};
use dcgan_data::{CacheUse, Channels, Dataset, Filter, Fit, LoadOptions, OBLONG, Report, Used};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// What happens to pictures between their files and the network.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PictureOptions {
    pub(crate) fit: Fit,
    pub(crate) filter: Filter,
    pub(crate) background: [u8; 3],
    /// Whether a file that has to be left out is reason enough to stop.
    pub(crate) strict: bool,
    pub(crate) cache: Cache,
}

/// Where decoded pictures are kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cache {
    /// In the user's cache folder.
    Default,
    In(PathBuf),
    Off,
}

/// What becomes of a picture, as options of a command. `train` has them in its own list, because a configuration file holds them too.
#[derive(Debug, clap::Args)]
pub(crate) struct FitArgs {
    /// What happens to pictures that are not square: stretch, crop (the middle) or pad [default: stretch]
    #[arg(long, value_name = "HOW", value_parser = parse_fit)]
    fit: Option<String>,
    /// How pixels are weighed: nearest, box, bilinear, hamming, bicubic or lanczos [default: bilinear]
    #[arg(long, value_name = "FILTER", value_parser = parse_filter)]
    filter: Option<String>,
    /// What transparent pixels and the bars of --fit pad show: a name or #rrggbb [default: white]
    #[arg(long, value_name = "COLOUR", value_parser = parse_background)]
    background: Option<String>,
}

impl FitArgs {
    pub(crate) fn options(&self, strict: bool, cache: Cache) -> Result<PictureOptions, UsageError> {
        let [fit, filter, background] = [&self.fit, &self.filter, &self.background].map(Option::as_deref);
        PictureOptions::resolve(fit, filter, background, strict, cache)
    }
}

/// Where decoded pictures are kept, as options of a command.
#[derive(Debug, clap::Args)]
pub(crate) struct CacheArgs {
    /// Where decoded pictures are kept for the next run [default: the user's cache folder]
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    cache: Option<PathBuf>,
    /// Read every file again, and keep nothing
    #[arg(long)]
    no_cache: bool,
}

impl CacheArgs {
    pub(crate) fn cache(&self) -> Cache {
        Cache::new(self.cache.clone(), self.no_cache)
    }
}

impl Cache {
    /// From the options `cache` and `no-cache`.
    pub(crate) fn new(folder: Option<PathBuf>, off: bool) -> Self {
        if off { Self::Off } else { folder.map_or(Self::Default, Self::In) }
    }
}

/// Colours that have a name.
const COLOURS: [(&str, [u8; 3]); 3] = [("white", [255; 3]), ("black", [0; 3]), ("grey", [128; 3])];
const WHITE: [u8; 3] = [255; 3];
/// Files of a kind that are named before the rest is only counted.
const SHOWN: usize = 5;

impl Default for PictureOptions {
    fn default() -> Self {
        let (fit, filter) = (Fit::default(), Filter::default());
        Self { fit, filter, background: WHITE, strict: false, cache: Cache::Default }
    }
}

impl PictureOptions {
    /// From their names, as the command line and the configuration file have them.
    pub(crate) fn resolve(
        fit: Option<&str>,
        filter: Option<&str>,
        background: Option<&str>,
        strict: bool,
        cache: Cache,
    ) -> Result<Self, UsageError> {
        // The command line has checked these; a file has not.
        let checked =
            |name: &str, value: Option<&str>, parse: fn(&str) -> Result<String, String>| match value.map(parse) {
                Some(Err(message)) => {
                    Err(UsageError::new(format_args!("{name} {:?}: {message}", value.unwrap_or_default())))
                }
                _ => Ok(()),
            };
        checked("fit", fit, parse_fit)?;
        checked("filter", filter, parse_filter)?;
        checked("background", background, parse_background)?;
        Ok(Self {
            fit: fit.and_then(|name| find(&Fit::ALL, name)).unwrap_or_default(),
            filter: filter.and_then(|name| find(&Filter::ALL, name)).unwrap_or_default(),
            background: background.and_then(colour).unwrap_or(WHITE),
            strict,
            cache,
        })
    }

    /// Lines of a configuration file: comment, key and value.
    pub(crate) fn to_toml(&self) -> Vec<(&'static str, &'static str, String)> {
        let [r, g, b] = self.background;
        let mut lines = vec![
            ("What happens to pictures that are not square: stretch, crop or pad.", "fit", quoted(&Fit::ALL, self.fit)),
            (
                "How pixels are weighed: nearest, box, bilinear, hamming, bicubic or lanczos.",
                "filter",
                quoted(&Filter::ALL, self.filter),
            ),
            (
                "What transparent pixels and the bars of \"pad\" show.",
                "background",
                format!("\"#{r:02x}{g:02x}{b:02x}\""),
            ),
            ("Refuse to train if any file has to be left out.", "strict", self.strict.to_string()),
        ];
        match &self.cache {
            Cache::Default => {}
            Cache::In(folder) => lines.extend(
                path_as_toml(folder).map(|path| ("Where decoded pictures are kept for the next run.", "cache", path)),
            ),
            Cache::Off => lines.push(("Keep decoded pictures in memory alone.", "no-cache", "true".to_owned())),
        }
        lines
    }

    /// With `strict`, refuses a data set of which anything had to be left out.
    pub(crate) fn check(&self, report: &Report) -> Result<()> {
        if self.strict && !report.skipped.is_empty() {
            let (n, first) = (thousands(report.skipped.len()), &report.skipped[0]);
            bail!(
                "{n} of the pictures cannot be used, the first is {first}; mend or remove them, or leave --strict away"
            );
        }
        Ok(())
    }
}

/// Refuses a data set that does not fill a batch.
pub(crate) fn check_batch(report: &Report, batch_size: usize) -> Result<()> {
    let pictures = report.used.len();
    if pictures < batch_size {
        bail!(
            "{:?} has {} that can be used, and a batch needs {batch_size}: add pictures, or choose --batch-size {pictures} or less",
            report.path,
            count(pictures, "picture", "pictures"),
        );
    }
    Ok(())
}

fn find<T: Copy>(all: &[(&str, T)], wanted: &str) -> Option<T> {
    all.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value)
}

/// What has the name `wanted`, or which names there are.
pub(crate) fn choose<T: Copy>(all: &[(&str, T)], wanted: &str) -> Result<T, String> {
    find(all, wanted).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        let (others, last) = names.split_at(names.len().saturating_sub(1));
        format!("choose {} or {}", others.join(", "), last.concat())
    })
}

/// The name of `value` as it stands in a configuration file.
pub(crate) fn quoted<T: PartialEq>(all: &[(&str, T)], value: T) -> String {
    all.iter().find(|(_, one)| *one == value).map_or_else(String::new, |(name, _)| format!("\"{name}\""))
}

pub(crate) fn parse_fit(name: &str) -> Result<String, String> {
    choose(&Fit::ALL, name).map(|_| name.to_owned())
}

pub(crate) fn parse_filter(name: &str) -> Result<String, String> {
    choose(&Filter::ALL, name).map(|_| name.to_owned())
}

pub(crate) fn parse_background(name: &str) -> Result<String, String> {
    colour(name).map(|_| name.to_owned()).ok_or_else(|| "choose white, black, grey or #rrggbb".to_owned())
}

/// A colour from its name or six hexadecimal digits.
fn colour(name: &str) -> Option<[u8; 3]> {
    let hex = |digits: &str| {
        let is_hex = digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let [_, r, g, b] = is_hex.then(|| u32::from_str_radix(digits, 16).ok())??.to_be_bytes();
        Some([r, g, b])
    };
    find(&COLOURS, name).or_else(|| hex(name.strip_prefix('#')?))
}

/// Reads the pictures at `path`, with a progress bar.
pub(crate) fn load(
    path: &Path,
    size: usize,
    channels: Channels,
    max_images: Option<usize>,
    options: &PictureOptions,
) -> Result<(Dataset, Report)> {
    let cache = match &options.cache {
        Cache::Default => default_cache(),
        Cache::In(folder) => Some(folder.clone()),
        Cache::Off => None,
    };
    let PictureOptions { fit, filter, background, .. } = *options;
    let max_images = max_images.and_then(NonZeroUsize::new);
    let options = LoadOptions { size, channels, fit, filter, background, max_images, cache };
    let bar = progress::bar(0, "reading pictures {wide_bar} {human_pos}/{human_len}  {eta} left");
    let loaded = Dataset::load(path, &options, |progress| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
    });
    bar.finish_and_clear();
    Ok(loaded?)
}

/// The user's cache folder, where the system says it is.
fn default_cache() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = if cfg!(windows) {
        variable("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        variable("HOME").map(|home| home.join("Library/Caches"))
    } else {
        variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")))
    };
    Some(folder?.join("dcgan"))
}

/// What is worth knowing before a training starts, on stderr.
pub(crate) fn say_report(report: &Report) {
    if let Some(line) = cache_line(report) {
        say(&line);
    }
    for line in oddities(report).into_iter().chain(left_out(report, SHOWN)) {
        say(&line);
    }
}

/// What became of the cache, if it is worth a word.
pub(crate) fn cache_line(report: &Report) -> Option<String> {
    match &report.cache {
        CacheUse::Off => None,
        CacheUse::Read(path) => Some(format!("cache     read from {}", path.display())),
        CacheUse::Written { path, taken_over } => {
            let new = thousands(report.used.len() - taken_over);
            Some(format!("cache     {new} new, {} known; kept in {}", thousands(*taken_over), path.display()))
        }
        CacheUse::Failed { path, reason } => Some(format!(
            "cache     none, for {path:?} cannot be written ({reason}): choose another --cache, or --no-cache"
        )),
    }
}

/// One line for each thing that is odd, with a few names.
pub(crate) fn oddities(report: &Report) -> Vec<String> {
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
        (names(report, report.single_coloured()), "of a single colour".to_owned()),
    ];
    let mut lines: Vec<String> = kinds
        .into_iter()
        .filter(|(names, _)| !names.is_empty())
        .map(|(names, what)| format!("odd       {} {what}: {}", thousands(names.len()), few(&names, ", ")))
        .collect();
    if !identical.is_empty() {
        let copies = identical.iter().map(|group| group.len() - 1).sum::<usize>();
        let copies = count(copies, "picture repeats another", "pictures repeat others");
        lines.push(format!("odd       {copies}: {}", few(&repeats, "; ")));
    }
    lines
}

/// The files that cannot be used, `shown` of them with their reasons.
pub(crate) fn left_out(report: &Report, shown: usize) -> Vec<String> {
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

fn names<'a>(report: &Report, used: impl Iterator<Item = &'a Used>) -> Vec<String> {
    used.map(|used| name(report, used)).collect()
}

/// A file's path below the data set.
fn name(report: &Report, used: &Used) -> String {
    format!("{:?}", used.path.strip_prefix(&report.path).unwrap_or(&used.path))
}

fn few(names: &[String], separator: &str) -> String {
    let mut text = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(separator);
    if names.len() > SHOWN {
        text += &format!(" and {} more", thousands(names.len() - SHOWN));
    }
    text
}

pub(crate) fn count(n: usize, one: &str, many: &str) -> String {
    format!("{} {}", thousands(n), if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_have_names_or_digits() {
        assert_eq!(colour("white"), Some([255; 3]));
        assert_eq!(colour("#0aFf10"), Some([10, 255, 16]));
        for wrong in ["", "#", "#12345", "#1234567", "0aff10", "#+12345", "#12345g", "#ééé", "purple"] {
            assert_eq!(colour(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_help_names_what_there_is() {
        assert_eq!(parse_fit("squash").unwrap_err(), "choose stretch, crop or pad");
        assert_eq!(parse_filter("").unwrap_err(), "choose nearest, box, bilinear, hamming, bicubic or lanczos");
        assert_eq!(parse_fit("crop").unwrap(), "crop");
    }
}
