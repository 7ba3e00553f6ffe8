//! A convolution with its bias or batch norm and its activation: forward pass, and gradients of input and weight.

use crate::activation::Activation;
use crate::batch::Batch;
use crate::batch_norm::{Mode, Norm, Statistics, batch_norm, batch_norm_backward, row};
use crate::conv::Conv;
use crate::parameter::Parameter;
use crate::spectral_norm::SpectralNorm;
use burn_tensor::Tensor;
use dcgan_model::EngineError;

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

/// Values of a stage's forward pass that its backward pass needs, with a tensor for each part of the batch.
#[derive(Debug, Clone)]
pub(crate) struct StageTrace {
    pub(crate) inputs: Vec<Tensor<4>>,
    /// The convolution's output.
    pub(crate) convs: Vec<Tensor<4>>,
    pub(crate) statistics: Option<Statistics>,
    /// The stage's output.
    pub(crate) outputs: Vec<Tensor<4>>,
}

/// Gradients returned by [`Stage::backward`].
pub(crate) struct Backward {
    /// The gradient of the convolution's output, for each part.
    pub(crate) dconvs: Vec<Tensor<4>>,
    /// The gradients of batch norm's scale and shift, over the whole batch.
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

    /// Runs the stage on `inputs` (N × H × W × C each). In training mode, batch norm's running statistics are updated.
    pub(crate) fn forward(
        &mut self,
        parameters: &[Parameter],
        mode: Mode,
        inputs: Vec<Tensor<4>>,
        batch: &mut Batch<'_>,
    ) -> Result<StageTrace, EngineError> {
        let convs =
            batch.each(&inputs, |input| self.with_bias(parameters, self.convolve(parameters, input.clone())))?;
        let affine = self.scale_and_shift(parameters);
        let pixels = self.output_pixels();
        let statistics = match (&mut self.norm, mode) {
            (Some(norm), Mode::Train(momentum)) => Some(norm.observe(&convs, pixels, momentum, batch)?),
            (Some(norm), Mode::Eval) => Some(norm.running()),
            (None, _) => None,
        };
        let outputs = batch.each(&convs, |conv| {
            let normed = match (&statistics, &affine) {
                (Some(statistics), Some([scale, shift])) => {
                    batch_norm(conv.clone(), statistics, scale.clone(), shift.clone())
                }
                _ => conv.clone(),
            };
            self.activation.apply(normed)
        })?;
        Ok(StageTrace { inputs, convs, statistics, outputs })
    }

    /// Number of pixels of an output image.
    fn output_pixels(&self) -> usize {
        let size = if self.transposed { self.conv.big_size } else { self.conv.small_size };
        size * size
    }

    /// Returns the gradients of the convolution's outputs from those of the stage's outputs.
    pub(crate) fn backward(
        &self,
        parameters: &[Parameter],
        trace: &StageTrace,
        dy: Vec<Tensor<4>>,
        batch: &mut Batch<'_>,
    ) -> Result<Backward, EngineError> {
        let dy = batch.each(dy.into_iter().zip(&trace.outputs), |(dy, output)| self.activation.backward(dy, output))?;
        match (&trace.statistics, self.scale_and_shift(parameters)) {
            (Some(statistics), Some([scale, _])) => {
                let (dconvs, dscale_and_shift) = batch_norm_backward(dy, &trace.convs, statistics, scale, batch)?;
                Ok(Backward { dconvs, dscale_and_shift: Some(dscale_and_shift) })
            }
            _ => Ok(Backward { dconvs: dy, dscale_and_shift: None }),
        }
    }

    /// Returns the gradient of the stage's input from that of the convolution's output.
    fn input_gradient(&self, parameters: &[Parameter], dconv: Tensor<4>) -> Tensor<4> {
        let weight = self.effective_weight(parameters);
        if self.transposed { self.conv.forward(dconv, weight) } else { self.conv.adjoint(dconv, weight) }
    }

    /// Returns the gradients of the stage's inputs from those of the convolution's outputs.
    pub(crate) fn input_gradients(
        &self,
        parameters: &[Parameter],
        dconvs: &[Tensor<4>],
        batch: &Batch<'_>,
    ) -> Result<Vec<Tensor<4>>, EngineError> {
        batch.each(dconvs, |dconv| self.input_gradient(parameters, dconv.clone()))
    }

    /// Returns the gradient of the weight that the convolution uses, from the stage's input and the gradient of the
    /// convolution's output.
    pub(crate) fn weight_gradient(&self, input: Tensor<4>, dconv: Tensor<4>) -> Tensor<2> {
        let (big, small) = if self.transposed { (dconv, input) } else { (input, dconv) };
        self.conv.weight_gradient(big, small)
    }
}
