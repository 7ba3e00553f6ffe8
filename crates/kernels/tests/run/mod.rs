//! Every call of a kernel that the tests make, with fresh memory full of NaN: a value that a kernel reads before it is
//! written, or does not write, ends up in a result.

use dcgan_kernels::batch_norm::{self, Gradients, MOMENTUM, RunningStatistics, SavedTensors, Statistics};
use dcgan_kernels::conv::{Algorithm, ConvArgs, ConvPlan, ConvShape};
use dcgan_kernels::epilogue::Epilogue;
use dcgan_kernels::input::{AffineActivation, InputView};
use dcgan_kernels::{Cpu, Isa};
use dcgan_testkit::reference;

fn unwritten(len: usize) -> Vec<f32> {
    vec![f32::NAN; len]
}

/// One [`Cpu`] for every instruction set of this machine.
pub(crate) fn cpus(threads: usize) -> impl Iterator<Item = Cpu> {
    Isa::available().into_iter().map(move |isa| Cpu::new(isa, threads).unwrap())
}

/// How far a convolution may be off, in units of the largest value: four times the largest error of
/// `measure_convolution_errors` in oracle.rs, on sums of up to 131,072 products. Winograd's algorithm is less exact
/// than direct sums, by as much as theory says.
///
/// A sum of products m·u with rounding errors in proportion to its terms has an error in proportion to √Σ m²u².
/// With independent inputs of one size, output j of F(m, 2) has Σ_p A²_jp · |G_p|² · |B_p|² where the direct sum
/// has 2, B_p and G_p being rows of Bᵀ and G. In two dimensions these factors multiply, so their mean over j is the
/// growth of the error over a tile, and their maximum that of the worst output. For the adjoint and the weight gradient
/// A, B and G change places:
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

/// Returns the sizes of a convolution for the reference implementation.
pub(crate) fn reference_shape(shape: &ConvShape) -> reference::ConvShape {
    let ConvShape { big, small, kernel, stride, padding } = *shape;
    let [big, small] = [big, small].map(|plane| [plane.height, plane.width, plane.channels]);
    reference::ConvShape { big, small, kernel, stride, padding }
}

/// Runs all three passes. With `keep` the weight gradient takes over the transform of the small side from the adjoint
/// pass.
pub(crate) fn conv(plan: &ConvPlan, big: &[f32], small: &[f32], weight: &[f32], batch: usize, keep: bool) -> Passes {
    let [mut forward_scratch, mut adjoint_scratch, mut gradient_scratch] =
        [(); 3].map(|()| unwritten(plan.scratch_len()));
    let mut memory = unwritten(plan.small_transform_len());
    let (mut forward, mut adjoint, mut dweight) =
        (unwritten(small.len()), unwritten(big.len()), unwritten(weight.len()));
    let (big, small) = (InputView::Plain(big), InputView::Plain(small));
    let scratch = &mut forward_scratch;
    plan.forward(&mut forward, ConvArgs { input: big, weight, epilogue: Epilogue::Identity, batch, scratch });
    let scratch = &mut adjoint_scratch;
    let args = ConvArgs { input: small, weight, epilogue: Epilogue::Identity, batch, scratch };
    let small = if keep {
        plan.adjoint_keeping(&mut adjoint, args, &mut memory)
    } else {
        plan.adjoint(&mut adjoint, args);
        plan.transform_small(small, batch, &mut memory)
    };
    plan.weight_gradient(&mut dweight, big, small, &mut gradient_scratch);
    Passes { forward, adjoint, weight: dweight }
}

/// The tensors that a batch norm reads.
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

/// The tensors that a batch norm in training mode computes.
#[derive(Debug, PartialEq)]
pub(crate) struct TrainingResult {
    pub(crate) y: Vec<f32>,
    pub(crate) running_mean: Vec<f32>,
    pub(crate) running_var: Vec<f32>,
    pub(crate) dx: Vec<f32>,
    pub(crate) dweight: Vec<f32>,
    pub(crate) dbias: Vec<f32>,
}

impl BatchNorm<'_> {
    /// Scale and shift of the normalization.
    fn fold(&self, mean: &[f32], rstd: &[f32]) -> [Vec<f32>; 2] {
        let channels = self.weight.len();
        let (mut scale, mut shift) = (unwritten(channels), unwritten(channels));
        batch_norm::fold(&mut scale, &mut shift, mean, rstd, self.weight, self.bias);
        [scale, shift]
    }

    fn normalize(&self, cpu: &Cpu, forward: AffineActivation<'_>) -> Vec<f32> {
        let mut y = unwritten(self.x.len());
        InputView::AffineActivation(forward).write_to(cpu, &mut y, self.weight.len());
        y
    }

    /// Forward and backward with batch statistics.
    pub(crate) fn train(&self, cpu: &Cpu, dy: &[f32]) -> TrainingResult {
        let channels = self.weight.len();
        let scratch = || unwritten(batch_norm::scratch_len(self.x.len() / channels, channels));
        let (mut mean, mut rstd) = (unwritten(channels), unwritten(channels));
        let (mut running_mean, mut running_var) = (self.running_mean.to_vec(), self.running_var.to_vec());
        let stats = Statistics { mean: &mut mean, rstd: &mut rstd };
        let running = RunningStatistics { mean: &mut running_mean, var: &mut running_var, momentum: MOMENTUM };
        batch_norm::statistics(cpu, stats, running, self.x, &mut scratch());
        let [scale, shift] = self.fold(&mean, &rstd);
        let forward = AffineActivation { x: self.x, scale: &scale, shift: &shift, slope: self.slope };
        let y = self.normalize(cpu, forward);
        let mut dx = unwritten(dy.len());
        let [mut dweight, mut dbias, mut gradient_factor, mut x_factor, mut constant] =
            std::array::from_fn(|_| unwritten(channels));
        let out = Gradients {
            weight: &mut dweight,
            bias: &mut dbias,
            gradient_factor: &mut gradient_factor,
            x_factor: &mut x_factor,
            constant: &mut constant,
        };
        let saved = SavedTensors { forward, mean: &mean, rstd: &rstd, weight: self.weight };
        batch_norm::backward(cpu, &mut dx, out, dy, saved, &mut scratch());
        TrainingResult { y, running_mean, running_var, dx, dweight, dbias }
    }

    /// Forward with running statistics.
    pub(crate) fn eval(&self, cpu: &Cpu) -> Vec<f32> {
        let rstd: Vec<f32> = self.running_var.iter().map(|var| 1.0 / (var + batch_norm::EPS).sqrt()).collect();
        let [scale, shift] = self.fold(self.running_mean, &rstd);
        self.normalize(cpu, AffineActivation { x: self.x, scale: &scale, shift: &shift, slope: self.slope })
    }
}
