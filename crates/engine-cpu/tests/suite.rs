//! The suite that every engine passes, on every instruction set.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use dcgan_engine_cpu::{Cpu, CpuDifferentiableGenerator, CpuDiscriminator, CpuEngine, CpuGenerator, Isa};
use dcgan_engine_tests::{Subject, ranks, steps};
use dcgan_kernels::conv::{Algorithm, ConvShape, Plane};
use dcgan_model::{
    Differentiate, Discriminate, Engine, EngineError, Generate, Layer, ModelConfig, Network, Recipe, StateDict,
    Transport,
};
use dcgan_testkit::for_each_case;
use std::sync::Arc;

#[derive(Debug, Clone, Copy)]
struct OnCpu {
    isa: Isa,
    threads: usize,
    shards: usize,
}

impl OnCpu {
    fn cpu(self) -> Cpu {
        Cpu::new(self.isa, self.threads).unwrap()
    }
}

impl Subject for OnCpu {
    fn name(&self) -> String {
        format!("{}, {} threads, {} shards", self.isa.name(), self.threads, self.shards)
    }

    fn engine(&self, config: &ModelConfig, recipe: Recipe, batch: usize) -> Box<dyn Engine> {
        let recipe = Recipe { shards: self.shards, ..recipe };
        Box::new(CpuEngine::new(self.cpu(), config, recipe, batch).unwrap())
    }

    fn distributed(
        &self,
        config: &ModelConfig,
        recipe: Recipe,
        batch: usize,
        transport: Arc<dyn Transport>,
    ) -> Result<Box<dyn Engine>, EngineError> {
        Ok(Box::new(CpuEngine::with_transport(self.cpu(), config, recipe, batch, transport)?))
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

/// Returns every instruction set, with two threads; and batches cut into shards, some of which have no images.
fn subjects() -> Vec<OnCpu> {
    let whole = Isa::available().into_iter().map(|isa| OnCpu { isa, threads: 2, shards: 1 });
    whole.chain(sharded()).collect()
}

/// Returns every instruction set, with one thread, two and five; and batches cut into shards.
fn with_threads() -> Vec<OnCpu> {
    let of_isa = |isa| [1, 2, 5].map(|threads| OnCpu { isa, threads, shards: 1 });
    Isa::available().into_iter().flat_map(of_isa).chain(sharded()).collect()
}

fn sharded() -> [OnCpu; 2] {
    [3, 9].map(|shards| OnCpu { isa: Isa::select().unwrap(), threads: 2, shards })
}

dcgan_engine_tests::suite!(subjects, with_threads);

#[test]
fn threads_change_no_bit() {
    for_each_case(Isa::available(), |&isa| {
        let [one, two, five] = [1, 2, 5].map(|threads| OnCpu { isa, threads, shards: 1 });
        steps::all_subjects_agree_to_the_bit(&[&one, &two, &five]);
        let [one, two] = [1, 2].map(|threads| OnCpu { isa, threads, shards: 3 });
        steps::all_subjects_agree_to_the_bit(&[&one, &two]);
    });
}

#[test]
fn ranks_change_no_bit() {
    let on_cpu = OnCpu { isa: Isa::select().unwrap(), threads: 1, shards: 1 };
    ranks::ranks_change_no_bit(&on_cpu, ranks::ALL_GROUPS, &ranks::SCHEDULES);
}

#[test]
fn failures_of_ranks_are_errors() {
    ranks::failures_of_ranks_are_errors(&OnCpu { isa: Isa::select().unwrap(), threads: 1, shards: 1 });
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
