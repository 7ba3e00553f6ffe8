//! Trains and runs a DCGAN on the CPU.
//!
//! There is no autograd: both networks are sequences of stages (convolution, batch norm, activation), and each stage
//! has a forward and a backward written by hand on top of `dcgan-kernels`. All memory is laid out when the engine is
//! made; a training step allocates nothing.
//!
//! [`CpuEngine`] trains. [`CpuGenerator`] and [`CpuDiscriminator`] run a trained network in eval mode, and
//! [`CpuDifferentiableGenerator`] also computes the gradient of the noise.

mod activations;
mod batch;
mod batch_statistics;
mod differentiable;
mod discriminator;
mod engine;
mod folded;
mod generator;
mod gradient;
mod memory;
mod net;
mod norm_sums;
mod optimizer;
mod outputs;
mod passes;
mod penalty;
mod spectral_norm;
mod stage;
mod steps;
mod timing;
mod weights;

pub use dcgan_kernels::{Cpu, Isa};
pub use differentiable::CpuDifferentiableGenerator;
pub use discriminator::CpuDiscriminator;
pub use engine::CpuEngine;
pub use generator::CpuGenerator;
pub use timing::{LayerTime, Pass};
