//! Copies the inputs of a batch to the device: images, noise and transforms.

use crate::augment::AugmentationTensors;
use crate::batch::{Batch, Part};
use crate::inference::to_nhwc;
use crate::transfer::upload_bytes;
use burn_tensor::Tensor;
use dcgan_model::{Augmentation, EngineError, ModelConfig, Network};
use std::ops::Range;

/// The input of the discriminator's part of a step: the whole batch, of which each rank takes its images.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DiscriminatorInput<'a> {
    /// Real images, u8 in NHWC layout.
    Images(&'a [u8]),
    /// Noise from which the generator computes images.
    Noise(&'a [f32]),
}

/// Copies the parts of u8 images to the device and normalizes them.
pub(crate) fn upload_images(
    images: &[u8],
    config: &ModelConfig,
    batch: &Batch<'_>,
) -> Result<Vec<Tensor<4>>, EngineError> {
    let ModelConfig { image_size, channels, .. } = *config;
    let upload = |part: &Part| {
        let [Range { start, end }, _] = part.images;
        let bytes = &images[start * config.image_len()..end * config.image_len()];
        let bytes = upload_bytes(bytes, [end - start, image_size, image_size, channels], batch.device());
        // torchvision's ToTensor and Normalize(0.5, 0.5), with their roundings.
        bytes.div_scalar(255.0).sub_scalar(0.5).div_scalar(0.5)
    };
    batch.each(batch.parts(), upload)
}

/// Copies the parts of the noise of a whole batch to the device.
pub(crate) fn upload_noise(noise: &[f32], network: &Network, batch: &Batch<'_>) -> Vec<Tensor<4>> {
    let len = network.config.latent_dim;
    let upload = |part: &Part| {
        let [Range { start, end }, _] = part.images;
        to_nhwc(&noise[start * len..end * len], network, batch.device())
    };
    batch.parts().iter().map(upload).collect()
}

/// Copies the transforms of the images of a whole batch to the device: those of each part. Without transforms there are
/// none.
pub(crate) fn upload_augmentations(
    augmentations: &[Augmentation],
    size: usize,
    batch: &Batch<'_>,
) -> Option<Vec<AugmentationTensors>> {
    if augmentations.is_empty() {
        return None;
    }
    let (first, second) = augmentations.split_at(batch.kinds()[0]);
    let upload = |part: &Part| {
        let [a, b] = part.images.clone();
        AugmentationTensors::new(&[&first[a], &second[b]].concat(), size, batch.device())
    };
    Some(batch.parts().iter().map(upload).collect())
}
