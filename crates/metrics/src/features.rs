//! Features of images, computed by a fixed convolutional network with random weights.
//!
//! The Inception network that FID, KID and precision and recall were defined with is 90 MB of weights trained on
//! photographs. Random features need no download, depend on colors, textures, edges and coarse shapes, and rank
//! generators of simple images as well or better (Naeem et al. 2020, *Reliable Fidelity and Diversity Metrics for
//! Generative Models*, section 4). They do not recognize parts of objects: a mouth in the wrong place does not matter
//! to them. Values can be compared only with values that were computed with the same features.

use crate::Images;
use dcgan_kernels::Cpu;
use dcgan_kernels::activation::Activation;
use dcgan_kernels::conv::{ConvArgs, ConvPlan, ConvShape, Plane};
use dcgan_kernels::epilogue::Epilogue;
use dcgan_kernels::input::InputView;
use dcgan_kernels::memory::Buffer;
use dcgan_model::TorchRng;

/// Channels of the first layer; they double from layer to layer.
const BASE_CHANNELS: usize = 16;
/// Channels of the widest layer.
const MAX_CHANNELS: usize = 128;
/// Slope of the LeakyReLU after every convolution.
const SLOPE: f32 = 0.2;
/// Seed of the weights.
const SEED: u64 = 0;
/// Images in a batch.
const BATCH: usize = 64;

/// A convolutional network with random weights.
///
/// Convolutions with kernel 4, stride 2 and padding 1 halve the image until it has 4 × 4 pixels, each followed by
/// LeakyReLU(0.2). Weights are `torch.randn(out, in, 4, 4) * sqrt(2 / (in * 16))` after `torch.manual_seed(0)`. The
/// features are the mean and the standard deviation of each channel of each layer over the pixels: 480 values for 64 ×
/// 64 images. Gray images are repeated as RGB.
#[derive(Debug)]
pub struct FeatureNetwork {
    layers: Vec<Layer>,
    scratch: Buffer,
}

/// A convolution with LeakyReLU.
#[derive(Debug)]
struct Layer {
    plan: ConvPlan,
    /// k × k × in × out.
    weight: Vec<f32>,
    output: Buffer,
}

/// Features of images, row by row.
#[derive(Debug, Clone)]
pub struct Features {
    pub(crate) values: Vec<f32>,
    pub(crate) dimensions: usize,
}

impl Features {
    /// Creates features from rows of `dimensions` values.
    ///
    /// # Panics
    /// If `values` is not a whole number of rows.
    pub fn new(values: Vec<f32>, dimensions: usize) -> Self {
        assert!(dimensions > 0 && values.len().is_multiple_of(dimensions), "rows of {dimensions}");
        Self { values, dimensions }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.values.len() / self.dimensions
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The features of every image.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> + Clone {
        self.values.chunks_exact(self.dimensions)
    }
}

impl FeatureNetwork {
    /// Builds the network for images of `size` × `size` pixels.
    pub fn new(cpu: &Cpu, size: usize) -> Self {
        let mut rng = TorchRng::seed_from_u64(SEED);
        let mut plane = Plane { height: size, width: size, channels: 3 };
        let mut layers = Vec::new();
        while plane.height > 4 {
            let channels = (BASE_CHANNELS << layers.len()).min(MAX_CHANNELS);
            let shape = ConvShape::new(plane, channels, 4, 2, 1);
            let weight = random_weight(&mut rng, &shape);
            let plan = ConvPlan::new(cpu, shape, BATCH);
            layers.push(Layer { plan, weight, output: Buffer::zeros(BATCH * shape.small.len()) });
            plane = shape.small;
        }
        let scratch = layers.iter().map(|layer| layer.plan.scratch_len()).max().unwrap_or(0);
        Self { layers, scratch: Buffer::zeros(scratch) }
    }

    /// Number of features of an image.
    pub fn dimensions(&self) -> usize {
        self.layers.iter().map(|layer| 2 * layer.plan.shape().small.channels).sum()
    }

    /// Computes the features of `images`.
    ///
    /// # Panics
    /// If they have another size than the network was built for.
    pub fn features(&mut self, images: Images<'_>) -> Features {
        let dimensions = self.dimensions();
        let mut features = Features { values: vec![0.0; images.len() * dimensions], dimensions };
        let mut input = Vec::new();
        for (batch, rows) in features.values.chunks_mut(BATCH * dimensions).enumerate() {
            let count = rows.len() / dimensions;
            let images = images.range(batch * BATCH, batch * BATCH + count);
            input.clear();
            (0..count).for_each(|index| extend_as_rgb(&mut input, images.image(index), images.channels()));
            self.run(rows, &input, count);
        }
        features
    }

    /// Computes the features of `count` images of `input` (NHWC) into `rows`.
    fn run(&mut self, rows: &mut [f32], input: &[f32], count: usize) {
        let Self { layers, scratch } = self;
        let dimensions = rows.len() / count;
        let mut start = 0;
        for index in 0..layers.len() {
            let (before, layer) = layers.split_at_mut(index);
            let Layer { plan, weight, output } = &mut layer[0];
            let small = plan.shape().small;
            let input = match before.last() {
                Some(previous) => &previous.output[..count * plan.shape().big.len()],
                None => input,
            };
            let output = &mut output[..count * small.len()];
            let args = ConvArgs {
                input: InputView::Plain(input),
                weight,
                epilogue: Epilogue::Activation(Activation::LeakyRelu(SLOPE)),
                batch: count,
                scratch,
            };
            plan.forward(output, args);
            for (row, image) in rows.chunks_exact_mut(dimensions).zip(output.chunks_exact(small.len())) {
                pool(&mut row[start..start + 2 * small.channels], image);
            }
            start += 2 * small.channels;
        }
    }
}

/// Appends the pixels of an image as values in [−1, 1]. A gray image is repeated as RGB.
fn extend_as_rgb(out: &mut Vec<f32>, image: &[u8], channels: usize) {
    let value = |&byte: &u8| f32::from(byte) / 127.5 - 1.0;
    if channels == 1 {
        out.extend(image.iter().flat_map(|byte| [value(byte); 3]));
    } else {
        out.extend(image.iter().map(value));
    }
}

/// Draws a weight in PyTorch's order, out × in × k × k, and returns it in the kernels' order, k × k × in × out.
fn random_weight(rng: &mut TorchRng, shape: &ConvShape) -> Vec<f32> {
    let (inputs, outputs, taps) = (shape.big.channels, shape.small.channels, shape.kernel * shape.kernel);
    let scale = (2.0 / (inputs * taps) as f64).sqrt() as f32;
    let values = rng.randn(outputs * inputs * taps);
    let mut weight = vec![0.0; values.len()];
    for (index, value) in values.iter().enumerate() {
        let (output, input, tap) = (index / taps / inputs, index / taps % inputs, index % taps);
        weight[(tap * inputs + input) * outputs + output] = value * scale;
    }
    weight
}

/// Computes mean and standard deviation (of a sample, as `torch.std`) of each channel of an image with C channels: C
/// means, then C deviations.
fn pool(features: &mut [f32], image: &[f32]) {
    let (means, deviations) = features.split_at_mut(features.len() / 2);
    let channels = means.len();
    let pixels = (image.len() / channels) as f64;
    let mut sums = vec![0.0f64; channels];
    for pixel in image.chunks_exact(channels) {
        sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let mut squares = vec![0.0f64; channels];
    for pixel in image.chunks_exact(channels) {
        for ((square, sum), value) in squares.iter_mut().zip(&sums).zip(pixel) {
            *square += (f64::from(*value) - sum / pixels).powi(2);
        }
    }
    means.iter_mut().zip(&sums).for_each(|(mean, sum)| *mean = (sum / pixels) as f32);
    deviations.iter_mut().zip(&squares).for_each(|(out, square)| *out = (square / (pixels - 1.0)).sqrt() as f32);
}
