//! The generator in eval mode.

use crate::net::Net;
use dcgan_kernels::activation::Activation;
use dcgan_kernels::conv::{Algorithm, ConvArgs, ConvPlan};
use dcgan_kernels::epilogue::Epilogue;
use dcgan_kernels::input::{AffineActivation, InputView};
use dcgan_kernels::memory::Buffer;
use dcgan_kernels::{Cpu, pixels};
use dcgan_model::{EngineError, Generate, ModelConfig, Network, RecognizeError, StateDict};

/// Images computed at a time, at most: enough to use each weight many times, few enough to stay in the caches.
const BATCH: usize = 32;

/// A generator in eval mode.
#[derive(Debug)]
pub struct CpuGenerator {
    cpu: Cpu,
    prepared: PreparedGenerator,
}

impl CpuGenerator {
    /// Allocates memory and loads the weights in `state`. Batch norm is folded into them and they are transformed, once
    /// for all images.
    ///
    /// # Errors
    /// If `state` is not that of `network`.
    pub fn new(cpu: Cpu, network: &Network, state: &StateDict) -> Result<Self, RecognizeError> {
        network.check(state)?;
        let mut net = Net::new(&cpu, network, BATCH);
        net.load(state);
        let prepared = PreparedGenerator::new(&cpu, &net, &network.config, BATCH);
        Ok(Self { cpu, prepared })
    }
}

impl Generate for CpuGenerator {
    /// See [`Generate::generate`]. The bits of an image do not depend on the number of threads.
    fn generate(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        self.prepared.generate(&self.cpu, noise)
    }
}

/// The prepared weights of a generator, and memory to compute images in.
#[derive(Debug)]
pub(crate) struct PreparedGenerator {
    config: ModelConfig,
    /// Images computed at a time.
    batch: usize,
    stages: Vec<PreparedStage>,
    /// Output of the last stage and of the one before.
    outputs: [Buffer; 2],
    scratch: Buffer,
}

/// A transposed convolution with what follows it, its weight prepared for [`ConvPlan::adjoint_prepared`].
#[derive(Debug)]
struct PreparedStage {
    conv: ConvPlan,
    /// The prepared weight, multiplied by batch norm's scale.
    weight: Buffer,
    activation: Activation,
    /// The rest of batch norm, if there is one: scales of 1, and shifts. The convolution that reads the output applies
    /// it.
    norm: Option<[Vec<f32>; 2]>,
}

impl PreparedGenerator {
    /// Prepares `generator` for batches of `batch` images, or of [`BATCH`] if that is less.
    pub(crate) fn new(cpu: &Cpu, generator: &Net, config: &ModelConfig, batch: usize) -> Self {
        let batch = batch.min(BATCH);
        let plans = plans(cpu, generator, batch);
        let [output, scratch] = working_lens(&plans, batch);
        let scratch = Buffer::zeros(scratch);
        let outputs = [(); 2].map(|()| Buffer::zeros(output));
        let stages = generator.folded().into_iter().zip(plans).map(|(stage, conv)| {
            let mut weight = Buffer::zeros(conv.prepared_len());
            conv.prepare_adjoint(&mut weight, &stage.weight);
            let norm = stage.shift.map(|shift| [vec![1.0; shift.len()], shift]);
            PreparedStage { conv, weight, activation: stage.activation, norm }
        });
        let stages = stages.collect();
        Self { config: *config, batch, stages, outputs, scratch }
    }

    /// Number of values of all memory that [`PreparedGenerator::new`] takes, copies of the weights on the way included.
    pub(crate) fn len(cpu: &Cpu, generator: &Net, batch: usize) -> usize {
        let batch = batch.min(BATCH);
        let plans = plans(cpu, generator, batch);
        let [output, scratch] = working_lens(&plans, batch);
        let weights = plans.iter().map(|plan| plan.prepared_len() + plan.shape().weight_len());
        weights.sum::<usize>() + 2 * output + scratch
    }

    /// See [`Generate::generate`].
    pub(crate) fn generate(&mut self, cpu: &Cpu, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        let (latent, image, batch) = (self.config.latent_dim, self.config.image_len(), self.batch);
        if !noise.len().is_multiple_of(latent) {
            return Err(EngineError::Batch { got: noise.len(), max_batch: usize::MAX, item_len: latent });
        }
        let mut pictures = vec![0.0; noise.len() / latent * image];
        cpu.run(|| {
            for (noise, pictures) in noise.chunks(batch * latent).zip(pictures.chunks_mut(batch * image)) {
                let ModelConfig { image_size, channels, .. } = self.config;
                let out = self.forward(noise);
                pixels::nhwc_to_nchw(pictures, &out[..pictures.len()], image_size * image_size, channels);
            }
        });
        Ok(pictures)
    }

    /// Runs the stages on up to a batch of noise vectors.
    fn forward(&mut self, noise: &[f32]) -> &[f32] {
        let Self { config, stages, outputs: [output, before], scratch, .. } = self;
        let batch = noise.len() / config.latent_dim;
        for (index, stage) in stages.iter().enumerate() {
            std::mem::swap(output, before);
            let input = match index.checked_sub(1).map(|previous| &stages[previous]) {
                None => InputView::Plain(noise),
                Some(PreparedStage { norm: Some([scale, shift]), activation, .. }) => {
                    let x = &before[..batch * stage.conv.shape().small.len()];
                    InputView::AffineActivation(AffineActivation { x, scale, shift, slope: activation.slope() })
                }
                Some(PreparedStage { norm: None, .. }) => {
                    InputView::Plain(&before[..batch * stage.conv.shape().small.len()])
                }
            };
            let epilogue =
                if stage.norm.is_some() { Epilogue::Identity } else { Epilogue::Activation(stage.activation) };
            let out = &mut output[..batch * stage.conv.shape().big.len()];
            stage.conv.adjoint_prepared(out, ConvArgs { input, weight: &stage.weight, epilogue, batch, scratch });
        }
        output
    }
}

/// Plans all convolutions of a generator.
fn plans(cpu: &Cpu, generator: &Net, batch: usize) -> Vec<ConvPlan> {
    let plan = |shape| ConvPlan::with_algorithm(cpu, shape, batch, Algorithm::select_prepared(&shape));
    generator.conv_shapes().map(plan).collect()
}

/// Number of values of the largest output of `batch` images, and of the scratch memory that any pass needs.
fn working_lens(plans: &[ConvPlan], batch: usize) -> [usize; 2] {
    let most = |len: &dyn Fn(&ConvPlan) -> usize| plans.iter().map(len).max().unwrap_or(0);
    [batch * most(&|plan| plan.shape().big.len()), most(&|plan| plan.scratch_len())]
}
