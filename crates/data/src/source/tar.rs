//! The entries of a tar, by the `tar` crate.

use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use tar::{Archive, EntryType};

use super::archive_file::ArchiveFile;
use super::{EntryPath, Item, Listing, MAX_FILE_BYTES, Stamp, entry_path, is_named_like_a_picture};
use crate::error::{DataError, SkipReason, Skipped};

pub(super) fn list(path: &Path, file: &ArchiveFile, stamp: Stamp) -> Result<Listing, DataError> {
    let broken = |error: io::Error| DataError::BrokenArchive { path: path.to_owned(), detail: error.to_string() };
    let mut archive = Archive::new(Headers { file: file.clone(), left: MAX_FILE_BYTES });
    let mut listing = Listing::default();
    // By the name in the archive: where the content is, and how long. Tar stores a file that has two names once.
    let mut contents = HashMap::new();
    for entry in archive.entries_with_seek().map_err(broken)? {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if listing.items.is_empty() => return Err(broken(error)),
            // What came before the damage is as good as ever.
            Err(error) => {
                let reason = SkipReason::Entry(format!("it is broken after {} files: {error}", listing.items.len()));
                listing.skipped.push(Skipped { path: path.to_owned(), reason });
                break;
            }
        };
        let entry_type = entry.header().entry_type();
        if matches!(entry_type, EntryType::Directory | EntryType::XGlobalHeader) {
            continue;
        }
        let Ok(name) = entry.path() else { continue };
        let inside = match entry_path(&name) {
            EntryPath::Hidden => continue,
            EntryPath::Outside => {
                let path = path.join(name.strip_prefix("/").unwrap_or(&name));
                listing.skipped.push(Skipped { path, reason: SkipReason::OutsideArchive });
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
        let (path, named) = (path.join(&inside), is_named_like_a_picture(&inside));
        match content {
            Some((place, len)) => {
                contents.insert(inside, (place, len));
                listing.items.push(Item { path, named, len, stamp, place });
            }
            None if named => listing.skipped.push(Skipped { path, reason: SkipReason::NotAFile }),
            None => listing.count_other(&path),
        }
    }
    Ok(listing)
}

/// An archive whose contents are passed over. A header may claim a name as long as the archive, and names are read into memory.
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
