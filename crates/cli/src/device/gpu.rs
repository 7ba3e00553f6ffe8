//! The devices of `dcgan-engine-gpu`.

use super::choice::{DeviceInfo, Kind};
use anyhow::{Context, Result};
use dcgan_engine_gpu::{
    Adapter, AdapterKind, GpuDevice, GpuDifferentiableGenerator, GpuDiscriminator, GpuEngine, GpuGenerator, adapters,
};
use dcgan_model::{Differentiate, Discriminate, Engine, Generate, ModelConfig, Network, Recipe, StateDict, Transport};
use dcgan_settings::GpuApi;
use std::sync::{Arc, LazyLock};

/// An open device.
#[derive(Debug)]
pub(crate) struct Gpu(GpuDevice);

/// All adapters. They are listed once, because asking the drivers takes time.
static ADAPTERS: LazyLock<Vec<Adapter>> = LazyLock::new(adapters);

/// Returns all devices that can be opened.
pub(super) fn find() -> Vec<DeviceInfo> {
    ADAPTERS.iter().map(found).collect()
}

/// Converts the GPU engine's description of a device to that of the command line.
fn found(adapter: &Adapter) -> DeviceInfo {
    let api = match adapter.api {
        dcgan_engine_gpu::Api::Wgpu => GpuApi::Wgpu,
        dcgan_engine_gpu::Api::Cuda => GpuApi::Cuda,
    };
    let kind = match adapter.kind {
        AdapterKind::Discrete => Kind::Discrete,
        AdapterKind::Integrated => Kind::Integrated,
        AdapterKind::Virtual => Kind::Virtual,
        AdapterKind::Software => Kind::Software,
        AdapterKind::Other => Kind::Other,
    };
    DeviceInfo { api, index: adapter.index, kind, name: adapter.name.clone(), driver: adapter.driver.clone() }
}

impl Gpu {
    /// Opens a device that [`find`] has returned.
    pub(super) fn open(device: &DeviceInfo) -> Result<Self> {
        let adapter = ADAPTERS.iter().find(|adapter| found(adapter) == *device);
        let adapter = adapter.with_context(|| format!("{device} is not there"))?;
        Ok(Self(GpuDevice::open(adapter)?))
    }

    pub(super) fn description(&self) -> String {
        self.0.description()
    }

    pub(super) fn engine(
        &self,
        config: &ModelConfig,
        recipe: Recipe,
        batch: usize,
        transport: Arc<dyn Transport>,
    ) -> Result<Box<dyn Engine>> {
        Ok(Box::new(GpuEngine::with_transport(&self.0, config, recipe, batch, transport)?))
    }

    pub(super) fn generator(&self, network: &Network, state: &StateDict) -> Result<Box<dyn Generate + Send>> {
        Ok(Box::new(GpuGenerator::new(&self.0, network, state)?))
    }

    pub(super) fn discriminator(&self, network: &Network, state: &StateDict) -> Result<Box<dyn Discriminate>> {
        Ok(Box::new(GpuDiscriminator::new(&self.0, network, state)?))
    }

    pub(super) fn differentiable(
        &self,
        network: &Network,
        state: &StateDict,
        max_batch: usize,
    ) -> Result<Box<dyn Differentiate>> {
        Ok(Box::new(GpuDifferentiableGenerator::new(&self.0, network, state, max_batch)?))
    }
}
