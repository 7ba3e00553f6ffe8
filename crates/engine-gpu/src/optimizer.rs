//! Adam (Kingma & Ba 2015) as `torch.optim.Adam` computes it.

use crate::net::Net;
use burn_tensor::{Device, Tensor};
use dcgan_model::{AdamConfig, AdamState, EngineError};

/// The gradients and moments of all parameters of a network.
#[derive(Debug)]
pub(crate) struct Optimizer {
    config: AdamConfig,
    /// Factor of the configured learning rate.
    learning_rate_scale: f64,
    step: u64,
    /// Gradients of the last step that computed them.
    pub(crate) gradients: Vec<Tensor<2>>,
    exp_avg: Vec<Tensor<2>>,
    pub(crate) exp_avg_sq: Vec<Tensor<2>>,
}

impl Optimizer {
    pub(crate) fn new(net: &Net, config: AdamConfig) -> Self {
        let zeros = || net.parameters.iter().map(|parameter| parameter.value.zeros_like()).collect::<Vec<_>>();
        let (gradients, exp_avg, exp_avg_sq) = (zeros(), zeros(), zeros());
        Self { config, learning_rate_scale: 1.0, step: 0, gradients, exp_avg, exp_avg_sq }
    }

    /// Makes one Adam step on `net` with `gradients`:
    ///
    /// ```text
    /// m += (g − m)(1 − β₁)     v = β₂ v + (1 − β₂) g²     p −= lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + eps)
    /// ```
    pub(crate) fn step(&mut self, net: &mut Net, gradients: Vec<Tensor<2>>) {
        self.step += 1;
        let AdamConfig { lr, beta1, beta2, eps } = self.config;
        let correction = |beta: f64| 1.0 - beta.powf(self.step as f64);
        let step_size = lr * self.learning_rate_scale / correction(beta1);
        let root_correction = 1.0 / correction(beta2).sqrt();
        let moments = self.exp_avg.iter_mut().zip(&mut self.exp_avg_sq);
        for ((parameter, g), (m, v)) in net.parameters.iter_mut().zip(&gradients).zip(moments) {
            m.inplace(|m| m.clone() + (g.clone() - m).mul_scalar(1.0 - beta1));
            v.inplace(|v| v.mul_scalar(beta2) + g.clone().square().mul_scalar(1.0 - beta2));
            let root = v.clone().sqrt().mul_scalar(root_correction).add_scalar(eps);
            let change = m.clone().div(root).mul_scalar(step_size);
            parameter.value.inplace(|value| value - change);
        }
        self.gradients = gradients;
    }

    /// Number of steps taken.
    pub(crate) fn steps(&self) -> u64 {
        self.step
    }

    pub(crate) fn scale_learning_rate(&mut self, scale: f64) {
        self.learning_rate_scale = scale;
    }

    /// Loads a checked state.
    pub(crate) fn load(&mut self, net: &Net, state: &AdamState, device: &Device) {
        self.step = state.step;
        self.exp_avg = net.read_parameters(&state.exp_avg, device);
        self.exp_avg_sq = net.read_parameters(&state.exp_avg_sq, device);
    }

    pub(crate) fn state(&self, net: &Net) -> Result<AdamState, EngineError> {
        let (exp_avg, exp_avg_sq) = (net.write_parameters(&self.exp_avg)?, net.write_parameters(&self.exp_avg_sq)?);
        Ok(AdamState { step: self.step, exp_avg, exp_avg_sq })
    }
}
