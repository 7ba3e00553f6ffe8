//! From a network and its tensors to PyTorch's files.

use super::archive::{ArchiveWriter, METADATA_ENTRY};
use super::pickle::PickleWriter;
use super::script::{Attribute, ClassName, Script, attributes};
use crate::bytes::{byte_len, write_values};
use crate::error::FormatError;
use crate::model::{Metadata, check_draws};
use crate::spectral_norm::without_spectral_norm;
use dcgan_model::{Network, StateDict, Tensor, TensorData};
use std::io::{Seek, Write};

/// The oldest version of TorchScript's operators that has all of ours; every PyTorch since 1.6 reads it.
const VERSION: &[u8] = b"3\n";
/// The empty tuple.
const NO_CONSTANTS: &[u8] = b"\x80\x02).";

/// Writes `network` with the values of `tensors` as a module for `torch.jit.load`, in training mode as a scripted
/// network is. Weights with spectral norm are written as it normalizes them.
///
/// `metadata` goes into the extra file `dcgan.json`. The same input always gives the same bytes.
///
/// # Errors
/// [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) if `tensors` are not exactly the network's, and
/// [`ErrorKind::Io`](crate::ErrorKind::Io) if `out` cannot be written.
pub fn write_torchscript(
    out: impl Write + Seek,
    network: &Network,
    tensors: &StateDict,
    metadata: &Metadata,
) -> Result<(), FormatError> {
    network.check(tensors).map_err(|error| FormatError::malformed(error.to_string()))?;
    let (network, tensors) = without_spectral_norm(network, tensors);
    let script = Script::new(&network);
    let mut pickle = PickleWriter::new();
    let mut storages = Storages::default();
    sequential(&mut pickle, &network, &script, &tensors, &mut storages, true);
    write_script(out, &network, &script, pickle, &storages, metadata)
}

/// Writes a generator as a module that takes noise N × latent and gives uint8 pictures N × 3 × H × W, the bytes
/// that a picture file has: what torch-fidelity's `--input1-model` asks for. Grey pictures become RGB. The module is in
/// evaluation mode.
///
/// # Errors
/// As [`write_torchscript`]; and [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) for a discriminator.
pub fn write_torchscript_uint8(
    out: impl Write + Seek,
    network: &Network,
    tensors: &StateDict,
    metadata: &Metadata,
) -> Result<(), FormatError> {
    network.check(tensors).map_err(|error| FormatError::malformed(error.to_string()))?;
    check_draws(network)?;
    let mut script = Script::new(network);
    let class = script.uint8_class(&network.config);
    let mut pickle = PickleWriter::new();
    let mut storages = Storages::default();
    module(&mut pickle, &class, false, |p| {
        p.text("generator");
        sequential(p, network, &script, tensors, &mut storages, false);
    });
    write_script(out, network, &script, pickle, &storages, metadata)
}

/// Writes a TorchScript file with the classes of `script`.
fn write_script(
    out: impl Write + Seek,
    network: &Network,
    script: &Script,
    pickle: PickleWriter,
    storages: &Storages<'_>,
    metadata: &Metadata,
) -> Result<(), FormatError> {
    let mut archive = ArchiveWriter::new(out, network.role.to_string());
    storages.write(&mut archive)?;
    archive.add_bytes("data.pkl", &pickle.finish())?;
    for (name, text) in &script.files {
        archive.add_bytes(name, text.as_bytes())?;
    }
    archive.add_bytes("constants.pkl", NO_CONSTANTS)?;
    finish(archive, metadata)
}

/// Writes named tensors as `torch.save` writes a state_dict, for `torch.load(f, weights_only=True)`.
///
/// `metadata` goes into a file `extra/dcgan.json` in the archive, which PyTorch does not look at. The same input always
/// gives the same bytes.
///
/// # Errors
/// [`ErrorKind::Io`](crate::ErrorKind::Io) if `out` cannot be written.
pub fn write_state_dict(out: impl Write + Seek, tensors: &StateDict, metadata: &Metadata) -> Result<(), FormatError> {
    write_named(out, tensors.iter().map(|(name, tensor)| (name.clone(), tensor)).collect(), metadata)
}

/// [`write_state_dict`] for tensors that have other names where they are.
pub(crate) fn write_named(
    out: impl Write + Seek,
    tensors: Vec<(String, &Tensor)>,
    metadata: &Metadata,
) -> Result<(), FormatError> {
    let mut storages = Storages::default();
    let mut pickle = PickleWriter::new();
    pickle.ordered_dict(|p| {
        for (name, tensor) in tensors {
            p.text(&name);
            // A state_dict's tensors are detached.
            storages.pickle(p, tensor, false);
        }
    });
    let mut archive = ArchiveWriter::new(out, "archive".to_owned());
    archive.add_bytes("data.pkl", &pickle.finish())?;
    storages.write(&mut archive)?;
    finish(archive, metadata)
}

/// The entries that both kinds of file end with.
fn finish(mut archive: ArchiveWriter<impl Write + Seek>, metadata: &Metadata) -> Result<(), FormatError> {
    archive.add_bytes("version", VERSION)?;
    archive.add_bytes("byteorder", b"little")?;
    if !metadata.is_empty() {
        archive.add_bytes(METADATA_ENTRY, serde_json::json!(metadata).to_string().as_bytes())?;
    }
    archive.finish()
}

/// The tensors that a pickle refers to; their indices are their keys.
#[derive(Default)]
struct Storages<'a>(Vec<&'a Tensor>);

impl<'a> Storages<'a> {
    /// Adds a tensor, and a reference to it to the pickle.
    fn pickle(&mut self, pickle: &mut PickleWriter, tensor: &'a Tensor, requires_grad: bool) {
        let storage_type = match tensor.data {
            TensorData::F32(_) => "FloatStorage",
            TensorData::I64(_) => "LongStorage",
        };
        pickle.tensor(storage_type, &self.0.len().to_string(), &tensor.shape, requires_grad);
        self.0.push(tensor);
    }

    /// Writes the tensors to the archive.
    fn write(&self, archive: &mut ArchiveWriter<impl Write + Seek>) -> Result<(), FormatError> {
        for (key, tensor) in self.0.iter().enumerate() {
            let name = format!("data/{key}");
            archive.add(&name, byte_len(&tensor.data), |mut out| write_values(&mut out, &tensor.data))?;
        }
        Ok(())
    }
}

/// Pickles the `nn.Sequential`; the tensors it refers to are added to `storages`.
fn sequential<'a>(
    pickle: &mut PickleWriter,
    network: &Network,
    script: &Script,
    tensors: &'a StateDict,
    storages: &mut Storages<'a>,
    training: bool,
) {
    module(pickle, &script.root, training, |p| {
        for (index, (layer, class)) in network.layers.iter().zip(&script.layers).enumerate() {
            p.text(&index.to_string());
            module(p, class, training, |p| {
                for attribute in attributes(layer) {
                    let (name, is_parameter) = match attribute {
                        Attribute::Parameter(name) => (name, true),
                        Attribute::Buffer(name) => (name, false),
                        Attribute::NoParameter(name) => {
                            p.text(name);
                            p.none();
                            continue;
                        }
                    };
                    p.text(name);
                    storages.pickle(p, &tensors[&format!("{index}.{name}")], is_parameter);
                }
            });
        }
    });
}

/// Pickles a module with the attributes that all have.
fn module(pickle: &mut PickleWriter, class: &ClassName, training: bool, attributes: impl FnOnce(&mut PickleWriter)) {
    pickle.object(&class.module, class.name, |p| {
        p.text("training");
        p.bool(training);
        p.text("_is_full_backward_hook");
        p.none();
        attributes(p);
    });
}
