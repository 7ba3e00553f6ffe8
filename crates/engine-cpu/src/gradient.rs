//! Gradients of parameters, summed over the shards of a batch.

use crate::batch::Batch;
use dcgan_kernels::input::InputView;
use dcgan_kernels::memory::Buffer;
use dcgan_kernels::{Cpu, reduce};
use dcgan_model::shards::{depth, sum_in_tree};
use dcgan_model::{EngineError, Shards};
use std::ops::Range;

/// Numbers of values of a network's parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ParameterSizes {
    /// Of all parameters.
    pub(crate) all: usize,
    /// Of the largest weight of a convolution.
    pub(crate) largest_weight: usize,
}

/// Memory for the gradients of a network's parameters, in the network's layout.
#[derive(Debug)]
pub(crate) struct ParameterGradient {
    /// The gradient over the whole batch.
    pub(crate) sum: Buffer,
    /// Gradients over the nodes of this process, if other ranks have more; else empty.
    partials: Buffer,
    /// For the gradients of one tensor over parts of a node.
    scratch: Buffer,
}

impl ParameterGradient {
    /// Allocates memory for the gradients of parameters of these sizes.
    pub(crate) fn new(sizes: ParameterSizes, shards: &Shards) -> Self {
        let [partials, scratch] = Self::lens(sizes, shards);
        let sum = Buffer::zeros(sizes.all);
        Self { sum, partials: Buffer::zeros(partials), scratch: Buffer::zeros(scratch) }
    }

    /// Number of values of that memory, without the sum; what is exchanged with other ranks is included.
    pub(crate) fn partials_len(sizes: ParameterSizes, shards: &Shards) -> usize {
        let [partials, scratch] = Self::lens(sizes, shards);
        let exchanged = if shards.is_distributed() { partials + 2 * sizes.all } else { 0 };
        partials + scratch + exchanged
    }

    /// Returns the numbers of values of `partials` and `scratch`.
    fn lens(sizes: ParameterSizes, shards: &Shards) -> [usize; 2] {
        let partials = if shards.is_distributed() { shards.nodes().len() * sizes.all } else { 0 };
        let results = if shards.count() == 1 { 0 } else { depth(shards.own().len()) + 1 };
        [partials, results * sizes.largest_weight]
    }

    /// Computes the gradient of the tensor at `range` over each of this process's nodes. `of_images(gradient, images)`
    /// computes it over some images.
    pub(crate) fn sum_shards(
        &mut self,
        cpu: &Cpu,
        range: Range<usize>,
        batch: &Batch<'_>,
        mut of_images: impl FnMut(&mut [f32], Range<usize>),
    ) {
        let mut leaf = |shard: usize, out: &mut [f32], scratch: &mut [f32]| {
            let [first, second] = batch.ranges(shard);
            match (first.is_empty(), second.is_empty()) {
                (true, true) => out.fill(0.0),
                (false, true) => of_images(out, first),
                (true, false) => of_images(out, second),
                (false, false) => {
                    of_images(out, first);
                    let other = &mut scratch[..out.len()];
                    of_images(other, second);
                    reduce::add(cpu, out, other);
                }
            }
        };
        let len = self.sum.len();
        for (index, node) in batch.shards.nodes().iter().enumerate() {
            let row = if batch.shards.is_distributed() {
                &mut self.partials[index * len..(index + 1) * len]
            } else {
                &mut self.sum[..]
            };
            let add = |a: &mut [f32], b: &[f32]| reduce::add(cpu, a, b);
            sum_in_tree(node.clone(), &mut row[range.clone()], &mut self.scratch, &mut leaf, &add);
        }
    }

    /// Sums the gradients over the nodes of all ranks.
    pub(crate) fn sum_ranks(&mut self, shards: &mut Shards) -> Result<(), EngineError> {
        if shards.is_distributed() { shards.sum(&mut self.sum, &self.partials) } else { Ok(()) }
    }
}

/// Returns the part of a view of whole images of `len` values.
pub(crate) fn images_of<'a>(view: InputView<'a>, images: &Range<usize>, len: usize) -> InputView<'a> {
    view.part(images.start * len, images.len() * len)
}
