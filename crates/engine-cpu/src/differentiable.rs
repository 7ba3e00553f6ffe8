//! The generator in eval mode with the gradient of its noise.

use crate::activations::{Activations, Gradients, Mode};
use crate::batch::Batch;
use crate::net::Net;
use crate::passes::GradientRequest;
use dcgan_kernels::epilogue::Epilogue;
use dcgan_kernels::memory::Buffer;
use dcgan_kernels::{Cpu, pixels};
use dcgan_model::{Differentiate, EngineError, ModelConfig, Network, RecognizeError, Shards, StateDict};

/// A generator in eval mode through which gradients flow back to the noise.
#[derive(Debug)]
pub struct CpuDifferentiableGenerator {
    cpu: Cpu,
    config: ModelConfig,
    net: Net,
    acts: Activations,
    gradients: Gradients,
    scratch: Buffer,
    max_batch: usize,
    /// The noise of the last forward pass.
    noise: Vec<f32>,
    /// A single one: nothing is summed over a batch.
    shards: Shards,
}

impl CpuDifferentiableGenerator {
    /// Allocates memory for up to `max_batch` images at a time, and loads the weights in `state`.
    ///
    /// # Errors
    /// If `state` is not that of `network`.
    ///
    /// # Panics
    /// If `max_batch` is 0.
    pub fn new(cpu: Cpu, network: &Network, state: &StateDict, max_batch: usize) -> Result<Self, RecognizeError> {
        assert!(max_batch > 0, "a batch of no pictures");
        network.check(state)?;
        let mut net = Net::new(&cpu, network, max_batch);
        net.load(state);
        let shards = Shards::whole();
        let (acts, scratch) = (net.activations(max_batch, &shards), Buffer::zeros(net.scratch_len()));
        let gradients = Gradients::new([(&net, max_batch); 2]);
        Ok(Self { cpu, config: network.config, net, acts, gradients, scratch, max_batch, noise: Vec::new(), shards })
    }
}

impl Differentiate for CpuDifferentiableGenerator {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn forward(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        let Self { cpu, config, net, acts, scratch, max_batch, shards, .. } = self;
        let batch = config.check_noise(noise.len(), *max_batch)?;
        self.noise.clear();
        self.noise.extend_from_slice(noise);
        let mut pictures = vec![0.0; batch * config.image_len()];
        cpu.run(|| {
            net.forward(cpu, Mode::Eval, acts, noise, &mut Batch::new(shards, batch), scratch)?;
            let area = config.image_size * config.image_size;
            pixels::nhwc_to_nchw(&mut pictures, net.output(acts, batch), area, config.channels);
            Ok(pictures)
        })
    }

    fn backward(&mut self, dpictures: &[f32]) -> Result<Vec<f32>, EngineError> {
        let Self { cpu, config, net, acts, gradients, scratch, noise, shards, .. } = self;
        let batch = noise.len() / config.latent_dim;
        assert!(batch > 0, "backward before forward");
        assert_eq!(dpictures.len(), batch * config.image_len(), "gradient of {batch} pictures");
        cpu.run(|| {
            let area = config.image_size * config.image_size;
            let current = &mut gradients.current[..dpictures.len()];
            pixels::nchw_to_nhwc(current, dpictures, area, config.channels);
            net.output_gradient(cpu, acts, current, batch);
            let wanted = GradientRequest { parameters: None, input: Some(Epilogue::Identity) };
            net.backward(cpu, acts, noise, gradients, wanted, &mut Batch::new(shards, batch), scratch)?;
            Ok(gradients.current[..noise.len()].to_vec())
        })
    }
}
