//! The training engine: both networks and the three parts of a step.

use crate::augment::Changes;
use crate::device::GpuDevice;
use crate::inference::{draw, to_nhwc};
use crate::loss::{Evaluation, Goal, evaluate};
use crate::memory;
use crate::net::{MOMENTUM, Mode, Net};
use crate::optimizer::Optimizer;
use crate::transfer::{download, guarded, upload_bytes};
use burn_tensor::{Device, Tensor};
use dcgan_model::{
    AdamConfig, Augmentation, Engine, EngineError, ModelConfig, Network, NetworkState, Recipe, StateDict, StepReport,
    TrainState,
};

/// Steps that may be under way on the device: enough that it seldom waits for reports to be fetched. Not measured on a real GPU; the training loop
/// takes fewer if they take long.
const MAX_STEPS_IN_FLIGHT: usize = 16;

/// Trains a DCGAN on a GPU; see [`Engine`] for what it does.
#[derive(Debug)]
pub struct GpuEngine {
    gpu: GpuDevice,
    config: ModelConfig,
    recipe: Recipe,
    batch: usize,
    discriminator: Side,
    generator: Side,
    /// The moving average of G's parameters; empty without [`Recipe::ema`].
    average: Vec<Tensor<2>>,
    /// What is done to the pictures of the next part of a step.
    changes: Option<Changes>,
    /// Loss and mean output of every part whose report was not taken yet.
    reports: Vec<Tensor<1>>,
}

/// A network with its optimizer.
#[derive(Debug)]
struct Side {
    network: Network,
    net: Net,
    optimizer: Optimizer,
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

    /// The gradients and their mean squares, with what they are, for people.
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

    /// The network's own tensors of floats, with what they are, for people.
    fn floats(&self) -> Vec<(String, Tensor<2>)> {
        let floats = self.net.floats().into_iter();
        floats.map(|(place, values)| (format!("{place} in the {}", self.network.role), values)).collect()
    }
}

impl GpuEngine {
    /// Takes the memory to train networks of these sizes on batches of up to `batch` pictures. All weights are zero until
    /// [`Engine::load_state`].
    ///
    /// # Errors
    /// [`EngineError::DeviceMemory`] if the device has not so much memory.
    ///
    /// # Panics
    /// If `batch` is 0 or `config` was not validated.
    pub fn new(
        gpu: &GpuDevice,
        config: &ModelConfig,
        recipe: impl Into<Recipe>,
        batch: usize,
    ) -> Result<Self, EngineError> {
        let recipe = recipe.into();
        assert!(batch > 0, "a batch of no pictures");
        memory::check(gpu, batch, |batch| memory::planned(config, &recipe, batch))?;
        let device = gpu.burn();
        let discriminator = Side::new(Network::discriminator(config), recipe.discriminator, device);
        let generator = Side::new(Network::generator(config), recipe.generator, device);
        let average = if recipe.ema.is_some() { generator.net.values() } else { Vec::new() };
        Ok(Self {
            gpu: gpu.clone(),
            config: *config,
            recipe,
            batch,
            discriminator,
            generator,
            average,
            changes: None,
            reports: Vec::new(),
        })
    }

    fn batch_of(&self, values: usize, item_len: usize) -> Result<usize, EngineError> {
        let batch = values / item_len;
        if values.is_multiple_of(item_len) && (1..=self.batch).contains(&batch) {
            Ok(batch)
        } else {
            Err(EngineError::Batch { got: values, max_batch: self.batch, item_len })
        }
    }

    /// What is done to the pictures of the part that now begins, `batch` of them.
    fn take_changes(&mut self, batch: usize) -> Result<Option<Changes>, EngineError> {
        match &self.changes {
            Some(changes) if changes.len() != batch => {
                Err(EngineError::Augmentation("there must be one for each picture of the next part"))
            }
            _ => Ok(self.changes.take()),
        }
    }

    /// G's pictures of `noise` in training mode, for which it learns nothing.
    fn fakes(&mut self, noise: &[f32]) -> Tensor<4> {
        let noise = to_nhwc(noise, &self.generator.network, self.gpu.burn());
        self.generator.net.forward(Mode::Train(MOMENTUM), noise).0
    }

    /// D forward on `pictures`, loss, D backward, Adam(D).
    fn train_discriminator(&mut self, pictures: Tensor<4>, goal: Goal, changes: Option<Changes>) {
        let pictures = match changes {
            Some(changes) => changes.forward(pictures),
            None => pictures,
        };
        let Side { net, optimizer, .. } = &mut self.discriminator;
        let (outputs, trace) = net.forward(Mode::Train(MOMENTUM), pictures);
        let Evaluation { report, gradient } = evaluate(&self.recipe, goal, outputs);
        let gradients = net.parameter_gradients(trace, gradient);
        optimizer.step(net, gradients);
        self.reports.push(report);
    }

    /// G and D forward on `noise`, loss, backward through D's inputs and G, Adam(G).
    fn train_generator(&mut self, noise: &[f32], changes: Option<&Changes>) {
        let noise = to_nhwc(noise, &self.generator.network, self.gpu.burn());
        let Side { net, optimizer, .. } = &mut self.generator;
        let (fakes, trace) = net.forward(Mode::Train(MOMENTUM), noise);
        let shown = match changes {
            Some(changes) => changes.forward(fakes),
            None => fakes,
        };
        let discriminator = &mut self.discriminator.net;
        let (outputs, d_trace) = discriminator.forward(Mode::Train(MOMENTUM), shown);
        let Evaluation { report, gradient } = evaluate(&self.recipe, Goal::Deceive, outputs);
        let gradient = discriminator.input_gradient(d_trace, gradient);
        let gradient = match changes {
            Some(changes) => changes.backward(gradient),
            None => gradient,
        };
        let gradients = net.parameter_gradients(trace, gradient);
        optimizer.step(net, gradients);
        if let Some(decay) = self.recipe.ema {
            let weight = 1.0 - Recipe::average_decay(decay, optimizer.steps());
            for (average, parameter) in self.average.iter_mut().zip(&net.parameters) {
                average.inplace(|average| average.clone() + (parameter.value.clone() - average).mul_scalar(weight));
            }
        }
        self.reports.push(report);
    }

    /// Checks that `generator` is a state_dict of this engine's G.
    fn check_generator(&self, generator: &StateDict) -> Result<(), EngineError> {
        self.generator
            .network
            .check(generator)
            .map_err(|error| EngineError::State { name: "of the generator".to_owned(), problem: error.to_string() })
    }

    /// Starts what was described so far, without waiting for it.
    fn start(&self) -> Result<(), EngineError> {
        self.gpu.flush()
    }
}

impl Engine for GpuEngine {
    fn description(&self) -> String {
        self.gpu.description()
    }

    fn memory_bytes(&self) -> usize {
        memory::planned(&self.config, &self.recipe, self.batch)
    }

    fn max_steps_in_flight(&self) -> usize {
        MAX_STEPS_IN_FLIGHT
    }

    fn load_state(&mut self, state: &TrainState) -> Result<(), EngineError> {
        self.discriminator.network.check_state(&state.discriminator)?;
        self.generator.network.check_state(&state.generator)?;
        if let Some(average) = &state.average {
            self.generator.network.check_parameters(average, "average")?;
        }
        self.changes = None;
        self.reports.clear();
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
        let size = self.config.image_size;
        self.recipe.check_augmentations(augmentations, size)?;
        self.changes = (!augmentations.is_empty()).then(|| Changes::new(augmentations, size, self.gpu.burn()));
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
        // A sum of magnitudes is finite if all values are, or nearly always: then one number for each tensor comes back, and no tensor.
        let sides = [&self.discriminator, &self.generator];
        // Gradients first: they are what makes the rest go wrong.
        let tensors = sides.iter().flat_map(|side| side.gradients()).chain(sides.iter().flat_map(|side| side.floats()));
        let (places, tensors): (Vec<String>, Vec<Tensor<2>>) = tensors.unzip();
        let sums = tensors.iter().map(|tensor| tensor.clone().abs().sum()).collect();
        let sums = download(vec![Tensor::cat(sums, 0)])?.concat();
        for ((place, tensor), sum) in places.into_iter().zip(tensors).zip(sums) {
            if !sum.is_finite() && download(vec![tensor])?.concat().iter().any(|value| !value.is_finite()) {
                return Ok(Some(format!("{place} is not finite")));
            }
        }
        Ok(None)
    }

    fn train_discriminator_real(&mut self, images: &[u8]) -> Result<(), EngineError> {
        let batch = self.batch_of(images.len(), self.config.image_len())?;
        let changes = self.take_changes(batch)?;
        let ModelConfig { image_size, channels, .. } = self.config;
        guarded(|| {
            let bytes = upload_bytes(images, [batch, image_size, image_size, channels], self.gpu.burn());
            // torchvision's ToTensor and Normalize(0.5, 0.5), with their roundings.
            let pictures = bytes.div_scalar(255.0).sub_scalar(0.5).div_scalar(0.5);
            self.train_discriminator(pictures, Goal::Real, changes);
            self.start()
        })
    }

    fn train_discriminator_fake(&mut self, noise: &[f32]) -> Result<(), EngineError> {
        let batch = self.batch_of(noise.len(), self.config.latent_dim)?;
        let changes = self.take_changes(batch)?;
        guarded(|| {
            let fakes = self.fakes(noise);
            self.train_discriminator(fakes, Goal::Fake, changes);
            self.start()
        })
    }

    fn train_generator(&mut self, noise: &[f32]) -> Result<(), EngineError> {
        let batch = self.batch_of(noise.len(), self.config.latent_dim)?;
        let changes = self.take_changes(batch)?;
        guarded(|| {
            self.train_generator(noise, changes.as_ref());
            self.start()
        })
    }

    fn take_reports(&mut self, reports: &mut Vec<StepReport>) -> Result<(), EngineError> {
        if self.reports.is_empty() {
            return Ok(());
        }
        let values = download(vec![Tensor::cat(self.reports.clone(), 0)])?.concat();
        self.reports.clear();
        reports.extend(values.chunks_exact(2).map(|pair| StepReport { loss: pair[0], mean_output: pair[1] }));
        Ok(())
    }

    fn generate(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        draw(&self.generator.net, &self.generator.network, noise, &self.gpu)
    }

    fn averaged_generator(&self) -> Result<Option<StateDict>, EngineError> {
        self.recipe.ema.map(|_| self.generator.net.state_with(&self.average)).transpose()
    }

    fn calibrate(&mut self, generator: &StateDict, noise: &[f32]) -> Result<StateDict, EngineError> {
        self.check_generator(generator)?;
        let vectors = self.batch * self.config.latent_dim;
        if noise.is_empty() || !noise.len().is_multiple_of(vectors) {
            return Err(EngineError::Batch { got: noise.len(), max_batch: usize::MAX, item_len: vectors });
        }
        guarded(|| {
            let mut net = self.generator.net.with(generator, self.gpu.burn());
            for (index, noise) in noise.chunks_exact(vectors).enumerate() {
                // The first batch's statistics replace those that were there.
                let momentum = 1.0 / (index + 1) as f64;
                net.forward(Mode::Train(momentum), to_nhwc(noise, &self.generator.network, self.gpu.burn()));
                self.start()?;
            }
            net.state()
        })
    }

    fn generate_from(&mut self, generator: &StateDict, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        self.check_generator(generator)?;
        draw(&self.generator.net.with(generator, self.gpu.burn()), &self.generator.network, noise, &self.gpu)
    }
}
