//! Batch normalisation over N × H × W (`BatchNorm2d`), joined with the activation behind it.
//!
//! Forward, for each channel over the M = N·H·W values x:
//!
//! ```text
//! mean = Σ x / M     var = Σ (x − mean)² / M     rstd = 1 / √(var + eps)
//! x̂ = (x − mean) · rstd                          y = f(γ · x̂ + β)
//! ```
//!
//! Running statistics move by `momentum` towards the mean and the *unbiased* variance var · M / (M − 1), as in PyTorch. Backward, with
//! g = dy · f′:
//!
//! ```text
//! dβ = Σ g     dγ = Σ g · x̂     dx = γ · rstd · (g − dβ / M − x̂ · dγ / M)
//! ```
//!
//! In training the sums are taken piece by piece by the convolution that writes the values ([`crate::finish::Finish`]); y and dx are
//! computed by the convolution that reads them ([`crate::source::Source`]), as y = f(scale · x + shift) and dx = α · g + β · x + κ. Only
//! where two passes read dx in tiles that overlap has it a sweep of its own ([`NormBackward::apply`]).
//!
//! Sums are taken in f32 over some rows of a piece, of x less the piece's first row: far from zero, squares of x itself would leave
//! nothing of the variance. Pieces are put together in f64.

use crate::Cpu;
use crate::activation::PIECE;
use crate::cpu::SharedMut;
use crate::simd::{Simd, multiversion};
use crate::source::{Activated, Load, NormBackward, NormGradient, Source, load_channels, store_channels};

/// PyTorch's default.
pub const EPS: f32 = 1e-5;
/// PyTorch's default.
pub const MOMENTUM: f32 = 0.1;

/// Rows summed in f32 before the sum joins the others.
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
pub struct Running<'a> {
    /// Running mean.
    pub mean: &'a mut [f32],
    /// Running unbiased variance.
    pub var: &'a mut [f32],
    /// How far both move towards the batch's: [`MOMENTUM`], or 1/n for the plain mean of n batches.
    pub momentum: f32,
}

/// Values that one piece's sums take: two sums per channel, the value that x was taken relative to, and the number of rows.
pub fn sums_len(channels: usize) -> usize {
    3 * channels + 1
}

/// Turns the sums that [`crate::finish::Finish::Statistics`] took into statistics, and moves the running ones.
///
/// # Panics
/// If lengths do not fit together.
pub fn finish_statistics(stats: Statistics<'_>, running: Running<'_>, sums: &[f32]) {
    let channels = stats.mean.len();
    assert!([stats.rstd.len(), running.mean.len(), running.var.len()] == [channels; 3]);
    assert!(sums.len().is_multiple_of(sums_len(channels)), "sums");
    let pieces = || sums.chunks_exact(sums_len(channels)).map(|piece| (piece, f64::from(piece[3 * channels])));
    let count: f64 = pieces().map(|(_, rows)| rows).sum();
    for c in 0..channels {
        let of = |piece: &[f32]| [piece[c], piece[channels + c], piece[2 * channels + c]].map(f64::from);
        let mut sum = 0.0;
        for (piece, rows) in pieces() {
            let [differences, _, origin] = of(piece);
            sum += differences + rows * origin;
        }
        let mean = sum / count;
        let mut squares = 0.0;
        for (piece, rows) in pieces() {
            let [differences, piece_squares, origin] = of(piece);
            let shift = mean - origin;
            squares += piece_squares - 2.0 * shift * differences + rows * shift * shift;
        }
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

/// Scale and shift that make normalisation one multiply-add: γ · x̂ + β = scale · x + shift.
///
/// # Panics
/// If lengths differ.
pub fn fold(scale: &mut [f32], shift: &mut [f32], mean: &[f32], rstd: &[f32], weight: &[f32], bias: &[f32]) {
    for c in 0..scale.len() {
        scale[c] = weight[c] * rstd[c];
        shift[c] = bias[c] - mean[c] * scale[c];
    }
}

/// What the gradients of batch norm are, per channel.
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

/// Turns the sums that [`crate::finish::Finish::GradientSums`] took into gradients:
///
/// ```text
/// dx = γ·rstd·g − γ·rstd²·dγ/M · x + γ·rstd·(mean·rstd·dγ − dβ)/M
/// ```
///
/// # Panics
/// If lengths do not fit together.
pub fn finish_gradients(out: Gradients<'_>, mean: &[f32], rstd: &[f32], weight: &[f32], sums: &[f32]) {
    let channels = mean.len();
    assert!(sums.len().is_multiple_of(sums_len(channels)), "sums");
    let total = |i: usize| sums.chunks_exact(sums_len(channels)).map(|piece| f64::from(piece[i])).sum::<f64>();
    let count = total(3 * channels);
    for c in 0..channels {
        let (sum, products) = (total(c), total(channels + c));
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
        two_sums(s, sums, x.len() / channels, channels, Deviations { x, origin });
    }
}

multiversion! {
    /// Writes the sums of one piece of a gradient: g and g · (x − mean), where g is `dy` times the activation's slope.
    pub(crate) fn gradient_sums(s, sums: &mut [f32], dy: &[f32], forward: Activated<'_>, mean: &[f32]) {
        let channels = mean.len();
        Source::Activated(forward).check(channels);
        assert!(sums.len() == sums_len(channels) && dy.len() == forward.x.len(), "gradient");
        sums[2 * channels..3 * channels].copy_from_slice(mean);
        two_sums(s, sums, dy.len() / channels, channels, SlopedGradient { dy, forward, mean });
    }
}

/// Two values per channel of each pixel, to be summed.
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
    forward: Activated<'a>,
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

#[inline(always)]
fn two_sums<S: Simd>(s: S, sums: &mut [f32], rows: usize, channels: usize, values: impl Pair) {
    sums[..2 * channels].fill(0.0);
    sums[3 * channels] = rows as f32;
    for start in (0..rows).step_by(SUM_ROWS) {
        for c in (0..channels).step_by(S::LANES) {
            let (mut first, mut second) = (s.splat(0.0), s.splat(0.0));
            // SAFETY: rows of `channels` values as the callers asserted; `sums` holds two values per channel.
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

/// Rows (pixels) of one piece of work when batch norm stands alone.
fn piece_rows(channels: usize) -> usize {
    (PIECE / channels).max(1)
}

/// Values of scratch memory that [`statistics`] and [`backward`] need for `rows × channels` values.
pub fn scratch_len(rows: usize, channels: usize) -> usize {
    rows.div_ceil(piece_rows(channels)) * sums_len(channels)
}

/// Takes the statistics of `x` (rows × channels) and moves the running statistics: batch norm on its own.
///
/// # Panics
/// If lengths do not fit together, or `scratch` is shorter than [`scratch_len`].
pub fn statistics(cpu: &Cpu, stats: Statistics<'_>, running: Running<'_>, x: &[f32], scratch: &mut [f32]) {
    let channels = stats.mean.len();
    let rows = x.len() / channels;
    let sums = sum_pieces(cpu, rows, channels, scratch, |piece, sums| {
        statistics_sums(cpu.isa(), sums, &x[piece], channels);
    });
    finish_statistics(stats, running, sums);
}

/// What the backward pass needs from the forward pass.
#[derive(Debug, Clone, Copy)]
pub struct Saved<'a> {
    /// Input, scale, shift and slope.
    pub forward: Activated<'a>,
    /// Mean of the input.
    pub mean: &'a [f32],
    /// 1 / √(variance + eps) of the input.
    pub rstd: &'a [f32],
    /// γ.
    pub weight: &'a [f32],
}

/// The gradient of the input into `dx`, and dγ and dβ, from the gradient `dy` of the activated output: batch norm on its own.
///
/// # Panics
/// If lengths do not fit together, or `scratch` is shorter than [`scratch_len`].
pub fn backward(cpu: &Cpu, dx: &mut [f32], out: Gradients<'_>, dy: &[f32], saved: Saved<'_>, scratch: &mut [f32]) {
    let Saved { forward, mean, rstd, weight } = saved;
    let channels = mean.len();
    let rows = dy.len() / channels;
    let sums = sum_pieces(cpu, rows, channels, scratch, |piece, sums| {
        let forward = Activated { x: &forward.x[piece.clone()], ..forward };
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
    finish_gradients(coefficients, mean, rstd, weight, sums);
    let norm = NormBackward { forward, gradient_factor, x_factor, constant };
    Source::NormGradient(NormGradient { gradient: dy, norm }).write_to(cpu, dx, channels);
}

/// Takes the sums of pieces of rows: `work(range of values, sums)`. Returns those of all pieces.
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
