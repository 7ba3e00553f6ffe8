//! The arithmetic on plain slices: convolutions, normalisation, activations, loss and Adam, forward and backward.
//!
//! All SIMD and all unsafe code of the project live here, behind functions that check every length once. Kernels take slices and sizes,
//! write to slices they are given, and never allocate. They run on a [`Cpu`]: an instruction set chosen at run time ([`Isa`]) and a pool
//! of threads. Activations are NHWC, so that channels are the SIMD axis; weights of convolutions are `k × k × big × small` (see
//! [`conv`]).

// Loops over tile rows, columns and taps read best with the indices that the formulas have.
#![allow(clippy::needless_range_loop)]

pub mod activation;
pub mod adam;
pub mod augment;
pub mod batch_norm;
pub mod conv;
mod cpu;
pub mod ema;
pub mod finish;
pub mod finite;
mod isa;
pub mod loss;
mod matmul;
pub mod memory;
mod pack;
pub mod peak;
pub mod pixels;
mod pool;
mod prefetch;
mod reduce;
mod simd;
pub mod source;

pub use cpu::Cpu;
pub use isa::{ISA_VARIABLE, Isa};
