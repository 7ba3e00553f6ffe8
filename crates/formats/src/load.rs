//! From a file of any kind to a network.

use crate::error::{ErrorKind, FormatError};
use crate::torch::class_name;
use crate::{checkpoint, natural, read_safetensors, torch};
use dcgan_model::{Network, Role, StateDict};
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::Path;

/// What a file says beside its tensors, for example `image_size` and `64`. See [`describe`].
pub type Metadata = BTreeMap<String, String>;

/// The largest model file that is read: 8 GiB. The generator of 256 × 256 pictures at four times the usual width has 2.9 GB.
pub const MAX_FILE_BYTES: u64 = 8 << 30;

/// The longest header that safetensors may have. Eight letters of a text, read as a length, are far beyond it.
const MAX_HEADER: u64 = 100_000_000;
/// Modules around the network: `module.generator.main.0.weight` has three.
const MAX_WRAPPERS: usize = 8;

/// How a model was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `torch.jit.save`, scripted or traced.
    TorchScript,
    /// `torch.save` of a state_dict.
    StateDict,
    /// safetensors.
    Safetensors,
    /// A training's checkpoint, of which the generator is taken.
    Checkpoint,
}

/// A network read from a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// What the tensors were recognised as.
    pub network: Network,
    /// The network's tensors, in the order of [`Network::tensors`].
    pub tensors: StateDict,
    /// What else the file says; empty for a file that PyTorch wrote.
    pub metadata: Metadata,
    /// How it was kept.
    pub format: Format,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::TorchScript => "TorchScript",
            Format::StateDict => "PyTorch state_dict",
            Format::Safetensors => "safetensors",
            Format::Checkpoint => "checkpoint",
        })
    }
}

/// The metadata that every model file of ours has: `producer`, `network`, and the numbers of its [`ModelConfig`](dcgan_model::ModelConfig).
pub fn describe(network: &Network) -> Metadata {
    let config = &network.config;
    [
        ("producer", format!("dcgan {}", env!("CARGO_PKG_VERSION"))),
        ("network", network.role.to_string()),
        ("image_size", config.image_size.to_string()),
        ("channels", config.channels.to_string()),
        ("latent_dim", config.latent_dim.to_string()),
        ("base_channels", config.base_channels.to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// Reads a model file of any known format.
///
/// # Errors
/// One sentence that begins with the path. See [`ErrorKind`].
pub fn load(path: impl AsRef<Path>) -> Result<Model, FormatError> {
    let path = path.as_ref();
    open(path).and_then(|file| load_from(BufReader::new(file))).map_err(|error| error.within(path.display()))
}

/// Reads a model file that is in memory.
///
/// # Errors
/// One sentence. See [`ErrorKind`].
pub fn load_bytes(bytes: &[u8]) -> Result<Model, FormatError> {
    load_from(Cursor::new(bytes))
}

/// Opens a regular file. Opening a pipe or a device could wait for ever.
pub(crate) fn open(path: &Path) -> Result<File, FormatError> {
    let io = |error: io::Error| {
        let message = match error.kind() {
            io::ErrorKind::NotFound => "there is no such file".to_owned(),
            _ => error.to_string(),
        };
        FormatError::new(ErrorKind::Io, message)
    };
    let metadata = fs::metadata(path).map_err(io)?;
    if metadata.is_dir() {
        return Err(FormatError::new(ErrorKind::Io, "it is a folder: name the model file in it"));
    }
    if !metadata.is_file() {
        return Err(FormatError::new(ErrorKind::Io, "it is no regular file"));
    }
    File::open(path).map_err(io)
}

/// All of a file.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, FormatError> {
    let mut file = open(path)?;
    let len = file_len(&mut file)?;
    let mut bytes = Vec::with_capacity(len as usize);
    file.take(len).read_to_end(&mut bytes).map_err(|error| FormatError::from_io(&error))?;
    Ok(bytes)
}

/// Bytes of a file that stands at its start then.
fn file_len(reader: &mut impl Seek) -> Result<u64, FormatError> {
    let io = |error: io::Error| FormatError::from_io(&error);
    let len = reader.seek(io::SeekFrom::End(0)).map_err(io)?;
    if len > MAX_FILE_BYTES {
        return Err(FormatError::limit(format!("it has {len} bytes, more than any model file")));
    }
    reader.rewind().map_err(io)?;
    Ok(len)
}

fn load_from(mut reader: impl Read + Seek) -> Result<Model, FormatError> {
    let io = |error: io::Error| FormatError::from_io(&error);
    let len = file_len(&mut reader)?;
    let mut start = Vec::new();
    reader.by_ref().take(512).read_to_end(&mut start).map_err(io)?;
    reader.rewind().map_err(io)?;

    if start.starts_with(b"PK\x03\x04") {
        let contents = torch::read(reader)?;
        recognise(contents.tensors, contents.metadata, &contents.modules, contents.format)
    } else if let Some((header_len, rest)) = start.split_first_chunk()
        && let header_len = u64::from_le_bytes(*header_len)
        && header_len <= MAX_HEADER
        && rest.starts_with(b"{")
    {
        if header_len > len {
            return Err(FormatError::malformed(format!("its header claims {header_len} bytes in a file of {len}")));
        }
        let mut bytes = Vec::with_capacity(len as usize);
        reader.take(len).read_to_end(&mut bytes).map_err(io)?;
        let (tensors, metadata) = read_safetensors(&bytes)?;
        if checkpoint::is_checkpoint(&metadata) {
            let generator = checkpoint::generator(&tensors);
            return recognise(generator, metadata, &IndexMap::new(), Format::Checkpoint);
        }
        recognise(tensors, metadata, &IndexMap::new(), Format::Safetensors)
    } else {
        Err(foreign(&start))
    }
}

/// What to say of a file that is none of ours, from its first bytes.
fn foreign(start: &[u8]) -> FormatError {
    // A pickle of the number 0x1950a86a20f9469cfc6c, with which torch.save began before the zip layout.
    if start.starts_with(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.") {
        return FormatError::unsupported(
            "it has the layout that PyTorch wrote before 1.6: load it in PyTorch and save it again",
        );
    }
    let what = if start.is_empty() {
        "it is empty"
    } else if start.starts_with(b"\x89PNG") {
        "it is a PNG picture"
    } else if start.starts_with(b"\xff\xd8\xff") {
        "it is a JPEG picture"
    } else if start.starts_with(b"\x1f\x8b") {
        "it is a gzip archive"
    } else if start.iter().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')) {
        "it is a text file"
    } else {
        "its content is unknown"
    };
    FormatError::new(
        ErrorKind::NotThisFormat,
        format!("{what}, but a model file is TorchScript (.pt), a PyTorch state_dict (.pth) or .safetensors"),
    )
}

/// Finds out which network the tensors are of, and gives them its names and order.
fn recognise(
    mut tensors: StateDict,
    metadata: Metadata,
    modules: &IndexMap<String, String>,
    format: Format,
) -> Result<Model, FormatError> {
    let mut prefix = String::new();
    for _ in 0..MAX_WRAPPERS {
        let Some(part) = common_first_part(&tensors) else { break };
        tensors = tensors.into_iter().map(|(name, tensor)| (name[part.len()..].to_owned(), tensor)).collect();
        prefix.push_str(&part);
    }
    tensors.sort_by(|a, _, b, _| natural::compare(a, b));
    let mut network = Network::recognise(&tensors).map_err(|error| {
        let below = if prefix.is_empty() { String::new() } else { format!(" (names are below {prefix})") };
        FormatError::unsupported(format!("{error}{below}"))
    })?;
    check_modules(&network, modules, &prefix)?;
    if network.role == Role::Discriminator {
        // Its tensors do not tell the length of the noise.
        let told = metadata.get("latent_dim").and_then(|text| text.parse().ok());
        let config =
            dcgan_model::ModelConfig { latent_dim: told.unwrap_or(network.config.latent_dim), ..network.config };
        if config.validate().is_ok() {
            network.config = config;
        }
    }
    let order: IndexMap<String, usize> = network.tensors().into_iter().map(|s| s.name).zip(0..).collect();
    tensors.sort_by_key(|name, _| order.get(name).copied());
    Ok(Model { network, tensors, metadata, format })
}

/// `main.` if all names begin so: networks are often kept inside another module. The layers' own numbers differ.
fn common_first_part(tensors: &StateDict) -> Option<String> {
    let (first, _) = tensors.keys().next()?.split_once('.')?;
    let part = format!("{first}.");
    tensors.keys().all(|name| name.starts_with(&part)).then_some(part)
}

/// Checks that the modules of a script are the network's layers: another activation has no tensors to tell it by.
fn check_modules(network: &Network, modules: &IndexMap<String, String>, prefix: &str) -> Result<(), FormatError> {
    for (path, class) in modules {
        let Some(index) = path.strip_prefix(prefix).and_then(|name| name.parse::<usize>().ok()) else { continue };
        let expected = network.layers.get(index).map(class_name);
        if expected != Some(class) {
            let expected = expected.map_or("nothing".to_owned(), |name| format!("a {name}"));
            return Err(FormatError::unsupported(format!(
                "it looks like a {}, but module {path} is a {class} and not {expected}",
                network.role
            )));
        }
    }
    Ok(())
}
