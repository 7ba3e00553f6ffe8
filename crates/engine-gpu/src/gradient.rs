//! Gradients of a network's parameters, summed over the shards of a batch.

use crate::batch::Batch;
use crate::parameter::Parameter;
use crate::transfer::{download, flat, upload};
use burn_tensor::{Device, Tensor};
use dcgan_model::{EngineError, GradientPart};
use std::collections::VecDeque;

/// Gradients are sent to other ranks in parts of at least this fraction of the parameters, so that the device seldom
/// waits for copies.
const PART_OF_PARAMETERS: usize = 8;

/// The gradients of a network's parameters, as a backward pass finds them.
#[derive(Debug)]
pub(crate) struct Gradients<'a> {
    parameters: &'a [Parameter],
    device: &'a Device,
    /// The gradients over the whole batch that are known.
    sums: Vec<Option<Tensor<2>>>,
    /// Parameters whose gradients are known over this process's nodes only, with those.
    of_nodes: Vec<(usize, Vec<Tensor<2>>)>,
    /// Parameters whose gradients are being summed over ranks.
    started: VecDeque<Vec<usize>>,
}

impl<'a> Gradients<'a> {
    pub(crate) fn new(parameters: &'a [Parameter], device: &'a Device) -> Self {
        let sums = parameters.iter().map(|_| None).collect();
        Self { parameters, device, sums, of_nodes: Vec::new(), started: VecDeque::new() }
    }

    /// Takes a gradient over the whole batch.
    pub(crate) fn set(&mut self, parameter: usize, gradient: Tensor<2>) {
        self.sums[parameter] = Some(gradient);
    }

    /// Computes a gradient over the shards of this process, `of_part(i)` that over part i, and starts to sum it over
    /// all ranks.
    pub(crate) fn sum(
        &mut self,
        parameter: usize,
        batch: &mut Batch<'_>,
        of_part: impl FnMut(usize) -> Tensor<2>,
    ) -> Result<(), EngineError> {
        let mut nodes = batch.sum_nodes(self.parameters[parameter].value.dims(), of_part)?;
        if batch.shards.is_distributed() {
            self.of_nodes.push((parameter, nodes));
            let all: usize = self.parameters.iter().map(Parameter::len).sum();
            let len: usize = self.of_nodes.iter().map(|&(parameter, _)| self.parameters[parameter].len()).sum();
            return if len >= all / PART_OF_PARAMETERS { self.start(batch) } else { Ok(()) };
        }
        // A process with all shards has one node.
        self.sums[parameter] = nodes.pop();
        Ok(())
    }

    /// Copies the gradients over nodes from the device, and starts to sum them over ranks.
    fn start(&mut self, batch: &mut Batch<'_>) -> Result<(), EngineError> {
        let of_nodes = std::mem::take(&mut self.of_nodes);
        let rows = (0..batch.shards.nodes().len())
            .flat_map(|node| of_nodes.iter().map(move |(_, nodes)| flat(nodes[node].clone())));
        let partials = download(rows.collect())?.concat();
        let started: Vec<usize> = of_nodes.iter().map(|&(parameter, _)| parameter).collect();
        let len = started.iter().map(|&parameter| self.parameters[parameter].len()).sum();
        batch.shards.start_sum(GradientPart { partials, sum: vec![0.0; len] })?;
        self.started.push_back(started);
        Ok(())
    }

    /// Waits for the sums over all ranks. Returns the gradients in the order of the parameters.
    pub(crate) fn finish(mut self, batch: &mut Batch<'_>) -> Result<Vec<Tensor<2>>, EngineError> {
        if !self.of_nodes.is_empty() {
            self.start(batch)?;
        }
        while let Some(started) = self.started.pop_front() {
            let part = batch.shards.finish_sum()?;
            let mut rest = &part.sum[..];
            for parameter in started {
                let Parameter { value, .. } = &self.parameters[parameter];
                let (sum, others) = rest.split_at(self.parameters[parameter].len());
                self.sums[parameter] = Some(upload(sum, value.dims(), self.device));
                rest = others;
            }
        }
        batch.separate()?;
        Ok(self.sums.into_iter().map(|sum| sum.expect("a gradient that was not computed")).collect())
    }
}
