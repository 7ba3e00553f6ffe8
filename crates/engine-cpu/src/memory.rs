//! Allocation of the memory of forward and backward passes.

use crate::activations::{Activations, Gradients, Mode, NormActivations, StageActivations};
use crate::net::Net;
use crate::norm_sums::NormSums;
use dcgan_kernels::conv::ConvPlan;
use dcgan_kernels::memory::Buffer;
use dcgan_model::Shards;

impl Net {
    /// Allocates memory for the activations of `batch` images, in the shards of this process.
    pub(crate) fn activations(&self, batch: usize, shards: &Shards) -> Activations {
        let stages = self.stages.iter().map(|stage| {
            let output = stage.output();
            let norm = stage.norm.as_ref().map(|_| NormActivations::new(output.channels));
            StageActivations { conv: Buffer::zeros(batch * output.len()), norm }
        });
        Activations { stages: stages.collect(), sums: NormSums::new(self.convs(), batch, shards), mode: Mode::Eval }
    }

    /// Number of values of the memory of [`Net::activations`].
    pub(crate) fn activations_len(&self, batch: usize, shards: &Shards) -> usize {
        let activations = self.stages.iter().map(|stage| batch * stage.output().len() + 9 * stage.output().channels);
        activations.sum::<usize>() + NormSums::len(self.convs(), batch, shards)
    }

    /// Returns the convolutions, in order.
    fn convs(&self) -> impl Iterator<Item = &ConvPlan> {
        self.stages.iter().map(|stage| &stage.conv)
    }
}

impl Gradients {
    /// Takes memory for the largest activation and transform of `nets`, each with the size of its batch.
    pub(crate) fn new(nets: [(&Net, usize); 2]) -> Self {
        let [activation, transform] = Self::lens(nets);
        Self {
            current: Buffer::zeros(activation),
            next: Buffer::zeros(activation),
            transform: Buffer::zeros(transform),
        }
    }

    /// Number of values of that memory.
    pub(crate) fn len(nets: [(&Net, usize); 2]) -> usize {
        let [activation, transform] = Self::lens(nets);
        2 * activation + transform
    }

    /// Returns the numbers of values for an activation and for a transform.
    fn lens(nets: [(&Net, usize); 2]) -> [usize; 2] {
        let transform = |net: &Net| net.stages.iter().map(|stage| stage.conv.small_transform_len()).max();
        let activations = nets.map(|(net, batch)| batch * net.largest_activation());
        let transforms = nets.map(|(net, _)| transform(net).unwrap_or(0));
        [activations, transforms].map(|[a, b]| a.max(b))
    }
}
