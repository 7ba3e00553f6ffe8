//! The interface of training engines. It is coarse on purpose: an engine owns the arithmetic and its memory, and
//! nothing else.

use crate::{Augmentation, EngineError, Recipe, StateDict, TrainState};

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
