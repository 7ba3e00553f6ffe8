//! A network's forward and backward passes, stage by stage.

use crate::activations::{Activations, Gradients, Mode};
use crate::batch::Batch;
use crate::gradient::ParameterGradient;
use crate::net::Net;
use crate::stage::{SmallSide, Weights};
use crate::timing::Pass;
use dcgan_kernels::Cpu;
use dcgan_kernels::activation;
use dcgan_kernels::conv::ConvArgs;
use dcgan_kernels::epilogue::Epilogue;
use dcgan_kernels::input::InputView;
use dcgan_model::EngineError;

/// The gradients that a backward pass is to compute.
#[derive(Debug)]
pub(crate) struct GradientRequest<'a> {
    /// Gradients of the parameters over the whole batch.
    pub(crate) parameters: Option<&'a mut ParameterGradient>,
    /// Gradient of the network's input, with an epilogue.
    pub(crate) input: Option<Epilogue<'a>>,
}

impl Net {
    /// Runs the network on this process's images of `batch` (NHWC); see [`Net::output`].
    pub(crate) fn forward(
        &mut self,
        cpu: &Cpu,
        mode: Mode,
        acts: &mut Activations,
        input: &[f32],
        batch: &mut Batch<'_>,
        scratch: &mut [f32],
    ) -> Result<(), EngineError> {
        self.normalize_weights(cpu, mode);
        let Self { stages, parameters, normalized, buffers, batches_tracked, timer, .. } = self;
        let weights = Weights {
            parameters: &*parameters,
            normalized: if normalized.is_empty() { parameters } else { normalized },
        };
        if matches!(mode, Mode::Train(_)) {
            *batches_tracked += 1;
        }
        let Activations { stages: acts, sums, mode: last_mode } = acts;
        *last_mode = mode;
        for (index, stage) in stages.iter().enumerate() {
            let (before, acts) = acts.split_at_mut(index);
            let input = match (index.checked_sub(1), before.last()) {
                (Some(previous), Some(acts)) => stages[previous].activated_output(acts, batch.len()),
                _ => InputView::Plain(input),
            };
            let acts = &mut acts[0];
            timer.time(index, Pass::Forward, batch.len(), || {
                stage.forward(input, weights, acts, sums, mode, batch, scratch);
            });
            stage.finish_statistics(weights.parameters, buffers, acts, sums, mode, batch)?;
        }
        Ok(())
    }

    /// Returns the output of the last forward pass on `batch` inputs (NHWC; logits for the discriminator).
    pub(crate) fn output<'a>(&self, acts: &'a Activations, batch: usize) -> &'a [f32] {
        let last = acts.stages.last().map_or(&[] as &[f32], |acts| &*acts.conv);
        &last[..batch * self.stages.last().map_or(0, |stage| stage.output().len())]
    }

    /// Returns the epilogue of a convolution that computes the gradient of this network's output for [`Net::backward`].
    pub(crate) fn output_epilogue<'a>(&self, acts: &'a Activations, batch: usize) -> Epilogue<'a> {
        match (self.stages.last(), acts.stages.last()) {
            (Some(stage), Some(acts)) => stage.activation_gradient(acts, batch),
            _ => Epilogue::Identity,
        }
    }

    /// Turns the gradient of this network's output into the one that [`Net::backward`] starts from.
    pub(crate) fn output_gradient(&self, cpu: &Cpu, acts: &Activations, gradient: &mut [f32], batch: usize) {
        if let Some(stage) = self.stages.last() {
            activation::backward(cpu, gradient, self.output(acts, batch), stage.activation);
        }
    }

    /// Backpropagates through the last forward pass. `gradients.current` holds the gradient of the last convolution's
    /// output: the last stage of both networks has no batch norm, and the gradient of its activation is the caller's.
    /// That of the input ends up in `gradients.current`.
    pub(crate) fn backward(
        &mut self,
        cpu: &Cpu,
        acts: &mut Activations,
        input: &[f32],
        gradients: &mut Gradients,
        mut wanted: GradientRequest<'_>,
        batch: &mut Batch<'_>,
        scratch: &mut [f32],
    ) -> Result<(), EngineError> {
        let Self { stages, parameters, normalized, timer, .. } = self;
        let weights = if normalized.is_empty() { &**parameters } else { &**normalized };
        let (all_acts, count) = (acts, batch.len());
        let Activations { stages: acts, sums, mode } = &mut *all_acts;
        for (index, stage) in stages.iter().enumerate().rev() {
            let Gradients { current, next, transform } = &mut *gradients;
            let (before, acts) = acts.split_at_mut(index);
            let acts = &acts[0];
            let previous = index.checked_sub(1).map(|previous| &stages[previous]).zip(before.last_mut());
            let input = match &previous {
                Some((stage, acts)) => stage.activated_output(acts, count),
                None => InputView::Plain(input),
            };
            let gradient = stage.gradient(cpu, acts, current, count);
            let epilogue = match &previous {
                Some((stage, acts)) => Some(stage.gradient_epilogue(acts, sums, batch)),
                None => wanted.input.take(),
            };
            let has_input_gradient = epilogue.is_some();
            // The transform of the whole batch is of no use for the gradients of shards.
            let keeps = wanted.parameters.is_some() && batch.shards.count() == 1;
            let (mut small, mut memory) = (None, Some(&mut transform[..]));
            if let Some(epilogue) = epilogue.filter(|_| count > 0) {
                let dinput = &mut next[..count * stage.input().len()];
                let weight = &weights[stage.weight.clone()];
                let args = ConvArgs { input: gradient, weight, epilogue, batch: count, scratch };
                let keep = if keeps { memory.take() } else { None };
                small = timer.time(index, Pass::InputGradient, count, || stage.input_gradient(dinput, args, keep));
            }
            if let (Some(target), Some(small)) = (&mut wanted.parameters, small.or(memory.map(SmallSide::Memory))) {
                timer.time(index, Pass::WeightGradient, count, || {
                    stage.sum_weight_gradient(cpu, target, input, gradient, small, batch, scratch);
                });
                let dvalues = &gradients.current[..count * stage.output().len()];
                stage.sum_bias_gradient(cpu, target, dvalues, None, batch, scratch);
                target.finish_stage(index, batch.shards)?;
            }
            if let Some((previous, acts)) = previous {
                previous.finish_norm_gradients(&stage.conv, parameters, acts, sums, *mode, batch)?;
            }
            if has_input_gradient {
                std::mem::swap(&mut gradients.current, &mut gradients.next);
            }
        }
        match wanted.parameters {
            Some(target) => self.finish_gradients(cpu, all_acts, target, batch),
            None => Ok(()),
        }
    }

    /// Sums the gradients of the parameters over all ranks, and finishes those of batch norm and spectral norm.
    pub(crate) fn finish_gradients(
        &mut self,
        cpu: &Cpu,
        acts: &Activations,
        target: &mut ParameterGradient,
        batch: &mut Batch<'_>,
    ) -> Result<(), EngineError> {
        target.sum_ranks(batch.shards)?;
        for (stage, acts) in self.stages.iter().zip(&acts.stages) {
            stage.write_norm_gradients(&mut target.sum, acts);
        }
        self.finish_weight_gradients(cpu, &mut target.sum);
        Ok(())
    }
}
