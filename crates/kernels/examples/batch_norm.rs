//! The tutorial's batch normalization: the channels of a random 64 × 64 image before and after.
//!
//! `cargo run --example batch_norm`

use dcgan_kernels::batch_norm::{self, MOMENTUM, RunningStatistics, Statistics};
use dcgan_kernels::input::{AffineActivation, InputView};
use dcgan_kernels::{Cpu, Isa};
use dcgan_model::TorchRng;

const CHANNELS: usize = 3;
const PIXELS: usize = 64 * 64;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // torch.manual_seed(42); torch.rand(1, 3, 64, 64), whose values come channel by channel.
    let mut drawn = vec![0.0; CHANNELS * PIXELS];
    TorchRng::seed_from_u64(42).fill_uniform(&mut drawn, 0.0, 1.0);
    let picture: Vec<f32> = (0..CHANNELS * PIXELS).map(|i| drawn[i % CHANNELS * PIXELS + i / CHANNELS]).collect();
    print_channels("before", &picture);

    // nn.BatchNorm2d(3) in training mode
    let cpu = Cpu::new(Isa::select()?, 1)?;
    let (weight, bias) = ([1.0; CHANNELS], [0.0; CHANNELS]);
    let (mut mean, mut rstd) = ([0.0; CHANNELS], [0.0; CHANNELS]);
    let (mut running_mean, mut running_var) = ([0.0; CHANNELS], [1.0; CHANNELS]);
    let mut scratch = vec![0.0; batch_norm::scratch_len(PIXELS, CHANNELS)];
    let stats = Statistics { mean: &mut mean, rstd: &mut rstd };
    let running = RunningStatistics { mean: &mut running_mean, var: &mut running_var, momentum: MOMENTUM };
    batch_norm::statistics(&cpu, stats, running, &picture, &mut scratch);
    let (mut scale, mut shift) = ([0.0; CHANNELS], [0.0; CHANNELS]);
    batch_norm::fold(&mut scale, &mut shift, &mean, &rstd, &weight, &bias);
    let mut normed = vec![0.0; picture.len()];
    let activated = AffineActivation { x: &picture, scale: &scale, shift: &shift, slope: 1.0 };
    InputView::AffineActivation(activated).write_to(&cpu, &mut normed, CHANNELS);
    print_channels("after", &normed);
    Ok(())
}

/// Prints `x[:, c].mean()` and `x[:, c].std()`, which divides by one value less.
fn print_channels(name: &str, picture: &[f32]) {
    for channel in 0..CHANNELS {
        let values = || picture.iter().skip(channel).step_by(CHANNELS).map(|v| f64::from(*v));
        let mean = values().sum::<f64>() / PIXELS as f64;
        let variance = values().map(|v| (v - mean).powi(2)).sum::<f64>() / (PIXELS - 1) as f64;
        println!("{name}: channel {channel} has mean {mean:.6} and standard deviation {:.6}", variance.sqrt());
    }
}
