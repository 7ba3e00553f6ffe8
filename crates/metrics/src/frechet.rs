//! The Fréchet distance between two sets of features (Heusel et al. 2017): the distance of the normal distributions
//! with their means and covariances.
//!
//! ```text
//! FD = ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁^½ Σ₂ Σ₁^½)^½)
//! ```

use crate::features::Features;
use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

/// Computes the Fréchet distance between two sets of features.
///
/// # Panics
/// If a set has fewer than two rows, or the dimensions differ.
pub fn frechet_distance(a: &Features, b: &Features) -> f64 {
    assert_eq!(a.dimensions, b.dimensions, "dimensions");
    let ((mean_a, covariance_a), (mean_b, covariance_b)) = rayon::join(|| moments(a), || moments(b));
    let root = symmetric_root(covariance_a.clone());
    let product = &root * &covariance_b * &root;
    let cross: f64 = product.symmetric_eigenvalues().iter().map(|value| value.max(0.0).sqrt()).sum();
    let distance = (mean_a - mean_b).norm_squared() + covariance_a.trace() + covariance_b.trace() - 2.0 * cross;
    distance.max(0.0)
}

/// Returns mean and covariance (with the divisor N − 1, as `numpy.cov`).
fn moments(features: &Features) -> (DVector<f64>, DMatrix<f64>) {
    let (dimensions, count) = (features.dimensions, features.len());
    assert!(count > 1, "covariance of {count} rows");
    let mut mean = DVector::<f64>::zeros(dimensions);
    for row in features.rows() {
        mean.iter_mut().zip(row).for_each(|(mean, value)| *mean += f64::from(*value));
    }
    mean /= count as f64;
    // Centered features, stored by columns, so that products of two columns read memory in order.
    let mut columns = vec![0.0; dimensions * count];
    for (i, row) in features.rows().enumerate() {
        for (d, value) in row.iter().enumerate() {
            columns[d * count + i] = f64::from(*value) - mean[d];
        }
    }
    let column = |d: usize| &columns[d * count..(d + 1) * count];
    let rows: Vec<Vec<f64>> = (0..dimensions)
        .into_par_iter()
        .map(|d| (0..=d).map(|e| dot(column(d), column(e)) / (count - 1) as f64).collect())
        .collect();
    let covariance = DMatrix::from_fn(dimensions, dimensions, |d, e| rows[d.max(e)][d.min(e)]);
    (mean, covariance)
}

/// Returns the dot product, in four partial sums that the compiler vectorizes.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (a, rest_a) = a.as_chunks::<4>();
    let (b, rest_b) = b.as_chunks::<4>();
    for (a, b) in a.iter().zip(b) {
        for i in 0..4 {
            sums[i] += a[i] * b[i];
        }
    }
    let rest: f64 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    sums[0] + sums[1] + sums[2] + sums[3] + rest
}

/// Returns the square root of a positive semidefinite matrix. Negative eigenvalues from rounding are taken as 0.
fn symmetric_root(matrix: DMatrix<f64>) -> DMatrix<f64> {
    let eigen = matrix.symmetric_eigen();
    let roots = eigen.eigenvalues.map(|value| value.max(0.0).sqrt());
    let scaled =
        DMatrix::from_fn(eigen.eigenvectors.nrows(), roots.len(), |i, j| eigen.eigenvectors[(i, j)] * roots[j]);
    scaled * eigen.eigenvectors.transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dcgan_testkit::random;

    /// Means, covariances, eigenvalues and products of up to 8 dimensions in f64 have relative errors of about 8 · 2⁻⁵³
    /// = 1e-15 each. Traces of about 10 and ten such steps make 1e-13; this is ten times that.
    const TOLERANCE: f64 = 1e-12;

    fn features(count: usize, dimensions: usize, seed: u64) -> Features {
        Features::new(random(count * dimensions, seed), dimensions)
    }

    #[test]
    fn a_set_is_at_no_distance_from_itself() {
        let a = features(50, 8, 1);
        assert!(frechet_distance(&a, &a) < TOLERANCE);
    }

    /// Of normal distributions with diagonal covariances the distance is Σ (μ₁ − μ₂)² + (σ₁ − σ₂)².
    #[test]
    fn shifts_and_scales_have_the_distance_of_the_formula() {
        // Columns that are exactly uncorrelated: ± 1 in Hadamard patterns.
        let pattern = |i: usize, d: usize| if (i >> d) & 1 == 0 { 1.0f32 } else { -1.0 };
        let rows = |shift: [f32; 3], scale: [f32; 3]| {
            let values = (0..8).flat_map(|i| (0..3).map(move |d| shift[d] + scale[d] * pattern(i, d)));
            Features::new(values.collect(), 3)
        };
        let a = rows([0.0; 3], [1.0; 3]);
        let b = rows([1.0, -2.0, 0.5], [2.0, 1.0, 0.25]);
        // The sample deviation of ± 1 is √(8/7).
        let deviations = 8.0 / 7.0 * (1.0f64 + 0.0 + 0.5625);
        let expected = 1.0 + 4.0 + 0.25 + deviations;
        assert!((frechet_distance(&a, &b) - expected).abs() < TOLERANCE);
        assert!((frechet_distance(&b, &a) - expected).abs() < TOLERANCE);
    }

    /// The trace of (Σ₁Σ₂)^½ for 2 × 2 matrices is √(tr(Σ₁Σ₂) + 2 √det(Σ₁Σ₂)).
    #[test]
    fn correlated_features_have_the_distance_of_the_closed_form() {
        let (a, b) = (features(40, 2, 3), features(30, 2, 4));
        let (mean_a, cov_a) = moments(&a);
        let (mean_b, cov_b) = moments(&b);
        let product = &cov_a * &cov_b;
        let root_trace = (product.trace() + 2.0 * product.determinant().sqrt()).sqrt();
        let expected = (mean_a - mean_b).norm_squared() + cov_a.trace() + cov_b.trace() - 2.0 * root_trace;
        assert!((frechet_distance(&a, &b) - expected).abs() < TOLERANCE);
    }
}
