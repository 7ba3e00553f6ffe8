//! Transforms weights to the domain, and gradients of weights back.
//!
//! A block of rows of a panel is transformed in two parts: [`gather`] copies its taps, which is the only read of the
//! weight, and [`to_points`] computes one row of evaluation points at a time from them, because the products use the
//! points row by row.

use super::scheme::{F2, F4, MAX_POINTS, Scheme, SchemeKind};
use crate::Isa;
use crate::cpu::SharedMut;
use crate::input::{load_channels, store_channels};
use crate::matmul::{panel, panel_width};
use crate::pack::transpose_lanes;
use crate::prefetch::{LINE, Stretch};
use crate::simd::{Simd, multiversion};
use std::ops::Range;

/// Direction of a pass: forward from the big side to the small one, adjoint the other way.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pass {
    Forward,
    Adjoint,
}

/// Sizes of a convolution's weight: 16 taps of C × K.
#[derive(Debug, Clone, Copy)]
pub(super) struct WeightShape {
    /// Big channels C.
    pub(super) big: usize,
    /// Small channels K.
    pub(super) small: usize,
    /// C rounded up to whole vectors: the big side's channels in the domain are (phase, c) with this many c.
    pub(super) phase_stride: usize,
}

/// Returns the tap of phase (r, q) = (phase / 2, phase % 2) and Winograd tap (a, b): (2a + r, 2b + q).
#[inline(always)]
pub(super) fn tap(phase: usize, a: usize, b: usize) -> usize {
    (2 * a + phase / 2) * 4 + 2 * b + phase % 2
}

multiversion! {
    /// Copies the taps from which `rows` of the panels `panels` of a pass's right matrix are computed. That matrix is
    /// U, with rows (phase, c) and columns k, in the forward pass, and Uᵀ in the adjoint. `weight` is 16 taps of C × K.
    /// `out` gets taps 00, 01, 10 and 11 of each row, one tap after the other, each as panels of `rows × P`. Channels
    /// that only pad a panel are 0.
    /// # Panics
    /// If `weight` is too short, `out` has not [`gathered_len`] values, or there are fewer rows.
    pub(super) fn gather(
        s, pass: Pass, out: &mut [f32], weight: &[f32], shape: WeightShape, panels: Range<usize>, rows: Range<usize>,
    ) {
        let p = panel::<S>();
        let rows_in_all = match pass {
            Pass::Forward => 4 * shape.phase_stride,
            Pass::Adjoint => shape.small,
        };
        assert!(rows.end <= rows_in_all && out.len() == gathered_len(panels.len() * p, rows.len()), "rows");
        assert!(weight.len() >= 16 * shape.big * shape.small, "weight");
        for (index, out) in out.chunks_exact_mut(rows.len() * p).enumerate() {
            let (index, panel) = (index / panels.len(), panels.start + index % panels.len());
            match pass {
                Pass::Forward => gather_rows(s, out, weight, shape, panel * p, rows.clone(), index),
                Pass::Adjoint => gather_columns(s, out, weight, shape, panel * p, rows.clone(), index),
            }
        }
    }
}

/// Number of values that [`gather`] writes for `rows` rows of panels with `width` columns together.
pub(super) fn gathered_len(width: usize, rows: usize) -> usize {
    4 * rows * width
}

/// Returns the parts of `weight` that [`gather`] reads with these arguments, to fetch them ahead.
pub(super) fn gathered(
    isa: Isa,
    pass: Pass,
    weight: &[f32],
    shape: WeightShape,
    panels: Range<usize>,
    rows: Range<usize>,
) -> impl Iterator<Item = Stretch> {
    let p = panel_width(isa);
    let columns = panels.start * p..panels.end * p;
    let (big, small) = match pass {
        Pass::Forward => (rows, columns),
        Pass::Adjoint => (columns, rows),
    };
    let WeightShape { big: channels, small: row, phase_stride } = shape;
    let small = small.start.min(row)..small.end.min(row);
    let phases = big.start / phase_stride..big.end.div_ceil(phase_stride).min(4);
    phases.flat_map(move |phase| {
        let within = |channel: usize| channel.saturating_sub(phase * phase_stride).min(channels);
        let (first, end) = (within(big.start), within(big.end));
        let small = small.clone();
        (0..4).map(move |index| {
            let start = (tap(phase, index / 2, index % 2) * channels + first) * row + small.start;
            Stretch::rows(&weight[start.min(weight.len())..], small.len(), end - first, row)
        })
    })
}

/// Of every row (phase, c) the values of tap number `index` from small channel `first` on.
#[inline(always)]
fn gather_rows<S: Simd>(
    s: S,
    out: &mut [f32],
    weight: &[f32],
    shape: WeightShape,
    first: usize,
    rows: Range<usize>,
    index: usize,
) {
    let p = panel::<S>();
    let (WeightShape { big, small, phase_stride }, whole) = (shape, first + p <= shape.small);
    let mut out = out;
    for phase in rows.start / phase_stride..rows.end.div_ceil(phase_stride) {
        let before = phase * phase_stride;
        let channels = rows.start.max(before) - before..rows.end.min(before + phase_stride) - before;
        let (of_phase, rest) = out.split_at_mut(channels.len() * p);
        let (rows, none) = of_phase.split_at_mut((big.max(channels.start) - channels.start).min(channels.len()) * p);
        let tap = weight[tap(phase, index / 2, index % 2) * big * small..][..big * small].as_ptr();
        for (c, out) in channels.zip(rows.chunks_exact_mut(p)) {
            let row = tap.wrapping_add(c * small);
            for lane in (0..p).step_by(S::LANES) {
                // SAFETY: `c` is a channel, so this is a row of the tap, of which a vector is read as far as it goes;
                // `out` is a panel row.
                unsafe {
                    let at = (first + lane).min(small);
                    let values = if whole { s.load(row.add(at)) } else { load_channels(s, row, at, small) };
                    s.store(out.as_mut_ptr().add(lane), values);
                }
            }
        }
        none.fill(0.0);
        out = rest;
    }
}

/// The transpose: of every row k the values of tap number `index` from column `first`, which is a (phase, c), on.
#[inline(always)]
fn gather_columns<S: Simd>(
    s: S,
    out: &mut [f32],
    weight: &[f32],
    shape: WeightShape,
    first: usize,
    rows: Range<usize>,
    index: usize,
) {
    for lane in (0..panel::<S>()).step_by(S::LANES) {
        // Vectors run along c, memory along k.
        let (phase, c) = ((first + lane) / shape.phase_stride, (first + lane) % shape.phase_stride);
        let (from, channels) = if phase < 4 {
            ((tap(phase, index / 2, index % 2) * shape.big + c) * shape.small + rows.start, shape.big - c)
        } else {
            (0, 0)
        };
        transpose_lanes(s, out, lane, &weight[from..], shape.small, channels);
    }
}

/// Returns the tap that is the weight at a point: at the first and the last point of a row or column one of the two
/// taps stands alone.
pub(super) fn tap_alone(scheme: SchemeKind, row: usize, in_row: usize) -> Option<usize> {
    let end = |point| [0, scheme.points() - 1].iter().position(|end| *end == point);
    Some(2 * end(row)? + end(in_row)?)
}

multiversion! {
    /// G g Gᵀ at row `row` of the evaluation points, the points of a row `point_stride` apart in `out`, of what
    /// [`gather`] left in `taps`: of `all` points, in memory, where the next row's place is fetched ahead, or, in the
    /// cache, without those that are [`tap_alone`].
    ///
    /// # Panics
    /// If `out` is too short.
    pub(super) fn to_points(
        s, scheme: SchemeKind, row: usize, out: SharedMut<'_>, point_stride: usize, taps: &[f32], all: bool,
    ) {
        match (scheme, row) {
            (SchemeKind::F2, 0) => row_of_points::<S, F2, 0>(s, out, point_stride, taps, all),
            (SchemeKind::F2, 1) => row_of_points::<S, F2, 1>(s, out, point_stride, taps, all),
            (SchemeKind::F2, _) => row_of_points::<S, F2, 2>(s, out, point_stride, taps, all),
            (SchemeKind::F4, 0) => row_of_points::<S, F4, 0>(s, out, point_stride, taps, all),
            (SchemeKind::F4, 1) => row_of_points::<S, F4, 1>(s, out, point_stride, taps, all),
            (SchemeKind::F4, 2) => row_of_points::<S, F4, 2>(s, out, point_stride, taps, all),
            (SchemeKind::F4, 3) => row_of_points::<S, F4, 3>(s, out, point_stride, taps, all),
            (SchemeKind::F4, _) => row_of_points::<S, F4, 4>(s, out, point_stride, taps, all),
        }
    }
}

/// Computes row number `ROW` of the evaluation points from gathered taps; `all` also writes the points that equal a
/// single tap.
#[inline(always)]
fn row_of_points<S: Simd, T: Scheme, const ROW: usize>(
    s: S,
    out: SharedMut<'_>,
    point_stride: usize,
    taps: &[f32],
    all: bool,
) {
    if all {
        points::<S, T, ROW, true>(s, out, point_stride, taps);
    } else {
        points::<S, T, ROW, false>(s, out, point_stride, taps);
    }
}

/// [`row_of_points`] of `ALL` points.
#[inline(always)]
fn points<S: Simd, T: Scheme, const ROW: usize, const ALL: bool>(
    s: S,
    mut out: SharedMut<'_>,
    point_stride: usize,
    taps: &[f32],
) {
    let (p, len) = (panel::<S>(), taps.len() / 4);
    assert!(len.is_multiple_of(p) && out.len() >= (T::POINTS - 1) * point_stride + len, "points");
    let out = out.as_mut_ptr();
    let ends = [0, T::POINTS - 1];
    for first in (0..len).step_by(p) {
        if ALL {
            for point in T::POINTS..2 * T::POINTS {
                for line in (first..first + p).step_by(LINE) {
                    s.prefetch(out.wrapping_add(point * point_stride + line));
                }
            }
        }
        for at in (first..first + p).step_by(S::LANES) {
            // SAFETY: a vector of each of the four taps.
            let taps = [0, 1, 2, 3].map(|tap| unsafe { s.load(taps.as_ptr().add(tap * len + at)) });
            let values = T::weight(s, [T::weight(s, [taps[0], taps[2]])[ROW], T::weight(s, [taps[1], taps[3]])[ROW]]);
            for (point, value) in values.into_iter().enumerate().take(T::POINTS) {
                if ALL || !(ends.contains(&ROW) && ends.contains(&point)) {
                    // SAFETY: `out` holds `len` values of every point (asserted).
                    unsafe { s.store(out.add(point * point_stride + at), value) };
                }
            }
        }
    }
}

multiversion! {
    /// Adds the contribution of row number `row` of the evaluation points to dg = Gᵀ P G, for the taps of `rows`, which
    /// are (phase, big channel). `products` are the products P of these rows at the points of the row, one panel matrix
    /// after the other. With `fresh`, the first contribution to a tap overwrites it. `out` is 16 taps of C × K; only
    /// the taps of `rows` are read and written.
    /// # Panics
    /// If a slice is too short, or there are fewer rows.
    pub(super) fn add_products(
        s, scheme: SchemeKind, row: usize, out: &mut SharedMut<'_>, shape: WeightShape, rows: Range<usize>, products: &[f32], fresh: bool,
    ) {
        match (scheme, row) {
            (SchemeKind::F2, 0) => add_row::<S, F2, 0>(s, out, shape, rows, products, fresh),
            (SchemeKind::F2, 1) => add_row::<S, F2, 1>(s, out, shape, rows, products, fresh),
            (SchemeKind::F2, _) => add_row::<S, F2, 2>(s, out, shape, rows, products, fresh),
            (SchemeKind::F4, 0) => add_row::<S, F4, 0>(s, out, shape, rows, products, fresh),
            (SchemeKind::F4, 1) => add_row::<S, F4, 1>(s, out, shape, rows, products, fresh),
            (SchemeKind::F4, 2) => add_row::<S, F4, 2>(s, out, shape, rows, products, fresh),
            (SchemeKind::F4, 3) => add_row::<S, F4, 3>(s, out, shape, rows, products, fresh),
            (SchemeKind::F4, _) => add_row::<S, F4, 4>(s, out, shape, rows, products, fresh),
        }
    }
}

/// As [`add_products`], for row number `ROW` of the evaluation points.
#[inline(always)]
fn add_row<S: Simd, T: Scheme, const ROW: usize>(
    s: S,
    out: &mut SharedMut<'_>,
    shape: WeightShape,
    rows: Range<usize>,
    products: &[f32],
    fresh: bool,
) {
    let (p, WeightShape { big, small, phase_stride }) = (panel::<S>(), shape);
    let panel_stride = rows.len() * p;
    let point_stride = small.div_ceil(p) * panel_stride;
    assert!(rows.end <= 4 * phase_stride && out.len() >= 16 * big * small, "taps");
    assert!(products.len() >= T::POINTS * point_stride, "products");
    let (whole, out) = (small - small % p, out.as_mut_ptr());
    for (index, row) in rows.enumerate() {
        let (phase, c) = (row / phase_stride, row % phase_stride);
        if c >= big {
            continue;
        }
        let row_of = |a, b| out.wrapping_add((tap(phase, a, b) * big + c) * small);
        let taps = [row_of(0, 0), row_of(0, 1), row_of(1, 0), row_of(1, 1)];
        let mut products = products.as_ptr().wrapping_add(index * p);
        // SAFETY: a vector of each of the products and, as far as they go, of the rows of taps (both asserted).
        unsafe {
            for first in (0..whole).step_by(p) {
                for lane in (0..p).step_by(S::LANES) {
                    let products = products.wrapping_add(lane);
                    add_vector::<S, T, ROW, true>(s, taps, first + lane, small, products, point_stride, fresh);
                }
                products = products.wrapping_add(panel_stride);
            }
            for k in (whole..small).step_by(S::LANES) {
                let products = products.wrapping_add(k - whole);
                add_vector::<S, T, ROW, false>(s, taps, k, small, products, point_stride, fresh);
            }
        }
    }
}

/// [`add_row`] for the vector of small channels from `k` on, of which all are `WHOLE` or some do not exist.
///
/// # Safety
/// A vector of each of the products of a row of points must be readable, and rows of `channels` values in `out`, of
/// which `k` is one.
#[inline(always)]
unsafe fn add_vector<S: Simd, T: Scheme, const ROW: usize, const WHOLE: bool>(
    s: S,
    out: [*mut f32; 4],
    k: usize,
    channels: usize,
    products: *const f32,
    point_stride: usize,
    fresh: bool,
) {
    let mut row = [s.splat(0.0); MAX_POINTS];
    for (l, value) in row.iter_mut().enumerate().take(T::POINTS) {
        // SAFETY: one of the products.
        *value = unsafe { s.load(products.add(l * point_stride)) };
    }
    let row = T::weight_adjoint(s, row);
    for a in 0..2 {
        // The first point is that of the first tap alone, the last that of the last.
        if a == 0 && ROW + 1 == T::POINTS || a == 1 && ROW == 0 {
            continue;
        }
        let factor = T::weight(s, [0, 1].map(|tap| s.splat(if tap == a { 1.0 } else { 0.0 })))[ROW];
        for b in 0..2 {
            let (out, overwrites) = (out[2 * a + b], fresh && ROW == a);
            // SAFETY: `k` is a channel of the row, whose end is respected.
            unsafe {
                let before = match (overwrites, WHOLE) {
                    (true, _) => s.splat(0.0),
                    (false, true) => s.load(out.add(k)),
                    (false, false) => load_channels(s, out, k, channels),
                };
                let sum = s.mul_add(factor, row[b], before);
                if WHOLE { s.store(out.add(k), sum) } else { store_channels(s, out, k, channels, sum) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// What is said to be gathered, and so is fetched ahead, is what is read: for blocks of rows within a phase and
    /// across, and channels that fill no panel.
    #[test]
    fn what_is_gathered_is_what_is_read() {
        for isa in Isa::available() {
            let p = panel_width(isa);
            for (big, small) in [(1, 1), (3, 5), (p, 2 * p), (40, 37), (64, 300)] {
                let phase_stride = big.next_multiple_of(crate::matmul::vector_width(isa));
                let shape = WeightShape { big, small, phase_stride };
                // Every value is its own position, from 1: zeros are what is not read.
                let weight: Vec<f32> = (1..=16 * big * small).map(|i| i as f32).collect();
                let passes = [(Pass::Forward, 4 * phase_stride, small), (Pass::Adjoint, small, 4 * phase_stride)];
                for ((pass, sum, width), at_once) in passes.into_iter().flat_map(|pass| [(pass, 1), (pass, 2)]) {
                    let mut seen = BTreeSet::new();
                    for panel in (0..width.div_ceil(p)).step_by(at_once) {
                        for first in (0..sum).step_by(96) {
                            let rows = first..(first + 96).min(sum);
                            let panels = panel..(panel + at_once).min(width.div_ceil(p));
                            let mut out = vec![f32::NAN; gathered_len(panels.len() * p, rows.len())];
                            gather(isa, pass, &mut out, &weight, shape, panels.clone(), rows.clone());
                            let read: BTreeSet<usize> =
                                out.iter().filter(|x| **x != 0.0).map(|x| *x as usize - 1).collect();
                            let said: BTreeSet<usize> = gathered(isa, pass, &weight, shape, panels, rows)
                                .flat_map(|Stretch { start, len, rows, stride }| {
                                    let start = (start.addr() - weight.as_ptr().addr()) / size_of::<f32>();
                                    (0..rows).flat_map(move |row| (0..len).map(move |i| start + row * stride + i))
                                })
                                .collect();
                            assert_eq!(read, said, "{isa:?} {pass:?} {big} {small}: panel {panel}, rows from {first}");
                            seen.extend(read);
                        }
                    }
                    assert_eq!(seen.len(), weight.len(), "{isa:?} {pass:?} {big} {small}: the whole weight");
                    let beyond = width.div_ceil(p);
                    let beyond = gathered(isa, pass, &weight, shape, beyond..beyond + 2, 0..sum.min(96));
                    assert_eq!(
                        beyond.map(|stretch| stretch.rows * stretch.len).sum::<usize>(),
                        0,
                        "behind the last panel"
                    );
                }
            }
        }
    }
}
