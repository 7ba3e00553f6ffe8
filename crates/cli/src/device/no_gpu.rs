//! Replaces `gpu.rs` in a program that is built without a GPU engine. There are no devices.

use super::choice::DeviceInfo;
use anyhow::Result;
use dcgan_model::{Differentiate, Discriminate, Engine, Generate, ModelConfig, Network, Recipe, StateDict, Transport};
use std::sync::Arc;

/// A type without values.
#[derive(Debug)]
pub(crate) enum Gpu {}

/// Returns an empty list.
pub(super) fn find() -> Vec<DeviceInfo> {
    Vec::new()
}

impl Gpu {
    /// Returns an error: a program without the GPU engine finds no device, so this is never called. The other functions
    /// cannot be, because no [`Gpu`] exists.
    pub(super) fn open(found: &DeviceInfo) -> Result<Self> {
        anyhow::bail!("{found} cannot be used by this program")
    }

    pub(super) fn description(&self) -> String {
        match *self {}
    }

    pub(super) fn engine(
        &self,
        _: &ModelConfig,
        _: Recipe,
        _: usize,
        _: Arc<dyn Transport>,
    ) -> Result<Box<dyn Engine>> {
        match *self {}
    }

    pub(super) fn generator(&self, _: &Network, _: &StateDict) -> Result<Box<dyn Generate + Send>> {
        match *self {}
    }

    pub(super) fn discriminator(&self, _: &Network, _: &StateDict) -> Result<Box<dyn Discriminate>> {
        match *self {}
    }

    pub(super) fn differentiable(&self, _: &Network, _: &StateDict, _: usize) -> Result<Box<dyn Differentiate>> {
        match *self {}
    }
}
