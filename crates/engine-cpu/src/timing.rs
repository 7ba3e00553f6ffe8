//! Measurement of the time that each pass of each convolution takes.

use dcgan_model::Role;
use std::time::{Duration, Instant};

/// A pass of a convolution, with the batch norm and activation that are computed with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Computes the output from the input.
    Forward,
    /// Computes the gradient of the input from that of the output.
    InputGradient,
    /// Computes the gradient of the weight from the input and the gradient of the output.
    WeightGradient,
}

/// Time spent in one pass of one convolution since the last reset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerTime {
    /// The network.
    pub role: Role,
    /// Index of the convolution in [`dcgan_model::Network::layers`].
    pub layer: usize,
    /// The pass.
    pub pass: Pass,
    /// Total time.
    pub time: Duration,
    /// Number of times that the pass ran.
    pub calls: u64,
    /// Number of images of all calls.
    pub images: u64,
    /// Multiply-adds of the pass on one image, computed directly.
    pub direct_multiply_adds: usize,
}

const PASSES: [Pass; 3] = [Pass::Forward, Pass::InputGradient, Pass::WeightGradient];

/// Time, calls and images of a pass.
type Total = (Duration, u64, u64);

/// The times of a network's passes. Reading the clock twice per pass takes next to no time beside a convolution.
#[derive(Debug)]
pub(crate) struct Timer {
    stages: Vec<[Total; 3]>,
}

impl Timer {
    pub(crate) fn new(stages: usize) -> Self {
        Self { stages: vec![Default::default(); stages] }
    }

    /// Runs `work`, which is a pass of a stage on `images` images, and adds its time to that of the pass.
    pub(crate) fn time<R>(&mut self, stage: usize, pass: Pass, images: usize, work: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let result = work();
        let (time, calls, total_images) = &mut self.stages[stage][pass as usize];
        *time += start.elapsed();
        *calls += 1;
        *total_images += images as u64;
        result
    }

    pub(crate) fn reset(&mut self) {
        self.stages.fill(Default::default());
    }

    /// Returns the passes that ran; `stages` are each stage's layer and multiply-adds.
    pub(crate) fn times(&self, role: Role, stages: impl Iterator<Item = (usize, usize)>) -> Vec<LayerTime> {
        let passes = self.stages.iter().zip(stages).flat_map(|(times, (layer, direct_multiply_adds))| {
            times.iter().zip(PASSES).map(move |((time, calls, images), pass)| LayerTime {
                role,
                layer,
                pass,
                time: *time,
                calls: *calls,
                images: *images,
                direct_multiply_adds,
            })
        });
        passes.filter(|pass| pass.calls > 0).collect()
    }
}
