//! Sums in a fixed order.

use crate::Cpu;
use crate::cpu::SharedMut;
use crate::simd::multiversion;

/// Number of values that one piece of work sums.
const PIECE: usize = 1 << 14;

/// Computes out\[i\] = Σ over rows of rows\[row · out.len() + i\], first row first.
///
/// # Panics
/// If `rows` is no whole number of rows.
pub(crate) fn sum_rows(cpu: &Cpu, out: &mut [f32], rows: &[f32]) {
    let len = out.len();
    assert!(rows.len().is_multiple_of(len), "{} values in rows of {len}", rows.len());
    let out = SharedMut::new(out);
    cpu.for_each(len.div_ceil(PIECE), |piece| {
        let start = piece * PIECE;
        let count = PIECE.min(len - start);
        // SAFETY: pieces are disjoint.
        let out = unsafe { out.range(start, count) };
        out.fill(0.0);
        for row in rows.chunks_exact(len) {
            add_piece(cpu.isa(), out, &row[start..start + count]);
        }
    });
}

/// Computes out += values.
///
/// # Panics
/// If the lengths differ.
pub fn add(cpu: &Cpu, out: &mut [f32], values: &[f32]) {
    assert_eq!(out.len(), values.len());
    cpu.for_each_chunk(out, PIECE, |start, out| add_piece(cpu.isa(), out, &values[start..start + out.len()]));
}

multiversion! {
    fn add_piece(s, out: &mut [f32], row: &[f32]) {
        let _ = s;
        for (out, value) in out.iter_mut().zip(row) {
            *out += value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;
    use dcgan_testkit::random;

    #[test]
    fn values_are_added_one_by_one() {
        for isa in Isa::available() {
            let cpu = Cpu::new(isa, 2).unwrap();
            for len in [0, 1, 37, PIECE + 3] {
                let (mut out, values) = (random(len, 1), random(len, 2));
                let want: Vec<f32> = out.iter().zip(&values).map(|(a, b)| a + b).collect();
                add(&cpu, &mut out, &values);
                assert_eq!(out, want, "{isa:?}, {len} values");
            }
        }
    }
}
