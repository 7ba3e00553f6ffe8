//! The sheets of faces in a run's folder.

use super::{RunFolder, SAMPLES};
use crate::RunFolderError;
use crate::run_folder_error::at;
use dcgan_image::{Picture, compose};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Returns the path of the sheet of faces after `epoch` epochs, relative to a run's folder.
pub fn sample_name(epoch: u64) -> String {
    format!("{SAMPLES}/epoch-{epoch:04}.png")
}

/// Returns the path of the sheet of faces at `step`, which is within `epoch`, relative to a run's folder. Sorted by
/// name, it is between the sheets after the epoch before and after this one.
pub fn step_sample_name(epoch: u64, step: u64) -> String {
    format!("{SAMPLES}/epoch-{epoch:04}-step-{step:08}.png")
}

/// A sheet of faces in a run's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The epoch at whose end the faces were drawn, or within which; 0 before training.
    pub epoch: u64,
    /// Number of steps taken, of a sheet within an epoch.
    pub step: Option<u64>,
    /// The file.
    pub path: PathBuf,
}

impl Sample {
    /// Returns the sample at `path`, or `None` if the name is not that of one.
    fn recognize(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_prefix("epoch-")?.strip_suffix(".png")?;
        let (epoch, step) = match name.split_once("-step-") {
            Some((epoch, step)) => (epoch, Some(step.parse().ok()?)),
            None => (name, None),
        };
        Some(Self { epoch: epoch.parse().ok()?, step, path })
    }

    /// Whether the faces were drawn after `step` steps and `epoch` epochs.
    fn is_after(&self, epoch: u64, step: u64) -> bool {
        self.step.map_or(self.epoch > epoch, |own| own > step)
    }
}

/// Lists the sheets of faces in a run's folder in the order in which they were drawn, with those within epochs.
///
/// # Errors
/// If there is no such folder, or it cannot be read.
pub fn all_samples(folder: &Path) -> io::Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for entry in fs::read_dir(folder.join(SAMPLES))? {
        samples.extend(Sample::recognize(entry?.path()));
    }
    // The sheet at the end of an epoch is the last one.
    samples.sort_by_key(|sample| (sample.epoch, sample.step.unwrap_or(u64::MAX)));
    Ok(samples)
}

/// Lists the sheets of faces after each epoch in a run's folder with their epochs, in order.
///
/// # Errors
/// If there is no such folder, or it cannot be read.
pub fn samples(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let ends_epoch = |sample: Sample| sample.step.is_none().then_some((sample.epoch, sample.path));
    Ok(all_samples(folder)?.into_iter().filter_map(ends_epoch).collect())
}

impl RunFolder {
    /// Returns the path of the sheet of faces after `epoch` epochs.
    pub fn sample_path(&self, epoch: u64) -> PathBuf {
        self.path.join(sample_name(epoch))
    }

    /// Lists the sheets after `epoch` epochs, and those within epochs after `step` steps.
    pub(super) fn samples_after(&self, epoch: u64, step: u64) -> Result<Vec<Sample>, RunFolderError> {
        let samples = all_samples(&self.path).map_err(at(&self.path))?.into_iter();
        Ok(samples.filter(|sample| sample.is_after(epoch, step)).collect())
    }

    /// Removes the sheets after `epoch` epochs and `step` steps, which the run makes again.
    pub(super) fn remove_samples_after(&self, epoch: u64, step: u64) -> Result<(), RunFolderError> {
        let samples = self.samples_after(epoch, step)?;
        samples.iter().try_for_each(|Sample { path, .. }| fs::remove_file(path).map_err(at(path)))
    }

    /// Writes the sheet of a `name` such as [`sample_name`] returns.
    pub(super) fn write_sample(&self, name: &str, faces: &[Picture]) -> Result<(), RunFolderError> {
        let path = self.path.join(name);
        compose(faces).save_png(&path).map_err(at(&path))
    }
}
