//! NEON: 4 lanes.

use super::vector::Simd;
use std::arch::aarch64::*;

/// Proof that the CPU has NEON.
#[derive(Clone, Copy)]
pub(crate) struct Neon(());

impl Neon {
    /// # Safety
    /// The CPU must have NEON.
    pub(crate) unsafe fn new_unchecked() -> Self {
        Self(())
    }
}

// SAFETY: `new_unchecked` hands the duty to its caller.
unsafe impl Simd for Neon {
    type V = float32x4_t;
    const LANES: usize = 4;
    const TILE_VECTORS: usize = 4;
    const TILE_ROWS: usize = 6;

    #[inline(always)]
    unsafe fn load(self, ptr: *const f32) -> Self::V {
        // SAFETY: the caller vouches for the memory, `self` for the instruction.
        unsafe { vld1q_f32(ptr) }
    }
    #[inline(always)]
    unsafe fn load_splat(self, ptr: *const f32) -> Self::V {
        // SAFETY: the caller vouches for the memory, `self` for the instructions.
        unsafe { vld1q_dup_f32(ptr) }
    }
    #[inline(always)]
    unsafe fn store(self, ptr: *mut f32, v: Self::V) {
        // SAFETY: the caller vouches for the memory, `self` for the instruction.
        unsafe { vst1q_f32(ptr, v) }
    }
    #[inline(always)]
    fn prefetch(self, _ptr: *const f32) {}
    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        // SAFETY: `self` proves the instruction.
        unsafe { vdupq_n_f32(x) }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves the instruction.
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves the instruction.
        unsafe { vsubq_f32(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves the instruction.
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: `self` proves the instruction.
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    fn where_positive(self, condition: Self::V, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves the instructions.
        unsafe { vbslq_f32(vcgtzq_f32(condition), a, b) }
    }
}
