//! `dcgan train --resume`: a run's folder, the checkpoint in it, and what may be changed on the way.

use crate::progress::say;
use crate::settings::{Settings, TrainOptions};
use crate::usage::UsageError;
use anyhow::{Context, Result, anyhow, bail};
use dcgan_train::{Checkpoint, Progress, RunFolder};
use std::path::Path;

/// A run to go on with.
pub(crate) struct Resumed {
    pub(crate) folder: RunFolder,
    /// `None` if the run was stopped before its first checkpoint.
    pub(crate) checkpoint: Option<Checkpoint>,
    /// What `config.toml` asks for.
    pub(crate) options: TrainOptions,
    /// What the checkpoint was made with: before a request for other settings, if no checkpoint came after it, or before `config.toml` was edited.
    before: TrainOptions,
    /// Fingerprint of the pictures it has learnt from, if it has.
    data_fingerprint: Option<String>,
}

impl Resumed {
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
        let options = TrainOptions::from_file(&path.join("config.toml"))?;
        let Some(saved) = saved else {
            return Ok(Self { folder, checkpoint: None, before: options.clone(), options, data_fingerprint: None });
        };
        for error in &saved.damaged {
            say(&format!("warning   {error}; the run goes on from the checkpoint before it"));
        }
        let before = saved.config.map_or(Ok(options.clone()), |config| TrainOptions::from_toml(&config));
        let before =
            before.map_err(|message| anyhow!("the settings in the checkpoint are not understood: {message}"))?;
        let (checkpoint, data_fingerprint) = (Some(saved.checkpoint), saved.data_fingerprint);
        Ok(Self { folder, checkpoint, options, before, data_fingerprint })
    }

    /// How far the run is.
    pub(crate) fn progress(&self) -> Progress {
        self.checkpoint.as_ref().map_or_else(Progress::default, |checkpoint| checkpoint.progress.clone())
    }

    /// Compares the settings with those of before and takes down every difference.
    ///
    /// # Errors
    /// If one of them cannot be changed any more.
    pub(crate) fn changes(&mut self, settings: &Settings) -> Result<Vec<String>> {
        let before = self.before.clone().resolve().context("the settings of the run are impossible")?;
        let differences = differences(&before, settings)?;
        let Some(Checkpoint { progress, .. }) = &mut self.checkpoint else {
            return Ok(differences.iter().map(ToString::to_string).collect());
        };
        for difference in &differences {
            if let Some(reason) = refusal(&difference.key) {
                return Err(UsageError::new(format_args!(
                    "a run cannot go on with another {} ({} before, {} now): {reason}. Leave it as it was, or start a new run",
                    difference.key, difference.before, difference.now
                ))
                .into());
            }
            if difference.key.starts_with("lr") {
                // Whoever chooses a rate means that one, not a half of it.
                progress.rollbacks = 0;
            }
        }
        check_length(progress, settings)?;
        Ok(differences.iter().map(ToString::to_string).collect())
    }

    /// Checks that these are the pictures of before.
    pub(crate) fn check_pictures(&self, count: usize, fingerprint: &str) -> Result<()> {
        match &self.data_fingerprint {
            Some(before) if before != fingerprint => bail!(
                "these {count} pictures are not those that the run has learnt from (fingerprint {fingerprint} now, {before} before): give \
                 it the same ones, or start a new run"
            ),
            _ => Ok(()),
        }
    }
}

/// A run cannot be made shorter than it is.
fn check_length(progress: &Progress, settings: &Settings) -> Result<(), UsageError> {
    let epochs = settings.train.epochs;
    let Progress { step, epoch, pictures, .. } = *progress;
    let begun = epoch + u64::from(pictures > 0);
    if epochs < begun {
        return Err(UsageError::new(format_args!(
            "--epochs {epochs} is over: the run is in epoch {begun}; choose {begun} or more"
        )));
    }
    match settings.train.max_steps {
        Some(max_steps) if max_steps < step => Err(UsageError::new(format_args!(
            "--max-steps {max_steps} is over: the run has taken {step} steps; choose more"
        ))),
        _ => Ok(()),
    }
}

/// Why a setting cannot be changed; `None` if it can be. What pictures there are is settled by their fingerprint.
fn refusal(key: &str) -> Option<&'static str> {
    match key {
        "image-size" | "channels" | "latent-dim" | "base-channels" => Some("its networks have their size"),
        "seed" => Some("it decided the first weights and goes on deciding the noise and the order of the pictures"),
        "init" => Some("the first weights were drawn long ago"),
        _ => None,
    }
}

/// A setting before and now, as in `config.toml`.
#[derive(Debug, PartialEq)]
struct Difference {
    key: String,
    before: String,
    now: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} → {}", self.key, self.before, self.now)
    }
}

/// Compares two configuration files key by key, so that a new setting needs nothing here to be shown.
fn differences(before: &Settings, now: &Settings) -> Result<Vec<Difference>> {
    let table = |settings: &Settings| settings.to_toml().parse::<toml::Table>();
    let (before, now) = (table(before)?, table(now)?);
    let mut keys: Vec<&String> = before.keys().chain(now.keys()).collect();
    keys.sort();
    keys.dedup();
    let text = |table: &toml::Table, key: &str| table.get(key).map_or("not set".to_owned(), ToString::to_string);
    let difference = |key: &String| Difference { key: key.clone(), before: text(&before, key), now: text(&now, key) };
    Ok(keys.into_iter().map(difference).filter(|difference| difference.before != difference.now).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(toml: &str) -> Settings {
        TrainOptions::from_toml(toml).unwrap().resolve().unwrap()
    }

    #[test]
    fn differences_are_found_by_key() {
        let before = settings("demo = true\nlr = 0.001\nmax-steps = 5");
        let now = settings("demo = true\nlr = 0.002\nthreads = 3\nepochs = 20");
        let texts: Vec<String> = differences(&before, &now).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["lr: 0.001 → 0.002", "max-steps: 5 → not set", "threads: not set → 3"]);
        assert_eq!(differences(&before, &before).unwrap(), []);
    }

    #[test]
    fn a_run_can_be_made_longer_only() {
        let progress = |step, epoch, pictures| Progress { step, epoch, pictures, ..Progress::default() };
        let check = |progress: Progress, toml: &str| {
            check_length(&progress, &settings(&format!("demo = true\n{toml}"))).map_err(|error| error.to_string())
        };
        assert_eq!(check(progress(6, 3, 0), "epochs = 3"), Ok(()));
        assert!(check(progress(6, 3, 0), "epochs = 2").unwrap_err().contains("in epoch 3; choose 3"));
        assert!(check(progress(7, 3, 1), "epochs = 3").unwrap_err().contains("in epoch 4; choose 4"));
        assert_eq!(check(progress(7, 3, 1), "max-steps = 7"), Ok(()));
        assert!(check(progress(7, 3, 1), "max-steps = 6").unwrap_err().contains("taken 7 steps"));
    }
}
