//! One training step, and its time.

use crate::{Augment, TrainConfig, TrainError};
use dcgan_data::Dataset;
use dcgan_model::{Augmentation, DiscriminatorNorm, Engine, EngineError, TorchRng, initial_state};
use std::time::{Duration, Instant};

/// Number of steps before those that are timed: the first ones touch memory for the first time.
const WARM_UP: u32 = 2;
/// Smallest number of steps that are timed.
const MIN_TIMED: u32 = 5;

/// Gives the engine a training step on `images` (u8, N × H × W × C), with noise and augmentations from `rng`, as
/// [`train`](crate::train) does: a step of D on each batch of `images`, then one of G. Returns the number of D's steps.
///
/// The engine must have been created with the model, the recipe and the batch size of `config`. Its reports are to be
/// taken before it has more steps in flight than [`Engine::max_steps_in_flight`].
///
/// # Errors
/// If the engine fails, or there are more images than it was created for.
pub fn train_step(
    config: &TrainConfig,
    engine: &mut (impl Engine + ?Sized),
    rng: &mut TorchRng,
    images: &[u8],
) -> Result<usize, EngineError> {
    let TrainConfig { model, batch_size, augment, .. } = *config;
    let noise_len = batch_size * model.latent_dim;
    let draw = |rng: &mut TorchRng, pictures: usize| augment.draw(rng, pictures, model.image_size);
    let mut d_steps = 0;
    for images in images.chunks(batch_size * model.image_len()) {
        let mut augmentations = draw(rng, images.len() / model.image_len());
        if model.norm_d == DiscriminatorNorm::Batch {
            set_augmentations(config, engine, &augmentations)?;
            engine.train_discriminator_real(images)?;
            let noise = rng.randn(noise_len);
            set_augmentations(config, engine, &draw(rng, batch_size))?;
            engine.train_discriminator_fake(&noise)?;
        } else {
            let noise = rng.randn(noise_len);
            augmentations.extend(draw(rng, batch_size));
            set_augmentations(config, engine, &augmentations)?;
            engine.train_discriminator(images, &noise)?;
        }
        d_steps += 1;
    }
    let noise = rng.randn(noise_len);
    set_augmentations(config, engine, &draw(rng, batch_size))?;
    engine.train_generator(&noise)?;
    Ok(d_steps)
}

/// Sets the augmentations of the next part of the step, unless the run has none.
fn set_augmentations(
    config: &TrainConfig,
    engine: &mut (impl Engine + ?Sized),
    augmentations: &[Augmentation],
) -> Result<(), EngineError> {
    if config.augment == Augment::NONE { Ok(()) } else { engine.set_augmentations(augmentations) }
}

/// Trains some steps on pictures of `data` from first weights, for `time` or a little longer, and returns the mean time
/// of a step. Load a state before the engine is used for anything else.
///
/// # Errors
/// If the engine fails, or a picture cannot be read.
pub fn time_step(
    config: &TrainConfig,
    data: &Dataset,
    engine: &mut (impl Engine + ?Sized),
    time: Duration,
) -> Result<Duration, TrainError> {
    let mut rng = TorchRng::seed_from_u64(config.seed);
    engine.load_state(&initial_state(&config.model, config.init, &mut rng))?;
    let mut reports = Vec::new();
    let mut images = vec![0; config.pictures_per_step() * data.image_bytes()];
    let (mut start, mut steps) = (Instant::now(), 0);
    loop {
        let mut places = images.chunks_exact_mut(data.image_bytes());
        places.try_for_each(|image| data.read(rng.next_u32() as usize % data.len(), image))?;
        train_step(config, engine, &mut rng, &images)?;
        reports.clear();
        engine.take_reports(&mut reports)?;
        steps += 1;
        if steps == WARM_UP {
            start = Instant::now();
        }
        let timed = steps.saturating_sub(WARM_UP);
        if timed >= MIN_TIMED && start.elapsed() >= time {
            return Ok(start.elapsed() / timed);
        }
    }
}
