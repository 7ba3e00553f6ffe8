//! A zip read in place, by the `zip` crate.

use std::io::Read;
use std::path::{Path, PathBuf};

use zip::read::ZipArchive;

use super::archive_file::ArchiveFile;
use super::{EntryPath, Item, Listing, Stamp, entry_path, is_named_like_a_picture};
use crate::error::{DataError, SkipReason, Skipped};

pub(super) type Archive = ZipArchive<ArchiveFile>;

pub(super) fn open(path: &Path, file: ArchiveFile, stamp: Stamp) -> Result<(Archive, Listing), DataError> {
    let broken =
        |error: zip::result::ZipError| DataError::BrokenArchive { path: path.to_owned(), detail: error.to_string() };
    let archive = ZipArchive::new(file).map_err(broken)?;
    let mut listing = Listing::default();
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index).map_err(broken)?;
        if entry.is_dir() {
            continue;
        }
        let name = match std::str::from_utf8(entry.name_raw()) {
            Ok(name) => name.to_owned(),
            // In the archive's own code page.
            Err(_) => {
                entry.name().map_or_else(|_| String::from_utf8_lossy(entry.name_raw()).into_owned(), |n| n.into_owned())
            }
        };
        // Some programs on Windows separate folders in their own way.
        let name = if name.contains('/') { name } else { name.replace('\\', "/") };
        let skip = |path: PathBuf, reason| Skipped { path, reason };
        match entry_path(Path::new(&name)) {
            EntryPath::Hidden => {}
            EntryPath::Outside => {
                listing.skipped.push(skip(path.join(name.trim_start_matches('/')), SkipReason::OutsideArchive))
            }
            EntryPath::Inside(inside) => {
                let (path, named) = (path.join(inside), is_named_like_a_picture(Path::new(&name)));
                let readable = !entry.is_symlink() && !entry.encrypted();
                match readable {
                    true => listing.items.push(Item { path, named, len: entry.size(), stamp, place: index as u64 }),
                    false if !named => listing.count_other(&path),
                    false if entry.encrypted() => {
                        listing.skipped.push(skip(path, SkipReason::Entry("it is encrypted".to_owned())))
                    }
                    false => listing.skipped.push(skip(path, SkipReason::NotAFile)),
                }
            }
        }
    }
    Ok((archive, listing))
}

/// Hands the content of an entry to `read`.
pub(super) fn with_entry<T>(
    archive: &Archive,
    index: u64,
    read: impl FnOnce(&mut dyn Read) -> Result<T, SkipReason>,
) -> Result<T, SkipReason> {
    // A clone has a position of its own and shares the list of entries.
    let mut archive = archive.clone();
    let mut entry = archive.by_index(index as usize).map_err(|error| SkipReason::Entry(error.to_string()))?;
    read(&mut entry)
}
