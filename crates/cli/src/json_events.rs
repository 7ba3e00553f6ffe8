//! `dcgan train --json`: a run for programs, one JSON object a line on stdout.

use dcgan_train::{
    EpochEvaluation, EpochSummary, Event, Health, Listener, ListenerError, StepMetrics, sample_name, step_sample_name,
};
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The listener that writes to stdout.
#[derive(Debug)]
pub(crate) struct JsonEvents {
    folder: PathBuf,
}

/// A line; the key `event` says which.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'a> {
    Started {
        folder: Cow<'a, str>,
        pictures: usize,
        epochs: u64,
        batch_size: usize,
        steps: u64,
        /// Steps taken before, in a run that is resumed.
        step: u64,
        seed: u64,
        engine: &'a str,
    },
    Step(&'a StepMetrics),
    Epoch(&'a EpochSummary),
    Preview {
        epoch: u64,
        file: String,
    },
    /// A sheet of faces within an epoch.
    Sample {
        epoch: u64,
        step: u64,
        file: String,
    },
    Evaluation(&'a EpochEvaluation),
    Health {
        /// Epoch, diversity and findings with their figures.
        #[serde(flatten)]
        health: &'a Health,
        text: String,
    },
    Checkpoint {
        step: u64,
    },
    RolledBack {
        /// The step from which the run goes on.
        step: u64,
        problem: String,
        learning_rate_scale: f64,
    },
    Stopped {
        step: u64,
    },
    Finished {
        epochs: u64,
        steps: u64,
    },
}

impl JsonEvents {
    /// Tells of the run in `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Returns the path of a file in the run's folder.
    fn path(&self, name: String) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }
}

impl Listener for JsonEvents {
    fn on_event(&mut self, event: &Event<'_>) -> Result<(), ListenerError> {
        let line = match event {
            Event::Started { config, plan, progress } => Line::Started {
                folder: self.folder.to_string_lossy(),
                pictures: plan.pictures,
                epochs: config.epochs,
                batch_size: config.batch_size,
                steps: plan.steps,
                step: progress.step,
                seed: config.seed,
                engine: &plan.engine,
            },
            Event::Step(metrics) => Line::Step(metrics),
            Event::EpochDone(summary) => Line::Epoch(summary),
            Event::Preview { epoch, .. } => Line::Preview { epoch: *epoch, file: self.path(sample_name(*epoch)) },
            Event::Sample { epoch, step, .. } => {
                Line::Sample { epoch: *epoch, step: *step, file: self.path(step_sample_name(*epoch, *step)) }
            }
            Event::Evaluated { evaluation, .. } => Line::Evaluation(evaluation),
            Event::Health(health) => Line::Health { health, text: health.to_string() },
            Event::Checkpoint(checkpoint) => Line::Checkpoint { step: checkpoint.progress.step },
            Event::RolledBack(rollback) => Line::RolledBack {
                step: rollback.step,
                problem: rollback.problem.to_string(),
                learning_rate_scale: rollback.learning_rate_scale,
            },
            Event::Stopped { step, .. } => Line::Stopped { step: *step },
            Event::Finished { summary, .. } => Line::Finished { epochs: summary.epochs, steps: summary.steps },
            _ => return Ok(()),
        };
        let mut text = serde_json::to_string(&line)?;
        text.push('\n');
        // One write for each line, so that a reader gets whole lines at once. A closed pipe must not end the training.
        let _ = io::stdout().lock().write_all(text.as_bytes());
        let _ = io::stdout().flush();
        Ok(())
    }
}
