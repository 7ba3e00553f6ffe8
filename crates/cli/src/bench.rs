//! `dcgan bench`: how fast a device of this machine trains and draws.
//!
//! Pictures and noise are random and in memory, so that nothing but the arithmetic is timed; no file is read or written.

mod report;
mod table;
mod work;

use crate::device::{Device, DeviceArgs};
use crate::progress;
use crate::usage::UsageError;
use anyhow::Result;
use clap::Subcommand;
use dcgan_engine_cpu::{CpuEngine, LayerTime};
use dcgan_kernels::peak;
use dcgan_model::{AdamConfig, Engine, Init, ModelConfig, Network, Recipe, TorchRng, initial_network, initial_state};
use dcgan_train::TrainConfig;
use report::Report;
use std::time::{Duration, Instant};

/// Arguments of `dcgan bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Times training steps: discriminator on real, discriminator on fake, generator
    Train(TrainArgs),
    /// Times a generator: batches, and one face at a time
    Generate(Options),
}

#[derive(Debug, Clone, Copy, clap::Args)]
struct TrainArgs {
    #[command(flatten)]
    options: Options,
    /// Show where the time of a step goes: each convolution's three passes
    #[arg(long)]
    table: bool,
}

#[derive(Debug, Clone, Copy, clap::Args)]
struct Options {
    /// Training steps or batches to time, after some to warm up
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    steps: u32,
    /// Pictures in a batch
    #[arg(long, value_name = "N", default_value_t = TrainConfig::default().batch_size)]
    batch_size: usize,
    /// Height and width of the pictures: 32, 64, 128 or 256
    #[arg(long, value_name = "PIXELS", default_value_t = ModelConfig::default().image_size)]
    image_size: usize,
    /// 3 for colour, 1 for grey
    #[arg(long, value_name = "N", default_value_t = ModelConfig::default().channels)]
    channels: usize,
    /// Length of the noise vector
    #[arg(long, value_name = "N", default_value_t = ModelConfig::default().latent_dim)]
    latent_dim: usize,
    /// Channels of the layers next to the picture; each halving of the picture doubles them
    #[arg(long, value_name = "N", default_value_t = ModelConfig::default().base_channels)]
    base_channels: usize,
    #[command(flatten)]
    device: DeviceArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Single faces timed for each batch: they are much quicker.
const FACES_PER_BATCH: u32 = 10;

pub(crate) fn run(args: Args) -> Result<()> {
    let (name, options) = match args.task {
        Task::Train(TrainArgs { options, .. }) => ("training", options),
        Task::Generate(options) => ("drawing", options),
    };
    options.validate()?;
    if options.json {
        progress::be_quiet();
    }
    let device = options.device.start()?;
    let table = matches!(args.task, Task::Train(TrainArgs { table: true, .. }));
    if table && device.cpu().is_none() {
        return Err(UsageError::new("--table times the passes of the processor's engine: add --device cpu").into());
    }
    // Before and after: whatever else the machine does must not lower the bar.
    let peak = || device.cpu().map(peak::measure_flops);
    let before = peak();
    let measured = match args.task {
        Task::Train(_) => train(&options, &device)?,
        Task::Generate(_) => generate(&options, &device)?,
    };
    let peak = before.zip(peak()).map(|(before, after)| before.max(after));
    let mut report = Report::new(&device, peak, options.model(), options.batch_size, &measured);
    if table {
        report = report.with_layers(&measured);
    }
    report.print(name, options.json)?;
    Ok(())
}

impl Options {
    fn model(&self) -> ModelConfig {
        let Self { image_size, channels, latent_dim, base_channels, .. } = *self;
        ModelConfig { image_size, channels, latent_dim, base_channels }
    }

    fn validate(&self) -> Result<(), UsageError> {
        let config = TrainConfig { model: self.model(), batch_size: self.batch_size, ..TrainConfig::default() };
        config.validate().map_err(UsageError::new)
    }
}

/// What was timed.
#[derive(Debug)]
struct Measured {
    /// Training steps, or batches of faces.
    steps: Vec<Duration>,
    /// Single faces.
    faces: Option<Vec<Duration>>,
    /// Multiply-adds of the convolutions for one picture, computed directly.
    direct: u64,
    /// Bytes the engine planned for.
    memory: Option<usize>,
    /// The convolutions' passes during all of `steps`.
    layers: Vec<LayerTime>,
}

fn train(options: &Options, device: &Device) -> Result<Measured> {
    let (model, batch) = (options.model(), options.batch_size);
    let recipe = Recipe::from(AdamConfig::default());
    let direct = work::training_step(&model);
    if let Device::Cpu(cpu) = device {
        let mut engine = CpuEngine::new(cpu.clone(), &model, recipe, batch)?;
        let steps = time_training(options, &mut engine, CpuEngine::reset_timings)?;
        let (memory, layers) = (Some(engine.memory_bytes()), engine.timings());
        return Ok(Measured { steps, faces: None, direct, memory, layers });
    }
    let mut engine = device.engine(&model, recipe, batch)?;
    let steps = time_training(options, &mut *engine, |_| ())?;
    Ok(Measured { steps, faces: None, direct, memory: Some(engine.memory_bytes()), layers: Vec::new() })
}

/// The time of each step on random pictures. `when_warm` is called before the first of them.
fn time_training<E: Engine + ?Sized>(
    options: &Options,
    engine: &mut E,
    when_warm: impl FnOnce(&mut E),
) -> Result<Vec<Duration>> {
    let (model, batch) = (options.model(), options.batch_size);
    let mut rng = TorchRng::seed_from_u64(0);
    engine.load_state(&initial_state(&model, Init::default(), &mut rng))?;
    let images: Vec<u8> = std::iter::repeat_with(|| rng.next_u32() as u8).take(batch * model.image_len()).collect();
    let mut reports = Vec::new();
    let mut run = |engine: &mut E, mut left: u32| -> Result<Vec<Duration>> {
        let mut times = Vec::new();
        while left > 0 {
            // As in training: the engine is given what it takes. Of steps that are under way together the mean is known, not each.
            let together = u32::try_from(engine.max_steps_in_flight()).unwrap_or(u32::MAX).clamp(1, left);
            let start = Instant::now();
            for _ in 0..together {
                engine.train_discriminator_real(&images)?;
                // Noise belongs to a step, as it does in training.
                engine.train_discriminator_fake(&rng.randn(batch * model.latent_dim))?;
                engine.train_generator(&rng.randn(batch * model.latent_dim))?;
            }
            reports.clear();
            engine.take_reports(&mut reports)?;
            times.extend(std::iter::repeat_n(start.elapsed() / together, together as usize));
            left -= together;
        }
        Ok(times)
    };
    run(engine, warm_up_steps(options.steps))?;
    when_warm(engine);
    run(engine, options.steps)
}

fn generate(options: &Options, device: &Device) -> Result<Measured> {
    let (model, batch) = (options.model(), options.batch_size);
    let network = Network::generator(&model);
    let mut rng = TorchRng::seed_from_u64(0);
    let tensors = initial_network(&network, Init::default(), &mut rng);
    let direct = work::forward(&network);
    let mut generator = device.generator(&network, &tensors)?;
    let noise = rng.randn(batch * model.latent_dim);
    let mut draw = |steps, noise: &[f32]| -> Result<Vec<Duration>> {
        let mut run = |steps| -> Result<Vec<Duration>> {
            let once = |_| {
                let start = Instant::now();
                generator.draw_values(noise)?;
                Ok(start.elapsed())
            };
            (0..steps).map(once).collect()
        };
        run(warm_up_steps(steps))?;
        run(steps)
    };
    let steps = draw(options.steps, &noise)?;
    let faces = draw(options.steps.saturating_mul(FACES_PER_BATCH), &noise[..model.latent_dim])?;
    Ok(Measured { steps, faces: Some(faces), direct, memory: None, layers: Vec::new() })
}

/// A tenth of the steps that will be timed, and two more: the first touch memory that was never used.
fn warm_up_steps(steps: u32) -> u32 {
    2 + steps / 10
}
