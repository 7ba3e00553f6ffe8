//! Arithmetic on plain slices: convolutions, normalization, activations, loss and Adam, forward and backward.
//!
//! All SIMD and all unsafe code of the project live here, behind functions that check every length once. Kernels take
//! slices and sizes, write to slices they are given, and never allocate. They run on a [`Cpu`]: an instruction set
//! chosen at run time ([`Isa`]) and a pool of threads. Activations are NHWC, so that channels are the SIMD axis;
//! weights of convolutions are `k × k × big × small` (see [`conv`]).

// Loops over tile rows, columns and taps read best with the indices that the formulas have.
#![allow(clippy::needless_range_loop)]

pub mod activation;
pub mod adam;
pub mod augment;
pub mod batch_norm;
pub mod bias;
pub mod conv;
mod cpu;
pub mod ema;
pub mod epilogue;
pub mod finite;
pub mod input;
mod isa;
pub mod loss;
pub mod matmul;
pub mod memory;
pub mod pack;
pub mod peak;
pub mod penalty;
pub mod pixels;
mod pool;
mod prefetch;
pub mod reduce;
mod simd;
pub mod spectral_norm;
mod sync;

pub use cpu::Cpu;
pub use isa::{ISA_VARIABLE, Isa};
