//! The suite that every engine passes, on one device: the one whose place among all devices `DCGAN_TEST_DEVICE` gives,
//! else Mesa's software device.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use dcgan_engine_gpu::{
    AdapterKind, GpuDevice, GpuDifferentiableGenerator, GpuDiscriminator, GpuEngine, GpuGenerator, adapters,
};
use dcgan_engine_tests::Subject;
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

fn subjects() -> [OnGpu; 1] {
    [OnGpu::new()]
}

dcgan_engine_tests::suite!(subjects, subjects);
