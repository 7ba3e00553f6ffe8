//! `dcgan bench`: how fast a device of this machine trains and draws.
//!
//! Pictures and noise are random and in memory, so that nothing but the arithmetic is timed; no file is read or
//! written.

mod report;
mod table;
mod work;

use crate::device::{Device, DeviceArgs, LocalRank};
use crate::usage::UsageError;
use crate::{limits, memory, progress, ranks};
use anyhow::Result;
use clap::Subcommand;
use dcgan_engine_cpu::{CpuEngine, LayerTime};
use dcgan_kernels::peak;
use dcgan_model::{
    CommunicationTime, Engine, Init, ModelConfig, Network, SingleRank, TimedTransport, TorchRng, Transport,
    initial_network, initial_state,
};
use dcgan_settings::RecipeOptions;
use dcgan_train::{Ranks, TrainConfig, train_step};
use report::BenchResult;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Arguments of `dcgan bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    task: Task,
}

#[allow(clippy::large_enum_variant)] // there is only ever one
#[derive(Debug, Subcommand)]
enum Task {
    /// Times training steps: discriminator on real, discriminator on fake, generator
    Train(TrainArgs),
    /// Times a generator: batches, and one face at a time
    Generate(GenerateArgs),
}

#[derive(Debug, Clone, clap::Args)]
struct TrainArgs {
    #[command(flatten)]
    options: Options,
    /// Show the time of each convolution's three passes
    #[arg(long)]
    table: bool,
    #[command(flatten)]
    recipe: RecipeOptions,
}

#[derive(Debug, Clone, Copy, clap::Args)]
struct GenerateArgs {
    #[command(flatten)]
    options: Options,
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
    #[arg(long, value_name = "N", default_value_t = ModelConfig::default().base_channels_g)]
    base_channels: usize,
}

/// What both tasks take.
#[derive(Debug, Clone, Copy, clap::Args)]
struct Options {
    /// Training steps or batches to time, after a warm-up
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    steps: u32,
    #[command(flatten)]
    device: DeviceArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Single faces timed for each batch: they are much quicker.
const FACES_PER_BATCH: u32 = 10;

/// Runs the benchmark, on all ranks if several processes were started with `mpirun`.
pub(crate) fn run(args: Args) -> Result<()> {
    ranks::with_others(ranks::join()?, |joined| run_rank(&args, joined))
}

/// Measures on this rank. Rank 0, or the only process, prints the result.
fn run_rank(args: &Args, joined: Option<&ranks::Session>) -> Result<()> {
    let ranks = joined.map(|joined| &joined.ranks);
    let (name, options, config) = match &args.task {
        Task::Train(args) => ("training", args.options, args.config(ranks)?),
        Task::Generate(args) => ("drawing", args.options, args.config()?),
    };
    if options.json {
        progress::be_quiet();
    }
    let device = options.device.start_on_rank(joined.map_or(LocalRank::ALONE, |joined| joined.local))?;
    if let Some(joined) = joined {
        joined.check_device(&device)?;
    }
    let is_root = ranks.is_none_or(Ranks::is_root);
    let table = matches!(args.task, Task::Train(TrainArgs { table: true, .. }));
    if table && device.cpu().is_none() {
        return Err(UsageError::new("--table times the passes of the processor's engine: add --device cpu").into());
    }
    // Measured before and after, because other processes may slow one measurement down. Other ranks certainly do.
    let peak = || device.cpu().filter(|_| ranks.is_none()).map(peak::measure_flops);
    let before = peak();
    let measured = match args.task {
        Task::Train(_) => train(&config, options.steps, &device, ranks)?,
        Task::Generate(_) => generate(&config, options.steps, &device)?,
    };
    let peak = before.zip(peak()).map(|(before, after)| before.max(after));
    let mut report = BenchResult::new(&device, peak, &config, &measured);
    if table {
        report = report.with_layers(&measured);
    }
    if is_root { report.print(name, options.json) } else { Ok(()) }
}

impl TrainArgs {
    /// The configuration of the steps, checked.
    fn config(&self, ranks: Option<&Ranks>) -> Result<TrainConfig, UsageError> {
        let shards = ranks.map_or(1, Ranks::count);
        self.recipe.clone().with_default_shards(shards).resolve().map_err(UsageError::from)
    }
}

impl GenerateArgs {
    /// The tutorial's configuration with the sizes of these arguments, checked.
    fn config(&self) -> Result<TrainConfig, UsageError> {
        let Self { batch_size, image_size, channels, latent_dim, base_channels, .. } = *self;
        let model = ModelConfig { image_size, channels, latent_dim, ..ModelConfig::TUTORIAL };
        let config =
            TrainConfig { model: model.with_base_channels(base_channels), batch_size, ..TrainConfig::TUTORIAL };
        config.validate().map_err(UsageError::new)?;
        Ok(config)
    }
}

/// What was timed.
#[derive(Debug)]
struct Timings {
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
    /// What training on several ranks takes.
    ranks: Option<RanksTiming>,
}

/// Timing of training on several ranks, measured by rank 0.
#[derive(Debug, Clone, Copy)]
struct RanksTiming {
    count: usize,
    shards: usize,
    /// Time of a step in communication, or in waiting for it, while nothing was computed.
    waiting: Duration,
    /// Time of a step in communication beside the computation, waiting for other ranks included.
    beside: Duration,
    /// Number of calls in a step.
    calls: f64,
    /// Median time of a step of rank 0 alone, with the whole batch in the same shards.
    alone: Duration,
}

/// Times training steps on random pictures and noise. Several ranks share each batch.
fn train(config: &TrainConfig, steps: u32, device: &Device, ranks: Option<&Ranks>) -> Result<Timings> {
    let (TrainConfig { model, batch_size: batch, .. }, recipe) = (*config, config.recipe());
    let direct = work::training_step(config);
    let timed = ranks.map(|ranks| Arc::new(TimedTransport::new(Arc::clone(ranks.transport()))));
    let transport = timed.as_ref().map(|timed| Arc::clone(timed) as Arc<dyn Transport>);
    if let Device::Cpu(cpu) = device {
        memory::check_steps(cpu, &model, recipe, batch, transport.as_ref(), limits::memory())?;
    }
    let alone = match ranks {
        Some(ranks) => time_alone(config, steps, device, ranks)?,
        None => None,
    };
    let when_warm = || {
        timed.as_ref().map(|timed| timed.take());
    };
    let (times, memory, layers) = match device {
        Device::Cpu(cpu) => {
            let transport = transport.unwrap_or_else(|| Arc::new(SingleRank));
            let mut engine = CpuEngine::with_transport(cpu.clone(), &model, recipe, batch, transport)?;
            let times = time_training(config, steps, &mut engine, |engine| {
                engine.reset_timings();
                when_warm();
            })?;
            (times, engine.memory_bytes(), engine.timings())
        }
        Device::Gpu(_) => {
            let mut engine = device.engine(&model, recipe, batch, transport.as_ref())?;
            let times = time_training(config, steps, &mut *engine, |_| when_warm())?;
            (times, engine.memory_bytes(), Vec::new())
        }
    };
    let ranks = ranks.zip(timed).zip(alone).map(|((ranks, timed), alone)| {
        let CommunicationTime { waiting, beside, calls } = timed.take();
        let [waiting, beside] = [waiting, beside].map(|time| time / steps);
        let calls = calls as f64 / f64::from(steps);
        RanksTiming { count: ranks.count(), shards: config.shards, waiting, beside, calls, alone }
    });
    Ok(Timings { steps: times, faces: None, direct, memory: Some(memory), layers, ranks })
}

/// The median time of a step of rank 0 with the whole batch, while the others wait. `None` on the others.
fn time_alone(config: &TrainConfig, steps: u32, device: &Device, ranks: &Ranks) -> Result<Option<Duration>> {
    let mut alone = None;
    if ranks.is_root() {
        let mut engine = device.engine(&config.model, config.recipe(), config.batch_size, None)?;
        let mut times = time_training(config, steps, &mut *engine, |_| ())?;
        times.sort();
        alone = Some(times[times.len() / 2]);
    }
    ranks.of_root(true)?;
    Ok(alone)
}

/// The time of each step on random pictures. `when_warm` is called before the first of them.
fn time_training<E: Engine + ?Sized>(
    config: &TrainConfig,
    steps: u32,
    engine: &mut E,
    when_warm: impl FnOnce(&mut E),
) -> Result<Vec<Duration>> {
    let mut rng = TorchRng::seed_from_u64(config.seed);
    engine.load_state(&initial_state(&config.model, config.init, &mut rng))?;
    let len = config.pictures_per_step() * config.model.image_len();
    let images: Vec<u8> = std::iter::repeat_with(|| rng.next_u32() as u8).take(len).collect();
    let mut reports = Vec::new();
    let mut run = |engine: &mut E, mut left: u32| -> Result<Vec<Duration>> {
        let mut times = Vec::new();
        while left > 0 {
            // As in training, the engine gets as many steps as it takes. For steps in flight together only the mean
            // time is known.
            let together = u32::try_from(engine.max_steps_in_flight()).unwrap_or(u32::MAX).clamp(1, left);
            let start = Instant::now();
            for _ in 0..together {
                train_step(config, engine, &mut rng, &images)?;
            }
            reports.clear();
            engine.take_reports(&mut reports)?;
            times.extend(std::iter::repeat_n(start.elapsed() / together, together as usize));
            left -= together;
        }
        Ok(times)
    };
    run(engine, warm_up_steps(steps))?;
    when_warm(engine);
    run(engine, steps)
}

/// Times the drawing of batches and of single faces.
fn generate(config: &TrainConfig, steps: u32, device: &Device) -> Result<Timings> {
    let TrainConfig { model, batch_size: batch, .. } = *config;
    let network = Network::generator(&model);
    let mut rng = TorchRng::seed_from_u64(0);
    let tensors = initial_network(&network, Init::default(), &mut rng);
    let direct = work::forward(&network);
    let generator = device.generator(&network, &tensors)?;
    let noise = rng.randn(batch * model.latent_dim);
    let draw = |steps, noise: &[f32]| -> Result<Vec<Duration>> {
        let run = |steps| -> Result<Vec<Duration>> {
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
    let batches = draw(steps, &noise)?;
    let faces = draw(steps.saturating_mul(FACES_PER_BATCH), &noise[..model.latent_dim])?;
    Ok(Timings { steps: batches, faces: Some(faces), direct, memory: None, layers: Vec::new(), ranks: None })
}

/// A tenth of the steps that will be timed, and two more: the first touch memory that was never used.
fn warm_up_steps(steps: u32) -> u32 {
    2 + steps / 10
}
