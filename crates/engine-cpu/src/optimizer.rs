//! The Adam optimizer of one network.

use crate::gradient::ParameterGradient;
use crate::net::Net;
use dcgan_kernels::Cpu;
use dcgan_kernels::adam::{self, Adam};
use dcgan_kernels::finite;
use dcgan_kernels::memory::Buffer;
use dcgan_model::{AdamConfig, AdamState, Shards, StateDict};

/// Gradient and moments of all parameters of a network, in the network's layout.
#[derive(Debug)]
pub(crate) struct Optimizer {
    config: AdamConfig,
    /// Factor of the configured learning rate.
    learning_rate_scale: f64,
    step: u64,
    pub(crate) gradient: ParameterGradient,
    exp_avg: Buffer,
    exp_avg_sq: Buffer,
}

impl Optimizer {
    pub(crate) fn new(net: &Net, config: AdamConfig, shards: &Shards) -> Self {
        let zeros = || Buffer::zeros(net.layout.parameters_len);
        Self {
            config,
            learning_rate_scale: 1.0,
            step: 0,
            gradient: ParameterGradient::new(&net.parameter_places(), shards),
            exp_avg: zeros(),
            exp_avg_sq: zeros(),
        }
    }

    /// Makes one Adam step on `net` with the gradient.
    pub(crate) fn step(&mut self, cpu: &Cpu, net: &mut Net) {
        self.step += 1;
        let AdamConfig { lr, beta1, beta2, eps } = self.config;
        let lr = lr * self.learning_rate_scale;
        let adam = Adam { lr, beta1, beta2, eps, step: self.step };
        adam::step(cpu, &mut net.parameters, &mut self.exp_avg, &mut self.exp_avg_sq, &self.gradient.sum, &adam);
    }

    /// Number of steps taken.
    pub(crate) fn steps(&self) -> u64 {
        self.step
    }

    pub(crate) fn scale_learning_rate(&mut self, scale: f64) {
        self.learning_rate_scale = scale;
    }

    /// Returns the place of the first number that is not finite, for messages. A gradient that is not finite makes the
    /// mean of the squares so, too, and so does one whose square overflows, after which its weight would never change
    /// again.
    pub(crate) fn non_finite(&self, cpu: &Cpu, net: &Net) -> Option<String> {
        if finite::all_finite(cpu, &self.exp_avg_sq) {
            return None;
        }
        let gradient = net.layout.non_finite(&self.gradient.sum, true).map(|name| format!("the gradient of {name}"));
        gradient.or_else(|| {
            let name = net.layout.non_finite(&self.exp_avg_sq, true)?;
            Some(format!("the mean squared gradient of {name}"))
        })
    }

    /// Loads a checked state.
    pub(crate) fn load(&mut self, net: &Net, state: &AdamState) {
        self.step = state.step;
        net.layout.read(&mut self.exp_avg, &state.exp_avg, true);
        net.layout.read(&mut self.exp_avg_sq, &state.exp_avg_sq, true);
    }

    pub(crate) fn state(&self, net: &Net) -> AdamState {
        let tensors = |block: &[f32]| {
            let mut state = StateDict::new();
            net.layout.write(&mut state, block, true);
            state
        };
        AdamState { step: self.step, exp_avg: tensors(&self.exp_avg), exp_avg_sq: tensors(&self.exp_avg_sq) }
    }

    /// Returns the gradient of the last backward pass by tensor name.
    pub(crate) fn gradient(&self, net: &Net) -> StateDict {
        let mut state = StateDict::new();
        net.layout.write(&mut state, &self.gradient.sum, true);
        state
    }
}
