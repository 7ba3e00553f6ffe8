//! The exponential moving average of weights, in one sweep over memory.

use crate::Cpu;
use crate::activation::PIECE;
use crate::cpu::SharedMut;
use crate::simd::multiversion;

/// Computes average += (1 − decay) · (values − average).
///
/// # Panics
/// If the lengths differ.
pub fn step(cpu: &Cpu, average: &mut [f32], values: &[f32], decay: f64) {
    assert_eq!(average.len(), values.len());
    let weight = (1.0 - decay) as f32;
    let average = SharedMut::new(average);
    cpu.for_each(values.len().div_ceil(PIECE), |piece| {
        let start = piece * PIECE;
        let values = &values[start..(start + PIECE).min(values.len())];
        // SAFETY: pieces are disjoint.
        step_piece(cpu.isa(), unsafe { average.range(start, values.len()) }, values, weight);
    });
}

multiversion! {
    fn step_piece(s, average: &mut [f32], values: &[f32], weight: f32) {
        let _ = s;
        for (average, value) in average.iter_mut().zip(values) {
            *average += weight * (*value - *average);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;
    use dcgan_testkit::random;

    /// A step rounds a difference below 2 by up to 6e-8, weighed by 1 − decay, and a product and a sum below 1 by
    /// 3e-8 each. With these decays that adds up to 1.3e-7 at most.
    const TOLERANCE: f64 = 2e-7;

    #[test]
    fn the_average_is_the_weighted_sum() {
        let len = PIECE + 5;
        for isa in Isa::available() {
            let cpu = Cpu::new(isa, 2).unwrap();
            let mut average = random(len, 1);
            let mut expected: Vec<f64> = average.iter().copied().map(f64::from).collect();
            for (seed, decay) in [(2, 0.5), (3, 0.9), (4, 0.0)] {
                let values = random(len, seed);
                step(&cpu, &mut average, &values, decay);
                for (expected, value) in expected.iter_mut().zip(&values) {
                    *expected = decay * *expected + (1.0 - decay) * f64::from(*value);
                }
                let error = average.iter().zip(&expected).map(|(&a, e)| (f64::from(a) - e).abs()).fold(0.0, f64::max);
                assert!(error < TOLERANCE, "{error}");
            }
        }
    }
}
