//! The entries of a tar, by the `tar` crate.

use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use tar::{Archive, EntryType, Header};

use super::archive_file::ArchiveFile;
use super::listing::{EntryPath, Item, Listing, entry_path, has_picture_extension};
use super::stamp::Stamp;
use crate::error::{DataError, SkipReason, SkippedFile};
use crate::limits::MAX_FILE_BYTES;

/// Lists the files of a tar whose file has this stamp, in no order.
pub(super) fn list(path: &Path, file: &ArchiveFile, stamp: Stamp) -> Result<Listing, DataError> {
    let broken = |error: io::Error| DataError::BrokenArchive { path: path.to_owned(), detail: error.to_string() };
    let mut archive = Archive::new(Headers { file: file.clone(), left: MAX_FILE_BYTES });
    let mut listing = Listing::default();
    // By the name in the archive: where the content is, and how long. Tar stores a file that has two names once.
    let mut contents = HashMap::new();
    // Where the last entry's content ends; the next header, or the mark of the end, comes at the next multiple of a
    // block.
    let mut end = 0;
    let mut failure = None;
    for entry in archive.entries_with_seek().map_err(broken)? {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if listing.items.is_empty() => return Err(broken(error)),
            // What came before the damage is as good as ever.
            Err(error) => {
                failure = Some(error);
                break;
            }
        };
        let stored =
            if entry.header().entry_type().is_gnu_sparse() { entry.header().entry_size() } else { Ok(entry.size()) };
        end = entry.raw_file_position().saturating_add(stored.unwrap_or(0));
        let entry_type = entry.header().entry_type();
        if matches!(entry_type, EntryType::Directory | EntryType::XGlobalHeader) {
            continue;
        }
        let Ok(name) = entry.path() else { continue };
        let inside = match entry_path(&name) {
            EntryPath::Hidden => continue,
            EntryPath::Outside => {
                let path = path.join(name.strip_prefix("/").unwrap_or(&name));
                listing.skipped.push(SkippedFile { path, reason: SkipReason::OutsideArchive });
                continue;
            }
            EntryPath::Inside(inside) => inside,
        };
        let content = match entry_type {
            EntryType::Regular | EntryType::Continuous => Some((entry.raw_file_position(), entry.size())),
            EntryType::Link => entry.link_name().ok().flatten().and_then(|target| match entry_path(&target) {
                EntryPath::Inside(target) => contents.get(&target).copied(),
                _ => None,
            }),
            _ => None,
        };
        let (path, has_picture_extension) = (path.join(&inside), has_picture_extension(&inside));
        match content {
            Some((place, len)) => {
                contents.insert(inside, (place, len));
                listing.items.push(Item { path, has_picture_extension, len, stamp, place });
            }
            None if has_picture_extension => listing.skipped.push(SkippedFile { path, reason: SkipReason::NotAFile }),
            None => listing.count_other(&path),
        }
    }
    let files = listing.items.len();
    let reason = match failure {
        _ if ends_early(file, end).map_err(broken)? => Some(SkipReason::EndsEarly { files }),
        failure => failure.map(|error| SkipReason::Entry(format!("it is broken after {files} files: {error}"))),
    };
    listing.skipped.extend(reason.map(|reason| SkippedFile { path: path.to_owned(), reason }));
    Ok(listing)
}

/// Whether an archive ends before its mark, a block of zeros. `end` is where the content of the last whole entry ends:
/// what follows it may be headers of an entry that is not there.
fn ends_early(file: &ArchiveFile, end: u64) -> io::Result<bool> {
    const BLOCK: u64 = 512;
    let mut at = end;
    loop {
        let Some(start) = at.checked_next_multiple_of(BLOCK) else { return Ok(true) };
        let mut header = Header::new_old();
        let mut block = file.part(start, BLOCK);
        match block.read_exact(header.as_mut_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(true),
            other => other?,
        }
        if header.as_bytes().iter().all(|&byte| byte == 0) {
            return Ok(false);
        }
        // What is damaged does not tell where it ends.
        let sum: u32 = header.as_bytes().iter().map(|&byte| u32::from(byte)).sum();
        let own: u32 = header.as_bytes()[148..156].iter().map(|&byte| u32::from(byte)).sum();
        let is_sound = header.cksum().is_ok_and(|cksum| cksum == sum - own + 8 * u32::from(b' '));
        let Ok(size) = header.entry_size() else { return Ok(false) };
        if !is_sound {
            return Ok(false);
        }
        at = start.saturating_add(BLOCK).saturating_add(size);
    }
}

/// An archive whose contents are passed over. A header may claim a name as long as the archive, and names are read into
/// memory.
struct Headers {
    file: ArchiveFile,
    left: u64,
}

impl Read for Headers {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(out)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| io::Error::other("its names are too long"))?;
        Ok(read)
    }
}

impl Seek for Headers {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.left = MAX_FILE_BYTES;
        self.file.seek(to)
    }
}
