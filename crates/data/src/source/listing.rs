//! The files of a data set, in their order.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use super::stamp::Stamp;
use crate::error::Skipped;

/// The extensions of pictures, compared without regard to letter case. A file with one of them that holds no picture is
/// worth a word.
pub const EXTENSIONS: [&str; 21] = [
    "png", "apng", "jpg", "jpeg", "jpe", "jfif", "webp", "gif", "bmp", "dib", "tif", "tiff", "pnm", "pgm", "ppm",
    "pbm", "pam", "pfm", "avif", "heic", "jxl",
];

/// The files of a data set.
#[derive(Debug, Default)]
pub struct Listing {
    /// Regular files, in the order that this module describes. None has been opened yet.
    pub items: Vec<Item>,
    /// What is named like a picture and cannot be any, and folders that cannot be read, in the same order.
    pub skipped: Vec<Skipped>,
    /// How many other things there are that are no files.
    pub other_files: usize,
    /// How many of them have which extension.
    pub other_kinds: BTreeMap<String, usize>,
    /// One of them.
    pub example: Option<PathBuf>,
}

/// A file of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its path; of an entry in an archive, the archive's path and the entry's name.
    pub path: PathBuf,
    /// Whether it has one of [`EXTENSIONS`].
    pub named: bool,
    /// Its length in bytes.
    pub len: u64,
    /// What changes when the file does.
    pub(crate) stamp: Stamp,
    /// Where it is in its archive.
    pub(super) place: u64,
}

impl Listing {
    /// Number of files that are probably pictures: those that are named like one and those without an extension.
    pub fn likely_pictures(&self) -> usize {
        self.items.iter().filter(|item| item.named || item.path.extension().is_none()).count()
    }

    pub(super) fn count_other(&mut self, path: &Path) {
        self.other_files += 1;
        *self.other_kinds.entry(kind_of(path)).or_default() += 1;
        // The least, so that the message does not depend on the order of the walk.
        if self.example.as_deref().is_none_or(|example| path < example) {
            self.example = Some(path.to_owned());
        }
    }
}

/// The extension of a file in lower case, as ".svg"; nothing if it has none.
pub(crate) fn kind_of(path: &Path) -> String {
    path.extension().map_or(String::new(), |extension| format!(".{}", extension.to_string_lossy().to_lowercase()))
}

pub(super) fn is_named_like_a_picture(path: &Path) -> bool {
    path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

pub(super) fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// The path within its archive that an entry's name means.
pub(super) enum EntryPath {
    Inside(PathBuf),
    /// It or one of its folders is hidden, or it has no name at all.
    Hidden,
    /// It would lie outside of the folder that the archive is unpacked into.
    Outside,
}

pub(super) fn entry_path(name: &Path) -> EntryPath {
    let mut path = PathBuf::new();
    let mut outside = false;
    for component in name.components() {
        match component {
            Component::Normal(part) if is_hidden(part) => return EntryPath::Hidden,
            Component::Normal(part) => path.push(part),
            Component::ParentDir => outside = true,
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    match path.as_os_str().is_empty() {
        _ if outside => EntryPath::Outside,
        true => EntryPath::Hidden,
        false => EntryPath::Inside(path),
    }
}

pub(super) fn image_folder_order(root: &Path, a: &Path, b: &Path) -> Ordering {
    fn key<'a>(root: &Path, path: &'a Path) -> (&'a [u8], &'a [u8], &'a [u8]) {
        let relative = path.strip_prefix(root).unwrap_or(path);
        let folder = relative.parent().unwrap_or(Path::new(""));
        let class = folder.components().next().map_or(OsStr::new(""), |first| first.as_os_str());
        let name = relative.file_name().unwrap_or_default();
        (class.as_encoded_bytes(), folder.as_os_str().as_encoded_bytes(), name.as_encoded_bytes())
    }
    key(root, a).cmp(&key(root, b))
}
