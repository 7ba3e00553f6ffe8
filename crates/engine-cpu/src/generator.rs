//! Drawing without training.

use crate::net::{Activations, Mode, Net};
use dcgan_kernels::memory::Buffer;
use dcgan_kernels::{Cpu, pixels};
use dcgan_model::{EngineError, ModelConfig, Network, RecogniseError, StateDict};

/// Pictures computed at a time: enough to keep the cores busy, few enough to stay in their caches.
const BATCH: usize = 32;

/// A generator in eval mode, ready to draw.
#[derive(Debug)]
pub struct CpuGenerator {
    cpu: Cpu,
    config: ModelConfig,
    net: Net,
    acts: Activations,
    scratch: Buffer,
}

impl CpuGenerator {
    /// Takes memory and the weights in `state`.
    ///
    /// # Errors
    /// If `state` is not that of `network`.
    pub fn new(cpu: Cpu, network: &Network, state: &StateDict) -> Result<Self, RecogniseError> {
        network.check(state)?;
        let mut net = Net::new(network, BATCH);
        net.load(state);
        let (acts, scratch) = (net.activations(&cpu, BATCH), Buffer::zeros(net.scratch_len(&cpu)));
        Ok(Self { cpu, config: network.config, net, acts, scratch })
    }

    /// Pictures from `noise` (N × latent, any N), as `G.eval()(noise)`: N × C × H × W in [−1, 1]. A picture depends on its own noise
    /// vector only, not on the others or the number of threads.
    ///
    /// # Errors
    /// [`EngineError::Batch`] if `noise` is no whole number of vectors.
    pub fn generate(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        generate(&self.cpu, &mut self.net, &mut self.acts, &mut self.scratch, &self.config, BATCH, noise)
    }
}

/// Runs `net` in eval mode in batches of up to `batch`, and turns the pictures to NCHW.
pub(crate) fn generate(
    cpu: &Cpu,
    net: &mut Net,
    acts: &mut Activations,
    scratch: &mut [f32],
    config: &ModelConfig,
    batch: usize,
    noise: &[f32],
) -> Result<Vec<f32>, EngineError> {
    let (latent, image) = (config.latent_dim, config.image_len());
    if !noise.len().is_multiple_of(latent) {
        return Err(EngineError::Batch { got: noise.len(), max_batch: usize::MAX, item_len: latent });
    }
    let mut pictures = vec![0.0; noise.len() / latent * image];
    cpu.run(|| {
        for (noise, pictures) in noise.chunks(batch * latent).zip(pictures.chunks_mut(batch * image)) {
            let count = noise.len() / latent;
            net.forward(cpu, Mode::Eval, acts, noise, count, scratch);
            let out = net.output(acts, count);
            pixels::nhwc_to_nchw(pictures, out, config.image_size * config.image_size, config.channels);
        }
    });
    Ok(pictures)
}
