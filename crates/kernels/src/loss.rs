//! Losses on the discriminator's last values, which are logits for all but least squares.
//!
//! Binary cross-entropy is that of the GAN paper (Goodfellow et al. 2014, with the generator's non-saturating loss), least squares that of
//! LSGAN (Mao et al. 2017, equation 9: a = 0, b = c = 1), hinge that of geometric GAN (Lim & Ye 2017) and SNGAN (Miyato et al. 2018).

/// What a loss found on one batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossReport {
    /// Mean loss.
    pub loss: f32,
    /// What the discriminator says, as a mean: sigmoid(logit), or for least squares its value as it is.
    pub mean_output: f32,
}

/// Mean binary cross-entropy of sigmoid(logits) against one target for all, and its gradient in the logits.
///
/// As `Sigmoid` and `BCELoss` of PyTorch, including BCELoss' clamp of the logarithm at −100, but computed from the logits: −ln σ(x) =
/// ln(1 + e⁻ˣ), and the gradient (σ(x) − target) / N does not vanish where σ saturates.
///
/// # Panics
/// If the lengths differ.
pub fn bce_with_logits(dlogits: &mut [f32], logits: &[f32], target_is_real: bool) -> LossReport {
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
    LossReport { loss: (loss / count) as f32, mean_output: (output / count) as f32 }
}

/// [`bce_with_logits`] against a label between 0 and 1: label · −ln σ(x) − (1 − label) · ln(1 − σ(x)), whose gradient is (σ(x) − label) / N.
/// With a label below 1 for real pictures and 0 for fakes this is one-sided label smoothing (Salimans et al. 2016, section 3.4).
///
/// # Panics
/// If the lengths differ.
pub fn bce_with_label(dlogits: &mut [f32], logits: &[f32], label: f32) -> LossReport {
    let label = f64::from(label);
    mean_loss(dlogits, logits, sigmoid, |x| {
        let [real, fake] = [-x, x].map(|a| clamped(softplus(a)));
        (label * real + (1.0 - label) * fake, sigmoid(x) - label)
    })
}

/// ½ (x − label)².
///
/// # Panics
/// If the lengths differ.
pub fn least_squares(doutputs: &mut [f32], outputs: &[f32], label: f32) -> LossReport {
    let label = f64::from(label);
    mean_loss(doutputs, outputs, |x| x, |x| (0.5 * (x - label) * (x - label), x - label))
}

/// The discriminator's hinge: max(0, 1 − x) for real pictures, max(0, 1 + x) for fakes.
///
/// # Panics
/// If the lengths differ.
pub fn hinge(dlogits: &mut [f32], logits: &[f32], target_is_real: bool) -> LossReport {
    let sign = if target_is_real { -1.0 } else { 1.0 };
    mean_loss(dlogits, logits, sigmoid, |x| {
        let margin = 1.0 + sign * x;
        // Not `max`, which would turn NaN into 0.
        if margin <= 0.0 { (0.0, 0.0) } else { (margin, sign) }
    })
}

/// The generator's part of the hinge loss: −x.
///
/// # Panics
/// If the lengths differ.
pub fn hinge_generator(dlogits: &mut [f32], logits: &[f32]) -> LossReport {
    mean_loss(dlogits, logits, sigmoid, |x| (-x, -1.0))
}

/// The mean of a loss over the batch, with its gradient; `each` gives a value's loss and derivative.
fn mean_loss(
    dvalues: &mut [f32],
    values: &[f32],
    output: impl Fn(f64) -> f64,
    each: impl Fn(f64) -> (f64, f64),
) -> LossReport {
    assert_eq!(dvalues.len(), values.len());
    let count = values.len() as f64;
    let (mut loss, mut outputs) = (0.0, 0.0);
    for (dvalue, value) in dvalues.iter_mut().zip(values) {
        let x = f64::from(*value);
        let (part, slope) = each(x);
        loss += part;
        outputs += output(x);
        *dvalue = (slope / count) as f32;
    }
    LossReport { loss: (loss / count) as f32, mean_output: (outputs / count) as f32 }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// ln(1 + eᵃ) without overflow.
fn softplus(a: f64) -> f64 {
    (if a < 0.0 { 0.0 } else { a }) + (-a.abs()).exp().ln_1p()
}

/// BCELoss' clamp. Not `min`, which would turn NaN into 100.
fn clamped(loss: f64) -> f64 {
    if loss > 100.0 { 100.0 } else { loss }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dcgan_testkit::{assert_close, numeric_gradient};

    /// Away from the kinks of the hinge at −1 and 1.
    const LOGITS: [f32; 7] = [-6.0, -2.5, -0.9, 0.0, 0.4, 1.7, 5.0];

    /// The gradient against finite differences of the loss written down again, and the loss itself.
    fn check(name: &str, loss: impl Fn(&mut [f32], &[f32]) -> LossReport, truth: impl Fn(f64) -> f64) {
        let mut gradient = [f32::NAN; LOGITS.len()];
        let report = loss(&mut gradient, &LOGITS);
        let logits = LOGITS.map(f64::from);
        let mean = |x: &[f64]| x.iter().map(|&x| truth(x)).sum::<f64>() / x.len() as f64;
        assert_close(name, &[f64::from(report.loss)], &[mean(&logits)], 0.0, 1e-7);
        let numeric = numeric_gradient(&logits, 1e-3, mean);
        assert_close(name, &gradient.map(f64::from), &numeric, 1e-8, 1e-6);
    }

    fn ln_sigmoid(x: f64) -> f64 {
        (1.0 / (1.0 + (-x).exp())).ln()
    }

    #[test]
    fn gradients_match_finite_differences() {
        for label in [1.0, 0.9, 0.25, 0.0] {
            let l = f64::from(label);
            let truth = |x: f64| -l * ln_sigmoid(x) - (1.0 - l) * ln_sigmoid(-x);
            check("bce", |d, x| bce_with_label(d, x, label), truth);
            check("least squares", |d, x| least_squares(d, x, label), |x| (x - l).powi(2) / 2.0);
        }
        check("hinge, real", |d, x| hinge(d, x, true), |x| (1.0 - x).max(0.0));
        check("hinge, fake", |d, x| hinge(d, x, false), |x| (1.0 + x).max(0.0));
        check("hinge, generator", hinge_generator, |x| -x);
    }

    #[test]
    fn outputs_are_probabilities_or_the_values_themselves() {
        let mut gradient = [0.0; 2];
        let logits = [0.0, 2.0];
        let probability = (0.5 + 1.0 / (1.0 + (-2f32).exp())) / 2.0;
        for report in [bce_with_label(&mut gradient, &logits, 0.9), hinge(&mut gradient, &logits, true)] {
            assert!((report.mean_output - probability).abs() < 1e-7);
        }
        assert_eq!(least_squares(&mut gradient, &logits, 1.0).mean_output, 1.0);
    }

    #[test]
    fn a_label_of_one_or_zero_is_plain_cross_entropy() {
        for (label, is_real) in [(1.0, true), (0.0, false)] {
            let (mut soft, mut hard) = ([0.0; LOGITS.len()], [0.0; LOGITS.len()]);
            let reports = (bce_with_label(&mut soft, &LOGITS, label), bce_with_logits(&mut hard, &LOGITS, is_real));
            assert_eq!(reports.0.mean_output, reports.1.mean_output);
            assert_close("loss", &[f64::from(reports.0.loss)], &[f64::from(reports.1.loss)], 0.0, 1e-7);
            assert_close("gradient", &soft.map(f64::from), &hard.map(f64::from), 1e-9, 1e-6);
        }
    }

    #[test]
    fn nan_stays_nan() {
        let mut gradient = [0.0];
        let logits = [f32::NAN];
        for report in [
            bce_with_label(&mut gradient, &logits, 0.9),
            least_squares(&mut gradient, &logits, 1.0),
            hinge(&mut gradient, &logits, true),
            hinge(&mut gradient, &logits, false),
            hinge_generator(&mut gradient, &logits),
        ] {
            assert!(report.loss.is_nan() && report.mean_output.is_nan(), "{report:?}");
        }
    }
}
