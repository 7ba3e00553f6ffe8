//! What can go wrong before the first face.

use dcgan_formats::FormatError;
use dcgan_model::{EngineError, RecogniseError, Role};

/// Why a generator could not be made or could not draw. The message is one sentence for the user.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read or holds no network.
    #[error(transparent)]
    File(#[from] FormatError),
    /// The file holds another network.
    #[error("it holds a {0}, and only a generator can draw")]
    Role(Role),
    /// The tensors are not those of their network.
    #[error(transparent)]
    Tensors(#[from] RecogniseError),
    /// The noise or the pictures have the wrong length, or the device fails.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// `DCGAN_ISA` names an instruction set that this machine has not.
    #[error("{0}")]
    InstructionSet(String),
    /// The threads could not be started.
    #[error("cannot start the threads; try fewer")]
    Threads(#[source] Box<dyn std::error::Error + Send + Sync>),
}
