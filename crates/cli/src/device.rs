//! What the networks are computed on: the processor, or a GPU where the program was built with an engine for it.

mod choice;
#[cfg(feature = "engine-gpu")]
mod gpu;
#[cfg(not(feature = "engine-gpu"))]
#[path = "device/no_gpu.rs"]
mod gpu;

#[cfg(test)]
pub(crate) use choice::Kind;
pub(crate) use choice::{DeviceInfo, LocalRank, built_in, devices_of, install_command, select};

use crate::progress::say;
use crate::threads::{self, ThreadArgs};
use anyhow::{Result, anyhow};
use choice::why_cpu;
use dcgan::Generator;
use dcgan_engine_cpu::{Cpu, CpuDifferentiableGenerator, CpuDiscriminator, CpuEngine, CpuGenerator};
use dcgan_model::{
    Differentiate, Discriminate, Engine, Generate, ModelConfig, Network, Recipe, Role, SingleRank, StateDict, Transport,
};
use dcgan_settings::{DeviceChoice, Threads};
use gpu::Gpu;
use std::sync::Arc;

/// `--device` and `--threads`, shared by the commands that run networks.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct DeviceArgs {
    /// Device to compute on: auto, cpu, gpu, cuda, or one that dcgan devices lists, such as gpu:0
    #[arg(long, value_name = "DEVICE", default_value_t)]
    device: DeviceChoice,
    #[command(flatten)]
    threads: ThreadArgs,
}

impl DeviceArgs {
    /// Starts the threads that read, draw and write pictures, and opens the device. To be called once.
    pub(crate) fn start(self) -> Result<Device> {
        self.start_on_rank(LocalRank::ALONE)
    }

    /// As [`DeviceArgs::start`], on one of several ranks.
    pub(crate) fn start_on_rank(self, local: LocalRank) -> Result<Device> {
        self.threads.start()?;
        Device::open(self.device, self.threads.count(), local)
    }
}

/// An open device.
#[derive(Debug)]
pub(crate) enum Device {
    Cpu(Cpu),
    Gpu(Gpu),
}

/// The devices that the GPU engine can use.
pub(crate) fn find() -> Vec<DeviceInfo> {
    gpu::find()
}

impl Device {
    /// Opens what was asked for; `threads` are for the processor. Ranks of one machine each open a GPU of their own.
    /// What `auto` has come to is said, if there was a choice.
    ///
    /// # Errors
    /// If it is not there, or does not work. `auto` then takes the processor.
    pub(crate) fn open(choice: DeviceChoice, threads: Option<Threads>, local: LocalRank) -> Result<Self> {
        let cpu = || threads::cpu(threads).map(Self::Cpu);
        if choice == DeviceChoice::Cpu {
            return cpu();
        }
        let (found, built_in) = (find(), built_in());
        let chosen = select(choice, &found, &built_in, local)?.map(|place| &found[place]);
        let (device, text) = match (chosen, choice) {
            (None, _) => (cpu()?, format!("CPU: {}", why_cpu(&found))),
            (Some(found), DeviceChoice::Auto) => match Gpu::open(found) {
                Ok(gpu) => (Self::Gpu(gpu), format!("{found}: the best that was found ({})", found.kind)),
                Err(error) => (cpu()?, format!("CPU: {error:#}")),
            },
            (Some(found), _) => {
                let useless = |error| anyhow!("--device {choice}: {error:#}; --device cpu computes without it");
                (Self::Gpu(Gpu::open(found).map_err(useless)?), found.to_string())
            }
        };
        if !built_in.is_empty() {
            say(&format!("device    {text}"));
        }
        Ok(device)
    }

    /// For people, without the number of threads, which changes no bit.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Cpu(_) => "CPU".to_owned(),
            Self::Gpu(gpu) => gpu.description(),
        }
    }

    /// The processor, if that is the device.
    pub(crate) fn cpu(&self) -> Option<&Cpu> {
        match self {
            Self::Cpu(cpu) => Some(cpu),
            Self::Gpu(_) => None,
        }
    }

    /// Trains, alone or as the rank of a transport.
    ///
    /// # Errors
    /// If there is not enough memory, or the recipe does not fit.
    pub(crate) fn engine(
        &self,
        config: &ModelConfig,
        recipe: Recipe,
        batch: usize,
        transport: Option<&Arc<dyn Transport>>,
    ) -> Result<Box<dyn Engine>> {
        let transport = transport.map_or_else(|| Arc::new(SingleRank) as Arc<dyn Transport>, Arc::clone);
        match self {
            Self::Cpu(cpu) => Ok(Box::new(CpuEngine::with_transport(cpu.clone(), config, recipe, batch, transport)?)),
            Self::Gpu(gpu) => gpu.engine(config, recipe, batch, transport),
        }
    }

    /// Draws.
    ///
    /// # Errors
    /// If `network` is no generator.
    pub(crate) fn generator(&self, network: &Network, state: &StateDict) -> Result<Generator> {
        if network.role != Role::Generator {
            return Err(dcgan::Error::Role(network.role).into());
        }
        let engine: Box<dyn Generate + Send> = match self {
            Self::Cpu(cpu) => Box::new(CpuGenerator::new(cpu.clone(), network, state)?),
            Self::Gpu(gpu) => gpu.generator(network, state)?,
        };
        Ok(Generator::with_engine(engine, network.config))
    }

    /// Judges.
    pub(crate) fn discriminator(&self, network: &Network, state: &StateDict) -> Result<Box<dyn Discriminate>> {
        match self {
            Self::Cpu(cpu) => Ok(Box::new(CpuDiscriminator::new(cpu.clone(), network, state)?)),
            Self::Gpu(gpu) => gpu.discriminator(network, state),
        }
    }

    /// Leads from up to `max_batch` pictures back to their noise.
    pub(crate) fn differentiable(
        &self,
        network: &Network,
        state: &StateDict,
        max_batch: usize,
    ) -> Result<Box<dyn Differentiate>> {
        match self {
            Self::Cpu(cpu) => Ok(Box::new(CpuDifferentiableGenerator::new(cpu.clone(), network, state, max_batch)?)),
            Self::Gpu(gpu) => gpu.differentiable(network, state, max_batch),
        }
    }
}
