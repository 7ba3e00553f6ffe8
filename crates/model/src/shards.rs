//! Shards of a batch, and sums over them that do not depend on how many processes share the work.
//!
//! A batch of N images is cut into S *shards*: shard s has images N·s/S to N·(s + 1)/S, rounded down. Everything that
//! is summed over a batch is summed within each shard first, and the sums of the shards are combined in one fixed
//! binary tree: the left subtree of a node of n shards has the largest power of two below n of them. Each rank computes
//! neighboring shards, so its part of the tree consists of a few subtrees, its *nodes*. Ranks exchange the results of
//! nodes, and combine them as one rank would that has all shards. So the result depends on S and not on the ranks.

use crate::gradient_sum::{GradientPart, GradientSums};
use crate::{EngineError, SingleRank, Transport};
use std::ops::Range;
use std::sync::Arc;

/// The shards of every batch, and this rank's part of them.
#[derive(Debug)]
pub struct Shards {
    count: usize,
    own: Range<usize>,
    /// This rank's shards, each as a range.
    leaves: Vec<Range<usize>>,
    /// The nodes of all ranks, in the order of the shards.
    nodes: Vec<Range<usize>>,
    /// Number of nodes of each rank.
    node_counts: Vec<usize>,
    transport: Arc<dyn Transport>,
    /// Number of values that each rank sends in the collective under way.
    counts: Vec<usize>,
    /// Results of the nodes of all ranks.
    wide: Vec<f64>,
    /// Gradients on their way; `None` if this process has all shards.
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

    /// Starts to sum a part of the gradients over all ranks in the order of the tree, beside the computation if the
    /// transport can do that. [`Shards::finish_sum`] returns the parts in the order in which they were started, which
    /// is the same on all ranks.
    ///
    /// # Errors
    /// [`EngineError::Transport`] if another rank has failed.
    pub fn start_sum(&mut self, part: GradientPart) -> Result<(), EngineError> {
        match &mut self.gradients {
            Some(sums) => Ok(sums.start(part)?),
            None => Err(EngineError::NO_RANKS),
        }
    }

    /// Waits for the part that was started first, and returns it with its sum.
    ///
    /// # Errors
    /// [`EngineError::Transport`] if another rank has failed.
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

/// Calls `leaf(shard, out, scratch)` for every shard of a node, and adds the results in the order of the tree:
/// `add(left, right)` adds to the left one. `scratch` has room for [`depth`] times the length of `out`, and for what
/// `leaf` needs of it.
///
/// # Panics
/// If `scratch` is too short.
pub fn sum_in_tree(
    node: Range<usize>,
    out: &mut [f32],
    scratch: &mut [f32],
    leaf: &mut impl FnMut(usize, &mut [f32], &mut [f32]),
    add: &impl Fn(&mut [f32], &[f32]),
) {
    let Some(middle) = middle(&node) else { return leaf(node.start, out, scratch) };
    sum_in_tree(node.start..middle, out, scratch, leaf, add);
    let (right, scratch) = scratch.split_at_mut(out.len());
    sum_in_tree(middle..node.end, right, scratch, leaf, add);
    add(out, right);
}

/// Combines a value for each shard of a node in the order of the tree: `leaf(shard)` returns the value of a shard, and
/// `combine(left, right)` that of a subtree.
///
/// # Errors
/// The first error of `leaf` or `combine`.
pub fn fold_in_tree<T, E>(
    node: Range<usize>,
    leaf: &mut impl FnMut(usize) -> Result<T, E>,
    combine: &mut impl FnMut(T, T) -> Result<T, E>,
) -> Result<T, E> {
    let Some(middle) = middle(&node) else { return leaf(node.start) };
    let left = fold_in_tree(node.start..middle, leaf, combine)?;
    let right = fold_in_tree(middle..node.end, leaf, combine)?;
    combine(left, right)
}

/// Number of results that [`sum_in_tree`] has to keep beside its output, over `shards` shards.
pub fn depth(shards: usize) -> usize {
    shards.max(1).next_power_of_two().trailing_zeros() as usize
}

/// Returns the images of `shards` in a batch.
fn images(shards: &Range<usize>, count: usize, batch: usize) -> Range<usize> {
    batch * shards.start / count..batch * shards.end / count
}

/// Returns where a node's right subtree begins; `None` for a single shard.
fn middle(node: &Range<usize>) -> Option<usize> {
    match node.len() {
        0 | 1 => None,
        len => Some(node.start + len.next_power_of_two() / 2),
    }
}

/// Appends the largest subtrees of `node` that lie within `own`.
fn push_nodes(nodes: &mut Vec<Range<usize>>, node: Range<usize>, own: &Range<usize>) {
    if own.start <= node.start && node.end <= own.end {
        nodes.push(node);
    } else if let Some(middle) = middle(&node).filter(|_| node.start < own.end && own.start < node.end) {
        push_nodes(nodes, node.start..middle, own);
        push_nodes(nodes, middle..node.end, own);
    }
}

/// Combines rows of `len` values, one for each of `parts`, which make up the node `whole`. The result is the first row.
pub(crate) fn merge<T>(
    whole: Range<usize>,
    parts: &[Range<usize>],
    rows: &mut [T],
    len: usize,
    combine: &mut impl FnMut(&mut [T], &[T]),
) {
    let Some(middle) = middle(&whole).filter(|_| parts.len() > 1) else { return };
    let left = parts.iter().take_while(|part| part.end <= middle).count();
    let (left_rows, right_rows) = rows.split_at_mut(left * len);
    merge(whole.start..middle, &parts[..left], left_rows, len, combine);
    merge(middle..whole.end, &parts[left..], right_rows, len, combine);
    combine(&mut left_rows[..len], &right_rows[..len]);
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

    /// Records the order of a sum as text.
    fn order(node: Range<usize>) -> String {
        match middle(&node) {
            None => node.start.to_string(),
            Some(middle) => format!("({}+{})", order(node.start..middle), order(middle..node.end)),
        }
    }

    #[test]
    fn the_left_subtree_has_the_largest_power_of_two() {
        let table = [(1, "0"), (2, "(0+1)"), (3, "((0+1)+2)"), (4, "((0+1)+(2+3))")];
        for (count, want) in table {
            assert_eq!(order(0..count), want);
        }
        assert_eq!(order(0..7), "(((0+1)+(2+3))+((4+5)+6))");
    }

    #[test]
    fn a_fold_keeps_the_order_and_ends_at_an_error() {
        let combine = &mut |left: String, right: String| Ok(format!("({left}+{right})"));
        for node in [0..1, 0..2, 2..5, 0..7, 4..11] {
            let folded = fold_in_tree::<_, usize>(node.clone(), &mut |shard| Ok(shard.to_string()), combine);
            assert_eq!(folded, Ok(order(node)));
        }
        let mut seen = Vec::new();
        let mut leaf = |shard| {
            seen.push(shard);
            if shard == 3 { Err(shard) } else { Ok(String::new()) }
        };
        assert_eq!(fold_in_tree(0..7, &mut leaf, combine), Err(3));
        assert_eq!(seen, [0, 1, 2, 3]);
    }

    #[test]
    fn nodes_make_up_the_tree_whatever_the_ranks() {
        for count in 1..20 {
            for ranks in 1..=count {
                let mut nodes = Vec::new();
                for rank in 0..ranks {
                    push_nodes(&mut nodes, 0..count, &(rank * count / ranks..(rank + 1) * count / ranks));
                }
                let mut names: Vec<Vec<String>> = nodes.iter().map(|node| vec![order(node.clone())]).collect();
                assert!(nodes.windows(2).all(|pair| pair[0].end == pair[1].start), "{nodes:?}");
                merge(0..count, &nodes, &mut names, 1, &mut |a, b| a[0] = vec![format!("({}+{})", a[0][0], b[0][0])]);
                assert_eq!(names[0][0], order(0..count), "{count} shards, {ranks} ranks");
            }
        }
    }

    #[test]
    fn a_sum_in_the_tree_keeps_the_order_and_its_scratch() {
        for count in 1..18 {
            let mut scratch = vec![f32::NAN; 2 * depth(count)];
            let (mut out, mut seen) = ([f32::NAN; 2], Vec::new());
            sum_in_tree(
                0..count,
                &mut out,
                &mut scratch,
                &mut |shard, out: &mut [f32], _: &mut [f32]| {
                    seen.push(shard);
                    out.fill(shard as f32 + 0.1);
                },
                &|a, b| a.iter_mut().zip(b).for_each(|(a, b)| *a += b),
            );
            assert_eq!(seen, (0..count).collect::<Vec<_>>());
            let mut rows: Vec<f32> = (0..count).map(|shard| shard as f32 + 0.1).collect();
            let leaves: Vec<_> = (0..count).map(|shard| shard..shard + 1).collect();
            merge(0..count, &leaves, &mut rows, 1, &mut |a, b| a[0] += b[0]);
            assert_eq!(out, [rows[0]; 2], "{count} shards");
        }
    }

    #[test]
    fn there_are_as_many_shards_as_ranks_at_least() {
        assert_eq!(Shards::single_rank(0).unwrap_err(), EngineError::Shards { shards: 0, ranks: 1 });
    }
}
