//! The checkpoints in a run's folder.

use super::samples::{sample_name, samples};
use super::{CHECKPOINTS, CONFIG_FACT, DATA_FACT, METRICS, RECORD, RunFolder, SAMPLES, name_of};
use crate::RunFolderError;
use crate::StepMetrics;
use crate::run_folder_error::{at, reading};
use crate::session_record::Place;
use dcgan_files::{NewFile, sync_folder};
use dcgan_formats::{ErrorKind, FormatError, load_checkpoint, write_checkpoint};
use dcgan_model::Checkpoint;
use std::fs;
use std::io::{self, BufWriter};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

/// Which checkpoints are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Number of the last checkpoints that are kept.
    pub last: NonZeroUsize,
    /// Checkpoints at the end of every epoch whose number is a multiple of this are kept as well.
    pub every: Option<NonZeroU64>,
}

impl Default for Keep {
    fn default() -> Self {
        Self { last: NonZeroUsize::MIN.saturating_add(1), every: None }
    }
}

/// A checkpoint found in a run's folder.
#[derive(Debug)]
pub struct SavedCheckpoint {
    /// State to resume from.
    pub checkpoint: Checkpoint,
    /// `config.toml` of the run when the checkpoint was made.
    pub config: Option<String>,
    /// Fingerprint of the pictures that the run has learned from.
    pub data_fingerprint: Option<String>,
    /// Errors of newer checkpoints, which cannot be read; [`RunFolder::prepare`] renames them.
    pub damaged: Vec<FormatError>,
    /// Files of those checkpoints.
    pub(super) damaged_files: Vec<PathBuf>,
}

impl RunFolder {
    /// Reads the newest checkpoint that is not damaged. `None` if the run was stopped before its first checkpoint.
    /// Changes nothing on disk.
    ///
    /// # Errors
    /// If none of the checkpoints can be read, the newest has another format version, or the checkpoints were removed.
    pub fn last_checkpoint(&self) -> Result<Option<SavedCheckpoint>, RunFolderError> {
        let mut damaged: Vec<(PathBuf, FormatError)> = Vec::new();
        for CheckpointFile { path, .. } in self.checkpoint_files()?.into_iter().rev() {
            match load_checkpoint(&path) {
                Ok((checkpoint, mut facts)) => {
                    let (config, data_fingerprint) = (facts.remove(CONFIG_FACT), facts.remove(DATA_FACT));
                    let (damaged_files, damaged) = damaged.into_iter().unzip();
                    return Ok(Some(SavedCheckpoint { checkpoint, config, data_fingerprint, damaged, damaged_files }));
                }
                Err(error) if matches!(error.kind(), ErrorKind::Io | ErrorKind::Unsupported) => {
                    return Err(RunFolderError::Checkpoint(error));
                }
                Err(error) => damaged.push((path, error)),
            }
        }
        if let Some((_, error)) = damaged.into_iter().next() {
            return Err(RunFolderError::Checkpoint(error));
        }
        match self.trace_of_checkpoints()? {
            Some(made) => Err(RunFolderError::NoCheckpoints { path: self.path.clone(), made }),
            None => Ok(None),
        }
    }

    /// Returns a result that shows that the run has had a checkpoint; `None` if there is none. A run that was killed
    /// before its first checkpoint may have the sheets of epochs 0 and 1, metrics of epoch 1, and a best generator.
    fn trace_of_checkpoints(&self) -> Result<Option<String>, RunFolderError> {
        if let Some(path) = [self.torchscript_path(), self.safetensors_path()].into_iter().find(|path| path.exists()) {
            return Ok(Some(name_of(&path)));
        }
        let samples = samples(&self.path).map_err(at(&self.path))?;
        if let Some((epoch, _)) = samples.into_iter().next_back().filter(|(epoch, _)| *epoch > 1) {
            return Ok(Some(sample_name(epoch)));
        }
        let path = self.metrics_path();
        let metrics = fs::read(&path).map_err(reading(&path))?;
        let is_of_later_epoch =
            |line: &[u8]| serde_json::from_slice::<StepMetrics>(line).is_ok_and(|metrics| metrics.epoch > 1);
        if metrics.split(|&byte| byte == b'\n').any(is_of_later_epoch) {
            return Ok(Some(METRICS.to_owned()));
        }
        let is_recorded = self.last_session().is_some_and(|session| session.has_checkpoint);
        Ok(is_recorded.then(|| format!("saved one before, as {RECORD} says, and has {METRICS} and {SAMPLES}")))
    }

    /// Writes a checkpoint so that it survives a power failure, and records that this session has one.
    pub(super) fn write_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), RunFolderError> {
        let path = self.path.join(CHECKPOINTS).join(checkpoint_name(checkpoint));
        let (new, file) = NewFile::create(&path).map_err(at(&path))?;
        let mut out = BufWriter::new(file);
        write_checkpoint(&mut out, checkpoint, &self.facts).map_err(|error| match error.kind() {
            ErrorKind::Io => at(&path)(io::Error::other(error.to_string())),
            _ => RunFolderError::Networks(error),
        })?;
        let written = out.into_inner().map_err(io::IntoInnerError::into_error);
        written.and_then(|file| file.sync_all()).and_then(|()| new.commit()).map_err(at(&path))?;
        sync_folder(&path).map_err(at(&path))?;
        if let Some(session) = self.session.as_mut().filter(|session| !session.has_checkpoint) {
            session.has_checkpoint = true;
            let path = self.path.join(RECORD);
            session.write_to(&path, Place::Last).map_err(at(&path))?;
        }
        self.remove_old_checkpoints()
    }

    /// Removes all checkpoints but the newest ones and those of every N-th epoch, as [`Keep`] says.
    pub(super) fn remove_old_checkpoints(&self) -> Result<(), RunFolderError> {
        let mut files = self.checkpoint_files()?;
        files.truncate(files.len().saturating_sub(self.keep.last.get()));
        let is_kept = |epoch: Option<u64>| {
            self.keep.every.zip(epoch).is_some_and(|(every, epoch)| epoch.is_multiple_of(every.get()))
        };
        files.retain(|file| !is_kept(file.epoch));
        files.iter().try_for_each(|CheckpointFile { path, .. }| fs::remove_file(path).map_err(at(path)))
    }

    /// Lists the checkpoints by step.
    fn checkpoint_files(&self) -> Result<Vec<CheckpointFile>, RunFolderError> {
        let folder = self.path.join(CHECKPOINTS);
        let mut files = Vec::new();
        for entry in fs::read_dir(&folder).map_err(reading(&folder))? {
            files.extend(CheckpointFile::recognize(entry.map_err(reading(&folder))?.path()));
        }
        files.sort_by_key(|file| file.step);
        Ok(files)
    }
}

/// A checkpoint file, as its name describes it.
#[derive(Debug)]
struct CheckpointFile {
    path: PathBuf,
    step: u64,
    /// Number of epochs, of a checkpoint at the end of an epoch.
    epoch: Option<u64>,
}

impl CheckpointFile {
    /// Returns the checkpoint at `path`, or `None` if the name is not that of one.
    fn recognize(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_prefix("step-")?.strip_suffix(".safetensors")?;
        let (step, epoch) = match name.split_once("-epoch-") {
            Some((step, epoch)) => (step, Some(epoch.parse().ok()?)),
            None => (name, None),
        };
        let step = step.parse().ok()?;
        Some(Self { path, step, epoch })
    }
}

/// Returns the file name of a checkpoint, such as `step-00000100.safetensors`. Only one at the end of an epoch names
/// the epoch.
fn checkpoint_name(checkpoint: &Checkpoint) -> String {
    let progress = &checkpoint.progress;
    match progress.pictures {
        0 => format!("step-{:08}-epoch-{:04}.safetensors", progress.step, progress.epoch),
        _ => format!("step-{:08}.safetensors", progress.step),
    }
}
