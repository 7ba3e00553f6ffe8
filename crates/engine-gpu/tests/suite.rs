//! The suite that every engine passes, on one device: the one whose place among all devices `DCGAN_TEST_DEVICE` gives,
//! else Mesa's software device.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use dcgan_engine_cpu::{Cpu, CpuDifferentiableGenerator, CpuDiscriminator, CpuEngine, CpuGenerator, Isa};
use dcgan_engine_gpu::{
    AdapterKind, GpuDevice, GpuDifferentiableGenerator, GpuDiscriminator, GpuEngine, GpuGenerator, adapters,
};
use dcgan_engine_tests::Subject;
use dcgan_engine_tests::ranks::{self, Schedule};
use dcgan_model::{
    Differentiate, Discriminate, Engine, EngineError, Generate, ModelConfig, Network, Recipe, StateDict, Transport,
};
use std::sync::Arc;

struct OnGpu {
    gpu: GpuDevice,
    shards: usize,
}

impl OnGpu {
    fn new(shards: usize) -> Self {
        let adapters = adapters();
        let adapter = match std::env::var("DCGAN_TEST_DEVICE") {
            Ok(place) => adapters.get(place.parse::<usize>().unwrap()),
            Err(_) => adapters.iter().find(|adapter| adapter.kind == AdapterKind::Software),
        };
        let adapter = adapter.unwrap_or_else(|| panic!("no device to test on; there are {adapters:#?}"));
        Self { gpu: GpuDevice::open(adapter).unwrap(), shards }
    }
}

impl Subject for OnGpu {
    fn name(&self) -> String {
        format!("{}, {} shards", self.gpu.description(), self.shards)
    }

    fn engine(&self, config: &ModelConfig, recipe: Recipe, batch: usize) -> Box<dyn Engine> {
        let recipe = Recipe { shards: self.shards, ..recipe };
        Box::new(GpuEngine::new(&self.gpu, config, recipe, batch).unwrap())
    }

    fn distributed(
        &self,
        config: &ModelConfig,
        recipe: Recipe,
        batch: usize,
        transport: Arc<dyn Transport>,
    ) -> Result<Box<dyn Engine>, EngineError> {
        Ok(Box::new(GpuEngine::with_transport(&self.gpu, config, recipe, batch, transport)?))
    }

    fn generator(&self, network: &Network, state: &StateDict) -> Box<dyn Generate> {
        Box::new(GpuGenerator::new(&self.gpu, network, state).unwrap())
    }

    fn discriminator(&self, network: &Network, state: &StateDict) -> Box<dyn Discriminate> {
        Box::new(GpuDiscriminator::new(&self.gpu, network, state).unwrap())
    }

    fn differentiable(&self, network: &Network, state: &StateDict, max_batch: usize) -> Box<dyn Differentiate> {
        Box::new(GpuDifferentiableGenerator::new(&self.gpu, network, state, max_batch).unwrap())
    }

    fn is_exact(&self) -> bool {
        false
    }
}

/// The engine that the GPU's ranks are compared with.
struct OnCpu(Cpu);

impl Subject for OnCpu {
    fn name(&self) -> String {
        "CPU".to_owned()
    }

    fn engine(&self, config: &ModelConfig, recipe: Recipe, batch: usize) -> Box<dyn Engine> {
        Box::new(CpuEngine::new(self.0.clone(), config, recipe, batch).unwrap())
    }

    fn distributed(
        &self,
        config: &ModelConfig,
        recipe: Recipe,
        batch: usize,
        transport: Arc<dyn Transport>,
    ) -> Result<Box<dyn Engine>, EngineError> {
        Ok(Box::new(CpuEngine::with_transport(self.0.clone(), config, recipe, batch, transport)?))
    }

    fn generator(&self, network: &Network, state: &StateDict) -> Box<dyn Generate> {
        Box::new(CpuGenerator::new(self.0.clone(), network, state).unwrap())
    }

    fn discriminator(&self, network: &Network, state: &StateDict) -> Box<dyn Discriminate> {
        Box::new(CpuDiscriminator::new(self.0.clone(), network, state).unwrap())
    }

    fn differentiable(&self, network: &Network, state: &StateDict, max_batch: usize) -> Box<dyn Differentiate> {
        Box::new(CpuDifferentiableGenerator::new(self.0.clone(), network, state, max_batch).unwrap())
    }

    fn is_exact(&self) -> bool {
        true
    }
}

fn whole() -> [OnGpu; 1] {
    [OnGpu::new(1)]
}

/// Whole batches; and batches cut into shards, some of which have no images.
fn subjects() -> [OnGpu; 2] {
    [1, 9].map(OnGpu::new)
}

dcgan_engine_tests::suite!(whole, subjects);

/// Every rank has a device of its own only where there are several; here threads share one.
#[test]
fn ranks_change_no_bit() {
    let gpu = OnGpu::new(1);
    ranks::ranks_change_no_bit(&gpu, &[(2, &[2])], &[Schedule::Together { seed: 2 }]);
    // Shards without images too.
    ranks::ranks_change_no_bit(&gpu, &[(9, &[4])], &[Schedule::InTurns { seed: 1 }]);
}

#[test]
fn ranks_agree_with_the_cpu() {
    let cpu = OnCpu(Cpu::new(Isa::select().unwrap(), 1).unwrap());
    ranks::ranks_agree_with_another_engine(&OnGpu::new(1), 2, &cpu);
}

#[test]
fn failures_of_ranks_are_errors() {
    ranks::failures_of_ranks_are_errors(&OnGpu::new(1));
}
