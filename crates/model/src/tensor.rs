//! Named tensors, which engines, checkpoints and model files exchange.

use indexmap::IndexMap;

/// A dense tensor in row-major order with PyTorch's shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// PyTorch's shape; empty for a scalar.
    pub shape: Vec<usize>,
    /// The values, as many as the product of `shape`.
    pub data: TensorData,
}

/// The values of a [`Tensor`].
#[derive(Debug, Clone, PartialEq)]
pub enum TensorData {
    /// `torch.float32`.
    F32(Vec<f32>),
    /// `torch.int64`; batch norm counts its batches in one.
    I64(Vec<i64>),
}

impl Tensor {
    /// Returns a float tensor.
    ///
    /// # Panics
    /// If `data` does not have as many values as `shape` says.
    pub fn f32(shape: impl Into<Vec<usize>>, data: Vec<f32>) -> Self {
        let shape = shape.into();
        assert_eq!(shape.iter().product::<usize>(), data.len(), "shape {shape:?}");
        Self { shape, data: TensorData::F32(data) }
    }

    /// Returns an integer scalar.
    pub fn scalar_i64(value: i64) -> Self {
        Self { shape: Vec::new(), data: TensorData::I64(vec![value]) }
    }

    /// Returns the values of a float tensor, `None` for integers.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match &self.data {
            TensorData::F32(values) => Some(values),
            TensorData::I64(_) => None,
        }
    }

    /// Returns the values of an integer tensor, `None` for floats.
    pub fn as_i64(&self) -> Option<&[i64]> {
        match &self.data {
            TensorData::I64(values) => Some(values),
            TensorData::F32(_) => None,
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        match &self.data {
            TensorData::F32(values) => values.len(),
            TensorData::I64(values) => values.len(),
        }
    }

    /// Returns whether the tensor holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Tensors by name, in the order of PyTorch's `state_dict`.
pub type StateDict = IndexMap<String, Tensor>;
