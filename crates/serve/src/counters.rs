//! Counters of the service, in the text format of Prometheus.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the buckets of durations, in milliseconds.
const BOUNDS: [u64; 10] = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10_000];

/// A distribution of durations.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// Number of durations up to each of [`BOUNDS`] and above the bound before.
    buckets: [AtomicU64; BOUNDS.len()],
    count: AtomicU64,
    microseconds: AtomicU64,
}

impl Histogram {
    /// Counts a duration.
    pub(crate) fn add(&self, duration: Duration) {
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = BOUNDS.iter().position(|bound| microseconds <= bound * 1000) {
            self.buckets[bucket].fetch_add(1, Relaxed);
        }
        self.microseconds.fetch_add(microseconds, Relaxed);
        self.count.fetch_add(1, Relaxed);
    }

    /// Appends the histogram in Prometheus' text format, in seconds. The count is at least the sum of the buckets, also
    /// while other threads add durations.
    fn write(&self, text: &mut String, name: &str, help: &str) {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} histogram\n");
        let mut below = 0;
        for (bound, bucket) in BOUNDS.iter().zip(&self.buckets) {
            below += bucket.load(Relaxed);
            let _ = writeln!(text, "{name}_bucket{{le=\"{}\"}} {below}", *bound as f64 / 1000.0);
        }
        let count = self.count.load(Relaxed).max(below);
        let _ = writeln!(text, "{name}_bucket{{le=\"+Inf\"}} {count}");
        let _ = writeln!(text, "{name}_sum {}", self.microseconds.load(Relaxed) as f64 / 1e6);
        let _ = writeln!(text, "{name}_count {count}");
    }
}

/// All counters of a service.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Number of answers, by the first digit of their status.
    pub(crate) responses: [AtomicU64; 6],
    /// Number of requests that were refused because too many were waiting.
    pub(crate) refused: AtomicU64,
    /// Number of open connections.
    pub(crate) connections: AtomicU64,
    /// Number of open streams of events.
    pub(crate) streams: AtomicU64,
    /// Number of faces drawn.
    pub(crate) faces: AtomicU64,
    /// Number of batches in which they were drawn.
    pub(crate) batches: AtomicU64,
    /// Number of faces that wait to be drawn.
    pub(crate) queued: AtomicU64,
    /// Number of times that a generator was loaded.
    pub(crate) loads: AtomicU64,
    /// Time from a request for faces to its answer.
    pub(crate) draw_seconds: Histogram,
}

impl Counters {
    /// Returns the text of `/metrics`.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        let mut put = |name: &str, kind: &str, help: &str, value: &AtomicU64| {
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {}\n", value.load(Relaxed));
        };
        put("dcgan_refused_total", "counter", "Requests refused because too many waited.", &self.refused);
        put("dcgan_connections", "gauge", "Open connections.", &self.connections);
        put("dcgan_event_streams", "gauge", "Open streams of events.", &self.streams);
        put("dcgan_faces_total", "counter", "Faces drawn.", &self.faces);
        put("dcgan_batches_total", "counter", "Batches that faces were drawn in.", &self.batches);
        put("dcgan_faces_queued", "gauge", "Faces that wait to be drawn.", &self.queued);
        put("dcgan_generator_loads_total", "counter", "Generators loaded.", &self.loads);
        let name = "dcgan_http_responses_total";
        let _ = write!(text, "# HELP {name} Responses, by class of status.\n# TYPE {name} counter\n");
        for (class, count) in self.responses.iter().enumerate().skip(2) {
            let _ = writeln!(text, "{name}{{status=\"{class}xx\"}} {}", count.load(Relaxed));
        }
        self.draw_seconds.write(&mut text, "dcgan_draw_seconds", "Seconds from a request for faces to its answer.");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative() {
        let counters = Counters::default();
        for milliseconds in [1, 5, 6, 30, 60_000] {
            counters.draw_seconds.add(Duration::from_millis(milliseconds));
        }
        let text = counters.to_text();
        for line in [
            "dcgan_draw_seconds_bucket{le=\"0.005\"} 2",
            "dcgan_draw_seconds_bucket{le=\"0.01\"} 3",
            "dcgan_draw_seconds_bucket{le=\"0.05\"} 4",
            "dcgan_draw_seconds_bucket{le=\"10\"} 4",
            "dcgan_draw_seconds_bucket{le=\"+Inf\"} 5",
            "dcgan_draw_seconds_sum 60.042",
            "dcgan_draw_seconds_count 5",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} in\n{text}");
        }
    }
}
