//! Initial weights.

use crate::{
    AdamState, Conv, Layer, ModelConfig, Network, NetworkState, StateDict, Tensor, TensorData, TorchRng, TrainState,
};
use serde::{Deserialize, Serialize};

/// Power iterations that PyTorch's `spectral_norm` makes when a layer is built: 15 in its constructor and one when it
/// is registered.
const POWER_ITERATIONS: usize = 16;

/// Distribution of the initial weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    /// PyTorch's own: `kaiming_uniform_(weight, a=√5)`, so U(−b, b) with b = 1/√fan_in, fan_in =
    /// weight.shape\[1\]·k·k.
    #[default]
    Default,
    /// The DCGAN paper's (Radford et al. 2015): N(0, 0.02) for convolutions, N(1, 0.02) for batch norm's weights. As in
    /// `D.apply(weights_init)`, PyTorch's own values are drawn first and then replaced.
    Normal,
    /// [`Init::Normal`], but every kernel of the generator that enlarges the image is a random number times bilinear
    /// interpolation, so that its first images are smooth and have no checkerboard (as Aitken et al. 2017,
    /// *Checkerboard artifact free sub-pixel convolution*, do it for sub-pixel convolutions).
    Smooth,
}

impl Init {
    /// All of them, by their names.
    pub const ALL: [(&'static str, Init); 3] =
        [("default", Init::Default), ("normal", Init::Normal), ("smooth", Init::Smooth)];
}

crate::name::impl_names!(Init);

/// Bilinear interpolation to twice the size as a transposed convolution with kernel 4, stride 2 and padding 1, in one
/// dimension.
const BILINEAR: [f32; 4] = [0.25, 0.75, 0.75, 0.25];

/// Both networks before the first step, with empty optimizers: `D = Discriminator(); G = Generator()`, in this order,
/// from `rng`.
pub fn initial_state(config: &ModelConfig, init: Init, rng: &mut TorchRng) -> TrainState {
    let build = |network: Network| NetworkState {
        tensors: initial_network(&network, init, rng),
        adam: AdamState::new(&network),
    };
    let [discriminator, generator] = [Network::discriminator(config), Network::generator(config)].map(build);
    TrainState { discriminator, generator, average: None }
}

/// One network's tensors as PyTorch's constructors leave them.
pub fn initial_network(network: &Network, init: Init, rng: &mut TorchRng) -> StateDict {
    let mut state = StateDict::new();
    for (index, layer) in network.layers.iter().enumerate() {
        match *layer {
            Layer::Conv2d(conv) | Layer::ConvTranspose2d(conv) => {
                let shape = layer.weight_shape().unwrap_or_default();
                let (rows, columns) = (shape[0], shape[1..].iter().product::<usize>());
                // PyTorch computes the bound in double precision and rounds once.
                let bound = (1.0 / (columns as f64).sqrt()) as f32;
                let mut uniform = |len: usize| {
                    let mut values = vec![0.0; len];
                    rng.fill_uniform(&mut values, -bound, bound);
                    values
                };
                let weight = uniform(rows * columns);
                let bias = conv.bias.then(|| uniform(conv.out_channels));
                let suffix = layer.weight_suffix();
                let weight = (format!("{index}.{suffix}"), Tensor::f32(shape, weight));
                let bias = bias.map(|bias| (format!("{index}.bias"), Tensor::f32([conv.out_channels], bias)));
                // Drawn in one order, listed in the other: PyTorch registers a parametrized weight anew.
                let [first, second] = if conv.spectral_norm { [bias, Some(weight)] } else { [Some(weight), bias] };
                state.extend(first.into_iter().chain(second));
                if conv.spectral_norm {
                    for (suffix, len) in [(Layer::SPECTRAL_U, rows), (Layer::SPECTRAL_V, columns)] {
                        state.insert(format!("{index}.{suffix}"), Tensor::f32([len], rng.randn(len)));
                    }
                }
            }
            Layer::BatchNorm2d { channels } => {
                state.insert(format!("{index}.weight"), Tensor::f32([channels], vec![1.0; channels]));
                state.insert(format!("{index}.bias"), Tensor::f32([channels], vec![0.0; channels]));
                state.insert(format!("{index}.running_mean"), Tensor::f32([channels], vec![0.0; channels]));
                state.insert(format!("{index}.running_var"), Tensor::f32([channels], vec![1.0; channels]));
                state.insert(format!("{index}.num_batches_tracked"), Tensor::scalar_i64(0));
            }
            Layer::LeakyRelu { .. } | Layer::Relu | Layer::Tanh | Layer::Sigmoid | Layer::Flatten => {}
        }
    }
    if init != Init::Default {
        for (index, layer) in network.layers.iter().enumerate() {
            let mean = match layer {
                Layer::Conv2d(_) | Layer::ConvTranspose2d(_) => 0.0,
                Layer::BatchNorm2d { .. } => 1.0,
                _ => continue,
            };
            let name = format!("{index}.{}", layer.weight_suffix());
            if let Some(TensorData::F32(values)) = state.get_mut(&name).map(|t| &mut t.data) {
                match layer {
                    Layer::ConvTranspose2d(conv) if init == Init::Smooth && conv.stride == 2 => {
                        fill_smooth(values, rng)
                    }
                    _ => rng.fill_normal(values, mean, 0.02),
                }
            }
        }
    }
    for (index, layer) in network.layers.iter().enumerate() {
        if let Layer::Conv2d(Conv { spectral_norm: true, .. }) = layer {
            estimate_singular_vectors(&mut state, index);
        }
    }
    state
}

/// Fills kernels of 4 × 4 with bilinear interpolation, each times a number of N(0, 0.04): the deviation of an output
/// is then about that of kernels of N(0, 0.02).
fn fill_smooth(values: &mut [f32], rng: &mut TorchRng) {
    let mut factors = vec![0.0; values.len() / 16];
    rng.fill_normal(&mut factors, 0.0, 0.04);
    for (kernel, factor) in values.chunks_exact_mut(16).zip(factors) {
        for (i, value) in kernel.iter_mut().enumerate() {
            *value = factor * BILINEAR[i / 4] * BILINEAR[i % 4];
        }
    }
}

/// Improves the estimates of the first singular vectors of layer `index` by as many power iterations as PyTorch's
/// constructor takes.
fn estimate_singular_vectors(state: &mut StateDict, index: usize) {
    let values = |suffix: &str| {
        let tensor = state.get(&format!("{index}.{suffix}")).and_then(Tensor::as_f32).unwrap_or_default();
        tensor.iter().copied().map(f64::from).collect::<Vec<_>>()
    };
    let weight = values(Layer::ORIGINAL_WEIGHT);
    let (mut u, mut v) = (values(Layer::SPECTRAL_U), values(Layer::SPECTRAL_V));
    normalize(&mut u);
    normalize(&mut v);
    for _ in 0..POWER_ITERATIONS {
        for (u, row) in u.iter_mut().zip(weight.chunks_exact(v.len())) {
            *u = row.iter().zip(&v).map(|(weight, v)| weight * v).sum();
        }
        normalize(&mut u);
        v.fill(0.0);
        for (u, row) in u.iter().zip(weight.chunks_exact(v.len())) {
            v.iter_mut().zip(row).for_each(|(v, weight)| *v += u * weight);
        }
        normalize(&mut v);
    }
    for (suffix, values) in [(Layer::SPECTRAL_U, u), (Layer::SPECTRAL_V, v)] {
        let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
        state.insert(format!("{index}.{suffix}"), Tensor::f32([values.len()], values));
    }
}

/// Divides by the Euclidean norm, or by a bound if that is smaller, as `torch.nn.functional.normalize`.
fn normalize(values: &mut [f64]) {
    let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt().max(1e-12);
    values.iter_mut().for_each(|value| *value /= norm);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DiscriminatorNorm;
    use dcgan_testkit::{assert_close, fixture};

    /// `default.` to the bit; `normal.` within the normal numbers' 3.1e-7·max(1, |x|) scaled by 0.02 (|x| < 5) and,
    /// for batch norm's 1 + 0.02 x, one rounding of a value near 1.
    #[test]
    fn a_seed_gives_the_weights_of_pytorch() {
        let fixture = fixture!("tests/fixtures/init.safetensors");
        let config = ModelConfig {
            image_size: fixture.metadata("image_size"),
            channels: 3,
            latent_dim: fixture.metadata("latent_dim"),
            ..ModelConfig::TUTORIAL
        }
        .with_base_channels(fixture.metadata("base_channels"));
        for (init, kind, exact) in [(Init::Default, "default", true), (Init::Normal, "normal", false)] {
            let state = initial_state(&config, init, &mut TorchRng::seed_from_u64(fixture.metadata("seed")));
            for (role, network) in [("d", &state.discriminator), ("g", &state.generator)] {
                let prefix = format!("{kind}.{role}.");
                assert_eq!(fixture.names_under(&prefix).count(), network.tensors.len());
                for (name, tensor) in &network.tensors {
                    let key = format!("{prefix}{name}");
                    assert_eq!(tensor.shape, fixture.shape(&key), "{key}");
                    match tensor.as_f32() {
                        Some(got) if exact => assert_close(&key, got, fixture.f32(&key), 0.0, 0.0),
                        Some(got) => assert_close(&key, got, fixture.f32(&key), 3.1e-8, 1.2e-7),
                        None => assert_eq!(tensor.as_i64(), Some(fixture.i64(&key)), "{key}"),
                    }
                }
            }
        }
    }

    /// Weights and biases to the bit. The singular vectors are those of PyTorch's 16 power iterations in float32, which
    /// are 2e-6 away from ours.
    #[test]
    fn discriminators_without_batch_norm_are_those_of_pytorch() {
        let fixture = fixture!("tests/fixtures/init.safetensors");
        for (kind, norm_d) in [("spectral", DiscriminatorNorm::Spectral), ("none", DiscriminatorNorm::None)] {
            let config = ModelConfig { image_size: 32, norm_d, ..ModelConfig::TUTORIAL }.with_base_channels(3);
            let mut rng = TorchRng::seed_from_u64(fixture.metadata("seed"));
            let state = initial_network(&Network::discriminator(&config), Init::Default, &mut rng);
            assert_eq!(fixture.names_under(&format!("{kind}.d.")).count(), state.len());
            for (name, tensor) in &state {
                let key = format!("{kind}.d.{name}");
                assert_eq!(tensor.shape, fixture.shape(&key), "{key}");
                let atol = if name.contains("0._") { 8e-6 } else { 0.0 };
                assert_close(&key, tensor.as_f32().unwrap(), fixture.f32(&key), atol, 0.0);
            }
        }
    }

    #[test]
    fn optimizers_start_empty() {
        let config =
            ModelConfig { image_size: 32, channels: 1, latent_dim: 2, ..ModelConfig::TUTORIAL }.with_base_channels(1);
        let state = initial_state(&config, Init::Default, &mut TorchRng::seed_from_u64(0));
        let adam = &state.generator.adam;
        assert_eq!(adam.step, 0);
        let names: Vec<&String> = adam.exp_avg.keys().collect();
        assert_eq!(
            names,
            [
                "0.weight", "1.weight", "1.bias", "3.weight", "4.weight", "4.bias", "6.weight", "7.weight", "7.bias",
                "9.weight"
            ]
        );
        assert!(adam.exp_avg_sq.values().all(|t| t.as_f32().is_some_and(|v| v.iter().all(|&x| x == 0.0))));
    }
}
