//! `dcgan check`: what a data set holds, before anyone trains on it.

use crate::contact_sheet;
use crate::output::{ForceArgs, Output, is_stdout};
use crate::picture_file;
use crate::pictures::{self, CacheArgs, FitArgs, count};
use crate::progress::say;
use crate::report::CANNOT_PRINT;
use crate::text::{printable, thousands, wrapped};
use crate::threads::ThreadArgs;
use crate::usage::UsageError;
use anyhow::{Context, Result, bail};
use dcgan_data::{Channels, DataError, Dataset, ImageEntry, LoadReport, OBLONG, SkippedFile};
use dcgan_files::write_atomic;
use dcgan_image::{Picture, compose_columns};
use dcgan_model::ModelConfig;
use serde::Serialize;
use serde_json::json;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Arguments of `dcgan check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of pictures, flat or nested, or a .zip or .tar of them
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// Height and width to which the pictures are resized
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
    /// Check only the first N pictures
    #[arg(long, value_name = "N")]
    max_images: Option<usize>,
    /// Write a sheet of pictures as the network will see them, with what is odd or left out and why; - is standard
    /// output
    #[arg(long, value_name = "FILE.png")]
    sheet: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
    #[command(flatten)]
    threads: ThreadArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Sizes that are listed before the rest is only counted.
const SIZES_SHOWN: usize = 5;

pub(crate) fn run(args: Args) -> Result<()> {
    let model = ModelConfig { image_size: args.image_size, channels: args.channels, ..ModelConfig::default() };
    model.validate().map_err(UsageError::new)?;
    if args.max_images == Some(0) {
        bail!(UsageError::new("--max-images 0 leaves nothing to look at: choose 1 or more"));
    }
    if let Some(path) = &args.sheet
        && !is_stdout(path)
        && !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"))
    {
        bail!(UsageError::new(format_args!(
            "--sheet {path:?}: the sheet is a PNG, so give it a name that ends in .png"
        )));
    }
    let options = args.fit.options(args.strict, args.cache.cache());
    let sheet = args.sheet.as_deref().map(|path| args.force.output("--sheet", Some(path), Path::new("sheet.png")));
    let sheet = sheet.transpose()?;
    let sheet_to_stdout = sheet.as_ref().is_some_and(Output::is_stdout);
    if sheet_to_stdout && args.json {
        bail!(UsageError::new("--json and --sheet - both write to standard output: name a file for the sheet"));
    }
    if let Some(sheet) = &sheet {
        picture_file::check_output(sheet.path())?;
    }
    args.threads.start()?;
    let channels = Channels::from_count(args.channels);
    let (data, report) = match pictures::load(&args.data, args.image_size, channels, args.max_images, &options) {
        Ok(loaded) => loaded,
        Err(error) => {
            // The report lists what is wrong with each file.
            if let Some(DataError::AllSkipped { path, skipped }) = error.downcast_ref() {
                print_all_skipped(path, skipped, args.json)?;
            }
            return Err(error);
        }
    };
    pictures::say_cache(&report);
    let text = if args.json { to_json(&report, &data)? } else { to_text(&report, &data) };
    // If the reader closes the pipe, the sheet is still written.
    let printed = if sheet_to_stdout {
        text.lines().for_each(say);
        Ok(())
    } else {
        io::stdout().write_all(text.as_bytes())
    };
    if let Some(sheet) = sheet {
        let (picture, shown) = contact_sheet::draw(&data, &report)?;
        write_atomic(sheet.path(), &picture.to_png()?).with_context(|| format!("cannot write {:?}", sheet.path()))?;
        say(&format!("sheet     {} in {}", count(shown, "picture", "pictures"), sheet.name()));
        sheet.finish()?;
    }
    pictures::check_strict(options.strict, &report)?;
    printed.context(CANNOT_PRINT)
}

fn print_all_skipped(path: &Path, skipped: &[SkippedFile], json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        let value = json!({ "data": path.to_string_lossy(), "pictures": 0, "left_out": left_out(skipped) });
        return writeln!(out, "{value:#}");
    }
    skipped.iter().try_for_each(|file| writeln!(out, "left out  {}", printable(&file.to_string())))
}

/// A byte as the network gets it: (x/255 − 0.5)/0.5.
fn normalised(byte: u8) -> f64 {
    f64::from(byte) / 127.5 - 1.0
}

/// Least and greatest byte of the first picture.
fn sample_range(data: &Dataset) -> Result<(u8, u8), DataError> {
    let pixels = data.image(0)?;
    Ok((pixels.iter().copied().min().unwrap_or(0), pixels.iter().copied().max().unwrap_or(0)))
}

fn to_text(report: &LoadReport, data: &Dataset) -> String {
    let pictures = report.images.len();
    let others = pictures::kinds_of_files(report.other_kinds.iter().map(|(kind, n)| (kind.as_str(), *n)));
    let mut lines = vec![format!(
        "pictures  {} can be used, {} cannot; {}{}",
        thousands(pictures),
        thousands(report.skipped.len()),
        count(report.other_files, "other file", "other files"),
        if others.is_empty() { String::new() } else { format!(" ({others})") },
    )];
    let list = |kinds: Vec<(String, usize)>| {
        kinds.into_iter().map(|(kind, n)| format!("{} {kind}", thousands(n))).collect::<Vec<_>>().join(", ")
    };
    let formats = report.formats().into_iter().map(|(format, n)| (format.name().to_owned(), n)).collect();
    lines.push(format!("formats   {}", list(formats)));
    let colours = report.color_types().into_iter().map(|((colour, bits), n)| {
        // 8 bits are the usual depth and not worth a note.
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
    let (least, greatest) = report.range();
    let (size, channels) = (data.size(), data.channels().count());
    lines.push(format!(
        "fitted    to {size} × {size} pixels {}; the darkest is {least} and the brightest {greatest}, of 0 (black) to 255 (white)",
        if channels == 1 { "in grey" } else { "in colour" },
    ));
    lines.extend(pictures::oddities(report));
    lines.extend(pictures::left_out(report, usize::MAX));
    let width = console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
    let wrapped = |line: &String| wrapped(&printable(line), width.filter(|_| io::stdout().is_terminal())) + "\n";
    lines.iter().map(wrapped).collect()
}

#[derive(Serialize)]
struct SkippedPath {
    path: String,
    reason: String,
}

fn left_out(skipped: &[SkippedFile]) -> Vec<SkippedPath> {
    let one = |file: &SkippedFile| SkippedPath {
        path: file.path.to_string_lossy().into_owned(),
        reason: file.reason.to_string(),
    };
    skipped.iter().map(one).collect()
}

fn to_json(report: &LoadReport, data: &Dataset) -> Result<String> {
    fn paths<'a>(used: impl IntoIterator<Item = &'a ImageEntry>) -> Vec<String> {
        used.into_iter().map(|used| used.path.to_string_lossy().into_owned()).collect()
    }
    let formats: serde_json::Map<_, _> =
        report.formats().into_iter().map(|(format, n)| (format.name().to_owned(), n.into())).collect();
    let colours = report.color_types().into_iter();
    let colours: Vec<_> = colours
        .map(|((colour, bits), pictures)| json!({ "colour": colour.name(), "bits": bits, "pictures": pictures }))
        .collect();
    let sizes = report.sizes().into_iter();
    let sizes: Vec<_> = sizes
        .map(|((width, height), pictures)| json!({ "width": width, "height": height, "pictures": pictures }))
        .collect();
    let identical: Vec<Vec<String>> = report.identical().into_iter().map(paths).collect();
    let ((low, high), (least, greatest)) = (sample_range(data)?, report.range());
    let value = json!({
        "data": report.path.to_string_lossy(),
        "pictures": report.images.len(),
        "formats": formats,
        "channels": colours,
        "sizes": sizes,
        "sample": {
            "path": report.images[0].path.to_string_lossy(),
            "shape": [data.channels().count(), data.size(), data.size()],
            "min": normalised(low),
            "max": normalised(high),
        },
        "range": { "min": normalised(least), "max": normalised(greatest) },
        "tiny": { "side_below": report.tiny_side(), "paths": paths(report.tiny()) },
        "oblong": { "ratio_above": OBLONG, "paths": paths(report.oblong()) },
        "single_coloured": paths(report.single_color()),
        "animated": paths(report.animated()),
        "identical": identical,
        "left_out": left_out(&report.skipped),
        "other_files": report.other_files,
        "other_kinds": report.other_kinds,
    });
    Ok(serde_json::to_string_pretty(&value)? + "\n")
}

/// Writes into a run's folder what its page shows about the pictures: `data.json`, without `report` only for the
/// built-in faces, and the sheet `data.png`.
///
/// # Errors
/// If they cannot be written.
pub(crate) fn write_to_run(folder: &Path, report: Option<&LoadReport>, data: &Dataset) -> Result<()> {
    let text = match report {
        Some(report) => to_json(report, data)?,
        None => json!({ "data": null, "pictures": data.len() }).to_string() + "\n",
    };
    let path = folder.join("data.json");
    write_atomic(&path, text.as_bytes()).with_context(|| format!("cannot write {path:?}"))?;
    let sheet = match report {
        Some(report) => contact_sheet::draw(data, report)?.0,
        None => compose_columns(&evenly_spread(data, SHEET_IMAGES)?, SHEET_COLUMNS),
    };
    let path = folder.join("data.png");
    write_atomic(&path, &sheet.to_png()?).with_context(|| format!("cannot write {path:?}"))
}

/// Images of the built-in faces on a sheet, and to a row of it.
const SHEET_IMAGES: usize = 160;
const SHEET_COLUMNS: usize = 20;

/// Returns up to `most` images of a data set, evenly spread.
///
/// # Errors
/// If one cannot be read.
fn evenly_spread(data: &Dataset, most: usize) -> Result<Vec<Picture>> {
    let (count, size, channels) = (data.len().min(most), data.size(), data.channels().count());
    let image = |i: usize| -> Result<Picture> {
        Ok(Picture { width: size, height: size, channels, pixels: data.image(i)?.into_owned() })
    };
    (0..count).map(|i| image(i * data.len() / count)).collect()
}
