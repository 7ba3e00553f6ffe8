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
mod run;
#[cfg(test)]
mod tests;

pub use drawing::trained_generator;

use crate::health::Monitor;
use crate::window::Window;
use crate::{Evaluator, Event, Listener, Plan, Ranks, Summary, TrainConfig, TrainError};
use dcgan_data::Dataset;
use dcgan_model::{Checkpoint, Engine, ModelConfig, Network, Progress, Recipe, TorchRng, initial_state};
use drawing::preview_noise;
use run::Run;
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
    let Session { from, save_every, stop, evaluator, ranks } = session;
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
        let saves = save_every.is_some_and(|every| step.is_multiple_of(every.get()));
        // All ranks stop after the same step, whichever of them was told to.
        let is_asked_to_stop = match &ranks {
            Some(ranks) => ranks.any(is_stopped())?,
            None => is_stopped(),
        };
        if !(window.is_full() || epoch_ends || step == plan.steps || saves || is_asked_to_stop) {
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
