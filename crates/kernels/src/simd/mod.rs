//! Vectors of f32, one implementation per instruction set.
//!
//! A kernel is written once, generic over [`Simd`], and [`multiversion!`] compiles it for each instruction set. The
//! value of type `S: Simd` that it receives proves that the CPU has the instructions.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
pub(crate) use portable::Portable;

/// The most values in a vector of any instruction set.
pub(crate) const MAX_LANES: usize = 16;

/// A vector unit.
///
/// # Safety
/// Values must exist only on CPUs that have the instructions: whoever holds one may execute them.
pub(crate) unsafe trait Simd: Copy + Send + Sync + 'static {
    /// A vector of [`Simd::LANES`] values.
    type V: Copy;
    /// Values per vector.
    const LANES: usize;
    /// Vectors per row of a register tile of [`crate::matmul`]. With [`Simd::TILE_ROWS`] it fills the registers:
    /// accumulators, one row of the right side and one broadcast value.
    const TILE_VECTORS: usize;
    /// Number of rows of a register tile.
    const TILE_ROWS: usize;

    /// Reads a vector.
    ///
    /// # Safety
    /// `LANES` values must be readable at `ptr`; no alignment is needed.
    unsafe fn load(self, ptr: *const f32) -> Self::V;
    /// Writes a vector.
    ///
    /// # Safety
    /// `LANES` values must be writable at `ptr`; no alignment is needed.
    unsafe fn store(self, ptr: *mut f32, v: Self::V);
    /// Reads LANES rows of LANES values, `stride` apart, and puts the columns into the first of `columns`.
    ///
    /// # Safety
    /// All of it must be readable.
    #[inline(always)]
    unsafe fn load_transposed(self, columns: &mut [Self::V; MAX_LANES], ptr: *const f32, stride: usize) {
        for (i, column) in columns.iter_mut().enumerate().take(Self::LANES) {
            let mut values = [0.0f32; MAX_LANES];
            for (row, value) in values.iter_mut().enumerate().take(Self::LANES) {
                // SAFETY: handed on to the caller.
                *value = unsafe { *ptr.add(row * stride + i) };
            }
            // SAFETY: no vector is longer than MAX_LANES.
            *column = unsafe { self.load(values.as_ptr()) };
        }
    }
    /// Asks for the cache line at `ptr`, which need not be valid.
    fn prefetch(self, ptr: *const f32);
    /// Returns all lanes `x`.
    fn splat(self, x: f32) -> Self::V;
    /// a + b
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// a − b
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// a · b
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// a · b + c, fused where the instruction set can
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// a where `condition` > 0, else b
    fn where_positive(self, condition: Self::V, a: Self::V, b: Self::V) -> Self::V;
}

/// Compiles a function for every instruction set and picks one at run time.
///
/// `fn name(s, arg: Type, …) { body }` becomes `fn name(isa: Isa, arg: Type, …)`; in the body `s` is the [`Simd`]
/// in use. A body of plain loops may ignore `s`: it still profits, because the compiler vectorizes each copy for its
/// instruction set.
macro_rules! multiversion {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($s:ident $(, $arg:ident: $type:ty)* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name(isa: $crate::Isa $(, $arg: $type)*) $(-> $ret)? {
            #[allow(clippy::too_many_arguments)]
            #[inline(always)]
            fn body<S: $crate::simd::Simd>($s: S $(, $arg: $type)*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            #[allow(clippy::too_many_arguments)]
            #[target_feature(enable = "avx512f,avx2,fma")]
            fn avx512($s: $crate::simd::Avx512 $(, $arg: $type)*) $(-> $ret)? {
                body($s $(, $arg)*)
            }
            #[cfg(target_arch = "x86_64")]
            #[allow(clippy::too_many_arguments)]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($s: $crate::simd::Avx2 $(, $arg: $type)*) $(-> $ret)? {
                body($s $(, $arg)*)
            }
            match isa.0 {
                $crate::isa::Kind::Portable => body($crate::simd::Portable $(, $arg)*),
                #[cfg(target_arch = "x86_64")]
                $crate::isa::Kind::Avx512 => {
                    // SAFETY: an `Isa` of this kind exists only if the CPU has AVX-512F (and with it AVX2 and FMA).
                    unsafe { avx512($crate::simd::Avx512::new_unchecked() $(, $arg)*) }
                }
                #[cfg(target_arch = "x86_64")]
                $crate::isa::Kind::Avx2 => {
                    // SAFETY: an `Isa` of this kind exists only if the CPU has AVX2 and FMA.
                    unsafe { avx2($crate::simd::Avx2::new_unchecked() $(, $arg)*) }
                }
                #[cfg(target_arch = "aarch64")]
                $crate::isa::Kind::Neon => {
                    // SAFETY: NEON is part of the aarch64 baseline that Rust compiles for.
                    body(unsafe { $crate::simd::Neon::new_unchecked() } $(, $arg)*)
                }
            }
        }
    };
}
pub(crate) use multiversion;
