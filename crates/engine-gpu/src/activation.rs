//! Activations and their gradients.

use burn_tensor::Tensor;

/// The function that a stage ends with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Activation {
    Identity,
    /// `slope` is the factor of negative values; ReLU has 0.
    LeakyRelu {
        slope: f32,
    },
    Tanh,
}

impl Activation {
    /// Returns the activation of `x`.
    pub(crate) fn apply(self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Identity => x,
            Self::LeakyRelu { slope } => {
                let negative = x.clone().lower_equal_elem(0.0);
                let small = x.clone().mul_scalar(slope);
                x.mask_where(negative, small)
            }
            Self::Tanh => x.tanh(),
        }
    }

    /// Returns the gradient of the input from the gradient `dy` of the output. `output` has the sign of the input. At
    /// 0, the slope is that of negative values.
    pub(crate) fn backward(self, dy: Tensor<4>, output: &Tensor<4>) -> Tensor<4> {
        match self {
            Self::Identity => dy,
            Self::LeakyRelu { slope } => {
                let negative = output.clone().lower_equal_elem(0.0);
                let small = dy.clone().mul_scalar(slope);
                dy.mask_where(negative, small)
            }
            Self::Tanh => dy * (output.clone().square().neg().add_scalar(1.0)),
        }
    }
}
