//! Trains and runs a DCGAN on a GPU, with [Burn](https://burn.dev)'s tensors: any GPU through Vulkan, Metal or DirectX
//! 12 (feature `wgpu`), NVIDIA's through CUDA (feature `cuda`).
//!
//! [`adapters`] lists the devices, [`GpuDevice::open`] opens one. [`GpuEngine`] trains. [`GpuGenerator`],
//! [`GpuDiscriminator`] and [`GpuDifferentiableGenerator`] run trained networks in eval mode. They compute the same as
//! their counterparts on the CPU, from the same weights and noise, but not the same bits.
//!
//! Of Burn only tensors are used. Layers, their gradients, the losses and Adam are written here, as in
//! `dcgan-engine-cpu`, because Burn's differ from PyTorch's: its batch norm has a biased running variance, its Adam
//! another epsilon.
//!
//! Several ranks train together as on the CPU, each with a device of its own: see [`GpuEngine::with_transport`].

mod activation;
mod augment;
mod batch;
mod batch_norm;
mod conv;
mod device;
mod engine;
mod gradient;
mod inference;
mod inputs;
mod loss;
mod memory;
mod net;
mod optimizer;
mod parameter;
mod passes;
mod reduce;
mod spectral_norm;
mod stage;
mod state;
mod steps;
mod transfer;

pub use device::{Adapter, AdapterKind, Api, DeviceError, GpuDevice, adapters};
pub use engine::GpuEngine;
pub use inference::{GpuDifferentiableGenerator, GpuDiscriminator, GpuGenerator};
