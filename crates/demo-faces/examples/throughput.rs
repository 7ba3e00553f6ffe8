//! Times drawing on one thread: `cargo run --release -p dcgan-demo-faces --example throughput`.

use std::time::Instant;

/// The best of several passes, because other programs only ever make a pass slower.
const PASSES: usize = 8;

fn main() {
    println!("size  ms/face  faces/s");
    for size in [32, 64, 128, 256] {
        let count = 16_000 / u64::from(size);
        let pass = |_| {
            let start = Instant::now();
            for index in 0..count {
                std::hint::black_box(dcgan_demo_faces::draw(0, index, size));
            }
            start.elapsed().as_secs_f64()
        };
        let seconds = (0..PASSES).map(pass).fold(f64::INFINITY, f64::min);
        println!("{size:4}  {:7.3}  {:7.0}", 1e3 * seconds / count as f64, count as f64 / seconds);
    }
}
