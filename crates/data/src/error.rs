//! What can be wrong with a data set, and with one picture in it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::decode::DecodeError;
use crate::limits::{MAX_FILE_BYTES, MAX_SIZE};

/// Why a folder or an archive gives no data set. Each message is one sentence that says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Nothing has this name.
    #[error("{0:?} does not exist: check the path")]
    NotFound(PathBuf),

    /// It is neither a folder nor an archive.
    #[error("{path:?} is {what}: give a folder of pictures, or a .zip or .tar of them")]
    NotADataSet {
        /// What was given.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },

    /// The system refuses to read it.
    #[error("{path:?} cannot be read ({source}): check its permissions")]
    Unreadable {
        /// The folder or archive.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },

    /// The archive's list of entries makes no sense.
    #[error("the archive {path:?} is broken ({detail}): copy or download it again")]
    BrokenArchive {
        /// The archive.
        path: PathBuf,
        /// The reader's reason.
        detail: String,
    },

    /// There is no picture, at any depth.
    #[error("there are no pictures in {path:?}: {}", no_pictures(*other_files, example.as_deref()))]
    NoPictures {
        /// The folder or archive.
        path: PathBuf,
        /// How many files of other kinds there are.
        other_files: usize,
        /// One of them.
        example: Option<PathBuf>,
    },

    /// There are pictures, and not one can be used.
    #[error("none of the {} pictures in {path:?} can be used: {}", skipped.len(), first_few(skipped))]
    AllSkipped {
        /// The folder or archive.
        path: PathBuf,
        /// Every picture with its reason.
        skipped: Vec<Skipped>,
    },

    /// There are fewer files than are needed.
    #[error("{path:?} has {files} files, and a batch needs {wanted} pictures: add pictures, or choose a smaller batch")]
    TooFew {
        /// The folder or archive.
        path: PathBuf,
        /// Files in it, pictures or not.
        files: usize,
        /// Pictures that are needed.
        wanted: usize,
    },

    /// The size that pictures are to get is not possible.
    #[error("pictures cannot be made {0} x {0}: choose a size from 1 to {MAX_SIZE}")]
    Size(usize),

    /// The cache's file was changed after it was opened, or the disk fails.
    #[error(
        "the cache of decoded pictures, {path:?}, cannot be read any more ({source}): \
         start again, which writes what is damaged anew"
    )]
    CacheChanged {
        /// The cache's file.
        path: PathBuf,
        /// What is wrong with it, or the system's reason.
        source: io::Error,
    },

    /// The block of pixels does not fit in memory.
    #[error(
        "{pictures} pictures of {size} x {size} x {channels} need {} of memory, which cannot be had: \
         use fewer pictures, a smaller image size, or the cache", mebibytes(*pictures, *size, *channels)
    )]
    OutOfMemory {
        /// How many pictures were wanted.
        pictures: usize,
        /// Their height and width in pixels.
        size: usize,
        /// Bytes per pixel.
        channels: usize,
    },
}

/// A file that was left out, and why. Displays as `"path": reason`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path:?}: {reason}")]
pub struct Skipped {
    /// The file or folder; of an entry in an archive, the archive's path and the entry's name.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub reason: SkipReason,
}

/// What is wrong with one file or folder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum SkipReason {
    /// A pipe, socket or device with a picture's name; it was not opened.
    #[error("it is not a regular file")]
    NotAFile,

    /// A symbolic link that leads nowhere.
    #[error("it is a link to nothing")]
    BrokenLink,

    /// More bytes than [`MAX_FILE_BYTES`](crate::MAX_FILE_BYTES).
    #[error("its {0} bytes are more than the limit of {limit} MiB", limit = MAX_FILE_BYTES >> 20)]
    FileTooLarge(u64),

    /// An entry of an archive whose name leads out of it.
    #[error("its name leads out of the archive")]
    OutsideArchive,

    /// An entry of an archive that is not stored in a way that is read.
    #[error("it cannot be taken out of the archive ({0})")]
    Entry(String),

    /// The system refuses to read it.
    #[error("it cannot be read ({0})")]
    Io(String),

    /// Its bytes are not a picture that can be used.
    #[error(transparent)]
    Decode(#[from] DecodeError),

    /// An archive without the mark of its end: it was not written or copied to its end.
    #[error("the archive ends early, after {files} files, and whatever followed is missing: copy or download it again")]
    EndsEarly {
        /// How many files were found in it; of the last one, not all bytes may be there.
        files: usize,
    },
}

impl SkipReason {
    /// Whether another look at the same bytes would find the same. What the system says can change without them.
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

fn first_few(skipped: &[Skipped]) -> String {
    const FEW: usize = 3;
    let mut text = skipped.iter().take(FEW).map(Skipped::to_string).collect::<Vec<_>>().join("; ");
    if skipped.len() > FEW {
        text += &format!("; and {} more", skipped.len() - FEW);
    }
    text
}

fn mebibytes(pictures: usize, size: usize, channels: usize) -> impl fmt::Display {
    let bytes = pictures as f64 * size as f64 * size as f64 * channels as f64;
    format!("{:.0} MiB", (bytes / f64::from(1 << 20)).ceil())
}
