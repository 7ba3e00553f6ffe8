//! What the networks learn by, beside their sizes.

use crate::{AdamConfig, EngineError};
use serde::{Deserialize, Serialize};

/// How an engine trains. [`Recipe::default`] is the tutorial's, and so is the recipe of a plain [`AdamConfig`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recipe {
    /// D's optimizer.
    pub discriminator: AdamConfig,
    /// G's optimizer.
    pub generator: AdamConfig,
    /// What both minimise.
    pub loss: Loss,
    /// What D is told that real pictures are; 1 is the tutorial, less is one-sided label smoothing (Salimans et al. 2016, section 3.4). The
    /// hinge loss has no label.
    pub real_label: f32,
    /// Decay of a moving average of G's weights, or none. See [`Recipe::average_decay`].
    pub ema: Option<f64>,
    /// Memory is planned for [`Engine::set_augmentations`](crate::Engine::set_augmentations).
    pub augment: bool,
}

/// A pair of losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Binary cross-entropy, with the generator's non-saturating loss (Goodfellow et al. 2014).
    #[default]
    Bce,
    /// Least squares (Mao et al. 2017); D's output is then no probability.
    LeastSquares,
    /// Hinge (Lim & Ye 2017, Miyato et al. 2018).
    Hinge,
}

impl Loss {
    /// All of them, by their names.
    pub const ALL: [(&'static str, Loss); 3] =
        [("bce", Loss::Bce), ("hinge", Loss::Hinge), ("least-squares", Loss::LeastSquares)];
}

impl Recipe {
    /// Checks that an engine with this recipe can show pictures of `size` × `size` pixels so.
    ///
    /// # Errors
    /// [`EngineError::Augmentation`] if memory was not planned for it, or a cutout leaves the picture.
    pub fn check_augmentations(&self, augmentations: &[Augmentation], size: usize) -> Result<(), EngineError> {
        if !self.augment {
            return Err(EngineError::Augmentation("this engine was made without memory for them"));
        }
        if augmentations.iter().flat_map(|change| change.cutout).any(|[_, end]| end > size) {
            return Err(EngineError::Augmentation("a cutout leaves the picture"));
        }
        Ok(())
    }

    /// The decay of the average at G's Adam step `step`, from 1: min(`decay`, (1 + step) / (10 + step)), as TensorFlow's
    /// `ExponentialMovingAverage` has it, so that the average soon forgets the first weights.
    pub fn average_decay(decay: f64, step: u64) -> f64 {
        let step = step as f64;
        decay.min((1.0 + step) / (10.0 + step))
    }
}

impl From<AdamConfig> for Recipe {
    /// The tutorial's recipe with this optimizer for both networks.
    fn from(adam: AdamConfig) -> Self {
        Self { discriminator: adam, generator: adam, loss: Loss::Bce, real_label: 1.0, ema: None, augment: false }
    }
}

impl Default for Recipe {
    fn default() -> Self {
        AdamConfig::default().into()
    }
}

/// How D sees one picture: DiffAugment's random numbers (Zhao et al. 2020). The kernels document the formulas.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Augmentation {
    /// Added to every value.
    pub brightness: f32,
    /// Factor of each channel's distance from the pixel's mean.
    pub saturation: f32,
    /// Factor of each value's distance from the picture's mean.
    pub contrast: f32,
    /// How far the pixel that is shown lies, down and to the right.
    pub translation: [isize; 2],
    /// First row and column of the square that becomes 0, and the first ones after it.
    pub cutout: [[usize; 2]; 2],
}

impl Augmentation {
    /// The picture as it is.
    pub const NONE: Self =
        Self { brightness: 0.0, saturation: 1.0, contrast: 1.0, translation: [0; 2], cutout: [[0; 2]; 2] };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_starts_quickly() {
        let decay = |step| Recipe::average_decay(0.999, step);
        assert_eq!([decay(1), decay(8)], [2.0 / 11.0, 0.5]);
        assert_eq!(decay(100_000), 0.999);
    }
}
