//! Values that a forward pass keeps for the backward pass, and the gradients of a backward pass.

use crate::norm_sums::NormSums;
use crate::weights::Norm;
use dcgan_kernels::batch_norm;
use dcgan_kernels::input::AffineActivation;
use dcgan_kernels::memory::Buffer;

/// The statistics that batch norm normalizes with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    /// With the batch's statistics, moving the running ones by this momentum.
    Train(f32),
    /// With running statistics.
    Eval,
}

impl Mode {
    /// Training with PyTorch's default momentum.
    pub(crate) const TRAIN: Self = Self::Train(batch_norm::MOMENTUM);
}

/// Values of a forward pass that the backward pass needs, for the largest batch.
#[derive(Debug)]
pub(crate) struct Activations {
    pub(crate) stages: Vec<StageActivations>,
    pub(crate) sums: NormSums,
    /// Of the last forward pass.
    pub(crate) mode: Mode,
}

/// Values of one stage.
#[derive(Debug)]
pub(crate) struct StageActivations {
    /// The convolution's output; without batch norm, activated.
    pub(crate) conv: Buffer,
    pub(crate) norm: Option<NormActivations>,
}

/// Batch norm's values per channel.
#[derive(Debug)]
pub(crate) struct NormActivations {
    pub(crate) mean: Vec<f32>,
    pub(crate) rstd: Vec<f32>,
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
    pub(crate) dweight: Vec<f32>,
    pub(crate) dbias: Vec<f32>,
    pub(crate) gradient_factor: Vec<f32>,
    pub(crate) x_factor: Vec<f32>,
    pub(crate) constant: Vec<f32>,
}

impl NormActivations {
    pub(crate) fn new(channels: usize) -> Self {
        let zeros = || vec![0.0; channels];
        Self {
            mean: zeros(),
            rstd: zeros(),
            scale: zeros(),
            shift: zeros(),
            dweight: zeros(),
            dbias: zeros(),
            gradient_factor: zeros(),
            x_factor: zeros(),
            constant: zeros(),
        }
    }

    /// Sets the statistics to normalize with to running ones.
    pub(crate) fn take_running(&mut self, mean: &[f32], var: &[f32]) {
        self.mean.copy_from_slice(mean);
        for (rstd, var) in self.rstd.iter_mut().zip(var) {
            *rstd = 1.0 / (*var + batch_norm::EPS).sqrt();
        }
    }

    /// Computes scale and shift from the statistics and the parameters of `norm`.
    pub(crate) fn fold(&mut self, norm: &Norm, parameters: &[f32]) {
        let (weight, bias) = (&parameters[norm.weight.clone()], &parameters[norm.bias.clone()]);
        batch_norm::fold(&mut self.scale, &mut self.shift, &self.mean, &self.rstd, weight, bias);
    }

    /// Returns a view of `x`, the convolution's output, with batch norm and LeakyReLU of this slope applied.
    pub(crate) fn activated<'a>(&'a self, x: &'a [f32], slope: f32) -> AffineActivation<'a> {
        AffineActivation { x, scale: &self.scale, shift: &self.shift, slope }
    }
}

/// Memory of a backward pass.
#[derive(Debug)]
pub(crate) struct Gradients {
    /// Gradient of the current stage's activated output; without batch norm, of its convolution's output.
    pub(crate) current: Buffer,
    /// The same of the stage before.
    pub(crate) next: Buffer,
    /// A convolution's transform of its small side.
    pub(crate) transform: Buffer,
}
