//! The model that a command was given.

use anyhow::{Result, bail};
use dcgan_formats::Model;
use dcgan_model::Role;
use std::fs;
use std::path::{Path, PathBuf};

/// The generator in a run's folder: of the two files there, the one that is read quicker.
const IN_RUN_FOLDER: &str = "generator.safetensors";

/// Where a run's folder has both networks.
const CHECKPOINTS: &str = "checkpoints";

/// Loads the generator of a model file or of a run's folder, or the only network there is, and says which file it was.
pub(crate) fn load(path: &Path) -> Result<(PathBuf, Model)> {
    load_network(path, None)
}

/// [`load`] for a network of a certain role.
pub(crate) fn load_network(path: &Path, role: Option<Role>) -> Result<(PathBuf, Model)> {
    let file = if path.is_dir() { in_run_folder(path, role)? } else { path.to_owned() };
    let model = dcgan_formats::load_network(&file, role)?;
    Ok((file, model))
}

/// The file in a run's folder: the finished generator, or of a run that has not ended, and for a discriminator, the newest checkpoint.
fn in_run_folder(folder: &Path, role: Option<Role>) -> Result<PathBuf> {
    let finished = folder.join(IN_RUN_FOLDER);
    if role != Some(Role::Discriminator) && finished.exists() {
        return Ok(finished);
    }
    let entries = fs::read_dir(folder.join(CHECKPOINTS)).into_iter().flatten().flatten().map(|entry| entry.path());
    // Their names begin with the step, in digits enough to sort by.
    match entries.filter(|path| path.extension().is_some_and(|extension| extension == "safetensors")).max() {
        Some(newest) => Ok(newest),
        None if finished.exists() => bail!("{folder:?} holds no {CHECKPOINTS}, where a run keeps its discriminator"),
        None => bail!("{folder:?} holds no {IN_RUN_FOLDER} and no {CHECKPOINTS}: it is no run's folder"),
    }
}
