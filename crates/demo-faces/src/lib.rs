//! Cartoon anime faces drawn in code: a data set for those who have none at hand.
//!
//! A face is the function of two numbers, a seed and an index, and of nothing else: not of the order faces are drawn in,
//! nor of threads, nor of the machine. So "the first 63,632 faces of seed 0" is a data set that needs no download, and
//! any one of its pictures can be drawn alone.
//!
//! ```
//! let rgb = dcgan_demo_faces::draw(0, 7, 64);
//! assert_eq!(rgb.len(), 64 * 64 * 3);
//! ```
//!
//! Faces are composed as the classic anime-face data sets are cropped: the head fills the frame and the eyes lie a
//! little below the middle, so that a small network can learn where things are before it learns what they look like.
//!
//! How it works: [`Face::random`] draws the parameters of a face (pose, skin, hair, eyes, mouth, clothes,
//! accessories, background) from a random stream of its own; [`Face::draw`] paints them from back
//! to front with filled and outlined curves on a canvas measured in percent of the picture. Colours are worked out in
//! OKLCH, where the shadow of any colour is one and the same step; outlines are a dark relative of what they enclose.
//! Random numbers, curves and coverage are integer arithmetic, or basic floating point and `libm`, which round alike on
//! every platform.

mod accessories;
mod background;
mod canvas;
mod eyes;
mod face;
mod hair;
mod head;
mod ink;
mod mouth;
mod outfit;
mod palette;
mod rng;

pub use face::{Face, MAX_SIZE};

/// Draws face number `index` of `seed` as RGB bytes, row by row: `size` × `size` × 3 of them.
///
/// # Panics
///
/// If `size` is larger than [`MAX_SIZE`].
pub fn draw(seed: u64, index: u64, size: u32) -> Vec<u8> {
    Face::random(seed, index).draw(size)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// FNV-1a, 64 bits.
    fn hash(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    /// Demo faces are part of what makes a run reproducible, so they change on purpose or not at all. If they did on
    /// purpose: look at the contact sheet (`cargo run -p dcgan-demo-faces --example contact_sheet -- sheet.png`), then
    /// copy the numbers that this test prints.
    #[test]
    fn faces_stay_as_they_are() {
        let expected: [(u64, u64, u32, u64); 6] = [
            (0, 0, 64, 0),
            (0, 1, 64, 0),
            (0, 63_631, 64, 0),
            (1, 0, 64, 0),
            (0, 2, 33, 0),
            (u64::MAX, u64::MAX, 128, 0),
        ];
        let drawn = expected.map(|(seed, index, size, _)| (seed, index, size, hash(&draw(seed, index, size))));
        assert!(drawn == expected, "now {drawn:#x?}");
    }

    #[test]
    fn faces_all_differ() {
        let mut seen = HashMap::new();
        for index in 0..5000 {
            if let Some(earlier) = seen.insert(hash(&draw(0, index, 32)), index) {
                panic!("faces {earlier} and {index} are the same");
            }
        }
    }

    #[test]
    fn seeds_are_different_series() {
        assert_ne!(draw(0, 0, 32), draw(1, 0, 32));
        assert_ne!(draw(0, 1, 32), draw(1, 0, 32));
    }

    #[test]
    fn every_size_has_its_bytes() {
        for size in [0, 1, 2, 7, 31, 64, 255] {
            assert_eq!(draw(3, 4, size).len(), (size * size * 3) as usize);
        }
    }

    /// Drawn at twice the size and halved, a face is nearly what it is at its own size: coverage is exact up to 1/256,
    /// so only outlines thinner than a pixel, which are widened to be seen, and the rounding of curves differ.
    #[test]
    fn sizes_show_the_same_picture() {
        for index in 0..20 {
            let (small, large) = (draw(5, index, 64), draw(5, index, 128));
            let mut total = 0;
            for y in 0..64 {
                for x in 0..64 {
                    for channel in 0..3 {
                        let at =
                            |dx: usize, dy: usize| u32::from(large[((2 * y + dy) * 128 + 2 * x + dx) * 3 + channel]);
                        let halved = (at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1) + 2) / 4;
                        total += halved.abs_diff(u32::from(small[(y * 64 + x) * 3 + channel]));
                    }
                }
            }
            let mean = f64::from(total) / (64.0 * 64.0 * 3.0);
            assert!(mean < 2.0, "face {index}: {mean}");
        }
    }
}
