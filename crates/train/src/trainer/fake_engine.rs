//! For tests: an engine that records its calls, and a listener that records its events.

use crate::{EpochEvaluation, EpochSummary, Event, Listener, ListenerError, PREVIEW_FACES, StepMetrics, TrainConfig};
use dcgan_model::Checkpoint;
use dcgan_model::{
    Augmentation, Engine, EngineError, Init, ModelConfig, Recipe, StateDict, StepReport, Tensor, TrainState,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) const MODEL: ModelConfig =
    ModelConfig { image_size: 32, channels: 1, latent_dim: 5, ..ModelConfig::TUTORIAL }.with_base_channels(1);
pub(super) const CONFIG: TrainConfig = TrainConfig {
    model: MODEL,
    adam: dcgan_model::AdamConfig { lr: 1e-3, beta1: 0.5, beta2: 0.999, eps: 1e-8 },
    init: Init::Normal,
    seed: 11,
    batch_size: 4,
    epochs: 2,
    max_steps: None,
    flip: false,
    ..TrainConfig::TUTORIAL
};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Call {
    Load(Box<TrainState>),
    Real(Vec<u8>),
    Fake(Vec<f32>),
    Generator(Vec<f32>),
    Generate(Vec<f32>),
    GenerateInTraining(Vec<f32>),
    Augment(Vec<Augmentation>),
    Calibrate(StateDict, Vec<f32>),
    GenerateFrom(StateDict, Vec<f32>),
}

/// Returns a state_dict that marks the average, or a calibrated generator, of the fake engine.
pub(super) fn marked(value: f32) -> StateDict {
    [("mark".to_owned(), Tensor::f32([1], vec![value]))].into_iter().collect()
}

/// An engine that records its calls. The k-th part of a step, counted from the engine's creation, reports loss k and
/// mean output k / 100, unless `other` has another report for k.
#[derive(Default)]
pub(super) struct FakeEngine {
    pub(super) calls: Vec<Call>,
    pub(super) parts: u32,
    pub(super) other: Option<(u32, StepReport)>,
    /// After these parts a tensor is not finite.
    pub(super) broken_after: Vec<u32>,
    pub(super) scales: Vec<f64>,
    pub(super) has_average: bool,
    /// 0 is an engine that computes at once.
    pub(super) max_in_flight: usize,
    pub(super) reports: Vec<StepReport>,
    /// Part in which the flag is set.
    pub(super) stop: (u32, Arc<AtomicBool>),
    /// Number of reports taken each time.
    pub(super) taken: Vec<usize>,
    /// Whether pictures are of as many shades as parts of steps were trained, rather than gray.
    pub(super) draws_shades: bool,
    /// `None` for that of [`CONFIG`].
    pub(super) recipe: Option<Recipe>,
}

impl FakeEngine {
    fn part(&mut self, call: Call) -> Result<(), EngineError> {
        self.calls.push(call);
        self.parts += 1;
        self.stop.1.fetch_or(self.stop.0 == self.parts, Ordering::Relaxed);
        let usual = StepReport { loss: self.parts as f32, mean_output: self.parts as f32 / 100.0, gradient_norm: None };
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

    fn recipe(&self) -> Recipe {
        self.recipe.unwrap_or(CONFIG.recipe())
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

    fn train_discriminator(&mut self, images: &[u8], noise: &[f32]) -> Result<(), EngineError> {
        self.part(Call::Real(images.to_vec()))?;
        self.part(Call::Fake(noise.to_vec()))
    }

    fn train_generator(&mut self, noise: &[f32]) -> Result<(), EngineError> {
        self.part(Call::Generator(noise.to_vec()))
    }

    fn generate(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        self.calls.push(Call::Generate(noise.to_vec()));
        let len = noise.len() / MODEL.latent_dim * MODEL.image_len();
        let shades = if self.draws_shades { self.parts as usize } else { 0 };
        Ok((0..len).map(|i| (i * 31 % (shades + 1)) as f32 / 20.0).collect())
    }

    fn generate_with_batch_statistics(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        let drawn = self.generate(noise);
        self.calls.pop();
        self.calls.push(Call::GenerateInTraining(noise.to_vec()));
        drawn
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

/// A listener that records events in short, and returns an error for the entry `refuse`.
#[derive(Default)]
pub(super) struct Diary {
    pub(super) entries: Vec<String>,
    pub(super) steps: Vec<StepMetrics>,
    pub(super) epochs: Vec<EpochSummary>,
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) generator: Option<StateDict>,
    pub(super) generators: Vec<StateDict>,
    pub(super) evaluations: Vec<EpochEvaluation>,
    pub(super) refuse: Option<&'static str>,
    /// Step after which the flag is set.
    pub(super) stop: (u64, Arc<AtomicBool>),
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
            Event::Sample { epoch, step, faces } => {
                assert_eq!(faces.len(), PREVIEW_FACES);
                format!("sample {epoch} {step}")
            }
            Event::Generator { epoch, generator, .. } => {
                self.generators.push((*generator).clone());
                format!("generator {epoch}")
            }
            Event::Evaluated { evaluation, best, .. } => {
                self.evaluations.push((*evaluation).clone());
                format!("evaluated {}{}", evaluation.epoch, if best.is_some() { ", best" } else { "" })
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
