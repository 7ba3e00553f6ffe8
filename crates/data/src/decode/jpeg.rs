//! JPEG, by the `jpeg-decoder` crate.

use super::{Colour, Format, Layout, Raw, broken, check_size, orientation};
use crate::error::DecodeError;
use jpeg_decoder::{Decoder, ImageInfo, PixelFormat};
use std::io::{Cursor, ErrorKind};

/// A progressive picture has about ten scans. One of a few bytes can make the decoder walk over all pixels, so a small file with very many
/// of them would keep it busy for hours.
const MAX_SCANS: usize = 200;

/// The number of scans: markers FF DA outside of other segments. Within a scan, FF is followed by 0 or a restart marker.
fn count_scans(bytes: &[u8]) -> usize {
    let (mut at, mut scans) = (2, 0);
    while let Some(&[first, marker]) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        match (first, marker) {
            (0xff, 0x01 | 0xc0..=0xcf | 0xda..=0xfe) => {
                scans += usize::from(marker == 0xda);
                let length = bytes
                    .get(at + 2..)
                    .and_then(|rest| rest.first_chunk())
                    .map_or(2, |bytes| u16::from_be_bytes(*bytes));
                at += 2 + usize::from(length.max(2));
            }
            _ => at += 1,
        }
    }
    scans
}

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
    let scans = count_scans(bytes);
    if scans > MAX_SCANS {
        return Err(broken(Format::Jpeg, format!("{scans} scans")));
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRESSIVE: &[u8] = include_bytes!("../../tests/fixtures/progressive-33x17.jpg");

    #[test]
    fn scans_are_counted_and_limited() {
        assert_eq!(count_scans(include_bytes!("../../tests/fixtures/420-97x61.jpg")), 1);
        assert_eq!(count_scans(PROGRESSIVE), 10);
        let last = PROGRESSIVE.windows(2).rposition(|bytes| bytes == [0xff, 0xda]).unwrap();
        let (start, scan) = (&PROGRESSIVE[..last], &PROGRESSIVE[last..PROGRESSIVE.len() - 2]);
        let bomb = [start, &scan.repeat(1000)].concat();
        assert_eq!(count_scans(&bomb), 1009);
        assert!(decode(&bomb).err().unwrap().to_string().contains("1009 scans"));
        // The marker in a comment is none.
        let comment = [&PROGRESSIVE[..2], &[0xff, 0xfe, 0, 6, 0xff, 0xda, 0xff, 0xda], &PROGRESSIVE[2..]].concat();
        assert_eq!(count_scans(&comment), 10);
    }
}
