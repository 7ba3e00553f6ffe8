//! From a file of any kind to a network.

use crate::checkpoint;
use crate::error::{ErrorKind, FormatError};
use crate::file::{file_len, open};
use crate::model::{Format, Model};
use crate::models::Models;
use crate::recognize::recognize;
use crate::safetensors::{MAX_HEADER, find_tensors, read_header};
use crate::torch::{self, ScriptInfo, Storages, TorchFile};
use dcgan_model::Role;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::Path;

/// The longest header that safetensors may have by its definition. Eight letters of a text, read as a length, are far
/// beyond it.
const LONGEST_HEADER: u64 = 100_000_000;
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

/// Reads the network of a name from a file that holds several: the part of the file that it is in, such as `netG_ema`,
/// or `generator` or `discriminator`. See [`Models::choose_named`].
///
/// # Errors
/// One sentence that begins with the path. See [`ErrorKind`].
pub fn load_named(path: impl AsRef<Path>, name: &str) -> Result<Model, FormatError> {
    let path = path.as_ref();
    load_all(path)?.choose_named(name).map_err(|error| error.within(path.display()))
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

/// Reads all networks of a file of any format, which the first bytes tell.
fn load_from(mut reader: impl Read + Seek) -> Result<Models, FormatError> {
    let io = |error: io::Error| FormatError::from_io(&error);
    let len = file_len(&mut reader)?;
    let mut start = Vec::new();
    reader.by_ref().take(512).read_to_end(&mut start).map_err(io)?;
    reader.rewind().map_err(io)?;

    if start.starts_with(b"PK\x03\x04") {
        read_torch(torch::open_zip(reader)?)
    } else if torch::is_legacy(&start) {
        read_torch(torch::open_legacy(reader)?)
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
        let (tensors, mut values, metadata) = find_tensors(&bytes)?;
        let format = if checkpoint::is_checkpoint(&metadata) { Format::Checkpoint } else { Format::Safetensors };
        recognize(&tensors, &ScriptInfo::default(), &metadata, format, &mut values)
    } else {
        Err(foreign(&start))
    }
}

/// Reads the networks among the tensors of a PyTorch file.
fn read_torch(file: TorchFile<impl Storages>) -> Result<Models, FormatError> {
    let TorchFile { contents, mut storages, script, metadata, format } = file;
    let unknown = contents.unknown.iter().map(|name| &**name).collect::<Vec<_>>().join(", ");
    let models = recognize(&contents.tensors, &script, &metadata, format, &mut contents.reader(&mut storages));
    match models {
        Ok(mut models) if !unknown.is_empty() => {
            models.add_note(&format!(
                "objects that are no tensors were passed over, and nothing of them was run: {unknown}"
            ));
            Ok(models)
        }
        // What was passed over may have been the network.
        Err(error) if !unknown.is_empty() => {
            let is_module =
                contents.unknown.iter().any(|name| name.starts_with("torch.nn.") || name.starts_with("__main__."));
            let advice = if is_module || contents.tensors.is_empty() {
                "a module that was pickled whole is not read, save its state_dict() or torch.jit.script of it instead"
            } else {
                "they were passed over"
            };
            Err(error.followed_by(&format!("; it refers to {unknown}, and nothing of it was run: {advice}")))
        }
        other => other,
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
    } else if start.get(257..262) == Some(b"ustar") {
        "it is a tar archive"
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
