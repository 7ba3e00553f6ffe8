//! How much of a device's memory a training takes, and whether it is there.

use crate::conv::Conv;
use crate::device::GpuDevice;
use dcgan_model::tree::depth;
use dcgan_model::{DiscriminatorNorm, EngineError, ModelConfig, Network, Recipe, Shape, Shards};

/// Number of bytes that training takes at most on batches of up to `batch` images, of which this process computes its
/// shards: weights, gradients and moments, what both networks keep for the way back, gradients on that way, and
/// patches.
/// `tests/memory.rs` compares it with what is taken.
pub(crate) fn planned(config: &ModelConfig, recipe: &Recipe, batch: usize, shards: &Shards) -> usize {
    let batch = shards.max_own_images(batch);
    let is_joint = config.norm_d != DiscriminatorNorm::Batch;
    let generator = Sizes::of(&Network::generator(config), batch);
    let discriminator = Sizes::of(&Network::discriminator(config), if is_joint { 2 * batch } else { batch });
    let average = if recipe.ema.is_some() { generator.parameters } else { 0 };
    let pictures = batch * config.image_len() * if recipe.augment { 4 } else { 2 } * if is_joint { 2 } else { 1 };
    // Of each stage what leaves the convolution and what leaves the activation; with a penalty also the gradient of the
    // former.
    let of_discriminator = if recipe.has_penalty() { 3 } else { 2 };
    let kept = 2 * generator.outputs + of_discriminator * discriminator.outputs;
    let widest = generator.widest.max(discriminator.widest);
    let patches = generator.patches.max(discriminator.patches);
    let parameters = generator.parameters + discriminator.parameters;
    let largest = generator.parameters.max(discriminator.parameters);
    let of_shards = match shards.count() {
        1 => 0,
        // The gradients of a network over each node, and those over parts of one.
        _ => (shards.nodes().len() + depth(shards.own().len())) * largest,
    };
    // A quarter more for what Burn's pools round up.
    size_of::<f32>() * (4 * parameters + average + kept + 4 * widest + pictures + 3 * patches + of_shards) / 4 * 5
}

/// Values of the tensors of a network.
struct Sizes {
    parameters: usize,
    /// Of what leaves the convolutions.
    outputs: usize,
    /// Of the largest of those.
    widest: usize,
    /// Of the largest matrix of patches.
    patches: usize,
}

impl Sizes {
    fn of(network: &Network, batch: usize) -> Self {
        let shapes = network.shapes().into_iter();
        let convs: Vec<(Conv, Shape)> =
            shapes.filter_map(|(layer, input, output)| Some((Conv::of(layer, input, output)?.0, output))).collect();
        let outputs = || convs.iter().map(|(_, output)| batch * output.len());
        Self {
            parameters: network.parameter_count(),
            outputs: outputs().sum(),
            widest: outputs().max().unwrap_or(0),
            patches: convs.iter().map(|(conv, _)| conv.patches_len(batch)).max().unwrap_or(0),
        }
    }
}

/// Asks the device for what `planned` says of a batch, and gives it back at once.
///
/// # Errors
/// [`EngineError::DeviceMemory`] if it has not so much, with a batch that fits.
pub(crate) fn check(gpu: &GpuDevice, batch: usize, planned: impl Fn(usize) -> usize) -> Result<(), EngineError> {
    let bytes = planned(batch);
    let had = gpu.memory_up_to(bytes);
    if had >= bytes {
        return Ok(());
    }
    Err(EngineError::DeviceMemory { mib: bytes.div_ceil(1 << 20), fits: fitting_batch(batch, had, planned) })
}

/// Returns the largest of half of `batch`, a quarter and so on for which `had` bytes are enough.
fn fitting_batch(batch: usize, had: usize, planned: impl Fn(usize) -> usize) -> Option<usize> {
    let halves = std::iter::successors(Some(batch / 2), |batch| Some(batch / 2));
    halves.take_while(|&batch| batch > 0).find(|&batch| planned(batch) <= had)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_batch_is_found() {
        let planned = |batch| 100 + 10 * batch;
        assert_eq!(fitting_batch(128, 1000, planned), Some(64));
        assert_eq!(fitting_batch(128, 500, planned), Some(32));
        assert_eq!(fitting_batch(3, 110, planned), Some(1));
        assert_eq!(fitting_batch(128, 105, planned), None);
        assert_eq!(fitting_batch(1, 105, planned), None);
    }

    #[test]
    fn the_plan_grows_with_the_batch_and_with_what_is_kept() {
        let plan = |recipe: &Recipe, batch| {
            planned(&ModelConfig::default(), recipe, batch, &Shards::single_rank(recipe.shards).unwrap())
        };
        let tutorial = Recipe::default();
        // Weights, gradients and two moments of 6.3 million parameters are the least.
        assert!(plan(&tutorial, 1) > 4 * 4 * 6_300_000 && plan(&tutorial, 1) < 200 << 20);
        assert!(plan(&tutorial, 128) < 2 << 30, "{}", plan(&tutorial, 128));
        assert!(plan(&Recipe { ema: Some(0.999), ..tutorial }, 1) > plan(&tutorial, 1));
        assert!(plan(&Recipe { augment: true, ..tutorial }, 1) > plan(&tutorial, 1));
        assert!(plan(&Recipe { shards: 2, ..tutorial }, 1) > plan(&tutorial, 1));
    }
}
