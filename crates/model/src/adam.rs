//! Settings of the optimizer.

use serde::{Deserialize, Serialize};

/// Settings of `torch.optim.Adam`. [`AdamConfig::TUTORIAL`] is the default.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AdamConfig {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the mean of the gradients.
    pub beta1: f64,
    /// Decay of the mean of the squared gradients.
    pub beta2: f64,
    /// Added to the root of the second mean.
    pub eps: f64,
}

impl AdamConfig {
    /// The tutorial's optimizers.
    pub const TUTORIAL: Self = Self { lr: 2e-4, beta1: 0.5, beta2: 0.999, eps: 1e-8 };
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self::TUTORIAL
    }
}
