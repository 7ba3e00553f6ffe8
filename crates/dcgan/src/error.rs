//! Errors of this crate.

use crate::text::ranges;
#[cfg(feature = "train")]
use crate::text::{count, thousands};
#[cfg(feature = "train")]
use dcgan_data::{DataError, DecodeError, SkippedFile};
use dcgan_formats::FormatError;
#[cfg(feature = "train")]
use dcgan_metrics::MetricsError;
use dcgan_model::{EngineError, RecognizeError, Role};
#[cfg(feature = "train")]
use dcgan_settings::{DeviceChoice, SettingsError};
#[cfg(feature = "train")]
use dcgan_train::{RunFolderError, TrainError};
use std::io;
use std::path::PathBuf;

/// Error returned by [`Generator`](crate::Generator) and, with the feature `train`, by [`Training`](crate::Training)
/// and the functions for data, sheets and measures. The message is one sentence for the user.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read or holds no network.
    #[error(transparent)]
    File(#[from] FormatError),
    /// The folder is not that of a run: it has neither `generator.safetensors` nor checkpoints.
    #[error("{0:?} is no run's folder: it has neither generator.safetensors nor checkpoints")]
    NoRun(PathBuf),
    /// The run's folder has no generator of this epoch.
    #[error("{path:?} has no generator of epoch {epoch}: {}", kept_epochs(kept))]
    NoEpoch {
        /// The run's folder.
        path: PathBuf,
        /// The epoch.
        epoch: u64,
        /// The epochs whose generators the folder has.
        kept: Vec<u64>,
    },
    /// The file holds a discriminator where a generator is needed.
    #[error("it holds a {0}, and only a generator can draw")]
    Role(Role),
    /// The names or shapes of the tensors are not those of a DCGAN.
    #[error(transparent)]
    Tensors(#[from] RecognizeError),
    /// The noise or the pictures have the wrong length, or the device fails.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// `DCGAN_ISA` names an instruction set that this machine does not have.
    #[error("{0}")]
    InstructionSet(String),
    /// The threads could not be started.
    #[error("cannot start the threads; try fewer")]
    Threads(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The images cannot be read.
    #[cfg(feature = "train")]
    #[error(transparent)]
    Data(#[from] DataError),
    /// There are too few images for a batch, or one cannot be used and the settings are strict.
    #[cfg(feature = "train")]
    #[error(transparent)]
    Images(#[from] ImagesError),
    /// An option has an impossible value, or two options contradict each other.
    #[cfg(feature = "train")]
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The text on a contact sheet cannot be drawn.
    #[error("cannot draw a sheet")]
    Sheet(#[from] io::Error),
    /// The measures cannot be computed.
    #[cfg(feature = "train")]
    #[error("cannot compare: {0}")]
    Metrics(#[from] MetricsError),
    /// A picture to project cannot be used.
    #[cfg(feature = "train")]
    #[error("cannot use {path:?}")]
    Picture {
        /// The picture's file.
        path: PathBuf,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The training failed.
    #[cfg(feature = "train")]
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A run's folder cannot be made, read or written.
    #[cfg(feature = "train")]
    #[error(transparent)]
    RunFolder(#[from] RunFolderError),
    /// A `config.toml` is not understood.
    #[cfg(feature = "train")]
    #[error("{path:?}, {message}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        message: String,
    },
    /// The images are not those that the run was trained on.
    #[cfg(feature = "train")]
    #[error("the run in {path:?} has learned from other images: give it the same ones, or start a new run")]
    OtherImages {
        /// The run's folder.
        path: PathBuf,
    },
    /// The settings name a device other than the CPU, which needs
    /// [`Training::with_engine`](crate::Training::with_engine).
    #[cfg(feature = "train")]
    #[error("device {0} needs an engine for it: give one to Training::with_engine, or choose auto or cpu")]
    Device(DeviceChoice),
    /// The name of a file to write has none of the extensions `.pt`, `.pth`, `.safetensors` and `.onnx`.
    #[error(
        "{0:?} does not say which format is wanted: name it .pt (TorchScript), .pth (PyTorch state_dict), .safetensors \
         or .onnx"
    )]
    UnknownFormat(PathBuf),
    /// A model cannot be written with these options.
    #[error("{0}")]
    Convert(String),
    /// The generator draws with an engine of the caller, so its weights are not known and cannot be saved.
    #[error("the weights of this generator are in the engine that it was made with, so it cannot be saved")]
    NoWeights,
    /// A file cannot be written.
    #[error("cannot write {path:?}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
}

#[cfg(feature = "train")]
/// Error returned when the images do not suffice for a training.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImagesError {
    /// The settings leave too few images for a batch.
    #[error(
        "--max-images {most} leaves fewer pictures than a batch needs, which is {batch_size}: choose --batch-size \
         {most} or less, or a larger --max-images"
    )]
    MaxImages {
        /// Largest number of images to use.
        most: usize,
        /// Images in a batch.
        batch_size: usize,
    },
    /// A file had to be left out, and the settings are strict.
    #[error(
        "{} of the pictures cannot be used, the first is {first}; fix or remove them, or drop --strict",
        thousands(*count)
    )]
    LeftOut {
        /// Number of files that were left out.
        count: usize,
        /// The first of them.
        first: SkippedFile,
    },
    /// There are fewer images than a batch needs.
    #[error(
        "{path:?} has {} that can be used, and a batch needs {batch_size}: add pictures, or choose --batch-size \
         {pictures} or less",
        count(*pictures, "picture", "pictures")
    )]
    Batch {
        /// The folder or archive.
        path: PathBuf,
        /// Number of its images that can be used.
        pictures: usize,
        /// Images in a batch.
        batch_size: usize,
    },
}

/// Describes the epochs of an [`Error::NoEpoch`] for a message.
fn kept_epochs(kept: &[u64]) -> String {
    match kept {
        [] => "keep those of all epochs with train --keep-generators".to_owned(),
        [one] => format!("the only one kept is that of epoch {one}"),
        kept => format!("those kept are of the epochs {}", ranges(kept)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epochs_that_are_kept_are_named() {
        assert!(kept_epochs(&[]).contains("--keep-generators"));
        assert_eq!(kept_epochs(&[4]), "the only one kept is that of epoch 4");
    }
}
