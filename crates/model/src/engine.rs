//! The interface of training engines. It is coarse on purpose: an engine owns the arithmetic and its memory, and
//! nothing else.

use crate::{Augmentation, DiscriminatorNorm, ModelConfig, Network, Recipe, StateDict, Tensor, TransportError};
use serde::{Deserialize, Serialize};

/// Settings of `torch.optim.Adam`. [`AdamConfig::TUTORIAL`] is the default.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AdamConfig {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the mean of the gradients.
    pub beta1: f64,
    /// Decay of the mean of the squared gradients.
    pub beta2: f64,
    /// Added to the root of the second mean.
    pub eps: f64,
}

impl AdamConfig {
    /// The tutorial's optimizers.
    pub const TUTORIAL: Self = Self { lr: 2e-4, beta1: 0.5, beta2: 0.999, eps: 1e-8 };
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self::TUTORIAL
    }
}

/// The state of one Adam optimizer, with PyTorch's names.
#[derive(Debug, Clone, PartialEq)]
pub struct AdamState {
    /// Steps taken.
    pub step: u64,
    /// Mean of the gradients, by parameter name.
    pub exp_avg: StateDict,
    /// Mean of the squared gradients, by parameter name.
    pub exp_avg_sq: StateDict,
}

impl AdamState {
    /// Returns an optimizer that has taken no step.
    pub fn new(network: &Network) -> Self {
        let zeros: StateDict = network
            .tensors()
            .into_iter()
            .filter(|spec| spec.is_parameter)
            .map(|spec| (spec.name, Tensor::f32(spec.shape.clone(), vec![0.0; spec.shape.iter().product()])))
            .collect();
        Self { step: 0, exp_avg: zeros.clone(), exp_avg_sq: zeros }
    }
}

/// One network with its optimizer.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkState {
    /// Parameters and buffers by state_dict name.
    pub tensors: StateDict,
    /// The network's Adam.
    pub adam: AdamState,
}

/// The whole state of a training engine. An engine that loads it continues with the same bits.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainState {
    /// D and its Adam.
    pub discriminator: NetworkState,
    /// G and its Adam.
    pub generator: NetworkState,
    /// The moving average of G's parameters, if there is one.
    pub average: Option<StateDict>,
}

impl TrainState {
    /// Checks that the state belongs to these networks.
    ///
    /// # Errors
    /// [`EngineError::State`] names the first tensor that is missing or has another shape.
    pub fn check(&self, discriminator: &Network, generator: &Network) -> Result<(), EngineError> {
        discriminator.check_state(&self.discriminator)?;
        generator.check_state(&self.generator)?;
        self.average.as_ref().map_or(Ok(()), |average| generator.check_parameters(average, "average"))
    }
}

/// The checks of a training engine's inputs, which are the same for every engine.
impl ModelConfig {
    /// Returns the number of images in a batch of `values` values.
    ///
    /// # Errors
    /// [`EngineError::Batch`] if they are no whole number of images, or not 1 to `max_batch`.
    pub fn check_images(&self, values: usize, max_batch: usize) -> Result<usize, EngineError> {
        check_batch(values, self.image_len(), max_batch)
    }

    /// Returns the number of noise vectors in a batch of `values` values.
    ///
    /// # Errors
    /// [`EngineError::Batch`] if they are no whole number of vectors, or not 1 to `max_batch`.
    pub fn check_noise(&self, values: usize, max_batch: usize) -> Result<usize, EngineError> {
        check_batch(values, self.latent_dim, max_batch)
    }

    /// Checks that `values` values of noise are one or more batches of `batch` vectors, as [`Engine::calibrate`] takes
    /// them.
    ///
    /// # Errors
    /// [`EngineError::Batch`] if they are not.
    pub fn check_whole_batches(&self, values: usize, batch: usize) -> Result<(), EngineError> {
        check_batch(values, batch * self.latent_dim, usize::MAX).map(|_| ())
    }

    /// Checks that the discriminator is trained on real and generated images in separate batches.
    ///
    /// # Errors
    /// [`EngineError::Recipe`] if it has no batch norm.
    pub fn check_separate_batches(&self) -> Result<(), EngineError> {
        match self.norm_d {
            DiscriminatorNorm::Batch => Ok(()),
            _ => Err(EngineError::Recipe("without batch norm, real and generated images come in one batch")),
        }
    }

    /// Checks that the discriminator is trained on real and generated images in one batch.
    ///
    /// # Errors
    /// [`EngineError::Recipe`] if it has batch norm.
    pub fn check_joint_batch(&self) -> Result<(), EngineError> {
        match self.norm_d {
            DiscriminatorNorm::Batch => {
                Err(EngineError::Recipe("batch norm takes real and generated images in batches of their own"))
            }
            _ => Ok(()),
        }
    }
}

/// Returns the number of items of `item_len` values in a batch of `values` values.
fn check_batch(values: usize, item_len: usize, max_batch: usize) -> Result<usize, EngineError> {
    let batch = values / item_len;
    if values.is_multiple_of(item_len) && (1..=max_batch).contains(&batch) {
        Ok(batch)
    } else {
        Err(EngineError::Batch { got: values, max_batch, item_len })
    }
}

/// The result of one of the three parts of a training step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Mean loss over the batch.
    pub loss: f32,
    /// Mean discriminator output on the batch, D(x) or D(G(z)): its sigmoid; for least squares the output itself; for
    /// the relativistic loss the sigmoid of the difference from the paired image's.
    pub mean_output: f32,
    /// Mean of ‖∇D(x)‖² over the batch, if the recipe has a penalty on it.
    pub gradient_norm: Option<f32>,
}

/// Error returned by engines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A state does not belong to this network.
    #[error("tensor {name}: {problem}")]
    State {
        /// The tensor's state_dict name.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A batch is larger than what memory was planned for, or is no whole number of images or noise vectors.
    #[error("a batch of {got} values: this engine takes 1 to {max_batch} items of {item_len} values each")]
    Batch {
        /// Values in the batch.
        got: usize,
        /// The largest number of items.
        max_batch: usize,
        /// Values per item.
        item_len: usize,
    },
    /// The recipe does not fit the networks.
    #[error("{0}")]
    Recipe(&'static str),
    /// Images cannot be changed this way.
    #[error("augmentations: {0}")]
    Augmentation(&'static str),
    /// The memory that was planned for cannot be had.
    #[error("{mib} MiB of memory are needed and cannot be had: choose a smaller batch, picture size or base width")]
    OutOfMemory {
        /// Memory planned for, in MiB.
        mib: usize,
    },
    /// A device has not the memory that training on it takes.
    #[error("{mib} MiB of memory are needed on the device and cannot be had: {}", smaller_batch(*fits))]
    DeviceMemory {
        /// Memory planned for, in MiB.
        mib: usize,
        /// A batch that the device has memory for; none if even one image is too much.
        fits: Option<usize>,
    },
    /// A device that is not this processor has failed, and what the engine holds is lost. The text says what to do.
    #[error("the device failed: {0}")]
    Device(String),
    /// A batch cannot be cut into so many shards.
    #[error("{shards} shards are not possible for {ranks} ranks: choose at least 1, and as many as ranks (--shards)")]
    Shards {
        /// Number of shards.
        shards: usize,
        /// Number of ranks.
        ranks: usize,
    },
    /// Another rank has failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl EngineError {
    /// The error of augmentations that are not one for each image of the next part of a step.
    pub const AUGMENTATION_COUNT: Self = Self::Augmentation("there must be one for each picture of the next part");

    /// The error of a sum over ranks in a process that has all shards.
    pub(crate) const NO_RANKS: Self = Self::Recipe("there are no other ranks to sum with");

    /// The error of a generator's part of a step with the relativistic loss before any part with real images.
    pub const NO_PAIRS: Self = Self::Recipe("the generator's images have no real ones to be paired with");
}

fn smaller_batch(fits: Option<usize>) -> String {
    fits.map_or_else(
        || "choose a smaller picture size or base width, or --device cpu".to_owned(),
        |batch| format!("a batch of {batch} would fit"),
    )
}

/// Trains a DCGAN. One training step is [`Engine::train_discriminator_real`], [`Engine::train_discriminator_fake`],
/// [`Engine::train_generator`], in this order. Engines draw no random numbers: noise comes from the caller.
///
/// A part of a step is given to the engine, and may still be under way when the call returns; what it found is fetched
/// with [`Engine::take_reports`]. The order of the calls is that of the work: whatever reads the state sees it after
/// all parts that were given before. Any call can fail with [`EngineError::Device`] if the engine computes on a device
/// of its own; an error of a part that was given earlier may come from a later call.
pub trait Engine {
    /// Returns a description of the device for messages, such as "CPU, avx512, 2 threads".
    fn description(&self) -> String;

    /// Returns the recipe that the engine trains by, with the learning rates it was made with.
    fn recipe(&self) -> Recipe;

    /// Number of bytes of memory planned for weights, optimizers, activations, gradients and scratch.
    fn memory_bytes(&self) -> usize;

    /// How many steps may be given before their reports are taken: 1 if a part is done when its call returns. A device
    /// that computes by itself has the next steps to go on with while the reports of the last ones are fetched.
    fn max_steps_in_flight(&self) -> usize;

    /// Replaces weights, running statistics and optimizers. Reports that were not taken are dropped.
    ///
    /// # Errors
    /// [`EngineError::State`] if a tensor is missing or has another shape; the engine is then unchanged.
    fn load_state(&mut self, state: &TrainState) -> Result<(), EngineError>;

    /// Returns a copy of weights, running statistics and optimizers.
    ///
    /// # Errors
    /// [`EngineError::Device`] if they cannot be read.
    fn state(&self) -> Result<TrainState, EngineError>;

    /// Returns the discriminator's and the generator's gradients of the last parts of a step that computed any, by
    /// parameter name.
    ///
    /// # Errors
    /// [`EngineError::Device`] if they cannot be read.
    fn gradients(&self) -> Result<[StateDict; 2], EngineError>;

    /// Sets the DiffAugment transforms of the next part of a step, one per image. They are cleared when the part ends;
    /// an empty slice clears them at once. The generator's gradient is taken through the transforms.
    ///
    /// # Errors
    /// [`EngineError::Augmentation`] if memory was not planned for it, or a cutout leaves the image.
    fn set_augmentations(&mut self, augmentations: &[Augmentation]) -> Result<(), EngineError>;

    /// Multiplies the learning rates that the engine was made with by `scale`, from the next Adam step on.
    fn scale_learning_rates(&mut self, scale: f64);

    /// Looks for a number that is not finite among gradients, weights, running statistics and squared gradients, and
    /// says where the first one is, for people: "the parameter 3.weight in the discriminator is not finite". `None` if
    /// all is well. To be asked whenever reports are taken, so it must be cheap.
    ///
    /// # Errors
    /// [`EngineError::Device`] if the answer cannot be read.
    fn non_finite(&self) -> Result<Option<String>, EngineError>;

    /// Trains the discriminator on `images` (u8, N × H × W × C, 1 ≤ N ≤ batch size) as real, with one Adam step.
    ///
    /// # Errors
    /// [`EngineError::Batch`] for an impossible batch.
    fn train_discriminator_real(&mut self, images: &[u8]) -> Result<(), EngineError>;

    /// Trains the discriminator on G(`noise`) (N × latent) as generated, with one Adam step. Computes no gradient of
    /// the generator.
    ///
    /// # Errors
    /// [`EngineError::Batch`] for an impossible batch.
    fn train_discriminator_fake(&mut self, noise: &[f32]) -> Result<(), EngineError>;

    /// Trains the discriminator on `images` as real and on G(`noise`) as generated, in one batch and with one Adam
    /// step. Pushes two reports: one for the images, one for the generated ones. This is the discriminator's part of a
    /// step if it has no batch norm; augmentations are those of the images, then those of the generated ones.
    ///
    /// # Errors
    /// [`EngineError::Batch`] for an impossible batch, [`EngineError::Recipe`] if the discriminator has batch norm.
    fn train_discriminator(&mut self, images: &[u8], noise: &[f32]) -> Result<(), EngineError>;

    /// Trains the generator to have G(`noise`) classified as real, with one Adam step. Computes no gradient of the
    /// discriminator's weights.
    ///
    /// # Errors
    /// [`EngineError::Batch`] for an impossible batch.
    fn train_generator(&mut self, noise: &[f32]) -> Result<(), EngineError>;

    /// Appends the reports of all parts of a step since the last call, in order, and waits for parts that are under
    /// way.
    ///
    /// # Errors
    /// [`EngineError::Device`] if they cannot be read; `reports` is then as it was.
    fn take_reports(&mut self, reports: &mut Vec<StepReport>) -> Result<(), EngineError>;

    /// Returns images of `noise` (N × latent, any N), computed with running statistics, as `G.eval()(noise)`: N × C
    /// × H × W in [−1, 1].
    ///
    /// # Errors
    /// [`EngineError::Batch`] if `noise` is no whole number of vectors.
    fn generate(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError>;

    /// As [`Engine::generate`], but computed with the statistics of these images, as `G.train()(noise)`. Running
    /// statistics are not changed.
    ///
    /// # Errors
    /// [`EngineError::Batch`] if `noise` is no whole number of vectors, or empty.
    fn generate_with_batch_statistics(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError>;

    /// Returns the moving average of the generator's weights with the running statistics of the generator itself, which
    /// are not the average's: see [`Engine::calibrate`]. `None` if none is kept.
    ///
    /// # Errors
    /// [`EngineError::Device`] if it cannot be read.
    fn averaged_generator(&self) -> Result<Option<StateDict>, EngineError>;

    /// Returns `generator`, a state_dict of this engine's generator, with running statistics that are the mean of those
    /// of `noise` (N × latent) in batches of the engine's size, as by PyTorch's `momentum=None`. The networks in
    /// training are not changed.
    ///
    /// # Errors
    /// [`EngineError::State`] if `generator` is another network's, [`EngineError::Batch`] if `noise` is no whole number
    /// of batches.
    fn calibrate(&mut self, generator: &StateDict, noise: &[f32]) -> Result<StateDict, EngineError>;

    /// As [`Engine::generate`], with another state_dict for the generator. The networks in training are not changed.
    ///
    /// # Errors
    /// Those of [`Engine::calibrate`].
    fn generate_from(&mut self, generator: &StateDict, noise: &[f32]) -> Result<Vec<f32>, EngineError>;
}
