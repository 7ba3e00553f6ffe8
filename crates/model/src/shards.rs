//! Shards of a batch, and sums over them that do not depend on how many processes share the work.
//!
//! A batch of N images is cut into S *shards*: shard s has images N·s/S to N·(s + 1)/S, rounded down. Everything that
//! is summed over a batch is summed within each shard first, and the sums of the shards are combined in one fixed
//! binary tree: the left subtree of a node of n shards has the largest power of two below n of them. Each rank computes
//! neighboring shards, so its part of the tree consists of a few subtrees, its *nodes*. Ranks exchange the results of
//! nodes, and combine them as one rank would that has all shards. So the result depends on S and not on the ranks.

use crate::gradient_sum::{GradientPart, GradientSums};
use crate::tree::{merge, push_nodes};
use crate::{EngineError, SingleRank, Transport};
use std::ops::Range;
use std::sync::Arc;

/// The shards of every batch, and this rank's part of them.
#[derive(Debug)]
pub struct Shards {
    count: usize,
    own: Range<usize>,
    /// This rank's shards, each as a range of one, for [`merge`].
    leaves: Vec<Range<usize>>,
    /// The nodes of all ranks, in the order of the shards.
    nodes: Vec<Range<usize>>,
    /// Number of nodes of each rank.
    node_counts: Vec<usize>,
    transport: Arc<dyn Transport>,
    /// Number of values that each rank sends in the collective under way.
    counts: Vec<usize>,
    /// Results of the nodes of all ranks, in [`Shards::combine`].
    wide: Vec<f64>,
    /// Sums of gradients over the ranks that are under way; `None` if this process has all shards.
    gradients: Option<GradientSums>,
}

impl Shards {
    /// Cuts batches into `count` shards, and gives them to the ranks of `transport` as evenly as possible.
    ///
    /// # Errors
    /// [`EngineError::Shards`] if there are more ranks than shards, or no shards, [`EngineError::Transport`] if the
    /// thread that communicates cannot be started.
    pub fn new(count: usize, transport: Arc<dyn Transport>) -> Result<Self, EngineError> {
        let ranks = transport.ranks();
        if count < ranks || count == 0 {
            return Err(EngineError::Shards { shards: count, ranks });
        }
        let mut shards = Self::of_ranks(count, transport);
        if shards.is_distributed() {
            let Self { transport, nodes, node_counts, .. } = &shards;
            let sums = GradientSums::new(transport, count, nodes.clone(), node_counts.clone())?;
            shards.gradients = Some(sums);
        }
        Ok(shards)
    }

    /// As [`Shards::new`], but without checking `count`, and without the sums of gradients.
    fn of_ranks(count: usize, transport: Arc<dyn Transport>) -> Self {
        let ranks = transport.ranks();
        let of_rank = |rank: usize| rank * count / ranks..(rank + 1) * count / ranks;
        let (mut nodes, mut node_counts) = (Vec::new(), Vec::new());
        for rank in 0..ranks {
            let before = nodes.len();
            push_nodes(&mut nodes, 0..count, &of_rank(rank));
            node_counts.push(nodes.len() - before);
        }
        let own = of_rank(transport.rank());
        Self {
            count,
            leaves: own.clone().map(|shard| shard..shard + 1).collect(),
            own,
            nodes,
            node_counts,
            counts: vec![0; ranks],
            transport,
            wide: Vec::new(),
            gradients: None,
        }
    }

    /// Cuts batches into `count` shards, all of which this process computes.
    ///
    /// # Errors
    /// [`EngineError::Shards`] if there are no shards.
    pub fn single_rank(count: usize) -> Result<Self, EngineError> {
        Self::new(count, Arc::new(SingleRank))
    }

    /// Leaves batches whole: a single shard, on this process.
    pub fn whole() -> Self {
        Self::of_ranks(1, Arc::new(SingleRank))
    }

    /// Number of shards of a batch.
    pub fn count(&self) -> usize {
        self.count
    }

    /// This rank's shards.
    pub fn own(&self) -> Range<usize> {
        self.own.clone()
    }

    /// This rank's nodes, as ranges of shards.
    pub fn nodes(&self) -> &[Range<usize>] {
        let rank = self.transport.rank();
        let before = self.node_counts[..rank].iter().sum::<usize>();
        &self.nodes[before..before + self.node_counts[rank]]
    }

    /// Returns whether other ranks compute some of the shards.
    pub fn is_distributed(&self) -> bool {
        self.transport.ranks() > 1
    }

    /// Returns the images of the whole batch of `batch` that this rank computes.
    pub fn own_images(&self, batch: usize) -> Range<usize> {
        images(&self.own, self.count, batch)
    }

    /// Returns the images of one of this rank's shards, counted from this rank's first one.
    pub fn shard_images(&self, shard: usize, batch: usize) -> Range<usize> {
        let Range { start, end } = images(&(shard..shard + 1), self.count, batch);
        let first = self.own_images(batch).start;
        start - first..end - first
    }

    /// Number of images that this rank has of any batch of up to `batch`, at most.
    pub fn max_own_images(&self, batch: usize) -> usize {
        (batch * self.own.len()).div_ceil(self.count)
    }

    /// Combines `rows`, a row of `len` values for each of this rank's shards, with those of all ranks in the order of
    /// the tree. `combine` adds the second row to the first. Returns the combined row.
    ///
    /// # Errors
    /// [`EngineError::Transport`] if another rank has failed.
    pub fn combine<'a>(
        &'a mut self,
        rows: &'a mut [f64],
        len: usize,
        combine: fn(&mut [f64], &[f64]),
    ) -> Result<&'a [f64], EngineError> {
        let first = self.own.start;
        // The results of the nodes follow each other at the start of `rows`.
        for (index, node) in self.nodes().iter().enumerate() {
            let shards = node.start - first..node.end - first;
            let start = shards.start * len;
            let rows_of_node = &mut rows[start..shards.end * len];
            merge(node.clone(), &self.leaves[shards], rows_of_node, len, &mut |a, b| combine(a, b));
            rows.copy_within(start..start + len, index * len);
        }
        if !self.is_distributed() {
            return Ok(&rows[..len]);
        }
        let own = self.nodes().len() * len;
        let Self { count, nodes, node_counts, transport, counts, wide, .. } = self;
        counts.iter_mut().zip(node_counts).for_each(|(count, nodes)| *count = *nodes * len);
        wide.resize(nodes.len() * len, 0.0);
        transport.gather_f64(&rows[..own], wide, counts)?;
        merge(0..*count, nodes, wide, len, &mut |a, b| combine(a, b));
        Ok(&wide[..len])
    }

    /// Starts to sum a part of the gradients over all ranks in the order of the tree, while this thread goes on if the
    /// transport can do that. [`Shards::finish_sum`] returns the parts in the order in which they were started, which
    /// is the same on all ranks.
    ///
    /// # Errors
    /// [`EngineError::Transport`] if another rank has failed, [`EngineError::Recipe`] if there are no other ranks.
    pub fn start_sum(&mut self, part: GradientPart) -> Result<(), EngineError> {
        match &mut self.gradients {
            Some(sums) => Ok(sums.start(part)?),
            None => Err(EngineError::NO_RANKS),
        }
    }

    /// Waits for the sum that was started first and not yet finished, and returns that part with the sum in it.
    ///
    /// # Errors
    /// [`EngineError::Transport`] if another rank has failed, [`EngineError::Recipe`] if there are no other ranks.
    pub fn finish_sum(&mut self) -> Result<GradientPart, EngineError> {
        match &mut self.gradients {
            Some(sums) => Ok(sums.finish()?),
            None => Err(EngineError::NO_RANKS),
        }
    }

    /// Gathers a value for every image of a batch: `all` has one for each of them, `own` one for each of this rank's.
    ///
    /// # Errors
    /// [`EngineError::Transport`] if another rank has failed.
    pub fn gather(&mut self, all: &mut [f32], own: &[f32]) -> Result<(), EngineError> {
        let (ranks, batch) = (self.transport.ranks(), all.len());
        for rank in 0..ranks {
            let shards = rank * self.count / ranks..(rank + 1) * self.count / ranks;
            self.counts[rank] = images(&shards, self.count, batch).len();
        }
        Ok(self.transport.gather_f32(own, all, &self.counts)?)
    }
}

/// Returns the images of `shards` in a batch of `batch` images that is cut into `count` shards.
fn images(shards: &Range<usize>, count: usize, batch: usize) -> Range<usize> {
    batch * shards.start / count..batch * shards.end / count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_images_of_a_batch_are_cut_evenly() {
        let cut = |shards, batch| {
            let shards = Shards::single_rank(shards).unwrap();
            shards.own().map(|shard| shards.shard_images(shard, batch)).collect::<Vec<_>>()
        };
        assert_eq!(cut(3, 8), [0..2, 2..5, 5..8]);
        assert_eq!(cut(4, 2), [0..0, 0..1, 1..1, 1..2]);
        assert!(matches!(&cut(1, 7)[..], [images] if *images == (0..7)));
    }

    #[test]
    fn there_are_as_many_shards_as_ranks_at_least() {
        assert_eq!(Shards::single_rank(0).unwrap_err(), EngineError::Shards { shards: 0, ranks: 1 });
    }
}
