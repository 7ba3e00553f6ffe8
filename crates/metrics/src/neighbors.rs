//! Measures by distances and products of all pairs of features: kernel distance, precision, recall, authenticity.

use crate::features::Features;
use crate::products::{Product, transpose};
use dcgan_kernels::Cpu;
use rayon::prelude::*;

/// Number of neighbors that define the neighborhood of an image, as in Kynkäänniemi et al. 2019.
const NEIGHBORS: usize = 3;
/// Number of columns of pairs that are computed at a time.
const BLOCK: usize = 512;

/// Measures of a set of generated images against a set of real ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// Kernel distance (Bińkowski et al. 2018): the unbiased estimate of the squared maximum mean discrepancy with the
    /// kernel (x·y / d + 1)³ over d features, from all pairs. It may be slightly negative.
    pub kid: f64,
    /// Share of the generated images that are within the neighborhood of a real one: no further away than its
    /// third-nearest real neighbor (Kynkäänniemi et al. 2019).
    pub precision: f64,
    /// Share of the real images that are within the neighborhood of a generated one.
    pub recall: f64,
    /// Share of the generated images that are further away from the nearest real image than that is from any other real
    /// image (Alaa et al. 2022). It is near 0 if the images are copies.
    pub authenticity: f64,
}

/// Statistics of the pairs within one set.
struct Inner {
    /// For each row the squared distance to its nearest neighbor.
    nearest: Vec<f64>,
    /// For each row the squared distance to its third-nearest neighbor.
    radius: Vec<f64>,
    /// Mean of the kernel over pairs of different rows.
    kernel: f64,
}

/// Features relative to a center, with the values that the distances and kernels of pairs need.
struct CenteredRows {
    /// The features minus the center, so that rounding errors of distances are small.
    values: Vec<f32>,
    /// Squared lengths of the centered rows.
    squares: Vec<f64>,
    /// Products of the original rows with the center.
    along_center: Vec<f64>,
    dimensions: usize,
}

/// Compares generated with real images by their features.
///
/// # Panics
/// If a set has no more than three rows, or the dimensions differ.
pub fn compare(cpu: &Cpu, real: &Features, generated: &Features) -> Comparison {
    assert_eq!(real.dimensions, generated.dimensions, "dimensions");
    assert!(real.len().min(generated.len()) > NEIGHBORS, "too few rows");
    let center = mean(real);
    let center_square: f64 = center.iter().map(|value| value * value).sum();
    let [real, generated] = [real, generated].map(|features| CenteredRows::new(features, &center));
    let kernel = |a: &CenteredRows, i: usize, b: &CenteredRows, j: usize, product: f64| {
        // ⟨a, b⟩ of the original rows from that of the centered ones.
        let original = product + a.along_center[i] + b.along_center[j] - center_square;
        (original / a.dimensions as f64 + 1.0).powi(3)
    };
    let inner = |set: &CenteredRows| {
        let columns = for_each_column(cpu, set, set, |j, products| {
            let mut least = [f64::INFINITY; NEIGHBORS];
            let mut sum = 0.0;
            for (i, product) in products.iter().enumerate().filter(|(i, _)| *i != j) {
                let product = f64::from(*product);
                insert(&mut least, set.distance(i, set, j, product));
                sum += kernel(set, i, set, j, product);
            }
            (least, sum)
        });
        let pairs = (set.len() * (set.len() - 1)) as f64;
        Inner {
            nearest: columns.iter().map(|(least, _)| least[0]).collect(),
            radius: columns.iter().map(|(least, _)| least[NEIGHBORS - 1]).collect(),
            kernel: columns.iter().map(|(_, sum)| sum).sum::<f64>() / pairs,
        }
    };
    let (in_real, in_generated) = (inner(&real), inner(&generated));

    // Per generated image: whether it is within the neighborhood of a real one, whether it is authentic, and the sum of
    // the kernel over all real images.
    let columns = for_each_column(cpu, &real, &generated, |j, products| {
        let (mut is_within, mut sum, mut nearest) = (false, 0.0, (f64::INFINITY, 0));
        for (i, product) in products.iter().enumerate() {
            let product = f64::from(*product);
            let distance = real.distance(i, &generated, j, product);
            is_within |= distance <= in_real.radius[i];
            if distance < nearest.0 {
                nearest = (distance, i);
            }
            sum += kernel(&real, i, &generated, j, product);
        }
        (is_within, nearest.0 > in_real.nearest[nearest.1], sum)
    });
    let covered = for_each_column(cpu, &generated, &real, |j, products| {
        let within = |(i, product): (usize, &f32)| {
            generated.distance(i, &real, j, f64::from(*product)) <= in_generated.radius[i]
        };
        products.iter().enumerate().any(within)
    });
    let share = |count: usize, of: usize| count as f64 / of as f64;
    let between = columns.iter().map(|(_, _, sum)| sum).sum::<f64>() / (real.len() * generated.len()) as f64;
    Comparison {
        kid: in_real.kernel + in_generated.kernel - 2.0 * between,
        precision: share(columns.iter().filter(|column| column.0).count(), generated.len()),
        recall: share(covered.iter().filter(|is_covered| **is_covered).count(), real.len()),
        authenticity: share(columns.iter().filter(|column| column.1).count(), generated.len()),
    }
}

impl CenteredRows {
    fn new(features: &Features, center: &[f64]) -> Self {
        let dimensions = features.dimensions;
        let centered =
            |row: &[f32]| row.iter().zip(center).map(|(v, c)| (f64::from(*v) - c) as f32).collect::<Vec<_>>();
        let values: Vec<f32> = features.rows().flat_map(centered).collect();
        let square = |row: &[f32]| row.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
        let squares = values.chunks_exact(dimensions).map(square).collect();
        let along = |row: &[f32]| row.iter().zip(center).map(|(v, c)| f64::from(*v) * c).sum();
        Self { squares, along_center: features.rows().map(along).collect(), values, dimensions }
    }

    fn len(&self) -> usize {
        self.squares.len()
    }

    /// Returns the squared distance between row `i` and row `j` of `other` from the product of the two.
    fn distance(&self, i: usize, other: &Self, j: usize, product: f64) -> f64 {
        (self.squares[i] + other.squares[j] - 2.0 * product).max(0.0)
    }
}

/// Calls `work` for every row j of `right` with the products of all rows of `left` with it. Returns the results in
/// order.
fn for_each_column<R: Send>(
    cpu: &Cpu,
    left: &CenteredRows,
    right: &CenteredRows,
    work: impl Fn(usize, &[f32]) -> R + Sync,
) -> Vec<R> {
    let dimensions = left.dimensions;
    let mut results = Vec::with_capacity(right.len());
    // `right` · `left`ᵀ, so that each row of the product has all products of one row of `right`.
    let transposed = transpose(&left.values, dimensions);
    let mut product = Product::new(cpu, transposed, dimensions, BLOCK);
    let mut block = vec![0.0; BLOCK * left.len()];
    for (index, rows) in right.values.chunks(BLOCK * dimensions).enumerate() {
        product.multiply(&mut block, rows);
        let count = rows.len() / dimensions;
        let columns = block[..count * left.len()].par_chunks_exact(left.len()).enumerate();
        results.par_extend(columns.map(|(j, products)| work(index * BLOCK + j, products)));
    }
    results
}

/// Returns the mean of all rows.
fn mean(features: &Features) -> Vec<f64> {
    let mut mean = vec![0.0; features.dimensions];
    for row in features.rows() {
        mean.iter_mut().zip(row).for_each(|(mean, value)| *mean += f64::from(*value));
    }
    mean.iter_mut().for_each(|mean| *mean /= features.len() as f64);
    mean
}

/// Inserts `value` into the sorted list of the smallest values.
fn insert(least: &mut [f64; NEIGHBORS], value: f64) {
    if value >= least[NEIGHBORS - 1] {
        return;
    }
    let place = least.partition_point(|other| *other <= value);
    least.copy_within(place..NEIGHBORS - 1, place + 1);
    least[place] = value;
}

#[cfg(test)]
mod tests {
    use super::*;
    use dcgan_kernels::Isa;
    use dcgan_testkit::random;

    fn features(count: usize, dimensions: usize, seed: u64, shift: f32) -> Features {
        Features::new(random(count * dimensions, seed).into_iter().map(|v| v + shift).collect(), dimensions)
    }

    /// The definitions, one pair after the other, in f64.
    fn by_definition(real: &Features, generated: &Features) -> Comparison {
        let rows =
            |f: &Features| f.rows().map(|row| row.iter().map(|&v| f64::from(v)).collect()).collect::<Vec<Vec<f64>>>();
        let (real, generated) = (rows(real), rows(generated));
        let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        let kernel =
            |a: &[f64], b: &[f64]| (a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / a.len() as f64 + 1.0).powi(3);
        let sorted = |set: &[Vec<f64>], i: usize| {
            let others = (0..set.len()).filter(|&j| j != i);
            let mut distances: Vec<f64> = others.map(|j| distance(&set[i], &set[j])).collect();
            distances.sort_by(f64::total_cmp);
            distances
        };
        let within = |set: &[Vec<f64>], x: &[f64]| (0..set.len()).any(|i| distance(&set[i], x) <= sorted(set, i)[2]);
        let is_authentic = |x: &[f64]| {
            let nearest = (0..real.len()).min_by(|&i, &j| distance(&real[i], x).total_cmp(&distance(&real[j], x)));
            let nearest = nearest.unwrap();
            distance(&real[nearest], x) > sorted(&real, nearest)[0]
        };
        let inner = |set: &[Vec<f64>]| {
            let pairs = (0..set.len()).flat_map(|i| (0..set.len()).filter(move |&j| j != i).map(move |j| (i, j)));
            let sum: f64 = pairs.map(|(i, j)| kernel(&set[i], &set[j])).sum();
            sum / (set.len() * (set.len() - 1)) as f64
        };
        let between: f64 = real.iter().map(|a| generated.iter().map(|b| kernel(a, b)).sum::<f64>()).sum();
        let share = |count: usize, of: usize| count as f64 / of as f64;
        Comparison {
            kid: inner(&real) + inner(&generated) - 2.0 * between / (real.len() * generated.len()) as f64,
            precision: share(generated.iter().filter(|x| within(&real, x)).count(), generated.len()),
            recall: share(real.iter().filter(|x| within(&generated, x)).count(), real.len()),
            authenticity: share(generated.iter().filter(|x| is_authentic(x)).count(), generated.len()),
        }
    }

    #[test]
    fn all_measures_are_those_of_their_definitions() {
        let cpu = Cpu::new(Isa::select().unwrap(), 2).unwrap();
        for (counts, dimensions, shift) in [((40, 30), 5, 0.0), ((30, 40), 17, 0.3), ((150, 120), 3, 0.1)] {
            let (real, generated) =
                (features(counts.0, dimensions, 1, 2.0), features(counts.1, dimensions, 2, 2.0 + shift));
            let (got, want) = (compare(&cpu, &real, &generated), by_definition(&real, &generated));
            // Kernels are at most about (2.3² + 1)³ = 250. A product of up to 17 terms in f32 has a relative error of
            // √17 · 2⁻²⁵ = 1.2e-7, three times that after the cube: 1e-4 for one pair, less for a mean of a thousand.
            assert!((got.kid - want.kid).abs() < 1e-4, "{got:?} {want:?}");
            assert_eq!(
                (got.precision, got.recall, got.authenticity),
                (want.precision, want.recall, want.authenticity),
                "{counts:?}"
            );
        }
    }

    #[test]
    fn copies_are_precise_and_not_authentic() {
        let cpu = Cpu::new(Isa::PORTABLE, 1).unwrap();
        let real = features(50, 8, 1, 0.0);
        let copies = compare(&cpu, &real, &real);
        assert_eq!((copies.precision, copies.recall, copies.authenticity), (1.0, 1.0, 0.0));
        // One image again and again: within the real ones, yet it covers nothing.
        let one = Features::new(real.rows().next().unwrap().repeat(50), 8);
        let collapsed = compare(&cpu, &real, &one);
        assert_eq!(collapsed.precision, 1.0);
        assert!(collapsed.recall <= 0.02, "{collapsed:?}");
        let far = features(50, 8, 2, 9.0);
        let wrong = compare(&cpu, &real, &far);
        assert_eq!((wrong.precision, wrong.recall, wrong.authenticity), (0.0, 0.0, 1.0));
    }

    #[test]
    fn the_least_are_kept_in_order() {
        let mut least = [f64::INFINITY; NEIGHBORS];
        for value in [5.0, 3.0, 9.0, 3.0, 1.0, 4.0] {
            insert(&mut least, value);
        }
        assert_eq!(least, [1.0, 3.0, 3.0]);
    }
}
