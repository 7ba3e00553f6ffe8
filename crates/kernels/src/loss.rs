//! Binary cross-entropy on logits.

/// What the loss found on one batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bce {
    /// Mean loss.
    pub loss: f32,
    /// Mean of sigmoid(logit).
    pub mean_output: f32,
}

/// Mean binary cross-entropy of sigmoid(logits) against one target for all, and its gradient in the logits.
///
/// As `Sigmoid` and `BCELoss` of PyTorch, including BCELoss' clamp of the logarithm at −100, but computed from the logits: −ln σ(x) =
/// ln(1 + e⁻ˣ), and the gradient (σ(x) − target) / N does not vanish where σ saturates.
///
/// # Panics
/// If the lengths differ.
pub fn bce_with_logits(dlogits: &mut [f32], logits: &[f32], target_is_real: bool) -> Bce {
    assert_eq!(dlogits.len(), logits.len());
    let count = logits.len() as f64;
    let (mut loss, mut output) = (0.0, 0.0);
    for (dlogit, logit) in dlogits.iter_mut().zip(logits) {
        let x = f64::from(*logit);
        let sigmoid = 1.0 / (1.0 + (-x).exp());
        // ln(1 + eᵃ) without overflow.
        let a = if target_is_real { -x } else { x };
        let each = (if a < 0.0 { 0.0 } else { a }) + (-a.abs()).exp().ln_1p();
        // Not `min`, which would turn NaN into 100.
        loss += if each > 100.0 { 100.0 } else { each };
        output += sigmoid;
        *dlogit = if target_is_real { -(1.0 / (1.0 + x.exp())) / count } else { sigmoid / count } as f32;
    }
    Bce { loss: (loss / count) as f32, mean_output: (output / count) as f32 }
}
