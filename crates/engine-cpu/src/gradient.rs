//! Gradients of parameters, summed over the shards of a batch.

use crate::batch::Batch;
use dcgan_kernels::input::InputView;
use dcgan_kernels::memory::Buffer;
use dcgan_kernels::{Cpu, reduce};
use dcgan_model::tree::{depth, sum_in_tree};
use dcgan_model::{EngineError, GradientPart, Shards};
use std::collections::VecDeque;
use std::ops::Range;

/// Gradients are sent to other ranks in parts, each of at least this fraction of the network's parameters, so that few
/// calls are made.
const PART_OF_PARAMETERS: usize = 8;

/// Where a network's parameters lie in its layout.
#[derive(Debug)]
pub(crate) struct ParameterPlaces {
    /// Number of values of all parameters.
    pub(crate) len: usize,
    /// The weights and biases of each stage.
    pub(crate) stages: Vec<Vec<Range<usize>>>,
}

impl ParameterPlaces {
    /// Number of values of the largest weight.
    fn largest_len(&self) -> usize {
        self.stages.iter().flatten().map(Range::len).max().unwrap_or(0)
    }
}

/// Memory for the gradients of a network's parameters, in the network's layout.
#[derive(Debug)]
pub(crate) struct ParameterGradient {
    /// The gradient over the whole batch.
    pub(crate) sum: Buffer,
    /// Gradients over the nodes of this process, if other ranks have more; else empty.
    groups: Vec<Group>,
    /// Indices of the groups that are being summed over ranks.
    started: VecDeque<usize>,
    /// For the gradients of one tensor over parts of a node.
    scratch: Buffer,
}

/// Weights and biases of neighboring stages, whose gradients are sent together as soon as all of them are known.
#[derive(Debug)]
struct Group {
    stages: Range<usize>,
    /// The tensors' places in the network's layout.
    tensors: Vec<Range<usize>>,
    /// Number of values of all tensors.
    len: usize,
    /// The tensors after each other. Without memory while it is being summed.
    part: GradientPart,
    /// Number of stages whose gradients are not known yet.
    missing: usize,
}

impl Group {
    /// Cuts a network's stages into groups, from the last stage, which backpropagation reaches first.
    fn of(places: &ParameterPlaces) -> Vec<Self> {
        let part_len = places.len / PART_OF_PARAMETERS;
        let mut groups: Vec<Self> = Vec::new();
        for (index, tensors) in places.stages.iter().enumerate().rev() {
            match groups.last_mut().filter(|group| group.len < part_len) {
                Some(group) => {
                    group.stages.start = index;
                    group.tensors.extend(tensors.iter().cloned());
                }
                None => {
                    let (stages, part) = (index..index + 1, GradientPart::default());
                    groups.push(Self { stages, tensors: tensors.clone(), len: 0, part, missing: 0 });
                }
            }
            if let Some(group) = groups.last_mut() {
                group.len += tensors.iter().map(Range::len).sum::<usize>();
                group.missing = group.stages.len();
            }
        }
        groups
    }

    /// Returns the place of a tensor in a row; `None` if it is another group's.
    fn place(&self, tensor: &Range<usize>) -> Option<Range<usize>> {
        let index = self.tensors.iter().position(|range| range == tensor)?;
        let before = self.tensors[..index].iter().map(Range::len).sum::<usize>();
        Some(before..before + tensor.len())
    }
}

impl ParameterGradient {
    /// Allocates memory for the gradients of these parameters.
    pub(crate) fn new(places: &ParameterPlaces, shards: &Shards) -> Self {
        let mut groups = if shards.is_distributed() { Group::of(places) } else { Vec::new() };
        for group in &mut groups {
            group.part.partials.resize(shards.nodes().len() * group.len, 0.0);
            group.part.sum.resize(group.len, 0.0);
        }
        let (sum, scratch) = (Buffer::zeros(places.len), Buffer::zeros(Self::scratch_len(places, shards)));
        Self { sum, groups, started: VecDeque::new(), scratch }
    }

    /// Number of values of that memory, without the sum; what is exchanged with other ranks is included.
    pub(crate) fn partials_len(places: &ParameterPlaces, shards: &Shards) -> usize {
        // The rows and their sum, and as much again while they are sent and received.
        let rows = if shards.is_distributed() { 2 * (shards.nodes().len() + 1) + 1 } else { 0 };
        rows * places.len + Self::scratch_len(places, shards)
    }

    fn scratch_len(places: &ParameterPlaces, shards: &Shards) -> usize {
        let results = if shards.count() == 1 { 0 } else { depth(shards.own().len()) + 1 };
        results * places.largest_len()
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
        let add = |a: &mut [f32], b: &[f32]| reduce::add(cpu, a, b);
        let place = self.groups.iter_mut().find_map(|group| Some((group.place(&range)?, group)));
        let Some((place, group)) = place else {
            let sum = &mut self.sum[range];
            return sum_in_tree(0..batch.shards.count(), sum, &mut self.scratch, &mut leaf, &add);
        };
        for (node, row) in batch.shards.nodes().iter().zip(group.part.partials.chunks_exact_mut(group.len)) {
            sum_in_tree(node.clone(), &mut row[place.clone()], &mut self.scratch, &mut leaf, &add);
        }
    }

    /// Is told that the gradients of a stage's weight and bias are known, and starts to sum them over all ranks when
    /// those of the whole group are.
    pub(crate) fn finish_stage(&mut self, stage: usize, shards: &mut Shards) -> Result<(), EngineError> {
        let group = self.groups.iter_mut().enumerate().find(|(_, group)| group.stages.contains(&stage));
        let Some((index, group)) = group else { return Ok(()) };
        group.missing -= 1;
        if group.missing == 0 {
            shards.start_sum(std::mem::take(&mut group.part))?;
            self.started.push_back(index);
        }
        Ok(())
    }

    /// Waits for the sums over all ranks.
    pub(crate) fn sum_ranks(&mut self, shards: &mut Shards) -> Result<(), EngineError> {
        while let Some(index) = self.started.pop_front() {
            let group = &mut self.groups[index];
            group.part = shards.finish_sum()?;
            group.missing = group.stages.len();
            let mut rest = &group.part.sum[..];
            for tensor in &group.tensors {
                let (sum, others) = rest.split_at(tensor.len());
                self.sum[tensor.clone()].copy_from_slice(sum);
                rest = others;
            }
        }
        Ok(())
    }
}

/// Returns the part of a view of whole images of `len` values.
pub(crate) fn images_of<'a>(view: InputView<'a>, images: &Range<usize>, len: usize) -> InputView<'a> {
    view.part(images.start * len, images.len() * len)
}
