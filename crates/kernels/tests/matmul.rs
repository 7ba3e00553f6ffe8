//! Matrix products against their definition.

#![allow(clippy::unwrap_used)] // it is a test

use dcgan_kernels::Isa;
use dcgan_kernels::matmul::{BLOCK_K, Lhs, Out, Rhs, multiply, panel_width, panels_len};
use dcgan_kernels::memory::Buffer;
use dcgan_kernels::pack::pack;

fn value(i: usize) -> f32 {
    ((i * 37 + 11) % 101) as f32 / 50.0 - 1.0
}

/// Every instruction set, every kind of operand, at sizes around tile, panel and block edges, against a plain f64
/// product.
#[test]
fn products_match_the_definition() {
    for isa in Isa::available() {
        let p = panel_width(isa);
        for m in [1, 2, 5, 12, 13, p + 1, 2 * p + 5] {
            for n in [1, 3, p - 1, p, p + 1, 2 * p] {
                for k in [0, 1, 7, p + 1, BLOCK_K, BLOCK_K + 1] {
                    for transposed in [false, true] {
                        for accumulate in [false, true] {
                            check(isa, m, n, k, transposed, accumulate);
                        }
                    }
                }
            }
        }
    }
}

fn check(isa: Isa, m: usize, n: usize, k: usize, transposed: bool, accumulate: bool) {
    let a: Vec<f32> = (0..m * k).map(value).collect(); // m × k, or k × m
    let b: Vec<f32> = (0..k * n).map(|i| value(i + 5)).collect();
    let (a_rows, a_cols) = if transposed { (k, m) } else { (m, k) };
    let p = panel_width(isa);
    // One more row than used, as when a product takes part of a matrix.
    let mut a_panels = vec![f32::NAN; panels_len(isa, a_rows + 1, a_cols)];
    pack(isa, &mut a_panels, a_rows + 1, &a, a_rows, a_cols, a_cols);
    let mut b_panels = vec![0.0; panels_len(isa, k + 1, n)];
    pack(isa, &mut b_panels, k + 1, &b, k, n, n);
    // The same left side in runs of 7 with jumps of 9 behind the rows' start, rows overlapping as patches do not:
    // apart.
    let row_stride = a_cols.div_ceil(7) * 9 + 2;
    let mut runs = vec![f32::NAN; a_rows * row_stride + 1];
    for (i, value) in a.iter().enumerate() {
        runs[i / a_cols * row_stride + i % a_cols / 7 * 9 + i % a_cols % 7] = *value;
    }
    // The same right side row-major.
    let width = n.next_multiple_of(p);
    let mut wide = vec![0.0; k * width];
    for (i, value) in b.iter().enumerate() {
        wide[i / n * width + i % n] = *value;
    }
    let lefts =
        [Lhs::panels(isa, &a_panels, a_rows + 1), Lhs::runs(&runs, row_stride, 7, 9), Lhs::row_major(&a, a_cols)];
    let rights = [Rhs::panels(isa, &b_panels, k + 1), Rhs::row_major(isa, &wide, width)];
    for (lhs, rhs) in lefts.iter().flat_map(|lhs| rights.iter().map(move |rhs| (*lhs, *rhs))) {
        let lhs = if transposed { lhs.transposed() } else { lhs };
        check_product(isa, (lhs, transposed), rhs, &a, &b, [m, n, k], accumulate);
    }
}

fn check_product(
    isa: Isa,
    (lhs, transposed): (Lhs<'_>, bool),
    rhs: Rhs<'_>,
    a: &[f32],
    b: &[f32],
    [m, n, k]: [usize; 3],
    accumulate: bool,
) {
    let stride = n + 3;
    let mut c: Vec<f32> = (0..m * stride).map(|i| value(i + 9)).collect();
    let before = c.clone();
    multiply(isa, Out::row_major(isa, &mut c, stride), lhs, rhs, [m, n, k], accumulate);
    for i in 0..m {
        for j in 0..stride {
            let got = f64::from(c[i * stride + j]);
            if j >= n {
                assert_eq!(c[i * stride + j], before[i * stride + j], "padding written");
                continue;
            }
            let terms = (0..k)
                .map(|kk| f64::from(if transposed { a[kk * m + i] } else { a[i * k + kk] }) * f64::from(b[kk * n + j]));
            let start = if accumulate { f64::from(before[i * stride + j]) } else { 0.0 };
            let want = terms.clone().sum::<f64>() + start;
            // Each of k products and sums rounds once, relative to the sum of magnitudes (Higham, Accuracy and
            // Stability, 3.1).
            let bound = (k as f64 + 2.0) * 2f64.powi(-24) * (terms.map(f64::abs).sum::<f64>() + start.abs());
            assert!((got - want).abs() <= bound, "{isa:?} {m}x{n}x{k} t={transposed} ({i},{j}): {got} {want}");
        }
    }
}

/// Strides that lead beyond an operand, by one value or by more than can be addressed.
#[test]
fn operands_that_are_too_short_are_refused() {
    let size = 40;
    // So far that the distance of the last row wraps around to a small one.
    let too_far = usize::MAX / (size - 1) + 1;
    let (left, right) = (vec![1.0; size * size], vec![1.0; size * 64]);
    for isa in Isa::available() {
        let width = size.next_multiple_of(panel_width(isa));
        let product = |left_stride: usize, right_len: usize, out_stride: usize| {
            let mut out = vec![0.0; size * size];
            let (lhs, rhs) = (Lhs::row_major(&left, left_stride), Rhs::row_major(isa, &right[..right_len], width));
            multiply(isa, Out::row_major(isa, &mut out, out_stride), lhs, rhs, [size; 3], false);
        };
        product(size, size * width, size);
        for (operand, left_stride, right_len, out_stride) in [
            ("left side", size + 1, size * width, size),
            ("left side", too_far, size * width, size),
            ("right side", size, size * width - 1, size),
            ("output", size, size * width, size + 1),
            ("output", size, size * width, too_far),
        ] {
            let panic = std::panic::catch_unwind(|| product(left_stride, right_len, out_stride)).unwrap_err();
            assert_eq!(panic.downcast_ref(), Some(&operand), "{isa:?}: {left_stride}, {right_len}, {out_stride}");
        }
    }
}

/// A panel matrix of no rows, whose panels all lie at its start: the first, a whole one, would go beyond it.
#[test]
#[should_panic(expected = "panels of the output")]
fn panels_that_overlap_are_refused() {
    let isa = Isa::available()[0];
    let (left, right) = ([1.0], vec![1.0; panels_len(isa, 1, panel_width(isa) + 1)]);
    let (lhs, rhs) = (Lhs::row_major(&left, 1), Rhs::panels(isa, &right, 1));
    multiply(isa, Out::panels(isa, &mut [0.0], 0), lhs, rhs, [1, panel_width(isa) + 1, 1], false);
}

#[test]
#[ignore = "a measurement; `tools/check/run.sh rust` runs it, and so does: cargo test --release -p dcgan-kernels bench_ -- --ignored --nocapture"]
fn bench_multiply() {
    for isa in Isa::available() {
        // (tiles, columns, summands) of the forward and adjoint passes of F(4 × 4, 2 × 2) in the tutorial's
        // networks, 25 points each
        for (m, n, k) in
            [(64, 128, 256), (64, 256, 512), (64, 512, 1024), (64, 256, 128), (64, 512, 256), (64, 1024, 512)]
        {
            let a = buffer(25 * (panels_len(isa, m, k) + 16));
            let b = buffer(25 * panels_len(isa, k, n));
            let mut c = buffer(25 * (panels_len(isa, m, n) + 16));
            let (a_len, b_len, c_len) = (a.len() / 25, b.len() / 25, c.len() / 25);
            report(isa, (m, n, k), 25, &mut || {
                for point in 0..25 {
                    let (lhs, rhs) =
                        (Lhs::panels(isa, &a[point * a_len..], m), Rhs::panels(isa, &b[point * b_len..][..b_len], k));
                    let out = Out::panels(isa, &mut c[point * c_len..][..c_len], m);
                    multiply(isa, out, lhs, rhs, [m, n, k], false);
                }
            });
        }
        // The weight gradient: a group of rows, all columns, summed over the tiles of one block after the other.
        for (m, n, k) in [(128, 128, 64), (64, 256, 64), (32, 512, 64)] {
            let blocks = 4;
            let a = buffer(blocks * 25 * (panels_len(isa, k, m) + 16));
            let b = buffer(blocks * 25 * (panels_len(isa, k, n) + 16));
            let mut c = buffer(25 * panels_len(isa, m, n));
            let (a_len, b_len, c_len) = (a.len() / 25 / blocks, b.len() / 25 / blocks, c.len() / 25);
            report(isa, (m, n, k), 25 * blocks, &mut || {
                for i in 0..25 * blocks {
                    let point = i % 25;
                    let lhs = Lhs::panels(isa, &a[i * a_len..], k).transposed();
                    let rhs = Rhs::panels(isa, &b[i * b_len..][..b_len], k);
                    let out = Out::panels(isa, &mut c[point * c_len..][..c_len], m);
                    multiply(isa, out, lhs, rhs, [m, n, k], i >= 25);
                }
            });
        }
    }
    fn buffer(len: usize) -> Buffer {
        let mut buffer = Buffer::zeros(len);
        buffer.fill(1.0);
        buffer
    }
    fn report(isa: Isa, (m, n, k): (usize, usize, usize), count: usize, work: &mut dyn FnMut()) {
        // Once, to see that it works, where times say nothing.
        let rounds = if cfg!(debug_assertions) { 1 } else { 15 };
        let mut times: Vec<f64> = (0..rounds)
            .map(|_| {
                let start = std::time::Instant::now();
                work();
                start.elapsed().as_secs_f64()
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let gflops = |t: f64| 2e-9 * (count * m * n * k) as f64 / t;
        println!("{isa:?} {m}x{n}x{k}: median {:.1}, best {:.1} GFLOP/s", gflops(times[rounds / 2]), gflops(times[0]));
    }
}
