//! How a picture was held when it was taken: EXIF's tag 0x0112, and Pillow's `ImageOps.exif_transpose`.

use super::{Picture, directory};

const ORIENTATION: u16 = 0x0112;

/// The orientation that EXIF data give, 1 if none. `exif` begins with the TIFF header, perhaps after `Exif\0\0`.
pub(super) fn from_exif(exif: &[u8]) -> u16 {
    directory::find_short(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif), ORIENTATION).map_or(1, |found| found.value)
}

/// Turns and mirrors a picture so that it is upright.
pub(super) fn turn_upright(picture: Picture, orientation: u16) -> Picture {
    if !(2..=8).contains(&orientation) {
        return picture;
    }
    let Picture { width, height, channels, ref pixels, .. } = picture;
    // From 5 on, rows become columns.
    let (new_width, new_height) = if orientation >= 5 { (height, width) } else { (width, height) };
    let (right, bottom) = (width - 1, height - 1);
    let source = |x: usize, y: usize| match orientation {
        2 => (right - x, y),
        3 => (right - x, bottom - y),
        4 => (x, bottom - y),
        5 => (y, x),
        6 => (y, bottom - x),
        7 => (right - y, bottom - x),
        _ => (right - y, x),
    };
    let count = channels.count();
    let mut turned = Vec::with_capacity(pixels.len());
    for y in 0..new_height {
        for x in 0..new_width {
            let (from_x, from_y) = source(x, y);
            let at = (from_y * width + from_x) * count;
            turned.extend_from_slice(&pixels[at..at + count]);
        }
    }
    Picture { width: new_width, height: new_height, pixels: turned, ..picture }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Channels, Colour, Format};

    fn turned(orientation: u16) -> (usize, usize, Vec<u8>) {
        let picture = Picture {
            width: 3,
            height: 2,
            channels: Channels::Grey,
            pixels: vec![1, 2, 3, 4, 5, 6],
            format: Format::Jpeg,
            colour: Colour::Grey,
            bits: 8,
        };
        let picture = turn_upright(picture, orientation);
        (picture.width, picture.height, picture.pixels)
    }

    #[test]
    fn every_orientation_is_undone() {
        for upright in [0, 1, 9, u16::MAX] {
            assert_eq!(turned(upright), (3, 2, vec![1, 2, 3, 4, 5, 6]));
        }
        assert_eq!(turned(2), (3, 2, vec![3, 2, 1, 6, 5, 4]));
        assert_eq!(turned(3), (3, 2, vec![6, 5, 4, 3, 2, 1]));
        assert_eq!(turned(4), (3, 2, vec![4, 5, 6, 1, 2, 3]));
        assert_eq!(turned(5), (2, 3, vec![1, 4, 2, 5, 3, 6]));
        assert_eq!(turned(6), (2, 3, vec![4, 1, 5, 2, 6, 3]));
        assert_eq!(turned(7), (2, 3, vec![6, 3, 5, 2, 4, 1]));
        assert_eq!(turned(8), (2, 3, vec![3, 6, 2, 5, 1, 4]));
    }

    #[test]
    fn the_tag_is_found_in_both_byte_orders_and_never_beyond_the_end() {
        let little = b"Exif\0\0II*\0\x08\0\0\0\x02\0\x0f\x01\x02\0\x01\0\0\0AA\0\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
        let big = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0";
        assert_eq!((from_exif(little), from_exif(big)), (6, 8));
        for end in 0..little.len() - 2 {
            assert_eq!(from_exif(&little[..end]), 1, "cut at {end}");
        }
        assert_eq!(from_exif(b"II*\0\xff\xff\xff\xff"), 1);
        assert_eq!(from_exif(b"Exif\0\0junk"), 1);
    }
}
