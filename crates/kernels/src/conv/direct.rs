//! Convolution as a matrix product that reads the images in place: any kernel, stride and padding.
//!
//! In an image with its padding around it, the values under one row of the kernel lie side by side: k·C of them, for
//! all k rows of the kernel one padded image row apart. And from one small pixel to the next they move by stride·C. So
//! the patches of a row of small pixels are a matrix that [`multiply`] can read where they are, of rows of k runs;
//! nothing is gathered. With W the weight of k²C × K:
//!
//! ```text
//! forward  small = patches(big) · W
//! adjoint  big = Σ patchesᵀ(small · Wᵀ)
//! weights  dW = patches(big)ᵀ · small
//! ```
//!
//! Where the kernel covers the whole image, as in the first layer of a generator and the last of a discriminator, the
//! images of a batch take the place of the pixels of a row.

use super::args::ConvArgs;
use super::shape::{ConvShape, Plane};
use crate::cpu::SharedMut;
use crate::epilogue::SharedEpilogue;
use crate::input::InputView;
use crate::matmul::{Lhs, Out, Rhs, multiply_and_prefetch, panel_width, panels_len};
use crate::pack::{pack, pack_transposed_panel};
use crate::prefetch::{Prefetch, Stretch};
use crate::simd::multiversion;
use crate::{Cpu, Isa};
use std::iter;

/// Number of images in a piece when the images of a batch are the rows of the product.
const PICTURES: usize = 16;
/// Number of columns of patches in a piece of the weight gradient, about.
const WEIGHT_COLUMNS: usize = 128;
/// Number of pieces that the weight gradient is cut into, at least, where the batch allows it: enough for any number of
/// cores.
const MIN_WEIGHT_PIECES: usize = 32;

/// A convolution as matrix products: everything that can be known before the first batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Direct {
    isa: Isa,
    shape: ConvShape,
    /// The big side with its padding.
    padded: Plane,
    /// Values of a patch: k · k · C.
    patch: usize,
    /// The kernel covers the whole image, and there is no padding.
    covers: bool,
}

impl Direct {
    pub(super) fn new(isa: Isa, shape: &ConvShape) -> Self {
        let ConvShape { big, small, kernel, padding, .. } = *shape;
        let padded = Plane { height: big.height + 2 * padding, width: big.width + 2 * padding, ..big };
        let covers = small.pixels() == 1 && padding == 0 && kernel == big.height && kernel == big.width;
        Self { isa, shape: *shape, padded, patch: kernel * kernel * big.channels, covers }
    }

    /// Patches of the row of small pixels that starts at `data`, in a padded image; or of the images that start there.
    fn patches<'a>(&self, data: &'a [f32]) -> Lhs<'a> {
        let channels = self.shape.big.channels;
        if self.covers {
            return Lhs::row_major(data, self.patch);
        }
        let run = self.shape.kernel * channels;
        let jump = self.padded.width * channels;
        Lhs::runs(data, self.shape.stride * channels, run, jump)
    }

    /// Returns the transpose of `columns` columns, from `first_column`, of the patches of small row `y`; or of `rows`
    /// images, which then are packed into `scratch`: where they lie, each value of a column falls into the same set of
    /// the caches.
    fn columns<'a>(
        &self,
        scratch: &'a mut [f32],
        pictures: &'a [f32],
        y: usize,
        first_column: usize,
        columns: usize,
        rows: usize,
    ) -> Lhs<'a> {
        let pictures = &pictures[self.row_start(y) + self.patches(pictures).column(first_column)..];
        if !self.covers {
            return self.patches(pictures).transposed();
        }
        pack(self.isa, scratch, rows, pictures, rows, columns, self.patch);
        Lhs::panels(self.isa, &*scratch, rows).transposed()
    }

    /// Number of values of scratch that [`Direct::columns`] needs.
    fn columns_len(&self, rows: usize) -> usize {
        if self.covers { panels_len(self.isa, rows, WEIGHT_COLUMNS) } else { 0 }
    }

    /// Rows of one product, and products of a piece of `pictures` images.
    fn rows_and_products(&self, pictures: usize) -> (usize, usize) {
        if self.covers { (pictures, 1) } else { (self.shape.small.width, pictures * self.shape.small.height) }
    }

    /// Number of images in a piece of the forward and adjoint passes.
    fn pictures(&self) -> usize {
        if self.covers { PICTURES } else { 1 }
    }

    /// Returns the first image of a piece of the forward or adjoint pass, and its number of images.
    fn piece(&self, piece: usize, batch: usize) -> (usize, usize) {
        let first = piece * self.pictures();
        (first, self.pictures().min(batch - first))
    }

    /// Start of the patches of small row `y` in a padded image.
    fn row_start(&self, y: usize) -> usize {
        y * self.shape.stride * self.padded.width * self.padded.channels
    }

    /// Images with zeros around them, in `scratch` unless they can be read where they are. With padding, a single
    /// image.
    fn pad<'a>(&self, scratch: &'a mut [f32], pictures: InputView<'a>) -> &'a [f32] {
        let (big, padding) = (self.shape.big, self.shape.padding);
        if padding == 0 {
            return pictures.values(self.isa, scratch, big.channels);
        }
        let (row, wide) = (big.width * big.channels, self.padded.width * big.channels);
        let scratch = &mut scratch[..self.padded.len()];
        scratch.fill(0.0);
        for y in 0..big.height {
            let out = &mut scratch[(y + padding) * wide + padding * big.channels..][..row];
            pictures.part(y * row, row).write_piece(self.isa, out, big.channels);
        }
        scratch
    }

    /// Number of values of scratch that [`Direct::pad`] needs for the images of a piece.
    fn pad_len(&self) -> usize {
        if self.shape.padding == 0 { self.pictures() * self.shape.big.len() } else { self.padded.len() }
    }

    /// `rows` rows of small values as the right side of a product; in `scratch` unless they will do as they are.
    fn small_side<'a>(&self, scratch: &'a mut [f32], source: InputView<'a>, rows: usize) -> Rhs<'a> {
        let channels = self.shape.small.channels;
        let (packed, scratch) = scratch.split_at_mut(panels_len(self.isa, rows, channels));
        let values = source.values(self.isa, scratch, channels);
        if channels.is_multiple_of(panel_width(self.isa)) {
            return Rhs::row_major(self.isa, values, channels);
        }
        pack(self.isa, packed, rows, values, rows, channels, channels);
        Rhs::panels(self.isa, packed, rows)
    }

    /// Number of values of scratch that [`Direct::small_side`] needs.
    fn small_side_len(&self, rows: usize) -> usize {
        panels_len(self.isa, rows, self.shape.small.channels) + rows * self.shape.small.channels
    }

    /// Number of rows of the small side taken at a time in the weight gradient, at most.
    fn max_rows(&self, max_batch: usize) -> usize {
        self.rows_and_products(max_batch).0
    }
}

/// How the weight gradient is cut: `blocks` of patch columns times `splits` of the batch, each summing `pictures`
/// images.
struct WeightPieces {
    /// Patch columns of a block: whole runs, or part of one.
    columns: usize,
    blocks: usize,
    splits: usize,
    pictures: usize,
}

impl Direct {
    /// Chooses how the weight gradient over `batch` images is cut into pieces. The number of threads does not matter,
    /// so that the sums have the same order with any number.
    fn weight_pieces(&self, batch: usize) -> WeightPieces {
        let run = if self.covers { self.patch } else { self.shape.kernel * self.shape.big.channels };
        // Blocks must not end within a run that goes on in the next, unless they lie within one run altogether.
        let columns = if run <= WEIGHT_COLUMNS {
            run * (WEIGHT_COLUMNS / run).min(self.patch / run)
        } else {
            (1..=run).rev().find(|columns| run.is_multiple_of(*columns) && *columns <= WEIGHT_COLUMNS).unwrap_or(run)
        };
        let blocks = self.patch.div_ceil(columns);
        let pictures = batch.div_ceil(MIN_WEIGHT_PIECES.div_ceil(blocks)).max(1);
        WeightPieces { columns, blocks, splits: batch.div_ceil(pictures), pictures }
    }

    /// Scratch of one worker: the largest that a pass needs.
    fn scratch_per_worker(&self, max_batch: usize) -> usize {
        let shape = &self.shape;
        let rows = self.max_rows(max_batch);
        let weights = self.pad_len() + self.columns_len(rows) + self.small_side_len(rows);
        let row = if self.covers { self.pictures() * shape.small.channels } else { shape.small.width * self.patch };
        let adjoint = self.padded.len() + row + shape.small.width * shape.small.channels;
        weights.max(adjoint)
    }

    /// Number of scratch values that any pass needs for batches of up to `max_batch` images.
    pub(super) fn scratch_len(&self, cpu: &Cpu, max_batch: usize) -> usize {
        let shape = &self.shape;
        let forward = panels_len(cpu.isa(), self.patch, shape.small.channels);
        let adjoint = self.prepared_len();
        // A smaller batch never has more splits than images.
        let splits = MIN_WEIGHT_PIECES.div_ceil(self.weight_pieces(max_batch).blocks).min(max_batch);
        let partials = if splits > 1 { splits * shape.weight_len() } else { 0 };
        let big = if self.covers { max_batch * shape.big.len() } else { 0 };
        forward.max(adjoint).max(partials + big) + cpu.threads() * self.scratch_per_worker(max_batch)
    }

    /// Number of pieces of the forward and adjoint passes.
    pub(super) fn pieces(&self, batch: usize) -> usize {
        batch.div_ceil(self.pictures())
    }

    /// The forward pass.
    pub(super) fn forward(&self, cpu: &Cpu, small: &mut [f32], args: ConvArgs<'_, '_>) {
        let ConvArgs { input: big, weight, epilogue, batch, scratch } = args;
        let Self { isa, shape, patch, .. } = *self;
        let channels = shape.small.channels;
        let (packed, scratch) = scratch.split_at_mut(panels_len(isa, patch, channels));
        pack_weight(cpu, packed, weight, patch, channels);
        let packed = Rhs::panels(isa, packed, patch);
        let pieces = self.pieces(batch);
        let epilogue = SharedEpilogue::new(epilogue, small.len(), channels, pieces);
        let small = SharedMut::new(small);
        cpu.for_each_with_scratch(pieces, scratch, self.pad_len(), |piece, padded| {
            let (first, pictures) = self.piece(piece, batch);
            let (rows, products) = self.rows_and_products(pictures);
            let picture = self.pad(padded, big.part(first * shape.big.len(), pictures * shape.big.len()));
            let start = first * shape.small.len();
            // SAFETY: pieces own disjoint ranges of images.
            let out = unsafe { small.range(start, pictures * shape.small.len()) };
            // The products fetch what the next piece, most likely this thread's, reads and writes.
            let (next, pictures) = self.piece((piece + 1).min(pieces - 1), batch);
            let (start_next, len_next) = (next * shape.small.len(), pictures * shape.small.len());
            let stretches = iter::once(Stretch::shared(&small, start_next, len_next));
            let read = big.part(next * shape.big.len(), pictures * shape.big.len()).in_memory();
            let read = read.chain(epilogue.reads(start_next, len_next)).map(Stretch::all);
            let mut ahead = Prefetch::new(products, stretches.chain(read));
            for (y, out) in out.chunks_exact_mut(rows * channels).enumerate().take(products) {
                let patches = self.patches(&picture[self.row_start(y)..]);
                let out = Out::row_major(isa, out, channels);
                multiply_and_prefetch(isa, out, patches, packed, rows, channels, patch, false, &mut ahead);
            }
            epilogue.apply(isa, piece, start, out, channels);
        });
    }

    /// Number of values of Wᵀ in panels.
    pub(super) fn prepared_len(&self) -> usize {
        panels_len(self.isa, self.shape.small.channels, self.patch)
    }

    /// Wᵀ in panels, the right side of the adjoint pass.
    pub(super) fn prepare_adjoint(&self, cpu: &Cpu, prepared: &mut [f32], weight: &[f32]) {
        let Self { isa, shape, patch, .. } = *self;
        let (p, channels) = (panel_width(isa), shape.small.channels);
        let prepared = SharedMut::new(prepared);
        cpu.for_each(patch.div_ceil(p), |panel| {
            // SAFETY: one panel per piece.
            let out = unsafe { prepared.range(panel * channels * p, channels * p) };
            pack_transposed_panel(isa, out, weight, patch, channels, panel);
        });
    }

    /// The adjoint pass.
    pub(super) fn adjoint(&self, cpu: &Cpu, big: &mut [f32], args: ConvArgs<'_, '_>) {
        let (prepared, scratch) = args.scratch.split_at_mut(self.prepared_len());
        self.prepare_adjoint(cpu, prepared, args.weight);
        self.adjoint_prepared(cpu, big, ConvArgs { weight: prepared, scratch, ..args });
    }

    /// The adjoint pass with a weight from [`Direct::prepare_adjoint`].
    pub(super) fn adjoint_prepared(&self, cpu: &Cpu, big: &mut [f32], args: ConvArgs<'_, '_>) {
        let ConvArgs { input: small, weight: prepared, epilogue, batch, scratch } = args;
        let Self { isa, shape, patch, .. } = *self;
        let channels = shape.small.channels;
        let packed = Rhs::panels(isa, prepared, channels);
        let pieces = self.pieces(batch);
        let epilogue = SharedEpilogue::new(epilogue, big.len(), shape.big.channels, pieces);
        let big = SharedMut::new(big);
        let per_worker = self.scratch_per_worker(batch);
        cpu.for_each_with_scratch(pieces, scratch, per_worker, |piece, scratch| {
            let (first, pictures) = self.piece(piece, batch);
            // The products fetch what the next piece, most likely this thread's, reads.
            let (next, next_pictures) = self.piece((piece + 1).min(pieces - 1), batch);
            let next = small.part(next * shape.small.len(), next_pictures * shape.small.len());
            let products = self.rows_and_products(pictures).1;
            let mut ahead = Prefetch::new(products, next.in_memory().map(Stretch::all));
            let small = small.part(first * shape.small.len(), pictures * shape.small.len());
            let start = first * shape.big.len();
            // SAFETY: pieces own disjoint ranges of images.
            let out = unsafe { big.range(start, pictures * shape.big.len()) };
            if self.covers {
                let small = small.values(isa, scratch, channels);
                let lhs = Lhs::row_major(small, channels);
                multiply_and_prefetch(
                    isa,
                    Out::row_major(isa, out, patch),
                    lhs,
                    packed,
                    pictures,
                    patch,
                    channels,
                    false,
                    &mut ahead,
                );
            } else {
                let (padded, scratch) = scratch.split_at_mut(self.padded.len());
                let (patches, scratch) = scratch.split_at_mut(shape.small.width * patch);
                padded.fill(0.0);
                let row = shape.small.width * channels;
                for y in 0..shape.small.height {
                    let small = small.part(y * row, row).values(isa, scratch, channels);
                    let lhs = Lhs::row_major(small, channels);
                    let out = Out::row_major(isa, patches, patch);
                    multiply_and_prefetch(isa, out, lhs, packed, shape.small.width, patch, channels, false, &mut ahead);
                    scatter(isa, self, &mut padded[self.row_start(y)..], patches);
                }
                let (row, wide) = (shape.big.width * shape.big.channels, self.padded.width * shape.big.channels);
                for (y, out) in out.chunks_exact_mut(row).enumerate() {
                    let start = (y + shape.padding) * wide + shape.padding * shape.big.channels;
                    out.copy_from_slice(&padded[start..start + row]);
                }
            }
            epilogue.apply(isa, piece, start, out, shape.big.channels);
        });
    }

    /// The weight gradient.
    pub(super) fn weight_gradient(
        &self,
        cpu: &Cpu,
        dweight: &mut [f32],
        big: InputView<'_>,
        small: InputView<'_>,
        batch: usize,
        scratch: &mut [f32],
    ) {
        let Self { isa, shape, .. } = *self;
        let channels = shape.small.channels;
        let WeightPieces { columns, blocks, splits, pictures } = self.weight_pieces(batch);
        let len = dweight.len();
        let (partials, scratch) = scratch.split_at_mut(if splits > 1 { splits * len } else { 0 });
        // Many blocks read the same images where the kernel covers them: compute those once.
        let (shared, scratch) = scratch.split_at_mut(if self.covers { big.len() } else { 0 });
        let big = match big {
            InputView::AffineActivation(_) | InputView::NormGradient(_) if self.covers => {
                big.write_to(cpu, shared, shape.big.channels);
                InputView::Plain(shared)
            }
            _ => big,
        };
        {
            let out = SharedMut::new(if splits > 1 { &mut *partials } else { &mut *dweight });
            let columns_len = self.columns_len(self.max_rows(batch));
            let per_worker = self.pad_len() + columns_len + self.small_side_len(self.max_rows(batch));
            cpu.for_each_with_scratch(blocks * splits, scratch, per_worker, |piece, scratch| {
                let (padded, scratch) = scratch.split_at_mut(self.pad_len());
                let (packed_columns, packed) = scratch.split_at_mut(columns_len);
                let (block, split) = (piece % blocks, piece / blocks);
                let first_column = block * columns;
                let columns = columns.min(self.patch - first_column);
                // SAFETY: one block of one partial gradient per piece.
                let out = unsafe { out.range(split * len + first_column * channels, columns * channels) };
                let (first, end) = (split * pictures, ((split + 1) * pictures).min(batch));
                let step = if self.covers { end - first } else { 1 };
                let mut accumulate = false;
                for picture in (first..end).step_by(step) {
                    let (rows, products) = self.rows_and_products(step);
                    let values = self.pad(padded, big.part(picture * shape.big.len(), step * shape.big.len()));
                    // The products fetch what the next ones read.
                    let next =
                        small.part((picture + step).min(end - step) * shape.small.len(), step * shape.small.len());
                    let mut ahead = Prefetch::new(products, next.in_memory().map(Stretch::all));
                    let small = small.part(picture * shape.small.len(), step * shape.small.len());
                    for y in 0..products {
                        let patches = self.columns(packed_columns, values, y, first_column, columns, rows);
                        let rhs = self.small_side(packed, small.part(y * rows * channels, rows * channels), rows);
                        let out = Out::row_major(isa, out, channels);
                        multiply_and_prefetch(isa, out, patches, rhs, columns, channels, rows, accumulate, &mut ahead);
                        accumulate = true;
                    }
                }
            });
        }
        if splits > 1 {
            crate::reduce::sum_rows(cpu, dweight, partials);
        }
    }
}

/// Packs a row-major matrix of `rows` × `cols` values into panels of columns.
fn pack_weight(cpu: &Cpu, packed: &mut [f32], weight: &[f32], rows: usize, cols: usize) {
    let p = panel_width(cpu.isa());
    let packed = SharedMut::new(packed);
    cpu.for_each(cols.div_ceil(p), |panel| {
        // SAFETY: one panel per piece.
        let out = unsafe { packed.range(panel * rows * p, rows * p) };
        pack(cpu.isa(), out, rows, &weight[panel * p..], rows, p.min(cols - panel * p), cols);
    });
}

multiversion! {
    /// Adds the patches of a row of small pixels to the padded image, whose rows begin at the first of them.
    fn scatter(s, direct: &Direct, padded: &mut [f32], patches: &[f32]) {
        let _ = s;
        let channels = direct.shape.big.channels;
        let (run, jump) = (direct.shape.kernel * channels, direct.padded.width * channels);
        for (x, patch) in patches.chunks_exact(direct.patch).enumerate().take(direct.shape.small.width) {
            let start = x * direct.shape.stride * channels;
            for (ky, values) in patch.chunks_exact(run).enumerate() {
                // Runs are as short as 12 values: four at a time, not as many as the widest vector holds.
                let (sums, last_sums) = padded[ky * jump + start..][..run].as_chunks_mut::<4>();
                let (values, last_values) = values.as_chunks::<4>();
                for (sums, values) in sums.iter_mut().zip(values) {
                    for (sum, value) in sums.iter_mut().zip(values) {
                        *sum += value;
                    }
                }
                for (sum, value) in last_sums.iter_mut().zip(last_values) {
                    *sum += value;
                }
            }
        }
    }
}
