//! Adam (Kingma & Ba 2015) as `torch.optim.Adam` computes it, in one sweep over memory.

use crate::Cpu;
use crate::activation::PIECE;
use crate::cpu::SharedMut;
use crate::simd::multiversion;

/// Settings of one Adam step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the mean of the gradients.
    pub beta1: f64,
    /// Decay of the mean of the squared gradients.
    pub beta2: f64,
    /// Added to the root of the second mean.
    pub eps: f64,
    /// Number of this step, from 1.
    pub step: u64,
}

/// The factors of one step, rounded to f32 once.
#[derive(Clone, Copy)]
struct Factors {
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    /// lr / (1 − β₁ᵗ)
    step_size: f32,
    /// 1 / √(1 − β₂ᵗ)
    root_correction: f32,
    eps: f32,
}

/// Makes one Adam step on `parameters`:
///
/// ```text
/// m += (g − m)(1 − β₁)     v = β₂ v + (1 − β₂) g²     p −= lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + eps)
/// ```
///
/// # Panics
/// If lengths differ.
pub fn step(
    cpu: &Cpu,
    parameters: &mut [f32],
    exp_avg: &mut [f32],
    exp_avg_sq: &mut [f32],
    gradient: &[f32],
    adam: &Adam,
) {
    let len = parameters.len();
    assert!([exp_avg.len(), exp_avg_sq.len(), gradient.len()] == [len; 3]);
    let steps = adam.step as f64;
    let factors = Factors {
        one_minus_beta1: (1.0 - adam.beta1) as f32,
        beta2: adam.beta2 as f32,
        one_minus_beta2: (1.0 - adam.beta2) as f32,
        step_size: (adam.lr / (1.0 - adam.beta1.powf(steps))) as f32,
        root_correction: (1.0 / (1.0 - adam.beta2.powf(steps)).sqrt()) as f32,
        eps: adam.eps as f32,
    };
    let (parameters, exp_avg, exp_avg_sq) =
        (SharedMut::new(parameters), SharedMut::new(exp_avg), SharedMut::new(exp_avg_sq));
    cpu.for_each(len.div_ceil(PIECE), |piece| {
        let start = piece * PIECE;
        let count = PIECE.min(len - start);
        // SAFETY: pieces are disjoint.
        let (p, m, v) =
            unsafe { (parameters.range(start, count), exp_avg.range(start, count), exp_avg_sq.range(start, count)) };
        sweep(cpu.isa(), p, m, v, &gradient[start..start + count], factors);
    });
}

multiversion! {
    /// Updates parameters and both moments in one pass over memory. The factors include the bias corrections.
    fn sweep(s, parameters: &mut [f32], exp_avg: &mut [f32], exp_avg_sq: &mut [f32], gradient: &[f32], f: Factors) {
        let _ = s;
        for (((p, m), v), g) in parameters.iter_mut().zip(exp_avg).zip(exp_avg_sq).zip(gradient) {
            *m += (g - *m) * f.one_minus_beta1;
            *v = f.beta2 * *v + f.one_minus_beta2 * g * g;
            *p -= f.step_size * (*m / (v.sqrt() * f.root_correction + f.eps));
        }
    }
}
