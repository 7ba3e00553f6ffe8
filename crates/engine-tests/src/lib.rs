//! One suite for every engine: PyTorch's fixtures, gradients against a plain f64 implementation, the average, guards, and what needs no
//! reference values. A dev-dependency only; everything here panics on failure.
//!
//! An engine's tests make [`Subject`]s of it and hand them to the functions of the modules.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a panic is how a test fails")]

pub mod average;
pub mod eval;
pub mod gradients;
pub mod guards;
pub mod steps;
pub mod train;

#[path = "../../kernels/tests/reference/mod.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "it is made for the kernels' tests")]
mod reference;

use dcgan_model::{Differentiate, Discriminate, Engine, Generate, ModelConfig, Network, Recipe, StateDict};
use dcgan_testkit::assert_close_scaled;

/// An engine with one of its ways to compute, and what goes with it.
pub trait Subject {
    /// For messages.
    fn name(&self) -> String;

    /// An engine that trains.
    fn engine(&self, config: &ModelConfig, recipe: Recipe, batch: usize) -> Box<dyn Engine>;

    /// A generator in eval mode.
    fn generator(&self, network: &Network, state: &StateDict) -> Box<dyn Generate>;

    /// A discriminator in eval mode.
    fn discriminator(&self, network: &Network, state: &StateDict) -> Box<dyn Discriminate>;

    /// A generator with its gradient.
    fn differentiable(&self, network: &Network, state: &StateDict, max_batch: usize) -> Box<dyn Differentiate>;

    /// Whether the same numbers give the same bits, in whatever batch they are.
    fn is_exact(&self) -> bool;

    /// Compares what was computed in two batches.
    fn assert_same(&self, what: &str, got: &[f32], want: &[f32]) {
        if self.is_exact() {
            assert_eq!(got, want, "{}, {what}", self.name());
        } else {
            assert_close_scaled(&format!("{}, {what}", self.name()), got, want, 2e-6);
        }
    }
}

/// D's and G's gradients of the last parts that computed any.
fn gradients(engine: &dyn Engine) -> [StateDict; 2] {
    engine.gradients().unwrap()
}
