//! The state of a run, and the parts that the training loop is made of.

use crate::health::{FLAT_EPOCHS, Monitor};
use crate::order::PictureOrder;
use crate::step;
use crate::train_error::{MAX_ROLLBACKS, TrainError};
use crate::window::{StepResult, Window};
use crate::{
    EpochSummary, Evaluator, Event, Listener, NotFinite, Ranks, Rollback, Schedule, StepMetrics, Summary, TrainConfig,
};
use dcgan_data::{Dataset, Prefetcher};
use dcgan_model::{Checkpoint, Engine, EpochMeans, Progress, TorchRng};
use std::sync::Arc;

/// A run in progress.
pub(super) struct Run<'a, 'l, E: ?Sized> {
    pub(super) config: &'a TrainConfig,
    pub(super) engine: &'a mut E,
    pub(super) listeners: &'a mut [&'l mut dyn Listener],
    pub(super) monitor: Monitor,
    pub(super) preview_noise: Vec<f32>,
    /// Number of steps of the whole run.
    pub(super) steps: u64,
    pub(super) evaluator: Option<&'a Evaluator>,
    pub(super) ranks: Option<&'a Ranks>,
    /// Whether this rank draws and evaluates.
    pub(super) is_root: bool,
    /// Main stream of random numbers.
    pub(super) rng: TorchRng,
    pub(super) progress: Progress,
    /// The last checkpoint. `None` only while the next one is made, so that there are never two in memory.
    pub(super) good: Option<Checkpoint>,
}

impl<E: Engine + ?Sized> Run<'_, '_, E> {
    /// Sends an event to all listeners.
    pub(super) fn tell(&mut self, event: &Event<'_>) -> Result<(), TrainError> {
        tell(self.listeners, event)
    }

    /// Returns the remaining batches.
    pub(super) fn batches(&self, data: &Arc<Dataset>) -> Result<Prefetcher, TrainError> {
        let TrainConfig { seed, epochs, flip, .. } = *self.config;
        let place = (self.progress.epoch, self.progress.pictures as usize);
        let (pictures, epoch_size) = (data.len(), self.config.pictures_per_epoch(data.len()));
        let order = PictureOrder { seed, pictures, epoch_size, flip };
        let batches = order.batches(place, epochs, self.config.pictures_per_step());
        Prefetcher::new(Arc::clone(data), batches).map_err(TrainError::Thread)
    }

    /// Gives the engine a step on `images` (u8, N × H × W × C) while `under_way` others are in flight. Returns the
    /// number of D's steps in it.
    pub(super) fn give(&mut self, images: &[u8], under_way: u64) -> Result<usize, TrainError> {
        let schedule = self.config.schedule;
        if schedule != Schedule::Constant {
            let factor = schedule.factor(self.progress.step + under_way, self.steps);
            self.engine.scale_learning_rates(factor * learning_rate_scale(self.progress.rollbacks));
        }
        Ok(step::give(self.config, self.engine, &mut self.rng, images)?)
    }

    /// Sends the events of the steps in flight, in their order. If a number is not finite, there is no event for that
    /// step and those after it.
    pub(super) fn take(&mut self, window: &mut Window) -> Result<Result<(), NotFinite>, TrainError> {
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
    pub(super) fn end_epoch(&mut self, is_whole: bool) -> Result<(), TrainError> {
        let epoch = self.progress.epoch + 1;
        let steps = self.progress.sums.steps;
        let means = self.progress.sums.means();
        let EpochMeans { d_loss, g_loss, d_x, d_g_z1 } = means;
        self.tell(&Event::EpochDone(&EpochSummary { epoch, steps, d_loss, g_loss, d_x, d_g_z1 }))?;
        let faces = self.preview(epoch)?;
        let evaluation = self.evaluate(epoch)?;
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
    pub(super) fn save(&mut self) -> Result<(), TrainError> {
        self.tell(&Event::Saving { step: self.progress.step })?;
        self.good = None;
        let checkpoint =
            Checkpoint { state: self.engine.state()?, rng: self.rng.clone(), progress: self.progress.clone() };
        let told = tell(self.listeners, &Event::Checkpoint(&checkpoint));
        self.good = Some(checkpoint);
        told
    }

    /// Goes back to the last checkpoint and halves the learning rates.
    pub(super) fn roll_back(&mut self, problem: NotFinite) -> Result<(), TrainError> {
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

    /// Loads the last checkpoint into the engine, with the learning rates of its number of rollbacks.
    pub(super) fn return_to_good(&mut self) -> Result<(), TrainError> {
        if let Some(good) = &self.good {
            self.engine.load_state(&good.state)?;
            self.rng = good.rng.clone();
            self.progress = good.progress.clone();
        }
        self.engine.scale_learning_rates(learning_rate_scale(self.progress.rollbacks));
        Ok(())
    }

    /// Returns the summary of the run so far.
    pub(super) fn summary(&self, finished: bool) -> Summary {
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

/// Sends an event to all listeners, up to the first that fails.
fn tell(listeners: &mut [&mut dyn Listener], event: &Event<'_>) -> Result<(), TrainError> {
    listeners.iter_mut().try_for_each(|listener| listener.on_event(event)).map_err(TrainError::Listener)
}

/// Returns the factor of the learning rates after this many rollbacks.
fn learning_rate_scale(rollbacks: u32) -> f64 {
    0.5f64.powi(rollbacks as i32)
}
