//! Writes a run as one HTML file, to mail or to archive.
//!
//! It is the page with everything built in: scripts, styles, metrics, and the sheets of faces as JPEG. It opens without
//! a network and sends nothing.

use crate::assets::{Assets, SCRIPTS, STYLES};
use crate::downsample::downsample;
use crate::error::ServeError;
use crate::run_list::{Run, RunList};
use crate::summary::{Details, Summary, Watch};
use base64::prelude::{BASE64_STANDARD, Engine};
use dcgan::Picture;
use dcgan_data::resize::{Extent, Filter, Resizer};
use dcgan_data::{Channels, decode};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::io;
use std::path::Path;

/// Largest number of sheets in a report. Of more epochs, evenly spaced ones are shown.
const MAX_SHEETS: usize = 120;
/// Largest number of bytes of all pictures, before base64, which is a third longer.
const PICTURE_BYTES: usize = 6 << 20;
/// Number of points of each curve.
const POINTS: usize = 1500;
/// Largest number of bytes of a picture file that is read.
const MAX_PICTURE: u64 = 64 << 20;
/// Largest width of a picture in a report, in pixels.
const MAX_WIDTH: usize = 1100;
/// JPEG qualities that are tried until a picture is small enough, and whether the chroma has half the resolution.
const QUALITIES: [(u8, bool); 5] = [(92, false), (85, false), (78, true), (65, true), (45, true)];

/// Returns the report on the run in `folder`, one HTML document.
///
/// # Errors
/// [`ServeError::NoRun`] if `folder` is no run's folder, [`ServeError::Read`] if its metrics cannot be read.
pub fn write_report(folder: &Path) -> Result<String, ServeError> {
    let (list, id) = RunList::of_run(folder).ok_or_else(|| ServeError::NoRun(folder.to_owned()))?;
    let run = list.open(&id).map_err(|_| ServeError::NoRun(folder.to_owned()))?;
    let read = |source| ServeError::Read { path: folder.join("metrics.jsonl"), source };
    let watch = Watch::new(run.clone());
    let metrics = downsample(&watch.log().map_err(read)?.1, 0, u64::MAX, POINTS);
    let mut details = Details::of(&run, Summary::of(&run));
    // Where the run was says nothing elsewhere.
    details.folder = id;
    details.free_bytes = None;
    let sheets = sheets(&run, &details.summary.samples);
    let data_sheet = data_sheet(&run);
    details.has_data_sheet = data_sheet.is_some();
    details.summary.samples = sheets.iter().map(|(epoch, _)| *epoch).collect();
    let pictures: serde_json::Map<String, Value> =
        sheets.into_iter().map(|(epoch, picture)| (epoch.to_string(), picture.into())).collect();
    let data = json!({
        "version": env!("CARGO_PKG_VERSION"), "run": details, "metrics": metrics, "pictures": pictures,
        "data_sheet": data_sheet,
    });
    Ok(page(&Assets::new(None)?, &data))
}

/// Returns the HTML of the page with its files and `data` inside.
fn page(assets: &Assets, data: &Value) -> String {
    let policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src \
                  'unsafe-inline'; style-src 'unsafe-inline'; img-src data:\">\n";
    let icon = BASE64_STANDARD.encode(assets.text("icon.svg").as_bytes());
    let icon = format!("<link rel=\"icon\" href=\"data:image/svg+xml;base64,{icon}\">\n");
    let styles = STYLES.map(|name| format!("<style>{}</style>\n", assets.text(name))).concat();
    // What a script contains must not end its element.
    let script = |name: &str| assets.text(name).replace("</script", "<\\/script").replace("<!--", "<\\!--");
    let scripts = SCRIPTS.map(|name| format!("<script>{}</script>\n", script(name))).concat();
    let data = data.to_string().replace('<', "\\u003c");
    let data = format!("<script type=\"application/json\" id=\"report\">{data}</script>\n{scripts}");
    let licence = format!("<!-- uPlot {}\n-->\n", assets.text("vendor/LICENSE-uPlot").replace("--", ""));
    let head = format!("{policy}{licence}{icon}{styles}");
    assets.text("index.html").replace("<!-- head -->", &head).replace("<!-- data -->", &data)
}

/// Returns the sheets of faces by epoch, as `data:` URLs.
fn sheets(run: &Run, epochs: &[u64]) -> Vec<(u64, String)> {
    let count = epochs.len().min(MAX_SHEETS);
    // Evenly, with the first and the last.
    let chosen = (0..count).map(|i| epochs[if count > 1 { i * (epochs.len() - 1) / (count - 1) } else { 0 }]);
    let chosen: Vec<u64> = chosen.collect();
    let each = PICTURE_BYTES / count.max(1);
    let encoded = chosen.par_iter().filter_map(|&epoch| {
        let bytes = run.read(&["samples", &format!("epoch-{epoch:04}.png")], MAX_PICTURE).ok()?;
        Some((epoch, data_address(&bytes, each)?))
    });
    encoded.collect()
}

/// Returns the sheet of the training pictures as a `data:` URL.
fn data_sheet(run: &Run) -> Option<String> {
    data_address(&run.read(&["data.png"], MAX_PICTURE).ok()?, PICTURE_BYTES / 16)
}

/// Returns a PNG file as a `data:` URL with at most `most` bytes of content: as it is, or else as JPEG.
fn data_address(png: &[u8], most: usize) -> Option<String> {
    let of_type = |kind: &str, bytes: &[u8]| format!("data:image/{kind};base64,{}", BASE64_STANDARD.encode(bytes));
    if png.len() <= most {
        return Some(of_type("png", png));
    }
    let decoded = decode(png, Channels::Rgb, [255; 3]).ok()?;
    let mut picture = Picture { width: decoded.width, height: decoded.height, channels: 3, pixels: decoded.pixels };
    if picture.width > MAX_WIDTH {
        picture = shrink(&picture, MAX_WIDTH);
    }
    let mut smallest = jpeg(&picture, QUALITIES[0]).ok()?;
    for quality in &QUALITIES[1..] {
        if smallest.len() <= most {
            break;
        }
        smallest = jpeg(&picture, *quality).ok()?;
    }
    if smallest.len() > most {
        smallest = jpeg(&shrink(&picture, picture.width / 2), QUALITIES[2]).ok()?;
    }
    Some(of_type("jpeg", &smallest))
}

/// Resizes a picture to `width` pixels and keeps its proportions.
fn shrink(picture: &Picture, width: usize) -> Picture {
    let height = (picture.height * width / picture.width).max(1);
    let mut small = Picture::black(width.max(1), height, picture.channels);
    let from = Extent { width: picture.width, height: picture.height };
    let to = Extent { width: small.width, height };
    let channels = picture.channels;
    Resizer::new().resize(&mut small.pixels, to, &picture.pixels, from, from.into(), Filter::Lanczos, channels);
    small
}

/// Encodes an RGB picture as a JPEG file of this quality (1 to 100), with chroma at half resolution if `is_halved`.
fn jpeg(picture: &Picture, (quality, is_halved): (u8, bool)) -> io::Result<Vec<u8>> {
    let side = |len: usize| u16::try_from(len).map_err(io::Error::other);
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, quality);
    encoder.set_sampling_factor(match is_halved {
        true => jpeg_encoder::SamplingFactor::F_2_2,
        false => jpeg_encoder::SamplingFactor::F_1_1,
    });
    let (width, height) = (side(picture.width)?, side(picture.height)?);
    encoder.encode(&picture.pixels, width, height, jpeg_encoder::ColorType::Rgb).map_err(io::Error::other)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics_log::tests::line;
    use std::fs;

    /// Noise, which is what compresses least.
    fn noise(seed: u64) -> Picture {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        let mut picture = Picture::black(530, 266, 3);
        picture.pixels.iter_mut().for_each(|pixel| *pixel = next());
        picture
    }

    #[test]
    fn a_report_of_a_hundred_epochs_is_one_file_of_less_than_10_mb() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0000-run");
        fs::create_dir_all(path.join("samples")).unwrap();
        fs::write(path.join("config.toml"), "# </script><script>alert(1)</script>\nepochs = 100\n").unwrap();
        fs::write(path.join("metrics.jsonl"), (1..=3000).map(|step| line(step, 0.5)).collect::<String>()).unwrap();
        (0..=130u64).for_each(|epoch| {
            noise(epoch % 3).save_png(path.join(format!("samples/epoch-{epoch:04}.png"))).unwrap();
        });
        let report = write_report(&path).unwrap();
        assert!(report.len() < 10 << 20, "{} bytes", report.len());
        assert!(!report.contains("alert(1)</script>"), "text of the run ends no element");
        assert!(report.contains("Copyright (c) 2022 Leon Sorokin"), "the licence goes with the script");
        assert!(report.contains("\"0\":\"data:image/jpeg") && report.contains("\"130\":\"data:image/jpeg"));
        for address in ["src=\"http", "href=\"http", "src=\"/", "href=\"/"] {
            assert!(!report.contains(address), "{address}");
        }
        assert!(matches!(write_report(folder.path()), Err(ServeError::NoRun(_))));
    }
}
