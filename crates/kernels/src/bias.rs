//! The bias of a convolution and its gradient. Activations are N × H × W × C, a bias has C values.

use crate::cpu::SharedMut;
use crate::input::{load_channels, store_channels};
use crate::simd::multiversion;
use crate::{Cpu, Isa};

/// Adds `bias` to every pixel of `values`.
pub(crate) fn add_piece(isa: Isa, values: &mut [f32], bias: &[f32]) {
    add(isa, values, bias);
}

/// Computes the gradient of a bias: dbias\[c\] = Σ over images i and pixels p of factors\[i\] · dvalues\[i, p, c\],
/// with factors of 1 if there are none.
///
/// `partial_sums` is scratch memory of one row of channels for every image.
///
/// # Panics
/// If the lengths do not fit together.
pub fn gradient(
    cpu: &Cpu,
    dbias: &mut [f32],
    dvalues: &[f32],
    images: usize,
    factors: Option<&[f32]>,
    partial_sums: &mut [f32],
) {
    let channels = dbias.len();
    let image_len = dvalues.len() / images;
    assert!(dvalues.len() == images * image_len && image_len.is_multiple_of(channels), "values of whole images");
    assert!(factors.is_none_or(|factors| factors.len() == images), "factors");
    let partial_sums = &mut partial_sums[..images * channels];
    let shared = SharedMut::new(partial_sums);
    cpu.for_each(images, |image| {
        // SAFETY: each image has a row of its own.
        let sums = unsafe { shared.range(image * channels, channels) };
        let factor = factors.map_or(1.0, |factors| factors[image]);
        sum_pixels(cpu.isa(), sums, &dvalues[image * image_len..][..image_len], factor);
    });
    for (c, dbias) in dbias.iter_mut().enumerate() {
        let column = partial_sums.iter().skip(c).step_by(channels);
        *dbias = column.map(|&sum| f64::from(sum)).sum::<f64>() as f32;
    }
}

multiversion! {
    /// Adds the bias of each channel to every pixel (NHWC).
    fn add(s, values: &mut [f32], bias: &[f32]) {
        let channels = bias.len();
        assert!(values.len().is_multiple_of(channels));
        for pixel in values.chunks_exact_mut(channels) {
            for c in (0..channels).step_by(S::LANES) {
                // SAFETY: `c` is a channel of the pixel and of the bias.
                unsafe {
                    let sum = s.add(
                        load_channels(s, pixel.as_ptr(), c, channels),
                        load_channels(s, bias.as_ptr(), c, channels),
                    );
                    store_channels(s, pixel.as_mut_ptr(), c, channels, sum);
                }
            }
        }
    }
}

multiversion! {
    /// sums[c] = factor · Σ over pixels of values[p, c].
    fn sum_pixels(s, sums: &mut [f32], values: &[f32], factor: f32) {
        let channels = sums.len();
        assert!(values.len().is_multiple_of(channels));
        for c in (0..channels).step_by(S::LANES) {
            // Four sums in turn: one addition need not wait for the one before.
            let mut parts = [s.splat(0.0); 4];
            for (index, pixel) in values.chunks_exact(channels).enumerate() {
                // SAFETY: `c` is a channel of the pixel.
                let value = unsafe { load_channels(s, pixel.as_ptr(), c, channels) };
                parts[index % 4] = s.add(parts[index % 4], value);
            }
            let sum = s.add(s.add(parts[0], parts[1]), s.add(parts[2], parts[3]));
            // SAFETY: `c` is one of the channels.
            unsafe { store_channels(s, sums.as_mut_ptr(), c, channels, s.mul(sum, s.splat(factor))) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::epilogue::{Epilogue, SharedEpilogue};
    use dcgan_testkit::{assert_close_scaled, random};

    /// Channel counts below, at and beyond a vector, and a count of pixels that four does not divide.
    const CASES: [(usize, usize, usize); 4] = [(1, 1, 1), (3, 3, 5), (2, 16, 9), (3, 37, 14)];

    #[test]
    fn the_bias_is_added_before_the_activation() {
        for isa in Isa::available() {
            for (images, channels, pixels) in CASES {
                let (bias, x) = (random(channels, 1), random(images * pixels * channels, 2));
                let mut got = x.clone();
                let activation = Activation::LeakyRelu(0.2);
                let epilogue =
                    SharedEpilogue::new(Epilogue::BiasActivation { bias: &bias, activation }, x.len(), channels, 1);
                epilogue.apply(isa, 0, 0, &mut got, channels);
                for (i, (got, x)) in got.iter().zip(&x).enumerate() {
                    let sum = x + bias[i % channels];
                    assert_eq!(*got, if sum > 0.0 { sum } else { 0.2 * sum }, "{isa:?}, [{i}]");
                }
            }
        }
    }

    #[test]
    fn the_gradient_is_the_weighted_sum_over_images_and_pixels() {
        for isa in Isa::available() {
            let cpu = Cpu::new(isa, 2).unwrap();
            for (images, channels, pixels) in CASES {
                let (dvalues, factors) = (random(images * pixels * channels, 3), random(images, 4));
                let mut expected = vec![0.0f64; channels];
                for (i, dvalue) in dvalues.iter().enumerate() {
                    expected[i % channels] += f64::from(factors[i / (pixels * channels)]) * f64::from(*dvalue);
                }
                let (mut got, mut partial) = (vec![f32::NAN; channels], vec![f32::NAN; images * channels]);
                gradient(&cpu, &mut got, &dvalues, images, Some(&factors), &mut partial);
                let got: Vec<f64> = got.into_iter().map(f64::from).collect();
                assert_close_scaled(&format!("{isa:?}, {channels} channels"), &got, &expected, 1e-6);
            }
        }
    }
}
