//! `dcgan train --resume`: a run's folder, its last checkpoint, and the settings it was made with.

use crate::config_file;
use crate::progress::say;
use crate::usage::UsageError;
use anyhow::{Context, Result, anyhow, bail};
use dcgan_settings::{Difference, Settings, TrainOptions};
use dcgan_train::{Checkpoint, Progress, RunFolder, SavedCheckpoint};
use std::path::Path;

/// A run that is to be resumed.
pub(crate) struct ResumedRun {
    pub(crate) folder: RunFolder,
    /// `None` if the run was stopped before its first checkpoint.
    saved: Option<SavedCheckpoint>,
    /// Options in `config.toml`.
    pub(crate) options: TrainOptions,
    /// Options that the checkpoint was made with. They differ from `options` if `config.toml` was changed after the
    /// checkpoint, by the user or by a session that made no checkpoint.
    before: TrainOptions,
    /// Whether the generator in the folder is a result that does not come again.
    keeps_result: bool,
}

impl ResumedRun {
    /// Opens `run`, or the newest run in `runs`.
    pub(crate) fn open(run: Option<&Path>, runs: &Path) -> Result<Self> {
        let path = match run {
            Some(path) => path.to_owned(),
            None => RunFolder::newest(runs)?.with_context(|| {
                format!("there is no run in {runs:?} to resume: name its folder with --resume RUN, or start one")
            })?,
        };
        let folder = RunFolder::open(&path)?;
        let saved = folder.last_checkpoint()?;
        let options = config_file::read(&path.join("config.toml"))?;
        let Some(saved) = saved else {
            return Ok(Self { folder, saved: None, before: options.clone(), options, keeps_result: false });
        };
        let before = saved.config.as_deref().map_or(Ok(options.clone()), TrainOptions::from_toml);
        let before =
            before.map_err(|message| anyhow!("the settings in the checkpoint are not understood: {message}"))?;
        Ok(Self { folder, saved: Some(saved), options, before, keeps_result: false })
    }

    /// Returns the progress of the run.
    pub(crate) fn progress(&self) -> Progress {
        self.saved.as_ref().map_or_else(Progress::default, |saved| saved.checkpoint.progress.clone())
    }

    /// Checks that the run can go on with `settings`, and returns those that differ from before.
    ///
    /// # Errors
    /// If one of them is fixed; see [`TrainConfig::resume`](dcgan_train::TrainConfig::resume).
    pub(crate) fn changes(&mut self, settings: &Settings) -> Result<Vec<Difference>> {
        let mut before = self.before.clone();
        if let (false, Some(source)) = (before.has_source(), &settings.source) {
            before = before.with_source(source);
        }
        let before = before.resolve().context("the settings of the run are impossible")?;
        if let Some(SavedCheckpoint { checkpoint: Checkpoint { progress, .. }, .. }) = &mut self.saved {
            settings.train.resume(&before.train, progress).map_err(UsageError::new)?;
            self.keeps_result = settings.has_other_result(&before) || before.train.is_at_end(progress);
        }
        Ok(settings.differences(&before))
    }

    /// Prepares the folder and prints what had to be repaired or moved. Called when everything has been checked.
    /// Returns the folder and the checkpoint.
    pub(crate) fn begin(mut self) -> Result<(RunFolder, Option<Checkpoint>)> {
        for error in self.saved.iter().flat_map(|saved| &saved.damaged) {
            say(&format!("warning   {error}; the run goes on from the checkpoint before it"));
        }
        let notes = self.folder.prepare(self.saved.as_ref(), self.keeps_result)?;
        notes.iter().for_each(|note| say(&format!("warning   {note}")));
        Ok((self.folder, self.saved.map(|saved| saved.checkpoint)))
    }

    /// Checks that the pictures are those that the run has learned from.
    pub(crate) fn check_pictures(&self, count: usize, fingerprint: &str) -> Result<()> {
        match self.saved.as_ref().and_then(|saved| saved.data_fingerprint.as_ref()) {
            Some(before) if before != fingerprint => bail!(
                "these {count} pictures are not those that the run has learnt from (fingerprint {fingerprint} now, \
                 {before} before): give it the same ones, or start a new run"
            ),
            _ => Ok(()),
        }
    }
}
