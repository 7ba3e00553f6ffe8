//! Chooses the number of steps of a run that should take a given time.

use crate::{TrainConfig, TrainError, time_step};
use dcgan_data::Dataset;
use dcgan_model::Engine;
use std::time::Duration;

/// Fraction of the run's time that is used to time steps.
const TIMED: f64 = 0.02;
/// Limit of the time that is used to time steps.
const MAX_TIMED: Duration = Duration::from_secs(10);
/// Approximate fraction of the run's time that samples, measures and checkpoints take.
const OVERHEAD: f64 = 0.04;

/// Chooses [`TrainConfig::epochs`] and [`TrainConfig::epoch_size`] so that the run takes about `time` with `engine`.
/// The number of epochs stays as it is, or is lowered to the number of steps. Returns the time of a step.
///
/// The engine trains some steps for this, so its state is lost: load a state before training.
///
/// # Errors
/// If the engine fails, or a picture cannot be read.
pub fn fit_to_time(
    config: &mut TrainConfig,
    time: Duration,
    data: &Dataset,
    engine: &mut (impl Engine + ?Sized),
) -> Result<Duration, TrainError> {
    let step = time_step(config, data, engine, time.mul_f64(TIMED).min(MAX_TIMED))?;
    let steps = steps_in(time, step);
    let epochs = config.epochs.min(steps);
    let steps_per_epoch = (steps / epochs).max(1);
    config.epochs = epochs;
    config.epoch_size = Some(steps_per_epoch as usize * config.pictures_per_step());
    Ok(step)
}

/// Returns how many steps of duration `step` fit into `time` less the overhead; at least 1.
fn steps_in(time: Duration, step: Duration) -> u64 {
    ((time.as_secs_f64() * (1.0 - OVERHEAD) / step.as_secs_f64()) as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_fill_the_time_but_for_the_overhead() {
        assert_eq!(steps_in(Duration::from_secs(1200), Duration::from_millis(120)), 9600);
        assert_eq!(steps_in(Duration::from_secs(10), Duration::from_secs(60)), 1);
    }
}
