//! Values on their way to a device and back.

use burn_tensor::{DType, Device, ExecutionError, Int, Tensor, TensorData, Transaction};
use dcgan_model::EngineError;

/// Copies `values` to the device.
pub(crate) fn upload<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

/// Copies bytes to the device, four in an integer because WebGPU has no smaller type, and spreads them out there as floats 0 to 255.
///
/// # Panics
/// If the shape is not that of the bytes, whose number must be a multiple of 4.
pub(crate) fn upload_bytes<const D: usize>(bytes: &[u8], shape: [usize; D], device: &Device) -> Tensor<D> {
    let integers = (device, DType::U32);
    let words = TensorData::from_bytes_vec(bytes.to_vec(), [bytes.len() / 4, 1], DType::U32);
    let words = Tensor::<2, Int>::from_data(words, integers);
    // The first byte is the lowest: all devices are little-endian.
    let shifts = Tensor::<2, Int>::from_data(TensorData::new(vec![0u32, 8, 16, 24], [1, 4]), integers);
    words.bitwise_right_shift(shifts).bitwise_and_scalar(0xff).float().reshape(shape)
}

/// Waits until all of `tensors` are computed, and copies their values back at once.
pub(crate) fn download<const D: usize>(tensors: Vec<Tensor<D>>) -> Result<Vec<Vec<f32>>, EngineError> {
    if tensors.is_empty() {
        return Ok(Vec::new());
    }
    let reads = tensors.into_iter().fold(Transaction::default(), Transaction::register);
    let data = reads.try_execute().map_err(device_error)?;
    data.into_iter()
        .map(|data| data.try_into_vec::<f32>().map_err(|error| EngineError::Device(format!("{error:?}"))))
        .collect()
}

/// What a device says when it fails, on one line.
pub(crate) fn device_error(error: ExecutionError) -> EngineError {
    EngineError::Device(error.to_string().replace('\n', " "))
}
