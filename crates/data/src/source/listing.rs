//! The files of a data set, in their order.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use super::stamp::Stamp;
use crate::error::SkippedFile;

/// The extensions of pictures, compared without regard to letter case. A file with one of them is reported if it is not
/// a picture.
pub const EXTENSIONS: [&str; 21] = [
    "png", "apng", "jpg", "jpeg", "jpe", "jfif", "webp", "gif", "bmp", "dib", "tif", "tiff", "pnm", "pgm", "ppm",
    "pbm", "pam", "pfm", "avif", "heic", "jxl",
];

/// The files of a data set.
#[derive(Debug, Default)]
pub struct Listing {
    /// Regular files, in the order that the module [`source`](crate::source) describes. None has been opened yet.
    pub items: Vec<Item>,
    /// Paths with the extension of a picture that cannot be one, and folders that cannot be read, in the same order.
    pub skipped: Vec<SkippedFile>,
    /// Number of other paths that are not regular files, such as links to nothing.
    pub other_files: usize,
    /// Number of these by extension, in lower case and with its dot; without an extension, the key is empty.
    pub other_kinds: BTreeMap<String, usize>,
    /// One of these paths, for messages: the first in the order of strings.
    pub example: Option<PathBuf>,
}

/// A file of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Path of the file; for an entry of an archive, the archive's path joined with the entry's name.
    pub path: PathBuf,
    /// Whether the path has one of [`EXTENSIONS`].
    pub has_picture_extension: bool,
    /// Length of the file in bytes.
    pub len: u64,
    /// Times and length by which a change of the file is noticed.
    pub(crate) stamp: Stamp,
    /// In a zip, the index of the entry; in a tar, the position of its content in bytes; in a folder, 0.
    pub(super) place: u64,
}

impl Listing {
    /// Returns the number of files that are probably pictures: those with the extension of a picture and those without
    /// any.
    pub fn likely_pictures(&self) -> usize {
        self.items.iter().filter(|item| item.has_picture_extension || item.path.extension().is_none()).count()
    }

    /// Counts a path that is not a regular file.
    pub(super) fn count_other(&mut self, path: &Path) {
        self.other_files += 1;
        *self.other_kinds.entry(kind_of(path)).or_default() += 1;
        // The least, so that the message does not depend on the order of the walk.
        if self.example.as_deref().is_none_or(|example| path < example) {
            self.example = Some(path.to_owned());
        }
    }
}

/// Returns the extension of a file in lower case and with its dot, such as ".svg"; an empty string if it has none.
pub(crate) fn kind_of(path: &Path) -> String {
    path.extension().map_or(String::new(), |extension| format!(".{}", extension.to_string_lossy().to_lowercase()))
}

/// Whether a path has one of [`EXTENSIONS`].
pub(super) fn has_picture_extension(path: &Path) -> bool {
    path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// Whether a name starts with a dot.
pub(super) fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Result of [`entry_path`].
pub(super) enum EntryPath {
    /// A path below the folder that the archive is unpacked into.
    Inside(PathBuf),
    /// The file or one of its folders is hidden, or its name is empty.
    Hidden,
    /// A path outside of that folder.
    Outside,
}

/// Resolves the name of an archive's entry: drops a root, a drive and "." as unpacking programs do.
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

/// Compares two files of the data set at `root` in the order that the module [`source`](crate::source) describes.
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
