//! The number of steps of a run that is to take a given time.

use crate::{TrainConfig, TrainError, time_step};
use dcgan_data::Dataset;
use dcgan_model::Engine;
use std::time::Duration;

/// Part of the run's time in which steps are timed.
const TIMED: f64 = 0.02;
/// The longest time in which steps are timed.
const MAX_TIMED: Duration = Duration::from_secs(10);
/// Part of the run's time that previews, measures and checkpoints take, roughly.
const OVERHEAD: f64 = 0.04;

/// Chooses [`TrainConfig::epochs`] and [`TrainConfig::epoch_size`] so that the run takes about `time` with `engine`.
/// There are as many epochs as before, or fewer if there are not as many steps. Returns the time of a step.
///
/// The engine trains some steps for this; the run then loads its own first weights.
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

/// Number of steps that fit into `time` beside everything else; at least 1.
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
