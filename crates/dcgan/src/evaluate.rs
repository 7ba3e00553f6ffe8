//! How close a generator's images are to real ones.

use crate::{Error, Generator};
use dcgan_data::Dataset;
use dcgan_engine_cpu::Cpu;
use dcgan_metrics::{Evaluation, Evaluator, Images};
use dcgan_model::TorchRng;

/// Noise vectors drawn at a time.
const BATCH: usize = 128;

/// Draws `count` images from the noise of `torch.manual_seed(seed); torch.randn(count, latent)`: N × H × W × C bytes.
/// `on_drawn` is called with the number of images of each batch.
///
/// # Errors
/// Only if the engine fails.
pub fn draw_samples(
    generator: &Generator,
    count: usize,
    seed: u64,
    mut on_drawn: impl FnMut(usize),
) -> Result<Vec<u8>, Error> {
    let latent_dim = generator.config().latent_dim;
    let noise = TorchRng::seed_from_u64(seed).randn(count * latent_dim);
    let mut bytes = Vec::with_capacity(count * generator.config().image_len());
    for vectors in noise.chunks(BATCH * latent_dim) {
        let faces = generator.draw(vectors)?;
        on_drawn(faces.len());
        faces.iter().for_each(|face| bytes.extend_from_slice(&face.pixels));
    }
    Ok(bytes)
}

/// Compares up to `samples` images of `generator` with as many of `data`, and these with as many others, as `dcgan
/// evaluate` does.
///
/// # Errors
/// [`Error::Metrics`] if there are too few images, or those of `data` have another size or other channels;
/// [`Error::Data`] if one cannot be read.
pub fn evaluate(
    cpu: &Cpu,
    generator: &Generator,
    data: &Dataset,
    samples: usize,
    seed: u64,
) -> Result<Evaluation, Error> {
    // Both halves of the floor.
    let real = data.evenly_spaced(2 * samples)?;
    let evaluator = Evaluator::new(cpu, Images::new(&real, data.size(), data.channels().count())?, samples)?;
    let config = generator.config();
    let generated = draw_samples(generator, evaluator.samples(), seed, |_| {})?;
    Ok(evaluator.evaluate(Images::new(&generated, config.image_size, config.channels)?)?)
}
