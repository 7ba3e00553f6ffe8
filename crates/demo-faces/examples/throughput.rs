//! Times drawing on one thread: `cargo run --release -p dcgan-demo-faces --example throughput`.

use std::time::Instant;

fn main() {
    println!("size  ms/face  faces/s");
    for size in [32, 64, 128, 256] {
        let count = 64_000 / u64::from(size);
        let start = Instant::now();
        for index in 0..count {
            std::hint::black_box(dcgan_demo_faces::draw(0, index, size));
        }
        let seconds = start.elapsed().as_secs_f64();
        println!("{size:4}  {:7.3}  {:7.0}", 1e3 * seconds / count as f64, count as f64 / seconds);
    }
}
