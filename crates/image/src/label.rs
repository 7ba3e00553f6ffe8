//! Text below images.

use crate::Picture;
use crate::font::{self, FONT};
use dcgan_data::resize::{Extent, Filter, Resizer};
use plotters::backend::BitMapBackend;
use plotters::drawing::IntoDrawingArea;
use plotters::element::Text;
use plotters::style::{Color, IntoFont, WHITE};
use std::io;

/// Number of rows of pixels that [`label`] adds.
pub const LABEL_HEIGHT: usize = 24;
/// Size of the text in pixels.
const SIZE: u32 = 15;
/// Factor by which the text is drawn larger before it is reduced: the plotting library places letters at whole pixels,
/// which leaves gaps within words.
const FINER: usize = 4;

/// Returns the image in RGB with a black strip of [`LABEL_HEIGHT`] rows below it that contains `text` in white.
///
/// # Errors
/// If the text cannot be drawn.
pub fn label(picture: &Picture, text: &str) -> io::Result<Picture> {
    font::register();
    let Picture { width, height, channels, pixels } = picture;
    let mut labelled = Picture::black(*width, height + LABEL_HEIGHT, 3);
    for (to, from) in labelled.pixels.chunks_exact_mut(3).zip(pixels.chunks_exact(*channels)) {
        to.copy_from_slice(&[from[0], from[channels / 2], from[channels - 1]]);
    }
    let below = &mut labelled.pixels[width * height * 3..];
    write_white(below, (*width, LABEL_HEIGHT), (4, 8), SIZE, 0.9, text)?;
    Ok(labelled)
}

/// Returns the width in pixels of a line of `text` in letters of `size` pixels.
///
/// # Errors
/// If the font cannot be used.
pub fn text_width(text: &str, size: u32) -> io::Result<usize> {
    font::register();
    let font = (FONT, size * FINER as u32).into_font();
    let (width, _) = font.box_size(text).map_err(|error| io::Error::other(error.to_string()))?;
    Ok((width as usize).div_ceil(FINER))
}

/// Writes a line of `text` into an RGB image, in letters of `size` pixels, with its upper left corner at (`left`,
/// `top`). Text beyond `width` pixels or outside the image is cut off.
///
/// # Errors
/// If the text cannot be drawn.
pub fn write_text(
    picture: &mut Picture,
    (left, top): (usize, usize),
    width: usize,
    size: u32,
    color: [u8; 3],
    text: &str,
) -> io::Result<()> {
    font::register();
    let width = width.min(picture.width.saturating_sub(left));
    let height = (size as usize * 3 / 2).min(picture.height.saturating_sub(top));
    if width == 0 || height == 0 || text.is_empty() {
        return Ok(());
    }
    let mut coverage = vec![0; width * height * 3];
    // The plotting library draws the tallest letters above the given position.
    write_white(&mut coverage, (width, height), (0, size as usize / 4), size, 1.0, text)?;
    for (y, row) in coverage.chunks_exact(width * 3).enumerate() {
        let start = ((top + y) * picture.width + left) * 3;
        let below = &mut picture.pixels[start..start + row.len()];
        for (index, (pixel, &covered)) in below.iter_mut().zip(row).enumerate() {
            let (ink, covered) = (i32::from(color[index % 3]), i32::from(covered));
            *pixel = (i32::from(*pixel) + (ink - i32::from(*pixel)) * covered / 255) as u8;
        }
    }
    Ok(())
}

/// Fills the RGB image `pixels` with black and draws a line of text in white of this opacity.
fn write_white(
    pixels: &mut [u8],
    (width, height): (usize, usize),
    (left, top): (usize, usize),
    size: u32,
    opacity: f64,
    text: &str,
) -> io::Result<()> {
    let (wide, high) = (width * FINER, height * FINER);
    let mut strip = Picture::black(wide, high, 3);
    let area = BitMapBackend::with_buffer(&mut strip.pixels, (wide as u32, high as u32)).into_drawing_area();
    let style = (FONT, size * FINER as u32).into_font().color(&WHITE.mix(opacity));
    let place = ((left * FINER) as i32, (top * FINER) as i32);
    let drawn = area.draw(&Text::new(text, place, style)).and_then(|()| area.present());
    drawn.map_err(|error| io::Error::other(error.to_string()))?;
    drop(area);
    let [from, to] = [(wide, high), (width, height)].map(|(width, height)| Extent { width, height });
    Resizer::new().resize(pixels, to, &strip.pixels, from, from.into(), Filter::Box, 3);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_stands_below_the_picture() {
        let grey = Picture { width: 80, height: 40, channels: 1, pixels: vec![77; 80 * 40] };
        let labelled = label(&grey, "epoch 3").unwrap();
        assert_eq!((labelled.width, labelled.height, labelled.channels), (80, 40 + LABEL_HEIGHT, 3));
        let (above, below) = labelled.pixels.split_at(80 * 40 * 3);
        assert!(above.iter().all(|&value| value == 77));
        let bright = below.iter().filter(|&&value| value > 150).count();
        assert!((100..2000).contains(&bright), "{bright}");
        let inked = (0..LABEL_HEIGHT).filter(|y| below[y * 80 * 3..(y + 1) * 80 * 3].iter().any(|&value| value > 60));
        let inked: Vec<usize> = inked.collect();
        let [above, under] = [inked[0], LABEL_HEIGHT - 1 - inked[inked.len() - 1]];
        assert!(above.abs_diff(under) <= 2, "{above} rows above the text, {under} below it");
        assert_ne!(label(&grey, "epoch 4").unwrap(), labelled);
    }

    #[test]
    fn text_is_as_wide_as_it_says_and_stays_in_its_place() {
        let mut picture = Picture { width: 120, height: 30, channels: 3, pixels: vec![9; 120 * 30 * 3] };
        let width = text_width("00001.png", 12).unwrap();
        assert!((45..80).contains(&width), "{width}");
        write_text(&mut picture, (10, 5), 200, 12, [255, 0, 0], "00001.png").unwrap();
        let inked: Vec<(usize, usize)> =
            (0..120 * 30).filter(|i| picture.pixels[i * 3..i * 3 + 3] != [9; 3]).map(|i| (i % 120, i / 120)).collect();
        let (left, right) = (inked.iter().map(|p| p.0).min().unwrap(), inked.iter().map(|p| p.0).max().unwrap());
        assert!(left >= 10 && right <= 10 + width && right + 4 > 10 + width, "{left} to {right}, {width} wide");
        assert!(inked.iter().all(|&(_, y)| (5..23).contains(&y)));
        assert!(inked.iter().all(|&(x, y)| picture.pixels[(y * 120 + x) * 3 + 1] <= 9), "red ink only");
        // Text beyond the edges is cut off.
        write_text(&mut picture, (110, 25), 200, 12, [255; 3], "wide").unwrap();
        write_text(&mut picture, (500, 500), 200, 12, [255; 3], "outside").unwrap();
    }
}
