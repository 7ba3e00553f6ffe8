//! `dcgan check`: what a data set holds, before anyone trains on it.

use crate::pictures::{self, CacheArgs, FitArgs, count};
use crate::progress::say;
use crate::text::thousands;
use crate::threads::ThreadArgs;
use crate::usage::UsageError;
use anyhow::{Context, Result, bail};
use dcgan_data::{Channels, DataError, Dataset, OBLONG, Report, Skipped, Used};
use dcgan_model::ModelConfig;
use dcgan_train::{Picture, compose, write_atomic};
use serde::Serialize;
use serde_json::json;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Arguments of `dcgan check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of pictures, flat or nested, or a .zip or .tar of them
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// Height and width that the pictures will have
    #[arg(long, value_name = "PIXELS", default_value_t = ModelConfig::default().image_size)]
    image_size: usize,
    /// 3 for colour, 1 for grey
    #[arg(long, value_name = "N", default_value_t = ModelConfig::default().channels)]
    channels: usize,
    #[command(flatten)]
    fit: FitArgs,
    /// Fail if any file has to be left out
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    cache: CacheArgs,
    /// Look at no more than the first N pictures
    #[arg(long, value_name = "N")]
    max_images: Option<usize>,
    /// Write a sheet of pictures as the network will see them: all, or evenly spread ones
    #[arg(long, value_name = "FILE.png")]
    sheet: Option<PathBuf>,
    #[command(flatten)]
    threads: ThreadArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Pictures on a sheet at most: 32 rows of 8.
const SHEET_PICTURES: usize = 256;
/// Sizes that are listed before the rest is only counted.
const SIZES_SHOWN: usize = 5;

pub(crate) fn run(args: Args) -> Result<()> {
    let model = ModelConfig { image_size: args.image_size, channels: args.channels, ..ModelConfig::default() };
    model.validate().map_err(UsageError::new)?;
    if args.max_images == Some(0) {
        bail!(UsageError::new("--max-images 0 leaves nothing to look at: choose 1 or more"));
    }
    if let Some(path) = &args.sheet
        && !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"))
    {
        bail!(UsageError::new(format_args!(
            "--sheet {path:?}: the sheet is a PNG, so give it a name that ends in .png"
        )));
    }
    let options = args.fit.options(args.strict, args.cache.cache())?;
    args.threads.start()?;
    let channels = Channels::from_count(args.channels);
    let (data, report) = match pictures::load(&args.data, args.image_size, channels, args.max_images, &options) {
        Ok(loaded) => loaded,
        Err(error) => {
            // What is wrong with every one of them is what was asked for.
            if let Some(DataError::AllSkipped { path, skipped }) = error.downcast_ref() {
                print_all_skipped(path, skipped, args.json)?;
            }
            return Err(error);
        }
    };
    if let Some(line) = pictures::cache_line(&report) {
        say(&line);
    }
    let text = if args.json { to_json(&report, &data)? } else { to_text(&report, &data) };
    // Whoever reads the report may stop reading; that is no reason to go without the rest.
    let printed = io::stdout().write_all(text.as_bytes());
    if let Some(path) = &args.sheet {
        let shown = write_sheet(path, &data)?;
        say(&format!("sheet     {} in {}", count(shown, "picture", "pictures"), path.display()));
    }
    options.check(&report)?;
    Ok(printed?)
}

fn print_all_skipped(path: &Path, skipped: &[Skipped], json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        let value = json!({ "data": path.to_string_lossy(), "pictures": 0, "left_out": left_out(skipped) });
        return writeln!(out, "{value:#}");
    }
    skipped.iter().try_for_each(|file| writeln!(out, "left out  {file}"))
}

/// A byte as the network gets it: (x/255 − 0.5)/0.5.
fn normalised(byte: u8) -> f64 {
    f64::from(byte) / 127.5 - 1.0
}

/// Least and greatest byte of the first picture.
fn sample_range(data: &Dataset) -> (u8, u8) {
    let pixels = data.image(0);
    (pixels.iter().copied().min().unwrap_or(0), pixels.iter().copied().max().unwrap_or(0))
}

fn to_text(report: &Report, data: &Dataset) -> String {
    let pictures = report.used.len();
    let mut lines = vec![format!(
        "pictures  {} can be used, {} cannot; {}",
        thousands(pictures),
        thousands(report.skipped.len()),
        count(report.other_files, "other file", "other files"),
    )];
    let list = |kinds: Vec<(String, usize)>| {
        kinds.into_iter().map(|(kind, n)| format!("{} {kind}", thousands(n))).collect::<Vec<_>>().join(", ")
    };
    let formats = report.formats().into_iter().map(|(format, n)| (format.name().to_owned(), n)).collect();
    lines.push(format!("formats   {}", list(formats)));
    let colours = report.colours().into_iter().map(|((colour, bits), n)| {
        // 8 bits are what everyone expects.
        (if bits == 8 { colour.name().to_owned() } else { format!("{} of {bits} bits", colour.name()) }, n)
    });
    lines.push(format!("channels  {}", list(colours.collect())));
    let sizes = report.sizes();
    let most: Vec<(String, usize)> =
        sizes.iter().take(SIZES_SHOWN).map(|((width, height), n)| (format!("of {width} × {height}"), *n)).collect();
    let more = match sizes.len().saturating_sub(SIZES_SHOWN) {
        0 => String::new(),
        n => format!(
            ", and {} of {}",
            thousands(sizes[SIZES_SHOWN..].iter().map(|size| size.1).sum()),
            count(n, "other size", "other sizes")
        ),
    };
    lines.push(format!("sizes     {}{more}", list(most)));
    let ((low, high), (least, greatest)) = (sample_range(data), report.range());
    let (size, channels) = (data.size(), data.channels().count());
    lines.push(format!(
        "sample    the first is {channels} × {size} × {size}, values from {:.3} to {:.3}; all are from {:.3} to {:.3}",
        normalised(low),
        normalised(high),
        normalised(least),
        normalised(greatest),
    ));
    lines.extend(pictures::oddities(report));
    lines.extend(pictures::left_out(report, usize::MAX));
    lines.join("\n") + "\n"
}

#[derive(Serialize)]
struct LeftOut {
    path: String,
    reason: String,
}

fn left_out(skipped: &[Skipped]) -> Vec<LeftOut> {
    let one =
        |file: &Skipped| LeftOut { path: file.path.to_string_lossy().into_owned(), reason: file.reason.to_string() };
    skipped.iter().map(one).collect()
}

fn to_json(report: &Report, data: &Dataset) -> Result<String> {
    fn paths<'a>(used: impl IntoIterator<Item = &'a Used>) -> Vec<String> {
        used.into_iter().map(|used| used.path.to_string_lossy().into_owned()).collect()
    }
    let formats: serde_json::Map<_, _> =
        report.formats().into_iter().map(|(format, n)| (format.name().to_owned(), n.into())).collect();
    let colours = report.colours().into_iter();
    let colours: Vec<_> = colours
        .map(|((colour, bits), pictures)| json!({ "colour": colour.name(), "bits": bits, "pictures": pictures }))
        .collect();
    let sizes = report.sizes().into_iter();
    let sizes: Vec<_> = sizes
        .map(|((width, height), pictures)| json!({ "width": width, "height": height, "pictures": pictures }))
        .collect();
    let identical: Vec<Vec<String>> = report.identical().into_iter().map(paths).collect();
    let ((low, high), (least, greatest)) = (sample_range(data), report.range());
    let value = json!({
        "data": report.path.to_string_lossy(),
        "pictures": report.used.len(),
        "formats": formats,
        "channels": colours,
        "sizes": sizes,
        "sample": {
            "path": report.used[0].path.to_string_lossy(),
            "shape": [data.channels().count(), data.size(), data.size()],
            "min": normalised(low),
            "max": normalised(high),
        },
        "range": { "min": normalised(least), "max": normalised(greatest) },
        "tiny": { "side_below": report.tiny_side(), "paths": paths(report.tiny()) },
        "oblong": { "ratio_above": OBLONG, "paths": paths(report.oblong()) },
        "single_coloured": paths(report.single_coloured()),
        "identical": identical,
        "left_out": left_out(&report.skipped),
        "other_files": report.other_files,
    });
    Ok(serde_json::to_string_pretty(&value)? + "\n")
}

/// Writes a sheet of up to [`SHEET_PICTURES`] pictures and returns how many.
fn write_sheet(path: &Path, data: &Dataset) -> Result<usize> {
    let shown = data.len().min(SHEET_PICTURES);
    let (size, channels) = (data.size(), data.channels().count());
    let pictures: Vec<Picture> = (0..shown)
        .map(|i| i * data.len() / shown)
        .map(|i| Picture { width: size, height: size, channels, pixels: data.image(i).to_vec() })
        .collect();
    write_atomic(path, &compose(&pictures).to_png()?).with_context(|| format!("cannot write {path:?}"))?;
    Ok(shown)
}
