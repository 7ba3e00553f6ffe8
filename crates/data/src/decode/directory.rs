//! The first directory of a TIFF, which EXIF data are too.
//!
//! TIFF 6.0, section 2: a byte order, the offset of the first directory, its number of entries, and 12 bytes for each: tag, type, count,
//! value.

const SHORT: u16 = 3;

/// A 16-bit value in the directory.
pub(super) struct Short {
    pub(super) value: u16,
    /// Where its two bytes are, the low one first if `little`.
    pub(super) at: usize,
    pub(super) little: bool,
}

/// The value of a tag, if the directory has it.
pub(super) fn find_short(tiff: &[u8], tag: u16) -> Option<Short> {
    let little = match tiff.get(..4)? {
        [b'I', b'I', 42, 0] => true,
        [b'M', b'M', 0, 42] => false,
        _ => return None,
    };
    let u16_at = |at: usize| {
        let bytes = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let directory = {
        let bytes = tiff.get(4..8)?.try_into().ok()?;
        (if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }) as usize
    };
    let entries = u16_at(directory)?;
    (0..usize::from(entries)).find_map(|i| {
        let entry = directory.checked_add(2 + 12 * i)?;
        let is_it = u16_at(entry)? == tag && u16_at(entry + 2)? == SHORT;
        let at = entry + 8;
        if is_it { Some(Short { value: u16_at(at)?, at, little }) } else { None }
    })
}
