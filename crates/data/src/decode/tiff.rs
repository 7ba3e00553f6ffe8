//! The first page of a TIFF, by the `tiff` crate.

use super::{Colour, Format, Layout, MAX_PIXELS, Raw, broken, check_size, directory};
use crate::error::DecodeError;
use std::io::{Cursor, ErrorKind};
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

/// Bytes for all samples, 16 bits each at most.
const MAX_BYTES: usize = 8 * MAX_PIXELS as usize;

fn decoder(bytes: &[u8]) -> Result<Decoder<Cursor<&[u8]>>, DecodeError> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_BYTES;
    limits.intermediate_buffer_size = MAX_BYTES;
    Ok(Decoder::new(Cursor::new(bytes)).map_err(error)?.with_limits(limits))
}

pub(super) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    decoder(bytes)?.dimensions().map_err(error)
}

/// Indices into a table of colours, which the decoder does not read, as the grey values that they look like.
fn indices_as_grey(bytes: &[u8]) -> Option<Vec<u8>> {
    const PALETTE: u16 = 3;
    const BLACK_IS_ZERO: u16 = 1;
    let interpretation = directory::find_short(bytes, Tag::PhotometricInterpretation.to_u16())?;
    (interpretation.value == PALETTE).then(|| {
        let mut bytes = bytes.to_owned();
        let grey = if interpretation.little { BLACK_IS_ZERO.to_le_bytes() } else { BLACK_IS_ZERO.to_be_bytes() };
        bytes[interpretation.at..interpretation.at + 2].copy_from_slice(&grey);
        bytes
    })
}

pub(super) fn decode(bytes: &[u8]) -> Result<Raw, DecodeError> {
    let grey = indices_as_grey(bytes);
    let mut decoder = decoder(grey.as_deref().unwrap_or(bytes))?;
    let (width, height) = decoder.dimensions().map_err(error)?;
    let (width, height) = check_size(width, height)?;
    let color = decoder.colortype().map_err(error)?;
    let bits = color.bit_depth();
    let (samples, layout, colour) = match color {
        ColorType::Gray(_) if grey.is_some() => (1, Layout::Rgb, Colour::Palette),
        ColorType::Gray(_) => (1, Layout::Grey, Colour::Grey),
        ColorType::GrayA(_) | ColorType::Multiband { num_samples: 2, .. } => (2, Layout::GreyAlpha, Colour::GreyAlpha),
        ColorType::RGB(_) | ColorType::YCbCr(8) => (3, Layout::Rgb, Colour::Rgb),
        ColorType::RGBA(_) => (4, Layout::Rgba, Colour::Rgba),
        ColorType::CMYK(_) => (4, Layout::Cmyk, Colour::Cmyk),
        other => return Err(broken(Format::Tiff, format!("pixels of the kind {other:?}"))),
    };
    let palette = match colour {
        Colour::Palette => Some(decoder.get_tag_u16_vec(Tag::ColorMap).map_err(error)?),
        _ => None,
    };
    let orientation = decoder.find_tag_unsigned(Tag::Orientation).ok().flatten().unwrap_or(1);

    let mut stored = DecodingResult::U8(Vec::new());
    let planes = decoder.read_image_to_buffer(&mut stored).map_err(error)?;
    let bytes = match stored {
        DecodingResult::U8(bytes) if bits == 8 => bytes,
        DecodingResult::U8(packed) if bits < 8 => unpack(&packed, width * samples, height, bits)?,
        DecodingResult::U16(words) if bits == 16 => words.into_iter().map(|word| (word >> 8) as u8).collect(),
        _ => return Err(broken(Format::Tiff, format!("samples of {bits} bits"))),
    };
    if bytes.len() != width * height * samples {
        return Err(broken(Format::Tiff, "its pixels do not fill it"));
    }
    let bytes = if planes.planes > 1 { interleave(&bytes, samples) } else { bytes };
    let pixels = match palette {
        Some(palette) => look_up(&bytes, &palette),
        // What few bits can say is stretched over the whole range.
        None if bits < 8 => bytes.iter().map(|&value| (u16::from(value) * 255 / ((1 << bits) - 1)) as u8).collect(),
        None => bytes,
    };
    Ok(Raw { width, height, layout, pixels, colour, bits, orientation })
}

/// Samples of 1, 2 or 4 bits, the first in the highest ones; every row starts with a new byte.
fn unpack(packed: &[u8], row: usize, height: usize, bits: u8) -> Result<Vec<u8>, DecodeError> {
    if !matches!(bits, 1 | 2 | 4) {
        return Err(broken(Format::Tiff, format!("samples of {bits} bits")));
    }
    let per_byte = usize::from(8 / bits);
    let sample = |bytes: &[u8], i: usize| {
        let shift = 8 - usize::from(bits) * (i % per_byte + 1);
        bytes[i / per_byte] >> shift & ((1 << bits) - 1)
    };
    let rows = packed.chunks_exact(row.div_ceil(per_byte)).take(height);
    Ok(rows.flat_map(|bytes| (0..row).map(move |i| sample(bytes, i))).collect())
}

/// From one plane after the other to one pixel after the other.
fn interleave(planes: &[u8], samples: usize) -> Vec<u8> {
    let pixels = planes.len() / samples;
    (0..planes.len()).map(|i| planes[i % samples * pixels + i / samples]).collect()
}

/// The colours of indices. The table has all reds, then all greens, then all blues, of 16 bits.
fn look_up(indices: &[u8], palette: &[u16]) -> Vec<u8> {
    let count = palette.len() / 3;
    let sample = |index: u8, channel: usize| match usize::from(index) {
        index if index < count => (palette[channel * count + index] >> 8) as u8,
        _ => 0,
    };
    indices.iter().flat_map(|&index| [0, 1, 2].map(|channel| sample(index, channel))).collect()
}

fn error(error: TiffError) -> DecodeError {
    match error {
        TiffError::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => DecodeError::Truncated(Format::Tiff),
        other => broken(Format::Tiff, other.to_string()),
    }
}
