//! A network's forward and backward passes, stage by stage.

use crate::batch_norm::{Mode, batch_norm, sum_of_channels};
use crate::net::Net;
use crate::stage::{Backward, StageTrace};
use burn_tensor::Tensor;

/// Values of a forward pass that the backward pass needs.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    stages: Vec<StageTrace>,
}

impl Net {
    /// Returns the network's output for `input` (N × H × W × C), and the values that the backward pass needs. The
    /// discriminator's output is its logits, N × 1 × 1 × 1.
    pub(crate) fn forward(&mut self, mode: Mode, input: Tensor<4>) -> (Tensor<4>, Trace) {
        let mut x = input;
        let mut traces = Vec::with_capacity(self.stages.len());
        for stage in &mut self.stages {
            if let Some(norm) = &mut stage.spectral_norm {
                let weight = &self.parameters[stage.weight].value;
                if let Mode::Train(_) = mode {
                    norm.iterate(weight);
                }
                norm.normalize(weight);
            }
            let trace = stage.forward(&self.parameters, mode, x);
            x = trace.output.clone();
            traces.push(trace);
        }
        (x, Trace { stages: traces })
    }

    /// Returns the network's output in eval mode. Keeps no values for a backward pass.
    pub(crate) fn infer(&self, input: Tensor<4>) -> Tensor<4> {
        self.stages.iter().fold(input, |x, stage| {
            let conv = stage.with_bias(&self.parameters, stage.convolve(&self.parameters, x));
            let normed = match (&stage.norm, stage.scale_and_shift(&self.parameters)) {
                (Some(norm), Some([scale, shift])) => batch_norm(conv, &norm.running(), scale, shift),
                _ => conv,
            };
            stage.activation.apply(normed)
        })
    }

    /// Returns the gradients of the parameters, in their order, from the gradient of the output.
    pub(crate) fn parameter_gradients(&self, trace: Trace, gradient: Tensor<4>) -> Vec<Tensor<2>> {
        let mut gradients = Vec::with_capacity(self.parameters.len());
        let mut dx = Some(gradient);
        for (index, (stage, trace)) in self.stages.iter().zip(trace.stages).enumerate().rev() {
            let Some(dy) = dx.take() else { break };
            let Backward { dconv, dscale_and_shift } = stage.backward(&self.parameters, &trace, dy);
            // The gradient of the network's input is not needed.
            dx = (index > 0).then(|| stage.input_gradient(&self.parameters, dconv.clone()));
            gradients.extend(dscale_and_shift.into_iter().flat_map(|[dscale, dshift]| [dshift, dscale]));
            gradients.extend(stage.has_bias.then(|| sum_of_channels(dconv.clone())));
            gradients.push(stage.weight_gradient(trace.input, dconv));
        }
        gradients.reverse();
        gradients
    }

    /// Returns the gradients of the parameters, in their order, of a loss with this `gradient` in the outputs (N × 1
    /// × 1 × 1) and of a penalty on the gradient of each output in its image, which `factors` weigh (N × 1 × 1 ×
    /// 1). Also returns ‖∇ₓD(x)‖² of every image.
    ///
    /// `dcgan_kernels::penalty` derives the formulas. The network has no batch norm.
    pub(crate) fn penalty_gradients(
        &self,
        trace: Trace,
        gradient: Tensor<4>,
        factors: Tensor<4>,
    ) -> (Vec<Tensor<2>>, Tensor<1>) {
        let mut deltas = Vec::with_capacity(self.stages.len());
        let mut dy = gradient.ones_like();
        for (stage, trace) in self.stages.iter().zip(&trace.stages).rev() {
            let Backward { dconv, .. } = stage.backward(&self.parameters, trace, dy);
            dy = stage.input_gradient(&self.parameters, dconv.clone());
            deltas.push(dconv);
        }
        let [batch, height, width, channels] = dy.dims();
        let norms = dy.clone().square().reshape([batch, height * width * channels]).sum_dim(1).reshape([batch]);
        let (mut tangent, mut gradients) = (dy, Vec::with_capacity(self.parameters.len()));
        for (stage, trace) in self.stages.iter().zip(trace.stages) {
            let Some(delta) = deltas.pop() else { break };
            let input = trace.input * gradient.clone() + tangent.clone() * factors.clone();
            gradients.push(stage.weight_gradient(input, delta.clone()));
            gradients.extend(stage.has_bias.then(|| sum_of_channels(delta * gradient.clone())));
            tangent = stage.activation.backward(stage.convolve(&self.parameters, tangent), &trace.output);
        }
        (gradients, norms)
    }

    /// Returns the gradient of the input from that of the output.
    pub(crate) fn input_gradient(&self, trace: Trace, gradient: Tensor<4>) -> Tensor<4> {
        self.stages.iter().zip(trace.stages).rev().fold(gradient, |dy, (stage, trace)| {
            stage.input_gradient(&self.parameters, stage.backward(&self.parameters, &trace, dy).dconv)
        })
    }
}

impl Trace {
    /// Returns the network's output.
    pub(crate) fn output(&self) -> Option<&Tensor<4>> {
        self.stages.last().map(|stage| &stage.output)
    }
}
