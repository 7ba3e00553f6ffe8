//! Where the time of a step goes.

use dcgan_model::Role;
use std::time::{Duration, Instant};

/// One pass of one convolution, with the batch norm and activation that ride on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Input to output.
    Forward,
    /// Gradient of the output to that of the input.
    InputGradient,
    /// Input and gradient of the output to that of the weight.
    WeightGradient,
}

/// Time spent in one pass of one convolution since the last reset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerTime {
    /// Which network.
    pub role: Role,
    /// Index of the convolution in [`dcgan_model::Network::layers`].
    pub layer: usize,
    /// Which pass.
    pub pass: Pass,
    /// Total time.
    pub time: Duration,
    /// How often the pass ran.
    pub calls: u64,
    /// Multiply-adds of the pass on one picture, computed directly.
    pub direct_multiply_adds: usize,
}

const PASSES: [Pass; 3] = [Pass::Forward, Pass::InputGradient, Pass::WeightGradient];

/// Adds up the times of a network's passes. Two readings of the clock a pass: nothing beside a convolution.
#[derive(Debug)]
pub(crate) struct Timer {
    stages: Vec<[(Duration, u64); 3]>,
}

impl Timer {
    pub(crate) fn new(stages: usize) -> Self {
        Self { stages: vec![Default::default(); stages] }
    }

    pub(crate) fn time(&mut self, stage: usize, pass: Pass, work: impl FnOnce()) {
        let start = Instant::now();
        work();
        let (time, calls) = &mut self.stages[stage][pass as usize];
        *time += start.elapsed();
        *calls += 1;
    }

    pub(crate) fn reset(&mut self) {
        self.stages.fill(Default::default());
    }

    /// The passes that ran; `stages` are each stage's layer and multiply-adds.
    pub(crate) fn times(&self, role: Role, stages: impl Iterator<Item = (usize, usize)>) -> Vec<LayerTime> {
        let passes = self.stages.iter().zip(stages).flat_map(|(times, (layer, direct_multiply_adds))| {
            times.iter().zip(PASSES).map(move |((time, calls), pass)| LayerTime {
                role,
                layer,
                pass,
                time: *time,
                calls: *calls,
                direct_multiply_adds,
            })
        });
        passes.filter(|pass| pass.calls > 0).collect()
    }
}
