//! Sheets of many images.

use crate::Picture;

/// Number of images in a row, in previews and in `dcgan generate`.
pub const COLUMNS: usize = 8;
/// Number of black pixels around and between the images, as `torchvision.utils.make_grid` has them.
pub const PADDING: usize = 2;

/// Returns the width and height in pixels of the sheet that [`compose_columns`] makes of `count` images of `size` ×
/// `size` pixels.
pub fn sheet_size(count: usize, columns: usize, size: usize) -> (usize, usize) {
    let side = |pictures: usize| pictures * (size + PADDING) + PADDING;
    (side(count.min(columns)), side(count.div_ceil(columns)))
}

/// Lays out square images of equal size row by row, [`COLUMNS`] to a row, [`PADDING`] pixels apart.
///
/// # Panics
/// If there are no images, or if they differ in size or channels.
pub fn compose(pictures: &[Picture]) -> Picture {
    compose_columns(pictures, COLUMNS)
}

/// As [`compose`], with `columns` images to a row.
///
/// # Panics
/// If there are no images or no columns, or if the images differ in size or channels.
pub fn compose_columns(pictures: &[Picture], columns: usize) -> Picture {
    let Picture { width: size, channels, .. } = pictures[0];
    let (width, height) = sheet_size(pictures.len(), columns, size);
    let mut sheet = Picture::black(width, height, channels);
    for (index, picture) in pictures.iter().enumerate() {
        assert_eq!((picture.width, picture.height, picture.channels), (size, size, channels), "picture {index}");
        let left = PADDING + index % columns * (size + PADDING);
        let top = PADDING + index / columns * (size + PADDING);
        for (y, row) in picture.pixels.chunks_exact(size * channels).enumerate() {
            let start = ((top + y) * width + left) * channels;
            sheet.pixels[start..start + row.len()].copy_from_slice(row);
        }
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(value: u8) -> Picture {
        Picture { width: 4, height: 4, channels: 1, pixels: vec![value; 16] }
    }

    #[test]
    fn a_sheet_has_eight_to_a_row_and_black_between() {
        let pictures: Vec<Picture> = (1..=10).map(plain).collect();
        let sheet = compose(&pictures);
        assert_eq!((sheet.width, sheet.height), (8 * 6 + 2, 2 * 6 + 2));
        let at = |x: usize, y: usize| sheet.pixels[y * sheet.width + x];
        assert_eq!([at(0, 0), at(1, 1), at(2, 2), at(5, 5), at(6, 5), at(7, 5), at(8, 5)], [0, 0, 1, 1, 0, 0, 2]);
        assert_eq!([at(2, 8), at(8, 8), at(14, 8)], [9, 10, 0]);
        let inked = sheet.pixels.iter().filter(|&&p| p != 0).count();
        assert_eq!(inked, 10 * 16);
    }

    #[test]
    fn few_pictures_make_a_narrow_sheet() {
        assert_eq!(sheet_size(1, COLUMNS, 64), (68, 68));
        assert_eq!(sheet_size(32, COLUMNS, 64), (8 * 66 + 2, 4 * 66 + 2));
        let sheet = compose(&[plain(7)]);
        assert_eq!((sheet.width, sheet.height), (8, 8));
        let sheet = compose_columns(&[plain(7), plain(8), plain(9)], 2);
        assert_eq!((sheet.width, sheet.height), (14, 14));
        assert_eq!([sheet.pixels[2 * 14 + 2], sheet.pixels[2 * 14 + 8], sheet.pixels[8 * 14 + 2]], [7, 8, 9]);
    }
}
