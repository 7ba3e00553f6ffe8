//! The contents of `metrics.jsonl` in memory, updated while the file grows.
//!
//! A training appends lines. When it is resumed or goes back to a checkpoint, it truncates the file and appends other
//! lines for the same steps. The log reads only what was added, and drops its steps from the truncated part.

use dcgan::StepMetrics;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Number of bytes read at a time.
const CHUNK: usize = 1 << 20;
/// Largest number of bytes of a line; longer ones are damaged and left out.
const MAX_LINE: usize = 1 << 16;
/// Number of bytes at the end of what was read that are compared when more is read, to notice another content.
const TAIL: usize = 256;

/// The values that are kept of each step, by their names.
pub(crate) const SERIES: [&str; 9] = [
    "d_loss_real",
    "d_loss_fake",
    "g_loss",
    "d_x",
    "d_g_z1",
    "d_g_z2",
    "images_per_second",
    "d_gradient_real",
    "d_gradient_fake",
];

/// The values of a step, in the order of [`SERIES`]; NaN if there is none.
pub(crate) type Row = [f32; SERIES.len()];

/// Steps and their values, and the measures of epochs.
#[derive(Debug, Default)]
pub(crate) struct MetricsLog {
    pub(crate) steps: Vec<u64>,
    pub(crate) epochs: Vec<u32>,
    pub(crate) rows: Vec<Row>,
    /// Lines of measures as they are in the file.
    pub(crate) evaluations: Vec<Map<String, Value>>,
    /// Number of times that steps were dropped. If it has changed, steps that were read before may be outdated.
    pub(crate) rewinds: u64,
    /// Bytes of the file that are in the log.
    read: u64,
    /// The last bytes of them.
    tail: Vec<u8>,
}

impl MetricsLog {
    /// Returns the last step, 0 if there is none.
    pub(crate) fn last_step(&self) -> u64 {
        self.steps.last().copied().unwrap_or(0)
    }

    /// Returns the index of the first step after `step`.
    pub(crate) fn place_after(&self, step: u64) -> usize {
        self.steps.partition_point(|&known| known <= step)
    }

    /// Returns the approximate number of bytes in memory.
    pub(crate) fn size(&self) -> usize {
        self.steps.len() * (size_of::<u64>() + size_of::<u32>() + size_of::<Row>())
    }

    /// Updates the log from the file `path`. A missing file counts as empty. Returns whether anything has changed.
    ///
    /// # Errors
    /// Any error of the file system.
    pub(crate) fn refresh(&mut self, path: &Path) -> io::Result<bool> {
        let mut file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let had = self.read > 0;
                self.restart(had);
                return Ok(had);
            }
            other => other?,
        };
        let len = file.metadata()?.len();
        if len == self.read && !self.has_other_tail(&mut file)? {
            return Ok(false);
        }
        let is_other = len < self.read || self.has_other_tail(&mut file)?;
        if is_other {
            self.restart(true);
        }
        file.seek(SeekFrom::Start(self.read))?;
        let mut pending = Vec::new();
        let mut chunk = vec![0; CHUNK.min((len - self.read) as usize + 1)];
        loop {
            let count = file.read(&mut chunk)?;
            if count == 0 {
                break;
            }
            pending.extend_from_slice(&chunk[..count]);
            let complete = pending.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
            self.take(&pending[..complete]);
            pending.drain(..complete);
            if pending.len() > MAX_LINE {
                // No line of a training: it is skipped.
                self.read += pending.len() as u64;
                pending.clear();
            }
        }
        Ok(true)
    }

    /// Returns whether the file has changed before the place up to which it was read.
    fn has_other_tail(&self, file: &mut File) -> io::Result<bool> {
        let mut tail = vec![0; self.tail.len()];
        file.seek(SeekFrom::Start(self.read - self.tail.len() as u64))?;
        match file.read_exact(&mut tail) {
            Ok(()) => Ok(tail != self.tail),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Forgets everything. `is_rewind` tells streams that steps may have changed.
    fn restart(&mut self, is_rewind: bool) {
        *self = Self { rewinds: self.rewinds + u64::from(is_rewind), ..Self::default() };
    }

    /// Parses complete lines and adds them.
    fn take(&mut self, bytes: &[u8]) {
        for line in bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            if let Ok(metrics) = serde_json::from_slice::<StepMetrics>(line) {
                self.push(&metrics);
            } else if let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(line)
                && fields.contains_key("swd")
                && fields.contains_key("epoch")
            {
                self.evaluations.push(fields);
            }
        }
        self.read += bytes.len() as u64;
        let kept = self.tail.len().min(TAIL);
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL)..]);
        let surplus = self.tail.len().saturating_sub(TAIL.max(kept));
        self.tail.drain(..surplus);
    }

    /// Appends a step. If there are later steps already, the run has gone back, and they are dropped.
    fn push(&mut self, metrics: &StepMetrics) {
        if metrics.step <= self.last_step() && !self.steps.is_empty() {
            let place = self.place_after(metrics.step.saturating_sub(1));
            self.steps.truncate(place);
            self.epochs.truncate(place);
            self.rows.truncate(place);
            self.rewinds += 1;
        }
        self.steps.push(metrics.step);
        self.epochs.push(u32::try_from(metrics.epoch).unwrap_or(u32::MAX));
        self.rows.push([
            metrics.d_loss_real,
            metrics.d_loss_fake,
            metrics.g_loss,
            metrics.d_x,
            metrics.d_g_z1,
            metrics.d_g_z2,
            metrics.images_per_second,
            metrics.d_gradient_real.unwrap_or(f32::NAN),
            metrics.d_gradient_fake.unwrap_or(f32::NAN),
        ]);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    pub(crate) fn line(step: u64, g_loss: f32) -> String {
        let metrics = StepMetrics { step, epoch: step.div_ceil(10), g_loss, ..StepMetrics::default() };
        serde_json::to_string(&metrics).unwrap() + "\n"
    }

    fn append(path: &Path, text: &str) {
        File::options().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn a_growing_file_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut log = MetricsLog::default();
        assert!(!log.refresh(&path).unwrap());
        for step in 1..=30 {
            let text = line(step, step as f32);
            // A line that is not complete yet is not taken.
            let (start, rest) = text.split_at(20);
            append(&path, start);
            log.refresh(&path).unwrap();
            assert_eq!(log.last_step(), step - 1);
            append(&path, rest);
            assert!(log.refresh(&path).unwrap());
            assert!(!log.refresh(&path).unwrap());
            assert_eq!((log.last_step(), log.rows[log.place_after(step - 1)][2]), (step, step as f32));
        }
        append(&path, "{\"step\":30,\"epoch\":3,\"swd\":{\"mean\":1.0}}\nno JSON\n{\"step\":31}\n");
        log.refresh(&path).unwrap();
        assert_eq!((log.evaluations.len(), log.steps.len(), log.rewinds), (1, 30, 0));
    }

    #[test]
    fn steps_that_come_again_replace_the_ones_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut log = MetricsLog::default();
        let lines =
            |steps: std::ops::RangeInclusive<u64>, loss: f32| steps.map(|step| line(step, loss)).collect::<String>();
        append(&path, &lines(1..=20, 0.5));
        log.refresh(&path).unwrap();
        // Cut to step 10, and longer than before when the log looks again.
        fs::write(&path, lines(1..=10, 0.5) + &lines(11..=25, 0.7)).unwrap();
        log.refresh(&path).unwrap();
        assert_eq!((log.last_step(), log.steps.len(), log.rewinds), (25, 25, 1));
        assert_eq!([log.rows[9][2], log.rows[10][2]], [0.5, 0.7]);
        // Of the same length, with other values.
        fs::write(&path, lines(1..=10, 0.5) + &lines(11..=25, 0.8)).unwrap();
        log.refresh(&path).unwrap();
        assert_eq!((log.rows[10][2], log.rewinds), (0.8, 2));
        // Shorter.
        fs::write(&path, lines(1..=3, 0.5)).unwrap();
        log.refresh(&path).unwrap();
        assert_eq!((log.last_step(), log.rewinds), (3, 3));
        // Without a cut that was seen.
        append(&path, &lines(2..=4, 0.9));
        log.refresh(&path).unwrap();
        assert_eq!((log.steps.clone(), log.rewinds), (vec![1, 2, 3, 4], 4));
        fs::remove_file(&path).unwrap();
        log.refresh(&path).unwrap();
        assert_eq!((log.last_step(), log.rewinds), (0, 5));
    }
}
