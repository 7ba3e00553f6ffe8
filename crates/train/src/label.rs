//! Text in pictures.

use crate::Picture;
use plotters::backend::BitMapBackend;
use plotters::drawing::IntoDrawingArea;
use plotters::element::Text;
use plotters::style::{Color, FontStyle, IntoFont, WHITE, register_font as register};
use std::io;
use std::sync::Once;

/// The font's name for the plotting library.
pub(crate) const FONT: &str = "DejaVu Sans";
/// Rows of pixels that [`label`] adds.
pub const LABEL_HEIGHT: usize = 24;
const SIZE: u32 = 15;

/// Makes the font known to the plotting library, which knows none of the system's.
pub(crate) fn register_font() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A font that cannot be read makes drawing fail, and that is reported.
        let _ = register(FONT, FontStyle::Normal, dejavu::sans::regular());
    });
}

/// The picture in RGB, with a black strip of [`LABEL_HEIGHT`] rows below that has `text` in white.
///
/// # Errors
/// If the text cannot be drawn.
pub fn label(picture: &Picture, text: &str) -> io::Result<Picture> {
    register_font();
    let Picture { width, height, channels, pixels } = picture;
    let mut labelled = Picture::black(*width, height + LABEL_HEIGHT, 3);
    for (to, from) in labelled.pixels.chunks_exact_mut(3).zip(pixels.chunks_exact(*channels)) {
        to.copy_from_slice(&[from[0], from[channels / 2], from[channels - 1]]);
    }
    {
        let size = (*width as u32, (height + LABEL_HEIGHT) as u32);
        let area = BitMapBackend::with_buffer(&mut labelled.pixels, size).into_drawing_area();
        let style = (FONT, SIZE).into_font().color(&WHITE.mix(0.9));
        let drawn = area.draw(&Text::new(text, (4, *height as i32 + 2), style)).and_then(|()| area.present());
        drawn.map_err(|error| io::Error::other(error.to_string()))?;
    }
    Ok(labelled)
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
        assert_ne!(label(&grey, "epoch 4").unwrap(), labelled);
    }
}
