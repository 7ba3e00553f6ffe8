//! Convolution as a matrix product of patches: any kernel, stride and padding.
//!
//! Row r of the patch matrix belongs to small pixel r (picture, row, column), column (ky·k + kx)·C + c to tap (ky, kx) of big channel c.
//! With S the small side as a matrix of pixels × K and W the weight of k²C × K:
//!
//! ```text
//! forward  S  = patches(big) · W         adjoint  big = patchesᵀ(S · Wᵀ)         weights  dW = patches(big)ᵀ · S
//! ```
//!
//! The patch matrix never exists as a whole: pieces of some hundred rows are made in scratch memory and used at once.

use super::ConvShape;
use crate::Cpu;
use crate::cpu::SharedMut;
use crate::matmul::{Lhs, Out, Rhs, multiply, pack, pack_transposed_panel, panel_width, panels_len};

/// Patch-matrix values per piece: a piece and a panel of weights then stay in a second-level cache of 1–2 MiB.
const PIECE_VALUES: usize = 1 << 18;
/// Rows of a piece, at least: fewer would read the weights too often.
const MIN_ROWS: usize = 96;
/// Rows of a piece, at most.
const MAX_ROWS: usize = 384;
/// Pieces that the weight gradient is cut into, at least, where the batch allows it: enough for any number of cores.
const MIN_WEIGHT_PIECES: usize = 32;
/// Rows of the weight gradient computed at a time.
const WEIGHT_ROWS: usize = 128;

fn patch_len(shape: &ConvShape) -> usize {
    shape.kernel * shape.kernel * shape.big.channels
}

/// Small pixels in a piece of the forward pass.
fn rows_per_piece(shape: &ConvShape) -> usize {
    (PIECE_VALUES / patch_len(shape)).clamp(MIN_ROWS, MAX_ROWS)
}

/// Pictures in a piece of the adjoint pass, whose pieces must not share big pixels.
fn pictures_per_piece(shape: &ConvShape) -> usize {
    rows_per_piece(shape).div_ceil(shape.small.pixels())
}

/// How the weight gradient is cut: `blocks` of patch columns times `splits` of the batch, each summing `pictures` pictures.
struct WeightPieces {
    blocks: usize,
    splits: usize,
    pictures: usize,
}

fn weight_pieces(shape: &ConvShape, batch: usize) -> WeightPieces {
    let blocks = patch_len(shape).div_ceil(WEIGHT_ROWS);
    let pictures = batch.div_ceil(MIN_WEIGHT_PIECES.div_ceil(blocks)).max(1);
    WeightPieces { blocks, splits: batch.div_ceil(pictures), pictures }
}

/// Scratch of one worker: the largest that a pass needs.
fn scratch_per_worker(cpu: &Cpu, shape: &ConvShape) -> usize {
    let isa = cpu.isa();
    let rows = rows_per_piece(shape);
    let forward = panels_len(isa, rows, patch_len(shape));
    let pictures = pictures_per_piece(shape) * shape.small.pixels();
    let adjoint = panels_len(isa, pictures, shape.small.channels) + pictures * patch_len(shape);
    let weights = panels_len(isa, MAX_ROWS, WEIGHT_ROWS) + panels_len(isa, MAX_ROWS, shape.small.channels);
    forward.max(adjoint).max(weights)
}

/// Scratch that all workers share: packed weights, or partial weight gradients.
fn scratch_shared(cpu: &Cpu, shape: &ConvShape, max_batch: usize) -> usize {
    let forward = panels_len(cpu.isa(), patch_len(shape), shape.small.channels);
    let adjoint = panels_len(cpu.isa(), shape.small.channels, patch_len(shape));
    // Smaller batches have no more splits than the largest.
    let splits = weight_pieces(shape, max_batch).splits.max(MIN_WEIGHT_PIECES.min(max_batch));
    let needs_partials = patch_len(shape).div_ceil(WEIGHT_ROWS) < MIN_WEIGHT_PIECES;
    let partials = if needs_partials { splits * shape.weight_len() } else { 0 };
    forward.max(adjoint).max(partials)
}

pub(super) fn scratch_len(cpu: &Cpu, shape: &ConvShape, max_batch: usize) -> usize {
    scratch_shared(cpu, shape, max_batch) + cpu.threads() * scratch_per_worker(cpu, shape)
}

pub(super) fn forward(
    cpu: &Cpu,
    shape: &ConvShape,
    small: &mut [f32],
    big: &[f32],
    weight: &[f32],
    batch: usize,
    scratch: &mut [f32],
) {
    let (isa, channels, patch) = (cpu.isa(), shape.small.channels, patch_len(shape));
    let (packed, scratch) = scratch.split_at_mut(panels_len(isa, patch, channels));
    pack_weight(cpu, packed, weight, patch, channels);
    let rows = rows_per_piece(shape);
    let total = batch * shape.small.pixels();
    let small = SharedMut::new(small);
    cpu.for_each_with_scratch(total.div_ceil(rows), scratch, scratch_per_worker(cpu, shape), |piece, patches| {
        let first = piece * rows;
        let rows = rows.min(total - first);
        gather(panel_width(isa), shape, patches, rows, big, first, 0, patch);
        // SAFETY: pieces own disjoint ranges of small pixels.
        let out = unsafe { small.range(first * channels, rows * channels) };
        let out = Out { data: out, row_stride: channels, panel_stride: panel_width(isa) };
        let lhs = Lhs { panels: patches, rows, transposed: false };
        multiply(isa, out, lhs, Rhs { panels: packed, rows: patch }, rows, channels, patch, false);
    });
}

pub(super) fn adjoint(
    cpu: &Cpu,
    shape: &ConvShape,
    big: &mut [f32],
    small: &[f32],
    weight: &[f32],
    batch: usize,
    scratch: &mut [f32],
) {
    let (isa, channels, patch) = (cpu.isa(), shape.small.channels, patch_len(shape));
    let p = panel_width(isa);
    let (packed, scratch) = scratch.split_at_mut(panels_len(isa, channels, patch));
    {
        let packed = SharedMut::new(packed);
        cpu.for_each(patch.div_ceil(p), |panel| {
            // SAFETY: one panel per piece.
            let out = unsafe { packed.range(panel * channels * p, channels * p) };
            pack_transposed_panel(isa, out, weight, patch, channels, panel);
        });
    }
    let packed = &*packed;
    let pictures = pictures_per_piece(shape);
    let big = SharedMut::new(big);
    cpu.for_each_with_scratch(batch.div_ceil(pictures), scratch, scratch_per_worker(cpu, shape), |piece, scratch| {
        let first = piece * pictures;
        let pictures = pictures.min(batch - first);
        let rows = pictures * shape.small.pixels();
        let (lhs, patches) = scratch.split_at_mut(panels_len(isa, rows, channels));
        pack(isa, lhs, rows, &small[first * shape.small.len()..], rows, channels, channels);
        let patches = &mut patches[..rows * patch];
        let out = Out { data: patches, row_stride: patch, panel_stride: p };
        let lhs = Lhs { panels: lhs, rows, transposed: false };
        multiply(isa, out, lhs, Rhs { panels: packed, rows: channels }, rows, patch, channels, false);
        // SAFETY: pieces own disjoint ranges of pictures.
        let out = unsafe { big.range(first * shape.big.len(), pictures * shape.big.len()) };
        scatter(shape, out, patches, pictures);
    });
}

pub(super) fn weight_gradient(
    cpu: &Cpu,
    shape: &ConvShape,
    dweight: &mut [f32],
    big: &[f32],
    small: &[f32],
    batch: usize,
    scratch: &mut [f32],
) {
    let (isa, channels, patch) = (cpu.isa(), shape.small.channels, patch_len(shape));
    let WeightPieces { blocks, splits, pictures } = weight_pieces(shape, batch);
    let (partials, scratch) = scratch.split_at_mut(if splits > 1 { splits * dweight.len() } else { 0 });
    {
        let len = dweight.len();
        let out = SharedMut::new(if splits > 1 { &mut *partials } else { &mut *dweight });
        cpu.for_each_with_scratch(blocks * splits, scratch, scratch_per_worker(cpu, shape), |piece, scratch| {
            let (block, split) = (piece % blocks, piece / blocks);
            let first_column = block * WEIGHT_ROWS;
            let columns = WEIGHT_ROWS.min(patch - first_column);
            // SAFETY: one block of one partial gradient per piece.
            let out = unsafe { out.range(split * len + first_column * channels, columns * channels) };
            let first = split * pictures * shape.small.pixels();
            let end = ((split + 1) * pictures).min(batch) * shape.small.pixels();
            let (patches, rhs) = scratch.split_at_mut(panels_len(isa, MAX_ROWS, WEIGHT_ROWS));
            for start in (first..end).step_by(MAX_ROWS) {
                let rows = MAX_ROWS.min(end - start);
                gather(panel_width(isa), shape, patches, rows, big, start, first_column, columns);
                pack(isa, rhs, rows, &small[start * channels..], rows, channels, channels);
                let out = Out { data: &mut *out, row_stride: channels, panel_stride: panel_width(isa) };
                let lhs = Lhs { panels: patches, rows, transposed: true };
                let rhs = Rhs { panels: rhs, rows };
                multiply(isa, out, lhs, rhs, columns, channels, rows, start > first);
            }
        });
    }
    if splits > 1 {
        crate::reduce::sum_rows(cpu, dweight, partials);
    }
}

fn pack_weight(cpu: &Cpu, packed: &mut [f32], weight: &[f32], rows: usize, cols: usize) {
    let p = panel_width(cpu.isa());
    let packed = SharedMut::new(packed);
    cpu.for_each(cols.div_ceil(p), |panel| {
        // SAFETY: one panel per piece.
        let out = unsafe { packed.range(panel * rows * p, rows * p) };
        pack(cpu.isa(), out, rows, &weight[panel * p..], rows, p.min(cols - panel * p), cols);
    });
}

/// Position of a small pixel in its batch.
struct Pixel {
    picture: usize,
    y: usize,
    x: usize,
}

impl Pixel {
    fn of(shape: &ConvShape, row: usize) -> Self {
        let (picture, pixel) = (row / shape.small.pixels(), row % shape.small.pixels());
        Self { picture, y: pixel / shape.small.width, x: pixel % shape.small.width }
    }

    /// The big pixel under tap (ky, kx), or `None` in the padding: small · stride + tap − padding, if within the picture.
    fn under_tap(&self, shape: &ConvShape, ky: usize, kx: usize) -> Option<(usize, usize)> {
        let y = (self.y * shape.stride + ky).checked_sub(shape.padding).filter(|y| *y < shape.big.height)?;
        let x = (self.x * shape.stride + kx).checked_sub(shape.padding).filter(|x| *x < shape.big.width)?;
        Some((y, x))
    }
}

/// Writes columns `first_column..first_column + columns` of patch rows `first..first + rows` as a panel matrix.
#[allow(clippy::too_many_arguments)]
fn gather(
    p: usize,
    shape: &ConvShape,
    panels: &mut [f32],
    rows: usize,
    big: &[f32],
    first: usize,
    first_column: usize,
    columns: usize,
) {
    let channels = shape.big.channels;
    let padding = columns.next_multiple_of(p) - columns;
    for row in 0..rows {
        let pixel = Pixel::of(shape, first + row);
        let picture = &big[pixel.picture * shape.big.len()..][..shape.big.len()];
        let mut column = 0;
        while column < columns {
            // One run: the channels of one tap, cut at panel edges.
            let (tap, channel) = ((first_column + column) / channels, (first_column + column) % channels);
            let run = (channels - channel).min(p - column % p).min(columns - column);
            let out = &mut panels[(column / p) * rows * p + row * p + column % p..][..run];
            match pixel.under_tap(shape, tap / shape.kernel, tap % shape.kernel) {
                Some((y, x)) => {
                    let from = (y * shape.big.width + x) * channels + channel;
                    out.copy_from_slice(&picture[from..from + run]);
                }
                None => out.fill(0.0),
            }
            column += run;
        }
        if padding > 0 {
            panels[(columns / p) * rows * p + row * p + columns % p..][..padding].fill(0.0);
        }
    }
}

/// The adjoint of [`gather`] on whole pictures: adds every patch value to the big pixel that it came from.
fn scatter(shape: &ConvShape, big: &mut [f32], patches: &[f32], pictures: usize) {
    let (channels, patch) = (shape.big.channels, patch_len(shape));
    big.fill(0.0);
    for (row, values) in patches.chunks_exact(patch).enumerate().take(pictures * shape.small.pixels()) {
        let pixel = Pixel::of(shape, row);
        let picture = &mut big[pixel.picture * shape.big.len()..][..shape.big.len()];
        for (tap, values) in values.chunks_exact(channels).enumerate() {
            if let Some((y, x)) = pixel.under_tap(shape, tap / shape.kernel, tap % shape.kernel) {
                let out = &mut picture[(y * shape.big.width + x) * channels..][..channels];
                for (out, value) in out.iter_mut().zip(values) {
                    *out += value;
                }
            }
        }
    }
}
