//! A training from images to a generator.

use crate::{Error, Generator, cpu};
use dcgan_data::Dataset;
use dcgan_engine_cpu::{Cpu, CpuEngine};
use dcgan_metrics::{Evaluator, Images};
use dcgan_model::{Engine, Network};
use dcgan_settings::{DeviceChoice, Settings, Threads, TrainOptions};
use dcgan_train::{
    Checkpoint, Extras, Listener, LossPlot, RunFolder, SavedCheckpoint, Session, SessionRecord, Summary, TensorBoard,
    TrainConfig, TrainError, fit_to_time, train, trained_generator,
};
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Largest number of images that the measures of [`TrainConfig::evaluate_every`] compare.
const EVALUATED: usize = 1500;

/// A training that is ready to run: settings, images, an engine and listeners.
///
/// ```
/// use dcgan::{Channels, Dataset, ModelConfig, TrainConfig, Training};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = ModelConfig { image_size: 32, latent_dim: 16, ..ModelConfig::TUTORIAL }.with_base_channels(2);
/// let config = TrainConfig { model, batch_size: 4, epochs: 2, ..TrainConfig::TUTORIAL };
/// let images = Dataset::from_fn(8, 32, Channels::Rgb, |index, pixels| pixels.fill(index as u8 * 30))?;
///
/// let trained = Training::new(config, images)?.run()?;
/// println!("{} steps", trained.summary.steps);
/// let faces = trained.generator.draw_seeds(0..8)?;
/// # assert_eq!(faces.len(), 8);
/// # Ok(())
/// # }
/// ```
pub struct Training<'a> {
    settings: Settings,
    data: Arc<Dataset>,
    engine: Box<dyn Engine + 'a>,
    /// The CPU of the engine; `None` with an engine of the caller's.
    cpu: Option<Cpu>,
    listeners: Vec<&'a mut dyn Listener>,
    start: Start,
    stop: Option<&'a AtomicBool>,
}

/// Where a training starts.
enum Start {
    /// With first weights.
    New,
    /// With first weights, in a folder that was just created.
    Created(Box<RunFolder>),
    /// From a checkpoint in memory.
    Checkpoint(Box<Checkpoint>),
    /// From the last checkpoint in a run's folder.
    Folder(Box<ResumedFolder>),
}

/// A run's folder that is to be continued.
struct ResumedFolder {
    folder: RunFolder,
    /// `None` if the run was stopped before its first checkpoint.
    saved: Option<SavedCheckpoint>,
    /// Whether the generator in the folder is a result that does not come again.
    keeps_result: bool,
    /// Settings that differ from before, for people.
    changes: Vec<String>,
}

/// Result of a [`Training`].
#[derive(Debug)]
pub struct Trained {
    /// Number of steps and epochs, and whether the run went to its end.
    pub summary: Summary,
    /// The trained generator: with averaged weights and recalibrated statistics if the settings ask for them. It draws
    /// the pictures that `generator.pt` of the same run draws.
    pub generator: Generator,
    /// What was repaired or moved in the folder of a run that was resumed, in sentences.
    pub notes: Vec<String>,
}

impl<'a> Training<'a> {
    /// Prepares a training of `config` on `data` with the CPU engine on all cores. The engine follows the whole of
    /// `config`: widths, losses, penalties, learning rates and averages.
    ///
    /// # Errors
    /// [`Error::Train`] if the settings are impossible, [`Error::Engine`] if there is not enough memory, and the errors
    /// of [`cpu`].
    pub fn new(config: TrainConfig, data: impl Into<Arc<Dataset>>) -> Result<Self, Error> {
        Self::with_settings(Settings::for_images_in_memory(config), data)
    }

    /// Prepares a training from the options of `dcgan train`: with their number of threads, checkpoints and time, and
    /// with a run folder if they have an `out`. The images are `data`; the source in the settings only goes to
    /// `config.toml`, so that `dcgan train --resume` finds them.
    ///
    /// ```
    /// use dcgan::{Channels, DataSource, TrainOptions, Training};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let out = folder.path().join("run");
    /// let mut options = TrainOptions { demo: true, out: Some(out), ..TrainOptions::default() };
    /// for (name, value) in [("epochs", "1"), ("batch_size", "4"), ("image_size", "32"), ("base_channels", "2")] {
    ///     options.set(name, value)?;
    /// }
    /// # options.set("max_images", "8")?;
    /// let settings = options.resolve()?;
    /// let Some(DataSource::Demo { count }) = settings.source else { unreachable!() };
    /// let images = dcgan::demo_faces(count, settings.train.model.image_size, Channels::Rgb)?;
    /// let trained = Training::with_settings(settings, images)?.run()?;
    /// # assert!(trained.summary.finished);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Training::new`], and [`Error::Device`] if the settings ask for a GPU, for which there is
    /// [`Training::with_engine`].
    pub fn with_settings(mut settings: Settings, data: impl Into<Arc<Dataset>>) -> Result<Self, Error> {
        if let device @ DeviceChoice::Gpu(..) = settings.device {
            return Err(Error::Device(device));
        }
        let config = &mut settings.train;
        config.validate().map_err(TrainError::from)?;
        let (cpu, data) = (cpu(settings.threads.map(Threads::get))?, data.into());
        let mut engine = CpuEngine::new(cpu.clone(), &config.model, config.recipe(), config.batch_size)?;
        if let Some(time) = settings.time.take() {
            fit_to_time(config, time.get(), &data, &mut engine)?;
        }
        Ok(Self { cpu: Some(cpu), ..Self::from_parts(settings, data, Box::new(engine)) })
    }

    /// Prepares a training with an engine of your own, which must train by [`TrainConfig::recipe`] and take batches of
    /// [`TrainConfig::batch_size`].
    pub fn with_engine(config: TrainConfig, data: impl Into<Arc<Dataset>>, engine: impl Engine + 'a) -> Self {
        Self::from_parts(Settings::for_images_in_memory(config), data.into(), Box::new(engine))
    }

    fn from_parts(settings: Settings, data: Arc<Dataset>, engine: Box<dyn Engine + 'a>) -> Self {
        Self { settings, data, engine, cpu: None, listeners: Vec::new(), start: Start::New, stop: None }
    }

    /// Adds a listener, which is told everything that happens.
    pub fn listener(mut self, listener: &'a mut dyn Listener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Writes the run to the new folder `path`: everything that `dcgan train` writes, from `config.toml` and
    /// checkpoints to `generator.pt`. [`Training::resume_folder`] and `dcgan train --resume` continue it.
    pub fn run_folder(mut self, path: impl AsRef<Path>) -> Self {
        self.settings.out = Some(path.as_ref().to_owned());
        self
    }

    /// Writes the run to `folder`, which was just created, for example by [`RunFolder::create_numbered`].
    pub fn in_folder(mut self, folder: RunFolder) -> Self {
        self.start = Start::Created(Box::new(folder));
        self
    }

    /// Returns the settings of the run. With [`Settings::time`], the number of steps has been chosen.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Continues a run from `checkpoint`, which was made with the settings `before`. If they are those of this
    /// training, the result is that of a run that was never stopped.
    ///
    /// # Errors
    /// [`TrainError::Resume`] if the settings have changed in a way that the checkpoint does not allow; see
    /// [`TrainConfig::resume`].
    pub fn resume(mut self, mut checkpoint: Checkpoint, before: &TrainConfig) -> Result<Self, Error> {
        self.settings.train.resume(before, &mut checkpoint.progress).map_err(TrainError::from)?;
        self.start = Start::Checkpoint(Box::new(checkpoint));
        Ok(self)
    }

    /// Continues the run in the folder `path`, which this library or `dcgan train` made, from its last checkpoint that
    /// can be read, or from the beginning if there was none yet. [`run_settings`] returns the settings it had.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if the folder is no run's, is in use, or cannot be read, [`TrainError::Resume`] as
    /// [`Training::resume`], and [`Error::OtherImages`] if the run has learned from other images.
    pub fn resume_folder(mut self, path: impl AsRef<Path>) -> Result<Self, Error> {
        let folder = RunFolder::open(path.as_ref())?;
        let mut saved = folder.last_checkpoint()?;
        let mut keeps_result = false;
        let mut before = settings_of(&folder, folder.config())?;
        if let Some(SavedCheckpoint { checkpoint, config, data_fingerprint, .. }) = &mut saved {
            if let Some(config) = config {
                before = settings_of(&folder, config)?;
            }
            self.settings.train.resume(&before.train, &mut checkpoint.progress).map_err(TrainError::from)?;
            let is_at_end = before.train.is_at_end(&checkpoint.progress);
            keeps_result = self.settings.train != before.train || is_at_end;
            if data_fingerprint.as_ref().is_some_and(|before| *before != self.data.fingerprint()) {
                return Err(Error::OtherImages { path: folder.path().to_owned() });
            }
        }
        // The source of the images stays that of the run.
        self.settings.source = self.settings.source.or_else(|| before.source.clone());
        let changes = self.settings.differences(&before).iter().map(ToString::to_string).collect();
        self.start = Start::Folder(Box::new(ResumedFolder { folder, saved, keeps_result, changes }));
        Ok(self)
    }

    /// Makes a checkpoint at every step that is a multiple of `steps`, beside the end of each epoch.
    pub fn save_every(mut self, steps: NonZeroU64) -> Self {
        self.settings.save_every = Some(steps);
        self
    }

    /// Stops the run, with a checkpoint, soon after `stop` becomes true.
    pub fn stop_when(mut self, stop: &'a AtomicBool) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Trains to the end of the run, or until it is stopped.
    ///
    /// # Errors
    /// [`Error::Train`], see [`TrainError`], and [`Error::RunFolder`] if the run's folder cannot be written.
    pub fn run(self) -> Result<Trained, Error> {
        let Self { settings, data, mut engine, cpu: own_cpu, mut listeners, start, stop } = self;
        let config = &settings.train;
        let device = if own_cpu.is_some() { "CPU".to_owned() } else { engine.description() };
        let mut session = SessionRecord::new(device, &data);
        session.instruction_set = own_cpu.as_ref().map(|cpu| cpu.isa().name().to_owned());
        session.threads = own_cpu.as_ref().map(Cpu::threads);
        let own_cpu = own_cpu.map_or_else(|| cpu(None), Ok)?;
        let evaluator = config.evaluate_every.map(|_| evaluator(&own_cpu, &data)).transpose()?;
        let mut notes = Vec::new();
        let (folder, from) = match start {
            Start::Folder(resumed) => {
                let ResumedFolder { mut folder, saved, keeps_result, changes } = *resumed;
                let Settings { sample_every, keep_generators, .. } = settings;
                folder.set_extras(Extras { sample_every, keep_generators });
                notes = folder.prepare(saved.as_ref(), keeps_result)?;
                let from = saved.map(|saved| saved.checkpoint);
                session.changes = changes;
                session.from_step = from.as_ref().map_or(0, |from| from.progress.step);
                session.has_checkpoint = from.is_some();
                (Some(folder), from)
            }
            Start::Checkpoint(checkpoint) => (create_folder(&settings)?, Some(*checkpoint)),
            Start::New => (create_folder(&settings)?, None),
            Start::Created(folder) => (Some(*folder), None),
        };
        let mut writers = folder.map(|folder| Writers::begin(folder, &settings, &session)).transpose()?;
        let mut all: Vec<&mut dyn Listener> = Vec::new();
        if let Some(Writers { folder, plot, board }) = &mut writers {
            all.extend([folder as &mut dyn Listener, plot, board]);
        }
        all.extend(listeners.iter_mut().map(|listener| &mut **listener as &mut dyn Listener));
        let Settings { save_every, sample_every, keep_generators, .. } = settings;
        let evaluator = evaluator.as_ref();
        let session = Session { from, save_every, sample_every, keep_generators, stop, evaluator, ranks: None };
        let summary = train(config, session, &data, &mut *engine, &mut all)?;
        let tensors = trained_generator(&mut *engine, config)?;
        let generator = Generator::from_tensors(&Network::generator(&config.model), tensors, own_cpu)?;
        Ok(Trained { summary, generator, notes })
    }
}

/// The listeners that write a run's folder.
struct Writers {
    folder: RunFolder,
    plot: LossPlot,
    board: TensorBoard,
}

impl Writers {
    fn begin(mut folder: RunFolder, settings: &Settings, session: &SessionRecord) -> Result<Self, Error> {
        folder.set_keep(settings.keep);
        let path = folder.path().to_owned();
        let board = TensorBoard::create(&path).map_err(|source| Error::Write { path: path.clone(), source })?;
        folder.record(session)?;
        folder.set_config(&settings.to_toml())?;
        Ok(Self { folder, plot: LossPlot::new(&path), board })
    }
}

fn create_folder(settings: &Settings) -> Result<Option<RunFolder>, Error> {
    Ok(settings.out.as_ref().map(|path| RunFolder::create(path, &settings.to_toml())).transpose()?)
}

/// Reads the settings in the folder of a run, such as `config.toml` has them. Change [`Settings::train`], for example
/// its `epochs`, to continue with others.
///
/// # Errors
/// [`Error::RunFolder`] if `path` is no run's folder, is in use or cannot be read, [`Error::Config`] if its
/// `config.toml` is not understood.
pub fn run_settings(path: impl AsRef<Path>) -> Result<Settings, Error> {
    let folder = RunFolder::open(path.as_ref())?;
    settings_of(&folder, folder.config())
}

/// Reads the options in the folder of a run, such as `config.toml` has them, so that others can be put over them by
/// [`TrainOptions::or`].
///
/// # Errors
/// As [`run_settings`].
pub fn run_options(path: impl AsRef<Path>) -> Result<TrainOptions, Error> {
    let folder = RunFolder::open(path.as_ref())?;
    TrainOptions::from_toml(folder.config()).map_err(|message| config_error(&folder, message))
}

fn settings_of(folder: &RunFolder, config: &str) -> Result<Settings, Error> {
    let options = TrainOptions::from_toml(config);
    let settings =
        options.and_then(|options| options.resolve_for_images_in_memory().map_err(|error| error.to_string()));
    settings.map_err(|message| config_error(folder, message))
}

fn config_error(folder: &RunFolder, message: String) -> Error {
    Error::Config { path: folder.path().join("config.toml"), message }
}

/// Prepares the measures of [`TrainConfig::evaluate_every`] on images of `data`, evenly spaced.
///
/// # Errors
/// [`TrainError::Evaluation`] if there are too few images, or they are too small; [`TrainError::Data`] if one cannot be
/// read.
pub fn evaluator(cpu: &Cpu, data: &Dataset) -> Result<Evaluator, TrainError> {
    let pixels = data.evenly_spaced(2 * EVALUATED)?;
    let images = Images::new(&pixels, data.size(), data.channels().count())?;
    Ok(Evaluator::new(cpu, images, EVALUATED)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dcgan_data::Channels;
    use dcgan_model::{Loss, ModelConfig};
    use dcgan_train::{Event, ListenerError, ResumeError, RunFolderError, Schedule};

    fn config() -> TrainConfig {
        let model = ModelConfig { image_size: 32, latent_dim: 4, ..ModelConfig::TUTORIAL }.with_base_channels(2);
        TrainConfig { model, batch_size: 4, epochs: 2, ..TrainConfig::TUTORIAL }
    }

    fn images() -> Dataset {
        Dataset::from_fn(16, 32, Channels::Rgb, |index, pixels| {
            pixels.iter_mut().enumerate().for_each(|(place, value)| *value = (place * (index + 1)) as u8);
        })
        .unwrap()
    }

    /// The generator of a training draws the same pictures as the file that its run folder has, whatever the settings
    /// say of averages.
    #[test]
    fn a_trained_generator_is_the_saved_one() {
        let plain = config();
        let settings = [
            plain,
            TrainConfig { ema: Some(0.9), ..plain },
            TrainConfig { recalibrate: true, ..plain },
            TrainConfig { loss: Loss::Hinge, schedule: Schedule::Linear, lr_g: Some(1e-3), ..plain },
        ];
        let mut drawn = Vec::new();
        for config in settings {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("run");
            let trained = Training::new(config, images()).unwrap().run_folder(&path).run().unwrap();
            assert!(trained.summary.finished);
            let faces = trained.generator.draw_seeds(0..8).unwrap();
            for (name, saved) in
                [("", false), ("generator.pt", false), ("generator.safetensors", false), ("mine.pth", true)]
            {
                let path = path.join(name);
                if saved {
                    trained.generator.save(&path).unwrap();
                }
                assert!(Generator::load(&path).unwrap().draw_seeds(0..8).unwrap() == faces, "{config:?}: {name}");
            }
            drawn.push(faces);
        }
        // Settings that change nothing would make this test blind.
        assert!((0..4).all(|i| (0..i).all(|j| drawn[i] != drawn[j])), "two settings draw the same faces");
    }

    #[test]
    fn a_run_that_has_not_ended_draws_with_its_newest_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let error = Generator::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("is no run's folder"), "{error}");
        let path = folder.path().join("run");
        let trained = Training::new(config(), images()).unwrap().run_folder(&path).run().unwrap();
        std::fs::remove_file(path.join("generator.safetensors")).unwrap();
        let generator = Generator::load(&path).unwrap();
        assert!(generator.draw_seeds(0..2).unwrap() == trained.generator.draw_seeds(0..2).unwrap());
    }

    #[test]
    fn threads_share_a_generator() {
        let trained = Training::new(TrainConfig { max_steps: Some(1), ..config() }, images()).unwrap().run().unwrap();
        let generator = &trained.generator;
        let alone: Vec<_> = (0..4).map(|seed| generator.draw_seeds([seed]).unwrap()).collect();
        let shared: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|seed| scope.spawn(move || generator.draw_seeds([seed]).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(shared == alone);
    }

    #[test]
    fn an_engine_of_another_recipe_is_refused() {
        let config = TrainConfig { loss: Loss::Hinge, ..config() };
        let engine = CpuEngine::new(cpu(Some(1)).unwrap(), &config.model, config.adam, config.batch_size).unwrap();
        let error = Training::with_engine(config, images(), engine).run().unwrap_err();
        assert!(matches!(error, Error::Train(TrainError::OtherRecipe)), "{error}");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let config = TrainConfig { max_steps: Some(1), ..config() };
        let trained = Training::new(config, images()).unwrap().run().unwrap();
        let save = |path: &str| trained.generator.save(path).unwrap_err().to_string();
        assert!(save("generator.bin").contains("\"generator.bin\" does not say which format"));
        assert!(save("/nowhere/generator.pt").contains("/nowhere/generator.pt"));
    }

    /// Keeps the checkpoint after the first epoch.
    #[derive(Default)]
    struct First(Option<Checkpoint>);

    impl Listener for First {
        fn on_event(&mut self, event: &Event<'_>) -> Result<(), ListenerError> {
            if let Event::Checkpoint(checkpoint) = event {
                self.0.get_or_insert_with(|| (*checkpoint).clone());
            }
            Ok(())
        }
    }

    #[test]
    fn a_checkpoint_in_memory_is_resumed_with_settings_that_fit_it() {
        let mut first = First::default();
        let whole = Training::new(config(), images()).unwrap().listener(&mut first).run().unwrap();
        let checkpoint = first.0.unwrap();
        let resume = |now: TrainConfig| Training::new(now, images()).unwrap().resume(checkpoint.clone(), &config());
        let resumed = resume(config()).unwrap().run().unwrap();
        assert!(resumed.generator.draw_seeds(0..2).unwrap() == whole.generator.draw_seeds(0..2).unwrap());
        resume(TrainConfig { loss: Loss::Hinge, batch_size: 3, ..config() }).unwrap().run().unwrap();

        let refused = |now: TrainConfig| match resume(now) {
            Err(Error::Train(TrainError::Resume(error))) => error,
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("{now:?} was not refused"),
        };
        assert!(matches!(refused(TrainConfig { seed: 5, ..config() }), ResumeError::Fixed { setting: "seed", .. }));
        let model = ModelConfig { latent_dim: 5, ..config().model };
        let error = refused(TrainConfig { model, ..config() });
        assert!(matches!(error, ResumeError::Fixed { setting: "latent-dim", .. }), "{error}");
        let error = refused(TrainConfig { max_steps: Some(3), ..config() });
        assert_eq!(error, ResumeError::Steps { max_steps: 3, steps: 4 });
    }

    #[test]
    fn a_run_folder_is_resumed_with_settings_and_images_that_fit_it() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let short = TrainConfig { epochs: 1, ..config() };
        Training::new(short, images()).unwrap().run_folder(&path).run().unwrap();
        assert_eq!(run_settings(&path).unwrap(), Settings::for_images_in_memory(short));

        let resume = |now: TrainConfig, images: Dataset| Training::new(now, images).unwrap().resume_folder(&path);
        let refused = |now: TrainConfig, images: Dataset, words: &str| {
            let error = resume(now, images).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        };
        refused(TrainConfig { seed: 5, ..config() }, images(), "another seed (0 before, 5 now)");
        refused(TrainConfig { init: dcgan_model::Init::Normal, ..config() }, images(), "another init");
        let others = Dataset::from_fn(16, 32, Channels::Rgb, |_, pixels| pixels.fill(7)).unwrap();
        refused(config(), others, "has learned from other images");
        assert_eq!(run_settings(&path).unwrap().train, short, "a refusal changes nothing");

        let open = resume(config(), images()).unwrap();
        let error = resume(config(), images()).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::RunFolder(RunFolderError::InUse { .. })), "{error}");
        let resumed = open.run().unwrap();
        let whole = Training::new(config(), images()).unwrap().run().unwrap();
        assert_eq!(resumed.summary, whole.summary);
        assert!(resumed.generator.draw_seeds(0..2).unwrap() == whole.generator.draw_seeds(0..2).unwrap());
        assert_eq!(run_settings(&path).unwrap().train, config());
        for file in ["generator.pt", "losses.png", "metrics.jsonl", "run.json", "samples/epoch-0002.png"] {
            assert!(path.join(file).exists(), "{file}");
        }
        // What the first session had at its end does not come again.
        assert!(path.join("kept.step-00000004/generator.pt").exists());
    }

    #[test]
    fn a_run_that_is_told_to_stop_can_be_resumed() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let stop = AtomicBool::new(true);
        let training = Training::new(config(), images()).unwrap().run_folder(&path).stop_when(&stop);
        let stopped = training.run().unwrap().summary;
        assert!(!stopped.finished && stopped.steps == 1, "{stopped:?}");
        let resumed = Training::new(config(), images()).unwrap().resume_folder(&path).unwrap().run().unwrap();
        let whole = Training::new(config(), images()).unwrap().run().unwrap();
        assert!(resumed.generator.draw_seeds(0..2).unwrap() == whole.generator.draw_seeds(0..2).unwrap());
    }

    #[test]
    fn a_gpu_needs_an_engine_of_the_callers() {
        let mut settings = Settings::for_images_in_memory(config());
        settings.device = "gpu:0".parse().unwrap();
        let error = Training::with_settings(settings, images()).map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with("device gpu:0 needs an engine"), "{error}");
    }

    #[test]
    fn a_run_of_a_given_time_chooses_its_steps() {
        let mut settings = Settings::for_images_in_memory(config());
        settings.time = Some("10s".parse().unwrap());
        let training = Training::with_settings(settings, images()).unwrap();
        assert!(training.settings.time.is_none() && training.settings.train.epoch_size.is_some());
        assert_eq!(training.settings.train.epochs, 2);
    }
}
