//! Cartoon anime faces drawn in code: a data set that needs no download.
//!
//! A face depends only on a seed and an index, not on the order in which faces are drawn, the number of threads or the
//! machine. "The first 63,632 faces of seed 0" therefore is a fixed data set, and any face of it can be drawn alone.
//!
//! ```
//! let rgb = dcgan_demo_faces::draw(0, 7, 64);
//! assert_eq!(rgb.len(), 64 * 64 * 3);
//! ```
//!
//! Faces are composed like the crops of the usual anime-face data sets: the head fills the frame and the eyes are a
//! little below the middle.
//!
//! [`Face::random`] draws the parameters of a face (pose, skin, hair, eyes, mouth, clothes, accessories, background)
//! from a random stream that belongs to that face. [`Face::draw`] paints the parts from back to front with filled and
//! outlined curves, on a canvas whose coordinates are percent of the image. Colors are computed in OKLCH, where the
//! shadow of every color is the same step. Outlines have a darker shade of the color that they enclose. All results are
//! the same bits on every platform: random numbers and coverage are integer arithmetic, and everything else is basic
//! floating-point arithmetic and `libm`.

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
mod point;
mod rng;

pub use face::{Face, MAX_SIZE};

/// Draws face `index` of `seed` and returns its RGB bytes, row by row: `size` × `size` × 3.
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

    /// Runs are reproducible only if the faces do not change. After an intended change, look at the contact sheet
    /// (`cargo run -p dcgan-demo-faces --example contact_sheet -- sheet.png`), then copy the numbers that this test
    /// prints.
    #[test]
    fn faces_stay_as_they_are() {
        let expected: [(u64, u64, u32, u64); 6] = [
            (0, 0, 64, 0xe8b4_5dca_dbbd_b414),
            (0, 1, 64, 0xca7a_20ee_e33b_dfb8),
            (0, 63_631, 64, 0xa53f_01d5_27b3_36f5),
            (1, 0, 64, 0x7148_a8e8_401f_1b74),
            (0, 2, 33, 0xb1b4_8492_2424_c223),
            (u64::MAX, u64::MAX, 128, 0x1ac5_5876_26f1_6ab9),
        ];
        let drawn = expected.map(|(seed, index, size, _)| (seed, index, size, hash(&draw(seed, index, size))));
        assert!(drawn == expected, "now {drawn:#x?}");
    }

    fn assert_first_faces_differ(count: u64, size: u32) {
        let mut seen = HashMap::new();
        for index in 0..count {
            if let Some(earlier) = seen.insert(hash(&draw(0, index, size)), index) {
                panic!("faces {earlier} and {index} are the same");
            }
        }
    }

    #[test]
    fn faces_differ() {
        assert_first_faces_differ(5000, 32);
    }

    /// As many as the classic data set has.
    #[test]
    #[ignore = "half a minute; `tools/check/run.sh rust` runs it"]
    fn a_whole_data_set_differs() {
        assert_first_faces_differ(63_632, 64);
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

    /// Drawn at twice the size and halved, a face is what it is at its own size, but for how finely curves are split
    /// (half a pixel at most, along edges only), coverage (1/256 at each of some ten layers) and the rounding of
    /// colors. That is half a shade on average, as measured; a line width that does not scale makes it two.
    #[test]
    fn sizes_show_the_same_picture() {
        const SIZE: usize = 128;
        for index in 0..10 {
            let (small, large) = (draw(5, index, SIZE as u32), draw(5, index, 2 * SIZE as u32));
            let mut total = 0;
            for (i, &value) in small.iter().enumerate() {
                let (x, y, channel) = (i / 3 % SIZE, i / 3 / SIZE, i % 3);
                let at = |dx: usize, dy: usize| u32::from(large[((2 * y + dy) * 2 * SIZE + 2 * x + dx) * 3 + channel]);
                let halved = (at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1) + 2) / 4;
                total += halved.abs_diff(u32::from(value));
            }
            let mean = f64::from(total) / small.len() as f64;
            assert!(mean < 1.0, "face {index}: {mean}");
        }
    }
}
