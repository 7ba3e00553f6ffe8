//! Copies of values to a device and back.

use burn_tensor::{DType, Device, ExecutionError, Int, Tensor, TensorData, Transaction};
use dcgan_model::EngineError;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Copies `values` to the device.
pub(crate) fn upload<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

/// Copies bytes to the device, four in an integer because WebGPU has no smaller type, and spreads them out there as
/// floats 0 to 255.
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

/// Returns the values of `tensor` in one dimension, to be copied back.
pub(crate) fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let values = tensor.dims().iter().product::<usize>();
    tensor.reshape([values])
}

/// Waits until all of `tensors` are computed, and copies their values back at once.
pub(crate) fn download<const D: usize>(tensors: Vec<Tensor<D>>) -> Result<Vec<Vec<f32>>, EngineError> {
    if tensors.is_empty() {
        return Ok(Vec::new());
    }
    let data = guarded(|| {
        let reads = tensors.into_iter().fold(Transaction::default(), Transaction::register);
        reads.try_execute().map_err(device_error)
    })?;
    data.into_iter().map(|data| data.try_into_vec::<f32>().map_err(|error| failure(&format!("{error:?}")))).collect()
}

/// Returns the message of a device's failure on one line.
pub(crate) fn device_error(error: ExecutionError) -> EngineError {
    failure(&error.to_string())
}

/// Does `work` on a device. Burn panics where a driver refuses what was asked of it, for example when memory has run
/// out; that is an error here.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    // What `work` has changed is lost with the device.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(failure(text.unwrap_or("its driver gives no reason")))
    })
}

fn failure(text: &str) -> EngineError {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    EngineError::Device(format!("{text}; a smaller batch may help, and --device cpu does without it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_on_one_line() {
        let error = guarded::<()>(|| panic!("wgpu error:\n  {}", "Out of Memory")).unwrap_err().to_string();
        assert!(error.starts_with("the device failed: wgpu error: Out of Memory; a smaller batch"), "{error}");
        assert_eq!(guarded(|| Ok(3)), Ok(3));
    }
}
