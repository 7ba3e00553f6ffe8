//! JPEG, by the `jpeg-decoder` crate.

use super::{Colour, Format, Layout, Raw, broken, check_size, orientation};
use crate::error::DecodeError;
use jpeg_decoder::{Decoder, ImageInfo, PixelFormat};
use std::io::{Cursor, ErrorKind};

fn read_info(decoder: &mut Decoder<Cursor<&[u8]>>) -> Result<ImageInfo, DecodeError> {
    decoder.read_info().map_err(error)?;
    decoder.info().ok_or_else(|| broken(Format::Jpeg, "no frame header"))
}

pub(super) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    let info = read_info(&mut Decoder::new(Cursor::new(bytes)))?;
    Ok((info.width.into(), info.height.into()))
}

pub(super) fn decode(bytes: &[u8]) -> Result<Raw, DecodeError> {
    let mut decoder = Decoder::new(Cursor::new(bytes));
    let info = read_info(&mut decoder)?;
    let (width, height) = check_size(info.width.into(), info.height.into())?;
    let (layout, colour) = match info.pixel_format {
        PixelFormat::L8 => (Layout::Grey, Colour::Grey),
        PixelFormat::RGB24 => (Layout::Rgb, Colour::Rgb),
        PixelFormat::CMYK32 => (Layout::Cmyk, Colour::Cmyk),
        PixelFormat::L16 => return Err(broken(Format::Jpeg, "lossless with 16 bits")),
    };
    let pixels = decoder.decode().map_err(error)?;
    let orientation = decoder.exif_data().map_or(1, orientation::from_exif);
    Ok(Raw { width, height, layout, pixels, colour, bits: 8, orientation })
}

fn error(error: jpeg_decoder::Error) -> DecodeError {
    match error {
        jpeg_decoder::Error::Io(e) if e.kind() == ErrorKind::UnexpectedEof => DecodeError::Truncated(Format::Jpeg),
        jpeg_decoder::Error::Format(detail) => broken(Format::Jpeg, detail),
        other => broken(Format::Jpeg, other.to_string()),
    }
}
