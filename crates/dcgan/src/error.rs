//! Errors of this crate.

use crate::ImagesError;
use dcgan_data::{DataError, DecodeError};
use dcgan_formats::FormatError;
use dcgan_metrics::MetricsError;
use dcgan_model::{EngineError, RecognizeError, Role};
use dcgan_settings::{DeviceChoice, SettingsError};
use dcgan_train::{RunFolderError, TrainError};
use std::io;
use std::path::PathBuf;

/// Error of a [`Generator`](crate::Generator) or a [`Training`](crate::Training). The message is one sentence for the
/// user.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read or holds no network.
    #[error(transparent)]
    File(#[from] FormatError),
    /// The folder is not that of a run: it has neither `generator.safetensors` nor checkpoints.
    #[error("{0:?} is no run's folder: it has neither generator.safetensors nor checkpoints")]
    NoRun(PathBuf),
    /// The file holds another network.
    #[error("it holds a {0}, and only a generator can draw")]
    Role(Role),
    /// The tensors are not those of their network.
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
    #[error(transparent)]
    Data(#[from] DataError),
    /// The images do not suffice.
    #[error(transparent)]
    Images(#[from] ImagesError),
    /// The options are impossible.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A text cannot be drawn on a sheet.
    #[error("cannot draw a sheet")]
    Sheet(#[from] io::Error),
    /// The measures cannot be computed.
    #[error("cannot compare: {0}")]
    Metrics(#[from] MetricsError),
    /// A picture to project cannot be used.
    #[error("cannot use {path:?}")]
    Picture {
        /// The picture's file.
        path: PathBuf,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The training failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A run's folder cannot be made, read or written.
    #[error(transparent)]
    RunFolder(#[from] RunFolderError),
    /// A `config.toml` is not understood.
    #[error("{path:?}, {message}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        message: String,
    },
    /// The run has learned from other images than those it is given.
    #[error("the run in {path:?} has learned from other images: give it the same ones, or start a new run")]
    OtherImages {
        /// The run's folder.
        path: PathBuf,
    },
    /// The settings ask for a device that only an engine of the caller's can use.
    #[error("device {0} needs an engine for it: give one to Training::with_engine, or choose auto or cpu")]
    Device(DeviceChoice),
    /// The name of a file to write has none of the extensions `.pt`, `.pth`, `.safetensors` and `.onnx`.
    #[error(
        "{0:?} does not say which format is wanted: name it .pt (TorchScript), .pth (PyTorch state_dict), .safetensors or .onnx"
    )]
    UnknownFormat(PathBuf),
    /// A model cannot be written with these options.
    #[error("{0}")]
    Convert(String),
    /// A generator that draws with an engine of the caller's has no weights to save.
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
