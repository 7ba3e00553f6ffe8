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
//! The metadata say `format` ("dcgan checkpoint"), `format_version`, `progress` (a [`Progress`](dcgan_model::Progress)
//! in JSON), the sizes of the networks, and what the writer adds. The checksum is that of every safetensors file of
//! ours.

use crate::error::{ErrorKind, FormatError};
use crate::file::read_file;
use crate::model::{Metadata, describe};
use crate::natural;
use crate::safetensors::{read_safetensors, write_tensors};
use dcgan_model::{
    AdamState, Checkpoint, ModelConfig, Network, NetworkState, Role, StateDict, Tensor, TensorData, TensorSpec,
    TorchRng, TrainState,
};
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

/// Returns the configuration of the networks of a checkpoint.
///
/// # Errors
/// If they are not those of a DCGAN.
pub fn checkpoint_config(checkpoint: &Checkpoint) -> Result<ModelConfig, FormatError> {
    let TrainState { generator, discriminator, .. } = &checkpoint.state;
    let generator = recognize(&generator.tensors, Role::Generator)?;
    let discriminator = recognize(&discriminator.tensors, Role::Discriminator)?;
    Ok(join_configs(&generator, &discriminator))
}

/// Recognizes a network of this role by its tensors.
fn recognize(tensors: &StateDict, role: Role) -> Result<Network, FormatError> {
    match Network::recognize(tensors) {
        Ok(network) if network.role == role => Ok(network),
        Ok(network) => Err(FormatError::unsupported(format!("its {role} is a {}", network.role))),
        Err(error) => Err(FormatError::unsupported(format!("its {role} is none: {error}"))),
    }
}

/// The configuration of which each network knows its half.
fn join_configs(generator: &Network, discriminator: &Network) -> ModelConfig {
    let ModelConfig { base_channels_d, norm_d, .. } = discriminator.config;
    ModelConfig { base_channels_d, norm_d, ..generator.config }
}

/// The tensors of a network in the file: its own, and of its optimizer the two moments and the steps taken.
struct Names {
    tensors: String,
    exp_avg: String,
    exp_avg_sq: String,
    adam_step: String,
}

impl Names {
    /// Returns the names, and the starts of names, of the tensors of a network of this role.
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
    metadata.extend(describe(&Network::generator(&checkpoint_config(checkpoint)?)));
    // It holds both.
    metadata.remove("network");
    let progress = serde_json::to_string(progress).map_err(|error| FormatError::malformed(error.to_string()))?;
    let version = CHECKPOINT_VERSION.to_string();
    let own = [(FORMAT, FORMAT_NAME.to_owned()), (FORMAT_VERSION, version), (PROGRESS, progress)];
    metadata.extend(own.map(|(key, value)| (key.to_owned(), value)));
    write_tensors(out, tensors, &metadata)
}

/// Returns a one-dimensional tensor of integers.
fn i64s(values: Vec<i64>) -> Tensor {
    Tensor { shape: vec![values.len()], data: TensorData::I64(values) }
}

/// Whether these are the metadata of a checkpoint.
pub(crate) fn is_checkpoint(metadata: &Metadata) -> bool {
    metadata.get(FORMAT).is_some_and(|format| format == FORMAT_NAME)
}

/// Finds out which network of a role a checkpoint has. Its tensors are taken out and put back, which copies none of
/// them.
fn find_network(tensors: &mut StateDict, role: Role) -> Result<Network, FormatError> {
    let prefix = Names::new(role).tensors;
    let mut own = StateDict::new();
    for (name, tensor) in std::mem::take(tensors) {
        match name.strip_prefix(&prefix) {
            Some(suffix) => own.insert(suffix.to_owned(), tensor),
            None => tensors.insert(name, tensor),
        };
    }
    own.sort_by(|a, _, b, _| natural::compare(a, b));
    let network = recognize(&own, role)?;
    tensors.extend(own.into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)));
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
    let generator = find_network(&mut tensors, Role::Generator)?;
    let discriminator = find_network(&mut tensors, Role::Discriminator)?;
    if discriminator.config.image_size != generator.config.image_size
        || discriminator.config.channels != generator.config.channels
    {
        return Err(FormatError::malformed("its generator and its discriminator are made for different pictures"));
    }
    let averages = tensors.keys().any(|name| name.starts_with(AVERAGE));
    let parameters = || generator.tensors().into_iter().filter(|spec| spec.is_parameter);
    let state = TrainState {
        discriminator: take_network(&mut tensors, &discriminator)?,
        generator: take_network(&mut tensors, &generator)?,
        average: averages.then(|| take_all(&mut tensors, AVERAGE, parameters())).transpose()?,
    };
    if let Some(name) = tensors.keys().next() {
        return Err(FormatError::malformed(format!("tensor {name} has no place in a checkpoint")));
    }
    Ok((Checkpoint { state, rng, progress }, metadata))
}

/// Removes and returns a tensor.
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
