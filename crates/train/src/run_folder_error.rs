//! Errors of a run's folder and the files in it.

use dcgan_formats::FormatError;
use std::io;
use std::path::{Path, PathBuf};

/// Error of making, reading or writing a run folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunFolderError {
    /// The folder is not empty, and nothing in it is overwritten.
    #[error("{0:?} is not empty, and a run is never overwritten: name another folder or remove it first")]
    NotEmpty(PathBuf),
    /// The path is that of a file.
    #[error("{0:?} is not a folder: name another place for the run")]
    NotAFolder(PathBuf),
    /// The folder is not that of a run.
    #[error("{0:?} is no run's folder: it has no config.toml")]
    NoRun(PathBuf),
    /// The checkpoints were removed, and a new start would overwrite the results of the run.
    #[error(
        "{path:?} has no checkpoint to go on from, but it has {made}, which beginning again would overwrite: put a \
         checkpoint back into its folder checkpoints, or start a new run in another folder with --out"
    )]
    NoCheckpoints {
        /// The run's folder.
        path: PathBuf,
        /// A result that shows that there were checkpoints.
        made: String,
    },
    /// Another process works on the run.
    #[error("{path:?} is in use by another dcgan{}: wait for it to end, or stop it", by(*process))]
    InUse {
        /// The run's folder.
        path: PathBuf,
        /// Number of the other process, if it is known.
        process: Option<u32>,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {path:?}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// A file or folder cannot be read.
    #[error("cannot read {path:?}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// None of the checkpoints can be read.
    #[error("there is no checkpoint to go on from: {0}")]
    Checkpoint(FormatError),
    /// The networks cannot be saved, because tensors do not fit their network.
    #[error("cannot save the networks")]
    Networks(#[from] FormatError),
}

/// Returns the part of a message that names the process with the lock.
fn by(process: Option<u32>) -> String {
    process.map_or(String::new(), |process| format!(" (process {process})"))
}

/// Returns a function that makes an error of writing `path`.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> RunFolderError {
    move |source| RunFolderError::Io { path: path.to_owned(), source }
}

/// Returns a function that makes an error of reading `path`.
pub(crate) fn reading(path: &Path) -> impl FnOnce(io::Error) -> RunFolderError {
    move |source| RunFolderError::Read { path: path.to_owned(), source }
}
