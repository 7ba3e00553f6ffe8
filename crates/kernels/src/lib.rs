//! The arithmetic on plain slices: convolutions, normalisation, activations, Adam. All SIMD and all unsafe code live here.
