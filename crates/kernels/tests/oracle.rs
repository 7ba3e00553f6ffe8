//! Every algorithm on every instruction set against the definitions in f64, on shapes that the fixtures are too small
//! for: around the edges of vectors, tiles, panels, blocks and pieces.

#![allow(clippy::unwrap_used)] // it is a test

mod run;

use dcgan_kernels::conv::{Algorithm, ConvPlan, ConvShape, Plane};
use dcgan_kernels::{Cpu, Isa, adam};
use dcgan_testkit::reference::{self, wide};
use dcgan_testkit::{assert_adjoint, assert_close, assert_close_scaled, for_each_case, numeric_gradient, random};
use run::{BatchNorm, Passes, conv_tolerance, cpus};

fn plane(height: usize, width: usize, channels: usize) -> Plane {
    Plane { height, width, channels }
}

/// A convolution, a batch and the largest batch that is planned for.
#[derive(Debug, Clone, Copy)]
struct Case {
    shape: ConvShape,
    batch: usize,
    max_batch: usize,
}

/// Kernel 4, stride 2, padding 1 with a small side of `height` × `width`.
fn k4s2p1((big, small): (usize, usize), (height, width): (usize, usize), batch: usize, max_batch: usize) -> Case {
    let shape = ConvShape::new(plane(2 * height, 2 * width, big), small, 4, 2, 1);
    assert_eq!((shape.small.height, shape.small.width), (height, width));
    Case { shape, batch, max_batch }
}

/// Kernel, stride and padding with a big side of `height` × `width`.
fn other(
    [kernel, stride, padding]: [usize; 3],
    (big, small): (usize, usize),
    (height, width): (usize, usize),
    batch: usize,
    max_batch: usize,
) -> Case {
    Case { shape: ConvShape::new(plane(height, width, big), small, kernel, stride, padding), batch, max_batch }
}

/// Small sides 1 to 18 around the tiles of 2 and 4, both ways; channels around vectors of 8 and 16 and panels of 16 to
/// 64; batches that fill blocks of images, leave a part of one, or are far smaller than planned for.
fn cases() -> Vec<Case> {
    vec![
        k4s2p1((1, 1), (1, 1), 3, 3),
        k4s2p1((3, 17), (1, 2), 66, 70),
        k4s2p1((17, 3), (2, 1), 5, 5),
        k4s2p1((16, 48), (3, 5), 4, 7),
        k4s2p1((48, 16), (4, 4), 65, 65),
        k4s2p1((64, 17), (5, 3), 3, 3),
        k4s2p1((17, 64), (4, 8), 9, 12),
        k4s2p1((100, 64), (8, 4), 2, 2),
        k4s2p1((64, 100), (9, 8), 1, 3),
        k4s2p1((3, 16), (16, 9), 6, 6),
        k4s2p1((1, 3), (16, 16), 5, 5),
        k4s2p1((16, 17), (17, 18), 2, 4),
        k4s2p1((48, 100), (2, 3), 33, 33),
        k4s2p1((100, 1), (5, 9), 3, 3),
        k4s2p1((1, 100), (9, 5), 2, 2),
        k4s2p1((64, 64), (16, 5), 2, 128),
        // Wide enough that the weight gradient is cut into groups of rows.
        k4s2p1((130, 200), (2, 3), 3, 3),
        k4s2p1((256, 300), (1, 1), 4, 4),
        // The networks' ends: k4 s1 p0, one small pixel.
        other([4, 1, 0], (64, 100), (4, 4), 5, 5),
        other([4, 1, 0], (100, 1), (4, 4), 3, 128),
        other([4, 1, 0], (1, 17), (4, 4), 1, 1),
        other([4, 1, 0], (17, 48), (5, 7), 3, 3),
        // k4 s2 p1 on odd sides, where Winograd's algorithm does not apply.
        other([4, 2, 1], (16, 17), (7, 10), 3, 3),
        other([4, 2, 1], (17, 16), (6, 9), 3, 4),
        other([3, 1, 1], (3, 16), (20, 22), 2, 2),
        other([3, 2, 1], (16, 3), (7, 12), 4, 4),
        other([5, 3, 2], (17, 17), (11, 8), 2, 2),
        other([2, 2, 0], (1, 48), (6, 10), 4, 9),
        other([1, 1, 0], (48, 17), (5, 3), 2, 2),
        // Big pixels that no tap reaches, and taps that reach nothing but padding.
        other([2, 3, 0], (16, 3), (8, 9), 2, 2),
        other([3, 2, 2], (3, 17), (1, 2), 2, 2),
    ]
}

/// Images of both sides and a weight.
fn operands(Case { shape, batch, .. }: &Case) -> [Vec<f32>; 3] {
    [random(batch * shape.big.len(), 1), random(batch * shape.small.len(), 2), random(shape.weight_len(), 3)]
}

fn run_conv(cpu: &Cpu, case: &Case, algorithm: Algorithm, keep: bool) -> Passes {
    let plan = ConvPlan::with_algorithm(cpu, case.shape, case.max_batch, algorithm);
    let [big, small, weight] = operands(case);
    run::conv(&plan, &big, &small, &weight, case.batch, keep)
}

/// Returns the three passes in f64.
fn truth(case: &Case) -> [Vec<f64>; 3] {
    let [big, small, weight] = operands(case).map(|values| wide(&values));
    let shape = run::reference_shape(&case.shape);
    [
        reference::conv_forward(&shape, &big, &weight, case.batch),
        reference::conv_adjoint(&shape, &small, &weight, case.batch),
        reference::conv_weight_gradient(&shape, &big, &small, case.batch),
    ]
}

/// Largest error of each pass, in units of the pass's largest value.
fn errors(got: &Passes, want: &[Vec<f64>; 3]) -> [f64; 3] {
    let [forward, adjoint, weight] = want;
    [(&got.forward, forward), (&got.adjoint, adjoint), (&got.weight, weight)].map(|(got, want)| {
        let error = got.iter().zip(want).map(|(got, want)| (f64::from(*got) - want).abs()).fold(0.0, f64::max);
        error / want.iter().fold(0.0, |max, v| v.abs().max(max))
    })
}

#[test]
fn convolutions_match_the_definition() {
    for_each_case(cases(), |case| {
        let want = truth(case);
        for cpu in cpus(1) {
            for &algorithm in Algorithm::applicable(&case.shape) {
                let got = run_conv(&cpu, case, algorithm, false);
                for (pass, got, want) in [
                    ("forward", &got.forward, &want[0]),
                    ("adjoint", &got.adjoint, &want[1]),
                    ("weight gradient", &got.weight, &want[2]),
                ] {
                    let name = format!("{:?}, {algorithm:?}, {pass}", cpu.isa());
                    assert_close_scaled(&name, &wide(got), want, conv_tolerance(algorithm));
                }
            }
        }
    });
}

/// Memory is planned for the largest batch, but a smaller one may be cut into more pieces.
#[test]
fn smaller_batches_fit() {
    let max_batch = 40;
    for_each_case([1, 31, 32, 40], |&batch| {
        let case = k4s2p1((16, 16), (16, 16), batch, max_batch);
        let want = truth(&case);
        for cpu in cpus(1) {
            for &algorithm in Algorithm::applicable(&case.shape) {
                let errors = errors(&run_conv(&cpu, &case, algorithm, false), &want);
                let most = conv_tolerance(algorithm);
                assert!(errors.iter().all(|error| *error <= most), "{:?}, {algorithm:?}: {errors:?}", cpu.isa());
            }
        }
    });
}

/// Neither the number of threads nor a transform that is kept changes a bit.
#[test]
fn convolutions_have_one_result() {
    for_each_case(cases(), |case| {
        for isa in Isa::available() {
            for &algorithm in Algorithm::applicable(&case.shape) {
                let cpu = Cpu::new(isa, 1).unwrap();
                let one = run_conv(&cpu, case, algorithm, false);
                assert!(!one.weight.iter().chain(&one.forward).chain(&one.adjoint).any(|v| v.is_nan()));
                for (threads, keep) in [(2, false), (3, true), (5, true)] {
                    let cpu = Cpu::new(isa, threads).unwrap();
                    let got = run_conv(&cpu, case, algorithm, keep);
                    let same = got == one;
                    assert!(same, "{isa:?}, {algorithm:?}, {threads} threads, kept: {keep}");
                }
            }
        }
    });
}

/// ⟨conv(x), y⟩ = ⟨x, convᵀ(y)⟩ = ⟨w, dw⟩: the three passes are one trilinear form.
#[test]
fn convolutions_are_adjoint() {
    for_each_case(cases(), |case| {
        let [big, small, weight] = operands(case);
        for cpu in cpus(2) {
            for &algorithm in Algorithm::applicable(&case.shape) {
                let got = run_conv(&cpu, case, algorithm, false);
                let name = |identity: &str| format!("{:?}, {algorithm:?}, {identity}", cpu.isa());
                // An error in units of the largest value is smaller in units of the norm.
                let tolerance = conv_tolerance(algorithm);
                assert_adjoint(&name("pictures"), &big, &got.forward, &small, &got.adjoint, tolerance);
                assert_adjoint(&name("weight"), &weight, &got.forward, &small, &got.weight, tolerance);
            }
        }
    });
}

/// The f64 convolutions themselves: all three passes are slopes of ⟨conv(x), y⟩.
#[test]
fn reference_convolutions_have_the_right_slopes() {
    let cases = [
        k4s2p1((2, 3), (2, 1), 2, 2),
        other([4, 1, 0], (2, 1), (4, 5), 1, 1),
        other([3, 2, 1], (1, 2), (4, 3), 2, 2),
        other([2, 3, 1], (2, 2), (4, 5), 1, 1),
    ];
    for_each_case(cases, |case| {
        let (shape, batch) = (run::reference_shape(&case.shape), case.batch);
        let [big, small, weight] = operands(case).map(|values| wide(&values));
        let form = |big: &[f64], small: &[f64], weight: &[f64]| -> f64 {
            reference::conv_forward(&shape, big, weight, batch).iter().zip(small).map(|(a, b)| a * b).sum()
        };
        let check = |name: &str, got: Vec<f64>, want: Vec<f64>| assert_close(name, &got, &want, 1e-10, 0.0);
        let [forward, adjoint, dweight] = truth(case);
        check("forward", forward, numeric_gradient(&small, 1e-3, |small| form(&big, small, &weight)));
        check("adjoint", adjoint, numeric_gradient(&big, 1e-3, |big| form(big, &small, &weight)));
        check("weight gradient", dweight, numeric_gradient(&weight, 1e-3, |weight| form(&big, &small, weight)));
    });
}

/// What the tolerances of convolutions come from: the largest errors on the networks' own shapes and on the cases
/// above.
#[test]
#[ignore = "a measurement; `tools/check/run.sh rust` runs it, and so does: cargo test --release -p dcgan-kernels --test oracle measure_ -- --ignored --nocapture"]
fn measure_convolution_errors() {
    let realistic = [
        k4s2p1((3, 64), (32, 32), 2, 2),
        k4s2p1((64, 128), (16, 16), 2, 2),
        k4s2p1((128, 256), (8, 8), 2, 2),
        k4s2p1((256, 512), (4, 4), 4, 4),
        k4s2p1((256, 512), (4, 4), 32, 32),
        // Weight gradients sum over the batch.
        k4s2p1((16, 16), (16, 16), 128, 128),
        k4s2p1((48, 48), (8, 8), 128, 128),
        k4s2p1((16, 16), (32, 32), 128, 128),
        other([4, 1, 0], (512, 1), (4, 4), 128, 128),
        other([4, 1, 0], (512, 100), (4, 4), 8, 8),
    ];
    for (name, cases) in [("networks", realistic.to_vec()), ("edges", cases())] {
        let mut largest = std::collections::BTreeMap::new();
        for case in cases {
            let want = truth(&case);
            for cpu in cpus(0) {
                for &algorithm in Algorithm::applicable(&case.shape) {
                    let found = errors(&run_conv(&cpu, &case, algorithm, false), &want);
                    println!("{:?} {algorithm:?} {:?} batch {}: {found:?}", cpu.isa(), case.shape, case.batch);
                    let entry: &mut [f64; 3] = largest.entry(format!("{algorithm:?}")).or_default();
                    *entry = std::array::from_fn(|i| entry[i].max(found[i]));
                }
            }
        }
        for (algorithm, [forward, adjoint, weight]) in largest {
            println!("{name}: {algorithm}: forward {forward:.1e}, adjoint {adjoint:.1e}, weight gradient {weight:.1e}");
        }
    }
}

/// A batch norm of `rows` × `channels` values whose mean is `offset` standard deviations.
#[derive(Debug, Clone, Copy)]
struct NormCase {
    rows: usize,
    channels: usize,
    offset: f32,
    slope: f32,
}

/// A batch norm's tensors.
struct NormTensors {
    x: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    running_mean: Vec<f32>,
    running_var: Vec<f32>,
    dy: Vec<f32>,
}

impl NormTensors {
    /// dy is zero where the activation's input is closer to its kink than `margin`: there a rounding may change the
    /// slope.
    fn new(case: &NormCase, margin: f64) -> Self {
        let NormCase { rows, channels, offset, slope } = *case;
        let scaled = |len, seed, scale, offset| random(len, seed).into_iter().map(|v| v * scale + offset).collect();
        let mut tensors = Self {
            // Values that are uniform in [−1, 1) deviate by 1/√3.
            x: scaled(rows * channels, 1, 1.0, offset / 3f32.sqrt()),
            weight: scaled(channels, 2, 0.3, 1.0),
            bias: scaled(channels, 3, 0.3, 0.0),
            running_mean: scaled(channels, 4, 1.0, 0.0),
            running_var: scaled(channels, 5, 0.5, 1.0),
            dy: random(rows * channels, 6),
        };
        let normed = tensors.wide(1.0, |layer| layer.forward());
        for (dy, normed) in tensors.dy.iter_mut().zip(normed) {
            if slope != 1.0 && normed.abs() < margin {
                *dy = 0.0;
            }
        }
        tensors
    }

    /// Asks the f64 reference.
    fn wide<R>(&self, slope: f32, ask: impl Fn(reference::BatchNorm<'_>) -> R) -> R {
        let [x, weight, bias] = [&self.x, &self.weight, &self.bias].map(|values| wide(values));
        ask(reference::BatchNorm { x: &x, weight: &weight, bias: &bias, slope: f64::from(slope) })
    }

    fn layer(&self, slope: f32) -> BatchNorm<'_> {
        let Self { x, weight, bias, running_mean, running_var, .. } = self;
        BatchNorm { x, weight, bias, running_mean, running_var, slope }
    }
}

/// In units of the largest value: four times the largest error found. The fixture's sums are short; here up to 512 rows
/// are added in f32. And scale · x + shift rounds values that are `offset` deviations from zero.
fn norm_tolerance(case: &NormCase) -> f64 {
    5e-6 + 5e-7 * f64::from(case.offset.abs())
}

fn norm_cases() -> Vec<NormCase> {
    let case = |rows, channels, offset, slope| NormCase { rows, channels, offset, slope };
    vec![
        case(5, 1, 0.0, 1.0),
        case(3, 17, 0.0, 0.2),
        case(511, 3, 0.5, 0.0),
        case(513, 16, -1.0, 0.2),
        case(1024, 100, 0.0, 0.0),
        case(5000, 7, 2.0, 0.2),
        case(300, 512, 0.0, 0.2),
        // Channels whose mean is far from zero, as behind a leaky ReLU.
        case(2000, 48, 10.0, 1.0),
        case(192, 5, 100.0, 1.0),
    ]
}

#[test]
fn batch_norm_matches_the_definition() {
    for_each_case(norm_cases(), |case| {
        let tensors = NormTensors::new(case, 1e-4);
        let want_y = tensors.wide(case.slope, |layer| layer.forward());
        let (dx, dweight, dbias) = tensors.wide(case.slope, |layer| layer.backward(&wide(&tensors.dy)));
        let (mean, var): (Vec<f64>, Vec<f64>) = tensors.wide(case.slope, |layer| {
            let before = [wide(&tensors.running_mean), wide(&tensors.running_var)];
            (0..case.channels).map(|c| layer.updated_running_statistics(c, before[0][c], before[1][c])).unzip()
        });
        for cpu in cpus(1) {
            let got = tensors.layer(case.slope).train(&cpu, &tensors.dy);
            let check = |name: &str, got: &[f32], want: &[f64], tolerance| {
                assert_close_scaled(&format!("{:?}, {name}", cpu.isa()), &wide(got), want, tolerance);
            };
            check("output", &got.y, &want_y, norm_tolerance(case));
            check("grad_input", &got.dx, &dx, norm_tolerance(case));
            check("grad_weight", &got.dweight, &dweight, norm_tolerance(case));
            check("grad_bias", &got.dbias, &dbias, norm_tolerance(case));
            check("running_mean", &got.running_mean, &mean, 6e-7);
            check("running_var", &got.running_var, &var, 6e-7);
            for threads in [2, 5] {
                let cpu = Cpu::new(cpu.isa(), threads).unwrap();
                assert_eq!(tensors.layer(case.slope).train(&cpu, &tensors.dy), got, "{threads} threads");
            }
        }
    });
}

#[test]
fn batch_norm_with_running_statistics_matches_the_definition() {
    for_each_case(norm_cases(), |case| {
        let tensors = NormTensors::new(case, 0.0);
        let layer = tensors.layer(case.slope);
        let [x, weight, bias, mean, var] =
            [layer.x, layer.weight, layer.bias, layer.running_mean, layer.running_var].map(wide);
        let want = x.iter().enumerate().map(|(i, x)| {
            let c = i % case.channels;
            let normed = (x - mean[c]) / (var[c] + 1e-5).sqrt() * weight[c] + bias[c];
            if normed > 0.0 { normed } else { f64::from(case.slope) * normed }
        });
        let want: Vec<f64> = want.collect();
        for cpu in cpus(3) {
            assert_close_scaled(&format!("{:?}", cpu.isa()), &wide(&layer.eval(&cpu)), &want, 4e-7);
        }
    });
}

/// The f64 batch norm itself, with a random upstream gradient.
#[test]
fn reference_batch_norm_has_the_right_slopes() {
    let case = |rows, channels, slope| NormCase { rows, channels, offset: 0.5, slope };
    for_each_case([case(7, 3, 1.0), case(12, 2, 0.2), case(4, 2, 1.0), case(9, 1, 0.0)], |case| {
        // Two steps of the difference quotient, times the largest slope of a normalized value.
        let tensors = NormTensors::new(case, 2e-2);
        let dy = wide(&tensors.dy);
        let slope = f64::from(case.slope);
        let [x, weight, bias] = [&tensors.x, &tensors.weight, &tensors.bias].map(|values| wide(values));
        let form = |x: &[f64], weight: &[f64], bias: &[f64]| -> f64 {
            let y = reference::BatchNorm { x, weight, bias, slope }.forward();
            y.iter().zip(&dy).map(|(y, dy)| y * dy).sum()
        };
        let (dx, dweight, dbias) = reference::BatchNorm { x: &x, weight: &weight, bias: &bias, slope }.backward(&dy);
        assert!(dx.iter().any(|v| v.abs() > 1e-3), "a gradient that vanishes shows nothing");
        let check = |name: &str, got: &[f64], want: Vec<f64>| assert_close(name, got, &want, 1e-8, 0.0);
        check("grad_input", &dx, numeric_gradient(&x, 1e-3, |x| form(x, &weight, &bias)));
        check("grad_weight", &dweight, numeric_gradient(&weight, 1e-3, |weight| form(&x, weight, &bias)));
        check("grad_bias", &dbias, numeric_gradient(&bias, 1e-3, |bias| form(&x, &weight, bias)));
    });
}

/// More values than one piece of elementwise work, on several threads, where the fixture has 37.
#[test]
fn adam_matches_the_definition() {
    let len = 70_001;
    let [lr, beta1, beta2, eps] = [1e-3, 0.9, 0.99, 1e-8];
    for cpu in cpus(3) {
        let mut parameters = random(len, 1);
        let (mut exp_avg, mut exp_avg_sq) = (vec![0.0; len], vec![0.0; len]);
        let (mut p, mut m, mut v) = (wide(&parameters), vec![0.0; len], vec![0.0; len]);
        for step in 1..=3 {
            let gradient = random(len, 10 + step);
            let settings = adam::Adam { lr, beta1, beta2, eps, step };
            adam::step(&cpu, &mut parameters, &mut exp_avg, &mut exp_avg_sq, &gradient, &settings);
            for (i, g) in wide(&gradient).into_iter().enumerate() {
                m[i] = beta1 * m[i] + (1.0 - beta1) * g;
                v[i] = beta2 * v[i] + (1.0 - beta2) * g * g;
                let [m_hat, v_hat] = [m[i] / (1.0 - beta1.powf(step as f64)), v[i] / (1.0 - beta2.powf(step as f64))];
                p[i] -= lr * m_hat / (v_hat.sqrt() + eps);
            }
        }
        // As for the fixture, where the largest parameter was 0.3: half an ulp of 1 a step.
        assert_close("parameters", &wide(&parameters), &p, 2.4e-7, 0.0);
        assert_close("exp_avg", &wide(&exp_avg), &m, 2.4e-7, 0.0);
        assert_close("exp_avg_sq", &wide(&exp_avg_sq), &v, 0.0, 1e-6);
    }
}
