//! Winograd's algorithm for k4 s2 p1 convolutions: 2.56 (tiles of 4 × 4) or 1.78 (2 × 2) times fewer multiplications.
//!
//! All three passes are one scheme and its transposes. With big image x, small image y, weight g, and for every
//! evaluation point p one matrix product:
//!
//! ```text
//! forward   V = Bᵀ x B     M_p = V_p · U_p      y = Aᵀ M A
//! adjoint   N = A y Aᵀ     W_p = N_p · U_pᵀ     x = B W Bᵀ   (overlapping tiles add)
//! weights                  P_p = V_pᵀ · N_p     dg = Gᵀ P G          U = G g Gᵀ
//! ```
//!
//! Images are taken in *blocks* of whole images, and those in *steps*, the pieces of work, small enough that what a
//! step transforms stays near the processor between the transform, the 9 or 25 products, and the transform back; where
//! there are too few blocks, threads share the channels of one (`passes`). N can be kept for the weight gradient, whose
//! products sum over whole blocks.

mod passes;
mod scheme;
mod transform;
mod weight;

use super::{Algorithm, ConvShape};
use crate::cpu::SharedMut;
use crate::input::InputView;
use crate::matmul::{BLOCK_K, Lhs, Out, Rhs, multiply, panel_width, vector_width};
use crate::prefetch::Prefetch;
use crate::{Cpu, Isa};
use passes::Pass;
use transform::{Domain, Tiles};
use weight::WeightShape;

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
/// Number of values of the products of one piece of the weight gradient at all evaluation points, about.
const PIECE_PRODUCTS: usize = 200 << 10;
/// Number of pieces of the weight gradient, at least, where the batch allows it.
const MIN_WEIGHT_PIECES: usize = 16;

/// A Winograd scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SchemeKind {
    F2,
    F4,
}

impl SchemeKind {
    fn points(self) -> usize {
        match self {
            Self::F2 => 3,
            Self::F4 => 5,
        }
    }

    fn outputs(self) -> usize {
        self.points() - 1
    }
}

/// A convolution by Winograd's algorithm: everything that can be known before the first batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Winograd {
    shape: ConvShape,
    scheme: SchemeKind,
    max_batch: usize,
    sizes: Sizes,
}

/// Sizes that depend on the instruction set.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    /// Panel width.
    p: usize,
    /// Big channels in the domain, (phase, c).
    big: usize,
    /// Small channels in the domain: whole panels.
    small: usize,
    weight: WeightShape,
    tiles: Tiles,
    /// Tiles (rows) of a block.
    rows: usize,
    /// Images and tiles of a step.
    step: Tiles,
    /// Images of a step that are finished at a time.
    finished: usize,
    /// Blocks, at most, that are too few for the weight to be transformed as a whole, written to memory and read again.
    few: usize,
    /// Values of a block on the big and small side.
    big_block: usize,
    small_block: usize,
}

/// Part of a block.
#[derive(Debug, Clone, Copy)]
struct Step {
    /// The block's number in the batch.
    block: usize,
    /// Its first image.
    first: usize,
    /// The row of its first tile in the block.
    row: usize,
    tiles: Tiles,
}

impl Sizes {
    fn new(isa: Isa, shape: &ConvShape, scheme: SchemeKind, max_batch: usize) -> Self {
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
    fn step_domain(&self, width: usize) -> Domain {
        let rows = self.step.count();
        Domain { point_stride: point_stride(rows, width, self.p), rows, first_column: 0, first_row: 0 }
    }
}

impl Winograd {
    /// Returns whether the algorithm can compute this convolution.
    pub(super) fn applies(shape: &ConvShape) -> bool {
        (shape.kernel, shape.stride, shape.padding) == (4, 2, 1)
            && shape.big.height == 2 * shape.small.height
            && shape.big.width == 2 * shape.small.width
    }

    pub(super) fn new(isa: Isa, shape: ConvShape, scheme: SchemeKind, max_batch: usize) -> Self {
        assert!(Self::applies(&shape), "{shape:?}");
        Self { shape, scheme, max_batch, sizes: Sizes::new(isa, &shape, scheme, max_batch) }
    }

    /// Returns the algorithm by its public name.
    pub(super) fn algorithm(&self) -> Algorithm {
        match self.scheme {
            SchemeKind::F2 => Algorithm::Winograd2,
            SchemeKind::F4 => Algorithm::Winograd4,
        }
    }

    /// Number of evaluation points, in two dimensions.
    fn points(&self) -> usize {
        self.scheme.points() * self.scheme.points()
    }

    fn blocks(&self, batch: usize) -> usize {
        batch.div_ceil(self.sizes.tiles.pictures)
    }

    /// Number of values of the transform of the small side of a whole batch.
    pub(super) fn small_len(&self) -> usize {
        self.blocks(self.max_batch) * self.sizes.small_block
    }

    /// Number of pieces that the outputs of forward and adjoint pass are finished in: parts of steps.
    pub(super) fn pieces(&self, batch: usize) -> usize {
        self.parts(self.sizes.finished, batch)
    }

    /// Returns the first piece of a step.
    fn first_piece(&self, step: &Step) -> usize {
        let Tiles { pictures, .. } = self.sizes.tiles;
        step.block * pictures.div_ceil(self.sizes.finished) + (step.first - step.block * pictures) / self.sizes.finished
    }

    fn steps(&self, batch: usize) -> usize {
        self.parts(self.sizes.step.pictures, batch)
    }

    /// Number of parts of blocks, of `pictures` images or what is left of a block, in a batch.
    fn parts(&self, pictures: usize, batch: usize) -> usize {
        let of_block = |block: usize| block.div_ceil(pictures);
        batch / self.sizes.tiles.pictures * of_block(self.sizes.tiles.pictures)
            + of_block(batch % self.sizes.tiles.pictures)
    }

    /// Part number `index` of a batch.
    fn part(&self, pictures: usize, index: usize, batch: usize) -> Step {
        let per_block = self.sizes.tiles.pictures.div_ceil(pictures);
        let (block, before) = (index / per_block, index % per_block * pictures);
        let (first, tiles) = self.block(block, batch);
        let pictures = pictures.min(tiles.pictures - before);
        let row = before * tiles.down * tiles.across;
        Step { block, first: first + before, row, tiles: Tiles { pictures, ..tiles } }
    }

    pub(super) fn scratch_len(&self, cpu: &Cpu) -> usize {
        self.passes_scratch(cpu).max(self.gradient_scratch(cpu))
    }

    /// Computes dg = Gᵀ (VᵀN) G from N, the transform of the small side. V is computed where it is used, a group of
    /// channels at a time: that is cheaper than reading it from memory.
    pub(super) fn weight_gradient(
        &self,
        cpu: &Cpu,
        dweight: &mut [f32],
        big: InputView<'_>,
        n: &[f32],
        batch: usize,
        scratch: &mut [f32],
    ) {
        let isa = cpu.isa();
        let n_domain = self.domain(self.sizes.small);
        let blocks = self.blocks(batch);
        let pieces = self.weight_pieces(batch);
        let v_domain = pieces.domain(&self.sizes);
        let len = dweight.len();
        let (partials, scratch) = scratch.split_at_mut(if pieces.splits > 1 { pieces.splits * len } else { 0 });
        {
            let out = SharedMut::new(if pieces.splits > 1 { &mut *partials } else { &mut *dweight });
            let per_worker = self.piece_scratch(&pieces);
            cpu.for_each_with_scratch(pieces.groups * pieces.splits, scratch, per_worker, |piece, scratch| {
                let (group, split) = (piece % pieces.groups, piece / pieces.groups);
                let first_row = group * pieces.rows;
                let rows = pieces.rows.min(self.sizes.big - first_row);
                let (v, products) = scratch.split_at_mut(self.points() * v_domain.point_stride);
                let point_stride = rows * self.sizes.small;
                let (first_block, end) = (split * pieces.blocks, ((split + 1) * pieces.blocks).min(blocks));
                for block in (first_block..end).step_by(pieces.blocks_at_once) {
                    // Blocks follow each other in the batch, and so in V; in N each has its place.
                    let first = block * self.sizes.tiles.pictures;
                    let end = ((block + pieces.blocks_at_once).min(end) * self.sizes.tiles.pictures).min(batch);
                    let tiles = Tiles { pictures: end - first, ..self.sizes.tiles };
                    let v_domain = Domain { first_column: first_row, ..v_domain };
                    let columns = first_row..first_row + rows;
                    self.transform_input(
                        isa,
                        Pass::Forward,
                        &mut SharedMut::new(v),
                        v_domain,
                        big,
                        first,
                        tiles,
                        columns,
                    );
                    for row in 0..self.scheme.points() {
                        for in_row in 0..self.scheme.points() {
                            let point = row * self.scheme.points() + in_row;
                            let lhs = Lhs::panels(isa, &v[point * v_domain.point_stride..], v_domain.rows).transposed();
                            let n = &n[block * self.sizes.small_block + point * n_domain.point_stride..];
                            let rhs = Rhs {
                                run: self.sizes.rows,
                                jump: self.sizes.small_block,
                                ..Rhs::panels(isa, n, self.sizes.rows)
                            };
                            let out = Out::panels(isa, &mut products[in_row * point_stride..], rows);
                            let ahead = &mut Prefetch::nothing();
                            multiply(isa, out, lhs, rhs, rows, self.sizes.small, tiles.count(), false, ahead);
                        }
                        // SAFETY: each row of each tap belongs to one phase and channel, and so to one piece of a
                        // split.
                        let mut dweight = unsafe { out.part(split * len, len) };
                        let fresh = block == first_block;
                        let rows = first_row..first_row + rows;
                        weight::add_products(
                            isa,
                            self.scheme,
                            row,
                            &mut dweight,
                            self.sizes.weight,
                            rows,
                            products,
                            fresh,
                        );
                    }
                }
            });
        }
        if pieces.splits > 1 {
            crate::reduce::sum_rows(cpu, dweight, partials);
        }
    }

    fn domain(&self, width: usize) -> Domain {
        Domain {
            point_stride: point_stride(self.sizes.rows, width, self.sizes.p),
            rows: self.sizes.rows,
            first_column: 0,
            first_row: 0,
        }
    }

    /// Returns the first image and the tiles of block `block` of a batch.
    fn block(&self, block: usize, batch: usize) -> (usize, Tiles) {
        let first = block * self.sizes.tiles.pictures;
        (first, Tiles { pictures: self.sizes.tiles.pictures.min(batch - first), ..self.sizes.tiles })
    }

    fn weight_pieces(&self, batch: usize) -> WeightPieces {
        let panels = (PIECE_PRODUCTS / (self.points() * self.sizes.small * self.sizes.p))
            .clamp(1, self.sizes.big.div_ceil(self.sizes.p));
        let rows = panels * self.sizes.p;
        let groups = self.sizes.big.div_ceil(rows);
        let blocks = self.blocks(batch);
        let per_split = blocks.div_ceil(MIN_WEIGHT_PIECES.div_ceil(groups));
        let blocks_at_once = (BLOCK_K / self.sizes.rows).clamp(1, per_split);
        WeightPieces { rows, groups, splits: blocks.div_ceil(per_split), blocks: per_split, blocks_at_once }
    }

    /// Scratch of the weight gradient.
    fn gradient_scratch(&self, cpu: &Cpu) -> usize {
        let pieces = self.weight_pieces(self.max_batch);
        // A smaller batch may be cut into more splits than the largest, but not into more than these.
        let splits = MIN_WEIGHT_PIECES.div_ceil(pieces.groups).min(self.blocks(self.max_batch));
        let partials = if splits > 1 { splits * self.shape.weight_len() } else { 0 };
        partials + cpu.threads() * self.piece_scratch(&pieces)
    }

    /// Scratch of one piece of the weight gradient: its part of V, and the products it accumulates.
    fn piece_scratch(&self, pieces: &WeightPieces) -> usize {
        self.points() * pieces.domain(&self.sizes).point_stride + self.scheme.points() * pieces.rows * self.sizes.small
    }
}

/// How the weight gradient is cut: groups of rows (phases and big channels) times splits of the batch's blocks.
struct WeightPieces {
    rows: usize,
    groups: usize,
    splits: usize,
    /// Blocks per split.
    blocks: usize,
    /// Blocks summed over by one product: the more summands, the less often its output is read and written.
    blocks_at_once: usize,
}

impl WeightPieces {
    /// Where a group's rows of V lie, for the blocks of one product.
    fn domain(&self, sizes: &Sizes) -> Domain {
        let rows = self.blocks_at_once * sizes.rows;
        Domain { point_stride: point_stride(rows, self.rows, sizes.p), rows, first_column: 0, first_row: 0 }
    }
}

/// Distance between the panel matrices of two evaluation points: one row more than they need, because transforms write
/// to all points at once, and at a distance of a power of two those writes would all compete for the same lines of the
/// cache.
fn point_stride(rows: usize, width: usize, p: usize) -> usize {
    rows * width.next_multiple_of(p) + p
}
