//! Creating, finding and opening the folders of runs.

use super::{CHECKPOINTS, CONFIG, CONFIG_FACT, GENERATORS, Keep, METRICS, RunFolder, SAMPLES, append};
use crate::RunFolderError;
use crate::lock::{Lock, LockError};
use crate::run_folder_error::{at, reading};
use dcgan_files::{is_temporary, remove_temporaries, sync_folder, write_durable};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

impl RunFolder {
    /// Makes `path` a run folder with `config` as its `config.toml`. The folder is created if it is missing, and must
    /// be empty if it exists.
    ///
    /// # Errors
    /// If `path` is a file, is not empty, or cannot be written.
    pub fn create(path: &Path, config: &str) -> Result<Self, RunFolderError> {
        fs::create_dir_all(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => RunFolderError::NotAFolder(path.to_owned()),
            _ => at(path)(error),
        })?;
        // Checked before anything is written, so that no lock file is left in a folder that is refused.
        check_empty(path)?;
        let lock = lock(path)?;
        // Checked again, because another process may have made a run of the folder in between.
        check_empty(path)?;
        Self::begin(path, lock, config)
    }

    /// Checks that [`RunFolder::create`] can make `path` a run folder, as far as that is known without writing.
    ///
    /// # Errors
    /// If `path` is a file or is not empty.
    pub fn check_new(path: &Path) -> Result<(), RunFolderError> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => check_empty(path),
            Ok(_) => Err(RunFolderError::NotAFolder(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                Err(RunFolderError::NotAFolder(path.to_owned()))
            }
            Err(_) => Ok(()),
        }
    }

    /// Creates the run folder `parent/NNNN-name`, where NNNN is one more than the largest number there.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create_numbered(parent: &Path, name: &str, config: &str) -> Result<Self, RunFolderError> {
        fs::create_dir_all(parent).map_err(at(parent))?;
        let mut number = numbered(parent)?.last().map_or(0, |(number, _)| number.saturating_add(1));
        loop {
            let path = parent.join(format!("{number:04}-{name}"));
            match fs::create_dir(&path) {
                Ok(()) => return Self::create(&path, config),
                // Another process has taken this number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < u32::MAX => number += 1,
                Err(error) => return Err(at(&path)(error)),
            }
        }
    }

    /// Returns the run in `parent` with the largest number; `None` if there is no run.
    ///
    /// # Errors
    /// If `parent` exists and cannot be read.
    pub fn newest(parent: &Path) -> Result<Option<PathBuf>, RunFolderError> {
        Ok(Self::list(parent)?.pop())
    }

    /// Lists the runs in `parent` by their numbers; empty if there is no such folder.
    ///
    /// # Errors
    /// If `parent` exists and cannot be read.
    pub fn list(parent: &Path) -> Result<Vec<PathBuf>, RunFolderError> {
        if !parent.exists() {
            return Ok(Vec::new());
        }
        let runs = numbered(parent)?.into_iter().map(|(_, path)| path);
        Ok(runs.filter(|path| path.join(CONFIG).exists()).collect())
    }

    /// Whether a process works on the run in `path`. It is `false` where the file system has no locks.
    pub fn is_in_use(path: &Path) -> bool {
        Lock::is_held(&path.join(Lock::NAME))
    }

    /// Opens the folder of an existing run to resume it.
    ///
    /// # Errors
    /// If `path` is not the folder of a run, another process works on it, or it cannot be written.
    pub fn open(path: &Path) -> Result<Self, RunFolderError> {
        if !path.join(CONFIG).is_file() {
            return Err(RunFolderError::NoRun(path.to_owned()));
        }
        let lock = lock(path)?;
        let config = fs::read_to_string(path.join(CONFIG)).map_err(reading(&path.join(CONFIG)))?;
        Self::begin(path, lock, &config)
    }

    /// Writes the configuration, makes the subfolders, and removes temporary files that an earlier process has left.
    fn begin(path: &Path, lock: Lock, config: &str) -> Result<Self, RunFolderError> {
        // Written first, because it makes the folder a run.
        let file = path.join(CONFIG);
        if !fs::read_to_string(&file).is_ok_and(|old| old == config) {
            write_durable(&file, config.as_bytes()).map_err(at(&file))?;
        }
        for folder in [path.to_owned(), path.join(SAMPLES), path.join(CHECKPOINTS)] {
            fs::create_dir_all(&folder).and_then(|()| remove_temporaries(&folder)).map_err(at(&folder))?;
        }
        // Made when the first generator is kept.
        let generators = path.join(GENERATORS);
        if generators.is_dir() {
            remove_temporaries(&generators).map_err(at(&generators))?;
        }
        sync_folder(&path.join(SAMPLES)).map_err(at(path))?;
        let metrics = append(&path.join(METRICS))?;
        let facts = [(CONFIG_FACT.to_owned(), config.to_owned())].into();
        let keep = Keep::default();
        let (path, metrics_written) = (path.to_owned(), Instant::now());
        Ok(Self { path, _lock: lock, metrics, metrics_written, step: 0, keep, facts, session: None, result: None })
    }
}

/// Locks a run's folder.
fn lock(path: &Path) -> Result<Lock, RunFolderError> {
    let file = path.join(Lock::NAME);
    Lock::take(&file).map_err(|error| match error {
        LockError::Held { process } => RunFolderError::InUse { path: path.to_owned(), process },
        LockError::Io(error) => at(&file)(error),
    })
}

/// Checks that a folder is empty, except for files of a process that was killed while it created a run.
fn check_empty(path: &Path) -> Result<(), RunFolderError> {
    for entry in fs::read_dir(path).map_err(at(path))? {
        let name = entry.map_err(at(path))?.file_name();
        if name != Lock::NAME && !is_temporary(&name) {
            return Err(RunFolderError::NotEmpty(path.to_owned()));
        }
    }
    Ok(())
}

/// Lists the entries of `parent` whose names begin with a number and a hyphen, by number.
fn numbered(parent: &Path) -> Result<Vec<(u32, PathBuf)>, RunFolderError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(parent).map_err(at(parent))? {
        let entry = entry.map_err(at(parent))?;
        let number = entry.file_name().to_str().and_then(|name| name.split_once('-')?.0.parse::<u32>().ok());
        found.extend(number.map(|number| (number, entry.path())));
    }
    found.sort();
    Ok(found)
}
