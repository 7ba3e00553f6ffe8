//! `dcgan bench`: how fast this machine trains and draws.
//!
//! Pictures and noise are random and in memory, so that nothing but the arithmetic is timed; no file is read or written.

mod report;
mod table;
mod work;

use crate::threads::ThreadArgs;
use crate::usage::UsageError;
use anyhow::Result;
use clap::Subcommand;
use dcgan_engine_cpu::{CpuEngine, CpuGenerator, LayerTime};
use dcgan_kernels::{Cpu, peak};
use dcgan_model::{AdamConfig, Engine, Generate, Init, ModelConfig, Network, TorchRng, initial_network, initial_state};
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
    threads: ThreadArgs,
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
    let cpu = options.threads.cpu()?;
    let (isa, threads) = (cpu.isa(), cpu.threads());
    // Before and after: whatever else the machine does must not lower the bar.
    let peak = peak::measure_flops(&cpu);
    let measured = match args.task {
        Task::Train(_) => train(&options, cpu)?,
        Task::Generate(_) => generate(&options, cpu)?,
    };
    let peak = peak.max(peak::measure_flops(&options.threads.cpu()?));
    let mut report = Report::new(isa, threads, peak, options.model(), options.batch_size, &measured);
    if let Task::Train(TrainArgs { table: true, .. }) = args.task {
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

fn train(options: &Options, cpu: Cpu) -> Result<Measured> {
    let (model, batch) = (options.model(), options.batch_size);
    let mut engine = CpuEngine::new(cpu, &model, AdamConfig::default(), batch)?;
    let mut rng = TorchRng::seed_from_u64(0);
    engine.load_state(&initial_state(&model, Init::default(), &mut rng))?;
    let images: Vec<u8> = std::iter::repeat_with(|| rng.next_u32() as u8).take(batch * model.image_len()).collect();
    let mut step = |engine: &mut CpuEngine| -> Result<()> {
        engine.train_discriminator_real(&images)?;
        // Noise belongs to a step, as it does in training.
        engine.train_discriminator_fake(&rng.randn(batch * model.latent_dim))?;
        engine.train_generator(&rng.randn(batch * model.latent_dim))?;
        Ok(())
    };
    warm_up(options.steps, || step(&mut engine))?;
    engine.reset_timings();
    let steps = time(options.steps, || step(&mut engine))?;
    let (memory, layers) = (Some(engine.memory_bytes()), engine.timings());
    Ok(Measured { steps, faces: None, direct: work::training_step(&model), memory, layers })
}

fn generate(options: &Options, cpu: Cpu) -> Result<Measured> {
    let (model, batch) = (options.model(), options.batch_size);
    let network = Network::generator(&model);
    let mut rng = TorchRng::seed_from_u64(0);
    let state = initial_network(&network, Init::default(), &mut rng);
    let mut generator = CpuGenerator::new(cpu, &network, &state)?;
    let noise = rng.randn(batch * model.latent_dim);
    let mut draw = |steps, noise: &[f32]| {
        let mut step = || {
            generator.generate(noise)?;
            Ok(())
        };
        warm_up(steps, &mut step)?;
        time(steps, step)
    };
    let steps = draw(options.steps, &noise)?;
    let faces = draw(options.steps.saturating_mul(FACES_PER_BATCH), &noise[..model.latent_dim])?;
    let direct = work::forward(&network);
    Ok(Measured { steps, faces: Some(faces), direct, memory: None, layers: Vec::new() })
}

/// Runs `step` a tenth as often as it will be timed, and twice more: the first touch memory that was never used.
fn warm_up(steps: u32, mut step: impl FnMut() -> Result<()>) -> Result<()> {
    (0..2 + steps / 10).try_for_each(|_| step())
}

/// The time of each of `steps` calls.
fn time(steps: u32, mut step: impl FnMut() -> Result<()>) -> Result<Vec<Duration>> {
    let once = |_| {
        let start = Instant::now();
        step()?;
        Ok(start.elapsed())
    };
    (0..steps).map(once).collect()
}
