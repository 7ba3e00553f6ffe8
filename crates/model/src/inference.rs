//! The interface of trained networks, on any device: a generator, a discriminator, and a generator with the gradient of
//! its noise.
//!
//! An engine has a type for each. All are in eval mode: batch norm has its running statistics, and an image depends on
//! its own noise only, not on the other images of a call.

use crate::{EngineError, ModelConfig};

/// A generator in eval mode.
pub trait Generate {
    /// Returns the images of `noise` (N × latent, any N), as `G.eval()(noise)`: N × C × H × W in [−1, 1].
    ///
    /// # Errors
    /// [`EngineError::Batch`] if `noise` is no whole number of vectors, [`EngineError::Device`] if the device fails.
    fn generate(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError>;
}

/// A discriminator in eval mode.
pub trait Discriminate {
    /// Returns the logit of every image (N × C × H × W in [−1, 1], any N). Their sigmoid is `D.eval()(pictures)`.
    ///
    /// # Errors
    /// [`EngineError::Batch`] if `pictures` is no whole number of images, [`EngineError::Device`] if the device fails.
    fn logits(&mut self, pictures: &[f32]) -> Result<Vec<f32>, EngineError>;
}

/// A generator in eval mode through which gradients flow back to the noise. Its weights are constant.
pub trait Differentiate {
    /// Returns the sizes of its noise and its images.
    fn config(&self) -> &ModelConfig;

    /// Returns the images of `noise` (N × latent), as `G.eval()(noise)`: N × C × H × W in [−1, 1].
    ///
    /// # Errors
    /// [`EngineError::Batch`] if N is not 1 to the largest batch that memory was taken for, [`EngineError::Device`] if
    /// the device fails.
    fn forward(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError>;

    /// Returns the gradient of the last forward pass's noise (N × latent), from that of its images (N × C × H × W).
    ///
    /// # Errors
    /// [`EngineError::Device`] if the device fails.
    ///
    /// # Panics
    /// If there was no forward pass, or `dpictures` is not as large as its result.
    fn backward(&mut self, dpictures: &[f32]) -> Result<Vec<f32>, EngineError>;
}
