//! Reduces the metrics of many steps to few points. A point has the mean, least and greatest value of as many steps as
//! every other.

use crate::metrics_log::{MetricsLog, Row, SERIES};
use serde::Serialize;
use std::collections::BTreeMap;

/// Number of points if a request does not name one.
pub(crate) const DEFAULT_POINTS: usize = 1500;
/// Largest number of points of a request.
pub(crate) const MAX_POINTS: usize = 5000;

/// Metrics of some steps of a run, as the service answers them in JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Metrics {
    /// The last step of the run.
    pub(crate) last_step: u64,
    /// [`MetricsLog::rewinds`]: if it differs from an earlier answer, that answer may be outdated.
    pub(crate) rewinds: u64,
    /// Number of steps in each point; the last point may have fewer.
    pub(crate) steps_per_point: usize,
    /// The last step of each point.
    pub(crate) step: Vec<u64>,
    /// The epoch of that step.
    pub(crate) epoch: Vec<u32>,
    /// The series by their names: those of [`SERIES`], and `d_loss`, the sum of the two losses of D.
    pub(crate) series: BTreeMap<&'static str, Bands>,
    /// Measures of epochs, as `metrics.jsonl` has them.
    pub(crate) evaluations: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// Values of a series, one for each point; `null` if all values of the point are missing or not finite.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub(crate) struct Bands {
    pub(crate) mean: Vec<Option<f32>>,
    /// The least value; empty if every point is a single step.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) min: Vec<Option<f32>>,
    /// The greatest value; empty as `min`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) max: Vec<Option<f32>>,
}

impl Bands {
    /// Appends the mean of the finite values, and their range if `has_bands`; all are `None` if no value is finite.
    fn push(&mut self, values: impl Iterator<Item = f32>, has_bands: bool) {
        let (mut sum, mut count, mut min, mut max) = (0.0f64, 0u32, f32::INFINITY, f32::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite()) {
            sum += f64::from(value);
            count += 1;
            min = min.min(value);
            max = max.max(value);
        }
        let is_some = count > 0;
        self.mean.push(is_some.then(|| shortened(sum / f64::from(count))));
        if has_bands {
            self.min.push(is_some.then(|| shortened(min.into())));
            self.max.push(is_some.then(|| shortened(max.into())));
        }
    }
}

/// Rounds to four significant digits: a chart cannot show more, and the text is half as long.
fn shortened(value: f64) -> f32 {
    if value == 0.0 || !value.is_finite() {
        return value as f32;
    }
    let scale = 10f64.powi(4 - value.abs().log10().ceil() as i32);
    ((value * scale).round() / scale) as f32
}

/// Returns the metrics of the steps after `after` and up to `until`, in at most `points` points.
pub(crate) fn downsample(log: &MetricsLog, after: u64, until: u64, points: usize) -> Metrics {
    let places = log.place_after(after)..log.place_after(until).max(log.place_after(after));
    let rows = &log.rows[places.clone()];
    let size = rows.len().div_ceil(points.clamp(1, MAX_POINTS)).max(1);
    let mut series: BTreeMap<&'static str, Bands> = BTreeMap::new();
    let has_any = |column: usize| rows.iter().any(|row| row[column].is_finite());
    for (column, name) in SERIES.iter().enumerate().filter(|(column, _)| has_any(*column)) {
        series.insert(name, bands(rows, size, |row| row[column]));
    }
    if !rows.is_empty() {
        series.insert("d_loss", bands(rows, size, |row| row[0] + row[1]));
    }
    let last_of_each = |chunk: std::ops::Range<usize>| chunk.end - 1;
    let ends: Vec<usize> = (places.start..places.end)
        .step_by(size)
        .map(|start| last_of_each(start..(start + size).min(places.end)))
        .collect();
    let is_within = |fields: &&serde_json::Map<String, serde_json::Value>| {
        fields.get("step").and_then(serde_json::Value::as_u64).is_some_and(|step| step > after && step <= until)
    };
    Metrics {
        last_step: log.last_step(),
        rewinds: log.rewinds,
        steps_per_point: size,
        step: ends.iter().map(|&place| log.steps[place]).collect(),
        epoch: ends.iter().map(|&place| log.epochs[place]).collect(),
        series,
        evaluations: log.evaluations.iter().filter(is_within).cloned().collect(),
    }
}

/// Computes one band for every `size` rows from `value` of each row.
fn bands(rows: &[Row], size: usize, value: impl Fn(&Row) -> f32) -> Bands {
    let mut bands = Bands::default();
    for chunk in rows.chunks(size) {
        bands.push(chunk.iter().map(&value), size > 1);
    }
    bands
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(steps: u64) -> MetricsLog {
        let mut log = MetricsLog::default();
        for step in 1..=steps {
            log.steps.push(step);
            log.epochs.push((step / 100) as u32);
            let mut row = [f32::NAN; SERIES.len()];
            (row[0], row[1], row[2]) = (1.0, step as f32, if step % 1000 == 500 { 99.0 } else { 0.25 });
            log.rows.push(row);
        }
        log
    }

    #[test]
    fn bands_keep_what_a_mean_would_hide() {
        let metrics = downsample(&log(100_000), 0, u64::MAX, 1000);
        assert_eq!((metrics.step.len(), metrics.steps_per_point, metrics.last_step), (1000, 100, 100_000));
        assert_eq!((metrics.step[0], metrics.step[999], metrics.epoch[999]), (100, 100_000, 1000));
        let spikes = metrics.series["g_loss"].max.iter().filter(|max| **max == Some(99.0)).count();
        assert_eq!(spikes, 100, "every spike is seen");
        assert_eq!(metrics.series["g_loss"].min[4], Some(0.25));
        assert_eq!(metrics.series["d_loss"].mean[0], Some(51.5));
        assert!(!metrics.series.contains_key("d_x"), "a series without values is left out");
        let text = serde_json::to_string(&metrics).unwrap();
        assert!(text.len() < 300_000, "{} bytes", text.len());
    }

    #[test]
    fn a_part_is_as_fine_as_asked_for() {
        let metrics = downsample(&log(100_000), 5000, 5010, 1000);
        assert_eq!((metrics.steps_per_point, metrics.step.clone()), (1, (5001..=5010).collect()));
        assert!(metrics.series["g_loss"].min.is_empty());
        assert!(downsample(&log(10), 4, 2, 10).step.is_empty());
        assert!(downsample(&log(0), 0, u64::MAX, 10).step.is_empty());
        let uneven = downsample(&log(10), 0, u64::MAX, 3);
        assert_eq!(uneven.step, [4, 8, 10]);
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [(0.123456, "0.1235"), (123456.0, "123500.0"), (-0.00098765, "-0.0009877"), (0.0, "0.0")] {
            assert_eq!(format!("{:?}", shortened(value)), text);
        }
    }
}
