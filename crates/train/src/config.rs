//! The configuration of a run.

use crate::{Augment, Schedule};
use dcgan_model::Progress;
use dcgan_model::{AdamConfig, ConfigError, Init, Loss, ModelConfig, Recipe};
use std::num::NonZeroU64;

/// Number of images in a preview: 4 rows of 8.
pub const PREVIEW_FACES: usize = 32;

/// Configuration of a run: everything that decides its result, except the pictures. [`TrainConfig::default`] is the
/// tutorial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainConfig {
    /// Sizes of both networks.
    pub model: ModelConfig,
    /// Both optimizers.
    pub adam: AdamConfig,
    /// Learning rate of the discriminator, if it is not that of `adam` (Heusel et al. 2017).
    pub lr_d: Option<f64>,
    /// Learning rate of the generator, if it is not that of `adam`.
    pub lr_g: Option<f64>,
    /// Change of the learning rates over the run.
    pub schedule: Schedule,
    /// Loss of both networks.
    pub loss: Loss,
    /// The discriminator's label of real images is 1 less this (Salimans et al. 2016).
    pub label_smoothing: f64,
    /// Weight of the R1 penalty (Mescheder et al. 2018); 0 for none.
    pub r1: f64,
    /// Weight of the R2 penalty; 0 for none.
    pub r2: f64,
    /// Adam steps of the discriminator, each on a batch of its own, before each one of the generator.
    pub d_steps: usize,
    /// Random changes of the images that the discriminator sees (Zhao et al. 2020).
    pub augment: Augment,
    /// Decay of a moving average of the generator's weights, which then draws previews and is saved (Yazıcı et al.
    /// 2019).
    pub ema: Option<f64>,
    /// Whether the generator's running statistics are computed anew before it draws previews or is saved, as they
    /// always are with `ema`.
    pub recalibrate: bool,
    /// Distribution of the first weights.
    pub init: Init,
    /// Seed of all random streams.
    pub seed: u64,
    /// Pictures in a batch; fake batches always have this size, the last real batch of an epoch may be smaller.
    pub batch_size: usize,
    /// Number of shards that each batch is cut into; as many ranks can train together. Sums over a batch are rounded in
    /// another order for each number. 1 is the tutorial.
    pub shards: usize,
    /// Number of epochs.
    pub epochs: u64,
    /// Pictures in an epoch, taken from passes over the data set that follow each other; `None` for all pictures once,
    /// as in the tutorial.
    pub epoch_size: Option<usize>,
    /// End after this many steps, if the epochs have not ended before.
    pub max_steps: Option<u64>,
    /// Whether half of the pictures, others in every epoch, are mirrored.
    pub flip: bool,
    /// Number of epochs between two evaluations of the generator; the best one that was seen is kept.
    pub evaluate_every: Option<NonZeroU64>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self::TUTORIAL
    }
}

/// Error of an impossible configuration.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TrainConfigError {
    /// The sizes of the networks.
    #[error(transparent)]
    Model(#[from] ConfigError),
    /// The batch size is out of range.
    #[error("batch size {0} is not possible: choose 1 to {max}", max = TrainConfig::MAX_BATCH_SIZE)]
    BatchSize(usize),
    /// The number of shards is out of range.
    #[error("{0} shards are not possible: choose 1 to {max}", max = TrainConfig::MAX_SHARDS)]
    Shards(usize),
    /// A number that must not be 0.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// The learning rate is not positive.
    #[error("learning rate {0} is not possible: choose a number above 0, such as 0.0002")]
    LearningRate(f64),
    /// Label smoothing is out of range, or the loss has no labels.
    #[error(
        "label smoothing {0} is not possible: choose 0 to below 0.5, and 0 with the hinge loss, which has no labels"
    )]
    LabelSmoothing(f64),
    /// The decay of the average is out of range.
    #[error("an average with decay {0} is not possible: choose a number between 0 and 1, such as 0.999")]
    Ema(f64),
    /// The weight of a penalty is negative or not finite.
    #[error("a penalty {name} of {weight} is not possible: choose 0 for none, or a number above 0, such as 1")]
    Penalty {
        /// `r1` or `r2`.
        name: &'static str,
        /// Its weight.
        weight: f64,
    },
    /// The number of the discriminator's steps is out of range.
    #[error("{0} steps of the discriminator are not possible: choose 1 to {max}", max = TrainConfig::MAX_D_STEPS)]
    DiscriminatorSteps(usize),
    /// The loss or a penalty does not fit the discriminator.
    #[error("{0}")]
    Recipe(String),
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
    /// The tutorial.
    pub const TUTORIAL: Self = Self {
        model: ModelConfig::TUTORIAL,
        adam: AdamConfig::TUTORIAL,
        lr_d: None,
        lr_g: None,
        schedule: Schedule::Constant,
        loss: Loss::Bce,
        label_smoothing: 0.0,
        r1: 0.0,
        r2: 0.0,
        d_steps: 1,
        augment: Augment::NONE,
        ema: None,
        recalibrate: false,
        init: Init::Default,
        seed: 0,
        batch_size: 128,
        shards: 1,
        epochs: 20,
        epoch_size: None,
        max_steps: None,
        flip: false,
        evaluate_every: None,
    };
    /// Largest batch size. Far beyond use; it keeps a typing error from asking for terabytes.
    pub const MAX_BATCH_SIZE: usize = 65_536;
    /// Largest number of shards, and so of ranks.
    pub const MAX_SHARDS: usize = 4096;
    /// Largest number of discriminator steps per generator step.
    pub const MAX_D_STEPS: usize = 16;

    /// Checks every number.
    ///
    /// # Errors
    /// Names the first impossible value and the possible ones.
    pub fn validate(&self) -> Result<(), TrainConfigError> {
        self.model.validate()?;
        if !(1..=Self::MAX_BATCH_SIZE).contains(&self.batch_size) {
            return Err(TrainConfigError::BatchSize(self.batch_size));
        }
        if !(1..=Self::MAX_SHARDS).contains(&self.shards) {
            return Err(TrainConfigError::Shards(self.shards));
        }
        if self.epochs == 0 {
            return Err(TrainConfigError::Zero("the number of epochs"));
        }
        if self.epoch_size == Some(0) {
            return Err(TrainConfigError::Zero("the number of pictures in an epoch"));
        }
        if self.max_steps == Some(0) {
            return Err(TrainConfigError::Zero("the number of steps"));
        }
        let AdamConfig { lr, beta1, beta2, .. } = self.adam;
        let Self { lr_d, lr_g, loss, label_smoothing, ema, .. } = *self;
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
        for (name, weight) in [("r1", self.r1), ("r2", self.r2)] {
            if !(weight >= 0.0 && weight.is_finite()) {
                return Err(TrainConfigError::Penalty { name, weight });
            }
        }
        if !(1..=Self::MAX_D_STEPS).contains(&self.d_steps) {
            return Err(TrainConfigError::DiscriminatorSteps(self.d_steps));
        }
        self.recipe().check(&self.model).map_err(|error| TrainConfigError::Recipe(error.to_string()))
    }

    /// Returns the part of the configuration that engines take.
    pub fn recipe(&self) -> Recipe {
        let Self { lr_d, lr_g, loss, label_smoothing, augment, ema, r1, r2, shards, .. } = *self;
        let adam = |lr: Option<f64>| AdamConfig { lr: lr.unwrap_or(self.adam.lr), ..self.adam };
        Recipe {
            discriminator: adam(lr_d),
            generator: adam(lr_g),
            loss,
            real_label: (1.0 - label_smoothing) as f32,
            ema,
            r1,
            r2,
            augment: augment != Augment::NONE,
            shards,
        }
    }

    /// Number of pictures that a step takes: a batch for each step of the discriminator.
    pub fn pictures_per_step(&self) -> usize {
        self.batch_size * self.d_steps
    }

    /// Number of pictures in an epoch on a data set of `pictures` pictures.
    pub fn pictures_per_epoch(&self, pictures: usize) -> usize {
        self.epoch_size.unwrap_or(pictures)
    }

    /// Number of steps in an epoch on a data set of `pictures` pictures; the last may have fewer pictures.
    pub fn steps_per_epoch(&self, pictures: usize) -> u64 {
        self.pictures_per_epoch(pictures).div_ceil(self.pictures_per_step()) as u64
    }

    /// Number of steps in the whole run over `pictures` pictures.
    pub fn steps(&self, pictures: usize) -> u64 {
        self.steps_from(pictures, &Progress::default())
    }

    /// Number of steps in the whole run over `pictures` pictures, including those of `progress`, whose batches may have
    /// had another size.
    pub fn steps_from(&self, pictures: usize, progress: &Progress) -> u64 {
        let epochs = self.epochs.saturating_sub(progress.epoch);
        let in_this_epoch = match epochs {
            0 => 0,
            _ => {
                let left = self.pictures_per_epoch(pictures).saturating_sub(progress.pictures as usize);
                left.div_ceil(self.pictures_per_step()) as u64
            }
        };
        let rest = epochs.saturating_sub(1).saturating_mul(self.steps_per_epoch(pictures));
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
        let adam = |lr, beta1, beta2| AdamConfig { lr, beta1, beta2, ..ok.adam };
        let table = [
            (TrainConfig { batch_size: 0, ..ok }, "batch size 0"),
            (TrainConfig { batch_size: 65_537, ..ok }, "1 to 65536"),
            (TrainConfig { epochs: 0, ..ok }, "epochs must be at least 1"),
            (TrainConfig { shards: 0, ..ok }, "0 shards"),
            (TrainConfig { max_steps: Some(0), ..ok }, "steps must be at least 1"),
            (TrainConfig { epoch_size: Some(0), ..ok }, "pictures in an epoch must be at least 1"),
            (TrainConfig { adam: adam(0.0, 0.5, 0.9), ..ok }, "learning rate 0 "),
            (TrainConfig { adam: adam(f64::NAN, 0.5, 0.9), ..ok }, "learning rate NaN "),
            (TrainConfig { adam: adam(f64::INFINITY, 0.5, 0.9), ..ok }, "learning rate inf "),
            (TrainConfig { adam: adam(1e-3, 1.0, 0.9), ..ok }, "beta1 1 "),
            (TrainConfig { adam: adam(1e-3, 0.5, -0.1), ..ok }, "beta2 -0.1 "),
            (TrainConfig { lr_d: Some(-1.0), ..ok }, "learning rate -1 "),
            (TrainConfig { lr_g: Some(0.0), ..ok }, "learning rate 0 "),
            (TrainConfig { label_smoothing: 0.5, ..ok }, "label smoothing 0.5"),
            (TrainConfig { label_smoothing: f64::NAN, ..ok }, "label smoothing NaN"),
            (TrainConfig { label_smoothing: 0.1, loss: Loss::Hinge, ..ok }, "hinge loss"),
            (TrainConfig { ema: Some(1.0), ..ok }, "decay 1 "),
            (TrainConfig { ema: Some(0.0), ..ok }, "decay 0 "),
            (TrainConfig { r1: -1.0, ..ok }, "r1 of -1"),
            (TrainConfig { r2: f64::INFINITY, ..ok }, "r2 of inf"),
            (TrainConfig { r1: 1.0, ..ok }, "--d-norm none"),
            (TrainConfig { loss: Loss::Relativistic, ..ok }, "--d-norm none"),
            (TrainConfig { d_steps: 0, ..ok }, "choose 1 to 16"),
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
        let recipe = TrainConfig { lr_d: Some(1e-3), label_smoothing: 0.1, ..TrainConfig::default() }.recipe();
        assert_eq!((recipe.discriminator.lr, recipe.generator.lr, recipe.real_label), (1e-3, 2e-4, 0.9));
    }

    #[test]
    fn steps_count_the_short_batch_and_stop_at_the_limit() {
        let config = TrainConfig { batch_size: 8, epochs: 3, ..TrainConfig::default() };
        assert_eq!(config.steps(16), 6);
        assert_eq!(config.steps(17), 9);
        assert_eq!(TrainConfig { max_steps: Some(7), ..config }.steps(17), 7);
        assert_eq!(TrainConfig { epochs: u64::MAX, ..config }.steps(17), u64::MAX);
        assert_eq!(TrainConfig { epoch_size: Some(40), ..config }.steps(17), 15);
        assert_eq!(TrainConfig { epoch_size: Some(40), d_steps: 2, ..config }.steps(17), 9);

        let progress = |step, epoch, pictures| Progress { step, epoch, pictures, ..Progress::default() };
        assert_eq!(config.steps_from(17, &progress(3, 1, 0)), 9);
        assert_eq!(config.steps_from(17, &progress(4, 1, 8)), 9);
        assert_eq!(config.steps_from(17, &progress(9, 3, 0)), 9);
        assert_eq!(config.steps_from(17, &progress(5, 1, 16)), 9);
        // Two steps of 8 pictures, then 17 − 16 pictures in steps of 1, then two epochs of 17 steps.
        assert_eq!(TrainConfig { batch_size: 1, ..config }.steps_from(17, &progress(2, 0, 16)), 2 + 1 + 2 * 17);
    }
}
