//! Decompression of one strip or tile.

use super::error::{TRUNCATED, not_read, refused};
use super::page::{Compression, Page, Photometric};
use crate::decode::error::DecodeError;
use crate::decode::format::ImageFormat;
use crate::decode::jpeg;
use flate2::read::ZlibDecoder;
use std::borrow::Cow;
use std::io::Read;

impl Page<'_> {
    /// A strip or tile decompressed, as far as it is needed. Memory grows with what is really there.
    pub(super) fn decompressed(
        &self,
        index: usize,
        needed: usize,
        rows: usize,
        left_to_read: &mut usize,
    ) -> Result<Vec<u8>, DecodeError> {
        if self.compression == Compression::None {
            // Byte counts are often wrong here, and nobody else looks at them.
            return Ok(self.in_usual_order(self.stored(index, Some(needed))?).into_owned());
        }
        let compressed = self.compressed(index, left_to_read)?;
        let mut bytes = Vec::new();
        match self.compression {
            Compression::Deflate => {
                let read = ZlibDecoder::new(&*compressed).take(needed as u64).read_to_end(&mut bytes);
                read.map_err(|error| refused(format!("Deflate: {error}")))?;
            }
            Compression::Lzw => {
                // Before TIFF 5.0 the bits went the other way. Such data begin with the code 256 like all others.
                if matches!(*compressed, [0, second, ..] if second & 1 == 1) {
                    return Err(not_read("LZW in the way of before 1988"));
                }
                unpack_lzw(&compressed, needed, &mut bytes)?;
            }
            Compression::PackBits => unpack_bits(&compressed, needed, &mut bytes),
            Compression::Group4 => self.group4(&compressed, rows, &mut bytes)?,
            Compression::None | Compression::Jpeg => {}
        }
        Ok(bytes)
    }

    /// Decodes a strip or tile that is a JPEG; quantization and Huffman tables may be in a tag.
    pub(super) fn jpeg(&self, data: &[u8], rows: usize, samples: usize) -> Result<Vec<u8>, DecodeError> {
        const START: &[u8] = &[0xff, 0xd8];
        const END: &[u8] = &[0xff, 0xd9];
        let file = match self.jpeg_tables {
            Some(tables) => {
                let tables = tables.strip_suffix(END).unwrap_or(tables);
                Cow::Owned([tables, data.strip_prefix(START).unwrap_or(data)].concat())
            }
            None => Cow::Borrowed(data),
        };
        if !file.starts_with(START) {
            return Err(refused("JPEG data without a beginning"));
        }
        let columns = self.chunk.0;
        // The last strip may have all its rows, or only those that are needed.
        let check = |width: u32, height: u32| match (width as usize, height as usize) {
            (width, height) if width == columns && (rows..=self.chunk.1).contains(&height) => Ok((width, height)),
            _ => Err(refused(format!("a JPEG of {width} x {height} pixels in a strip or tile of {columns} x {rows}"))),
        };
        let is_ycbcr = self.photometric == Photometric::YCbCr && !self.is_planar;
        let decoded = jpeg::decode_embedded(&file, is_ycbcr, check).map_err(|error| match error {
            DecodeError::Truncated(_) => TRUNCATED,
            DecodeError::Broken { format: ImageFormat::Jpeg, detail } => refused(format!("JPEG: {detail}")),
            DecodeError::Unsupported { format: ImageFormat::Jpeg, detail } => not_read(format!("JPEG with {detail}")),
            other => other,
        })?;
        if decoded.components != samples {
            return Err(refused(format!("a JPEG of {} components for {samples} samples", decoded.components)));
        }
        let mut pixels = decoded.samples;
        pixels.truncate(columns * rows * samples);
        Ok(pixels)
    }

    /// CCITT group 4 to one bit a pixel; black is 1.
    fn group4(&self, compressed: &[u8], rows: usize, bytes: &mut Vec<u8>) -> Result<(), DecodeError> {
        use fax::Color;
        use fax::decoder::{DecodeStatus, Group4Decoder, pels};
        let failed = || refused("CCITT group 4: the code makes no sense");
        let columns = u16::try_from(self.chunk.0).map_err(|_| not_read("CCITT group 4 of too many columns"))?;
        let reader = compressed.iter().map(|&byte| Ok::<u8, std::convert::Infallible>(byte));
        let mut decoder = Group4Decoder::new(reader, columns).map_err(|_| failed())?;
        for _ in 0..rows {
            match decoder.advance().map_err(|_| failed())? {
                DecodeStatus::Incomplete => {}
                DecodeStatus::End => break,
            }
            let bits: Vec<bool> = pels(decoder.transition(), columns).map(|color| color == Color::Black).collect();
            let byte =
                |bits: &[bool]| bits.iter().enumerate().fold(0, |byte, (i, &bit)| byte | u8::from(bit) << (7 - i));
            bytes.extend(bits.chunks(8).map(byte));
        }
        Ok(())
    }
}

/// PackBits: a count, n; n + 1 bytes as they are for n from 0 on, one byte 1 − n times for −127 to −1, and
/// nothing for −128.
fn unpack_bits(mut packed: &[u8], needed: usize, bytes: &mut Vec<u8>) {
    while bytes.len() < needed
        && let Some((&count, rest)) = packed.split_first()
    {
        packed = match count {
            0..=127 => {
                let (literal, rest) = rest.split_at(rest.len().min(usize::from(count) + 1));
                bytes.extend(literal);
                rest
            }
            128 => rest,
            129.. => {
                let Some((&byte, rest)) = rest.split_first() else { return };
                bytes.extend(std::iter::repeat_n(byte, 257 - usize::from(count)));
                rest
            }
        };
    }
}

/// Decompresses LZW until there are `needed` bytes.
fn unpack_lzw(mut compressed: &[u8], needed: usize, bytes: &mut Vec<u8>) -> Result<(), DecodeError> {
    let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
    let mut buffer = vec![0; needed.clamp(1, 1 << 16)];
    while bytes.len() < needed {
        let result = decoder.decode_bytes(compressed, &mut buffer);
        bytes.extend(&buffer[..result.consumed_out]);
        compressed = &compressed[result.consumed_in..];
        match result.status {
            Ok(weezl::LzwStatus::Ok) => {}
            // Whether that was all, the length tells.
            Ok(weezl::LzwStatus::Done | weezl::LzwStatus::NoProgress) => break,
            // What follows the last pixel is of no interest.
            Err(_) if bytes.len() >= needed => break,
            Err(error) => return Err(refused(format!("LZW: {error}"))),
        }
    }
    Ok(())
}
