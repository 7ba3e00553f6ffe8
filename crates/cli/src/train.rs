//! `dcgan train`: from a folder of pictures to a generator.

use crate::device::{Device, LocalRank};
use crate::exit::Interruption;
use crate::hint::Hint;
use crate::json_events::JsonEvents;
use crate::preview::{Preview, Screen};
use crate::progress::{self, TrainingProgress, say};
use crate::resume::ResumedRun;
use crate::text::thousands;
use crate::usage::UsageError;
use crate::{config_file, demo, interrupt, limits, memory, model_file, pictures, ranks, threads};
use anyhow::{Context, Result, anyhow, bail};
use dcgan_data::{Channels, Dataset, LoadReport};
use dcgan_engine_cpu::Cpu;
use dcgan_settings::{DataSource, Settings, SettingsError, Threads, TrainOptions};
use dcgan_train::{
    BestGenerator, Evaluator, Listener, LossPlot, Progress, Ranks, RunFolder, Session, SessionRecord, TensorBoard,
    TrainConfig, TrainError,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Arguments of `dcgan train`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    options: TrainOptions,
    /// File with options, such as a run's config.toml; options on the command line override it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Show the sample faces of each epoch on the screen [default: terminal if it supports kitty, iTerm2 or sixel, else
    /// off]
    #[arg(long, value_name = "HOW")]
    preview: Option<Preview>,
    /// Show only errors
    #[arg(long)]
    quiet: bool,
    /// Print only a JSON object per step, epoch and sheet of faces
    #[arg(long)]
    json: bool,
    /// Show the run in a web browser while it trains, and print the page's address
    #[cfg(feature = "serve")]
    #[arg(long)]
    serve: bool,
    /// Resume a run that was stopped, or give it more epochs; without RUN the newest in runs/
    #[arg(long, value_name = "RUN", num_args = 0..=1, conflicts_with_all = ["out", "preset"])]
    #[allow(clippy::option_option)] // clap's way to tell a flag without its value
    resume: Option<Option<PathBuf>>,
    /// On several ranks: who reads the pictures, each from its path, or the root (rank 0), which sends them to the
    /// others
    #[arg(long, value_name = "RANKS", default_value = "each")]
    data_from: DataFrom,
}

/// Which ranks read the pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum DataFrom {
    /// Each from its path.
    #[default]
    Each,
    /// Rank 0, which sends them to the others.
    Root,
}

/// What is said at the first Ctrl-C.
const STOPPING: &str = "stopping: the step under way is finished and saved; Ctrl-C again leaves at once";

/// Runs a training, on all ranks if several processes were started with `mpirun`.
pub(crate) fn run(args: Args) -> Result<()> {
    if args.quiet || args.json {
        progress::be_quiet();
    }
    ranks::with_others(ranks::join()?, |joined| train(args, joined))
}

/// Runs the training of this process. Settings come from the command line, else from `--config`, else from the run that
/// is resumed. Rank 0 reads files and sends its settings to the others. What may fail is checked before the pictures
/// are read.
fn train(args: Args, joined: Option<&ranks::Session>) -> Result<()> {
    let ranks = joined.map(|joined| &joined.ranks);
    let is_root = ranks.is_none_or(Ranks::is_root);
    let resume = args.resume.filter(|_| is_root);
    let mut resumed = resume.map(|run| ResumedRun::open(run.as_deref(), Path::new(model_file::RUNS))).transpose()?;
    let mut options = args.options;
    if let Some(path) = args.config.as_ref().filter(|_| is_root) {
        options = options.or(config_file::read(path)?);
    }
    if let Some(resumed) = &resumed {
        options = options.or(resumed.options.clone());
        if !options.has_source() {
            let command = Hint::new("train DATA --resume").path(resumed.folder.path());
            bail!(UsageError::new(format_args!(
                "the run's config.toml does not say where its pictures are, because their path is not UTF-8 or a \
                 program had them in memory: name them again, as in {command}"
            )));
        }
        // A run of a version without shards.
        options.shards.get_or_insert(1);
    }
    if let Some(ranks) = ranks.filter(|_| !is_root) {
        let of_root = TrainOptions::from_toml(&ranks.share_text("")?);
        options = options.or(of_root.map_err(|error| anyhow!("the settings of rank 0: {error}"))?);
    }
    options.shards.get_or_insert(ranks.map_or(1, Ranks::count));
    let mut settings = options.resolve().map_err(UsageError::from)?;
    if let Some(ranks) = ranks.filter(|_| is_root) {
        if settings.time.is_some() {
            return Err(
                UsageError::new("--time measures one process: give several ranks --epochs or --max-steps").into()
            );
        }
        ranks.share_text(&settings.to_toml())?;
    }
    if resumed.is_some() && settings.time.is_some() {
        return Err(UsageError::new("--time chooses the length of a new run: lengthen this one with --epochs").into());
    }
    let changes = resumed.as_mut().map_or(Ok(Vec::new()), |resumed| resumed.changes(&settings))?;
    let changes = changes.iter().map(ToString::to_string).collect();
    threads::start(settings.threads)?;
    let local = joined.map_or(LocalRank::ALONE, |joined| joined.local);
    let device = Device::open(settings.device, settings.threads, local)?;
    if let Some(joined) = joined {
        joined.check_same(&device, &settings)?;
        interrupt::be_patient();
    }
    let transport = ranks.map(Ranks::transport);
    if resumed.is_none() && is_root {
        check_out(&settings)?;
    }
    // Before the pictures are read, which may take minutes.
    if let Device::Cpu(cpu) = &device {
        memory::check(cpu, &settings, transport, limits::memory())?;
    }
    let TrainConfig { model, batch_size, .. } = settings.train;
    let mut engine = device.engine(&model, settings.train.recipe(), batch_size, transport)?;

    let (data, report) = match ranks.filter(|_| args.data_from == DataFrom::Root) {
        Some(ranks) => {
            let (own, report) = match is_root {
                true => load_pictures(&settings).map(|(data, report)| (Some(data), report))?,
                false => (None, None),
            };
            (ranks.share_pictures(own, model.image_size, Channels::from_count(model.channels))?, report)
        }
        None => load_pictures(&settings)?,
    };
    let data = Arc::new(data);
    let mut session = SessionRecord {
        instruction_set: device.cpu().map(|cpu| cpu.isa().name().to_owned()),
        threads: device.cpu().map(Cpu::threads),
        changes,
        ..SessionRecord::new(device.name(), &data)
    };
    if let Some(joined) = joined {
        joined.check_pictures(&session.data_fingerprint)?;
    }
    if let Some(resumed) = &resumed {
        resumed.check_pictures(data.len(), &session.data_fingerprint)?;
    }
    if let Some(time) = settings.time {
        let step = dcgan_train::fit_to_time(&mut settings.train, time.get(), &data, &mut *engine)?;
        say(&length_line(&settings.train, time.get(), step));
    }
    let config = &settings.train;
    if let Some(ranks) = ranks.filter(|_| !is_root) {
        let stop = interrupt::stop_flag(STOPPING)?;
        let session = Session {
            from: ranks.share_checkpoint(None)?,
            stop: Some(&stop),
            ranks: Some(ranks.clone()),
            ..session_of(&settings)
        };
        dcgan_train::train(config, session, &data, &mut *engine, &mut [])?;
        return Ok(());
    }
    let evaluator = config.evaluate_every.map(|_| evaluator(&device, settings.threads, &data)).transpose()?;
    // Everything has been checked. Files are written from here on.
    let (mut folder, from) = match resumed {
        None => (create_folder(&settings)?, None),
        Some(resumed) => {
            let progress = resumed.progress();
            session.changes.extend(other_arithmetic(&resumed.folder, &session));
            say_resumed(&progress, &session.changes);
            if config.is_at_end(&progress) {
                say(&format!("note      {}", nothing_left(&progress, config, resumed.folder.path())));
            }
            (session.from_step, session.has_checkpoint) = (progress.step, progress.step > 0);
            resumed.begin(&settings)?
        }
    };
    folder.set_keep(settings.keep);
    let path = folder.path().to_owned();
    let mut board = TensorBoard::create(&path).with_context(|| format!("cannot write to {path:?}"))?;
    if let Some(aside) = folder.record(&session)? {
        let name = aside.file_name().unwrap_or_default().to_string_lossy();
        say(&format!("warning   the run's run.json cannot be read: it was renamed to {name}, and a new one was begun"));
    }
    // Last, so that settings change only if the run goes on with them.
    folder.set_config(&settings.to_toml())?;
    say(&format!("folder    {}", path.display()));

    dcgan::write_data_report(&path, report.as_ref(), &data)?;
    drop(report);
    #[cfg(feature = "serve")]
    let page = args.serve.then(|| crate::serve::Page::start(&path, threads::cpu(settings.threads)?)).transpose()?;

    let stop = interrupt::stop_flag(STOPPING)?;
    let mut plot = LossPlot::new(&path);
    // `--preview` also applies with `--quiet`.
    let show = args.preview.is_some() || !(args.quiet || args.json);
    if let Some(hint) = Preview::hint(args.preview, args.quiet || args.json) {
        say(hint);
    }
    let mut progress = TrainingProgress::new(show.then(|| Screen::new(args.preview)).flatten());
    let mut json = args.json.then(|| JsonEvents::new(&path));
    let mut listeners: Vec<&mut dyn Listener> = vec![&mut folder, &mut plot, &mut board, &mut progress];
    listeners.extend(json.as_mut().map(|json| json as &mut dyn Listener));
    let evaluator = evaluator.as_ref();
    let from = match ranks {
        Some(ranks) => ranks.share_checkpoint(from)?,
        None => from,
    };
    let ranks = ranks.cloned();
    let session = Session { from, stop: Some(&stop), evaluator, ranks, ..session_of(&settings) };
    let summary = dcgan_train::train(config, session, &data, &mut *engine, &mut listeners)
        .map_err(|error| with_way_on(error, &path, config))?;
    #[cfg(feature = "serve")]
    if page.is_some() {
        crate::serve::Page::say_end(&path);
    }
    if !summary.finished {
        let (step, command) = (thousands(summary.steps as usize), Hint::new("train --resume").path(&path));
        return Err(Interruption(format!("stopped after step {step}. Go on with: {command}")).into());
    }

    say(&format!("done. The last faces are in {}", folder.sample_path(summary.epochs).display()));
    if let Some(BestGenerator { epoch, swd, swd_floor, .. }) = summary.best {
        say(&format!(
            "best      after epoch {epoch}: SWD x 1000 of {swd:.1}, and {swd_floor:.1} between the real pictures; \
             dcgan generate --best draws with it",
        ));
    }
    let best = if summary.best.is_some_and(|best| best.step < summary.steps) { "generate --best" } else { "generate" };
    say(&format!("Draw new ones with: {}", Hint::new(best).path(&path)));
    Ok(())
}

/// Returns what all ranks do alike in a session.
fn session_of<'a>(settings: &Settings) -> Session<'a> {
    let Settings { save_every, sample_every, keep_generators, .. } = *settings;
    Session { save_every, sample_every, keep_generators, ..Session::default() }
}

/// Says how many steps a run of `time` has. They are in `config.toml`, which repeats the run on any machine.
fn length_line(config: &TrainConfig, time: Duration, step: Duration) -> String {
    let steps = thousands(config.steps(config.pictures_per_epoch(0)) as usize);
    let (step, time) = (step.as_secs_f64() * 1e3, humantime::format_duration(Duration::from_secs(time.as_secs())));
    format!("time      {step:.0} ms a step: {steps} steps take about {time}")
}

/// Prepares the measures of the generator on the pictures of the run.
fn evaluator(device: &Device, threads: Option<Threads>, data: &Dataset) -> Result<Evaluator> {
    let cpu = match device.cpu() {
        Some(cpu) => cpu.clone(),
        None => threads::cpu(threads)?,
    };
    dcgan::evaluator(&cpu, data).map_err(|error| match error {
        TrainError::Evaluation(error) => {
            let advice = "--evaluate-every 0 trains without";
            UsageError::new(format_args!("--evaluate-every: cannot compare: {error}; {advice}")).into()
        }
        error => error.into(),
    })
}

/// Says where a run resumes, and which settings have changed.
fn say_resumed(progress: &Progress, changes: &[String]) {
    let Progress { step, epoch, pictures, .. } = progress;
    match (step, pictures) {
        (0, _) => say("resumes   from the beginning: the run was stopped before its first checkpoint"),
        (_, 0) => say(&format!("resumes   after epoch {epoch}, step {}", thousands(*step as usize))),
        _ => say(&format!("resumes   in epoch {}, after step {}", epoch + 1, thousands(*step as usize))),
    }
    changes.iter().for_each(|change| say(&format!("changed   {change}")));
}

/// Returns a note that a run which is resumed has nothing left to do, with the option that makes it longer.
fn nothing_left(progress: &Progress, config: &TrainConfig, path: &Path) -> String {
    let train_on = Hint::new("train --resume").path(path);
    if let Some(max_steps) = config.max_steps.filter(|&max_steps| progress.step >= max_steps) {
        return all_done(max_steps, "step", "steps", &train_on.option("--max-steps", 2 * max_steps));
    }
    all_done(config.epochs, "epoch", "epochs", &train_on.option("--epochs", 2 * config.epochs))
}

fn all_done(count: u64, one: &str, many: &str, train_on: &Hint) -> String {
    let done = match count {
        1 => format!("the one {one} of this run is done"),
        _ => format!("all {} {many} of this run are done", thousands(count as usize)),
    };
    format!("{done}; train on with more, such as: {train_on}")
}

/// Returns what may change the last bits of the result, in the form of changed settings.
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

/// Adds to an error how to go on with the run.
fn with_way_on(error: TrainError, path: &Path, config: &TrainConfig) -> anyhow::Error {
    if !path.join("config.toml").exists() {
        let context = format!("the run has failed, and its folder {path:?} is gone: start it again");
        return anyhow::Error::new(error).context(context);
    }
    let mut command = Hint::new("train --resume").path(path);
    if matches!(error, TrainError::NotFinite { .. }) {
        for (option, rate) in smaller_rates(config) {
            // Rounded, without the digits of binary fractions.
            command = command.option(option, format_args!("{rate:.1e}"));
        }
    }
    let way_on = match model_file::newest_checkpoint(path) {
        Some(_) => "has failed; to go on from its last checkpoint",
        None => "has failed before its first checkpoint; to begin it again",
    };
    anyhow::Error::new(error).context(format!("the run in {path:?} {way_on}: {command}"))
}

/// Returns the options that lower the learning rates of a training that has diverged: a tenth of each, and at most the
/// tutorial's. A rate that is far below the other one is not the cause.
fn smaller_rates(config: &TrainConfig) -> Vec<(&'static str, f64)> {
    /// Factor between two rates from which the lower one is kept.
    const FAR: f64 = 10.0;
    let TrainConfig { adam, lr_d, lr_g, .. } = config;
    let smaller = |rate: f64| (rate / 10.0).min(TrainConfig::TUTORIAL.adam.lr);
    let [d, g] = [lr_d, lr_g].map(|rate| rate.unwrap_or(adam.lr));
    if lr_d.is_none() && lr_g.is_none() {
        return vec![("--lr", smaller(adam.lr))];
    }
    let rates = [("--lr-d", d, g), ("--lr-g", g, d)].into_iter();
    rates.filter(|(_, rate, other)| rate * FAR >= *other).map(|(option, rate, _)| (option, smaller(rate))).collect()
}

/// Reads or draws the pictures, and says what they are.
fn load_pictures(settings: &Settings) -> Result<(Dataset, Option<LoadReport>)> {
    let model = &settings.train.model;
    let (size, channels) = (model.image_size, Channels::from_count(model.channels));
    let form = format!("{size} × {size} {}", if channels == Channels::Gray { "grey" } else { "colour" });
    match &settings.source {
        Some(DataSource::Demo { count }) => {
            let bar = progress::bar(*count as u64, "drawing faces {wide_bar} {human_pos}/{human_len}");
            let data = demo::dataset(*count, size, channels, |drawn| bar.inc(drawn))?;
            bar.finish_and_clear();
            say(&format!("pictures  {} built-in faces, {form}", thousands(data.len())));
            Ok((data, None))
        }
        Some(DataSource::Folder { path, max_images, images }) => {
            let batch_size = settings.train.batch_size;
            pictures::check_max_images(*max_images, batch_size)?;
            let (data, report) = pictures::load_at_least(batch_size, path, size, channels, *max_images, images)?;
            say(&format!("pictures  {} from {}, {form}", thousands(data.len()), path.display()));
            pictures::say_report(&report);
            pictures::check_strict(images.strict, &report)?;
            pictures::check_batch(&report, batch_size)?;
            pictures::too_few(data.len(), &settings.train).iter().for_each(|note| say(note));
            Ok((data, Some(report)))
        }
        None => Err(UsageError::from(SettingsError::NoSource).into()),
    }
}

/// Checks that a new run can have its folder, before the pictures are read.
fn check_out(settings: &Settings) -> Result<()> {
    settings.out.as_deref().map_or(Ok(()), RunFolder::check_new).context(CANNOT_MAKE)
}

/// Message for a run's folder that cannot be made.
const CANNOT_MAKE: &str = "cannot make the run's folder; choose another with --out";

/// Creates the folder of a new run: `--out`, or the next number in [`model_file::RUNS`].
fn create_folder(settings: &Settings) -> Result<RunFolder> {
    let config = settings.to_toml();
    let folder = match &settings.out {
        Some(path) => RunFolder::create(path, &config),
        None => {
            RunFolder::create_numbered(Path::new(model_file::RUNS), &dcgan::run_name(settings.source.as_ref()), &config)
        }
    };
    folder.context(CANNOT_MAKE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_run_is_told_how_to_go_on() {
        let progress = Progress { step: 6, epoch: 2, ..Progress::default() };
        let config = TrainConfig { epochs: 2, ..TrainConfig::TUTORIAL };
        let path = Path::new("my run");
        let text = nothing_left(&progress, &config, path);
        assert_eq!(
            text,
            "all 2 epochs of this run are done; train on with more, such as: dcgan train --resume 'my run' --epochs 4"
        );
        let config = TrainConfig { max_steps: Some(6), ..config };
        assert!(nothing_left(&progress, &config, path).ends_with("--max-steps 12"));
    }

    /// As when the disk is full before anything is saved.
    #[test]
    fn a_failed_run_is_told_what_it_can_go_on_from() {
        let run = tempfile::tempdir().unwrap();
        std::fs::write(run.path().join("config.toml"), "").unwrap();
        let text = || {
            let error = TrainError::Listener(std::io::Error::other("no space left on device").into());
            format!("{:#}", with_way_on(error, run.path(), &TrainConfig::default()))
        };
        let path = run.path().display();
        assert!(
            text().contains("has failed before its first checkpoint; to begin it again: dcgan train --resume"),
            "{}",
            text()
        );
        std::fs::remove_file(run.path().join("config.toml")).unwrap();
        assert!(text().contains("is gone: start it again"), "{}", text());
        std::fs::write(run.path().join("config.toml"), "").unwrap();
        std::fs::create_dir(run.path().join("checkpoints")).unwrap();
        std::fs::write(run.path().join("checkpoints/step-00000003.safetensors"), "").unwrap();
        assert!(
            text().contains(&format!("to go on from its last checkpoint: dcgan train --resume {path}")),
            "{}",
            text()
        );
    }

    #[test]
    fn the_rate_that_is_lowered_is_the_one_that_was_too_high() {
        let advice = |lr: f64, lr_d: Option<f64>, lr_g: Option<f64>| {
            let config = TrainConfig { lr_d, lr_g, ..TrainConfig::default() };
            let adam = dcgan_model::AdamConfig { lr, ..config.adam };
            let text = |(option, rate): (&str, f64)| format!("{option} {rate:.1e}");
            smaller_rates(&TrainConfig { adam, ..config }).into_iter().map(text).collect::<Vec<_>>()
        };
        assert_eq!(advice(1e-3, None, None), ["--lr 1.0e-4"]);
        assert_eq!(advice(50.0, None, None), ["--lr 2.0e-4"], "a tenth would not help");
        assert_eq!(advice(2e-4, Some(50.0), None), ["--lr-d 2.0e-4"]);
        assert_eq!(advice(2e-4, None, Some(1e-3)), ["--lr-d 2.0e-5", "--lr-g 1.0e-4"]);
        assert_eq!(advice(50.0, Some(1e-4), None), ["--lr-g 2.0e-4"], "--lr is G's");
        assert_eq!(advice(1.0, Some(9.0), Some(9.0)), ["--lr-d 2.0e-4", "--lr-g 2.0e-4"]);
    }
}
