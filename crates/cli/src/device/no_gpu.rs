//! What a program has in the place of `gpu.rs` that is built without a GPU engine: no device is found, so that none can be opened.

use super::choice::Found;
use anyhow::Result;
use dcgan_model::{Differentiate, Discriminate, Engine, Generate, ModelConfig, Network, Recipe, StateDict};

/// There is no value of it.
#[derive(Debug)]
pub(crate) enum Gpu {}

/// Nothing.
pub(super) fn find() -> Vec<Found> {
    Vec::new()
}

impl Gpu {
    pub(super) fn open(found: &Found) -> Result<Self> {
        anyhow::bail!("{found} cannot be used by this program")
    }

    pub(super) fn description(&self) -> String {
        match *self {}
    }

    pub(super) fn engine(&self, _: &ModelConfig, _: Recipe, _: usize) -> Result<Box<dyn Engine>> {
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
