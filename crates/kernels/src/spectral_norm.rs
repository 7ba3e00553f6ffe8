//! Spectral normalization of a convolution's weight (Miyato et al. 2018), as
//! `torch.nn.utils.parametrizations.spectral_norm` computes it.
//!
//! A weight of k × k × C × K is read as a matrix W with R = k·k·C rows and K columns, the transpose of PyTorch's.
//! Vectors v (R values) and u (K values) follow its first singular vectors by one power iteration per forward pass in
//! training:
//!
//! ```text
//! u ← Wᵀv / ‖Wᵀv‖     v ← Wu / ‖Wu‖     σ = vᵀWu     Ŵ = W / σ
//! ```
//!
//! With G the gradient of Ŵ, and u and v taken as constants, the gradient of W is (G − ⟨G, Ŵ⟩ · v uᵀ) / σ.

use crate::Cpu;
use crate::cpu::SharedMut;
use crate::input::{load_channels, store_channels};
use crate::simd::multiversion;

/// Number of rows of the matrix in a piece of work.
const ROWS: usize = 64;

/// PyTorch's lower bound of a norm that a vector is divided by.
const EPS: f64 = 1e-12;

/// Number of scratch values that the functions here need for a matrix of `rows` × `columns`.
pub fn scratch_len(rows: usize, columns: usize) -> usize {
    rows.div_ceil(ROWS) * columns
}

/// Makes one power iteration of `u` and `v` on `weight` and returns σ.
///
/// # Panics
/// If the weight is not `v.len()` × `u.len()`, or `scratch` is shorter than [`scratch_len`].
pub fn power_iteration(cpu: &Cpu, u: &mut [f32], v: &mut [f32], weight: &[f32], scratch: &mut [f32]) -> f32 {
    multiply_rows(cpu, u, v, weight, scratch);
    normalize(u);
    multiply_columns(cpu, v, u, weight);
    // v is Wu here, so vᵀWu is ‖Wu‖²/‖Wu‖ once v is normalized.
    let squares = sum_of_squares(v);
    let norm = normalize(v);
    (squares / norm) as f32
}

/// Returns σ = vᵀWu without changing the vectors, as in eval mode.
///
/// # Panics
/// As [`power_iteration`].
pub fn singular_value(cpu: &Cpu, u: &[f32], v: &[f32], weight: &[f32], scratch: &mut [f32]) -> f32 {
    let (product, scratch) = scratch.split_at_mut(v.len());
    let _ = scratch;
    multiply_columns(cpu, product, u, weight);
    product.iter().zip(v).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() as f32
}

/// Computes Ŵ = W / σ.
///
/// # Panics
/// If the lengths differ.
pub fn normalize_weight(cpu: &Cpu, normalized: &mut [f32], weight: &[f32], sigma: f32) {
    assert_eq!(normalized.len(), weight.len());
    cpu.for_each_chunk(normalized, crate::activation::PIECE, |start, normalized| {
        divide(cpu.isa(), normalized, &weight[start..start + normalized.len()], sigma);
    });
}

/// Turns `gradient`, the gradient of Ŵ (`normalized`), into that of W.
///
/// # Panics
/// As [`power_iteration`].
pub fn weight_gradient(
    cpu: &Cpu,
    gradient: &mut [f32],
    normalized: &[f32],
    u: &[f32],
    v: &[f32],
    sigma: f32,
    scratch: &mut [f32],
) {
    let columns = u.len();
    check(gradient.len(), u.len(), v.len());
    assert_eq!(normalized.len(), gradient.len());
    let pieces = v.len().div_ceil(ROWS);
    let products = &mut scratch[..pieces];
    let shared = SharedMut::new(products);
    let values = &*gradient;
    cpu.for_each(pieces, |piece| {
        let range = piece * ROWS * columns..values.len().min((piece + 1) * ROWS * columns);
        // SAFETY: each piece has a place of its own.
        let product = unsafe { shared.range(piece, 1) };
        product[0] = dot(cpu.isa(), &values[range.clone()], &normalized[range]);
    });
    let product = products.iter().map(|&product| f64::from(product)).sum::<f64>() as f32;
    cpu.for_each_chunk(gradient, ROWS * columns, |start, gradient| {
        subtract_outer(cpu.isa(), gradient, &v[start / columns..], u, product, 1.0 / sigma);
    });
}

fn check(weight: usize, columns: usize, rows: usize) {
    assert_eq!(weight, rows * columns, "weight of {rows} × {columns}");
}

/// out = Wᵀv.
fn multiply_rows(cpu: &Cpu, out: &mut [f32], v: &[f32], weight: &[f32], scratch: &mut [f32]) {
    let columns = out.len();
    check(weight.len(), columns, v.len());
    let pieces = v.len().div_ceil(ROWS);
    let parts = &mut scratch[..pieces * columns];
    cpu.for_each_chunk(parts, columns, |start, part| {
        let row = start / columns * ROWS;
        let rows = ROWS.min(v.len() - row);
        add_rows(cpu.isa(), part, &v[row..row + rows], &weight[row * columns..][..rows * columns]);
    });
    for (c, out) in out.iter_mut().enumerate() {
        *out = parts.iter().skip(c).step_by(columns).map(|&part| f64::from(part)).sum::<f64>() as f32;
    }
}

/// out = Wu.
fn multiply_columns(cpu: &Cpu, out: &mut [f32], u: &[f32], weight: &[f32]) {
    let columns = u.len();
    check(weight.len(), columns, out.len());
    cpu.for_each_chunk(out, ROWS, |start, out| {
        for (out, row) in out.iter_mut().zip(weight[start * columns..].chunks_exact(columns)) {
            *out = dot(cpu.isa(), row, u);
        }
    });
}

fn sum_of_squares(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value) * f64::from(value)).sum()
}

/// Divides by the Euclidean norm and returns what it has divided by.
fn normalize(values: &mut [f32]) -> f64 {
    let norm = sum_of_squares(values).sqrt();
    // Not `max`, which would hide NaN from the guards.
    let norm = if norm < EPS { EPS } else { norm };
    values.iter_mut().for_each(|value| *value = (f64::from(*value) / norm) as f32);
    norm
}

multiversion! {
    /// sums = Σ over rows of v[row] · weight[row].
    fn add_rows(s, sums: &mut [f32], v: &[f32], weight: &[f32]) {
        let columns = sums.len();
        assert!(weight.len() == v.len() * columns);
        for c in (0..columns).step_by(S::LANES) {
            let mut sum = s.splat(0.0);
            for (row, v) in v.iter().enumerate() {
                // SAFETY: `c` is a column of the row.
                let values = unsafe { load_channels(s, weight.as_ptr().add(row * columns), c, columns) };
                sum = s.mul_add(values, s.splat(*v), sum);
            }
            // SAFETY: `c` is one of the columns.
            unsafe { store_channels(s, sums.as_mut_ptr(), c, columns, sum) };
        }
    }
}

multiversion! {
    /// Returns the scalar product. The order of the sum depends on the instruction set only.
    fn dot(s, a: &[f32], b: &[f32]) -> f32 {
        assert!(a.len() == b.len());
        let mut parts = [s.splat(0.0); 4];
        for (index, i) in (0..a.len()).step_by(S::LANES).enumerate() {
            // SAFETY: `i` is a place in both.
            let (x, y) = unsafe { (load_channels(s, a.as_ptr(), i, a.len()), load_channels(s, b.as_ptr(), i, b.len())) };
            parts[index % 4] = s.mul_add(x, y, parts[index % 4]);
        }
        let sum = s.add(s.add(parts[0], parts[1]), s.add(parts[2], parts[3]));
        let mut lanes = [0.0f32; crate::simd::MAX_LANES];
        // SAFETY: no vector is longer than MAX_LANES.
        unsafe { s.store(lanes.as_mut_ptr(), sum) };
        lanes[..S::LANES].iter().sum()
    }
}

multiversion! {
    fn divide(s, out: &mut [f32], values: &[f32], divisor: f32) {
        let _ = s;
        for (out, value) in out.iter_mut().zip(values) {
            *out = value / divisor;
        }
    }
}

multiversion! {
    /// gradient = (gradient − product · v uᵀ) · factor, for the rows of `gradient`.
    fn subtract_outer(s, gradient: &mut [f32], v: &[f32], u: &[f32], product: f32, factor: f32) {
        let _ = s;
        for (row, v) in gradient.chunks_exact_mut(u.len()).zip(v) {
            let v = product * v;
            for (value, u) in row.iter_mut().zip(u) {
                *value = (*value - v * u) * factor;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;
    use dcgan_testkit::{assert_close, assert_close_scaled, random};

    /// Shapes with one column, with a last short piece and a last short vector.
    const SHAPES: [(usize, usize); 4] = [(48, 1), (5, 7), (130, 33), (256, 16)];

    fn wide(values: &[f32]) -> Vec<f64> {
        values.iter().map(|&value| f64::from(value)).collect()
    }

    fn unit(mut values: Vec<f64>) -> Vec<f64> {
        let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
        values.iter_mut().for_each(|value| *value /= norm);
        values
    }

    /// Wᵀv and Wu in f64.
    fn products(weight: &[f64], u: &[f64], v: &[f64]) -> [Vec<f64>; 2] {
        let columns = u.len();
        let of_rows = (0..columns).map(|c| v.iter().enumerate().map(|(r, v)| v * weight[r * columns + c]).sum());
        let of_columns = weight.chunks(columns).map(|row| row.iter().zip(u).map(|(weight, u)| weight * u).sum());
        [of_rows.collect(), of_columns.collect()]
    }

    #[test]
    fn a_power_iteration_is_that_of_the_definition() {
        for isa in Isa::available() {
            let cpu = Cpu::new(isa, 2).unwrap();
            for (rows, columns) in SHAPES {
                let weight = random(rows * columns, 1);
                let (mut u, mut v) = (random(columns, 2), random(rows, 3));
                let mut scratch = vec![f32::NAN; scratch_len(rows, columns).max(rows)];
                let want_u = unit(products(&wide(&weight), &wide(&u), &wide(&v))[0].clone());
                let product = products(&wide(&weight), &want_u, &wide(&v))[1].clone();
                let want_v = unit(product.clone());
                let want_sigma: f64 = want_v.iter().zip(&product).map(|(a, b)| a * b).sum();
                let sigma = power_iteration(&cpu, &mut u, &mut v, &weight, &mut scratch);
                let name = format!("{isa:?}, {rows} × {columns}");
                assert_close_scaled(&name, &wide(&u), &want_u, 1e-6);
                assert_close_scaled(&name, &wide(&v), &want_v, 1e-6);
                assert_close(&name, &[f64::from(sigma)], &[want_sigma], 0.0, 1e-6);
                let again = singular_value(&cpu, &u, &v, &weight, &mut scratch);
                assert_close(&name, &[f64::from(again)], &[want_sigma], 0.0, 1e-6);
            }
        }
    }

    #[test]
    fn many_iterations_find_the_largest_singular_value() {
        let cpu = Cpu::new(Isa::PORTABLE, 1).unwrap();
        // Orthogonal rows, of lengths 3, 5 and 1.
        let weight = [0.0, 3.0, 0.0, 0.0, 0.0, -5.0, 1.0, 0.0, 0.0];
        let (mut u, mut v) = (random(3, 1), random(3, 2));
        let mut scratch = [0.0; 9];
        let mut sigma = 0.0;
        for _ in 0..100 {
            sigma = power_iteration(&cpu, &mut u, &mut v, &weight, &mut scratch);
        }
        assert!((sigma - 5.0).abs() < 1e-5, "{sigma}");
    }

    /// The gradient of ⟨C, W / σ(W)⟩ for a constant C, where σ = vᵀWu with fixed u and v, by finite differences
    /// in f64.
    #[test]
    fn the_gradient_matches_finite_differences() {
        for isa in Isa::available() {
            let cpu = Cpu::new(isa, 2).unwrap();
            for (rows, columns) in SHAPES {
                let (weight, upstream) = (random(rows * columns, 4), random(rows * columns, 5));
                let (mut u, mut v) = (random(columns, 6), random(rows, 7));
                let mut scratch = vec![f32::NAN; scratch_len(rows, columns).max(rows)];
                let sigma = power_iteration(&cpu, &mut u, &mut v, &weight, &mut scratch);
                let mut normalized = vec![0.0; weight.len()];
                normalize_weight(&cpu, &mut normalized, &weight, sigma);
                let mut gradient = upstream.clone();
                weight_gradient(&cpu, &mut gradient, &normalized, &u, &v, sigma, &mut scratch);

                let (wide_u, wide_v, upstream) = (wide(&u), wide(&v), wide(&upstream));
                let objective = |weight: &[f64]| -> f64 {
                    let product = &products(weight, &wide_u, &wide_v)[1];
                    let sigma: f64 = product.iter().zip(&wide_v).map(|(a, b)| a * b).sum();
                    weight.iter().zip(&upstream).map(|(weight, c)| weight / sigma * c).sum()
                };
                let numeric = dcgan_testkit::numeric_gradient(&wide(&weight), 1e-4, objective);
                assert_close_scaled(&format!("{isa:?}, {rows} × {columns}"), &wide(&gradient), &numeric, 2e-6);
            }
        }
    }
}
