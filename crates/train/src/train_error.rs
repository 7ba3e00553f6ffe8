//! Errors of the training loop.

use crate::{ListenerError, NotFinite, ResumeError, TrainConfigError};
use dcgan_data::DataError;
use dcgan_metrics::MetricsError;
use dcgan_model::{EngineError, TransportError};
use std::io;

/// Largest number of times that a run goes back to its last checkpoint because a number is not finite. The learning
/// rates are halved each time, because the same steps with the same rates would have the same result. From then on the
/// result depends on which checkpoint was the last, and so on where the run was stopped before.
pub(crate) const MAX_ROLLBACKS: u32 = 3;

/// Error that ends a run early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The settings are impossible.
    #[error(transparent)]
    Config(#[from] TrainConfigError),
    /// The run is longer than the settings allow.
    #[error(transparent)]
    Resume(#[from] ResumeError),
    /// The pictures cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The data set has no pictures.
    #[error("there are no pictures to learn from")]
    NoPictures,
    /// Pictures and networks differ in size.
    #[error(
        "the pictures are {data_channels} × {data_size} × {data_size}, but the networks are made for {channels} × \
         {size} × {size}"
    )]
    Shape {
        /// Channels of the pictures.
        data_channels: usize,
        /// Side of the pictures in pixels.
        data_size: usize,
        /// Channels of the networks.
        channels: usize,
        /// Side of the networks' pictures in pixels.
        size: usize,
    },
    /// The checkpoint is in the middle of an epoch of other pictures.
    #[error(
        "the checkpoint has seen {seen} pictures of an epoch, and the data set has no more than {pictures}: go on with \
         the pictures that it was trained on"
    )]
    OtherPictures {
        /// Number of pictures of the current epoch that were seen.
        seen: u64,
        /// Number of pictures in the data set.
        pictures: usize,
    },
    /// The settings ask for evaluations, and the session has no evaluator.
    #[error("the generator is to be evaluated, but the session has no evaluator")]
    NoEvaluator,
    /// The generator's pictures cannot be evaluated.
    #[error("cannot evaluate the generator: {0}")]
    Evaluation(#[from] MetricsError),
    /// A number is not finite even after going back with lower learning rates.
    #[error(
        "{problem}; the training has diverged, and going back {MAX_ROLLBACKS} times with ever smaller learning rates \
         has not helped. Step {step} is the last good one: try a smaller learning rate or a larger batch"
    )]
    NotFinite {
        /// The number that is not finite.
        problem: NotFinite,
        /// The step of the last checkpoint.
        step: u64,
    },
    /// The recipe of the engine is not that of the settings.
    #[error("the engine trains by another recipe than the settings: make it with TrainConfig::recipe")]
    OtherRecipe,
    /// The checkpoint has a number that is not finite.
    #[error("the checkpoint is of no use: {0}")]
    BadCheckpoint(String),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Another rank has failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The thread that prepares the batches cannot be started.
    #[error("cannot start a thread; choose a smaller number of threads, or raise the limit of processes (ulimit -u)")]
    Thread(#[source] io::Error),
    /// A listener returned an error.
    #[error(transparent)]
    Listener(ListenerError),
}
