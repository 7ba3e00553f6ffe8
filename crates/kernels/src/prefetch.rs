//! Prefetching of memory into the cache during matrix products.
//!
//! Matrix products are bound by arithmetic, the transforms between them by memory. So products prefetch, a few cache
//! lines with every tile, the memory that the transforms after them read and write. `conv/notes.md` has measurements.

use crate::cpu::SharedMut;
use crate::simd::Simd;

/// Number of values in a cache line.
pub(crate) const LINE: usize = 16;

/// The most stretches that one piece of work needs: 4 taps of 4 phases of a weight.
const MAX_STRETCHES: usize = 16;

/// The memory that is still to be prefetched.
#[derive(Debug, Clone)]
pub(crate) struct Prefetch {
    stretches: [Stretch; MAX_STRETCHES],
    count: usize,
    /// Lines for each product.
    share: usize,
    /// The next line, the distance to the one after it, and how many are left in its row or column.
    line: *const f32,
    step: usize,
    lines: usize,
    /// Where the next row or column of the stretch starts, and how many there are.
    row: *const f32,
    rows: usize,
    /// Stretches that have not been begun start here.
    next: usize,
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
    /// Returns the memory of all values.
    pub(crate) fn all(values: &[f32]) -> Self {
        Self::rows(values, values.len(), 1, 0)
    }

    /// Returns the `len` values from `start` of what other pieces of work may be writing.
    pub(crate) fn shared(values: &SharedMut<'_>, start: usize, len: usize) -> Self {
        Self { start: values.as_ptr().wrapping_add(start), len, rows: 1, stride: 0 }
    }

    /// `rows` rows of `len` of `values`, `stride` apart.
    pub(crate) fn rows(values: &[f32], len: usize, rows: usize, stride: usize) -> Self {
        Self { start: values.as_ptr(), len, rows, stride }
    }
}

impl Prefetch {
    /// Returns a list of no memory.
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
        for stretch in stretches.into_iter().filter(|stretch| stretch.rows > 0 && stretch.len > 0) {
            all[count] = stretch;
            count += 1;
            lines += stretch.rows * stretch.len.div_ceil(LINE);
        }
        Self {
            stretches: all,
            count,
            share: lines.div_ceil(products),
            line: std::ptr::null(),
            step: 0,
            lines: 0,
            row: std::ptr::null(),
            rows: 0,
            next: 0,
        }
    }

    /// Lines to fetch with each of the `tiles` tiles of a product.
    pub(crate) fn lines_per_tile(&self, tiles: usize) -> usize {
        self.share.div_ceil(tiles)
    }

    /// Fetches the next `lines`.
    #[inline(always)]
    pub(crate) fn fetch<S: Simd>(&mut self, s: S, lines: usize) {
        if lines > 0 {
            self.fetch_lines(s, lines);
        }
    }

    /// Fetches up to `lines` cache lines from where the last call has ended.
    #[inline(never)]
    fn fetch_lines<S: Simd>(&mut self, s: S, mut lines: usize) {
        while lines > 0 && (self.lines > 0 || self.take_row()) {
            let now = lines.min(self.lines);
            let (mut line, step) = (self.line, self.step);
            for _ in 0..now / 4 {
                for i in 0..4 {
                    s.prefetch(line.wrapping_add(i * step));
                }
                line = line.wrapping_add(4 * step);
            }
            for _ in 0..now % 4 {
                s.prefetch(line);
                line = line.wrapping_add(step);
            }
            self.line = line;
            self.lines -= now;
            lines -= now;
        }
    }

    /// Begins the next row, if there is one, or the next column of a stretch of short rows: the longer they are, the
    /// less there is to do for a line.
    fn take_row(&mut self) -> bool {
        let begins = self.rows == 0;
        if begins {
            if self.next == self.count {
                return false;
            }
            self.next += 1;
        }
        let Stretch { start, len, rows, stride } = self.stretches[self.next - 1];
        let (row, column) = ((len.div_ceil(LINE), LINE), (rows, stride));
        let ((lines, step), (rows, row_step)) = if row.0 < column.0 { (column, row) } else { (row, column) };
        if begins {
            (self.row, self.rows) = (start, rows);
        }
        (self.line, self.step, self.lines) = (self.row, step, lines);
        self.row = self.row.wrapping_add(row_step);
        self.rows -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Portable;

    /// The tiles of all products together fetch every line of every stretch, and no more at once than their share.
    #[test]
    fn tiles_fetch_everything() {
        let values = vec![0.0; 1000];
        for (lens, lines) in [(&[1000usize, 0, 17][..], 65usize), (&[16], 1), (&[], 0)] {
            for (products, tiles) in [(1, 1), (25, 7), (3, 40)] {
                let mut ahead = Prefetch::new(products, lens.iter().map(|len| Stretch::all(&values[..*len])));
                let per_tile = ahead.lines_per_tile(tiles);
                assert!(
                    lines == 0 || per_tile * tiles <= lines.div_ceil(products) + tiles,
                    "{lens:?}: too many at once"
                );
                for _ in 0..products * tiles {
                    ahead.fetch(Portable, per_tile);
                }
                assert!(ahead.lines == 0 && !ahead.take_row(), "{lens:?}: {per_tile} lines a tile");
            }
        }
    }

    /// Lines come in order, stretch by stretch, row by row or column by column.
    #[test]
    fn lines_come_in_order() {
        let values = vec![0.0; 200];
        let stretches = [
            Stretch::all(&values[..48]),
            Stretch::all(&[]),
            Stretch::rows(&values, 0, 3, 7),
            Stretch::rows(&values, 20, 2, 100),
            Stretch::rows(&values, 20, 3, 60),
        ];
        let mut ahead = Prefetch::new(1, stretches);
        assert_eq!(ahead.lines_per_tile(1), 13);
        let starts =
            [0usize, 16, 32, 0, 16, 100, 116, 0, 60, 120, 16, 76, 136].map(|start| values.as_ptr().wrapping_add(start));
        for start in starts {
            ahead.fetch(Portable, 1);
            assert_eq!(ahead.line, start.wrapping_add(ahead.step));
        }
        ahead.fetch(Portable, 3);
        assert_eq!(ahead.line, starts[12].wrapping_add(60), "nothing behind the last");
        let mut at_once = Prefetch::new(1, stretches);
        at_once.fetch(Portable, 13);
        assert_eq!((at_once.line, at_once.lines), (ahead.line, 0));
    }
}
