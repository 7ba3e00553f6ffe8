//! A trained generator.

use crate::Error;
use crate::noise::seed_noise;
use dcgan_engine_cpu::{Cpu, CpuGenerator, Isa};
use dcgan_formats::Model;
use dcgan_model::{Engine, Generate, ModelConfig, Network, Role};
use dcgan_train::Picture;
use rayon::prelude::*;
use std::fmt;
use std::path::Path;

/// The processor, with the best instruction set it has (or the one that the environment's `DCGAN_ISA` names) and so many threads; `None` is one per
/// core.
///
/// # Errors
/// If `DCGAN_ISA` names none that is there, or threads cannot be started.
pub fn cpu(threads: Option<usize>) -> Result<Cpu, Error> {
    let isa = Isa::select().map_err(Error::InstructionSet)?;
    Cpu::new(isa, threads.unwrap_or(0)).map_err(|source| Error::Threads(source.into()))
}

/// A trained generator, ready to draw.
pub struct Generator {
    engine: Box<dyn Generate + Send>,
    config: ModelConfig,
}

impl fmt::Debug for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Generator {
    /// Reads a generator from a file that `dcgan` or PyTorch wrote, whatever its format, and draws with all cores.
    ///
    /// # Errors
    /// If the file cannot be read or holds no generator; see [`Error`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::new(&dcgan_formats::load(path)?, cpu(None)?)
    }

    /// Takes the weights of `model`, and draws with `cpu`.
    ///
    /// # Errors
    /// If `model` is no generator.
    pub fn new(model: &Model, cpu: Cpu) -> Result<Self, Error> {
        if model.network.role != Role::Generator {
            return Err(Error::Role(model.network.role));
        }
        let engine = CpuGenerator::new(cpu, &model.network, &model.tensors)?;
        Ok(Self::with_engine(Box::new(engine), model.network.config))
    }

    /// Draws with `engine`, which has a generator's weights already; `config` are its sizes.
    pub fn with_engine(engine: Box<dyn Generate + Send>, config: ModelConfig) -> Self {
        Self { engine, config }
    }

    /// A copy of the generator that `engine` has trained so far, whose sizes are `config`; with averaged weights, if there is an average. It draws on
    /// the processor.
    ///
    /// # Errors
    /// If `config` is not the engine's, or the engine fails.
    pub fn from_engine(engine: &(impl Engine + ?Sized), config: &ModelConfig) -> Result<Self, Error> {
        let network = Network::generator(config);
        let state = engine.state()?;
        let mut tensors = state.generator.tensors;
        tensors.extend(state.average.into_iter().flatten());
        let engine = CpuGenerator::new(cpu(None)?, &network, &tensors)?;
        Ok(Self::with_engine(Box::new(engine), network.config))
    }

    /// The sizes of its noise and its pictures.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The faces of these seeds, in their order; see [`seed_noise`].
    ///
    /// # Errors
    /// Only if the engine fails.
    pub fn draw_seeds(&mut self, seeds: impl IntoIterator<Item = u64>) -> Result<Vec<Picture>, Error> {
        let latent_dim = self.config.latent_dim;
        let noise: Vec<f32> = seeds.into_iter().flat_map(|seed| seed_noise(seed, latent_dim)).collect();
        self.draw(&noise)
    }

    /// The faces of `noise` (N × latent, any N).
    ///
    /// # Errors
    /// If `noise` is no whole number of vectors.
    pub fn draw(&mut self, noise: &[f32]) -> Result<Vec<Picture>, Error> {
        let ModelConfig { image_size, channels, .. } = self.config;
        let values = self.draw_values(noise)?;
        let faces = values.par_chunks(self.config.image_len());
        Ok(faces.flat_map_iter(|values| Picture::from_nchw(values, channels, image_size)).collect())
    }

    /// What the network gives for `noise` (N × latent, any N): N × channels × size × size values in [−1, 1], as `G.eval()(noise)` in PyTorch.
    ///
    /// # Errors
    /// If `noise` is no whole number of vectors.
    pub fn draw_values(&mut self, noise: &[f32]) -> Result<Vec<f32>, Error> {
        Ok(self.engine.generate(noise)?)
    }
}
