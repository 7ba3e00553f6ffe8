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

/// Lists the sheets of faces in a run's folder with their epochs, in order.
///
/// # Errors
/// If there is no such folder, or it cannot be read.
pub fn samples(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut samples = Vec::new();
    for entry in fs::read_dir(folder.join(SAMPLES))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let epoch = name.and_then(|name| name.strip_prefix("epoch-")?.strip_suffix(".png")?.parse().ok());
        samples.extend(epoch.map(|epoch| (epoch, path)));
    }
    samples.sort();
    Ok(samples)
}

impl RunFolder {
    /// Returns the path of the sheet of faces after `epoch` epochs.
    pub fn sample_path(&self, epoch: u64) -> PathBuf {
        self.path.join(sample_name(epoch))
    }

    /// Lists the sheets of epochs after `epoch`.
    pub(super) fn samples_after(&self, epoch: u64) -> Result<Vec<PathBuf>, RunFolderError> {
        let samples = samples(&self.path).map_err(at(&self.path))?.into_iter();
        Ok(samples.filter(|(number, _)| *number > epoch).map(|(_, path)| path).collect())
    }

    /// Removes the sheets of epochs after `epoch`, which the run makes again.
    pub(super) fn remove_samples_after(&self, epoch: u64) -> Result<(), RunFolderError> {
        self.samples_after(epoch)?.iter().try_for_each(|path| fs::remove_file(path).map_err(at(path)))
    }

    pub(super) fn write_sample(&self, epoch: u64, faces: &[Picture]) -> Result<(), RunFolderError> {
        let path = self.sample_path(epoch);
        compose(faces).save_png(&path).map_err(at(&path))
    }
}
