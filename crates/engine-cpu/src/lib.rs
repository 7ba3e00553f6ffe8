//! Trains and runs a DCGAN on the CPU.
//!
//! There is no autograd: both networks are sequences of stages (convolution, batch norm, activation), and each stage has a forward and a
//! backward written by hand on top of `dcgan-kernels`. All memory is laid out when the engine is made; a training step allocates nothing.
//!
//! [`CpuEngine`] trains; [`CpuGenerator`] only draws, [`CpuDifferentiableGenerator`] also tells how a picture changes with its noise, and
//! [`CpuDiscriminator`] judges pictures.

mod differentiable;
mod discriminator;
mod engine;
mod generator;
mod net;
mod optimizer;
mod timing;
mod weights;

pub use dcgan_kernels::{Cpu, Isa};
pub use differentiable::CpuDifferentiableGenerator;
pub use discriminator::CpuDiscriminator;
pub use engine::CpuEngine;
pub use generator::CpuGenerator;
pub use timing::{LayerTime, Pass};
