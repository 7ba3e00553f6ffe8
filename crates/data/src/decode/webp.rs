//! WebP, by the `image-webp` crate.

use super::{Colour, Format, Layout, Raw, broken, check_size, orientation};
use crate::decode::MAX_PIXELS;
use crate::error::DecodeError;
use image_webp::{DecodingError, WebPDecoder};
use std::io::{Cursor, ErrorKind};

pub(super) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    Ok(WebPDecoder::new(Cursor::new(bytes)).map_err(error)?.dimensions())
}

pub(super) fn decode(bytes: &[u8]) -> Result<Raw, DecodeError> {
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(error)?;
    decoder.set_memory_limit(4 * MAX_PIXELS as usize);
    let (width, height) = decoder.dimensions();
    let (width, height) = check_size(width, height)?;
    let size = decoder.output_buffer_size().ok_or_else(|| broken(Format::WebP, "its size overflows"))?;
    let mut pixels = vec![0; size];
    decoder.read_image(&mut pixels).map_err(error)?;
    // As with everything that is no pixel, broken metadata harm nobody.
    let orientation = decoder.exif_metadata().ok().flatten().map_or(1, |exif| orientation::from_exif(&exif));
    let (layout, colour) = if decoder.has_alpha() { (Layout::Rgba, Colour::Rgba) } else { (Layout::Rgb, Colour::Rgb) };
    Ok(Raw { width, height, layout, pixels, colour, bits: 8, orientation })
}

fn error(error: DecodingError) -> DecodeError {
    match error {
        DecodingError::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => DecodeError::Truncated(Format::WebP),
        other => broken(Format::WebP, other.to_string()),
    }
}
