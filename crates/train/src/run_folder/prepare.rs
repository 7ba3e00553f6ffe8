//! Preparing a run's folder for resuming: what is damaged, and what would be overwritten.

use super::{GENERATORS, HEALTH, METRICS, RunFolder, SAMPLES, Sample, SavedCheckpoint, name_of};
use crate::DamagedLines;
use crate::RunFolderError;
use crate::run_folder_error::at;
use crate::tensorboard::repair_event_files;
use dcgan_files::{copy, free_name, set_aside};
use std::fs;
use std::path::{Path, PathBuf};

impl RunFolder {
    /// Prepares the folder for resuming from `from`; `None` for the beginning. Call it before the training starts, when
    /// everything else has been checked. Damaged files are renamed or repaired, and results that the run would
    /// overwrite are moved. Returns what was done, in sentences for the user.
    ///
    /// `keeps_result` tells whether the generator in the folder is a result that the run does not make again, because
    /// it had reached its end or its settings have changed.
    ///
    /// # Errors
    /// If anything cannot be read or written.
    pub fn prepare(
        &mut self,
        from: Option<&SavedCheckpoint>,
        keeps_result: bool,
    ) -> Result<Vec<String>, RunFolderError> {
        let mut notes = Vec::new();
        for path in from.map_or(&[][..], |saved| &saved.damaged_files) {
            set_aside(path).map_err(at(path))?;
        }
        let (step, epoch) = from.map_or((0, 0), |saved| {
            let progress = &saved.checkpoint.progress;
            (progress.step, progress.epoch)
        });
        let later = self.samples_after(epoch, step)?;
        // A run that was killed during a checkpoint has the sheets of one epoch more than the checkpoint.
        let was_further = later.iter().any(|sample| sample.epoch > epoch + 1);
        let aside = free_name(&self.path.join("kept"), &format!("step-{step:08}"));
        if was_further {
            self.keep_later(&aside, &later, epoch)?;
            let aside = name_of(&aside);
            notes.push(format!(
                "the run was further than step {step}: its later samples and its metrics are in {aside} now"
            ));
        } else if keeps_result {
            // They are of the run as it was, and none of the run as it is takes their place.
            let begun = epoch + from.map_or(0, |saved| u64::from(saved.checkpoint.progress.pictures > 0));
            let samples: Vec<Sample> = later.into_iter().filter(|sample| !self.comes_again(sample)).collect();
            let generators = if self.extras.keep_generators { Vec::new() } else { self.generators_after(begun)? };
            if !samples.is_empty() || !generators.is_empty() {
                move_to(&aside, &samples, generators)?;
                notes.push(format!(
                    "samples and generators of steps after {step}, which do not come again, are in {} now",
                    name_of(&aside)
                ));
            }
        }
        self.result = (was_further || keeps_result).then_some(aside);
        if let Some(DamagedLines { count, copy }) = self.rewind_metrics(step)? {
            let (lines, were) = if count == 1 { ("1 line", "was") } else { (&*format!("{count} lines"), "were") };
            let copy = name_of(&copy);
            notes.push(format!(
                "{lines} of {METRICS} cannot be read and {were} left out; {copy} has the file as it was"
            ));
        }
        for (file, copy) in repair_event_files(&self.path).map_err(at(&self.path))? {
            let (file, copy) = (name_of(&file), name_of(&copy));
            notes.push(format!("parts of {file} cannot be read and were left out; {copy} has the file as it was"));
        }
        Ok(notes)
    }

    /// Copies the metrics and the best generator to the new folder `aside`, and moves `samples` and the generators of
    /// epochs after `epoch` there.
    fn keep_later(&self, aside: &Path, samples: &[Sample], epoch: u64) -> Result<(), RunFolderError> {
        fs::create_dir_all(aside).map_err(at(aside))?;
        let best = self.best_torchscript_path();
        for path in [self.metrics_path(), self.path.join(HEALTH), best.with_extension("safetensors"), best] {
            let kept = aside.join(path.file_name().unwrap_or_default());
            if path.exists() {
                copy(&path, &kept).map_err(at(&kept))?;
            }
        }
        move_to(aside, samples, self.generators_after(epoch)?)
    }
}

/// Moves sheets of faces and kept generators to the folder `aside`.
fn move_to(aside: &Path, samples: &[Sample], generators: Vec<PathBuf>) -> Result<(), RunFolderError> {
    let samples = samples.iter().map(|sample| (SAMPLES, sample.path.clone()));
    let generators = generators.into_iter().map(|path| (GENERATORS, path));
    for (folder, path) in samples.chain(generators) {
        let folder = aside.join(folder);
        let kept = folder.join(path.file_name().unwrap_or_default());
        fs::create_dir_all(&folder).and_then(|()| fs::rename(path, &kept)).map_err(at(&kept))?;
    }
    Ok(())
}
