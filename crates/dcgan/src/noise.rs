//! Noise: where a face comes from.

use dcgan_model::TorchRng;

/// The noise of a seed's face: `torch.manual_seed(seed); torch.randn(1, latent_dim, 1, 1)`.
pub fn seed_noise(seed: u64, latent_dim: usize) -> Vec<f32> {
    TorchRng::seed_from_u64(seed).randn(latent_dim)
}

/// Spherical linear interpolation, from `from` at t = 0 to `to` at t = 1: with the angle ω between them,
///
/// ```text
/// sin((1 − t)ω)/sin ω · from + sin(tω)/sin ω · to
/// ```
///
/// Noise has a length of about √latent, and the faces between two seeds look like faces only if their noise has it
/// too; a straight line would pass at 0.7 of it (White, "Sampling Generative Networks", 2016). Vectors in one line
/// leave ω nothing to turn in and get that straight line.
///
/// # Panics
/// If the lengths differ.
pub fn slerp(from: &[f32], to: &[f32], t: f64) -> Vec<f32> {
    assert_eq!(from.len(), to.len(), "lengths of the noise");
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let cosine = dot(from, to) / (dot(from, from) * dot(to, to)).sqrt();
    let angle = cosine.clamp(-1.0, 1.0).acos();
    let sine = angle.sin();
    // Also for a zero vector, whose cosine is not a number.
    let [a, b] = if sine > 1e-6 { [((1.0 - t) * angle).sin() / sine, (t * angle).sin() / sine] } else { [1.0 - t, t] };
    from.iter().zip(to).map(|(&x, &y)| (a * f64::from(x) + b * f64::from(y)) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(z: &[f32]) -> f64 {
        z.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
    }

    #[test]
    fn a_quarter_turn_is_a_quarter_turn() {
        let at = |t| slerp(&[2.0, 0.0], &[0.0, 2.0], t);
        for (t, degrees) in [(0.0, 0.0f64), (0.25, 22.5), (1.0 / 3.0, 30.0), (1.0, 90.0)] {
            let expected = [degrees.to_radians().cos() * 2.0, degrees.to_radians().sin() * 2.0];
            for (got, want) in at(t).iter().zip(expected) {
                assert!((f64::from(*got) - want).abs() < 1e-6, "{t}: {got} and not {want}");
            }
        }
    }

    #[test]
    fn the_way_between_two_seeds_keeps_its_length_and_its_speed() {
        let [a, b] = [1, 2].map(|seed| seed_noise(seed, 100));
        let lengths = [length(&a), length(&b)];
        let steps: Vec<Vec<f32>> = (0..=20).map(|i| slerp(&a, &b, f64::from(i) / 20.0)).collect();
        assert_eq!((steps[0].as_slice(), steps[20].as_slice()), (a.as_slice(), b.as_slice()));
        for z in &steps {
            let l = length(z);
            assert!(
                l > 0.97 * lengths[0].min(lengths[1]) && l < 1.03 * lengths[0].max(lengths[1]),
                "{l} of {lengths:?}"
            );
        }
        let strides: Vec<f64> = steps
            .windows(2)
            .map(|pair| length(&pair[0].iter().zip(&pair[1]).map(|(a, b)| a - b).collect::<Vec<_>>()))
            .collect();
        let (shortest, longest) = strides.iter().fold((f64::MAX, 0.0f64), |(s, l), &x| (s.min(x), l.max(x)));
        assert!(longest < 1.2 * shortest, "{strides:?}");
    }

    #[test]
    fn vectors_in_one_line_are_no_trouble() {
        assert_eq!(slerp(&[1.0, 2.0], &[1.0, 2.0], 0.3), [1.0, 2.0]);
        assert_eq!(slerp(&[1.0, 0.0], &[-1.0, 0.0], 0.5), [0.0, 0.0]);
        assert_eq!(slerp(&[0.0, 0.0], &[4.0, 0.0], 0.25), [1.0, 0.0]);
    }
}
