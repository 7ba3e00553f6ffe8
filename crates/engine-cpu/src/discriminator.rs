//! The discriminator in eval mode.

use crate::activations::{Activations, Mode};
use crate::batch::Batch;
use crate::net::Net;
use dcgan_kernels::memory::Buffer;
use dcgan_kernels::{Cpu, pixels};
use dcgan_model::{Discriminate, EngineError, ModelConfig, Network, RecognizeError, Shards, StateDict};

/// Number of images computed at a time.
const BATCH: usize = 32;

/// A discriminator in eval mode.
#[derive(Debug)]
pub struct CpuDiscriminator {
    cpu: Cpu,
    config: ModelConfig,
    net: Net,
    acts: Activations,
    /// A batch of images in NHWC layout.
    images: Buffer,
    scratch: Buffer,
    /// A single one: nothing is summed over a batch.
    shards: Shards,
}

impl CpuDiscriminator {
    /// Allocates memory and loads the weights in `state`.
    ///
    /// # Errors
    /// If `state` is not that of `network`.
    pub fn new(cpu: Cpu, network: &Network, state: &StateDict) -> Result<Self, RecognizeError> {
        network.check(state)?;
        let mut net = Net::new(&cpu, network, BATCH);
        net.load(state);
        let shards = Shards::whole();
        let (acts, scratch) = (net.activations(BATCH, &shards), Buffer::zeros(net.scratch_len()));
        let images = Buffer::zeros(BATCH * network.config.image_len());
        Ok(Self { cpu, config: network.config, net, acts, images, scratch, shards })
    }
}

impl Discriminate for CpuDiscriminator {
    fn logits(&mut self, pictures: &[f32]) -> Result<Vec<f32>, EngineError> {
        let Self { cpu, config, net, acts, images, scratch, shards } = self;
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
                net.forward(cpu, Mode::Eval, acts, images, &mut Batch::new(shards, count), scratch)?;
                logits.extend_from_slice(net.output(acts, count));
            }
            Ok(logits)
        })
    }
}
