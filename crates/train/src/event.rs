//! What a run tells those who listen.

use crate::{Health, Picture, TrainConfig};
use dcgan_formats::{Checkpoint, Progress};
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

/// What happened, in the order of a run: started, preview 0, then for every epoch its steps, its end, its preview, its health and a checkpoint,
/// at last finished. A run that is resumed begins with started, too, and goes on in the middle.
///
/// A listener whose file grows with the run has three duties. On [`Event::Started`] and [`Event::RolledBack`] it takes back what it has of
/// steps after the one named there, because they come again; [`truncate_lines`](crate::truncate_lines) does it. On [`Event::Saving`] it
/// brings to disk what it has heard, because that does not come again.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Weights are drawn or read from a checkpoint.
    Started {
        /// The run's settings.
        config: &'a TrainConfig,
        /// How much there is to do.
        plan: &'a Plan,
        /// How much is done; nothing in a new run.
        progress: &'a Progress,
    },
    /// One training step. An engine with several steps under way may be ahead of it, but not of any other event.
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
    /// What the numbers of an epoch say. The last epoch has it only if it went to its end.
    Health(&'a Health),
    /// There will be a checkpoint of this step. A run that is resumed from it does not repeat what was told until now.
    Saving {
        /// Steps taken.
        step: u64,
    },
    /// Everything to go on from here. All listeners have heard of [`Event::Saving`] before.
    Checkpoint(&'a Checkpoint),
    /// A number was not finite, and the run goes on from the last checkpoint with smaller learning rates.
    RolledBack(&'a Rollback),
    /// The run was told to stop. What it takes to go on was in the last [`Event::Checkpoint`].
    Stopped {
        /// Steps taken.
        step: u64,
        /// The generator's layers.
        network: &'a Network,
        /// The generator's tensors as they are now.
        generator: &'a StateDict,
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
    /// D(x): mean of what D says of real pictures; a probability, but with least squares its output as it is.
    pub d_x: f32,
    /// D(G(z)) before D learns from these fakes.
    pub d_g_z1: f32,
    /// D(G(z)) in G's part of the step, with new noise and after D has learnt.
    pub d_g_z2: f32,
    /// Real pictures learnt from, per second of this step, waiting for data included; where an engine has several steps under way, the mean over
    /// those that it reported together.
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
    /// Mean over its steps of D(x).
    pub d_x: f64,
    /// Mean over its steps of D(G(z)), before D learns from these fakes.
    pub d_g_z1: f64,
}

/// A step back.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollback {
    /// What was wrong.
    pub problem: NotFinite,
    /// The step from which the run goes on; it is the last one taken.
    pub step: u64,
    /// How often the run has gone back by now, this time included.
    pub rollbacks: u32,
    /// What the configured learning rates are multiplied by from now on.
    pub learning_rate_scale: f64,
}

/// Not a number, or infinite: the weights are worth nothing from here on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("step {step}: {what}")]
pub struct NotFinite {
    /// The step, counted from 1.
    pub step: u64,
    /// The metric or tensor, and what is wrong with it.
    pub what: String,
}

/// A whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Epochs taken, the last one perhaps not to its end.
    pub epochs: u64,
    /// Steps taken.
    pub steps: u64,
    /// Whether the run has come to its end; `false` if it was told to stop before.
    pub finished: bool,
}
