//! The choice of the algorithm.

use super::shape::ConvShape;

/// How a convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// One matrix product, on patches read where they lie. Any convolution.
    Direct,
    /// Winograd's F(2 × 2, 2 × 2) on the four phases of a k4 s2 p1 convolution: 1.78 times fewer multiplications.
    Winograd2,
    /// Winograd's F(4 × 4, 2 × 2) on the same: 2.56 times fewer multiplications.
    Winograd4,
}

impl Algorithm {
    /// Returns the algorithms that can compute a convolution of this shape.
    pub fn applicable(shape: &ConvShape) -> &'static [Self] {
        if winograd_applies(shape) { &[Self::Direct, Self::Winograd2, Self::Winograd4] } else { &[Self::Direct] }
    }

    /// Returns the fastest algorithm for a convolution of this shape; see `notes.md` beside this file for the
    /// measurements.
    pub fn select(shape: &ConvShape) -> Self {
        let few_channels = shape.big.channels < 16 || shape.small.channels < 16;
        if !winograd_applies(shape) || few_channels {
            Self::Direct
        } else if shape.small.height >= 4 && shape.small.width >= 4 {
            Self::Winograd4
        } else {
            Self::Winograd2
        }
    }

    /// Returns the algorithm for [`ConvPlan::adjoint_prepared`](super::ConvPlan::adjoint_prepared): one for a single
    /// image and for many, so that an image never depends on how many are drawn with it. A single one on few tiles
    /// spends its time reading weights, and those of F(4 × 4, 2 × 2) are 2.8 times as large.
    pub fn select_prepared(shape: &ConvShape) -> Self {
        match Self::select(shape) {
            Self::Winograd4 if shape.small.height < 16 => Self::Winograd2,
            algorithm => algorithm,
        }
    }
}

/// Whether Winograd's algorithm can compute a convolution of this shape.
pub(super) fn winograd_applies(shape: &ConvShape) -> bool {
    (shape.kernel, shape.stride, shape.padding) == (4, 2, 1)
        && shape.big.height == 2 * shape.small.height
        && shape.big.width == 2 * shape.small.width
}
