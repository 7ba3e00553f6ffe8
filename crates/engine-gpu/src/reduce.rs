//! Sums over tensors that have the same bits in every call.

use burn_tensor::Tensor;

/// Number of values that one work item adds up. It must be less than 65,535: Mesa's software device ends a loop in a
/// shader after that many iterations and reports nothing.
const PIECE: usize = 1024;

/// Returns the sum of all values of `tensor`, as a tensor of one value.
///
/// Not `Tensor::sum`: Burn 0.22.1 computes it with atomic additions, so that its last bits depend on which work group
/// is done first (`SumStrategy::OneShot` of `burn-cubecl`). The sum over a dimension has a fixed order.
pub(crate) fn sum<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let mut len: usize = tensor.dims().iter().product();
    let mut values: Tensor<1> = tensor.reshape([len]);
    while len > PIECE {
        let pieces = len.div_ceil(PIECE);
        if pieces * PIECE > len {
            let zeros = Tensor::zeros([pieces * PIECE - len], &values.device());
            values = Tensor::cat(vec![values, zeros], 0);
        }
        values = values.reshape([pieces, PIECE]).sum_dim(1).reshape([pieces]);
        len = pieces;
    }
    values.reshape([1, len]).sum_dim(1).reshape([1])
}

#[cfg(all(test, feature = "wgpu"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;
    use crate::transfer::download;
    use crate::{AdapterKind, GpuDevice, adapters};

    #[test]
    fn a_sum_has_the_same_bits_every_time() {
        let adapters = adapters();
        let adapter = adapters.iter().find(|adapter| adapter.kind == AdapterKind::Software).unwrap();
        let device = GpuDevice::open(adapter).unwrap();
        // Of different magnitudes, so that every order of additions has a sum of its own; and as many as the largest
        // weight has, though not a whole number of pieces. Atomic additions give other bits for 777 values once in
        // some thousand times.
        for len in [1, 777, PIECE, PIECE + 1, 2 * PIECE * PIECE + 5] {
            let values: Vec<f32> = (0..len).map(|i| ((i * 7919 % 10_007) as f32).powi(3).sin() * 1e3).collect();
            let tensor = Tensor::<1>::from_floats(values.as_slice(), device.burn());
            let sums: Vec<f32> = (0..50).map(|_| download(vec![sum(tensor.clone())]).unwrap()[0][0]).collect();
            assert!(sums.iter().all(|sum| sum.to_bits() == sums[0].to_bits()), "{len} values: {sums:?}");
            let expected: f64 = values.iter().map(|v| f64::from(*v)).sum();
            let magnitude: f64 = values.iter().map(|v| f64::from(v.abs())).sum();
            // The errors of additions of random sign grow with the square root of their number; a piece has 1,024.
            let bound = magnitude * f64::from(f32::EPSILON) * 32.0;
            assert!((f64::from(sums[0]) - expected).abs() <= bound, "{len} values: {} is not {expected}", sums[0]);
        }
    }
}
