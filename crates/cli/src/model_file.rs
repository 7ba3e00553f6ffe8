//! Finding and loading the model of a command.

use crate::hint::Hint;
use crate::progress::say;
use crate::usage::UsageError;
use anyhow::{Context, Result, bail};
use dcgan::{Error, epoch_generators};
use dcgan_formats::{Model, load_named, load_network};
use dcgan_model::Role;
use dcgan_train::RunFolder;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Which network of a model file or of a run's folder.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct NetworkArgs {
    /// Network of a file with several: generator, discriminator, or its name in the file, such as netG_ema [default:
    /// the generator]
    #[arg(long, value_name = "NAME")]
    network: Option<String>,
    /// Use the generator with the best measures of a run (train --evaluate-every) instead of the last one
    #[arg(long, conflicts_with = "network")]
    best: bool,
    /// Use the generator after this epoch of a run, if it was kept (train --keep-generators, or the epoch of a
    /// checkpoint)
    #[arg(long, value_name = "N", conflicts_with_all = ["network", "best"])]
    epoch: Option<u64>,
}

impl NetworkArgs {
    /// Checks that there are no options for a run's folder, because `path` is a folder or archive of pictures.
    ///
    /// # Errors
    /// [`UsageError`] for `--best` or `--epoch`.
    pub(crate) fn check_pictures(&self, path: &Path) -> Result<()> {
        if self.best || self.epoch.is_some() {
            let message = format!("--best and --epoch need a run's folder, and {path:?} has pictures");
            bail!(UsageError::new(message));
        }
        Ok(())
    }
}

/// The MODEL argument of a command.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ModelArgs {
    /// A trained generator (.pt, .pth, .safetensors or a checkpoint), or a run's folder [default: latest, the newest
    /// run in runs/]
    #[arg(value_name = "MODEL")]
    model: Option<PathBuf>,
}

impl ModelArgs {
    /// See [`locate`].
    pub(crate) fn locate(&self) -> Result<PathBuf> {
        locate(self.model.as_deref())
    }
}

/// The generator that a command draws with.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct GeneratorArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    network: NetworkArgs,
}

impl GeneratorArgs {
    /// See [`locate`].
    pub(crate) fn locate(&self) -> Result<PathBuf> {
        self.model.locate()
    }

    /// See [`load`].
    pub(crate) fn load(&self, path: &Path) -> Result<(PathBuf, Model)> {
        load(path, &self.network)
    }

    /// Adds the options that choose the same network to a command that a message suggests.
    pub(crate) fn repeat_in(&self, mut command: Hint) -> Hint {
        let NetworkArgs { network, best, epoch } = &self.network;
        if let Some(name) = network {
            command = command.option("--network", name);
        }
        if *best {
            command = command.words("--best");
        }
        match epoch {
            Some(epoch) => command.option("--epoch", epoch),
            None => command,
        }
    }
}

/// The RUN argument of a command.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RunArgs {
    /// A run's folder [default: latest, the newest in runs/]
    #[arg(value_name = "RUN")]
    run: Option<PathBuf>,
}

impl RunArgs {
    /// See [`locate_run`].
    pub(crate) fn locate(&self, is_usable: impl Fn(&Path) -> bool) -> Result<PathBuf> {
        locate_run(self.run.as_deref(), "RUN", is_usable)
    }
}

/// File of the generator in a run's folder: of the two that are there, the one that is read faster.
const IN_RUN_FOLDER: &str = "generator.safetensors";

/// File of the generator with the best measures, if they were computed.
const BEST_IN_RUN_FOLDER: &str = "generator-best.safetensors";

/// Folder of the checkpoints, which have both networks.
const CHECKPOINTS: &str = "checkpoints";

/// Folder of runs without `--out`.
pub(crate) const RUNS: &str = "runs";

/// Name that stands for the newest run in [`RUNS`].
const LATEST: &str = "latest";

/// Number of runs that an error names.
const NAMED: usize = 5;

/// Returns the model that a command was given, or the newest run in `runs/` if it was given none or `latest`.
///
/// # Errors
/// If no run has a generator, or there is no file or folder of the given name.
pub(crate) fn locate(given: Option<&Path>) -> Result<PathBuf> {
    let has_generator = |run: &Path| run.join(IN_RUN_FOLDER).exists() || newest_checkpoint(run).is_some();
    locate_run(given, "MODEL", has_generator)
}

/// Returns the model and the pictures of a command that takes MODEL and DATA, of which MODEL may be left out. There are
/// no pictures with `--demo`.
///
/// # Errors
/// Those of [`locate`]; also if only one of the two is given and it is not a data set.
pub(crate) fn locate_with_data(
    first: Option<&Path>,
    second: Option<&Path>,
    demo: bool,
) -> Result<(PathBuf, Option<PathBuf>)> {
    let (model, data) = match (first, second) {
        (first, _) if demo => (first, None),
        (first, Some(data)) => (first, Some(data)),
        (Some(data), None) if is_data(data) => (None, Some(data)),
        (Some(model), None) => bail!(UsageError::new(format_args!(
            "{model:?} is the model: name a folder or archive of pictures after it as DATA, or compare with the \
             built-in faces with --demo"
        ))),
        (None, None) => bail!(UsageError::new(
            "name a folder or archive of pictures as DATA, or compare with the built-in faces with --demo"
        )),
    };
    Ok((locate(model)?, data.map(Path::to_owned)))
}

/// Returns whether `path` is a folder or archive of pictures rather than a model or a run's folder.
pub(crate) fn is_data(path: &Path) -> bool {
    if path.is_dir() {
        return !is_run_folder(path);
    }
    let is_archive = |extension: &OsStr| ["zip", "tar"].iter().any(|name| extension.eq_ignore_ascii_case(name));
    path.extension().is_some_and(is_archive)
}

/// As [`locate`], for a run's folder that `is_usable` accepts and that the command's help calls `name`.
fn locate_run(given: Option<&Path>, name: &str, is_usable: impl Fn(&Path) -> bool) -> Result<PathBuf> {
    let given = given.filter(|path| *path != Path::new(LATEST) || path.exists());
    let Some(path) = given else {
        let newest = RunFolder::list(Path::new(RUNS))?.into_iter().rev().find(|run| is_usable(run));
        let Some(run) = newest else {
            bail!(UsageError::new(format_args!(
                "there is no finished run in {RUNS:?} to take the newest of: name {name}, or start a run with dcgan \
                 train"
            )));
        };
        say(&format!("model     {}, the newest run", run.display()));
        return Ok(run);
    };
    if path.exists() {
        return Ok(path.to_owned());
    }
    let folder = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new(RUNS));
    let mut runs = RunFolder::list(folder).unwrap_or_default();
    if runs.is_empty() {
        runs = RunFolder::list(Path::new(RUNS)).unwrap_or_default();
    }
    let named: Vec<String> = runs.iter().rev().take(NAMED).map(|run| run.display().to_string()).collect();
    if named.is_empty() {
        return Ok(path.to_owned());
    }
    let more = if runs.len() > named.len() { format!(" and {} more", runs.len() - named.len()) } else { String::new() };
    bail!("{}: there is no such file or folder; there are the runs {}{more}", path.display(), named.join(", "))
}

/// Loads a network of a model file or of a run's folder, by default the generator or the only network, and returns it
/// with the path of its file. Prints notes about the file. A network whose weights are not finite is an error.
pub(crate) fn load(path: &Path, args: &NetworkArgs) -> Result<(PathBuf, Model)> {
    check(look_at(path, args)?)
}

/// Returns the file of the best generator in a run's folder.
///
/// # Errors
/// If `path` is no run's folder, or the run was not evaluated.
fn best_file(path: &Path) -> Result<PathBuf> {
    let file = path.join(BEST_IN_RUN_FOLDER);
    if !file.exists() {
        bail!(UsageError::new(format_args!(
            "--best: {path:?} has no {BEST_IN_RUN_FOLDER}: give the folder of a run that was trained with \
             --evaluate-every"
        )));
    }
    Ok(file)
}

/// Returns the file of the generator after an epoch in a run's folder.
///
/// # Errors
/// If `path` is no run's folder, or the generator was not kept.
fn epoch_file(path: &Path, epoch: u64) -> Result<PathBuf> {
    let mut kept = epoch_generators(path);
    match kept.remove(&epoch) {
        Some(file) => Ok(file),
        None if path.is_dir() => {
            let kept = kept.into_keys().collect();
            bail!(UsageError::new(format_args!("--epoch: {}", Error::NoEpoch { path: path.to_owned(), epoch, kept })))
        }
        None if path.exists() => bail!(UsageError::new(format_args!(
            "--epoch needs the folder of a run that was trained with --keep-generators, and {path:?} is a file"
        ))),
        None => bail!("{}: there is no such file or folder", path.display()),
    }
}

/// As [`load`], without printing notes.
pub(crate) fn look_at(path: &Path, args: &NetworkArgs) -> Result<(PathBuf, Model)> {
    let name = args.network.as_deref();
    let role = (name == Some("discriminator")).then_some(Role::Discriminator);
    let file = match args.epoch {
        _ if args.best => best_file(path)?,
        Some(epoch) => epoch_file(path, epoch)?,
        None if path.is_dir() => in_run_folder(path, role)?,
        None => path.to_owned(),
    };
    let mut model = match name {
        Some(name) => load_named(&file, name)?,
        None => load_network(&file, None)?,
    };
    if args.epoch.is_some() {
        // That it is in half precision is known to those who have asked for it.
        model.notes.clear();
    }
    Ok((file, model))
}

/// As [`load`], for a discriminator, of this name if one is given.
pub(crate) fn load_discriminator(path: &Path, name: Option<&str>) -> Result<(PathBuf, Model)> {
    let role = Some(Role::Discriminator);
    let file = if path.is_dir() { in_run_folder(path, role)? } else { path.to_owned() };
    let model = match name {
        Some(name) => load_named(&file, name)?,
        None => load_network(&file, role)?,
    };
    if model.network.role != Role::Discriminator {
        bail!("{} in {file:?} is a {}", name.unwrap_or("the network"), model.network.role);
    }
    check((file, model))
}

/// Checks that all weights are finite, and prints the notes about the file.
fn check((file, model): (PathBuf, Model)) -> Result<(PathBuf, Model)> {
    model.check_finite().with_context(|| file.display().to_string())?;
    for note in &model.notes {
        say(&format!("note      {}: {note}", file.display()));
    }
    Ok((file, model))
}

/// Returns whether `folder` is that of a run.
pub(crate) fn is_run_folder(folder: &Path) -> bool {
    [IN_RUN_FOLDER, CHECKPOINTS, "config.toml"].iter().any(|name| folder.join(name).exists())
}

/// Returns the file to load from a run's folder: the finished generator; the newest checkpoint for a run that has not
/// ended and for a discriminator.
fn in_run_folder(folder: &Path, role: Option<Role>) -> Result<PathBuf> {
    let finished = folder.join(IN_RUN_FOLDER);
    if role != Some(Role::Discriminator) && finished.exists() {
        return Ok(finished);
    }
    match newest_checkpoint(folder) {
        Some(newest) => Ok(newest),
        None if finished.exists() => bail!("{folder:?} holds no {CHECKPOINTS}, where a run keeps its discriminator"),
        None => bail!("{folder:?} holds no {IN_RUN_FOLDER} and no {CHECKPOINTS}: it is no run's folder"),
    }
}

/// Returns the folder of the run that a generator's file belongs to, if the run has a discriminator.
pub(crate) fn run_of(file: &Path) -> Option<&Path> {
    let folder = file.parent().filter(|folder| *folder != Path::new(""))?;
    (file.is_file() && newest_checkpoint(folder).is_some()).then_some(folder)
}

/// Returns the newest checkpoint in a run's folder; `None` if there is none.
pub(crate) fn newest_checkpoint(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder.join(CHECKPOINTS)).into_iter().flatten().flatten().map(|entry| entry.path());
    // Their names begin with the step, padded with zeros, so that they sort by it.
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "safetensors")).max()
}
