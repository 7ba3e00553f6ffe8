//! `dcgan train`: from a folder of pictures to a generator.

use crate::device::Device;
use crate::interrupt::Interrupted;
use crate::json_events::JsonEvents;
use crate::preview::{Preview, Screen};
use crate::progress::{self, TrainingProgress, say};
use crate::resume::Resumed;
use crate::settings::{Settings, Source, TrainOptions};
use crate::text::thousands;
use crate::{demo, interrupt, machine, pictures, threads};
use anyhow::{Context, Result};
use dcgan_data::{Channels, Dataset};
use dcgan_engine_cpu::Cpu;
use dcgan_train::{
    Listener, LossPlot, Progress, RunFolder, Session, SessionRecord, TensorBoard, TrainConfig, TrainError,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Arguments of `dcgan train`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    options: TrainOptions,
    /// Settings from a file, such as a run's config.toml; flags override it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Show the sample faces of each epoch on the screen [default: terminal where it speaks kitty, iTerm2 or sixel, else off]
    #[arg(long, value_name = "HOW")]
    preview: Option<Preview>,
    /// Show nothing but errors
    #[arg(long)]
    quiet: bool,
    /// Print a JSON object per step, epoch and sheet of faces, and nothing else
    #[arg(long)]
    json: bool,
    /// Go on with a run that was stopped, or that is to have more epochs; without RUN with the newest in runs/
    #[arg(long, value_name = "RUN", num_args = 0..=1, conflicts_with_all = ["out", "preset"])]
    #[allow(clippy::option_option)] // clap's way to tell a flag without its value
    resume: Option<Option<PathBuf>>,
}

/// Where runs go that were given no folder.
const RUNS: &str = "runs";

pub(crate) fn run(args: Args) -> Result<()> {
    if args.quiet || args.json {
        progress::be_quiet();
    }
    let mut resumed = args.resume.map(|run| Resumed::open(run.as_deref(), Path::new(RUNS))).transpose()?;
    let mut options = args.options;
    if let Some(path) = &args.config {
        options = options.or(TrainOptions::from_file(path)?);
    }
    if let Some(resumed) = &resumed {
        options = options.or(resumed.options.clone());
    }
    let settings = options.resolve()?;
    let changes = resumed.as_mut().map_or(Ok(Vec::new()), |resumed| resumed.changes(&settings))?;
    let config = &settings.train;
    threads::start(settings.threads)?;
    let device = Device::open(settings.device, settings.threads)?;

    let data = Arc::new(load_pictures(&settings)?);
    let data_fingerprint = dcgan_train::fingerprint(&data);
    if let Some(resumed) = &resumed {
        resumed.check_pictures(data.len(), &data_fingerprint)?;
    }
    let mut session = SessionRecord {
        started: humantime::format_rfc3339_seconds(SystemTime::now().max(SystemTime::UNIX_EPOCH)).to_string(),
        from_step: 0,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        machine: machine::describe(),
        device: device.name(),
        instruction_set: device.cpu().map(|cpu| cpu.isa().name().to_owned()),
        threads: device.cpu().map(Cpu::threads),
        pictures: data.len(),
        data_fingerprint,
        changes,
    };
    let mut engine = device.engine(&config.model, config.recipe(), config.batch_size)?;
    let (mut folder, from) = match resumed {
        None => (create_folder(&settings)?, None),
        Some(mut resumed) => {
            let progress = resumed.progress();
            session.changes.extend(other_arithmetic(&resumed.folder, &session));
            say_resumed(&progress, &session.changes);
            session.from_step = progress.step;
            resumed.folder.set_config(&settings.to_toml())?;
            (resumed.folder, resumed.checkpoint)
        }
    };
    folder.set_keep(settings.keep);
    folder.record(&session)?;
    say(&format!("folder    {}", folder.path().display()));

    let stop = interrupt::listen()?;
    let path = folder.path().to_owned();
    let mut plot = LossPlot::new(&path);
    let mut board = TensorBoard::create(&path).with_context(|| format!("cannot write to {path:?}"))?;
    // A wish for pictures is heard even where words are not wanted.
    let show = args.preview.is_some() || !(args.quiet || args.json);
    let mut progress = TrainingProgress::new(show.then(|| Screen::new(args.preview)).flatten());
    let mut json = args.json.then(|| JsonEvents::new(&path));
    let mut listeners: Vec<&mut dyn Listener> = vec![&mut folder, &mut plot, &mut board, &mut progress];
    listeners.extend(json.as_mut().map(|json| json as &mut dyn Listener));
    let session = Session { from, save_every: settings.save_every, stop: Some(&stop) };
    let summary = dcgan_train::train(config, session, &data, &mut *engine, &mut listeners)
        .map_err(|error| with_way_on(error, &path, config))?;
    if !summary.finished {
        let (step, path) = (thousands(summary.steps as usize), folder.path().display());
        return Err(Interrupted(format!("stopped after step {step}. Go on with: dcgan train --resume {path}")).into());
    }

    let generator = folder.torchscript_path();
    say(&format!("done. The last faces are in {}", folder.sample_path(summary.epochs).display()));
    say(&format!("Draw new ones with: dcgan generate {}", generator.display()));
    Ok(())
}

/// Where a run is taken up, and what is not as it was.
fn say_resumed(progress: &Progress, changes: &[String]) {
    let Progress { step, epoch, pictures, .. } = progress;
    match (step, pictures) {
        (0, _) => say("resumes   from the beginning: the run was stopped before its first checkpoint"),
        (_, 0) => say(&format!("resumes   after epoch {epoch}, step {}", thousands(*step as usize))),
        _ => say(&format!("resumes   in epoch {}, after step {}", epoch + 1, thousands(*step as usize))),
    }
    changes.iter().for_each(|change| say(&format!("changed   {change}")));
}

/// What may let the result differ in its last bits, in the form of changed settings.
fn other_arithmetic(folder: &RunFolder, now: &SessionRecord) -> Vec<String> {
    let Some(before) = folder.last_session() else { return Vec::new() };
    let both = |of: fn(&SessionRecord) -> Option<&String>| Some((of(&before)?, of(now)?));
    [
        ("version", both(|session| Some(&session.version))),
        ("computed on", both(|session| Some(&session.device))),
        ("instruction set", both(|session| session.instruction_set.as_ref())),
    ]
    .into_iter()
    .filter_map(|(what, both)| both.filter(|(before, now)| before != now).map(|both| (what, both)))
    .map(|(what, (before, now))| format!("{what}: {before} → {now}, which may round differently"))
    .collect()
}

/// Says how to go on with a run that has failed.
fn with_way_on(error: TrainError, path: &Path, config: &TrainConfig) -> anyhow::Error {
    let other_rate = match &error {
        // A tenth, without the noise of binary fractions.
        TrainError::NotFinite { .. } => format!(" --lr {:.1e}", config.adam.lr / 10.0),
        _ => String::new(),
    };
    let path_text = path.display();
    anyhow::Error::new(error).context(format!(
        "the run in {path:?} has failed; to go on from its last checkpoint: dcgan train --resume {path_text}{other_rate}"
    ))
}

/// Reads or draws the pictures, and says what they are.
fn load_pictures(settings: &Settings) -> Result<Dataset> {
    let model = &settings.train.model;
    let (size, channels) = (model.image_size, Channels::from_count(model.channels));
    let form = format!("{size} × {size} {}", if channels == Channels::Grey { "grey" } else { "colour" });
    match &settings.source {
        Source::Demo { count } => {
            let bar = progress::bar(*count as u64, "drawing faces {wide_bar} {human_pos}/{human_len}");
            let data = Dataset::from_fn(*count, size, channels, |index, out| {
                out.copy_from_slice(&demo::face(demo::SEED, index, size, channels.count()));
                bar.inc(1);
            })?;
            bar.finish_and_clear();
            say(&format!("pictures  {} built-in faces, {form}", thousands(data.len())));
            Ok(data)
        }
        Source::Folder { path, max_images, pictures } => {
            let (data, report) = pictures::load(path, size, channels, *max_images, pictures)?;
            say(&format!("pictures  {} from {}, {form}", thousands(data.len()), path.display()));
            pictures::say_report(&report);
            pictures.check(&report)?;
            pictures::check_batch(&report, settings.train.batch_size)?;
            Ok(data)
        }
    }
}

fn create_folder(settings: &Settings) -> Result<RunFolder> {
    let config = settings.to_toml();
    let folder = match &settings.out {
        Some(path) => RunFolder::create(path, &config),
        None => RunFolder::create_numbered(Path::new(RUNS), &run_name(&settings.source), &config),
    };
    folder.context("cannot make the run's folder; choose another with --out")
}

/// A name for a run on these pictures: that of their folder or archive, with what is awkward in a file name or a shell taken out.
fn run_name(source: &Source) -> String {
    let Source::Folder { path, .. } = source else { return "demo".to_owned() };
    // `.` and `faces/..` have no name of their own.
    let named = path.canonicalize().unwrap_or_else(|_| path.clone());
    let is_archive = named.is_file();
    let name = if is_archive { named.file_stem() } else { named.file_name() };
    let name = name.unwrap_or_default().to_string_lossy();
    let tame = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = name.chars().map(tame).take(40).collect();
    if name.is_empty() { "run".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_named_after_their_pictures() {
        let name = |path: &str| {
            run_name(&Source::Folder { path: path.into(), max_images: None, pictures: Default::default() })
        };
        assert_eq!(name("/no/such/faces"), "faces");
        assert_eq!(name("/no/such/my faces (new)/"), "my-faces--new-");
        assert_eq!(name("/no/such/动漫"), "动漫");
        assert_eq!(name("src/.."), "cli");
        assert_eq!(name("/"), "run");
        assert_eq!(run_name(&Source::Demo { count: 1 }), "demo");
    }
}
