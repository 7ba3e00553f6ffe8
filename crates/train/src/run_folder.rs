//! The folder that holds everything about a run.
//!
//! ```text
//! runs/0000-avatars/
//!   config.toml                                     every setting
//!   run.json                                        one SessionRecord for every process that worked on it
//!   metrics.jsonl                                   one StepMetrics a line
//!   samples/epoch-0000.png                          the same faces before training and after every epoch
//!   checkpoints/step-00000498-epoch-0001.safetensors   all it takes to go on; without "epoch" if made within one
//!   generator.pt                                    the result so far, when the run has ended or was told to stop: TorchScript
//!   generator.safetensors                           the same as plain tensors
//!   .lock                                           held by the process that works on the run
//! ```
//!
//! A folder is a run from the moment it has a `config.toml`. From then on it can be resumed, whatever happens: every file but the growing
//! `metrics.jsonl` is whole or not there, and that one is cut to the checkpoint that the run goes on from.

use crate::files::{NewFile, is_temporary, remove_temporaries, sync_folder, truncate_lines, write_durable};
use crate::lock::{Lock, LockError};
use crate::{Event, Listener, ListenerError, Picture, SessionRecord, StepMetrics, compose};
use dcgan_formats::{
    Checkpoint, ErrorKind, FormatError, Metadata, describe, load_checkpoint, write_checkpoint, write_safetensors,
    write_torchscript,
};
use dcgan_model::{Network, StateDict};
use std::fs::{self, File};
use std::io::{self, BufWriter, Cursor, Write};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};

const CONFIG: &str = "config.toml";
const RECORD: &str = "run.json";
const METRICS: &str = "metrics.jsonl";
const SAMPLES: &str = "samples";
const CHECKPOINTS: &str = "checkpoints";
/// The metadata of a checkpoint that hold its run's `config.toml`.
const CONFIG_FACT: &str = "config";
/// The metadata of a checkpoint that hold the [`fingerprint`](crate::fingerprint) of its pictures.
const DATA_FACT: &str = "data_fingerprint";

/// A listener that writes a run to disk. The folder is locked against other processes as long as this is alive.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    _lock: Lock,
    metrics: BufWriter<File>,
    keep: Keep,
    /// What checkpoints say beside the state.
    facts: Metadata,
}

/// Which checkpoints are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// So many of the last ones.
    pub last: NonZeroUsize,
    /// Beside them those at the end of every epoch whose number is a multiple of this.
    pub every: Option<NonZeroU64>,
}

impl Default for Keep {
    fn default() -> Self {
        Self { last: NonZeroUsize::MIN.saturating_add(1), every: None }
    }
}

/// A checkpoint found in a run's folder.
#[derive(Debug)]
pub struct Saved {
    /// The state to go on from.
    pub checkpoint: Checkpoint,
    /// The run's `config.toml` when it was saved.
    pub config: Option<String>,
    /// The fingerprint of the pictures it has learnt from.
    pub data_fingerprint: Option<String>,
    /// What is wrong with newer checkpoints, which are out of the way now.
    pub damaged: Vec<FormatError>,
}

/// Why a run folder could not be made, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunFolderError {
    /// There is something that must not be overwritten.
    #[error("{0:?} is not empty, and a run is never overwritten: name another folder or remove it first")]
    NotEmpty(PathBuf),
    /// The place is taken by a file.
    #[error("{0:?} is not a folder: name another place for the run")]
    NotAFolder(PathBuf),
    /// There is no run to go on with.
    #[error("{0:?} is no run's folder: it has no config.toml")]
    NoRun(PathBuf),
    /// Another process works on it.
    #[error("{path:?} is in use by another dcgan{}: wait for it to end, or stop it", by(*process))]
    InUse {
        /// The run's folder.
        path: PathBuf,
        /// The other process, if it is known.
        process: Option<u32>,
    },
    /// The system refused.
    #[error("cannot write {path:?}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system refused to let something be read.
    #[error("cannot read {path:?}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A checkpoint cannot be read, or none of those that are there.
    #[error("there is no checkpoint to go on from: {0}")]
    Checkpoint(FormatError),
    /// Tensors are not those of their network.
    #[error("cannot save the networks")]
    Networks(#[from] FormatError),
}

fn by(process: Option<u32>) -> String {
    process.map_or(String::new(), |process| format!(" (process {process})"))
}

/// The sheet of faces after `epoch` epochs, relative to a run's folder.
pub fn sample_name(epoch: u64) -> String {
    format!("{SAMPLES}/epoch-{epoch:04}.png")
}

/// The sheets of faces in a run's folder with their epochs, in order.
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

fn at(path: &Path) -> impl FnOnce(io::Error) -> RunFolderError {
    move |source| RunFolderError::Io { path: path.to_owned(), source }
}

fn reading(path: &Path) -> impl FnOnce(io::Error) -> RunFolderError {
    move |source| RunFolderError::Read { path: path.to_owned(), source }
}

impl RunFolder {
    /// Makes `path` a run folder, with `config` as its `config.toml`. The folder is created, or is there and empty.
    ///
    /// # Errors
    /// If `path` is a file or holds anything, or cannot be written.
    pub fn create(path: &Path, config: &str) -> Result<Self, RunFolderError> {
        fs::create_dir_all(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => RunFolderError::NotAFolder(path.to_owned()),
            _ => at(path)(error),
        })?;
        // Before anything is written: a lock file in somebody's folder of pictures would be a trace of a run that never was.
        check_empty(path)?;
        let lock = lock(path)?;
        // Another process may have been quicker, and may have ended already.
        check_empty(path)?;
        Self::begin(path, lock, config)
    }

    /// Makes the run folder `parent/NNNN-name`, where NNNN is one more than the largest number there.
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
                // Another run that starts at this moment was quicker.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < u32::MAX => number += 1,
                Err(error) => return Err(at(&path)(error)),
            }
        }
    }

    /// The run in `parent` with the largest number; `None` if there is no run.
    ///
    /// # Errors
    /// If `parent` is there and cannot be read.
    pub fn newest(parent: &Path) -> Result<Option<PathBuf>, RunFolderError> {
        if !parent.exists() {
            return Ok(None);
        }
        let runs = numbered(parent)?.into_iter().map(|(_, path)| path);
        Ok(runs.rev().find(|path| path.join(CONFIG).exists()))
    }

    /// Opens a run that was begun before, to go on with it.
    ///
    /// # Errors
    /// If `path` is no run's folder, another process works on it, or it cannot be written.
    pub fn open(path: &Path) -> Result<Self, RunFolderError> {
        if !path.join(CONFIG).is_file() {
            return Err(RunFolderError::NoRun(path.to_owned()));
        }
        let lock = lock(path)?;
        let config = fs::read_to_string(path.join(CONFIG)).map_err(reading(&path.join(CONFIG)))?;
        Self::begin(path, lock, &config)
    }

    fn begin(path: &Path, lock: Lock, config: &str) -> Result<Self, RunFolderError> {
        // Its presence makes the folder a run, so it comes first.
        let file = path.join(CONFIG);
        if !fs::read_to_string(&file).is_ok_and(|old| old == config) {
            write_durable(&file, config.as_bytes()).map_err(at(&file))?;
        }
        for folder in [path.to_owned(), path.join(SAMPLES), path.join(CHECKPOINTS)] {
            fs::create_dir_all(&folder).and_then(|()| remove_temporaries(&folder)).map_err(at(&folder))?;
        }
        sync_folder(&path.join(SAMPLES)).map_err(at(path))?;
        let metrics = append(&path.join(METRICS))?;
        let facts = [(CONFIG_FACT.to_owned(), config.to_owned())].into();
        Ok(Self { path: path.to_owned(), _lock: lock, metrics, keep: Keep::default(), facts })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The content of `config.toml`.
    pub fn config(&self) -> &str {
        self.facts.get(CONFIG_FACT).map_or("", String::as_str)
    }

    /// Replaces `config.toml`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn set_config(&mut self, config: &str) -> Result<(), RunFolderError> {
        if self.config() != config {
            let path = self.path.join(CONFIG);
            write_durable(&path, config.as_bytes()).map_err(at(&path))?;
            self.facts.insert(CONFIG_FACT.to_owned(), config.to_owned());
        }
        Ok(())
    }

    /// Chooses which checkpoints are kept from now on.
    pub fn set_keep(&mut self, keep: Keep) {
        self.keep = keep;
    }

    /// Adds to `run.json` who works on the run from now on.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn record(&mut self, session: &SessionRecord) -> Result<(), RunFolderError> {
        let path = self.path.join(RECORD);
        session.append_to(&path).map_err(at(&path))?;
        self.facts.insert(DATA_FACT.to_owned(), session.data_fingerprint.clone());
        Ok(())
    }

    /// Who worked on the run last, if that is known.
    pub fn last_session(&self) -> Option<SessionRecord> {
        SessionRecord::last_of(&self.path.join(RECORD))
    }

    /// The newest checkpoint that is whole. Newer ones that are damaged get `.damaged` after their name. `None` if the run was stopped
    /// before its first checkpoint.
    ///
    /// # Errors
    /// If none of the checkpoints can be read, or the newest is of another version.
    pub fn last_checkpoint(&self) -> Result<Option<Saved>, RunFolderError> {
        let mut damaged: Vec<(PathBuf, FormatError)> = Vec::new();
        for CheckpointFile { path, .. } in self.checkpoint_files()?.into_iter().rev() {
            match load_checkpoint(&path) {
                Ok((checkpoint, mut facts)) => {
                    let (config, data_fingerprint) = (facts.remove(CONFIG_FACT), facts.remove(DATA_FACT));
                    // Only now: as long as none is good, the next attempt must find them and fail, too.
                    for (path, _) in &damaged {
                        let mut aside = path.clone().into_os_string();
                        aside.push(".damaged");
                        fs::rename(path, &aside).map_err(at(path))?;
                    }
                    let damaged = damaged.into_iter().map(|(_, error)| error).collect();
                    return Ok(Some(Saved { checkpoint, config, data_fingerprint, damaged }));
                }
                Err(error) if matches!(error.kind(), ErrorKind::Io | ErrorKind::Unsupported) => {
                    return Err(RunFolderError::Checkpoint(error));
                }
                Err(error) => damaged.push((path, error)),
            }
        }
        match damaged.into_iter().next() {
            Some((_, error)) => Err(RunFolderError::Checkpoint(error)),
            None => Ok(None),
        }
    }

    /// The sheet of faces after `epoch` epochs.
    pub fn sample_path(&self, epoch: u64) -> PathBuf {
        self.path.join(sample_name(epoch))
    }

    /// The trained generator as TorchScript.
    pub fn torchscript_path(&self) -> PathBuf {
        self.path.join("generator.pt")
    }

    /// The trained generator as safetensors.
    pub fn safetensors_path(&self) -> PathBuf {
        self.path.join("generator.safetensors")
    }

    fn metrics_path(&self) -> PathBuf {
        self.path.join(METRICS)
    }

    fn write_metrics(&mut self, metrics: &StepMetrics) -> io::Result<()> {
        serde_json::to_writer(&mut self.metrics, metrics)?;
        self.metrics.write_all(b"\n")
    }

    fn flush_metrics(&mut self) -> Result<(), RunFolderError> {
        self.metrics.flush().map_err(at(&self.metrics_path()))
    }

    /// Takes back the metrics of later steps.
    fn rewind_metrics(&mut self, step: u64) -> Result<(), RunFolderError> {
        self.flush_metrics()?;
        let path = self.metrics_path();
        truncate_lines(&path, step).map_err(at(&path))?;
        self.metrics = append(&path)?;
        Ok(())
    }

    /// Removes sheets of epochs after `epoch`, which come again.
    fn remove_samples_after(&self, epoch: u64) -> Result<(), RunFolderError> {
        let later = samples(&self.path).map_err(at(&self.path))?.into_iter().filter(|(number, _)| *number > epoch);
        for (_, path) in later {
            fs::remove_file(&path).map_err(at(&path))?;
        }
        Ok(())
    }

    fn write_sample(&self, epoch: u64, faces: &[Picture]) -> Result<(), RunFolderError> {
        let path = self.sample_path(epoch);
        compose(faces).save_png(&path).map_err(at(&path))
    }

    fn write_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), RunFolderError> {
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
        self.remove_old_checkpoints()
    }

    fn remove_old_checkpoints(&self) -> Result<(), RunFolderError> {
        let mut files = self.checkpoint_files()?;
        files.truncate(files.len().saturating_sub(self.keep.last.get()));
        let is_kept = |epoch: Option<u64>| {
            self.keep.every.zip(epoch).is_some_and(|(every, epoch)| epoch.is_multiple_of(every.get()))
        };
        files.retain(|file| !is_kept(file.epoch));
        files.iter().try_for_each(|CheckpointFile { path, .. }| fs::remove_file(path).map_err(at(path)))
    }

    /// The checkpoints that are there, by step.
    fn checkpoint_files(&self) -> Result<Vec<CheckpointFile>, RunFolderError> {
        let folder = self.path.join(CHECKPOINTS);
        let mut files = Vec::new();
        for entry in fs::read_dir(&folder).map_err(reading(&folder))? {
            files.extend(CheckpointFile::recognise(entry.map_err(reading(&folder))?.path()));
        }
        files.sort_by_key(|file| file.step);
        Ok(files)
    }

    fn remove_generator(&self) -> Result<(), RunFolderError> {
        for path in [self.torchscript_path(), self.safetensors_path()] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&path)(error)),
                _ => {}
            }
        }
        Ok(())
    }

    fn write_generator(&self, network: &Network, generator: &StateDict) -> Result<(), RunFolderError> {
        let metadata = describe(network);
        let mut bytes = Vec::new();
        write_torchscript(Cursor::new(&mut bytes), network, generator, &metadata)?;
        let path = self.torchscript_path();
        write_durable(&path, &bytes).map_err(at(&path))?;

        bytes.clear();
        write_safetensors(&mut bytes, generator, &metadata)?;
        let path = self.safetensors_path();
        write_durable(&path, &bytes).map_err(at(&path))
    }
}

/// A checkpoint by its name.
#[derive(Debug)]
struct CheckpointFile {
    path: PathBuf,
    step: u64,
    /// Of a checkpoint at the end of an epoch.
    epoch: Option<u64>,
}

impl CheckpointFile {
    fn recognise(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_prefix("step-")?.strip_suffix(".safetensors")?;
        let (step, epoch) = match name.split_once("-epoch-") {
            Some((step, epoch)) => (step, Some(epoch.parse().ok()?)),
            None => (name, None),
        };
        let step = step.parse().ok()?;
        Some(Self { path, step, epoch })
    }
}

fn checkpoint_name(checkpoint: &Checkpoint) -> String {
    let progress = &checkpoint.progress;
    match progress.pictures {
        0 => format!("step-{:08}-epoch-{:04}.safetensors", progress.step, progress.epoch),
        _ => format!("step-{:08}.safetensors", progress.step),
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

/// Checks that there is nothing in a folder but what a process leaves that is killed while it makes a run of it.
fn check_empty(path: &Path) -> Result<(), RunFolderError> {
    for entry in fs::read_dir(path).map_err(at(path))? {
        let name = entry.map_err(at(path))?.file_name();
        if name != Lock::NAME && !is_temporary(&name) {
            return Err(RunFolderError::NotEmpty(path.to_owned()));
        }
    }
    Ok(())
}

/// The entries of `parent` whose names begin with a number and a hyphen, by number.
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

fn append(path: &Path) -> Result<BufWriter<File>, RunFolderError> {
    Ok(BufWriter::new(File::options().append(true).create(true).open(path).map_err(at(path))?))
}

impl Listener for RunFolder {
    fn on_event(&mut self, event: &Event<'_>) -> Result<(), ListenerError> {
        match event {
            Event::Started { progress, .. } => {
                self.rewind_metrics(progress.step)?;
                self.remove_samples_after(progress.epoch + u64::from(progress.pictures > 0))?;
            }
            Event::Step(metrics) => self.write_metrics(metrics).map_err(at(&self.metrics_path()))?,
            Event::EpochDone(_) => self.flush_metrics()?,
            Event::Preview { epoch, faces } => self.write_sample(*epoch, faces)?,
            Event::Saving { .. } => {
                self.flush_metrics()?;
                self.metrics.get_ref().sync_data().map_err(at(&self.metrics_path()))?;
            }
            Event::Checkpoint(checkpoint) => {
                self.write_checkpoint(checkpoint)?;
                // One that an earlier session left would be taken for the result.
                self.remove_generator()?;
            }
            Event::RolledBack(rollback) => self.rewind_metrics(rollback.step)?,
            Event::Stopped { network, generator, .. } | Event::Finished { network, generator, .. } => {
                self.flush_metrics()?;
                self.write_generator(network, generator)?;
            }
            Event::Health(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Plan, Progress, Rollback, Summary, TrainConfig};
    use dcgan_model::{Init, ModelConfig, TorchRng, initial_network, initial_state};

    /// The names of the files in a folder, sorted.
    fn files(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut names: Vec<String> = entries
            .filter(|path| path.is_file())
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }

    const MODEL: ModelConfig = ModelConfig { image_size: 32, channels: 1, latent_dim: 3, base_channels: 1 };

    fn checkpoint(step: u64, epoch: u64, pictures: u64) -> Checkpoint {
        let mut rng = TorchRng::seed_from_u64(step);
        let state = initial_state(&MODEL, Init::Default, &mut rng);
        Checkpoint { state, rng, progress: Progress { step, epoch, pictures, ..Progress::default() } }
    }

    fn save(folder: &mut RunFolder, checkpoint: &Checkpoint) {
        folder.on_event(&Event::Saving { step: checkpoint.progress.step }).unwrap();
        folder.on_event(&Event::Checkpoint(checkpoint)).unwrap();
    }

    #[test]
    fn the_last_checkpoint_and_its_facts_come_back() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let mut folder = RunFolder::create(&path, "seed = 0\n").unwrap();
        assert!(folder.last_checkpoint().unwrap().is_none());
        for (step, epoch, pictures) in [(9, 1, 0), (10, 1, 8), (100_000_000, 2, 0)] {
            let checkpoint = checkpoint(step, epoch, pictures);
            save(&mut folder, &checkpoint);
            let saved = folder.last_checkpoint().unwrap().unwrap();
            assert_eq!(saved.checkpoint, checkpoint);
            assert_eq!((saved.config.as_deref(), saved.data_fingerprint), (Some("seed = 0\n"), None));
        }
        drop(folder);
        let folder = RunFolder::open(&path).unwrap();
        assert_eq!(folder.config(), "seed = 0\n");
        assert_eq!(folder.last_checkpoint().unwrap().unwrap().checkpoint.progress.step, 100_000_000);
    }

    #[test]
    fn the_last_checkpoints_and_each_of_some_epochs_are_kept() {
        let parent = tempfile::tempdir().unwrap();
        let mut folder = RunFolder::create(&parent.path().join("run"), "").unwrap();
        folder.set_keep(Keep { last: NonZeroUsize::new(2).unwrap(), every: NonZeroU64::new(2) });
        // Two steps an epoch, and one checkpoint within.
        for step in 1..=11 {
            save(&mut folder, &checkpoint(step, step / 2, step % 2));
        }
        let expected = ["04-epoch-0002", "08-epoch-0004", "10-epoch-0005", "11"]
            .map(|name| format!("step-000000{name}.safetensors"));
        assert_eq!(files(&folder.path().join("checkpoints")), expected);
    }

    #[test]
    fn a_damaged_checkpoint_is_put_aside_for_the_one_before() {
        let parent = tempfile::tempdir().unwrap();
        let mut folder = RunFolder::create(&parent.path().join("run"), "").unwrap();
        let checkpoints = folder.path().join("checkpoints");
        [checkpoint(1, 0, 1), checkpoint(2, 1, 0)].iter().for_each(|checkpoint| save(&mut folder, checkpoint));
        let newest = checkpoints.join("step-00000002-epoch-0001.safetensors");
        let bytes = fs::read(&newest).unwrap();
        fs::write(&newest, &bytes[..bytes.len() / 2]).unwrap();
        let saved = folder.last_checkpoint().unwrap().unwrap();
        assert_eq!(saved.checkpoint, checkpoint(1, 0, 1));
        assert_eq!(saved.damaged.len(), 1);
        assert!(saved.damaged[0].to_string().contains("step-00000002-epoch-0001"), "{}", saved.damaged[0]);
        let names = ["step-00000001.safetensors", "step-00000002-epoch-0001.safetensors.damaged"];
        assert_eq!(files(&checkpoints), names);

        fs::write(checkpoints.join("step-00000001.safetensors"), "").unwrap();
        // However often: a run without a good checkpoint must not begin again over what there is.
        for _ in 0..2 {
            let error = folder.last_checkpoint().unwrap_err();
            assert!(error.to_string().contains("step-00000001.safetensors"), "{error}");
        }
    }

    /// A run that went on has a generator that is older than its checkpoints: nobody may take it for the result.
    #[test]
    fn a_checkpoint_outdates_the_generator() {
        let parent = tempfile::tempdir().unwrap();
        let mut folder = RunFolder::create(&parent.path().join("run"), "").unwrap();
        let [pt, safetensors] = [folder.torchscript_path(), folder.safetensors_path()];
        [&pt, &safetensors].iter().for_each(|path| fs::write(path, "of an earlier session").unwrap());
        save(&mut folder, &checkpoint(1, 0, 1));
        assert!(!pt.exists() && !safetensors.exists());
    }

    #[test]
    fn two_cannot_work_on_one_run() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let folder = RunFolder::create(&path, "").unwrap();
        let error = RunFolder::open(&path).unwrap_err();
        assert!(
            error.to_string().ends_with(&format!("(process {}): wait for it to end, or stop it", std::process::id()))
        );
        drop(folder);
        RunFolder::open(&path).unwrap();
        let error = RunFolder::open(parent.path()).unwrap_err();
        assert!(matches!(error, RunFolderError::NoRun(_)), "{error}");
        assert_eq!(files(parent.path()), [""; 0], "what is no run is left as it is");
    }

    #[test]
    fn what_a_killed_process_has_left_does_not_matter() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        fs::create_dir(&path).unwrap();
        // It was killed before its config.toml had its name.
        fs::write(path.join(".lock"), "123456789\n").unwrap();
        fs::write(path.join(".config.toml.tmp123"), "seed").unwrap();
        drop(RunFolder::create(&path, "seed = 0\n").unwrap());
        assert_eq!(files(&path), [".lock", "config.toml", "metrics.jsonl"]);

        for name in [".metrics.tmp1", "samples/.epoch-0001.png.tmp12", "checkpoints/.step-00000001.safetensors.tmp9"] {
            fs::write(path.join(name), "half").unwrap();
        }
        drop(RunFolder::open(&path).unwrap());
        for folder in ["", "samples", "checkpoints"] {
            assert!(!files(&path.join(folder)).iter().any(|name| name.contains(".tmp")), "{folder}");
        }
    }

    #[test]
    fn a_run_that_goes_on_takes_back_what_comes_again() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let metrics = StepMetrics {
            step: 0,
            epoch: 1,
            d_loss_real: 0.5,
            d_loss_fake: 0.5,
            g_loss: 0.5,
            d_x: 0.5,
            d_g_z1: 0.5,
            d_g_z2: 0.5,
            images_per_second: 1.0,
            data_seconds: 0.0,
        };
        let steps = |path: &Path| {
            let text = fs::read_to_string(path.join("metrics.jsonl")).unwrap();
            let step = |line| serde_json::from_str::<StepMetrics>(line).unwrap().step;
            text.lines().map(step).collect::<Vec<_>>()
        };
        let faces = [Picture::black(32, 32, 1)];
        let mut folder = RunFolder::create(&path, "").unwrap();
        for step in 1..=6 {
            folder.on_event(&Event::Step(&StepMetrics { step, ..metrics })).unwrap();
            folder.on_event(&Event::Preview { epoch: step, faces: &faces }).unwrap();
        }
        // Not a word is lost when the run is saved, though the file has not been closed.
        folder.on_event(&Event::Saving { step: 6 }).unwrap();
        assert_eq!(steps(&path), [1, 2, 3, 4, 5, 6]);
        let rollback = Rollback {
            problem: crate::NotFinite { step: 7, what: String::new() },
            step: 5,
            rollbacks: 1,
            learning_rate_scale: 0.5,
        };
        folder.on_event(&Event::RolledBack(&rollback)).unwrap();
        assert_eq!(steps(&path), [1, 2, 3, 4, 5]);
        drop(folder);

        let mut folder = RunFolder::open(&path).unwrap();
        let plan =
            Plan { pictures: 1, batches_per_epoch: 1, steps: 6, data_bytes: 1, engine_bytes: 1, engine: String::new() };
        let progress = Progress { step: 3, epoch: 3, ..Progress::default() };
        folder.on_event(&Event::Started { config: &TrainConfig::default(), plan: &plan, progress: &progress }).unwrap();
        assert_eq!(steps(&path), [1, 2, 3]);
        assert_eq!(files(&path.join("samples")), ["epoch-0001.png", "epoch-0002.png", "epoch-0003.png"]);
        folder.on_event(&Event::Step(&StepMetrics { step: 4, ..metrics })).unwrap();
        drop(folder);
        assert_eq!(steps(&path), [1, 2, 3, 4]);
    }

    #[test]
    fn the_newest_run_has_the_largest_number() {
        let parent = tempfile::tempdir().unwrap();
        assert_eq!(RunFolder::newest(&parent.path().join("nowhere")).unwrap(), None);
        for name in ["0002-b", "0010-a", "0003-c"] {
            RunFolder::create(&parent.path().join(name), "").unwrap();
        }
        // Killed before it was a run, and something else.
        fs::create_dir(parent.path().join("0011-d")).unwrap();
        fs::create_dir(parent.path().join("9-notes")).unwrap();
        assert_eq!(RunFolder::newest(parent.path()).unwrap(), Some(parent.path().join("0010-a")));
    }

    #[test]
    fn a_folder_with_anything_in_it_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        drop(RunFolder::create(&path, "seed = 0\n").unwrap());
        assert_eq!(fs::read_to_string(path.join("config.toml")).unwrap(), "seed = 0\n");
        let error = RunFolder::create(&path, "seed = 1\n").unwrap_err();
        assert!(matches!(error, RunFolderError::NotEmpty(_)), "{error}");
        assert_eq!(fs::read_to_string(path.join("config.toml")).unwrap(), "seed = 0\n");
        let error = RunFolder::create(&path.join("config.toml"), "").unwrap_err();
        assert!(matches!(error, RunFolderError::NotAFolder(_)), "{error}");
        let error = RunFolder::create(&path.join("config.toml/below"), "").unwrap_err();
        assert!(matches!(error, RunFolderError::NotAFolder(_)), "{error}");
    }

    #[test]
    fn numbers_go_up() {
        let parent = tempfile::tempdir().unwrap();
        let runs = parent.path().join("runs");
        let name = |run: &RunFolder| run.path().file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(name(&RunFolder::create_numbered(&runs, "faces", "").unwrap()), "0000-faces");
        assert_eq!(name(&RunFolder::create_numbered(&runs, "cats", "").unwrap()), "0001-cats");
        fs::create_dir(runs.join("0041-old")).unwrap();
        fs::create_dir(runs.join("notes")).unwrap();
        assert_eq!(name(&RunFolder::create_numbered(&runs, "faces", "").unwrap()), "0042-faces");
    }

    #[test]
    fn a_run_is_written_down() {
        let model = ModelConfig { image_size: 32, channels: 1, latent_dim: 3, base_channels: 1 };
        let network = Network::generator(&model);
        let generator = initial_network(&network, Init::Default, &mut TorchRng::seed_from_u64(1));
        let metrics = StepMetrics {
            step: 1,
            epoch: 1,
            d_loss_real: 0.1,
            d_loss_fake: 1e-30,
            g_loss: 100.0,
            d_x: 0.5,
            d_g_z1: 0.25,
            d_g_z2: 0.75,
            images_per_second: 123.5,
            data_seconds: 0.0,
        };
        let faces = vec![Picture::black(32, 32, 1); 32];
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let mut folder = RunFolder::create(&path, "").unwrap();
        let mut tell = |event: Event<'_>| folder.on_event(&event).unwrap();

        tell(Event::Preview { epoch: 0, faces: &faces });
        tell(Event::Step(&metrics));
        tell(Event::Step(&StepMetrics { step: 2, ..metrics }));
        tell(Event::Saving { step: 2 });
        let lines = fs::read_to_string(path.join("metrics.jsonl")).unwrap();
        let expected = r#"{"step":1,"epoch":1,"d_loss_real":0.1,"d_loss_fake":1e-30,"g_loss":100.0,"d_x":0.5,"d_g_z1":0.25,"d_g_z2":0.75,"images_per_second":123.5,"data_seconds":0.0}"#;
        assert_eq!(lines.lines().next(), Some(expected));
        assert_eq!(lines.lines().count(), 2);

        tell(Event::Preview { epoch: 1, faces: &faces });
        let summary = Summary { epochs: 1, steps: 2, finished: true };
        tell(Event::Finished { summary: &summary, network: &network, generator: &generator });
        for file in ["generator.pt", "generator.safetensors"] {
            let model = dcgan_formats::load(path.join(file)).unwrap();
            assert_eq!((model.network, model.tensors), (network.clone(), generator.clone()), "{file}");
        }
        assert!(path.join("samples/epoch-0000.png").exists() && path.join("samples/epoch-0001.png").exists());
        let names = ["config.toml", "generator.pt", "generator.safetensors", "metrics.jsonl"];
        assert_eq!(files(&path), [".lock"].into_iter().chain(names).collect::<Vec<_>>());
        assert_eq!(fs::read_dir(path.join("samples")).unwrap().count(), 2);
        fs::write(path.join("samples/.epoch-0002.png.tmp"), "").unwrap();
        let expected = [0, 1].map(|epoch| (epoch, path.join(sample_name(epoch))));
        assert_eq!(samples(&path).unwrap(), expected);
    }

    #[test]
    fn a_folder_that_has_gone_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let mut folder = RunFolder::create(&parent.path().join("run"), "").unwrap();
        fs::remove_dir_all(folder.path()).unwrap();
        let faces = [Picture::black(32, 32, 1)];
        let error = folder.on_event(&Event::Preview { epoch: 7, faces: &faces }).unwrap_err().to_string();
        assert!(error.contains("cannot write") && error.contains("epoch-0007.png"), "{error}");
    }
}
