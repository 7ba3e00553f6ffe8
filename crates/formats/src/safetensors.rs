//! safetensors: an 8-byte length, a JSON header with names, types, shapes and offsets, then the values.
//!
//! Reading is the `safetensors` crate's. It cannot write the same bytes twice when there is more than one metadata
//! entry, because it keeps them in a randomly ordered map; the header is small, so it is written here.
//!
//! The format has no checksum, so files with metadata get one there: `crc32` is the CRC-32 of the whole file with zeros
//! in its place.

use crate::bytes::{byte_len, f32s, i64s, write_halves, write_values};
use crate::error::{ErrorKind, FormatError};
use crate::model::Metadata;
use crate::stored::{self, MAX_HALF, StoredTensor, TensorReader};
use dcgan_model::{StateDict, Tensor, TensorData};
use indexmap::IndexMap;
use safetensors::tensor::Metadata as Header;
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde_json::{Map, Value, json};
use std::io::{self, Write};

/// The `__metadata__` entry of the header.
const METADATA: &str = "__metadata__";
/// The longest header that is read, and the most tensors: those of a checkpoint have some tens of kilobytes for a
/// hundred tensors.
pub(crate) const MAX_HEADER: u64 = 4 << 20;
const MAX_TENSORS: usize = 10_000;
/// The metadata's entry for the checksum.
const CHECKSUM: &str = "crc32";
/// A checksum that is not known yet.
const NO_CHECKSUM: &str = "00000000";

/// Writes named tensors and what is to be known about them. The same input always gives the same bytes.
///
/// # Errors
/// [`ErrorKind::Io`] if `out` cannot be written.
pub fn write_safetensors(out: &mut impl Write, tensors: &StateDict, metadata: &Metadata) -> Result<(), FormatError> {
    write_tensors(out, tensors.iter().map(|(name, tensor)| (name.clone(), tensor)).collect(), metadata)
}

/// As [`write_safetensors`], but with weights of convolutions as float16, which makes the file half as long. A weight
/// too large for float16 leaves its tensor as it is. The values of batch norm stay float32: they are few, and some are
/// large or tiny.
///
/// # Errors
/// [`ErrorKind::Io`] if `out` cannot be written.
pub fn write_half_safetensors(
    out: &mut impl Write,
    tensors: &StateDict,
    metadata: &Metadata,
) -> Result<(), FormatError> {
    let fits = |tensor: &Tensor| {
        let fit = |values: &[f32]| values.iter().all(|value| value.abs() <= MAX_HALF);
        tensor.shape.len() > 1 && tensor.as_f32().is_some_and(fit)
    };
    let tensors = tensors.iter().map(|(name, tensor)| Entry { name: name.clone(), tensor, is_half: fits(tensor) });
    write_entries(out, tensors.collect(), metadata)
}

/// [`write_safetensors`] for tensors that are not together in one place.
pub(crate) fn write_tensors(
    out: &mut impl Write,
    tensors: Vec<(String, &Tensor)>,
    metadata: &Metadata,
) -> Result<(), FormatError> {
    let entry = |(name, tensor)| Entry { name, tensor, is_half: false };
    write_entries(out, tensors.into_iter().map(entry).collect(), metadata)
}

/// A tensor to write.
struct Entry<'a> {
    name: String,
    tensor: &'a Tensor,
    /// Whether its floats are written as float16.
    is_half: bool,
}

impl Entry<'_> {
    fn dtype(&self) -> &'static str {
        match self.tensor.data {
            TensorData::F32(_) if self.is_half => "F16",
            TensorData::F32(_) => "F32",
            TensorData::I64(_) => "I64",
        }
    }

    fn byte_len(&self) -> u64 {
        let len = byte_len(&self.tensor.data);
        if self.is_half { len / 2 } else { len }
    }

    fn write_values(&self, out: &mut dyn Write) -> io::Result<()> {
        match &self.tensor.data {
            TensorData::F32(values) if self.is_half => write_halves(out, values),
            data => write_values(out, data),
        }
    }
}

fn write_entries(out: &mut impl Write, mut entries: Vec<Entry<'_>>, metadata: &Metadata) -> Result<(), FormatError> {
    // Wide types first, so that every tensor lies on a multiple of its own size.
    entries.sort_by_key(|entry| (entry.tensor.as_i64().is_none(), entry.is_half));

    let mut header = Map::new();
    if !metadata.is_empty() {
        let mut metadata = metadata.clone();
        metadata.insert(CHECKSUM.to_owned(), NO_CHECKSUM.to_owned());
        header.insert(METADATA.to_owned(), json!(metadata));
    }
    let mut start = 0;
    for entry in &entries {
        let end = start + entry.byte_len();
        let (dtype, shape) = (entry.dtype(), &entry.tensor.shape);
        header.insert(entry.name.clone(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, end] }));
        start = end;
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');

    let write = |out: &mut dyn Write, header: &[u8]| -> io::Result<()> {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header)?;
        entries.iter().try_for_each(|entry| entry.write_values(out))
    };
    let mut checked_write = || {
        if let Some(digits) = find_checksum(&header) {
            let mut crc = Crc::default();
            write(&mut crc, &header)?;
            header[digits..digits + NO_CHECKSUM.len()].copy_from_slice(crc.digits().as_bytes());
        }
        write(out, &header)?;
        out.flush()
    };
    checked_write().map_err(|error| FormatError::new(ErrorKind::Io, error.to_string()))
}

/// Where the checksum's digits begin. A quotation mark within a text is escaped, so nothing else looks like the key.
fn find_checksum(header: &[u8]) -> Option<usize> {
    let key = format!("\"{CHECKSUM}\":\"");
    let at = header.windows(key.len()).position(|window| window == key.as_bytes())?;
    (header.get(at + key.len() + NO_CHECKSUM.len()) == Some(&b'"')).then_some(at + key.len())
}

/// Checks a whole file against the checksum in its metadata, and takes it out of them, if there is one of ours.
fn check(file: &[u8], header_len: usize, metadata: &mut Metadata) -> Result<(), FormatError> {
    let Some(digits) = file.get(8..8 + header_len).and_then(find_checksum) else { return Ok(()) };
    let Some(stated) = metadata.remove(CHECKSUM) else { return Ok(()) };
    let (before, rest) = file.split_at(8 + digits);
    let mut crc = Crc::default();
    [before, NO_CHECKSUM.as_bytes(), &rest[NO_CHECKSUM.len()..]].into_iter().for_each(|bytes| crc.0.update(bytes));
    let found = crc.digits();
    if stated == found {
        Ok(())
    } else {
        Err(FormatError::malformed(format!(
            "its checksum should be {stated} and is {found}: it is damaged, or another program has changed it and kept \
             \"{CHECKSUM}\" in its metadata"
        )))
    }
}

/// A writer that keeps a checksum alone.
#[derive(Default)]
struct Crc(crc32fast::Hasher);

impl Crc {
    /// Returns the checksum in hexadecimal digits.
    fn digits(self) -> String {
        format!("{:08x}", self.0.finalize())
    }
}

impl Write for Crc {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads named tensors, in the file's order, and the metadata beside them.
///
/// # Errors
/// [`ErrorKind::Malformed`] for a damaged file, also by its checksum if it has one, [`ErrorKind::Unsupported`] for a
/// tensor that is neither float32 nor int64, by name.
pub fn read_safetensors(bytes: &[u8]) -> Result<(StateDict, Metadata), FormatError> {
    let (header_len, header) = read_header(bytes, bytes.len() as u64)?;
    let entries = header.metadata().iter().flatten();
    let mut metadata: Metadata = entries.map(|(key, value)| (key.clone(), value.clone())).collect();
    check(bytes, header_len, &mut metadata)?;
    for name in header.offset_keys() {
        match header.tensors().get(&name).map(|info| info.dtype) {
            Some(Dtype::F32 | Dtype::I64) | None => {}
            Some(other) => return Err(unknown_type(&name, other)),
        }
    }
    let file = SafeTensors::deserialize(bytes).map_err(malformed)?;
    let mut tensors = StateDict::new();
    for name in header.offset_keys() {
        // The reader has checked that the bytes are as many as the shape says.
        let view = file.tensor(&name).map_err(malformed)?;
        let data = match view.dtype() {
            Dtype::F32 => TensorData::F32(f32s(view.data())),
            Dtype::I64 => TensorData::I64(i64s(view.data())),
            other => return Err(unknown_type(&name, other)),
        };
        tensors.insert(name, Tensor { shape: view.shape().to_vec(), data });
    }
    Ok((tensors, metadata))
}

/// Length and content of the header that a file of `file_len` bytes begins with, of which `bytes` are the first. What
/// can be found wrong without the tensors is found here, before they are read.
pub(crate) fn read_header(bytes: &[u8], file_len: u64) -> Result<(usize, Header), FormatError> {
    let len = bytes.first_chunk().map_or(0, |len| u64::from_le_bytes(*len));
    if len > MAX_HEADER {
        return Err(FormatError::limit(format!("its header has {len} bytes, more than {MAX_HEADER}")));
    }
    let len = len as usize;
    let text = bytes.get(8..8 + len).ok_or_else(|| FormatError::malformed("its header is cut off"))?;
    let header: Header = serde_json::from_slice(text)
        .map_err(|error| FormatError::malformed(format!("its safetensors header is damaged ({error})")))?;
    let tensors = header.tensors();
    if tensors.len() > MAX_TENSORS {
        return Err(FormatError::limit(format!("it has {} tensors, more than {MAX_TENSORS}", tensors.len())));
    }
    let expected = (8 + len as u64).checked_add(header.data_len() as u64);
    if expected != Some(file_len) {
        let expected = expected.unwrap_or(u64::MAX);
        return Err(FormatError::malformed(format!("its tensors need {expected} bytes, and it has {file_len}")));
    }
    Ok((len, header))
}

/// The tensors of a file, not read yet, and the metadata beside them.
pub(crate) fn find_tensors(bytes: &[u8]) -> Result<(IndexMap<String, StoredTensor>, File<'_>, Metadata), FormatError> {
    let (header_len, header) = read_header(bytes, bytes.len() as u64)?;
    let entries = header.metadata().iter().flatten();
    let mut metadata: Metadata = entries.map(|(key, value)| (key.clone(), value.clone())).collect();
    check(bytes, header_len, &mut metadata)?;
    // The reader checks that each tensor has as many bytes as its shape says, and that they follow each other.
    let file = SafeTensors::deserialize(bytes).map_err(malformed)?;
    let mut tensors = IndexMap::new();
    let mut values = Vec::new();
    for name in header.offset_keys() {
        let view = file.tensor(&name).map_err(malformed)?;
        tensors.insert(
            name,
            StoredTensor { shape: view.shape().to_vec(), dtype: dtype_of(view.dtype()), place: values.len() },
        );
        values.push(view.data());
    }
    Ok((tensors, File { values }, metadata))
}

/// The values of the tensors of a file.
pub(crate) struct File<'a> {
    values: Vec<&'a [u8]>,
}

impl TensorReader for File<'_> {
    fn read(&mut self, tensor: &StoredTensor, as_integers: bool) -> Result<Tensor, FormatError> {
        let data = tensor.dtype.convert(self.values[tensor.place], as_integers)?;
        Ok(Tensor { shape: tensor.shape.clone(), data })
    }

    fn is_same(&self, one: &StoredTensor, other: &StoredTensor) -> bool {
        one.place == other.place
    }
}

/// Converts the type of values.
fn dtype_of(dtype: Dtype) -> stored::Dtype {
    match dtype {
        Dtype::F16 => stored::Dtype::F16,
        Dtype::BF16 => stored::Dtype::BF16,
        Dtype::F32 => stored::Dtype::F32,
        Dtype::F64 => stored::Dtype::F64,
        Dtype::I8 => stored::Dtype::I8,
        Dtype::I16 => stored::Dtype::I16,
        Dtype::I32 => stored::Dtype::I32,
        Dtype::I64 => stored::Dtype::I64,
        Dtype::U8 => stored::Dtype::U8,
        other => stored::Dtype::Other(format!("{other:?}")),
    }
}

/// Converts an error of the crate.
fn malformed(error: SafeTensorError) -> FormatError {
    FormatError::malformed(format!("it is no sound safetensors file ({error})"))
}

/// Returns the error for a tensor whose values have an unsupported type.
fn unknown_type(name: &str, dtype: Dtype) -> FormatError {
    FormatError::unsupported(format!(
        "tensor {name} is of type {dtype:?}: only F32 and I64 are read, convert it to float32 first"
    ))
}
