//! A generator with batch norm folded into its weights.

use crate::activations::NormActivations;
use crate::net::Net;
use crate::stage::Stage;
use dcgan_kernels::activation::Activation;

/// A transposed convolution of a generator in eval mode, with batch norm in it: y = f(convᵀ(x, weight) + shift).
#[derive(Debug)]
pub(crate) struct FoldedStage {
    pub(crate) weight: Vec<f32>,
    /// Per channel; none without batch norm.
    pub(crate) shift: Option<Vec<f32>>,
    pub(crate) activation: Activation,
}

impl Net {
    /// Returns the stages of a generator with batch norm's running statistics folded into the weights.
    pub(crate) fn folded(&self) -> Vec<FoldedStage> {
        let fold = |stage: &Stage| {
            debug_assert!(stage.transposed, "a generator only goes up");
            let shape = *stage.conv.shape();
            let mut weight = self.parameters[stage.weight.clone()].to_vec();
            let shift = stage.norm.as_ref().map(|norm| {
                let mut acts = NormActivations::new(shape.big.channels);
                acts.take_running(&self.buffers[norm.running_mean.clone()], &self.buffers[norm.running_var.clone()]);
                acts.fold(norm, &self.parameters);
                for row in weight.chunks_exact_mut(shape.big.channels * shape.small.channels) {
                    for (weights, scale) in row.chunks_exact_mut(shape.small.channels).zip(&acts.scale) {
                        weights.iter_mut().for_each(|weight| *weight *= scale);
                    }
                }
                acts.shift
            });
            FoldedStage { weight, shift, activation: stage.activation }
        };
        self.stages.iter().map(fold).collect()
    }
}
