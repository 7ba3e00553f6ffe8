//! The forward and the adjoint pass: they transform the images of one side, compute a matrix product at every
//! evaluation point, and transform the products back to images of the other side.
//!
//! A pass is cut into pieces of work in one of two ways: by steps, if there is a step for every thread, or else by
//! columns, which are channels of the output. The result has the same bits either way.

use super::plan::{Step, Winograd, point_stride};
use super::transform::{self, Domain, Tiles};
use super::weight::{self, Pass};
use crate::conv::args::ConvArgs;
use crate::conv::shape::{ConvShape, Plane};
use crate::cpu::SharedMut;
use crate::epilogue::{Epilogue, SharedEpilogue};
use crate::input::InputView;
use crate::matmul::{BLOCK_K, Lhs, Out, Rhs, multiply_and_prefetch};
use crate::memory::Buffer;
use crate::prefetch::{Prefetch, Stretch};
use crate::{Cpu, Isa};
use std::iter;
use std::ops::Range;

/// Number of panels of the input's transform in a piece of [`Winograd::transform_blocks`].
const TRANSFORM_PANELS: usize = 4;
/// Number of rows of the weight that [`Winograd::weight_to_domain`] gathers at a time: they stay in the first-level
/// cache.
const GATHERED_ROWS: usize = 64;

/// Number of panels of output channels in a piece of [`Winograd::by_columns`], if all threads then have enough pieces.
/// The panels of a piece share its reads of the input's transform, and their taps are adjacent in memory.
const COLUMN_PANELS: usize = 2;
/// Number of pieces per thread that is enough for [`COLUMN_PANELS`] panels in each.
const ENOUGH_PIECES: usize = 4;

/// The weight of a pass.
#[derive(Debug, Clone, Copy)]
enum Weight<'a> {
    /// The convolution's weight: 16 taps of C × K.
    Taps(&'a [f32]),
    /// The transformed weight Uᵀ from [`Winograd::prepare_adjoint`], only for the adjoint pass.
    Prepared(&'a [f32]),
}

/// Sizes of the images that a pass reads or writes, and of their transform.
#[derive(Debug, Clone, Copy)]
struct Side {
    plane: Plane,
    /// Number of columns of the transform: channels with padding, for each phase on the big side.
    width: usize,
    /// Number of values of the transform of a block.
    block: usize,
    /// Number of values of the transform of a step.
    step: usize,
}

/// Sizes of the input (`from`) and the output (`to`) of a pass.
#[derive(Debug, Clone, Copy)]
struct Sides {
    from: Side,
    to: Side,
    /// Number of columns of the input's transform that the products sum over.
    sum: usize,
}

/// Arguments of a pass apart from its output and scratch.
struct Job<'a> {
    pass: Pass,
    input: InputView<'a>,
    weight: Weight<'a>,
    epilogue: Epilogue<'a>,
    batch: usize,
    /// Memory that receives the transform of the input, for the weight gradient; only in the adjoint pass.
    keep: Option<&'a mut [f32]>,
}

impl Winograd {
    /// Number of scratch values that a pass needs, the larger number of both passes, for batches up to the largest.
    pub(super) fn passes_scratch(&self, cpu: &Cpu) -> usize {
        let blocks = self.blocks(self.max_batch);
        let passes = [Pass::Forward, Pass::Adjoint].map(|pass| {
            let sides = self.sides(pass);
            // As many blocks as a batch that is cut into columns may have.
            let few = blocks.min(self.sizes.few.max(cpu.threads() - 1));
            let by_columns = few * sides.from.block
                + cpu.threads() * self.columns_scratch(few, panels_at_once(cpu, &sides, self.sizes.p) * self.sizes.p);
            let step = cpu.threads() * (sides.from.step + sides.to.step);
            let gathered = cpu.threads() * weight::gathered_len(self.sizes.p, GATHERED_ROWS);
            let [taps, prepared] = [false, true].map(|prepared| self.is_cut_by_columns(cpu, self.max_batch, prepared));
            let by_steps = match (taps, prepared) {
                (true, true) => 0,
                (true, false) => step,
                (false, _) => self.weight_len(pass) + step.max(gathered),
            };
            // A smaller batch than the largest may be cut into columns.
            by_columns.max(by_steps)
        });
        passes[0].max(passes[1])
    }

    /// Returns whether a pass on `batch` images is cut into columns: if there are fewer steps than threads, or so few
    /// blocks that transforming the whole weight first would not pay. A `prepared` weight is transformed already, so it
    /// is cut into columns only for a single block or too few steps.
    pub(in crate::conv) fn is_cut_by_columns(&self, cpu: &Cpu, batch: usize, prepared: bool) -> bool {
        self.blocks(batch) <= if prepared { 1 } else { self.sizes.few } || self.steps(batch) < cpu.threads()
    }

    /// Number of values of the transformed weight Uᵀ.
    pub(in crate::conv) fn prepared_len(&self) -> usize {
        self.weight_len(Pass::Adjoint)
    }

    /// Computes Uᵀ, the transformed weight of the adjoint pass, for [`Winograd::adjoint_prepared`].
    pub(in crate::conv) fn prepare_adjoint(&self, cpu: &Cpu, prepared: &mut [f32], weight: &[f32]) {
        let mut scratch = Buffer::zeros(cpu.threads() * weight::gathered_len(self.sizes.p, GATHERED_ROWS));
        self.weight_to_domain(cpu, Pass::Adjoint, prepared, weight, &mut scratch);
    }

    /// Computes the forward pass y = conv(x).
    pub(in crate::conv) fn forward(&self, cpu: &Cpu, out: &mut [f32], args: ConvArgs<'_, '_>) {
        let ConvArgs { input, weight, epilogue, batch, scratch } = args;
        let weight = Weight::Taps(weight);
        self.run(cpu, out, Job { pass: Pass::Forward, input, weight, epilogue, batch, keep: None }, scratch);
    }

    /// Computes the adjoint pass x = convᵀ(y). `keep` receives the transform of y.
    pub(in crate::conv) fn adjoint(
        &self,
        cpu: &Cpu,
        out: &mut [f32],
        args: ConvArgs<'_, '_>,
        keep: Option<&mut [f32]>,
    ) {
        let ConvArgs { input, weight, epilogue, batch, scratch } = args;
        let weight = Weight::Taps(weight);
        self.run(cpu, out, Job { pass: Pass::Adjoint, input, weight, epilogue, batch, keep }, scratch);
    }

    /// Computes the adjoint pass with a weight from [`Winograd::prepare_adjoint`].
    pub(in crate::conv) fn adjoint_prepared(&self, cpu: &Cpu, out: &mut [f32], args: ConvArgs<'_, '_>) {
        let ConvArgs { input, weight, epilogue, batch, scratch } = args;
        let weight = Weight::Prepared(weight);
        self.run(cpu, out, Job { pass: Pass::Adjoint, input, weight, epilogue, batch, keep: None }, scratch);
    }

    /// Computes N, the transform of the small side of a batch.
    pub(in crate::conv) fn transform_small(&self, cpu: &Cpu, out: &mut [f32], images: InputView<'_>, batch: usize) {
        self.transform_blocks(cpu, Pass::Adjoint, out, images, batch);
    }

    /// Runs a pass. How it is cut changes no bit of the result.
    fn run(&self, cpu: &Cpu, out: &mut [f32], job: Job<'_>, scratch: &mut [f32]) {
        if self.is_cut_by_columns(cpu, job.batch, matches!(job.weight, Weight::Prepared(_))) {
            self.by_columns(cpu, out, job, scratch);
        } else {
            self.by_steps(cpu, out, job, scratch);
        }
    }

    /// Runs a pass cut into steps. Every step uses the whole transformed weight, so taps are transformed before the
    /// first.
    fn by_steps(&self, cpu: &Cpu, out: &mut [f32], job: Job<'_>, scratch: &mut [f32]) {
        let Job { pass, input, weight, epilogue, batch, keep } = job;
        let (isa, sides) = (cpu.isa(), self.sides(pass));
        let epilogue = SharedEpilogue::new(epilogue, out.len(), sides.to.plane.channels, self.pieces(batch));
        let (weight, scratch) = match weight {
            Weight::Prepared(weight) => (weight, scratch),
            Weight::Taps(taps) => {
                let (weight, scratch) = scratch.split_at_mut(self.weight_len(pass));
                self.weight_to_domain(cpu, pass, weight, taps, scratch);
                (&*weight, scratch)
            }
        };
        let weight_stride = point_stride(sides.sum, sides.to.width, self.sizes.p);
        let [from, to] = [sides.from, sides.to].map(|side| self.sizes.step_domain(side.width));
        let kept = self.domain(sides.from.width);
        let out = SharedMut::new(out);
        let keep = keep.map(SharedMut::new);
        let per_worker = sides.from.step + sides.to.step;
        cpu.for_each_with_scratch(self.steps(batch), scratch, per_worker, |step, scratch| {
            let (own, m) = scratch.split_at_mut(sides.from.step);
            let own = SharedMut::new(own);
            let step = self.part(self.sizes.step.pictures, step, batch);
            let Step { block, first, row, tiles } = step;
            let (mut n, from) = match &keep {
                Some(keep) => {
                    // SAFETY: steps own disjoint rows of a block.
                    let block = unsafe { keep.part(block * sides.from.block, sides.from.block) };
                    (block, Domain { first_row: row, ..kept })
                }
                None => (own, from),
            };
            self.transform_input(isa, pass, &mut n, from, input, first, tiles, 0..sides.from.width);
            let (start, len) = (first * sides.to.plane.len(), tiles.pictures * sides.to.plane.len());
            // SAFETY: steps own disjoint images.
            let out = unsafe { out.range(start, len) };
            // While they compute, the products fetch what comes after them: where this step's output goes, and the
            // images that follow in the batch, which are most likely this thread's next.
            let next = first + tiles.pictures;
            let next_len = tiles.pictures.min(batch - next) * sides.from.plane.len();
            let next = input.part(next * sides.from.plane.len(), next_len);
            let stretches = iter::once(&*out).chain(epilogue.reads(start, len)).chain(next.in_memory());
            let mut ahead = Prefetch::new(self.points(), stretches.map(Stretch::all));
            for point in 0..self.points() {
                let start = point * from.point_stride + from.first_row * self.sizes.p;
                // SAFETY: of the panel matrix that starts there, a product reads this step's rows only.
                let values = unsafe { n.values(start, n.len() - start) };
                let lhs = Lhs::shared_panels(isa, values, from.rows);
                let rhs = Rhs::panels(isa, &weight[point * weight_stride..], sides.sum);
                let m = Out::panels(isa, &mut m[point * to.point_stride..], to.rows);
                multiply_and_prefetch(isa, m, lhs, rhs, tiles.count(), sides.to.width, sides.sum, false, &mut ahead);
            }
            self.transform_output(isa, pass, SharedMut::new(&mut *out), m, to, tiles, 0..sides.to.width);
            let piece_len = self.sizes.finished * sides.to.plane.len();
            for (index, out) in out.chunks_mut(piece_len).enumerate() {
                let piece = self.first_piece(&step) + index;
                epilogue.apply(isa, piece, start + index * piece_len, out, sides.to.plane.channels);
            }
        });
    }

    /// Runs a pass of few blocks, cut into panels of output channels, which are enough pieces for many threads. Only
    /// one piece uses the columns of the weight that belong to its channels. It transforms them a block of rows and a
    /// row of evaluation points at a time, so that they stay in the second-level cache.
    fn by_columns(&self, cpu: &Cpu, out: &mut [f32], job: Job<'_>, scratch: &mut [f32]) {
        let Job { pass, input, weight, epilogue, batch, keep } = job;
        let (isa, sides, blocks, p) = (cpu.isa(), self.sides(pass), self.blocks(batch), self.sizes.p);
        let from = self.domain(sides.from.width);
        let (own, scratch) = scratch.split_at_mut(if keep.is_some() { 0 } else { blocks * sides.from.block });
        let n = keep.unwrap_or(own);
        self.transform_blocks(cpu, pass, n, input, batch);
        let n = &*n;
        {
            let out = SharedMut::new(&mut *out);
            let at_once = if let Weight::Taps(_) = weight { panels_at_once(cpu, &sides, p) } else { 1 };
            let width = at_once * p;
            let per_worker = self.columns_scratch(blocks, width);
            let (points, own_stride) = (self.scheme.points(), point_stride(BLOCK_K, width, p));
            let prepared_stride = point_stride(sides.sum, sides.to.width, p);
            // A prepared weight is read in order, and by itself: it is all that drawing a face or two waits for. Else
            // products fetch ahead what the next one reads of the input: in the next block at this point, in the first
            // at the next.
            let (block, point) = (sides.from.block as isize, from.point_stride as isize);
            let (step, next_block, next_point) = match weight {
                Weight::Prepared(_) => (sides.sum, 0, 0),
                Weight::Taps(_) => (BLOCK_K, block, point - (blocks as isize - 1) * block),
            };
            cpu.for_each_with_scratch(sides.to.width.div_ceil(width), scratch, per_worker, |piece, scratch| {
                let columns = piece * width..((piece + 1) * width).min(sides.to.width);
                let panels = columns.start / p..columns.end.div_ceil(p);
                let to = Domain { first_column: columns.start, ..self.domain(width) };
                let (gathered, scratch) = scratch.split_at_mut(weight::gathered_len(width, BLOCK_K));
                let (own, m) = scratch.split_at_mut(points * own_stride);
                let block_len = self.points() * to.point_stride;
                for first_row in (0..sides.sum).step_by(step) {
                    let rows = first_row..(first_row + step).min(sides.sum);
                    let gathered = &mut gathered[..weight::gathered_len(panels.len() * p, rows.len().min(BLOCK_K))];
                    let mut ahead = Prefetch::nothing();
                    if let Weight::Taps(taps) = weight {
                        weight::gather(isa, pass, gathered, taps, self.sizes.weight, panels.clone(), rows.clone());
                        // While they compute, the products fetch the taps that come next, of these panels or of this
                        // thread's next ones.
                        let more = rows.end < sides.sum;
                        let (panel, first) = if more { (panels.start, rows.end) } else { (panels.end, 0) };
                        let (panels, next) = (panel..panel + at_once, first..(first + step).min(sides.sum));
                        let next = weight::gathered(isa, pass, taps, self.sizes.weight, panels, next);
                        ahead = Prefetch::new(self.points() * blocks, next);
                    }
                    for point in 0..self.points() {
                        let (row, in_row) = (point / points, point % points);
                        let (weight, panel_stride) = match weight {
                            Weight::Prepared(weight) => {
                                let start = point * prepared_stride + (panels.start * sides.sum + first_row) * p;
                                (&weight[start..], prepared_stride)
                            }
                            Weight::Taps(_) => {
                                if in_row == 0 {
                                    let own = SharedMut::new(own);
                                    weight::to_points(isa, self.scheme, row, own, own_stride, gathered, false);
                                }
                                let weight = match weight::tap_alone(self.scheme, row, in_row) {
                                    Some(tap) => &gathered[tap * (gathered.len() / 4)..],
                                    None => &own[in_row * own_stride..],
                                };
                                (weight, rows.len() * p)
                            }
                        };
                        for block in 0..blocks {
                            let (_, tiles) = self.block(block, batch);
                            let start = block * sides.from.block + point * from.point_stride + first_row * from.rows;
                            let input_ahead = if block + 1 < blocks { next_block } else { next_point };
                            let lhs = Lhs { ahead: input_ahead, ..Lhs::panels(isa, &n[start..], from.rows) };
                            let rhs = Rhs { panel_stride, ..Rhs::panels(isa, weight, sides.sum) };
                            let m = &mut m[block * block_len + point * to.point_stride..];
                            let m = Out::panels(isa, m, to.rows);
                            let (k, accumulate) = (rows.len(), first_row > 0);
                            multiply_and_prefetch(
                                isa,
                                m,
                                lhs,
                                rhs,
                                tiles.count(),
                                columns.len(),
                                k,
                                accumulate,
                                &mut ahead,
                            );
                        }
                    }
                }
                for block in 0..blocks {
                    let (first, tiles) = self.block(block, batch);
                    let (start, len) = (first * sides.to.plane.len(), tiles.pictures * sides.to.plane.len());
                    // SAFETY: pieces own disjoint channels, or phases of them, and blocks disjoint images.
                    let out = unsafe { out.part(start, len) };
                    self.transform_output(isa, pass, out, &m[block * block_len..], to, tiles, columns.clone());
                }
            });
        }
        let epilogue = SharedEpilogue::new(epilogue, out.len(), sides.to.plane.channels, self.pieces(batch));
        let out = SharedMut::new(out);
        cpu.for_each(self.pieces(batch), |piece| {
            let Step { first, tiles, .. } = self.part(self.sizes.finished, piece, batch);
            let (start, len) = (first * sides.to.plane.len(), tiles.pictures * sides.to.plane.len());
            // SAFETY: pieces own disjoint images.
            epilogue.apply(isa, piece, start, unsafe { out.range(start, len) }, sides.to.plane.channels);
        });
    }

    /// Transforms the input of a pass, all blocks of it. A piece of work is a group of columns of one block.
    fn transform_blocks(&self, cpu: &Cpu, pass: Pass, out: &mut [f32], input: InputView<'_>, batch: usize) {
        let (from, group) = (self.sides(pass).from, TRANSFORM_PANELS * self.sizes.p);
        let (domain, groups) = (self.domain(from.width), from.width.div_ceil(group));
        let out = SharedMut::new(out);
        cpu.for_each(self.blocks(batch) * groups, |piece| {
            let (block, first_column) = (piece / groups, piece % groups * group);
            let (first, tiles) = self.block(block, batch);
            // SAFETY: pieces own disjoint columns of disjoint blocks.
            let mut out = unsafe { out.part(block * from.block, from.block) };
            let columns = first_column..(first_column + group).min(from.width);
            self.transform_input(cpu.isa(), pass, &mut out, domain, input, first, tiles, columns);
        });
    }

    /// Number of scratch values of a piece of [`Winograd::by_columns`] that has `width` columns: gathered taps of these
    /// columns, their transform at a row of evaluation points, and the products of `blocks` blocks.
    fn columns_scratch(&self, blocks: usize, width: usize) -> usize {
        let p = self.sizes.p;
        weight::gathered_len(width, BLOCK_K)
            + self.scheme.points() * point_stride(BLOCK_K, width, p)
            + self.points() * blocks * point_stride(self.sizes.rows, width, p)
    }

    /// Returns the sizes of what a pass reads and writes.
    fn sides(&self, pass: Pass) -> Sides {
        let ConvShape { big, small, .. } = self.shape;
        let step = |width| self.points() * self.sizes.step_domain(width).point_stride;
        let big = Side { plane: big, width: self.sizes.big, block: self.sizes.big_block, step: step(self.sizes.big) };
        let small =
            Side { plane: small, width: self.sizes.small, block: self.sizes.small_block, step: step(self.sizes.small) };
        match pass {
            Pass::Forward => Sides { from: big, to: small, sum: big.width },
            Pass::Adjoint => Sides { from: small, to: big, sum: small.plane.channels },
        }
    }

    /// Transforms images that a pass reads, `tiles.pictures` of them from image `first` on, to the columns `columns` of
    /// the domain.
    pub(super) fn transform_input(
        &self,
        isa: Isa,
        pass: Pass,
        out: &mut SharedMut<'_>,
        domain: Domain,
        input: InputView<'_>,
        first: usize,
        tiles: Tiles,
        columns: Range<usize>,
    ) {
        let ConvShape { big, small, .. } = &self.shape;
        let part = |len: usize| input.part(first * len, tiles.pictures * len);
        match pass {
            Pass::Forward => {
                transform::big_to_domain(isa, self.scheme, out, domain, part(big.len()), big, tiles, columns);
            }
            Pass::Adjoint => {
                transform::small_to_domain(isa, self.scheme, out, domain, part(small.len()), small, tiles, columns);
            }
        }
    }

    /// Transforms the products `m` back to the images that a pass writes, at the columns `columns` of the domain.
    fn transform_output(
        &self,
        isa: Isa,
        pass: Pass,
        out: SharedMut<'_>,
        m: &[f32],
        domain: Domain,
        tiles: Tiles,
        columns: Range<usize>,
    ) {
        let ConvShape { big, small, .. } = &self.shape;
        match pass {
            Pass::Forward => transform::domain_to_small(isa, self.scheme, out, m, domain, small, tiles, columns),
            Pass::Adjoint => transform::domain_to_big(isa, self.scheme, out, m, domain, big, tiles, columns),
        }
    }

    /// Number of values of the transformed weight: U in the forward pass, Uᵀ in the adjoint.
    fn weight_len(&self, pass: Pass) -> usize {
        let sides = self.sides(pass);
        self.points() * point_stride(sides.sum, sides.to.width, self.sizes.p)
    }

    /// Transforms a weight to U or Uᵀ at all evaluation points.
    fn weight_to_domain(&self, cpu: &Cpu, pass: Pass, out: &mut [f32], taps: &[f32], scratch: &mut [f32]) {
        let (sides, len, p) = (self.sides(pass), out.len(), self.sizes.p);
        let point_stride = point_stride(sides.sum, sides.to.width, p);
        let (out, per_worker) = (SharedMut::new(out), weight::gathered_len(p, GATHERED_ROWS));
        cpu.for_each_with_scratch(sides.to.width.div_ceil(p), scratch, per_worker, |panel, scratch| {
            for first_row in (0..sides.sum).step_by(GATHERED_ROWS) {
                let rows = first_row..(first_row + GATHERED_ROWS).min(sides.sum);
                let gathered = &mut scratch[..weight::gathered_len(p, rows.len())];
                weight::gather(cpu.isa(), pass, gathered, taps, self.sizes.weight, panel..panel + 1, rows);
                for row in 0..self.scheme.points() {
                    let start = row * self.scheme.points() * point_stride + (panel * sides.sum + first_row) * p;
                    // SAFETY: one panel of every point per piece.
                    let out = unsafe { out.part(start, len - start) };
                    weight::to_points(cpu.isa(), self.scheme, row, out, point_stride, gathered, true);
                }
            }
        });
    }
}

/// Number of panels in a piece of [`Winograd::by_columns`] whose weight is not prepared.
fn panels_at_once(cpu: &Cpu, sides: &Sides, p: usize) -> usize {
    let panels = sides.to.width.div_ceil(p);
    if panels >= COLUMN_PANELS * ENOUGH_PIECES * cpu.threads() { COLUMN_PANELS } else { 1 }
}
