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

use crate::Cpu;
use crate::activation::{Activation, PIECE};
use crate::cpu::SharedMut;
use crate::simd::multiversion;

/// PyTorch's default.
pub const EPS: f32 = 1e-5;
/// PyTorch's default.
pub const MOMENTUM: f32 = 0.1;

/// Rows (pixels) of one piece of work: few enough that sums over them lose nothing in f32.
fn piece_rows(channels: usize) -> usize {
    (PIECE / channels).clamp(1, 512)
}

/// Values of scratch memory for `rows × channels` values.
pub fn scratch_len(rows: usize, channels: usize) -> usize {
    rows.div_ceil(piece_rows(channels)) * 2 * channels
}

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
}

/// Takes the statistics of `x` (rows × channels) and moves the running statistics.
///
/// Sums are taken in f32 within a piece and in f64 across pieces, of x and x² less the first row: Σx² − (Σx)² / M would cancel where a
/// channel's mean is larger than its deviation, and one of the channel's own values is never many deviations away.
///
/// # Panics
/// If lengths do not fit together, or `scratch` is shorter than [`scratch_len`].
pub fn statistics(cpu: &Cpu, stats: Statistics<'_>, running: Running<'_>, x: &[f32], scratch: &mut [f32]) {
    let channels = stats.mean.len();
    let rows = x.len() / channels;
    assert_eq!(x.len(), rows * channels);
    assert!([stats.rstd.len(), running.mean.len(), running.var.len()] == [channels; 3]);
    let partials = reduce(cpu, rows, channels, scratch, |piece, sums, squares| {
        sum_and_squares(cpu.isa(), sums, squares, &x[piece], &x[..channels]);
    });
    let count = rows as f64;
    for c in 0..channels {
        let (sum, squares) = total(partials, channels, c);
        let beyond_first = sum / count;
        let mean = f64::from(x[c]) + beyond_first;
        let var = (squares / count - beyond_first * beyond_first).max(0.0);
        stats.mean[c] = mean as f32;
        stats.rstd[c] = (1.0 / (var + f64::from(EPS)).sqrt()) as f32;
        let unbiased = var * count / (count - 1.0).max(1.0);
        let step = |old: f32, new: f64| (f64::from(old) + f64::from(MOMENTUM) * (new - f64::from(old))) as f32;
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

/// y = f(scale · x + shift), per channel.
///
/// # Panics
/// If lengths do not fit together.
pub fn forward(cpu: &Cpu, y: &mut [f32], x: &[f32], scale: &[f32], shift: &[f32], activation: Activation) {
    let channels = scale.len();
    let rows = x.len() / channels;
    assert!(y.len() == x.len() && x.len() == rows * channels && shift.len() == channels);
    let y = SharedMut::new(y);
    let piece_len = piece_rows(channels) * channels;
    cpu.for_each(x.len().div_ceil(piece_len), |piece| {
        let start = piece * piece_len;
        let x = &x[start..(start + piece_len).min(x.len())];
        // SAFETY: pieces are disjoint.
        let y = unsafe { y.range(start, x.len()) };
        match activation {
            Activation::LeakyRelu(slope) => scale_shift_leaky_relu(cpu.isa(), y, x, scale, shift, slope),
            Activation::Identity => scale_shift_leaky_relu(cpu.isa(), y, x, scale, shift, 1.0),
            Activation::Tanh => unreachable!("no layer of a DCGAN puts Tanh behind batch norm"),
        }
    });
}

/// What the backward pass needs from the forward pass.
#[derive(Debug, Clone, Copy)]
pub struct Saved<'a> {
    /// The layer's input.
    pub x: &'a [f32],
    /// The activation's output.
    pub y: &'a [f32],
    /// Mean of `x`.
    pub mean: &'a [f32],
    /// 1 / √(variance + eps) of `x`.
    pub rstd: &'a [f32],
    /// γ.
    pub weight: &'a [f32],
}

/// Turns the gradient of y into that of x, in place, and writes dγ and dβ (replacing them).
///
/// # Panics
/// If lengths do not fit together, or `scratch` is shorter than [`scratch_len`].
pub fn backward(
    cpu: &Cpu,
    gradient: &mut [f32],
    dweight: &mut [f32],
    dbias: &mut [f32],
    saved: Saved<'_>,
    slope: f32,
    scratch: &mut [f32],
) {
    let Saved { x, y, mean, rstd, weight } = saved;
    let channels = mean.len();
    let rows = x.len() / channels;
    assert!(x.len() == rows * channels && y.len() == x.len() && gradient.len() == x.len());
    assert!([dweight.len(), dbias.len(), rstd.len(), weight.len()] == [channels; 4]);
    let dy = &*gradient;
    let partials = reduce(cpu, rows, channels, scratch, |piece, sums, products| {
        let saved = Saved { x: &x[piece.clone()], y: &y[piece.clone()], ..saved };
        gradient_sums(cpu.isa(), sums, products, &dy[piece], saved, slope);
    });
    for c in 0..channels {
        let (sum, products) = total(partials, channels, c);
        dbias[c] = sum as f32;
        dweight[c] = products as f32;
    }
    let piece_len = piece_rows(channels) * channels;
    let len = gradient.len();
    let gradient = SharedMut::new(gradient);
    let (dweight, dbias) = (&*dweight, &*dbias);
    cpu.for_each(len.div_ceil(piece_len), |piece| {
        let start = piece * piece_len;
        let end = (start + piece_len).min(len);
        // SAFETY: pieces are disjoint.
        let gradient = unsafe { gradient.range(start, end - start) };
        let saved = Saved { x: &x[start..end], y: &y[start..end], ..saved };
        input_gradient(cpu.isa(), gradient, dweight, dbias, saved, slope, 1.0 / rows as f32);
    });
}

/// Two sums per channel over pieces of rows: `work(range of values, first sums, second sums)`. Returns the partial sums.
fn reduce<'a>(
    cpu: &Cpu,
    rows: usize,
    channels: usize,
    scratch: &'a mut [f32],
    work: impl Fn(std::ops::Range<usize>, &mut [f32], &mut [f32]) + Sync + Send,
) -> &'a [f32] {
    let piece_rows = piece_rows(channels);
    let partials = &mut scratch[..scratch_len(rows, channels)];
    let shared = SharedMut::new(partials);
    cpu.for_each(rows.div_ceil(piece_rows), |piece| {
        // SAFETY: one row of partial sums per piece.
        let (first, second) = unsafe { shared.range(piece * 2 * channels, 2 * channels) }.split_at_mut(channels);
        first.fill(0.0);
        second.fill(0.0);
        let start = piece * piece_rows;
        let end = (start + piece_rows).min(rows);
        work(start * channels..end * channels, first, second);
    });
    partials
}

fn total(partials: &[f32], channels: usize, c: usize) -> (f64, f64) {
    let mut total = (0.0, 0.0);
    for piece in partials.chunks_exact(2 * channels) {
        total.0 += f64::from(piece[c]);
        total.1 += f64::from(piece[channels + c]);
    }
    total
}

multiversion! {
    fn sum_and_squares(s, sums: &mut [f32], squares: &mut [f32], x: &[f32], first: &[f32]) {
        let _ = s;
        for row in x.chunks_exact(sums.len()) {
            for (((sum, square), x), first) in sums.iter_mut().zip(&mut *squares).zip(row).zip(first) {
                let x = x - first;
                *sum += x;
                *square += x * x;
            }
        }
    }
}

multiversion! {
    fn scale_shift_leaky_relu(s, y: &mut [f32], x: &[f32], scale: &[f32], shift: &[f32], slope: f32) {
        let _ = s;
        let channels = scale.len();
        for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
            for c in 0..channels {
                let value = x[c] * scale[c] + shift[c];
                y[c] = if value > 0.0 { value } else { slope * value };
            }
        }
    }
}

multiversion! {
    fn gradient_sums(s, sums: &mut [f32], products: &mut [f32], dy: &[f32], saved: Saved<'_>, slope: f32) {
        let _ = s;
        let channels = sums.len();
        let rows = dy.chunks_exact(channels).zip(saved.x.chunks_exact(channels)).zip(saved.y.chunks_exact(channels));
        let (products, mean, rstd) = (&mut products[..channels], &saved.mean[..channels], &saved.rstd[..channels]);
        for ((dy, x), y) in rows {
            for c in 0..channels {
                let g = if y[c] > 0.0 { dy[c] } else { slope * dy[c] };
                sums[c] += g;
                products[c] += g * ((x[c] - mean[c]) * rstd[c]);
            }
        }
    }
}

multiversion! {
    fn input_gradient(
        s, gradient: &mut [f32], dweight: &[f32], dbias: &[f32], saved: Saved<'_>, slope: f32, per_row: f32,
    ) {
        let _ = s;
        let channels = dweight.len();
        let Saved { x, y, mean, rstd, weight } = saved;
        let (dbias, mean, rstd, weight) = (&dbias[..channels], &mean[..channels], &rstd[..channels], &weight[..channels]);
        for ((dy, x), y) in gradient.chunks_exact_mut(channels).zip(x.chunks_exact(channels)).zip(y.chunks_exact(channels)) {
            for c in 0..channels {
                let g = if y[c] > 0.0 { dy[c] } else { slope * dy[c] };
                let x_hat = (x[c] - mean[c]) * rstd[c];
                dy[c] = weight[c] * rstd[c] * (g - per_row * (dbias[c] + x_hat * dweight[c]));
            }
        }
    }
}
