//! Tensor values as little-endian bytes, the order of every format here.

use crate::stored::to_half;
use dcgan_model::TensorData;
use std::io::{self, Write};

/// Length in bytes of a tensor's values.
pub(crate) fn byte_len(data: &TensorData) -> u64 {
    match data {
        TensorData::F32(values) => size_of_val(values.as_slice()) as u64,
        TensorData::I64(values) => size_of_val(values.as_slice()) as u64,
    }
}

/// Writes floats as float16.
pub(crate) fn write_halves(out: &mut (impl Write + ?Sized), values: &[f32]) -> io::Result<()> {
    write_chunks(out, values, |value| to_half(value).to_le_bytes())
}

/// Writes a tensor's values.
pub(crate) fn write_values(out: &mut (impl Write + ?Sized), data: &TensorData) -> io::Result<()> {
    match data {
        TensorData::F32(values) => write_chunks(out, values, |v| v.to_le_bytes()),
        TensorData::I64(values) => write_chunks(out, values, |v| v.to_le_bytes()),
    }
}

/// Converts some thousand values at a time: a copy of a whole tensor would double the memory.
fn write_chunks<T: Copy, const N: usize>(
    out: &mut (impl Write + ?Sized),
    values: &[T],
    to_bytes: impl Fn(T) -> [u8; N],
) -> io::Result<()> {
    let mut buffer = Vec::new();
    for chunk in values.chunks(16_384) {
        buffer.clear();
        buffer.extend(chunk.iter().flat_map(|&value| to_bytes(value)));
        out.write_all(&buffer)?;
    }
    Ok(())
}

/// Floats from bytes; a rest of fewer than 4 bytes is not looked at.
pub(crate) fn f32s(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

/// Integers from bytes; a rest of fewer than 8 bytes is not looked at.
pub(crate) fn i64s(bytes: &[u8]) -> Vec<i64> {
    bytes.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_a_round_trip_in_little_endian() {
        let floats: Vec<f32> = (0..20_000).map(|i| i as f32 * 0.1).collect();
        let mut bytes = Vec::new();
        write_values(&mut bytes, &TensorData::F32(floats.clone())).unwrap();
        assert_eq!(bytes.len() as u64, byte_len(&TensorData::F32(floats.clone())));
        assert_eq!(f32s(&bytes), floats);

        let mut bytes = Vec::new();
        write_values(&mut bytes, &TensorData::I64(vec![-2, 258])).unwrap();
        assert_eq!(bytes[8..], [2, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(i64s(&bytes), [-2, 258]);
    }
}
