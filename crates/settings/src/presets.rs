//! The options that each preset stands for.

use crate::{AverageDecay, Preset, TrainOptions};
use dcgan_model::{DiscriminatorNorm, Init, Loss};
use dcgan_train::{Augment, Schedule};

impl Preset {
    /// The options that the preset stands for.
    pub fn options(self) -> TrainOptions {
        let none = TrainOptions::default();
        // What both have: small networks and batches, so that there are many steps.
        let small = TrainOptions {
            base_channels: Some(32),
            batch_size: Some(32),
            init: Some(Init::Normal),
            augment: Some(Augment { translation: true, ..Augment::NONE }),
            evaluate_every: Some(5),
            ..none.clone()
        };
        match self {
            Self::Tutorial => none,
            Self::Best => TrainOptions {
                d_norm: Some(DiscriminatorNorm::None),
                loss: Some(Loss::Relativistic),
                r1: Some(0.5),
                r2: Some(0.5),
                lr: Some(8e-4),
                lr_schedule: Some(Schedule::LinearHalf),
                ema: Some(AverageDecay(0.995)),
                epochs: Some(40),
                epoch_size: Some(400 * 32),
                ..small
            },
            // In a run this short batch norm in D and the tutorial's loss are better, and the learning rates must not
            // fall: G would stop while faces are still few.
            Self::Quick => TrainOptions {
                lr_g: Some(6e-4),
                lr_d: Some(2e-4),
                ema: Some(AverageDecay(0.999)),
                epochs: Some(10),
                epoch_size: Some(200 * 32),
                ..small
            },
        }
    }
}
