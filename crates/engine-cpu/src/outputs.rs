//! The input of the discriminator's part of a step, and its outputs on the whole batch.

use crate::batch::Batch;
use dcgan_model::EngineError;

/// The input of the discriminator's part of a step: the whole batch, of which each rank takes its images.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DiscriminatorInput<'a> {
    /// Real images, u8 in NHWC layout.
    Images(&'a [u8]),
    /// Noise from which the generator computes images.
    Noise(&'a [f32]),
}

/// The discriminator's outputs on all images of a batch, on every rank, and the gradient of the loss in them.
///
/// Every rank computes the loss of the whole batch: there are so few outputs that this costs nothing, and pairs of
/// images need those of other ranks.
#[derive(Debug)]
pub(crate) struct Outputs {
    values: Vec<f32>,
    gradient: Vec<f32>,
}

impl Outputs {
    /// Takes memory for batches of up to `batch` images.
    pub(crate) fn new(batch: usize) -> Self {
        Self { values: vec![0.0; batch], gradient: vec![0.0; batch] }
    }

    /// Number of values of that memory.
    pub(crate) fn len(batch: usize) -> usize {
        2 * batch
    }

    /// Gathers this rank's outputs on its images of a batch of `count`, lets `loss(gradient, outputs)` compute the loss
    /// and its gradient, and copies to `own_gradient` what belongs to this rank's images.
    pub(crate) fn evaluate<R>(
        &mut self,
        batch: &mut Batch<'_>,
        count: usize,
        own: &[f32],
        own_gradient: &mut [f32],
        loss: impl FnOnce(&mut [f32], &[f32]) -> R,
    ) -> Result<R, EngineError> {
        let (values, gradient) = (&mut self.values[..count], &mut self.gradient[..count]);
        batch.gather(values, own)?;
        let report = loss(gradient, values);
        batch.take_own(&mut own_gradient[..own.len()], gradient);
        Ok(report)
    }

    /// Returns the mean over the images of each kind of `own`, a value for every image of this rank.
    pub(crate) fn means<const N: usize>(
        &mut self,
        batch: &mut Batch<'_>,
        counts: [usize; N],
        own: &[f32],
    ) -> Result<[f32; N], EngineError> {
        let values = &mut self.values[..counts.iter().sum()];
        batch.gather(values, own)?;
        let mut rest = &*values;
        Ok(counts.map(|count| {
            let (values, others) = rest.split_at(count);
            rest = others;
            (values.iter().map(|&value| f64::from(value)).sum::<f64>() / count as f64) as f32
        }))
    }
}
