//! The training engine: both networks, their optimizers, and the trait [`Engine`].

use crate::batch::Batch;
use crate::batch_norm::{MOMENTUM, Mode};
use crate::device::GpuDevice;
use crate::inference::{draw, to_nchw, to_nhwc};
use crate::inputs::{DiscriminatorInput, upload_noise};
use crate::memory;
use crate::net::Net;
use crate::optimizer::Optimizer;
use crate::reduce::sum;
use crate::transfer::{download, guarded};
use burn_tensor::{Device, Tensor};
use dcgan_model::{
    AdamConfig, Augmentation, Engine, EngineError, Loss, ModelConfig, Network, NetworkState, Recipe, Shards,
    SingleRank, StateDict, StepReport, TrainState, Transport,
};
use std::sync::Arc;

/// Number of steps that may be under way on the device: enough that it seldom waits for reports to be fetched. Not
/// measured on a real GPU; the training loop takes fewer if they take long.
const MAX_STEPS_IN_FLIGHT: usize = 16;

/// Trains a DCGAN on a GPU; see [`Engine`] for what it does.
#[derive(Debug)]
pub struct GpuEngine {
    pub(crate) gpu: GpuDevice,
    pub(crate) config: ModelConfig,
    pub(crate) recipe: Recipe,
    /// Number of images of a whole batch, at most.
    pub(crate) batch: usize,
    pub(crate) shards: Shards,
    pub(crate) discriminator: Side,
    pub(crate) generator: Side,
    /// The moving average of G's parameters; empty without [`Recipe::ema`].
    pub(crate) average: Vec<Tensor<2>>,
    /// Transforms of the images of the next part of a step.
    pub(crate) augmentations: Vec<Augmentation>,
    /// The reports that were not taken yet.
    pub(crate) reports: Vec<PendingReport>,
    /// The real images that D saw last, for the pairs of the relativistic loss.
    pub(crate) reals: Option<Reals>,
}

/// Real images that generated ones are paired with.
#[derive(Debug)]
pub(crate) struct Reals {
    /// Number of them in the whole batch.
    pub(crate) count: usize,
    /// Those of each part.
    pub(crate) parts: Vec<Tensor<4>>,
}

/// The report of a part of a step, on the device.
#[derive(Debug)]
pub(crate) struct PendingReport {
    /// Loss, mean output and mean squared gradient; the last is 0 if it was not computed.
    pub(crate) values: Tensor<1>,
    pub(crate) has_gradient_norm: bool,
}

/// A network with its optimizer.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) network: Network,
    pub(crate) net: Net,
    pub(crate) optimizer: Optimizer,
}

impl Side {
    fn new(network: Network, adam: AdamConfig, device: &Device) -> Self {
        let net = Net::new(&network, device);
        let optimizer = Optimizer::new(&net, adam);
        Self { network, net, optimizer }
    }

    fn load(&mut self, state: &NetworkState, device: &Device) {
        self.net.load(&state.tensors, device);
        self.optimizer.load(&self.net, &state.adam, device);
    }

    fn state(&self) -> Result<NetworkState, EngineError> {
        Ok(NetworkState { tensors: self.net.state()?, adam: self.optimizer.state(&self.net)? })
    }

    /// Returns the gradients and their mean squares, each with a description for messages.
    fn gradients(&self) -> Vec<(String, Tensor<2>)> {
        let Self { network, net, optimizer } = self;
        let named = |what: &'static str, values: &[Tensor<2>]| {
            let place = move |name: &str| format!("{what} {name} in the {}", network.role);
            let places = net.parameters.iter().map(move |parameter| place(&parameter.name));
            places.zip(values.to_vec()).collect::<Vec<_>>()
        };
        let mut gradients = named("the gradient of", &optimizer.gradients);
        gradients.extend(named("the mean squared gradient of", &optimizer.exp_avg_sq));
        gradients
    }

    /// Returns the float tensors of the network, each with a description for messages.
    fn floats(&self) -> Vec<(String, Tensor<2>)> {
        let floats = self.net.floats().into_iter();
        floats.map(|(place, values)| (format!("{place} in the {}", self.network.role), values)).collect()
    }
}

impl GpuEngine {
    /// Allocates the memory to train networks of these sizes on batches of up to `batch` images. All weights are zero
    /// until [`Engine::load_state`].
    ///
    /// # Errors
    /// [`EngineError::DeviceMemory`] if the device does not have enough memory, [`EngineError::Recipe`] or
    /// [`EngineError::Shards`] for an impossible recipe.
    ///
    /// # Panics
    /// If `batch` is 0 or `config` was not validated.
    pub fn new(
        gpu: &GpuDevice,
        config: &ModelConfig,
        recipe: impl Into<Recipe>,
        batch: usize,
    ) -> Result<Self, EngineError> {
        Self::with_transport(gpu, config, recipe, batch, Arc::new(SingleRank))
    }

    /// As [`GpuEngine::new`], for one of several ranks that train together. Every rank is given whole batches of up to
    /// `batch` images, and computes its share of them. All ranks must make the same calls in the same order, with
    /// devices and drivers of the same kind: then they hold the same state, to the bit.
    ///
    /// With more shards than one, the device waits for the host at every batch norm, forward and backward, for the
    /// discriminator's outputs, and where gradients are sent to other ranks.
    ///
    /// # Errors
    /// Those of [`GpuEngine::new`].
    ///
    /// # Panics
    /// As [`GpuEngine::new`].
    pub fn with_transport(
        gpu: &GpuDevice,
        config: &ModelConfig,
        recipe: impl Into<Recipe>,
        batch: usize,
        transport: Arc<dyn Transport>,
    ) -> Result<Self, EngineError> {
        let recipe = recipe.into();
        assert!(batch > 0, "a batch of no pictures");
        recipe.check(config)?;
        let shards = Shards::new(recipe.shards, transport)?;
        memory::check(gpu, batch, |batch| memory::planned(config, &recipe, batch, &shards))?;
        let device = gpu.burn();
        let discriminator = Side::new(Network::discriminator(config), recipe.discriminator, device);
        let generator = Side::new(Network::generator(config), recipe.generator, device);
        let average = if recipe.ema.is_some() { generator.net.values() } else { Vec::new() };
        Ok(Self {
            gpu: gpu.clone(),
            config: *config,
            recipe,
            batch,
            shards,
            discriminator,
            generator,
            average,
            augmentations: Vec::new(),
            reports: Vec::new(),
            reals: None,
        })
    }

    /// Starts the operations described so far, without waiting for them.
    fn start(&self) -> Result<(), EngineError> {
        self.gpu.flush()
    }
}

impl Engine for GpuEngine {
    fn description(&self) -> String {
        self.gpu.description()
    }

    fn recipe(&self) -> Recipe {
        self.recipe
    }

    fn memory_bytes(&self) -> usize {
        memory::planned(&self.config, &self.recipe, self.batch, &self.shards)
    }

    fn max_steps_in_flight(&self) -> usize {
        MAX_STEPS_IN_FLIGHT
    }

    fn load_state(&mut self, state: &TrainState) -> Result<(), EngineError> {
        state.check(&self.discriminator.network, &self.generator.network)?;
        self.augmentations.clear();
        self.reports.clear();
        self.reals = None;
        guarded(|| {
            let device = self.gpu.burn();
            self.discriminator.load(&state.discriminator, device);
            self.generator.load(&state.generator, device);
            if self.recipe.ema.is_some() {
                let net = &self.generator.net;
                self.average = match &state.average {
                    Some(average) => net.read_parameters(average, device),
                    None => net.values(),
                };
            }
            self.start()
        })
    }

    fn state(&self) -> Result<TrainState, EngineError> {
        let average = match self.recipe.ema {
            Some(_) => Some(self.generator.net.write_parameters(&self.average)?),
            None => None,
        };
        Ok(TrainState { discriminator: self.discriminator.state()?, generator: self.generator.state()?, average })
    }

    fn set_augmentations(&mut self, augmentations: &[Augmentation]) -> Result<(), EngineError> {
        self.recipe.check_augmentations(augmentations, self.config.image_size)?;
        self.augmentations = augmentations.to_vec();
        Ok(())
    }

    fn gradients(&self) -> Result<[StateDict; 2], EngineError> {
        let gradients = |side: &Side| side.net.write_parameters(&side.optimizer.gradients);
        Ok([gradients(&self.discriminator)?, gradients(&self.generator)?])
    }

    fn scale_learning_rates(&mut self, scale: f64) {
        self.discriminator.optimizer.scale_learning_rate(scale);
        self.generator.optimizer.scale_learning_rate(scale);
    }

    fn non_finite(&self) -> Result<Option<String>, EngineError> {
        // A sum of magnitudes is finite if all values are, or nearly always: then one number for each tensor comes
        // back, and no tensor.
        let sides = [&self.discriminator, &self.generator];
        // Gradients first: other values are not finite because of them.
        let tensors = sides.iter().flat_map(|side| side.gradients()).chain(sides.iter().flat_map(|side| side.floats()));
        let (places, tensors): (Vec<String>, Vec<Tensor<2>>) = tensors.unzip();
        let sums = tensors.iter().map(|tensor| sum(tensor.clone().abs())).collect();
        let sums = download(vec![Tensor::cat(sums, 0)])?.concat();
        for ((place, tensor), sum) in places.into_iter().zip(tensors).zip(sums) {
            if !sum.is_finite() && download(vec![tensor])?.concat().iter().any(|value| !value.is_finite()) {
                return Ok(Some(format!("{place} is not finite")));
            }
        }
        Ok(None)
    }

    fn train_discriminator_real(&mut self, images: &[u8]) -> Result<(), EngineError> {
        self.config.check_separate_batches()?;
        let batch = self.config.check_images(images.len(), self.batch)?;
        let augmentations = self.take_augmentations(batch)?;
        guarded(|| {
            self.train_discriminator(DiscriminatorInput::Images(images), batch, &augmentations)?;
            self.start()
        })
    }

    fn train_discriminator_fake(&mut self, noise: &[f32]) -> Result<(), EngineError> {
        self.config.check_separate_batches()?;
        let batch = self.config.check_noise(noise.len(), self.batch)?;
        let augmentations = self.take_augmentations(batch)?;
        guarded(|| {
            self.train_discriminator(DiscriminatorInput::Noise(noise), batch, &augmentations)?;
            self.start()
        })
    }

    fn train_discriminator(&mut self, images: &[u8], noise: &[f32]) -> Result<(), EngineError> {
        self.config.check_joint_batch()?;
        let reals = self.config.check_images(images.len(), self.batch)?;
        let fakes = self.config.check_noise(noise.len(), self.batch)?;
        let augmentations = self.take_augmentations(reals + fakes)?;
        guarded(|| {
            self.train_discriminator_on_both(images, noise, [reals, fakes], &augmentations)?;
            self.start()
        })
    }

    fn train_generator(&mut self, noise: &[f32]) -> Result<(), EngineError> {
        if self.recipe.loss == Loss::Relativistic && self.reals.is_none() {
            return Err(EngineError::NO_PAIRS);
        }
        let batch = self.config.check_noise(noise.len(), self.batch)?;
        let augmentations = self.take_augmentations(batch)?;
        guarded(|| {
            self.train_generator(noise, batch, &augmentations)?;
            self.start()
        })
    }

    fn take_reports(&mut self, reports: &mut Vec<StepReport>) -> Result<(), EngineError> {
        if self.reports.is_empty() {
            return Ok(());
        }
        let values = self.reports.iter().map(|report| report.values.clone()).collect();
        let values = download(vec![Tensor::cat(values, 0)])?.concat();
        let report = |(pending, values): (PendingReport, &[f32])| StepReport {
            loss: values[0],
            mean_output: values[1],
            gradient_norm: pending.has_gradient_norm.then_some(values[2]),
        };
        reports.extend(self.reports.drain(..).zip(values.chunks_exact(3)).map(report));
        Ok(())
    }

    fn generate(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        draw(&self.generator.net, &self.generator.network, noise, &self.gpu)
    }

    fn generate_with_batch_statistics(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        let count = self.config.check_noise(noise.len(), usize::MAX)?;
        guarded(|| {
            // Another network, so that running statistics do not change.
            let mut net = self.generator.net.with(&self.generator.net.state()?, self.gpu.burn());
            let mut shards = Shards::whole();
            let mut batch = Batch::new(&mut shards, self.gpu.burn(), count);
            let noise = vec![to_nhwc(noise, &self.generator.network, self.gpu.burn())];
            let (images, _) = net.forward(Mode::Train(MOMENTUM), noise, &mut batch)?;
            Ok(download(images.into_iter().map(to_nchw).collect())?.concat())
        })
    }

    fn averaged_generator(&self) -> Result<Option<StateDict>, EngineError> {
        self.recipe.ema.map(|_| self.generator.net.state_with(&self.average)).transpose()
    }

    fn calibrate(&mut self, generator: &StateDict, noise: &[f32]) -> Result<StateDict, EngineError> {
        self.generator.network.check_tensors(generator)?;
        let vectors = self.batch * self.config.latent_dim;
        self.config.check_whole_batches(noise.len(), self.batch)?;
        guarded(|| {
            let Self { gpu, generator: Side { network, net, .. }, shards, batch, .. } = self;
            let mut net = net.with(generator, gpu.burn());
            for (index, noise) in noise.chunks_exact(vectors).enumerate() {
                // The first batch's statistics replace those that were there.
                let momentum = 1.0 / (index + 1) as f64;
                let mut batch = Batch::new(shards, gpu.burn(), *batch);
                let noise = upload_noise(noise, network, &batch);
                net.forward(Mode::Train(momentum), noise, &mut batch)?;
                gpu.flush()?;
            }
            net.state()
        })
    }

    fn generate_from(&mut self, generator: &StateDict, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        self.generator.network.check_tensors(generator)?;
        draw(&self.generator.net.with(generator, self.gpu.burn()), &self.generator.network, noise, &self.gpu)
    }
}
