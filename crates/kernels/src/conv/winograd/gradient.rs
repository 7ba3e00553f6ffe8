//! The weight gradient: a product over all tiles of the batch at every evaluation point, and back to taps.

use super::plan::{Sizes, Winograd, point_stride};
use super::transform::{Domain, Tiles};
use super::weight::{self, Pass};
use crate::Cpu;
use crate::cpu::SharedMut;
use crate::input::InputView;
use crate::matmul::{BLOCK_K, Lhs, Out, Rhs, multiply_and_prefetch};
use crate::prefetch::Prefetch;

/// Number of values of the products of one piece of the weight gradient at all evaluation points, about.
const PIECE_PRODUCTS: usize = 200 << 10;
/// Number of pieces of the weight gradient, at least, where the batch allows it.
const MIN_WEIGHT_PIECES: usize = 16;

impl Winograd {
    /// Computes dg = Gᵀ (VᵀN) G from N, the transform of the small side. V is computed where it is used, a group of
    /// channels at a time: that is cheaper than reading it from memory.
    pub(in crate::conv) fn weight_gradient(
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
                            multiply_and_prefetch(
                                isa,
                                out,
                                lhs,
                                rhs,
                                rows,
                                self.sizes.small,
                                tiles.count(),
                                false,
                                ahead,
                            );
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

    /// Chooses how the weight gradient over `batch` images is cut into pieces. The number of threads does not matter,
    /// so that the sums have the same order with any number.
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
    pub(super) fn gradient_scratch(&self, cpu: &Cpu) -> usize {
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
