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
//! the transform, the 9 or 25 products, and the transform back. V and N can be kept for the weight gradient.

mod scheme;
mod transform;
mod weight;

use super::{ConvShape, Operand};
use crate::cpu::SharedMut;
use crate::matmul::{Lhs, Out, Rhs, multiply, panel_width, vector_width};
use crate::{Cpu, Isa};
use transform::{Domain, Tiles};
use weight::{PanelOfPoints, WeightShape};

/// Tiles in a block, about: enough to use the weights many times, few enough for the cache.
const BLOCK_TILES: usize = 64;
/// Values of weight-gradient products that one piece accumulates, about.
const PIECE_PRODUCTS: usize = 800 << 10;
/// Pieces of the weight gradient, at least, where the batch allows it.
const MIN_WEIGHT_PIECES: usize = 32;

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
    /// Big channels in the domain: 4 phases of whole vectors.
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

    /// Values of the transform of the big side of a whole batch.
    pub(super) fn big_len(&self, isa: Isa) -> usize {
        let sizes = self.sizes(isa);
        self.blocks(&sizes, self.max_batch) * sizes.big_block
    }

    /// Values of the transform of the small side of a whole batch.
    pub(super) fn small_len(&self, isa: Isa) -> usize {
        let sizes = self.sizes(isa);
        self.blocks(&sizes, self.max_batch) * sizes.small_block
    }

    pub(super) fn scratch_len(&self, cpu: &Cpu) -> usize {
        let sizes = self.sizes(cpu.isa());
        let weights = self.points() * sizes.big * sizes.small + self.shape.weight_len();
        let pieces = self.weight_pieces(&sizes, self.max_batch);
        // A smaller batch may have more splits than the largest, but no more than blocks.
        let splits = MIN_WEIGHT_PIECES.div_ceil(pieces.groups).min(self.blocks(&sizes, self.max_batch));
        let partials = if splits > 1 { splits * self.shape.weight_len() } else { 0 };
        let gradient = partials + cpu.threads() * self.products_len(&sizes, &pieces);
        let passes = weights + cpu.threads() * (sizes.big_block + sizes.small_block);
        passes.max(gradient)
    }

    /// y = conv(x). `keep` takes the transform of x for the weight gradient.
    pub(super) fn forward(
        &self,
        cpu: &Cpu,
        small: &mut [f32],
        big: &[f32],
        weight: &[f32],
        batch: usize,
        keep: Option<&mut [f32]>,
        scratch: &mut [f32],
    ) {
        let (isa, sizes) = (cpu.isa(), self.sizes(cpu.isa()));
        let (domain_weight, scratch) = scratch.split_at_mut(self.points() * sizes.big * sizes.small);
        self.weight_to_domain(cpu, domain_weight, weight, false);
        let domain_weight = &*domain_weight;
        let (from, to) = (self.domain(&sizes, sizes.big), self.domain(&sizes, sizes.small));
        let side = self.shape.small.len();
        let small = SharedMut::new(small);
        self.for_each_block(
            cpu,
            &sizes,
            batch,
            keep,
            sizes.big_block,
            sizes.small_block,
            scratch,
            |first, tiles, v, m| {
                let x = &big[first * self.shape.big.len()..];
                transform::big_to_domain(isa, self.scheme, v, from, x, &self.shape.big, tiles);
                self.products(isa, m, to, v, from, domain_weight, tiles, sizes.small, sizes.big);
                // SAFETY: blocks own disjoint pictures.
                let y = unsafe { small.range(first * side, tiles.pictures * side) };
                transform::domain_to_small(isa, self.scheme, y, m, to, &self.shape.small, tiles);
            },
        );
    }

    /// x = convᵀ(y). `keep` takes the transform of y for the weight gradient.
    pub(super) fn adjoint(
        &self,
        cpu: &Cpu,
        big: &mut [f32],
        small: &[f32],
        weight: &[f32],
        batch: usize,
        keep: Option<&mut [f32]>,
        scratch: &mut [f32],
    ) {
        let (isa, sizes) = (cpu.isa(), self.sizes(cpu.isa()));
        let ConvShape { big: big_plane, small: small_plane, .. } = self.shape;
        let len = self.points() * sizes.big * small_plane.channels;
        let (domain_weight, scratch) = scratch.split_at_mut(len);
        {
            // Vectors of the panels run along the big channels: transpose each tap to K × C first.
            let (transposed, _) = scratch.split_at_mut(self.shape.weight_len());
            transpose_taps(cpu, transposed, weight, big_plane.channels, small_plane.channels);
            self.weight_to_domain(cpu, domain_weight, transposed, true);
        }
        let domain_weight = &*domain_weight;
        let (from, to) = (self.domain(&sizes, sizes.small), self.domain(&sizes, sizes.big));
        let side = big_plane.len();
        let big = SharedMut::new(big);
        self.for_each_block(
            cpu,
            &sizes,
            batch,
            keep,
            sizes.small_block,
            sizes.big_block,
            scratch,
            |first, tiles, n, w| {
                let y = &small[first * small_plane.len()..];
                transform::small_to_domain(isa, self.scheme, n, from, y, &small_plane, tiles);
                self.products(isa, w, to, n, from, domain_weight, tiles, sizes.big, small_plane.channels);
                // SAFETY: blocks own disjoint pictures.
                let x = unsafe { big.range(first * side, tiles.pictures * side) };
                transform::domain_to_big(isa, self.scheme, x, w, to, &big_plane, tiles);
            },
        );
    }

    /// dg = Gᵀ (VᵀN) G. Transforms that are not ready are computed first.
    pub(super) fn weight_gradient(
        &self,
        cpu: &Cpu,
        dweight: &mut [f32],
        big: Operand<'_>,
        small: Operand<'_>,
        batch: usize,
        scratch: &mut [f32],
    ) {
        let (isa, sizes) = (cpu.isa(), self.sizes(cpu.isa()));
        let ConvShape { big: big_plane, small: small_plane, .. } = self.shape;
        let (v_domain, n_domain) = (self.domain(&sizes, sizes.big), self.domain(&sizes, sizes.small));
        if !big.ready {
            self.transform_blocks(cpu, &sizes, big.transform, sizes.big_block, batch, |first, tiles, v| {
                let x = &big.values[first * big_plane.len()..];
                transform::big_to_domain(isa, self.scheme, v, v_domain, x, &big_plane, tiles);
            });
        }
        if !small.ready {
            self.transform_blocks(cpu, &sizes, small.transform, sizes.small_block, batch, |first, tiles, n| {
                let y = &small.values[first * small_plane.len()..];
                transform::small_to_domain(isa, self.scheme, n, n_domain, y, &small_plane, tiles);
            });
        }
        let (v, n) = (&*big.transform, &*small.transform);
        let pieces = self.weight_pieces(&sizes, batch);
        let len = dweight.len();
        let partials_len = if pieces.splits > 1 { pieces.splits * len } else { 0 };
        let (partials, scratch) = scratch.split_at_mut(partials_len);
        {
            let out = SharedMut::new(if pieces.splits > 1 { &mut *partials } else { &mut *dweight });
            let per_worker = self.products_len(&sizes, &pieces);
            cpu.for_each_with_scratch(pieces.groups * pieces.splits, scratch, per_worker, |piece, products| {
                let (group, split) = (piece % pieces.groups, piece / pieces.groups);
                let first_row = group * pieces.rows;
                let rows = pieces.rows.min(sizes.big - first_row);
                let blocks = split * pieces.blocks..((split + 1) * pieces.blocks).min(self.blocks(&sizes, batch));
                let point_stride = pieces.rows * sizes.small;
                for point in 0..self.points() {
                    let products = &mut products[point * point_stride..][..point_stride];
                    for block in blocks.clone() {
                        let tiles = self.block_tiles(&sizes, block, batch);
                        let v = &v[block * sizes.big_block + point * v_domain.point_stride..];
                        let n = &n[block * sizes.small_block + point * n_domain.point_stride..];
                        let panel = first_row / sizes.p;
                        let lhs = Lhs::panels(isa, &v[panel * sizes.rows * sizes.p..], sizes.rows).transposed();
                        let rhs = Rhs::panels(isa, n, sizes.rows);
                        let out = Out::panels(isa, products, pieces.rows);
                        multiply(isa, out, lhs, rhs, rows, sizes.small, tiles.count(), block > blocks.start);
                    }
                }
                for row in 0..rows {
                    let (phase, c) =
                        ((first_row + row) / sizes.weight.phase_stride, (first_row + row) % sizes.weight.phase_stride);
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

    /// The tiles of block `block` of a batch.
    fn block_tiles(&self, sizes: &Sizes, block: usize, batch: usize) -> Tiles {
        let pictures = sizes.tiles.pictures.min(batch - block * sizes.tiles.pictures);
        Tiles { pictures, ..sizes.tiles }
    }

    /// Runs `work(first picture, tiles, from, to)` for every block, with memory for its transform on either side. `from` is part of `keep`
    /// if that is given.
    #[allow(clippy::too_many_arguments)]
    fn for_each_block(
        &self,
        cpu: &Cpu,
        sizes: &Sizes,
        batch: usize,
        keep: Option<&mut [f32]>,
        from_len: usize,
        to_len: usize,
        scratch: &mut [f32],
        work: impl Fn(usize, Tiles, &mut [f32], &mut [f32]) + Sync + Send,
    ) {
        let keep = keep.map(SharedMut::new);
        cpu.for_each_with_scratch(self.blocks(sizes, batch), scratch, from_len + to_len, |block, scratch| {
            let (own, to) = scratch.split_at_mut(from_len);
            let from = match &keep {
                // SAFETY: one block per piece.
                Some(keep) => unsafe { keep.range(block * from_len, from_len) },
                None => own,
            };
            work(block * sizes.tiles.pictures, self.block_tiles(sizes, block, batch), from, to);
        });
    }

    /// Runs `work(first picture, tiles, transform)` for every block.
    fn transform_blocks(
        &self,
        cpu: &Cpu,
        sizes: &Sizes,
        transform: &mut [f32],
        block_len: usize,
        batch: usize,
        work: impl Fn(usize, Tiles, &mut [f32]) + Sync + Send,
    ) {
        let transform = SharedMut::new(transform);
        cpu.for_each(self.blocks(sizes, batch), |block| {
            // SAFETY: one block per piece.
            let transform = unsafe { transform.range(block * block_len, block_len) };
            work(block * sizes.tiles.pictures, self.block_tiles(sizes, block, batch), transform);
        });
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
            let rhs = Rhs::panels(isa, &weight[point * inner * cols..][..inner * cols], inner);
            let out = Out::panels(isa, &mut to[point * to_domain.point_stride..], to_domain.rows);
            multiply(isa, out, lhs, rhs, tiles.count(), cols, inner, false);
        }
    }

    /// U of all evaluation points, or (with `weight` transposed to 16 taps of K × C) Uᵀ.
    fn weight_to_domain(&self, cpu: &Cpu, out: &mut [f32], weight: &[f32], transposed: bool) {
        let (isa, sizes) = (cpu.isa(), self.sizes(cpu.isa()));
        let (rows, cols) = if transposed { (self.shape.small.channels, sizes.big) } else { (sizes.big, sizes.small) };
        let out = SharedMut::new(out);
        cpu.for_each(cols / sizes.p, |panel| {
            let panels: PanelOfPoints<'_> = std::array::from_fn(|point| {
                if point >= self.points() {
                    return &mut [] as &mut [f32];
                }
                // SAFETY: one panel of every point per piece.
                unsafe { out.range(point * rows * cols + panel * rows * sizes.p, rows * sizes.p) }
            });
            if transposed {
                weight::panel_for_adjoint(isa, self.scheme, panels, weight, sizes.weight, panel);
            } else {
                weight::panel_for_forward(isa, self.scheme, panels, weight, sizes.weight, panel);
            }
        });
    }

    fn weight_pieces(&self, sizes: &Sizes, batch: usize) -> WeightPieces {
        let panels = (PIECE_PRODUCTS / (self.points() * sizes.small * sizes.p)).clamp(1, sizes.big / sizes.p);
        let rows = panels * sizes.p;
        let groups = sizes.big.div_ceil(rows);
        let blocks = self.blocks(sizes, batch);
        let per_split = blocks.div_ceil(MIN_WEIGHT_PIECES.div_ceil(groups));
        WeightPieces { rows, groups, splits: blocks.div_ceil(per_split), blocks: per_split }
    }

    /// Values of the products that one piece of the weight gradient accumulates.
    fn products_len(&self, sizes: &Sizes, pieces: &WeightPieces) -> usize {
        self.points() * pieces.rows * sizes.small
    }
}

/// How the weight gradient is cut: groups of rows (phases and big channels) times splits of the batch's blocks.
struct WeightPieces {
    rows: usize,
    groups: usize,
    splits: usize,
    /// Blocks per split.
    blocks: usize,
}

/// Distance between the panel matrices of two evaluation points: one row more than they need, because transforms write to all points at
/// once, and at a distance of a power of two those writes would all compete for the same lines of the cache.
fn point_stride(rows: usize, width: usize, p: usize) -> usize {
    rows * width + p
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
