//! What a run tells those who listen.

use crate::{Picture, TrainConfig};
use dcgan_model::{Network, StateDict};
use serde::{Deserialize, Serialize};

/// Something that wants to know how a run goes: a terminal, a file, a test.
pub trait Listener {
    /// Hears of one event.
    ///
    /// # Errors
    /// Whatever makes it senseless to go on, such as a full disk. It ends the run.
    fn on_event(&mut self, event: &Event<'_>) -> Result<(), ListenerError>;
}

/// Why a listener ended the run.
pub type ListenerError = Box<dyn std::error::Error + Send + Sync>;

/// What happened, in the order of a run: started, preview 0, then for every epoch its steps, its end and its preview, at last finished.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Weights are drawn, nothing is learnt yet.
    Started {
        /// The run's settings.
        config: &'a TrainConfig,
        /// How much there is to do.
        plan: &'a Plan,
    },
    /// One training step.
    Step(&'a StepMetrics),
    /// All pictures were seen once, or [`TrainConfig::max_steps`] was reached.
    EpochDone(&'a EpochSummary),
    /// What the generator draws from the same noise after each epoch.
    Preview {
        /// Epochs done; 0 before training.
        epoch: u64,
        /// [`PREVIEW_FACES`](crate::PREVIEW_FACES) pictures.
        faces: &'a [Picture],
    },
    /// The run is over.
    Finished {
        /// What was done.
        summary: &'a Summary,
        /// The generator's layers.
        network: &'a Network,
        /// The generator's tensors.
        generator: &'a StateDict,
    },
}

/// How much a run has to do, and what it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Pictures in the data set.
    pub pictures: usize,
    /// Steps in an epoch.
    pub batches_per_epoch: u64,
    /// Steps in the run.
    pub steps: u64,
    /// Bytes of memory that the pictures take.
    pub data_bytes: usize,
    /// Bytes of memory that the engine takes.
    pub engine_bytes: usize,
    /// What computes, for people.
    pub engine: String,
}

/// One training step: a line of `metrics.jsonl`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StepMetrics {
    /// The step, counted from 1 over the whole run.
    pub step: u64,
    /// The epoch it belongs to, counted from 1.
    pub epoch: u64,
    /// D's loss on real pictures.
    pub d_loss_real: f32,
    /// D's loss on generated pictures.
    pub d_loss_fake: f32,
    /// G's loss.
    pub g_loss: f32,
    /// D(x): mean probability that D gives to real pictures.
    pub d_x: f32,
    /// D(G(z)) before D learns from these fakes.
    pub d_g_z1: f32,
    /// D(G(z)) in G's part of the step, with new noise and after D has learnt.
    pub d_g_z2: f32,
    /// Real pictures learnt from, per second of this step, waiting for data included.
    pub images_per_second: f32,
    /// Seconds of this step that were spent waiting for its pictures.
    pub data_seconds: f32,
}

/// One epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochSummary {
    /// The epoch, counted from 1.
    pub epoch: u64,
    /// Steps taken in it.
    pub steps: u64,
    /// Mean over its steps of D's loss, real and fake together.
    pub d_loss: f64,
    /// Mean over its steps of G's loss.
    pub g_loss: f64,
}

/// A whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Epochs taken, the last one perhaps not to its end.
    pub epochs: u64,
    /// Steps taken.
    pub steps: u64,
}
