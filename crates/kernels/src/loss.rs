//! Losses on the discriminator's last values, which are logits for all but least squares.
//!
//! Binary cross-entropy is that of the GAN paper (Goodfellow et al. 2014, with the generator's non-saturating loss),
//! least squares that of LSGAN (Mao et al. 2017, equation 9: a = 0, b = c = 1), hinge that of geometric GAN (Lim & Ye
//! 2017) and SNGAN (Miyato et al. 2018).

/// The result of a loss on one batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossReport {
    /// Mean loss.
    pub loss: f32,
    /// Mean output of the discriminator: sigmoid(logit), or for least squares the value itself.
    pub mean_output: f32,
}

/// Computes the mean binary cross-entropy of sigmoid(logits) against one target for all, and its gradient in the
/// logits.
///
/// As `Sigmoid` and `BCELoss` of PyTorch, including BCELoss' clamp of the logarithm at −100, but computed from the
/// logits: −ln σ(x) = ln(1 + e⁻ˣ), and the gradient (σ(x) − target) / N does not vanish where σ saturates.
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

/// Computes [`bce_with_logits`] against a label between 0 and 1: label · −ln σ(x) − (1 − label) · ln(1 −
/// σ(x)), whose gradient is (σ(x) − label) / N. With a label below 1 for real images and 0 for fakes this is
/// one-sided label smoothing (Salimans et al. 2016, section 3.4).
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

/// Computes the mean of the least-squares loss ½ (x − label)², and its gradient.
///
/// # Panics
/// If the lengths differ.
pub fn least_squares(doutputs: &mut [f32], outputs: &[f32], label: f32) -> LossReport {
    let label = f64::from(label);
    mean_loss(doutputs, outputs, |x| x, |x| (0.5 * (x - label) * (x - label), x - label))
}

/// Computes the mean of the discriminator's hinge loss, and its gradient: max(0, 1 − x) for real images, max(0, 1 +
/// x) for fakes.
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

/// Computes the mean of the generator's hinge loss −x, and its gradient.
///
/// # Panics
/// If the lengths differ.
pub fn hinge_generator(dlogits: &mut [f32], logits: &[f32]) -> LossReport {
    mean_loss(dlogits, logits, sigmoid, |x| (-x, -1.0))
}

/// Computes the relativistic pairing loss of the discriminator (Jolicoeur-Martineau 2018; Huang et al. 2024, *The GAN
/// is dead; long live the GAN!*): the mean over pairs of −ln σ(r − f), where r and f are the logits of a real and
/// of a generated image.
///
/// Image j of the larger set is paired with image j of the smaller one, which is repeated as often as it takes. Both
/// reports have half of the loss; the mean outputs are those of σ(r − f) and of σ(f − r).
///
/// # Panics
/// If there are no images of one kind, or the lengths do not fit together.
pub fn relativistic_discriminator(dreal: &mut [f32], dfake: &mut [f32], real: &[f32], fake: &[f32]) -> [LossReport; 2] {
    let (loss, certainty) = relativistic_pairs(real, fake, dreal, Some(dfake));
    let half = (loss / 2.0) as f32;
    [certainty, 1.0 - certainty].map(|output| LossReport { loss: half, mean_output: output as f32 })
}

/// Computes the relativistic pairing loss of the generator: the mean over pairs of −ln σ(f − r), in which only the
/// logits of its own images have a gradient. The mean output is that of σ(f − r). For pairs see
/// [`relativistic_discriminator`].
///
/// # Panics
/// As [`relativistic_discriminator`].
pub fn relativistic_generator(dfake: &mut [f32], fake: &[f32], real: &[f32]) -> LossReport {
    let (loss, certainty) = relativistic_pairs(fake, real, dfake, None);
    LossReport { loss: loss as f32, mean_output: certainty as f32 }
}

/// Returns the mean over pairs of −ln σ(a − b) and of σ(a − b), and the gradients of the former.
fn relativistic_pairs(a: &[f32], b: &[f32], da: &mut [f32], mut db: Option<&mut [f32]>) -> (f64, f64) {
    assert!(!a.is_empty() && !b.is_empty() && da.len() == a.len(), "pairs of {} and {}", a.len(), b.len());
    let pairs = a.len().max(b.len());
    let (mut loss, mut certainty) = (0.0, 0.0);
    da.fill(0.0);
    if let Some(db) = &mut db {
        assert_eq!(db.len(), b.len());
        db.fill(0.0);
    }
    for pair in 0..pairs {
        let (i, j) = (pair % a.len(), pair % b.len());
        let difference = f64::from(a[i]) - f64::from(b[j]);
        loss += softplus(-difference);
        certainty += sigmoid(difference);
        let slope = (-sigmoid(-difference) / pairs as f64) as f32;
        da[i] += slope;
        if let Some(db) = &mut db {
            db[j] -= slope;
        }
    }
    (loss / pairs as f64, certainty / pairs as f64)
}

/// Returns the mean of a loss over the batch, with its gradient; `each` gives a value's loss and derivative.
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

    /// Checks the loss against `truth`, and the gradient against its finite differences.
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

    /// Pairs of equal sets, and of sets of which one is repeated.
    #[test]
    fn relativistic_gradients_match_finite_differences() {
        for (reals, fakes) in [(7, 7), (3, 7), (7, 2)] {
            let (real, fake) = (&LOGITS[..reals], LOGITS.map(|x| 0.7 * x - 0.3));
            let fake = &fake[..fakes];
            let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
            let mean = |a: &[f64], b: &[f64]| {
                let pairs = a.len().max(b.len());
                (0..pairs).map(|i| -ln_sigmoid(a[i % a.len()] - b[i % b.len()])).sum::<f64>() / pairs as f64
            };
            let (mut dreal, mut dfake) = (vec![f32::NAN; reals], vec![f32::NAN; fakes]);
            let [on_real, on_fake] = relativistic_discriminator(&mut dreal, &mut dfake, real, fake);
            let loss = f64::from(on_real.loss + on_fake.loss);
            assert_close("loss", &[loss], &[mean(&wide(real), &wide(fake))], 0.0, 2e-7);
            assert!((on_real.mean_output + on_fake.mean_output - 1.0).abs() < 1e-6);
            let numeric = numeric_gradient(&wide(real), 1e-3, |real| mean(real, &wide(fake)));
            assert_close("real", &wide(&dreal), &numeric, 2e-7, 1e-6);
            let numeric = numeric_gradient(&wide(fake), 1e-3, |fake| mean(&wide(real), fake));
            assert_close("fake", &wide(&dfake), &numeric, 2e-7, 1e-6);

            let report = relativistic_generator(&mut dfake, fake, real);
            assert_close("loss", &[f64::from(report.loss)], &[mean(&wide(fake), &wide(real))], 0.0, 2e-7);
            let numeric = numeric_gradient(&wide(fake), 1e-3, |fake| mean(fake, &wide(real)));
            assert_close("generator", &wide(&dfake), &numeric, 2e-7, 1e-6);
        }
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
