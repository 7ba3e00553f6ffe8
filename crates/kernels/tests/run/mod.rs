//! Every call of a kernel that the tests make, with fresh memory full of NaN: a value that a kernel reads before it is written, or does
//! not write, ends up in a result.

use dcgan_kernels::activation::Activation;
use dcgan_kernels::batch_norm::{self, Running, Saved, Statistics};
use dcgan_kernels::conv::{Algorithm, ConvPlan, Operand};
use dcgan_kernels::{Cpu, Isa};

fn unwritten(len: usize) -> Vec<f32> {
    vec![f32::NAN; len]
}

/// One [`Cpu`] for every instruction set of this machine.
pub(crate) fn cpus(threads: usize) -> impl Iterator<Item = Cpu> {
    Isa::available().into_iter().map(move |isa| Cpu::new(isa, threads).unwrap())
}

/// How far a convolution may be off, in units of the largest value: four times the largest error of `measure_convolution_errors` in
/// oracle.rs, on sums of up to 131,072 products. Winograd's algorithm is less exact than direct sums, by as much as theory says.
///
/// A sum of products m·u with rounding errors in proportion to its terms has an error in proportion to √Σ m²u². With independent inputs
/// of one size, output j of F(m, 2) has Σ_p A²_jp · |G_p|² · |B_p|² where the direct sum has 2, B_p and G_p being rows of Bᵀ and G. In two
/// dimensions these factors multiply, so their mean over j is the growth of the error over a tile, and their maximum that of the worst
/// output. For the adjoint and the weight gradient A, B and G change places:
///
/// | | forward | adjoint | weight gradient |
/// |---|---|---|---|
/// | F(2 × 2, 2 × 2): mean, worst | 2, 2 | 2, 3 | 2, 2 |
/// | F(4 × 4, 2 × 2): mean, worst | 6.4, 15.8 | 6.4, 12.5 | 6.4, 9.1 |
/// | measured, direct | 8.3e-7 | 6.4e-7 | 5.5e-7 |
/// | measured, F(2 × 2, 2 × 2) | 1.4e-6 | 1.6e-6 | 8.5e-7 |
/// | measured, F(4 × 4, 2 × 2) | 6.8e-6 | 4.8e-6 | 2.0e-6 |
pub(crate) fn conv_tolerance(algorithm: Algorithm) -> f64 {
    match algorithm {
        Algorithm::Winograd2 => 6.4e-6,
        Algorithm::Winograd4 => 2.7e-5,
        _ => 3.3e-6,
    }
}

/// Which transforms the weight gradient takes over from the other passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keep {
    /// From the forward pass.
    pub(crate) big: bool,
    /// From the adjoint pass.
    pub(crate) small: bool,
}

/// The results of a convolution's three passes.
#[derive(Debug, PartialEq)]
pub(crate) struct Passes {
    /// conv(big)
    pub(crate) forward: Vec<f32>,
    /// convᵀ(small)
    pub(crate) adjoint: Vec<f32>,
    /// ∂⟨conv(big), small⟩ / ∂weight
    pub(crate) weight: Vec<f32>,
}

/// Runs all three passes.
pub(crate) fn conv(
    cpu: &Cpu,
    plan: &ConvPlan,
    big: &[f32],
    small: &[f32],
    weight: &[f32],
    batch: usize,
    keep: Keep,
) -> Passes {
    let scratch = || unwritten(plan.scratch_len(cpu));
    let mut big_transform = unwritten(plan.big_transform_len(cpu));
    let mut small_transform = unwritten(plan.small_transform_len(cpu));
    let (mut forward, mut adjoint, mut dweight) =
        (unwritten(small.len()), unwritten(big.len()), unwritten(weight.len()));
    let keep_big = keep.big.then_some(&mut big_transform[..]);
    plan.forward(cpu, &mut forward, big, weight, batch, keep_big, &mut scratch());
    let keep_small = keep.small.then_some(&mut small_transform[..]);
    plan.adjoint(cpu, &mut adjoint, small, weight, batch, keep_small, &mut scratch());
    let big = Operand { values: big, transform: &mut big_transform, ready: keep.big };
    let small = Operand { values: small, transform: &mut small_transform, ready: keep.small };
    plan.weight_gradient(cpu, &mut dweight, big, small, batch, &mut scratch());
    Passes { forward, adjoint, weight: dweight }
}

/// What a batch norm starts from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchNorm<'a> {
    /// Rows × channels.
    pub(crate) x: &'a [f32],
    /// γ
    pub(crate) weight: &'a [f32],
    /// β
    pub(crate) bias: &'a [f32],
    /// Before this batch.
    pub(crate) running_mean: &'a [f32],
    /// Before this batch.
    pub(crate) running_var: &'a [f32],
    /// Of the leaky ReLU behind it; 1 is none.
    pub(crate) slope: f32,
}

/// What a batch norm in training mode computes.
#[derive(Debug, PartialEq)]
pub(crate) struct Trained {
    pub(crate) y: Vec<f32>,
    pub(crate) running_mean: Vec<f32>,
    pub(crate) running_var: Vec<f32>,
    pub(crate) dx: Vec<f32>,
    pub(crate) dweight: Vec<f32>,
    pub(crate) dbias: Vec<f32>,
}

impl BatchNorm<'_> {
    /// [`Activation::Identity`] has code of its own, so 1 is not taken as a slope.
    fn activation(&self) -> Activation {
        if self.slope == 1.0 { Activation::Identity } else { Activation::LeakyRelu(self.slope) }
    }

    fn normalize(&self, cpu: &Cpu, mean: &[f32], rstd: &[f32]) -> Vec<f32> {
        let channels = self.weight.len();
        let (mut scale, mut shift, mut y) = (unwritten(channels), unwritten(channels), unwritten(self.x.len()));
        batch_norm::fold(&mut scale, &mut shift, mean, rstd, self.weight, self.bias);
        batch_norm::forward(cpu, &mut y, self.x, &scale, &shift, self.activation());
        y
    }

    /// Forward and backward with batch statistics.
    pub(crate) fn train(&self, cpu: &Cpu, dy: &[f32]) -> Trained {
        let channels = self.weight.len();
        let scratch = || unwritten(batch_norm::scratch_len(self.x.len() / channels, channels));
        let (mut mean, mut rstd) = (unwritten(channels), unwritten(channels));
        let (mut running_mean, mut running_var) = (self.running_mean.to_vec(), self.running_var.to_vec());
        let stats = Statistics { mean: &mut mean, rstd: &mut rstd };
        let running = Running { mean: &mut running_mean, var: &mut running_var };
        batch_norm::statistics(cpu, stats, running, self.x, &mut scratch());
        let y = self.normalize(cpu, &mean, &rstd);
        let (mut dx, mut dweight, mut dbias) = (dy.to_vec(), unwritten(channels), unwritten(channels));
        let saved = Saved { x: self.x, y: &y, mean: &mean, rstd: &rstd, weight: self.weight };
        batch_norm::backward(cpu, &mut dx, &mut dweight, &mut dbias, saved, self.slope, &mut scratch());
        Trained { y, running_mean, running_var, dx, dweight, dbias }
    }

    /// Forward with running statistics.
    pub(crate) fn eval(&self, cpu: &Cpu) -> Vec<f32> {
        let rstd: Vec<f32> = self.running_var.iter().map(|var| 1.0 / (var + batch_norm::EPS).sqrt()).collect();
        self.normalize(cpu, self.running_mean, &rstd)
    }
}
