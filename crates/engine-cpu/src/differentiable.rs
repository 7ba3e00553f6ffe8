//! From the gradient of pictures to that of their noise.

use crate::net::{Activations, Gradients, Mode, Net, Wanted};
use dcgan_kernels::finish::Finish;
use dcgan_kernels::memory::Buffer;
use dcgan_kernels::{Cpu, pixels};
use dcgan_model::{Differentiate, EngineError, ModelConfig, Network, RecogniseError, StateDict};

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
}

impl CpuDifferentiableGenerator {
    /// Takes memory for up to `max_batch` pictures at a time, and the weights in `state`.
    ///
    /// # Errors
    /// If `state` is not that of `network`.
    ///
    /// # Panics
    /// If `max_batch` is 0.
    pub fn new(cpu: Cpu, network: &Network, state: &StateDict, max_batch: usize) -> Result<Self, RecogniseError> {
        assert!(max_batch > 0, "a batch of no pictures");
        network.check(state)?;
        let mut net = Net::new(network, max_batch);
        net.load(state);
        let (acts, scratch) = (net.activations(&cpu, max_batch), Buffer::zeros(net.scratch_len(&cpu)));
        let gradients = Gradients::new(&cpu, [&net, &net], max_batch);
        Ok(Self { cpu, config: network.config, net, acts, gradients, scratch, max_batch, noise: Vec::new() })
    }
}

impl Differentiate for CpuDifferentiableGenerator {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn forward(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        let Self { cpu, config, net, acts, scratch, max_batch, .. } = self;
        let latent = config.latent_dim;
        let batch = noise.len() / latent;
        if !noise.len().is_multiple_of(latent) || !(1..=*max_batch).contains(&batch) {
            return Err(EngineError::Batch { got: noise.len(), max_batch: *max_batch, item_len: latent });
        }
        self.noise.clear();
        self.noise.extend_from_slice(noise);
        let mut pictures = vec![0.0; batch * config.image_len()];
        cpu.run(|| {
            net.forward(cpu, Mode::Eval, acts, noise, batch, scratch);
            let area = config.image_size * config.image_size;
            pixels::nhwc_to_nchw(&mut pictures, net.output(acts, batch), area, config.channels);
        });
        Ok(pictures)
    }

    fn backward(&mut self, dpictures: &[f32]) -> Result<Vec<f32>, EngineError> {
        let Self { cpu, config, net, acts, gradients, scratch, noise, .. } = self;
        let batch = noise.len() / config.latent_dim;
        assert!(batch > 0, "backward before forward");
        assert_eq!(dpictures.len(), batch * config.image_len(), "gradient of {batch} pictures");
        Ok(cpu.run(|| {
            let area = config.image_size * config.image_size;
            let current = &mut gradients.current[..dpictures.len()];
            pixels::nchw_to_nhwc(current, dpictures, area, config.channels);
            net.output_gradient(cpu, acts, current, batch);
            let wanted = Wanted { parameters: None, input: Some(Finish::Nothing) };
            net.backward(cpu, acts, noise, gradients, wanted, batch, scratch);
            gradients.current[..noise.len()].to_vec()
        }))
    }
}
