//! AVX-512F: 16 lanes.

use super::vector::Simd;
use std::arch::x86_64::*;

/// Proof that the CPU has AVX-512F.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// # Safety
    /// The CPU must have AVX-512F.
    pub(crate) unsafe fn new_unchecked() -> Self {
        Self(())
    }
}

// SAFETY: `new_unchecked` hands the duty to its caller.
unsafe impl Simd for Avx512 {
    type V = __m512;
    const LANES: usize = 16;
    const TILE_VECTORS: usize = 2;
    const TILE_ROWS: usize = 12;

    #[inline(always)]
    unsafe fn load(self, ptr: *const f32) -> Self::V {
        // SAFETY: the caller vouches for the memory, `self` for the instruction.
        unsafe { _mm512_loadu_ps(ptr) }
    }
    #[inline(always)]
    unsafe fn load_splat(self, ptr: *const f32) -> Self::V {
        // SAFETY: the caller vouches for the memory, `self` for the instructions.
        unsafe { _mm512_broadcastss_ps(_mm_load_ss(ptr)) }
    }
    #[inline(always)]
    unsafe fn store(self, ptr: *mut f32, v: Self::V) {
        // SAFETY: the caller vouches for the memory, `self` for the instruction.
        unsafe { _mm512_storeu_ps(ptr, v) }
    }
    #[inline(always)]
    fn prefetch(self, ptr: *const f32) {
        // SAFETY: a prefetch of any address is harmless.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(ptr.cast()) }
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        // SAFETY: `self` proves the instruction.
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves the instruction.
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves the instruction.
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves the instruction.
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: `self` proves the instruction.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn where_positive(self, condition: Self::V, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves the instructions.
        unsafe {
            let mask = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(condition, _mm512_setzero_ps());
            _mm512_mask_blend_ps(mask, b, a)
        }
    }
}
