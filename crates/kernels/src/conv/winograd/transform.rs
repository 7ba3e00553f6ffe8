//! Between NHWC images and the panel matrices of the transformed domain.
//!
//! *Polyphase.* With one zero of padding around the big image, padded row 2j + r is row j of phase r, and tap 2a + r is
//! tap a of phase r: the k4 s2 p1 convolution over H × W × C is a 2 × 2 stride-1 convolution over (H/2 + 1) × (W/2 + 1)
//! × 4C. Tile (ty, tx) of m × m small pixels reads rows m·ty … m·ty + m of every phase.
//!
//! A *domain* holds one panel matrix per evaluation point, of tiles × channels; on the big side a channel is (phase,
//! c), with c counted up to a whole vector.
//!
//! The square `t` between the two one-dimensional transforms is declared outside the loops over tiles, every tile
//! overwrites what it reads of it: inside, it would be filled with zeros for every vector of every tile.

use super::scheme::{F2, F4, MAX_OUTPUTS, MAX_POINTS, Scheme, SchemeKind};
use crate::conv::shape::Plane;
use crate::cpu::SharedMut;
use crate::input::{InputView, Load, load_channels, store_channels};
use crate::matmul::panel;
use crate::simd::{Simd, multiversion};
use std::ops::Range;

/// Where the values of a block of tiles lie in the transformed domain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Domain {
    /// Distance between evaluation points.
    pub(super) point_stride: usize,
    /// Rows of the panel matrices: tiles in the block, at most.
    pub(super) rows: usize,
    /// The first column of the panel matrices, where they hold some of a block's only: the start of a panel.
    pub(super) first_column: usize,
    /// The row of the first tile.
    pub(super) first_row: usize,
}

/// Which tiles of which images.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiles {
    /// Images in the block.
    pub(super) pictures: usize,
    /// Tiles of an image, down and across.
    pub(super) down: usize,
    pub(super) across: usize,
}

impl Tiles {
    /// Number of tiles in the block.
    pub(super) fn count(&self) -> usize {
        self.pictures * self.down * self.across
    }

    /// Image, row and column of tile number `index`: images and tiles in order.
    #[inline(always)]
    fn position(&self, index: usize) -> (usize, usize, usize) {
        let per_picture = self.down * self.across;
        let in_picture = index % per_picture;
        (index / per_picture, in_picture / self.across, in_picture % self.across)
    }
}

impl Domain {
    /// Position of channel vector `column` of tile `row` in each panel matrix.
    #[inline(always)]
    fn offset<S: Simd>(&self, row: usize, column: usize) -> usize {
        let p = panel::<S>();
        let column = column - self.first_column;
        (column / p) * self.rows * p + (self.first_row + row) * p + column % p
    }

    /// Asserts that panel matrices of the block's tiles and `columns` fit into `len` values.
    #[inline(always)]
    fn check<S: Simd>(&self, len: usize, points: usize, tiles: Tiles, columns: &Range<usize>) {
        let p = panel::<S>();
        assert!(self.first_column <= columns.start && columns.start <= columns.end, "columns");
        assert!(
            columns.start.is_multiple_of(S::LANES) && self.first_column.is_multiple_of(p),
            "columns of whole vectors"
        );
        let matrix = self.rows * (columns.end - self.first_column).next_multiple_of(p);
        assert!(self.first_row + tiles.count() <= self.rows, "tiles");
        assert!(matrix <= self.point_stride && (points * points - 1) * self.point_stride + matrix <= len, "domain");
    }
}

/// Returns the big pixel (row, column) at (j, l) of a tile's phase (r, q), if it is not padding: 2(m·t + j) + r − 1.
#[inline(always)]
fn big_position(big: &Plane, first: (usize, usize), j: usize, l: usize, r: usize, q: usize) -> Option<usize> {
    let y = (2 * (first.0 + j) + r).checked_sub(1).filter(|y| *y < big.height)?;
    let x = (2 * (first.1 + l) + q).checked_sub(1).filter(|x| *x < big.width)?;
    Some((y * big.width + x) * big.channels)
}

multiversion! {
    /// V = Bᵀ x B of every tile of a block of images of the big side, for the channels `columns` of the domain: those
    /// of phase 0 first, each phase's filled up to whole vectors. `columns` must begin and end with a vector.
    ///
    /// # Panics
    /// If `out` or `x` is too short.
    pub(super) fn big_to_domain(
        s, scheme: SchemeKind, out: &mut SharedMut<'_>, domain: Domain, x: InputView<'_>, big: &Plane, tiles: Tiles, columns: Range<usize>,
    ) {
        x.check(big.channels);
        match (scheme, x) {
            (SchemeKind::F2, InputView::Plain(x)) => big_to_domain_from::<S, F2>(s, out, domain, x, x.len(), big, tiles, columns),
            (SchemeKind::F4, InputView::Plain(x)) => big_to_domain_from::<S, F4>(s, out, domain, x, x.len(), big, tiles, columns),
            (SchemeKind::F2, InputView::AffineActivation(a)) => big_to_domain_from::<S, F2>(s, out, domain, a, a.x.len(), big, tiles, columns),
            (SchemeKind::F4, InputView::AffineActivation(a)) => big_to_domain_from::<S, F4>(s, out, domain, a, a.x.len(), big, tiles, columns),
            (SchemeKind::F2, InputView::NormGradient(g)) => {
                big_to_domain_from::<S, F2>(s, out, domain, g, g.gradient.len(), big, tiles, columns);
            }
            (SchemeKind::F4, InputView::NormGradient(g)) => {
                big_to_domain_from::<S, F4>(s, out, domain, g, g.gradient.len(), big, tiles, columns);
            }
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn big_to_domain_from<S: Simd, T: Scheme>(
    s: S,
    out: &mut SharedMut<'_>,
    domain: Domain,
    x: impl Load,
    len: usize,
    big: &Plane,
    tiles: Tiles,
    columns: Range<usize>,
) {
    let n = T::POINTS;
    let width = big.channels.next_multiple_of(S::LANES);
    assert!(columns.end.is_multiple_of(S::LANES) && columns.end <= 4 * width, "columns");
    domain.check::<S>(out.len(), n, tiles, &columns);
    assert!(len >= tiles.pictures * big.len(), "big side");
    let out = out.as_mut_ptr();
    let mut t = [[s.splat(0.0); MAX_POINTS]; MAX_POINTS];
    for row in 0..tiles.count() {
        let (picture, ty, tx) = tiles.position(row);
        let first = (ty * T::OUTPUTS, tx * T::OUTPUTS);
        for phase in columns.start / width..columns.end.div_ceil(width) {
            let mut from = [[None; MAX_POINTS]; MAX_POINTS];
            for j in 0..n {
                for l in 0..n {
                    let position = big_position(big, first, j, l, phase / 2, phase % 2);
                    from[j][l] = position.map(|position| picture * big.len() + position);
                }
            }
            let begin = columns.start.max(phase * width);
            for column in (begin..columns.end.min((phase + 1) * width)).step_by(S::LANES) {
                let c = column - phase * width;
                for l in 0..n {
                    let mut values = [s.splat(0.0); MAX_POINTS];
                    for j in 0..n {
                        if let Some(pixel) = from[j][l] {
                            // SAFETY: a pixel of this image, and images lie within `x` (asserted).
                            values[j] = unsafe { x.load(s, pixel, c, big.channels) };
                        }
                    }
                    let values = T::input(s, values);
                    for i in 0..n {
                        t[i][l] = values[i];
                    }
                }
                let offset = domain.offset::<S>(row, column);
                for i in 0..n {
                    let values = T::input(s, t[i]);
                    for l in 0..n {
                        // SAFETY: point, tile and channel lie within the domain, which `out` holds (asserted).
                        unsafe { s.store(out.add((i * n + l) * domain.point_stride + offset), values[l]) };
                    }
                }
            }
        }
    }
}

multiversion! {
    /// x = B W Bᵀ summed over the tiles and phases that overlap a big pixel, for the channels `columns` of the
    /// domain, as in [`big_to_domain`]. Replaces those values of `x`.
    ///
    /// # Panics
    /// If `x` or `from` is too short.
    pub(super) fn domain_to_big(
        s, scheme: SchemeKind, x: SharedMut<'_>, from: &[f32], domain: Domain, big: &Plane, tiles: Tiles, columns: Range<usize>,
    ) {
        match scheme {
            SchemeKind::F2 => domain_to_big_generic::<S, F2>(s, x, from, domain, big, tiles, columns),
            SchemeKind::F4 => domain_to_big_generic::<S, F4>(s, x, from, domain, big, tiles, columns),
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn domain_to_big_generic<S: Simd, T: Scheme>(
    s: S,
    mut x: SharedMut<'_>,
    from: &[f32],
    domain: Domain,
    big: &Plane,
    tiles: Tiles,
    columns: Range<usize>,
) {
    let n = T::POINTS;
    let width = big.channels.next_multiple_of(S::LANES);
    assert!(columns.end.is_multiple_of(S::LANES) && columns.end <= 4 * width, "columns");
    domain.check::<S>(from.len(), n, tiles, &columns);
    assert!(x.len() >= tiles.pictures * big.len(), "big side");
    let x = x.as_mut_ptr();
    let mut t = [[s.splat(0.0); MAX_POINTS]; MAX_POINTS];
    for row in 0..tiles.count() {
        let (picture, ty, tx) = tiles.position(row);
        let first = (ty * T::OUTPUTS, tx * T::OUTPUTS);
        for phase in columns.start / width..columns.end.div_ceil(width) {
            let begin = columns.start.max(phase * width);
            for column in (begin..columns.end.min((phase + 1) * width)).step_by(S::LANES) {
                let c = column - phase * width;
                let offset = domain.offset::<S>(row, column);
                for l in 0..n {
                    let mut column = [s.splat(0.0); MAX_POINTS];
                    for i in 0..n {
                        // SAFETY: point, tile and channel lie within the domain, which `from` holds (asserted).
                        column[i] = unsafe { s.load(from.as_ptr().add((i * n + l) * domain.point_stride + offset)) };
                    }
                    let column = T::input_adjoint(s, column);
                    for j in 0..n {
                        t[j][l] = column[j];
                    }
                }
                for j in 0..n {
                    let values = T::input_adjoint(s, t[j]);
                    for l in 0..n {
                        let Some(position) = big_position(big, first, j, l, phase / 2, phase % 2) else { continue };
                        // The first row and column of a tile are the last of its neighbors above and to the left, which
                        // have been written before; everything else is written here for the first time.
                        let again = (j == 0 && ty > 0) || (l == 0 && tx > 0);
                        // SAFETY: a pixel of this image, and images lie within `x` (asserted).
                        unsafe {
                            let pixel = x.add(picture * big.len() + position);
                            let before = if again { load_channels(s, pixel, c, big.channels) } else { s.splat(0.0) };
                            store_channels(s, pixel, c, big.channels, s.add(before, values[l]));
                        }
                    }
                }
            }
        }
    }
}

multiversion! {
    /// N = A y Aᵀ of every tile of a block of images of the small side, for the channels `columns`, which must begin
    /// with a vector; those there are not become zeros.
    ///
    /// # Panics
    /// If `out` or `y` is too short.
    pub(super) fn small_to_domain(
        s, scheme: SchemeKind, out: &mut SharedMut<'_>, domain: Domain, y: InputView<'_>, small: &Plane, tiles: Tiles, columns: Range<usize>,
    ) {
        y.check(small.channels);
        match (scheme, y) {
            (SchemeKind::F2, InputView::Plain(y)) => small_to_domain_from::<S, F2>(s, out, domain, y, y.len(), small, tiles, columns),
            (SchemeKind::F4, InputView::Plain(y)) => small_to_domain_from::<S, F4>(s, out, domain, y, y.len(), small, tiles, columns),
            (SchemeKind::F2, InputView::AffineActivation(a)) => small_to_domain_from::<S, F2>(s, out, domain, a, a.x.len(), small, tiles, columns),
            (SchemeKind::F4, InputView::AffineActivation(a)) => small_to_domain_from::<S, F4>(s, out, domain, a, a.x.len(), small, tiles, columns),
            (SchemeKind::F2, InputView::NormGradient(g)) => {
                small_to_domain_from::<S, F2>(s, out, domain, g, g.gradient.len(), small, tiles, columns);
            }
            (SchemeKind::F4, InputView::NormGradient(g)) => {
                small_to_domain_from::<S, F4>(s, out, domain, g, g.gradient.len(), small, tiles, columns);
            }
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn small_to_domain_from<S: Simd, T: Scheme>(
    s: S,
    out: &mut SharedMut<'_>,
    domain: Domain,
    y: impl Load,
    len: usize,
    small: &Plane,
    tiles: Tiles,
    columns: Range<usize>,
) {
    let (n, m) = (T::POINTS, T::OUTPUTS);
    domain.check::<S>(out.len(), n, tiles, &columns);
    assert!(len >= tiles.pictures * small.len(), "small side");
    let out = out.as_mut_ptr();
    let mut t = [[s.splat(0.0); MAX_OUTPUTS]; MAX_POINTS];
    for row in 0..tiles.count() {
        let (picture, ty, tx) = tiles.position(row);
        for c in columns.clone().step_by(S::LANES) {
            for l in 0..m {
                let mut column = [s.splat(0.0); MAX_OUTPUTS];
                for j in 0..m {
                    let (py, px) = (ty * m + j, tx * m + l);
                    if py < small.height && px < small.width && c < small.channels {
                        let pixel = picture * small.len() + (py * small.width + px) * small.channels;
                        // SAFETY: a pixel of this image, and images lie within `y` (asserted).
                        column[j] = unsafe { y.load(s, pixel, c, small.channels) };
                    }
                }
                let column = T::output_adjoint(s, column);
                for i in 0..n {
                    t[i][l] = column[i];
                }
            }
            let offset = domain.offset::<S>(row, c);
            for i in 0..n {
                let values = T::output_adjoint(s, t[i]);
                for l in 0..n {
                    // SAFETY: point, tile and channel lie within the domain, which `out` holds (asserted).
                    unsafe { s.store(out.add((i * n + l) * domain.point_stride + offset), values[l]) };
                }
            }
        }
    }
}

multiversion! {
    /// y = Aᵀ M A of every tile of a block of images of the small side, for the channels `columns`, which must begin
    /// with a vector. Replaces those values of `y`.
    ///
    /// # Panics
    /// If `y` or `from` is too short.
    pub(super) fn domain_to_small(
        s, scheme: SchemeKind, y: SharedMut<'_>, from: &[f32], domain: Domain, small: &Plane, tiles: Tiles, columns: Range<usize>,
    ) {
        match scheme {
            SchemeKind::F2 => domain_to_small_generic::<S, F2>(s, y, from, domain, small, tiles, columns),
            SchemeKind::F4 => domain_to_small_generic::<S, F4>(s, y, from, domain, small, tiles, columns),
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn domain_to_small_generic<S: Simd, T: Scheme>(
    s: S,
    mut y: SharedMut<'_>,
    from: &[f32],
    domain: Domain,
    small: &Plane,
    tiles: Tiles,
    columns: Range<usize>,
) {
    let (n, m) = (T::POINTS, T::OUTPUTS);
    domain.check::<S>(from.len(), n, tiles, &columns);
    assert!(y.len() >= tiles.pictures * small.len(), "small side");
    let y = y.as_mut_ptr();
    let mut t = [[s.splat(0.0); MAX_POINTS]; MAX_OUTPUTS];
    for row in 0..tiles.count() {
        let (picture, ty, tx) = tiles.position(row);
        for c in (columns.start..columns.end.min(small.channels)).step_by(S::LANES) {
            let offset = domain.offset::<S>(row, c);
            for l in 0..n {
                let mut column = [s.splat(0.0); MAX_POINTS];
                for i in 0..n {
                    // SAFETY: point, tile and channel lie within the domain, which `from` holds (asserted).
                    column[i] = unsafe { s.load(from.as_ptr().add((i * n + l) * domain.point_stride + offset)) };
                }
                let column = T::output(s, column);
                for j in 0..m {
                    t[j][l] = column[j];
                }
            }
            for j in 0..m {
                let values = T::output(s, t[j]);
                for l in 0..m {
                    let (py, px) = (ty * m + j, tx * m + l);
                    if py < small.height && px < small.width {
                        // SAFETY: a pixel of this image, and images lie within `y` (asserted).
                        unsafe {
                            let pixel = picture * small.len() + (py * small.width + px) * small.channels;
                            store_channels(s, y.add(pixel), c, small.channels, values[l]);
                        }
                    }
                }
            }
        }
    }
}
