//! A convolution with its bias or batch norm and its activation: forward pass, and gradients of input and weight.

use crate::activation::Activation;
use crate::batch_norm::{Mode, Norm, Statistics, batch_norm, batch_norm_backward, row};
use crate::conv::Conv;
use crate::parameter::Parameter;
use crate::spectral_norm::SpectralNorm;
use burn_tensor::Tensor;

/// A convolution with its bias or batch norm and its activation.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    pub(crate) conv: Conv,
    /// Whether the input is the small side, as in `ConvTranspose2d`.
    pub(crate) transposed: bool,
    /// Index of the weight in the parameters. The bias, or scale and shift of batch norm, follow it.
    pub(crate) weight: usize,
    pub(crate) has_bias: bool,
    pub(crate) spectral_norm: Option<SpectralNorm>,
    pub(crate) norm: Option<Norm>,
    pub(crate) activation: Activation,
}

/// Values of a stage's forward pass that its backward pass needs.
#[derive(Debug, Clone)]
pub(crate) struct StageTrace {
    pub(crate) input: Tensor<4>,
    /// The convolution's output.
    pub(crate) conv: Tensor<4>,
    pub(crate) statistics: Option<Statistics>,
    /// The stage's output.
    pub(crate) output: Tensor<4>,
}

/// Gradients returned by [`Stage::backward`].
pub(crate) struct Backward {
    /// The gradient of the convolution's output.
    pub(crate) dconv: Tensor<4>,
    /// The gradients of batch norm's scale and shift.
    pub(crate) dscale_and_shift: Option<[Tensor<2>; 2]>,
}

impl Stage {
    /// Returns the weight that the convolution uses: with spectral norm the normalized one.
    fn effective_weight(&self, parameters: &[Parameter]) -> Tensor<2> {
        match &self.spectral_norm {
            Some(norm) => norm.normalized.clone(),
            None => parameters[self.weight].value.clone(),
        }
    }

    /// Returns the convolution without bias.
    pub(crate) fn convolve(&self, parameters: &[Parameter], input: Tensor<4>) -> Tensor<4> {
        let weight = self.effective_weight(parameters);
        if self.transposed { self.conv.adjoint(input, weight) } else { self.conv.forward(input, weight) }
    }

    /// Returns the convolution's output `conv` plus the bias, if there is one.
    pub(crate) fn with_bias(&self, parameters: &[Parameter], conv: Tensor<4>) -> Tensor<4> {
        if self.has_bias { conv + row(&parameters[self.weight + 1].value) } else { conv }
    }

    /// Returns scale and shift of batch norm, if there is one.
    pub(crate) fn scale_and_shift(&self, parameters: &[Parameter]) -> Option<[Tensor<2>; 2]> {
        self.norm.as_ref()?;
        Some([1, 2].map(|place| parameters[self.weight + place].value.clone()))
    }

    /// Runs the stage on `input` (N × H × W × C). In training mode, batch norm's running statistics are updated.
    pub(crate) fn forward(&mut self, parameters: &[Parameter], mode: Mode, input: Tensor<4>) -> StageTrace {
        let conv = self.with_bias(parameters, self.convolve(parameters, input.clone()));
        let affine = self.scale_and_shift(parameters);
        let (statistics, normed) = match (&mut self.norm, affine) {
            (Some(norm), Some([scale, shift])) => {
                let statistics = match mode {
                    Mode::Train(momentum) => norm.observe(&conv, momentum),
                    Mode::Eval => norm.running(),
                };
                let normed = batch_norm(conv.clone(), &statistics, scale, shift);
                (Some(statistics), normed)
            }
            _ => (None, conv.clone()),
        };
        StageTrace { input, conv, statistics, output: self.activation.apply(normed) }
    }

    /// Returns the gradient of the convolution's output from that of the stage's output.
    pub(crate) fn backward(&self, parameters: &[Parameter], trace: &StageTrace, dy: Tensor<4>) -> Backward {
        let dy = self.activation.backward(dy, &trace.output);
        match (&trace.statistics, self.scale_and_shift(parameters)) {
            (Some(statistics), Some([scale, _])) => {
                let (dconv, dscale_and_shift) = batch_norm_backward(dy, trace.conv.clone(), statistics, scale);
                Backward { dconv, dscale_and_shift: Some(dscale_and_shift) }
            }
            _ => Backward { dconv: dy, dscale_and_shift: None },
        }
    }

    /// Returns the gradient of the stage's input from that of the convolution's output.
    pub(crate) fn input_gradient(&self, parameters: &[Parameter], dconv: Tensor<4>) -> Tensor<4> {
        let weight = self.effective_weight(parameters);
        if self.transposed { self.conv.forward(dconv, weight) } else { self.conv.adjoint(dconv, weight) }
    }

    /// Returns the gradient of the weight from the stage's input and the gradient of the convolution's output.
    pub(crate) fn weight_gradient(&self, input: Tensor<4>, dconv: Tensor<4>) -> Tensor<2> {
        let (big, small) = if self.transposed { (dconv, input) } else { (input, dconv) };
        let gradient = self.conv.weight_gradient(big, small);
        match &self.spectral_norm {
            Some(norm) => norm.weight_gradient(gradient),
            None => gradient,
        }
    }
}
