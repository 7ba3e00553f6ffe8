//! Weights to the transformed domain, and gradients back.

use super::SchemeKind;
use super::scheme::{F2, F4, MAX_POINTS, Scheme};
use crate::simd::{Simd, multiversion};
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

/// One panel of every evaluation point.
pub(super) type PanelOfPoints<'a> = [&'a mut [f32]; MAX_POINTS * MAX_POINTS];

multiversion! {
    /// Panel `panel` of U = G g Gᵀ, the right side of the forward pass: rows (phase, c), columns k. `weight` is 16 taps of C × K.
    ///
    /// # Panics
    /// If `weight` or a panel is too short.
    pub(super) fn panel_for_forward(s, scheme: SchemeKind, out: PanelOfPoints<'_>, weight: &[f32], shape: WeightShape, panel: usize) {
        let place = |row: usize, column: usize| (row / shape.phase_stride, row % shape.phase_stride, column);
        let rows = 4 * shape.phase_stride;
        match scheme {
            SchemeKind::F2 => fill_panel::<S, F2>(s, out, weight, (shape.big, shape.small), panel, rows, place),
            SchemeKind::F4 => fill_panel::<S, F4>(s, out, weight, (shape.big, shape.small), panel, rows, place),
        }
    }
}

multiversion! {
    /// Panel `panel` of Uᵀ, the right side of the adjoint pass: rows k, columns (phase, c). `weight` is 16 taps of K × C.
    ///
    /// # Panics
    /// If `weight` or a panel is too short.
    pub(super) fn panel_for_adjoint(s, scheme: SchemeKind, out: PanelOfPoints<'_>, weight: &[f32], shape: WeightShape, panel: usize) {
        let place = |row: usize, column: usize| (column / shape.phase_stride, row, column % shape.phase_stride);
        let rows = shape.small;
        match scheme {
            SchemeKind::F2 => fill_panel::<S, F2>(s, out, weight, (shape.small, shape.big), panel, rows, place),
            SchemeKind::F4 => fill_panel::<S, F4>(s, out, weight, (shape.small, shape.big), panel, rows, place),
        }
    }
}

/// Transforms the taps of every vector of one panel. `place(row, column)` says which phase, source row and source column a vector of the
/// panel matrix comes from; what lies outside the `source` rows × columns of a tap is zero.
#[inline(always)]
fn fill_panel<S: Simd, T: Scheme>(
    s: S,
    out: PanelOfPoints<'_>,
    weight: &[f32],
    source: (usize, usize),
    panel: usize,
    rows: usize,
    place: impl Fn(usize, usize) -> (usize, usize, usize),
) {
    let (n, p) = (T::POINTS, S::LANES * S::TILE_VECTORS);
    let (source_rows, source_cols) = source;
    assert!(weight.len() >= 16 * source_rows * source_cols, "weight");
    assert!(out[..n * n].iter().all(|out| out.len() >= rows * p), "panel");
    for row in 0..rows {
        for lane in (0..p).step_by(S::LANES) {
            let (phase, source_row, source_col) = place(row, panel * p + lane);
            let mut t = [[s.splat(0.0); 2]; MAX_POINTS];
            if phase < 4 && source_row < source_rows && source_col < source_cols {
                for b in 0..2 {
                    let mut taps = [s.splat(0.0); 2];
                    for (a, value) in taps.iter_mut().enumerate() {
                        let start = (tap(phase, a, b) * source_rows + source_row) * source_cols;
                        // SAFETY: a row of a tap, within `weight` (asserted).
                        *value = unsafe { load_channels(s, weight.as_ptr().add(start), source_col, source_cols) };
                    }
                    let column = T::weight(s, taps);
                    for i in 0..n {
                        t[i][b] = column[i];
                    }
                }
            }
            for i in 0..n {
                let values = T::weight(s, t[i]);
                for l in 0..n {
                    // SAFETY: every panel has `rows` rows of `p` values (asserted).
                    unsafe { s.store(out[i * n + l].as_mut_ptr().add(row * p + lane), values[l]) };
                }
            }
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
    for k in (0..channels).step_by(S::LANES) {
        let offset = (k / p) * panel_stride + k % p;
        let mut t = [[s.splat(0.0); MAX_POINTS]; 2];
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
