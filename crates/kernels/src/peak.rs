//! Measurement of the machine's peak rate of multiply-adds, which achieved rates are compared with.

use crate::Cpu;
use crate::simd::multiversion;
use std::hint::black_box;
use std::time::Instant;

/// Number of rounds of [`fma_rounds`] in one measurement: some milliseconds.
const ROUNDS: usize = 1_000_000;
/// Independent sums: more than multiply-adds can be under way at once, few enough for the registers of every
/// instruction set.
const SUMS: usize = 12;

/// Measures floating-point operations per second (two for a multiply-add) on registers, with all threads of `cpu`.
/// Returns the best of several measurements.
pub fn measure_flops(cpu: &Cpu) -> f64 {
    let threads = cpu.threads();
    (0..5)
        .map(|_| {
            let start = Instant::now();
            cpu.for_each(threads, |_| {
                black_box(fma_rounds(cpu.isa(), black_box(1e-9)));
            });
            let operations = threads * ROUNDS * SUMS * 2 * crate::matmul::vector_width(cpu.isa());
            operations as f64 / start.elapsed().as_secs_f64()
        })
        .fold(0.0, f64::max)
}

multiversion! {
    /// Computes a chain of multiply-adds on [`SUMS`] vectors.
    fn fma_rounds(s, x: f32) -> f32 {
        let factor = s.splat(1.0 - x);
        let mut sums = [s.splat(x); SUMS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = s.mul_add(*sum, factor, factor);
            }
        }
        let mut out = [0.0f32; 16];
        let mut total = s.splat(0.0);
        for sum in sums {
            total = s.add(total, sum);
        }
        // SAFETY: the widest vector has 16 values.
        unsafe { s.store(out.as_mut_ptr(), total) };
        out[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;

    #[test]
    fn every_instruction_set_has_a_rate() {
        for isa in Isa::available() {
            let cpu = Cpu::new(isa, 1).unwrap();
            assert!(measure_flops(&cpu) > 1e8, "{isa:?}");
        }
    }
}
