//! The training loop.
//!
//! One step is the tutorial's: D learns from real pictures, D learns from fakes, G learns to deceive D; an Adam step after each.
//!
//! Three streams of random numbers, each of which PyTorch gives too. The main stream, `torch.manual_seed(seed)`, draws D's weights, G's
//! weights, then for every step the noise for D's fakes and the noise for G's part, and nothing else (with [`Augment`](crate::Augment), also what
//! is done to the real pictures, to D's fakes after their noise, and to G's after theirs). The order of the pictures is
//! `epoch_order`. The preview's noise is [`preview_noise`].

use crate::health::{FLAT_EPOCHS, Monitor};
use crate::order::batches;
use crate::window::{Done, Window};
use crate::{
    Augment, EpochSummary, Event, Listener, ListenerError, NotFinite, Picture, Plan, Rollback, StepMetrics, Summary,
    TrainConfig, TrainConfigError,
};
use dcgan_data::{Dataset, Prefetcher};
use dcgan_formats::{Checkpoint, EpochMeans, Progress};
use dcgan_model::{Engine, EngineError, ModelConfig, Network, StateDict, TorchRng, initial_state};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Faces in a preview: 4 rows of 8.
pub const PREVIEW_FACES: usize = 32;

/// Batches of noise, drawn from `torch.manual_seed(seed - 1)`, whose statistics a calibrated generator has.
const CALIBRATION_BATCHES: usize = 16;

/// How often a run may go back to its last checkpoint because a number was not finite. Each time halves the learning rates: the same steps
/// with the same rates would end in the same place. From there on the result depends on where that checkpoint was, and so on where such a
/// run was stopped before.
const MAX_ROLLBACKS: u32 = 3;

/// What a process makes of its part of a run. Nothing here decides the result.
#[derive(Debug, Default)]
pub struct Session<'a> {
    /// Go on from here, not from first weights.
    pub from: Option<Checkpoint>,
    /// Make a checkpoint at every multiple of so many steps, beside those at the end of every epoch.
    pub save_every: Option<NonZeroU64>,
    /// Once it is true, the run ends after the steps that the engine has been given, with a checkpoint.
    pub stop: Option<&'a AtomicBool>,
}

/// Why a run ended before its time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The settings are impossible.
    #[error(transparent)]
    Config(#[from] TrainConfigError),
    /// The data set has no pictures.
    #[error("there are no pictures to learn from")]
    NoPictures,
    /// Pictures and networks differ in size.
    #[error(
        "the pictures are {data_channels} × {data_size} × {data_size}, but the networks are made for {channels} × {size} × {size}"
    )]
    Shape {
        /// Channels of the pictures.
        data_channels: usize,
        /// Side of the pictures in pixels.
        data_size: usize,
        /// Channels of the networks.
        channels: usize,
        /// Side of the networks' pictures in pixels.
        size: usize,
    },
    /// The checkpoint is in the middle of an epoch of other pictures.
    #[error(
        "the checkpoint has seen {seen} pictures of an epoch, and the data set has no more than {pictures}: go on with the pictures that \
         it was trained on"
    )]
    OtherPictures {
        /// Pictures of the epoch under way that were seen.
        seen: u64,
        /// Pictures of the data set.
        pictures: usize,
    },
    /// A number is not finite, and going back has not helped.
    #[error(
        "{problem}; the training has diverged, and going back {MAX_ROLLBACKS} times with ever smaller learning rates has not helped. \
         Step {step} is the last good one: try a smaller learning rate or a larger batch"
    )]
    NotFinite {
        /// What is wrong.
        problem: NotFinite,
        /// The step of the last checkpoint.
        step: u64,
    },
    /// The checkpoint to go on from holds a number that is not finite.
    #[error("the checkpoint is of no use: {0}")]
    BadCheckpoint(String),
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A listener could not go on.
    #[error(transparent)]
    Listener(ListenerError),
}

/// What is drawn after every epoch: `torch.manual_seed(seed); torch.randn(32, latent)`, the noise of `dcgan generate --seed`.
fn preview_noise(model: &ModelConfig, seed: u64) -> Vec<f32> {
    TorchRng::seed_from_u64(seed).randn(PREVIEW_FACES * model.latent_dim)
}

/// Trains `engine` on `data` from the first weights, or from a checkpoint, to the end of the run; `engine` then holds the result. The same
/// settings and pictures give the same weights, however often the run was stopped in between.
///
/// # Errors
/// See [`TrainError`]. The engine then holds the state in which the run broke off, which may be some steps after the last that was told.
///
/// # Panics
/// If the engine does not report every part of a step.
pub fn train(
    config: &TrainConfig,
    session: Session<'_>,
    data: &Arc<Dataset>,
    engine: &mut (impl Engine + ?Sized),
    listeners: &mut [&mut dyn Listener],
) -> Result<Summary, TrainError> {
    config.validate()?;
    check_data(config, data)?;
    let Session { from, save_every, stop } = session;
    let is_new = from.is_none();
    let start = from.unwrap_or_else(|| {
        let mut rng = TorchRng::seed_from_u64(config.seed);
        let state = initial_state(&config.model, config.init, &mut rng);
        Checkpoint { state, rng, progress: Progress::default() }
    });
    let (seen, pictures) = (start.progress.pictures, data.len());
    if seen >= pictures as u64 {
        return Err(TrainError::OtherPictures { seen, pictures });
    }
    let plan = Plan {
        pictures: data.len(),
        batches_per_epoch: config.batches_per_epoch(data.len()),
        steps: config.steps_from(data.len(), &start.progress),
        data_bytes: data.len() * data.image_bytes(),
        engine_bytes: engine.memory_bytes(),
        engine: engine.description(),
    };
    let mut run = Run {
        config,
        engine,
        listeners,
        monitor: Monitor::new(data, &config.recipe()),
        preview_noise: preview_noise(&config.model, config.seed),
        rng: start.rng.clone(),
        progress: start.progress.clone(),
        good: Some(start),
    };
    run.return_to_good()?;
    if let Some(place) = run.engine.non_finite()? {
        return Err(TrainError::BadCheckpoint(place));
    }
    // The first batches are gathered while the first faces are drawn.
    let mut batches = run.batches(data);
    run.tell(&Event::Started { config, plan: &plan, progress: &run.progress.clone() })?;
    if is_new {
        run.preview(0)?;
    }

    let mut window = Window::new(run.engine.max_steps_in_flight());
    let is_stopped = || stop.is_some_and(|stop| stop.load(Ordering::Relaxed));
    while run.progress.step < plan.steps {
        window.start();
        let waiting = Instant::now();
        // `batches` holds all epochs, so it cannot end before them.
        let Some(batch) = batches.next_batch() else { break };
        let data_seconds = waiting.elapsed().as_secs_f32();
        run.give(&batch.pixels)?;
        window.push(batch.indices.len(), data_seconds);

        let step = run.progress.step + window.len() as u64;
        let epoch_ends = run.progress.pictures + window.pictures() as u64 == data.len() as u64;
        let saves = save_every.is_some_and(|every| step.is_multiple_of(every.get()));
        if !(window.is_full() || epoch_ends || step == plan.steps || saves || is_stopped()) {
            continue;
        }
        if let Err(problem) = run.take(&mut window)? {
            run.roll_back(problem)?;
            batches = run.batches(data);
            continue;
        }
        let stopped = is_stopped();
        if epoch_ends || step == plan.steps {
            run.end_epoch(epoch_ends)?;
            run.save()?;
        } else if stopped || saves {
            run.save()?;
        }
        if stopped {
            break;
        }
    }

    let step = run.progress.step;
    let summary = run.summary(step >= plan.steps);
    let network = Network::generator(&config.model);
    let generator = match run.better_generator()? {
        Some(generator) => generator,
        None => run.engine.state()?.generator.tensors,
    };
    let (network, generator) = (&network, &generator);
    run.tell(&match summary.finished {
        true => Event::Finished { summary: &summary, network, generator },
        false => Event::Stopped { step, network, generator },
    })?;
    Ok(summary)
}

fn check_data(config: &TrainConfig, data: &Dataset) -> Result<(), TrainError> {
    let ModelConfig { image_size: size, channels, .. } = config.model;
    let (data_channels, data_size) = (data.channels().count(), data.size());
    if (data_channels, data_size) != (channels, size) {
        return Err(TrainError::Shape { data_channels, data_size, channels, size });
    }
    if data.is_empty() {
        return Err(TrainError::NoPictures);
    }
    Ok(())
}

/// A run under way.
struct Run<'a, 'l, E: ?Sized> {
    config: &'a TrainConfig,
    engine: &'a mut E,
    listeners: &'a mut [&'l mut dyn Listener],
    monitor: Monitor,
    preview_noise: Vec<f32>,
    /// The main stream.
    rng: TorchRng,
    progress: Progress,
    /// The last checkpoint. It is missing only while the next one is made, so that there are never two in memory.
    good: Option<Checkpoint>,
}

impl<E: Engine + ?Sized> Run<'_, '_, E> {
    fn tell(&mut self, event: &Event<'_>) -> Result<(), TrainError> {
        tell(self.listeners, event)
    }

    fn preview(&mut self, epoch: u64) -> Result<Vec<Picture>, TrainError> {
        let ModelConfig { image_size, channels, .. } = self.config.model;
        let values = match self.better_generator()? {
            Some(generator) => self.engine.generate_from(&generator, &self.preview_noise)?,
            None => self.engine.generate(&self.preview_noise)?,
        };
        let faces = Picture::from_nchw(&values, channels, image_size);
        self.tell(&Event::Preview { epoch, faces: &faces })?;
        Ok(faces)
    }

    /// The generator that is shown and saved, if it is not the one in training: the average of its weights, or the same weights, with running
    /// statistics of their own.
    fn better_generator(&mut self) -> Result<Option<StateDict>, TrainError> {
        let TrainConfig { quality, seed, batch_size, model, .. } = self.config;
        let generator = match self.engine.averaged_generator()? {
            Some(average) => average,
            None if quality.recalibrate => self.engine.state()?.generator.tensors,
            None => return Ok(None),
        };
        let noise =
            TorchRng::seed_from_u64(seed.wrapping_sub(1)).randn(CALIBRATION_BATCHES * batch_size * model.latent_dim);
        Ok(Some(self.engine.calibrate(&generator, &noise)?))
    }

    /// Draws what is done to the `pictures` of the next part of a step.
    fn augment(&mut self, pictures: usize) -> Result<(), TrainError> {
        let TrainConfig { quality, model, .. } = self.config;
        if quality.augment != Augment::NONE {
            let augmentations = quality.augment.draw(&mut self.rng, pictures, model.image_size);
            self.engine.set_augmentations(&augmentations)?;
        }
        Ok(())
    }

    /// The batches that are left.
    fn batches(&self, data: &Arc<Dataset>) -> Prefetcher {
        let TrainConfig { seed, epochs, batch_size, flip, .. } = *self.config;
        let place = (self.progress.epoch, self.progress.pictures as usize);
        Prefetcher::new(Arc::clone(data), batches(seed, place, epochs, data.len(), batch_size, flip))
    }

    /// Gives the engine a step on `images` (u8, N × H × W × C).
    fn give(&mut self, images: &[u8]) -> Result<(), TrainError> {
        let noise_len = self.config.batch_size * self.config.model.latent_dim;
        self.augment(images.len() / self.config.model.image_len())?;
        self.engine.train_discriminator_real(images)?;
        let noise = self.rng.randn(noise_len);
        self.augment(self.config.batch_size)?;
        self.engine.train_discriminator_fake(&noise)?;
        let noise = self.rng.randn(noise_len);
        self.augment(self.config.batch_size)?;
        self.engine.train_generator(&noise)?;
        Ok(())
    }

    /// Tells of the steps under way, in their order. If a number is not finite, that step and all after it are not told.
    fn take(&mut self, window: &mut Window) -> Result<Result<(), NotFinite>, TrainError> {
        let (steps, broken) = window.take(self.engine)?;
        let last = self.progress.step + steps.len() as u64;
        for done in steps {
            let metrics = self.metrics(&done);
            let step = metrics.step;
            if let Some((name, value)) = first_not_finite(&metrics) {
                let place = broken.map_or(String::new(), |place| format!(", and {place}"));
                return Ok(Err(NotFinite { step, what: format!("{name} is {value}{place}") }));
            }
            if let (Some(what), true) = (&broken, step == last) {
                return Ok(Err(NotFinite { step, what: what.clone() }));
            }
            self.count(&metrics, done.pictures);
            self.tell(&Event::Step(&metrics))?;
        }
        Ok(Ok(()))
    }

    /// What there is to tell of the next step.
    fn metrics(&self, done: &Done) -> StepMetrics {
        let [real, fake, generator] = done.reports;
        StepMetrics {
            step: self.progress.step + 1,
            epoch: self.progress.epoch + 1,
            d_loss_real: real.loss,
            d_loss_fake: fake.loss,
            g_loss: generator.loss,
            d_x: real.mean_output,
            d_g_z1: fake.mean_output,
            d_g_z2: generator.mean_output,
            images_per_second: done.images_per_second,
            data_seconds: done.data_seconds,
        }
    }

    /// Takes down a step on `pictures` pictures.
    fn count(&mut self, metrics: &StepMetrics, pictures: usize) {
        let Progress { step, pictures: seen, sums, .. } = &mut self.progress;
        *step = metrics.step;
        *seen += pictures as u64;
        sums.steps += 1;
        sums.d_loss += f64::from(metrics.d_loss_real) + f64::from(metrics.d_loss_fake);
        sums.g_loss += f64::from(metrics.g_loss);
        sums.d_x += f64::from(metrics.d_x);
        sums.d_g_z1 += f64::from(metrics.d_g_z1);
    }

    /// Says how the epoch was. It is over if `is_whole`; otherwise the steps of the run are over within it.
    fn end_epoch(&mut self, is_whole: bool) -> Result<(), TrainError> {
        let epoch = self.progress.epoch + 1;
        let steps = self.progress.sums.steps;
        let means = self.progress.sums.means();
        let EpochMeans { d_loss, g_loss, d_x, d_g_z1 } = means;
        self.tell(&Event::EpochDone(&EpochSummary { epoch, steps, d_loss, g_loss, d_x, d_g_z1 }))?;
        let faces = self.preview(epoch)?;
        if is_whole {
            let Progress { step, mut recent, rollbacks, .. } = std::mem::take(&mut self.progress);
            recent.push(means);
            recent.drain(..recent.len().saturating_sub(FLAT_EPOCHS));
            let health = self.monitor.judge(epoch, &recent, &faces);
            self.progress = Progress { step, epoch, recent, rollbacks, ..Progress::default() };
            self.tell(&Event::Health(&health))?;
        }
        Ok(())
    }

    /// Makes a checkpoint. The state is known to be finite: the engine looked at all of it when the reports were taken.
    fn save(&mut self) -> Result<(), TrainError> {
        self.tell(&Event::Saving { step: self.progress.step })?;
        self.good = None;
        let checkpoint =
            Checkpoint { state: self.engine.state()?, rng: self.rng.clone(), progress: self.progress.clone() };
        let told = tell(self.listeners, &Event::Checkpoint(&checkpoint));
        self.good = Some(checkpoint);
        told
    }

    /// Goes back to the last checkpoint, to try again with smaller learning rates.
    fn roll_back(&mut self, problem: NotFinite) -> Result<(), TrainError> {
        let step = self.good.as_ref().map_or(0, |good| good.progress.step);
        if self.progress.rollbacks >= MAX_ROLLBACKS {
            return Err(TrainError::NotFinite { problem, step });
        }
        let rollbacks = self.progress.rollbacks + 1;
        if let Some(good) = &mut self.good {
            good.progress.rollbacks = rollbacks;
        }
        self.return_to_good()?;
        let learning_rate_scale = learning_rate_scale(rollbacks);
        self.tell(&Event::RolledBack(&Rollback { problem, step, rollbacks, learning_rate_scale }))
    }

    fn return_to_good(&mut self) -> Result<(), TrainError> {
        if let Some(good) = &self.good {
            self.engine.load_state(&good.state)?;
            self.rng = good.rng.clone();
            self.progress = good.progress.clone();
        }
        self.engine.scale_learning_rates(learning_rate_scale(self.progress.rollbacks));
        Ok(())
    }

    fn summary(&self, finished: bool) -> Summary {
        let Progress { step, epoch, pictures, .. } = self.progress;
        Summary { epochs: epoch + u64::from(pictures > 0), steps: step, finished }
    }
}

/// The first number that a step found, in the order of its parts, and that is none.
fn first_not_finite(metrics: &StepMetrics) -> Option<(&'static str, f32)> {
    let StepMetrics { d_loss_real, d_x, d_loss_fake, d_g_z1, g_loss, d_g_z2, .. } = *metrics;
    [
        ("d_loss_real", d_loss_real),
        ("d_x", d_x),
        ("d_loss_fake", d_loss_fake),
        ("d_g_z1", d_g_z1),
        ("g_loss", g_loss),
        ("d_g_z2", d_g_z2),
    ]
    .into_iter()
    .find(|(_, value)| !value.is_finite())
}

fn tell(listeners: &mut [&mut dyn Listener], event: &Event<'_>) -> Result<(), TrainError> {
    listeners.iter_mut().try_for_each(|listener| listener.on_event(event)).map_err(TrainError::Listener)
}

/// What the configured learning rates are multiplied by after so many rollbacks.
fn learning_rate_scale(rollbacks: u32) -> f64 {
    0.5f64.powi(rollbacks as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Quality;
    use crate::order::epoch_order;
    use dcgan_data::Channels;
    use dcgan_model::{Augmentation, Init, StepReport, Tensor, TrainState};

    const MODEL: ModelConfig = ModelConfig { image_size: 32, channels: 1, latent_dim: 5, base_channels: 1 };
    const CONFIG: TrainConfig = TrainConfig {
        model: MODEL,
        adam: dcgan_model::AdamConfig { lr: 1e-3, beta1: 0.5, beta2: 0.999, eps: 1e-8 },
        quality: Quality::TUTORIAL,
        init: Init::Normal,
        seed: 11,
        batch_size: 4,
        epochs: 2,
        max_steps: None,
        flip: false,
    };

    #[derive(Debug, Clone, PartialEq)]
    enum Call {
        Load(Box<TrainState>),
        Real(Vec<u8>),
        Fake(Vec<f32>),
        Generator(Vec<f32>),
        Generate(Vec<f32>),
        Augment(Vec<Augmentation>),
        Calibrate(StateDict, Vec<f32>),
        GenerateFrom(StateDict, Vec<f32>),
    }

    /// What the fake engine gives for its average, and for a calibrated one.
    fn marked(value: f32) -> StateDict {
        [("mark".to_owned(), Tensor::f32([1], vec![value]))].into_iter().collect()
    }

    /// Learns nothing and remembers everything. The k-th part of a step, counted over the engine's life, has loss k and mean output k / 100,
    /// unless there is another report for k.
    #[derive(Default)]
    struct FakeEngine {
        calls: Vec<Call>,
        parts: u32,
        other: Option<(u32, StepReport)>,
        /// After these parts a tensor is not finite.
        broken_after: Vec<u32>,
        scales: Vec<f64>,
        has_average: bool,
        /// 0 is an engine that computes at once.
        max_in_flight: usize,
        reports: Vec<StepReport>,
        /// Set the flag in this part.
        stop: (u32, Arc<AtomicBool>),
        /// How many reports were taken each time.
        taken: Vec<usize>,
    }

    impl FakeEngine {
        fn part(&mut self, call: Call) -> Result<(), EngineError> {
            self.calls.push(call);
            self.parts += 1;
            self.stop.1.fetch_or(self.stop.0 == self.parts, Ordering::Relaxed);
            let usual = StepReport { loss: self.parts as f32, mean_output: self.parts as f32 / 100.0 };
            let other = self.other.filter(|(part, _)| *part == self.parts);
            self.reports.push(other.map_or(usual, |(_, report)| report));
            assert!(self.reports.len() <= 3 * self.max_steps_in_flight(), "more steps than the engine takes");
            Ok(())
        }
    }

    impl Engine for FakeEngine {
        fn description(&self) -> String {
            "a fake".to_owned()
        }

        fn memory_bytes(&self) -> usize {
            7
        }

        fn load_state(&mut self, state: &TrainState) -> Result<(), EngineError> {
            self.calls.push(Call::Load(Box::new(state.clone())));
            self.reports.clear();
            Ok(())
        }

        fn max_steps_in_flight(&self) -> usize {
            self.max_in_flight.max(1)
        }

        fn take_reports(&mut self, reports: &mut Vec<StepReport>) -> Result<(), EngineError> {
            self.taken.push(self.reports.len());
            reports.append(&mut self.reports);
            Ok(())
        }

        fn state(&self) -> Result<TrainState, EngineError> {
            assert!(self.reports.is_empty(), "the state is read while steps are under way");
            match &self.calls[0] {
                Call::Load(state) => Ok((**state).clone()),
                other => panic!("{other:?} came first"),
            }
        }

        fn gradients(&self) -> Result<[StateDict; 2], EngineError> {
            Ok([StateDict::new(), StateDict::new()])
        }

        fn scale_learning_rates(&mut self, scale: f64) {
            self.scales.push(scale);
        }

        fn non_finite(&self) -> Result<Option<String>, EngineError> {
            Ok(self.broken_after.contains(&self.parts).then(|| "a tensor is broken".to_owned()))
        }

        fn train_discriminator_real(&mut self, images: &[u8]) -> Result<(), EngineError> {
            self.part(Call::Real(images.to_vec()))
        }

        fn train_discriminator_fake(&mut self, noise: &[f32]) -> Result<(), EngineError> {
            self.part(Call::Fake(noise.to_vec()))
        }

        fn train_generator(&mut self, noise: &[f32]) -> Result<(), EngineError> {
            self.part(Call::Generator(noise.to_vec()))
        }

        fn generate(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
            self.calls.push(Call::Generate(noise.to_vec()));
            Ok(vec![0.0; noise.len() / MODEL.latent_dim * MODEL.image_len()])
        }

        fn set_augmentations(&mut self, augmentations: &[Augmentation]) -> Result<(), EngineError> {
            self.calls.push(Call::Augment(augmentations.to_vec()));
            Ok(())
        }

        fn averaged_generator(&self) -> Result<Option<StateDict>, EngineError> {
            Ok(self.has_average.then(|| marked(1.0)))
        }

        fn calibrate(&mut self, generator: &StateDict, noise: &[f32]) -> Result<StateDict, EngineError> {
            self.calls.push(Call::Calibrate(generator.clone(), noise.to_vec()));
            Ok(marked(2.0))
        }

        fn generate_from(&mut self, generator: &StateDict, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
            self.calls.push(Call::GenerateFrom(generator.clone(), noise.to_vec()));
            Ok(vec![0.0; noise.len() / MODEL.latent_dim * MODEL.image_len()])
        }
    }

    /// Writes down what it hears, in short, and refuses `refuse`.
    #[derive(Default)]
    struct Diary {
        entries: Vec<String>,
        steps: Vec<StepMetrics>,
        epochs: Vec<EpochSummary>,
        checkpoint: Option<Checkpoint>,
        generator: Option<StateDict>,
        refuse: Option<&'static str>,
        /// Set the flag after this step.
        stop: (u64, Arc<AtomicBool>),
    }

    impl Listener for Diary {
        fn on_event(&mut self, event: &Event<'_>) -> Result<(), ListenerError> {
            let entry = match event {
                Event::Started { plan, .. } => {
                    assert_eq!((plan.engine.as_str(), plan.engine_bytes), ("a fake", 7));
                    assert_eq!(plan.data_bytes, plan.pictures * 32 * 32);
                    format!("started {}", plan.steps)
                }
                Event::Step(metrics) => {
                    self.steps.push(**metrics);
                    self.stop.1.fetch_or(self.stop.0 == metrics.step, Ordering::Relaxed);
                    format!("step {}", metrics.step)
                }
                Event::EpochDone(summary) => {
                    self.epochs.push(**summary);
                    format!("epoch {}", summary.epoch)
                }
                Event::Preview { epoch, faces } => {
                    assert_eq!((faces.len(), faces[0].width, faces[0].channels), (PREVIEW_FACES, 32, 1));
                    format!("preview {epoch}")
                }
                Event::Health(health) => format!("health {}", health.epoch),
                Event::Saving { step } => format!("saving {step}"),
                Event::Checkpoint(checkpoint) => {
                    self.checkpoint = Some((*checkpoint).clone());
                    format!("checkpoint {}", checkpoint.progress.step)
                }
                Event::RolledBack(rollback) => format!("{} to {}", rollback.problem, rollback.step),
                Event::Stopped { step, .. } => format!("stopped {step}"),
                Event::Finished { summary, generator, .. } => {
                    self.generator = Some((*generator).clone());
                    format!("finished {}", summary.steps)
                }
            };
            if self.refuse == Some(entry.as_str()) {
                return Err("the disk is full".into());
            }
            self.entries.push(entry);
            Ok(())
        }
    }

    /// `len` pictures, number i all of value i.
    fn pictures(len: usize) -> Arc<Dataset> {
        Arc::new(Dataset::from_fn(len, 32, Channels::Grey, |i, out| out.fill(i as u8)).unwrap())
    }

    fn run(
        config: &TrainConfig,
        len: usize,
        engine: &mut FakeEngine,
        diary: &mut Diary,
    ) -> Result<Summary, TrainError> {
        train(config, Session::default(), &pictures(len), engine, &mut [diary])
    }

    #[test]
    fn the_three_parts_get_the_documented_random_numbers() {
        let mut engine = FakeEngine::default();
        run(&CONFIG, 6, &mut engine, &mut Diary::default()).unwrap();

        let mut rng = TorchRng::seed_from_u64(11);
        let mut expected = vec![Call::Load(Box::new(initial_state(&MODEL, Init::Normal, &mut rng)))];
        let preview = || Call::Generate(TorchRng::seed_from_u64(11).randn(32 * 5));
        expected.push(preview());
        for epoch in 0..2 {
            // 6 pictures in batches of 4: the second batch is short, the noise is not.
            for batch in epoch_order(11, epoch, 6).chunks(4) {
                expected.push(Call::Real(batch.iter().flat_map(|&i| [i as u8; 32 * 32]).collect()));
                expected.push(Call::Fake(rng.randn(4 * 5)));
                expected.push(Call::Generator(rng.randn(4 * 5)));
            }
            expected.push(preview());
        }
        assert_eq!(engine.calls.len(), expected.len());
        for (index, (call, expected)) in engine.calls.iter().zip(&expected).enumerate() {
            assert!(call == expected, "call {index} differs: {call:?}");
        }
    }

    #[test]
    fn augmentations_are_drawn_from_the_main_stream() {
        let augment: Augment = "colour,translation,cutout".parse().unwrap();
        let config = TrainConfig { quality: Quality { augment, ..Quality::TUTORIAL }, max_steps: Some(2), ..CONFIG };
        let mut engine = FakeEngine::default();
        run(&config, 6, &mut engine, &mut Diary::default()).unwrap();
        let mut rng = TorchRng::seed_from_u64(11);
        initial_state(&MODEL, Init::Normal, &mut rng);
        let mut expected = Vec::new();
        // The second batch of the epoch is short.
        for pictures in [4, 2] {
            expected.push(Call::Augment(augment.draw(&mut rng, pictures, 32)));
            for generator in [false, true] {
                let noise = rng.randn(4 * 5);
                expected.push(Call::Augment(augment.draw(&mut rng, 4, 32)));
                expected.push(if generator { Call::Generator(noise) } else { Call::Fake(noise) });
            }
        }
        let calls: Vec<Call> = std::mem::take(&mut engine.calls)
            .into_iter()
            .filter(|call| matches!(call, Call::Augment(_) | Call::Fake(_) | Call::Generator(_)))
            .collect();
        assert_eq!(calls, expected);
    }

    #[test]
    fn the_average_or_new_statistics_are_shown_and_saved() {
        for (has_average, recalibrate) in [(true, false), (false, true)] {
            let quality = Quality { recalibrate, ..Quality::TUTORIAL };
            let config = TrainConfig { quality, max_steps: Some(1), ..CONFIG };
            let mut engine = FakeEngine { has_average, ..FakeEngine::default() };
            let mut diary = Diary::default();
            run(&config, 6, &mut engine, &mut diary).unwrap();
            let noise = TorchRng::seed_from_u64(10).randn(CALIBRATION_BATCHES * 4 * 5);
            let weights = if has_average { marked(1.0) } else { engine.state().unwrap().generator.tensors };
            let calibrations: Vec<&Call> =
                engine.calls.iter().filter(|call| matches!(call, Call::Calibrate(..))).collect();
            // Two previews and the end.
            assert_eq!(calibrations.len(), 3);
            assert!(calibrations.into_iter().all(|call| *call == Call::Calibrate(weights.clone(), noise.clone())));
            let preview = Call::GenerateFrom(marked(2.0), TorchRng::seed_from_u64(11).randn(32 * 5));
            assert_eq!(engine.calls.iter().filter(|call| **call == preview).count(), 2);
            assert!(!engine.calls.iter().any(|call| matches!(call, Call::Generate(_))));
            assert_eq!(diary.generator, Some(marked(2.0)));
        }
    }

    #[test]
    fn events_come_in_order_with_their_numbers() {
        let mut diary = Diary::default();
        let summary = run(&CONFIG, 6, &mut FakeEngine::default(), &mut diary).unwrap();
        assert_eq!(summary, Summary { epochs: 2, steps: 4, finished: true });
        let expected = "started 4, preview 0, step 1, step 2, epoch 1, preview 1, health 1, saving 2, checkpoint 2, \
                        step 3, step 4, epoch 2, preview 2, health 2, saving 4, checkpoint 4, finished 4";
        assert_eq!(diary.entries.join(", "), expected);
        let StepMetrics { images_per_second, data_seconds, .. } = diary.steps[2];
        assert!(images_per_second > 0.0 && data_seconds >= 0.0);
        let expected = StepMetrics {
            step: 3,
            epoch: 2,
            d_loss_real: 7.0,
            d_loss_fake: 8.0,
            g_loss: 9.0,
            d_x: 0.07,
            d_g_z1: 0.08,
            d_g_z2: 0.09,
            images_per_second,
            data_seconds,
        };
        assert_eq!(diary.steps[2], expected);
        // Steps 3 and 4 have the losses 7, 8, 9 and 10, 11, 12.
        assert_eq!(
            diary.epochs[1],
            EpochSummary {
                epoch: 2,
                steps: 2,
                d_loss: (7.0 + 8.0 + 10.0 + 11.0) / 2.0,
                g_loss: 10.5,
                d_x: (f64::from(0.07f32) + f64::from(0.1f32)) / 2.0,
                d_g_z1: (f64::from(0.08f32) + f64::from(0.11f32)) / 2.0,
            }
        );
    }

    #[test]
    fn a_run_can_end_within_an_epoch() {
        let mut diary = Diary::default();
        let summary =
            run(&TrainConfig { max_steps: Some(3), ..CONFIG }, 6, &mut FakeEngine::default(), &mut diary).unwrap();
        assert_eq!(summary, Summary { epochs: 2, steps: 3, finished: true });
        let expected = ["step 3", "epoch 2", "preview 2", "saving 3", "checkpoint 3", "finished 3"];
        assert_eq!(diary.entries[9..], expected);
        let EpochSummary { epoch, steps, d_loss, g_loss, .. } = diary.epochs[1];
        assert_eq!((epoch, steps, d_loss, g_loss), (2, 1, 15.0, 9.0));
    }

    /// Runs until step `stop`, then in a second session to the end, and joins what both engines and diaries have.
    fn run_in_two(config: &TrainConfig, stop: u64, save_every: Option<u64>) -> (Vec<Call>, Diary) {
        let save_every = save_every.and_then(NonZeroU64::new);
        let mut first = FakeEngine::default();
        let mut diary = Diary { stop: (stop, Arc::default()), ..Diary::default() };
        let flag = Arc::clone(&diary.stop.1);
        let session = Session { save_every, stop: Some(&flag), ..Session::default() };
        let summary = train(config, session, &pictures(6), &mut first, &mut [&mut diary]).unwrap();
        assert_eq!(summary, Summary { epochs: stop.div_ceil(2), steps: stop, finished: false });
        assert_eq!(diary.entries.last().unwrap(), &format!("stopped {stop}"));
        let from = diary.checkpoint.take().unwrap();
        assert_eq!(from.progress.step, stop);

        let mut second = FakeEngine { parts: first.parts, ..FakeEngine::default() };
        let session = Session { from: Some(from), save_every, ..Session::default() };
        let summary = train(config, session, &pictures(6), &mut second, &mut [&mut diary]).unwrap();
        assert_eq!(summary, Summary { epochs: 2, steps: 4, finished: true });
        let mut calls = first.calls;
        calls.extend(second.calls.into_iter().skip(1));
        (calls, diary)
    }

    #[test]
    fn a_run_that_was_stopped_goes_on_as_if_nothing_had_happened() {
        let mut engine = FakeEngine::default();
        let mut whole = Diary::default();
        run(&CONFIG, 6, &mut engine, &mut whole).unwrap();
        for stop in 1..=3 {
            let (calls, diary) = run_in_two(&CONFIG, stop, None);
            assert!(calls == engine.calls, "stopped after step {stop}");
            assert_eq!(diary.epochs, whole.epochs, "stopped after step {stop}");
            let steps: Vec<u64> = diary.steps.iter().map(|metrics| metrics.step).collect();
            assert_eq!(steps, [1, 2, 3, 4]);
            assert_eq!(diary.checkpoint.unwrap().progress, whole.checkpoint.as_ref().unwrap().progress);
        }
    }

    /// 4 of 6 pictures were seen: with 4 or 3 the epoch under way would never end.
    #[test]
    fn a_checkpoint_from_more_pictures_is_refused() {
        let mut diary = Diary { stop: (1, Arc::default()), ..Diary::default() };
        let flag = Arc::clone(&diary.stop.1);
        let session = Session { stop: Some(&flag), ..Session::default() };
        train(&CONFIG, session, &pictures(6), &mut FakeEngine::default(), &mut [&mut diary]).unwrap();
        let checkpoint = diary.checkpoint.take().unwrap();
        for (len, is_refused) in [(3, true), (4, true), (5, false)] {
            let session = Session { from: Some(checkpoint.clone()), ..Session::default() };
            let result = train(&CONFIG, session, &pictures(len), &mut FakeEngine::default(), &mut []);
            let is_other = matches!(result, Err(TrainError::OtherPictures { seen: 4, pictures }) if pictures == len);
            assert_eq!((is_other, result.is_err()), (is_refused, is_refused), "{len} pictures: {result:?}");
        }
    }

    #[test]
    fn checkpoints_come_after_everything_they_stand_for() {
        let (_, diary) = run_in_two(&CONFIG, 1, Some(3));
        let expected = "started 4, preview 0, step 1, saving 1, checkpoint 1, stopped 1, \
                        started 4, step 2, epoch 1, preview 1, health 1, saving 2, checkpoint 2, \
                        step 3, saving 3, checkpoint 3, step 4, epoch 2, preview 2, health 2, saving 4, checkpoint 4, finished 4";
        assert_eq!(diary.entries.join(", "), expected);
    }

    #[test]
    fn more_may_be_asked_of_a_finished_run() {
        let mut whole = FakeEngine::default();
        let mut all = Diary::default();
        run(&TrainConfig { epochs: 3, ..CONFIG }, 6, &mut whole, &mut all).unwrap();
        // Of 6 steps: 2 epochs, 5 steps, and all of them.
        for first in
            [CONFIG, TrainConfig { max_steps: Some(5), epochs: 3, ..CONFIG }, TrainConfig { epochs: 3, ..CONFIG }]
        {
            let (mut engine, mut diary) = (FakeEngine::default(), Diary::default());
            run(&first, 6, &mut engine, &mut diary).unwrap();
            let session = Session { from: diary.checkpoint.take(), ..Session::default() };
            let mut longer = FakeEngine { parts: engine.parts, ..FakeEngine::default() };
            let config = TrainConfig { epochs: 3, ..CONFIG };
            train(&config, session, &pictures(6), &mut longer, &mut [&mut diary]).unwrap();
            // Where the first run ended there may be a preview that the longer one does not have.
            let learnt = |call: &&Call| !matches!(call, Call::Generate(_));
            let calls: Vec<&Call> = engine.calls.iter().chain(&longer.calls[1..]).filter(learnt).collect();
            let expected: Vec<&Call> = whole.calls.iter().filter(learnt).collect();
            assert!(calls == expected, "{first:?}");
            assert_eq!(diary.epochs.last(), all.epochs.last());
            assert_eq!(diary.entries.last().unwrap(), "finished 6");
        }
    }

    #[test]
    fn a_number_that_is_none_takes_the_run_back_to_the_last_checkpoint() {
        for (part, loss, mean_output, expected) in [
            (10, f32::NAN, 0.5, "step 4: d_loss_real is NaN to 2"),
            (11, f32::INFINITY, 0.5, "step 4: d_loss_fake is inf to 2"),
            (12, f32::NEG_INFINITY, 0.5, "step 4: g_loss is -inf to 2"),
            (10, 1.0, f32::NAN, "step 4: d_x is NaN to 2"),
            (11, 1.0, f32::NAN, "step 4: d_g_z1 is NaN to 2"),
            (12, 1.0, f32::NAN, "step 4: d_g_z2 is NaN to 2"),
            (4, f32::NAN, 0.5, "step 2: d_loss_real is NaN to 0"),
        ] {
            let other = Some((part, StepReport { loss, mean_output }));
            let mut engine = FakeEngine { other, ..FakeEngine::default() };
            let mut diary = Diary::default();
            run(&CONFIG, 6, &mut engine, &mut diary).unwrap();
            let back = diary.entries.iter().position(|entry| entry == expected);
            let back = back.unwrap_or_else(|| panic!("no {expected:?} in {:?}", diary.entries));
            let to = if part == 4 { 0 } else { 2 };
            assert_eq!(diary.entries[back - 1], format!("step {}", part.div_ceil(3) - 1));
            assert_eq!(
                diary.entries[back + 1],
                format!("step {}", to + 1),
                "the steps after the checkpoint come again"
            );
            assert_eq!(diary.entries.last().unwrap(), "finished 4");
            assert_eq!(engine.scales, [1.0, 0.5]);

            // The state, the noise and the pictures are those of the first time.
            let loads: Vec<usize> =
                (0..engine.calls.len()).filter(|&i| matches!(engine.calls[i], Call::Load(_))).collect();
            assert_eq!(loads.len(), 2);
            let again = &engine.calls[loads[1] + 1..][..3];
            let learnt = |call: &&Call| !matches!(call, Call::Generate(_) | Call::Load(_));
            let first: Vec<&Call> = engine.calls.iter().filter(learnt).skip(3 * to).take(3).collect();
            assert!(again.iter().eq(first));
        }
    }

    #[test]
    fn a_broken_tensor_is_noticed_after_the_step() {
        let mut engine = FakeEngine { broken_after: vec![9], ..FakeEngine::default() };
        let mut diary = Diary::default();
        run(&CONFIG, 6, &mut engine, &mut diary).unwrap();
        assert!(diary.entries.contains(&"step 3: a tensor is broken to 2".to_owned()), "{:?}", diary.entries);
    }

    #[test]
    fn going_back_ends_after_some_times() {
        let broken_after = (7..100).collect();
        let mut engine = FakeEngine { broken_after, ..FakeEngine::default() };
        let mut diary = Diary::default();
        let error = run(&CONFIG, 6, &mut engine, &mut diary).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("step 3: a tensor is broken; ") && text.contains("3 times"), "{text}");
        assert!(text.contains("Step 2 is the last good one") && text.contains("smaller learning rate"), "{text}");
        assert!(matches!(error, TrainError::NotFinite { step: 2, .. }));
        assert_eq!(engine.scales, [1.0, 0.5, 0.25, 0.125]);
        let checkpoints = diary.entries.iter().filter(|entry| entry.starts_with("checkpoint"));
        assert_eq!(checkpoints.count(), 1, "nothing bad is saved: {:?}", diary.entries);
    }

    #[test]
    fn smaller_learning_rates_outlive_the_process() {
        let mut engine = FakeEngine { broken_after: vec![9], ..FakeEngine::default() };
        let mut diary = Diary::default();
        run(&CONFIG, 6, &mut engine, &mut diary).unwrap();
        let from = diary.checkpoint.take();
        assert_eq!(from.as_ref().unwrap().progress.rollbacks, 1);
        let mut engine = FakeEngine::default();
        let session = Session { from, ..Session::default() };
        train(&TrainConfig { epochs: 3, ..CONFIG }, session, &pictures(6), &mut engine, &mut [&mut diary]).unwrap();
        assert_eq!(engine.scales, [0.5]);
    }

    /// Whatever ends a window early, the events and their numbers are those of an engine that computes at once.
    #[test]
    fn steps_under_way_are_told_as_if_they_were_not() {
        let usual = FakeEngine::default;
        let nan = |step: u32, part: u32| Some((3 * (step - 1) + part, StepReport { loss: f32::NAN, mean_output: 0.5 }));
        let broken_in = |step: u32, part: u32| FakeEngine { other: nan(step, part), ..usual() };
        let stopped_in = |step: u32| FakeEngine { stop: (3 * step, Arc::default()), ..usual() };
        // Two epochs of 23 steps. What happens, checkpoints at multiples, the engine, the last entry.
        let cases: [(&str, u64, &dyn Fn() -> FakeEngine, &str); 8] = [
            ("epochs", 0, &usual, "finished 46"),
            ("saves", 5, &usual, "finished 46"),
            ("a stop", 0, &|| stopped_in(18), "stopped 18"),
            ("a stop at an epoch's end", 7, &|| stopped_in(23), "stopped 23"),
            ("a rollback", 0, &|| broken_in(13, 2), "finished 46"),
            ("a rollback from a window's first step", 0, &|| broken_in(12, 1), "finished 46"),
            ("a rollback to a save", 10, &|| broken_in(33, 3), "finished 46"),
            ("a broken tensor", 10, &|| FakeEngine { broken_after: vec![3 * 30], ..usual() }, "finished 46"),
        ];
        for (case, save_every, engine, end) in cases {
            let [at_once, ahead] = [1, 4].map(|max_in_flight| {
                let mut engine = FakeEngine { max_in_flight, ..engine() };
                let (mut diary, stop) = (Diary::default(), Arc::clone(&engine.stop.1));
                let session = Session { save_every: NonZeroU64::new(save_every), stop: Some(&stop), from: None };
                train(&CONFIG, session, &pictures(90), &mut engine, &mut [&mut diary]).unwrap();
                for metrics in &mut diary.steps {
                    (metrics.images_per_second, metrics.data_seconds) = (0.0, 0.0);
                }
                (engine, diary)
            });
            let (one, other) = (&at_once.1, &ahead.1);
            assert_eq!(one.entries, other.entries, "{case}");
            assert_eq!(one.entries.last().unwrap(), end, "{case}");
            assert!(at_once.0.taken.iter().all(|&reports| reports == 3), "{case}");
            assert!(ahead.0.taken.contains(&12), "{case}: the fake is quick enough for windows to grow");

            // The fake's numbers count its work: what was in vain is in them.
            let back = one.entries.iter().position(|entry| entry.contains(" to "));
            let told = |entry: &&String| entry.starts_with("step") && !entry.contains(" to ");
            let comparable = one.entries[..back.unwrap_or(one.entries.len())].iter().filter(told).count();
            assert_eq!(one.steps[..comparable], other.steps[..comparable], "{case}");
            if back.is_none() {
                assert_eq!(one.epochs, other.epochs, "{case}");
            }
            let learnt = |engine: &FakeEngine| {
                let from = engine.calls.iter().rposition(|call| matches!(call, Call::Load(_))).unwrap();
                engine.calls[from..].to_vec()
            };
            assert!(learnt(&at_once.0) == learnt(&ahead.0), "{case}: other pictures or noise");
        }
    }

    #[test]
    fn the_rate_is_that_of_the_steps_reported_together() {
        let mut engine = FakeEngine { max_in_flight: 4, ..FakeEngine::default() };
        let mut diary = Diary::default();
        run(&CONFIG, 90, &mut engine, &mut diary).unwrap();
        let rates: Vec<f32> = diary.steps.iter().map(|metrics| metrics.images_per_second).collect();
        assert!(rates.iter().all(|rate| rate.is_finite() && *rate > 0.0));
        let mut rates = rates.as_slice();
        for reports in engine.taken {
            let (window, rest) = rates.split_at(reports / 3);
            assert!(window.iter().all(|rate| *rate == window[0]));
            rates = rest;
        }
        assert!(rates.is_empty());
    }

    #[test]
    fn a_bad_checkpoint_is_refused() {
        let mut diary = Diary::default();
        run(&CONFIG, 6, &mut FakeEngine::default(), &mut diary).unwrap();
        let session = Session { from: diary.checkpoint.take(), ..Session::default() };
        let mut engine = FakeEngine { broken_after: vec![0], ..FakeEngine::default() };
        let error = train(&CONFIG, session, &pictures(6), &mut engine, &mut []).unwrap_err();
        assert!(error.to_string().contains("the checkpoint is of no use: a tensor is broken"), "{error}");
    }

    #[test]
    fn a_listener_can_end_the_run() {
        for refuse in ["started 4", "preview 0", "step 3", "epoch 1", "saving 2", "checkpoint 2", "finished 4"] {
            let mut diary = Diary { refuse: Some(refuse), ..Diary::default() };
            let error = run(&CONFIG, 6, &mut FakeEngine::default(), &mut diary).unwrap_err();
            assert_eq!(error.to_string(), "the disk is full", "{refuse}");
        }
    }

    #[test]
    fn every_listener_hears_everything() {
        let (mut first, mut second) = (Diary::default(), Diary::default());
        let listeners: &mut [&mut dyn Listener] = &mut [&mut first, &mut second];
        train(&CONFIG, Session::default(), &pictures(6), &mut FakeEngine::default(), listeners).unwrap();
        assert_eq!(first.entries.len(), 17);
        assert_eq!(first.entries, second.entries);
    }

    #[test]
    fn what_cannot_be_learnt_from_is_refused_before_the_start() {
        let mut diary = Diary::default();
        let colour = TrainConfig { model: ModelConfig { channels: 3, ..MODEL }, ..CONFIG };
        let error = run(&colour, 6, &mut FakeEngine::default(), &mut diary).unwrap_err();
        assert!(error.to_string().contains("1 × 32 × 32, but the networks are made for 3 × 32 × 32"), "{error}");
        let error =
            run(&TrainConfig { batch_size: 0, ..CONFIG }, 6, &mut FakeEngine::default(), &mut diary).unwrap_err();
        assert!(matches!(error, TrainError::Config(TrainConfigError::BatchSize(0))), "{error}");
        assert!(diary.entries.is_empty());
    }
}
