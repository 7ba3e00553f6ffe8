//! Checkpoints: everything that a training needs to go on as if it had never stopped, in one safetensors file.
//!
//! | tensors | what they are |
//! |---|---|
//! | `discriminator.0.weight` … | D's state_dict |
//! | `discriminator_adam.exp_avg.0.weight` …, `discriminator_adam.exp_avg_sq.0.weight` … | the state of D's Adam |
//! | `discriminator_adam.step` | Adam steps that D has taken |
//! | `generator.0.weight` …, `generator_adam.…` | the same of G |
//! | `generator_average.0.weight` … | the moving average of G's parameters, if one is kept |
//! | `rng` | the noise's random numbers, see [`TorchRng::state`] |
//!
//! The metadata say `format` ("dcgan checkpoint"), `format_version`, `progress` (a [`Progress`] in JSON), the sizes of the networks, and what
//! the writer adds. The checksum is that of every safetensors file of ours.

use crate::error::{ErrorKind, FormatError};
use crate::load::read_file;
use crate::safetensors::write_tensors;
use crate::{Metadata, describe, natural, read_safetensors};
use dcgan_model::{
    AdamState, ModelConfig, Network, NetworkState, Role, StateDict, Tensor, TensorData, TensorSpec, TorchRng,
    TrainState,
};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::Path;

/// The version of the layout that is written, and the newest that is read.
const CHECKPOINT_VERSION: u32 = 1;

const FORMAT: &str = "format";
const FORMAT_NAME: &str = "dcgan checkpoint";
const FORMAT_VERSION: &str = "format_version";
const PROGRESS: &str = "progress";
const RNG: &str = "rng";
const AVERAGE: &str = "generator_average.";

/// A training between two steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Both networks and both optimizers.
    pub state: TrainState,
    /// The stream that the noise comes from.
    pub rng: TorchRng,
    /// How far the training is.
    pub progress: Progress,
}

/// How far a training is, and what it has to remember of the epoch under way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps taken.
    pub step: u64,
    /// Epochs ended.
    pub epoch: u64,
    /// Pictures seen in the epoch under way, in its order.
    pub pictures: u64,
    /// Sums over the steps of the epoch under way.
    pub sums: EpochSums,
    /// The last epochs' means, oldest first.
    pub recent: Vec<EpochMeans>,
    /// How often the training went back because a number was not finite.
    pub rollbacks: u32,
}

/// Sums over the steps of an epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochSums {
    /// Steps taken.
    pub steps: u64,
    /// Of D's loss, real and fake together.
    pub d_loss: f64,
    /// Of G's loss.
    pub g_loss: f64,
    /// Of D(x).
    pub d_x: f64,
    /// Of D(G(z)) before D learns from these fakes.
    pub d_g_z1: f64,
}

/// [`EpochSums`] divided by the number of steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochMeans {
    /// D's loss, real and fake together.
    pub d_loss: f64,
    /// G's loss.
    pub g_loss: f64,
    /// D(x).
    pub d_x: f64,
    /// D(G(z)) before D learns from these fakes.
    pub d_g_z1: f64,
}

impl EpochSums {
    /// The means over the epoch, of no worth if it has no step.
    pub fn means(&self) -> EpochMeans {
        let [d_loss, g_loss, d_x, d_g_z1] =
            [self.d_loss, self.g_loss, self.d_x, self.d_g_z1].map(|sum| sum / self.steps as f64);
        EpochMeans { d_loss, g_loss, d_x, d_g_z1 }
    }
}

impl Checkpoint {
    /// The sizes of its networks.
    ///
    /// # Errors
    /// If its generator is none.
    pub fn model(&self) -> Result<ModelConfig, FormatError> {
        recognise_generator(&self.state.generator.tensors).map(|network| network.config)
    }
}

fn recognise_generator(tensors: &StateDict) -> Result<Network, FormatError> {
    Network::recognise(tensors).map_err(|error| FormatError::unsupported(format!("its generator is none: {error}")))
}

/// The tensors of a network in the file: its own, and of its optimizer the two moments and the steps taken.
struct Names {
    tensors: String,
    exp_avg: String,
    exp_avg_sq: String,
    adam_step: String,
}

impl Names {
    fn new(role: Role) -> Self {
        Self {
            tensors: format!("{role}."),
            exp_avg: format!("{role}_adam.exp_avg."),
            exp_avg_sq: format!("{role}_adam.exp_avg_sq."),
            adam_step: format!("{role}_adam.step"),
        }
    }
}

/// Writes a checkpoint, with `facts` beside its own metadata. The same input always gives the same bytes.
///
/// # Errors
/// [`ErrorKind::Io`](crate::ErrorKind::Io) if `out` cannot be written, another kind if the generator is none.
pub fn write_checkpoint(out: &mut impl Write, checkpoint: &Checkpoint, facts: &Metadata) -> Result<(), FormatError> {
    let Checkpoint { state, rng, progress } = checkpoint;
    let mut integers = vec![(RNG.to_owned(), i64s(rng.state()))];
    let mut tensors = Vec::new();
    for (role, network) in [(Role::Discriminator, &state.discriminator), (Role::Generator, &state.generator)] {
        let NetworkState { tensors: own, adam: AdamState { step, exp_avg, exp_avg_sq } } = network;
        let names = Names::new(role);
        integers.push((names.adam_step, Tensor::scalar_i64(*step as i64)));
        for (prefix, state) in [(names.tensors, own), (names.exp_avg, exp_avg), (names.exp_avg_sq, exp_avg_sq)] {
            tensors.extend(state.iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)));
        }
    }
    if let Some(average) = &state.average {
        tensors.extend(average.iter().map(|(name, tensor)| (format!("{AVERAGE}{name}"), tensor)));
    }
    tensors.extend(integers.iter().map(|(name, tensor)| (name.clone(), tensor)));

    let mut metadata = facts.clone();
    metadata.extend(describe(&Network::generator(&checkpoint.model()?)));
    // It holds both.
    metadata.remove("network");
    let progress = serde_json::to_string(progress).map_err(|error| FormatError::malformed(error.to_string()))?;
    let version = CHECKPOINT_VERSION.to_string();
    let own = [(FORMAT, FORMAT_NAME.to_owned()), (FORMAT_VERSION, version), (PROGRESS, progress)];
    metadata.extend(own.map(|(key, value)| (key.to_owned(), value)));
    write_tensors(out, tensors, &metadata)
}

fn i64s(values: Vec<i64>) -> Tensor {
    Tensor { shape: vec![values.len()], data: TensorData::I64(values) }
}

/// Whether these are the metadata of a checkpoint.
pub(crate) fn is_checkpoint(metadata: &Metadata) -> bool {
    metadata.get(FORMAT).is_some_and(|format| format == FORMAT_NAME)
}

/// Finds out the generator of a checkpoint. Its tensors are taken out and put back, which copies none of them.
fn find_generator(tensors: &mut StateDict) -> Result<Network, FormatError> {
    let prefix = Names::new(Role::Generator).tensors;
    let mut generator = StateDict::new();
    for (name, tensor) in std::mem::take(tensors) {
        match name.strip_prefix(&prefix) {
            Some(own) => generator.insert(own.to_owned(), tensor),
            None => tensors.insert(name, tensor),
        };
    }
    generator.sort_by(|a, _, b, _| natural::compare(a, b));
    let network = recognise_generator(&generator)?;
    tensors.extend(generator.into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)));
    Ok(network)
}

/// Reads a checkpoint from a file, and the metadata beside it.
///
/// # Errors
/// One sentence that begins with the path. See [`ErrorKind`](crate::ErrorKind).
pub fn load_checkpoint(path: impl AsRef<Path>) -> Result<(Checkpoint, Metadata), FormatError> {
    let path = path.as_ref();
    read_file(path).and_then(|bytes| read_checkpoint(&bytes)).map_err(|error| error.within(path.display()))
}

/// Reads a checkpoint that is in memory, and the metadata beside it.
///
/// # Errors
/// [`ErrorKind::NotThisFormat`] if it is something else, [`ErrorKind::Unsupported`] if a newer program wrote it,
/// [`ErrorKind::Malformed`] if it is damaged, a tensor is missing or has another shape.
pub fn read_checkpoint(bytes: &[u8]) -> Result<(Checkpoint, Metadata), FormatError> {
    let (mut tensors, mut metadata) = read_safetensors(bytes)?;
    if !is_checkpoint(&metadata) {
        return Err(FormatError::new(ErrorKind::NotThisFormat, "it is no checkpoint, though it is safetensors"));
    }
    let mut entry =
        |key: &str| metadata.remove(key).ok_or_else(|| FormatError::malformed(format!("it does not say its {key}")));
    entry(FORMAT)?;
    let version = entry(FORMAT_VERSION)?;
    if version != CHECKPOINT_VERSION.to_string() {
        return Err(FormatError::unsupported(format!(
            "it is a checkpoint of format {version:?}, and this dcgan reads format {CHECKPOINT_VERSION}: \
             use the dcgan that wrote it"
        )));
    }
    let progress = serde_json::from_str(&entry(PROGRESS)?)
        .map_err(|error| FormatError::malformed(format!("its progress is damaged ({error})")))?;
    let rng = take(&mut tensors, RNG)?;
    let rng = rng.as_i64().and_then(TorchRng::from_state);
    let rng = rng.ok_or_else(|| FormatError::malformed("tensor rng is no state of a random number generator"))?;
    let generator = find_generator(&mut tensors)?;
    let averages = tensors.keys().any(|name| name.starts_with(AVERAGE));
    let parameters = || generator.tensors().into_iter().filter(|spec| spec.is_parameter);
    let state = TrainState {
        discriminator: take_network(&mut tensors, &Network::discriminator(&generator.config))?,
        generator: take_network(&mut tensors, &generator)?,
        average: averages.then(|| take_all(&mut tensors, AVERAGE, parameters())).transpose()?,
    };
    if let Some(name) = tensors.keys().next() {
        return Err(FormatError::malformed(format!("tensor {name} has no place in a checkpoint")));
    }
    Ok((Checkpoint { state, rng, progress }, metadata))
}

fn take(tensors: &mut StateDict, name: &str) -> Result<Tensor, FormatError> {
    tensors.shift_remove(name).ok_or_else(|| FormatError::malformed(format!("tensor {name} is missing")))
}

/// Takes what belongs to a network and its optimizer, and checks that it fits.
fn take_network(tensors: &mut StateDict, network: &Network) -> Result<NetworkState, FormatError> {
    let names = Names::new(network.role);
    let step = take(tensors, &names.adam_step)?;
    let step = step.as_i64().and_then(|values| u64::try_from(*values.first()?).ok());
    let step = step.ok_or_else(|| FormatError::malformed(format!("tensor {} is no count", names.adam_step)))?;
    let specs = network.tensors();
    let parameters = || specs.iter().filter(|spec| spec.is_parameter).cloned();
    let exp_avg = take_all(tensors, &names.exp_avg, parameters())?;
    let exp_avg_sq = take_all(tensors, &names.exp_avg_sq, parameters())?;
    let tensors = take_all(tensors, &names.tensors, specs.into_iter())?;
    Ok(NetworkState { tensors, adam: AdamState { step, exp_avg, exp_avg_sq } })
}

/// Takes the tensors of `specs`, whose names in the file begin with `prefix`.
fn take_all(
    tensors: &mut StateDict,
    prefix: &str,
    specs: impl Iterator<Item = TensorSpec>,
) -> Result<StateDict, FormatError> {
    let take_one = |spec: TensorSpec| {
        let name = format!("{prefix}{}", spec.name);
        let tensor = take(tensors, &name)?;
        if tensor.shape != spec.shape || tensor.as_i64().is_some() != spec.is_integer {
            return Err(FormatError::malformed(format!(
                "tensor {name} has shape {:?} or type other than the expected {:?}",
                tensor.shape, spec.shape
            )));
        }
        Ok((spec.name, tensor))
    };
    specs.map(take_one).collect()
}
