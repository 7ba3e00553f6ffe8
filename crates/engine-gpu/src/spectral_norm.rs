//! Spectral norm: a weight divided by its largest singular value.

use crate::conv::Conv;
use crate::reduce::sum;
use crate::transfer::{flat, upload};
use burn_tensor::{Device, Tensor};
use dcgan_model::{Layer, StateDict};

/// Spectral norm of a weight; `dcgan_kernels::spectral_norm` documents the formulas.
#[derive(Debug, Clone)]
pub(crate) struct SpectralNorm {
    /// Index in the tutorial's `nn.Sequential`.
    layer: usize,
    conv: Conv,
    /// A row with a value for each column of the weight's matrix.
    u: Tensor<2>,
    /// A column with a value for each row of the weight's matrix.
    v: Tensor<2>,
    /// The singular value that the weight was last divided by, 1 × 1.
    sigma: Tensor<2>,
    /// The weight divided by it.
    pub(crate) normalized: Tensor<2>,
}

impl SpectralNorm {
    /// Returns spectral norm with vectors of zeros for the convolution `conv` at index `layer`.
    pub(crate) fn new(layer: usize, conv: Conv, device: &Device) -> Self {
        let [rows, columns] = conv.weight_shape();
        Self {
            layer,
            conv,
            u: Tensor::zeros([1, columns], device),
            v: Tensor::zeros([rows, 1], device),
            sigma: Tensor::ones([1, 1], device),
            normalized: Tensor::zeros([rows, columns], device),
        }
    }

    /// Returns the names of u and v in the state_dict.
    fn names(&self) -> [String; 2] {
        [Layer::SPECTRAL_U, Layer::SPECTRAL_V].map(|suffix| format!("{}.{suffix}", self.layer))
    }

    /// Loads the vectors of a checked state_dict. PyTorch's v is in the order of big × k × k.
    pub(crate) fn load(&mut self, state: &StateDict, device: &Device) {
        let [u, v] = self.names().map(|name| state[&name].as_f32().unwrap_or_default());
        let Conv { big_channels, kernel, .. } = self.conv;
        self.u = upload(u, [1, u.len()], device);
        let v: Tensor<4> = upload(v, [1, big_channels, kernel, kernel], device);
        self.v = v.permute([2, 3, 1, 0]).reshape([kernel * kernel * big_channels, 1]);
    }

    /// Returns the vectors with their names, in PyTorch's order.
    pub(crate) fn buffers(&self) -> [(String, Tensor<1>); 2] {
        let Conv { big_channels, kernel, .. } = self.conv;
        let v = self.v.clone().reshape([kernel, kernel, big_channels, 1]).permute([3, 2, 0, 1]);
        let v = v.reshape([kernel * kernel * big_channels]);
        let [u_name, v_name] = self.names();
        [(u_name, flat(self.u.clone())), (v_name, v)]
    }

    /// Performs one power iteration: updates u and v.
    pub(crate) fn iterate(&mut self, weight: &Tensor<2>) {
        self.u = unit(self.v.clone().transpose().matmul(weight.clone()));
        self.v = unit(weight.clone().matmul(self.u.clone().transpose()));
    }

    /// Computes the singular value of `weight` and divides the weight by it.
    pub(crate) fn normalize(&mut self, weight: &Tensor<2>) {
        let product = weight.clone().matmul(self.u.clone().transpose());
        self.sigma = self.v.clone().transpose().matmul(product);
        self.normalized = weight.clone() / self.sigma.clone();
    }

    /// Returns the gradient of the weight from that of the normalized weight.
    pub(crate) fn weight_gradient(&self, gradient: Tensor<2>) -> Tensor<2> {
        let product = sum(gradient.clone() * self.normalized.clone()).reshape([1, 1]);
        (gradient - self.v.clone().matmul(self.u.clone()) * product) / self.sigma.clone()
    }
}

/// Returns a row or a column divided by its Euclidean norm, or by a bound if that is smaller, as
/// `torch.nn.functional.normalize`.
fn unit(vector: Tensor<2>) -> Tensor<2> {
    let norm = sum(vector.clone().square()).sqrt().clamp_min(1e-12).reshape([1, 1]);
    vector / norm
}
