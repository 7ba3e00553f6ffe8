//! The suite that every engine passes, on every instruction set.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use dcgan_engine_cpu::{Cpu, CpuDifferentiableGenerator, CpuDiscriminator, CpuEngine, CpuGenerator, Isa};
use dcgan_engine_tests::{Subject, average, eval, gradients, guards, steps, train};
use dcgan_kernels::conv::{Algorithm, ConvShape, Plane};
use dcgan_model::{Differentiate, Discriminate, Engine, Generate, Layer, ModelConfig, Network, Recipe, StateDict};
use dcgan_testkit::for_each_case;

#[derive(Debug, Clone, Copy)]
struct OnCpu {
    isa: Isa,
    threads: usize,
}

impl OnCpu {
    fn cpu(self) -> Cpu {
        Cpu::new(self.isa, self.threads).unwrap()
    }
}

impl Subject for OnCpu {
    fn name(&self) -> String {
        format!("{}, {} threads", self.isa.name(), self.threads)
    }

    fn engine(&self, config: &ModelConfig, recipe: Recipe, batch: usize) -> Box<dyn Engine> {
        Box::new(CpuEngine::new(self.cpu(), config, recipe, batch).unwrap())
    }

    fn generator(&self, network: &Network, state: &StateDict) -> Box<dyn Generate> {
        Box::new(CpuGenerator::new(self.cpu(), network, state).unwrap())
    }

    fn discriminator(&self, network: &Network, state: &StateDict) -> Box<dyn Discriminate> {
        Box::new(CpuDiscriminator::new(self.cpu(), network, state).unwrap())
    }

    fn differentiable(&self, network: &Network, state: &StateDict, max_batch: usize) -> Box<dyn Differentiate> {
        Box::new(CpuDifferentiableGenerator::new(self.cpu(), network, state, max_batch).unwrap())
    }

    fn is_exact(&self) -> bool {
        true
    }
}

/// Every instruction set with each of these numbers of threads.
fn subjects(threads: &[usize]) -> Vec<OnCpu> {
    Isa::available().into_iter().flat_map(|isa| threads.iter().map(move |&threads| OnCpu { isa, threads })).collect()
}

/// Tests of the suite that take all subjects at once.
macro_rules! with_all {
    ($threads:expr, $module:ident: $($name:ident),+) => {
        $(#[test]
        fn $name() {
            let subjects = subjects(&$threads);
            $module::$name(&subjects.iter().map(|subject| subject as &dyn Subject).collect::<Vec<_>>());
        })+
    };
}

/// Those that take one.
macro_rules! with_each {
    ($module:ident: $($name:ident),+) => {
        $(#[test]
        fn $name() {
            for_each_case(subjects(&[2]), |subject| $module::$name(subject));
        })+
    };
}

with_all! {
    [1, 2, 5], train:
    ten_steps_in_colour,
    two_steps_in_grey
}

with_all! {
    [2], gradients:
    gradients_are_right,
    every_recipe_has_the_right_gradients
}

with_all! {
    [2], eval:
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

#[test]
fn threads_change_no_bit() {
    for_each_case(Isa::available(), |&isa| {
        let [one, two, five] = [1, 2, 5].map(|threads| OnCpu { isa, threads });
        steps::all_subjects_agree_to_the_bit(&[&one, &two, &five]);
    });
}

/// If this fails, the suite no longer covers Winograd's algorithm.
#[test]
fn winograd_is_used() {
    let mut algorithms = Vec::new();
    for network in [Network::discriminator(&steps::CONFIG), Network::generator(&steps::CONFIG)] {
        for (layer, input, output) in network.shapes() {
            let (big, small, conv) = match layer {
                Layer::Conv2d(conv) => (input, output, conv),
                Layer::ConvTranspose2d(conv) => (output, input, conv),
                _ => continue,
            };
            let plane = Plane { height: big.height, width: big.width, channels: big.channels };
            let shape = ConvShape::new(plane, small.channels, conv.kernel, conv.stride, conv.padding);
            algorithms.push(Algorithm::select(&shape));
        }
    }
    assert!(algorithms.contains(&Algorithm::Winograd4), "{algorithms:?}");
}
