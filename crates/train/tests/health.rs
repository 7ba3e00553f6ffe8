//! Real trainings that are made to go wrong, and what is said of them.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use dcgan_data::{Channels, Dataset};
use dcgan_engine_cpu::{Cpu, CpuEngine, Isa};
use dcgan_model::{
    AdamConfig, Augmentation, Engine, EngineError, Init, Loss, ModelConfig, Recipe, StateDict, StepReport, TrainState,
};
use dcgan_train::{Event, Finding, Health, Listener, ListenerError, Schedule, Session, TrainConfig, train};
use std::sync::Arc;

const MODEL: ModelConfig =
    ModelConfig { image_size: 32, channels: 1, latent_dim: 8, ..ModelConfig::TUTORIAL }.with_base_channels(8);

fn config(lr: f64, epochs: u64) -> TrainConfig {
    let adam = AdamConfig { lr, ..AdamConfig::default() };
    TrainConfig { model: MODEL, adam, batch_size: 16, epochs, ..TrainConfig::default() }
}

/// Bright discs on dark ground, here and there and of several sizes.
fn discs(count: usize) -> Arc<Dataset> {
    let draw = |index: usize, out: &mut [u8]| {
        let at = |step: usize, range: usize| (index * step % range) as f64;
        let (x, y, radius) = (8.0 + at(7, 17), 8.0 + at(5, 16), 4.0 + at(3, 6));
        for (position, value) in out.iter_mut().enumerate() {
            let distance = ((position % 32) as f64 - x).hypot((position / 32) as f64 - y);
            *value = (220.0 - 190.0 * (distance - radius).clamp(0.0, 1.0)) as u8;
        }
    };
    Arc::new(Dataset::from_fn(count, 32, Channels::Gray, draw).unwrap())
}

/// What can go wrong.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// G does not learn.
    FrozenGenerator,
    /// G is given the same noise for every face.
    OneNoise,
}

/// An engine in which one thing is wrong.
struct FaultyEngine {
    engine: CpuEngine,
    fault: Fault,
    /// Those that loading a state would drop.
    reports: Vec<StepReport>,
}

impl FaultyEngine {
    fn noise(&self, noise: &[f32]) -> Vec<f32> {
        match self.fault {
            Fault::OneNoise => noise[..MODEL.latent_dim].iter().copied().cycle().take(noise.len()).collect(),
            _ => noise.to_vec(),
        }
    }
}

impl Engine for FaultyEngine {
    fn description(&self) -> String {
        self.engine.description()
    }
    fn recipe(&self) -> Recipe {
        self.engine.recipe()
    }
    fn memory_bytes(&self) -> usize {
        self.engine.memory_bytes()
    }
    fn load_state(&mut self, state: &TrainState) -> Result<(), EngineError> {
        self.engine.load_state(state)
    }
    fn max_steps_in_flight(&self) -> usize {
        self.engine.max_steps_in_flight()
    }
    fn state(&self) -> Result<TrainState, EngineError> {
        self.engine.state()
    }
    fn set_augmentations(&mut self, augmentations: &[Augmentation]) -> Result<(), EngineError> {
        self.engine.set_augmentations(augmentations)
    }
    fn gradients(&self) -> Result<[StateDict; 2], EngineError> {
        self.engine.gradients()
    }

    fn scale_learning_rates(&mut self, scale: f64) {
        self.engine.scale_learning_rates(scale);
    }
    fn non_finite(&self) -> Result<Option<String>, EngineError> {
        self.engine.non_finite()
    }
    fn train_discriminator_real(&mut self, images: &[u8]) -> Result<(), EngineError> {
        self.engine.train_discriminator_real(images)
    }
    fn train_discriminator_fake(&mut self, noise: &[f32]) -> Result<(), EngineError> {
        let noise = self.noise(noise);
        self.engine.train_discriminator_fake(&noise)
    }
    fn train_discriminator(&mut self, images: &[u8], noise: &[f32]) -> Result<(), EngineError> {
        self.engine.train_discriminator(images, noise)
    }
    fn train_generator(&mut self, noise: &[f32]) -> Result<(), EngineError> {
        let noise = self.noise(noise);
        let before = self.engine.state()?;
        self.engine.train_generator(&noise)?;
        if self.fault == Fault::FrozenGenerator {
            self.engine.take_reports(&mut self.reports)?;
            self.engine.load_state(&before)?;
        }
        Ok(())
    }
    fn take_reports(&mut self, reports: &mut Vec<StepReport>) -> Result<(), EngineError> {
        reports.append(&mut self.reports);
        self.engine.take_reports(reports)
    }
    fn generate(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        let noise = self.noise(noise);
        self.engine.generate(&noise)
    }
    fn generate_with_batch_statistics(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        let noise = self.noise(noise);
        self.engine.generate_with_batch_statistics(&noise)
    }
    fn averaged_generator(&self) -> Result<Option<StateDict>, EngineError> {
        self.engine.averaged_generator()
    }
    fn calibrate(&mut self, generator: &StateDict, noise: &[f32]) -> Result<StateDict, EngineError> {
        self.engine.calibrate(generator, noise)
    }
    fn generate_from(&mut self, generator: &StateDict, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        self.engine.generate_from(generator, noise)
    }
}

/// What is said after each epoch.
#[derive(Default)]
struct Diary(Vec<Health>);

impl Listener for Diary {
    fn on_event(&mut self, event: &Event<'_>) -> Result<(), ListenerError> {
        if let Event::Health(health) = event {
            self.0.push((*health).clone());
        }
        Ok(())
    }
}

/// Trains on `count` pictures.
fn run(config: &TrainConfig, count: usize, fault: Fault) -> Vec<Health> {
    let cpu = Cpu::new(Isa::select().unwrap(), 2).unwrap();
    let engine = CpuEngine::new(cpu, &config.model, config.recipe(), config.batch_size).unwrap();
    let mut diary = Diary::default();
    let mut engine = FaultyEngine { engine, fault, reports: Vec::new() };
    train(config, Session::default(), &discs(count), &mut engine, &mut [&mut diary]).unwrap();
    diary.0.iter().for_each(|health| println!("{health:?}"));
    diary.0
}

/// Checks that it is said at the end.
fn is_noticed(health: &[Health], finding: impl Fn(&Finding) -> bool) {
    assert!(health.last().unwrap().findings.iter().any(finding), "{:?}", health.last());
}

#[test]
fn a_good_run_is_called_good() {
    let config = TrainConfig {
        model: MODEL.with_base_channels(16),
        ema: Some(0.99),
        schedule: Schedule::LinearHalf,
        init: Init::Normal,
        ..config(6e-4, 160)
    };
    let health = run(&config, 128, Fault::None);
    // The first epochs' faces are all alike.
    assert!(health[0].findings.iter().any(|finding| matches!(finding, Finding::Collapsed { .. })), "{:?}", health[0]);
    // No epoch whose faces a person would call noise is called good.
    let is_noise = |finding: &Finding| matches!(finding, Finding::Noise { .. });
    assert!(health[..60].iter().all(|health| health.findings.iter().any(is_noise)), "{health:?}");
    let text = health[159].to_string();
    assert!(
        text.starts_with("D and G are in balance, the faces are ") && text.ends_with("% as varied as the pictures"),
        "{text}"
    );
}

#[test]
fn a_generator_that_does_not_learn_lets_the_discriminator_win() {
    let health = run(&config(1e-3, 12), 128, Fault::FrozenGenerator);
    is_noticed(&health, |finding| matches!(finding, Finding::DiscriminatorWins { .. }));
    assert!(health[11].to_string().starts_with("D is winning outright (it gives real pictures 0.99"), "{}", health[11]);
}

#[test]
fn the_discriminator_wins_with_smoothed_labels_and_with_the_hinge_loss_too() {
    let qualities = [(0.1, Loss::Bce), (0.0, Loss::Hinge)];
    for (label_smoothing, loss) in qualities {
        let good = run(&TrainConfig { label_smoothing, loss, ..config(1e-3, 20) }, 128, Fault::None);
        let wins = |finding: &Finding| matches!(finding, Finding::DiscriminatorWins { .. });
        assert!(!good.iter().any(|health| health.findings.iter().any(wins)), "{good:?}");
        is_noticed(&run(&TrainConfig { label_smoothing, loss, ..config(1e-3, 12) }, 128, Fault::FrozenGenerator), wins);
    }
}

#[test]
fn faces_that_are_all_the_same_have_collapsed() {
    let health = run(&config(1e-3, 12), 128, Fault::OneNoise);
    is_noticed(&health, |finding| matches!(finding, Finding::Collapsed { .. }));
    assert!(health[11].to_string().starts_with("the faces are all alike (0% as varied"), "{}", health[11]);
}

#[test]
fn a_learning_rate_of_next_to_nothing_leaves_the_losses_flat() {
    let health = run(&config(1e-12, 5), 1024, Fault::None);
    is_noticed(&health, |finding| matches!(finding, Finding::Flat { .. }));
    assert!(health[4].to_string().contains("the losses have been flat for 4 epochs"), "{}", health[4]);
    assert!(!health[2].to_string().contains("flat"), "four epochs are needed");
}
