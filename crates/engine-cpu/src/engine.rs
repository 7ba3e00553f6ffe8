//! The training engine: both networks and the three parts of a step.

use crate::generator::PreparedGenerator;
use crate::net::{Activations, Gradients, Mode, Net, Wanted};
use crate::optimizer::Optimizer;
use crate::timing::LayerTime;
use dcgan_kernels::augment::{self, Change, Size};
use dcgan_kernels::finish::Finish;
use dcgan_kernels::loss::{self, LossReport};
use dcgan_kernels::memory::Buffer;
use dcgan_kernels::{Cpu, ema, pixels};
use dcgan_model::{
    AdamConfig, AdamState, Augmentation, Engine, EngineError, Loss, ModelConfig, Network, NetworkState, Recipe,
    StateDict, StepReport, TrainState,
};

/// Trains a DCGAN on the CPU; see [`Engine`] for what it does.
#[derive(Debug)]
pub struct CpuEngine {
    cpu: Cpu,
    config: ModelConfig,
    recipe: Recipe,
    batch: usize,
    discriminator: Side,
    generator: Side,
    memory: Memory,
    /// The moving average of G's parameters; empty without [`Recipe::ema`].
    average: Buffer,
    /// What is done to the pictures of the next part of a step.
    changes: Vec<Change>,
    /// What the parts of a step found and nobody has taken yet.
    reports: Vec<StepReport>,
    /// Of all the memory above.
    bytes: usize,
}

/// Parts of a training step, and so its reports.
const PARTS: usize = 3;

/// A network with its optimizer and its activations.
#[derive(Debug)]
struct Side {
    network: Network,
    net: Net,
    optimizer: Optimizer,
    acts: Activations,
}

/// Where the discriminator's input comes from, and so what it should say.
#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    /// u8, NHWC; real.
    Images(&'a [u8]),
    /// For the generator; fake.
    Noise(&'a [f32]),
}

/// What both networks share.
#[derive(Debug)]
struct Memory {
    /// Real pictures in [−1, 1].
    images: Buffer,
    /// What D sees of real or generated pictures; empty without [`Recipe::augment`].
    augmented: Buffer,
    gradients: Gradients,
    scratch: Buffer,
}

impl Side {
    fn new(cpu: &Cpu, network: Network, batch: usize, adam: AdamConfig) -> Self {
        let net = Net::new(&network, batch);
        let (optimizer, acts) = (Optimizer::new(&net, adam), net.activations(cpu, batch));
        Self { network, net, optimizer, acts }
    }

    fn load(&mut self, state: &NetworkState) {
        self.net.load(&state.tensors);
        self.optimizer.load(&self.net, &state.adam);
    }

    fn state(&self) -> NetworkState {
        let adam: AdamState = self.optimizer.state(&self.net);
        NetworkState { tensors: self.net.state(), adam }
    }
}

impl CpuEngine {
    /// Plans and takes the memory to train networks of these sizes on batches of up to `batch` pictures. All weights are zero until
    /// [`Engine::load_state`].
    ///
    /// # Errors
    /// [`EngineError::OutOfMemory`] if the memory cannot be had.
    ///
    /// # Panics
    /// If `batch` is 0 or `config` was not validated.
    pub fn new(cpu: Cpu, config: &ModelConfig, recipe: impl Into<Recipe>, batch: usize) -> Result<Self, EngineError> {
        let recipe = recipe.into();
        assert!(batch > 0, "a batch of no pictures");
        let networks = [Network::discriminator(config), Network::generator(config)];
        let images = batch * config.image_len();
        let augmented = if recipe.augment { images } else { 0 };
        let averaged = |net: &Net| if recipe.ema.is_some() { net.layout.parameters_len } else { 0 };
        let bytes = {
            let nets = [&networks[0], &networks[1]].map(|network| Net::plan(network, batch));
            let nets = [&nets[0], &nets[1]];
            let scratch = scratch_len(&cpu, nets);
            let trained: usize = nets.iter().map(|net| net.train_len(&cpu, batch)).sum();
            size_of::<f32>()
                * (trained
                    + averaged(nets[1])
                    + Gradients::len(&cpu, nets, batch)
                    + images
                    + augmented
                    + scratch
                    + PreparedGenerator::len(&cpu, nets[1], batch))
        };
        // Asking for all of it at once tells whether the system has it, before anything is built.
        if Vec::<u8>::new().try_reserve_exact(bytes).is_err() {
            return Err(EngineError::OutOfMemory { mib: bytes.div_ceil(1 << 20) });
        }
        let [d, g] = networks;
        let discriminator = Side::new(&cpu, d, batch, recipe.discriminator);
        let generator = Side::new(&cpu, g, batch, recipe.generator);
        let nets = [&discriminator.net, &generator.net];
        let memory = Memory {
            images: Buffer::zeros(images),
            augmented: Buffer::zeros(augmented),
            gradients: Gradients::new(&cpu, nets, batch),
            scratch: Buffer::zeros(scratch_len(&cpu, nets)),
        };
        let average = Buffer::zeros(averaged(&generator.net));
        let (changes, reports) = (Vec::with_capacity(batch), Vec::with_capacity(PARTS));
        let config = *config;
        Ok(Self { cpu, config, recipe, batch, discriminator, generator, memory, average, changes, reports, bytes })
    }

    /// How long each pass of each convolution has taken since the start or [`CpuEngine::reset_timings`].
    pub fn timings(&self) -> Vec<LayerTime> {
        [&self.discriminator, &self.generator].into_iter().flat_map(|side| side.net.timings()).collect()
    }

    /// Forgets all times.
    pub fn reset_timings(&mut self) {
        self.discriminator.net.reset_timings();
        self.generator.net.reset_timings();
    }

    fn batch_of(&self, values: usize, item_len: usize) -> Result<usize, EngineError> {
        let batch = values / item_len;
        if values.is_multiple_of(item_len) && (1..=self.batch).contains(&batch) {
            Ok(batch)
        } else {
            Err(EngineError::Batch { got: values, max_batch: self.batch, item_len })
        }
    }

    fn size(&self) -> Size {
        let ModelConfig { image_size, channels, .. } = self.config;
        Size { height: image_size, width: image_size, channels }
    }

    /// Whether the next part's pictures, `batch` of them, are augmented.
    fn augments(&self, batch: usize) -> Result<bool, EngineError> {
        match self.changes.len() {
            0 => Ok(false),
            len if len == batch => Ok(true),
            _ => Err(EngineError::Augmentation("there must be one for each picture of the next part")),
        }
    }

    /// D forward on the first network input of `images`, loss, D backward, Adam(D).
    fn train_discriminator(&mut self, source: Source<'_>, batch: usize) -> Result<(), EngineError> {
        let (augments, size) = (self.augments(batch)?, self.size());
        let Self { cpu, discriminator, generator, memory, recipe, changes, .. } = self;
        let Memory { images, augmented, gradients, scratch } = memory;
        let cpu = &*cpu;
        let report = cpu.run(|| {
            let input: &[f32] = match source {
                Source::Images(bytes) => {
                    pixels::normalize(cpu, &mut images[..bytes.len()], bytes);
                    &images[..bytes.len()]
                }
                Source::Noise(noise) => {
                    generator.net.forward(cpu, Mode::TRAIN, &mut generator.acts, noise, batch, scratch);
                    generator.net.output(&generator.acts, batch)
                }
            };
            let input = if augments {
                let augmented = &mut augmented[..input.len()];
                augment::forward(cpu, augmented, input, changes, size);
                augmented
            } else {
                input
            };
            let Side { net, acts, optimizer, .. } = discriminator;
            net.forward(cpu, Mode::TRAIN, acts, input, batch, scratch);
            let goal = if matches!(source, Source::Images(_)) { Goal::Real } else { Goal::Fake };
            let found = evaluate(recipe, goal, &mut gradients.current[..batch], net.output(acts, batch));
            let wanted = Wanted { parameters: Some(&mut optimizer.gradient), input: None };
            net.backward(cpu, acts, input, gradients, wanted, batch, scratch);
            optimizer.step(cpu, net);
            report(found)
        });
        self.changes.clear();
        self.reports.push(report);
        Ok(())
    }

    /// G and D forward, loss, backward through D's inputs and G, Adam(G).
    fn train_generator(&mut self, noise: &[f32], batch: usize) -> Result<(), EngineError> {
        let (augments, size) = (self.augments(batch)?, self.size());
        let Self { cpu, discriminator, generator, memory, recipe, average, changes, .. } = self;
        let Memory { augmented, gradients, scratch, .. } = memory;
        let cpu = &*cpu;
        let report = cpu.run(|| {
            let Side { net, acts, optimizer, .. } = generator;
            net.forward(cpu, Mode::TRAIN, acts, noise, batch, scratch);
            let fakes = net.output(acts, batch);
            let shown = if augments {
                let augmented = &mut augmented[..fakes.len()];
                augment::forward(cpu, augmented, fakes, changes, size);
                augmented
            } else {
                fakes
            };
            let Side { net: d_net, acts: d_acts, .. } = discriminator;
            d_net.forward(cpu, Mode::TRAIN, d_acts, shown, batch, scratch);
            let found = evaluate(recipe, Goal::Deceive, &mut gradients.current[..batch], d_net.output(d_acts, batch));
            let finish = if augments { Finish::Nothing } else { net.output_gradient_finish(acts, batch) };
            let wanted = Wanted { parameters: None, input: Some(finish) };
            d_net.backward(cpu, d_acts, shown, gradients, wanted, batch, scratch);
            if augments {
                let Gradients { current, next, .. } = &mut *gradients;
                let gradient = &mut next[..fakes.len()];
                augment::backward(cpu, gradient, &current[..fakes.len()], changes, size);
                net.output_gradient(cpu, acts, gradient, batch);
                std::mem::swap(current, next);
            }
            let wanted = Wanted { parameters: Some(&mut optimizer.gradient), input: None };
            net.backward(cpu, acts, noise, gradients, wanted, batch, scratch);
            optimizer.step(cpu, net);
            if let Some(decay) = recipe.ema {
                ema::step(cpu, average, &net.parameters, Recipe::average_decay(decay, optimizer.steps()));
            }
            report(found)
        });
        self.changes.clear();
        self.reports.push(report);
        Ok(())
    }

    /// Checks that `generator` is a state_dict of this engine's G.
    fn check_generator(&self, generator: &StateDict) -> Result<(), EngineError> {
        let error = |error: dcgan_model::RecogniseError| EngineError::State {
            name: "of the generator".to_owned(),
            problem: error.to_string(),
        };
        self.generator.network.check(generator).map_err(error)
    }
}

/// What D should say in a part of a step.
#[derive(Debug, Clone, Copy)]
enum Goal {
    /// D learns that these are real.
    Real,
    /// D learns that these are fake.
    Fake,
    /// G learns to have them called real.
    Deceive,
}

/// The recipe's loss of D's outputs, and its gradient.
fn evaluate(recipe: &Recipe, goal: Goal, gradient: &mut [f32], outputs: &[f32]) -> LossReport {
    let label = recipe.real_label;
    match (recipe.loss, goal) {
        (Loss::Bce, Goal::Real) if label != 1.0 => loss::bce_with_label(gradient, outputs, label),
        (Loss::Bce, Goal::Real | Goal::Deceive) => loss::bce_with_logits(gradient, outputs, true),
        (Loss::Bce, Goal::Fake) => loss::bce_with_logits(gradient, outputs, false),
        (Loss::LeastSquares, Goal::Real) => loss::least_squares(gradient, outputs, label),
        (Loss::LeastSquares, Goal::Deceive) => loss::least_squares(gradient, outputs, 1.0),
        (Loss::LeastSquares, Goal::Fake) => loss::least_squares(gradient, outputs, 0.0),
        (Loss::Hinge, Goal::Real) => loss::hinge(gradient, outputs, true),
        (Loss::Hinge, Goal::Fake) => loss::hinge(gradient, outputs, false),
        (Loss::Hinge, Goal::Deceive) => loss::hinge_generator(gradient, outputs),
    }
}

fn scratch_len(cpu: &Cpu, nets: [&Net; 2]) -> usize {
    nets.iter().map(|net| net.scratch_len(cpu)).max().unwrap_or(0)
}

fn report(LossReport { loss, mean_output }: LossReport) -> StepReport {
    StepReport { loss, mean_output }
}

impl Engine for CpuEngine {
    fn description(&self) -> String {
        format!("CPU, {}, {} threads", self.cpu.isa().name(), self.cpu.threads())
    }

    fn memory_bytes(&self) -> usize {
        self.bytes
    }

    fn max_steps_in_flight(&self) -> usize {
        1
    }

    fn load_state(&mut self, state: &TrainState) -> Result<(), EngineError> {
        self.discriminator.network.check_state(&state.discriminator)?;
        self.generator.network.check_state(&state.generator)?;
        if let Some(average) = &state.average {
            self.generator.network.check_parameters(average, "average")?;
        }
        self.discriminator.load(&state.discriminator);
        self.generator.load(&state.generator);
        if self.recipe.ema.is_some() {
            let net = &self.generator.net;
            match &state.average {
                Some(average) => net.layout.read(&mut self.average, average, true),
                None => self.average.copy_from_slice(&net.parameters),
            }
        }
        self.changes.clear();
        self.reports.clear();
        Ok(())
    }

    fn state(&self) -> Result<TrainState, EngineError> {
        let average = self.recipe.ema.map(|_| {
            let mut average = StateDict::new();
            self.generator.net.layout.write(&mut average, &self.average, true);
            average
        });
        Ok(TrainState { discriminator: self.discriminator.state(), generator: self.generator.state(), average })
    }

    fn gradients(&self) -> Result<[StateDict; 2], EngineError> {
        Ok([&self.discriminator, &self.generator].map(|side| side.optimizer.gradient(&side.net)))
    }

    fn scale_learning_rates(&mut self, scale: f64) {
        self.discriminator.optimizer.scale_learning_rate(scale);
        self.generator.optimizer.scale_learning_rate(scale);
    }

    fn non_finite(&self) -> Result<Option<String>, EngineError> {
        let Self { cpu, discriminator, generator, .. } = self;
        let sides = [discriminator, generator];
        let in_network = |place: String, side: &Side| format!("{place} in the {} is not finite", side.network.role);
        Ok(cpu.run(|| {
            // Gradients first: they are what makes the rest go wrong.
            let gradients =
                sides.iter().find_map(|side| Some(in_network(side.optimizer.non_finite(cpu, &side.net)?, side)));
            gradients.or_else(|| sides.iter().find_map(|side| Some(in_network(side.net.non_finite(cpu)?, side))))
        }))
    }

    fn train_discriminator_real(&mut self, images: &[u8]) -> Result<(), EngineError> {
        let batch = self.batch_of(images.len(), self.config.image_len())?;
        self.train_discriminator(Source::Images(images), batch)
    }

    fn train_discriminator_fake(&mut self, noise: &[f32]) -> Result<(), EngineError> {
        let batch = self.batch_of(noise.len(), self.config.latent_dim)?;
        self.train_discriminator(Source::Noise(noise), batch)
    }

    fn train_generator(&mut self, noise: &[f32]) -> Result<(), EngineError> {
        let batch = self.batch_of(noise.len(), self.config.latent_dim)?;
        self.train_generator(noise, batch)
    }

    fn take_reports(&mut self, reports: &mut Vec<StepReport>) -> Result<(), EngineError> {
        reports.append(&mut self.reports);
        Ok(())
    }

    fn generate(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        // Previews are rare: preparing the weights each time is cheaper than memory for them all the time.
        PreparedGenerator::new(&self.cpu, &self.generator.net, &self.config, self.batch).generate(&self.cpu, noise)
    }

    fn set_augmentations(&mut self, augmentations: &[Augmentation]) -> Result<(), EngineError> {
        self.recipe.check_augmentations(augmentations, self.config.image_size)?;
        self.changes.clear();
        self.changes.extend(augmentations.iter().map(|&augmentation| {
            let Augmentation { brightness, saturation, contrast, translation, cutout } = augmentation;
            Change { brightness, saturation, contrast, translation, cutout: cutout.map(|[start, end]| start..end) }
        }));
        Ok(())
    }

    fn averaged_generator(&self) -> Result<Option<StateDict>, EngineError> {
        Ok(self.recipe.ema.map(|_| self.generator.net.state_with(&self.average)))
    }

    fn calibrate(&mut self, generator: &StateDict, noise: &[f32]) -> Result<StateDict, EngineError> {
        self.check_generator(generator)?;
        let vectors = self.batch * self.config.latent_dim;
        if noise.is_empty() || !noise.len().is_multiple_of(vectors) {
            return Err(EngineError::Batch { got: noise.len(), max_batch: usize::MAX, item_len: vectors });
        }
        let Self { cpu, generator: Side { net, acts, .. }, memory, batch, .. } = self;
        let cpu = &*cpu;
        Ok(net.with(generator, |net| {
            cpu.run(|| {
                for (index, noise) in noise.chunks_exact(vectors).enumerate() {
                    // The first batch's statistics replace those that were there.
                    let momentum = 1.0 / (index + 1) as f32;
                    net.forward(cpu, Mode::Train(momentum), acts, noise, *batch, &mut memory.scratch);
                }
            });
            net.state()
        }))
    }

    fn generate_from(&mut self, generator: &StateDict, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        self.check_generator(generator)?;
        let Self { cpu, generator: Side { net, .. }, config, batch, .. } = self;
        net.with(generator, |net| PreparedGenerator::new(cpu, net, config, *batch)).generate(cpu, noise)
    }
}
