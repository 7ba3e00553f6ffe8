//! Principal directions of a generator's first layer (SeFa).
//!
//! The first layer maps noise z to Aᵀz, where A (latent × outputs) is its weight. The unit vectors n that change its
//! output the most are the eigenvectors of A Aᵀ with the largest eigenvalues (Shen and Zhou, "Closed-Form Factorization
//! of Latent Semantics in GANs", 2021).

use dcgan_model::{StateDict, TensorData};
use nalgebra::{DMatrix, SymmetricEigen};

/// Largest number of directions that are kept.
const MOST: usize = 64;
/// Longest noise for which directions are computed, because the time grows with the third power of the length.
const MAX_LATENT: usize = 1024;

/// Principal directions: unit vectors, ordered by how much they change the first layer's output, largest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Directions {
    /// The unit vectors, each of `latent` values.
    pub(crate) vectors: Vec<Vec<f32>>,
    /// Length of the first layer's output per unit of each direction.
    pub(crate) gains: Vec<f64>,
}

/// Returns the weight of the first layer, latent × outputs.
pub(crate) fn first_weight(tensors: &StateDict) -> Option<&[f32]> {
    match &tensors.get("0.weight")?.data {
        TensorData::F32(values) => Some(values),
        _ => None,
    }
}

impl Directions {
    /// Computes the directions of `weight` (`latent` × any number of outputs). There are none if `latent` is more than
    /// 1,024.
    pub(crate) fn of(weight: &[f32], latent: usize) -> Self {
        if latent == 0 || latent > MAX_LATENT || weight.is_empty() || !weight.len().is_multiple_of(latent) {
            return Self::default();
        }
        let a = DMatrix::from_row_iterator(latent, weight.len() / latent, weight.iter().map(|&x| f64::from(x)));
        let SymmetricEigen { eigenvalues, eigenvectors } = SymmetricEigen::new(&a * a.transpose());
        let mut order: Vec<usize> = (0..latent).collect();
        order.sort_by(|&i, &j| eigenvalues[j].total_cmp(&eigenvalues[i]).then(i.cmp(&j)));
        order.truncate(MOST);
        let vectors = order.iter().map(|&i| {
            let vector = eigenvectors.column(i);
            // Of the two signs, the one whose largest component is positive.
            let largest = vector.iter().copied().fold(0.0, |a: f64, x| if x.abs() > a.abs() { x } else { a });
            vector.iter().map(|x| (x * largest.signum()) as f32).collect()
        });
        Self { vectors: vectors.collect(), gains: order.iter().map(|&i| eigenvalues[i].max(0.0).sqrt()).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A = U diag(3, 2, 1) Vᵀ with a rotation U, so that the directions are U's columns.
    #[test]
    fn directions_are_the_left_singular_vectors() {
        let (c, s) = (0.8f32, -0.6f32);
        let u = [[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]];
        let gains = [2.0, 1.0, 3.0];
        // Four outputs, the last of which is always 0.
        let weight: Vec<f32> =
            (0..3).flat_map(|i| (0..4).map(move |j| if j < 3 { u[i][j] * gains[j] } else { 0.0 })).collect();
        let directions = Directions::of(&weight, 3);
        let expected = [[0.0, 0.0, 1.0], [c, s, 0.0], [-s, c, 0.0]];
        for (got, want) in directions.vectors.iter().zip(expected) {
            assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6), "{got:?} and not {want:?}");
        }
        assert!(directions.gains.iter().zip([3.0, 2.0, 1.0]).all(|(a, b)| (a - b).abs() < 1e-6));
        assert_eq!(Directions::of(&[], 3), Directions::default());
    }
}
