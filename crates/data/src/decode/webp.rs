//! WebP, by the `image-webp` crate.

use super::error::{DecodeError, broken, check_size};
use super::format::ImageFormat;
use super::image::ColorType;
use super::orientation;
use super::raw::{Layout, Raw};
use crate::limits::MAX_PIXELS;
use image_webp::{DecodingError, WebPDecoder};
use std::io::{Cursor, ErrorKind};

/// Flags of a `VP8X` header.
const HAS_EXIF: u8 = 8;
const HAS_XMP: u8 = 4;

/// See [`dimensions`](super::dimensions).
pub(super) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    Ok(WebPDecoder::new(Cursor::new(bytes)).map_err(error)?.dimensions())
}

/// Decodes the image, or the first frame of an animation.
pub(super) fn decode(bytes: &[u8]) -> Result<Raw, DecodeError> {
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(error)?;
    decoder.set_memory_limit(4 * MAX_PIXELS as usize);
    let (width, height) = decoder.dimensions();
    let (width, height) = check_size(width, height)?;
    let size = decoder.output_buffer_size().ok_or_else(|| broken(ImageFormat::WebP, "its size overflows"))?;
    let mut pixels = vec![0; size];
    decoder.read_image(&mut pixels).map_err(error)?;
    // As with everything that is no pixel, broken metadata harm nobody. As in libwebp, what the header does not
    // announce is not there.
    let flags = if bytes.get(12..16) == Some(b"VP8X") { bytes.get(20).copied().unwrap_or(0) } else { 0 };
    let exif = decoder.exif_metadata().ok().flatten().filter(|_| flags & HAS_EXIF != 0);
    let xmp = decoder.xmp_metadata().ok().flatten().filter(|_| flags & HAS_XMP != 0);
    let orientation = orientation::of_metadata(exif.as_deref(), xmp.as_deref());
    let (layout, color) =
        if decoder.has_alpha() { (Layout::Rgba, ColorType::Rgba) } else { (Layout::Rgb, ColorType::Rgb) };
    Ok(Raw { width, height, layout, pixels, color, bits: 8, orientation })
}

/// Converts an error of the decoder.
fn error(error: DecodingError) -> DecodeError {
    match error {
        DecodingError::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => DecodeError::Truncated(ImageFormat::WebP),
        other => broken(ImageFormat::WebP, other.to_string()),
    }
}
