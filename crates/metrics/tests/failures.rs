//! Each way that a generator fails shows in the measure that is meant to show it, and a good one is near the floor.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use dcgan_kernels::{Cpu, Isa};
use dcgan_metrics::{Evaluation, Evaluator, Images};
use dcgan_model::TorchRng;

const SIZE: usize = 64;
/// Images that are compared: half of the real ones.
const COUNT: usize = 256;

fn faces(first: usize, count: usize) -> Vec<u8> {
    (first..first + count).flat_map(|index| dcgan_demo_faces::draw(0, index as u64, SIZE as u32)).collect()
}

/// Adds `change(image, y, x)` to all three channels of every pixel.
fn changed(pixels: &[u8], mut change: impl FnMut(usize, usize) -> f32) -> Vec<u8> {
    let mut out = Vec::with_capacity(pixels.len());
    for (position, pixel) in pixels.chunks_exact(3).enumerate() {
        let (y, x) = (position / SIZE % SIZE, position % SIZE);
        out.extend(pixel.iter().map(|&value| (f32::from(value) + change(y, x)) as u8));
    }
    out
}

/// Means of 3 × 3 pixels.
fn blurred(pixels: &[u8]) -> Vec<u8> {
    let value = |image: usize, y: usize, x: usize, c: usize| u32::from(pixels[((image * SIZE + y) * SIZE + x) * 3 + c]);
    let mut out = Vec::with_capacity(pixels.len());
    for image in 0..COUNT {
        for (y, x) in (0..SIZE).flat_map(|y| (0..SIZE).map(move |x| (y, x))) {
            let around = |center: usize| center.saturating_sub(1)..(center + 2).min(SIZE);
            for c in 0..3 {
                let places = around(y).flat_map(|y| around(x).map(move |x| (y, x)));
                let (sum, count) = places.fold((0, 0), |(sum, n), (y, x)| (sum + value(image, y, x, c), n + 1));
                out.push((sum / count) as u8);
            }
        }
    }
    out
}

/// Good faces and the floor are two draws from the same faces, so that their measures differ by chance only, for which
/// 10% are allowed. A failure has to move its measure by much more: a factor of 2, and 10 for a complete failure.
#[test]
fn every_failure_shows_in_its_measure() {
    let cpu = Cpu::new(Isa::select().unwrap(), 2).unwrap();
    let (real, good) = (faces(0, 2 * COUNT), faces(2 * COUNT, COUNT));
    let evaluator = Evaluator::new(&cpu, Images::new(&real, SIZE, 3).unwrap(), COUNT).unwrap();
    let evaluate = |pixels: &[u8]| evaluator.evaluate(Images::new(pixels, SIZE, 3).unwrap()).unwrap();
    let swd = |evaluation: &Evaluation| evaluation.swd.levels[0].1 / evaluation.swd_floor.levels[0].1;

    let same = evaluate(&good);
    assert!(swd(&same) < 1.1 && same.swd.mean < 1.1 * same.swd_floor.mean, "{same:?}");
    assert!(same.fd < 1.1 * same.fd_floor && same.kid < 1e-3, "{same:?}");
    assert!(same.precision > 0.9 * same.precision_floor && same.recall > 0.9 * same.recall_floor, "{same:?}");
    assert!(same.authenticity > 0.4, "{same:?}");

    let mut rng = TorchRng::seed_from_u64(1);
    let noise = rng.randn(good.len());
    let mut noise = noise.iter();
    let grain = evaluate(&changed(&good, |_, _| 10.0 * noise.next().unwrap()));
    assert!(swd(&grain) > 2.0, "grain: {grain:?}");

    let checkerboard = evaluate(&changed(&good, |y, x| if (y + x) % 2 == 0 { 6.0 } else { -6.0 }));
    assert!(swd(&checkerboard) > 2.0, "checkerboard: {checkerboard:?}");

    let blur = evaluate(&blurred(&good));
    assert!(swd(&blur) > 3.0, "blur: {blur:?}");

    let one = good[..SIZE * SIZE * 3].repeat(COUNT);
    let collapsed = evaluate(&one);
    assert!(collapsed.recall < 0.02 && collapsed.fd > 10.0 * collapsed.fd_floor, "collapse: {collapsed:?}");

    // Eight faces again and again.
    let few = good[..8 * SIZE * SIZE * 3].repeat(COUNT / 8);
    let few = evaluate(&few);
    assert!(few.recall < 0.1 * few.recall_floor, "few modes: {few:?}");

    // Copies of the training set, with noise that cannot be seen.
    let copies = changed(&real, |_, _| (rng.next_u32() % 3) as f32 - 1.0);
    let order = TorchRng::seed_from_u64(0).randperm(2 * COUNT);
    let image = |&i: &u32| &copies[i as usize * SIZE * SIZE * 3..][..SIZE * SIZE * 3];
    let copies = evaluate(&order[..COUNT].iter().flat_map(image).copied().collect::<Vec<u8>>());
    assert!(copies.authenticity < 0.05 && copies.precision == 1.0 && copies.recall == 1.0, "memorized: {copies:?}");

    let swapped: Vec<u8> = good.chunks_exact(3).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]]).collect();
    let swapped = evaluate(&swapped);
    let colors = swapped.swd.levels[2].1 / swapped.swd_floor.levels[2].1;
    assert!(swapped.kid > 2e-3 && colors > 2.0, "swapped channels: {swapped:?}");

    let noise: Vec<u8> = (0..good.len()).map(|_| rng.next_u32() as u8).collect();
    let noise = evaluate(&noise);
    assert!(noise.precision == 0.0 && noise.recall == 0.0 && noise.fd > 10.0 * noise.fd_floor, "noise: {noise:?}");
}
