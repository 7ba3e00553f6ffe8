//! One network's gradient and Adam.

use crate::net::Net;
use dcgan_kernels::Cpu;
use dcgan_kernels::adam::{self, Adam};
use dcgan_kernels::finite;
use dcgan_kernels::memory::Buffer;
use dcgan_model::{AdamConfig, AdamState, StateDict};

/// Gradient and moments of all parameters of a network, in the network's layout.
#[derive(Debug)]
pub(crate) struct Optimizer {
    config: AdamConfig,
    /// Of the configured learning rate.
    learning_rate_scale: f64,
    step: u64,
    pub(crate) gradient: Buffer,
    exp_avg: Buffer,
    exp_avg_sq: Buffer,
}

impl Optimizer {
    pub(crate) fn new(net: &Net, config: AdamConfig) -> Self {
        let zeros = || Buffer::zeros(net.layout.parameters_len);
        Self { config, learning_rate_scale: 1.0, step: 0, gradient: zeros(), exp_avg: zeros(), exp_avg_sq: zeros() }
    }

    /// One Adam step on `net` with the gradient.
    pub(crate) fn step(&mut self, cpu: &Cpu, net: &mut Net) {
        self.step += 1;
        let AdamConfig { lr, beta1, beta2, eps } = self.config;
        let lr = lr * self.learning_rate_scale;
        let adam = Adam { lr, beta1, beta2, eps, step: self.step };
        adam::step(cpu, &mut net.parameters, &mut self.exp_avg, &mut self.exp_avg_sq, &self.gradient, &adam);
    }

    /// Steps taken.
    pub(crate) fn steps(&self) -> u64 {
        self.step
    }

    pub(crate) fn scale_learning_rate(&mut self, scale: f64) {
        self.learning_rate_scale = scale;
    }

    /// Where the first number is that is not finite, for people. A gradient leaves its trace in the mean of the squares, also one whose
    /// square is too large, which would stop its weight for ever.
    pub(crate) fn non_finite(&self, cpu: &Cpu, net: &Net) -> Option<String> {
        if finite::all_finite(cpu, &self.exp_avg_sq) {
            return None;
        }
        let gradient = net.layout.non_finite(&self.gradient, true).map(|name| format!("the gradient of {name}"));
        gradient.or_else(|| {
            let name = net.layout.non_finite(&self.exp_avg_sq, true)?;
            Some(format!("the mean squared gradient of {name}"))
        })
    }

    /// Takes over a checked state.
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

    /// The gradient of the last backward pass by tensor name.
    pub(crate) fn gradient(&self, net: &Net) -> StateDict {
        let mut state = StateDict::new();
        net.layout.write(&mut state, &self.gradient, true);
        state
    }
}
