//! The images of a batch that this process computes, shard by shard.
//!
//! A batch of a single shard is computed at once, and all sums stay on the device. Of several shards each is computed
//! by itself: how Burn cuts a product of matrices depends on the number of images, and so do its last bits. The sums
//! over shards are combined on the host, where those of other ranks arrive. Then the result depends on the shards, and
//! not on the process that computes them.

use crate::transfer::{device_error, download, flat, upload};
use burn_tensor::{Device, Tensor};
use dcgan_model::tree::fold_in_tree;
use dcgan_model::{EngineError, Shards};
use std::ops::Range;

/// The images of a batch that this process computes. A batch has images of up to two kinds, each of which is cut into
/// shards.
///
/// Tensors of the batch are lists with a tensor for each *part*, which is a shard of this process that has images:
/// first those of the first kind, then those of the second.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) shards: &'a mut Shards,
    device: &'a Device,
    /// Number of images of each kind in the whole batch.
    kinds: [usize; 2],
    parts: Vec<Part>,
}

/// A shard that has images.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    shard: usize,
    /// Its images of each kind, counted from the first image of that kind in the whole batch.
    pub(crate) images: [Range<usize>; 2],
}

impl Part {
    /// Number of images of each kind.
    pub(crate) fn lens(&self) -> [usize; 2] {
        [self.images[0].len(), self.images[1].len()]
    }

    /// Number of images.
    pub(crate) fn len(&self) -> usize {
        self.lens().iter().sum()
    }
}

impl<'a> Batch<'a> {
    /// A batch of `count` images of one kind.
    pub(crate) fn new(shards: &'a mut Shards, device: &'a Device, count: usize) -> Self {
        Self::of_kinds(shards, device, [count, 0])
    }

    /// A batch of images of two kinds.
    pub(crate) fn of_kinds(shards: &'a mut Shards, device: &'a Device, kinds: [usize; 2]) -> Self {
        let part = |shard| {
            let of_kind = |count| {
                let (first, images) = (shards.own_images(count).start, shards.shard_images(shard, count));
                first + images.start..first + images.end
            };
            Part { shard, images: kinds.map(of_kind) }
        };
        let parts = shards.own().map(part).filter(|part| part.len() > 0).collect();
        Self { shards, device, kinds, parts }
    }

    /// Returns whether the batch has a single shard, which this process computes.
    pub(crate) fn is_whole(&self) -> bool {
        self.shards.count() == 1
    }

    pub(crate) fn device(&self) -> &'a Device {
        self.device
    }

    /// Number of images of each kind in the whole batch.
    pub(crate) fn kinds(&self) -> [usize; 2] {
        self.kinds
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Returns what `work` makes of the item of each part.
    pub(crate) fn each<T, R>(
        &self,
        items: impl IntoIterator<Item = T>,
        work: impl FnMut(T) -> R,
    ) -> Result<Vec<R>, EngineError> {
        items.into_iter().map(work).map(|result| self.separate().map(|()| result)).collect()
    }

    /// Keeps Burn from fusing the operations so far with those to come, if the batch is cut: which kernels compute a
    /// shard must not depend on the other shards of this process.
    pub(crate) fn separate(&self) -> Result<(), EngineError> {
        if self.is_whole() { Ok(()) } else { self.device.flush().map_err(device_error) }
    }

    /// Combines rows of values of each part over all shards. A shard's row is its part's, 1 × `len`, and the number of
    /// the part's values in a channel, of which an image has `pixels`; that of a shard without images is 0. `combine`
    /// adds the second row to the first.
    pub(crate) fn combine(
        &mut self,
        of_parts: Vec<Tensor<2>>,
        len: usize,
        pixels: usize,
        combine: fn(&mut [f64], &[f64]),
    ) -> Result<Vec<f64>, EngineError> {
        let own = self.shards.own();
        let mut rows = vec![0.0; own.len() * (len + 1)];
        for (part, values) in self.parts.iter().zip(download(of_parts)?) {
            let row = &mut rows[(part.shard - own.start) * (len + 1)..][..len + 1];
            row.iter_mut().zip(values).for_each(|(row, value)| *row = f64::from(value));
            row[len] = (part.len() * pixels) as f64;
        }
        Ok(self.shards.combine(&mut rows, len + 1, combine)?.to_vec())
    }

    /// Sums tensors of this shape over each of this process's nodes of the tree of shards. `of_part(i)` computes that
    /// of part i.
    ///
    /// Values below the smallest normal number may be rounded to 0 here, where the device does that, and kept in sums
    /// over ranks.
    pub(crate) fn sum_nodes(
        &self,
        shape: [usize; 2],
        mut of_part: impl FnMut(usize) -> Tensor<2>,
    ) -> Result<Vec<Tensor<2>>, EngineError> {
        let mut of_shard = |shard| {
            let part = self.parts.iter().position(|part| part.shard == shard);
            let sum = part.map_or_else(|| Tensor::zeros(shape, self.device), &mut of_part);
            self.separate().map(|()| sum)
        };
        let mut add = |left: Tensor<2>, right: Tensor<2>| {
            let sum = left + right;
            self.separate().map(|()| sum)
        };
        self.shards.nodes().iter().map(|node| fold_in_tree(node.clone(), &mut of_shard, &mut add)).collect()
    }

    /// Returns a value for every image of the whole batch, N × 1 × 1 × 1, those of the first kind first.
    pub(crate) fn gather(&mut self, values: Vec<Tensor<4>>) -> Result<Tensor<4>, EngineError> {
        if let (true, [whole]) = (self.is_whole(), &values[..]) {
            return Ok(whole.clone());
        }
        let own = download(values.into_iter().map(flat).collect())?;
        let mut all = vec![0.0; self.kinds.iter().sum()];
        let (first, second) = all.split_at_mut(self.kinds[0]);
        for (kind, all) in [first, second].into_iter().enumerate() {
            let of_kind = |(part, values): (&Part, &Vec<f32>)| match (kind, part.lens()[0]) {
                (0, len) => values[..len].to_vec(),
                (_, len) => values[len..].to_vec(),
            };
            let own: Vec<f32> = self.parts.iter().zip(&own).flat_map(of_kind).collect();
            if !all.is_empty() {
                self.shards.gather(all, &own)?;
            }
        }
        Ok(upload(&all, [all.len(), 1, 1, 1], self.device))
    }

    /// Returns the values of each part's images, from a tensor that has them for the whole batch.
    pub(crate) fn take_own(&self, all: &Tensor<4>) -> Result<Vec<Tensor<4>>, EngineError> {
        if self.is_whole() {
            return Ok(vec![all.clone()]);
        }
        let [first, _] = self.kinds;
        self.each(&self.parts, |part| {
            let [a, b] = part.images.clone();
            join([(a, 0), (b, first)].map(|(images, before)| {
                (!images.is_empty()).then(|| all.clone().narrow(0, before + images.start, images.len()))
            }))
        })
    }
}

/// Returns the images of both kinds, of which there is at least one, in one tensor.
pub(crate) fn join(kinds: [Option<Tensor<4>>; 2]) -> Tensor<4> {
    match kinds {
        [Some(first), Some(second)] => Tensor::cat(vec![first, second], 0),
        [first, second] => first.or(second).expect("a part without images"),
    }
}
