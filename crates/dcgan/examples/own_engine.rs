//! Trains with an engine of one's own: one that measures how long each part of a step takes. It passes the work on to
//! the CPU engine; an engine for other hardware has its own arithmetic in the same places.
//!
//! ```sh
//! cargo run --release --example own_engine
//! ```
//!
//! It learns 256 of the built-in faces at 32 × 32 in seconds and prints a table.

use dcgan::{
    AdamConfig, Augmentation, Channels, CpuEngine, Engine, EngineError, ModelConfig, Recipe, StateDict, StepReport,
    TrainConfig, TrainState, Training, cpu, demo_faces,
};
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Parts of a step, in the order of a step.
const PARTS: [&str; 4] = ["D on real images", "D on generated images", "D on both", "G"];

/// Number of calls and total time of each part.
type Times = Arc<Mutex<[(u32, Duration); PARTS.len()]>>;

/// An engine that measures another one.
struct MeasuredEngine<E> {
    inner: E,
    times: Times,
}

impl<E: Engine> MeasuredEngine<E> {
    /// Runs one part of a step and adds its time. The part is over when its reports are there.
    fn measure(&mut self, part: usize, run: impl FnOnce(&mut E) -> Result<(), EngineError>) -> Result<(), EngineError> {
        let start = Instant::now();
        run(&mut self.inner)?;
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times[part].0 += 1;
        times[part].1 += start.elapsed();
        Ok(())
    }
}

impl<E: Engine> Engine for MeasuredEngine<E> {
    fn description(&self) -> String {
        format!("{}, measured", self.inner.description())
    }

    /// `Training` checks that it is the recipe of the settings.
    fn recipe(&self) -> Recipe {
        self.inner.recipe()
    }

    fn memory_bytes(&self) -> usize {
        self.inner.memory_bytes()
    }

    /// 1: a part is over when its call returns.
    fn max_steps_in_flight(&self) -> usize {
        self.inner.max_steps_in_flight()
    }

    fn train_discriminator_real(&mut self, images: &[u8]) -> Result<(), EngineError> {
        self.measure(0, |engine| engine.train_discriminator_real(images))
    }

    fn train_discriminator_fake(&mut self, noise: &[f32]) -> Result<(), EngineError> {
        self.measure(1, |engine| engine.train_discriminator_fake(noise))
    }

    /// Called instead of the two above if the discriminator has no batch norm.
    fn train_discriminator(&mut self, images: &[u8], noise: &[f32]) -> Result<(), EngineError> {
        self.measure(2, |engine| engine.train_discriminator(images, noise))
    }

    fn train_generator(&mut self, noise: &[f32]) -> Result<(), EngineError> {
        self.measure(3, |engine| engine.train_generator(noise))
    }

    fn take_reports(&mut self, reports: &mut Vec<StepReport>) -> Result<(), EngineError> {
        self.inner.take_reports(reports)
    }

    /// First weights, or those of a checkpoint.
    fn load_state(&mut self, state: &TrainState) -> Result<(), EngineError> {
        self.inner.load_state(state)
    }

    fn state(&self) -> Result<TrainState, EngineError> {
        self.inner.state()
    }

    fn gradients(&self) -> Result<[StateDict; 2], EngineError> {
        self.inner.gradients()
    }

    fn set_augmentations(&mut self, augmentations: &[Augmentation]) -> Result<(), EngineError> {
        self.inner.set_augmentations(augmentations)
    }

    fn scale_learning_rates(&mut self, scale: f64) {
        self.inner.scale_learning_rates(scale);
    }

    fn non_finite(&self) -> Result<Option<String>, EngineError> {
        self.inner.non_finite()
    }

    fn generate(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        self.inner.generate(noise)
    }

    /// Draws the previews of the tutorial's recipe.
    fn generate_with_batch_statistics(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        self.inner.generate_with_batch_statistics(noise)
    }

    fn averaged_generator(&self) -> Result<Option<StateDict>, EngineError> {
        self.inner.averaged_generator()
    }

    fn calibrate(&mut self, generator: &StateDict, noise: &[f32]) -> Result<StateDict, EngineError> {
        self.inner.calibrate(generator, noise)
    }

    fn generate_from(&mut self, generator: &StateDict, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        self.inner.generate_from(generator, noise)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let model = ModelConfig { image_size: 32, latent_dim: 32, ..ModelConfig::TUTORIAL }.with_base_channels(16);
    let adam = AdamConfig { lr: 1e-3, ..AdamConfig::TUTORIAL };
    let config = TrainConfig { model, adam, batch_size: 32, epochs: 2, ..TrainConfig::TUTORIAL };
    let images = demo_faces(256, model.image_size, Channels::Rgb)?;

    let times = Times::default();
    let inner = CpuEngine::new(cpu(None)?, &model, config.recipe(), config.batch_size)?;
    let engine = MeasuredEngine { inner, times: Arc::clone(&times) };
    println!("{}", engine.description());
    let trained = Training::with_engine(config, images, engine).run()?;

    println!("{} steps", trained.summary.steps);
    let times = times.lock().unwrap_or_else(PoisonError::into_inner);
    for (part, (calls, time)) in PARTS.into_iter().zip(times.iter()).filter(|(_, (calls, _))| *calls > 0) {
        println!("{part:<22} {:6.2} ms", time.as_secs_f64() * 1e3 / f64::from(*calls));
    }
    Ok(())
}
