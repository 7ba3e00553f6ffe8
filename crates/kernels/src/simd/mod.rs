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
mod vector;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
pub(crate) use portable::Portable;
pub(crate) use vector::{MAX_LANES, Simd};

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
