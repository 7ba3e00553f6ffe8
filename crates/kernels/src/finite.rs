//! Detection of values that are infinite or NaN.

use crate::Cpu;
use crate::activation::PIECE;
use crate::simd::multiversion;
use std::sync::atomic::{AtomicBool, Ordering};

/// Smallest magnitude, as bits of an f32 without its sign, that is infinite or NaN.
const INFINITY: u32 = f32::INFINITY.to_bits();

/// Returns whether no value is infinite or NaN. Takes as long as reading the memory.
pub fn all_finite(cpu: &Cpu, values: &[f32]) -> bool {
    let found = AtomicBool::new(false);
    cpu.for_each(values.len().div_ceil(PIECE), |piece| {
        let start = piece * PIECE;
        let end = values.len().min(start + PIECE);
        if largest(cpu.isa(), &values[start..end]) >= INFINITY {
            found.store(true, Ordering::Relaxed);
        }
    });
    !found.into_inner()
}

multiversion! {
    /// Returns the bits of the largest magnitude. Magnitudes of f32 are ordered as their bits are.
    fn largest(s, values: &[f32]) -> u32 {
        let _ = s;
        values.iter().fold(0, |largest, value| largest.max(value.to_bits() & 0x7fff_ffff))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;

    #[test]
    fn one_bad_value_is_found_wherever_it_is() {
        for isa in Isa::available() {
            let cpu = Cpu::new(isa, 2).unwrap();
            assert!(all_finite(&cpu, &[]));
            for len in [1, 7, 64, PIECE - 1, PIECE, 2 * PIECE + 3] {
                let mut values: Vec<f32> = (0..len).map(|i| i as f32 - 40.0).collect();
                values[0] = f32::MAX;
                assert!(all_finite(&cpu, &values), "{isa:?}, {len}");
                for position in [0, len / 2, len - 1] {
                    for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                        let good = std::mem::replace(&mut values[position], bad);
                        assert!(!all_finite(&cpu, &values), "{isa:?}, {len}, {bad} at {position}");
                        values[position] = good;
                    }
                }
            }
        }
    }
}
