//! Sums in a fixed order.

use crate::Cpu;
use crate::cpu::SharedMut;
use crate::simd::multiversion;

/// Values that one piece sums.
const PIECE: usize = 1 << 14;

/// out\[i\] = Σ over rows of rows\[row · out.len() + i\], first row first.
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
            add(cpu.isa(), out, &row[start..start + count]);
        }
    });
}

multiversion! {
    fn add(s, out: &mut [f32], row: &[f32]) {
        let _ = s;
        for (out, value) in out.iter_mut().zip(row) {
            *out += value;
        }
    }
}
