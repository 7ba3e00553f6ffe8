//! How a picture was held when it was taken: EXIF's tag 0x0112, or XMP's `tiff:Orientation`, by the rules of Pillow's
//! `ImageOps.exif_transpose`.

use super::directory::{self, Directory};
use super::image::DecodedImage;

const ORIENTATION: u16 = 0x0112;

/// The orientation that EXIF data give, or else XMP data; 1 if neither does. `exif` begins with the TIFF header,
/// perhaps after `Exif\0\0`.
///
/// Pillow takes a number of any type, and the first one of several; bytes and text are no number, but they are there,
/// so that XMP is not asked. Nor is it if the EXIF data do not begin as a TIFF does.
pub(super) fn of_metadata(exif: Option<&[u8]>, xmp: Option<&[u8]>) -> u16 {
    let from_exif = match exif.map(without_prefix) {
        None | Some([]) => None,
        Some(exif) if !directory::has_header(exif) => Some(1),
        Some(exif) => Directory::first(exif).and_then(|directory| of_directory(&directory)),
    };
    from_exif.or_else(|| of_xmp(xmp?)).unwrap_or(1)
}

/// The orientation that a directory gives; `None` if it has no such tag.
pub(super) fn of_directory(directory: &Directory<'_>) -> Option<u16> {
    let values = directory.find(ORIENTATION)?;
    let number = values.number(0).filter(|number| !values.is_bytes() && number.fract() == 0.0);
    // What is empty is as good as not there.
    (values.len() > 0).then(|| number.map_or(1, |number| number as u16))
}

/// EXIF data without the words that may stand before them, once or twice.
fn without_prefix(exif: &[u8]) -> &[u8] {
    const PREFIX: &[u8] = b"Exif\0\0";
    let once = exif.strip_prefix(PREFIX).unwrap_or(exif);
    once.strip_prefix(PREFIX).unwrap_or(once)
}

/// The orientation that XMP data give: the digit after the first `tiff:Orientation="` or `tiff:Orientation>`.
pub(super) fn of_xmp(xmp: &[u8]) -> Option<u16> {
    const NAME: &[u8] = b"tiff:Orientation";
    let mut rest = xmp;
    loop {
        let at = rest.windows(NAME.len()).position(|window| window == NAME)?;
        rest = &rest[at + NAME.len()..];
        let value = rest.strip_prefix(b"=\"").or_else(|| rest.strip_prefix(b">"));
        if let Some(digit @ b'0'..=b'9') = value.and_then(|value| value.first()) {
            return Some((digit - b'0').into());
        }
    }
}

/// Turns and mirrors a picture so that it is upright.
pub(super) fn turn_upright(picture: DecodedImage, orientation: u16) -> DecodedImage {
    if !(2..=8).contains(&orientation) {
        return picture;
    }
    let DecodedImage { width, height, channels, ref pixels, .. } = picture;
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
    DecodedImage { width: new_width, height: new_height, pixels: turned, ..picture }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Channels, ColorType, ImageFormat};

    fn turned(orientation: u16) -> (usize, usize, Vec<u8>) {
        let picture = DecodedImage {
            width: 3,
            height: 2,
            channels: Channels::Gray,
            pixels: vec![1, 2, 3, 4, 5, 6],
            format: ImageFormat::Jpeg,
            color: ColorType::Gray,
            bits: 8,
            is_animated: false,
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

    fn from_exif(exif: &[u8]) -> u16 {
        of_metadata(Some(exif), None)
    }

    #[test]
    fn the_tag_is_found_in_both_byte_orders_and_never_beyond_the_end() {
        let little = b"Exif\0\0II*\0\x08\0\0\0\x02\0\x0f\x01\x02\0\x01\0\0\0AA\0\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
        let big = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0";
        assert_eq!((from_exif(little), from_exif(big)), (6, 8));
        assert_eq!(from_exif(&[b"Exif\0\0", &little[..]].concat()), 6, "twice the prefix");
        for end in 0..little.len() - 2 {
            assert_eq!(from_exif(&little[..end]), 1, "cut at {end}");
        }
        assert_eq!(from_exif(b"II*\0\xff\xff\xff\xff"), 1);
        assert_eq!(from_exif(b"Exif\0\0junk"), 1);
    }

    /// EXIF data with the tag as so many values of a type; what needs more than four bytes follows the directory.
    fn exif(order: &[u8; 2], kind: u16, count: u32, value: &[u8]) -> Vec<u8> {
        let is_little = order == b"II";
        let u16_of = |value: u16| if is_little { value.to_le_bytes() } else { value.to_be_bytes() };
        let u32_of = |value: u32| if is_little { value.to_le_bytes() } else { value.to_be_bytes() };
        let mut inline = [0; 4];
        match value.len() {
            len @ ..=4 => inline[..len].copy_from_slice(value),
            _ => inline = u32_of(26),
        }
        let after = if value.len() > 4 { value } else { b"" };
        let header = [&order[..], &u16_of(42), &u32_of(8), &u16_of(1)].concat();
        [
            header,
            [u16_of(ORIENTATION), u16_of(kind)].concat(),
            u32_of(count).to_vec(),
            inline.to_vec(),
            vec![0; 4],
            after.to_vec(),
        ]
        .concat()
    }

    /// What Pillow 13 makes of these, tools/check/pictures_read.py compares.
    #[test]
    fn a_number_of_any_type_is_taken_and_bytes_are_not() {
        for (order, little) in [(b"II", true), (b"MM", false)] {
            let bytes = |mut value: Vec<u8>| {
                if !little {
                    value.reverse();
                }
                value
            };
            let cases = [
                (1, 1, vec![6], 1),
                (2, 2, b"6\0".to_vec(), 1),
                (3, 1, bytes(vec![6, 0]), 6),
                (3, 2, [bytes(vec![6, 0]), vec![1, 1]].concat(), 6),
                (3, 0, vec![6, 6], 1),
                (4, 1, bytes(vec![6, 0, 0, 0]), 6),
                (5, 1, [bytes(vec![12, 0, 0, 0]), bytes(vec![2, 0, 0, 0])].concat(), 6),
                (6, 1, vec![6], 6),
                (7, 1, vec![6], 1),
                (8, 1, bytes(vec![6, 0]), 6),
                (9, 1, bytes(vec![6, 0, 0, 0]), 6),
                (11, 1, bytes(6_f32.to_le_bytes().to_vec()), 6),
                (12, 1, bytes(6_f64.to_le_bytes().to_vec()), 6),
                (16, 1, bytes(6_u64.to_le_bytes().to_vec()), 6),
                (3, 1, bytes(vec![9, 0]), 9),
                (9, 1, bytes((-6_i32).to_le_bytes().to_vec()), 0),
                (11, 1, bytes(6.5_f32.to_le_bytes().to_vec()), 1),
            ];
            for (kind, count, value, expected) in cases {
                assert_eq!(from_exif(&exif(order, kind, count, &value)), expected, "{order:?} {kind} {count}");
            }
        }
    }

    #[test]
    fn xmp_is_asked_where_exif_says_nothing() {
        let xmp = b"<x tiff:Orientation='3' tiff:Orientation=\"x\" tiff:Orientation=\"8\" tiff:Orientation=\"6\"/>";
        assert_eq!(of_metadata(None, Some(xmp)), 8);
        assert_eq!(of_metadata(None, Some(b"<tiff:Orientation>5</tiff:Orientation>")), 5);
        assert_eq!(of_metadata(None, Some(b"tiff:Orientation>")), 1);
        assert_eq!(of_metadata(None, None), 1);
        assert_eq!(of_metadata(Some(&exif(b"II", 3, 1, &[3, 0])), Some(xmp)), 3);
        assert_eq!(of_metadata(Some(&exif(b"II", 7, 1, &[3])), Some(xmp)), 1, "bytes are there and no number");
        assert_eq!(of_metadata(Some(b"II*\0\x08\0\0\0\0\0"), Some(xmp)), 8);
        assert_eq!(of_metadata(Some(b"Exif\0\0"), Some(xmp)), 8, "nothing");
        assert_eq!(of_metadata(Some(b"II*\0\xff\xff\xff\xff"), Some(xmp)), 8, "a directory outside of the data");
        assert_eq!(of_metadata(Some(b"II*\0\x08\0\0"), Some(xmp)), 1, "a header that is cut off");
        assert_eq!(of_metadata(Some(b"Exif\0\0junkjunk"), Some(xmp)), 1, "no header");
    }
}
