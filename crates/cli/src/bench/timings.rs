//! What a benchmark has measured.

use dcgan_engine_cpu::LayerTime;
use std::time::Duration;

/// Timings of training or drawing.
#[derive(Debug)]
pub(super) struct Timings {
    /// Training steps, or batches of faces.
    pub(super) steps: Vec<Duration>,
    /// Single faces.
    pub(super) faces: Option<Vec<Duration>>,
    /// Multiply-adds of the convolutions for one picture, computed directly.
    pub(super) direct: u64,
    /// Bytes the engine planned for.
    pub(super) memory: Option<usize>,
    /// The convolutions' passes during all of `steps`.
    pub(super) layers: Vec<LayerTime>,
    /// What training on several ranks takes.
    pub(super) ranks: Option<RanksTiming>,
}

/// Timing of training on several ranks, measured by rank 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct RanksTiming {
    pub(super) count: usize,
    pub(super) shards: usize,
    /// Time of a step in communication, waiting for other ranks included.
    pub(super) communication: Duration,
    /// Number of calls in a step.
    pub(super) calls: f64,
    /// Median time of a step of rank 0 alone, with the whole batch in the same shards.
    pub(super) alone: Duration,
}
