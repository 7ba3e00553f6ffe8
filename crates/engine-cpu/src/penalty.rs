//! The discriminator's backward pass with a penalty on its gradient in the images: see [`dcgan_kernels::penalty`] for
//! the formulas.

use crate::activations::{Activations, Gradients};
use crate::batch::Batch;
use crate::gradient::ParameterGradient;
use crate::net::Net;
use crate::stage::SmallSide;
use crate::timing::Pass;
use dcgan_kernels::conv::ConvArgs;
use dcgan_kernels::epilogue::Epilogue;
use dcgan_kernels::input::InputView;
use dcgan_kernels::memory::Buffer;
use dcgan_kernels::{Cpu, penalty};
use dcgan_model::EngineError;
use std::ops::Range;

/// Memory of [`Net::backward_with_penalty`], and factors that it reads.
#[derive(Debug)]
pub(crate) struct Penalty {
    /// For every stage the gradient of the logit in the convolution's output.
    deltas: Vec<Buffer>,
    /// For every image the derivative of the loss in its logit.
    pub(crate) loss_factors: Vec<f32>,
    /// For every image the weight γ / N of its penalty; 0 for an image without one.
    pub(crate) factors: Vec<f32>,
    /// For every image ‖∇ₓD(x)‖², computed by the backward pass.
    pub(crate) squared_norms: Vec<f32>,
}

impl Penalty {
    /// Takes memory for `batch` images.
    pub(crate) fn new(net: &Net, batch: usize) -> Self {
        let deltas = net.stages.iter().map(|stage| Buffer::zeros(batch * stage.output().len()));
        let zeros = || vec![0.0; batch];
        Self { deltas: deltas.collect(), loss_factors: zeros(), factors: zeros(), squared_norms: zeros() }
    }

    /// Number of values of that memory.
    pub(crate) fn len(net: &Net, batch: usize) -> usize {
        net.stages.iter().map(|stage| batch * stage.output().len()).sum::<usize>() + 3 * batch
    }
}

impl Net {
    /// Backpropagates through the last forward pass, of `input`, and computes the gradient of the loss and of the
    /// penalty in the parameters.
    ///
    /// The images with a penalty are `with_penalty`, counted among this process's.
    ///
    /// # Panics
    /// If the network has batch norm.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn backward_with_penalty(
        &mut self,
        cpu: &Cpu,
        acts: &Activations,
        input: &[f32],
        gradients: &mut Gradients,
        penalty: &mut Penalty,
        with_penalty: Range<usize>,
        target: &mut ParameterGradient,
        batch: &mut Batch<'_>,
        scratch: &mut [f32],
    ) -> Result<(), EngineError> {
        let Gradients { current, next, transform } = gradients;
        let Penalty { deltas, loss_factors, factors, squared_norms } = penalty;
        let Self { stages, parameters, normalized, timer, .. } = self;
        let weights = if normalized.is_empty() { &*parameters } else { &*normalized };
        let last = stages.len() - 1;
        let count = batch.len();

        // From the logits to the images.
        deltas[last][..count].fill(1.0);
        for (index, stage) in stages.iter().enumerate().rev() {
            assert!(stage.norm.is_none(), "a gradient penalty on a network with batch norm");
            if count == 0 {
                break;
            }
            let (before, after) = deltas.split_at_mut(index);
            let (delta_target, epilogue) = match (index.checked_sub(1), before.last_mut()) {
                (Some(previous), Some(delta_target)) => {
                    (delta_target, stages[previous].activation_gradient(&acts.stages[previous], count))
                }
                _ => (&mut *current, Epilogue::Identity),
            };
            let delta_target = &mut delta_target[..count * stage.input().len()];
            let delta = InputView::Plain(&after[0][..count * stage.output().len()]);
            let weight = &weights[stage.weight.clone()];
            let args = ConvArgs { input: delta, weight, epilogue, batch: count, scratch };
            timer.time(index, Pass::InputGradient, count, || stage.conv.adjoint(delta_target, args));
        }
        if count > 0 {
            penalty::squared_norms(cpu, &mut squared_norms[..count], &current[..input.len()]);
        }

        // From the tangents at the images to those at the logits.
        let Range { start, end } = with_penalty;
        for (index, stage) in stages.iter().enumerate() {
            let (input_len, output_len) = (stage.input().len(), stage.output().len());
            debug_assert!(index > 0 || input_len * count == input.len());
            if index < last && start < end {
                let tangents = InputView::Plain(&current[start * input_len..end * input_len]);
                let outputs = &acts.stages[index].conv[start * output_len..end * output_len];
                let epilogue = Epilogue::ActivationBackward { activation: stage.activation, outputs };
                let next = &mut next[start * output_len..end * output_len];
                let weight = &weights[stage.weight.clone()];
                let (images, pass) = (end - start, Pass::Forward);
                let args = ConvArgs { input: tangents, weight, epilogue, batch: images, scratch };
                timer.time(index, pass, images, || stage.conv.forward(next, args));
            }
            let activations = match index.checked_sub(1) {
                Some(previous) => &acts.stages[previous].conv[..count * input_len],
                None => input,
            };
            let combined = &mut current[..count * input_len];
            if count > 0 {
                penalty::combine(cpu, combined, activations, &loss_factors[..count], &factors[..count]);
            }
            let delta = &deltas[index][..count * output_len];
            let small = SmallSide::Memory(transform);
            let (combined, gradient) = (InputView::Plain(combined), InputView::Plain(delta));
            timer.time(index, Pass::WeightGradient, count, || {
                stage.sum_weight_gradient(cpu, target, combined, gradient, small, batch, scratch);
            });
            stage.sum_bias_gradient(cpu, target, delta, Some(&loss_factors[..count]), batch, scratch);
            target.finish_stage(index, batch.shards)?;
            std::mem::swap(current, next);
        }
        self.finish_gradients(cpu, acts, target, batch)
    }
}
