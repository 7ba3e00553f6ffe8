//! How much arithmetic a DCGAN needs, counted as direct convolution does it.
//!
//! One multiply-add for each output value, input channel and tap; taps that meet the zeros of the padding count, as
//! they do in every published figure. Everything that is no convolution is left out: it is less than a hundredth.

use dcgan_model::{Conv, Layer, Loss, Network, Shape};
use dcgan_train::TrainConfig;

/// Multiply-adds of one training step for each picture of the batch: 1,242 M for the tutorial.
///
/// A convolution's three passes (output, input gradient, weight gradient) cost the same. Of them the recipe needs:
///
/// | part of the step | G | D |
/// |---|---|---|
/// | 1. D on real | | output, weight gradient, input gradient but for the first layer |
/// | 2. D on fake | output | as in part 1 |
/// | 3. G through D | output, weight gradient, input gradient but for the first layer | output, input gradient |
///
/// Parts 1 and 2 are repeated for each step of D. A penalty on D's gradient at one kind of pictures also needs the
/// first layer's input gradient there, and the output of all layers but the last, of the tangents. For the relativistic
/// loss, part 3 also needs D's output on the real pictures.
pub(super) fn training_step(config: &TrainConfig) -> u64 {
    let (g, d) = (Network::generator(&config.model), Network::discriminator(&config.model));
    let all_gradients = |network| forward(network) + (forward(network) - first(network));
    let penalty = |weight: f64| if weight > 0.0 { first(&d) + forward(&d) - last(&d) } else { 0 };
    let d_part = forward(&d) + all_gradients(&d);
    let d_step = d_part + penalty(config.r1) + forward(&g) + d_part + penalty(config.r2);
    let pairs = if config.loss == Loss::Relativistic { forward(&d) } else { 0 };
    let g_part = forward(&g) + all_gradients(&g) + 2 * forward(&d) + pairs;
    config.d_steps as u64 * d_step + g_part
}

/// Multiply-adds of `network`'s output for one picture.
pub(super) fn forward(network: &Network) -> u64 {
    network.shapes().into_iter().map(layer).sum()
}

/// Those of its first layer, whose input gradient nobody needs.
fn first(network: &Network) -> u64 {
    network.shapes().into_iter().map(layer).find(|&work| work > 0).unwrap_or(0)
}

/// Those of its last layer.
fn last(network: &Network) -> u64 {
    network.shapes().into_iter().map(layer).rfind(|&work| work > 0).unwrap_or(0)
}

/// Multiply-adds of any one pass of a layer.
fn layer((layer, input, output): (Layer, Shape, Shape)) -> u64 {
    // Each pixel of the smaller side is multiplied by each tap.
    let pixels = |shape: Shape| (shape.height * shape.width) as u64;
    let taps = |c: Conv| (c.in_channels * c.out_channels * c.kernel * c.kernel) as u64;
    match layer {
        Layer::Conv2d(conv) => pixels(output) * taps(conv),
        Layer::ConvTranspose2d(conv) => pixels(input) * taps(conv),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dcgan_model::ModelConfig;

    #[test]
    fn the_tutorial_needs_1242_million_multiply_adds_for_a_picture() {
        let config = ModelConfig::default();
        // One pass each of the layer next to the picture, of the three in the middle, and of G's first and D's last
        // layer.
        let (picture, middle) = (32 * 32 * 16 * 3 * 64, 3 * (16 * 16 * 16 * 64 * 128));
        let (latent, logit) = (16 * 100 * 512, 16 * 512);
        assert_eq!(forward(&Network::generator(&config)), latent + middle + picture);
        assert_eq!(forward(&Network::discriminator(&config)), picture + middle + logit);
        // D's layers have 3 + 3 + 2 passes in the three parts, its first 2 + 2 + 2; G's have 0 + 1 + 3, its first 0 + 1
        // + 2.
        let expected = (8 + 4) * middle + (6 + 4) * picture + 3 * latent + 8 * logit;
        assert_eq!(training_step(&TrainConfig::default()), expected);
        assert_eq!(expected / 1_000_000, 1241);

        // Two steps of D repeat 2 · 3 of its passes (but for two of the first layer) and one of G's. The tangents of a
        // penalty pass through all of D's layers but the last, and back to the picture.
        let two = expected + (6 + 1) * middle + (4 + 1) * picture + latent + 6 * logit;
        assert_eq!(training_step(&TrainConfig { d_steps: 2, ..TrainConfig::default() }), two);
        let r1 = expected + middle + 2 * picture;
        assert_eq!(training_step(&TrainConfig { r1: 1.0, ..TrainConfig::default() }), r1);
        // The relativistic loss compares with D's output on the real pictures.
        let pairs = expected + middle + picture + logit;
        assert_eq!(training_step(&TrainConfig { loss: Loss::Relativistic, ..TrainConfig::default() }), pairs);
    }

    #[test]
    fn twice_the_width_and_height_is_four_times_the_picture_layer() {
        let small = ModelConfig { image_size: 32, ..ModelConfig::default() }.with_base_channels(8);
        let large = ModelConfig { image_size: 64, ..small };
        let picture_layer = |config: &ModelConfig| first(&Network::discriminator(config));
        assert_eq!(picture_layer(&large), 4 * picture_layer(&small));
    }
}
