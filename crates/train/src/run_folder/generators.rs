//! The generators of epochs in a run's folder.

use super::{GENERATORS, RunFolder};
use crate::RunFolderError;
use crate::run_folder_error::at;
use dcgan_files::write_durable;
use dcgan_formats::{describe, write_half_safetensors};
use dcgan_model::{Network, StateDict};
use std::fs;
use std::path::PathBuf;

impl RunFolder {
    /// Lists the kept generators of epochs after `epoch`.
    pub(super) fn generators_after(&self, epoch: u64) -> Result<Vec<PathBuf>, RunFolderError> {
        let folder = self.path.join(GENERATORS);
        let mut later = Vec::new();
        if !folder.exists() {
            return Ok(later);
        }
        for entry in fs::read_dir(&folder).map_err(at(&folder))? {
            let path = entry.map_err(at(&folder))?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let own = name.and_then(|name| name.strip_prefix("epoch-")?.strip_suffix(".safetensors")?.parse().ok());
            later.extend(own.is_some_and(|own: u64| own > epoch).then_some(path));
        }
        Ok(later)
    }

    /// Removes the kept generators of epochs after `epoch`, if the run keeps them again.
    pub(super) fn remove_generators_after(&self, epoch: u64) -> Result<(), RunFolderError> {
        if !self.extras.keep_generators {
            return Ok(());
        }
        self.generators_after(epoch)?.iter().try_for_each(|path| fs::remove_file(path).map_err(at(path)))
    }

    /// Writes the generator of `epoch` in half precision.
    pub(super) fn keep_generator(
        &self,
        epoch: u64,
        network: &Network,
        generator: &StateDict,
    ) -> Result<(), RunFolderError> {
        let folder = self.path.join(GENERATORS);
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        let path = folder.join(format!("epoch-{epoch:04}.safetensors"));
        let mut metadata = describe(network);
        metadata.insert("epoch".to_owned(), epoch.to_string());
        let mut bytes = Vec::new();
        write_half_safetensors(&mut bytes, generator, &metadata)?;
        write_durable(&path, &bytes).map_err(at(&path))
    }
}
