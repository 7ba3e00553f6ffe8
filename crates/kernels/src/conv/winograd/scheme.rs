//! The matrices of F(m × m, 2 × 2) as straight-line code on vectors, and their transposes.
//!
//! For a filter g of 2 taps and m outputs, with m + 1 evaluation points, y = Aᵀ \[(G g) ⊙ (Bᵀ d)\] (Winograd
//! 1980; Lavin & Gray 2016). The two-dimensional transforms apply the one-dimensional ones to columns, then rows.

use crate::simd::Simd;

/// The most evaluation points of any scheme.
pub(super) const MAX_POINTS: usize = 5;
/// The most outputs of any scheme.
pub(super) const MAX_OUTPUTS: usize = 4;

/// A Winograd scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::conv) enum SchemeKind {
    F2,
    F4,
}

impl SchemeKind {
    /// Number of evaluation points in one dimension.
    pub(super) fn points(self) -> usize {
        match self {
            Self::F2 => 3,
            Self::F4 => 5,
        }
    }

    /// Number of values of the small side that a tile has in one dimension.
    pub(super) fn outputs(self) -> usize {
        self.points() - 1
    }
}

/// One Winograd scheme, one-dimensional. Arrays have the length of the largest scheme; a smaller one uses their first
/// values.
pub(super) trait Scheme {
    /// Evaluation points, and input values: m + 1.
    const POINTS: usize;
    /// Outputs: m.
    const OUTPUTS: usize;

    /// Bᵀ d
    fn input<S: Simd>(s: S, d: [S::V; MAX_POINTS]) -> [S::V; MAX_POINTS];
    /// B w
    fn input_adjoint<S: Simd>(s: S, w: [S::V; MAX_POINTS]) -> [S::V; MAX_POINTS];
    /// Aᵀ m
    fn output<S: Simd>(s: S, m: [S::V; MAX_POINTS]) -> [S::V; MAX_OUTPUTS];
    /// A y
    fn output_adjoint<S: Simd>(s: S, y: [S::V; MAX_OUTPUTS]) -> [S::V; MAX_POINTS];
    /// G g
    fn weight<S: Simd>(s: S, g: [S::V; 2]) -> [S::V; MAX_POINTS];
    /// Gᵀ u
    fn weight_adjoint<S: Simd>(s: S, u: [S::V; MAX_POINTS]) -> [S::V; 2];
}

/// F(4 × 4, 2 × 2): points 0, 1, −1, 2, ∞; 25 products for 64.
///
/// ```text
///       | 1 −½ −1  ½  0 |        |   1    0  |         | 1  1  1  1  0 |
///       | 0  1  ½ −½  0 |        |   1    1  |         | 0  1 −1  2  0 |
/// Bᵀ =  | 0  2 −3  1  0 |    G = | −1/6  1/6 |    Aᵀ = | 0  1  1  4  0 |
///       | 0 −1  0  1  0 |        |  1/6  1/3 |         | 0  1 −1  8  1 |
///       | 0  2 −1 −2  1 |        |   0    1  |
/// ```
///
/// A point's row of Bᵀ may be multiplied by what its row of G is divided by. Here G has the least to do: where
/// batches are small, the weight is transformed for few tiles, and the four points that are (0 or ∞, 0 or ∞) are
/// the taps themselves.
pub(super) enum F4 {}

impl Scheme for F4 {
    const POINTS: usize = 5;
    const OUTPUTS: usize = 4;

    #[inline(always)]
    fn input<S: Simd>(s: S, [d0, d1, d2, d3, d4]: [S::V; 5]) -> [S::V; 5] {
        let (two, half) = (s.splat(2.0), s.splat(0.5));
        let d3_d1 = s.sub(d3, d1);
        let d3_d2 = s.sub(d3, d2);
        [
            s.mul_add(half, d3_d1, s.sub(d0, d2)),
            s.mul_add(s.splat(-0.5), d3_d2, d1),
            s.mul_add(two, s.sub(d1, d2), d3_d2),
            d3_d1,
            s.mul_add(s.splat(-2.0), d3_d1, s.sub(d4, d2)),
        ]
    }

    #[inline(always)]
    fn input_adjoint<S: Simd>(s: S, [w0, w1, w2, w3, w4]: [S::V; 5]) -> [S::V; 5] {
        let (two, minus_two, half) = (s.splat(2.0), s.splat(-2.0), s.splat(0.5));
        let w0_w3 = s.mul_add(half, w0, w3);
        let w2_w1 = s.mul_add(s.splat(-0.5), w1, w2);
        [
            w0,
            s.mul_add(two, s.add(w2, w4), s.sub(w1, w0_w3)),
            s.sub(s.mul(minus_two, w2), s.add(s.add(w0, w4), w2_w1)),
            s.mul_add(minus_two, w4, s.add(w0_w3, w2_w1)),
            w4,
        ]
    }

    #[inline(always)]
    fn output<S: Simd>(s: S, [m0, m1, m2, m3, m4]: [S::V; 5]) -> [S::V; 4] {
        let (sum, difference) = (s.add(m1, m2), s.sub(m1, m2));
        [
            s.add(s.add(m0, sum), m3),
            s.mul_add(s.splat(2.0), m3, difference),
            s.mul_add(s.splat(4.0), m3, sum),
            s.add(s.mul_add(s.splat(8.0), m3, difference), m4),
        ]
    }

    #[inline(always)]
    fn output_adjoint<S: Simd>(s: S, [y0, y1, y2, y3]: [S::V; 4]) -> [S::V; 5] {
        let (even, odd) = (s.add(y0, y2), s.add(y1, y3));
        let twice = s.mul_add(s.splat(4.0), y3, y1);
        [y0, s.add(even, odd), s.sub(even, odd), s.mul_add(s.splat(2.0), twice, s.mul_add(s.splat(4.0), y2, y0)), y3]
    }

    #[inline(always)]
    fn weight<S: Simd>(s: S, [g0, g1]: [S::V; 2]) -> [S::V; 5] {
        let (sixth, third) = (s.splat(1.0 / 6.0), s.splat(1.0 / 3.0));
        let sixth_g0 = s.mul(sixth, g0);
        // What is subtracted from −0 is negated, and the compiler makes that part of the multiply-add.
        [g0, s.add(g0, g1), s.mul_add(sixth, g1, s.sub(s.splat(-0.0), sixth_g0)), s.mul_add(third, g1, sixth_g0), g1]
    }

    #[inline(always)]
    fn weight_adjoint<S: Simd>(s: S, [u0, u1, u2, u3, u4]: [S::V; 5]) -> [S::V; 2] {
        let sixth = s.splat(1.0 / 6.0);
        [
            s.mul_add(sixth, s.sub(u3, u2), s.add(u0, u1)),
            s.mul_add(sixth, s.mul_add(s.splat(2.0), u3, u2), s.add(u1, u4)),
        ]
    }
}

/// F(2 × 2, 2 × 2): points 0, 1, ∞; 9 products for 16.
///
/// ```text
///       | 1 −1  0 |        | 1  0 |         | 1  1  0 |
/// Bᵀ =  | 0  1  0 |    G = | 1  1 |    Aᵀ = | 0  1  1 |
///       | 0 −1  1 |        | 0  1 |
/// ```
pub(super) enum F2 {}

impl Scheme for F2 {
    const POINTS: usize = 3;
    const OUTPUTS: usize = 2;

    #[inline(always)]
    fn input<S: Simd>(s: S, [d0, d1, d2, ..]: [S::V; 5]) -> [S::V; 5] {
        let none = s.splat(0.0);
        [s.sub(d0, d1), d1, s.sub(d2, d1), none, none]
    }

    #[inline(always)]
    fn input_adjoint<S: Simd>(s: S, [w0, w1, w2, ..]: [S::V; 5]) -> [S::V; 5] {
        let none = s.splat(0.0);
        [w0, s.sub(s.sub(w1, w0), w2), w2, none, none]
    }

    #[inline(always)]
    fn output<S: Simd>(s: S, [m0, m1, m2, ..]: [S::V; 5]) -> [S::V; 4] {
        let none = s.splat(0.0);
        [s.add(m0, m1), s.add(m1, m2), none, none]
    }

    #[inline(always)]
    fn output_adjoint<S: Simd>(s: S, [y0, y1, ..]: [S::V; 4]) -> [S::V; 5] {
        let none = s.splat(0.0);
        [y0, s.add(y0, y1), y1, none, none]
    }

    #[inline(always)]
    fn weight<S: Simd>(s: S, [g0, g1]: [S::V; 2]) -> [S::V; 5] {
        let none = s.splat(0.0);
        [g0, s.add(g0, g1), g1, none, none]
    }

    #[inline(always)]
    fn weight_adjoint<S: Simd>(s: S, [u0, u1, u2, ..]: [S::V; 5]) -> [S::V; 2] {
        [s.add(u0, u1), s.add(u1, u2)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Portable;

    /// y = Aᵀ[(G g) ⊙ (Bᵀ d)] is the convolution, and the adjoints are the transposes.
    fn check<T: Scheme>() {
        let s = Portable;
        let v = |x: f32| s.splat(x);
        let g = [0.75, -1.25];
        let d = [1.0, -2.0, 0.5, 3.0, -0.25];
        let u = T::weight(s, g.map(v));
        let t = T::input(s, d.map(v));
        let mut m = [v(0.0); 5];
        for p in 0..T::POINTS {
            m[p] = s.mul(u[p], t[p]);
        }
        let y = T::output(s, m);
        for i in 0..T::OUTPUTS {
            assert!((y[i][0] - (d[i] * g[0] + d[i + 1] * g[1])).abs() < 1e-5, "output {i}");
        }
        let unit = |i: usize, j: usize| if i == j { v(1.0) } else { v(0.0) };
        for i in 0..T::POINTS {
            for j in 0..T::POINTS {
                let forward = T::input(s, std::array::from_fn(|k| unit(k, j)))[i][0];
                let adjoint = T::input_adjoint(s, std::array::from_fn(|k| unit(k, i)))[j][0];
                assert_eq!(forward, adjoint, "B {i} {j}");
            }
            for j in 0..T::OUTPUTS {
                let forward = T::output(s, std::array::from_fn(|k| unit(k, i)))[j][0];
                let adjoint = T::output_adjoint(s, std::array::from_fn(|k| unit(k, j)))[i][0];
                assert_eq!(forward, adjoint, "A {i} {j}");
            }
            for j in 0..2 {
                let forward = T::weight(s, std::array::from_fn(|k| unit(k, j)))[i][0];
                let adjoint = T::weight_adjoint(s, std::array::from_fn(|k| unit(k, i)))[j][0];
                assert!((forward - adjoint).abs() < 1e-7, "G {i} {j}");
            }
        }
    }

    #[test]
    fn schemes_are_convolutions_and_adjoints_are_transposes() {
        check::<F4>();
        check::<F2>();
    }
}
