//! Plain Rust: 4 lanes, which every 64-bit target has registers for. No fused multiply-add: without the instruction it
//! is a slow call.

use super::vector::Simd;

/// Needs nothing of the CPU.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl Portable {
    #[inline(always)]
    fn zip(a: [f32; 4], b: [f32; 4], f: impl Fn(f32, f32) -> f32) -> [f32; 4] {
        [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
    }
}

// SAFETY: no instruction beyond the target's baseline is used.
unsafe impl Simd for Portable {
    type V = [f32; 4];
    const LANES: usize = 4;
    const TILE_VECTORS: usize = 2;
    const TILE_ROWS: usize = 4;

    #[inline(always)]
    unsafe fn load(self, ptr: *const f32) -> Self::V {
        // SAFETY: the caller vouches for four values at `ptr`.
        unsafe { ptr.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_splat(self, ptr: *const f32) -> Self::V {
        // SAFETY: the caller vouches for the memory, `self` for the instructions.
        unsafe { [*ptr; 4] }
    }
    #[inline(always)]
    unsafe fn store(self, ptr: *mut f32, v: Self::V) {
        // SAFETY: the caller vouches for four values at `ptr`.
        unsafe { ptr.cast::<[f32; 4]>().write_unaligned(v) }
    }
    #[inline(always)]
    fn prefetch(self, _ptr: *const f32) {}
    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        [x; 4]
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        Self::zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        Self::zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        Self::zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        Self::add(self, Self::mul(self, a, b), c)
    }
    #[inline(always)]
    fn where_positive(self, condition: Self::V, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| if condition[i] > 0.0 { a[i] } else { b[i] })
    }
}
