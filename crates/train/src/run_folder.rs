//! The folder of a run, which holds its settings, its state and its results.
//!
//! ```text
//! runs/0000-avatars/
//!   config.toml                                     every setting
//!   run.json                                        one SessionRecord for every process that worked on it
//!   metrics.jsonl                                   one StepMetrics a line
//!   health.jsonl                                    one line about the training's health an epoch
//!   samples/epoch-0000.png                          the same faces before training and after every epoch
//!   samples/epoch-0001-step-00000050.png            these faces within an epoch, if they are asked for
//!   checkpoints/step-00000498-epoch-0001.safetensors   the whole state; without "epoch" if made within one
//!   generator.pt                                    the result when the run has ended or was told to stop: TorchScript
//!   generator.safetensors                           the same as plain tensors
//!   generator-best.pt, generator-best.safetensors   the generator with the best measures so far, if they are computed
//!   generators/epoch-0001.safetensors               the generator after every epoch in half precision, if kept
//!   .lock                                           held by the process that works on the run
//! ```
//!
//! A folder is a run as soon as it has a `config.toml`. From then on the run can be resumed, even if the process is
//! killed: every file is either complete or missing, except the growing `metrics.jsonl` and `health.jsonl`, which are
//! cut to the checkpoint that the run resumes from.
//!
//! Resuming only deletes what the run makes again. Damaged files are renamed to `NAME.damaged`. If the run was further
//! than the checkpoint that it resumes from, because later ones were removed, its results of later steps are moved to a
//! folder `kept.step-00000498`.

mod checkpoints;
mod create;
mod generators;
mod prepare;
mod samples;
#[cfg(test)]
mod tests;

pub use checkpoints::{Keep, SavedCheckpoint};
pub use samples::{Sample, all_samples, sample_name, samples, step_sample_name};

use crate::lock::Lock;
use crate::run_folder_error::at;
use crate::session_record::Place;
use crate::{DamagedLines, Event, Health, Listener, ListenerError, RunFolderError, SessionRecord, truncate_lines};
use dcgan_files::write_durable;
use dcgan_formats::{Metadata, describe, write_safetensors, write_torchscript};
use dcgan_model::{Network, StateDict};
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, BufWriter, Cursor, Write};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const CONFIG: &str = "config.toml";
const RECORD: &str = "run.json";
const METRICS: &str = "metrics.jsonl";
const HEALTH: &str = "health.jsonl";
const SAMPLES: &str = "samples";
const CHECKPOINTS: &str = "checkpoints";
const GENERATORS: &str = "generators";
/// Name of the generator's files, without extension.
const GENERATOR: &str = "generator";
/// Name of the best generator's files, without extension.
const BEST_GENERATOR: &str = "generator-best";
/// Key of a checkpoint's metadata under which the run's `config.toml` is stored.
const CONFIG_FACT: &str = "config";
/// Key of a checkpoint's metadata under which the [`fingerprint`](crate::fingerprint) of the pictures is stored.
const DATA_FACT: &str = "data_fingerprint";

/// Longest time that metrics wait to be written for those who watch the run. They are synced when the run saves.
const METRICS_DELAY: Duration = Duration::from_millis(250);

/// A line of `health.jsonl`.
#[derive(Debug, Serialize)]
struct HealthLine<'a> {
    step: u64,
    #[serde(flatten)]
    health: &'a Health,
    /// The same for people.
    text: String,
}

/// Files that a run has only if they are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Extras {
    /// Steps between two sheets of faces within an epoch; `None` for no such sheets.
    pub sample_every: Option<NonZeroU64>,
    /// Whether the generator of every epoch is kept.
    pub keep_generators: bool,
}

impl Default for Extras {
    /// All of them: a sheet at every step, and all generators.
    fn default() -> Self {
        Self { sample_every: Some(NonZeroU64::MIN), keep_generators: true }
    }
}

/// A listener that writes a run to disk. Other processes cannot work on the folder until it is dropped.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    _lock: Lock,
    metrics: BufWriter<File>,
    /// When the metrics were written last.
    metrics_written: Instant,
    /// Number of the last step.
    step: u64,
    keep: Keep,
    extras: Extras,
    /// Metadata of checkpoints.
    facts: Metadata,
    /// Record of this session.
    session: Option<SessionRecord>,
    /// Folder to which the generator of an earlier session is moved at the first checkpoint; `None` to remove it.
    result: Option<PathBuf>,
}

impl RunFolder {
    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the content of `config.toml`.
    pub fn config(&self) -> &str {
        self.facts.get(CONFIG_FACT).map_or("", String::as_str)
    }

    /// Replaces `config.toml`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn set_config(&mut self, config: &str) -> Result<(), RunFolderError> {
        if self.config() != config {
            let path = self.path.join(CONFIG);
            write_durable(&path, config.as_bytes()).map_err(at(&path))?;
            self.facts.insert(CONFIG_FACT.to_owned(), config.to_owned());
        }
        Ok(())
    }

    /// Chooses which checkpoints are kept from now on.
    pub fn set_keep(&mut self, keep: Keep) {
        self.keep = keep;
    }

    /// Says which files beside those of every run are written from now on. Those of an earlier session that do not come
    /// again are kept when the run is resumed; without this call, all of them are expected to come again. Call it
    /// before [`prepare`](Self::prepare).
    pub fn set_extras(&mut self, extras: Extras) {
        self.extras = extras;
    }

    /// Adds the record of this session to `run.json`. If the file is damaged, it is renamed, and its new path is
    /// returned.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn record(&mut self, session: &SessionRecord) -> Result<Option<PathBuf>, RunFolderError> {
        let path = self.path.join(RECORD);
        let damaged = session.write_to(&path, Place::New).map_err(at(&path))?;
        self.facts.insert(DATA_FACT.to_owned(), session.data_fingerprint.clone());
        self.session = Some(session.clone());
        Ok(damaged)
    }

    /// Returns the record of the last session; `None` if there is none that can be read.
    pub fn last_session(&self) -> Option<SessionRecord> {
        SessionRecord::last_of(&self.path.join(RECORD))
    }

    /// Returns the path of the trained generator as TorchScript.
    pub fn torchscript_path(&self) -> PathBuf {
        self.path.join(GENERATOR).with_extension("pt")
    }

    /// Returns the path of the generator with the best measures as TorchScript.
    pub fn best_torchscript_path(&self) -> PathBuf {
        self.path.join(BEST_GENERATOR).with_extension("pt")
    }

    /// Returns the path of the trained generator as safetensors.
    pub fn safetensors_path(&self) -> PathBuf {
        self.path.join(GENERATOR).with_extension("safetensors")
    }

    fn metrics_path(&self) -> PathBuf {
        self.path.join(METRICS)
    }

    fn write_metrics(&mut self, metrics: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.metrics, metrics)?;
        self.metrics.write_all(b"\n")
    }

    fn flush_metrics(&mut self) -> Result<(), RunFolderError> {
        self.metrics_written = Instant::now();
        self.metrics.flush().map_err(at(&self.metrics_path()))
    }

    fn write_health(&self, health: &Health) -> Result<(), RunFolderError> {
        let line = HealthLine { step: self.step, health, text: health.to_string() };
        let path = self.path.join(HEALTH);
        let write = || -> io::Result<()> {
            let mut text = serde_json::to_vec(&line)?;
            text.push(b'\n');
            File::options().append(true).create(true).open(&path)?.write_all(&text)
        };
        write().map_err(at(&path))
    }

    /// Removes the health of epochs after `step`.
    fn rewind_health(&self, step: u64) -> Result<(), RunFolderError> {
        let path = self.path.join(HEALTH);
        truncate_lines(&path, step).map(drop).map_err(at(&path))
    }

    /// Removes the metrics of steps after `step`.
    fn rewind_metrics(&mut self, step: u64) -> Result<Option<DamagedLines>, RunFolderError> {
        self.flush_metrics()?;
        let path = self.metrics_path();
        let damaged = truncate_lines(&path, step).map_err(at(&path))?;
        self.metrics = append(&path)?;
        Ok(damaged)
    }

    /// Removes the generator of an earlier session, or moves it if the run does not make it again.
    fn remove_generator(&mut self) -> Result<(), RunFolderError> {
        let kept = self.result.take();
        for path in [self.torchscript_path(), self.safetensors_path()].into_iter().filter(|path| path.exists()) {
            match &kept {
                None => fs::remove_file(&path).map_err(at(&path))?,
                Some(folder) => {
                    let kept = folder.join(path.file_name().unwrap_or_default());
                    fs::create_dir_all(folder).and_then(|()| fs::rename(&path, &kept)).map_err(at(&kept))?;
                }
            }
        }
        Ok(())
    }

    /// Writes a generator as `name.pt` and `name.safetensors`.
    fn write_generator(&self, name: &str, network: &Network, generator: &StateDict) -> Result<(), RunFolderError> {
        let metadata = describe(network);
        let mut bytes = Vec::new();
        write_torchscript(Cursor::new(&mut bytes), network, generator, &metadata)?;
        let path = self.path.join(name).with_extension("pt");
        write_durable(&path, &bytes).map_err(at(&path))?;

        bytes.clear();
        write_safetensors(&mut bytes, generator, &metadata)?;
        let path = path.with_extension("safetensors");
        write_durable(&path, &bytes).map_err(at(&path))
    }
}

fn append(path: &Path) -> Result<BufWriter<File>, RunFolderError> {
    Ok(BufWriter::new(File::options().append(true).create(true).open(path).map_err(at(path))?))
}

/// Returns the last part of a path for messages.
fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl Listener for RunFolder {
    fn on_event(&mut self, event: &Event<'_>) -> Result<(), ListenerError> {
        match event {
            Event::Started { progress, .. } => {
                // `prepare` reports damage before.
                self.step = progress.step;
                let _ = self.rewind_metrics(progress.step)?;
                self.rewind_health(progress.step)?;
                let begun = progress.epoch + u64::from(progress.pictures > 0);
                self.remove_samples_after(begun, progress.step)?;
                self.remove_generators_after(begun)?;
                // A kill may have come between the last checkpoint and this, and the run may be at its end.
                self.remove_old_checkpoints()?;
            }
            Event::Step(metrics) => {
                self.step = metrics.step;
                self.write_metrics(metrics).map_err(at(&self.metrics_path()))?;
                if self.metrics_written.elapsed() >= METRICS_DELAY {
                    self.flush_metrics()?;
                }
            }
            Event::EpochDone(_) => self.flush_metrics()?,
            Event::Preview { epoch, faces } => self.write_sample(&sample_name(*epoch), faces)?,
            Event::Sample { epoch, step, faces } => self.write_sample(&step_sample_name(*epoch, *step), faces)?,
            Event::Generator { epoch, network, generator } => self.keep_generator(*epoch, network, generator)?,
            Event::Saving { .. } => {
                self.flush_metrics()?;
                self.metrics.get_ref().sync_data().map_err(at(&self.metrics_path()))?;
            }
            Event::Checkpoint(checkpoint) => {
                self.write_checkpoint(checkpoint)?;
                // The generator of an earlier session would be taken for the result.
                self.remove_generator()?;
            }
            Event::RolledBack(rollback) => {
                self.step = rollback.step;
                let _ = self.rewind_metrics(rollback.step)?;
                self.rewind_health(rollback.step)?;
                // Sheets after epochs are older than the checkpoint.
                self.remove_all_samples_within_epochs_after(rollback.step)?;
            }
            Event::Stopped { network, generator, .. } | Event::Finished { network, generator, .. } => {
                self.flush_metrics()?;
                self.write_generator(GENERATOR, network, generator)?;
            }
            Event::Evaluated { evaluation, network, best } => {
                self.write_metrics(evaluation).map_err(at(&self.metrics_path()))?;
                if let Some(generator) = best {
                    self.write_generator(BEST_GENERATOR, network, generator)?;
                }
            }
            Event::Health(health) => self.write_health(health)?,
        }
        Ok(())
    }
}
