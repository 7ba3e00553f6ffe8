//! The sliced Wasserstein distance between patches of images (Karras et al. 2018, *Progressive Growing of GANs*,
//! section 5).
//!
//! Each image is converted to a Laplacian pyramid, whose levels halve in size down to 16 × 16 pixels. A level is the
//! difference between the image of that size and the same image halved and enlarged again; the last level is the image
//! of 16 × 16 pixels itself. 64 patches of 7 × 7 pixels are
//! taken at random from each level of each image. Their values are normalized to mean 0 and standard deviation 1 per
//! channel over all patches of a set, and projected on 4 × 128 random directions. The distance is the mean absolute
//! difference of the sorted projections of both sets, times 1000.
//!
//! The random numbers of each level are those of PyTorch after `torch.manual_seed(1)`, in this order: rows and columns
//! of the patches of the first set, those of the second, then four times 128 directions.

use crate::products::Product;
use crate::{Images, MetricsError};
use dcgan_kernels::Cpu;
use dcgan_model::TorchRng;
use rayon::prelude::*;
use serde::Serialize;
use serde::ser::SerializeMap;

/// Height and width of a patch.
const PATCH: usize = 7;
/// Number of patches of an image at each level.
const PATCHES: usize = 64;
/// Number of times that directions are drawn.
const REPEATS: usize = 4;
/// Number of directions that are drawn each time.
const DIRECTIONS: usize = 128;
/// Number of directions of one matrix product.
const CHUNK: usize = 32;
/// Number of rows of projections that [`keys_of_columns`] reads at a time, so that they stay in the cache.
const ROWS: usize = 1024;
/// Height and width of the last level.
const LAST_LEVEL: usize = 16;
/// The blur before an image is halved: a row of Pascal's triangle in each direction.
const BINOMIAL: [f32; 5] = [1.0 / 16.0, 4.0 / 16.0, 6.0 / 16.0, 4.0 / 16.0, 1.0 / 16.0];

/// Sliced Wasserstein distances × 1000.
#[derive(Debug, Clone, PartialEq)]
pub struct SlicedWasserstein {
    /// Height of each level in pixels and its distance, from the full size to 16.
    pub levels: Vec<(usize, f64)>,
    /// Mean over the levels.
    pub mean: f64,
}

impl Serialize for SlicedWasserstein {
    /// Writes `{"64": …, "32": …, "16": …, "mean": …}`.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.levels.len() + 1))?;
        for (size, distance) in &self.levels {
            map.serialize_entry(&size.to_string(), distance)?;
        }
        map.serialize_entry("mean", &self.mean)?;
        map.end()
    }
}

/// Computes the sliced Wasserstein distance between two sets. Of the larger set, only the first images are used, as
/// many as the other set has.
///
/// # Errors
/// [`MetricsError::Shape`] if the images differ in size or channels, [`MetricsError::TooFew`] if a set is empty.
pub fn sliced_wasserstein(cpu: &Cpu, a: Images<'_>, b: Images<'_>) -> Result<SlicedWasserstein, MetricsError> {
    a.check_shape(&b)?;
    let count = a.len().min(b.len());
    let (a, b) = (a.first(count), b.first(count));
    a.check_count(1)?;
    let sizes = std::iter::successors(Some(a.size()), |size| Some(size / 2)).take_while(|size| *size >= LAST_LEVEL);
    let levels: Vec<(usize, f64)> = sizes.map(|size| (size, distance_at(cpu, a, b, size))).collect();
    let mean = levels.iter().map(|(_, distance)| distance).sum::<f64>() / levels.len() as f64;
    Ok(SlicedWasserstein { levels, mean })
}

/// Returns the distance × 1000 of one level, whose images have `size` × `size` pixels.
fn distance_at(cpu: &Cpu, a: Images<'_>, b: Images<'_>, size: usize) -> f64 {
    let mut rng = TorchRng::seed_from_u64(1);
    let [a, b] = [a, b].map(|images| descriptors(images, size, &mut rng));
    let len = PATCH * PATCH * a.channels;
    let rows = a.values.len() / len;
    let (mut projected, mut total) = ([vec![0.0; rows * CHUNK], vec![0.0; rows * CHUNK]], 0.0);
    for _ in 0..REPEATS {
        let directions = unit_columns(rng.randn(len * DIRECTIONS), DIRECTIONS);
        for first in (0..DIRECTIONS).step_by(CHUNK) {
            let chunk = directions.chunks_exact(DIRECTIONS).flat_map(|row| &row[first..first + CHUNK]).copied();
            let mut product = Product::new(cpu, chunk.collect(), len, rows);
            for (out, set) in projected.iter_mut().zip([&a, &b]) {
                product.multiply(out, &set.values);
            }
            let (a, b) = rayon::join(|| keys_of_columns(&projected[0]), || keys_of_columns(&projected[1]));
            let columns = a.par_chunks_exact(rows).zip(b.par_chunks_exact(rows));
            total += columns.map(|(a, b)| difference(a, b)).collect::<Vec<f64>>().iter().sum::<f64>();
        }
    }
    1000.0 * total / (REPEATS * DIRECTIONS * rows) as f64
}

/// The normalized patches of a set, as rows of channels × 7 × 7 values (called descriptors in the paper).
struct Descriptors {
    values: Vec<f32>,
    channels: usize,
}

/// Takes random patches of the level of `size` × `size` pixels of every image, and normalizes them.
fn descriptors(images: Images<'_>, size: usize, rng: &mut TorchRng) -> Descriptors {
    let (count, channels) = (images.len(), images.channels());
    let positions = (size - PATCH + 1) as u32;
    let mut draw = || (0..count * PATCHES).map(|_| (rng.next_u32() % positions) as usize).collect::<Vec<_>>();
    let (rows, columns) = (draw(), draw());
    let len = channels * PATCH * PATCH;
    let mut values = vec![0.0; count * PATCHES * len];
    values.par_chunks_exact_mut(PATCHES * len).enumerate().for_each(|(index, patches)| {
        let level = pyramid_level(images.image(index), images.size(), channels, size);
        for (place, patch) in patches.chunks_exact_mut(len).enumerate() {
            let (row, column) = (rows[index * PATCHES + place], columns[index * PATCHES + place]);
            for (c, patch) in patch.chunks_exact_mut(PATCH * PATCH).enumerate() {
                for (y, line) in patch.chunks_exact_mut(PATCH).enumerate() {
                    let start = (c * size + row + y) * size + column;
                    line.copy_from_slice(&level[start..start + PATCH]);
                }
            }
        }
    });
    normalize(&mut values, channels);
    Descriptors { values, channels }
}

/// Normalizes each channel to mean 0 and standard deviation 1 (with the divisor N − 1, as `torch.std`) over all rows.
fn normalize(values: &mut [f32], channels: usize) {
    let len = PATCH * PATCH;
    // Sums of blocks of rows, then over the blocks in order, so that the number of threads does not change the result.
    let sums = |term: &(dyn Fn(f32, f64) -> f64 + Sync), means: &[f64]| {
        let rows: Vec<Vec<f64>> = values
            .par_chunks(1024 * channels * len)
            .map(|rows| {
                let mut sums = vec![0.0; channels];
                for (index, part) in rows.chunks_exact(len).enumerate() {
                    let c = index % channels;
                    sums[c] += part.iter().map(|&value| term(value, means[c])).sum::<f64>();
                }
                sums
            })
            .collect();
        (0..channels).map(|c| rows.iter().map(|sums| sums[c]).sum::<f64>()).collect::<Vec<f64>>()
    };
    let count = (values.len() / channels) as f64;
    let means: Vec<f64> = sums(&|value, _| f64::from(value), &vec![0.0; channels]).iter().map(|s| s / count).collect();
    let squares = sums(&|value, mean| (f64::from(value) - mean).powi(2), &means);
    let deviations: Vec<f64> = squares.iter().map(|square| (square / (count - 1.0)).sqrt()).collect();
    values.par_chunks_exact_mut(channels * len).for_each(|row| {
        for (c, part) in row.chunks_exact_mut(len).enumerate() {
            for value in part {
                *value = ((f64::from(*value) - means[c]) / deviations[c]) as f32;
            }
        }
    });
}

/// Divides each column of a row-major matrix by its Euclidean norm.
fn unit_columns(mut values: Vec<f32>, columns: usize) -> Vec<f32> {
    let mut squares = vec![0.0f64; columns];
    for row in values.chunks_exact(columns) {
        squares.iter_mut().zip(row).for_each(|(square, value)| *square += f64::from(*value).powi(2));
    }
    for row in values.chunks_exact_mut(columns) {
        row.iter_mut().zip(&squares).for_each(|(value, square)| *value = (f64::from(*value) / square.sqrt()) as f32);
    }
    values
}

/// Returns the sort keys of a row-major matrix with rows of [`CHUNK`] values, column by column.
fn keys_of_columns(values: &[f32]) -> Vec<u32> {
    let rows = values.len() / CHUNK;
    let mut keys = vec![0; values.len()];
    // In blocks of rows, which stay in the cache while their columns are read.
    for (block, values) in values.chunks(ROWS * CHUNK).enumerate() {
        for column in 0..CHUNK {
            let start = column * rows + block * ROWS;
            let keys = keys[start..].iter_mut();
            values.iter().skip(column).step_by(CHUNK).zip(keys).for_each(|(value, key)| *key = sort_key(*value));
        }
    }
    keys
}

/// Returns the sum of |aᵢ − bᵢ| over the sorted values, which are given as sort keys.
fn difference(a: &[u32], b: &[u32]) -> f64 {
    let (a, b) = (sorted(a), sorted(b));
    a.iter().zip(&b).map(|(&a, &b)| f64::from((from_sort_key(a) - from_sort_key(b)).abs())).sum()
}

/// Sorts by radix sort in three passes over 11 bits each: four times as fast here as sorting by comparison.
fn sorted(keys: &[u32]) -> Vec<u32> {
    const BITS: u32 = 11;
    const BUCKETS: usize = 1 << BITS;
    let (mut from, mut to) = (keys.to_vec(), vec![0; keys.len()]);
    for pass in 0..3 {
        let bucket = |key: u32| (key >> (pass * BITS)) as usize % BUCKETS;
        let mut next = [0; BUCKETS];
        from.iter().for_each(|&key| next[bucket(key)] += 1);
        let mut start = 0;
        for next in &mut next {
            start += std::mem::replace(next, start);
        }
        for &key in &from {
            let next = &mut next[bucket(key)];
            to[*next] = key;
            *next += 1;
        }
        std::mem::swap(&mut from, &mut to);
    }
    from
}

/// Converts a float to an integer with the same order, because integers are sorted faster.
fn sort_key(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
}

/// The inverse of [`sort_key`].
fn from_sort_key(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key & !(1 << 31) } else { !key })
}

/// Returns the level of `level` × `level` pixels of the Laplacian pyramid of an image, C × H × W.
fn pyramid_level(image: &[u8], size: usize, channels: usize, level: usize) -> Vec<f32> {
    let mut planes = vec![0.0; image.len()];
    for (position, pixel) in image.chunks_exact(channels).enumerate() {
        for (c, byte) in pixel.iter().enumerate() {
            planes[c * size * size + position] = f32::from(*byte) / 127.5 - 1.0;
        }
    }
    let mut current = size;
    while current > level {
        planes = halve(&planes, current);
        current /= 2;
    }
    if level > LAST_LEVEL {
        let halved = halve(&planes, level);
        subtract_enlarged(&mut planes, &halved, level);
    }
    planes
}

/// Blurs planes of `size` × `size` pixels, mirrored at their edges, and takes every second row and column.
fn halve(planes: &[f32], size: usize) -> Vec<f32> {
    let half = size / 2;
    let mirror = |position: isize| {
        let last = size as isize - 1;
        let inside = if position < 0 { -position } else { position };
        (if inside > last { 2 * last - inside } else { inside }) as usize
    };
    let mut out = Vec::with_capacity(planes.len() / 4);
    let mut columns = vec![0.0; size * half];
    for plane in planes.chunks_exact(size * size) {
        for (y, row) in plane.chunks_exact(size).enumerate() {
            for x in 0..half {
                let taps = BINOMIAL.iter().enumerate();
                columns[y * half + x] = taps.map(|(k, tap)| tap * row[mirror(2 * x as isize + k as isize - 2)]).sum();
            }
        }
        for y in 0..half {
            for x in 0..half {
                let taps = BINOMIAL.iter().enumerate();
                let sum: f32 =
                    taps.map(|(k, tap)| tap * columns[mirror(2 * y as isize + k as isize - 2) * half + x]).sum();
                out.push(sum);
            }
        }
    }
    out
}

/// Subtracts `halved`, enlarged to `size` × `size` pixels as `torch.nn.functional.interpolate` does it (bilinear,
/// `align_corners=False`).
fn subtract_enlarged(planes: &mut [f32], halved: &[f32], size: usize) {
    let half = size / 2;
    // Pixel x lies at (x + ½) / 2 − ½ of the halved plane: a quarter from one neighbor, three quarters from the
    // other.
    let neighbors = |x: usize| {
        let position = ((x as f32 + 0.5) / 2.0 - 0.5).max(0.0);
        let first = position as usize;
        (first, (first + 1).min(half - 1), position - first as f32)
    };
    for (plane, halved) in planes.chunks_exact_mut(size * size).zip(halved.chunks_exact(half * half)) {
        for (y, row) in plane.chunks_exact_mut(size).enumerate() {
            let (top, bottom, down) = neighbors(y);
            let (top, bottom) = (&halved[top * half..][..half], &halved[bottom * half..][..half]);
            for (x, value) in row.iter_mut().enumerate() {
                let (left, right, across) = neighbors(x);
                let mix = |row: &[f32]| row[left] + (row[right] - row[left]) * across;
                let (above, below) = (mix(top), mix(bottom));
                *value -= above + (below - above) * down;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_order_of_the_floats() {
        let floats = [f32::NEG_INFINITY, -7.5, -1e-30, -0.0, 0.0, 1e-30, 2.0, 2.000_000_2, f32::MAX];
        let keys = floats.map(sort_key);
        assert!(keys.is_sorted());
        assert_eq!(keys.map(from_sort_key).map(f32::to_bits), floats.map(f32::to_bits));
        let shuffled = [keys[4], keys[8], keys[0], keys[4], keys[2], keys[7], keys[1]];
        assert_eq!(sorted(&shuffled), [keys[0], keys[1], keys[2], keys[4], keys[4], keys[7], keys[8]]);
    }

    #[test]
    fn columns_are_taken_in_order() {
        let rows = 2 * ROWS + 3;
        let values: Vec<f32> = (0..rows * CHUNK).map(|i| i as f32).collect();
        let keys = keys_of_columns(&values);
        for (column, row) in [(0, 0), (3, ROWS), (CHUNK - 1, rows - 1), (7, 2 * ROWS + 1)] {
            assert_eq!(from_sort_key(keys[column * rows + row]), (row * CHUNK + column) as f32);
        }
    }

    /// Levels of a constant image are constant, and enlarging a halved image of a slope gives the slope again, but at
    /// the edges.
    #[test]
    fn a_slope_is_no_detail() {
        let image: Vec<u8> = (0..64 * 64).map(|i| (i % 64) as u8 * 2).collect();
        let detail = pyramid_level(&image, 64, 1, 64);
        // The halved image has every second column, and the enlarged one is half a pixel beside it: half a step of 2
        // levels. Values of at most 1 in f32 are rounded by 6e-8 in each of about ten steps.
        assert!((0..64).all(|y| detail[y * 64 + 4..y * 64 + 60].iter().all(|v| v.abs() < 0.5 * 2.0 / 127.5 + 1e-6)));
        let flat = pyramid_level(&[100; 32 * 32 * 3], 32, 3, 16);
        assert!(flat.iter().all(|v| (v - (100.0 / 127.5 - 1.0)).abs() < 1e-6));
    }
}
