//! All measures against PyTorch and numpy; tools/reference/metrics_fixtures.py computes them.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use dcgan_kernels::{Cpu, Isa};
use dcgan_metrics::{
    Comparison, FeatureNetwork, Images, SlicedWasserstein, compare, frechet_distance, sliced_wasserstein,
};
use dcgan_model::TorchRng;
use serde_json::Value;

/// N × H × W × C bytes: the images of the script's function of this name.
fn images(seed: u64, count: usize, size: usize, channels: usize, contrast: u32) -> Vec<u8> {
    let mut rng = TorchRng::seed_from_u64(seed);
    let mut draw = |range: u32, side: usize| {
        (0..count * channels * side * side).map(|_| (rng.next_u32() % range) as u8).collect::<Vec<u8>>()
    };
    let (coarse, fine) = (draw(256 - contrast, 8), draw(contrast, size));
    let block = size / 8;
    let mut pixels = Vec::with_capacity(fine.len());
    for image in 0..count {
        for (y, x) in (0..size).flat_map(|y| (0..size).map(move |x| (y, x))) {
            for plane in (0..channels).map(|c| image * channels + c) {
                let coarse = coarse[(plane * 8 + y / block) * 8 + x / block];
                pixels.push(coarse + fine[(plane * size + y) * size + x]);
            }
        }
    }
    pixels
}

fn cases() -> Vec<Value> {
    let fixture: Value = serde_json::from_str(include_str!("fixtures/metrics.json")).unwrap();
    fixture["cases"].as_array().unwrap().clone()
}

fn number(case: &Value, name: &str) -> f64 {
    case[name].as_f64().unwrap()
}

fn count(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

/// PyTorch sums patches and projections in float32, in another order: 1e-4 of the value.
fn check_swd(name: &str, got: &SlicedWasserstein, want: &Value) {
    assert_eq!(got.levels.len() + 1, want.as_object().unwrap().len());
    for (size, distance) in &got.levels {
        let want = want[&size.to_string()].as_f64().unwrap();
        assert!((distance - want).abs() < 1e-4 * want, "{name} at {size}: {distance}, not {want}");
    }
    let want = want["mean"].as_f64().unwrap();
    assert!((got.mean - want).abs() < 1e-4 * want, "{name}: {}, not {want}", got.mean);
}

#[test]
fn all_measures_are_those_of_pytorch_and_numpy() {
    for isa in Isa::available() {
        let cpu = Cpu::new(isa, 2).unwrap();
        for case in cases() {
            let (size, channels) = (count(&case["size"]), count(&case["channels"]));
            let counts = [0, 1].map(|i| count(&case["counts"][i]));
            let real = images(7, counts[0], size, channels, 60);
            let generated = images(8, counts[1], size, channels, 90);
            let real = Images::new(&real, size, channels).unwrap();
            let generated = Images::new(&generated, size, channels).unwrap();

            let features = FeatureNetwork::new(&cpu, size).features(real);
            let first: Vec<f32> = features.rows().next().unwrap().to_vec();
            let want: Vec<f64> =
                case["first_features"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
            assert_eq!(first.len(), want.len());
            let worst = first.iter().zip(&want).map(|(got, want)| (f64::from(*got) - want).abs()).fold(0.0, f64::max);
            // Features are of order 1. A convolution sums up to 16 · 128 products in f32, in another order than
            // PyTorch: √2048 · 2⁻²⁵ = 1.3e-6, which the means and deviations over pixels reduce.
            assert!(worst < 2e-6, "{isa:?}, features: {worst:e}");

            let swd = sliced_wasserstein(&cpu, real, generated).unwrap();
            check_swd("swd", &swd, &case["swd"]);
            let generated = FeatureNetwork::new(&cpu, size).features(generated);
            let fd = frechet_distance(&features, &generated);
            let Comparison { kid, precision, recall, authenticity } = compare(&cpu, &features, &generated);
            // Errors of 2e-6 of 480 features: the distance has Σ (μ₁ − μ₂)², with differences of about 0.1, so √480 · 2
            // · 0.1 · 2e-6 = 1e-5, and roots of covariances whose rank is less than 480: √(1e-16) for each missing
            // rank, 480e-8 = 5e-6. The kernel distance is a mean over pairs of kernels of about 8: 3 · 8 · 2e-6 / √480
            // = 2e-6.
            for (name, got, tolerance) in [("fd", fd, 1e-4), ("kid", kid, 1e-5)] {
                let want = number(&case, name);
                assert!((got - want).abs() < tolerance, "{isa:?}, {size}, {name}: {got}, not {want}");
            }
            for (name, got) in [("precision", precision), ("recall", recall), ("authenticity", authenticity)] {
                assert_eq!(got, number(&case, name), "{isa:?}, {size}, {name}");
            }
        }
    }
}
