//! The memory of a forward pass, and of the backward pass through it.

use crate::net::Net;
use crate::norm_sums::NormSums;
use crate::stage::Norm;
use dcgan_kernels::batch_norm;
use dcgan_kernels::input::AffineActivation;
use dcgan_kernels::memory::Buffer;
use dcgan_model::Shards;

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

#[derive(Debug)]
pub(crate) struct StageActivations {
    /// The convolution's output; without batch norm, activated.
    pub(crate) conv: Buffer,
    pub(crate) norm: Option<NormActivations>,
}

impl Net {
    /// Allocates memory for the activations of `batch` images, in the shards of this process.
    pub(crate) fn activations(&self, batch: usize, shards: &Shards) -> Activations {
        let stages = self.stages.iter().map(|stage| {
            let output = stage.output();
            let norm = stage.norm.as_ref().map(|_| NormActivations::new(output.channels));
            StageActivations { conv: Buffer::zeros(batch * output.len()), norm }
        });
        Activations { stages: stages.collect(), sums: NormSums::new(self, batch, shards), mode: Mode::Eval }
    }

    /// Number of values of the memory of [`Net::activations`].
    pub(crate) fn activations_len(&self, batch: usize, shards: &Shards) -> usize {
        let activations = self.stages.iter().map(|stage| batch * stage.output().len() + 9 * stage.output().channels);
        activations.sum::<usize>() + NormSums::len(self, batch, shards)
    }
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

    /// Takes running statistics in the place of a batch's.
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

    pub(crate) fn activated<'a>(&'a self, x: &'a [f32], slope: f32) -> AffineActivation<'a> {
        AffineActivation { x, scale: &self.scale, shift: &self.shift, slope }
    }
}

/// Memory that backward passes work in.
#[derive(Debug)]
pub(crate) struct Gradients {
    /// Gradient of the current stage's activated output; without batch norm, of its convolution's output.
    pub(crate) current: Buffer,
    /// The same of the stage before.
    pub(crate) next: Buffer,
    /// A convolution's transform of its small side.
    pub(crate) transform: Buffer,
}

impl Gradients {
    /// Takes memory for the largest activation and transform of `nets`, each with the size of its batch.
    pub(crate) fn new(nets: [(&Net, usize); 2]) -> Self {
        let [activation, transform] = Self::lens(nets);
        Self {
            current: Buffer::zeros(activation),
            next: Buffer::zeros(activation),
            transform: Buffer::zeros(transform),
        }
    }

    /// Number of values of that memory.
    pub(crate) fn len(nets: [(&Net, usize); 2]) -> usize {
        let [activation, transform] = Self::lens(nets);
        2 * activation + transform
    }

    fn lens(nets: [(&Net, usize); 2]) -> [usize; 2] {
        let transform = |net: &Net| net.stages.iter().map(|stage| stage.conv.small_transform_len()).max();
        let activations = nets.map(|(net, batch)| batch * net.largest_activation());
        let transforms = nets.map(|(net, _)| transform(net).unwrap_or(0));
        [activations, transforms].map(|[a, b]| a.max(b))
    }
}
