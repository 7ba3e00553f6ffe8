//! The steps that an engine was given and whose reports were not taken yet.
//!
//! A device that computes by itself would idle if it had to report every step before it gets the next. So it is given some in a row, and what they
//! found is told afterwards, one by one. How many, the time decides: progress is to be seen every now and then, however slow the device is. It
//! does not decide the result.

use dcgan_model::{Engine, EngineError, StepReport};
use std::time::{Duration, Instant};

/// Parts of a step, each of which has a report.
const PARTS: usize = 3;

/// If a full window took less, the next may be twice as large.
const SHORT: Duration = Duration::from_millis(250);
/// If a window took more, the next is half as large.
const LONG: Duration = Duration::from_secs(1);

/// The steps under way.
#[derive(Debug)]
pub(crate) struct Window {
    /// The most steps that the engine takes.
    limit: usize,
    /// Steps that make it full.
    size: usize,
    /// When the first of them began to wait for its pictures.
    start: Instant,
    steps: Vec<Given>,
    reports: Vec<StepReport>,
}

/// A step under way.
#[derive(Debug, Clone, Copy)]
struct Given {
    pictures: usize,
    data_seconds: f32,
}

/// A step that is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Done {
    /// Pictures of its batch.
    pub(crate) pictures: usize,
    /// Seconds for which it waited for them.
    pub(crate) data_seconds: f32,
    /// Pictures per second, the mean over the window.
    pub(crate) images_per_second: f32,
    /// D on real pictures, D on fakes, G.
    pub(crate) reports: [StepReport; PARTS],
}

impl Window {
    /// Starts with one step, whatever the engine takes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), size: 1, start: Instant::now(), steps: Vec::new(), reports: Vec::new() }
    }

    /// The time of an empty window starts here.
    pub(crate) fn start(&mut self) {
        if self.steps.is_empty() {
            self.start = Instant::now();
        }
    }

    /// The engine was given a step on so many pictures.
    pub(crate) fn push(&mut self, pictures: usize, data_seconds: f32) {
        self.steps.push(Given { pictures, data_seconds });
    }

    /// Steps under way.
    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether it is time to take the reports.
    pub(crate) fn is_full(&self) -> bool {
        self.steps.len() >= self.size
    }

    /// Pictures of all steps under way.
    pub(crate) fn pictures(&self) -> usize {
        self.steps.iter().map(|step| step.pictures).sum()
    }

    /// Waits for the steps under way, which then are no longer: what they found, in their order, and what is not finite in `engine` after them.
    ///
    /// # Panics
    /// If the engine does not have three reports for each step.
    pub(crate) fn take(
        &mut self,
        engine: &mut (impl Engine + ?Sized),
    ) -> Result<(Vec<Done>, Option<String>), EngineError> {
        self.reports.clear();
        engine.take_reports(&mut self.reports)?;
        let non_finite = engine.non_finite()?;
        let time = self.start.elapsed();
        let (reports, rest) = self.reports.as_chunks::<PARTS>();
        assert!(reports.len() == self.steps.len() && rest.is_empty(), "every part of a step has a report");
        let images_per_second = (self.pictures() as f64 / time.as_secs_f64()) as f32;
        self.size = next_size(self.size, self.steps.len(), self.limit, time);
        let steps = self.steps.drain(..).zip(reports);
        let done = steps.map(|(Given { pictures, data_seconds }, &reports)| Done {
            pictures,
            data_seconds,
            images_per_second,
            reports,
        });
        Ok((done.collect(), non_finite))
    }
}

/// Steps that make the next window full, after one of `len` steps, `size` being full, that took `time`.
fn next_size(size: usize, len: usize, limit: usize, time: Duration) -> usize {
    if time > LONG {
        (size / 2).max(1)
    } else if time < SHORT && len == size {
        // A window that had to end early says nothing about a full one.
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
