//! Losses on the discriminator's last values, which are logits for all but least squares; `dcgan_kernels::loss`
//! documents the formulas.

use crate::reduce::sum;
use burn_tensor::{Tensor, activation::sigmoid};
use dcgan_model::{Loss, Objective, Recipe};

/// The result of a loss on one batch.
#[derive(Debug)]
pub(crate) struct Evaluation {
    /// Mean loss and mean output.
    pub(crate) report: Tensor<1>,
    /// The loss' gradient, in the shape of the outputs.
    pub(crate) gradient: Tensor<4>,
}

/// Computes the recipe's loss of the discriminator's `outputs` (N × 1 × 1 × 1), computed from the logits: the
/// gradient does not vanish where a sigmoid saturates.
pub(crate) fn evaluate(recipe: &Recipe, objective: Objective, outputs: Tensor<4>) -> Evaluation {
    let shape = outputs.dims();
    let count = shape[0] as f64;
    let x: Tensor<1> = outputs.reshape([shape[0]]);
    let label = f64::from(recipe.label(objective));
    let (losses, gradients, says) = match (recipe.loss, objective) {
        (Loss::Bce, _) => {
            let says = sigmoid(x.clone());
            let gradients = match objective {
                // 1 − σ(x), without its rounding error where σ(x) is nearly 1.
                Objective::Real | Objective::FoolDiscriminator if label == 1.0 => sigmoid(x.clone().neg()).neg(),
                _ => says.clone().sub_scalar(label),
            };
            let real = clamped(softplus(x.clone().neg())).mul_scalar(label);
            let fake = clamped(softplus(x)).mul_scalar(1.0 - label);
            (real + fake, gradients, says)
        }
        (Loss::LeastSquares, _) => {
            let error = x.clone().sub_scalar(label);
            (error.clone().square().mul_scalar(0.5), error, x)
        }
        (Loss::Relativistic, _) => unreachable!("a loss of pairs"),
        (Loss::Hinge, Objective::FoolDiscriminator) => {
            (x.clone().neg(), x.clone().zeros_like().sub_scalar(1.0), sigmoid(x))
        }
        (Loss::Hinge, _) => {
            let sign = if objective == Objective::Real { -1.0 } else { 1.0 };
            let margin = x.clone().mul_scalar(sign).add_scalar(1.0);
            // Not a maximum, which might turn NaN into 0.
            let met = margin.clone().lower_equal_elem(0.0);
            let gradients = x.zeros_like().add_scalar(sign).mask_fill(met.clone(), 0.0);
            (margin.mask_fill(met, 0.0), gradients, sigmoid(x))
        }
    };
    let mean = |values: Tensor<1>| sum(values).div_scalar(count);
    let report = Tensor::cat(vec![mean(losses), mean(says)], 0);
    Evaluation { report, gradient: gradients.div_scalar(count).reshape(shape) }
}

/// Computes the relativistic pairing loss of `a`, whose logits are to be the larger ones, and `b`: the evaluation of
/// `a`, and the gradient of `b`. The mean output is that of σ(a − b). The smaller set is repeated.
pub(crate) fn evaluate_pairs(a: Tensor<4>, b: Tensor<4>) -> (Evaluation, Tensor<4>) {
    let (shape_a, shape_b) = (a.dims(), b.dims());
    let [count_a, count_b] = [shape_a[0], shape_b[0]];
    let pairs = count_a.max(count_b);
    let difference = repeat(a.reshape([count_a]), pairs) - repeat(b.reshape([count_b]), pairs);
    let mean = |values: Tensor<1>| sum(values).div_scalar(pairs as f64);
    let report = Tensor::cat(vec![mean(softplus(difference.clone().neg())), mean(sigmoid(difference.clone()))], 0);
    let slopes = sigmoid(difference.neg()).neg().div_scalar(pairs as f64);
    let gradient = fold(slopes.clone(), count_a).reshape(shape_a);
    (Evaluation { report, gradient }, fold(slopes.neg(), count_b).reshape(shape_b))
}

/// Repeats `values` until there are `len`.
fn repeat(values: Tensor<1>, len: usize) -> Tensor<1> {
    let count = values.dims()[0];
    if count == len { values } else { values.repeat_dim(0, len.div_ceil(count)).narrow(0, 0, len) }
}

/// Adds up the gradients of values that [`repeat`] has repeated: value i of the result is the sum of those at i, i +
/// `count`, i + 2 · `count`, ….
fn fold(values: Tensor<1>, count: usize) -> Tensor<1> {
    let len = values.dims()[0];
    if count == len {
        return values;
    }
    let rounds = len.div_ceil(count);
    // Not an empty tensor of zeros if nothing is missing: Burn 0.22.1 takes its size for one that a single value can be
    // broadcast to, so it fuses the tensor with the operations on a mean, into a kernel over no values, and the mean is
    // not computed.
    let padded = match rounds * count - len {
        0 => values,
        missing => {
            let zeros = Tensor::zeros([missing], &values.device());
            Tensor::cat(vec![values, zeros], 0)
        }
    };
    padded.reshape([rounds, count]).sum_dim(0).reshape([count])
}

/// ln(1 + eˣ) without overflow.
fn softplus(x: Tensor<1>) -> Tensor<1> {
    let negative = x.clone().lower_equal_elem(0.0);
    x.clone().abs().neg().exp().log1p() + x.mask_fill(negative, 0.0)
}

/// As `torch.nn.BCELoss` clamps its logarithms.
fn clamped(losses: Tensor<1>) -> Tensor<1> {
    let large = losses.clone().greater_elem(100.0);
    losses.mask_fill(large, 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{AdapterKind, GpuDevice, adapters};
    use crate::transfer::{download, upload};
    use dcgan_testkit::{assert_close, for_each_case};

    /// Losses, mean outputs and gradients of pairs against f64, where neither set is repeated, and where one is a whole
    /// number of times or not.
    #[test]
    fn pairs_have_the_right_losses_and_gradients() {
        let software = adapters().into_iter().find(|adapter| adapter.kind == AdapterKind::Software);
        let gpu = GpuDevice::open(&software.unwrap()).unwrap();
        let logits = [-0.3f32, 0.6, 1.1, -2.0, 0.25];
        let cases = [[1, 1], [3, 3], [1, 3], [3, 1], [2, 4], [4, 2], [2, 5], [5, 3]];
        for_each_case(cases, |&[count_a, count_b]| {
            let (a, b) = (&logits[..count_a], logits.map(|logit| 0.4 - 0.7 * logit));
            let b = &b[..count_b];
            let pairs = count_a.max(count_b);
            let (mut loss, mut output, mut da, mut db) = (0.0, 0.0, vec![0.0; count_a], vec![0.0; count_b]);
            for pair in 0..pairs {
                let (i, j) = (pair % count_a, pair % count_b);
                let sigmoid = 1.0 / (1.0 + (f64::from(b[j]) - f64::from(a[i])).exp());
                loss -= sigmoid.ln() / pairs as f64;
                output += sigmoid / pairs as f64;
                da[i] -= (1.0 - sigmoid) / pairs as f64;
                db[j] += (1.0 - sigmoid) / pairs as f64;
            }
            let tensor = |logits: &[f32]| upload(logits, [logits.len(), 1, 1, 1], gpu.burn());
            let (Evaluation { report, gradient }, gradient_b) = evaluate_pairs(tensor(a), tensor(b));
            let got = download(vec![report, gradient.reshape([count_a]), gradient_b.reshape([count_b])]).unwrap();
            for ((name, want), got) in [("report", vec![loss, output]), ("da", da), ("db", db)].iter().zip(got) {
                let got: Vec<f64> = got.into_iter().map(f64::from).collect();
                assert_close(name, &got, want, 5e-7, 0.0);
            }
        });
    }
}
