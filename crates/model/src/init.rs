//! The weights before training.

use crate::{AdamState, Layer, ModelConfig, Network, NetworkState, StateDict, Tensor, TorchRng, TrainState};
use serde::{Deserialize, Serialize};

/// How weights are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    /// PyTorch's own: `kaiming_uniform_(weight, a=√5)`, so U(−b, b) with b = 1/√fan_in, fan_in = weight.shape\[1\]·k·k.
    #[default]
    Default,
    /// The DCGAN paper's (Radford et al. 2015): N(0, 0.02) for convolutions, N(1, 0.02) for batch norm's weights. As in
    /// `D.apply(weights_init)`, PyTorch's own values are drawn first and then replaced.
    Normal,
}

impl Init {
    /// All of them, by their names.
    pub const ALL: [(&'static str, Init); 2] = [("default", Init::Default), ("normal", Init::Normal)];
}

/// Both networks before the first step, with empty optimizers: `D = Discriminator(); G = Generator()`, in this order, from `rng`.
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
            Layer::Conv2d(_) | Layer::ConvTranspose2d(_) => {
                let shape = layer.weight_shape().unwrap_or_default();
                let fan_in: usize = shape[1..].iter().product();
                // PyTorch computes the bound in double precision and rounds once.
                let bound = (1.0 / (fan_in as f64).sqrt()) as f32;
                let mut values = vec![0.0; shape.iter().product()];
                rng.fill_uniform(&mut values, -bound, bound);
                state.insert(format!("{index}.weight"), Tensor::f32(shape, values));
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
    if init == Init::Normal {
        for (index, layer) in network.layers.iter().enumerate() {
            let mean = match layer {
                Layer::Conv2d(_) | Layer::ConvTranspose2d(_) => 0.0,
                Layer::BatchNorm2d { .. } => 1.0,
                _ => continue,
            };
            if let Some(crate::TensorData::F32(values)) = state.get_mut(&format!("{index}.weight")).map(|t| &mut t.data)
            {
                rng.fill_normal(values, mean, 0.02);
            }
        }
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;
    use dcgan_testkit::{assert_close, fixture};

    /// `default.` to the bit; `normal.` within the normal numbers' 3.1e-7·max(1, |x|) scaled by 0.02 (|x| < 5) and, for batch norm's
    /// 1 + 0.02 x, one rounding of a value near 1.
    #[test]
    fn a_seed_gives_the_weights_of_pytorch() {
        let fixture = fixture!("tests/fixtures/init.safetensors");
        let config = ModelConfig {
            image_size: fixture.metadata("image_size"),
            channels: 3,
            latent_dim: fixture.metadata("latent_dim"),
            base_channels: fixture.metadata("base_channels"),
        };
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

    #[test]
    fn optimizers_start_empty() {
        let config = ModelConfig { image_size: 32, channels: 1, latent_dim: 2, base_channels: 1 };
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
