//! The training pictures nearest to a drawn one, which show whether a face is a copy.
//!
//! The distance is the root mean square difference, in levels of 255, of two pictures that were both shrunk to
//! [`Neighbours::SIDE`] pixels a side by averaging. A shift of a pixel or two, grain and sharpness then count little;
//! pose, shape and colour count much.

use dcgan_data::{DataError, Dataset};
use dcgan_image::Picture;
use rayon::prelude::*;

/// Shrunken training pictures to compare with.
#[derive(Debug)]
pub struct Neighbours {
    /// The shrunken pictures one after the other, each of `len` bytes.
    shrunken: Vec<u8>,
    len: usize,
}

/// A training picture that is near to a drawn one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// Index in the data set.
    pub index: usize,
    /// The distance, from 0 to 255.
    pub distance: f64,
}

impl Neighbours {
    /// Height and width of the shrunken pictures in pixels.
    pub const SIDE: usize = 16;

    /// Shrinks all pictures of `data`, whose size must be a multiple of [`Neighbours::SIDE`], as those of every network
    /// are, or less than it.
    ///
    /// # Errors
    /// If a picture cannot be read; see [`Dataset::image`].
    ///
    /// # Panics
    /// If there are none, or they have another size.
    pub fn new(data: &Dataset) -> Result<Self, DataError> {
        assert!(!data.is_empty(), "no pictures to compare with");
        let divides = data.size() < Self::SIDE || data.size().is_multiple_of(Self::SIDE);
        assert!(divides, "pictures of size {}, not a multiple of {}", data.size(), Self::SIDE);
        let (size, channels) = (data.size(), data.channels().count());
        let len = shrunken_len(size, channels);
        let mut shrunken = vec![0; data.len() * len];
        shrunken.par_chunks_exact_mut(len).enumerate().try_for_each(|(i, out)| {
            out.copy_from_slice(&shrink(&data.image(i)?, size, channels));
            Ok::<_, DataError>(())
        })?;
        Ok(Self { shrunken, len })
    }

    /// Returns the number of pictures.
    pub fn len(&self) -> usize {
        self.shrunken.len() / self.len
    }

    /// Returns whether there are no pictures, which is never so.
    pub fn is_empty(&self) -> bool {
        self.shrunken.is_empty()
    }

    /// Returns the `count` pictures nearest to `picture`, nearest first; of equally near ones the earlier. Fewer if
    /// there are fewer.
    ///
    /// # Panics
    /// If `picture` is no square, or of another size or other channels than the data set's.
    pub fn nearest(&self, picture: &Picture, count: usize) -> Vec<Neighbour> {
        assert_eq!(picture.width, picture.height, "a square picture");
        let small = shrink(&picture.pixels, picture.width, picture.channels);
        self.nearest_to(&small, count, usize::MAX)
    }

    /// Returns the other picture nearest to training picture `index`; `None` if it is the only one.
    pub fn nearest_other(&self, index: usize) -> Option<Neighbour> {
        let small = &self.shrunken[index * self.len..(index + 1) * self.len];
        self.nearest_to(small, 1, index).into_iter().next()
    }

    fn nearest_to(&self, small: &[u8], count: usize, except: usize) -> Vec<Neighbour> {
        assert_eq!(small.len(), self.len, "values of a shrunken picture");
        let all = self.shrunken.par_chunks(self.len).enumerate().filter(|(index, _)| *index != except);
        let mut all: Vec<(u32, usize)> = all.map(|(index, other)| (square_distance(small, other), index)).collect();
        let count = count.min(all.len());
        if count == 0 {
            return Vec::new();
        }
        all.select_nth_unstable(count - 1);
        all.truncate(count);
        all.sort_unstable();
        let distance = |square: u32| (f64::from(square) / self.len as f64).sqrt();
        all.into_iter().map(|(square, index)| Neighbour { index, distance: distance(square) }).collect()
    }
}

fn shrunken_len(size: usize, channels: usize) -> usize {
    let side = Neighbours::SIDE.min(size);
    side * side * channels
}

/// Shrinks a picture by rounded means over squares of pixels.
fn shrink(pixels: &[u8], size: usize, channels: usize) -> Vec<u8> {
    let side = Neighbours::SIDE.min(size);
    let square = size / side;
    let mut small = Vec::with_capacity(side * side * channels);
    for y in 0..side {
        for x in 0..side {
            for c in 0..channels {
                let rows = (y * square..(y + 1) * square).map(|y| (y * size + x * square) * channels + c);
                let values = rows.flat_map(|start| (0..square).map(move |x| u32::from(pixels[start + x * channels])));
                let area = (square * square) as u32;
                small.push(((values.sum::<u32>() + area / 2) / area) as u8);
            }
        }
    }
    small
}

fn square_distance(a: &[u8], b: &[u8]) -> u32 {
    // At most 16 · 16 · 3 · 255² = 5e7.
    a.iter().zip(b).map(|(&a, &b)| u32::from(a.abs_diff(b)).pow(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dcgan_data::Channels;

    /// At 40 pixels, 8 at the right and at the bottom would never be looked at.
    #[test]
    #[should_panic(expected = "pictures of size 40, not a multiple of 16")]
    fn sizes_that_do_not_divide_are_refused() {
        Neighbours::new(&Dataset::from_fn(1, 40, Channels::Gray, |_, out| out.fill(1)).unwrap()).unwrap();
    }

    fn plain(value: u8, size: usize, channels: usize) -> Picture {
        let pixels = vec![value; size * size * channels];
        Picture { width: size, height: size, channels, pixels }
    }

    #[test]
    fn distances_are_in_levels_and_sorted() {
        for (size, channels) in [(32, Channels::Rgb), (64, Channels::Gray)] {
            let data = Dataset::from_fn(10, size, channels, |i, out| out.fill(i as u8 * 20)).unwrap();
            let nearest = Neighbours::new(&data).unwrap().nearest(&plain(105, size, channels.count()), 3);
            let expected = [(5, 5.0), (6, 15.0), (4, 25.0)];
            assert_eq!(nearest, expected.map(|(index, distance)| Neighbour { index, distance }));
            assert_eq!(Neighbours::new(&data).unwrap().nearest(&plain(0, size, channels.count()), 99).len(), 10);
        }
    }

    #[test]
    fn a_picture_is_not_its_own_neighbour() {
        let data = Dataset::from_fn(4, 32, Channels::Rgb, |i, out| out.fill([0, 90, 100, 250][i])).unwrap();
        let neighbours = Neighbours::new(&data).unwrap();
        let other = |index| neighbours.nearest_other(index).unwrap();
        assert_eq!(other(1), Neighbour { index: 2, distance: 10.0 });
        assert_eq!(other(0).index, 1);
        let one = Dataset::from_fn(1, 32, Channels::Rgb, |_, _| {}).unwrap();
        assert_eq!(Neighbours::new(&one).unwrap().nearest_other(0), None);
    }

    #[test]
    fn grain_counts_little_and_shape_counts_much() {
        let checks = |i: usize, out: &mut [u8]| {
            for (at, pixel) in out.iter_mut().enumerate() {
                let (x, y) = (at % 32, at / 32);
                // Single pixels black and white, all grey, half black and half white.
                *pixel = [[0, 255][(x + y) % 2], 127, [0, 255][x / 16]][i];
            }
        };
        let data = Dataset::from_fn(3, 32, Channels::Gray, checks).unwrap();
        let neighbours = Neighbours::new(&data).unwrap();
        let near = neighbours.nearest_other(0).unwrap();
        assert_eq!(near.index, 1);
        assert!(near.distance <= 1.0, "{near:?}");
        assert!(neighbours.nearest_other(2).unwrap().distance > 100.0);
    }
}
