//! Steps in flight: those that an engine was given and whose reports were not taken yet.
//!
//! A GPU would idle if it had to report every step before it gets the next one. So it is given several steps at a time,
//! and their events are sent afterwards. The number of steps depends on their time, so that progress is visible on slow
//! devices too. It does not affect the result.

use dcgan_model::{Engine, EngineError, StepReport};
use std::time::{Duration, Instant};

/// If a full window takes less, the next one may be twice as large.
const SHORT: Duration = Duration::from_millis(250);
/// If a window takes longer, the next one is half as large.
const LONG: Duration = Duration::from_secs(1);

/// The steps in flight.
#[derive(Debug)]
pub(crate) struct Window {
    /// Largest number of steps that the engine takes.
    limit: usize,
    /// Number of steps that fill the window.
    size: usize,
    /// Time at which the first step began to wait for its pictures.
    start: Instant,
    steps: Vec<StepInFlight>,
    reports: Vec<StepReport>,
}

/// A step in flight.
#[derive(Debug, Clone, Copy)]
struct StepInFlight {
    pictures: usize,
    /// Number of steps of the discriminator, each of which has two reports.
    d_steps: usize,
    data_seconds: f32,
}

/// Result of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct StepResult {
    /// Number of pictures in its batch.
    pub(crate) pictures: usize,
    /// Seconds of waiting for the pictures.
    pub(crate) data_seconds: f32,
    /// Pictures per second, as a mean over the window.
    pub(crate) images_per_second: f32,
    /// Reports of D on real pictures, D on generated ones (means over D's steps), and G.
    pub(crate) reports: [StepReport; 3],
}

impl Window {
    /// Creates a window of one step for an engine that takes `limit` steps.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), size: 1, start: Instant::now(), steps: Vec::new(), reports: Vec::new() }
    }

    /// Starts the time of the window, if it is empty.
    pub(crate) fn start(&mut self) {
        if self.steps.is_empty() {
            self.start = Instant::now();
        }
    }

    /// Adds a step on `pictures` pictures in `d_steps` batches.
    pub(crate) fn push(&mut self, pictures: usize, d_steps: usize, data_seconds: f32) {
        self.steps.push(StepInFlight { pictures, d_steps, data_seconds });
    }

    /// Returns the number of steps in flight.
    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Returns whether the reports should be taken.
    pub(crate) fn is_full(&self) -> bool {
        self.steps.len() >= self.size
    }

    /// Returns the number of pictures of all steps in flight.
    pub(crate) fn pictures(&self) -> usize {
        self.steps.iter().map(|step| step.pictures).sum()
    }

    /// Waits for the steps in flight and empties the window. Returns their results in order, and a description of what
    /// in `engine` is not finite after them.
    ///
    /// # Panics
    /// If the engine has not two reports for each step of D and one for each step of G.
    pub(crate) fn take(
        &mut self,
        engine: &mut (impl Engine + ?Sized),
    ) -> Result<(Vec<StepResult>, Option<String>), EngineError> {
        self.reports.clear();
        engine.take_reports(&mut self.reports)?;
        let non_finite = engine.non_finite()?;
        let time = self.start.elapsed();
        let expected: usize = self.steps.iter().map(|step| 2 * step.d_steps + 1).sum();
        assert_eq!(self.reports.len(), expected, "every part of a step has a report");
        let images_per_second = (self.pictures() as f64 / time.as_secs_f64()) as f32;
        self.size = next_size(self.size, self.steps.len(), self.limit, time);
        let mut reports = self.reports.as_slice();
        let done = self.steps.drain(..).map(|StepInFlight { pictures, d_steps, data_seconds }| {
            let (own, rest) = reports.split_at(2 * d_steps + 1);
            reports = rest;
            let [real, fake] = [0, 1].map(|part| mean(own[..2 * d_steps].iter().skip(part).step_by(2)));
            StepResult { pictures, data_seconds, images_per_second, reports: [real, fake, own[2 * d_steps]] }
        });
        Ok((done.collect(), non_finite))
    }
}

/// Returns the mean of some reports; for a single one, that report to the bit.
fn mean<'a>(reports: impl ExactSizeIterator<Item = &'a StepReport> + Clone) -> StepReport {
    let count = reports.len() as f64;
    let mean = |value: fn(&StepReport) -> f32| {
        (reports.clone().map(|report| f64::from(value(report))).sum::<f64>() / count) as f32
    };
    let has_norm = reports.clone().all(|report| report.gradient_norm.is_some());
    StepReport {
        loss: mean(|report| report.loss),
        mean_output: mean(|report| report.mean_output),
        gradient_norm: has_norm.then(|| mean(|report| report.gradient_norm.unwrap_or_default())),
    }
}

/// Returns the size of the next window, after one of size `size` with `len` steps that took `time`.
fn next_size(size: usize, len: usize, limit: usize, time: Duration) -> usize {
    if time > LONG {
        (size / 2).max(1)
    } else if time < SHORT && len == size {
        // A window that ended early says nothing about the time of a full one.
        (2 * size).min(limit)
    } else {
        size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_grow_while_they_are_quick_and_shrink_when_they_are_slow() {
        let ms = Duration::from_millis;
        for (size, len, limit, time, expected) in [
            (1, 1, 16, ms(10), 2),
            (8, 8, 16, ms(249), 16),
            (16, 16, 16, ms(10), 16),
            (4, 4, 6, ms(10), 6),
            (1, 1, 1, ms(0), 1),
            // Long enough.
            (8, 8, 16, ms(250), 8),
            (8, 8, 16, ms(1000), 8),
            // Ended early.
            (8, 3, 16, ms(10), 8),
            (8, 8, 16, ms(1001), 4),
            (8, 3, 16, ms(1001), 4),
            (1, 1, 16, ms(9000), 1),
        ] {
            assert_eq!(next_size(size, len, limit, time), expected, "{len} of {size} in {time:?}");
        }
    }
}
