//! What may change when a run is resumed.

use crate::TrainConfig;
use dcgan_model::Progress;

/// Error returned for a run that cannot be resumed with other settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// A setting that is fixed when the run starts.
    #[error(
        "a run cannot go on with another {setting} ({before} before, {now} now): {reason}. Leave it as it was, or \
         start a new run"
    )]
    Fixed {
        /// Name of the setting, as on the command line.
        setting: &'static str,
        /// Its value so far.
        before: String,
        /// Its new value.
        now: String,
        /// Why it is fixed.
        reason: &'static str,
    },
    /// The run has begun more epochs than it is to have.
    #[error("--epochs {epochs} is over: the run is in epoch {begun}; choose {begun} or more")]
    Epochs {
        /// Number of epochs that the run is to have.
        epochs: u64,
        /// Number of epochs that it has begun.
        begun: u64,
    },
    /// The run has taken more steps than it is to have.
    #[error("--max-steps {max_steps} is over: the run has taken {steps} steps; choose more")]
    Steps {
        /// Number of steps that the run is to have.
        max_steps: u64,
        /// Number of steps that it has taken.
        steps: u64,
    },
}

const SIZES: &str = "its networks have their size";
const LAYERS: &str = "its discriminator has its layers";
const SEED: &str = "it decided the first weights and goes on deciding the noise and the order of the pictures";
const SHARDS: &str = "the sums over its batches are rounded in their order";
const INIT: &str = "the first weights were drawn long ago";

impl TrainConfig {
    /// Prepares a run with the settings `before`, which has come to `progress`, for going on with these settings. If
    /// they have other learning rates, they are taken as they are: the rollbacks that have halved the rates are
    /// forgotten.
    ///
    /// The sizes and layers of both networks, the seed, the first weights and the shards are fixed; everything else may
    /// change. Whether the images are the same is for the caller to check, with
    /// [`Dataset::fingerprint`](dcgan_data::Dataset::fingerprint).
    ///
    /// # Errors
    /// If a fixed setting is another, or the run would be shorter than it is. `progress` is then unchanged.
    pub fn resume(&self, before: &Self, progress: &mut Progress) -> Result<(), ResumeError> {
        self.check_fixed(before)?;
        self.check_length(progress)?;
        let rates = |config: &Self| (config.adam.lr, config.lr_d, config.lr_g, config.schedule);
        if rates(self) != rates(before) {
            progress.rollbacks = 0;
        }
        Ok(())
    }

    /// Checks that a run that has come to `progress` is not over before its end.
    ///
    /// # Errors
    /// If it has begun more epochs, or taken more steps, than these settings allow.
    pub fn check_length(&self, progress: &Progress) -> Result<(), ResumeError> {
        let Self { epochs, max_steps, .. } = *self;
        let begun = progress.epoch + u64::from(progress.pictures > 0);
        if epochs < begun {
            return Err(ResumeError::Epochs { epochs, begun });
        }
        match max_steps {
            Some(max_steps) if max_steps < progress.step => Err(ResumeError::Steps { max_steps, steps: progress.step }),
            _ => Ok(()),
        }
    }

    /// Returns whether a run that has come to `progress` has nothing left to do.
    pub fn is_at_end(&self, progress: &Progress) -> bool {
        let is_last_step = self.max_steps.is_some_and(|max_steps| progress.step >= max_steps);
        is_last_step || (progress.epoch >= self.epochs && progress.pictures == 0)
    }

    /// Checks that the settings which are fixed when a run starts are those of `before`.
    fn check_fixed(&self, before: &Self) -> Result<(), ResumeError> {
        let quoted = |name: String| format!("\"{name}\"");
        // A seed as TOML has it.
        let seed = |config: &Self| config.seed.cast_signed().to_string();
        let number = |get: fn(&Self) -> usize| [get(before).to_string(), get(self).to_string()];
        let settings = [
            ("base-channels", number(|config| config.model.base_channels_g), SIZES),
            ("base-channels-d", number(|config| config.model.base_channels_d), SIZES),
            ("channels", number(|config| config.model.channels), SIZES),
            ("d-norm", [before, self].map(|config| quoted(config.model.norm_d.to_string())), LAYERS),
            ("image-size", number(|config| config.model.image_size), SIZES),
            ("init", [before, self].map(|config| quoted(config.init.to_string())), INIT),
            ("latent-dim", number(|config| config.model.latent_dim), SIZES),
            ("seed", [before, self].map(seed), SEED),
            ("shards", number(|config| config.shards), SHARDS),
        ];
        match settings.into_iter().find(|(_, [before, now], _)| before != now) {
            Some((setting, [before, now], reason)) => Err(ResumeError::Fixed { setting, before, now, reason }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Augment, Schedule};
    use dcgan_model::{AdamConfig, DiscriminatorNorm, Init, Loss, ModelConfig};

    fn progress(step: u64, epoch: u64, pictures: u64) -> Progress {
        Progress { step, epoch, pictures, ..Progress::default() }
    }

    #[test]
    fn what_decided_the_first_weights_is_fixed() {
        let before = TrainConfig::default();
        let model = before.model;
        let table = [
            (TrainConfig { seed: 1, ..before }, "another seed (0 before, 1 now)"),
            (TrainConfig { seed: u64::MAX, ..before }, "another seed (0 before, -1 now)"),
            (TrainConfig { init: Init::Normal, ..before }, "another init (\"default\" before, \"normal\" now)"),
            (
                TrainConfig { model: ModelConfig { image_size: 32, ..model }, ..before },
                "image-size (64 before, 32 now)",
            ),
            (TrainConfig { model: ModelConfig { channels: 1, ..model }, ..before }, "another channels"),
            (TrainConfig { model: ModelConfig { latent_dim: 5, ..model }, ..before }, "another latent-dim"),
            (TrainConfig { model: model.with_base_channels(3), ..before }, "another base-channels (64 before, 3 now)"),
            (TrainConfig { model: ModelConfig { base_channels_g: 3, ..model }, ..before }, "another base-channels ("),
            (TrainConfig { model: ModelConfig { base_channels_d: 3, ..model }, ..before }, "another base-channels-d ("),
            (
                TrainConfig { model: ModelConfig { norm_d: DiscriminatorNorm::None, ..model }, ..before },
                "another d-norm (\"batch\" before, \"none\" now): its discriminator has its layers. Leave it",
            ),
        ];
        for (now, expected) in table {
            let mut progress = Progress { rollbacks: 2, ..progress(9, 1, 0) };
            let error = now.resume(&before, &mut progress).unwrap_err();
            assert!(matches!(error, ResumeError::Fixed { .. }) && error.to_string().contains(expected), "{error}");
            assert_eq!(progress.rollbacks, 2);
        }
    }

    #[test]
    fn everything_else_may_change() {
        let before = TrainConfig::default();
        let now = TrainConfig {
            loss: Loss::Hinge,
            d_steps: 2,
            augment: Augment { cutout: true, ..Augment::NONE },
            ema: Some(0.9),
            recalibrate: true,
            batch_size: 3,
            epochs: 100,
            epoch_size: Some(50),
            flip: true,
            ..before
        };
        let mut progress = Progress { rollbacks: 2, ..progress(9, 1, 0) };
        assert_eq!(now.resume(&before, &mut progress), Ok(()));
        assert_eq!(before.resume(&before, &mut progress), Ok(()));
        assert_eq!(progress.rollbacks, 2, "the rates are the same, and stay halved");
    }

    /// Whoever chooses a rate means that one, not a half of it.
    #[test]
    fn other_rates_are_taken_as_they_are() {
        let before = TrainConfig::default();
        let adam = |lr: f64| AdamConfig { lr, ..before.adam };
        for now in [
            TrainConfig { adam: adam(1e-4), ..before },
            TrainConfig { lr_d: Some(1e-4), ..before },
            TrainConfig { lr_g: Some(1e-4), ..before },
            TrainConfig { schedule: Schedule::Linear, ..before },
        ] {
            let mut progress = Progress { rollbacks: 2, ..progress(9, 1, 0) };
            now.resume(&before, &mut progress).unwrap();
            assert_eq!(progress.rollbacks, 0, "{now:?}");
        }
    }

    #[test]
    fn a_run_can_be_made_longer_only() {
        let check = |progress: Progress, epochs: u64, max_steps: Option<u64>| {
            TrainConfig { epochs, max_steps, ..TrainConfig::default() }.check_length(&progress)
        };
        assert_eq!(check(progress(6, 3, 0), 3, None), Ok(()));
        assert_eq!(check(progress(6, 3, 0), 2, None), Err(ResumeError::Epochs { epochs: 2, begun: 3 }));
        assert_eq!(check(progress(7, 3, 1), 3, None), Err(ResumeError::Epochs { epochs: 3, begun: 4 }));
        assert_eq!(check(progress(7, 3, 1), 20, Some(7)), Ok(()));
        assert_eq!(check(progress(7, 3, 1), 20, Some(6)), Err(ResumeError::Steps { max_steps: 6, steps: 7 }));
        let text = check(progress(7, 3, 1), 3, None).unwrap_err().to_string();
        assert_eq!(text, "--epochs 3 is over: the run is in epoch 4; choose 4 or more");
    }

    #[test]
    fn a_run_ends_with_its_last_epoch_or_step() {
        let config = TrainConfig { epochs: 3, max_steps: Some(9), ..TrainConfig::default() };
        assert!(!config.is_at_end(&progress(5, 2, 8)) && !config.is_at_end(&progress(5, 2, 0)));
        assert!(config.is_at_end(&progress(9, 2, 8)) && config.is_at_end(&progress(6, 3, 0)));
    }
}
