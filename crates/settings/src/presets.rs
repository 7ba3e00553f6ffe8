//! The options that each preset stands for.

use crate::{AverageDecay, Preset, TrainOptions};
use dcgan_model::Init;
use dcgan_train::{Augment, Schedule};

impl Preset {
    /// The options that the preset stands for.
    pub fn options(self) -> TrainOptions {
        let none = TrainOptions::default();
        match self {
            Self::Tutorial => none,
            Self::Best => TrainOptions {
                base_channels: Some(32),
                batch_size: Some(32),
                init: Some(Init::Normal),
                lr_g: Some(6e-4),
                lr_d: Some(2e-4),
                lr_schedule: Some(Schedule::LinearHalf),
                ema: Some(AverageDecay(0.995)),
                augment: Some(Augment { translation: true, ..Augment::NONE }),
                epochs: Some(20),
                epoch_size: Some(400 * 32),
                evaluate_every: Some(5),
                ..none
            },
            // In a run this short the learning rates must not fall: G would stop while faces are still few.
            Self::Quick => TrainOptions {
                lr_schedule: Some(Schedule::Constant),
                ema: Some(AverageDecay(0.999)),
                epochs: Some(10),
                epoch_size: Some(200 * 32),
                ..Self::Best.options()
            },
        }
    }
}
