//! The state of a training between two steps. Its file format is in the crate `formats`.

use crate::{TorchRng, TrainState};
use serde::{Deserialize, Serialize};

/// The state of a training between two steps, from which it can continue as if it had never stopped.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// State of both networks and both optimizers.
    pub state: TrainState,
    /// Random number generator of the noise.
    pub rng: TorchRng,
    /// Position in the training.
    pub progress: Progress,
}

/// Position in a training, and what has to be remembered of the epoch under way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Number of steps taken.
    pub step: u64,
    /// Number of epochs completed.
    pub epoch: u64,
    /// Number of pictures seen in the epoch under way, in its order.
    pub pictures: u64,
    /// Sums over the steps of the epoch under way.
    pub sums: EpochSums,
    /// Means over each of the last epochs, oldest first.
    pub recent: Vec<EpochMeans>,
    /// Number of times the training went back to an earlier checkpoint because a value was not finite.
    pub rollbacks: u32,
    /// The best generator so far; `None` if none was evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<BestGenerator>,
}

/// The epoch after which the generator had the least sliced Wasserstein distance from the real pictures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BestGenerator {
    /// Number of epochs completed by then.
    pub epoch: u64,
    /// Number of steps taken by then.
    pub step: u64,
    /// Sliced Wasserstein distance × 1000, mean over the levels of the pyramid.
    pub swd: f64,
    /// The same distance between two halves of the real pictures.
    pub swd_floor: f64,
}

/// Sums of losses and outputs over the steps of an epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochSums {
    /// Number of steps taken.
    pub steps: u64,
    /// Sum of D's loss, real and fake together.
    pub d_loss: f64,
    /// Sum of G's loss.
    pub g_loss: f64,
    /// Sum of D(x).
    pub d_x: f64,
    /// Sum of D(G(z)) before D learns from these fakes.
    pub d_g_z1: f64,
}

/// Means of losses and outputs over the steps of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochMeans {
    /// Mean of D's loss, real and fake together.
    pub d_loss: f64,
    /// Mean of G's loss.
    pub g_loss: f64,
    /// Mean of D(x).
    pub d_x: f64,
    /// Mean of D(G(z)) before D learns from these fakes.
    pub d_g_z1: f64,
}

impl EpochSums {
    /// Returns the means; they are not finite if there are no steps.
    pub fn means(&self) -> EpochMeans {
        let [d_loss, g_loss, d_x, d_g_z1] =
            [self.d_loss, self.g_loss, self.d_x, self.d_g_z1].map(|sum| sum / self.steps as f64);
        EpochMeans { d_loss, g_loss, d_x, d_g_z1 }
    }
}
