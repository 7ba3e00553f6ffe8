//! What a run is made of.

use dcgan_model::{AdamConfig, ConfigError, Init, ModelConfig};

/// Everything that decides a run's result, apart from the pictures. [`TrainConfig::default`] is the tutorial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainConfig {
    /// Sizes of both networks.
    pub model: ModelConfig,
    /// Both optimizers.
    pub adam: AdamConfig,
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
        if !(lr > 0.0 && lr.is_finite()) {
            return Err(TrainConfigError::LearningRate(lr));
        }
        for (name, value) in [("beta1", beta1), ("beta2", beta2)] {
            if !(0.0..1.0).contains(&value) {
                return Err(TrainConfigError::Beta { name, value });
            }
        }
        Ok(())
    }

    /// Batches in an epoch of `pictures` pictures; the last may be short.
    pub fn batches_per_epoch(&self, pictures: usize) -> u64 {
        pictures.div_ceil(self.batch_size) as u64
    }

    /// Steps in the whole run over `pictures` pictures.
    pub fn steps(&self, pictures: usize) -> u64 {
        let steps = self.epochs.saturating_mul(self.batches_per_epoch(pictures));
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
            (TrainConfig { max_steps: Some(0), ..ok }, "steps must be at least 1"),
            (TrainConfig { adam: adam(0.0, 0.5, 0.9), ..ok }, "learning rate 0 "),
            (TrainConfig { adam: adam(f64::NAN, 0.5, 0.9), ..ok }, "learning rate NaN "),
            (TrainConfig { adam: adam(f64::INFINITY, 0.5, 0.9), ..ok }, "learning rate inf "),
            (TrainConfig { adam: adam(1e-3, 1.0, 0.9), ..ok }, "beta1 1 "),
            (TrainConfig { adam: adam(1e-3, 0.5, -0.1), ..ok }, "beta2 -0.1 "),
            (TrainConfig { model: ModelConfig { image_size: 48, ..ok.model }, ..ok }, "image size 48"),
        ];
        for (config, expected) in table {
            let text = config.validate().unwrap_err().to_string();
            assert!(text.contains(expected), "{text:?} does not say {expected:?}");
        }
    }

    #[test]
    fn steps_count_the_short_batch_and_stop_at_the_limit() {
        let config = TrainConfig { batch_size: 8, epochs: 3, ..TrainConfig::default() };
        assert_eq!(config.steps(16), 6);
        assert_eq!(config.steps(17), 9);
        assert_eq!(TrainConfig { max_steps: Some(7), ..config }.steps(17), 7);
        assert_eq!(TrainConfig { epochs: u64::MAX, ..config }.steps(17), u64::MAX);
    }
}
