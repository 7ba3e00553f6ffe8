//! Events of a run and their listeners.

use crate::{Health, TrainConfig};
use dcgan_image::Picture;
use dcgan_metrics::Evaluation;
use dcgan_model::{BestGenerator, Checkpoint, Progress};
use dcgan_model::{Network, StateDict};
use serde::{Deserialize, Serialize};

/// Receives the events of a run: a terminal, a file, a test.
pub trait Listener {
    /// Called for each event.
    ///
    /// # Errors
    /// Any error that should end the run, such as a full disk.
    fn on_event(&mut self, event: &Event<'_>) -> Result<(), ListenerError>;
}

/// Error with which a listener ends the run.
pub type ListenerError = Box<dyn std::error::Error + Send + Sync>;

/// An event of a run. The order is: started, preview 0, then for every epoch its steps, its end, its preview, its
/// measures, its generator, its health and a checkpoint, and finally finished. A resumed run starts with started, too,
/// and continues from its checkpoint.
///
/// A listener whose file grows with the run must do two things. On [`Event::Started`] and [`Event::RolledBack`] it
/// removes the steps after the one named there, because they are repeated; [`truncate_lines`](crate::truncate_lines)
/// does this. On [`Event::Saving`] it writes everything to disk, because events until then are not repeated.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The first weights were drawn, or read from a checkpoint.
    Started {
        /// The run's settings.
        config: &'a TrainConfig,
        /// Size of the run.
        plan: &'a Plan,
        /// Progress so far; zero in a new run.
        progress: &'a Progress,
    },
    /// One training step. An engine that has several steps in flight may be ahead of this event, but not of the others.
    Step(&'a StepMetrics),
    /// An epoch ended, or [`TrainConfig::max_steps`] was reached.
    EpochDone(&'a EpochSummary),
    /// Images that the generator draws from the same noise before training and after each epoch.
    Preview {
        /// Number of epochs so far; 0 before training.
        epoch: u64,
        /// [`PREVIEW_FACES`](crate::PREVIEW_FACES) pictures.
        faces: &'a [Picture],
    },
    /// Images that the generator draws within an epoch from the noise of the previews, with
    /// [`Session::sample_every`](crate::Session::sample_every). There are none at a step that ends an epoch.
    Sample {
        /// The epoch that is under way, counted from 1.
        epoch: u64,
        /// Number of steps taken.
        step: u64,
        /// [`PREVIEW_FACES`](crate::PREVIEW_FACES) pictures.
        faces: &'a [Picture],
    },
    /// The measures of the generator after an epoch, with [`TrainConfig::evaluate_every`].
    Evaluated {
        /// The measures.
        evaluation: &'a EpochEvaluation,
        /// Layers of the generator.
        network: &'a Network,
        /// Tensors of the generator if it is the best so far.
        best: Option<&'a StateDict>,
    },
    /// The generator after an epoch, with [`Session::keep_generators`](crate::Session::keep_generators).
    Generator {
        /// The epoch that has ended, counted from 1.
        epoch: u64,
        /// Layers of the generator.
        network: &'a Network,
        /// Tensors of the generator, as [`trained_generator`](crate::trained_generator) returns them.
        generator: &'a StateDict,
    },
    /// Diagnosis after an epoch. There is none for a last epoch that [`TrainConfig::max_steps`] ends early.
    Health(&'a Health),
    /// A checkpoint of this step follows. A run that resumes from it does not repeat the events until now.
    Saving {
        /// Number of steps taken.
        step: u64,
    },
    /// The state to resume from. All listeners have received [`Event::Saving`] before.
    Checkpoint(&'a Checkpoint),
    /// A number was not finite, and the run continues from the last checkpoint with smaller learning rates.
    RolledBack(&'a Rollback),
    /// The run was stopped. The last [`Event::Checkpoint`] has the state to resume from.
    Stopped {
        /// Number of steps taken.
        step: u64,
        /// Layers of the generator.
        network: &'a Network,
        /// Tensors of the generator as they are now.
        generator: &'a StateDict,
    },
    /// The run has reached its end.
    Finished {
        /// Numbers of steps and epochs, and the best generator.
        summary: &'a Summary,
        /// Layers of the generator.
        network: &'a Network,
        /// Tensors of the generator.
        generator: &'a StateDict,
    },
}

/// Size of a run and of the memory it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Number of pictures in the data set.
    pub pictures: usize,
    /// Number of steps in an epoch.
    pub batches_per_epoch: u64,
    /// Number of steps in the run.
    pub steps: u64,
    /// Number of bytes that the pictures take.
    pub data_bytes: usize,
    /// Number of bytes that the engine takes.
    pub engine_bytes: usize,
    /// Description of the engine for messages.
    pub engine: String,
}

/// One training step: a line of `metrics.jsonl`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
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
    /// Mean of ‖∇D(x)‖² over the real pictures, if the gradient is penalized.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub d_gradient_real: Option<f32>,
    /// The same over the generated pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub d_gradient_fake: Option<f32>,
    /// D(x): mean of what D says of real pictures; a probability, but with least squares its output as it is.
    pub d_x: f32,
    /// D(G(z)) before D learns from these fakes.
    pub d_g_z1: f32,
    /// D(G(z)) in G's part of the step, with new noise and after D has learnt.
    pub d_g_z2: f32,
    /// Real pictures learnt from, per second of this step, waiting for data included; where an engine has several steps
    /// under way, the mean over those that it reported together.
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

/// The measures of a generator after an epoch: a line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EpochEvaluation {
    /// Number of steps taken.
    pub step: u64,
    /// Epochs done.
    pub epoch: u64,
    /// The measures.
    #[serde(flatten)]
    pub evaluation: Evaluation,
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
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Epochs taken, the last one perhaps not to its end.
    pub epochs: u64,
    /// Number of steps taken.
    pub steps: u64,
    /// Whether the run has come to its end; `false` if it was told to stop before.
    pub finished: bool,
    /// The best generator that was seen, if any was evaluated.
    pub best: Option<BestGenerator>,
}
