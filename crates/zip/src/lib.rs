//! Opens zip archives by the rules of Python's `zipfile`.
//!
//! A zip archive ends with the end of central directory record (the *end record* here), which states the length and the
//! offset of the central directory. Other data may precede the archive, such as the program of a self-extracting
//! archive; all stated offsets are then too small by the length of that data, the *archive offset*. The central
//! directory lies directly before the end record, so the archive offset is
//!
//! ```text
//! position of the end record − length of the directory − stated offset of the directory
//! ```
//!
//! and 76 less if the zip64 end record (56 bytes) and its locator (20) stand between the two.
//!
//! The `zip` crate looks for zip64 records only if a field of the end record is full (all bits set), and otherwise
//! computes the archive offset without the 76 bytes. PyTorch always writes the zip64 records and fills no field, so the
//! crate's archive offset is 76 too large. If the first directory entry has exactly 76 bytes (name and extra fields of
//! 30 together), the second entry begins where the crate expects the first. It accepts its archive offset then, and the
//! archive seems to be damaged. [`open`] therefore computes the archive offset and passes it to the crate. See
//! `docs/zip-crate.md`.

use std::io::{Read, Seek, SeekFrom};

use zip::read::{ArchiveOffset, Config, ZipArchive};
use zip::result::{ZipError, ZipResult};

/// Length of the end of central directory record without its comment.
const END: usize = 22;
/// Length of the zip64 end of central directory locator.
const LOCATOR: usize = 20;
/// Length of the zip64 end of central directory record without its extensible data.
const END64: usize = 56;
/// Number of bytes at the end of a file that contain the records: a comment has at most 65,535 bytes, and the `zip`
/// crate looks some bytes further back.
const TAIL: usize = (1 << 16) + 64 + LOCATOR + END64;

/// What the records at the end of a zip file state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Number of directory entries. If there are several records, it is the largest number that any of them states: the
    /// `zip` crate tries the previous record if the last one is damaged, and allocates memory for the entries before it
    /// reads them.
    pub entries: u64,
    /// Number of bytes that precede the archive. `None` if the stated length and offset of the directory do not fit
    /// into the file.
    pub offset: Option<u64>,
}

/// Opens an archive. A caller that must bound the memory for entries checks [`End::entries`] first.
///
/// # Errors
/// [`ZipError::InvalidArchive`] if there is no end record, or if it does not agree with the file.
pub fn open<R: Read + Seek>(mut reader: R) -> ZipResult<ZipArchive<R>> {
    let offset = find_end(&mut reader)?.offset;
    let config = |offset| Config { archive_offset: ArchiveOffset::Known(offset) };
    match offset {
        Some(offset @ 1..) => match ZipArchive::with_config(config(offset), &mut reader) {
            Ok(_) => ZipArchive::with_config(config(offset), reader),
            // There is other data between the directory and the end record, and none before the archive.
            Err(error) => ZipArchive::with_config(config(0), reader).map_err(|_| error),
        },
        Some(0) | None => ZipArchive::with_config(config(0), reader),
    }
}

/// Reads the last end record.
///
/// # Errors
/// [`ZipError::InvalidArchive`] if there is none.
pub fn find_end(reader: &mut (impl Read + Seek)) -> ZipResult<End> {
    let len = reader.seek(SeekFrom::End(0))?;
    let tail_start = len.saturating_sub(TAIL as u64);
    reader.seek(SeekFrom::Start(tail_start))?;
    let mut tail = Vec::new();
    reader.by_ref().take(len - tail_start).read_to_end(&mut tail)?;
    let mut end = end_of(&tail, tail_start).ok_or(ZipError::InvalidArchive("it has no end record".into()))?;
    // The `zip` crate looks for zip64 records at the offset in any locator, counted from the start of the file and from
    // the start of the archive.
    for at in LOCATOR..tail.len() {
        if !tail[at..].starts_with(b"PK\x05\x06") || !tail[at - LOCATOR..].starts_with(b"PK\x06\x07") {
            continue;
        }
        let Some(place) = u64_at(&tail, at - LOCATOR + 8) else { continue };
        for place in [place, place.saturating_add(end.offset.unwrap_or(0))] {
            let mut record = Vec::new();
            reader.seek(SeekFrom::Start(place.min(len)))?;
            reader.by_ref().take(END64 as u64).read_to_end(&mut record)?;
            if record.starts_with(b"PK\x06\x06") {
                end.entries = end.entries.max(u64_at(&record, 32).unwrap_or(0));
            }
        }
    }
    Ok(end)
}

/// Reads the end record in `tail`, the last bytes of a file, which begin at `tail_start`.
fn end_of(tail: &[u8], tail_start: u64) -> Option<End> {
    // A record without a comment at the very end comes first, as in Python: a comment may hold anything.
    let last = tail.len().checked_sub(END)?;
    let is_end = |at: usize| tail[at..].starts_with(b"PK\x05\x06");
    let is_plain_end = is_end(last) && u16_at(tail, last + 20) == Some(0);
    let at = if is_plain_end { last } else { (0..=last).rev().find(|&at| is_end(at))? };
    let (mut entries, mut size, mut start) =
        (u16_at(tail, at + 10)?.into(), u32_at(tail, at + 12)?.into(), u32_at(tail, at + 16)?.into());
    let mut directory_end = at;
    if let Some(record) = find_end64(tail, at) {
        (entries, size, start) = (u64_at(tail, record + 32)?, u64_at(tail, record + 40)?, u64_at(tail, record + 48)?);
        directory_end = record;
    }
    let directory_end = tail_start + directory_end as u64;
    let offset = directory_end.checked_sub(size).and_then(|rest| rest.checked_sub(start));
    Some(End { entries, offset })
}

/// Returns the position of the zip64 end record in `tail`, if one and its locator stand before the end record at `end`.
fn find_end64(tail: &[u8], end: usize) -> Option<usize> {
    let locator = end.checked_sub(LOCATOR)?;
    if !tail[locator..].starts_with(b"PK\x06\x07") {
        return None;
    }
    let last = locator.checked_sub(END64)?;
    // The length in a record does not count the first 12 bytes.
    let ends_there =
        |&at: &usize| tail[at..].starts_with(b"PK\x06\x06") && u64_at(tail, at + 4) == Some((locator - at - 12) as u64);
    (0..=last).rev().find(ends_there)
}

/// Returns N bytes from `at` on, if there are so many.
fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes_at(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes_at(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes_at(bytes, at).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// An archive as PyTorch writes it: stored entries, and zip64 records although no number needs them.
    fn zip64_archive(prefix: &[u8], names: &[String], comment: &[u8], extensible: &[u8]) -> Vec<u8> {
        let (mut file, mut directory) = (Vec::new(), Vec::new());
        for name in names {
            let sizes = [&0xcbf4_3926_u32.to_le_bytes()[..], &9_u32.to_le_bytes(), &9_u32.to_le_bytes()].concat();
            let lengths = [&(name.len() as u16).to_le_bytes()[..], &[0; 2]].concat();
            let versions = [20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
            directory.extend([b"PK\x01\x02", &[20, 0][..], &versions, &sizes, &lengths, &[0; 10]].concat());
            directory.extend((file.len() as u32).to_le_bytes());
            directory.extend(name.as_bytes());
            file.extend([b"PK\x03\x04", &versions[..], &sizes, &lengths, name.as_bytes(), b"123456789"].concat());
        }
        let (start, size, count) = (file.len() as u64, directory.len() as u64, names.len() as u64);
        let end64 = start + size;
        file.extend(directory);
        file.extend(
            [b"PK\x06\x06", &(44 + extensible.len() as u64).to_le_bytes()[..], &[45, 0, 45, 0], &[0; 8]].concat(),
        );
        file.extend([count, count, size, start].map(u64::to_le_bytes).concat());
        file.extend(extensible);
        file.extend([b"PK\x06\x07", &[0; 4][..], &end64.to_le_bytes(), &1_u32.to_le_bytes()].concat());
        file.extend([b"PK\x05\x06", &[0; 4][..], &[count as u16; 2].map(u16::to_le_bytes).concat()].concat());
        file.extend([size as u32, start as u32].map(u32::to_le_bytes).concat());
        file.extend((comment.len() as u16).to_le_bytes());
        [prefix, &file, comment].concat()
    }

    fn names(first: usize) -> Vec<String> {
        vec!["a".repeat(first), "second".to_owned(), "third".to_owned()]
    }

    fn check(file: Vec<u8>, names: &[String]) {
        let mut archive = open(Cursor::new(file)).unwrap();
        let found: Vec<_> = archive.file_names_raw().map(|name| String::from_utf8(name.to_owned()).unwrap()).collect();
        assert_eq!(found, names);
        for name in names {
            let mut content = String::new();
            archive.by_name(name).unwrap().read_to_string(&mut content).unwrap();
            assert_eq!(content, "123456789");
        }
    }

    #[test]
    fn zip64_records_do_not_shift_the_directory_whatever_the_length_of_the_first_name() {
        for first in 1..=120 {
            check(zip64_archive(b"", &names(first), b"", b""), &names(first));
        }
    }

    #[test]
    fn what_precedes_and_follows_an_archive_does_not_matter() {
        for first in [7, 30, 106] {
            for prefix in [&b"x"[..], &[b'#'; 76], &[0; 100_000]] {
                check(zip64_archive(prefix, &names(first), b"", b""), &names(first));
            }
            check(zip64_archive(b"", &names(first), b"a comment", b""), &names(first));
            check(zip64_archive(b"MZ", &names(first), &[b'c'; 65_535], b""), &names(first));
            check(zip64_archive(b"MZ", &names(first), b"", &[1, 0, 0, 0, 0, 0]), &names(first));
            // A second archive of the same form before it.
            let other = zip64_archive(b"", &["b".repeat(first), "second".to_owned(), "third".to_owned()], b"", b"");
            check(zip64_archive(&other, &names(first), b"", b""), &names(first));
        }
    }

    #[test]
    fn the_end_is_reported_and_never_out_of_the_file() {
        let file = zip64_archive(b"prefix", &names(30), b"", b"");
        assert_eq!(find_end(&mut Cursor::new(&file)).unwrap(), End { entries: 3, offset: Some(6) });
        for cut in 0..file.len() {
            assert!(open(Cursor::new(&file[..cut])).is_err(), "cut at {cut}");
        }
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 0xff;
            let _ = open(Cursor::new(damaged));
        }
        assert!(find_end(&mut Cursor::new(b"")).is_err());
        let empty = zip64_archive(b"", &[], b"", b"");
        assert!(open(Cursor::new(empty)).unwrap().is_empty());
    }
}
