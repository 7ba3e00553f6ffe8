//! The first directory of a TIFF, which EXIF data are too.
//!
//! TIFF 6.0, section 2: a byte order, the offset of the first directory, its number of entries, and 12 bytes for each:
//! tag, type, count, and the values, or where they are if they need more than 4 bytes. In BigTIFF counts and offsets
//! have 8 bytes and an entry has 20.

/// The first directory, with its file.
#[derive(Clone, Copy)]
pub(super) struct Directory<'a> {
    file: &'a [u8],
    is_little_endian: bool,
    is_big_tiff: bool,
    /// Where the first entry is.
    start: usize,
    entries: usize,
}

/// An entry's values.
#[derive(Clone, Copy)]
pub(super) struct Values<'a> {
    kind: u16,
    bytes: &'a [u8],
    is_little_endian: bool,
}

/// Whether data begin as a TIFF does: with a byte order, a version and an offset, wherever it may lead.
pub(super) fn has_header(bytes: &[u8]) -> bool {
    header(bytes).is_some() && bytes.len() >= 8
}

/// Whether a TIFF is little-endian and whether it is a BigTIFF; `None` if it is no TIFF.
fn header(file: &[u8]) -> Option<(bool, bool)> {
    // The byte orders whose version is swapped are wrong, and written all the same; Pillow takes them.
    match file.get(..4)? {
        b"II*\0" | b"II\0*" => Some((true, false)),
        b"MM\0*" | b"MM*\0" => Some((false, false)),
        b"II+\0" => Some((true, true)),
        b"MM\0+" => Some((false, true)),
        _ => None,
    }
}

impl<'a> Directory<'a> {
    /// Finds the first directory of a TIFF; `None` if the file is no TIFF or ends before the directory's number of
    /// entries. Entries that are cut off are as good as not there.
    pub(super) fn first(file: &'a [u8]) -> Option<Self> {
        let (is_little_endian, is_big_tiff) = header(file)?;
        let mut directory = Directory { file, is_little_endian, is_big_tiff, start: 0, entries: 0 };
        let at = if is_big_tiff { directory.u64_at(8)? } else { directory.u32_at(4)?.into() };
        let at = usize::try_from(at).ok()?;
        let (entries, length) =
            if is_big_tiff { (directory.u64_at(at)?, 8) } else { (directory.u16_at(at)?.into(), 2) };
        directory.start = at.checked_add(length)?;
        // No more than there can be.
        let most = file.len().saturating_sub(directory.start) / directory.entry_length();
        directory.entries = usize::try_from(entries).unwrap_or(usize::MAX).min(most);
        Some(directory)
    }

    /// Whether numbers are stored with their low byte first.
    pub(super) fn is_little_endian(&self) -> bool {
        self.is_little_endian
    }

    /// The values of a tag. Of several entries with the tag the first one counts, as in libtiff and Pillow; one whose
    /// values are outside of the file, or of an unknown type, counts as missing.
    pub(super) fn find(&self, tag: u16) -> Option<Values<'a>> {
        (0..self.entries).find_map(|i| {
            let entry = self.start + i * self.entry_length();
            if self.u16_at(entry)? != tag {
                return None;
            }
            let kind = self.u16_at(entry + 2)?;
            let (count, at, inline) = match self.is_big_tiff {
                true => (self.u64_at(entry + 4)?, entry + 12, 8),
                false => (self.u32_at(entry + 4)?.into(), entry + 8, 4),
            };
            let length = usize::try_from(count).ok()?.checked_mul(size_of_kind(kind)?)?;
            let start = match length <= inline {
                true => at,
                false if self.is_big_tiff => usize::try_from(self.u64_at(at)?).ok()?,
                false => self.u32_at(at)? as usize,
            };
            let bytes = self.file.get(start..start.checked_add(length)?)?;
            Some(Values { kind, bytes, is_little_endian: self.is_little_endian })
        })
    }

    /// Returns the number of bytes of an entry.
    fn entry_length(&self) -> usize {
        if self.is_big_tiff { 20 } else { 12 }
    }

    /// Reads a number at this position in the byte order of the file.
    fn u16_at(&self, at: usize) -> Option<u16> {
        let bytes = *self.file.get(at..)?.first_chunk()?;
        Some(if self.is_little_endian { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    /// Reads a number at this position in the byte order of the file.
    fn u32_at(&self, at: usize) -> Option<u32> {
        let bytes = *self.file.get(at..)?.first_chunk()?;
        Some(if self.is_little_endian { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    /// Reads a number at this position in the byte order of the file.
    fn u64_at(&self, at: usize) -> Option<u64> {
        let bytes = *self.file.get(at..)?.first_chunk()?;
        Some(if self.is_little_endian { u64::from_le_bytes(bytes) } else { u64::from_be_bytes(bytes) })
    }
}

impl<'a> Values<'a> {
    /// The values as they lie in the file, for BYTE and UNDEFINED.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        size_of_kind(self.kind).map_or(0, |size| self.bytes.len() / size)
    }

    /// The value at an index as a number. Every integer of up to 53 bits comes out exactly.
    pub(super) fn number(&self, index: usize) -> Option<f64> {
        let size = size_of_kind(self.kind)?;
        let start = index.checked_mul(size)?;
        let bytes = self.bytes.get(start..start.checked_add(size)?)?;
        // The same order for all.
        let mut ordered = [0; 8];
        ordered[..size].copy_from_slice(bytes);
        let part = |bytes: &mut [u8]| {
            if !self.is_little_endian {
                bytes.reverse();
            }
        };
        match self.kind {
            RATIONAL | SIGNED_RATIONAL => ordered.chunks_mut(4).for_each(part),
            _ => part(&mut ordered[..size]),
        }
        let low = u32::from_le_bytes([ordered[0], ordered[1], ordered[2], ordered[3]]);
        let high = u32::from_le_bytes([ordered[4], ordered[5], ordered[6], ordered[7]]);
        Some(match self.kind {
            BYTE | ASCII | UNDEFINED => ordered[0].into(),
            SHORT => (low as u16).into(),
            LONG | IFD => low.into(),
            RATIONAL => f64::from(low) / f64::from(high),
            SIGNED_BYTE => (ordered[0] as i8).into(),
            SIGNED_SHORT => (low as i16).into(),
            SIGNED_LONG => (low as i32).into(),
            SIGNED_RATIONAL => f64::from(low as i32) / f64::from(high as i32),
            FLOAT => f32::from_bits(low).into(),
            DOUBLE => f64::from_le_bytes(ordered),
            SIGNED_LONG8 => i64::from_le_bytes(ordered) as f64,
            _ => u64::from_le_bytes(ordered) as f64,
        })
    }

    /// Whether the values are bytes or letters, and not numbers.
    pub(super) fn is_bytes(&self) -> bool {
        matches!(self.kind, BYTE | ASCII | UNDEFINED)
    }

    /// The value at an index as a natural number.
    pub(super) fn unsigned(&self, index: usize) -> Option<u64> {
        let number = self.number(index)?;
        (number >= 0.0 && number.fract() == 0.0 && number < u64::MAX as f64).then_some(number as u64)
    }
}

const BYTE: u16 = 1;
const ASCII: u16 = 2;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const RATIONAL: u16 = 5;
const SIGNED_BYTE: u16 = 6;
const UNDEFINED: u16 = 7;
const SIGNED_SHORT: u16 = 8;
const SIGNED_LONG: u16 = 9;
const SIGNED_RATIONAL: u16 = 10;
const FLOAT: u16 = 11;
const DOUBLE: u16 = 12;
const IFD: u16 = 13;
const LONG8: u16 = 16;
const SIGNED_LONG8: u16 = 17;
const IFD8: u16 = 18;

/// Bytes of a value of a type.
fn size_of_kind(kind: u16) -> Option<usize> {
    match kind {
        BYTE | ASCII | SIGNED_BYTE | UNDEFINED => Some(1),
        SHORT | SIGNED_SHORT => Some(2),
        LONG | SIGNED_LONG | FLOAT | IFD => Some(4),
        RATIONAL | SIGNED_RATIONAL | DOUBLE | LONG8 | SIGNED_LONG8 | IFD8 => Some(8),
        _ => None,
    }
}
