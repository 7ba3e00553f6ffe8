//! safetensors: an 8-byte length, a JSON header with names, types, shapes and offsets, then the values.
//!
//! Reading is the `safetensors` crate's. It cannot write the same bytes twice when there is more than one metadata entry, because it
//! keeps them in a randomly ordered map; the header is small, so it is written here.

use crate::Metadata;
use crate::bytes::{byte_len, f32s, i64s, write_values};
use crate::error::{ErrorKind, FormatError};
use dcgan_model::{StateDict, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};
use std::io::{self, Write};

/// The `__metadata__` entry of the header.
const METADATA: &str = "__metadata__";

/// Writes named tensors and what is to be known about them. The same input always gives the same bytes.
///
/// # Errors
/// [`ErrorKind::Io`] if `out` cannot be written.
pub fn write_safetensors(out: &mut impl Write, tensors: &StateDict, metadata: &Metadata) -> Result<(), FormatError> {
    // Wide types first, so that every tensor lies on a multiple of its own size.
    let mut ordered: Vec<(&String, &Tensor)> = tensors.iter().collect();
    ordered.sort_by_key(|(_, tensor)| tensor.as_i64().is_none());

    let mut header = Map::new();
    if !metadata.is_empty() {
        header.insert(METADATA.to_owned(), json!(metadata));
    }
    let mut start = 0;
    for (name, tensor) in &ordered {
        let end = start + byte_len(&tensor.data);
        let dtype = match tensor.data {
            TensorData::F32(_) => "F32",
            TensorData::I64(_) => "I64",
        };
        header.insert((*name).clone(), json!({ "dtype": dtype, "shape": tensor.shape, "data_offsets": [start, end] }));
        start = end;
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');

    let mut write = || -> io::Result<()> {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        ordered.iter().try_for_each(|(_, tensor)| write_values(out, &tensor.data))?;
        out.flush()
    };
    write().map_err(|error| FormatError::new(ErrorKind::Io, error.to_string()))
}

/// Reads named tensors, in the file's order, and the metadata beside them.
///
/// # Errors
/// [`ErrorKind::Malformed`] for a damaged file, [`ErrorKind::Unsupported`] for a tensor that is neither float32 nor int64, by name.
pub fn read_safetensors(bytes: &[u8]) -> Result<(StateDict, Metadata), FormatError> {
    let malformed = |error| FormatError::malformed(format!("it is no sound safetensors file ({error})"));
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(malformed)?;
    let metadata = header.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
    let file = SafeTensors::deserialize(bytes).map_err(malformed)?;
    let mut tensors = StateDict::new();
    for name in header.offset_keys() {
        // The reader has checked that the bytes are as many as the shape says.
        let view = file.tensor(&name).map_err(malformed)?;
        let data = match view.dtype() {
            Dtype::F32 => TensorData::F32(f32s(view.data())),
            Dtype::I64 => TensorData::I64(i64s(view.data())),
            other => {
                return Err(FormatError::unsupported(format!(
                    "tensor {name} is of type {other:?}: only F32 and I64 are read, convert it to float32 first"
                )));
            }
        };
        tensors.insert(name, Tensor { shape: view.shape().to_vec(), data });
    }
    Ok((tensors, metadata))
}
