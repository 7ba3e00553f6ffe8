//! Numbers that are not finite are noticed and called by their place.

use crate::Subject;
use dcgan_model::{AdamConfig, Engine, Init, ModelConfig, StateDict, TensorData, TorchRng, TrainState, initial_state};
use dcgan_testkit::random_bytes;

const CONFIG: ModelConfig =
    ModelConfig { image_size: 32, channels: 3, latent_dim: 4, ..ModelConfig::TUTORIAL }.with_base_channels(4);
const BATCH: usize = 8;

fn engine(subject: &dyn Subject) -> Box<dyn Engine> {
    let mut engine = subject.engine(&CONFIG, AdamConfig::default().into(), BATCH);
    engine.load_state(&initial_state(&CONFIG, Init::Default, &mut TorchRng::seed_from_u64(1))).unwrap();
    engine
}

/// Replaces the last value of a tensor.
fn plant(tensors: &mut StateDict, name: &str, value: f32) {
    let TensorData::F32(values) = &mut tensors[name].data else { panic!("{name} holds integers") };
    *values.last_mut().unwrap() = value;
}

/// `Engine::non_finite` finds a value that is not finite in every tensor.
pub fn non_finite_values_are_found_in_every_tensor(subject: &dyn Subject) {
    let mut engine = engine(subject);
    engine.train_discriminator_real(&random_bytes(BATCH * CONFIG.image_len(), 1)).unwrap();
    engine.train_generator(&TorchRng::seed_from_u64(2).randn(BATCH * CONFIG.latent_dim)).unwrap();
    assert_eq!(engine.non_finite().unwrap(), None);
    let good = engine.state().unwrap();
    let mut check = |change: &dyn Fn(&mut TrainState), expected: &str| {
        let mut state = good.clone();
        change(&mut state);
        engine.load_state(&state).unwrap();
        assert_eq!(engine.non_finite().unwrap().as_deref(), Some(expected));
        engine.load_state(&good).unwrap();
        assert_eq!(engine.non_finite().unwrap(), None);
    };
    let floats = |tensors: &StateDict| -> Vec<String> {
        tensors.iter().filter(|(_, tensor)| tensor.as_f32().is_some()).map(|(name, _)| name.clone()).collect()
    };
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for name in floats(&good.discriminator.tensors) {
            let kind = if name.contains("running") { "running statistic" } else { "parameter" };
            let expected = format!("the {kind} {name} in the discriminator is not finite");
            check(&|state| plant(&mut state.discriminator.tensors, &name, value), &expected);
        }
        for name in floats(&good.generator.adam.exp_avg_sq) {
            let expected = format!("the mean squared gradient of {name} in the generator is not finite");
            check(&|state| plant(&mut state.generator.adam.exp_avg_sq, &name, value), &expected);
        }
    }
}

/// `Engine::non_finite` reports a gradient that is not finite as a gradient.
pub fn a_non_finite_gradient_is_reported_as_a_gradient(subject: &dyn Subject) {
    let mut engine = engine(subject);
    let mut noise = TorchRng::seed_from_u64(2).randn(BATCH * CONFIG.latent_dim);
    noise[3] = f32::NAN;
    engine.train_generator(&noise).unwrap();
    let place = engine.non_finite().unwrap().unwrap();
    assert!(place.starts_with("the gradient of ") && place.ends_with(" in the generator is not finite"), "{place}");
}

/// lr · scale in one engine is lr in the other.
pub fn learning_rates_are_scaled_from_the_next_step_on(subject: &dyn Subject) {
    let rates = [AdamConfig::default(), AdamConfig { lr: AdamConfig::default().lr / 4.0, ..AdamConfig::default() }];
    let [scaled, small] = rates.map(|adam| {
        let mut engine = subject.engine(&CONFIG, adam.into(), BATCH);
        engine.load_state(&initial_state(&CONFIG, Init::Default, &mut TorchRng::seed_from_u64(1))).unwrap();
        engine.scale_learning_rates(if adam == AdamConfig::default() { 0.25 } else { 1.0 });
        engine.train_discriminator_real(&random_bytes(BATCH * CONFIG.image_len(), 1)).unwrap();
        engine.train_generator(&TorchRng::seed_from_u64(2).randn(BATCH * CONFIG.latent_dim)).unwrap();
        engine.state().unwrap()
    });
    assert!(scaled == small);
}
