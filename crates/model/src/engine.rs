//! What an engine can do. Coarse on purpose: an engine owns the arithmetic and its memory, and nothing else.

use crate::{Augmentation, Network, StateDict, Tensor};
use serde::{Deserialize, Serialize};

/// Settings of `torch.optim.Adam`. [`AdamConfig::default`] is the tutorial's.
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

impl Default for AdamConfig {
    fn default() -> Self {
        Self { lr: 2e-4, beta1: 0.5, beta2: 0.999, eps: 1e-8 }
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
    /// An optimizer that has taken no step.
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

/// Everything an engine learns from: enough to go on as if nothing had happened.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainState {
    /// D and its Adam.
    pub discriminator: NetworkState,
    /// G and its Adam.
    pub generator: NetworkState,
    /// The moving average of G's parameters, if there is one.
    pub average: Option<StateDict>,
}

/// What one of the three parts of a training step found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Mean loss over the batch.
    pub loss: f32,
    /// Mean of what the discriminator says of the batch, D(x) or D(G(z)): its sigmoid, or for least squares its output as it is.
    pub mean_output: f32,
}

/// Why an engine could not do what it was asked.
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
    /// A batch is larger than what memory was planned for, or is no whole number of pictures or noise vectors.
    #[error("a batch of {got} values: this engine takes 1 to {max_batch} items of {item_len} values each")]
    Batch {
        /// Values in the batch.
        got: usize,
        /// The largest number of items.
        max_batch: usize,
        /// Values per item.
        item_len: usize,
    },
    /// Pictures cannot be changed this way.
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
        /// A batch that the device has memory for; none if even one picture is too much.
        fits: Option<usize>,
    },
    /// A device that is not this processor has failed, and what the engine holds is lost. The text says what to do.
    #[error("the device failed: {0}")]
    Device(String),
}

fn smaller_batch(fits: Option<usize>) -> String {
    fits.map_or_else(
        || "choose a smaller picture size or base width, or --device cpu".to_owned(),
        |batch| format!("a batch of {batch} would fit"),
    )
}

/// Trains a DCGAN. One training step is [`Engine::train_discriminator_real`], [`Engine::train_discriminator_fake`], [`Engine::train_generator`], in this
/// order. Engines draw no random numbers: noise comes from the caller.
///
/// A part of a step is given to the engine, and may still be under way when the call returns; what it found is fetched with
/// [`Engine::take_reports`]. The order of the calls is that of the work: whatever reads the state sees it after all parts that were given before.
/// Any call can fail with [`EngineError::Device`] if the engine computes on a device of its own; an error of a part that was given earlier may come
/// from a later call.
pub trait Engine {
    /// The device and how it is used, for people: "CPU, avx512, 2 threads".
    fn description(&self) -> String;

    /// Bytes of memory planned for: weights, optimizers, activations, gradients and scratch.
    fn memory_bytes(&self) -> usize;

    /// How many steps may be given before their reports are taken: 1 if a part is done when its call returns. A device that computes by itself
    /// has the next steps to go on with while the reports of the last ones are fetched.
    fn max_steps_in_flight(&self) -> usize;

    /// Takes over weights, running statistics and optimizers. Reports that were not taken are dropped.
    ///
    /// # Errors
    /// [`EngineError::State`] if a tensor is missing or has another shape; the engine is then unchanged.
    fn load_state(&mut self, state: &TrainState) -> Result<(), EngineError>;

    /// A copy of weights, running statistics and optimizers.
    ///
    /// # Errors
    /// [`EngineError::Device`] if they cannot be read.
    fn state(&self) -> Result<TrainState, EngineError>;

    /// D's and G's gradients of the last parts of a step that computed any, by parameter name.
    ///
    /// # Errors
    /// [`EngineError::Device`] if they cannot be read.
    fn gradients(&self) -> Result<[StateDict; 2], EngineError>;

    /// How D will see the pictures of the next part of a step, one each; nothing, or a part that is over, is as they are. G's gradient goes
    /// back through the change.
    ///
    /// # Errors
    /// [`EngineError::Augmentation`] if memory was not planned for it, or a cutout leaves the picture.
    fn set_augmentations(&mut self, augmentations: &[Augmentation]) -> Result<(), EngineError>;

    /// Multiplies the learning rates that the engine was made with by `scale`, from the next Adam step on.
    fn scale_learning_rates(&mut self, scale: f64);

    /// Looks for a number that is not finite among gradients, weights, running statistics and squared gradients, and says where the first one is, for
    /// people: "the parameter 3.weight in the discriminator is not finite". `None` if all is well. To be asked whenever reports are taken, so it
    /// must be cheap.
    ///
    /// # Errors
    /// [`EngineError::Device`] if the answer cannot be read.
    fn non_finite(&self) -> Result<Option<String>, EngineError>;

    /// D learns that `images` (u8, N × H × W × C, 1 ≤ N ≤ batch size) are real; one Adam step of D.
    ///
    /// # Errors
    /// [`EngineError::Batch`] for an impossible batch.
    fn train_discriminator_real(&mut self, images: &[u8]) -> Result<(), EngineError>;

    /// D learns that G(`noise`) (N × latent) is fake; one Adam step of D, no gradient of G.
    ///
    /// # Errors
    /// [`EngineError::Batch`] for an impossible batch.
    fn train_discriminator_fake(&mut self, noise: &[f32]) -> Result<(), EngineError>;

    /// G learns to make D call G(`noise`) real; one Adam step of G, no gradient of D's weights.
    ///
    /// # Errors
    /// [`EngineError::Batch`] for an impossible batch.
    fn train_generator(&mut self, noise: &[f32]) -> Result<(), EngineError>;

    /// Appends what every part of a step found that was given since the last call, in their order, and waits for those that are under way.
    ///
    /// # Errors
    /// [`EngineError::Device`] if they cannot be read; `reports` is then as it was.
    fn take_reports(&mut self, reports: &mut Vec<StepReport>) -> Result<(), EngineError>;

    /// Pictures from `noise` (N × latent, any N) with running statistics, as `G.eval()(noise)`: N × C × H × W in [−1, 1].
    ///
    /// # Errors
    /// [`EngineError::Batch`] if `noise` is no whole number of vectors.
    fn generate(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError>;

    /// The moving average of G's weights with the running statistics of G itself, which are not the average's: see [`Engine::calibrate`].
    /// `None` if none is kept.
    ///
    /// # Errors
    /// [`EngineError::Device`] if it cannot be read.
    fn averaged_generator(&self) -> Result<Option<StateDict>, EngineError>;

    /// `generator`, a state_dict of this engine's G, with running statistics that are the mean of those of `noise` (N × latent) in batches of
    /// the engine's size, as by PyTorch's `momentum=None`. What the engine trains is not changed.
    ///
    /// # Errors
    /// [`EngineError::State`] if `generator` is another network's, [`EngineError::Batch`] if `noise` is no whole number of batches.
    fn calibrate(&mut self, generator: &StateDict, noise: &[f32]) -> Result<StateDict, EngineError>;

    /// As [`Engine::generate`], with another state_dict for G. What the engine trains is not changed.
    ///
    /// # Errors
    /// Those of [`Engine::calibrate`].
    fn generate_from(&mut self, generator: &StateDict, noise: &[f32]) -> Result<Vec<f32>, EngineError>;
}
