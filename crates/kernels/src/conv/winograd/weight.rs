//! Weights to the transformed domain, and gradients back.

use super::scheme::{F2, F4, MAX_POINTS, Scheme};
use super::{Pass, SchemeKind};
use crate::cpu::SharedMut;
use crate::simd::{MAX_LANES, Simd, multiversion};
use crate::source::{load_channels, store_channels};

/// Sizes of a convolution's weight: 16 taps of C × K.
#[derive(Debug, Clone, Copy)]
pub(super) struct WeightShape {
    /// Big channels C.
    pub(super) big: usize,
    /// Small channels K.
    pub(super) small: usize,
    /// C rounded up to whole vectors: the big side's channels in the domain are (phase, c) with this many c.
    pub(super) phase_stride: usize,
}

/// The tap of phase (r, q) = (phase / 2, phase % 2) and Winograd tap (a, b): (2a + r, 2b + q).
#[inline(always)]
pub(super) fn tap(phase: usize, a: usize, b: usize) -> usize {
    (2 * a + phase / 2) * 4 + 2 * b + phase % 2
}

/// Values fetched ahead where rows of the weight are read side by side, too many for the processor to foresee.
const AHEAD: usize = 64;

multiversion! {
    /// Panel `panel` of the right side of a pass at every evaluation point, `point_stride` apart: of U = G g Gᵀ for the forward pass, with rows
    /// (phase, c) and columns k, or of Uᵀ for the adjoint. `weight` is 16 taps of C × K.
    ///
    /// # Panics
    /// If `weight` or `out` is too short.
    pub(super) fn panel(
        s, scheme: SchemeKind, pass: Pass, out: SharedMut<'_>, point_stride: usize, weight: &[f32], shape: WeightShape, panel: usize,
    ) {
        match (scheme, pass) {
            (SchemeKind::F2, Pass::Forward) => panel_for_forward::<S, F2>(s, out, point_stride, weight, shape, panel),
            (SchemeKind::F4, Pass::Forward) => panel_for_forward::<S, F4>(s, out, point_stride, weight, shape, panel),
            (SchemeKind::F2, Pass::Adjoint) => panel_for_adjoint::<S, F2>(s, out, point_stride, weight, shape, panel),
            (SchemeKind::F4, Pass::Adjoint) => panel_for_adjoint::<S, F4>(s, out, point_stride, weight, shape, panel),
        }
    }
}

#[inline(always)]
fn panel_for_forward<S: Simd, T: Scheme>(
    s: S,
    out: SharedMut<'_>,
    point_stride: usize,
    weight: &[f32],
    shape: WeightShape,
    panel: usize,
) {
    let (p, rows) = (S::LANES * S::TILE_VECTORS, 4 * shape.phase_stride);
    check_panel::<S, T>(&out, point_stride, weight, shape, rows);
    for row in 0..rows {
        let (phase, c) = (row / shape.phase_stride, row % shape.phase_stride);
        for lane in (0..p).step_by(S::LANES) {
            let k = panel * p + lane;
            let mut taps = [[s.splat(0.0); 2]; 2];
            if c < shape.big && k < shape.small {
                for (a, taps) in taps.iter_mut().enumerate() {
                    for (b, value) in taps.iter_mut().enumerate() {
                        let start = (tap(phase, a, b) * shape.big + c) * shape.small;
                        // SAFETY: a row of a tap, within `weight` (asserted).
                        *value = unsafe { load_channels(s, weight.as_ptr().add(start), k, shape.small) };
                    }
                }
            }
            // SAFETY: `out` holds `rows` rows of a panel at every point (asserted).
            unsafe { store_points::<S, T>(s, out.as_mut_ptr().add(row * p + lane), point_stride, taps) };
        }
    }
}

#[inline(always)]
fn panel_for_adjoint<S: Simd, T: Scheme>(
    s: S,
    out: SharedMut<'_>,
    point_stride: usize,
    weight: &[f32],
    shape: WeightShape,
    panel: usize,
) {
    let (p, rows) = (S::LANES * S::TILE_VECTORS, shape.small);
    check_panel::<S, T>(&out, point_stride, weight, shape, rows);
    // Outside the loops, so that it is filled with zeros once.
    let mut transposed = [[s.splat(0.0); MAX_LANES]; 4];
    for first_row in (0..rows).step_by(S::LANES) {
        let count = S::LANES.min(rows - first_row);
        for lane in (0..p).step_by(S::LANES) {
            let column = panel * p + lane;
            let (phase, c) = (column / shape.phase_stride, column % shape.phase_stride);
            // Vectors run along c, memory along k.
            for (i, transposed) in transposed.iter_mut().enumerate() {
                if phase < 4 {
                    let start = (tap(phase, i / 2, i % 2) * shape.big + c) * shape.small + first_row;
                    load_square(s, transposed, &weight[start..], shape.small, shape.big.saturating_sub(c), count);
                } else {
                    *transposed = [s.splat(0.0); MAX_LANES];
                }
            }
            for row in 0..count {
                let taps = [[transposed[0][row], transposed[1][row]], [transposed[2][row], transposed[3][row]]];
                let start = (first_row + row) * p + lane;
                // SAFETY: `out` holds `rows` rows of a panel at every point (asserted).
                unsafe { store_points::<S, T>(s, out.as_mut_ptr().add(start), point_stride, taps) };
            }
        }
    }
}

/// The columns of up to a vector of rows of up to a vector of values, `stride` apart; zeros beyond `rows` and `columns`.
#[inline(always)]
fn load_square<S: Simd>(s: S, out: &mut [S::V; MAX_LANES], from: &[f32], stride: usize, rows: usize, columns: usize) {
    if rows >= S::LANES && columns >= S::LANES {
        let end = (S::LANES - 1) * stride + S::LANES;
        for row in 0..S::LANES {
            s.prefetch(from.as_ptr().wrapping_add(row * stride + AHEAD));
        }
        // SAFETY: the slice reaches to the last value.
        unsafe { s.load_transposed(out, from[..end].as_ptr(), stride) };
        return;
    }
    let mut square = [[0.0f32; MAX_LANES]; MAX_LANES];
    for (row, square) in square.iter_mut().enumerate().take(rows) {
        square[..columns].copy_from_slice(&from[row * stride..][..columns]);
    }
    // SAFETY: a square of the widest vectors.
    unsafe { s.load_transposed(out, square.as_ptr().cast(), MAX_LANES) };
}

/// Asserts that `weight` is 16 taps of C × K and `out` holds `rows` rows of a panel at every point.
#[inline(always)]
fn check_panel<S: Simd, T: Scheme>(
    out: &SharedMut<'_>,
    point_stride: usize,
    weight: &[f32],
    shape: WeightShape,
    rows: usize,
) {
    let len = rows * S::LANES * S::TILE_VECTORS;
    assert!(weight.len() >= 16 * shape.big * shape.small, "weight");
    assert!(len <= point_stride && out.len() >= (T::POINTS * T::POINTS - 1) * point_stride + len, "panel");
}

/// G g Gᵀ of a vector of 2 × 2 taps, to all evaluation points.
///
/// # Safety
/// A vector must be writable at every point, `point_stride` apart from `out` on.
#[inline(always)]
unsafe fn store_points<S: Simd, T: Scheme>(s: S, out: *mut f32, point_stride: usize, taps: [[S::V; 2]; 2]) {
    let mut t = [[s.splat(0.0); 2]; MAX_POINTS];
    for b in 0..2 {
        let column = T::weight(s, [taps[0][b], taps[1][b]]);
        for i in 0..T::POINTS {
            t[i][b] = column[i];
        }
    }
    for i in 0..T::POINTS {
        let values = T::weight(s, t[i]);
        for l in 0..T::POINTS {
            // SAFETY: handed on to the caller.
            unsafe { s.store(out.add((i * T::POINTS + l) * point_stride), values[l]) };
        }
    }
}

multiversion! {
    /// Gᵀ P G for one row (one phase and big channel) of the products P, whose vectors of small channels lie at
    /// `point · point_stride + panel · panel_stride` from the start of `products`. `out` are the rows of taps (a, b) = 00, 01, 10, 11.
    ///
    /// # Panics
    /// If a slice is too short.
    pub(super) fn gradient_row(s, scheme: SchemeKind, out: [&mut [f32]; 4], products: &[f32], point_stride: usize, panel_stride: usize) {
        match scheme {
            SchemeKind::F2 => gradient_row_generic::<S, F2>(s, out, products, point_stride, panel_stride),
            SchemeKind::F4 => gradient_row_generic::<S, F4>(s, out, products, point_stride, panel_stride),
        }
    }
}

#[inline(always)]
fn gradient_row_generic<S: Simd, T: Scheme>(
    s: S,
    out: [&mut [f32]; 4],
    products: &[f32],
    point_stride: usize,
    panel_stride: usize,
) {
    let (n, p) = (T::POINTS, S::LANES * S::TILE_VECTORS);
    let channels = out[0].len();
    assert!(out.iter().all(|out| out.len() == channels), "rows of taps");
    let last = (n * n - 1) * point_stride + (channels.div_ceil(p) - 1) * panel_stride + p;
    assert!(products.len() >= last, "products");
    let mut t = [[s.splat(0.0); MAX_POINTS]; 2];
    for k in (0..channels).step_by(S::LANES) {
        let offset = (k / p) * panel_stride + k % p;
        for l in 0..n {
            let mut column = [s.splat(0.0); MAX_POINTS];
            for i in 0..n {
                // SAFETY: within `products` (asserted).
                column[i] = unsafe { s.load(products.as_ptr().add((i * n + l) * point_stride + offset)) };
            }
            let column = T::weight_adjoint(s, column);
            t[0][l] = column[0];
            t[1][l] = column[1];
        }
        for a in 0..2 {
            let values = T::weight_adjoint(s, t[a]);
            for b in 0..2 {
                // SAFETY: `k` is a channel of the row, whose end the store respects.
                unsafe {
                    store_channels(s, out[2 * a + b].as_mut_ptr(), k, channels, values[b]);
                }
            }
        }
    }
}
