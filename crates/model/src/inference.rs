//! What a trained network can do, on whatever device: draw, judge, and tell how a picture changes with its noise.
//!
//! An engine has a type for each. All are in eval mode: batch norm has its running statistics, and a picture depends on its own noise only, not on
//! the other pictures of a call.

use crate::{EngineError, ModelConfig};

/// A generator that draws.
pub trait Generate {
    /// Pictures from `noise` (N × latent, any N), as `G.eval()(noise)`: N × C × H × W in [−1, 1].
    ///
    /// # Errors
    /// [`EngineError::Batch`] if `noise` is no whole number of vectors, [`EngineError::Device`] if the device fails.
    fn generate(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError>;
}

/// A discriminator that judges.
pub trait Discriminate {
    /// The logit of every picture (N × C × H × W in [−1, 1], any N): what the sigmoid of `D.eval()(pictures)` is taken of. The higher, the more real.
    ///
    /// # Errors
    /// [`EngineError::Batch`] if `pictures` is no whole number of pictures, [`EngineError::Device`] if the device fails.
    fn logits(&mut self, pictures: &[f32]) -> Result<Vec<f32>, EngineError>;
}

/// A generator through which gradients flow back to the noise; its weights stay as they are. What a projection descends on.
pub trait Differentiate {
    /// The sizes of its noise and its pictures.
    fn config(&self) -> &ModelConfig;

    /// Pictures from `noise` (N × latent), as `G.eval()(noise)`: N × C × H × W in [−1, 1].
    ///
    /// # Errors
    /// [`EngineError::Batch`] if N is not 1 to the largest batch that memory was taken for, [`EngineError::Device`] if the device fails.
    fn forward(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError>;

    /// The gradient of the last forward pass's noise (N × latent), from that of its pictures (N × C × H × W).
    ///
    /// # Errors
    /// [`EngineError::Device`] if the device fails.
    ///
    /// # Panics
    /// If there was no forward pass, or `dpictures` is not as large as its result.
    fn backward(&mut self, dpictures: &[f32]) -> Result<Vec<f32>, EngineError>;
}
