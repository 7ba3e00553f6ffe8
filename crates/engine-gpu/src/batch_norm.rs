//! Batch norm over the channels of a batch, N × H × W × C.

use burn_tensor::Tensor;
use dcgan_model::Layer;

/// PyTorch's `BatchNorm2d.momentum`.
pub(crate) const MOMENTUM: f64 = 0.1;

/// Selects the statistics that batch norm normalizes with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    /// The statistics of the batch. The running statistics move towards them by this momentum.
    Train(f64),
    /// The running statistics.
    Eval,
}

/// Batch norm's running statistics, rows with a value for each channel.
#[derive(Debug, Clone)]
pub(crate) struct Norm {
    /// Index in the tutorial's `nn.Sequential`.
    pub(crate) layer: usize,
    pub(crate) mean: Tensor<2>,
    /// Unbiased, as PyTorch has it.
    pub(crate) var: Tensor<2>,
    /// Number of batches that the running statistics were updated with.
    pub(crate) batches: i64,
}

/// Statistics that a batch was normalized with: rows with a value for each channel.
#[derive(Debug, Clone)]
pub(crate) struct Statistics {
    pub(crate) mean: Tensor<2>,
    /// 1 / √(var + eps)
    pub(crate) rstd: Tensor<2>,
    /// Whether they are the statistics of the batch, on which the gradient then depends as well.
    pub(crate) of_batch: bool,
}

impl Norm {
    /// Returns the statistics of a batch (N × H × W × C), and moves the running statistics by `momentum` towards its
    /// mean and its *unbiased* variance, as PyTorch does.
    pub(crate) fn observe(&mut self, batch: &Tensor<4>, momentum: f64) -> Statistics {
        let count = values_of_a_channel(batch);
        let mean = sum_of_channels(batch.clone()).div_scalar(count);
        let var = sum_of_channels((batch.clone() - row(&mean)).square()).div_scalar(count);
        let unbiased = var.clone().mul_scalar(count / (count - 1.0).max(1.0));
        let step = |old: &Tensor<2>, new: Tensor<2>| old.clone() + (new - old.clone()).mul_scalar(momentum);
        self.mean = step(&self.mean, mean.clone());
        self.var = step(&self.var, unbiased);
        self.batches += 1;
        Statistics { mean, rstd: rstd(var), of_batch: true }
    }

    /// Returns the running statistics, to normalize with in eval mode.
    pub(crate) fn running(&self) -> Statistics {
        Statistics { mean: self.mean.clone(), rstd: rstd(self.var.clone()), of_batch: false }
    }
}

/// Returns 1 / √(var + eps).
fn rstd(var: Tensor<2>) -> Tensor<2> {
    var.add_scalar(Layer::BATCH_NORM_EPS).sqrt().recip()
}

/// Returns scale · (x − mean) / √(var + eps) + shift.
pub(crate) fn batch_norm(x: Tensor<4>, statistics: &Statistics, scale: Tensor<2>, shift: Tensor<2>) -> Tensor<4> {
    let Statistics { mean, rstd, .. } = statistics;
    (x - row(mean)) * row(&(scale * rstd.clone())) + row(&shift)
}

/// Returns batch norm's gradients of its input, and of its scale and shift. With x̂ = (x − mean) / √(var + eps),
/// sums over the batch of M values, and statistics of that batch: dx = scale / √(var + eps) · (dy − Σ dy / M −
/// x̂ · Σ (dy · x̂) / M).
pub(crate) fn batch_norm_backward(
    dy: Tensor<4>,
    x: Tensor<4>,
    statistics: &Statistics,
    scale: Tensor<2>,
) -> (Tensor<4>, [Tensor<2>; 2]) {
    let Statistics { mean, rstd, of_batch } = statistics;
    let count = values_of_a_channel(&x);
    let normed = (x - row(mean)) * row(rstd);
    let dshift = sum_of_channels(dy.clone());
    let dscale = sum_of_channels(dy.clone() * normed.clone());
    let centered = match of_batch {
        true => dy - row(&dshift.clone().div_scalar(count)) - normed * row(&dscale.clone().div_scalar(count)),
        false => dy,
    };
    (centered * row(&(scale * rstd.clone())), [dscale, dshift])
}

/// Sums each channel over images and pixels: first over the pixels of each image, then over the images, so that many
/// threads can share the work and no sum has many terms.
pub(crate) fn sum_of_channels(x: Tensor<4>) -> Tensor<2> {
    let [batch, height, width, channels] = x.dims();
    let pictures: Tensor<3> = x.reshape([batch, height * width, channels]).sum_dim(1);
    pictures.reshape([batch, channels]).sum_dim(0)
}

/// Returns the number of values of a channel: images × pixels.
fn values_of_a_channel(x: &Tensor<4>) -> f64 {
    let [batch, height, width, _] = x.dims();
    (batch * height * width) as f64
}

/// Returns a row of channels as a tensor that is broadcast to every pixel.
pub(crate) fn row(channels: &Tensor<2>) -> Tensor<4> {
    let [_, len] = channels.dims();
    channels.clone().reshape([1, 1, 1, len])
}
