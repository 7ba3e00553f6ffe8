//! The sheet of `dcgan check`: what is odd and what is left out, with the reasons, and ordinary pictures beside them.

use crate::Error;
use crate::text::{count, thousands};
use dcgan_data::resize::{Extent, Filter, Resizer};
use dcgan_data::{Dataset, ImageEntry, LoadReport};
use dcgan_image::{Picture, drawable, text_width, write_text};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

/// Height and width of a picture on the sheet.
const TILE: usize = 128;
/// Space between tiles.
const GAP: usize = 10;
/// Height of a line of text, and of its letters.
const LINE: usize = 16;
const LETTERS: u32 = 12;
/// Letters of the heading.
const HEADING: u32 = 16;
/// Height of what is above the tiles.
const TOP: usize = 58;
/// Lines below a tile: its name, and what is to be said of it.
const CAPTION_LINES: usize = 2;
/// The most tiles to a row, and rows: as many as a screen of 1920 × 1080 pixels has room for.
const COLUMNS: usize = 13;
const ROWS: usize = 5;
/// The fewest to a row, so that there is room for the heading.
const MIN_COLUMNS: usize = 5;

const PAPER: [u8; 3] = [24, 24, 27];
const INK: [u8; 3] = [235, 235, 235];
const FAINT: [u8; 3] = [150, 150, 155];
const ODD: [u8; 3] = [255, 176, 60];
const LEFT_OUT: [u8; 3] = [255, 110, 100];
const EMPTY: [u8; 3] = [48, 44, 46];

/// A tile of the sheet.
#[derive(Debug, Clone, PartialEq)]
enum Tile {
    /// A picture of the data set, and what is odd about it.
    Picture { index: usize, oddity: Option<String> },
    /// A file that cannot be used, by its number among those.
    SkippedPath(usize),
}

/// Draws the sheet of a data set: what is left out, what is odd, and evenly spread ordinary pictures, as many as fit a
/// screen. Returns the sheet and the number of pictures on it.
///
/// # Errors
/// If a picture cannot be read or a text cannot be drawn.
pub fn contact_sheet(data: &Dataset, report: &LoadReport) -> Result<(Picture, usize), Error> {
    let tiles = choose(report, data.len());
    let columns = columns(tiles.len());
    let rows = tiles.len().div_ceil(columns);
    let cell = (TILE + GAP, TILE + GAP + CAPTION_LINES * LINE);
    let (width, height) = (columns * cell.0 + GAP, TOP + rows * cell.1);
    let mut sheet = Picture { width, height, channels: 3, pixels: PAPER.repeat(width * height) };
    write_heading(&mut sheet, report, &tiles, data.len())?;
    for (number, tile) in tiles.iter().enumerate() {
        let place = (GAP + number % columns * cell.0, TOP + number / columns * cell.1);
        match tile {
            Tile::Picture { index, oddity } => {
                paint(&mut sheet, place, &tile_pixels(&data.image(*index)?, data));
                let facts = &report.images[*index].info;
                let size = format!("{} × {}", facts.width, facts.height);
                let (second, color) = match oddity {
                    Some(oddity) => (oddity.clone(), ODD),
                    None => (size, FAINT),
                };
                if oddity.is_some() {
                    frame(&mut sheet, place, ODD);
                }
                write_caption(&mut sheet, place, &name(report, &report.images[*index].path), &second, color)?;
            }
            Tile::SkippedPath(index) => {
                let file = &report.skipped[*index];
                paint(&mut sheet, place, &EMPTY.repeat(TILE * TILE));
                frame(&mut sheet, place, LEFT_OUT);
                write_reason(&mut sheet, place, &file.reason.to_string())?;
                write_caption(&mut sheet, place, &name(report, &file.path), "left out", LEFT_OUT)?;
            }
        }
    }
    let shown = tiles.iter().filter(|tile| matches!(tile, Tile::Picture { .. })).count();
    Ok((sheet, shown))
}

/// Tiles to a row, so that the sheet has about the shape of a screen.
fn columns(tiles: usize) -> usize {
    let ratio = COLUMNS as f64 / ROWS as f64;
    ((tiles as f64 * ratio).sqrt().ceil() as usize).clamp(MIN_COLUMNS, COLUMNS)
}

/// What is on the sheet: a third of the room at most for files that are left out, as much for what is odd, and the rest
/// for ordinary pictures, evenly spread.
fn choose(report: &LoadReport, pictures: usize) -> Vec<Tile> {
    let room = COLUMNS * ROWS;
    let oddities = oddities(report);
    let left_out = report.skipped.len().min(room / 3);
    let mut tiles: Vec<Tile> = (0..left_out).map(Tile::SkippedPath).collect();
    let odd = (0..pictures).filter(|index| oddities.contains_key(index)).take(room / 3);
    tiles.extend(odd.map(|index| Tile::Picture { index, oddity: oddities.get(&index).cloned() }));
    let ordinary: Vec<usize> = (0..pictures).filter(|index| !oddities.contains_key(index)).collect();
    let count = ordinary.len().min(room - tiles.len());
    tiles.extend((0..count).map(|i| Tile::Picture { index: ordinary[i * ordinary.len() / count], oddity: None }));
    tiles
}

/// What is odd about which pictures, in a few words.
fn oddities(report: &LoadReport) -> HashMap<usize, String> {
    let index_of: HashMap<&Path, usize> =
        report.images.iter().enumerate().map(|(index, used)| (used.path.as_path(), index)).collect();
    let mut oddities = HashMap::new();
    let mut note = |used: &ImageEntry, text: String| {
        if let Some(&index) = index_of.get(used.path.as_path()) {
            oddities.entry(index).or_insert(text);
        }
    };
    let size = |used: &ImageEntry| format!("{} × {}", used.info.width, used.info.height);
    report.single_color().for_each(|used| note(used, "a single colour".to_owned()));
    report.tiny().for_each(|used| note(used, format!("tiny: {}", size(used))));
    report.oblong().for_each(|used| note(used, format!("oblong: {}", size(used))));
    for group in report.identical() {
        let first = name(report, &group[0].path);
        group[1..].iter().for_each(|used| note(used, format!("= {first}")));
    }
    report.animated().for_each(|used| note(used, "moves: first frame".to_owned()));
    oddities
}

/// A file's path below the data set, in letters that the sheet's font has.
fn name(report: &LoadReport, path: &Path) -> String {
    let below = path.strip_prefix(&report.path).ok().filter(|below| *below != Path::new(""));
    drawable(&below.unwrap_or(path).to_string_lossy())
}

/// A picture of the data set in RGB, enlarged or shrunk to the size of a tile.
fn tile_pixels(pixels: &[u8], data: &Dataset) -> Vec<u8> {
    let (size, channels) = (data.size(), data.channels().count());
    let rgb: Vec<u8> =
        pixels.chunks_exact(channels).flat_map(|pixel| [pixel[0], pixel[channels / 2], pixel[channels - 1]]).collect();
    let [from, to] = [size, TILE].map(|side| Extent { width: side, height: side });
    let mut tile = vec![0; TILE * TILE * 3];
    // Enlarged pixels stay squares: the sheet shows what the network sees.
    let filter = if size <= TILE { Filter::Nearest } else { Filter::Box };
    Resizer::new().resize(&mut tile, to, &rgb, from, from.into(), filter, 3);
    tile
}

/// Copies a tile to its place.
fn paint(sheet: &mut Picture, (left, top): (usize, usize), tile: &[u8]) {
    for (y, row) in tile.chunks_exact(TILE * 3).enumerate() {
        let start = ((top + y) * sheet.width + left) * 3;
        sheet.pixels[start..start + row.len()].copy_from_slice(row);
    }
}

/// Draws a line around a tile.
fn frame(sheet: &mut Picture, (left, top): (usize, usize), color: [u8; 3]) {
    const THICK: usize = 2;
    let inside = |x: usize, y: usize| (THICK..THICK + TILE).contains(&x) && (THICK..THICK + TILE).contains(&y);
    for y in 0..TILE + 2 * THICK {
        for x in (0..TILE + 2 * THICK).filter(|&x| !inside(x, y)) {
            let start = ((top + y - THICK) * sheet.width + left + x - THICK) * 3;
            sheet.pixels[start..start + 3].copy_from_slice(&color);
        }
    }
}

fn write_heading(sheet: &mut Picture, report: &LoadReport, tiles: &[Tile], pictures: usize) -> io::Result<()> {
    let width = sheet.width - 2 * GAP;
    let folder = drawable(&report.path.file_name().unwrap_or(report.path.as_os_str()).to_string_lossy());
    let what = format!(
        "{folder}: {} can be used, {} cannot",
        count(pictures, "picture", "pictures"),
        thousands(report.skipped.len()),
    );
    write_text(sheet, (GAP, 6), width, HEADING, INK, &shortened(&what, width, HEADING)?)?;
    let shown: HashSet<usize> = tiles
        .iter()
        .filter_map(|tile| if let Tile::Picture { index, .. } = tile { Some(*index) } else { None })
        .collect();
    let how_many = match shown.len() {
        all if all == pictures => format!("all {}", count(all, "picture", "pictures")),
        some => format!("{} of the pictures", thousands(some)),
    };
    let fitted = format!("{how_many}, at {} × {} pixels, as the network sees them", report.size, report.size);
    write_text(sheet, (GAP, 32), width, LETTERS, FAINT, &shortened(&fitted, width, LETTERS)?)
}

/// Writes the two lines below a tile.
fn write_caption(
    sheet: &mut Picture,
    (left, top): (usize, usize),
    name: &str,
    second: &str,
    color: [u8; 3],
) -> io::Result<()> {
    let below = top + TILE + 3;
    write_text(sheet, (left, below), TILE, LETTERS, INK, &shortened(name, TILE, LETTERS)?)?;
    write_text(sheet, (left, below + LINE), TILE, LETTERS, color, &shortened(second, TILE, LETTERS)?)
}

/// Writes why a file is left out into its tile, a few words to a line.
fn write_reason(sheet: &mut Picture, (left, top): (usize, usize), reason: &str) -> io::Result<()> {
    const MARGIN: usize = 8;
    let (width, lines) = (TILE - 2 * MARGIN, (TILE - MARGIN) / LINE);
    let mut rows: Vec<String> = Vec::new();
    for word in reason.split_whitespace() {
        let longer = rows.last().map(|row| format!("{row} {word}"));
        match longer {
            Some(longer) if text_width(&longer, LETTERS)? <= width => {
                if let Some(row) = rows.last_mut() {
                    *row = longer;
                }
            }
            _ => rows.push(word.to_owned()),
        }
    }
    if rows.len() > lines {
        rows.truncate(lines);
        if let Some(row) = rows.last_mut() {
            row.push_str(" …");
        }
    }
    for (number, row) in rows.iter().enumerate() {
        let place = (left + MARGIN, top + MARGIN / 2 + number * LINE);
        write_text(sheet, place, width, LETTERS, INK, &shortened(row, width, LETTERS)?)?;
    }
    Ok(())
}

/// `text` with its middle left out, so that it is no wider than `width` pixels; the ends of names tell most.
fn shortened(text: &str, width: usize, size: u32) -> io::Result<String> {
    let text: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text_width(&text, size)? <= width {
        return Ok(text);
    }
    let letters: Vec<char> = text.chars().collect();
    // The widest that fits, by halves.
    let joined = |kept: usize| {
        let tail = kept / 2;
        letters[..kept - tail].iter().chain(&['…']).chain(&letters[letters.len() - tail..]).collect::<String>()
    };
    let (mut fits, mut too_wide) = (0, letters.len());
    while fits + 1 < too_wide {
        let middle = (fits + too_wide) / 2;
        if text_width(&joined(middle), size)? <= width {
            fits = middle;
        } else {
            too_wide = middle;
        }
    }
    Ok(joined(fits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_has_the_shape_of_a_screen() {
        assert_eq!([1, 6, 20, COLUMNS * ROWS].map(columns), [5, 5, 8, 13]);
        let (width, height) = (COLUMNS * (TILE + GAP) + GAP, TOP + ROWS * (TILE + GAP + CAPTION_LINES * LINE));
        assert!(width <= 1920 && height <= 1000, "{width} × {height}");
    }

    #[test]
    fn long_names_lose_their_middle() {
        let short = shortened("a-very-long-name-of-a-folder/and-a-file.png", 128, LETTERS).unwrap();
        assert!(short.starts_with("a-very") && short.ends_with("e.png") && short.contains('…'), "{short}");
        assert!(text_width(&short, LETTERS).unwrap() <= 128);
        assert_eq!(shortened("a.png", 128, LETTERS).unwrap(), "a.png");
        assert_eq!(shortened("wide", 1, LETTERS).unwrap(), "…");
    }
}
