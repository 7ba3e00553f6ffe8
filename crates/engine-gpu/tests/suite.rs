//! The suite that every engine passes, on one device: the one whose place among all devices `DCGAN_TEST_DEVICE` gives, else Mesa's software
//! device.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use dcgan_engine_gpu::{
    AdapterKind, GpuDevice, GpuDifferentiableGenerator, GpuDiscriminator, GpuEngine, GpuGenerator, adapters,
};
use dcgan_engine_tests::{Subject, average, eval, gradients, guards, steps, train};
use dcgan_model::{Differentiate, Discriminate, Engine, Generate, ModelConfig, Network, Recipe, StateDict};

struct OnGpu(GpuDevice);

impl OnGpu {
    fn new() -> Self {
        let adapters = adapters();
        let adapter = match std::env::var("DCGAN_TEST_DEVICE") {
            Ok(place) => adapters.get(place.parse::<usize>().unwrap()),
            Err(_) => adapters.iter().find(|adapter| adapter.kind == AdapterKind::Software),
        };
        let adapter = adapter.unwrap_or_else(|| panic!("no device to test on; there are {adapters:#?}"));
        Self(GpuDevice::open(adapter).unwrap())
    }
}

impl Subject for OnGpu {
    fn name(&self) -> String {
        self.0.description()
    }

    fn engine(&self, config: &ModelConfig, recipe: Recipe, batch: usize) -> Box<dyn Engine> {
        Box::new(GpuEngine::new(&self.0, config, recipe, batch).unwrap())
    }

    fn generator(&self, network: &Network, state: &StateDict) -> Box<dyn Generate> {
        Box::new(GpuGenerator::new(&self.0, network, state).unwrap())
    }

    fn discriminator(&self, network: &Network, state: &StateDict) -> Box<dyn Discriminate> {
        Box::new(GpuDiscriminator::new(&self.0, network, state).unwrap())
    }

    fn differentiable(&self, network: &Network, state: &StateDict, max_batch: usize) -> Box<dyn Differentiate> {
        Box::new(GpuDifferentiableGenerator::new(&self.0, network, state, max_batch).unwrap())
    }

    fn is_exact(&self) -> bool {
        false
    }
}

/// Tests of the suite that take all subjects at once.
macro_rules! with_all {
    ($module:ident: $($name:ident),+) => {
        $(#[test]
        fn $name() {
            $module::$name(&[&OnGpu::new()]);
        })+
    };
}

/// Those that take one.
macro_rules! with_each {
    ($module:ident: $($name:ident),+) => {
        $(#[test]
        fn $name() {
            $module::$name(&OnGpu::new());
        })+
    };
}

with_all! {
    train:
    ten_steps_in_colour,
    two_steps_in_grey
}

with_all! {
    gradients:
    gradients_are_right,
    every_recipe_has_the_right_gradients
}

with_all! {
    eval:
    the_gradient_of_the_noise_is_that_of_finite_differences,
    the_differentiable_generator_draws_what_the_other_draws,
    a_judgement_depends_on_its_picture_only
}

with_each! {
    steps:
    stopping_and_going_on_changes_no_bit,
    each_part_leaves_the_other_network_alone,
    reports_wait_in_order_until_they_are_taken,
    a_picture_depends_on_its_noise_alone,
    long_noise_is_drawn_from,
    impossible_batches_are_refused,
    states_of_other_networks_are_refused
}

with_each! {
    average:
    the_average_follows_the_weights_and_changes_nothing,
    the_average_goes_on_from_a_state,
    statistics_taken_anew_are_the_mean_of_the_batches,
    what_cannot_be_is_refused
}

with_each! {
    guards:
    every_tensor_is_looked_at,
    a_gradient_is_called_a_gradient,
    learning_rates_are_scaled_from_the_next_step_on
}
