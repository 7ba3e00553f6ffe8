//! The generators in a run's folder.

use crate::Error;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Returns the file of a run's generator: the finished one, or the newest checkpoint.
pub(crate) fn generator_file(folder: &Path) -> Result<PathBuf, Error> {
    let finished = folder.join("generator.safetensors");
    if finished.exists() {
        return Ok(finished);
    }
    // The names begin with the step, padded with zeros, so that they sort by it.
    let newest = safetensors_in(&folder.join("checkpoints")).into_iter().max();
    newest.ok_or_else(|| Error::NoRun(folder.to_owned()))
}

/// Lists the generators after single epochs in a run's folder by their epochs: those that `dcgan train
/// --keep-generators` has kept in half precision, and where there is none, checkpoints at the end of an epoch. Empty
/// for any other folder.
pub fn epoch_generators(folder: impl AsRef<Path>) -> BTreeMap<u64, PathBuf> {
    let folder = folder.as_ref();
    let epoch = |path: &Path| path.file_stem()?.to_str()?.rsplit_once("epoch-")?.1.parse().ok();
    let of_epochs = |name: &str| {
        let files = safetensors_in(&folder.join(name)).into_iter();
        files.filter_map(move |path| Some((epoch(&path)?, path)))
    };
    // A kept generator is that of the samples, which a checkpoint with a moving average does not hold.
    of_epochs("checkpoints").chain(of_epochs("generators")).collect()
}

/// Returns the file of the generator after `epoch`.
///
/// # Errors
/// [`Error::NoEpoch`] if it was not kept.
pub(crate) fn epoch_file(folder: &Path, epoch: u64) -> Result<PathBuf, Error> {
    let mut kept = epoch_generators(folder);
    kept.remove(&epoch).ok_or_else(|| Error::NoEpoch {
        path: folder.to_owned(),
        epoch,
        kept: kept.into_keys().collect(),
    })
}

fn safetensors_in(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "safetensors")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generators_of_epochs_are_found() {
        let folder = tempfile::tempdir().unwrap();
        assert!(epoch_generators(folder.path()).is_empty());
        for name in [
            "checkpoints/step-00000009-epoch-0003.safetensors",
            "checkpoints/step-00000012-epoch-0004.safetensors",
            "checkpoints/step-00000014.safetensors",
            "checkpoints/step-00000015-epoch-0005.safetensors.damaged",
            "generators/epoch-0002.safetensors",
            "generators/epoch-0003.safetensors",
            "generators/notes.safetensors",
        ] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found = epoch_generators(folder.path());
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), [2, 3, 4]);
        assert!(found[&3].ends_with("generators/epoch-0003.safetensors"), "{found:?}");
        let error = epoch_file(folder.path(), 7).unwrap_err().to_string();
        assert!(error.ends_with("no generator of epoch 7: those kept are of the epochs 2 to 4"), "{error}");
    }
}
