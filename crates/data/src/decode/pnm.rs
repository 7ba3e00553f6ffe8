//! The formats of Netpbm: PBM, PGM and PPM, in text and in binary.
//!
//! This is our own: the crates that read them come with a whole image library, and what matters here is which rounding
//! Pillow has.
//!
//! A file begins with `P` and a digit, 1 to 3 for text and 4 to 6 for binary, width, height and (not in a PBM) the
//! value of full light, as words in ASCII; a `#` begins a comment that goes to the end of its line. One white space
//! follows, and then the samples. In a PBM, 1 is black.

use super::error::{DecodeError, broken, check_size};
use super::format::ImageFormat;
use super::image::ColorType;
use super::raw::{Layout, Raw};
const TRUNCATED: DecodeError = DecodeError::Truncated(ImageFormat::Pnm);
/// No number of a file that can be read has more digits; Pillow has the same limit.
const MAX_DIGITS: usize = 10;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bitmap,
    Gray,
    Rgb,
}

struct Header {
    kind: Kind,
    is_text: bool,
    width: u32,
    height: u32,
    /// The value of full light, 1 to 65,535.
    most: u32,
    /// Where the samples begin.
    samples: usize,
}

impl Header {
    /// Reads the header.
    fn read(bytes: &[u8]) -> Result<Header, DecodeError> {
        let (kind, is_text) = match bytes {
            [b'P', b'1', ..] => (Kind::Bitmap, true),
            [b'P', b'2', ..] => (Kind::Gray, true),
            [b'P', b'3', ..] => (Kind::Rgb, true),
            [b'P', b'4', ..] => (Kind::Bitmap, false),
            [b'P', b'5', ..] => (Kind::Gray, false),
            [b'P', b'6', ..] => (Kind::Rgb, false),
            _ => return Err(DecodeError::NotAPicture),
        };
        let mut words = Words { bytes, at: 2 };
        let mut number = || words.next()?.ok_or(TRUNCATED);
        let (width, height) = (number()?, number()?);
        let most = if kind == Kind::Bitmap { 1 } else { number()? };
        if width == 0 || height == 0 {
            return Err(broken(ImageFormat::Pnm, "it has no pixels"));
        }
        if !(1..=65_535).contains(&most) {
            return Err(broken(ImageFormat::Pnm, format!("the value of full light is {most}")));
        }
        let side = |length: u64| u32::try_from(length).unwrap_or(u32::MAX);
        Ok(Header { kind, is_text, width: side(width), height: side(height), most: most as u32, samples: words.at })
    }

    /// Samples of a pixel.
    fn channels(&self) -> usize {
        if self.kind == Kind::Rgb { 3 } else { 1 }
    }

    /// A sample as a byte. For more than 8 bits of gray it is the high byte of 16 bits, as everywhere; of colors, what
    /// Pillow rounds to.
    fn to_byte(&self, sample: u32) -> u8 {
        let sample = sample.min(self.most);
        match self.kind {
            Kind::Bitmap => (1 - sample as u8) * 255,
            Kind::Gray if self.most > 255 => (rounded(sample, 65_535, self.most) >> 8) as u8,
            _ => rounded(sample, 255, self.most) as u8,
        }
    }
}

/// `value * range / most`, rounded to the nearest, and in the middle to the even number, as Python rounds.
fn rounded(value: u32, range: u32, most: u32) -> u32 {
    let product = u64::from(value) * u64::from(range);
    let most = u64::from(most);
    let (down, rest) = (product / most, product % most);
    let is_up = match (2 * rest).cmp(&most) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => down % 2 == 1,
        std::cmp::Ordering::Greater => true,
    };
    (down + u64::from(is_up)) as u32
}

/// The words of a text.
struct Words<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Whether a byte is white space as Netpbm defines it.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

impl Words<'_> {
    /// The next byte that is in no comment.
    fn byte(&mut self) -> Option<u8> {
        loop {
            let &byte = self.bytes.get(self.at)?;
            self.at += 1;
            if byte != b'#' {
                return Some(byte);
            }
            let rest = &self.bytes[self.at..];
            let length = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).map_or(rest.len(), |at| at + 1);
            self.at += length;
        }
    }

    /// The next word as a number, and steps over the white space behind it; `None` at the end.
    fn next(&mut self) -> Result<Option<u64>, DecodeError> {
        let mut number: Option<(u64, usize)> = None;
        loop {
            match (self.byte(), number) {
                (None, number) => return Ok(number.map(|(value, _)| value)),
                (Some(byte), None) if is_space(byte) => {}
                (Some(byte), Some((value, _))) if is_space(byte) => return Ok(Some(value)),
                (Some(byte @ b'0'..=b'9'), _) => {
                    let (value, digits) = number.unwrap_or_default();
                    if digits == MAX_DIGITS {
                        return Err(broken(ImageFormat::Pnm, "a number is too long"));
                    }
                    number = Some((value * 10 + u64::from(byte - b'0'), digits + 1));
                }
                (Some(byte), _) => {
                    return Err(broken(ImageFormat::Pnm, format!("a number has the letter {:?}", char::from(byte))));
                }
            }
        }
    }
}

/// See [`dimensions`](super::dimensions).
pub(super) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    let header = Header::read(bytes)?;
    Ok((header.width, header.height))
}

/// Decodes a PBM, PGM or PPM to gray or RGB.
pub(super) fn decode(bytes: &[u8]) -> Result<Raw, DecodeError> {
    let header = Header::read(bytes)?;
    let (width, height) = check_size(header.width, header.height)?;
    let count = width * height * header.channels();
    let pixels = if header.is_text {
        from_text(&header, bytes, count)?
    } else {
        from_binary(&header, &bytes[header.samples..], width, height)?
    };
    let (layout, color) = match header.kind {
        Kind::Rgb => (Layout::Rgb, ColorType::Rgb),
        _ => (Layout::Gray, ColorType::Gray),
    };
    let bits = (u32::BITS - header.most.leading_zeros()) as u8;
    Ok(Raw { width, height, layout, pixels, color, bits, orientation: 1 })
}

/// Reads `count` samples that are written as decimal numbers.
fn from_text(header: &Header, bytes: &[u8], count: usize) -> Result<Vec<u8>, DecodeError> {
    let mut words = Words { bytes, at: header.samples };
    // A sample has a digit, and in a PBM needs nothing else.
    if bytes.len().saturating_sub(header.samples) < count {
        return Err(TRUNCATED);
    }
    let mut pixels = Vec::with_capacity(count);
    while pixels.len() < count {
        let sample = if header.kind == Kind::Bitmap {
            match words.byte() {
                None => return Err(TRUNCATED),
                Some(byte) if is_space(byte) => continue,
                Some(byte @ (b'0' | b'1')) => u32::from(byte - b'0'),
                Some(byte) => {
                    return Err(broken(ImageFormat::Pnm, format!("a bit is the letter {:?}", char::from(byte))));
                }
            }
        } else {
            match words.next()? {
                None => return Err(TRUNCATED),
                Some(sample) if sample > header.most.into() => {
                    return Err(broken(
                        ImageFormat::Pnm,
                        format!("a sample is {sample}, and full light is {}", header.most),
                    ));
                }
                Some(sample) => sample as u32,
            }
        };
        pixels.push(header.to_byte(sample));
    }
    Ok(pixels)
}

/// Reads the samples of a binary file.
fn from_binary(header: &Header, data: &[u8], width: usize, height: usize) -> Result<Vec<u8>, DecodeError> {
    let row = match header.kind {
        Kind::Bitmap => width.div_ceil(8),
        _ => width * header.channels() * if header.most < 256 { 1 } else { 2 },
    };
    let data = data.get(..row * height).ok_or(TRUNCATED)?;
    Ok(match header.kind {
        Kind::Bitmap => {
            let bit = |row: &[u8], x: usize| header.to_byte(u32::from(row[x / 8] >> (7 - x % 8) & 1));
            data.chunks_exact(row).flat_map(|row| (0..width).map(move |x| bit(row, x))).collect()
        }
        _ if header.most == 255 => data.to_vec(),
        _ if header.most < 256 => data.iter().map(|&sample| header.to_byte(sample.into())).collect(),
        _ => data.as_chunks().0.iter().map(|&sample| header.to_byte(u16::from_be_bytes(sample).into())).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(file: &[u8]) -> (usize, usize, Vec<u8>) {
        let raw = decode(file).unwrap();
        (raw.width, raw.height, raw.pixels)
    }

    fn message(file: &[u8]) -> String {
        decode(file).err().unwrap().to_string()
    }

    #[test]
    fn all_six_kinds_are_read() {
        assert_eq!(pixels(b"P1\n3 2\n1 0 1\n0 1 0\n"), (3, 2, vec![0, 255, 0, 255, 0, 255]));
        assert_eq!(pixels(b"P1 3 2 101010"), (3, 2, vec![0, 255, 0, 255, 0, 255]));
        assert_eq!(pixels(b"P2 2 1 255 7 200"), (2, 1, vec![7, 200]));
        assert_eq!(pixels(b"P3 1 1 255 1 2 3"), (1, 1, vec![1, 2, 3]));
        assert_eq!(
            pixels(b"P4 9 2 \x80\x80\x01\x00"),
            (9, 2, [&[0], &[255; 7][..], &[0], &[255; 7], &[0, 255]].concat())
        );
        assert_eq!(pixels(b"P5\n2 1\n255\n\x07\xc8"), (2, 1, vec![7, 200]));
        assert_eq!(pixels(b"P6 1 1 255 \n\x02\x03"), (1, 1, vec![b'\n', 2, 3]), "one white space ends the header");
    }

    #[test]
    fn comments_and_white_space_go_anywhere() {
        assert_eq!(pixels(b"P5 # made by hand\n# and so on\r 2 # wide\n1\t255\n\x07\xc8"), (2, 1, vec![7, 200]));
        assert_eq!(pixels(b"P2\n#\n2 1\n255\n7# first\n\n  200 # last"), (2, 1, vec![7, 200]));
        assert_eq!(pixels(b"P1 2 1 # bits\n1#x\n0"), (2, 1, vec![0, 255]));
    }

    /// Python: round(v / 31 * 255), and for colors of 16 bits round(v / 65535 * 255).
    #[test]
    fn other_ranges_are_stretched_as_pillow_stretches_them() {
        assert_eq!(pixels(b"P5 4 1 31 \x00\x01\x10\x1f").2, [0, 8, 132, 255]);
        assert_eq!(pixels(b"P6 1 1 65535 \x00\x00\x00\xc8\xff\xff").2, [0, 1, 255]);
        assert_eq!(pixels(b"P5 2 1 65535 \x00\xc8\x12\x34").2, [0, 0x12], "grey keeps its high byte");
        assert_eq!(pixels(b"P5 1 1 10 \x0b").2, [255], "a sample beyond full light");
        // The middle between two numbers: 1 * 255 / 2 = 127.5 goes to the even 128, 1 * 255 / 6 = 42.5 to 42.
        assert_eq!((pixels(b"P2 1 1 2 1").2, pixels(b"P2 1 1 6 1").2), (vec![128], vec![42]));
        assert_eq!(decode(b"P5 1 1 1023 \x03\xff").unwrap().bits, 10);
    }

    #[test]
    fn cut_anywhere_it_is_refused() {
        for whole in [
            &b"P2 2 2 255 1 2 3 44"[..],
            b"P5 2 2 255 abcd",
            b"P6 1 2 65535 abcdefghijkl",
            b"P1 2 2 1001",
            b"P4 8 2 ab",
        ] {
            assert!(decode(whole).is_ok());
            // Of the last number, a digit may be missing.
            for end in 2..whole.len() - usize::from(whole.ends_with(b"44")) {
                assert_eq!(decode(&whole[..end]).err(), Some(TRUNCATED), "at {end} of {}", whole.escape_ascii());
            }
        }
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        assert!(message(b"P5 0 1 255 ").contains("no pixels"));
        assert!(message(b"P5 1 1 0 x").contains("full light is 0"));
        assert!(message(b"P5 1 1 65536 xx").contains("full light is 65536"));
        assert!(message(b"P5 -1 1 255 x").contains("the letter '-'"));
        assert!(message(b"P2 1 1 255 256").contains("a sample is 256"));
        assert!(message(b"P1 1 1 2").contains("the letter '2'"));
        assert!(message(b"P5 12345678901 1 255 x").contains("too long"));
        assert_eq!(decode(b"P5 9999999999 2 255 x").err(), Some(DecodeError::TooLarge { width: u32::MAX, height: 2 }));
        assert_eq!(decode(b"P2 8192 8192 255 1").err(), Some(TRUNCATED), "before memory is taken");
    }
}
