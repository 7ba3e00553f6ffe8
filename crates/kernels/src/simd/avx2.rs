//! AVX2 with FMA: 8 lanes.

use super::vector::{MAX_LANES, Simd};
use std::arch::x86_64::*;

/// Proof that the CPU has AVX2 and FMA.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// # Safety
    /// The CPU must have AVX2 and FMA.
    pub(crate) unsafe fn new_unchecked() -> Self {
        Self(())
    }
}

// SAFETY: `new_unchecked` hands the duty to its caller.
unsafe impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = 8;
    const TILE_VECTORS: usize = 2;
    const TILE_ROWS: usize = 6;

    #[inline(always)]
    unsafe fn load(self, ptr: *const f32) -> Self::V {
        // SAFETY: the caller vouches for the memory, `self` for the instruction.
        unsafe { _mm256_loadu_ps(ptr) }
    }
    #[inline(always)]
    unsafe fn load_splat(self, ptr: *const f32) -> Self::V {
        // SAFETY: the caller vouches for the memory, `self` for the instructions.
        unsafe { _mm256_broadcastss_ps(_mm_load_ss(ptr)) }
    }
    #[inline(always)]
    unsafe fn store(self, ptr: *mut f32, v: Self::V) {
        // SAFETY: the caller vouches for the memory, `self` for the instruction.
        unsafe { _mm256_storeu_ps(ptr, v) }
    }
    #[inline(always)]
    unsafe fn load_transposed(self, columns: &mut [Self::V; MAX_LANES], ptr: *const f32, stride: usize) {
        // SAFETY: the caller vouches for the memory, `self` for the instructions.
        unsafe {
            for first in [0, 4] {
                // Each vector from the same four columns of rows i and i + 4; then 4 × 4 squares are transposed in
                // both halves at once. (No closures: the compiler does not put vector instructions into those of
                // another function.)
                let ptr = ptr.add(first);
                let (low, high) = (_mm_loadu_ps(ptr), _mm_loadu_ps(ptr.add(4 * stride)));
                let a = _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(low), high);
                let (low, high) = (_mm_loadu_ps(ptr.add(stride)), _mm_loadu_ps(ptr.add(5 * stride)));
                let b = _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(low), high);
                let (low, high) = (_mm_loadu_ps(ptr.add(2 * stride)), _mm_loadu_ps(ptr.add(6 * stride)));
                let c = _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(low), high);
                let (low, high) = (_mm_loadu_ps(ptr.add(3 * stride)), _mm_loadu_ps(ptr.add(7 * stride)));
                let d = _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(low), high);
                let (ab_low, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
                let (cd_low, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
                columns[first] = _mm256_shuffle_ps::<0b01_00_01_00>(ab_low, cd_low);
                columns[first + 1] = _mm256_shuffle_ps::<0b11_10_11_10>(ab_low, cd_low);
                columns[first + 2] = _mm256_shuffle_ps::<0b01_00_01_00>(ab_high, cd_high);
                columns[first + 3] = _mm256_shuffle_ps::<0b11_10_11_10>(ab_high, cd_high);
            }
        }
    }
    #[inline(always)]
    fn prefetch(self, ptr: *const f32) {
        // SAFETY: a prefetch of any address is harmless.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(ptr.cast()) }
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        // SAFETY: `self` proves the instruction.
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves the instruction.
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves the instruction.
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves the instruction.
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: `self` proves the instruction.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn where_positive(self, condition: Self::V, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves the instructions.
        unsafe {
            let mask = _mm256_cmp_ps::<_CMP_GT_OQ>(condition, _mm256_setzero_ps());
            _mm256_blendv_ps(b, a, mask)
        }
    }
}
