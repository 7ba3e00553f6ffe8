//! Winograd's algorithm for k4 s2 p1 convolutions: 2.56 (tiles of 4 × 4) or 1.78 (2 × 2) times fewer multiplications.
//!
//! All three passes are one scheme and its transposes. With big picture x, small picture y, weight g, and for every evaluation point p one
//! matrix product:
//!
//! ```text
//! forward   V = Bᵀ x B     M_p = V_p · U_p      y = Aᵀ M A
//! adjoint   N = A y Aᵀ     W_p = N_p · U_pᵀ     x = B W Bᵀ   (overlapping tiles add)
//! weights                  P_p = V_pᵀ · N_p     dg = Gᵀ P G          U = G g Gᵀ
//! ```
//!
//! Pictures are taken in blocks of whole pictures, small enough that a block's transformed values stay in the second-level cache between
//! the transform, the 9 or 25 products, and the transform back. N can be kept for the weight gradient.

mod scheme;
mod transform;
mod weight;

use super::{ConvShape, Plane, SmallSide};
use crate::cpu::SharedMut;
use crate::finish::{Finish, Finisher};
use crate::matmul::{BLOCK_K, Lhs, Out, Rhs, multiply, panel_width, panels_len, vector_width};
use crate::source::Source;
use crate::{Cpu, Isa};
use transform::{Domain, Tiles};
use weight::{PanelOfPoints, WeightShape};

/// Tiles in a block, about: enough to use the weights many times, few enough for the cache.
const BLOCK_TILES: usize = 64;
/// Values of weight-gradient products that one piece accumulates, about.
const PIECE_PRODUCTS: usize = 200 << 10;
/// Pieces of the weight gradient, at least, where the batch allows it.
const MIN_WEIGHT_PIECES: usize = 16;

/// Which Winograd scheme.
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
    /// Values of a block on the big and small side.
    big_block: usize,
    small_block: usize,
}

impl Winograd {
    /// Whether the algorithm can compute this convolution.
    pub(super) fn applies(shape: &ConvShape) -> bool {
        (shape.kernel, shape.stride, shape.padding) == (4, 2, 1)
            && shape.big.height == 2 * shape.small.height
            && shape.big.width == 2 * shape.small.width
    }

    pub(super) fn new(shape: ConvShape, scheme: SchemeKind, max_batch: usize) -> Self {
        assert!(Self::applies(&shape), "{shape:?}");
        Self { shape, scheme, max_batch }
    }

    fn points(&self) -> usize {
        self.scheme.points() * self.scheme.points()
    }

    fn sizes(&self, isa: Isa) -> Sizes {
        let ConvShape { big, small, .. } = self.shape;
        let (p, outputs) = (panel_width(isa), self.scheme.outputs());
        let tiles =
            |pictures| Tiles { pictures, down: small.height.div_ceil(outputs), across: small.width.div_ceil(outputs) };
        let per_picture = tiles(1).down * tiles(1).across;
        let tiles = tiles((BLOCK_TILES / per_picture).clamp(1, self.max_batch.max(1)));
        let rows = tiles.pictures * per_picture;
        let phase_stride = big.channels.next_multiple_of(vector_width(isa));
        let (big_width, small_width) = (4 * phase_stride, small.channels.next_multiple_of(p));
        let weight = WeightShape { big: big.channels, small: small.channels, phase_stride };
        let block = |width: usize| self.points() * point_stride(rows, width, p);
        Sizes {
            p,
            big: big_width,
            small: small_width,
            weight,
            tiles,
            rows,
            big_block: block(big_width),
            small_block: block(small_width),
        }
    }

    fn blocks(&self, sizes: &Sizes, batch: usize) -> usize {
        batch.div_ceil(sizes.tiles.pictures)
    }

    /// Values of the transform of the small side of a whole batch.
    pub(super) fn small_len(&self, isa: Isa) -> usize {
        let sizes = self.sizes(isa);
        self.blocks(&sizes, self.max_batch) * sizes.small_block
    }

    /// Pieces that the outputs of forward and adjoint pass are written in.
    pub(super) fn pieces(&self, isa: Isa, batch: usize) -> usize {
        self.blocks(&self.sizes(isa), batch)
    }

    pub(super) fn scratch_len(&self, cpu: &Cpu) -> usize {
        let sizes = self.sizes(cpu.isa());
        let pieces = self.weight_pieces(&sizes, self.max_batch);
        // A smaller batch may be cut into more splits than the largest, but not into more than these.
        let splits = MIN_WEIGHT_PIECES.div_ceil(pieces.groups).min(self.blocks(&sizes, self.max_batch));
        let partials = if splits > 1 { splits * self.shape.weight_len() } else { 0 };
        let gradient = partials + cpu.threads() * self.gradient_scratch(&sizes, &pieces);
        let weights = self.prepared_len(cpu.isa()).max(self.points() * sizes.big * sizes.small);
        let passes = weights + (cpu.threads() * (sizes.big_block + sizes.small_block)).max(self.shape.weight_len());
        passes.max(gradient)
    }

    /// y = conv(x)
    pub(super) fn forward(
        &self,
        cpu: &Cpu,
        small: &mut [f32],
        finish: Finish<'_>,
        big: Source<'_>,
        weight: &[f32],
        batch: usize,
        scratch: &mut [f32],
    ) {
        let (isa, sizes) = (cpu.isa(), self.sizes(cpu.isa()));
        let ConvShape { big: big_plane, small: small_plane, .. } = self.shape;
        let finisher = Finisher::new(finish, small.len(), small_plane.channels, self.blocks(&sizes, batch));
        let (domain_weight, scratch) = scratch.split_at_mut(self.points() * sizes.big * sizes.small);
        self.weight_to_domain(cpu, domain_weight, weight, false);
        let domain_weight = &*domain_weight;
        let (from, to) = (self.domain(&sizes, sizes.big), self.domain(&sizes, sizes.small));
        let side = small_plane.len();
        let small = SharedMut::new(small);
        let per_worker = sizes.big_block + sizes.small_block;
        cpu.for_each_with_scratch(self.blocks(&sizes, batch), scratch, per_worker, |block, scratch| {
            let (v, m) = scratch.split_at_mut(sizes.big_block);
            let (first, tiles) = self.block(&sizes, block, batch);
            let x = big.part(first * big_plane.len(), tiles.pictures * big_plane.len());
            transform::big_to_domain(isa, self.scheme, v, from, x, &big_plane, tiles, 0..sizes.big);
            self.products(isa, m, to, v, from, domain_weight, tiles, sizes.small, sizes.big);
            // SAFETY: blocks own disjoint pictures.
            let y = unsafe { small.range(first * side, tiles.pictures * side) };
            transform::domain_to_small(isa, self.scheme, y, m, to, &small_plane, tiles);
            finisher.apply(isa, block, first * side, y, small_plane.channels);
        });
    }

    /// Values of Uᵀ.
    pub(super) fn prepared_len(&self, isa: Isa) -> usize {
        self.points() * panels_len(isa, self.shape.small.channels, self.sizes(isa).big)
    }

    /// Uᵀ, the right side of the adjoint pass.
    pub(super) fn prepare_adjoint(&self, cpu: &Cpu, prepared: &mut [f32], weight: &[f32], scratch: &mut [f32]) {
        // Vectors of the panels run along the big channels: transpose each tap to K × C first.
        let transposed = &mut scratch[..self.shape.weight_len()];
        transpose_taps(cpu, transposed, weight, self.shape.big.channels, self.shape.small.channels);
        self.weight_to_domain(cpu, prepared, transposed, true);
    }

    /// x = convᵀ(y). `keep` takes the transform of y for the weight gradient.
    pub(super) fn adjoint(
        &self,
        cpu: &Cpu,
        big: &mut [f32],
        finish: Finish<'_>,
        small: Source<'_>,
        prepared: &[f32],
        batch: usize,
        keep: Option<&mut [f32]>,
        scratch: &mut [f32],
    ) {
        let (isa, sizes) = (cpu.isa(), self.sizes(cpu.isa()));
        let ConvShape { big: big_plane, small: small_plane, .. } = self.shape;
        let blocks = self.blocks(&sizes, batch);
        if blocks < cpu.threads()
            && keep.is_none()
            && let Some(panels) = self.big_panels(&sizes)
        {
            return self.adjoint_of_few(cpu, big, finish, small, prepared, batch, panels, scratch);
        }
        let finisher = Finisher::new(finish, big.len(), big_plane.channels, blocks);
        let (from, to) = (self.domain(&sizes, sizes.small), self.domain(&sizes, sizes.big));
        let side = big_plane.len();
        let big = SharedMut::new(big);
        let keep = keep.map(SharedMut::new);
        let per_worker = sizes.small_block + sizes.big_block;
        cpu.for_each_with_scratch(blocks, scratch, per_worker, |block, scratch| {
            let (own, w) = scratch.split_at_mut(sizes.small_block);
            let n = match &keep {
                // SAFETY: one block per piece.
                Some(keep) => unsafe { keep.range(block * sizes.small_block, sizes.small_block) },
                None => own,
            };
            let (first, tiles) = self.block(&sizes, block, batch);
            let y = small.part(first * small_plane.len(), tiles.pictures * small_plane.len());
            transform::small_to_domain(isa, self.scheme, n, from, y, &small_plane, tiles);
            self.products(isa, w, to, n, from, prepared, tiles, sizes.big, small_plane.channels);
            // SAFETY: blocks own disjoint pictures.
            let x = unsafe { big.range(first * side, tiles.pictures * side) };
            transform::domain_to_big(isa, self.scheme, x, w, to, &big_plane, tiles);
            finisher.apply(isa, block, first * side, x, big_plane.channels);
        });
    }

    /// Panels of the big channels of a phase, if they are whole and several.
    fn big_panels(&self, sizes: &Sizes) -> Option<usize> {
        let channels = self.shape.big.channels;
        (channels.is_multiple_of(sizes.p) && channels > sizes.p).then_some(channels / sizes.p)
    }

    /// The adjoint pass of fewer blocks than there are threads: the threads share the big channels of each block, a panel of every phase
    /// at a time. Every value is computed in the same order as in [`Winograd::adjoint`], to the same bits.
    fn adjoint_of_few(
        &self,
        cpu: &Cpu,
        big: &mut [f32],
        finish: Finish<'_>,
        small: Source<'_>,
        prepared: &[f32],
        batch: usize,
        panels: usize,
        scratch: &mut [f32],
    ) {
        let (isa, sizes) = (cpu.isa(), self.sizes(cpu.isa()));
        let ConvShape { big: big_plane, small: small_plane, .. } = self.shape;
        let (blocks, p, k) = (self.blocks(&sizes, batch), sizes.p, small_plane.channels);
        let from = self.domain(&sizes, sizes.small);
        let (n, scratch) = scratch.split_at_mut(blocks * sizes.small_block);
        {
            let n = SharedMut::new(n);
            cpu.for_each(blocks, |block| {
                // SAFETY: one block per piece.
                let n = unsafe { n.range(block * sizes.small_block, sizes.small_block) };
                let (first, tiles) = self.block(&sizes, block, batch);
                let y = small.part(first * small_plane.len(), tiles.pictures * small_plane.len());
                transform::small_to_domain(isa, self.scheme, n, from, y, &small_plane, tiles);
            });
        }
        // A panel of every phase is a picture of P channels.
        let part_plane = Plane { channels: p, ..big_plane };
        let to = self.domain(&sizes, 4 * p);
        let part_block = self.points() * to.point_stride;
        let out = SharedMut::new(&mut *big);
        let per_worker = part_block + sizes.tiles.pictures * part_plane.len();
        cpu.for_each_with_scratch(blocks * panels, scratch, per_worker, |piece, scratch| {
            let (block, panel) = (piece / panels, piece % panels);
            let (w, x) = scratch.split_at_mut(part_block);
            let (first, tiles) = self.block(&sizes, block, batch);
            for point in 0..self.points() {
                let n = &n[block * sizes.small_block + point * from.point_stride..];
                let lhs = Lhs::panels(isa, n, from.rows);
                let rhs = Rhs {
                    data: &prepared[(point * sizes.big + panel * p) * k..][..(3 * panels + 1) * p * k],
                    row_stride: p,
                    panel_stride: panels * p * k,
                    run: usize::MAX,
                    jump: 0,
                };
                let out = Out::panels(isa, &mut w[point * to.point_stride..], to.rows);
                multiply(isa, out, lhs, rhs, tiles.count(), 4 * p, k, false);
            }
            let x = &mut x[..tiles.pictures * part_plane.len()];
            transform::domain_to_big(isa, self.scheme, x, w, to, &part_plane, tiles);
            for (pixel, x) in x.chunks_exact(p).enumerate() {
                let start = (first * big_plane.pixels() + pixel) * big_plane.channels + panel * p;
                // SAFETY: blocks own disjoint pictures, and pieces disjoint channels of them.
                unsafe { out.range(start, p) }.copy_from_slice(x);
            }
        });
        let finisher = Finisher::new(finish, batch * big_plane.len(), big_plane.channels, blocks);
        let out = SharedMut::new(big);
        cpu.for_each(blocks, |block| {
            let (first, tiles) = self.block(&sizes, block, batch);
            let start = first * big_plane.len();
            // SAFETY: blocks own disjoint pictures.
            let x = unsafe { out.range(start, tiles.pictures * big_plane.len()) };
            finisher.apply(isa, block, start, x, big_plane.channels);
        });
    }

    /// dg = Gᵀ (VᵀN) G. N is computed first unless it has been kept; V is computed where it is used, a group of channels at a time: that
    /// is cheaper than reading it from memory.
    pub(super) fn weight_gradient(
        &self,
        cpu: &Cpu,
        dweight: &mut [f32],
        big: Source<'_>,
        small: SmallSide<'_>,
        batch: usize,
        scratch: &mut [f32],
    ) {
        let (isa, sizes) = (cpu.isa(), self.sizes(cpu.isa()));
        let ConvShape { big: big_plane, small: small_plane, .. } = self.shape;
        let n_domain = self.domain(&sizes, sizes.small);
        let blocks = self.blocks(&sizes, batch);
        if !small.ready {
            let transform = SharedMut::new(small.transform);
            cpu.for_each(blocks, |block| {
                // SAFETY: one block per piece.
                let n = unsafe { transform.range(block * sizes.small_block, sizes.small_block) };
                let (first, tiles) = self.block(&sizes, block, batch);
                let y = small.source.part(first * small_plane.len(), tiles.pictures * small_plane.len());
                transform::small_to_domain(isa, self.scheme, n, n_domain, y, &small_plane, tiles);
            });
        }
        let n = &*small.transform;
        let pieces = self.weight_pieces(&sizes, batch);
        let v_domain = pieces.domain(&sizes);
        let len = dweight.len();
        let (partials, scratch) = scratch.split_at_mut(if pieces.splits > 1 { pieces.splits * len } else { 0 });
        {
            let out = SharedMut::new(if pieces.splits > 1 { &mut *partials } else { &mut *dweight });
            let per_worker = self.gradient_scratch(&sizes, &pieces);
            cpu.for_each_with_scratch(pieces.groups * pieces.splits, scratch, per_worker, |piece, scratch| {
                let (group, split) = (piece % pieces.groups, piece / pieces.groups);
                let first_row = group * pieces.rows;
                let rows = pieces.rows.min(sizes.big - first_row);
                let (v, products) = scratch.split_at_mut(self.points() * v_domain.point_stride);
                let point_stride = pieces.rows * sizes.small;
                let (first_block, end) = (split * pieces.blocks, ((split + 1) * pieces.blocks).min(blocks));
                for block in (first_block..end).step_by(pieces.blocks_at_once) {
                    // Blocks follow each other in the batch, and so in V; in N each has its place.
                    let first = block * sizes.tiles.pictures;
                    let end = ((block + pieces.blocks_at_once).min(end) * sizes.tiles.pictures).min(batch);
                    let tiles = Tiles { pictures: end - first, ..sizes.tiles };
                    let x = big.part(first * big_plane.len(), tiles.pictures * big_plane.len());
                    let columns = first_row..first_row + rows;
                    transform::big_to_domain(isa, self.scheme, v, v_domain, x, &big_plane, tiles, columns);
                    for point in 0..self.points() {
                        let lhs = Lhs::panels(isa, &v[point * v_domain.point_stride..], v_domain.rows).transposed();
                        let n = &n[block * sizes.small_block + point * n_domain.point_stride..];
                        let rhs = Rhs { run: sizes.rows, jump: sizes.small_block, ..Rhs::panels(isa, n, sizes.rows) };
                        let out = Out::panels(isa, &mut products[point * point_stride..], pieces.rows);
                        multiply(isa, out, lhs, rhs, rows, sizes.small, tiles.count(), block > first_block);
                    }
                }
                for row in 0..rows {
                    let phase_stride = sizes.weight.phase_stride;
                    let (phase, c) = ((first_row + row) / phase_stride, (first_row + row) % phase_stride);
                    if c >= big_plane.channels {
                        continue;
                    }
                    let taps = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(a, b)| {
                        let start = (weight::tap(phase, a, b) * big_plane.channels + c) * small_plane.channels;
                        // SAFETY: each row of each tap belongs to one phase and channel, and so to one piece of a split.
                        unsafe { out.range(split * len + start, small_plane.channels) }
                    });
                    let products = &products[row * sizes.p..];
                    weight::gradient_row(isa, self.scheme, taps, products, point_stride, pieces.rows * sizes.p);
                }
            });
        }
        if pieces.splits > 1 {
            crate::reduce::sum_rows(cpu, dweight, partials);
        }
    }

    fn domain(&self, sizes: &Sizes, width: usize) -> Domain {
        Domain { point_stride: point_stride(sizes.rows, width, sizes.p), rows: sizes.rows }
    }

    /// The first picture and the tiles of block `block` of a batch.
    fn block(&self, sizes: &Sizes, block: usize, batch: usize) -> (usize, Tiles) {
        let first = block * sizes.tiles.pictures;
        (first, Tiles { pictures: sizes.tiles.pictures.min(batch - first), ..sizes.tiles })
    }

    /// The products of all evaluation points of one block: tiles × `inner` times `inner` × `cols`.
    #[allow(clippy::too_many_arguments)]
    fn products(
        &self,
        isa: Isa,
        to: &mut [f32],
        to_domain: Domain,
        from: &[f32],
        from_domain: Domain,
        weight: &[f32],
        tiles: Tiles,
        cols: usize,
        inner: usize,
    ) {
        for point in 0..self.points() {
            let lhs = Lhs::panels(isa, &from[point * from_domain.point_stride..], from_domain.rows);
            let len = panels_len(isa, inner, cols);
            let rhs = Rhs::panels(isa, &weight[point * len..][..len], inner);
            let out = Out::panels(isa, &mut to[point * to_domain.point_stride..], to_domain.rows);
            multiply(isa, out, lhs, rhs, tiles.count(), cols, inner, false);
        }
    }

    /// U of all evaluation points, or (with `weight` transposed to 16 taps of K × C) Uᵀ.
    fn weight_to_domain(&self, cpu: &Cpu, out: &mut [f32], weight: &[f32], transposed: bool) {
        let (isa, sizes) = (cpu.isa(), self.sizes(cpu.isa()));
        let (rows, cols) = if transposed { (self.shape.small.channels, sizes.big) } else { (sizes.big, sizes.small) };
        let out = SharedMut::new(out);
        let len = panels_len(isa, rows, cols);
        cpu.for_each(cols.div_ceil(sizes.p), |panel| {
            let panels: PanelOfPoints<'_> = std::array::from_fn(|point| {
                if point >= self.points() {
                    return &mut [] as &mut [f32];
                }
                // SAFETY: one panel of every point per piece.
                unsafe { out.range(point * len + panel * rows * sizes.p, rows * sizes.p) }
            });
            if transposed {
                weight::panel_for_adjoint(isa, self.scheme, panels, weight, sizes.weight, panel);
            } else {
                weight::panel_for_forward(isa, self.scheme, panels, weight, sizes.weight, panel);
            }
        });
    }

    fn weight_pieces(&self, sizes: &Sizes, batch: usize) -> WeightPieces {
        let panels = (PIECE_PRODUCTS / (self.points() * sizes.small * sizes.p)).clamp(1, sizes.big.div_ceil(sizes.p));
        let rows = panels * sizes.p;
        let groups = sizes.big.div_ceil(rows);
        let blocks = self.blocks(sizes, batch);
        let per_split = blocks.div_ceil(MIN_WEIGHT_PIECES.div_ceil(groups));
        let blocks_at_once = (BLOCK_K / sizes.rows).clamp(1, per_split);
        WeightPieces { rows, groups, splits: blocks.div_ceil(per_split), blocks: per_split, blocks_at_once }
    }

    /// Scratch of one piece of the weight gradient: its part of V, and the products it accumulates.
    fn gradient_scratch(&self, sizes: &Sizes, pieces: &WeightPieces) -> usize {
        self.points() * (pieces.domain(sizes).point_stride + pieces.rows * sizes.small)
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
        Domain { point_stride: point_stride(rows, self.rows, sizes.p), rows }
    }
}

/// Distance between the panel matrices of two evaluation points: one row more than they need, because transforms write to all points at
/// once, and at a distance of a power of two those writes would all compete for the same lines of the cache.
fn point_stride(rows: usize, width: usize, p: usize) -> usize {
    rows * width.next_multiple_of(p) + p
}

/// 16 taps of C × K to 16 taps of K × C.
fn transpose_taps(cpu: &Cpu, out: &mut [f32], weight: &[f32], big: usize, small: usize) {
    /// Edge of the squares that are transposed at a time, so that reads and writes stay in the cache.
    const SQUARE: usize = 16;
    let out = SharedMut::new(out);
    let strips = small.div_ceil(SQUARE);
    cpu.for_each(16 * strips, |piece| {
        let (tap, first) = (piece / strips, piece % strips * SQUARE);
        let rows = SQUARE.min(small - first);
        // SAFETY: one strip of rows of one tap per piece.
        let out = unsafe { out.range((tap * small + first) * big, rows * big) };
        let weight = &weight[tap * big * small..][..big * small];
        for start in (0..big).step_by(SQUARE) {
            for row in 0..rows {
                for c in start..(start + SQUARE).min(big) {
                    out[row * big + c] = weight[c * small + first + row];
                }
            }
        }
    });
}
