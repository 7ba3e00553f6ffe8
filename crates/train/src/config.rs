//! What a run is made of.

use crate::{Augment, Quality};
use dcgan_formats::Progress;
use dcgan_model::{AdamConfig, ConfigError, Init, Loss, ModelConfig, Recipe};

/// Everything that decides a run's result, apart from the pictures. [`TrainConfig::default`] is the tutorial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainConfig {
    /// Sizes of both networks.
    pub model: ModelConfig,
    /// Both optimizers.
    pub adam: AdamConfig,
    /// What goes beyond the tutorial.
    pub quality: Quality,
    /// How the first weights are drawn.
    pub init: Init,
    /// Start of every random stream.
    pub seed: u64,
    /// Pictures in a batch; fake batches always have this size, the last real batch of an epoch may be smaller.
    pub batch_size: usize,
    /// Times that every picture is seen.
    pub epochs: u64,
    /// End after this many steps, if the epochs have not ended before.
    pub max_steps: Option<u64>,
    /// Whether half of the pictures, others in every epoch, are mirrored.
    pub flip: bool,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            model: ModelConfig::default(),
            adam: AdamConfig::default(),
            quality: Quality::TUTORIAL,
            init: Init::default(),
            seed: 0,
            batch_size: 128,
            epochs: 20,
            max_steps: None,
            flip: false,
        }
    }
}

/// Settings that no run can be made of.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TrainConfigError {
    /// The sizes of the networks.
    #[error(transparent)]
    Model(#[from] ConfigError),
    /// The batch size is out of range.
    #[error("batch size {0} is not possible: choose 1 to {max}", max = TrainConfig::MAX_BATCH_SIZE)]
    BatchSize(usize),
    /// There would be no training.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// The learning rate is not positive.
    #[error("learning rate {0} is not possible: choose a number above 0, such as 0.0002")]
    LearningRate(f64),
    /// The labels would be nearer to the other side, or there are none.
    #[error(
        "label smoothing {0} is not possible: choose 0 to below 0.5, and 0 with the hinge loss, which has no labels"
    )]
    LabelSmoothing(f64),
    /// The average would never move, or be no average.
    #[error("an average with decay {0} is not possible: choose a number between 0 and 1, such as 0.999")]
    Ema(f64),
    /// One of Adam's decay rates is out of range.
    #[error("{name} {value} is not possible: choose a number from 0 to below 1")]
    Beta {
        /// `beta1` or `beta2`.
        name: &'static str,
        /// Its value.
        value: f64,
    },
}

impl TrainConfig {
    /// The largest batch. Far beyond use; it keeps a typing error from asking for terabytes.
    pub const MAX_BATCH_SIZE: usize = 65_536;

    /// Checks every number.
    ///
    /// # Errors
    /// Names the first that is impossible and what is possible.
    pub fn validate(&self) -> Result<(), TrainConfigError> {
        self.model.validate()?;
        if !(1..=Self::MAX_BATCH_SIZE).contains(&self.batch_size) {
            return Err(TrainConfigError::BatchSize(self.batch_size));
        }
        if self.epochs == 0 {
            return Err(TrainConfigError::Zero("the number of epochs"));
        }
        if self.max_steps == Some(0) {
            return Err(TrainConfigError::Zero("the number of steps"));
        }
        let AdamConfig { lr, beta1, beta2, .. } = self.adam;
        let Quality { lr_d, lr_g, loss, label_smoothing, ema, .. } = self.quality;
        for lr in [Some(lr), lr_d, lr_g].into_iter().flatten() {
            if !(lr > 0.0 && lr.is_finite()) {
                return Err(TrainConfigError::LearningRate(lr));
            }
        }
        if !(0.0..0.5).contains(&label_smoothing) || (loss == Loss::Hinge && label_smoothing != 0.0) {
            return Err(TrainConfigError::LabelSmoothing(label_smoothing));
        }
        if let Some(decay) = ema.filter(|decay| !(*decay > 0.0 && *decay < 1.0)) {
            return Err(TrainConfigError::Ema(decay));
        }
        for (name, value) in [("beta1", beta1), ("beta2", beta2)] {
            if !(0.0..1.0).contains(&value) {
                return Err(TrainConfigError::Beta { name, value });
            }
        }
        Ok(())
    }

    /// What an engine has to know of it.
    pub fn recipe(&self) -> Recipe {
        let Quality { lr_d, lr_g, loss, label_smoothing, augment, ema, .. } = self.quality;
        let adam = |lr: Option<f64>| AdamConfig { lr: lr.unwrap_or(self.adam.lr), ..self.adam };
        Recipe {
            discriminator: adam(lr_d),
            generator: adam(lr_g),
            loss,
            real_label: (1.0 - label_smoothing) as f32,
            ema,
            augment: augment != Augment::NONE,
        }
    }

    /// Batches in an epoch of `pictures` pictures; the last may be short.
    pub fn batches_per_epoch(&self, pictures: usize) -> u64 {
        pictures.div_ceil(self.batch_size) as u64
    }

    /// Steps in the whole run over `pictures` pictures.
    pub fn steps(&self, pictures: usize) -> u64 {
        self.steps_from(pictures, &Progress::default())
    }

    /// Steps in the whole run over `pictures` pictures, `progress` included; its batches may have had another size.
    pub fn steps_from(&self, pictures: usize, progress: &Progress) -> u64 {
        let epochs = self.epochs.saturating_sub(progress.epoch);
        let in_this_epoch = match epochs {
            0 => 0,
            _ => self.batches_per_epoch(pictures.saturating_sub(progress.pictures as usize)),
        };
        let rest = epochs.saturating_sub(1).saturating_mul(self.batches_per_epoch(pictures));
        let steps = progress.step.saturating_add(in_this_epoch).saturating_add(rest);
        steps.min(self.max_steps.unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_settings_are_refused() {
        let ok = TrainConfig::default();
        assert_eq!(ok.validate(), Ok(()));
        let quality = |quality| TrainConfig { quality, ..ok };
        let adam = |lr, beta1, beta2| AdamConfig { lr, beta1, beta2, ..ok.adam };
        let table = [
            (TrainConfig { batch_size: 0, ..ok }, "batch size 0"),
            (TrainConfig { batch_size: 65_537, ..ok }, "1 to 65536"),
            (TrainConfig { epochs: 0, ..ok }, "epochs must be at least 1"),
            (TrainConfig { max_steps: Some(0), ..ok }, "steps must be at least 1"),
            (TrainConfig { adam: adam(0.0, 0.5, 0.9), ..ok }, "learning rate 0 "),
            (TrainConfig { adam: adam(f64::NAN, 0.5, 0.9), ..ok }, "learning rate NaN "),
            (TrainConfig { adam: adam(f64::INFINITY, 0.5, 0.9), ..ok }, "learning rate inf "),
            (TrainConfig { adam: adam(1e-3, 1.0, 0.9), ..ok }, "beta1 1 "),
            (TrainConfig { adam: adam(1e-3, 0.5, -0.1), ..ok }, "beta2 -0.1 "),
            (quality(Quality { lr_d: Some(-1.0), ..Quality::TUTORIAL }), "learning rate -1 "),
            (quality(Quality { lr_g: Some(0.0), ..Quality::TUTORIAL }), "learning rate 0 "),
            (quality(Quality { label_smoothing: 0.5, ..Quality::TUTORIAL }), "label smoothing 0.5"),
            (quality(Quality { label_smoothing: f64::NAN, ..Quality::TUTORIAL }), "label smoothing NaN"),
            (quality(Quality { label_smoothing: 0.1, loss: Loss::Hinge, ..Quality::TUTORIAL }), "hinge loss"),
            (quality(Quality { ema: Some(1.0), ..Quality::TUTORIAL }), "decay 1 "),
            (quality(Quality { ema: Some(0.0), ..Quality::TUTORIAL }), "decay 0 "),
            (TrainConfig { model: ModelConfig { image_size: 48, ..ok.model }, ..ok }, "image size 48"),
        ];
        for (config, expected) in table {
            let text = config.validate().unwrap_err().to_string();
            assert!(text.contains(expected), "{text:?} does not say {expected:?}");
        }
    }

    #[test]
    fn no_options_are_the_tutorials_recipe() {
        assert_eq!(TrainConfig::default().recipe(), Recipe::default());
        let quality = Quality { lr_d: Some(1e-3), label_smoothing: 0.1, ..Quality::TUTORIAL };
        let recipe = TrainConfig { quality, ..TrainConfig::default() }.recipe();
        assert_eq!((recipe.discriminator.lr, recipe.generator.lr, recipe.real_label), (1e-3, 2e-4, 0.9));
    }

    #[test]
    fn steps_count_the_short_batch_and_stop_at_the_limit() {
        let config = TrainConfig { batch_size: 8, epochs: 3, ..TrainConfig::default() };
        assert_eq!(config.steps(16), 6);
        assert_eq!(config.steps(17), 9);
        assert_eq!(TrainConfig { max_steps: Some(7), ..config }.steps(17), 7);
        assert_eq!(TrainConfig { epochs: u64::MAX, ..config }.steps(17), u64::MAX);

        let progress = |step, epoch, pictures| Progress { step, epoch, pictures, ..Progress::default() };
        assert_eq!(config.steps_from(17, &progress(3, 1, 0)), 9);
        assert_eq!(config.steps_from(17, &progress(4, 1, 8)), 9);
        assert_eq!(config.steps_from(17, &progress(9, 3, 0)), 9);
        assert_eq!(config.steps_from(17, &progress(5, 1, 16)), 9);
        // Two steps of 8 pictures, then 17 − 16 pictures in steps of 1, then two epochs of 17 steps.
        assert_eq!(TrainConfig { batch_size: 1, ..config }.steps_from(17, &progress(2, 0, 16)), 2 + 1 + 2 * 17);
    }
}
