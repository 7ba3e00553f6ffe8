//! The files of a data set: in a folder, a .zip or a .tar, which is read in place.
//!
//! # Which files
//! Every regular file at any depth is an [`Item`]. Whether it is a picture depends on its content, not on its name.
//! Files and folders whose name starts with a dot are ignored. Nothing is written, and entries whose names lead out of
//! the archive are refused.
//!
//! # Order
//! `ImageFolder` sorts the class folders, and under each one takes `sorted(os.walk(class, followlinks=True))` and,
//! in every folder of that walk, `sorted(fnames)`. So the order is that of
//!
//! 1. the class: the first folder in the path;
//! 2. the path of the file's folder, compared as one string. Files directly in a folder therefore precede those in
//!    its subfolders, and `a/b-c` precedes `a/b/c`, because `-` sorts before `/`;
//! 3. the file's name.
//!
//! Strings compare by their bytes, which for UTF-8 is Python's order by code points. Pictures directly in the given
//! folder, which `ImageFolder` does not see, have the empty class and come first. An archive's order is that of its
//! contents when unpacked; if two entries have the same name, the later one is used.

mod archive_file;
mod folder;
mod listing;
mod stamp;
mod tar;
mod zip;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use self::archive_file::ArchiveFile;
use self::listing::image_folder_order;
pub(crate) use self::listing::kind_of;
pub use self::listing::{EXTENSIONS, Item, Listing};
pub(crate) use self::stamp::Stamp;
use crate::decode::DecodeError;
use crate::decode::{Content, HEAD_BYTES, identify};
use crate::error::{DataError, SkipReason};
use crate::limits::MAX_FILE_BYTES;

/// The files of a data set on disk: a folder, a zip or a tar.
#[derive(Debug)]
pub struct FileSource {
    root: PathBuf,
    kind: Kind,
    /// Its files, in the order of the data set.
    pub listing: Listing,
}

#[derive(Debug)]
enum Kind {
    Folder,
    Zip(zip::Archive),
    Tar(ArchiveFile),
}

impl FileSource {
    /// Opens the folder, zip or tar at `path` and lists its files. None of them is read.
    ///
    /// # Errors
    /// If there is nothing at `path`, or it cannot be read, or it is neither a folder nor an archive of these kinds.
    pub fn open(path: &Path) -> Result<FileSource, DataError> {
        let unreadable = |source: io::Error| match source.kind() {
            // A file with something below it is no more there than one that is missing.
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => DataError::NotFound(path.to_owned()),
            _ => DataError::Unreadable { path: path.to_owned(), source },
        };
        let metadata = fs::metadata(path).map_err(unreadable)?;
        let (kind, mut listing) = if metadata.is_dir() {
            (Kind::Folder, folder::list(path)?)
        } else if metadata.is_file() {
            let file = ArchiveFile::new(File::open(path).map_err(unreadable)?, metadata.len());
            let stamp = Stamp::of(&metadata);
            match archive_kind(path, &mut file.clone()).map_err(unreadable)? {
                ArchiveKind::Zip => {
                    let (archive, listing) = zip::open(path, file, stamp)?;
                    (Kind::Zip(archive), listing)
                }
                ArchiveKind::Tar => {
                    let listing = tar::list(path, &file, stamp)?;
                    (Kind::Tar(file), listing)
                }
                ArchiveKind::None(what) => return Err(DataError::NotADataSet { path: path.to_owned(), what }),
            }
        } else {
            return Err(DataError::NotADataSet { path: path.to_owned(), what: "a pipe, socket or device" });
        };
        listing.items.sort_by(|a, b| image_folder_order(path, &a.path, &b.path));
        // Of an archive's entries with one name the last one counts, as when it is unpacked; the sort has kept them in
        // their order.
        listing.items.dedup_by(|later, earlier| {
            let is_same = later.path == earlier.path;
            if is_same {
                std::mem::swap(later, earlier);
            }
            is_same
        });
        listing.skipped.sort_by(|a, b| image_folder_order(path, &a.path, &b.path));
        Ok(FileSource { root: path.to_owned(), kind, listing })
    }

    /// Returns the path of the folder or archive.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the bytes of a file that starts like a picture, and `None` for a file that neither starts like a picture
    /// nor has the extension of one. Of the latter no more than the start is read.
    ///
    /// # Errors
    /// If the file has the extension of a picture and other content, is longer than
    /// [`MAX_FILE_BYTES`](crate::MAX_FILE_BYTES), or cannot be read.
    pub fn read(&self, item: &Item) -> Result<Option<Vec<u8>>, SkipReason> {
        match &self.kind {
            Kind::Folder => read_picture(&mut File::open(&item.path)?, item, MAX_FILE_BYTES),
            Kind::Zip(archive) => {
                zip::with_entry(archive, item.place, |entry| read_picture(entry, item, item.len.min(MAX_FILE_BYTES)))
            }
            Kind::Tar(file) => {
                let mut entry = file.part(item.place, item.len);
                read_picture(&mut entry, item, MAX_FILE_BYTES)
            }
        }
    }
}

/// See [`FileSource::read`]. `limit` is the number of bytes that the file may have.
fn read_picture(mut file: &mut dyn Read, item: &Item, limit: u64) -> Result<Option<Vec<u8>>, SkipReason> {
    let mut bytes = Vec::new();
    (&mut file).take(HEAD_BYTES as u64).read_to_end(&mut bytes)?;
    match identify(&bytes) {
        Content::Unknown if !item.has_picture_extension => return Ok(None),
        Content::Unknown if bytes.is_empty() => return Err(DecodeError::Empty.into()),
        Content::Unknown => return Err(DecodeError::NotAPicture.into()),
        Content::OtherPicture(name) => return Err(DecodeError::OtherFormat(name.to_owned()).into()),
        Content::Picture(_) => {}
    }
    if item.len > MAX_FILE_BYTES {
        return Err(SkipReason::FileTooLarge(item.len));
    }
    let expected = usize::try_from(item.len).unwrap_or(0).saturating_sub(bytes.len());
    bytes.try_reserve_exact(expected).map_err(io::Error::from)?;
    // The length may be a lie, or the file may be growing.
    file.take(limit.saturating_sub(bytes.len() as u64) + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 {
        len if len <= limit => Ok(Some(bytes)),
        len if len > MAX_FILE_BYTES => Err(SkipReason::FileTooLarge(len)),
        _ => Err(SkipReason::Entry("it is longer than the archive says".to_owned())),
    }
}

enum ArchiveKind {
    Zip,
    Tar,
    /// What it is instead.
    None(&'static str),
}

/// Tells archives by their content, and by their names where that is not clear.
fn archive_kind(path: &Path, file: &mut ArchiveFile) -> io::Result<ArchiveKind> {
    let mut head = Vec::new();
    file.take(512).read_to_end(&mut head)?;
    let named = |extension: &str| path.extension().is_some_and(|own| own.eq_ignore_ascii_case(extension));
    Ok(match head.as_slice() {
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => ArchiveKind::Zip,
        [0x1f, 0x8b, ..]
        | [b'B', b'Z', b'h', ..]
        | [0xfd, b'7', b'z', b'X', b'Z', ..]
        | [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            ArchiveKind::None("compressed as a whole, so that its pictures cannot be read one by one")
        }
        [b'7', b'z', 0xbc, 0xaf, ..] | [b'R', b'a', b'r', b'!', ..] => ArchiveKind::None("an archive of another kind"),
        bytes if bytes.get(257..262) == Some(b"ustar") => ArchiveKind::Tar,
        bytes if matches!(identify(bytes), Content::Picture(_)) => ArchiveKind::None("a single picture"),
        _ if named("zip") => ArchiveKind::Zip,
        _ if named("tar") => ArchiveKind::Tar,
        _ => ArchiveKind::None("a file"),
    })
}
