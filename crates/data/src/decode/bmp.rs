//! Windows and OS/2 bitmaps.
//!
//! This is our own: of the crates that read them, one loses its way in rows of less than 8 bits a pixel, and the other
//! brings the color management of a whole image library.
//!
//! A file header of 14 bytes, an information header whose length tells its version, perhaps masks, perhaps a palette,
//! and rows of pixels, from the bottom unless the height is negative, each on a multiple of four bytes. Numbers are
//! little-endian.

use super::error::{DecodeError, broken, check_size, unsupported};
use super::format::ImageFormat;
use super::image::ColorType;
use super::raw::{Layout, Raw};
const TRUNCATED: DecodeError = DecodeError::Truncated(ImageFormat::Bmp);
/// The file header, before the information header.
const FILE_HEADER: usize = 14;
/// OS/2's first information header, which has shorter numbers.
const CORE_HEADER: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Plain,
    /// Runs of indices of so many bits.
    Runs,
}

struct Header {
    width: u32,
    height: u32,
    from_top: bool,
    bits: u16,
    coding: Coding,
    /// Red, green, blue, alpha, for 16 and 32 bits.
    masks: [u32; 4],
    palette: Vec<[u8; 3]>,
    /// Where the pixels start.
    pixels: usize,
}

/// Reads a little-endian number at this position.
fn u16_at(bytes: &[u8], at: usize) -> Result<u16, DecodeError> {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map(|bytes| u16::from_le_bytes(*bytes)).ok_or(TRUNCATED)
}

/// Reads a little-endian number at this position.
fn u32_at(bytes: &[u8], at: usize) -> Result<u32, DecodeError> {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map(|bytes| u32::from_le_bytes(*bytes)).ok_or(TRUNCATED)
}

impl Header {
    /// Reads the headers, the masks and the palette.
    fn read(bytes: &[u8]) -> Result<Header, DecodeError> {
        let length = u32_at(bytes, FILE_HEADER)? as usize;
        let is_core = length == CORE_HEADER;
        let (width, height, bits) = if is_core {
            (u16_at(bytes, 18)?.into(), i32::from(u16_at(bytes, 20)?), u16_at(bytes, 24)?)
        } else {
            (u32_at(bytes, 18)?, u32_at(bytes, 22)? as i32, u16_at(bytes, 28)?)
        };
        // What a short header leaves out is zero.
        let number = |at: usize| if at + 4 <= FILE_HEADER + length { u32_at(bytes, at) } else { Ok(0) };
        let compression = number(30)?;
        if width == 0 || height == 0 || width > i32::MAX as u32 {
            return Err(broken(ImageFormat::Bmp, "it has no pixels"));
        }
        let coding = match (compression, bits) {
            (0, 1 | 2 | 4 | 8 | 16 | 24 | 32) | (3 | 6, 16 | 24 | 32) => Coding::Plain,
            (1, 8) | (2, 4) => Coding::Runs,
            _ => return Err(unsupported(ImageFormat::Bmp, format!("compression {compression} with {bits} bits"))),
        };
        // They follow the header or are a part of it, in the same place.
        let has_masks = matches!(compression, 3 | 6);
        let has_alpha_mask = compression == 6 || has_masks && length >= 56;
        let masks = if has_masks {
            let alpha = if has_alpha_mask { u32_at(bytes, 66)? } else { 0 };
            match ([u32_at(bytes, 54)?, u32_at(bytes, 58)?, u32_at(bytes, 62)?, alpha], bits) {
                // Pillow takes these for blue, green, red and alpha.
                ([0, 0, 0, 0], 32) => [0xff_0000, 0xff00, 0xff, 0xff00_0000],
                (masks, _) if masks[..3].contains(&0) => {
                    return Err(broken(
                        ImageFormat::Bmp,
                        format!("masks {:x}, {:x}, {:x}", masks[0], masks[1], masks[2]),
                    ));
                }
                (masks, _) => masks,
            }
        } else if bits == 16 {
            [0x7c00, 0x03e0, 0x001f, 0]
        } else {
            [0xff_0000, 0xff00, 0xff, 0]
        };
        // Masks that are no part of the header.
        let header_end =
            FILE_HEADER + length + if has_masks && length < 52 { 12 + 4 * usize::from(has_alpha_mask) } else { 0 };
        let stated_pixels = u32_at(bytes, 10)? as usize;
        let mut palette_end = header_end;
        let palette = if bits <= 8 {
            let entry = if is_core { 3 } else { 4 };
            let most = 1_usize << bits;
            let claimed = match number(46)? as usize {
                0 => most,
                // Some have more than can be used.
                colors => colors,
            };
            palette_end = header_end.saturating_add(claimed.saturating_mul(entry));
            // As in Pillow, it is as long as it claims, even where the pixels are said to begin inside it.
            let bytes = bytes.get(header_end..palette_end.min(bytes.len())).ok_or(TRUNCATED)?;
            bytes.chunks_exact(entry).take(most).map(|bgr| [bgr[2], bgr[1], bgr[0]]).collect()
        } else {
            Vec::new()
        };
        let pixels = match stated_pixels {
            // Not stated: they follow. Nor can they begin where the palette does.
            0 => palette_end,
            stated if stated == FILE_HEADER + length && bits <= 8 => palette_end,
            stated => stated,
        };
        let (from_top, height) = (height < 0, height.unsigned_abs());
        Ok(Header { width, height, from_top, bits, coding, masks, palette, pixels })
    }
}

/// See [`dimensions`](super::dimensions).
pub(super) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    let header = Header::read(bytes)?;
    Ok((header.width, header.height))
}

/// Decodes a bitmap to RGB or RGBA.
pub(super) fn decode(bytes: &[u8]) -> Result<Raw, DecodeError> {
    let header = Header::read(bytes)?;
    let (width, height) = check_size(header.width, header.height)?;
    let data = bytes.get(header.pixels..).ok_or(TRUNCATED)?;
    let color_of = |index: u8| header.palette.get(usize::from(index)).copied().unwrap_or_default();
    let (layout, color) = match header.bits {
        ..=8 => (Layout::Rgb, ColorType::Palette),
        _ if header.masks[3] != 0 => (Layout::Rgba, ColorType::Rgba),
        _ => (Layout::Rgb, ColorType::Rgb),
    };

    let mut pixels = Vec::new();
    if header.coding == Coding::Runs {
        let indices = runs(data, width, height, header.bits)?;
        pixels.extend(indices.into_iter().flat_map(color_of));
    } else {
        let bits = usize::from(header.bits);
        let stride = (width * bits).div_ceil(32) * 4;
        // The last row needs no padding.
        if data.len() < stride * (height - 1) + (width * bits).div_ceil(8) {
            return Err(TRUNCATED);
        }
        for row in data.chunks(stride).take(height) {
            match bits {
                ..=8 => {
                    let index =
                        |x: usize| (row[x * bits / 8] >> (8 - bits - x * bits % 8)) & ((1_u16 << bits) - 1) as u8;
                    pixels.extend((0..width).flat_map(|x| color_of(index(x))));
                }
                24 if header.masks == [0xff_0000, 0xff00, 0xff, 0] => {
                    pixels.extend(row.as_chunks::<3>().0.iter().take(width).flat_map(|&[b, g, r]| [r, g, b]))
                }
                24 => {
                    let words =
                        row.as_chunks().0.iter().map(|&[low, middle, high]| u32::from_le_bytes([low, middle, high, 0]));
                    words.take(width).for_each(|word| unmask(word, &header.masks, &mut pixels));
                }
                16 => {
                    let words = row.as_chunks().0.iter().map(|&word| u16::from_le_bytes(word).into());
                    words.take(width).for_each(|word| unmask(word, &header.masks, &mut pixels));
                }
                _ => {
                    let words = row.as_chunks().0.iter().map(|&word| u32::from_le_bytes(word));
                    words.take(width).for_each(|word| unmask(word, &header.masks, &mut pixels));
                }
            }
        }
    }
    if !header.from_top {
        let row = pixels.len() / height;
        for y in 0..height / 2 {
            let (upper, lower) = pixels.split_at_mut((height - 1 - y) * row);
            upper[y * row..(y + 1) * row].swap_with_slice(&mut lower[..row]);
        }
    }
    let bits = match header.bits {
        16 => 5,
        bits => bits.min(8) as u8,
    };
    Ok(Raw { width, height, layout, pixels, color, bits, orientation: 1 })
}

/// The channels of a pixel; alpha only if there is a mask for it.
fn unmask(word: u32, masks: &[u32; 4], pixels: &mut Vec<u8>) {
    let count = if masks[3] == 0 { 3 } else { 4 };
    pixels.extend(masks[..count].iter().map(|&mask| {
        let shift = mask.trailing_zeros().min(31);
        let (value, most) = ((word & mask) >> shift, (mask >> shift).max(1));
        (u64::from(value) * 255 / u64::from(most)) as u8
    }));
}

/// Undoes run-length coding, from the bottom row on. What is skipped is index 0.
///
/// Two bytes each: a count and what to repeat, for 4 bits two indices in turn; or 0 and 0 for the end of a row, 1 for
/// the end of the picture, 2 for a step of the two bytes that follow, or the number of indices that follow as they are,
/// padded to two bytes.
fn runs(data: &[u8], width: usize, height: usize, bits: u16) -> Result<Vec<u8>, DecodeError> {
    let mut indices = vec![0; width * height];
    let (mut x, mut y) = (0, 0);
    let mut put = |x: &mut usize, y: usize, index: u8| {
        // What leads out of the picture is dropped, as everybody does.
        if *x < width && y < height {
            indices[y * width + *x] = index;
        }
        *x += 1;
    };
    let nibble = |byte: u8, i: usize| if i.is_multiple_of(2) { byte >> 4 } else { byte & 15 };
    let mut codes = data;
    while y < height {
        let (&[count, value], rest) = codes.split_first_chunk().ok_or(TRUNCATED)?;
        codes = rest;
        match (count, value) {
            (0, 0) => (x, y) = (0, y + 1),
            (0, 1) => break,
            (0, 2) => {
                let (&[right, up], rest) = codes.split_first_chunk().ok_or(TRUNCATED)?;
                codes = rest;
                (x, y) = (x + usize::from(right), y + usize::from(up));
            }
            (0, literals) => {
                let literals = usize::from(literals);
                let bytes = if bits == 8 { literals } else { literals.div_ceil(2) };
                let stored = codes.get(..bytes).ok_or(TRUNCATED)?;
                for i in 0..literals {
                    put(&mut x, y, if bits == 8 { stored[i] } else { nibble(stored[i / 2], i) });
                }
                codes = codes.get(bytes.next_multiple_of(2)..).unwrap_or_default();
            }
            (count, value) => {
                for i in 0..usize::from(count) {
                    put(&mut x, y, if bits == 8 { value } else { nibble(value, i) });
                }
            }
        }
    }
    Ok(indices)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with the long header of 40 bytes.
    fn file(width: i32, height: i32, bits: u16, compression: u32, after_header: &[u8], pixels: &[u8]) -> Vec<u8> {
        let mut file = b"BM\0\0\0\0\0\0\0\0".to_vec();
        file.extend((54 + after_header.len() as u32).to_le_bytes());
        file.extend(40_u32.to_le_bytes());
        file.extend(width.to_le_bytes());
        file.extend(height.to_le_bytes());
        file.extend(1_u16.to_le_bytes());
        file.extend(bits.to_le_bytes());
        file.extend(compression.to_le_bytes());
        file.extend([0; 20]);
        file.extend(after_header);
        file.extend(pixels);
        file
    }

    fn pixels(file: &[u8]) -> Vec<u8> {
        decode(file).unwrap().pixels
    }

    /// 0, 0, 0; 1, 1, 1; and so on.
    fn ramp(colors: u8) -> Vec<u8> {
        (0..colors).flat_map(|i| [i, i, i, 0]).collect()
    }

    fn indices(file: &[u8]) -> Vec<u8> {
        pixels(file).chunks(3).map(|rgb| rgb[0]).collect()
    }

    #[test]
    fn rows_come_from_the_bottom_or_from_the_top() {
        let rows = [1, 2, 3, 0, 4, 5, 6, 0];
        assert_eq!(pixels(&file(1, 2, 24, 0, &[], &rows)), [6, 5, 4, 3, 2, 1]);
        assert_eq!(pixels(&file(1, -2, 24, 0, &[], &rows)), [3, 2, 1, 6, 5, 4]);
    }

    #[test]
    fn few_bits_are_read_from_the_highest_and_rows_are_padded() {
        assert_eq!(indices(&file(3, 2, 4, 0, &ramp(16), &[0x12, 0x30, 0, 0, 0x45, 0x60, 0, 0])), [4, 5, 6, 1, 2, 3]);
        assert_eq!(indices(&file(9, 1, 1, 0, &ramp(2), &[0b1010_0001, 0x80, 0, 0])), [1, 0, 1, 0, 0, 0, 0, 1, 1]);
        assert_eq!(indices(&file(3, 1, 2, 0, &ramp(4), &[0b00_01_11_00, 0, 0, 0])), [0, 1, 3]);
    }

    #[test]
    fn masks_choose_the_bits() {
        // 5, 5, 5 bits without masks; 5, 6, 5 with.
        assert_eq!(pixels(&file(1, 1, 16, 0, &[], &[0xe0, 0x7f, 0, 0])), [255, 255, 0]);
        let masks = [0xf800_u32, 0x07e0, 0x001f].map(u32::to_le_bytes).concat();
        assert_eq!(pixels(&file(1, 1, 16, 3, &masks, &[0xe0, 0x07, 0, 0])), [0, 255, 0]);
        assert_eq!(pixels(&file(1, 1, 32, 0, &[], &[1, 2, 3, 4])), [3, 2, 1]);
        let masks = [0xff_u32, 0xff00, 0xff_0000, 0xff00_0000].map(u32::to_le_bytes).concat();
        assert_eq!(pixels(&file(1, 1, 32, 6, &masks, &[1, 2, 3, 4])), [1, 2, 3, 4]);
        // Pillow's answer to no masks at all.
        assert_eq!(pixels(&file(1, 1, 32, 3, &[0; 12], &[1, 2, 3, 4])), [3, 2, 1, 4]);
        // Some of none make no sense.
        let masks = [0xff_0000_u32, 0, 0xff].map(u32::to_le_bytes).concat();
        assert!(
            decode(&file(1, 1, 32, 3, &masks, &[1, 2, 3, 4]))
                .err()
                .unwrap()
                .to_string()
                .contains("masks ff0000, 0, ff")
        );
        assert!(decode(&file(1, 1, 16, 3, &[0; 12], &[1, 2, 3, 4])).is_err());
        let masks = [0xff_u32, 0xff00, 0xff_0000].map(u32::to_le_bytes).concat();
        assert_eq!(pixels(&file(1, 1, 24, 3, &masks, &[1, 2, 3, 0])), [1, 2, 3]);
    }

    #[test]
    fn pixels_that_begin_nowhere_follow_the_header() {
        let with_offset = |mut file: Vec<u8>, offset: u32| {
            file[10..14].copy_from_slice(&offset.to_le_bytes());
            file
        };
        let color = file(1, 1, 24, 0, &[], &[1, 2, 3, 0]);
        assert_eq!(pixels(&with_offset(color, 0)), [3, 2, 1]);
        let masks = [0xff_u32, 0xff00, 0xff_0000].map(u32::to_le_bytes).concat();
        assert_eq!(pixels(&with_offset(file(1, 1, 32, 3, &masks, &[1, 2, 3, 4]), 0)), [1, 2, 3]);
        let palette = file(3, 1, 4, 0, &ramp(16), &[0x12, 0x30, 0, 0]);
        // 54 is where the palette begins.
        for offset in [0, 54] {
            assert_eq!(indices(&with_offset(palette.clone(), offset)), [1, 2, 3]);
        }
    }

    #[test]
    fn the_palette_may_reach_into_the_pixels() {
        // The pixels begin at the 16th color, which is made of them.
        let mut palette = file(3, 1, 4, 0, &ramp(15), &[0x12, 0xf0, 7, 0]);
        assert_eq!(indices(&palette), [1, 2, 7]);
        // And what the file ends before is black.
        palette.truncate(palette.len() - 2);
        assert_eq!(indices(&palette), [1, 2, 0]);
    }

    #[test]
    fn the_last_row_needs_no_padding() {
        let rows = [1, 2, 3, 0, 4, 5, 6];
        for height in [2, -2] {
            let whole = pixels(&file(1, height, 24, 0, &[], &[&rows[..], &[0]].concat()));
            assert_eq!(pixels(&file(1, height, 24, 0, &[], &rows)), whole);
        }
        assert_eq!(indices(&file(3, 1, 4, 0, &ramp(16), &[0x12, 0x30])), [1, 2, 3]);
        assert_eq!(decode(&file(3, 1, 4, 0, &ramp(16), &[0x12])).err(), Some(TRUNCATED));
    }

    #[test]
    fn runs_are_undone() {
        let bottom = [0, 3, 7, 8, 9, 0, 1, 5, 0, 0];
        let top = [0, 2, 2, 0, 2, 6, 0, 1];
        let expected = [0, 0, 6, 6, 7, 8, 9, 5];
        assert_eq!(indices(&file(4, 2, 8, 1, &ramp(16), &[bottom.as_slice(), &top].concat())), expected);
        assert_eq!(indices(&file(5, 1, 4, 2, &ramp(16), &[2, 0x12, 0, 3, 0x34, 0x50, 0, 1])), [1, 2, 3, 4, 5]);
        assert_eq!(indices(&file(2, 1, 8, 1, &ramp(16), &[200, 3, 0, 0])), [3, 3], "a run too long is cut");
    }

    #[test]
    fn cut_anywhere_it_is_refused() {
        let plain = file(3, 2, 24, 0, &[], &[7; 24]);
        let coded = file(4, 1, 8, 1, &ramp(4), &[4, 1, 0, 1]);
        // Without the padding of the last row, every pixel is there.
        for (whole, needless) in [(plain, 3), (coded, 0)] {
            assert!(decode(&whole).is_ok());
            for end in 2..whole.len() - needless {
                assert_eq!(decode(&whole[..end]).err(), Some(TRUNCATED), "at {end}");
            }
        }
    }

    #[test]
    fn kinds_that_nobody_writes_are_named() {
        let message = |file: &[u8]| decode(file).err().unwrap().to_string();
        assert!(message(&file(1, 1, 24, 4, &[], &[0; 4])).contains("compression 4 with 24 bits"));
        assert!(message(&file(1, 1, 9, 0, &[], &[0; 4])).contains("compression 0 with 9 bits"));
        assert!(message(&file(0, 1, 24, 0, &[], &[0; 4])).contains("no pixels"));
        assert_eq!(
            decode(&file(70_000, i32::MIN, 24, 0, &[], &[])).err(),
            Some(DecodeError::TooLarge { width: 70_000, height: 1 << 31 })
        );
    }
}
