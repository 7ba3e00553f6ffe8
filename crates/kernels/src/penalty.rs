//! Sweeps over activations that gradient penalties (R1 and R2, Mescheder et al. 2018) need besides convolutions.
//!
//! The penalty of an image x is γ/2 · ‖∇ₓD(x)‖². A discriminator without batch norm is linear but for its
//! LeakyReLU masks, so with the masks taken as constants its gradient needs no automatic differentiation: with δₗ
//! the gradient of the logit in the output of convolution l, and tₗ what the linear layers make of the tangent t₀ =
//! ∇ₓD(x), the gradient of ½‖∇ₓD(x)‖² in the weight of convolution l is the weight gradient of δₗ and
//! tₗ₋₁. The loss has the weight gradient of sδₗ and the activation aₗ₋₁, where s is the derivative of
//! the loss in the logit. So one weight gradient, of δₗ and s·aₗ₋₁ + γ·tₗ₋₁, has both.

use crate::Cpu;
use crate::cpu::SharedMut;
use crate::simd::multiversion;

/// Computes tangents\[i\] = activation_factors\[i\] · activations\[i\] + tangent_factors\[i\] · tangents\[i\] for
/// every image i. An image whose tangent factor is 0 has no tangent, and its memory is not read.
///
/// # Panics
/// If the lengths do not fit together.
pub fn combine(
    cpu: &Cpu,
    tangents: &mut [f32],
    activations: &[f32],
    activation_factors: &[f32],
    tangent_factors: &[f32],
) {
    let images = activation_factors.len();
    let len = activations.len() / images;
    assert!(
        tangents.len() == activations.len() && activations.len() == images * len && tangent_factors.len() == images
    );
    cpu.for_each_chunk(tangents, len, |start, tangents| {
        let image = start / len;
        let factors = [activation_factors[image], tangent_factors[image]];
        combine_image(cpu.isa(), tangents, &activations[start..start + len], factors);
    });
}

/// Computes the sum of the squares of every image's values, norms\[i\] = ‖values\[i\]‖².
///
/// # Panics
/// If the lengths do not fit together.
pub fn squared_norms(cpu: &Cpu, norms: &mut [f32], values: &[f32]) {
    let len = values.len() / norms.len();
    assert_eq!(values.len(), norms.len() * len);
    let images = norms.len();
    let norms = SharedMut::new(norms);
    cpu.for_each(images, |image| {
        // SAFETY: each image has a place of its own.
        let norm = unsafe { norms.range(image, 1) };
        norm[0] = values[image * len..][..len].iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>() as f32;
    });
}

multiversion! {
    /// Computes `tangents` = a · `activations` + t · `tangents` with the factors [a, t]. With t = 0 it ignores the old
    /// `tangents`, which may be NaN.
    fn combine_image(s, tangents: &mut [f32], activations: &[f32], factors: [f32; 2]) {
        let _ = s;
        let [activation_factor, tangent_factor] = factors;
        if tangent_factor == 0.0 {
            for (tangent, activation) in tangents.iter_mut().zip(activations) {
                *tangent = activation_factor * activation;
            }
        } else {
            for (tangent, activation) in tangents.iter_mut().zip(activations) {
                *tangent = activation_factor * activation + tangent_factor * *tangent;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;
    use dcgan_testkit::{assert_close, random};

    #[test]
    fn every_image_has_its_factors() {
        let (len, factors) = (37, [[0.5, -2.0], [1.5, 0.0], [0.0, 3.0]]);
        let (activations, start) = (random(3 * len, 1), random(3 * len, 2));
        for isa in Isa::available() {
            let cpu = Cpu::new(isa, 2).unwrap();
            let mut tangents = start.clone();
            tangents[len..2 * len].fill(f32::NAN);
            combine(&cpu, &mut tangents, &activations, &factors.map(|f| f[0]), &factors.map(|f| f[1]));
            for (i, got) in tangents.iter().enumerate() {
                let [a, t] = factors[i / len];
                let want = a * activations[i] + if t == 0.0 { 0.0 } else { t * start[i] };
                assert!((got - want).abs() < 1e-6, "{isa:?}, [{i}]: {got}, not {want}");
            }
        }
    }

    #[test]
    fn norms_are_those_of_each_image() {
        let values = random(3 * 50, 3);
        let mut norms = [f32::NAN; 3];
        squared_norms(&Cpu::new(Isa::PORTABLE, 2).unwrap(), &mut norms, &values);
        let want: Vec<f64> = values.chunks(50).map(|v| v.iter().map(|&v| f64::from(v).powi(2)).sum()).collect();
        assert_close("norms", &norms.map(f64::from), &want, 0.0, 1e-7);
    }
}
