//! `dcgan check`: what a data set holds, before anyone trains on it.

use crate::output::{ForceArgs, Output, is_stdout};
use crate::picture_file;
use crate::pictures::{self, CacheArgs, FitArgs, count};
use crate::progress::say;
use crate::report::CANNOT_PRINT;
use crate::text::{printable, thousands, wrapped};
use crate::threads::ThreadArgs;
use crate::usage::UsageError;
use anyhow::{Context, Result, bail};
use dcgan_data::{Channels, DataError, Dataset, LoadReport, SkippedFile};
use dcgan_files::write_atomic;
use dcgan_model::ModelConfig;
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

/// Reads all pictures, prints the report, and writes the sheet if one is asked for. Fails after that if a picture
/// cannot be used and `--strict` is given, or if none can.
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
    let text = if args.json { format!("{:#}\n", dcgan::data_report(&report, &data)?) } else { to_text(&report, &data) };
    // If the reader closes the pipe, the sheet is still written.
    let printed = if sheet_to_stdout {
        text.lines().for_each(say);
        Ok(())
    } else {
        io::stdout().write_all(text.as_bytes())
    };
    if let Some(sheet) = sheet {
        let (picture, shown) = dcgan::contact_sheet(&data, &report)?;
        write_atomic(sheet.path(), &picture.to_png()?).with_context(|| format!("cannot write {:?}", sheet.path()))?;
        say(&format!("sheet     {} in {}", count(shown, "picture", "pictures"), sheet.name()));
        sheet.finish()?;
    }
    pictures::check_strict(options.strict, &report)?;
    printed.context(CANNOT_PRINT)
}

/// Prints why each file was left out, for a data set of which no file can be used.
fn print_all_skipped(path: &Path, skipped: &[SkippedFile], json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        return writeln!(out, "{:#}", dcgan::skipped_report(path, skipped));
    }
    skipped.iter().try_for_each(|file| writeln!(out, "left out  {}", printable(&file.to_string())))
}

/// Returns the report as lines for the terminal, each with its heading.
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
        "fitted    to {size} × {size} pixels {}; the darkest is {least} and the brightest {greatest}, of 0 (black) to \
         255 (white)",
        if channels == 1 { "in grey" } else { "in colour" },
    ));
    lines.extend(pictures::oddities(report));
    lines.extend(pictures::left_out(report, usize::MAX));
    let width = console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
    let wrapped = |line: &String| wrapped(&printable(line), width.filter(|_| io::stdout().is_terminal())) + "\n";
    lines.iter().map(wrapped).collect()
}
