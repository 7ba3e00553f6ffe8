//! Properties of convolutions that every algorithm and instruction set must have. `oracle.rs` compares with f64,
//! `layers.rs` with PyTorch.

#![allow(clippy::unwrap_used)] // it is a test

use dcgan_kernels::activation::Activation;
use dcgan_kernels::batch_norm::{self, Gradients, MOMENTUM, RunningStatistics, Statistics};
use dcgan_kernels::conv::{Algorithm, ConvArgs, ConvPlan, ConvShape, Plane};
use dcgan_kernels::epilogue::{Epilogue, PieceSums, SumPieces};
use dcgan_kernels::input::{AffineActivation, InputView, NormBackward, NormGradient};
use dcgan_kernels::memory::Buffer;
use dcgan_kernels::{Cpu, Isa};

/// Largest difference of two algorithms, in units of the largest value or of 1, the size of the inputs. Against
/// f64, F(4 × 4, 2 × 2) is off by up to 6.8e-6 and direct sums by 8.3e-7 (`tests/run/mod.rs`); their sum, rounded
/// up.
const TOLERANCE: f32 = 1e-5;

/// Largest difference of two sums of the same values in pieces that are cut in different ways, in units of the
/// largest sum. Up to 64 values are added in f32, with an error of at most 64 · 2⁻²⁴ = 3.8e-6 on either side;
/// rounded up.
const SUMS_TOLERANCE: f32 = 1e-5;

fn values(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0).collect()
}

fn plane(height: usize, width: usize, channels: usize) -> Plane {
    Plane { height, width, channels }
}

/// What a pass makes of an image, and the sums of batch norm taken image by image, do not depend on the others in
/// the batch: not on how many there are and not on the image's place. Shards rely on it.
#[test]
fn an_image_depends_on_no_other() {
    // One tile per image, four, and many; a batch of several blocks; the layers that cover the image.
    let shapes = [
        ConvShape::new(plane(8, 8, 20), 33, 4, 2, 1),
        ConvShape::new(plane(16, 16, 17), 40, 4, 2, 1),
        ConvShape::new(plane(32, 32, 3), 16, 4, 2, 1),
        ConvShape::new(plane(4, 4, 40), 19, 4, 1, 0),
    ];
    let batch = 70;
    for isa in Isa::available() {
        for (shape, threads) in shapes.into_iter().flat_map(|shape| [1, 4].map(|threads| (shape, threads))) {
            for &algorithm in Algorithm::applicable(&shape) {
                let cpu = Cpu::new(isa, threads).unwrap();
                let plan = ConvPlan::with_algorithm(&cpu, shape, batch, algorithm);
                let weight = values(shape.weight_len(), 1);
                let (big, small) = (values(batch * shape.big.len(), 2), values(batch * shape.small.len(), 3));
                let run = |pass: &dyn Fn(&mut [f32], ConvArgs<'_, '_>), input: &[f32], to: Plane, count: usize| {
                    let mut out = vec![f32::NAN; count * to.len()];
                    let mut memory = vec![f32::NAN; count * batch_norm::sums_len(to.channels)];
                    let pieces = SumPieces::Images { len: to.len() };
                    let epilogue = Epilogue::BatchNormSums(PieceSums { memory: &mut memory, pieces });
                    let mut scratch = vec![f32::NAN; plan.scratch_len()];
                    let args = plain_args(InputView::Plain(input), &weight, count, &mut scratch);
                    pass(&mut out, ConvArgs { epilogue, ..args });
                    (out, memory)
                };
                let forward = |out: &mut [f32], args: ConvArgs<'_, '_>| plan.forward(out, args);
                let adjoint = |out: &mut [f32], args: ConvArgs<'_, '_>| plan.adjoint(out, args);
                type RunPass<'a> = &'a dyn Fn(&mut [f32], ConvArgs<'_, '_>);
                let passes: [(RunPass<'_>, &[f32], Plane, Plane); 2] =
                    [(&forward, &big, shape.big, shape.small), (&adjoint, &small, shape.small, shape.big)];
                for (pass, input, from, to) in passes {
                    let (out, sums) = run(pass, input, to, batch);
                    for part in [0..1, 3..20, 11..70, 69..70] {
                        let input = &input[part.start * from.len()..part.end * from.len()];
                        let (own_out, own_sums) = run(pass, input, to, part.len());
                        let name = format!("{isa:?}, {threads} threads, {algorithm:?} of {shape:?}, {part:?}");
                        assert!(own_out == out[part.start * to.len()..part.end * to.len()], "{name}");
                        let len = batch_norm::sums_len(to.channels);
                        assert!(own_sums == sums[part.start * len..part.end * len], "sums, {name}");
                    }
                }
            }
        }
    }
}

/// All algorithms agree on all passes, for every instruction set, with kept transforms and without, on sizes that
/// fill tiles, panels and blocks and on sizes that do not. Direct is held to PyTorch elsewhere.
#[test]
fn algorithms_agree() {
    let shapes = [
        (plane(8, 12, 3), 5, 3),
        (plane(2, 2, 1), 1, 2),
        (plane(4, 6, 17), 33, 5),
        (plane(10, 14, 16), 40, 2),
        (plane(16, 16, 32), 64, 7),
        (plane(36, 8, 5), 3, 1),
        (plane(8, 8, 64), 16, 21),
        // Several blocks in a product of the weight gradient, the last one short, and several such products.
        (plane(16, 16, 4), 3, 263),
    ];
    for isa in Isa::available() {
        let cpu = Cpu::new(isa, 2).unwrap();
        for (big, small_channels, batch) in shapes {
            let shape = ConvShape::new(big, small_channels, 4, 2, 1);
            let reference = passes(&cpu, shape, batch, Algorithm::Direct, false);
            for algorithm in [Algorithm::Winograd2, Algorithm::Winograd4] {
                for keep in [false, true] {
                    let got = passes(&cpu, shape, batch, algorithm, keep);
                    for (pass, (got, want)) in got.iter().zip(&reference).enumerate() {
                        let largest = want.iter().fold(0.0f32, |max, v| max.max(v.abs()));
                        for (i, (g, w)) in got.iter().zip(want).enumerate() {
                            assert!(
                                (g - w).abs() <= TOLERANCE * largest.max(1.0),
                                "{isa:?} {algorithm:?} {shape:?} pass {pass} keep {keep} [{i}]: {g} {w}"
                            );
                        }
                    }
                }
            }
        }
    }
}

/// The same for sizes that are small enough for Miri: `tools/check/miri.sh` runs this test.
#[test]
fn algorithms_agree_on_small_sizes() {
    for isa in Isa::available() {
        let cpu = Cpu::new(isa, 2).unwrap();
        for (big, small_channels, batch) in [(plane(4, 4, 3), 5, 2), (plane(2, 6, 9), 3, 3)] {
            let shape = ConvShape::new(big, small_channels, 4, 2, 1);
            let reference = passes(&cpu, shape, batch, Algorithm::Direct, false);
            for (algorithm, keep) in [(Algorithm::Winograd2, true), (Algorithm::Winograd4, false)] {
                for (got, want) in passes(&cpu, shape, batch, algorithm, keep).iter().zip(&reference) {
                    let largest = want.iter().fold(1.0f32, |max, v| max.max(v.abs()));
                    let is_close = got.iter().zip(want).all(|(g, w)| (g - w).abs() <= TOLERANCE * largest);
                    assert!(is_close, "{isa:?} {algorithm:?} {shape:?}: {got:?} {want:?}");
                }
            }
        }
    }
}

/// Sizes that wrap around to small ones must not pass for them.
#[test]
#[should_panic(expected = "beyond what can be addressed")]
fn sizes_that_overflow_are_refused() {
    let cpu = Cpu::new(Isa::PORTABLE, 1).unwrap();
    let _ = ConvPlan::new(&cpu, ConvShape::new(plane(1 << 32, 1 << 32, 1), 1, 4, 2, 1), 1);
}

#[test]
#[should_panic(expected = "do not belong together")]
fn sides_that_do_not_belong_together_are_refused() {
    let cpu = Cpu::new(Isa::PORTABLE, 1).unwrap();
    let shape = ConvShape::new(plane(4, 4, 1), 1, 4, 2, 1);
    let _ = ConvPlan::new(&cpu, ConvShape { small: plane(3, 2, 1), ..shape }, 1);
}

#[test]
#[should_panic(expected = "transform of another plan")]
fn the_transform_of_another_plan_is_refused() {
    let cpu = Cpu::new(Isa::PORTABLE, 1).unwrap();
    let shape = ConvShape::new(plane(4, 4, 1), 1, 4, 2, 1);
    let [one, other] = [1, 2].map(|batch| ConvPlan::with_algorithm(&cpu, shape, batch, Algorithm::Winograd4));
    let (big, small) = (values(shape.big.len(), 1), values(shape.small.len(), 2));
    let mut memory = vec![0.0; one.small_transform_len()];
    let small = one.transform_small(InputView::Plain(&small), 1, &mut memory);
    let (mut dweight, mut scratch) = (vec![0.0; shape.weight_len()], vec![0.0; other.scratch_len()]);
    other.weight_gradient(&mut dweight, InputView::Plain(&big), small, &mut scratch);
}

/// Arguments of a pass without an epilogue.
fn plain_args<'i, 'a>(
    input: InputView<'i>,
    weight: &'a [f32],
    batch: usize,
    scratch: &'a mut [f32],
) -> ConvArgs<'i, 'a> {
    ConvArgs { input, weight, epilogue: Epilogue::Identity, batch, scratch }
}

fn passes(cpu: &Cpu, shape: ConvShape, batch: usize, algorithm: Algorithm, keep: bool) -> [Vec<f32>; 3] {
    // Planned for more than is used: the last block of a smaller batch must not read beyond it.
    let plan = ConvPlan::with_algorithm(cpu, shape, batch + 1, algorithm);
    let (x, y) = (values(batch * shape.big.len(), 1), values(batch * shape.small.len(), 2));
    let weight = values(shape.weight_len(), 3);
    let mut scratch = vec![f32::NAN; plan.scratch_len()];
    let mut memory = vec![f32::NAN; plan.small_transform_len()];
    let (x, y) = (InputView::Plain(&x), InputView::Plain(&y));
    let mut forward = vec![f32::NAN; y.len()];
    plan.forward(&mut forward, plain_args(x, &weight, batch, &mut scratch));
    let mut adjoint = vec![f32::NAN; x.len()];
    let args = plain_args(y, &weight, batch, &mut scratch);
    let small = if keep {
        plan.adjoint_keeping(&mut adjoint, args, &mut memory)
    } else {
        plan.adjoint(&mut adjoint, args);
        plan.transform_small(y, batch, &mut memory)
    };
    let mut gradient = vec![f32::NAN; weight.len()];
    plan.weight_gradient(&mut gradient, x, small, &mut scratch);
    [forward, adjoint, gradient]
}

/// The passes give the same bits whether they are cut into steps of images, for few threads, or into columns, for
/// many.
#[test]
fn results_do_not_depend_on_how_the_work_is_cut() {
    // The last shape sums over more than a block of channels in both directions.
    let shapes = [
        (plane(8, 8, 20), 37, 130),
        (plane(16, 16, 32), 64, 35),
        (plane(36, 20, 5), 3, 9),
        (plane(4, 4, 80), 270, 130),
    ];
    for isa in Isa::available() {
        let [few, many] = [1, 64].map(|threads| Cpu::new(isa, threads).unwrap());
        for (big, small_channels, batch) in shapes {
            let shape = ConvShape::new(big, small_channels, 4, 2, 1);
            for algorithm in [Algorithm::Winograd2, Algorithm::Winograd4] {
                let plan_for = |cpu| ConvPlan::with_algorithm(cpu, shape, batch, algorithm);
                let plan = plan_for(&few);
                assert!(!plan.is_cut_by_columns(batch) && plan_for(&many).is_cut_by_columns(batch));
                let among = passes(&few, shape, batch, algorithm, false);
                for (cpu, keep) in [(&many, false), (&few, true), (&many, true)] {
                    let cut = passes(cpu, shape, batch, algorithm, keep);
                    assert!(cut == among, "{isa:?} {algorithm:?} {shape:?}, {} threads, kept: {keep}", cpu.threads());
                }
                // One block or two are cut into columns also for one thread, and the wider the fewer threads there
                // are.
                for part in [9, 20].map(|part| part.min(batch)) {
                    if plan.is_cut_by_columns(part) {
                        let alone = passes(&few, shape, part, algorithm, false);
                        for (alone, among) in alone.iter().zip(&among).take(2) {
                            assert!(among.starts_with(alone), "{isa:?} {algorithm:?} {shape:?}: {part} of {batch}");
                        }
                    }
                }
            }
        }
    }
}

/// With prepared weights, an image has the same bits alone or among others, for any number of threads.
#[test]
fn with_prepared_weights_an_image_does_not_depend_on_its_batch() {
    let shapes = [
        (plane(8, 8, 64), 21, 9),
        (plane(32, 32, 96), 16, 5),
        (plane(36, 20, 3), 35, 4),
        (plane(12, 8, 1), 7, 19),
        (plane(16, 16, 5), 12, 6),
        (plane(4, 4, 20), 270, 66),
    ];
    for isa in Isa::available() {
        for (big, small_channels, batch) in shapes {
            let shape = ConvShape::new(big, small_channels, 4, 2, 1);
            for &algorithm in Algorithm::applicable(&shape) {
                let (y, weight) = (values(batch * shape.small.len(), 2), values(shape.weight_len(), 3));
                let draw = |threads, count: usize| {
                    let cpu = Cpu::new(isa, threads).unwrap();
                    let plan = ConvPlan::with_algorithm(&cpu, shape, batch, algorithm);
                    let mut scratch = vec![f32::NAN; plan.scratch_len()];
                    let mut prepared = vec![f32::NAN; plan.prepared_len()];
                    plan.prepare_adjoint(&mut prepared, &weight);
                    let mut out = vec![f32::NAN; batch * shape.big.len()];
                    for (y, out) in y.chunks(count * shape.small.len()).zip(out.chunks_mut(count * shape.big.len())) {
                        let args = ConvArgs {
                            input: InputView::Plain(y),
                            weight: &prepared,
                            epilogue: Epilogue::Activation(Activation::Tanh),
                            batch: out.len() / shape.big.len(),
                            scratch: &mut scratch,
                        };
                        plan.adjoint_prepared(out, args);
                    }
                    out
                };
                let together = draw(1, batch);
                for (threads, count) in [(1, 1), (3, 1), (8, 2), (8, batch)] {
                    assert!(
                        draw(threads, count) == together,
                        "{isa:?} {algorithm:?} {shape:?}: {threads} threads, {count} at a time"
                    );
                }
            }
        }
    }
}

/// Input views and epilogues give the same bits as passes of their own before and after the convolution.
#[test]
fn input_views_and_epilogues_equal_separate_passes() {
    let shapes = [
        (ConvShape::new(plane(8, 12, 20), 33, 4, 2, 1), 18),
        (ConvShape::new(plane(16, 16, 32), 64, 4, 2, 1), 18),
        // Several blocks, and several pieces in a step.
        (ConvShape::new(plane(8, 8, 12), 20, 4, 2, 1), 140),
        (ConvShape::new(plane(4, 4, 24), 5, 4, 1, 0), 18),
        (ConvShape::new(plane(9, 7, 3), 4, 3, 2, 1), 18),
    ];
    for isa in Isa::available() {
        let cpu = Cpu::new(isa, 2).unwrap();
        for (shape, batch) in shapes {
            for &algorithm in Algorithm::applicable(&shape) {
                check_views_and_epilogues(&cpu, &ConvPlan::with_algorithm(&cpu, shape, batch + 1, algorithm), batch);
            }
        }
    }
}

fn check_views_and_epilogues(cpu: &Cpu, plan: &ConvPlan, batch: usize) {
    let shape = *plan.shape();
    let (big, small) = (shape.big, shape.small);
    let (x, y) = (values(batch * big.len(), 1), values(batch * small.len(), 2));
    let (gradient, weight) = (values(batch * big.len(), 4), values(shape.weight_len(), 3));
    let per_channel: [Vec<f32>; 10] = std::array::from_fn(|i| values(big.channels.max(small.channels), 5 + i));
    let part = |i: usize, channels: usize| &per_channel[i][..channels];
    let forward = |x, channels| AffineActivation { x, scale: part(0, channels), shift: part(1, channels), slope: 0.2 };
    let norm = NormBackward {
        forward: forward(&x, big.channels),
        gradient_factor: part(2, big.channels),
        x_factor: part(3, big.channels),
        constant: part(4, big.channels),
    };
    let norm_gradient = InputView::NormGradient(NormGradient { gradient: &gradient, norm });
    let activated_small = InputView::AffineActivation(forward(&y, small.channels));
    let before = |source: InputView<'_>, channels| {
        let mut out = vec![f32::NAN; source.len()];
        source.write_to(cpu, &mut out, channels);
        out
    };
    let (plain_big, plain_small) = (before(norm_gradient, big.channels), before(activated_small, small.channels));
    let mut applied = gradient.clone();
    norm.apply(cpu, &mut applied);
    assert_eq!(applied, plain_big, "gradient of batch norm's input, in place");
    let mut scratch = vec![f32::NAN; plan.scratch_len()];
    let mut transform = vec![f32::NAN; plan.small_transform_len()];
    let mut run = |big_view, small_view, epilogues: [Epilogue<'_>; 2]| {
        let [small_epilogue, big_epilogue] = epilogues;
        let mut out_small = vec![f32::NAN; y.len()];
        let args = plain_args(big_view, &weight, batch, &mut scratch);
        plan.forward(&mut out_small, ConvArgs { epilogue: small_epilogue, ..args });
        let mut out_big = vec![f32::NAN; x.len()];
        let args = plain_args(small_view, &weight, batch, &mut scratch);
        plan.adjoint(&mut out_big, ConvArgs { epilogue: big_epilogue, ..args });
        let mut dweight = vec![f32::NAN; weight.len()];
        let small = plan.transform_small(small_view, batch, &mut transform);
        plan.weight_gradient(&mut dweight, big_view, small, &mut scratch);
        (out_small, out_big, dweight)
    };
    let nothing = [Epilogue::Identity, Epilogue::Identity];
    let plain = run(InputView::Plain(&plain_big), InputView::Plain(&plain_small), nothing);
    let mut sums_of = |cut: [SumPieces; 2]| {
        let pieces = if cut[0] == SumPieces::Convolution { plan.pieces(batch) } else { batch };
        let sums = |channels| vec![f32::NAN; pieces * dcgan_kernels::batch_norm::sums_len(channels)];
        let (mut small_sums, mut big_sums) = (sums(small.channels), sums(big.channels));
        let sums = Epilogue::BatchNormBackwardSums {
            forward: forward(&x, big.channels),
            mean: part(5, big.channels),
            sums: PieceSums { memory: &mut big_sums, pieces: cut[1] },
        };
        let small_epilogue = Epilogue::BatchNormSums(PieceSums { memory: &mut small_sums, pieces: cut[0] });
        let riding = run(norm_gradient, activated_small, [small_epilogue, sums]);
        assert_eq!(plain, riding, "{plan:?}");
        [small_sums, big_sums]
    };
    let in_pieces = sums_of([SumPieces::Convolution; 2]);
    let of_images = sums_of([small.len(), big.len()].map(|len| SumPieces::Images { len }));

    let (out_small, out_big, _) = &plain;
    for [small_sums, big_sums] in [in_pieces, of_images] {
        // The sums are those of the finished output taken by themselves: what follows from them is the same up to
        // rounding.
        let alone = |values: &[f32], channels: usize| {
            let (mut mean, mut rstd) = (vec![0.0; channels], vec![0.0; channels]);
            let (mut running_mean, mut running_var) = (mean.clone(), rstd.clone());
            let mut scratch = vec![f32::NAN; batch_norm::scratch_len(values.len() / channels, channels)];
            let stats = Statistics { mean: &mut mean, rstd: &mut rstd };
            let running = RunningStatistics { mean: &mut running_mean, var: &mut running_var, momentum: MOMENTUM };
            batch_norm::statistics(cpu, stats, running, values, &mut scratch);
            [mean, rstd, running_mean, running_var]
        };
        let want = alone(out_small, small.channels);
        let mut got = want.clone().map(|values| vec![0.0; values.len()]);
        let [mean, rstd, running_mean, running_var] = &mut got;
        let running = RunningStatistics { mean: running_mean, var: running_var, momentum: MOMENTUM };
        let mut row = vec![f64::NAN; batch_norm::row_len(small.channels)];
        batch_norm::sum_statistics(&mut row, &small_sums);
        batch_norm::finish_statistics(Statistics { mean, rstd }, running, &row);
        let close = |got: &[f32], want: &[f32], what: &str| {
            let largest = want.iter().fold(0.0f32, |max, v| max.max(v.abs()));
            for (g, w) in got.iter().zip(want) {
                assert!((g - w).abs() <= SUMS_TOLERANCE * largest, "{plan:?} {what}: {g} {w}");
            }
        };
        for (got, want) in got.iter().zip(&want) {
            close(got, want, "statistics");
        }
        // Gradient sums against f64.
        let channels = big.channels;
        let [mut dweight, mut dbias, mut a, mut b, mut c] = std::array::from_fn(|_| vec![0.0; channels]);
        let out = Gradients {
            weight: &mut dweight,
            bias: &mut dbias,
            gradient_factor: &mut a,
            x_factor: &mut b,
            constant: &mut c,
        };
        let ones = vec![1.0; channels];
        let mut row = vec![f64::NAN; batch_norm::row_len(channels)];
        batch_norm::sum_gradients(&mut row, &big_sums);
        batch_norm::finish_gradients(out, part(5, channels), &ones, &ones, &row);
        let (mut want_weight, mut want_bias) = (vec![0.0; channels], vec![0.0; channels]);
        for (i, (dy, x)) in out_big.iter().zip(&x).enumerate() {
            let c = i % channels;
            let y = x * part(0, channels)[c] + part(1, channels)[c];
            let g = f64::from(*dy) * if y > 0.0 { 1.0 } else { f64::from(0.2f32) };
            want_weight[c] += g * (f64::from(*x) - f64::from(part(5, channels)[c]));
            want_bias[c] += g;
        }
        for (got, want) in [(&dweight, want_weight), (&dbias, want_bias)] {
            close(got, &want.iter().map(|v| *v as f32).collect::<Vec<_>>(), "gradients");
        }
    }

    // The epilogues that change the output.
    let activation = Activation::LeakyRelu(0.2);
    let (mut want_small, mut want_big) = (out_small.clone(), out_big.clone());
    dcgan_kernels::activation::forward(cpu, &mut want_small, activation);
    dcgan_kernels::activation::backward(cpu, &mut want_big, &x, Activation::Tanh);
    let epilogues =
        [Epilogue::Activation(activation), Epilogue::ActivationBackward { activation: Activation::Tanh, outputs: &x }];
    let (got_small, got_big, _) = run(norm_gradient, activated_small, epilogues);
    assert!(got_small == want_small && got_big == want_big, "{plan:?} with an epilogue");
}

#[test]
fn the_algorithm_is_selected_by_the_shape() {
    let select =
        |big, small, kernel, stride, padding| Algorithm::select(&ConvShape::new(big, small, kernel, stride, padding));
    assert_eq!(select(plane(32, 32, 64), 128, 4, 2, 1), Algorithm::Winograd4);
    assert_eq!(select(plane(64, 64, 3), 64, 4, 2, 1), Algorithm::Direct);
    assert_eq!(select(plane(4, 4, 512), 1, 4, 1, 0), Algorithm::Direct);
    assert_eq!(select(plane(4, 4, 64), 128, 4, 2, 1), Algorithm::Winograd2);
    let select_prepared = |big, small| Algorithm::select_prepared(&ConvShape::new(big, small, 4, 2, 1));
    assert_eq!(select_prepared(plane(32, 32, 64), 128), Algorithm::Winograd4);
    assert_eq!(select_prepared(plane(16, 16, 128), 256), Algorithm::Winograd2);
    assert_eq!(select_prepared(plane(64, 64, 3), 64), Algorithm::Direct);
}

#[test]
#[ignore = "a measurement; `tools/check/run.sh rust` runs it, and so does: cargo test --release -p dcgan-kernels bench_ -- --ignored --nocapture"]
fn bench_algorithms() {
    fn timed<R>(times: &mut Vec<f64>, work: impl FnOnce() -> R) -> R {
        let start = std::time::Instant::now();
        let result = work();
        times.push(start.elapsed().as_secs_f64() * 1e3);
        result
    }
    let cpu = Cpu::new(Isa::available()[0], 0).unwrap();
    for (size, big, small) in [(64, 3, 64), (32, 64, 128), (16, 128, 256), (8, 256, 512)] {
        let shape = ConvShape::new(plane(size, size, big), small, 4, 2, 1);
        for &algorithm in Algorithm::applicable(&shape) {
            let batch = 128;
            let plan = ConvPlan::with_algorithm(&cpu, shape, batch, algorithm);
            let buffer = |values: Vec<f32>| {
                let mut buffer = Buffer::zeros(values.len());
                buffer.copy_from_slice(&values);
                buffer
            };
            let (x, y) = (buffer(values(batch * shape.big.len(), 1)), buffer(values(batch * shape.small.len(), 2)));
            let mut weight = values(shape.weight_len(), 3);
            let (mut out_small, mut out_big) = (Buffer::zeros(y.len()), Buffer::zeros(x.len()));
            let mut scratch = Buffer::zeros(plan.scratch_len());
            let mut n = Buffer::zeros(plan.small_transform_len());
            let (x, y) = (InputView::Plain(&x), InputView::Plain(&y));
            let mut times = [const { Vec::new() }; 3];
            // Once, to see that it works, where times say nothing.
            let rounds = if cfg!(debug_assertions) { 1 } else { 7 };
            for _ in 0..rounds {
                let args = plain_args(x, &weight, batch, &mut scratch);
                timed(&mut times[0], || plan.forward(&mut out_small, args));
                let args = plain_args(y, &weight, batch, &mut scratch);
                let small = timed(&mut times[1], || plan.adjoint_keeping(&mut out_big, args, &mut n));
                timed(&mut times[2], || plan.weight_gradient(&mut weight, x, small, &mut scratch));
            }
            let direct = shape.direct_multiply_adds() as f64 * 128.0 * 2e-9;
            for (times, pass) in times.iter_mut().zip(["forward", "adjoint", "weights"]) {
                times.sort_by(f64::total_cmp);
                println!(
                    "{size:>2}²·{big}→{small} {algorithm:?} {pass}: median {:.1} ms, best {:.1} ms, {:.0} direct GFLOP/s",
                    times[rounds / 2],
                    times[0],
                    direct / times[0] * 1e3
                );
            }
        }
    }
}
