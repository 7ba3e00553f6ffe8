//! Training options beside the sizes of the networks: optimizers, losses, penalties, augmentation.

use crate::{AdamConfig, DiscriminatorNorm, EngineError, ModelConfig};
use serde::{Deserialize, Serialize};

/// How an engine trains. [`Recipe::default`] is the tutorial's, and so is the recipe of a plain [`AdamConfig`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recipe {
    /// Optimizer of the discriminator.
    pub discriminator: AdamConfig,
    /// Optimizer of the generator.
    pub generator: AdamConfig,
    /// The loss of both networks.
    pub loss: Loss,
    /// Label of real images. 1 is the tutorial; less is one-sided label smoothing (Salimans et al. 2016, section 3.4).
    /// The hinge loss has no label.
    pub real_label: f32,
    /// Decay of the moving average of the generator's weights; `None` to keep no average. See
    /// [`Recipe::average_decay`].
    pub ema: Option<f64>,
    /// Weight γ of the R1 penalty γ/2 · E‖∇D(x)‖² on real images (Mescheder et al. 2018), for a discriminator
    /// without batch norm; 0 for none.
    pub r1: f64,
    /// Weight of the same penalty on generated images, R2.
    pub r2: f64,
    /// Whether memory is planned for [`Engine::set_augmentations`](crate::Engine::set_augmentations).
    pub augment: bool,
    /// Number of shards that each batch is cut into; sums over a batch are taken within each of them first. See
    /// [`Shards`](crate::Shards). 1 is the tutorial.
    pub shards: usize,
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
    /// Relativistic pairing (Jolicoeur-Martineau 2018; Huang et al. 2024), for a discriminator without batch norm.
    Relativistic,
}

impl Loss {
    /// All of them, by their names.
    pub const ALL: [(&'static str, Loss); 4] = [
        ("bce", Loss::Bce),
        ("hinge", Loss::Hinge),
        ("least-squares", Loss::LeastSquares),
        ("relativistic", Loss::Relativistic),
    ];
}

crate::name::impl_names!(Loss);

/// What the discriminator's output on a batch of images is trained towards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objective {
    /// The discriminator learns that the images are real.
    Real,
    /// The discriminator learns that the images are generated.
    Fake,
    /// The generator learns to have its images classified as real.
    FoolDiscriminator,
}

impl Recipe {
    /// Returns the label that the discriminator's output is compared with. The hinge and relativistic losses have no
    /// labels.
    pub fn label(&self, objective: Objective) -> f32 {
        match objective {
            Objective::Real => self.real_label,
            Objective::Fake => 0.0,
            Objective::FoolDiscriminator => 1.0,
        }
    }

    /// Returns whether the discriminator's gradient in its images is penalized.
    pub fn has_penalty(&self) -> bool {
        self.r1 > 0.0 || self.r2 > 0.0
    }

    /// Checks that networks of this configuration can be trained by this recipe.
    ///
    /// # Errors
    /// [`EngineError::Recipe`] for a loss or a penalty that batch norm in the discriminator rules out.
    pub fn check(&self, config: &ModelConfig) -> Result<(), EngineError> {
        if config.norm_d != DiscriminatorNorm::Batch {
            return Ok(());
        }
        if self.has_penalty() {
            return Err(EngineError::Recipe(
                "an R1 or R2 penalty needs a discriminator without batch norm: choose --d-norm none or spectral, or no \
                 penalty (--r1 0 --r2 0)",
            ));
        }
        if self.loss == Loss::Relativistic {
            return Err(EngineError::Recipe(
                "the relativistic loss needs a discriminator without batch norm: choose --d-norm none or spectral, or \
                 another --loss",
            ));
        }
        Ok(())
    }

    /// Checks that an engine with this recipe can augment images of `size` × `size` pixels this way.
    ///
    /// # Errors
    /// [`EngineError::Augmentation`] if memory was not planned for it, or a cutout leaves the image.
    pub fn check_augmentations(&self, augmentations: &[Augmentation], size: usize) -> Result<(), EngineError> {
        if !self.augment {
            return Err(EngineError::Augmentation("this engine was made without memory for them"));
        }
        if augmentations.iter().flat_map(|augmentation| augmentation.cutout).any(|[_, end]| end > size) {
            return Err(EngineError::Augmentation("a cutout leaves the picture"));
        }
        Ok(())
    }

    /// Returns the decay of the average at the generator's Adam step `step`, from 1: min(`decay`, (1 + step) / (10 +
    /// step)), as TensorFlow's `ExponentialMovingAverage` has it, so that the average soon forgets the first weights.
    pub fn average_decay(decay: f64, step: u64) -> f64 {
        let step = step as f64;
        decay.min((1.0 + step) / (10.0 + step))
    }
}

impl From<AdamConfig> for Recipe {
    /// Returns the tutorial's recipe with this optimizer for both networks.
    fn from(adam: AdamConfig) -> Self {
        Self {
            discriminator: adam,
            generator: adam,
            loss: Loss::Bce,
            real_label: 1.0,
            ema: None,
            r1: 0.0,
            r2: 0.0,
            augment: false,
            shards: 1,
        }
    }
}

impl Default for Recipe {
    fn default() -> Self {
        AdamConfig::default().into()
    }
}

/// The transform of one image before the discriminator sees it, from DiffAugment (Zhao et al. 2020).
/// `dcgan_kernels::augment` documents the formulas.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Augmentation {
    /// Added to every value.
    pub brightness: f32,
    /// Factor of each channel's distance from the pixel's mean.
    pub saturation: f32,
    /// Factor of each value's distance from the image's mean.
    pub contrast: f32,
    /// Offset of the input pixel from the output pixel, down and to the right: `[dy, dx]`.
    pub translation: [isize; 2],
    /// Rows and columns of the rectangle that is set to 0, each as `[start, end]`; within the image.
    pub cutout: [[usize; 2]; 2],
}

impl Augmentation {
    /// The identity.
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
