//! The sums that batch norm needs over a batch: taken in pieces, combined within shards, then over all shards.

use crate::batch::Batch;
use dcgan_kernels::batch_norm;
use dcgan_kernels::conv::{ConvPlan, Plane};
use dcgan_kernels::epilogue::{PieceSums, SumPieces};
use dcgan_model::{EngineError, Shards};

/// Memory for the sums of one output at a time, in the forward or backward pass.
#[derive(Debug)]
pub(crate) struct NormSums {
    /// Sums of the pieces of this process's images.
    pieces: Vec<f32>,
    /// Sums of this process's shards.
    rows: Vec<f64>,
}

/// What is summed: how the sums of pieces make the row of a shard, and how two rows are combined.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Summands {
    sum: fn(&mut [f64], &[f32]),
    combine: fn(&mut [f64], &[f64]),
}

impl Summands {
    pub(crate) const STATISTICS: Self =
        Self { sum: batch_norm::sum_statistics, combine: batch_norm::combine_statistics };
    pub(crate) const GRADIENTS: Self = Self { sum: batch_norm::sum_gradients, combine: batch_norm::combine_gradients };
}

impl NormSums {
    /// Allocates memory for the sums of the outputs of `convs`, for `batch` images on this process.
    pub(crate) fn new<'a>(convs: impl Iterator<Item = &'a ConvPlan>, batch: usize, shards: &Shards) -> Self {
        let [pieces, rows] = Self::lens(convs, batch, shards);
        Self { pieces: vec![0.0; pieces], rows: vec![0.0; rows] }
    }

    /// Number of f32 values of that memory.
    pub(crate) fn len<'a>(convs: impl Iterator<Item = &'a ConvPlan>, batch: usize, shards: &Shards) -> usize {
        let [pieces, rows] = Self::lens(convs, batch, shards);
        pieces + 2 * rows
    }

    /// Returns the numbers of values of `pieces` and `rows`.
    fn lens<'a>(convs: impl Iterator<Item = &'a ConvPlan>, batch: usize, shards: &Shards) -> [usize; 2] {
        let lens = convs.map(|conv| {
            let channels = conv.shape().big.channels.max(conv.shape().small.channels);
            let pieces = if shards.count() == 1 { conv.pieces(batch) } else { batch };
            [pieces * batch_norm::sums_len(channels), shards.own().len() * batch_norm::row_len(channels)]
        });
        lens.fold([0; 2], |[a, b], [c, d]| [a.max(c), b.max(d)])
    }

    /// Returns memory for the sums of an output of images of this size. A single shard takes the pieces that the
    /// convolution makes; shards take those of images, which do not depend on who computes which images together.
    pub(crate) fn pieces(&mut self, image: Plane, shards: &Shards) -> PieceSums<'_> {
        let pieces = if shards.count() == 1 { SumPieces::Convolution } else { SumPieces::Images { len: image.len() } };
        PieceSums { memory: &mut self.pieces, pieces }
    }

    /// Combines the sums of the pieces of an output of `channels` channels, which `conv` has written, over the whole
    /// batch.
    pub(crate) fn combine<'a>(
        &'a mut self,
        summands: Summands,
        conv: &ConvPlan,
        channels: usize,
        batch: &'a mut Batch<'_>,
    ) -> Result<&'a [f64], EngineError> {
        let (len, row_len) = (batch_norm::sums_len(channels), batch_norm::row_len(channels));
        let rows = &mut self.rows[..batch.shards.own().len() * row_len];
        if batch.shards.count() == 1 {
            (summands.sum)(rows, &self.pieces[..conv.pieces(batch.len()) * len]);
        } else {
            for (row, shard) in rows.chunks_exact_mut(row_len).zip(batch.shards.own()) {
                let [images, _] = batch.ranges(shard);
                (summands.sum)(row, &self.pieces[images.start * len..images.end * len]);
            }
        }
        batch.shards.combine(rows, row_len, summands.combine)
    }
}
