//! Between bytes and the values networks see.

use crate::Cpu;
use crate::activation::PIECE;
use crate::cpu::SharedMut;
use crate::simd::multiversion;

/// values = (bytes / 255 − 0.5) / 0.5, in \[−1, 1\]: torchvision's `ToTensor` and `Normalize(0.5, 0.5)`, with their
/// roundings.
///
/// # Panics
/// If the lengths differ.
pub fn normalize(cpu: &Cpu, values: &mut [f32], bytes: &[u8]) {
    assert_eq!(values.len(), bytes.len());
    let values = SharedMut::new(values);
    cpu.for_each(bytes.len().div_ceil(PIECE), |piece| {
        let start = piece * PIECE;
        let bytes = &bytes[start..(start + PIECE).min(bytes.len())];
        // SAFETY: pieces are disjoint.
        normalize_piece(cpu.isa(), unsafe { values.range(start, bytes.len()) }, bytes);
    });
}

multiversion! {
    /// Converts bytes to values in [−1, 1] with the operations of `ToTensor` and `Normalize(0.5, 0.5)`.
    fn normalize_piece(s, values: &mut [f32], bytes: &[u8]) {
        let _ = s;
        for (value, byte) in values.iter_mut().zip(bytes) {
            *value = (f32::from(*byte) / 255.0 - 0.5) / 0.5;
        }
    }
}

/// Permutes N × H × W × C to N × C × H × W, with `pixels` = H·W.
///
/// # Panics
/// If the lengths differ or are no whole number of images.
pub fn nhwc_to_nchw(nchw: &mut [f32], nhwc: &[f32], pixels: usize, channels: usize) {
    assert!(nchw.len() == nhwc.len() && nhwc.len().is_multiple_of(pixels * channels));
    for (to, from) in nchw.chunks_exact_mut(pixels * channels).zip(nhwc.chunks_exact(pixels * channels)) {
        for (c, to) in to.chunks_exact_mut(pixels).enumerate() {
            for (to, from) in to.iter_mut().zip(from.chunks_exact(channels)) {
                *to = from[c];
            }
        }
    }
}

/// The reverse of [`nhwc_to_nchw`].
///
/// # Panics
/// If the lengths differ or are no whole number of images.
pub fn nchw_to_nhwc(nhwc: &mut [f32], nchw: &[f32], pixels: usize, channels: usize) {
    assert!(nchw.len() == nhwc.len() && nhwc.len().is_multiple_of(pixels * channels));
    for (to, from) in nhwc.chunks_exact_mut(pixels * channels).zip(nchw.chunks_exact(pixels * channels)) {
        for (c, from) in from.chunks_exact(pixels).enumerate() {
            for (to, from) in to.chunks_exact_mut(channels).zip(from) {
                to[c] = *from;
            }
        }
    }
}
