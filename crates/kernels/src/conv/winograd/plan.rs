//! The sizes of blocks, steps and memory, found out once for a shape and an instruction set.

use super::scheme::SchemeKind;
use super::transform::{Domain, Tiles};
use super::weight::WeightShape;
use crate::conv::algorithm::{Algorithm, winograd_applies};
use crate::conv::shape::ConvShape;
use crate::matmul::{panel_width, vector_width};
use crate::{Cpu, Isa};

/// Number of tiles in a block, about: enough to use the weights many times, few enough for the cache.
const BLOCK_TILES: usize = 64;
/// Number of tiles in a step, about, where the transformed weight is small: what a step transforms then stays in the
/// second-level cache until it is used, and the weight comes from the third level every time.
const STEP_TILES: usize = 16;
/// Number of values of a transformed weight that is small. A larger one comes from memory, and the more tiles use it
/// the better.
const SMALL_WEIGHT: usize = 4 << 20;
/// Images whose output is finished at a time, at most: a batch of few steps is finished by all threads, too.
const FINISHED_PICTURES: usize = 8;
/// A convolution by Winograd's algorithm: everything that can be known before the first batch.
#[derive(Debug, Clone, Copy)]
pub(in crate::conv) struct Winograd {
    pub(super) shape: ConvShape,
    pub(super) scheme: SchemeKind,
    pub(super) max_batch: usize,
    pub(super) sizes: Sizes,
}

/// Sizes that depend on the instruction set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Panel width.
    pub(super) p: usize,
    /// Big channels in the domain, (phase, c).
    pub(super) big: usize,
    /// Small channels in the domain: whole panels.
    pub(super) small: usize,
    pub(super) weight: WeightShape,
    pub(super) tiles: Tiles,
    /// Tiles (rows) of a block.
    pub(super) rows: usize,
    /// Images and tiles of a step.
    pub(super) step: Tiles,
    /// Images of a step that are finished at a time.
    pub(super) finished: usize,
    /// Blocks, at most, that are too few for the weight to be transformed as a whole, written to memory and read again.
    pub(super) few: usize,
    /// Values of a block on the big and small side.
    pub(super) big_block: usize,
    pub(super) small_block: usize,
}

/// Part of a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// The block's number in the batch.
    pub(super) block: usize,
    /// Its first image.
    pub(super) first: usize,
    /// The row of its first tile in the block.
    pub(super) row: usize,
    pub(super) tiles: Tiles,
}

impl Sizes {
    /// Chooses the sizes for batches of up to `max_batch` images.
    pub(super) fn new(isa: Isa, shape: &ConvShape, scheme: SchemeKind, max_batch: usize) -> Self {
        let ConvShape { big, small, .. } = *shape;
        let (p, points, outputs) = (panel_width(isa), scheme.points() * scheme.points(), scheme.outputs());
        let tiles =
            |pictures| Tiles { pictures, down: small.height.div_ceil(outputs), across: small.width.div_ceil(outputs) };
        let per_picture = tiles(1).down * tiles(1).across;
        let tiles = tiles((BLOCK_TILES / per_picture).clamp(1, max_batch.max(1)));
        let rows = tiles.pictures * per_picture;
        let phase_stride = big.channels.next_multiple_of(vector_width(isa));
        let transformed_weight = points * 4 * phase_stride * small.channels;
        let (step_tiles, few) = if transformed_weight <= SMALL_WEIGHT { (STEP_TILES, 2) } else { (BLOCK_TILES, 1) };
        let pictures = (step_tiles / per_picture).clamp(1, tiles.pictures);
        let finished = pictures.div_ceil(pictures.div_ceil(FINISHED_PICTURES));
        assert!(pictures == tiles.pictures || pictures.is_multiple_of(finished), "steps of {pictures} pictures");
        let step = Tiles { pictures, ..tiles };
        let (big_width, small_width) = (4 * phase_stride, small.channels.next_multiple_of(p));
        let weight = WeightShape { big: big.channels, small: small.channels, phase_stride };
        let block = |width: usize| points * point_stride(rows, width, p);
        Self {
            p,
            big: big_width,
            small: small_width,
            weight,
            tiles,
            rows,
            step,
            finished,
            few,
            big_block: block(big_width),
            small_block: block(small_width),
        }
    }

    /// Where the values of a step alone lie.
    pub(super) fn step_domain(&self, width: usize) -> Domain {
        let rows = self.step.count();
        Domain { point_stride: point_stride(rows, width, self.p), rows, first_column: 0, first_row: 0 }
    }
}

impl Winograd {
    /// Plans a convolution.
    ///
    /// # Panics
    /// If Winograd's algorithm does not apply to the shape.
    pub(in crate::conv) fn new(isa: Isa, shape: ConvShape, scheme: SchemeKind, max_batch: usize) -> Self {
        assert!(winograd_applies(&shape), "{shape:?}");
        Self { shape, scheme, max_batch, sizes: Sizes::new(isa, &shape, scheme, max_batch) }
    }

    /// Returns the algorithm by its public name.
    pub(in crate::conv) fn algorithm(&self) -> Algorithm {
        match self.scheme {
            SchemeKind::F2 => Algorithm::Winograd2,
            SchemeKind::F4 => Algorithm::Winograd4,
        }
    }

    /// Number of evaluation points, in two dimensions.
    pub(super) fn points(&self) -> usize {
        self.scheme.points() * self.scheme.points()
    }

    /// Number of blocks of a batch.
    pub(super) fn blocks(&self, batch: usize) -> usize {
        batch.div_ceil(self.sizes.tiles.pictures)
    }

    /// Number of values of the transform of the small side of a whole batch.
    pub(in crate::conv) fn small_len(&self) -> usize {
        self.blocks(self.max_batch) * self.sizes.small_block
    }

    /// Number of pieces that the outputs of forward and adjoint pass are finished in: parts of steps.
    pub(in crate::conv) fn pieces(&self, batch: usize) -> usize {
        self.parts(self.sizes.finished, batch)
    }

    /// Returns the first piece of a step.
    pub(super) fn first_piece(&self, step: &Step) -> usize {
        let Tiles { pictures, .. } = self.sizes.tiles;
        step.block * pictures.div_ceil(self.sizes.finished) + (step.first - step.block * pictures) / self.sizes.finished
    }

    /// Number of steps of a batch.
    pub(super) fn steps(&self, batch: usize) -> usize {
        self.parts(self.sizes.step.pictures, batch)
    }

    /// Number of parts of blocks, of `pictures` images or what is left of a block, in a batch.
    pub(super) fn parts(&self, pictures: usize, batch: usize) -> usize {
        let of_block = |block: usize| block.div_ceil(pictures);
        batch / self.sizes.tiles.pictures * of_block(self.sizes.tiles.pictures)
            + of_block(batch % self.sizes.tiles.pictures)
    }

    /// Part number `index` of a batch.
    pub(super) fn part(&self, pictures: usize, index: usize, batch: usize) -> Step {
        let per_block = self.sizes.tiles.pictures.div_ceil(pictures);
        let (block, before) = (index / per_block, index % per_block * pictures);
        let (first, tiles) = self.block(block, batch);
        let pictures = pictures.min(tiles.pictures - before);
        let row = before * tiles.down * tiles.across;
        Step { block, first: first + before, row, tiles: Tiles { pictures, ..tiles } }
    }

    /// Number of scratch values that any pass needs.
    pub(in crate::conv) fn scratch_len(&self, cpu: &Cpu) -> usize {
        self.passes_scratch(cpu).max(self.gradient_scratch(cpu))
    }

    /// Returns where the values of a block lie in a transform of `width` columns.
    pub(super) fn domain(&self, width: usize) -> Domain {
        Domain {
            point_stride: point_stride(self.sizes.rows, width, self.sizes.p),
            rows: self.sizes.rows,
            first_column: 0,
            first_row: 0,
        }
    }

    /// Returns the first image and the tiles of block `block` of a batch.
    pub(super) fn block(&self, block: usize, batch: usize) -> (usize, Tiles) {
        let first = block * self.sizes.tiles.pictures;
        (first, Tiles { pictures: self.sizes.tiles.pictures.min(batch - first), ..self.sizes.tiles })
    }
}

/// Distance between the panel matrices of two evaluation points: one row more than they need, because transforms write
/// to all points at once, and at a distance of a power of two those writes would all compete for the same lines of the
/// cache.
pub(super) fn point_stride(rows: usize, width: usize, p: usize) -> usize {
    rows * width.next_multiple_of(p) + p
}
