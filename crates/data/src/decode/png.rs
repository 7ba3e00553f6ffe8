//! PNG, by the `png` crate.

use super::{Colour, Format, Layout, Raw, broken, check_size, orientation};
use crate::error::DecodeError;
use std::io::{Cursor, ErrorKind};

fn decoder(bytes: &[u8]) -> png::Decoder<Cursor<&[u8]>> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    // Palettes and 1, 2 and 4 bits become 8-bit samples; of 16 bits the high byte stays.
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder
}

pub(super) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    let mut decoder = decoder(bytes);
    let header = decoder.read_header_info().map_err(error)?;
    Ok((header.width, header.height))
}

pub(super) fn decode(bytes: &[u8]) -> Result<Raw, DecodeError> {
    let mut decoder = decoder(bytes);
    let header = decoder.read_header_info().map_err(error)?;
    check_size(header.width, header.height)?;
    let (color_type, bits) = (header.color_type, header.bit_depth as u8);
    let mut reader = decoder.read_info().map_err(error)?;
    let size = reader.output_buffer_size().ok_or_else(|| broken(Format::Png, "its size overflows"))?;
    let mut pixels = vec![0; size];
    let frame = reader.next_frame(&mut pixels).map_err(error)?;
    pixels.truncate(frame.buffer_size());
    let layout = match (frame.color_type, frame.bit_depth) {
        (png::ColorType::Grayscale, png::BitDepth::Eight) => Layout::Grey,
        (png::ColorType::GrayscaleAlpha, png::BitDepth::Eight) => Layout::GreyAlpha,
        (png::ColorType::Rgb, png::BitDepth::Eight) => Layout::Rgb,
        (png::ColorType::Rgba, png::BitDepth::Eight) => Layout::Rgba,
        (color, depth) => return Err(broken(Format::Png, format!("{color:?} of {depth:?} bits"))),
    };
    // Metadata may follow the pixels; whatever is wrong there harms nobody.
    let _ = reader.finish();
    let orientation = reader.info().exif_metadata.as_deref().map_or(1, orientation::from_exif);
    let colour = match (color_type, layout) {
        (png::ColorType::Indexed, _) => Colour::Palette,
        (_, Layout::Grey) => Colour::Grey,
        (_, Layout::GreyAlpha) => Colour::GreyAlpha,
        (_, Layout::Rgba) => Colour::Rgba,
        _ => Colour::Rgb,
    };
    let (width, height) = (frame.width as usize, frame.height as usize);
    Ok(Raw { width, height, layout, pixels, colour, bits, orientation })
}

fn error(error: png::DecodingError) -> DecodeError {
    match error {
        png::DecodingError::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => DecodeError::Truncated(Format::Png),
        other => broken(Format::Png, other.to_string().trim_end_matches('.')),
    }
}
