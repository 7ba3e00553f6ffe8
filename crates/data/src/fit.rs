//! From a picture of any shape to a square, as Pillow's `resize`, `ImageOps.fit` and `ImageOps.pad` do it.

use crate::decode::DecodedImage;
use crate::resize::{Extent, Filter, Region, Resizer};

/// What happens to a picture that is not square.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fit {
    /// Both sides are scaled to fit, as in the tutorial.
    #[default]
    Stretch,
    /// The middle square is taken; what is beside it is lost.
    Crop,
    /// All of it is kept, between bars of the background.
    Pad,
}

impl Fit {
    /// All of them, by their names.
    pub const ALL: [(&'static str, Fit); 3] = [("stretch", Fit::Stretch), ("crop", Fit::Crop), ("pad", Fit::Pad)];
}

crate::name::impl_names!(Fit);

/// Fits pictures into squares, keeping scratch memory from one to the next.
#[derive(Debug)]
pub struct Fitter {
    resizer: Resizer,
    resized: Vec<u8>,
    size: usize,
    fit: Fit,
    filter: Filter,
    background: [u8; 3],
}

impl Fitter {
    /// Makes squares of `size` pixels a side; `background` is the color of [`Fit::Pad`]'s bars.
    pub fn new(size: usize, fit: Fit, filter: Filter, background: [u8; 3]) -> Fitter {
        Fitter { resizer: Resizer::new(), resized: Vec::new(), size, fit, filter, background }
    }

    /// Writes `picture` as size × size × channels into `square`.
    ///
    /// # Panics
    /// If `square` has another length.
    pub fn fit(&mut self, square: &mut [u8], picture: &DecodedImage) {
        let from = Extent { width: picture.width, height: picture.height };
        let whole = Extent { width: self.size, height: self.size };
        let (pixels, channels) = (&picture.pixels, picture.channels.count());
        match self.fit {
            Fit::Stretch => self.resizer.resize(square, whole, pixels, from, from.into(), self.filter, channels),
            Fit::Crop => self.resizer.resize(square, whole, pixels, from, middle(from), self.filter, channels),
            Fit::Pad => {
                let to = inside(from, self.size);
                if to == whole {
                    return self.resizer.resize(square, whole, pixels, from, from.into(), self.filter, channels);
                }
                self.resized.resize(to.width * to.height * channels, 0);
                self.resizer.resize(&mut self.resized, to, pixels, from, from.into(), self.filter, channels);
                let [r, g, b] = self.background;
                if channels == 1 {
                    square.fill(crate::decode::luma([r, g, b]));
                } else {
                    square.as_chunks_mut::<3>().0.fill([r, g, b]);
                }
                let left = half_to_even(self.size - to.width);
                let top = half_to_even(self.size - to.height);
                let rows = square.chunks_exact_mut(self.size * channels).skip(top);
                for (row, content) in rows.zip(self.resized.chunks_exact(to.width * channels)) {
                    row[left * channels..(left + to.width) * channels].copy_from_slice(content);
                }
            }
        }
    }
}

/// The largest square in the middle, which may start and end between pixels.
fn middle(Extent { width, height }: Extent) -> Region {
    let (wide, high) = (width as f64, height as f64);
    let side = wide.min(high);
    let (left, top) = ((wide - side) * 0.5, (high - side) * 0.5);
    Region { left: left as f32, top: top as f32, right: (left + side) as f32, bottom: (top + side) as f32 }
}

/// The largest extent of the same shape within `size`, at least one pixel wide and high.
fn inside(Extent { width, height }: Extent, size: usize) -> Extent {
    let scaled = |short: usize, long: usize| {
        let length = (short as f64 / long as f64 * size as f64).round_ties_even() as usize;
        length.clamp(1, size)
    };
    if width > height {
        Extent { width: size, height: scaled(height, width) }
    } else {
        Extent { width: scaled(width, height), height: size }
    }
}

/// Half of `n`, halves rounded to even, as Python's `round`.
fn half_to_even(n: usize) -> usize {
    (n as f64 * 0.5).round_ties_even() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Channels, ColorType, ImageFormat};

    fn fitted(width: usize, height: usize, size: usize, fit: Fit) -> Vec<u8> {
        let pixels = (1..=width * height).map(|i| i as u8).collect();
        let (channels, format, color) = (Channels::Gray, ImageFormat::Png, ColorType::Gray);
        let picture = DecodedImage { width, height, channels, pixels, format, color, bits: 8, is_animated: false };
        let mut square = vec![0; size * size];
        Fitter::new(size, fit, Filter::Bilinear, [200; 3]).fit(&mut square, &picture);
        square
    }

    #[test]
    fn crop_takes_the_middle() {
        assert_eq!(fitted(4, 2, 2, Fit::Crop), [2, 3, 6, 7]);
        assert_eq!(fitted(2, 4, 2, Fit::Crop), [3, 4, 5, 6]);
        // The square starts half a pixel in: every output pixel lies between two.
        assert_eq!(fitted(3, 2, 2, Fit::Crop), [2, 3, 5, 6]);
    }

    #[test]
    fn pad_keeps_everything() {
        assert_eq!(fitted(4, 2, 4, Fit::Pad), [200, 200, 200, 200, 1, 2, 3, 4, 5, 6, 7, 8, 200, 200, 200, 200]);
        assert_eq!(fitted(1, 3, 3, Fit::Pad), [200, 1, 200, 200, 2, 200, 200, 3, 200]);
        // An uneven rest: Python's round(0.5) is 0, round(1.5) is 2.
        assert_eq!(fitted(2, 1, 2, Fit::Pad), [1, 2, 200, 200]);
        assert_eq!(fitted(4, 1, 4, Fit::Pad)[8..12], [1, 2, 3, 4]);
        assert_eq!(
            fitted(1, 200, 4, Fit::Pad).iter().filter(|&&byte| byte == 200).count(),
            12,
            "it stays a pixel wide"
        );
    }
}
