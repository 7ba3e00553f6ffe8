//! Every layer, forward and backward, on every instruction set against PyTorch. tools/reference/layer_fixtures.py
//! computes the values, README.md beside it derives the tolerances.

#![allow(clippy::unwrap_used)] // it is a test

mod run;

use dcgan_kernels::activation::{self, Activation};
use dcgan_kernels::adam::{self, Adam};
use dcgan_kernels::conv::{Algorithm, ConvPlan, ConvShape, Plane};
use dcgan_kernels::loss::bce_with_logits;
use dcgan_testkit::reference::{self, wide};
use dcgan_testkit::{
    Fixture, assert_close, assert_close_scaled, fixture, for_each_case, nchw_to_nhwc, nhwc_to_nchw, permute,
};
use run::{BatchNorm, cpus};

fn layers() -> Fixture {
    fixture!("tests/fixtures/layers.safetensors")
}

/// Returns the cases under `prefix`, each found by one of its tensors.
fn cases(fixture: &Fixture, prefix: &str, tensor: &str) -> Vec<String> {
    let suffix = format!(".{tensor}");
    let cases = fixture.names().filter(|name| name.starts_with(prefix)).filter_map(|name| name.strip_suffix(&suffix));
    cases.map(str::to_owned).collect()
}

/// A convolution of the fixture in the kernels' layout.
struct ConvCase {
    shape: ConvShape,
    batch: usize,
    big: Vec<f32>,
    small: Vec<f32>,
    weight: Vec<f32>,
    /// PyTorch's results of the three passes, in PyTorch's layout.
    want: [Vec<f32>; 3],
}

impl ConvCase {
    fn new(fixture: &Fixture, case: &str) -> Self {
        let name = |tensor: &str| format!("{case}.{tensor}");
        let [n, channels, height, width] = fixture.dims(&name("input"));
        let input = Plane { height, width, channels };
        let [small_channels, big_channels, kernel, _] = fixture.dims(&name("weight"));
        let [stride, padding] = fixture.i64(&name("geometry")).try_into().unwrap();
        let (stride, padding) = (usize::try_from(stride).unwrap(), usize::try_from(padding).unwrap());
        let transposed = case.starts_with("conv_transpose2d.");
        let shape = if transposed {
            ConvShape::transposed(input, big_channels, kernel, stride, padding)
        } else {
            ConvShape::new(input, small_channels, kernel, stride, padding)
        };
        let output = if transposed { shape.big } else { shape.small };
        assert_eq!(fixture.dims(&name("output")), [n, output.channels, output.height, output.width], "{case}");

        let nhwc = |tensor: &str| nchw_to_nhwc(fixture.f32(&name(tensor)), fixture.dims(&name(tensor)));
        let (input, gradient) = (nhwc("input"), nhwc("grad_output"));
        let (big, small) = if transposed { (gradient, input) } else { (input, gradient) };
        let [output, grad_input, grad_weight] =
            ["output", "grad_input", "grad_weight"].map(|tensor| fixture.f32(&name(tensor)).to_vec());
        let want = if transposed { [grad_input, output, grad_weight] } else { [output, grad_input, grad_weight] };
        let weight = permute(fixture.f32(&name("weight")), fixture.dims(&name("weight")), [2, 3, 1, 0]);
        Self { shape, batch: n, big, small, weight, want }
    }

    /// Forward, adjoint and weight gradient in PyTorch's layout.
    fn to_pytorch<T: Copy>(&self, forward: &[T], adjoint: &[T], weight: &[T]) -> [Vec<T>; 3] {
        let nchw =
            |values: &[T], plane: Plane| nhwc_to_nchw(values, [self.batch, plane.channels, plane.height, plane.width]);
        let ConvShape { big, small, kernel, .. } = self.shape;
        let taps_first = [kernel, kernel, big.channels, small.channels];
        [nchw(forward, small), nchw(adjoint, big), permute(weight, taps_first, [3, 2, 0, 1])]
    }
}

/// In units of the largest value. The direct sums of the fixture, of up to 1,200 products, are held to what PyTorch's
/// are.
fn conv_tolerance(algorithm: Algorithm) -> f64 {
    match algorithm {
        Algorithm::Winograd2 | Algorithm::Winograd4 => run::conv_tolerance(algorithm),
        _ => 1.5e-6,
    }
}

const PASSES: [&str; 3] = ["forward", "adjoint", "weight gradient"];

#[test]
fn convolutions() {
    let fixture = layers();
    let names = [cases(&fixture, "conv2d.", "geometry"), cases(&fixture, "conv_transpose2d.", "geometry")].concat();
    for_each_case(&names, |name| {
        let case = ConvCase::new(&fixture, name);
        for threads in [1, 3] {
            for cpu in cpus(threads) {
                for &algorithm in Algorithm::applicable(&case.shape) {
                    let plan = ConvPlan::with_algorithm(&cpu, case.shape, case.batch, algorithm);
                    let got = run::conv(&plan, &case.big, &case.small, &case.weight, case.batch, false);
                    let got = case.to_pytorch(&got.forward, &got.adjoint, &got.weight);
                    for ((pass, got), want) in PASSES.iter().zip(&got).zip(&case.want) {
                        let name = format!("{:?}, {threads} threads, {algorithm:?}, {pass}", cpu.isa());
                        assert_close_scaled(&name, got, want, conv_tolerance(algorithm));
                    }
                }
            }
        }
    });
}

/// The fixture is the truth rounded to f32, so the f64 reference may differ by that rounding.
#[test]
fn reference_convolutions() {
    let fixture = layers();
    let names = [cases(&fixture, "conv2d.", "geometry"), cases(&fixture, "conv_transpose2d.", "geometry")].concat();
    for_each_case(&names, |name| {
        let case = ConvCase::new(&fixture, name);
        let (shape, batch) = (run::reference_shape(&case.shape), case.batch);
        let (big, small, weight) = (wide(&case.big), wide(&case.small), wide(&case.weight));
        let got = case.to_pytorch(
            &reference::conv_forward(&shape, &big, &weight, batch),
            &reference::conv_adjoint(&shape, &small, &weight, batch),
            &reference::conv_weight_gradient(&shape, &big, &small, batch),
        );
        for ((pass, got), want) in PASSES.iter().zip(&got).zip(&case.want) {
            assert_close(pass, got, &wide(want), 1e-13, 6e-8);
        }
    });
}

/// A batch norm's tensors in the kernels' layout. In eval mode the statistics have no "before".
struct NormCase<'a> {
    fixture: &'a Fixture,
    case: &'a str,
    nchw: [usize; 4],
    x: Vec<f32>,
}

impl<'a> NormCase<'a> {
    fn new(fixture: &'a Fixture, case: &'a str) -> Self {
        let nchw = fixture.dims(&format!("{case}.input"));
        let x = nchw_to_nhwc(fixture.f32(&format!("{case}.input")), nchw);
        Self { fixture, case, nchw, x }
    }

    fn tensor(&self, name: &str) -> &'a [f32] {
        self.fixture.f32(&format!("{}.{name}", self.case))
    }

    fn layer(&'a self, running_suffix: &str) -> BatchNorm<'a> {
        BatchNorm {
            x: &self.x,
            weight: self.tensor("weight"),
            bias: self.tensor("bias"),
            running_mean: self.tensor(&format!("running_mean{running_suffix}")),
            running_var: self.tensor(&format!("running_var{running_suffix}")),
            slope: 1.0,
        }
    }
}

#[test]
fn batch_norm_in_training() {
    let fixture = layers();
    for_each_case(cases(&fixture, "batch_norm.", "input"), |name| {
        let case = NormCase::new(&fixture, name);
        let dy = nchw_to_nhwc(case.tensor("grad_output"), case.nchw);
        for threads in [1, 3] {
            for cpu in cpus(threads) {
                let got = case.layer("_before").train(&cpu, &dy);
                let check = |tensor: &str, got: &[f32], tolerance: f64| {
                    let name = format!("{:?}, {threads} threads, {tensor}", cpu.isa());
                    assert_close_scaled(&name, got, case.tensor(tensor), tolerance);
                };
                check("output", &nhwc_to_nchw(&got.y, case.nchw), 6e-7);
                check("running_mean", &got.running_mean, 6e-7);
                check("running_var", &got.running_var, 6e-7);
                check("grad_input", &nhwc_to_nchw(&got.dx, case.nchw), 6e-7);
                check("grad_weight", &got.dweight, 6e-7);
                check("grad_bias", &got.dbias, 4e-6);
            }
        }
    });
}

#[test]
fn batch_norm_when_generating() {
    let fixture = layers();
    for_each_case(cases(&fixture, "batch_norm_eval.", "input"), |name| {
        let case = NormCase::new(&fixture, name);
        for cpu in cpus(1) {
            let got = nhwc_to_nchw(&case.layer("").eval(&cpu), case.nchw);
            assert_close_scaled(&format!("{:?}", cpu.isa()), &got, case.tensor("output"), 4e-7);
        }
    });
}

/// The f64 reference against the fixture, which is the truth rounded to f32.
#[test]
fn reference_batch_norm() {
    let fixture = layers();
    for_each_case(cases(&fixture, "batch_norm.", "input"), |name| {
        let case = NormCase::new(&fixture, name);
        let [x, weight, bias] = [&case.x, case.tensor("weight"), case.tensor("bias")].map(wide);
        let layer = reference::BatchNorm { x: &x, weight: &weight, bias: &bias, slope: 1.0 };
        let dy = wide(&nchw_to_nhwc(case.tensor("grad_output"), case.nchw));
        let (dx, dweight, dbias) = layer.backward(&dy);
        let before = [case.tensor("running_mean_before"), case.tensor("running_var_before")].map(wide);
        let (mean, var) =
            (0..weight.len()).map(|c| layer.updated_running_statistics(c, before[0][c], before[1][c])).unzip();
        for (tensor, got) in [
            ("output", nhwc_to_nchw(&layer.forward(), case.nchw)),
            ("grad_input", nhwc_to_nchw(&dx, case.nchw)),
            ("grad_weight", dweight),
            ("grad_bias", dbias),
            ("running_mean", mean),
            ("running_var", var),
        ] {
            // The variance before was rounded too.
            let rtol = if tensor == "running_var" { 1.2e-7 } else { 6e-8 };
            assert_close(tensor, &got, &wide(case.tensor(tensor)), 1e-13, rtol);
        }
    });
}

#[test]
fn activations() {
    let fixture = layers();
    let cases = [
        // One rounding for each value.
        ("leaky_relu", Activation::LeakyRelu(0.2), 0.0, 1.2e-7),
        ("relu", Activation::RELU, 0.0, 1.2e-7),
        // In units of the largest value, which is 1 for the output.
        ("tanh", Activation::Tanh, 2e-7, 0.0),
    ];
    for_each_case(cases, |&(case, activation, scaled, rtol)| {
        let tensor = |name: &str| fixture.f32(&format!("{case}.{name}"));
        let check = |name: &str, got: &[f32]| {
            let want = tensor(name);
            let largest = want.iter().fold(0.0f32, |max, v| max.max(v.abs()));
            assert_close(name, got, want, scaled * f64::from(largest), rtol);
        };
        for threads in [1, 3] {
            for cpu in cpus(threads) {
                let mut outputs = tensor("input").to_vec();
                activation::forward(&cpu, &mut outputs, activation);
                check("output", &outputs);
                let mut gradient = tensor("grad_output").to_vec();
                activation::backward(&cpu, &mut gradient, &outputs, activation);
                check("grad_input", &gradient);
            }
        }
    });
}

#[test]
fn binary_cross_entropy() {
    let fixture = layers();
    for_each_case(cases(&fixture, "bce.", "logits"), |case| {
        let tensor = |name: &str| fixture.f32(&format!("{case}.{name}"));
        let logits = tensor("logits");
        let is_real = case.ends_with(".real");
        let mut gradient = vec![f32::NAN; logits.len()];
        let batch = bce_with_logits(&mut gradient, logits, is_real);
        let each: Vec<f32> = logits.iter().map(|z| bce_with_logits(&mut [f32::NAN], &[*z], is_real).loss).collect();
        // The fixture is 1 + e⁻ᶻ in f64 and a logarithm: where the loss is next to nothing, some ulps of 1.
        assert_close("each", &each, tensor("each"), 2e-15, 1e-6);
        assert_close("loss", &[batch.loss], tensor("loss"), 1e-37, 1e-6);
        assert_close("grad", &gradient, tensor("grad"), 1e-37, 1e-6);
        let mean = logits.iter().map(|z| 1.0 / (1.0 + (-f64::from(*z)).exp())).sum::<f64>() / logits.len() as f64;
        assert_close("mean output", &[f64::from(batch.mean_output)], &[mean], 0.0, 6e-8);
        // Where training lives, it is what the tutorial's saturating sigmoid gives.
        for (i, z) in logits.iter().enumerate().filter(|(_, z)| z.abs() <= 5.0) {
            assert_close(&format!("tutorial's loss of {z}"), &each[i..=i], &tensor("tutorial_each")[i..=i], 1e-7, 1e-6);
            assert_close(&format!("its slope at {z}"), &gradient[i..=i], &tensor("tutorial_grad")[i..=i], 1e-8, 1e-6);
        }
    });
}

/// A network that has gone wrong must not look well, and one that is very sure must not look broken.
#[test]
fn binary_cross_entropy_of_no_number() {
    for is_real in [false, true] {
        let mut gradient = [0.0; 3];
        let bce = bce_with_logits(&mut gradient, &[0.5, f32::NAN, -0.5], is_real);
        assert!(bce.loss.is_nan() && bce.mean_output.is_nan() && gradient[1].is_nan());
        assert!(gradient[0].is_finite() && gradient[2].is_finite());
        for sure in [f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN] {
            let mut gradient = [f32::NAN];
            let bce = bce_with_logits(&mut gradient, &[sure], is_real);
            let right = (sure > 0.0) == is_real;
            let (loss, slope) = if right { (0.0, 0.0) } else { (100.0, sure.signum()) };
            assert_eq!((bce.loss, gradient[0].abs() * slope.abs(), gradient[0]), (loss, slope.abs(), slope));
        }
    }
}

#[test]
fn adam_for_five_steps() {
    let fixture = layers();
    let [steps, len] = fixture.dims("adam.grad");
    assert_eq!(steps, 5);
    let row = |name: &str, step: usize| &fixture.f32(&format!("adam.{name}"))[step * len..][..len];
    for threads in [1, 3] {
        for cpu in cpus(threads) {
            let mut parameters = fixture.f32("adam.param").to_vec();
            let (mut exp_avg, mut exp_avg_sq) = (vec![0.0; len], vec![0.0; len]);
            let mut largest = vec![0.0f32; len];
            for step in 0..steps {
                let gradient = row("grad", step);
                let settings = Adam { lr: 2e-4, beta1: 0.5, beta2: 0.999, eps: 1e-8, step: step as u64 + 1 };
                adam::step(&cpu, &mut parameters, &mut exp_avg, &mut exp_avg_sq, gradient, &settings);
                let name = |tensor: &str| format!("{:?}, step {}, {tensor}", cpu.isa(), step + 1);
                assert_close(&name("parameters"), &parameters, row("param_after", step), 6e-8, 0.0);
                assert_close(&name("exp_avg_sq"), &exp_avg_sq, row("exp_avg_sq", step), 0.0, 1e-6);
                // A mean of gradients that cancel is as exact as the largest of them.
                for i in 0..len {
                    largest[i] = largest[i].max(gradient[i].abs());
                    let (got, want) = (&exp_avg[i..=i], &row("exp_avg", step)[i..=i]);
                    assert_close(&name("exp_avg"), got, want, 2.4e-7 * f64::from(largest[i]), 0.0);
                }
            }
        }
    }
}
