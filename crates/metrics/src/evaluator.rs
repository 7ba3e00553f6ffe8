//! Computes all measures of a set of generated images.

use crate::neighbors::{Comparison, compare};
use crate::{FeatureNetwork, Features, Images, MetricsError, SlicedWasserstein, frechet_distance, sliced_wasserstein};
use dcgan_kernels::Cpu;
use dcgan_model::TorchRng;
use serde::Serialize;

/// Seed of the order in which real images are divided into halves.
const SEED: u64 = 0;

/// Smallest number of images that can be compared, so that each image has enough neighbors.
const MIN_IMAGES: usize = 8;

/// Compares sets of generated images with one set of real ones.
///
/// Most measures depend on the number of images. Generated images are therefore compared with one half of the real
/// images, chosen at random, as many as were used for the floor.
#[derive(Debug)]
pub struct Evaluator {
    cpu: Cpu,
    real: Vec<u8>,
    size: usize,
    channels: usize,
    features: Features,
    floor: Floor,
}

/// The measures between two halves of the real images.
#[derive(Debug, Clone)]
struct Floor {
    swd: SlicedWasserstein,
    fd: f64,
    comparison: Comparison,
}

/// The measures of a set of generated images, each with its floor: the same measure between two halves of the real
/// images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// Sliced Wasserstein distance × 1000.
    pub swd: SlicedWasserstein,
    /// Floor of `swd`.
    pub swd_floor: SlicedWasserstein,
    /// Kernel distance.
    pub kid: f64,
    /// Floor of `kid`.
    pub kid_floor: f64,
    /// Fréchet distance.
    pub fd: f64,
    /// Floor of `fd`.
    pub fd_floor: f64,
    /// Share of the generated images that are within the neighborhood of a real one.
    pub precision: f64,
    /// Floor of `precision`.
    pub precision_floor: f64,
    /// Share of the real images that are within the neighborhood of a generated one.
    pub recall: f64,
    /// Floor of `recall`.
    pub recall_floor: f64,
    /// Share of the generated images that are not copies of the nearest real one.
    pub authenticity: f64,
    /// Floor of `authenticity`.
    pub authenticity_floor: f64,
    /// Name of the network that computed the features.
    pub features: String,
    /// Number of generated images, and of the real ones that they are compared with.
    pub samples: usize,
}

impl Evaluator {
    /// Computes the features of the real images and the floors, of up to `samples` images in each half.
    ///
    /// # Errors
    /// [`MetricsError::TooFew`] for fewer than 8 images in a half.
    pub fn new(cpu: &Cpu, real: Images<'_>, samples: usize) -> Result<Self, MetricsError> {
        let count = samples.min(real.len() / 2);
        // At random, because a data set may be sorted, or its even and odd images may differ.
        let order = TorchRng::seed_from_u64(SEED).randperm(real.len());
        let pixels = |part: &[u32]| part.iter().flat_map(|&i| real.image(i as usize)).copied().collect::<Vec<u8>>();
        let (first, second) = (pixels(&order[..count]), pixels(&order[count..2 * count]));
        let (size, channels) = (real.size(), real.channels());
        let [a, b] = [Images::new(&first, size, channels)?, Images::new(&second, size, channels)?];
        a.check_count(MIN_IMAGES)?;
        let mut network = FeatureNetwork::new(cpu, size);
        let (features, others) = (network.features(a), network.features(b));
        let floor = Floor {
            swd: sliced_wasserstein(cpu, a, b)?,
            fd: frechet_distance(&features, &others),
            comparison: compare(cpu, &features, &others),
        };
        Ok(Self { cpu: cpu.clone(), real: first, size, channels, features, floor })
    }

    /// Number of generated images that are compared: half the number of real images, or fewer if fewer were requested.
    pub fn samples(&self) -> usize {
        self.features.len()
    }

    /// Computes all measures of the first [`Evaluator::samples`] images of `generated`.
    ///
    /// # Errors
    /// [`MetricsError::TooFew`] if there are fewer, [`MetricsError::Shape`] if they differ from the real ones in size
    /// or channels.
    pub fn evaluate(&self, generated: Images<'_>) -> Result<Evaluation, MetricsError> {
        let real = Images::new(&self.real, self.size, self.channels)?;
        real.check_shape(&generated)?;
        generated.check_count(self.samples())?;
        let generated = generated.first(self.samples());
        let features = FeatureNetwork::new(&self.cpu, self.size).features(generated);
        let Comparison { kid, precision, recall, authenticity } = compare(&self.cpu, &self.features, &features);
        let Floor { swd, fd, comparison } = &self.floor;
        Ok(Evaluation {
            swd: sliced_wasserstein(&self.cpu, real, generated)?,
            swd_floor: swd.clone(),
            kid,
            kid_floor: comparison.kid,
            fd: frechet_distance(&self.features, &features),
            fd_floor: *fd,
            precision,
            precision_floor: comparison.precision,
            recall,
            recall_floor: comparison.recall,
            authenticity,
            authenticity_floor: comparison.authenticity,
            features: format!("random-{}", features.dimensions),
            samples: generated.len(),
        })
    }
}
