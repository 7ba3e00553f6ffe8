//! Batch normalization over N × H × W (`BatchNorm2d`) with the activation that follows it.
//!
//! Forward, for each channel over the M = N·H·W values x:
//!
//! ```text
//! mean = Σ x / M     var = Σ (x − mean)² / M     rstd = 1 / √(var + eps)
//! x̂ = (x − mean) · rstd                          y = f(γ · x̂ + β)
//! ```
//!
//! Running statistics move by `momentum` towards the mean and the *unbiased* variance var · M / (M − 1), as in
//! PyTorch. Backward, with g = dy · f′:
//!
//! ```text
//! dβ = Σ g     dγ = Σ g · x̂     dx = γ · rstd · (g − dβ / M − x̂ · dγ / M)
//! ```
//!
//! In training the sums are taken piece by piece by the convolution that writes the values
//! ([`crate::epilogue::Epilogue`]); y and dx are computed by the convolution that reads them
//! ([`crate::input::InputView`]), as y = f(scale · x + shift) and dx = α · g + β · x + κ. Only where two passes
//! read dx in tiles that overlap it is computed by a sweep of its own ([`NormBackward::apply`]).
//!
//! Sums are taken in f32 over some rows of a piece, of the differences of x from the piece's first row: if the mean is
//! far from zero, the variance would be lost in sums of squares of x itself. The sums of pieces are combined in f64,
//! to a *row* for each part of a batch ([`sum_statistics`], [`sum_gradients`]); rows of parts are combined to that of
//! the batch.

use crate::Cpu;
use crate::activation::PIECE;
use crate::cpu::SharedMut;
use crate::input::{AffineActivation, InputView, Load, NormBackward, NormGradient, load_channels, store_channels};
use crate::simd::{Simd, multiversion};

/// Default of PyTorch's `eps`, which is added to the variance.
pub const EPS: f32 = 1e-5;
/// Default of PyTorch's `momentum` of running statistics.
pub const MOMENTUM: f32 = 0.1;

/// Number of rows summed in f32 before the sum is added to the others.
const SUM_ROWS: usize = 64;

/// Per-channel statistics of one batch.
#[derive(Debug)]
pub struct Statistics<'a> {
    /// Mean.
    pub mean: &'a mut [f32],
    /// 1 / √(biased variance + eps).
    pub rstd: &'a mut [f32],
}

/// Per-channel running statistics.
#[derive(Debug)]
pub struct RunningStatistics<'a> {
    /// Running mean.
    pub mean: &'a mut [f32],
    /// Running unbiased variance.
    pub var: &'a mut [f32],
    /// Weight of the batch's statistics: [`MOMENTUM`], or 1/n for the plain mean of n batches.
    pub momentum: f32,
}

/// Number of values of the sums of one piece: per channel two sums and the origin that differences of x are taken from,
/// and the number of rows.
pub fn sums_len(channels: usize) -> usize {
    3 * channels + 1
}

/// Number of values of a row of sums over a part of a batch: per channel two values, and the number of pixels.
///
/// For statistics the values are the mean and the sum of squared deviations from it; for gradients they are Σ g and
/// Σ g · (x − mean).
pub fn row_len(channels: usize) -> usize {
    2 * channels + 1
}

/// Splits a row of sums into both values of every channel, and the number of pixels.
fn split_row(row: &mut [f64]) -> (&mut [f64], &mut [f64], &mut f64) {
    let channels = (row.len() - 1) / 2;
    let (first, rest) = row.split_at_mut(channels);
    let (second, count) = rest.split_at_mut(channels);
    (first, second, &mut count[0])
}

/// Combines the sums of pieces that [`crate::epilogue::Epilogue::BatchNormSums`] took into a row of statistics. Without
/// pieces the row is 0.
///
/// # Panics
/// If lengths do not fit together.
pub fn sum_statistics(row: &mut [f64], sums: &[f32]) {
    let channels = (row.len() - 1) / 2;
    assert!(row.len() == row_len(channels) && sums.len().is_multiple_of(sums_len(channels)), "sums");
    let pieces = || sums.chunks_exact(sums_len(channels)).map(|piece| (piece, f64::from(piece[3 * channels])));
    row.fill(0.0);
    let (means, squares, count) = split_row(row);
    if sums.is_empty() {
        return;
    }
    *count = pieces().map(|(_, rows)| rows).sum();
    for (piece, rows) in pieces() {
        let (differences, origins) = (&piece[..channels], &piece[2 * channels..3 * channels]);
        for ((sum, difference), origin) in means.iter_mut().zip(differences).zip(origins) {
            *sum += f64::from(*difference) + rows * f64::from(*origin);
        }
    }
    means.iter_mut().for_each(|mean| *mean /= *count);
    for (piece, rows) in pieces() {
        let [differences, piece_squares, origins] = [0, 1, 2].map(|i| &piece[i * channels..][..channels]);
        let values = differences.iter().zip(piece_squares).zip(origins);
        for ((square, mean), ((difference, piece_square), origin)) in squares.iter_mut().zip(&*means).zip(values) {
            let shift = mean - f64::from(*origin);
            *square += f64::from(*piece_square) - 2.0 * shift * f64::from(*difference) + rows * shift * shift;
        }
    }
}

/// Adds the statistics of another part of the batch to `row`. With m values of mean μ and n of mean ν, the mean is
/// μ + (ν − μ) · n / (m + n), and the sum of squared deviations grows by (ν − μ)² · m · n / (m + n) beside the other's
/// (Chan, Golub & LeVeque 1979).
///
/// # Panics
/// If the lengths differ.
pub fn combine_statistics(row: &mut [f64], other: &[f64]) {
    assert_eq!(row.len(), other.len());
    let channels = (row.len() - 1) / 2;
    let (other_means, rest) = other.split_at(channels);
    let (other_squares, other_count) = (&rest[..channels], rest[channels]);
    if other_count == 0.0 {
        return;
    }
    if row[2 * channels] == 0.0 {
        row.copy_from_slice(other);
        return;
    }
    let (means, squares, count) = split_row(row);
    let sum = *count + other_count;
    let (share, weight) = (other_count / sum, *count * other_count / sum);
    for c in 0..channels {
        let difference = other_means[c] - means[c];
        means[c] += difference * share;
        squares[c] += other_squares[c] + difference * difference * weight;
    }
    *count = sum;
}

/// Turns a row of statistics of the whole batch into those that normalize it, and moves the running ones.
///
/// # Panics
/// If lengths do not fit together.
pub fn finish_statistics(stats: Statistics<'_>, running: RunningStatistics<'_>, row: &[f64]) {
    let channels = stats.mean.len();
    assert!([stats.rstd.len(), running.mean.len(), running.var.len()] == [channels; 3]);
    assert_eq!(row.len(), row_len(channels), "row");
    let count = row[2 * channels];
    for c in 0..channels {
        let (mean, squares) = (row[c], row[channels + c]);
        // Rounding may leave less than nothing; `max` would hide NaN from the guards.
        let var = if squares < 0.0 { 0.0 } else { squares / count };
        stats.mean[c] = mean as f32;
        stats.rstd[c] = (1.0 / (var + f64::from(EPS)).sqrt()) as f32;
        let unbiased = var * count / (count - 1.0).max(1.0);
        let step = |old: f32, new: f64| (f64::from(old) + f64::from(running.momentum) * (new - f64::from(old))) as f32;
        running.mean[c] = step(running.mean[c], mean);
        running.var[c] = step(running.var[c], unbiased);
    }
}

/// Computes scale and shift, with which normalization is one multiply-add: γ · x̂ + β = scale · x + shift.
///
/// # Panics
/// If lengths differ.
pub fn fold(scale: &mut [f32], shift: &mut [f32], mean: &[f32], rstd: &[f32], weight: &[f32], bias: &[f32]) {
    for c in 0..scale.len() {
        scale[c] = weight[c] * rstd[c];
        shift[c] = bias[c] - mean[c] * scale[c];
    }
}

/// Outputs of batch norm's backward pass, one value per channel each.
#[derive(Debug)]
pub struct Gradients<'a> {
    /// dγ
    pub weight: &'a mut [f32],
    /// dβ
    pub bias: &'a mut [f32],
    /// α, β and κ of [`NormBackward`].
    pub gradient_factor: &'a mut [f32],
    /// See `gradient_factor`.
    pub x_factor: &'a mut [f32],
    /// See `gradient_factor`.
    pub constant: &'a mut [f32],
}

/// Combines the sums of pieces that [`crate::epilogue::Epilogue::BatchNormBackwardSums`] took into a row of sums.
/// Without pieces the row is 0.
///
/// # Panics
/// If lengths do not fit together.
pub fn sum_gradients(row: &mut [f64], sums: &[f32]) {
    let channels = (row.len() - 1) / 2;
    assert!(row.len() == row_len(channels) && sums.len().is_multiple_of(sums_len(channels)), "sums");
    row.fill(0.0);
    let (values, count) = row.split_at_mut(2 * channels);
    for piece in sums.chunks_exact(sums_len(channels)) {
        values.iter_mut().zip(piece).for_each(|(sum, value)| *sum += f64::from(*value));
        count[0] += f64::from(piece[3 * channels]);
    }
}

/// Adds the sums of another part of the batch to `row`.
///
/// # Panics
/// If the lengths differ.
pub fn combine_gradients(row: &mut [f64], other: &[f64]) {
    assert_eq!(row.len(), other.len());
    row.iter_mut().zip(other).for_each(|(sum, other)| *sum += other);
}

/// Turns a row of sums over the whole batch into gradients:
///
/// ```text
/// dx = γ·rstd·g − γ·rstd²·dγ/M · x + γ·rstd·(mean·rstd·dγ − dβ)/M
/// ```
///
/// # Panics
/// If lengths do not fit together.
pub fn finish_gradients(out: Gradients<'_>, mean: &[f32], rstd: &[f32], weight: &[f32], row: &[f64]) {
    let channels = mean.len();
    assert_eq!(row.len(), row_len(channels), "row");
    let count = row[2 * channels];
    for c in 0..channels {
        let (sum, products) = (row[c], row[channels + c]);
        let [mean, rstd, weight] = [mean[c], rstd[c], weight[c]].map(f64::from);
        let dweight = products * rstd;
        out.weight[c] = dweight as f32;
        out.bias[c] = sum as f32;
        out.gradient_factor[c] = (weight * rstd) as f32;
        out.x_factor[c] = (-weight * rstd * rstd * dweight / count) as f32;
        out.constant[c] = (weight * rstd * (mean * rstd * dweight - sum) / count) as f32;
    }
}

multiversion! {
    /// Writes the sums of one piece of x (rows × channels).
    pub(crate) fn statistics_sums(s, sums: &mut [f32], x: &[f32], channels: usize) {
        assert!(sums.len() == sums_len(channels) && x.len() >= channels && x.len().is_multiple_of(channels), "rows");
        let origin = &x[..channels];
        sums[2 * channels..3 * channels].copy_from_slice(origin);
        // SAFETY: `x` is whole rows of `channels` values, `origin` is one of them, and `sums` has room for all sums
        // (asserted).
        unsafe { two_sums(s, sums, x.len() / channels, channels, Deviations { x, origin }) };
    }
}

multiversion! {
    /// Writes the sums of one piece of a gradient: g and g · (x − mean), where g is `dy` times the activation's
    /// slope.
    pub(crate) fn gradient_sums(s, sums: &mut [f32], dy: &[f32], forward: AffineActivation<'_>, mean: &[f32]) {
        let channels = mean.len();
        InputView::AffineActivation(forward).check(channels);
        assert!(sums.len() == sums_len(channels) && dy.len() == forward.x.len(), "gradient");
        sums[2 * channels..3 * channels].copy_from_slice(mean);
        // SAFETY: `dy` and the input are whole rows of `channels` values, of which there are so many means, and `sums`
        // has room for all sums (asserted).
        unsafe { two_sums(s, sums, dy.len() / channels, channels, SlopedGradient { dy, forward, mean }) };
    }
}

/// A pair of values per channel of each pixel, to be summed.
trait Pair: Copy {
    /// # Safety
    /// `pixel` must be the start of a pixel, and `c` < `channels`.
    unsafe fn pair<S: Simd>(self, s: S, pixel: usize, c: usize, channels: usize) -> (S::V, S::V);
}

#[derive(Clone, Copy)]
struct Deviations<'a> {
    x: &'a [f32],
    origin: &'a [f32],
}

impl Pair for Deviations<'_> {
    #[inline(always)]
    unsafe fn pair<S: Simd>(self, s: S, pixel: usize, c: usize, channels: usize) -> (S::V, S::V) {
        // SAFETY: handed on to the caller; the origin is a pixel.
        let d = unsafe { s.sub(self.x.load(s, pixel, c, channels), self.origin.load(s, 0, c, channels)) };
        (d, s.mul(d, d))
    }
}

#[derive(Clone, Copy)]
struct SlopedGradient<'a> {
    dy: &'a [f32],
    forward: AffineActivation<'a>,
    mean: &'a [f32],
}

impl Pair for SlopedGradient<'_> {
    #[inline(always)]
    unsafe fn pair<S: Simd>(self, s: S, pixel: usize, c: usize, channels: usize) -> (S::V, S::V) {
        // SAFETY: handed on to the caller; there is a mean per channel.
        unsafe {
            let x = self.forward.x.load(s, pixel, c, channels);
            let scale = load_channels(s, self.forward.scale.as_ptr(), c, channels);
            let y = s.mul_add(x, scale, load_channels(s, self.forward.shift.as_ptr(), c, channels));
            let dy = self.dy.load(s, pixel, c, channels);
            let g = s.where_positive(y, dy, s.mul(s.splat(self.forward.slope), dy));
            (g, s.mul(g, s.sub(x, load_channels(s, self.mean.as_ptr(), c, channels))))
        }
    }
}

/// Sums both values of a pair over `rows` rows, and writes the sums and the number of rows.
///
/// # Safety
/// `values` must have `rows` rows of `channels` values, and `sums` [`sums_len`] values.
#[inline(always)]
unsafe fn two_sums<S: Simd>(s: S, sums: &mut [f32], rows: usize, channels: usize, values: impl Pair) {
    sums[..2 * channels].fill(0.0);
    sums[3 * channels] = rows as f32;
    for start in (0..rows).step_by(SUM_ROWS) {
        for c in (0..channels).step_by(S::LANES) {
            let (mut first, mut second) = (s.splat(0.0), s.splat(0.0));
            // SAFETY: a row that there is and one of its channels, as the caller promises; `sums` holds two values per
            // channel.
            unsafe {
                for row in start..(start + SUM_ROWS).min(rows) {
                    let (a, b) = values.pair(s, row * channels, c, channels);
                    first = s.add(first, a);
                    second = s.add(second, b);
                }
                for (sum, i) in [(first, 0), (second, channels)] {
                    let ptr = sums.as_mut_ptr().add(i);
                    store_channels(s, ptr, c, channels, s.add(load_channels(s, ptr, c, channels), sum));
                }
            }
        }
    }
}

/// Number of rows (pixels) of one piece of work of [`statistics`] and [`backward`].
fn piece_rows(channels: usize) -> usize {
    (PIECE / channels).max(1)
}

/// Number of scratch values that [`statistics`] and [`backward`] need for `rows × channels` values.
pub fn scratch_len(rows: usize, channels: usize) -> usize {
    rows.div_ceil(piece_rows(channels)) * sums_len(channels)
}

/// Computes the statistics of `x` (rows × channels) and updates the running statistics, without a convolution before
/// it.
///
/// # Panics
/// If lengths do not fit together, or `scratch` is shorter than [`scratch_len`].
pub fn statistics(cpu: &Cpu, stats: Statistics<'_>, running: RunningStatistics<'_>, x: &[f32], scratch: &mut [f32]) {
    let channels = stats.mean.len();
    let rows = x.len() / channels;
    let sums = sum_pieces(cpu, rows, channels, scratch, |piece, sums| {
        statistics_sums(cpu.isa(), sums, &x[piece], channels);
    });
    let mut row = vec![0.0; row_len(channels)];
    sum_statistics(&mut row, sums);
    finish_statistics(stats, running, &row);
}

/// Values of the forward pass that the backward pass reads.
#[derive(Debug, Clone, Copy)]
pub struct SavedTensors<'a> {
    /// Input, scale, shift and slope.
    pub forward: AffineActivation<'a>,
    /// Mean of the input.
    pub mean: &'a [f32],
    /// 1 / √(variance + eps) of the input.
    pub rstd: &'a [f32],
    /// γ.
    pub weight: &'a [f32],
}

/// Computes the gradient of the input, `dx`, and dγ and dβ from the gradient `dy` of the activated output, without a
/// convolution after it.
///
/// # Panics
/// If lengths do not fit together, or `scratch` is shorter than [`scratch_len`].
pub fn backward(
    cpu: &Cpu,
    dx: &mut [f32],
    out: Gradients<'_>,
    dy: &[f32],
    saved: SavedTensors<'_>,
    scratch: &mut [f32],
) {
    let SavedTensors { forward, mean, rstd, weight } = saved;
    let channels = mean.len();
    let rows = dy.len() / channels;
    let sums = sum_pieces(cpu, rows, channels, scratch, |piece, sums| {
        let forward = AffineActivation { x: &forward.x[piece.clone()], ..forward };
        gradient_sums(cpu.isa(), sums, &dy[piece], forward, mean);
    });
    let Gradients { weight: dweight, bias: dbias, gradient_factor, x_factor, constant } = out;
    let coefficients = Gradients {
        weight: dweight,
        bias: dbias,
        gradient_factor: &mut *gradient_factor,
        x_factor: &mut *x_factor,
        constant: &mut *constant,
    };
    let mut row = vec![0.0; row_len(channels)];
    sum_gradients(&mut row, sums);
    finish_gradients(coefficients, mean, rstd, weight, &row);
    let norm = NormBackward { forward, gradient_factor, x_factor, constant };
    InputView::NormGradient(NormGradient { gradient: dy, norm }).write_to(cpu, dx, channels);
}

/// Calls `work(range of values, sums)` for every piece of rows, and returns the sums of all pieces.
fn sum_pieces<'a>(
    cpu: &Cpu,
    rows: usize,
    channels: usize,
    scratch: &'a mut [f32],
    work: impl Fn(std::ops::Range<usize>, &mut [f32]) + Sync + Send,
) -> &'a [f32] {
    let piece_rows = piece_rows(channels);
    let sums = &mut scratch[..scratch_len(rows, channels)];
    let shared = SharedMut::new(sums);
    cpu.for_each(rows.div_ceil(piece_rows), |piece| {
        // SAFETY: each piece has sums of its own.
        let sums = unsafe { shared.range(piece * sums_len(channels), sums_len(channels)) };
        let start = piece * piece_rows;
        let end = (start + piece_rows).min(rows);
        work(start * channels..end * channels, sums);
    });
    sums
}
