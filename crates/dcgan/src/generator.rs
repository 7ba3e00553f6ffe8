//! A trained generator.

use crate::noise::seed_noise;
use crate::{Error, run_files};
use dcgan_engine_cpu::{Cpu, CpuGenerator, Isa};
use dcgan_files::write_durable;
use dcgan_formats::{Format, Metadata, Model, WriteOptions, describe, write};
use dcgan_image::Picture;
use dcgan_model::{Generate, ModelConfig, Network, Role, StateDict};
use rayon::prelude::*;
use std::fmt;
use std::io::Cursor;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Creates a CPU device with `threads` threads (`None`: one per core) and the best instruction set available, or the
/// one that the environment variable `DCGAN_ISA` names.
///
/// # Errors
/// [`Error::InstructionSet`] if `DCGAN_ISA` names one that is not available, [`Error::Threads`] if the threads cannot
/// be started.
pub fn cpu(threads: Option<usize>) -> Result<Cpu, Error> {
    let isa = Isa::select().map_err(Error::InstructionSet)?;
    Cpu::new(isa, threads.unwrap_or(0)).map_err(|source| Error::Threads(source.into()))
}

/// A trained generator, ready to draw. It can be shared by threads: drawing takes turns, and each turn uses all of the
/// generator's threads.
pub struct Generator {
    /// Drawing needs the engine's memory, so that one thread draws at a time.
    engine: Mutex<Box<dyn Generate + Send>>,
    config: ModelConfig,
    /// What [`Generator::save`] writes; `None` with an engine of the caller's.
    weights: Option<Weights>,
}

struct Weights {
    network: Network,
    tensors: StateDict,
    metadata: Metadata,
}

impl fmt::Debug for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Generator {
    /// Reads a generator from a file that `dcgan` or PyTorch wrote, whatever its format, or from a run's folder, and
    /// draws with all cores. In a folder it is the finished generator, or that of the newest checkpoint of a run that
    /// has not ended.
    ///
    /// # Errors
    /// If the file cannot be read or holds no generator, or the folder is no run's; see [`Error`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open(path, None, cpu(None)?)
    }

    /// Reads the generator after `epoch` from a run's folder; [`epoch_generators`](crate::epoch_generators) lists those
    /// that there are.
    ///
    /// # Errors
    /// [`Error::NoEpoch`] if it was not kept, and as [`load`](Self::load).
    pub fn load_epoch(folder: impl AsRef<Path>, epoch: u64) -> Result<Self, Error> {
        Self::open(run_files::epoch_file(folder.as_ref(), epoch)?, None, cpu(None)?)
    }

    /// Reads the generator of a name from a file that holds several, such as `netG_ema`; otherwise as
    /// [`load`](Self::load).
    ///
    /// # Errors
    /// If the file cannot be read or holds no generator of that name; see [`Error`].
    pub fn load_named(path: impl AsRef<Path>, name: &str) -> Result<Self, Error> {
        Self::open(path, Some(name), cpu(None)?)
    }

    /// As [`load`](Self::load), or with a name as [`load_named`](Self::load_named), but draws with `cpu`.
    ///
    /// # Errors
    /// Those of the two.
    pub fn open(path: impl AsRef<Path>, name: Option<&str>, cpu: Cpu) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = if path.is_dir() { run_files::generator_file(path)? } else { path.to_owned() };
        let model = match name {
            Some(name) => dcgan_formats::load_named(file, name)?,
            None => dcgan_formats::load(file)?,
        };
        Self::new(&model, cpu)
    }

    /// Reads a generator in any format from memory, and draws with `cpu`.
    ///
    /// # Errors
    /// If the bytes hold no generator; see [`Error`].
    pub fn from_bytes(bytes: &[u8], cpu: Cpu) -> Result<Self, Error> {
        Self::new(&dcgan_formats::load_bytes(bytes)?, cpu)
    }

    /// Creates a generator of the same weights that draws with `cpu`.
    ///
    /// # Errors
    /// [`Error::NoWeights`] after [`Generator::with_engine`], [`Error::Engine`] if there is not enough memory.
    pub fn with_cpu(&self, cpu: Cpu) -> Result<Self, Error> {
        let Weights { network, tensors, metadata } = self.weights.as_ref().ok_or(Error::NoWeights)?;
        Self::with_metadata(network, tensors.clone(), metadata.clone(), cpu)
    }

    /// Creates a generator from `model` that draws with `cpu`.
    ///
    /// # Errors
    /// [`Error::Role`] if `model` is not a generator, [`Error::File`] if its weights are not finite.
    pub fn new(model: &Model, cpu: Cpu) -> Result<Self, Error> {
        if model.network.role != Role::Generator {
            return Err(Error::Role(model.network.role));
        }
        model.check_finite()?;
        let metadata = model.metadata.clone();
        Self::with_metadata(&model.network, model.tensors.clone(), metadata, cpu)
    }

    /// Creates a generator from the tensors of `network`, as [`trained_generator`](crate::trained_generator) returns
    /// them, that draws with `cpu`.
    ///
    /// # Errors
    /// [`Error::Role`] if `network` is not a generator, [`Error::Tensors`] if the tensors are not its own.
    pub fn from_tensors(network: &Network, tensors: StateDict, cpu: Cpu) -> Result<Self, Error> {
        if network.role != Role::Generator {
            return Err(Error::Role(network.role));
        }
        Self::with_metadata(network, tensors, Metadata::new(), cpu)
    }

    fn with_metadata(network: &Network, tensors: StateDict, metadata: Metadata, cpu: Cpu) -> Result<Self, Error> {
        let engine = CpuGenerator::new(cpu, network, &tensors)?;
        let weights = Some(Weights { network: network.clone(), tensors, metadata });
        Ok(Self { engine: Mutex::new(Box::new(engine)), config: network.config, weights })
    }

    /// Creates a generator that draws with `engine`, which already has the weights; `config` has its sizes.
    pub fn with_engine(engine: Box<dyn Generate + Send>, config: ModelConfig) -> Self {
        Self { engine: Mutex::new(engine), config, weights: None }
    }

    /// Writes the generator to a file whose extension says the format: `.pt` (TorchScript, for `torch.jit.load`),
    /// `.pth` (a state_dict, for `torch.load`), `.safetensors` or `.onnx`. A file of that name is replaced once the new
    /// one is complete.
    ///
    /// # Errors
    /// [`Error::UnknownFormat`] for another extension, [`Error::Write`] if the file cannot be written,
    /// [`Error::NoWeights`] after [`Generator::with_engine`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let format = Format::from_path(path).ok_or_else(|| Error::UnknownFormat(path.to_owned()))?;
        let bytes = self.to_bytes(format)?;
        write_durable(path, &bytes).map_err(|source| Error::Write { path: path.to_owned(), source })
    }

    /// Returns the generator as a file in memory, as [`save`](Self::save) writes it.
    ///
    /// # Errors
    /// [`Error::NoWeights`] after [`Generator::with_engine`], [`Error::File`] for [`Format::Checkpoint`].
    pub fn to_bytes(&self, format: Format) -> Result<Vec<u8>, Error> {
        let Weights { network, tensors, metadata } = self.weights.as_ref().ok_or(Error::NoWeights)?;
        let mut metadata = metadata.clone();
        metadata.extend(describe(network));
        let mut bytes = Vec::new();
        write(Cursor::new(&mut bytes), format, network, tensors, &metadata, &WriteOptions::default())?;
        Ok(bytes)
    }

    /// Returns the tensors by PyTorch's names and in their order, as `G.state_dict()`.
    ///
    /// # Errors
    /// [`Error::NoWeights`] after [`Generator::with_engine`].
    pub fn state_dict(&self) -> Result<&StateDict, Error> {
        self.weights.as_ref().map(|weights| &weights.tensors).ok_or(Error::NoWeights)
    }

    /// Returns the sizes of its noise and its pictures.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Draws the pictures of `seeds`, in their order; see [`seed_noise`].
    ///
    /// # Errors
    /// Only if the engine fails.
    pub fn draw_seeds(&self, seeds: impl IntoIterator<Item = u64>) -> Result<Vec<Picture>, Error> {
        let latent_dim = self.config.latent_dim;
        let noise: Vec<f32> = seeds.into_iter().flat_map(|seed| seed_noise(seed, latent_dim)).collect();
        self.draw(&noise)
    }

    /// Draws the pictures of `noise` (N × latent, any N).
    ///
    /// # Errors
    /// If `noise` is no whole number of vectors.
    pub fn draw(&self, noise: &[f32]) -> Result<Vec<Picture>, Error> {
        let ModelConfig { image_size, channels, .. } = self.config;
        let values = self.draw_values(noise)?;
        let faces = values.par_chunks(self.config.image_len());
        Ok(faces.flat_map_iter(|values| Picture::from_nchw(values, channels, image_size)).collect())
    }

    /// Returns the output of the network for `noise` (N × latent, any N): N × channels × size × size values in
    /// [−1, 1], as `G.eval()(noise)` in PyTorch.
    ///
    /// # Errors
    /// If `noise` is no whole number of vectors.
    pub fn draw_values(&self, noise: &[f32]) -> Result<Vec<f32>, Error> {
        // A panic of another thread while it drew does no harm: all memory of the engine is written before it is read.
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(engine.generate(noise)?)
    }
}
