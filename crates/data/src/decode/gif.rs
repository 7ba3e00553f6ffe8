//! The first frame of a GIF, by the `gif` crate.

use super::error::{DecodeError, broken, check_size};
use super::format::ImageFormat;
use super::image::ColorType;
use super::raw::{Layout, Raw};
use crate::limits::MAX_PIXELS;
use gif::{ColorOutput, DecodeOptions, Decoder, DecodingError, Frame, MemoryLimit};
use std::num::NonZeroU64;

/// Reads the header of the first frame, whose pixels the decoder gives next.
fn first_frame(bytes: &[u8]) -> Result<(Decoder<&[u8]>, Frame<'static>), DecodeError> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.set_memory_limit(MemoryLimit::Bytes(NonZeroU64::new(MAX_PIXELS).unwrap_or(NonZeroU64::MIN)));
    let mut decoder = options.read_info(bytes).map_err(error)?;
    let frame =
        decoder.next_frame_info().map_err(error)?.ok_or_else(|| broken(ImageFormat::Gif, "it has no frame"))?.clone();
    Ok((decoder, frame))
}

/// Those of the screen, or as much more as the frame needs.
fn screen(decoder: &Decoder<&[u8]>, frame: &Frame<'_>) -> (u32, u32) {
    let side = |screen: u16, start: u16, length: u16| u32::from(screen).max(u32::from(start) + u32::from(length));
    (side(decoder.width(), frame.left, frame.width), side(decoder.height(), frame.top, frame.height))
}

/// See [`dimensions`](super::dimensions).
pub(super) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    let (decoder, frame) = first_frame(bytes)?;
    Ok(screen(&decoder, &frame))
}

/// Decodes the first frame to RGBA on the canvas of the animation.
pub(super) fn decode(bytes: &[u8]) -> Result<Raw, DecodeError> {
    let (mut decoder, frame) = first_frame(bytes)?;
    let (width, height) = screen(&decoder, &frame);
    let (width, height) = check_size(width, height)?;
    if frame.width == 0 || frame.height == 0 {
        return Err(broken(ImageFormat::Gif, "its first frame is empty"));
    }
    let mut indices = vec![0; decoder.buffer_size()];
    decoder.read_into_buffer(&mut indices).map_err(error)?;

    let colors = decoder.palette().map_err(error)?.as_chunks::<3>().0;
    let rgba = |index: u8| {
        let [r, g, b] = colors.get(usize::from(index)).copied().unwrap_or_default();
        [r, g, b, if frame.transparent == Some(index) { 0 } else { 255 }]
    };
    // What the frame leaves of the screen is transparent if anything is, and otherwise the first color, as in Pillow.
    let mut screen = vec![rgba(frame.transparent.unwrap_or(0)); width * height];
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    for (y, row) in indices.chunks_exact(usize::from(frame.width)).enumerate() {
        let start = (top + y) * width + left;
        for (pixel, &index) in screen[start..start + row.len()].iter_mut().zip(row) {
            *pixel = rgba(index);
        }
    }
    let pixels = screen.into_flattened();
    Ok(Raw { width, height, layout: Layout::Rgba, pixels, color: ColorType::Palette, bits: 8, orientation: 1 })
}

/// Converts an error of the decoder.
fn error(error: DecodingError) -> DecodeError {
    match error {
        DecodingError::UnexpectedEof => DecodeError::Truncated(ImageFormat::Gif),
        DecodingError::Io(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            DecodeError::Truncated(ImageFormat::Gif)
        }
        other => broken(ImageFormat::Gif, other.to_string()),
    }
}
