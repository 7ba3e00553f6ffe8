//! Copies into panel matrices, the format of [`crate::matmul`], of what products cannot read as it lies.

use crate::Isa;
use crate::matmul::{panel, panel_width};
use crate::simd::{MAX_LANES, Simd, multiversion};

/// Values fetched ahead where rows of a weight are read side by side, too many for the processor to foresee.
const AHEAD: usize = 64;

/// Copies a row-major `rows × cols` matrix with rows `stride` apart into panels; `out` holds `out_rows` rows, of which the first `rows`
/// are written.
///
/// # Panics
/// If a slice is too short.
pub(crate) fn pack(
    isa: Isa,
    out: &mut [f32],
    out_rows: usize,
    matrix: &[f32],
    rows: usize,
    cols: usize,
    stride: usize,
) {
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
    /// Copies one panel of the transpose of a row-major `rows × cols` matrix: rows `index · P …` as columns of a panel matrix of `cols` rows.
    ///
    /// # Panics
    /// If a slice is too short.
    pub(crate) fn pack_transposed_panel(s, out: &mut [f32], matrix: &[f32], rows: usize, cols: usize, index: usize) {
        let p = panel::<S>();
        let mut columns = [s.splat(0.0); MAX_LANES];
        for (col, out) in (0..cols).step_by(S::LANES).zip(out[..cols * p].chunks_mut(S::LANES * p)) {
            for lane in (0..p).step_by(S::LANES) {
                let row = index * p + lane;
                if row < rows {
                    let count = S::LANES.min(cols - col);
                    load_square(s, &mut columns, &matrix[row * cols + col..], cols, rows - row, count);
                } else {
                    columns = [s.splat(0.0); MAX_LANES];
                }
                for (out, column) in out.chunks_exact_mut(p).zip(columns) {
                    // SAFETY: `out` is a panel row.
                    unsafe { s.store(out.as_mut_ptr().add(lane), column) };
                }
            }
        }
    }
}

/// The columns of up to a vector of rows of up to a vector of values, `stride` apart; zeros beyond `rows` and `columns`.
///
/// # Panics
/// If `from` is too short.
#[inline(always)]
pub(crate) fn load_square<S: Simd>(
    s: S,
    out: &mut [S::V; MAX_LANES],
    from: &[f32],
    stride: usize,
    rows: usize,
    columns: usize,
) {
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
