//! Losses on the discriminator's last values, which are logits for all but least squares; `dcgan_kernels::loss` documents the formulas.

use burn_tensor::{Tensor, activation::sigmoid};
use dcgan_model::{Loss, Recipe};

/// What D should say in a part of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// D learns that these are real.
    Real,
    /// D learns that these are fake.
    Fake,
    /// G learns to have them called real.
    Deceive,
}

/// What a loss found on one batch.
#[derive(Debug)]
pub(crate) struct Evaluation {
    /// Mean loss and mean output.
    pub(crate) report: Tensor<1>,
    /// The loss' gradient, in the shape of the outputs.
    pub(crate) gradient: Tensor<4>,
}

/// The recipe's loss of D's `outputs` (N × 1 × 1 × 1), computed from the logits: the gradient does not vanish where a sigmoid saturates.
pub(crate) fn evaluate(recipe: &Recipe, goal: Goal, outputs: Tensor<4>) -> Evaluation {
    let shape = outputs.dims();
    let count = shape[0] as f64;
    let x: Tensor<1> = outputs.reshape([shape[0]]);
    let label = match goal {
        Goal::Real => f64::from(recipe.real_label),
        Goal::Fake => 0.0,
        Goal::Deceive => 1.0,
    };
    let (losses, gradients, says) = match (recipe.loss, goal) {
        (Loss::Bce, _) => {
            let says = sigmoid(x.clone());
            let gradients = match goal {
                // 1 − σ(x), without its rounding error where σ(x) is nearly 1.
                Goal::Real | Goal::Deceive if label == 1.0 => sigmoid(x.clone().neg()).neg(),
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
        (Loss::Hinge, Goal::Deceive) => (x.clone().neg(), x.clone().zeros_like().sub_scalar(1.0), sigmoid(x)),
        (Loss::Hinge, _) => {
            let sign = if goal == Goal::Real { -1.0 } else { 1.0 };
            let margin = x.clone().mul_scalar(sign).add_scalar(1.0);
            // Not a maximum, which might turn NaN into 0.
            let met = margin.clone().lower_equal_elem(0.0);
            let gradients = x.zeros_like().add_scalar(sign).mask_fill(met.clone(), 0.0);
            (margin.mask_fill(met, 0.0), gradients, sigmoid(x))
        }
    };
    let mean = |values: Tensor<1>| values.sum().div_scalar(count);
    let report = Tensor::cat(vec![mean(losses), mean(says)], 0);
    Evaluation { report, gradient: gradients.div_scalar(count).reshape(shape) }
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
