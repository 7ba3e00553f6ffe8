//! From a file of any kind to a network.

use crate::error::{ErrorKind, FormatError};
use crate::recognise::{Models, recognise};
use crate::safetensors::{MAX_HEADER, read_header, read_safetensors};
use crate::{checkpoint, torch};
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

/// The longest header that safetensors may have by its definition. Eight letters of a text, read as a length, are far beyond it.
const LONGEST_HEADER: u64 = 100_000_000;
/// How a model was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `torch.jit.save`, scripted or traced.
    TorchScript,
    /// `torch.save` of a state_dict.
    StateDict,
    /// safetensors.
    Safetensors,
    /// A training's checkpoint, which holds both networks.
    Checkpoint,
    /// ONNX; it is written and not read.
    Onnx,
}

/// A network read from a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Where in the file it was: what stands before the names of its tensors, for example `main` or `netG`; mostly empty.
    pub name: String,
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
            Format::Onnx => "ONNX",
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

/// Reads the network of a model file of any known format; of several networks the one generator among them.
///
/// # Errors
/// One sentence that begins with the path. See [`ErrorKind`].
pub fn load(path: impl AsRef<Path>) -> Result<Model, FormatError> {
    load_network(path, None)
}

/// Reads the network of a role from a file that may hold both; without a role it is [`load`].
///
/// # Errors
/// One sentence that begins with the path. See [`ErrorKind`].
pub fn load_network(path: impl AsRef<Path>, role: Option<Role>) -> Result<Model, FormatError> {
    let path = path.as_ref();
    load_all(path)?.choose(role).map_err(|error| error.within(path.display()))
}

/// Reads a model file that is in memory, as [`load`].
///
/// # Errors
/// One sentence. See [`ErrorKind`].
pub fn load_bytes(bytes: &[u8]) -> Result<Model, FormatError> {
    load_from(Cursor::new(bytes))?.choose(None)
}

/// Reads all networks of a file that holds more than one, such as PyTorch's `{"netG": …, "netD": …}`.
///
/// # Errors
/// One sentence that begins with the path. See [`ErrorKind`].
pub fn load_all(path: impl AsRef<Path>) -> Result<Models, FormatError> {
    let path = path.as_ref();
    open(path).and_then(|file| load_from(BufReader::new(file))).map_err(|error| error.within(path.display()))
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

fn load_from(mut reader: impl Read + Seek) -> Result<Models, FormatError> {
    let io = |error: io::Error| FormatError::from_io(&error);
    let len = file_len(&mut reader)?;
    let mut start = Vec::new();
    reader.by_ref().take(512).read_to_end(&mut start).map_err(io)?;
    reader.rewind().map_err(io)?;

    if start.starts_with(b"PK\x03\x04") {
        let torch::Zip { format, tensors, modules, metadata } = torch::read_zip(reader)?;
        recognise(tensors, &modules, &metadata, format)
    } else if start.starts_with(torch::LEGACY_MAGIC) {
        let contents = torch::read_legacy(reader)?;
        recognise(contents.tensors, &IndexMap::new(), &Metadata::new(), Format::StateDict)
    } else if let Some((header_len, rest)) = start.split_first_chunk()
        && let header_len = u64::from_le_bytes(*header_len)
        && header_len <= LONGEST_HEADER
        && rest.starts_with(b"{")
    {
        if header_len > len {
            return Err(FormatError::malformed(format!("its header claims {header_len} bytes in a file of {len}")));
        }
        let mut bytes = Vec::new();
        reader.by_ref().take(8 + header_len.min(MAX_HEADER)).read_to_end(&mut bytes).map_err(io)?;
        read_header(&bytes, len)?;
        bytes.reserve_exact(len as usize - bytes.len());
        reader.take(len - bytes.len() as u64).read_to_end(&mut bytes).map_err(io)?;
        let (tensors, metadata) = read_safetensors(&bytes)?;
        let format = if checkpoint::is_checkpoint(&metadata) { Format::Checkpoint } else { Format::Safetensors };
        recognise(tensors, &IndexMap::new(), &metadata, format)
    } else {
        Err(foreign(&start))
    }
}

/// What to say of a file that is none of ours, from its first bytes.
fn foreign(start: &[u8]) -> FormatError {
    let what = if start.is_empty() {
        "it is empty"
    } else if start.starts_with(b"\x89PNG") {
        "it is a PNG picture"
    } else if matches!(start, [0x08, 1..=32, 0x12, ..]) {
        // The version of the format and the producer's name, with which every ONNX file begins.
        return FormatError::unsupported(
            "it is an ONNX model, which is written and not read: give the file that it was made from",
        );
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
