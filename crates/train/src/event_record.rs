//! Events of a run as records for other programs: `dcgan train --json` and the Python package.

use crate::{EpochEvaluation, EpochSummary, Event, Health, StepMetrics, sample_name, step_sample_name};
use serde::Serialize;
use std::borrow::Cow;
use std::path::Path;

/// An event of a run without its tensors and images. Serialized, the key `event` says which one it is.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventRecord<'a> {
    /// The run starts or continues.
    Started {
        /// The run's folder.
        folder: Cow<'a, str>,
        /// Number of images in the data set.
        pictures: usize,
        /// Number of epochs of the run.
        epochs: u64,
        /// Images in a batch.
        batch_size: usize,
        /// Number of steps of the run.
        steps: u64,
        /// Number of steps taken before, in a run that is resumed.
        step: u64,
        /// Seed of the run.
        seed: u64,
        /// Description of the engine.
        engine: &'a str,
    },
    /// A training step.
    Step(&'a StepMetrics),
    /// The end of an epoch.
    Epoch(&'a EpochSummary),
    /// A sheet of faces was drawn.
    Preview {
        /// Number of epochs so far; 0 before training.
        epoch: u64,
        /// File of the sheet.
        file: String,
    },
    /// A sheet of faces was drawn within an epoch.
    Sample {
        /// The epoch that is under way, counted from 1.
        epoch: u64,
        /// Number of steps taken.
        step: u64,
        /// File of the sheet.
        file: String,
    },
    /// The generator was compared with real images.
    Evaluation(&'a EpochEvaluation),
    /// The diagnosis after an epoch.
    Health {
        /// Epoch, diversity and findings with their figures.
        #[serde(flatten)]
        health: &'a Health,
        /// The same as a sentence.
        text: String,
    },
    /// A checkpoint was made.
    Checkpoint {
        /// Number of steps taken.
        step: u64,
    },
    /// The run went back to its last checkpoint.
    RolledBack {
        /// The step from which the run goes on.
        step: u64,
        /// What was wrong.
        problem: String,
        /// Factor of the configured learning rates from now on.
        learning_rate_scale: f64,
    },
    /// The run was stopped.
    Stopped {
        /// Number of steps taken.
        step: u64,
    },
    /// The run has reached its end.
    Finished {
        /// Number of epochs.
        epochs: u64,
        /// Number of steps.
        steps: u64,
    },
}

impl<'a> EventRecord<'a> {
    /// Returns the record of an event of the run in `folder`; `None` for an event that is of no use to other programs.
    pub fn new(event: &'a Event<'_>, folder: &'a Path) -> Option<Self> {
        let path = |name: String| folder.join(name).to_string_lossy().into_owned();
        Some(match event {
            Event::Started { config, plan, progress } => Self::Started {
                folder: folder.to_string_lossy(),
                pictures: plan.pictures,
                epochs: config.epochs,
                batch_size: config.batch_size,
                steps: plan.steps,
                step: progress.step,
                seed: config.seed,
                engine: &plan.engine,
            },
            Event::Step(metrics) => Self::Step(metrics),
            Event::EpochDone(summary) => Self::Epoch(summary),
            Event::Preview { epoch, .. } => Self::Preview { epoch: *epoch, file: path(sample_name(*epoch)) },
            Event::Sample { epoch, step, .. } => {
                Self::Sample { epoch: *epoch, step: *step, file: path(step_sample_name(*epoch, *step)) }
            }
            Event::Evaluated { evaluation, .. } => Self::Evaluation(evaluation),
            Event::Health(health) => Self::Health { health, text: health.to_string() },
            Event::Checkpoint(checkpoint) => Self::Checkpoint { step: checkpoint.progress.step },
            Event::RolledBack(rollback) => Self::RolledBack {
                step: rollback.step,
                problem: rollback.problem.to_string(),
                learning_rate_scale: rollback.learning_rate_scale,
            },
            Event::Stopped { step, .. } => Self::Stopped { step: *step },
            Event::Finished { summary, .. } => Self::Finished { epochs: summary.epochs, steps: summary.steps },
            Event::Generator { .. } | Event::Saving { .. } => return None,
        })
    }
}
