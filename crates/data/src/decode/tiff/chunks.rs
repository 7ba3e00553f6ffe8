//! The samples of all strips or tiles of a page.

use super::error::{TRUNCATED, refused};
use super::page::{Compression, Page};
use crate::decode::error::DecodeError;
use std::borrow::Cow;

/// Strips may share their data, but the work for all of them must not go far beyond that for the whole file.
const MAX_SHARED: usize = 16;

impl<'a> Page<'a> {
    /// The samples that are kept: height × width × samples, 8 bits each. Fewer bits are as they are in the file, and
    /// of more the highest are kept.
    pub(super) fn samples(&self) -> Result<Vec<u8>, DecodeError> {
        let (chunk_width, chunk_height) = self.chunk;
        let (across, down) = (self.width.div_ceil(chunk_width), self.height.div_ceil(chunk_height));
        let (planes, in_chunk) = if self.is_planar { (self.kept, 1) } else { (1, self.samples) };
        if self.offsets.len() < across * down * planes {
            return Err(refused(format!(
                "it has {} strips or tiles of {}",
                self.offsets.len(),
                across * down * planes
            )));
        }
        let mut all = vec![0; self.width * self.height * self.kept];
        let mut left_to_read = self.file.len().saturating_mul(MAX_SHARED);
        for index in 0..across * down * planes {
            let (plane, place) = (index / (across * down), index % (across * down));
            let (left, top) = (place % across * chunk_width, place / across * chunk_height);
            let (columns, rows) = (chunk_width.min(self.width - left), chunk_height.min(self.height - top));
            let decoded = self.chunk(index, rows, in_chunk, &mut left_to_read)?;
            for (y, row) in decoded.chunks_exact(chunk_width * in_chunk).take(rows).enumerate() {
                let start = ((top + y) * self.width + left) * self.kept;
                let target = &mut all[start..start + columns * self.kept];
                if self.is_planar {
                    target.iter_mut().skip(plane).step_by(self.kept).zip(row).for_each(|(to, from)| *to = *from);
                } else {
                    let pixels = target.chunks_exact_mut(self.kept).zip(row.chunks_exact(self.samples));
                    pixels.for_each(|(to, from)| to.copy_from_slice(&from[..self.kept]));
                }
            }
        }
        Ok(all)
    }

    /// The samples of a strip or tile, of which as many rows are needed: rows × columns × samples, 8 bits each.
    fn chunk(
        &self,
        index: usize,
        rows: usize,
        samples: usize,
        left_to_read: &mut usize,
    ) -> Result<Vec<u8>, DecodeError> {
        let columns = self.chunk.0;
        if self.compression == Compression::Jpeg {
            return self.jpeg(&self.compressed(index, left_to_read)?, rows, samples);
        }
        let units = (columns.div_ceil(self.subsampling.0), rows.div_ceil(self.subsampling.1));
        let row_bytes = match self.subsampling {
            (1, 1) => (columns * samples * usize::from(self.bits)).div_ceil(8),
            (horizontal, vertical) => units.0 * (horizontal * vertical + 2),
        };
        let needed = row_bytes * units.1;
        let mut bytes = self.decompressed(index, needed, rows, left_to_read)?;
        if bytes.len() < needed {
            return Err(refused("its pixels do not fill it"));
        }
        bytes.truncate(needed);
        if self.has_differences {
            self.add_up_differences(&mut bytes, row_bytes, samples);
        }
        Ok(match (self.subsampling, self.bits) {
            ((1, 1), 8) => bytes,
            ((1, 1), 16) => {
                let high = usize::from(self.is_little_endian);
                bytes.chunks_exact(2).map(|sample| sample[high]).collect()
            }
            ((1, 1), bits) => {
                let row = columns * samples;
                bytes
                    .chunks_exact(row_bytes)
                    .flat_map(|bytes| (0..row).map(move |i| packed_sample(bytes, i, bits)))
                    .collect()
            }
            (subsampling, _) => upsampled(&bytes, columns, rows, subsampling),
        })
    }

    /// The bytes of a strip or tile as they are in the file, bits in their usual order.
    pub(super) fn compressed(&self, index: usize, left_to_read: &mut usize) -> Result<Cow<'a, [u8]>, DecodeError> {
        // Old files of one strip do not say how long it is, or that it has no bytes.
        let count = match self.byte_counts.and_then(|counts| counts.unsigned(index)) {
            None | Some(0) if self.offsets.len() == 1 => None,
            count => Some(count.and_then(|count| usize::try_from(count).ok()).ok_or(TRUNCATED)?),
        };
        let bytes = self.stored(index, count)?;
        let left = left_to_read.checked_sub(bytes.len());
        *left_to_read = left.ok_or_else(|| refused("its strips or tiles lie on top of each other"))?;
        // JPEG has an order of its own.
        Ok(if self.compression == Compression::Jpeg { Cow::Borrowed(bytes) } else { self.in_usual_order(bytes) })
    }

    /// So many bytes of a strip or tile, or all to the end of the file.
    pub(super) fn stored(&self, index: usize, count: Option<usize>) -> Result<&'a [u8], DecodeError> {
        let start = self.offsets.unsigned(index).and_then(|start| usize::try_from(start).ok());
        let bytes = self.file.get(start.ok_or(TRUNCATED)?..).ok_or(TRUNCATED)?;
        bytes.get(..count.unwrap_or(bytes.len())).ok_or(TRUNCATED)
    }

    /// Returns bytes whose first bit is the highest one, reversing the bits if the file stores them the other way.
    pub(super) fn in_usual_order(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        match self.is_lowest_bit_first {
            true => Cow::Owned(bytes.iter().map(|byte| byte.reverse_bits()).collect()),
            false => Cow::Borrowed(bytes),
        }
    }

    /// Undoes the differences between neighbours in a row.
    fn add_up_differences(&self, bytes: &mut [u8], row_bytes: usize, samples: usize) {
        for row in bytes.chunks_exact_mut(row_bytes) {
            if self.bits == 8 {
                for i in samples..row.len() {
                    row[i] = row[i].wrapping_add(row[i - samples]);
                }
                continue;
            }
            let little = self.is_little_endian;
            let from = |word| if little { u16::from_le_bytes(word) } else { u16::from_be_bytes(word) };
            let to = |value: u16| if little { value.to_le_bytes() } else { value.to_be_bytes() };
            let words = row.as_chunks_mut::<2>().0;
            for i in samples..words.len() {
                words[i] = to(from(words[i]).wrapping_add(from(words[i - samples])));
            }
        }
    }
}

/// Sample `i` of a row in which each has so many bits, the first in the highest ones. Of more than 8 bits, the highest
/// are kept.
fn packed_sample(row: &[u8], i: usize, bits: u8) -> u8 {
    let first = i * usize::from(bits);
    let byte = |at: usize| u32::from(row.get(at).copied().unwrap_or(0));
    let window = byte(first / 8) << 16 | byte(first / 8 + 1) << 8 | byte(first / 8 + 2);
    let kept = bits.min(8);
    (window >> (24 - first % 8 - usize::from(kept)) & ((1 << kept) - 1)) as u8
}

/// Pixels from units of luma samples and one pair of chroma samples, which all of the unit's pixels have.
fn upsampled(bytes: &[u8], columns: usize, rows: usize, (horizontal, vertical): (usize, usize)) -> Vec<u8> {
    let lumas = horizontal * vertical;
    let unit = lumas + 2;
    let across = columns.div_ceil(horizontal);
    let mut pixels = Vec::with_capacity(columns * rows * 3);
    for y in 0..rows {
        for x in 0..columns {
            let start = (y / vertical * across + x / horizontal) * unit;
            let luma = bytes[start + y % vertical * horizontal + x % horizontal];
            pixels.extend([luma, bytes[start + lumas], bytes[start + lumas + 1]]);
        }
    }
    pixels
}
