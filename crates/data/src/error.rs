//! What can be wrong with a folder, and with one picture in it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::decode::DecodeError;

/// Why a folder gives no data set. Each message is one sentence that says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Nothing has this name.
    #[error("the picture folder {0:?} does not exist: check the path")]
    NotFound(PathBuf),

    /// The name belongs to something that is not a folder.
    #[error("{0:?} is not a folder: give the folder that holds the pictures")]
    NotAFolder(PathBuf),

    /// The system refuses to list the folder.
    #[error("the picture folder {path:?} cannot be read ({source}): check its permissions")]
    Unreadable {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },

    /// No file in the folder, at any depth, is named like a picture.
    #[error("there are no pictures in {path:?}: {}", no_pictures(*other_files, example.as_deref()))]
    NoPictures {
        /// The folder.
        path: PathBuf,
        /// How many files with other names were seen.
        other_files: usize,
        /// One of them.
        example: Option<PathBuf>,
    },

    /// There are pictures, and not one can be used.
    #[error("none of the {} pictures in {path:?} can be used: {}", skipped.len(), first_few(skipped))]
    AllSkipped {
        /// The folder.
        path: PathBuf,
        /// Every picture with its reason.
        skipped: Vec<Skipped>,
    },

    /// The block of pixels does not fit in memory.
    #[error(
        "{pictures} pictures of {size} x {size} x {channels} need {}, more than there is memory for: \
         use fewer pictures or a smaller image size", gibibytes(*pictures, *size, *channels)
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
#[derive(Debug, thiserror::Error)]
#[error("{path:?}: {reason}")]
pub struct Skipped {
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub reason: SkipReason,
}

/// What is wrong with one file or folder.
#[derive(Debug, thiserror::Error)]
pub enum SkipReason {
    /// A pipe, socket or device with a picture's name; it was not opened.
    #[error("it is not a regular file")]
    NotAFile,

    /// A symbolic link that leads nowhere.
    #[error("it is a link to nothing")]
    BrokenLink,

    /// More bytes than [`MAX_FILE_BYTES`](crate::MAX_FILE_BYTES).
    #[error("the file is larger than {} MiB", crate::MAX_FILE_BYTES >> 20)]
    FileTooLarge,

    /// The system refuses to read it.
    #[error("it cannot be read ({0})")]
    Io(#[from] io::Error),

    /// Its bytes are not a picture that can be used.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

fn no_pictures(other_files: usize, example: Option<&Path>) -> String {
    let wanted = "put .png, .jpg or .jpeg files into it or its subfolders, or name another folder";
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

fn gibibytes(pictures: usize, size: usize, channels: usize) -> impl fmt::Display {
    let bytes = pictures as f64 * size as f64 * size as f64 * channels as f64;
    format!("{:.1} GiB", bytes / f64::from(1 << 30))
}
