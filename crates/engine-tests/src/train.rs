//! Whole training runs against PyTorch. tools/reference/train_fixtures.py runs them, README.md beside it derives the tolerances.

use crate::{Subject, gradients};
use dcgan_model::{
    AdamConfig, AdamState, Init, ModelConfig, Network, NetworkState, StateDict, Tensor, TorchRng, TrainState,
    initial_state,
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

fn config_of(fixture: &Fixture) -> ModelConfig {
    ModelConfig {
        image_size: fixture.metadata("image_size"),
        channels: fixture.metadata("channels"),
        latent_dim: fixture.metadata("latent_dim"),
        base_channels: fixture.metadata("base_channels"),
    }
}

/// The state before training that the fixture has.
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
    let mut reference = Reference { fixture, compared: BTreeSet::new() };
    let mut engine = subject.engine(&config, AdamConfig::default().into(), batch);
    engine.load_state(&state).unwrap();
    let mut first_image = 0;
    for step in 0..steps {
        let next = first_image + sizes[step] * config.image_len();
        engine.train_discriminator_real(&images[first_image..next]).unwrap();
        first_image = if next == images.len() { 0 } else { next };
        if step == 0 {
            reference.check_all("grad.real", &gradients(&*engine)[0]);
        }
        engine.train_discriminator_fake(noise[0][step]).unwrap();
        if step == 0 {
            reference.check_all("grad.fake", &gradients(&*engine)[0]);
        }
        engine.train_generator(noise[1][step]).unwrap();
        if step == 0 {
            reference.check_all("grad.generator", &gradients(&*engine)[1]);
            if steps > 2 {
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
    let TrainState { discriminator, generator, .. } = engine.state().unwrap();
    assert_eq!((discriminator.adam.step, generator.adam.step), (2 * steps as u64, steps as u64));
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

/// Ten steps in colour, from PyTorch's weights and noise and from the seed alone.
pub fn ten_steps_in_colour(subjects: &[&dyn Subject]) {
    for_each_start(subjects, |subject, start| run(subject, fixture!("fixtures/train_small.safetensors"), start));
}

/// Two steps in grey, likewise.
pub fn two_steps_in_grey(subjects: &[&dyn Subject]) {
    for_each_start(subjects, |subject, start| run(subject, fixture!("fixtures/train_grey.safetensors"), start));
}

fn for_each_start(subjects: &[&dyn Subject], run: impl Fn(&dyn Subject, Start)) {
    let cases = subjects.iter().flat_map(|subject| [Start::Fixture, Start::Seed].map(|start| Case(*subject, start)));
    for_each_case(cases, |&Case(subject, start)| run(subject, start));
}

/// A case with a name.
struct Case<'a>(&'a dyn Subject, Start);

impl std::fmt::Debug for Case<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {:?}", self.0.name(), self.1)
    }
}
