//! A trained tensor of a network, and its conversion from and to PyTorch's order of dimensions.

use crate::conv::Conv;
use crate::transfer::{flat, upload};
use burn_tensor::{Device, Tensor};

/// A trained tensor with its name in the state_dict.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    /// The convolution whose weight it is. `None` for a row with a value for each channel.
    pub(crate) conv: Option<Conv>,
    pub(crate) value: Tensor<2>,
}

impl Parameter {
    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.value.dims().iter().product()
    }

    /// Copies values of this parameter's shape, in PyTorch's order, to the device.
    pub(crate) fn upload(&self, values: &[f32], device: &Device) -> Tensor<2> {
        match self.conv {
            Some(conv) => conv.weight_from_torch(upload(values, conv.torch_shape(), device)),
            None => upload(values, [1, values.len()], device),
        }
    }

    /// Returns `value`, which has this parameter's shape, in PyTorch's order.
    pub(crate) fn flat(&self, value: Tensor<2>) -> Tensor<1> {
        match self.conv {
            Some(conv) => flat(conv.weight_to_torch(value)),
            None => flat(value),
        }
    }
}
