//! The training engine: both networks and the three parts of a step.

use crate::activations::{Activations, Gradients, Mode};
use crate::batch::Batch;
use crate::batch_statistics;
use crate::generator::PreparedGenerator;
use crate::gradient::ParameterGradient;
use crate::net::Net;
use crate::optimizer::Optimizer;
use crate::outputs::{DiscriminatorInput, Outputs};
use crate::penalty::Penalty;
use crate::timing::LayerTime;
use dcgan_kernels::Cpu;
use dcgan_kernels::augment::Transform;
use dcgan_kernels::memory::Buffer;
use dcgan_model::{
    AdamConfig, AdamState, Augmentation, DiscriminatorNorm, Engine, EngineError, ModelConfig, Network, NetworkState,
    Recipe, Shards, SingleRank, StateDict, StepReport, TrainState, Transport,
};
use std::ops::Range;
use std::sync::Arc;

/// Trains a DCGAN on the CPU; see [`Engine`] for what it does.
#[derive(Debug)]
pub struct CpuEngine {
    pub(crate) cpu: Cpu,
    pub(crate) config: ModelConfig,
    pub(crate) recipe: Recipe,
    /// Number of images of a whole batch, at most.
    batch: usize,
    pub(crate) shards: Shards,
    pub(crate) discriminator: Side,
    pub(crate) generator: Side,
    pub(crate) memory: Memory,
    /// Number of real images of the discriminator's last part, on all ranks, that the generator's are paired with.
    pub(crate) reals: usize,
    /// The moving average of G's parameters; empty without [`Recipe::ema`].
    pub(crate) average: Buffer,
    /// Transforms of the images of the next part of a step.
    pub(crate) augmentations: Vec<Transform>,
    /// Reports that were not taken yet.
    pub(crate) reports: Vec<StepReport>,
    /// Number of bytes of all the memory above.
    bytes: usize,
}

/// Number of parts of a training step, and of its reports.
const PARTS: usize = 3;

/// A network with its optimizer and its activations.
#[derive(Debug)]
pub(crate) struct Side {
    network: Network,
    pub(crate) net: Net,
    pub(crate) optimizer: Optimizer,
    pub(crate) acts: Activations,
}

/// Memory that both networks share.
#[derive(Debug)]
pub(crate) struct Memory {
    /// Real images in [−1, 1]. Empty if D reads them from `inputs` without augmentation.
    pub(crate) images: Buffer,
    /// Input of D: augmented images, or generated and real images in one batch. Empty if D reads them elsewhere.
    pub(crate) inputs: Buffer,
    /// This rank's real images in `inputs` that the generator's are paired with.
    pub(crate) reals: Range<usize>,
    pub(crate) gradients: Gradients,
    /// Per-image factors of the loss and the penalty; memory of the penalty.
    pub(crate) penalty: Option<Penalty>,
    pub(crate) outputs: Outputs,
    pub(crate) scratch: Buffer,
}

/// Number of this rank's images that each block of [`Memory`] and the activations of D have room for.
#[derive(Debug, Clone, Copy)]
struct Batches {
    discriminator: usize,
    images: usize,
    inputs: usize,
}

impl Batches {
    fn new(config: &ModelConfig, recipe: &Recipe, batch: usize) -> Self {
        let augmented = if recipe.augment { batch } else { 0 };
        match config.norm_d {
            DiscriminatorNorm::Batch => Self { discriminator: batch, images: batch, inputs: augmented },
            DiscriminatorNorm::Spectral | DiscriminatorNorm::None => {
                Self { discriminator: 2 * batch, images: augmented, inputs: 2 * batch }
            }
        }
    }
}

impl Side {
    fn new(cpu: &Cpu, network: Network, batch: usize, adam: AdamConfig, shards: &Shards) -> Self {
        let net = Net::new(cpu, &network, batch);
        let (optimizer, acts) = (Optimizer::new(&net, adam, shards), net.activations(batch, shards));
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

/// Number of values of the average of G's weights, if there is one.
fn averaged_len(recipe: &Recipe, generator: &Net) -> usize {
    if recipe.ema.is_some() { generator.layout.parameters_len } else { 0 }
}

impl CpuEngine {
    /// Allocates the memory to train networks of these sizes on batches of up to `batch` images. All weights are zero
    /// until [`Engine::load_state`].
    ///
    /// # Errors
    /// [`EngineError::OutOfMemory`] if there is not enough memory, [`EngineError::Recipe`] or [`EngineError::Shards`]
    /// for an impossible recipe.
    ///
    /// # Panics
    /// If `batch` is 0 or `config` was not validated.
    pub fn new(cpu: Cpu, config: &ModelConfig, recipe: impl Into<Recipe>, batch: usize) -> Result<Self, EngineError> {
        Self::with_transport(cpu, config, recipe, batch, Arc::new(SingleRank))
    }

    /// As [`CpuEngine::new`], for one of several ranks that train together. Every rank is given whole batches of up to
    /// `batch` images, and computes its share of them. All ranks must make the same calls in the same order; they hold
    /// the same state, to the bit.
    ///
    /// # Errors
    /// Those of [`CpuEngine::new`].
    ///
    /// # Panics
    /// As [`CpuEngine::new`].
    pub fn with_transport(
        cpu: Cpu,
        config: &ModelConfig,
        recipe: impl Into<Recipe>,
        batch: usize,
        transport: Arc<dyn Transport>,
    ) -> Result<Self, EngineError> {
        let recipe = recipe.into();
        assert!(batch > 0, "a batch of no pictures");
        recipe.check(config)?;
        let shards = Shards::new(recipe.shards, transport)?;
        let bytes = planned_bytes(&cpu, config, &recipe, batch, &shards);
        // Asking for all of it at once tells whether the system has it, before anything is built.
        if Vec::<u8>::new().try_reserve_exact(bytes).is_err() {
            return Err(EngineError::OutOfMemory { mib: bytes.div_ceil(1 << 20) });
        }
        let own_batch = shards.max_own_images(batch);
        let batches = Batches::new(config, &recipe, own_batch);
        let [images, inputs] = [batches.images, batches.inputs].map(|count| count * config.image_len());
        let [d, g] = [Network::discriminator(config), Network::generator(config)];
        let discriminator = Side::new(&cpu, d, batches.discriminator, recipe.discriminator, &shards);
        let generator = Side::new(&cpu, g, own_batch, recipe.generator, &shards);
        let (d, g) = (&discriminator.net, &generator.net);
        let memory = Memory {
            images: Buffer::zeros(images),
            inputs: Buffer::zeros(inputs),
            reals: 0..0,
            gradients: Gradients::new([(d, batches.discriminator), (g, own_batch)]),
            penalty: recipe.has_penalty().then(|| Penalty::new(d, batches.discriminator)),
            outputs: Outputs::new(2 * batch),
            scratch: Buffer::zeros(scratch_len([d, g])),
        };
        let average = Buffer::zeros(averaged_len(&recipe, &generator.net));
        let (augmentations, reports) = (Vec::with_capacity(2 * batch), Vec::with_capacity(PARTS));
        let config = *config;
        Ok(Self {
            cpu,
            config,
            recipe,
            batch,
            shards,
            discriminator,
            generator,
            memory,
            reals: 0,
            average,
            augmentations,
            reports,
            bytes,
        })
    }

    /// Number of bytes of memory that [`CpuEngine::with_transport`] takes for batches of up to `batch` images; with
    /// `None` that of [`CpuEngine::new`].
    ///
    /// # Errors
    /// [`EngineError::Shards`] if the recipe has no shard for each rank.
    ///
    /// # Panics
    /// If `batch` is 0 or `config` was not validated.
    pub fn planned_bytes(
        cpu: &Cpu,
        config: &ModelConfig,
        recipe: impl Into<Recipe>,
        batch: usize,
        transport: Option<&Arc<dyn Transport>>,
    ) -> Result<usize, EngineError> {
        let recipe = recipe.into();
        let transport = transport.map_or_else(|| Arc::new(SingleRank) as Arc<dyn Transport>, Arc::clone);
        let shards = Shards::new(recipe.shards, transport)?;
        Ok(planned_bytes(cpu, config, &recipe, batch, &shards))
    }

    /// Returns the time that each pass of each convolution has taken since the start or [`CpuEngine::reset_timings`].
    pub fn timings(&self) -> Vec<LayerTime> {
        [&self.discriminator, &self.generator].into_iter().flat_map(|side| side.net.timings()).collect()
    }

    /// Resets all times to zero.
    pub fn reset_timings(&mut self) {
        self.discriminator.net.reset_timings();
        self.generator.net.reset_timings();
    }
}

/// Number of bytes of the memory of one rank.
fn planned_bytes(cpu: &Cpu, config: &ModelConfig, recipe: &Recipe, batch: usize, shards: &Shards) -> usize {
    let own_batch = shards.max_own_images(batch);
    let batches = Batches::new(config, recipe, own_batch);
    let d = Net::plan(cpu, &Network::discriminator(config), batches.discriminator);
    let g = Net::plan(cpu, &Network::generator(config), own_batch);
    let penalty = if recipe.has_penalty() { Penalty::len(&d, batches.discriminator) } else { 0 };
    let nets = [(&d, batches.discriminator), (&g, own_batch)].map(|(net, batch)| {
        net.weights_len()
            + ParameterGradient::partials_len(&net.parameter_places(), shards)
            + net.activations_len(batch, shards)
    });
    size_of::<f32>()
        * (nets.iter().sum::<usize>()
            + averaged_len(recipe, &g)
            + Gradients::len([(&d, batches.discriminator), (&g, own_batch)])
            + penalty
            + (batches.images + batches.inputs) * config.image_len()
            + Outputs::len(2 * batch)
            + scratch_len([&d, &g])
            + PreparedGenerator::len(cpu, &g, batch))
}

fn scratch_len(nets: [&Net; 2]) -> usize {
    nets.iter().map(|net| net.scratch_len()).max().unwrap_or(0)
}

impl Engine for CpuEngine {
    fn description(&self) -> String {
        let (isa, threads) = (self.cpu.isa().name(), self.cpu.threads());
        format!("CPU, {isa}, {threads} {}", if threads == 1 { "thread" } else { "threads" })
    }

    fn recipe(&self) -> Recipe {
        self.recipe
    }

    fn memory_bytes(&self) -> usize {
        self.bytes
    }

    fn max_steps_in_flight(&self) -> usize {
        1
    }

    fn load_state(&mut self, state: &TrainState) -> Result<(), EngineError> {
        state.check(&self.discriminator.network, &self.generator.network)?;
        self.discriminator.load(&state.discriminator);
        self.generator.load(&state.generator);
        if self.recipe.ema.is_some() {
            let net = &self.generator.net;
            match &state.average {
                Some(average) => net.layout.read(&mut self.average, average, true),
                None => self.average.copy_from_slice(&net.parameters),
            }
        }
        self.augmentations.clear();
        self.reports.clear();
        (self.reals, self.memory.reals) = (0, 0..0);
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
            // Gradients first: other values are not finite because of them.
            let gradients =
                sides.iter().find_map(|side| Some(in_network(side.optimizer.non_finite(cpu, &side.net)?, side)));
            gradients.or_else(|| sides.iter().find_map(|side| Some(in_network(side.net.non_finite(cpu)?, side))))
        }))
    }

    fn train_discriminator_real(&mut self, images: &[u8]) -> Result<(), EngineError> {
        self.config.check_separate_batches()?;
        let batch = self.config.check_images(images.len(), self.batch)?;
        self.train_discriminator(DiscriminatorInput::Images(images), batch)
    }

    fn train_discriminator_fake(&mut self, noise: &[f32]) -> Result<(), EngineError> {
        self.config.check_separate_batches()?;
        let batch = self.config.check_noise(noise.len(), self.batch)?;
        self.train_discriminator(DiscriminatorInput::Noise(noise), batch)
    }

    fn train_discriminator(&mut self, images: &[u8], noise: &[f32]) -> Result<(), EngineError> {
        self.config.check_joint_batch()?;
        let reals = self.config.check_images(images.len(), self.batch)?;
        let fakes = self.config.check_noise(noise.len(), self.batch)?;
        self.train_discriminator_on_both(images, noise, [reals, fakes])?;
        self.reals = reals;
        Ok(())
    }

    fn train_generator(&mut self, noise: &[f32]) -> Result<(), EngineError> {
        let batch = self.config.check_noise(noise.len(), self.batch)?;
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

    fn generate_with_batch_statistics(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        let Side { network, net, .. } = &self.generator;
        batch_statistics::generate(&self.cpu, network, &net.state(), noise)
    }

    fn set_augmentations(&mut self, augmentations: &[Augmentation]) -> Result<(), EngineError> {
        self.recipe.check_augmentations(augmentations, self.config.image_size)?;
        self.augmentations.clear();
        self.augmentations.extend(augmentations.iter().map(
            |&Augmentation { brightness, saturation, contrast, translation, cutout }| Transform {
                brightness,
                saturation,
                contrast,
                translation,
                cutout,
            },
        ));
        Ok(())
    }

    fn averaged_generator(&self) -> Result<Option<StateDict>, EngineError> {
        Ok(self.recipe.ema.map(|_| self.generator.net.state_with(&self.average)))
    }

    fn calibrate(&mut self, generator: &StateDict, noise: &[f32]) -> Result<StateDict, EngineError> {
        self.generator.network.check_tensors(generator)?;
        let vectors = self.batch * self.config.latent_dim;
        self.config.check_whole_batches(noise.len(), self.batch)?;
        let Self { cpu, generator: Side { net, acts, .. }, memory, batch, shards, config, .. } = self;
        let cpu = &*cpu;
        let own = shards.own_images(*batch);
        let own = own.start * config.latent_dim..own.end * config.latent_dim;
        net.with(generator, |net| {
            cpu.run(|| {
                for (index, noise) in noise.chunks_exact(vectors).enumerate() {
                    // The first batch's statistics replace those that were there.
                    let mode = Mode::Train(1.0 / (index + 1) as f32);
                    let mut batch = Batch::new(shards, *batch);
                    net.forward(cpu, mode, acts, &noise[own.clone()], &mut batch, &mut memory.scratch)?;
                }
                Ok(net.state())
            })
        })
    }

    fn generate_from(&mut self, generator: &StateDict, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        self.generator.network.check_tensors(generator)?;
        let Self { cpu, generator: Side { net, .. }, config, batch, .. } = self;
        net.with(generator, |net| PreparedGenerator::new(cpu, net, config, *batch)).generate(cpu, noise)
    }
}
