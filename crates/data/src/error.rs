//! Errors of a data set, and reasons why a file in it is skipped.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::decode::DecodeError;
use crate::limits::{MAX_FILE_BYTES, MAX_SIZE};

/// Error returned when a data set cannot be loaded or read. Each message is one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// There is no file or folder at this path.
    #[error("{0:?} does not exist: check the path")]
    NotFound(PathBuf),

    /// The path is neither a folder nor an archive.
    #[error("{path:?} is {what}: give a folder of pictures, or a .zip or .tar of them")]
    NotADataSet {
        /// The path.
        path: PathBuf,
        /// What the path is instead, for the message.
        what: &'static str,
    },

    /// The folder or archive cannot be read.
    #[error("{path:?} cannot be read ({source}): check its permissions")]
    Unreadable {
        /// The folder or archive.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },

    /// The archive's list of entries is damaged.
    #[error("the archive {path:?} is broken ({detail}): copy or download it again")]
    BrokenArchive {
        /// The archive.
        path: PathBuf,
        /// The reader's reason.
        detail: String,
    },

    /// There are no images at any depth.
    #[error("there are no pictures in {path:?}: {}", no_pictures(*other_files, example.as_deref()))]
    NoPictures {
        /// The folder or archive.
        path: PathBuf,
        /// How many files of other kinds there are.
        other_files: usize,
        /// One of them.
        example: Option<PathBuf>,
    },

    /// None of the images can be used.
    #[error("none of the {} pictures in {path:?} can be used: {}", skipped.len(), first_few(skipped))]
    AllSkipped {
        /// The folder or archive.
        path: PathBuf,
        /// All images, each with its reason.
        skipped: Vec<SkippedFile>,
    },

    /// There are fewer files than [`LoadOptions::min_files`](crate::LoadOptions::min_files).
    #[error(
        "{path:?} has {files} files, and a batch needs {wanted} pictures: add pictures, or choose a batch size of {files} or less (--batch-size)"
    )]
    TooFew {
        /// The folder or archive.
        path: PathBuf,
        /// Number of files in it, images or not.
        files: usize,
        /// Number of images that are needed.
        wanted: usize,
    },

    /// The size to resize images to is out of range.
    #[error("pictures cannot be made {0} x {0}: choose a size from 1 to {MAX_SIZE}")]
    Size(usize),

    /// The cache file was changed after it was opened, or reading it failed.
    #[error(
        "the cache of decoded pictures, {path:?}, cannot be read any more ({source}): \
         start again, which writes what is damaged anew"
    )]
    CacheChanged {
        /// The cache's file.
        path: PathBuf,
        /// What is wrong with it, or the error of the operating system.
        source: io::Error,
    },

    /// The resized images do not fit in memory.
    #[error(
        "{pictures} pictures of {size} x {size} x {channels} need {} of memory, which cannot be had: \
         use fewer pictures, a smaller image size, or the cache", mebibytes(*pictures, *size, *channels)
    )]
    OutOfMemory {
        /// Number of images.
        pictures: usize,
        /// Their height and width in pixels.
        size: usize,
        /// Bytes per pixel.
        channels: usize,
    },
}

/// A file that was skipped, and the reason. Displays as `"path": reason`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path:?}: {reason}")]
pub struct SkippedFile {
    /// The file or folder; of an entry in an archive, the archive's path and the entry's name.
    pub path: PathBuf,
    /// Why it was skipped.
    #[source]
    pub reason: SkipReason,
}

/// Reason why one file or folder was skipped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum SkipReason {
    /// A pipe, socket or device with the extension of an image. It was not opened.
    #[error("it is not a regular file")]
    NotAFile,

    /// A symbolic link to nothing.
    #[error("it is a link to nothing")]
    BrokenLink,

    /// The file has more bytes than [`MAX_FILE_BYTES`](crate::MAX_FILE_BYTES).
    #[error("its {0} bytes are more than the limit of {limit} MiB", limit = MAX_FILE_BYTES >> 20)]
    FileTooLarge(u64),

    /// An entry of an archive whose name leads out of it.
    #[error("its name leads out of the archive")]
    OutsideArchive,

    /// An entry of an archive that is damaged or stored in an unsupported way.
    #[error("it cannot be taken out of the archive ({0})")]
    Entry(String),

    /// The file cannot be read.
    #[error("it cannot be read ({0})")]
    Io(String),

    /// The image cannot be decoded.
    #[error(transparent)]
    Decode(#[from] DecodeError),

    /// A tar without the mark at its end: it was not written or copied completely.
    #[error("the archive ends early, after {files} files, and whatever followed is missing: copy or download it again")]
    EndsEarly {
        /// Number of files in it; the last one may be incomplete.
        files: usize,
    },
}

impl SkipReason {
    /// Whether the reason depends on the bytes of the file alone, so that it holds as long as they do not change.
    /// Errors of the operating system can change without them.
    pub(crate) fn is_about_content(&self) -> bool {
        matches!(
            self,
            SkipReason::FileTooLarge(_) | SkipReason::Decode(_) | SkipReason::Entry(_) | SkipReason::EndsEarly { .. }
        )
    }
}

impl From<io::Error> for SkipReason {
    fn from(error: io::Error) -> SkipReason {
        SkipReason::Io(error.to_string())
    }
}

/// Returns the part of a message that says what a data set without images holds instead.
fn no_pictures(other_files: usize, example: Option<&Path>) -> String {
    let wanted = "it takes PNG, JPEG, WebP, GIF, BMP, TIFF or PNM files, in subfolders too";
    match (other_files, example) {
        (0, _) | (_, None) => format!("it holds no files; {wanted}"),
        (1, Some(file)) => format!("it holds only {:?}; {wanted}", file.file_name().unwrap_or_default()),
        (n, Some(file)) => {
            format!("its {n} files are of other kinds, like {:?}; {wanted}", file.file_name().unwrap_or_default())
        }
    }
}

/// Returns the first skipped files with their reasons, and the number of the others.
fn first_few(skipped: &[SkippedFile]) -> String {
    const FEW: usize = 3;
    let mut text = skipped.iter().take(FEW).map(SkippedFile::to_string).collect::<Vec<_>>().join("; ");
    if skipped.len() > FEW {
        text += &format!("; and {} more", skipped.len() - FEW);
    }
    text
}

/// Returns the size of resized images in MiB, for messages.
fn mebibytes(pictures: usize, size: usize, channels: usize) -> impl fmt::Display {
    let bytes = pictures as f64 * size as f64 * size as f64 * channels as f64;
    format!("{:.0} MiB", (bytes / f64::from(1 << 20)).ceil())
}
