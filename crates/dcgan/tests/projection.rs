//! A picture that the generator drew is found again.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use dcgan::{Cpu, CpuDifferentiableGenerator, Init, Isa, ModelConfig, Network, ProjectOptions, TorchRng, project};
use dcgan_model::{Differentiate, initial_network};

const CONFIG: ModelConfig =
    ModelConfig { image_size: 32, channels: 3, latent_dim: 8, ..ModelConfig::TUTORIAL }.with_base_channels(4);
const OPTIONS: ProjectOptions = ProjectOptions { starts: 4, candidates: 8, steps: 150, lr: 0.1, prior: 0.0, seed: 1 };

/// A generator with first weights, whose pictures differ as much as a trained one's.
fn generator(threads: usize) -> CpuDifferentiableGenerator {
    let network = Network::generator(&CONFIG);
    let mut state = initial_network(&network, Init::Default, &mut TorchRng::seed_from_u64(3));
    // Running statistics of a network that has seen nothing are 0 and 1, which leaves every layer's output too small.
    for (name, tensor) in &mut state {
        if let (true, dcgan_model::TensorData::F32(values)) = (name.ends_with("running_var"), &mut tensor.data) {
            values.fill(0.02);
        }
    }
    let cpu = Cpu::new(Isa::select().unwrap(), threads).unwrap();
    CpuDifferentiableGenerator::new(cpu, &network, &state, OPTIONS.starts).unwrap()
}

#[test]
fn the_noise_of_a_drawn_picture_is_found() {
    let mut engine = generator(2);
    let secret = TorchRng::seed_from_u64(99).randn(CONFIG.latent_dim);
    let target = engine.forward(&secret).unwrap();
    let mut errors = Vec::new();
    let found = project(&mut engine, &target, &OPTIONS, |step, error| errors.push((step, error))).unwrap();

    assert_eq!(errors.len(), OPTIONS.steps);
    assert!(errors.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1 && pair[1].1 <= pair[0].1));
    assert!(found.error < 1e-3 * found.start_error, "{} from {}", found.error, found.start_error);
    let picture = engine.forward(&found.noise).unwrap();
    let error = picture.iter().zip(&target).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / target.len() as f64;
    assert_eq!(error, found.error);
    let apart = found.noise.iter().zip(&secret).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart < 0.1, "{:?} and not {secret:?}", found.noise);
}

#[test]
fn the_search_does_not_depend_on_threads() {
    let target = generator(1).forward(&[0.5; 8]).unwrap();
    let options = ProjectOptions { steps: 5, ..OPTIONS };
    let found = [1, 3].map(|threads| project(&mut generator(threads), &target, &options, |_, _| {}).unwrap());
    assert_eq!(found[0], found[1]);
}

#[test]
fn the_prior_keeps_noise_short() {
    let mut engine = generator(2);
    // White everywhere is nothing that it can draw: without a prior, the noise grows and grows.
    let target = vec![1.0; CONFIG.image_len()];
    let mut length = |prior| {
        let found = project(&mut engine, &target, &ProjectOptions { prior, ..OPTIONS }, |_, _| {}).unwrap();
        found.noise.iter().map(|z| z * z).sum::<f32>().sqrt()
    };
    let (free, bound) = (length(0.0), length(0.1));
    assert!(bound < 0.8 * free, "{bound} and {free}");
}
