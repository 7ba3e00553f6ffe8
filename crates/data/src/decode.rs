//! A file's bytes to an 8-bit grey or RGB picture.
//!
//! The pixels are those of Pillow's `Image.open(file).convert("RGB")` or `.convert("L")`: equal for PNG, and for
//! JPEG within what the standard leaves to the decoder (`tests/pillow.rs` states the bound and checks it).
//!
//! * The content decides the format, never the file's name.
//! * Alpha is dropped, not blended: a transparent pixel shows the colour stored under it.
//! * Grey from colour is ITU-R 601-2 luma in Pillow's integers, see [`luma`].
//! * 16-bit samples keep their high byte. Pillow does this too, except for 16-bit grey without alpha, which its
//!   `convert` clips at 255, so that nearly every pixel turns white; here such a picture looks as it should.
//! * CMYK in a JPEG is taken as Adobe's inverted CMYK, and becomes RGB without a colour profile.
//! * Of an animated PNG, the default image is read. Colour profiles and EXIF orientation are ignored.
//!
//! Nothing larger than [`MAX_PIXELS`] is decoded, and the size is known from the header, before memory is taken.

use std::io::{Cursor, ErrorKind};

/// The most pixels a picture may have: 2²⁶, as in 8192 × 8192. Measured there, decoding takes 0.5 GB on a thread, and
/// for the worst kind, progressive CMYK JPEG, 1.1 GB.
pub const MAX_PIXELS: u64 = 1 << 26;

/// The most pixels along a side, JPEG's own limit. With it, a picture cannot be so thin that its resized rows
/// take far more memory than the picture.
pub const MAX_SIDE: u32 = 65_535;

/// What is kept of each pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channels {
    /// One byte: luma.
    Grey,
    /// Three bytes: red, green, blue.
    Rgb,
}

impl Channels {
    /// Bytes per pixel: 1 or 3.
    pub fn count(self) -> usize {
        match self {
            Channels::Grey => 1,
            Channels::Rgb => 3,
        }
    }

    /// The inverse of [`count`](Self::count); `None` for other numbers than 1 and 3.
    pub fn from_count(count: usize) -> Option<Channels> {
        match count {
            1 => Some(Channels::Grey),
            3 => Some(Channels::Rgb),
            _ => None,
        }
    }
}

/// A decoded picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row, at least 1.
    pub width: usize,
    /// Rows, at least 1.
    pub height: usize,
    /// What `pixels` holds for each pixel.
    pub channels: Channels,
    /// Height × width × channels, without padding.
    pub pixels: Vec<u8>,
}

/// Why bytes are not a picture that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// There are no bytes.
    #[error("the file is empty")]
    Empty,

    /// The bytes begin like no picture.
    #[error("it is not a picture: its content is neither PNG nor JPEG")]
    NotAPicture,

    /// A picture of a kind that is not read.
    #[error("its content is {0}, which is not read: convert it to PNG or JPEG")]
    OtherFormat(&'static str),

    /// The bytes end before the picture does.
    #[error("the {0} file is cut short")]
    Truncated(&'static str),

    /// The header asks for more than [`MAX_PIXELS`] or [`MAX_SIDE`].
    #[error("its {width} x {height} pixels are more than the limit of {MAX_PIXELS} ({MAX_SIDE} a side)")]
    TooLarge {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
    },

    /// The decoder gives up; `detail` is in its words.
    #[error("the {format} file is broken or of a rare kind ({detail})")]
    Broken {
        /// `"PNG"` or `"JPEG"`.
        format: &'static str,
        /// The decoder's reason.
        detail: String,
    },
}

/// Decodes a PNG or JPEG file held in memory.
pub fn decode(bytes: &[u8], channels: Channels) -> Result<Picture, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    let (width, height, layout, pixels) = match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => decode_png(bytes)?,
        [0xff, 0xd8, 0xff, ..] => decode_jpeg(bytes)?,
        _ => return Err(other_format(bytes).map_or(DecodeError::NotAPicture, DecodeError::OtherFormat)),
    };
    Ok(Picture { width, height, channels, pixels: convert(pixels, layout, channels) })
}

/// Names the common picture formats that are recognised but not read.
fn other_format(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [b'G', b'I', b'F', b'8', ..] => Some("GIF"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("WebP"),
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Some("TIFF"),
        [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', ..] => Some("AVIF"),
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Some("BMP"),
        _ => None,
    }
}

/// What the decoders hand over, 8 bits a sample.
#[derive(Clone, Copy)]
enum Layout {
    Grey,
    GreyAlpha,
    Rgb,
    Rgba,
    /// 255 is full ink.
    Cmyk,
}

type Decoded = (usize, usize, Layout, Vec<u8>);

fn check_size(width: u32, height: u32) -> Result<(), DecodeError> {
    if width > MAX_SIDE || height > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(DecodeError::TooLarge { width, height });
    }
    Ok(())
}

fn decode_png(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    // Palettes and 1, 2 and 4 bits become 8-bit samples; of 16 bits the high byte stays.
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let header = decoder.read_header_info().map_err(png_error)?;
    check_size(header.width, header.height)?;
    let mut reader = decoder.read_info().map_err(png_error)?;
    let size = reader.output_buffer_size().ok_or_else(|| broken("PNG", "its size overflows"))?;
    let mut pixels = vec![0; size];
    let frame = reader.next_frame(&mut pixels).map_err(png_error)?;
    pixels.truncate(frame.buffer_size());
    let layout = match (frame.color_type, frame.bit_depth) {
        (png::ColorType::Grayscale, png::BitDepth::Eight) => Layout::Grey,
        (png::ColorType::GrayscaleAlpha, png::BitDepth::Eight) => Layout::GreyAlpha,
        (png::ColorType::Rgb, png::BitDepth::Eight) => Layout::Rgb,
        (png::ColorType::Rgba, png::BitDepth::Eight) => Layout::Rgba,
        (color, depth) => return Err(broken("PNG", format!("{color:?} of {depth:?} bits"))),
    };
    Ok((frame.width as usize, frame.height as usize, layout, pixels))
}

fn decode_jpeg(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let mut decoder = jpeg_decoder::Decoder::new(Cursor::new(bytes));
    decoder.read_info().map_err(jpeg_error)?;
    let info = decoder.info().ok_or_else(|| broken("JPEG", "no frame header"))?;
    check_size(info.width.into(), info.height.into())?;
    let layout = match info.pixel_format {
        jpeg_decoder::PixelFormat::L8 => Layout::Grey,
        jpeg_decoder::PixelFormat::RGB24 => Layout::Rgb,
        jpeg_decoder::PixelFormat::CMYK32 => Layout::Cmyk,
        jpeg_decoder::PixelFormat::L16 => return Err(broken("JPEG", "lossless with 16 bits")),
    };
    let pixels = decoder.decode().map_err(jpeg_error)?;
    Ok((info.width.into(), info.height.into(), layout, pixels))
}

fn broken(format: &'static str, detail: impl Into<String>) -> DecodeError {
    DecodeError::Broken { format, detail: detail.into() }
}

fn png_error(error: png::DecodingError) -> DecodeError {
    match error {
        png::DecodingError::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => DecodeError::Truncated("PNG"),
        other => broken("PNG", other.to_string().trim_end_matches('.')),
    }
}

fn jpeg_error(error: jpeg_decoder::Error) -> DecodeError {
    match error {
        jpeg_decoder::Error::Io(e) if e.kind() == ErrorKind::UnexpectedEof => DecodeError::Truncated("JPEG"),
        jpeg_decoder::Error::Format(detail) => broken("JPEG", detail),
        other => broken("JPEG", other.to_string()),
    }
}

fn convert(pixels: Vec<u8>, layout: Layout, channels: Channels) -> Vec<u8> {
    match (layout, channels) {
        (Layout::Grey, Channels::Grey) | (Layout::Rgb, Channels::Rgb) => pixels,
        (Layout::Grey, Channels::Rgb) => map(&pixels, |[grey]: [u8; 1]| [grey; 3]),
        (Layout::GreyAlpha, Channels::Grey) => map(&pixels, |[grey, _alpha]| [grey]),
        (Layout::GreyAlpha, Channels::Rgb) => map(&pixels, |[grey, _alpha]| [grey; 3]),
        (Layout::Rgb, Channels::Grey) => map(&pixels, |rgb| [luma(rgb)]),
        (Layout::Rgba, Channels::Grey) => map(&pixels, |[r, g, b, _alpha]| [luma([r, g, b])]),
        (Layout::Rgba, Channels::Rgb) => map(&pixels, |[r, g, b, _alpha]| [r, g, b]),
        (Layout::Cmyk, Channels::Grey) => map(&pixels, |cmyk| [luma(cmyk_to_rgb(cmyk))]),
        (Layout::Cmyk, Channels::Rgb) => map(&pixels, cmyk_to_rgb),
    }
}

fn map<const FROM: usize, const TO: usize>(pixels: &[u8], f: impl Fn([u8; FROM]) -> [u8; TO]) -> Vec<u8> {
    pixels.as_chunks().0.iter().map(|&pixel| f(pixel)).collect::<Vec<_>>().into_flattened()
}

/// Grey from RGB as Pillow's `convert("L")`: 0.299 R + 0.587 G + 0.114 B in 16-bit fixed point, rounded.
///
/// The weights add up to 2¹⁶, so a grey pixel keeps its value.
pub fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7_471 + 0x8000) >> 16) as u8
}

/// Pillow's `convert("RGB")` of CMYK: 255 − K − C·(255 − K)/255, the division rounded to nearest, clipped at 0.
fn cmyk_to_rgb([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    let light = 255 - u32::from(k);
    [c, m, y].map(|ink| {
        let product = u32::from(ink) * light + 128;
        let darkened = ((product >> 8) + product) >> 8;
        light.saturating_sub(darkened) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png_file(width: u32, height: u32, color: png::ColorType, data: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(color);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header().unwrap().write_image_data(data).unwrap();
        file
    }

    /// A PNG whose header claims `width` x `height` and which holds almost nothing.
    fn png_claiming(width: u32, height: u32) -> Vec<u8> {
        let mut file = Vec::new();
        png::Encoder::new(&mut file, width, height).write_header().unwrap().finish().unwrap();
        file
    }

    const BASELINE: &[u8] = include_bytes!("../tests/fixtures/420-40x30.jpg");
    const PROGRESSIVE: &[u8] = include_bytes!("../tests/fixtures/progressive-33x17.jpg");

    #[test]
    fn luma_keeps_grey_and_rounds_like_pillow() {
        for v in 0..=255 {
            assert_eq!(luma([v; 3]), v);
        }
        // 76.245, 149.685 and 29.07 rounded; then 0.299 + 0.587 = 0.886, and 0.114 * 4 = 0.456.
        assert_eq!(luma([255, 0, 0]), 76);
        assert_eq!(luma([0, 255, 0]), 150);
        assert_eq!(luma([0, 0, 255]), 29);
        assert_eq!(luma([1, 1, 0]), 1);
        assert_eq!(luma([0, 0, 4]), 0);
    }

    #[test]
    fn cmyk_rounds_like_pillow() {
        assert_eq!(cmyk_to_rgb([0, 255, 128, 0]), [255, 0, 127]);
        assert_eq!(cmyk_to_rgb([0, 100, 255, 255]), [0, 0, 0]);
        // 127/255 rounds to 0 and 128 · 127/255 = 63.7 to 64.
        assert_eq!(cmyk_to_rgb([1, 128, 255, 128]), [127, 63, 0]);
    }

    #[test]
    fn alpha_is_dropped() {
        let file = png_file(2, 1, png::ColorType::Rgba, &[1, 2, 3, 0, 4, 5, 6, 128]);
        let picture = decode(&file, Channels::Rgb).unwrap();
        assert_eq!((picture.width, picture.height), (2, 1));
        assert_eq!(picture.pixels, [1, 2, 3, 4, 5, 6]);
        let file = png_file(1, 2, png::ColorType::GrayscaleAlpha, &[7, 0, 9, 255]);
        assert_eq!(decode(&file, Channels::Rgb).unwrap().pixels, [7, 7, 7, 9, 9, 9]);
        assert_eq!(decode(&file, Channels::Grey).unwrap().pixels, [7, 9]);
    }

    #[test]
    fn what_is_no_picture_is_named() {
        let reason = |bytes: &[u8]| decode(bytes, Channels::Rgb).unwrap_err();
        assert_eq!(reason(b""), DecodeError::Empty);
        assert_eq!(reason(b"\x89"), DecodeError::NotAPicture);
        assert_eq!(reason(b"hello, I am text\n"), DecodeError::NotAPicture);
        assert_eq!(reason(b"GIF89a"), DecodeError::OtherFormat("GIF"));
        assert_eq!(reason(b"RIFF\x10\0\0\0WEBPVP8 "), DecodeError::OtherFormat("WebP"));
    }

    #[test]
    fn a_jpeg_cut_anywhere_is_refused() {
        for file in [BASELINE, PROGRESSIVE] {
            assert!(decode(file, Channels::Rgb).is_ok());
            for end in 3..file.len() {
                assert_eq!(decode(&file[..end], Channels::Rgb), Err(DecodeError::Truncated("JPEG")), "at {end}");
            }
        }
    }

    #[test]
    fn a_png_cut_inside_its_pixels_is_refused() {
        let noise: Vec<u8> = (0..20 * 20 * 3_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let file = png_file(20, 20, png::ColorType::Rgb, &noise);
        assert_eq!(decode(&file, Channels::Rgb).unwrap().pixels, noise);
        // The last 20 bytes are checksums and the end mark; without them every pixel is there.
        for end in 8..file.len() - 20 {
            assert_eq!(decode(&file[..end], Channels::Rgb), Err(DecodeError::Truncated("PNG")), "at {end}");
        }
    }

    #[test]
    fn damaged_files_give_an_error_or_a_picture_and_never_a_panic() {
        let png = png_file(5, 4, png::ColorType::Rgb, &(0..60).collect::<Vec<u8>>());
        let mut state = 1_u64;
        for file in [BASELINE, PROGRESSIVE, &png] {
            for position in 0..file.len() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let mut damaged = file.to_vec();
                damaged[position] = (state >> 56) as u8;
                if let Ok(picture) = decode(&damaged, Channels::Rgb) {
                    assert_eq!(picture.pixels.len(), picture.width * picture.height * 3);
                }
            }
        }
    }

    #[test]
    fn huge_headers_are_refused_before_memory_is_taken() {
        let reason = |file: &[u8]| decode(file, Channels::Rgb).unwrap_err();
        assert_eq!(reason(&png_claiming(100_000, 100_000)), DecodeError::TooLarge { width: 100_000, height: 100_000 });
        assert_eq!(reason(&png_claiming(1, 65_536)), DecodeError::TooLarge { width: 1, height: 65_536 });
        assert_eq!(reason(&png_claiming(8193, 8192)), DecodeError::TooLarge { width: 8193, height: 8192 });
        // The frame header holds height and width after marker, length and precision.
        let mut jpeg = BASELINE.to_vec();
        let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        jpeg[frame + 5..frame + 9].fill(0xff);
        assert_eq!(reason(&jpeg), DecodeError::TooLarge { width: 65_535, height: 65_535 });
    }
}
