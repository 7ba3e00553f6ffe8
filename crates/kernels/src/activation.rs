//! LeakyReLU, ReLU and Tanh, and their gradients from the output alone.

use crate::simd::multiversion;
use crate::{Cpu, Isa};

/// Number of values of one piece of elementwise work.
pub(crate) const PIECE: usize = 1 << 15;

/// An activation whose gradient can be computed from its output.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// x
    Identity,
    /// x for x > 0, else slope · x, with slope ≥ 0. Slope 0 is ReLU.
    LeakyRelu(f32),
    /// tanh x
    Tanh,
}

impl Activation {
    /// ReLU.
    pub const RELU: Self = Self::LeakyRelu(0.0);

    /// Returns the slope for negative values that batch norm's forward pass applies: 1 for activations other than ReLU
    /// and LeakyReLU, which are not fused with batch norm.
    pub fn slope(self) -> f32 {
        match self {
            Self::LeakyRelu(slope) => slope,
            Self::Identity | Self::Tanh => 1.0,
        }
    }
}

/// Computes values = f(values).
pub fn forward(cpu: &Cpu, values: &mut [f32], activation: Activation) {
    in_pieces(cpu, values, &[], |values, _| forward_piece(cpu.isa(), values, activation));
}

/// Computes dvalues = dvalues · f′(x), where `outputs` = f(x).
///
/// # Panics
/// If the lengths differ.
pub fn backward(cpu: &Cpu, dvalues: &mut [f32], outputs: &[f32], activation: Activation) {
    assert_eq!(dvalues.len(), outputs.len());
    in_pieces(cpu, dvalues, outputs, |values, outputs| backward_piece(cpu.isa(), values, outputs, activation));
}

/// Applies the activation in place, on this thread.
pub(crate) fn forward_piece(isa: Isa, values: &mut [f32], activation: Activation) {
    match activation {
        Activation::Identity => {}
        Activation::LeakyRelu(slope) => leaky_relu(isa, values, slope),
        Activation::Tanh => tanh(isa, values),
    }
}

/// Multiplies `dvalues` by the derivative of the activation, computed from its outputs, on this thread.
pub(crate) fn backward_piece(isa: Isa, dvalues: &mut [f32], outputs: &[f32], activation: Activation) {
    match activation {
        Activation::Identity => {}
        Activation::LeakyRelu(slope) => leaky_relu_backward(isa, dvalues, outputs, slope),
        Activation::Tanh => tanh_backward(isa, dvalues, outputs),
    }
}

/// Runs `work` on pieces of `values` and the same pieces of `others` (which may be empty).
fn in_pieces(cpu: &Cpu, values: &mut [f32], others: &[f32], work: impl Fn(&mut [f32], &[f32]) + Sync + Send) {
    cpu.for_each_chunk(values, PIECE, |start, values| {
        work(values, others.get(start..start + values.len()).unwrap_or_default());
    });
}

multiversion! {
    fn leaky_relu(s, values: &mut [f32], slope: f32) {
        let _ = s;
        for value in values {
            *value = if *value > 0.0 { *value } else { slope * *value };
        }
    }
}

multiversion! {
    fn leaky_relu_backward(s, dvalues: &mut [f32], outputs: &[f32], slope: f32) {
        let _ = s;
        for (dvalue, output) in dvalues.iter_mut().zip(outputs) {
            *dvalue = if *output > 0.0 { *dvalue } else { slope * *dvalue };
        }
    }
}

multiversion! {
    fn tanh(s, values: &mut [f32]) {
        let _ = s;
        for value in values {
            *value = tanh_f32(*value);
        }
    }
}

multiversion! {
    fn tanh_backward(s, dvalues: &mut [f32], outputs: &[f32]) {
        let _ = s;
        for (dvalue, output) in dvalues.iter_mut().zip(outputs) {
            *dvalue *= 1.0 - output * output;
        }
    }
}

/// Returns tanh x within 2 ulp. It has no branches, so that the compiler vectorizes loops over it.
///
/// |x| < 0.625: the odd polynomial of Cephes' `tanhf` (Moshier 1992). Else 1 − 2 / (e²ˣ + 1), where e²ˣ = 2ⁿ · eᵗ with
/// |t| ≤ ln 2 / 2 and the polynomial of Cephes' `expf` for eᵗ. NaN stays NaN.
#[inline(always)]
fn tanh_f32(x: f32) -> f32 {
    let magnitude = x.abs();
    let z = x * x;
    let small = x + x
        * z
        * ((((-5.704_988_7e-3 * z + 2.063_909e-2) * z - 5.373_971_6e-2) * z + 1.333_144_2e-1) * z - 3.333_328_3e-1);

    // Beyond 9.01 the result is 1 to the last bit; 10 keeps 2ⁿ far from overflow.
    let y = 2.0 * magnitude.min(10.0);
    // Adding and taking away 1.5·2²³ rounds to an integer.
    const ROUND: f32 = 12_582_912.0;
    let n = (y * std::f32::consts::LOG2_E + ROUND) - ROUND;
    let t = (y - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let e = ((((((1.987_569_1e-4 * t + 1.398_2e-3) * t + 8.333_452e-3) * t + 4.166_579_6e-2) * t + 1.666_666_5e-1)
        * t
        + 0.5)
        * t)
        * t
        + t
        + 1.0;
    let power = f32::from_bits(((n as i32 + 127) << 23) as u32);
    let large = (1.0 - 2.0 / (e * power + 1.0)).copysign(x);

    if magnitude < 0.625 {
        small
    } else if x.is_nan() {
        x
    } else {
        large
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tanh_is_within_two_ulp() {
        for isa in Isa::available() {
            let mut inputs: Vec<f32> = (0..200_000).map(|i| (i as f32 - 100_000.0) * 1.1e-4).collect();
            inputs.extend([
                0.0,
                -0.0,
                1e-30,
                -1e-30,
                0.625,
                -0.625,
                0.624_999_94,
                88.0,
                -1000.0,
                f32::MAX,
                f32::INFINITY,
            ]);
            let mut outputs = inputs.clone();
            tanh(isa, &mut outputs);
            for (x, got) in inputs.iter().zip(&outputs) {
                let want = f64::from(*x).tanh();
                let ulp = f64::from((want as f32).abs().max(f32::MIN_POSITIVE)) * 2f64.powi(-23);
                assert!((f64::from(*got) - want).abs() <= 2.0 * ulp, "{isa:?} tanh({x}) = {got}, not {want}");
            }
        }
        assert!(tanh_f32(f32::NAN).is_nan());
    }

    #[test]
    fn gradients_match_finite_differences() {
        let cpu = Cpu::new(Isa::PORTABLE, 2).unwrap();
        for activation in [Activation::Identity, Activation::LeakyRelu(0.2), Activation::RELU, Activation::Tanh] {
            let f = |x: f64| match activation {
                Activation::Identity => x,
                Activation::LeakyRelu(slope) => {
                    if x > 0.0 {
                        x
                    } else {
                        f64::from(slope) * x
                    }
                }
                Activation::Tanh => x.tanh(),
            };
            let inputs: Vec<f32> = (0..PIECE + 7).map(|i| (i % 97) as f32 / 16.0 - 2.99).collect();
            let mut outputs = inputs.clone();
            forward(&cpu, &mut outputs, activation);
            let mut gradient = vec![1.5; inputs.len()];
            backward(&cpu, &mut gradient, &outputs, activation);
            for ((x, y), g) in inputs.iter().zip(&outputs).zip(&gradient) {
                let x = f64::from(*x);
                assert!((f64::from(*y) - f(x)).abs() < 1e-6, "{activation:?}({x}) = {y}");
                let slope = 1.5 * (f(x + 1e-6) - f(x - 1e-6)) / 2e-6;
                assert!((f64::from(*g) - slope).abs() < 2e-6, "{activation:?}'({x}) = {g}, not {slope}");
            }
        }
    }
}
