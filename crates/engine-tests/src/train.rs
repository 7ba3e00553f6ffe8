//! Whole training runs against PyTorch. tools/reference/train_fixtures.py runs them, README.md beside it derives the
//! tolerances.

use crate::{Subject, gradients};
use dcgan_model::{
    AdamState, DiscriminatorNorm, Engine, Init, Layer, ModelConfig, Network, NetworkState, Recipe, StateDict, Tensor,
    TorchRng, TrainState, initial_state,
};
use dcgan_testkit::{Fixture, assert_close, fixture, for_each_case};
use std::collections::BTreeSet;

/// Where weights and noise come from.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Start {
    /// The fixture has them.
    Fixture,
    /// `--seed` alone.
    Seed,
}

/// Absolute, by what a tensor is.
fn tolerance(name: &str) -> f64 {
    let kinds = [
        ("exp_avg_sq", 8e-9),
        ("exp_avg", 2e-6),
        ("running_", 1e-6),
        ("norms", 1e-6),
        ("grad.", 4e-6),
        ("first.", 1e-6),
        ("final.", 1e-6),
        ("losses", 1e-6),
        ("means", 1e-6),
        ("eval_images", 6e-7),
    ];
    let (_, tolerance) = kinds.iter().find(|(kind, _)| name.contains(kind)).unwrap();
    *tolerance
}

/// What goes into a run; everything else in a fixture comes out of it.
const INPUTS: [&str; 4] = ["images", "batch_sizes", "noise_d", "noise_g"];

/// A fixture, and which of its tensors have been compared.
struct Reference {
    fixture: Fixture,
    compared: BTreeSet<String>,
}

impl Reference {
    fn check(&mut self, name: &str, got: &Tensor) {
        assert_eq!(self.fixture.shape(name), got.shape, "{name}");
        match (got.as_f32(), got.as_i64()) {
            (Some(got), _) => assert_close(name, got, self.fixture.f32(name), tolerance(name), 0.0),
            (_, got) => assert_eq!(got, Some(self.fixture.i64(name)), "{name}"),
        }
        self.compared.insert(name.to_owned());
    }

    fn check_all(&mut self, prefix: &str, got: &StateDict) {
        for (name, tensor) in got {
            self.check(&format!("{prefix}.{name}"), tensor);
        }
    }

    fn check_f64(&mut self, name: &str, got: &[f64]) {
        assert_close(name, got, self.fixture.f64(name), tolerance(name), 0.0);
        self.compared.insert(name.to_owned());
    }
}

/// Returns the recipe of `train_penalty`; the others are the tutorial's.
fn recipe_of(fixture: &Fixture, config: &ModelConfig) -> Recipe {
    match config.norm_d {
        DiscriminatorNorm::Batch => Recipe::default(),
        _ => Recipe { r1: fixture.metadata("r1"), r2: fixture.metadata("r2"), ..Recipe::default() },
    }
}

fn config_of(fixture: &Fixture) -> ModelConfig {
    let norm_d = match fixture.names().any(|name| name.ends_with(Layer::SPECTRAL_U)) {
        true => DiscriminatorNorm::Spectral,
        false => DiscriminatorNorm::Batch,
    };
    ModelConfig {
        image_size: fixture.metadata("image_size"),
        channels: fixture.metadata("channels"),
        latent_dim: fixture.metadata("latent_dim"),
        norm_d,
        ..ModelConfig::TUTORIAL
    }
    .with_base_channels(fixture.metadata("base_channels"))
}

/// Returns the state before training that the fixture has.
fn fixture_state(fixture: &Fixture) -> TrainState {
    let config = config_of(fixture);
    let state = |role: &str, network: &Network| {
        let tensors = network.tensors().into_iter().map(|spec| {
            let name = format!("init.{role}.{}", spec.name);
            assert_eq!(fixture.shape(&name), spec.shape, "{name}");
            let tensor = if spec.is_integer {
                Tensor::scalar_i64(fixture.i64(&name)[0])
            } else {
                Tensor::f32(spec.shape, fixture.f32(&name).to_vec())
            };
            (spec.name, tensor)
        });
        NetworkState { tensors: tensors.collect(), adam: AdamState::new(network) }
    };
    TrainState {
        discriminator: state("d", &Network::discriminator(&config)),
        generator: state("g", &Network::generator(&config)),
        average: None,
    }
}

/// Runs the fixture's steps and compares everything that PyTorch recorded.
fn run(subject: &dyn Subject, fixture: Fixture, start: Start) {
    let config = config_of(&fixture);
    let (batch, steps): (usize, usize) = (fixture.metadata("batch_size"), fixture.metadata("steps"));
    let seed = fixture.metadata("seed");
    let noise_len = batch * config.latent_dim;
    let (state, noise, eval_noise) = match start {
        Start::Fixture => {
            let noise = ["noise_d", "noise_g"].map(|name| fixture.f32(name).to_vec());
            (fixture_state(&fixture), noise, fixture.f32("eval_noise").to_vec())
        }
        Start::Seed => {
            let mut rng = TorchRng::seed_from_u64(seed);
            let state = initial_state(&config, Init::Default, &mut rng);
            let mut noise = [Vec::new(), Vec::new()];
            for _ in 0..steps {
                noise.iter_mut().for_each(|noise| noise.extend(rng.randn(noise_len)));
            }
            (state, noise, TorchRng::seed_from_u64(seed).randn(noise_len))
        }
    };
    let noise = noise.each_ref().map(|noise| noise.chunks_exact(noise_len).collect::<Vec<_>>());

    let images = fixture.u8("images").to_vec();
    let sizes: Vec<usize> = fixture.i64("batch_sizes").iter().map(|size| usize::try_from(*size).unwrap()).collect();
    let recipe = recipe_of(&fixture, &config);
    let mut reference = Reference { fixture, compared: BTreeSet::new() };
    let mut engine = subject.engine(&config, recipe, batch);
    engine.load_state(&state).unwrap();
    let mut first_image = 0;
    for step in 0..steps {
        let next = first_image + sizes[step] * config.image_len();
        let images_of_step = &images[first_image..next];
        first_image = if next == images.len() { 0 } else { next };
        let mut check_gradients = |part: &str, engine: &dyn Engine| {
            if step == 0 {
                reference.check_all(&format!("grad.{part}"), &gradients(engine)[0]);
            }
        };
        if config.norm_d == DiscriminatorNorm::Batch {
            engine.train_discriminator_real(images_of_step).unwrap();
            check_gradients("real", &*engine);
            engine.train_discriminator_fake(noise[0][step]).unwrap();
            check_gradients("fake", &*engine);
        } else {
            engine.train_discriminator(images_of_step, noise[0][step]).unwrap();
            check_gradients("both", &*engine);
        }
        engine.train_generator(noise[1][step]).unwrap();
        if step == 0 {
            reference.check_all("grad.generator", &gradients(&*engine)[1]);
            if steps > 2 && config.norm_d == DiscriminatorNorm::Batch {
                let TrainState { discriminator, generator, .. } = engine.state().unwrap();
                reference.check_all("first.d", &discriminator.tensors);
                reference.check_all("first.g", &generator.tensors);
            }
        }
    }
    let mut reports = Vec::new();
    engine.take_reports(&mut reports).unwrap();
    let losses: Vec<f64> = reports.iter().map(|report| f64::from(report.loss)).collect();
    let means: Vec<f64> = reports.iter().map(|report| f64::from(report.mean_output)).collect();
    reference.check_f64("losses", &losses);
    reference.check_f64("means", &means);
    if recipe.has_penalty() {
        let norms: Vec<f64> = reports.iter().flat_map(|report| report.gradient_norm).map(f64::from).collect();
        reference.check_f64("norms", &norms);
    }
    let TrainState { discriminator, generator, .. } = engine.state().unwrap();
    let d_steps = if config.norm_d == DiscriminatorNorm::Batch { 2 * steps } else { steps };
    assert_eq!((discriminator.adam.step, generator.adam.step), (d_steps as u64, steps as u64));
    for (role, NetworkState { tensors, adam }) in [("d", &discriminator), ("g", &generator)] {
        reference.check_all(&format!("final.{role}"), tensors);
        reference.check_all(&format!("final.{role}.exp_avg"), &adam.exp_avg);
        reference.check_all(&format!("final.{role}.exp_avg_sq"), &adam.exp_avg_sq);
    }
    let shape = [batch, config.channels, config.image_size, config.image_size];
    reference.check("eval_images", &Tensor::f32(shape, engine.generate(&eval_noise).unwrap()));

    let Reference { fixture, compared } = reference;
    let missed: Vec<&str> = fixture
        .names()
        .filter(|name| !compared.contains(*name) && !INPUTS.contains(name))
        .filter(|name| !name.starts_with("init.") && *name != "eval_noise")
        .collect();
    assert!(missed.is_empty(), "never compared: {missed:?}");
}

/// Ten steps in color, from PyTorch's weights and noise and from the seed alone.
pub fn ten_steps_on_rgb_images_match_pytorch(subjects: &[&dyn Subject]) {
    for_each_start(subjects, |subject, start| run(subject, fixture!("fixtures/train_small.safetensors"), start));
}

/// Two steps in gray, likewise.
pub fn two_steps_on_gray_images_match_pytorch(subjects: &[&dyn Subject]) {
    for_each_start(subjects, |subject, start| run(subject, fixture!("fixtures/train_grey.safetensors"), start));
}

/// Four steps of a discriminator with spectral norm, R1 and R2, likewise.
pub fn four_steps_with_penalties_match_pytorch(subjects: &[&dyn Subject]) {
    for_each_start(subjects, |subject, start| run(subject, fixture!("fixtures/train_penalty.safetensors"), start));
}

/// Every subject starts from the fixture, and the first one from the seed too: its weights and noise do not depend on
/// the subject.
fn for_each_start(subjects: &[&dyn Subject], run: impl Fn(&dyn Subject, Start)) {
    let from_seed = subjects.first().map(|subject| Case(*subject, Start::Seed));
    let cases = subjects.iter().map(|subject| Case(*subject, Start::Fixture)).chain(from_seed);
    for_each_case(cases, |&Case(subject, start)| run(subject, start));
}

/// A case with a name.
struct Case<'a>(&'a dyn Subject, Start);

impl std::fmt::Debug for Case<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {:?}", self.0.name(), self.1)
    }
}
