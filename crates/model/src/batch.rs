//! The checks of batches that engines are given.

use crate::{DiscriminatorNorm, EngineError, ModelConfig};

/// The checks of a training engine's inputs, which are the same for every engine.
impl ModelConfig {
    /// Returns the number of images in a batch of `values` values.
    ///
    /// # Errors
    /// [`EngineError::Batch`] if they are no whole number of images, or not 1 to `max_batch`.
    pub fn check_images(&self, values: usize, max_batch: usize) -> Result<usize, EngineError> {
        check_batch(values, self.image_len(), max_batch)
    }

    /// Returns the number of noise vectors in a batch of `values` values.
    ///
    /// # Errors
    /// [`EngineError::Batch`] if they are no whole number of vectors, or not 1 to `max_batch`.
    pub fn check_noise(&self, values: usize, max_batch: usize) -> Result<usize, EngineError> {
        check_batch(values, self.latent_dim, max_batch)
    }

    /// Checks that `values` values of noise are one or more batches of `batch` vectors, as
    /// [`Engine::calibrate`](crate::Engine::calibrate) takes them.
    ///
    /// # Errors
    /// [`EngineError::Batch`] if they are not.
    pub fn check_whole_batches(&self, values: usize, batch: usize) -> Result<(), EngineError> {
        check_batch(values, batch * self.latent_dim, usize::MAX).map(|_| ())
    }

    /// Checks that the discriminator is trained on real and generated images in separate batches.
    ///
    /// # Errors
    /// [`EngineError::Recipe`] if it has no batch norm.
    pub fn check_separate_batches(&self) -> Result<(), EngineError> {
        match self.norm_d {
            DiscriminatorNorm::Batch => Ok(()),
            _ => Err(EngineError::Recipe("without batch norm, real and generated images come in one batch")),
        }
    }

    /// Checks that the discriminator is trained on real and generated images in one batch.
    ///
    /// # Errors
    /// [`EngineError::Recipe`] if it has batch norm.
    pub fn check_joint_batch(&self) -> Result<(), EngineError> {
        match self.norm_d {
            DiscriminatorNorm::Batch => {
                Err(EngineError::Recipe("batch norm takes real and generated images in batches of their own"))
            }
            _ => Ok(()),
        }
    }
}

/// Returns the number of items of `item_len` values in a batch of `values` values.
fn check_batch(values: usize, item_len: usize, max_batch: usize) -> Result<usize, EngineError> {
    let batch = values / item_len;
    if values.is_multiple_of(item_len) && (1..=max_batch).contains(&batch) {
        Ok(batch)
    } else {
        Err(EngineError::Batch { got: values, max_batch, item_len })
    }
}
