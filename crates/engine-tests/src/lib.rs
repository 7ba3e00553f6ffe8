//! The tests that every engine must pass: PyTorch's fixtures, gradients against a plain f64 implementation, the moving
//! average, detection of values that are not finite, and properties that need no reference values. A dev-dependency
//! only; everything here panics on failure.
//!
//! An engine's tests make [`Subject`]s of it and hand them to [`suite!`].

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a panic is how a test fails")]

pub mod average;
pub mod eval;
pub mod gradients;
pub mod guards;
pub mod ranks;
pub mod steps;
pub mod train;

use dcgan_model::{
    Differentiate, Discriminate, Engine, EngineError, Generate, ModelConfig, Network, Recipe, StateDict, Transport,
};
use dcgan_testkit::assert_close_scaled;
use std::sync::Arc;

/// An engine under test, with one of its ways to compute, and the types for inference that belong to it.
pub trait Subject: Sync {
    /// Name for messages.
    fn name(&self) -> String;

    /// Makes an engine that trains.
    fn engine(&self, config: &ModelConfig, recipe: Recipe, batch: usize) -> Box<dyn Engine>;

    /// Makes an engine of one of several ranks that train together.
    ///
    /// # Errors
    /// Those of the engine.
    fn distributed(
        &self,
        config: &ModelConfig,
        recipe: Recipe,
        batch: usize,
        transport: Arc<dyn Transport>,
    ) -> Result<Box<dyn Engine>, EngineError> {
        let _ = (config, recipe, batch, transport);
        Err(EngineError::Recipe("this engine trains alone"))
    }

    /// Makes a generator in eval mode.
    fn generator(&self, network: &Network, state: &StateDict) -> Box<dyn Generate>;

    /// Makes a discriminator in eval mode.
    fn discriminator(&self, network: &Network, state: &StateDict) -> Box<dyn Discriminate>;

    /// Makes a generator through which gradients flow back to the noise.
    fn differentiable(&self, network: &Network, state: &StateDict, max_batch: usize) -> Box<dyn Differentiate>;

    /// Returns whether the same numbers give the same bits, in whatever batch they are.
    fn is_exact(&self) -> bool;

    /// Asserts that values computed in two batches are the same: to the bit if [`Subject::is_exact`], else up to the
    /// order of summation. Direct sums are off by up to 8.3e-7 of the largest value (`kernels/tests/run/mod.rs`), so
    /// two of them differ by up to 1.7e-6.
    fn assert_same(&self, what: &str, got: &[f32], want: &[f32]) {
        if self.is_exact() {
            assert_eq!(got, want, "{}, {what}", self.name());
        } else {
            assert_close_scaled(&format!("{}, {what}", self.name()), got, want, 2e-6);
        }
    }
}

/// Returns the discriminator's and the generator's gradients of the last parts that computed any.
fn gradients(engine: &dyn Engine) -> [StateDict; 2] {
    engine.gradients().unwrap()
}

/// Defines a test for everything that an engine must do. `$subjects` gives a list of subjects; `$in_many_ways` another,
/// longer one for the comparisons with PyTorch.
#[macro_export]
macro_rules! suite {
    ($subjects:path, $in_many_ways:path) => {
        $crate::suite! { @all $in_many_ways, train: ten_steps_on_rgb_images_match_pytorch, two_steps_on_gray_images_match_pytorch, four_steps_with_penalties_match_pytorch }
        $crate::suite! { @all $subjects, gradients:
            gradients_are_right,
            every_recipe_has_the_right_gradients,
            penalties_and_spectral_norm_have_the_right_gradients }
        $crate::suite! { @all $subjects, eval:
            the_gradient_of_the_noise_is_that_of_finite_differences,
            both_generators_compute_the_same_images,
            logits_depend_on_their_image_only }
        $crate::suite! { @each $subjects, steps:
            resuming_from_a_state_gives_the_same_bits,
            each_part_changes_one_network_only,
            reports_wait_in_order_until_they_are_taken,
            an_image_depends_on_its_noise_only,
            generate_takes_more_noise_than_a_batch,
            impossible_batches_are_errors,
            parts_for_another_discriminator_are_errors,
            states_of_other_networks_are_errors }
        $crate::suite! { @each $subjects, average:
            the_average_follows_the_weights_and_changes_nothing,
            the_average_resumes_from_a_state,
            calibrated_statistics_are_the_mean_of_the_batches,
            batch_statistics_are_those_of_the_images,
            invalid_arguments_are_errors }
        $crate::suite! { @each $subjects, guards:
            non_finite_values_are_found_in_every_tensor,
            a_non_finite_gradient_is_reported_as_a_gradient,
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
