//! The images of a batch that this process computes.

use dcgan_model::{EngineError, Shards};
use std::ops::Range;

/// The images of a batch that this process computes. A batch has images of up to two kinds, generated and real ones,
/// each of which is cut into shards; the process's images of the first kind lie before those of the second.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) shards: &'a mut Shards,
    /// Number of images of each kind in the whole batch.
    kinds: [usize; 2],
}

impl<'a> Batch<'a> {
    /// A batch of `count` images of one kind.
    pub(crate) fn new(shards: &'a mut Shards, count: usize) -> Self {
        Self::of_kinds(shards, [count, 0])
    }

    /// A batch of images of two kinds.
    ///
    /// Batch norm sums over images of one kind only.
    pub(crate) fn of_kinds(shards: &'a mut Shards, kinds: [usize; 2]) -> Self {
        Self { shards, kinds }
    }

    /// Number of images that this process computes.
    pub(crate) fn len(&self) -> usize {
        self.lens().iter().sum()
    }

    /// Number of images of each kind that this process computes.
    pub(crate) fn lens(&self) -> [usize; 2] {
        self.kinds.map(|count| self.shards.own_images(count).len())
    }

    /// Returns the images of one of this process's shards, of each kind, counted from this process's first image.
    pub(crate) fn ranges(&self, shard: usize) -> [Range<usize>; 2] {
        if self.shards.count() == 1 {
            return [0..self.len(), 0..0];
        }
        let [first, second] = self.kinds.map(|count| self.shards.shard_images(shard, count));
        let before = self.lens()[0];
        [first, before + second.start..before + second.end]
    }

    /// Gathers the discriminator's outputs on all images of the batch from all ranks, kind after kind, into `all`.
    pub(crate) fn gather(&mut self, all: &mut [f32], own: &[f32]) -> Result<(), EngineError> {
        let (first, second) = all.split_at_mut(self.kinds[0]);
        let (own_first, own_second) = own.split_at(self.lens()[0]);
        self.shards.gather(first, own_first)?;
        if second.is_empty() { Ok(()) } else { self.shards.gather(second, own_second) }
    }

    /// Copies to `own` what `all` has for this process's images.
    pub(crate) fn take_own(&self, own: &mut [f32], all: &[f32]) {
        let (first, second) = all.split_at(self.kinds[0]);
        let (own_first, own_second) = own.split_at_mut(self.lens()[0]);
        own_first.copy_from_slice(&first[self.shards.own_images(first.len())]);
        own_second.copy_from_slice(&second[self.shards.own_images(second.len())]);
    }
}
