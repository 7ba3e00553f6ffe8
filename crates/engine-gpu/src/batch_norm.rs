//! Batch norm over the channels of a batch, N × H × W × C.

use crate::batch::Batch;
use crate::transfer::upload;
use burn_tensor::Tensor;
use dcgan_model::{EngineError, Layer};

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
    /// Number of the batch's values in a channel if they are its statistics, on which the gradient then depends as
    /// well.
    pub(crate) of_batch: Option<f64>,
}

impl Norm {
    /// Returns the statistics of a batch of `pixels` pixels an image (N × H × W × C), and moves the running statistics
    /// by `momentum` towards its mean and its *unbiased* variance, as PyTorch does.
    pub(crate) fn observe(
        &mut self,
        x: &[Tensor<4>],
        pixels: usize,
        momentum: f64,
        batch: &mut Batch<'_>,
    ) -> Result<Statistics, EngineError> {
        let (mean, var, count) = self.statistics(x, pixels, batch)?;
        let unbiased = var.clone().mul_scalar(count / (count - 1.0).max(1.0));
        let step = |old: &Tensor<2>, new: Tensor<2>| old.clone() + (new - old.clone()).mul_scalar(momentum);
        self.mean = step(&self.mean, mean.clone());
        self.var = step(&self.var, unbiased);
        self.batches += 1;
        Ok(Statistics { mean, rstd: rstd(var), of_batch: Some(count) })
    }

    /// Returns the mean and the biased variance of a batch, and its number of values in a channel.
    fn statistics(
        &self,
        x: &[Tensor<4>],
        pixels: usize,
        batch: &mut Batch<'_>,
    ) -> Result<(Tensor<2>, Tensor<2>, f64), EngineError> {
        let of_part = |x: &Tensor<4>| {
            let [images, ..] = x.dims();
            let count = (images * pixels) as f64;
            let mean = sum_of_channels(x.clone()).div_scalar(count);
            let squares = sum_of_channels((x.clone() - row(&mean)).square());
            (mean, squares, count)
        };
        if let ([whole], true) = (x, batch.is_whole()) {
            let (mean, squares, count) = of_part(whole);
            return Ok((mean, squares.div_scalar(count), count));
        }
        let [_, channels] = self.mean.dims();
        let rows = batch.each(x, |x| {
            let (mean, squares, _) = of_part(x);
            Tensor::cat(vec![mean, squares], 1)
        })?;
        let row = batch.combine(rows, 2 * channels, pixels, combine_statistics)?;
        let count = row[2 * channels];
        let values = |row: &[f64], divisor: f64| {
            let values: Vec<f32> = row.iter().map(|value| (value / divisor) as f32).collect();
            upload(&values, [1, channels], &self.mean.device())
        };
        Ok((values(&row[..channels], 1.0), values(&row[channels..2 * channels], count), count))
    }

    /// Returns the running statistics, to normalize with in eval mode.
    pub(crate) fn running(&self) -> Statistics {
        Statistics { mean: self.mean.clone(), rstd: rstd(self.var.clone()), of_batch: None }
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

/// Adds the statistics of another part of the batch to `row`, which has the mean and the sum of squared deviations from
/// it of every channel, and the number of values. With m values of mean μ and n of mean ν, the mean is
/// μ + (ν − μ) · n / (m + n), and the sum of squared deviations grows by (ν − μ)² · m · n / (m + n) beside the other's
/// (Chan, Golub & LeVeque 1979).
fn combine_statistics(row: &mut [f64], other: &[f64]) {
    let channels = row.len() / 2;
    let (count, other_count) = (row[2 * channels], other[2 * channels]);
    let sum = count + other_count;
    if sum == 0.0 {
        return;
    }
    for channel in 0..channels {
        let difference = other[channel] - row[channel];
        row[channel] += difference * other_count / sum;
        row[channels + channel] += other[channels + channel] + difference * difference * count * other_count / sum;
    }
    row[2 * channels] = sum;
}

/// Adds the sums of another part of the batch to `row`.
fn combine_sums(row: &mut [f64], other: &[f64]) {
    row.iter_mut().zip(other).for_each(|(sum, other)| *sum += other);
}

/// Returns batch norm's gradients of its input, and of its scale and shift. With x̂ = (x − mean) / √(var + eps),
/// sums over the batch of M values, and statistics of that batch: dx = scale / √(var + eps) · (dy − Σ dy / M −
/// x̂ · Σ (dy · x̂) / M).
pub(crate) fn batch_norm_backward(
    dy: Vec<Tensor<4>>,
    x: &[Tensor<4>],
    statistics: &Statistics,
    scale: Tensor<2>,
    batch: &mut Batch<'_>,
) -> Result<(Vec<Tensor<4>>, [Tensor<2>; 2]), EngineError> {
    let Statistics { mean, rstd, of_batch } = statistics;
    let normed = batch.each(x, |x| (x.clone() - row(mean)) * row(rstd))?;
    let sums = |(dy, normed): (&Tensor<4>, &Tensor<4>)| {
        let dshift = sum_of_channels(dy.clone());
        [sum_of_channels(dy.clone() * normed.clone()), dshift]
    };
    let [dscale, dshift] = match (&dy[..], &normed[..], batch.is_whole()) {
        ([dy], [normed], true) => sums((dy, normed)),
        _ => {
            let [_, channels] = mean.dims();
            let rows = batch.each(dy.iter().zip(&normed), |part| Tensor::cat(sums(part).to_vec(), 1))?;
            // Nothing here depends on the number of values.
            let row = batch.combine(rows, 2 * channels, 0, combine_sums)?;
            let values: Vec<f32> = row.iter().map(|&value| value as f32).collect();
            [0, channels].map(|start| upload(&values[start..start + channels], [1, channels], &mean.device()))
        }
    };
    let dx = batch.each(dy.into_iter().zip(normed), |(dy, normed)| {
        let centered = match of_batch {
            Some(count) => {
                dy - row(&dshift.clone().div_scalar(*count)) - normed * row(&dscale.clone().div_scalar(*count))
            }
            None => dy,
        };
        centered * row(&(scale.clone() * rstd.clone()))
    })?;
    Ok((dx, [dscale, dshift]))
}

/// Sums each channel over images and pixels: first over the pixels of each image, then over the images, so that many
/// threads can share the work and no sum has many terms.
pub(crate) fn sum_of_channels(x: Tensor<4>) -> Tensor<2> {
    let [batch, height, width, channels] = x.dims();
    let pictures: Tensor<3> = x.reshape([batch, height * width, channels]).sum_dim(1);
    pictures.reshape([batch, channels]).sum_dim(0)
}

/// Returns a row of channels as a tensor that is broadcast to every pixel.
pub(crate) fn row(channels: &Tensor<2>) -> Tensor<4> {
    let [_, len] = channels.dims();
    channels.clone().reshape([1, 1, 1, len])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of two channels, of parts with no, one and several values, combined in both ways.
    #[test]
    fn combined_statistics_are_those_of_all_values() {
        let parts: [&[[f64; 2]]; 4] =
            [&[], &[[1.0, -3.0]], &[[2.0, 1e3], [4.5, 1e3 + 1.0], [-1.0, 1e3]], &[[0.5, 7.0]]];
        let row = |values: &[[f64; 2]]| {
            let count = values.len() as f64;
            let mean = |c: usize| values.iter().map(|value| value[c]).sum::<f64>() / count.max(1.0);
            let squares = |c: usize| values.iter().map(|value| (value[c] - mean(c)).powi(2)).sum();
            [mean(0), mean(1), squares(0), squares(1), count]
        };
        let want = row(&parts.concat());
        let combined = |parts: &[&[[f64; 2]]]| {
            let rows = parts.iter().map(|part| row(part));
            rows.reduce(|mut sum, row| {
                combine_statistics(&mut sum, &row);
                sum
            })
        };
        let mut backwards = parts;
        backwards.reverse();
        for got in [combined(&parts), combined(&backwards)].into_iter().flatten() {
            dcgan_testkit::assert_close("row", &got, &want, 0.0, 1e-13);
        }
        assert_eq!(combined(&[&[], &[]]), Some([0.0; 5]));
    }
}
