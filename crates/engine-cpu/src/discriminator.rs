//! Judging without training.

use crate::net::{Activations, Mode, Net};
use dcgan_kernels::memory::Buffer;
use dcgan_kernels::{Cpu, pixels};
use dcgan_model::{Discriminate, EngineError, ModelConfig, Network, RecogniseError, StateDict};

/// Pictures judged at a time.
const BATCH: usize = 32;

/// A discriminator in eval mode.
#[derive(Debug)]
pub struct CpuDiscriminator {
    cpu: Cpu,
    config: ModelConfig,
    net: Net,
    acts: Activations,
    /// Pictures as the network reads them.
    images: Buffer,
    scratch: Buffer,
}

impl CpuDiscriminator {
    /// Takes memory and the weights in `state`.
    ///
    /// # Errors
    /// If `state` is not that of `network`.
    pub fn new(cpu: Cpu, network: &Network, state: &StateDict) -> Result<Self, RecogniseError> {
        network.check(state)?;
        let mut net = Net::new(network, BATCH);
        net.load(state);
        let (acts, scratch) = (net.activations(&cpu, BATCH), Buffer::zeros(net.scratch_len(&cpu)));
        let images = Buffer::zeros(BATCH * network.config.image_len());
        Ok(Self { cpu, config: network.config, net, acts, images, scratch })
    }
}

impl Discriminate for CpuDiscriminator {
    fn logits(&mut self, pictures: &[f32]) -> Result<Vec<f32>, EngineError> {
        let Self { cpu, config, net, acts, images, scratch } = self;
        let len = config.image_len();
        if !pictures.len().is_multiple_of(len) {
            return Err(EngineError::Batch { got: pictures.len(), max_batch: usize::MAX, item_len: len });
        }
        let mut logits = Vec::with_capacity(pictures.len() / len);
        cpu.run(|| {
            for pictures in pictures.chunks(BATCH * len) {
                let count = pictures.len() / len;
                let images = &mut images[..pictures.len()];
                pixels::nchw_to_nhwc(images, pictures, config.image_size * config.image_size, config.channels);
                net.forward(cpu, Mode::Eval, acts, images, count, scratch);
                logits.extend_from_slice(net.output(acts, count));
            }
        });
        Ok(logits)
    }
}
