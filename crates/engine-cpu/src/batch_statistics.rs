//! The generator in training mode, for drawing.

use crate::activations::Mode;
use crate::batch::Batch;
use crate::net::Net;
use dcgan_kernels::memory::Buffer;
use dcgan_kernels::{Cpu, pixels};
use dcgan_model::{EngineError, ModelConfig, Network, Shards, StateDict};

/// Returns images of `noise` (N × latent), normalized with the statistics of this batch: N × C × H × W. They are
/// computed by a network of its own, so that no other changes.
///
/// # Errors
/// [`EngineError::Batch`] if `noise` is no whole number of vectors, or empty.
pub(crate) fn generate(
    cpu: &Cpu,
    network: &Network,
    state: &StateDict,
    noise: &[f32],
) -> Result<Vec<f32>, EngineError> {
    let config = network.config;
    let batch = config.check_noise(noise.len(), usize::MAX)?;
    let ModelConfig { image_size, channels, .. } = config;
    let mut net = Net::new(cpu, network, batch);
    net.load(state);
    let mut shards = Shards::whole();
    let (mut acts, mut scratch) = (net.activations(batch, &shards), Buffer::zeros(net.scratch_len()));
    let mut images = vec![0.0; batch * config.image_len()];
    cpu.run(|| {
        net.forward(cpu, Mode::TRAIN, &mut acts, noise, &mut Batch::new(&mut shards, batch), &mut scratch)?;
        pixels::nhwc_to_nchw(&mut images, net.output(&acts, batch), image_size * image_size, channels);
        Ok(images)
    })
}
