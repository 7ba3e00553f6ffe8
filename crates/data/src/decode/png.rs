//! PNG, by the `png` crate. Metadata are found here, because the crate knows EXIF alone.

use super::error::{DecodeError, broken, check_size};
use super::format::ImageFormat;
use super::image::ColorType;
use super::orientation;
use super::raw::{Layout, Raw};
use flate2::read::ZlibDecoder;
use png::InterlaceInfo;
use std::borrow::Cow;
use std::io::{Cursor, ErrorKind, Read};

/// What a compressed text may have; Pillow has the same limit.
const MAX_TEXT: u64 = 1 << 20;

/// Creates a decoder that converts samples to 8 bits and skips texts and color profiles.
fn decoder(bytes: &[u8]) -> png::Decoder<Cursor<&[u8]>> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    // Palettes and 1, 2 and 4 bits become 8-bit samples; of 16 bits the high byte stays.
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder
}

/// See [`dimensions`](super::dimensions).
pub(super) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    let mut decoder = decoder(bytes);
    let header = decoder.read_header_info().map_err(error)?;
    Ok((header.width, header.height))
}

/// Decodes a PNG to 8 bits per sample.
pub(super) fn decode(bytes: &[u8]) -> Result<Raw, DecodeError> {
    let mut decoder = decoder(bytes);
    let header = decoder.read_header_info().map_err(error)?;
    let (width, height) = check_size(header.width, header.height)?;
    let (color_type, bits) = (header.color_type, header.bit_depth as u8);
    let mut reader = decoder.read_info().map_err(error)?;
    let layout = match reader.output_color_type() {
        (png::ColorType::Grayscale, png::BitDepth::Eight) => Layout::Gray,
        (png::ColorType::GrayscaleAlpha, png::BitDepth::Eight) => Layout::GrayAlpha,
        (png::ColorType::Rgb, png::BitDepth::Eight) => Layout::Rgb,
        (png::ColorType::Rgba, png::BitDepth::Eight) => Layout::Rgba,
        (color, depth) => return Err(broken(ImageFormat::Png, format!("{color:?} of {depth:?} bits"))),
    };
    let size = reader.output_buffer_size().ok_or_else(|| broken(ImageFormat::Png, "its size overflows"))?;
    let mut pixels = vec![0; size];
    let stride = size / height.max(1);
    // Row by row, and not whole: what is wrong behind the last row harms nobody.
    let mut left = if reader.info().interlaced { interlaced_rows(width, height) } else { height };
    while left > 0 {
        let Some(row) = reader.next_interlaced_row().map_err(error)? else {
            return Err(broken(ImageFormat::Png, "its pixels do not fill it"));
        };
        match row.interlace() {
            InterlaceInfo::Null(_) => {
                let start = (height - left) * stride;
                pixels[start..start + stride].copy_from_slice(row.data());
            }
            InterlaceInfo::Adam7(pass) => {
                let bits_per_pixel = 8 * layout.samples() as u8;
                png::expand_interlaced_row(&mut pixels, stride, row.data(), pass, bits_per_pixel);
            }
        }
        left -= 1;
    }
    let metadata = Metadata::find(bytes);
    let orientation = orientation::of_metadata(metadata.exif.as_deref(), metadata.xmp.as_deref());
    let color = match (color_type, layout) {
        (png::ColorType::Indexed, _) => ColorType::Palette,
        (_, Layout::Gray) => ColorType::Gray,
        (_, Layout::GrayAlpha) => ColorType::GrayAlpha,
        (_, Layout::Rgba) => ColorType::Rgba,
        _ => ColorType::Rgb,
    };
    Ok(Raw { width, height, layout, pixels, color, bits, orientation })
}

/// Rows of all seven passes of an interlaced picture. A pass without columns has no rows either.
fn interlaced_rows(width: usize, height: usize) -> usize {
    const PASSES: [(usize, usize, usize, usize); 7] =
        [(0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4), (0, 2, 2, 4), (1, 2, 0, 2), (0, 1, 1, 2)];
    let count = |size: usize, start: usize, step: usize| size.saturating_sub(start).div_ceil(step);
    let rows = PASSES.iter().filter(|(x, dx, ..)| count(width, *x, *dx) > 0).map(|&(_, _, y, dy)| count(height, y, dy));
    rows.sum()
}

/// What Pillow's `getexif` looks at, wherever in the file it is.
#[derive(Default)]
struct Metadata<'a> {
    exif: Option<Cow<'a, [u8]>>,
    xmp: Option<Cow<'a, [u8]>>,
}

impl<'a> Metadata<'a> {
    /// Searches the chunks of a file for EXIF and XMP data.
    fn find(file: &'a [u8]) -> Self {
        const XMP: &[u8] = b"XML:com.adobe.xmp";
        let mut metadata = Metadata::default();
        // ImageMagick's, which EXIF data proper go before.
        let mut raw_profile = None;
        for (kind, data) in chunks(file) {
            let text = match kind {
                b"eXIf" => {
                    metadata.exif = Some(Cow::Borrowed(data));
                    continue;
                }
                b"tEXt" => plain_text(data),
                b"zTXt" => compressed_text(data),
                b"iTXt" => international_text(data),
                _ => continue,
            };
            match text {
                Some((b"exif", value)) if kind == b"tEXt" => metadata.exif = Some(value),
                Some((b"Raw profile type exif", value)) => raw_profile = Some(value),
                Some((XMP, value)) => metadata.xmp = Some(value),
                _ => {}
            }
        }
        metadata.exif = metadata.exif.or_else(|| Some(Cow::Owned(from_raw_profile(&raw_profile?)?)));
        metadata
    }
}

/// The chunks of a file, kind and data, up to one that is cut off.
fn chunks(file: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    const SIGNATURE: usize = 8;
    let mut rest = file.get(SIGNATURE..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let (kind, behind) = behind.split_first_chunk::<4>()?;
        let (data, behind) = behind.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        // The checksum; what an ancillary chunk says is a hint at most.
        rest = behind.get(4..).unwrap_or_default();
        Some((kind, data))
    })
}

type Text<'a> = Option<(&'a [u8], Cow<'a, [u8]>)>;

/// Splits bytes at the first zero, which belongs to neither part.
fn split_at_zero(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&byte| byte == 0)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// Returns keyword and text of a tEXt chunk.
fn plain_text(data: &[u8]) -> Text<'_> {
    let (keyword, value) = split_at_zero(data)?;
    Some((keyword, Cow::Borrowed(value)))
}

/// Returns keyword and text of a zTXt chunk.
fn compressed_text(data: &[u8]) -> Text<'_> {
    let (keyword, value) = split_at_zero(data)?;
    match value {
        [0, compressed @ ..] => Some((keyword, Cow::Owned(inflate(compressed)?))),
        _ => None,
    }
}

/// Keyword, whether it is compressed, how, language, translated keyword, text.
fn international_text(data: &[u8]) -> Text<'_> {
    let (keyword, rest) = split_at_zero(data)?;
    let [is_compressed, method, rest @ ..] = rest else { return None };
    let (_language, rest) = split_at_zero(rest)?;
    let (_translated, value) = split_at_zero(rest)?;
    match (is_compressed, method) {
        (0, _) => Some((keyword, Cow::Borrowed(value))),
        (_, 0) => Some((keyword, Cow::Owned(inflate(value)?))),
        _ => None,
    }
}

/// Decompresses a text of at most [`MAX_TEXT`] bytes.
fn inflate(compressed: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let read = ZlibDecoder::new(compressed).take(MAX_TEXT + 1).read_to_end(&mut text).ok()?;
    (read as u64 <= MAX_TEXT).then_some(text)
}

/// Data in ImageMagick's way: a line feed, a name, a length, and from the fourth line on hexadecimal digits.
fn from_raw_profile(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.splitn(4, |&byte| byte == b'\n').nth(3)?;
    let digits: Vec<u8> = digits.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    pairs.iter().map(|&[high, low]| Some((digit(high)? * 16 + digit(low)?) as u8)).collect()
}

/// Converts an error of the decoder.
fn error(error: png::DecodingError) -> DecodeError {
    match error {
        png::DecodingError::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => {
            DecodeError::Truncated(ImageFormat::Png)
        }
        other => broken(ImageFormat::Png, other.to_string().trim_end_matches('.')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERLACED: &[u8] = include_bytes!("../../tests/fixtures/interlaced-37x29.png");

    type Chunk<'a> = (&'static [u8; 4], &'a [u8]);

    /// A file with these chunks.
    fn file(chunks: &[Chunk<'_>]) -> Vec<u8> {
        let mut file = vec![0; 8];
        for (kind, data) in chunks {
            file.extend((data.len() as u32).to_be_bytes());
            file.extend([&kind[..], data, &[0; 4]].concat());
        }
        file
    }

    fn exif(chunks: &[Chunk<'_>]) -> Option<String> {
        Metadata::find(&file(chunks)).exif.map(|bytes| String::from_utf8(bytes.into_owned()).unwrap())
    }

    fn xmp(chunks: &[Chunk<'_>]) -> Option<String> {
        Metadata::find(&file(chunks)).xmp.map(|bytes| String::from_utf8(bytes.into_owned()).unwrap())
    }

    fn deflate(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        flate2::read::ZlibEncoder::new(bytes, flate2::Compression::default()).read_to_end(&mut out).unwrap();
        out
    }

    #[test]
    fn metadata_are_found_in_every_kind_of_chunk() {
        let profile = b"Raw profile type exif\0\nexif\n       2\n4d4\n D\n";
        let compressed = [b"Raw profile type exif\0\0", &*deflate(&profile[22..])].concat();
        assert_eq!(exif(&[(b"eXIf", b"MM")]).as_deref(), Some("MM"));
        assert_eq!(exif(&[(b"tEXt", profile)]).as_deref(), Some("MM"));
        assert_eq!(exif(&[(b"zTXt", &compressed)]).as_deref(), Some("MM"));
        assert_eq!(exif(&[(b"tEXt", b"exif\0II")]).as_deref(), Some("II"));
        assert_eq!(exif(&[(b"eXIf", b"II"), (b"tEXt", profile)]).as_deref(), Some("II"), "EXIF data proper go first");
        for nothing in
            [&b"Raw profile type exif\0\nexif\n 2\n4d4"[..], b"Raw profile type exif\0\nexif\n4d4d", b"Exif\0II"]
        {
            assert_eq!(exif(&[(b"tEXt", nothing)]), None);
        }
        assert_eq!(xmp(&[(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x>")]).as_deref(), Some("<x>"));
        assert_eq!(xmp(&[(b"iTXt", b"XML:com.adobe.xmp\0\0\0en\0title\0<x>")]).as_deref(), Some("<x>"));
        let compressed = [b"XML:com.adobe.xmp\0\x01\0\0\0", &*deflate(b"<x>")].concat();
        assert_eq!(xmp(&[(b"iTXt", &compressed)]).as_deref(), Some("<x>"));
        assert_eq!(xmp(&[(b"tEXt", b"XML:com.adobe.xmp\0<x>")]).as_deref(), Some("<x>"));
        assert_eq!(xmp(&[(b"iTXt", b"XML:com.adobe.xmp\0\x01\x01\0\0<x>")]), None, "an unknown compression");
        let bomb = [b"XML:com.adobe.xmp\0\x01\0\0\0", &*deflate(&vec![b' '; 1 << 21])].concat();
        assert_eq!(xmp(&[(b"iTXt", &bomb)]), None);
        for end in 0..compressed.len() {
            let found = xmp(&[(b"iTXt", &compressed[..end])]);
            assert!(found.is_none_or(|text| "<x>".starts_with(&text)), "cut at {end}");
        }
        assert_eq!(exif(&[(b"IEND", b""), (b"eXIf", b"MM")]).as_deref(), Some("MM"));
        // A chunk that claims more than there is.
        assert!(Metadata::find(b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffeXIfII*\0").exif.is_none());
    }

    #[test]
    fn what_follows_the_last_row_may_be_missing() {
        for file in [INTERLACED, include_bytes!("../../tests/fixtures/rgb-20x20.png")] {
            let whole = decode(file).unwrap().pixels;
            // The end mark; with the checksum of the pixels, and with that of their compression.
            for cut in [12, 16, 20] {
                assert!(decode(&file[..file.len() - cut]).is_ok_and(|raw| raw.pixels == whole), "without {cut} bytes");
            }
            assert_eq!(decode(&file[..file.len() - 40]).err(), Some(DecodeError::Truncated(ImageFormat::Png)));
        }
    }

    #[test]
    fn rows_of_small_interlaced_pictures_are_counted() {
        assert_eq!(interlaced_rows(1, 1), 1);
        assert_eq!(interlaced_rows(8, 8), 1 + 1 + 1 + 2 + 2 + 4 + 4);
        assert_eq!(interlaced_rows(5, 1), 1 + 1 + 1 + 1);
    }
}
