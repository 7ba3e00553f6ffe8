//! Decoding of image files to 8-bit gray or RGB.
//!
//! The pixels are those of Pillow's `Image.open(file)`, `ImageOps.exif_transpose`, a blend onto the background, and
//! `convert("RGB")` or `convert("L")`: equal where the format is lossless, and for JPEG and lossy WebP within what
//! their standards leave to the decoder (`tests/pillow.rs` states the bounds and checks them).
//!
//! * The content decides the format, never the file's name.
//! * Of an animation, the first frame is read; of a TIFF with several pages, the first page.
//! * A picture is turned as its EXIF or XMP data say: phones store what the sensor saw, and beside it how the phone was
//!   held.
//! * What is transparent shows the background, as with Pillow's `alpha_composite`.
//! * Gray from color is ITU-R 601-2 luma in Pillow's integers, see [`luma`].
//! * 16-bit samples keep their high byte. Pillow does this too, except for 16-bit gray without alpha, which its
//!   `convert` clips at 255, so that nearly every pixel turns white; here such a picture looks as it should.
//! * CMYK in a JPEG is taken as Adobe's inverted CMYK. CMYK becomes RGB without a color profile; profiles are ignored
//!   everywhere.
//! * A tag that changes the meaning of the pixels is applied, or the file is refused with that reason. No such tag is
//!   ignored.
//!
//! # Limits
//! Nothing larger than [`MAX_PIXELS`](crate::MAX_PIXELS) or [`MAX_SIDE`](crate::MAX_SIDE) is decoded, and the size is
//! known from the header, before memory is taken.

mod animation;
mod bmp;
mod color;
mod directory;
mod error;
mod format;
mod gif;
mod image;
mod jpeg;
mod orientation;
mod png;
mod pnm;
mod raw;
mod tiff;
mod webp;

pub use self::color::luma;
pub use self::error::DecodeError;
pub use self::format::{Content, HEAD_BYTES, ImageFormat, identify};
pub use self::image::{Channels, ColorType, DecodedImage};

use self::error::broken;
pub(crate) use self::error::check_size;
use self::raw::Raw;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Returns the width and height in pixels that the header of an image states, without decoding its pixels.
///
/// # Errors
/// If the header is damaged or the format is not supported.
pub fn dimensions(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    guarded(bytes, |format| match format {
        ImageFormat::Png => png::dimensions(bytes),
        ImageFormat::Jpeg => jpeg::dimensions(bytes),
        ImageFormat::WebP => webp::dimensions(bytes),
        ImageFormat::Gif => gif::dimensions(bytes),
        ImageFormat::Bmp => bmp::dimensions(bytes),
        ImageFormat::Tiff => tiff::dimensions(bytes),
        ImageFormat::Pnm => pnm::dimensions(bytes),
    })
}

/// Decodes the bytes of an image file. Transparent pixels are blended onto `background` (red, green, blue).
///
/// # Errors
/// If the file is damaged, larger than the limits, or not supported.
pub fn decode(bytes: &[u8], channels: Channels, background: [u8; 3]) -> Result<DecodedImage, DecodeError> {
    guarded(bytes, |format| {
        let raw = match format {
            ImageFormat::Png => png::decode(bytes),
            ImageFormat::Jpeg => jpeg::decode(bytes),
            ImageFormat::WebP => webp::decode(bytes),
            ImageFormat::Gif => gif::decode(bytes),
            ImageFormat::Bmp => bmp::decode(bytes),
            ImageFormat::Tiff => tiff::decode(bytes),
            ImageFormat::Pnm => pnm::decode(bytes),
        }?;
        let Raw { width, height, layout, pixels, color, bits, orientation } = raw;
        let pixels = color::convert(pixels, layout, channels, background);
        let is_animated = animation::is_animated(bytes, format);
        let picture = DecodedImage { width, height, channels, pixels, format, color, bits, is_animated };
        Ok(orientation::turn_upright(picture, orientation))
    })
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic on this thread would be caught by this module and returned as a [`DecodeError`], so that a panic
/// hook should print nothing.
pub fn catches_panics() -> bool {
    GUARDED.get()
}

/// Calls `read` with the format of `bytes` and turns a panic into an error: a damaged file that a decoder does not
/// expect must not end the program.
fn guarded<T>(bytes: &[u8], read: impl FnOnce(ImageFormat) -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    match identify(&bytes[..bytes.len().min(HEAD_BYTES)]) {
        Content::Picture(format) => {
            let outer = GUARDED.replace(true);
            let result = catch_unwind(AssertUnwindSafe(|| read(format)));
            GUARDED.set(outer);
            result.unwrap_or_else(|_| Err(broken(format, "the decoder has given up")))
        }
        Content::OtherPicture(name) => Err(DecodeError::OtherFormat(name.to_owned())),
        Content::Unknown => Err(DecodeError::NotAPicture),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHITE: [u8; 3] = [255; 3];

    fn decode_rgb(file: &[u8]) -> Result<DecodedImage, DecodeError> {
        decode(file, Channels::Rgb, WHITE)
    }

    fn png_file(width: u32, height: u32, color: ::png::ColorType, data: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = ::png::Encoder::new(&mut file, width, height);
        encoder.set_color(color);
        encoder.set_depth(::png::BitDepth::Eight);
        encoder.write_header().unwrap().write_image_data(data).unwrap();
        file
    }

    /// A PNG whose header claims `width` x `height` and which holds almost nothing.
    fn png_claiming(width: u32, height: u32) -> Vec<u8> {
        let mut file = Vec::new();
        ::png::Encoder::new(&mut file, width, height).write_header().unwrap().finish().unwrap();
        file
    }

    const BASELINE: &[u8] = include_bytes!("../../tests/fixtures/420-40x30.jpg");
    const PROGRESSIVE: &[u8] = include_bytes!("../../tests/fixtures/progressive-33x17.jpg");

    #[test]
    fn what_is_no_picture_is_named() {
        let reason = |bytes: &[u8]| decode_rgb(bytes).unwrap_err();
        assert_eq!(reason(b""), DecodeError::Empty);
        assert_eq!(reason(b"\x89"), DecodeError::NotAPicture);
        assert_eq!(reason(b"hello, I am text\n"), DecodeError::NotAPicture);
        assert_eq!(reason(b"BM, said the text, and went on for some more words"), DecodeError::NotAPicture);
        assert_eq!(reason(b"GIF89a"), DecodeError::Truncated(ImageFormat::Gif));
        assert_eq!(reason(b"8BPS\0\x01"), DecodeError::OtherFormat("a Photoshop document".to_owned()));
        let raw = DecodeError::OtherFormat("a camera's raw photo".to_owned());
        assert_eq!(reason(b"II*\0\x10\0\0\0CR\x02\0"), raw);
        assert_eq!(reason(b"\0\0\0\x18ftypheic\0\0\0\0"), DecodeError::OtherFormat("HEIC".to_owned()));
    }

    #[test]
    fn a_jpeg_cut_anywhere_is_refused() {
        for file in [BASELINE, PROGRESSIVE] {
            assert!(decode_rgb(file).is_ok());
            for end in 3..file.len() {
                assert_eq!(decode_rgb(&file[..end]), Err(DecodeError::Truncated(ImageFormat::Jpeg)), "at {end}");
            }
        }
    }

    #[test]
    fn a_png_cut_inside_its_pixels_is_refused() {
        let noise: Vec<u8> = (0..20 * 20 * 3_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let file = png_file(20, 20, ::png::ColorType::Rgb, &noise);
        assert_eq!(decode_rgb(&file).unwrap().pixels, noise);
        // The last 20 bytes are checksums and the end mark; without them every pixel is there, and perhaps without a
        // few more.
        for end in 8..file.len() {
            match decode_rgb(&file[..end]) {
                Ok(picture) => assert!(end > file.len() - 28 && picture.pixels == noise, "at {end}"),
                Err(error) => {
                    assert_eq!(error, DecodeError::Truncated(ImageFormat::Png), "at {end}");
                    assert!(end < file.len() - 20, "at {end}");
                }
            }
        }
    }

    #[test]
    fn damaged_files_give_an_error_or_a_picture_and_never_a_panic() {
        let png = png_file(5, 4, ::png::ColorType::Rgb, &(0..60).collect::<Vec<u8>>());
        let mut state = 1_u64;
        for file in [BASELINE, PROGRESSIVE, &png] {
            for position in 0..file.len() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let mut damaged = file.to_vec();
                damaged[position] = (state >> 56) as u8;
                if let Ok(picture) = decode_rgb(&damaged) {
                    assert_eq!(picture.pixels.len(), picture.width * picture.height * 3);
                }
            }
        }
    }

    #[test]
    fn huge_headers_are_refused_before_memory_is_taken() {
        let reason = |file: &[u8]| decode_rgb(file).unwrap_err();
        assert_eq!(reason(&png_claiming(100_000, 100_000)), DecodeError::TooLarge { width: 100_000, height: 100_000 });
        assert_eq!(reason(&png_claiming(1, 65_536)), DecodeError::TooLarge { width: 1, height: 65_536 });
        assert_eq!(reason(&png_claiming(8193, 8192)), DecodeError::TooLarge { width: 8193, height: 8192 });
        // The frame header holds height and width after marker, length and precision.
        let mut jpeg = BASELINE.to_vec();
        let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        jpeg[frame + 5..frame + 9].fill(0xff);
        assert_eq!(reason(&jpeg), DecodeError::TooLarge { width: 65_535, height: 65_535 });
    }

    /// Nothing behind the decoders can fit a picture without pixels.
    #[test]
    fn a_picture_without_pixels_is_refused() {
        let mut webp = include_bytes!("../../tests/fixtures/webp-lossy-61x45.webp").to_vec();
        let start = webp.windows(3).position(|bytes| bytes == [0x9d, 0x01, 0x2a]).unwrap() + 3;
        let jpeg_start = BASELINE.windows(2).position(|bytes| bytes == [0xff, 0xc0]).unwrap() + 5;
        let tiff = |width: u16, height: u16| {
            let entries =
                [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, 0)];
            let mut file = b"II*\0\x08\0\0\0".to_vec();
            file.extend((entries.len() as u16).to_le_bytes());
            for (tag, value) in entries {
                file.extend([tag, 3, 1, 0, value, 0].map(u16::to_le_bytes).concat());
            }
            file.extend([0; 4]);
            file
        };
        for (width, height) in [(0_u16, 0_u16), (0, 9), (9, 0)] {
            webp[start..start + 4].copy_from_slice(&[width, height].map(u16::to_le_bytes).concat());
            let mut jpeg = BASELINE.to_vec();
            jpeg[jpeg_start..jpeg_start + 4].copy_from_slice(&[height, width].map(u16::to_be_bytes).concat());
            for file in [&webp, &jpeg, &tiff(width, height), &png_claiming_nothing(width, height)] {
                let found = decode_rgb(file).map(|picture| (picture.width, picture.height));
                assert!(found.is_err(), "{:?} of {width} x {height}: {found:?}", identify(file));
            }
        }
    }

    /// A PNG of so many pixels, one of the numbers being 0, which the encoder refuses to write.
    fn png_claiming_nothing(width: u16, height: u16) -> Vec<u8> {
        let mut file = png_file(1, 1, ::png::ColorType::Grayscale, &[7]);
        file[16..24].copy_from_slice(&[u32::from(width), u32::from(height)].map(u32::to_be_bytes).concat());
        let sum = crc32(&file[12..29]);
        file[29..33].copy_from_slice(&sum.to_be_bytes());
        file
    }

    /// CRC-32 as in PNG, annex D.
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |sum, &byte| {
            (0..8).fold(sum ^ u32::from(byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 })
        })
    }

    #[test]
    fn a_decoder_that_panics_has_only_failed() {
        assert!(!catches_panics());
        let result: Result<(), DecodeError> = guarded(BASELINE, |_| {
            assert!(catches_panics());
            panic!("as planned")
        });
        assert!(
            result
                .unwrap_err()
                .to_string()
                .contains("the JPEG file is broken or of a rare kind (the decoder has given up)")
        );
        assert!(!catches_panics());
    }
}
