//! The error of engines.

use crate::TransportError;

/// Error returned by engines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A state does not belong to this network.
    #[error("tensor {name}: {problem}")]
    State {
        /// The tensor's state_dict name.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A batch is larger than what memory was planned for, or is no whole number of images or noise vectors.
    #[error("a batch of {got} values: this engine takes 1 to {max_batch} items of {item_len} values each")]
    Batch {
        /// Values in the batch.
        got: usize,
        /// The largest number of items.
        max_batch: usize,
        /// Values per item.
        item_len: usize,
    },
    /// The recipe does not fit the networks.
    #[error("{0}")]
    Recipe(&'static str),
    /// Images cannot be changed this way.
    #[error("augmentations: {0}")]
    Augmentation(&'static str),
    /// The memory that was planned for cannot be had.
    #[error("{mib} MiB of memory are needed and cannot be had: choose a smaller batch, picture size or base width")]
    OutOfMemory {
        /// Memory planned for, in MiB.
        mib: usize,
    },
    /// A device has not the memory that training on it takes.
    #[error("{mib} MiB of memory are needed on the device and cannot be had: {}", smaller_batch(*fits))]
    DeviceMemory {
        /// Memory planned for, in MiB.
        mib: usize,
        /// A batch that the device has memory for; none if even one image is too much.
        fits: Option<usize>,
    },
    /// A device that is not this processor has failed, and what the engine holds is lost. The text says what to do.
    #[error("the device failed: {0}")]
    Device(String),
    /// A batch cannot be cut into so many shards.
    #[error("{shards} shards are not possible for {ranks} ranks: choose at least 1, and as many as ranks (--shards)")]
    Shards {
        /// Number of shards.
        shards: usize,
        /// Number of ranks.
        ranks: usize,
    },
    /// Another rank has failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl EngineError {
    /// The error of augmentations that are not one for each image of the next part of a step.
    pub const AUGMENTATION_COUNT: Self = Self::Augmentation("there must be one for each picture of the next part");

    /// The error of a sum over ranks in a process that has all shards.
    pub(crate) const NO_RANKS: Self = Self::Recipe("there are no other ranks to sum with");

    /// The error of a generator's part of a step with the relativistic loss before any part with real images.
    pub const NO_PAIRS: Self = Self::Recipe("the generator's images have no real ones to be paired with");
}

fn smaller_batch(fits: Option<usize>) -> String {
    fits.map_or_else(
        || "choose a smaller picture size or base width, or --device cpu".to_owned(),
        |batch| format!("a batch of {batch} would fit"),
    )
}
