//! A stage of a network, which is a convolution with the batch norm and activation that follow it: its part of the
//! forward and backward passes.

use crate::activations::{Mode, StageActivations};
use crate::batch::Batch;
use crate::gradient::{ParameterGradient, images_of};
use crate::norm_sums::{NormSums, Summands};
use crate::weights::Norm;
use dcgan_kernels::activation::Activation;
use dcgan_kernels::batch_norm::{self, RunningStatistics, Statistics};
use dcgan_kernels::conv::{ConvArgs, ConvPlan, Plane, SmallTransform};
use dcgan_kernels::epilogue::Epilogue;
use dcgan_kernels::input::{InputView, NormBackward, NormGradient};
use dcgan_kernels::{Cpu, bias};
use dcgan_model::EngineError;
use std::ops::Range;

/// A convolution with the batch norm and activation that follow it. `Sigmoid` and `Flatten` do nothing here: the loss
/// works on logits. Ranges are places in the network's parameters or buffers, which each are one slice.
#[derive(Debug)]
pub(crate) struct Stage {
    /// Index of the convolution in the network's layers.
    pub(crate) layer: usize,
    pub(crate) conv: ConvPlan,
    /// Whether it is a `ConvTranspose2d`, whose input is the small side of the convolution.
    pub(crate) transposed: bool,
    pub(crate) weight: Range<usize>,
    pub(crate) bias: Option<Range<usize>>,
    pub(crate) spectral_norm: Option<SpectralNorm>,
    pub(crate) norm: Option<Norm>,
    pub(crate) activation: Activation,
}

/// Spectral norm of a convolution's weight: the places of its singular vectors among the buffers, and sigma.
#[derive(Debug)]
pub(crate) struct SpectralNorm {
    pub(crate) u: Range<usize>,
    pub(crate) v: Range<usize>,
    /// The largest singular value, which the weight was last divided by.
    pub(crate) sigma: f32,
}

/// How a weight gradient gets the transform of the convolution's small side.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "it lives on the stack; a box would be an allocation in every step")]
pub(crate) enum SmallSide<'a> {
    /// The transform of all images is there: [`Stage::input_gradient`] has kept it.
    Kept(SmallTransform<'a>),
    /// It is still to be computed, into this memory.
    Memory(&'a mut [f32]),
}

/// The weights of a network in a pass.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weights<'a> {
    /// All parameters.
    pub(crate) parameters: &'a [f32],
    /// All parameters, where weights with spectral norm are divided by their largest singular value.
    pub(crate) normalized: &'a [f32],
}

impl Stage {
    /// Size and channels of the stage's input.
    pub(crate) fn input(&self) -> Plane {
        let shape = self.conv.shape();
        if self.transposed { shape.small } else { shape.big }
    }

    /// Size and channels of the stage's output.
    pub(crate) fn output(&self) -> Plane {
        let shape = self.conv.shape();
        if self.transposed { shape.big } else { shape.small }
    }

    /// Computes the stage's convolution with its bias and activation, or with the sums for batch norm.
    pub(crate) fn forward(
        &self,
        input: InputView<'_>,
        weights: Weights<'_>,
        acts: &mut StageActivations,
        sums: &mut NormSums,
        mode: Mode,
        batch: &Batch<'_>,
        scratch: &mut [f32],
    ) {
        let count = batch.len();
        if count == 0 {
            return;
        }
        let epilogue = match (&self.norm, mode) {
            (None, _) => match &self.bias {
                Some(bias) => {
                    let bias = &weights.parameters[bias.clone()];
                    Epilogue::BiasActivation { bias, activation: self.activation }
                }
                None => Epilogue::Activation(self.activation),
            },
            (Some(_), Mode::Train(_)) => Epilogue::BatchNormSums(sums.pieces(self.output(), batch.shards)),
            (Some(_), Mode::Eval) => Epilogue::Identity,
        };
        let output = &mut acts.conv[..count * self.output().len()];
        let weight = &weights.normalized[self.weight.clone()];
        let args = ConvArgs { input, weight, epilogue, batch: count, scratch };
        if self.transposed { self.conv.adjoint(output, args) } else { self.conv.forward(output, args) }
    }

    /// Finishes batch norm's statistics from the sums of [`Stage::forward`].
    pub(crate) fn finish_statistics(
        &self,
        parameters: &[f32],
        buffers: &mut [f32],
        acts: &mut StageActivations,
        sums: &mut NormSums,
        mode: Mode,
        batch: &mut Batch<'_>,
    ) -> Result<(), EngineError> {
        let (Some(norm), Some(acts)) = (&self.norm, &mut acts.norm) else { return Ok(()) };
        let (running_mean, running_var) = two_ranges(buffers, &norm.running_mean, &norm.running_var);
        match mode {
            Mode::Train(momentum) => {
                let row = sums.combine(Summands::STATISTICS, &self.conv, self.output().channels, batch)?;
                let stats = Statistics { mean: &mut acts.mean, rstd: &mut acts.rstd };
                let running = RunningStatistics { mean: running_mean, var: running_var, momentum };
                batch_norm::finish_statistics(stats, running, row);
            }
            Mode::Eval => acts.take_running(running_mean, running_var),
        }
        acts.fold(norm, parameters);
        Ok(())
    }

    /// Computes the gradient of the stage's input, `dinput`, from the gradient of the convolution's output,
    /// `args.input`.
    ///
    /// With memory to `keep` it also returns the small side for the weight gradient. If the output is the small side,
    /// its transform is computed here anyway and kept; otherwise the memory is returned unused.
    pub(crate) fn input_gradient<'g>(
        &self,
        dinput: &mut [f32],
        args: ConvArgs<'g, '_>,
        keep: Option<&'g mut [f32]>,
    ) -> Option<SmallSide<'g>> {
        match keep {
            Some(memory) if self.transposed => {
                self.conv.forward(dinput, args);
                Some(SmallSide::Memory(memory))
            }
            Some(memory) => Some(SmallSide::Kept(self.conv.adjoint_keeping(dinput, args, memory))),
            None if self.transposed => {
                self.conv.forward(dinput, args);
                None
            }
            None => {
                self.conv.adjoint(dinput, args);
                None
            }
        }
    }

    /// Computes the gradient of the weight over the shards from `input`, the stage's input, and `gradient`, that of the
    /// convolution's output. `small` is the small one of these two.
    pub(crate) fn sum_weight_gradient(
        &self,
        cpu: &Cpu,
        target: &mut ParameterGradient,
        input: InputView<'_>,
        gradient: InputView<'_>,
        mut small: SmallSide<'_>,
        batch: &Batch<'_>,
        scratch: &mut [f32],
    ) {
        target.sum_shards(cpu, self.weight.clone(), batch, |dweight, images| {
            let input = images_of(input, &images, self.input().len());
            let gradient = images_of(gradient, &images, self.output().len());
            let (big, small_images) = if self.transposed { (gradient, input) } else { (input, gradient) };
            let small = match &mut small {
                SmallSide::Kept(small) => *small,
                SmallSide::Memory(memory) => self.conv.transform_small(small_images, images.len(), memory),
            };
            self.conv.weight_gradient(dweight, big, small, scratch);
        });
    }

    /// Computes the gradient of the bias, if there is one, over the shards from `gradient`, that of the convolution's
    /// output. The part of each image is multiplied by its factor.
    pub(crate) fn sum_bias_gradient(
        &self,
        cpu: &Cpu,
        target: &mut ParameterGradient,
        gradient: &[f32],
        factors: Option<&[f32]>,
        batch: &Batch<'_>,
        scratch: &mut [f32],
    ) {
        let Some(range) = &self.bias else { return };
        let len = self.output().len();
        target.sum_shards(cpu, range.clone(), batch, |dbias, images| {
            let factors = factors.map(|factors| &factors[images.clone()]);
            let gradient = &gradient[images.start * len..images.end * len];
            bias::gradient(cpu, dbias, gradient, images.len(), factors, scratch);
        });
    }

    /// Returns the epilogue for the convolution whose result is the gradient of this stage's output: the sums for batch
    /// norm's gradients, or the activation's gradient if there is no batch norm.
    pub(crate) fn gradient_epilogue<'a>(
        &self,
        acts: &'a StageActivations,
        sums: &'a mut NormSums,
        batch: &Batch<'_>,
    ) -> Epilogue<'a> {
        let Some(norm) = &acts.norm else { return self.activation_gradient(acts, batch.len()) };
        let x = &acts.conv[..batch.len() * self.output().len()];
        let forward = norm.activated(x, self.activation.slope());
        let sums = sums.pieces(self.output(), batch.shards);
        Epilogue::BatchNormBackwardSums { forward, mean: &norm.mean, sums }
    }

    /// Computes the gradients of batch norm's parameters, and the coefficients of its input gradient, from the sums of
    /// [`Stage::gradient_epilogue`], which the convolution `conv` has written.
    pub(crate) fn finish_norm_gradients(
        &self,
        conv: &ConvPlan,
        parameters: &[f32],
        acts: &mut StageActivations,
        sums: &mut NormSums,
        mode: Mode,
        batch: &mut Batch<'_>,
    ) -> Result<(), EngineError> {
        let (Some(norm), Some(acts)) = (&self.norm, &mut acts.norm) else { return Ok(()) };
        let row = sums.combine(Summands::GRADIENTS, conv, self.output().channels, batch)?;
        let out = batch_norm::Gradients {
            weight: &mut acts.dweight,
            bias: &mut acts.dbias,
            gradient_factor: &mut acts.gradient_factor,
            x_factor: &mut acts.x_factor,
            constant: &mut acts.constant,
        };
        let weight = &parameters[norm.weight.clone()];
        batch_norm::finish_gradients(out, &acts.mean, &acts.rstd, weight, row);
        if mode == Mode::Eval {
            // Running statistics do not depend on x, which leaves scale · x + shift.
            acts.gradient_factor.copy_from_slice(&acts.scale);
            acts.x_factor.fill(0.0);
            acts.constant.fill(0.0);
        }
        Ok(())
    }

    /// Writes the gradients of batch norm's parameters, which [`Stage::finish_norm_gradients`] has computed.
    pub(crate) fn write_norm_gradients(&self, parameters: &mut [f32], acts: &StageActivations) {
        let (Some(norm), Some(acts)) = (&self.norm, &acts.norm) else { return };
        parameters[norm.weight.clone()].copy_from_slice(&acts.dweight);
        parameters[norm.bias.clone()].copy_from_slice(&acts.dbias);
    }

    /// Returns the stage's output as the next convolution reads it.
    pub(crate) fn activated_output<'a>(&self, acts: &'a StageActivations, batch: usize) -> InputView<'a> {
        let x = &acts.conv[..batch * self.output().len()];
        match &acts.norm {
            Some(norm) => InputView::AffineActivation(norm.activated(x, self.activation.slope())),
            None => InputView::Plain(x),
        }
    }

    /// Returns the gradient of the convolution's output, computed from `current`, which is what
    /// [`Gradients::current`](crate::activations::Gradients::current) describes.
    pub(crate) fn gradient<'a>(
        &self,
        cpu: &Cpu,
        acts: &'a StageActivations,
        current: &'a mut [f32],
        batch: usize,
    ) -> InputView<'a> {
        let len = batch * self.output().len();
        let gradient = &mut current[..len];
        let Some(norm) = &acts.norm else { return InputView::Plain(gradient) };
        let norm = NormBackward {
            forward: norm.activated(&acts.conv[..len], self.activation.slope()),
            gradient_factor: &norm.gradient_factor,
            x_factor: &norm.x_factor,
            constant: &norm.constant,
        };
        if self.transposed {
            // The big side: both passes read it, in tiles that overlap. One sweep over memory costs less.
            norm.apply(cpu, gradient);
            InputView::Plain(gradient)
        } else {
            InputView::NormGradient(NormGradient { gradient, norm })
        }
    }

    /// Returns the epilogue that turns the gradient of the stage's output into that of its convolution's output, for a
    /// stage without batch norm.
    pub(crate) fn activation_gradient<'a>(&self, acts: &'a StageActivations, batch: usize) -> Epilogue<'a> {
        let outputs = &acts.conv[..batch * self.output().len()];
        Epilogue::ActivationBackward { activation: self.activation, outputs }
    }
}

/// Borrows two disjoint ranges of one block, the first before the second.
pub(crate) fn two_ranges<'a>(
    block: &'a mut [f32],
    first: &std::ops::Range<usize>,
    second: &std::ops::Range<usize>,
) -> (&'a mut [f32], &'a mut [f32]) {
    let (head, tail) = block.split_at_mut(second.start);
    (&mut head[first.clone()], &mut tail[..second.len()])
}
