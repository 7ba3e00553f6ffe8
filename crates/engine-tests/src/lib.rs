//! One suite for every engine: PyTorch's fixtures, gradients against a plain f64 implementation, the average, guards, and what needs no
//! reference values. A dev-dependency only; everything here panics on failure.
//!
//! An engine's tests make [`Subject`]s of it and hand them to [`suite!`].

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

/// Defines a test for everything that an engine must do. `$subjects` gives a list of subjects; `$in_many_ways` another, longer one for the comparisons
/// with PyTorch.
#[macro_export]
macro_rules! suite {
    ($subjects:path, $in_many_ways:path) => {
        $crate::suite! { @all $in_many_ways, train: ten_steps_in_colour, two_steps_in_grey }
        $crate::suite! { @all $subjects, gradients:
            gradients_are_right,
            every_recipe_has_the_right_gradients }
        $crate::suite! { @all $subjects, eval:
            the_gradient_of_the_noise_is_that_of_finite_differences,
            the_differentiable_generator_draws_what_the_other_draws,
            a_judgement_depends_on_its_picture_only }
        $crate::suite! { @each $subjects, steps:
            stopping_and_going_on_changes_no_bit,
            each_part_leaves_the_other_network_alone,
            reports_wait_in_order_until_they_are_taken,
            a_picture_depends_on_its_noise_alone,
            long_noise_is_drawn_from,
            impossible_batches_are_refused,
            states_of_other_networks_are_refused }
        $crate::suite! { @each $subjects, average:
            the_average_follows_the_weights_and_changes_nothing,
            the_average_goes_on_from_a_state,
            statistics_taken_anew_are_the_mean_of_the_batches,
            what_cannot_be_is_refused }
        $crate::suite! { @each $subjects, guards:
            every_tensor_is_looked_at,
            a_gradient_is_called_a_gradient,
            learning_rates_are_scaled_from_the_next_step_on }
    };
    (@all $subjects:path, $module:ident: $($name:ident),+) => {
        $(#[test]
        fn $name() {
            let subjects = $subjects();
            $crate::$module::$name(&subjects.iter().map(|subject| subject as &dyn $crate::Subject).collect::<Vec<_>>());
        })+
    };
    (@each $subjects:path, $module:ident: $($name:ident),+) => {
        $(#[test]
        fn $name() {
            $subjects().iter().for_each(|subject| $crate::$module::$name(subject));
        })+
    };
}
