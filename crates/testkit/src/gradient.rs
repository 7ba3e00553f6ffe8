//! Two checks of a gradient that need no reference values.

/// Asserts ⟨Ax, y⟩ = ⟨x, Aᵀy⟩ for a linear A, within rtol·(‖Ax‖·‖y‖ + ‖x‖·‖Aᵀy‖)/2. The
/// sums are taken in f64, so rtol only has to cover the rounding of A and Aᵀ themselves.
///
/// # Panics
/// If they differ, are not finite, or are both zero (which would show nothing), or if lengths do not fit.
#[track_caller]
pub fn assert_adjoint(name: &str, x: &[f32], ax: &[f32], y: &[f32], aty: &[f32], rtol: f64) {
    assert_eq!(ax.len(), y.len(), "{name}: Ax and y");
    assert_eq!(x.len(), aty.len(), "{name}: x and Aᵀy");
    let (left, right) = (dot(ax, y), dot(x, aty));
    let scale = (dot(ax, ax) * dot(y, y)).sqrt() + (dot(x, x) * dot(aty, aty)).sqrt();
    assert!(scale != 0.0, "{name}: both sides are zero");
    let error = (left - right).abs() / (scale / 2.0);
    assert!(error <= rtol, "{name}: ⟨Ax, y⟩ = {left}, ⟨x, Aᵀy⟩ = {right}, apart by {error:.3e}, more than {rtol:e}");
    println!("{name}: ⟨Ax, y⟩ = {left}, ⟨x, Aᵀy⟩ = {right}, apart by {error:.3e} (rtol {rtol:e})");
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// Returns the gradient of `f` at `x` from five-point central differences with the given step: the error is about
/// step⁴·f⁗/30 + 1e-16·|f|/step, so a step of 1e-3 leaves some 1e-12 for functions of order one. Keep `x` two
/// steps away from kinks.
pub fn numeric_gradient(x: &[f64], step: f64, mut f: impl FnMut(&[f64]) -> f64) -> Vec<f64> {
    let mut at = x.to_vec();
    (0..x.len())
        .map(|i| {
            let mut shifted = |steps: f64| {
                at[i] = x[i] + steps * step;
                f(&at)
            };
            let slope = (8.0 * (shifted(1.0) - shifted(-1.0)) - (shifted(2.0) - shifted(-2.0))) / (12.0 * step);
            at[i] = x[i];
            slope
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{assert_close, random};

    /// Returns a fixed 3 × 2 matrix and its transpose.
    fn apply(x: &[f32]) -> Vec<f32> {
        vec![2.0 * x[0] - x[1], 0.5 * x[0], 3.0 * x[1]]
    }

    fn apply_transposed(y: &[f32]) -> Vec<f32> {
        vec![2.0 * y[0] + 0.5 * y[1], -y[0] + 3.0 * y[2]]
    }

    #[test]
    fn a_transpose_passes() {
        let (x, y) = (random(2, 1), random(3, 2));
        assert_adjoint("matrix", &x, &apply(&x), &y, &apply_transposed(&y), 1e-6);
    }

    #[test]
    #[should_panic(expected = "matrix: ⟨Ax, y⟩")]
    fn a_wrong_transpose_fails() {
        let (x, y) = (random(2, 1), random(3, 2));
        let mut aty = apply_transposed(&y);
        aty[1] += 1e-3;
        assert_adjoint("matrix", &x, &apply(&x), &y, &aty, 1e-6);
    }

    #[test]
    #[should_panic(expected = "NaN")]
    fn nan_fails() {
        assert_adjoint("nan", &[1.0], &[f32::NAN], &[1.0], &[1.0], 1.0);
    }

    #[test]
    #[should_panic(expected = "both sides are zero")]
    fn zeros_show_nothing() {
        assert_adjoint("zero", &[0.0], &[0.0], &[0.0], &[0.0], 1.0);
    }

    #[test]
    fn the_gradient_of_a_known_function() {
        let x = [0.3, -1.2, 2.0];
        let got = numeric_gradient(&x, 1e-3, |v| v[0].sin() * v[1] + v[2].exp());
        assert_close("gradient", &got, &[-1.2 * 0.3f64.cos(), 0.3f64.sin(), 2f64.exp()], 1e-11, 0.0);
    }
}
