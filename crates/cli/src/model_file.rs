//! The model that a command was given.

use anyhow::{Result, bail};
use dcgan_formats::Model;
use dcgan_model::Role;
use std::path::{Path, PathBuf};

/// The generator in a run's folder: of the two files there, the one that is read quicker.
const IN_RUN_FOLDER: &str = "generator.safetensors";

/// Loads the generator of a model file or of a run's folder, or the only network there is, and says which file it was.
pub(crate) fn load(path: &Path) -> Result<(PathBuf, Model)> {
    load_network(path, None)
}

/// [`load`] for a network of a certain role.
pub(crate) fn load_network(path: &Path, role: Option<Role>) -> Result<(PathBuf, Model)> {
    let file = if path.is_dir() { path.join(IN_RUN_FOLDER) } else { path.to_owned() };
    if path.is_dir() && !file.exists() {
        bail!("{path:?} holds no {IN_RUN_FOLDER}: it is no run's folder, or the run has not ended");
    }
    let model = dcgan_formats::load_network(&file, role)?;
    Ok((file, model))
}
