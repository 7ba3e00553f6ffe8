//! The training loop.
//!
//! A step is the tutorial's: train D on real pictures, train D on generated ones, train G to fool D, with an Adam step
//! after each.
//!
//! There are three streams of random numbers, which PyTorch can reproduce. The main stream, `torch.manual_seed(seed)`,
//! draws D's weights, G's weights, then for every step the noise of D's generated pictures and the noise of G's part,
//! and nothing else. With [`Augment`](crate::Augment) it also draws the transforms: of the real pictures first, of the
//! generated ones after their noise. The order of the pictures is `epoch_order`. The noise of the preview is
//! [`preview_noise`].

mod drawing;
#[cfg(test)]
mod fake_engine;
#[cfg(test)]
mod tests;

pub use drawing::trained_generator;

use crate::health::{FLAT_EPOCHS, Monitor};
use crate::order::PictureOrder;
use crate::step::train_step;
use crate::train_error::{MAX_ROLLBACKS, TrainError};
use crate::window::{StepResult, Window};
use crate::{
    EpochSummary, Evaluator, Event, Listener, NotFinite, Plan, Ranks, Rollback, Schedule, StepMetrics, Summary,
    TrainConfig,
};
use dcgan_data::{Dataset, Prefetcher};
use dcgan_model::{Checkpoint, EpochMeans, Progress};
use dcgan_model::{Engine, ModelConfig, Network, Recipe, TorchRng, initial_state};
use drawing::preview_noise;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Options of one session, which is the part of a run that one process computes. None of them affects the result.
#[derive(Debug, Default)]
pub struct Session<'a> {
    /// Checkpoint to resume from; `None` to start with first weights.
    pub from: Option<Checkpoint>,
    /// Number of steps between checkpoints, in addition to those at the end of every epoch.
    pub save_every: Option<NonZeroU64>,
    /// Number of steps between samples within an epoch, in addition to the previews.
    pub sample_every: Option<NonZeroU64>,
    /// Whether listeners are given the generator after every epoch.
    pub keep_generators: bool,
    /// Flag that stops the run, with a checkpoint, after the steps in flight.
    pub stop: Option<&'a AtomicBool>,
    /// Computes the measures of [`TrainConfig::evaluate_every`], on the pictures of the run.
    pub evaluator: Option<&'a Evaluator>,
    /// The ranks that train together. Every rank calls [`train`] with the same settings, pictures and checkpoint; rank
    /// 0 alone draws, evaluates, and has listeners and an evaluator. `None` for a process that trains alone.
    pub ranks: Option<Ranks>,
}

/// Trains `engine` on `data` from the first weights, or from a checkpoint, to the end of the run; `engine` then holds
/// the result. The same settings and pictures give the same weights, however often the run was stopped in between.
///
/// # Errors
/// See [`TrainError`]. The engine then has the state at the error, which may be some steps after the last event.
///
/// # Panics
/// If the engine does not report each part of a step.
pub fn train(
    config: &TrainConfig,
    session: Session<'_>,
    data: &Arc<Dataset>,
    engine: &mut (impl Engine + ?Sized),
    listeners: &mut [&mut dyn Listener],
) -> Result<Summary, TrainError> {
    config.validate()?;
    check_data(config, data)?;
    check_recipe(config, engine)?;
    let Session { from, save_every, sample_every, keep_generators, stop, evaluator, ranks } = session;
    let is_root = ranks.as_ref().is_none_or(Ranks::is_root);
    if config.evaluate_every.is_some() && evaluator.is_none() && is_root {
        return Err(TrainError::NoEvaluator);
    }
    let is_new = from.is_none();
    let start = from.unwrap_or_else(|| {
        let mut rng = TorchRng::seed_from_u64(config.seed);
        let state = initial_state(&config.model, config.init, &mut rng);
        Checkpoint { state, rng, progress: Progress::default() }
    });
    config.check_length(&start.progress)?;
    let (seen, pictures) = (start.progress.pictures, config.pictures_per_epoch(data.len()));
    if seen >= pictures as u64 {
        return Err(TrainError::OtherPictures { seen, pictures });
    }
    let plan = Plan {
        pictures: data.len(),
        batches_per_epoch: config.steps_per_epoch(data.len()),
        steps: config.steps_from(data.len(), &start.progress),
        data_bytes: data.len() * data.image_bytes(),
        engine_bytes: engine.memory_bytes(),
        engine: engine.description(),
    };
    let mut run = Run {
        config,
        engine,
        listeners,
        monitor: Monitor::new(data, &config.recipe())?,
        preview_noise: preview_noise(&config.model, config.seed),
        steps: plan.steps,
        evaluator,
        ranks: ranks.as_ref(),
        is_root,
        keep_generators,
        rng: start.rng.clone(),
        progress: start.progress.clone(),
        good: Some(start),
    };
    run.return_to_good()?;
    if let Some(place) = run.engine.non_finite()? {
        return Err(TrainError::BadCheckpoint(place));
    }
    // The first batches are prepared while the first faces are drawn.
    let mut batches = run.batches(data)?;
    run.tell(&Event::Started { config, plan: &plan, progress: &run.progress.clone() })?;
    if is_new {
        run.preview(0)?;
    }

    let mut window = Window::new(run.engine.max_steps_in_flight());
    let is_stopped = || stop.is_some_and(|stop| stop.load(Ordering::Relaxed));
    while run.progress.step < plan.steps {
        window.start();
        let waiting = Instant::now();
        // `batches` has all epochs, so it does not end before them.
        let Some(batch) = batches.next_batch()? else { break };
        let data_seconds = waiting.elapsed().as_secs_f32();
        let d_steps = run.give(&batch.pixels, window.len() as u64)?;
        window.push(batch.indices.len(), d_steps, data_seconds);

        let step = run.progress.step + window.len() as u64;
        let epoch_ends = run.progress.pictures + window.pictures() as u64 == pictures as u64;
        let is_due = |every: Option<NonZeroU64>| every.is_some_and(|every| step.is_multiple_of(every.get()));
        let (saves, samples) = (is_due(save_every), is_due(sample_every));
        // All ranks stop after the same step, whichever of them was told to.
        let is_asked_to_stop = match &ranks {
            Some(ranks) => ranks.any(is_stopped())?,
            None => is_stopped(),
        };
        if !(window.is_full() || epoch_ends || step == plan.steps || saves || samples || is_asked_to_stop) {
            continue;
        }
        if let Err(problem) = run.take(&mut window)? {
            run.roll_back(problem)?;
            batches = run.batches(data)?;
            continue;
        }
        let stopped = is_asked_to_stop || (ranks.is_none() && is_stopped());
        if epoch_ends || step == plan.steps {
            run.end_epoch(epoch_ends)?;
            run.save()?;
        } else {
            // Before the checkpoint, because a run that resumes from it does not draw them again.
            if samples {
                run.sample()?;
            }
            if stopped || saves {
                run.save()?;
            }
        }
        if stopped {
            break;
        }
    }

    let step = run.progress.step;
    let summary = run.summary(step >= plan.steps);
    let network = Network::generator(&config.model);
    let generator = run.generator()?;
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

/// Checks that the recipe of an engine is that of `config`. The engine may support augmentation that is not used.
fn check_recipe(config: &TrainConfig, engine: &(impl Engine + ?Sized)) -> Result<(), TrainError> {
    let recipe = engine.recipe();
    let wanted = config.recipe();
    match recipe == (Recipe { augment: wanted.augment || recipe.augment, ..wanted }) {
        true => Ok(()),
        false => Err(TrainError::OtherRecipe),
    }
}

/// A run in progress.
struct Run<'a, 'l, E: ?Sized> {
    config: &'a TrainConfig,
    engine: &'a mut E,
    listeners: &'a mut [&'l mut dyn Listener],
    monitor: Monitor,
    preview_noise: Vec<f32>,
    /// Number of steps of the whole run.
    steps: u64,
    evaluator: Option<&'a Evaluator>,
    ranks: Option<&'a Ranks>,
    /// Whether this rank draws and evaluates.
    is_root: bool,
    /// Whether listeners are given the generator after every epoch.
    keep_generators: bool,
    /// Main stream of random numbers.
    rng: TorchRng,
    progress: Progress,
    /// The last checkpoint. `None` only while the next one is made, so that there are never two in memory.
    good: Option<Checkpoint>,
}

impl<E: Engine + ?Sized> Run<'_, '_, E> {
    fn tell(&mut self, event: &Event<'_>) -> Result<(), TrainError> {
        tell(self.listeners, event)
    }

    /// Returns the remaining batches.
    fn batches(&self, data: &Arc<Dataset>) -> Result<Prefetcher, TrainError> {
        let TrainConfig { seed, epochs, flip, .. } = *self.config;
        let place = (self.progress.epoch, self.progress.pictures as usize);
        let (pictures, epoch_size) = (data.len(), self.config.pictures_per_epoch(data.len()));
        let order = PictureOrder { seed, pictures, epoch_size, flip };
        let batches = order.batches(place, epochs, self.config.pictures_per_step());
        Prefetcher::new(Arc::clone(data), batches).map_err(TrainError::Thread)
    }

    /// Gives the engine a step on `images` (u8, N × H × W × C) while `under_way` others are in flight. Returns the
    /// number of D's steps in it.
    fn give(&mut self, images: &[u8], under_way: u64) -> Result<usize, TrainError> {
        let schedule = self.config.schedule;
        if schedule != Schedule::Constant {
            let factor = schedule.factor(self.progress.step + under_way, self.steps);
            self.engine.scale_learning_rates(factor * learning_rate_scale(self.progress.rollbacks));
        }
        Ok(train_step(self.config, self.engine, &mut self.rng, images)?)
    }

    /// Sends the events of the steps in flight, in their order. If a number is not finite, there is no event for that
    /// step and those after it.
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

    /// Returns the metrics of the next step.
    fn metrics(&self, done: &StepResult) -> StepMetrics {
        let [real, fake, generator] = done.reports;
        StepMetrics {
            step: self.progress.step + 1,
            epoch: self.progress.epoch + 1,
            d_loss_real: real.loss,
            d_loss_fake: fake.loss,
            g_loss: generator.loss,
            d_gradient_real: real.gradient_norm,
            d_gradient_fake: fake.gradient_norm,
            d_x: real.mean_output,
            d_g_z1: fake.mean_output,
            d_g_z2: generator.mean_output,
            images_per_second: done.images_per_second,
            data_seconds: done.data_seconds,
        }
    }

    /// Adds a step on `pictures` pictures to the progress.
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

    /// Sends the events at the end of an epoch. If not `is_whole`, the last step of the run is within the epoch.
    fn end_epoch(&mut self, is_whole: bool) -> Result<(), TrainError> {
        let epoch = self.progress.epoch + 1;
        let steps = self.progress.sums.steps;
        let means = self.progress.sums.means();
        let EpochMeans { d_loss, g_loss, d_x, d_g_z1 } = means;
        self.tell(&Event::EpochDone(&EpochSummary { epoch, steps, d_loss, g_loss, d_x, d_g_z1 }))?;
        let faces = self.preview(epoch)?;
        let evaluation = self.evaluate(epoch)?;
        if self.keep_generators {
            let network = Network::generator(&self.config.model);
            // All ranks take part in this.
            let generator = self.generator()?;
            self.tell(&Event::Generator { epoch, network: &network, generator: &generator })?;
        }
        if is_whole {
            let Progress { step, mut recent, rollbacks, best, .. } = std::mem::take(&mut self.progress);
            recent.push(means);
            recent.drain(..recent.len().saturating_sub(FLAT_EPOCHS));
            self.progress = Progress { step, epoch, recent, rollbacks, best, ..Progress::default() };
            if self.is_root {
                let recent = &self.progress.recent;
                let health = self.monitor.judge(epoch, recent, &faces, evaluation.as_ref().map(|e| &e.evaluation));
                self.tell(&Event::Health(&health))?;
            }
        }
        Ok(())
    }

    /// Makes a checkpoint. The state is known to be finite, because the engine checked it when the reports were taken.
    fn save(&mut self) -> Result<(), TrainError> {
        self.tell(&Event::Saving { step: self.progress.step })?;
        self.good = None;
        let checkpoint =
            Checkpoint { state: self.engine.state()?, rng: self.rng.clone(), progress: self.progress.clone() };
        let told = tell(self.listeners, &Event::Checkpoint(&checkpoint));
        self.good = Some(checkpoint);
        told
    }

    /// Goes back to the last checkpoint and halves the learning rates.
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
        let Progress { step, epoch, pictures, best, .. } = self.progress;
        Summary { epochs: epoch + u64::from(pictures > 0), steps: step, finished, best }
    }
}

/// Returns the first metric, in the order of the parts of a step, that is not finite.
fn first_not_finite(metrics: &StepMetrics) -> Option<(&'static str, f32)> {
    let StepMetrics { d_loss_real, d_x, d_loss_fake, d_g_z1, g_loss, d_g_z2, .. } = *metrics;
    let StepMetrics { d_gradient_real, d_gradient_fake, .. } = *metrics;
    [
        ("d_loss_real", d_loss_real),
        ("d_x", d_x),
        ("d_loss_fake", d_loss_fake),
        ("d_g_z1", d_g_z1),
        ("g_loss", g_loss),
        ("d_g_z2", d_g_z2),
        ("d_gradient_real", d_gradient_real.unwrap_or(0.0)),
        ("d_gradient_fake", d_gradient_fake.unwrap_or(0.0)),
    ]
    .into_iter()
    .find(|(_, value)| !value.is_finite())
}

fn tell(listeners: &mut [&mut dyn Listener], event: &Event<'_>) -> Result<(), TrainError> {
    listeners.iter_mut().try_for_each(|listener| listener.on_event(event)).map_err(TrainError::Listener)
}

/// Returns the factor of the learning rates after this many rollbacks.
fn learning_rate_scale(rollbacks: u32) -> f64 {
    0.5f64.powi(rollbacks as i32)
}
