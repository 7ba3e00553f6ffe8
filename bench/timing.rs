// What the Rust peers share, as timing.py is for the Python ones: options, the timing of steps, and the one line of
// JSON.

use std::time::Instant;

/// Options, all of the form `--name value`, and the flag `--json`.
pub struct Options {
    pub steps: usize,
    pub warmup: usize,
    pub batch_size: usize,
    pub image_size: usize,
    pub base_channels: usize,
    pub latent_dim: usize,
    pub threads: usize,
    json: bool,
}

impl Options {
    /// Those of the command line. Both peers start as many threads as RAYON_NUM_THREADS says when they begin: if it
    /// says something else, this runs the program again with it, and ends as that ends.
    pub fn parse() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut options = Self {
            steps: 5,
            warmup: 2,
            batch_size: 128,
            image_size: 64,
            base_channels: 64,
            latent_dim: 100,
            threads: cores,
            json: false,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let target = match word.as_str() {
                "--steps" => &mut options.steps,
                "--warmup" => &mut options.warmup,
                "--batch-size" => &mut options.batch_size,
                "--image-size" => &mut options.image_size,
                "--base-channels" => &mut options.base_channels,
                "--latent-dim" => &mut options.latent_dim,
                "--threads" => &mut options.threads,
                "--json" => {
                    options.json = true;
                    continue;
                }
                _ => panic!("{word} is no option; bench/timing.rs has them all"),
            };
            let value = words.next().unwrap_or_default();
            *target = value.parse().unwrap_or_else(|_| panic!("{word} {value}: give a number"));
        }
        let threads = options.threads.to_string();
        if std::env::var("RAYON_NUM_THREADS").as_ref() != Ok(&threads) {
            let program = std::env::current_exe().expect("a program knows where it is");
            let mut again = std::process::Command::new(program);
            let ended = again.args(std::env::args_os().skip(1)).env("RAYON_NUM_THREADS", threads).status();
            std::process::exit(ended.expect("it has been started before").code().unwrap_or(1));
        }
        options
    }

    /// Channels at each halving of the picture, the one next to the picture first: 64, 128, 256, 512.
    pub fn widths(&self) -> Vec<usize> {
        (0..self.image_size.ilog2() - 2).map(|level| self.base_channels << level).collect()
    }

    /// Runs the warm-up, times `step` and prints the result.
    pub fn time(&self, peer: &str, version: &str, mut step: impl FnMut()) {
        (0..self.warmup).for_each(|_| step());
        let mut ms: Vec<f64> = (0..self.steps)
            .map(|_| {
                let start = Instant::now();
                step();
                1e3 * start.elapsed().as_secs_f64()
            })
            .collect();
        ms.sort_by(f64::total_cmp);
        let (min, median, max) = (ms[0], (ms[(ms.len() - 1) / 2] + ms[ms.len() / 2]) / 2.0, ms[ms.len() - 1]);
        let Self { batch_size, threads, .. } = self;
        let (speed, memory) = (1e3 * *batch_size as f64 / median, peak_rss_mib());
        if self.json {
            println!(
                "{{\"peer\": \"{peer}\", \"version\": \"{version}\", \"ms_per_step\": {{\"min\": {min}, \"median\": \
                 {median}, \"max\": {max}}}, \"images_per_second\": {speed}, \"threads\": {threads}, \"batch_size\": \
                 {batch_size}, \"peak_rss_mib\": {memory}}}"
            );
        } else {
            println!("{peer} {version}, {threads} threads, batches of {batch_size}");
            println!("ms per step: min {min:.2}, median {median:.2}, max {max:.2}");
            println!("{speed:.0} images/s, peak memory {memory:.0} MiB");
        }
    }
}

/// The most memory this process has had resident, in MiB; 0 where there is no /proc.
fn peak_rss_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse().ok()).unwrap_or(0.0) / 1024.0
}
