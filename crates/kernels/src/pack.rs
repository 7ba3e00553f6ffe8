//! Copies into panel matrices, the format of [`crate::matmul`], of what products cannot read as it lies.

use crate::Isa;
use crate::matmul::{panel, panel_width};
use crate::simd::{MAX_LANES, Simd, multiversion};

/// Values fetched ahead where rows of a weight are read side by side, too many for the processor to foresee.
const AHEAD: usize = 64;

/// Copies a row-major `rows × cols` matrix with rows `stride` apart into panels; `out` holds `out_rows` rows, of which
/// the first `rows` are written.
///
/// # Panics
/// If a slice is too short.
pub fn pack(isa: Isa, out: &mut [f32], out_rows: usize, matrix: &[f32], rows: usize, cols: usize, stride: usize) {
    let p = panel_width(isa);
    for (panel, out) in out.chunks_exact_mut(out_rows * p).take(cols.div_ceil(p)).enumerate() {
        let columns = p.min(cols - panel * p);
        for (row, out) in out.chunks_exact_mut(p).take(rows).enumerate() {
            let from = row * stride + panel * p;
            out[..columns].copy_from_slice(&matrix[from..from + columns]);
            out[columns..].fill(0.0);
        }
    }
}

multiversion! {
    /// Copies one panel of the transpose of a row-major `rows × cols` matrix: rows `index · P …` as columns of a
    /// panel matrix of `cols` rows.
    ///
    /// # Panics
    /// If a slice is too short.
    pub(crate) fn pack_transposed_panel(s, out: &mut [f32], matrix: &[f32], rows: usize, cols: usize, index: usize) {
        let p = panel::<S>();
        for lane in (0..p).step_by(S::LANES) {
            let row = (index * p + lane).min(rows);
            transpose_lanes(s, &mut out[..cols * p], lane, &matrix[row * cols..], cols, rows - row);
        }
    }
}

/// Puts the first columns of up to a vector of rows, `stride` apart, one into each panel row of `out`, from `lane` on;
/// zeros beyond `rows`.
///
/// # Panics
/// If `from` is too short, or a vector from `lane` on goes beyond a panel row.
#[inline(always)]
pub(crate) fn transpose_lanes<S: Simd>(s: S, out: &mut [f32], lane: usize, from: &[f32], stride: usize, rows: usize) {
    let (p, columns) = (panel::<S>(), out.len() / panel::<S>());
    let whole = if rows >= S::LANES { columns - columns % S::LANES } else { 0 };
    assert!(lane + S::LANES <= p && (whole == 0 || from.len() >= (S::LANES - 1) * stride + whole), "rows of values");
    let mut square = [s.splat(0.0); MAX_LANES];
    for first in (0..whole).step_by(S::LANES) {
        let from = from.as_ptr().wrapping_add(first);
        for row in 0..S::LANES {
            s.prefetch(from.wrapping_add(row * stride + AHEAD));
        }
        // SAFETY: a vector of values from column `first` of each of a vector of rows (asserted); panel rows `first` and
        // as many after it.
        unsafe {
            s.load_transposed(&mut square, from, stride);
            for (column, values) in square.into_iter().enumerate().take(S::LANES) {
                s.store(out.as_mut_ptr().add((first + column) * p + lane), values);
            }
        }
    }
    for (column, out) in out.chunks_exact_mut(p).enumerate().skip(whole) {
        for (row, value) in out[lane..lane + S::LANES].iter_mut().enumerate() {
            *value = if row < rows { from[row * stride + column] } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matmul::panels_len;

    #[test]
    fn transposed_packing_is_packing_of_the_transpose() {
        for isa in Isa::available() {
            let (rows, cols) = (37, 21);
            let matrix: Vec<f32> = (0..rows * cols).map(|i| i as f32).collect();
            let transpose: Vec<f32> = (0..rows * cols).map(|i| matrix[(i % rows) * cols + i / rows]).collect();
            let mut a = vec![f32::NAN; panels_len(isa, cols, rows)];
            let mut b = a.clone();
            let p = panel_width(isa);
            for (panel, out) in a.chunks_exact_mut(cols * p).enumerate() {
                pack_transposed_panel(isa, out, &matrix, rows, cols, panel);
            }
            pack(isa, &mut b, cols, &transpose, cols, rows, rows);
            assert_eq!(a, b);
        }
    }
}
