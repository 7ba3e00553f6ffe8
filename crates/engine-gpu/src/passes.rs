//! A network's forward and backward passes, stage by stage.

use crate::batch::Batch;
use crate::batch_norm::{Mode, batch_norm, sum_of_channels};
use crate::gradient::Gradients;
use crate::net::Net;
use crate::stage::{Backward, StageTrace};
use burn_tensor::Tensor;
use dcgan_model::EngineError;

/// Values of a forward pass that the backward pass needs.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    stages: Vec<StageTrace>,
}

/// Gradients returned by [`Net::penalty_gradients`].
pub(crate) struct PenaltyGradients {
    /// The gradients of the parameters, in their order.
    pub(crate) parameters: Vec<Tensor<2>>,
    /// ‖∇ₓD(x)‖² of every image of each part, N × 1 × 1 × 1.
    pub(crate) squared_norms: Vec<Tensor<4>>,
}

impl Net {
    /// Returns the network's outputs for `inputs`, the parts of a batch (N × H × W × C each), and the values that the
    /// backward pass needs. The discriminator's outputs are its logits, N × 1 × 1 × 1.
    pub(crate) fn forward(
        &mut self,
        mode: Mode,
        inputs: Vec<Tensor<4>>,
        batch: &mut Batch<'_>,
    ) -> Result<(Vec<Tensor<4>>, Trace), EngineError> {
        let mut x = inputs;
        let mut traces = Vec::with_capacity(self.stages.len());
        for stage in &mut self.stages {
            if let Some(norm) = &mut stage.spectral_norm {
                let weight = &self.parameters[stage.weight].value;
                if let Mode::Train(_) = mode {
                    norm.iterate(weight);
                }
                norm.normalize(weight);
                batch.separate()?;
            }
            let trace = stage.forward(&self.parameters, mode, x, batch)?;
            x = trace.outputs.clone();
            traces.push(trace);
        }
        Ok((x, Trace { stages: traces }))
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

    /// Returns the gradients of the parameters over the whole batch, in their order, from the gradients of the outputs.
    pub(crate) fn parameter_gradients(
        &self,
        trace: Trace,
        gradients: Vec<Tensor<4>>,
        batch: &mut Batch<'_>,
    ) -> Result<Vec<Tensor<2>>, EngineError> {
        let mut found = Gradients::new(&self.parameters, batch.device());
        let mut dx = Some(gradients);
        for (index, (stage, trace)) in self.stages.iter().zip(trace.stages).enumerate().rev() {
            let Some(dy) = dx.take() else { break };
            let Backward { dconvs, dscale_and_shift } = stage.backward(&self.parameters, &trace, dy, batch)?;
            if index > 0 {
                // The gradient of the network's input is not needed.
                dx = Some(stage.input_gradients(&self.parameters, &dconvs, batch)?);
            }
            for (place, gradient) in dscale_and_shift.into_iter().flatten().enumerate() {
                found.set(stage.weight + 1 + place, gradient);
            }
            if stage.has_bias {
                found.sum(stage.weight + 1, batch, |part| sum_of_channels(dconvs[part].clone()))?;
            }
            found.sum(stage.weight, batch, |part| {
                stage.weight_gradient(trace.inputs[part].clone(), dconvs[part].clone())
            })?;
        }
        self.finish_gradients(found, batch)
    }

    /// Returns the gradients of the parameters over the whole batch, in their order, of a loss with these `gradients`
    /// in the outputs (N × 1 × 1 × 1 for each part) and of a penalty on the gradient of each output in its image, which
    /// `factors` weigh (N × 1 × 1 × 1). Also returns ‖∇ₓD(x)‖² of every image.
    ///
    /// `dcgan_kernels::penalty` derives the formulas. The network has no batch norm.
    pub(crate) fn penalty_gradients(
        &self,
        trace: Trace,
        gradients: Vec<Tensor<4>>,
        factors: Vec<Tensor<4>>,
        batch: &mut Batch<'_>,
    ) -> Result<PenaltyGradients, EngineError> {
        let mut deltas = Vec::with_capacity(self.stages.len());
        let mut dy: Vec<Tensor<4>> = gradients.iter().map(Tensor::ones_like).collect();
        for (stage, trace) in self.stages.iter().zip(&trace.stages).rev() {
            let Backward { dconvs, .. } = stage.backward(&self.parameters, trace, dy, batch)?;
            dy = stage.input_gradients(&self.parameters, &dconvs, batch)?;
            deltas.push(dconvs);
        }
        let squared_norms = batch.each(&dy, |dy| {
            let [images, height, width, channels] = dy.dims();
            let squares = dy.clone().square().reshape([images, height * width * channels]);
            squares.sum_dim(1).reshape([images, 1, 1, 1])
        })?;
        let (mut tangents, mut found) = (dy, Gradients::new(&self.parameters, batch.device()));
        for (stage, trace) in self.stages.iter().zip(trace.stages) {
            let Some(deltas) = deltas.pop() else { break };
            found.sum(stage.weight, batch, |part| {
                let input = trace.inputs[part].clone() * gradients[part].clone()
                    + tangents[part].clone() * factors[part].clone();
                stage.weight_gradient(input, deltas[part].clone())
            })?;
            if stage.has_bias {
                let delta = |part: usize| deltas[part].clone() * gradients[part].clone();
                found.sum(stage.weight + 1, batch, |part| sum_of_channels(delta(part)))?;
            }
            tangents = batch.each(tangents.into_iter().zip(&trace.outputs), |(tangent, output)| {
                stage.activation.backward(stage.convolve(&self.parameters, tangent), output)
            })?;
        }
        Ok(PenaltyGradients { parameters: self.finish_gradients(found, batch)?, squared_norms })
    }

    /// Waits for the sums of the gradients, and turns those of weights with spectral norm into gradients of the weights
    /// before it.
    fn finish_gradients(&self, gradients: Gradients<'_>, batch: &mut Batch<'_>) -> Result<Vec<Tensor<2>>, EngineError> {
        let mut gradients = gradients.finish(batch)?;
        for stage in &self.stages {
            if let Some(norm) = &stage.spectral_norm {
                let gradient = &mut gradients[stage.weight];
                *gradient = norm.weight_gradient(gradient.clone());
            }
        }
        Ok(gradients)
    }

    /// Returns the gradients of the inputs from those of the outputs.
    pub(crate) fn input_gradients(
        &self,
        trace: Trace,
        gradients: Vec<Tensor<4>>,
        batch: &mut Batch<'_>,
    ) -> Result<Vec<Tensor<4>>, EngineError> {
        self.stages.iter().zip(trace.stages).rev().try_fold(gradients, |dy, (stage, trace)| {
            let Backward { dconvs, .. } = stage.backward(&self.parameters, &trace, dy, batch)?;
            stage.input_gradients(&self.parameters, &dconvs, batch)
        })
    }
}

impl Trace {
    /// Returns the network's outputs, one for each part of the batch.
    pub(crate) fn outputs(&self) -> &[Tensor<4>] {
        self.stages.last().map_or(&[], |stage| &stage.outputs)
    }
}
