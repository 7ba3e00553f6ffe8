//! Matrix products, the arithmetic core of every convolution.
//!
//! Operands are packed only where it is necessary. The right side and the output are read and written in whole *panels*
//! of P columns ([`panel_width`], two or four vectors); of the left side single values are broadcast, so its columns
//! may come in runs with jumps between them, as the patches of an image do, and its transpose costs nothing extra.
//!
//! The format that serves as all three is the *panel matrix*: `rows × cols` stored as ⌈cols / P⌉ panels, each
//! `rows × P` in row-major order, the last one filled up with zeros.
//!
//! Everything here runs on one thread; convolutions cut their work into pieces above it. `tests/matmul.rs` compares
//! products with their definition.

use crate::Isa;
use crate::cpu::Values;
use crate::prefetch::{LINE, Prefetch};
use crate::simd::{Simd, multiversion};
use std::mem::MaybeUninit;

/// Number of rows of the summation index taken at a time: a block of the right side (BLOCK_K × P) and a tile of the
/// left side then fit into the first-level cache together.
pub const BLOCK_K: usize = 256;

/// Number of summands in a turn of a register tile's loop. Where another thread shares the core, all instructions
/// together bound a product and not the multiply-adds alone: see `conv/notes.md`.
const UNROLL: usize = 4;

/// The widest panel of any instruction set.
pub(crate) const MAX_PANEL: usize = 32;
/// The most tile rows of any instruction set.
const MAX_ROWS: usize = 12;

multiversion! {
    /// Returns the number of columns in a panel.
    pub fn panel_width(s) -> usize {
        let _ = s;
        panel::<S>()
    }
}

/// Returns the number of columns in a panel of a known instruction set.
pub(crate) const fn panel<S: Simd>() -> usize {
    S::LANES * S::TILE_VECTORS
}

multiversion! {
    /// Returns the number of values in a vector.
    pub(crate) fn vector_width(s) -> usize {
        let _ = s;
        S::LANES
    }
}

/// Number of values in a panel matrix of `rows × cols`.
pub fn panels_len(isa: Isa, rows: usize, cols: usize) -> usize {
    rows * cols.next_multiple_of(panel_width(isa))
}

/// Left side of a product: value (row, col) lies at row · `row_stride` + (col / `run`) · `jump` + col % `run`.
#[derive(Debug, Clone, Copy)]
pub struct Lhs<'a> {
    pub(crate) data: Values<'a>,
    pub(crate) row_stride: usize,
    pub(crate) run: usize,
    pub(crate) jump: usize,
    /// Whether the product's rows are the columns described above.
    pub(crate) transposed: bool,
    /// How far from what it reads a product fetches what the next one will read; 0 for nothing. Of panel matrices only,
    /// and not where they are transposed.
    pub(crate) ahead: isize,
}

impl<'a> Lhs<'a> {
    /// Returns a panel matrix of `rows` rows.
    pub fn panels(isa: Isa, data: &'a [f32], rows: usize) -> Self {
        Self::shared_panels(isa, data.into(), rows)
    }

    /// Returns a panel matrix of `rows` rows, beside which other pieces of work may be writing.
    pub(crate) fn shared_panels(isa: Isa, data: Values<'a>, rows: usize) -> Self {
        let p = panel_width(isa);
        Self { data, row_stride: p, run: p, jump: rows * p, transposed: false, ahead: 0 }
    }

    /// Returns a row-major matrix whose rows start `row_stride` values apart.
    pub fn row_major(data: &'a [f32], row_stride: usize) -> Self {
        Self::runs(data, row_stride, usize::MAX, 0)
    }

    /// Returns a matrix whose columns come in runs, which may not be empty: value (row, col) lies at
    /// row · `row_stride` + (col / `run`) · `jump` + col % `run`.
    pub fn runs(data: &'a [f32], row_stride: usize, run: usize, jump: usize) -> Self {
        Self { data: data.into(), row_stride, run, jump, transposed: false, ahead: 0 }
    }

    /// Returns the transpose; no value is moved.
    pub fn transposed(self) -> Self {
        Self { transposed: !self.transposed, ..self }
    }

    /// Returns the position of column `col`.
    pub(crate) fn column(&self, col: usize) -> usize {
        reach([(col / self.run, self.jump), (col % self.run, 1)])
    }
}

/// The right side of a product: panel `j` of row `i` starts at (i / `run`) · `jump` + (i % `run`) · `row_stride` + j
/// · `panel_stride`. Several runs are for products with the left side transposed, and no more than a block of rows.
#[derive(Debug, Clone, Copy)]
pub struct Rhs<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) row_stride: usize,
    pub(crate) panel_stride: usize,
    pub(crate) run: usize,
    pub(crate) jump: usize,
}

impl<'a> Rhs<'a> {
    /// Returns a panel matrix of `rows` rows.
    pub fn panels(isa: Isa, data: &'a [f32], rows: usize) -> Self {
        let p = panel_width(isa);
        Self { data, row_stride: p, panel_stride: rows * p, run: usize::MAX, jump: 0 }
    }

    /// Returns a row-major matrix whose width is a whole number of panels.
    ///
    /// # Panics
    /// If it is not.
    pub fn row_major(isa: Isa, data: &'a [f32], width: usize) -> Self {
        let p = panel_width(isa);
        assert!(width.is_multiple_of(p), "{width} columns in panels of {p}");
        Self { data, row_stride: width, panel_stride: p, run: usize::MAX, jump: 0 }
    }
}

/// Where a product goes: panel `j` of row `i` starts at i · `row_stride` + j · `panel_stride`.
#[derive(Debug)]
pub struct Out<'a> {
    pub(crate) data: &'a mut [f32],
    pub(crate) row_stride: usize,
    pub(crate) panel_stride: usize,
}

impl<'a> Out<'a> {
    /// Returns a panel matrix of `rows` rows.
    pub fn panels(isa: Isa, data: &'a mut [f32], rows: usize) -> Self {
        let p = panel_width(isa);
        Self { data, row_stride: p, panel_stride: rows * p }
    }

    /// Returns a row-major matrix of any width whose rows start `row_stride` values apart.
    pub fn row_major(isa: Isa, data: &'a mut [f32], row_stride: usize) -> Self {
        Self { data, row_stride, panel_stride: panel_width(isa) }
    }
}

/// Returns how far so many steps of such lengths lead; `usize::MAX`, which is beyond any slice, if it is further still.
fn reach<const N: usize>(steps: [(usize, usize); N]) -> usize {
    steps.into_iter().fold(0, |sum: usize, (count, len)| sum.saturating_add(count.saturating_mul(len)))
}

/// Computes out = A · B, or out += A · B with `accumulate`, for `m × k` A and `k × n` B. `out` gets its `n` columns
/// only, so a row-major `out` needs no padding.
///
/// # Panics
/// If an operand is too short for its shape, or runs or panels of one overlap.
pub fn multiply(isa: Isa, out: Out<'_>, a: Lhs<'_>, b: Rhs<'_>, [m, n, k]: [usize; 3], accumulate: bool) {
    multiply_and_prefetch(isa, out, a, b, m, n, k, accumulate, &mut Prefetch::nothing());
}

multiversion! {
    /// [`multiply`], which meanwhile fetches what is `ahead` into the cache.
    pub(crate) fn multiply_and_prefetch(s, out: Out<'_>, a: Lhs<'_>, b: Rhs<'_>, m: usize, n: usize, k: usize, accumulate: bool, ahead: &mut Prefetch) {
        let p = panel::<S>();
        if m == 0 || n == 0 {
            return;
        }
        let panels = n.div_ceil(p);
        if k > 0 {
            let (a_rows, a_cols) = if a.transposed { (k, m) } else { (m, k) };
            // With runs that do not overlap, the last value of all is that of the last row and column.
            assert!(a.jump >= a.run || a_cols <= a.run, "runs of the left side");
            assert!(a.data.len() > reach([(a_rows - 1, a.row_stride), (a.column(a_cols - 1), 1)]), "left side");
            assert!(b.run >= k || a.transposed && k <= BLOCK_K, "runs of the right side");
            let rows = [((k - 1) / b.run, b.jump), (b.run.min(k) - 1, b.row_stride)];
            assert!(b.data.len() >= reach([rows[0], rows[1], (panels - 1, b.panel_stride), (p, 1)]), "right side");
        }
        // Else a whole panel would end behind the last one.
        assert!(out.panel_stride >= p || panels == 1, "panels of the output");
        let last_columns = (n - (panels - 1) * p, 1);
        let end = reach([(m - 1, out.row_stride), (panels - 1, out.panel_stride), last_columns]);
        assert!(out.data.len() >= end, "output");

        // Rows come in segments, which a tile of the transpose must not straddle: the runs of the left side.
        let segment = if a.transposed { a.run.min(m) } else { m };
        let (whole, rest) = (tile_rows::<S>(segment), tile_rows::<S>(m % segment));
        let count = |tiles: [(usize, usize); 2]| tiles[0].1 + tiles[1].1;
        let tiles = m / segment * count(whole) + count(rest);
        // The tiles of one panel share the fetching of the next: asking for more would push what they work on out of
        // the first-level cache.
        let prefetch_step = p.div_ceil(tiles).min(LINE);
        let lines_ahead = ahead.lines_per_tile(tiles * panels * k.div_ceil(BLOCK_K).max(1));
        let mut k_start = 0;
        let mut accumulate = accumulate;
        loop {
            let k_len = BLOCK_K.min(k - k_start);
            let tile = Tile {
                accumulate,
                k: k_len,
                a_row: a.row_stride,
                a_first: if a.transposed { 0 } else { a.run - k_start % a.run },
                a_run: a.run,
                a_jump: a.jump,
                b_row: b.row_stride,
                b_run: b.run,
                b_jump: b.jump,
                c_row: out.row_stride,
                prefetch_step,
                a_ahead: a.ahead,
                lines_ahead,
            };
            let (a_start, a_segment) =
                if a.transposed { (k_start * a.row_stride, a.jump) } else { (a.column(k_start), 0) };
            for panel in 0..panels {
                let columns = p.min(n - panel * p);
                let b_start = panel * b.panel_stride + k_start * b.row_stride;
                // A block of the right side ahead of this panel; behind the last panel, the first of the next block.
                // Behind the right side there is, most often, that of the next product.
                let block_ahead = (panel + BLOCK_K / k_len.max(1)) * b.panel_stride;
                let next = match (panel + 1 == panels, k_start + k_len < k) {
                    (false, _) => block_ahead + k_start * b.row_stride,
                    (true, true) => (k_start + k_len) * b.row_stride,
                    (true, false) => block_ahead,
                };
                let mut c = out.data.as_mut_ptr().wrapping_add(panel * out.panel_stride);
                let mut at = Place {
                    a: std::ptr::null(),
                    b: b.data.as_ptr().wrapping_add(b_start),
                    prefetch: b.data.as_ptr().wrapping_add(next),
                };
                for (index, start) in (0..m).step_by(segment).enumerate() {
                    at.a = a.data.as_ptr().wrapping_add(a_start + index * a_segment);
                    for &(rows, count) in if m - start < segment { &rest } else { &whole } {
                        // SAFETY: the assertions above hold every operand to its shape. Tile after tile of a segment,
                        // these read the segment's rows of A, columns k_start..k_start + k_len, and the same rows of
                        // panel `panel` of B, and write as many rows of `out`, of which the panel has `columns`
                        // columns.
                        unsafe { run_tiles(s, &tile, a.transposed, rows, count, columns, &mut at, &mut c, ahead) };
                    }
                }
            }
            k_start += k_len;
            accumulate = true;
            if k_start >= k {
                break;
            }
        }
    }
}

/// Cuts `len` rows into tiles: so many tiles of so many rows, and then of one row less. Rows that do not fill whole
/// tiles are spread over all of them: a small tile would leave the arithmetic waiting.
#[inline(always)]
fn tile_rows<S: Simd>(len: usize) -> [(usize, usize); 2] {
    let tiles = len.div_ceil(S::TILE_ROWS);
    let (rows, larger) = (len.checked_div(tiles).unwrap_or(0), len.checked_rem(tiles).unwrap_or(0));
    [(rows + 1, larger), (rows, tiles - larger)]
}

/// What the tiles of one block of a product have in common.
#[derive(Clone, Copy)]
struct Tile {
    /// Add to the output instead of replacing it.
    accumulate: bool,
    /// Values summed over.
    k: usize,
    /// [`Lhs::row_stride`].
    a_row: usize,
    /// Columns of A left in the run that the block starts in.
    a_first: usize,
    /// [`Lhs::run`].
    a_run: usize,
    /// [`Lhs::jump`].
    a_jump: usize,
    /// [`Rhs::row_stride`].
    b_row: usize,
    /// [`Rhs::run`].
    b_run: usize,
    /// [`Rhs::jump`].
    b_jump: usize,
    /// [`Out::row_stride`].
    c_row: usize,
    /// Values fetched with each summand; no more than a line.
    prefetch_step: usize,
    /// [`Lhs::ahead`].
    a_ahead: isize,
    /// Lines of what comes after the product that each tile fetches.
    lines_ahead: usize,
}

/// Computes `count` tiles of `rows` rows, one below the other, and moves `at` and `c` on to the next. The output has
/// `columns` columns of the panel.
///
/// # Safety
/// With `at` and `c` where the first tile starts, of every tile the operands must be what [`register_tile`] needs, and
/// so must be the output, but for the columns that it does not have.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn run_tiles<S: Simd>(
    s: S,
    tile: &Tile,
    transposed: bool,
    rows: usize,
    count: usize,
    columns: usize,
    at: &mut Place,
    c: &mut *mut f32,
    ahead: &mut Prefetch,
) {
    // With panel matrices on both sides all distances are constants, which saves address arithmetic in the inner loop.
    let p = panel::<S>();
    let panels = tile.a_row == p && tile.b_row == p && (transposed || tile.a_run == p && tile.a_first == p);
    if count == 0 {
        return;
    }
    macro_rules! pick {
        ($($rows:literal)*) => {
            match rows {
                // SAFETY: handed on to the caller.
                $($rows if $rows <= S::TILE_ROWS => unsafe {
                    match (transposed, panels) {
                        (true, true) => tiles_of::<S, $rows, true, true>(s, tile, count, columns, at, c, ahead),
                        (true, false) => tiles_of::<S, $rows, true, false>(s, tile, count, columns, at, c, ahead),
                        (false, true) => tiles_of::<S, $rows, false, true>(s, tile, count, columns, at, c, ahead),
                        (false, false) => tiles_of::<S, $rows, false, false>(s, tile, count, columns, at, c, ahead),
                    }
                },)*
                _ => unreachable!("a tile of {rows} rows"),
            }
        };
    }
    pick!(1 2 3 4 5 6 7 8 9 10 11 12)
}

/// [`run_tiles`] of `ROWS` rows.
///
/// # Safety
/// As there; and as [`register_tile`] says of `PANELS`.
#[inline(always)]
unsafe fn tiles_of<S: Simd, const ROWS: usize, const TRANSPOSED: bool, const PANELS: bool>(
    s: S,
    tile: &Tile,
    count: usize,
    columns: usize,
    at: &mut Place,
    c: &mut *mut f32,
    ahead: &mut Prefetch,
) {
    let p = panel::<S>();
    let a_rows = ROWS * if TRANSPOSED { 1 } else { tile.a_row };
    let mut whole = [MaybeUninit::<f32>::uninit(); MAX_ROWS * MAX_PANEL];
    let whole: *mut f32 = whole.as_mut_ptr().cast();
    let fits = columns == p;
    for _ in 0..count {
        ahead.fetch(s, tile.lines_ahead);
        // SAFETY: handed on to the caller. An output of fewer columns than a panel goes through `whole`, which holds
        // any tile, and of which only what the tile has written is read.
        unsafe {
            let (target, row, accumulate) = if fits { (*c, tile.c_row, tile.accumulate) } else { (whole, p, false) };
            register_tile::<S, ROWS, TRANSPOSED, PANELS>(s, tile, *at, target, row, accumulate);
            if !fits {
                write_columns(*c, tile, whole, ROWS, p, columns);
            }
        }
        at.a = at.a.wrapping_add(a_rows);
        at.prefetch = at.prefetch.wrapping_add(tile.k.min(tile.b_run) * tile.prefetch_step);
        *c = c.wrapping_add(ROWS * tile.c_row);
    }
}

/// Writes, or adds, the columns that the output has of a tile of `rows` rows of `p` values. Apart, because the compiler
/// prepares for it before every panel otherwise.
///
/// # Safety
/// The tile must be readable, and `c` must have `rows` rows of `columns` values.
#[cold]
#[inline(never)]
unsafe fn write_columns(c: *mut f32, tile: &Tile, sums: *const f32, rows: usize, p: usize, columns: usize) {
    for i in 0..rows {
        for j in 0..columns {
            // SAFETY: row and column exist in both.
            unsafe {
                let (c, sum) = (c.add(i * tile.c_row + j), *sums.add(i * p + j));
                *c = if tile.accumulate { *c + sum } else { sum };
            }
        }
    }
}

/// One tile of `ROWS` rows and one panel, accumulated in registers.
///
/// # Safety
/// With `at.a` the first value of the tile's left side and `at.b` that of its right side, all values that `tile`
/// describes must be readable: `ROWS` rows (columns, if transposed) and `tile.k` columns (rows) of A, `tile.k` rows of
/// one panel of B. `c` must have `ROWS` rows of a panel, `c_row` apart. With `PANELS`, both row strides must be the
/// panel width, and so must the runs of A unless it is transposed.
#[inline(always)]
unsafe fn register_tile<S: Simd, const ROWS: usize, const TRANSPOSED: bool, const PANELS: bool>(
    s: S,
    tile: &Tile,
    mut at: Place,
    c: *mut f32,
    c_row: usize,
    accumulate: bool,
) {
    let p = panel::<S>();
    let (a_row, b_row) = if PANELS { (p, p) } else { (tile.a_row, tile.b_row) };
    // From one summand to the next and from one tile row to the next.
    let (a_step, a_stride) = if TRANSPOSED { (a_row, 1) } else { (1, a_row) };
    let steps = Steps { a: a_step, a_stride, b: b_row, prefetch: tile.prefetch_step };
    let mut sums = [[s.splat(0.0); 4]; ROWS];
    let mut left = tile.k;
    // SAFETY: every address is one the caller vouches for: row kk of B is b + kk · b_row, within a run. In the
    // transpose A's value for tile row i and summand kk lies at kk · a_row + i; else at i · a_row + kk within a run,
    // and runs are `a_jump` apart.
    unsafe {
        if TRANSPOSED {
            loop {
                let (run, start) = (left.min(tile.b_run), at);
                rank_run(s, &mut sums, &mut at, steps, run);
                left -= run;
                if left == 0 {
                    break;
                }
                at.b = start.b.wrapping_add(tile.b_jump);
                at.prefetch = start.prefetch.wrapping_add(tile.b_jump);
            }
        } else if PANELS {
            while left >= p {
                let start = at.a;
                rank_run(s, &mut sums, &mut at, steps, p);
                at.a = start.wrapping_add(tile.a_jump);
                left -= p;
                if tile.a_ahead != 0 {
                    for row in 0..ROWS {
                        s.prefetch(start.wrapping_offset(tile.a_ahead).wrapping_add(row * a_row));
                    }
                }
            }
            rank_run(s, &mut sums, &mut at, steps, left);
        } else {
            let mut run = tile.a_first;
            let mut start = at.a.wrapping_sub(tile.a_run.wrapping_sub(run));
            loop {
                run = run.min(left);
                rank_run(s, &mut sums, &mut at, steps, run);
                left -= run;
                if left == 0 {
                    break;
                }
                start = start.wrapping_add(tile.a_jump);
                at.a = start;
                run = tile.a_run;
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            for (j, sum) in sums.iter().enumerate().take(S::TILE_VECTORS) {
                let c = c.add(i * c_row + j * S::LANES);
                s.store(c, if accumulate { s.add(s.load(c), *sum) } else { *sum });
            }
        }
    }
}

/// Where a register tile is in its operands.
#[derive(Clone, Copy)]
struct Place {
    a: *const f32,
    b: *const f32,
    prefetch: *const f32,
}

/// How far apart the values are that a register tile multiplies.
#[derive(Clone, Copy)]
struct Steps {
    /// From one summand to the next.
    a: usize,
    /// From one tile row to the next.
    a_stride: usize,
    b: usize,
    prefetch: usize,
}

/// Adds `count` summands, which lie side by side, and moves `at` behind them.
///
/// # Safety
/// The values of `count` summands must be readable from `at`.
#[inline(always)]
unsafe fn rank_run<S: Simd, const ROWS: usize>(
    s: S,
    sums: &mut [[S::V; 4]; ROWS],
    at: &mut Place,
    steps: Steps,
    count: usize,
) {
    // SAFETY: the caller vouches for `count` summands.
    unsafe {
        for _ in 0..count / UNROLL {
            // A second line costs less than asking whether there is one.
            s.prefetch(at.prefetch);
            s.prefetch(at.prefetch.wrapping_add(LINE));
            if UNROLL * steps.prefetch > 2 * LINE {
                s.prefetch(at.prefetch.wrapping_add(2 * LINE));
                s.prefetch(at.prefetch.wrapping_add(3 * LINE));
            }
            at.prefetch = at.prefetch.wrapping_add(UNROLL * steps.prefetch);
            for kk in 0..UNROLL {
                rank_one(s, sums, at.a.add(kk * steps.a), steps.a_stride, at.b.add(kk * steps.b));
            }
            at.a = at.a.wrapping_add(UNROLL * steps.a);
            at.b = at.b.wrapping_add(UNROLL * steps.b);
        }
        let rest = count % UNROLL;
        for kk in 0..rest {
            s.prefetch(at.prefetch.wrapping_add(kk * steps.prefetch));
            rank_one(s, sums, at.a.add(kk * steps.a), steps.a_stride, at.b.add(kk * steps.b));
        }
        at.a = at.a.wrapping_add(rest * steps.a);
        at.b = at.b.wrapping_add(rest * steps.b);
        at.prefetch = at.prefetch.wrapping_add(rest * steps.prefetch);
    }
}

/// sums += a column of the left side times a row of the right side.
///
/// # Safety
/// `ROWS` values `stride` apart must be readable from `a`, a panel row from `b`.
#[inline(always)]
unsafe fn rank_one<S: Simd, const ROWS: usize>(
    s: S,
    sums: &mut [[S::V; 4]; ROWS],
    a: *const f32,
    stride: usize,
    b: *const f32,
) {
    let mut row = [s.splat(0.0); 4];
    for (j, v) in row.iter_mut().enumerate().take(S::TILE_VECTORS) {
        // SAFETY: within the panel row the caller vouches for.
        *v = unsafe { s.load(b.add(j * S::LANES)) };
    }
    for (i, sums) in sums.iter_mut().enumerate() {
        // Wrapping, so that debug builds have no overflow checks here, which take long to compile: this is repeated for
        // every row of every summand of all tiles.
        // SAFETY: the caller vouches for ROWS values.
        let left = unsafe { s.load_splat(a.wrapping_add(i.wrapping_mul(stride))) };
        for j in 0..S::TILE_VECTORS {
            sums[j] = s.mul_add(left, row[j], sums[j]);
        }
    }
}
