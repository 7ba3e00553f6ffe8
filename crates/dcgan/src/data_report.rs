//! What `dcgan check` tells about a data set, as JSON and as files in the folder of a run.

use crate::{Error, contact_sheet};
use dcgan_data::{DataError, Dataset, ImageEntry, LoadReport, OBLONG, SkippedFile};
use dcgan_files::write_atomic;
use dcgan_image::{Picture, compose_columns};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;

/// A byte as the network gets it: (x/255 − 0.5)/0.5.
fn normalised(byte: u8) -> f64 {
    f64::from(byte) / 127.5 - 1.0
}

/// Least and greatest byte of the first picture.
fn sample_range(data: &Dataset) -> Result<(u8, u8), DataError> {
    let pixels = data.image(0)?;
    Ok((pixels.iter().copied().min().unwrap_or(0), pixels.iter().copied().max().unwrap_or(0)))
}

#[derive(Serialize)]
struct SkippedPath {
    path: String,
    reason: String,
}

/// Returns the paths of files that were left out, with the reasons.
fn left_out(skipped: &[SkippedFile]) -> Vec<SkippedPath> {
    let one = |file: &SkippedFile| SkippedPath {
        path: file.path.to_string_lossy().into_owned(),
        reason: file.reason.to_string(),
    };
    skipped.iter().map(one).collect()
}

/// Returns what is known about a data set, as `dcgan check --json` prints it.
///
/// # Errors
/// If an image cannot be read.
pub fn data_report(report: &LoadReport, data: &Dataset) -> Result<Value, DataError> {
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
    Ok(json!({
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
    }))
}

/// Returns what is known about a data set of which no file can be used, in the same form.
pub fn skipped_report(path: &Path, skipped: &[SkippedFile]) -> Value {
    json!({ "data": path.to_string_lossy(), "pictures": 0, "left_out": left_out(skipped) })
}

/// Writes into a run's folder what its page shows about the pictures: `data.json`, without `report` for the built-in
/// faces and for images that a program had in memory, and the sheet `data.png`.
///
/// # Errors
/// If they cannot be written.
pub fn write_data_report(folder: &Path, report: Option<&LoadReport>, data: &Dataset) -> Result<(), Error> {
    let text = match report {
        Some(report) => format!("{:#}\n", data_report(report, data)?),
        None => json!({ "data": null, "pictures": data.len() }).to_string() + "\n",
    };
    let path = folder.join("data.json");
    write_atomic(&path, text.as_bytes()).map_err(|source| Error::Write { path, source })?;
    let sheet = match report {
        Some(report) => contact_sheet(data, report)?.0,
        None => compose_columns(&evenly_spread(data, SHEET_IMAGES)?, SHEET_COLUMNS),
    };
    let path = folder.join("data.png");
    let written = sheet.to_png().and_then(|png| write_atomic(&path, &png));
    written.map_err(|source| Error::Write { path, source })
}

/// Images of the built-in faces on a sheet, and to a row of it.
const SHEET_IMAGES: usize = 160;
const SHEET_COLUMNS: usize = 20;

/// Returns up to `most` images of a data set, evenly spread.
///
/// # Errors
/// If one cannot be read.
fn evenly_spread(data: &Dataset, most: usize) -> Result<Vec<Picture>, DataError> {
    let (count, size, channels) = (data.len().min(most), data.size(), data.channels().count());
    let image = |i: usize| -> Result<Picture, DataError> {
        Ok(Picture { width: size, height: size, channels, pixels: data.image(i)?.into_owned() })
    };
    (0..count).map(|i| image(i * data.len() / count)).collect()
}
