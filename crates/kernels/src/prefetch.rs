//! Fetching memory into the cache while matrix products keep the processor busy.
//!
//! A convolution is arithmetic that needs no memory bus between transforms that need nothing else. So the products ask, a few lines with
//! every tile, for what the transforms after them will read and write: see the measurements in `conv/notes.md`.

use crate::cpu::SharedMut;
use crate::simd::Simd;

/// Values in a cache line.
pub(crate) const LINE: usize = 16;

/// The most stretches that one piece of work needs: 4 taps of 4 phases of a weight.
const MAX_STRETCHES: usize = 16;

/// What is still to be fetched.
#[derive(Debug, Clone)]
pub(crate) struct Prefetch {
    stretches: [Stretch; MAX_STRETCHES],
    count: usize,
    /// Lines for each product.
    share: usize,
    /// The next line: in which stretch, in which of its rows, and where.
    next: (usize, usize, usize),
}

/// Rows of values side by side, `stride` apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    pub(crate) start: *const f32,
    /// Values in a row.
    pub(crate) len: usize,
    pub(crate) rows: usize,
    pub(crate) stride: usize,
}

impl Stretch {
    pub(crate) fn all(values: &[f32]) -> Self {
        Self::rows(values, values.len(), 1, 0)
    }

    /// The `len` values from `start` of what other pieces of work may be writing.
    pub(crate) fn shared(values: &SharedMut<'_>, start: usize, len: usize) -> Self {
        Self { start: values.as_mut_ptr().wrapping_add(start), len, rows: 1, stride: 0 }
    }

    /// `rows` rows of `len` of `values`, `stride` apart.
    pub(crate) fn rows(values: &[f32], len: usize, rows: usize, stride: usize) -> Self {
        Self { start: values.as_ptr(), len, rows, stride }
    }
}

impl Prefetch {
    /// Nothing.
    pub(crate) fn nothing() -> Self {
        Self::new(1, [])
    }

    /// `stretches`, spread over `products` products.
    ///
    /// # Panics
    /// If there are more than [`MAX_STRETCHES`].
    pub(crate) fn new(products: usize, stretches: impl IntoIterator<Item = Stretch>) -> Self {
        let mut all = [Stretch { start: std::ptr::null(), len: 0, rows: 0, stride: 0 }; MAX_STRETCHES];
        let (mut count, mut lines) = (0, 0usize);
        for stretch in stretches {
            all[count] = stretch;
            count += 1;
            lines += stretch.rows * stretch.len.div_ceil(LINE);
        }
        Self { stretches: all, count, share: lines.div_ceil(products), next: (0, 0, 0) }
    }

    /// Lines to fetch with each of the `tiles` tiles of a product.
    pub(crate) fn lines_per_tile(&self, tiles: usize) -> usize {
        self.share.div_ceil(tiles)
    }

    /// Fetches the next `lines`.
    #[inline(always)]
    pub(crate) fn fetch<S: Simd>(&mut self, s: S, lines: usize) {
        let (mut index, mut row, mut at) = self.next;
        for _ in 0..lines {
            if index == self.count {
                break;
            }
            let Stretch { start, len, rows, stride } = self.stretches[index];
            s.prefetch(start.wrapping_add(row * stride + at));
            at += LINE;
            if at >= len {
                (row, at) = (row + 1, 0);
            }
            if row >= rows {
                (index, row) = (index + 1, 0);
            }
        }
        self.next = (index, row, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Portable;

    /// The tiles of all products together fetch every line of every stretch, in order, and then no more.
    #[test]
    fn tiles_fetch_everything() {
        let values = vec![0.0; 1000];
        for (lens, lines) in [(&[1000, 0, 17][..], 65), (&[16], 1), (&[], 0)] {
            for (products, tiles) in [(1, 1), (25, 7), (3, 40)] {
                let mut ahead = Prefetch::new(products, lens.iter().map(|len| Stretch::all(&values[..*len])));
                let per_tile = ahead.lines_per_tile(tiles);
                assert!(per_tile * tiles * products >= lines, "{lens:?}: {per_tile} lines a tile");
                assert!(
                    lines == 0 || per_tile * tiles <= lines.div_ceil(products) + tiles,
                    "{lens:?}: too many at once"
                );
                for _ in 0..products * tiles + lens.len() {
                    ahead.fetch(Portable, per_tile);
                }
                assert_eq!(ahead.next, (lens.len(), 0, 0), "{lens:?}");
            }
        }
        let stretches = [Stretch::all(&values[..48]), Stretch::rows(&values, 20, 2, 100)];
        let mut ahead = Prefetch::new(1, stretches);
        assert_eq!(ahead.lines_per_tile(1), 7);
        let ends = [(0, 0, 16), (0, 0, 32), (1, 0, 0), (1, 0, 16), (1, 1, 0), (1, 1, 16), (2, 0, 0), (2, 0, 0)];
        let seen = ends.map(|_| {
            ahead.fetch(Portable, 1);
            ahead.next
        });
        assert_eq!(seen, ends);
    }
}
