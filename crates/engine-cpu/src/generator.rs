//! Drawing without training.

use crate::net::Net;
use dcgan_kernels::activation::Activation;
use dcgan_kernels::conv::{Algorithm, ConvPlan};
use dcgan_kernels::finish::Finish;
use dcgan_kernels::memory::Buffer;
use dcgan_kernels::source::{Activated, Source};
use dcgan_kernels::{Cpu, pixels};
use dcgan_model::{EngineError, Generate, ModelConfig, Network, RecogniseError, StateDict};

/// Pictures computed at a time, at most: enough to use each weight many times, few enough to stay in the caches.
const BATCH: usize = 32;

/// A generator in eval mode, ready to draw.
#[derive(Debug)]
pub struct CpuGenerator {
    cpu: Cpu,
    prepared: PreparedGenerator,
}

impl CpuGenerator {
    /// Takes memory and the weights in `state`, folds batch norm into them and transforms them, once for all pictures.
    ///
    /// # Errors
    /// If `state` is not that of `network`.
    pub fn new(cpu: Cpu, network: &Network, state: &StateDict) -> Result<Self, RecogniseError> {
        network.check(state)?;
        let mut net = Net::new(network, BATCH);
        net.load(state);
        let prepared = PreparedGenerator::new(&cpu, &net, &network.config, BATCH);
        Ok(Self { cpu, prepared })
    }
}

impl Generate for CpuGenerator {
    /// The number of threads changes no bit of a picture.
    fn generate(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        self.prepared.generate(&self.cpu, noise)
    }
}

/// The weights of a generator as drawing reads them, and the memory it works in.
#[derive(Debug)]
pub(crate) struct PreparedGenerator {
    config: ModelConfig,
    /// Pictures computed at a time.
    batch: usize,
    stages: Vec<Stage>,
    /// Output of the last stage and of the one before.
    outputs: [Buffer; 2],
    scratch: Buffer,
}

/// A transposed convolution with what follows it.
#[derive(Debug)]
struct Stage {
    conv: ConvPlan,
    /// With batch norm's scale in it.
    weight: Buffer,
    activation: Activation,
    /// What is left of batch norm, if there is one: scales of 1, and shifts. The convolution that reads the output applies it.
    norm: Option<[Vec<f32>; 2]>,
}

impl PreparedGenerator {
    /// Prepares `generator` for up to `batch` pictures at a time, and no more than are worth it.
    pub(crate) fn new(cpu: &Cpu, generator: &Net, config: &ModelConfig, batch: usize) -> Self {
        let batch = batch.min(BATCH);
        let plans = plans(generator, batch);
        let [output, scratch] = working_lens(cpu, &plans, batch);
        let scratch = Buffer::zeros(scratch);
        let outputs = [(); 2].map(|()| Buffer::zeros(output));
        let stages = generator.folded().into_iter().zip(plans).map(|(stage, conv)| {
            let mut weight = Buffer::zeros(conv.prepared_len(cpu));
            conv.prepare_adjoint(cpu, &mut weight, &stage.weight);
            let norm = stage.shift.map(|shift| [vec![1.0; shift.len()], shift]);
            Stage { conv, weight, activation: stage.activation, norm }
        });
        let stages = stages.collect();
        Self { config: *config, batch, stages, outputs, scratch }
    }

    /// Values of all memory that [`PreparedGenerator::new`] takes, copies of the weights on the way included.
    pub(crate) fn len(cpu: &Cpu, generator: &Net, batch: usize) -> usize {
        let batch = batch.min(BATCH);
        let plans = plans(generator, batch);
        let [output, scratch] = working_lens(cpu, &plans, batch);
        let weights = plans.iter().map(|plan| plan.prepared_len(cpu) + plan.shape().weight_len());
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
                let out = self.forward(cpu, noise);
                pixels::nhwc_to_nchw(pictures, &out[..pictures.len()], image_size * image_size, channels);
            }
        });
        Ok(pictures)
    }

    /// Runs the stages on up to a batch of noise vectors.
    fn forward(&mut self, cpu: &Cpu, noise: &[f32]) -> &[f32] {
        let Self { config, stages, outputs: [output, before], scratch, .. } = self;
        let batch = noise.len() / config.latent_dim;
        for (index, stage) in stages.iter().enumerate() {
            std::mem::swap(output, before);
            let input = match index.checked_sub(1).map(|previous| &stages[previous]) {
                None => Source::Plain(noise),
                Some(Stage { norm: Some([scale, shift]), activation, .. }) => {
                    let x = &before[..batch * stage.conv.shape().small.len()];
                    Source::Activated(Activated { x, scale, shift, slope: activation.slope() })
                }
                Some(Stage { norm: None, .. }) => Source::Plain(&before[..batch * stage.conv.shape().small.len()]),
            };
            let finish = if stage.norm.is_some() { Finish::Nothing } else { Finish::Activate(stage.activation) };
            let out = &mut output[..batch * stage.conv.shape().big.len()];
            stage.conv.adjoint_prepared(cpu, out, finish, input, &stage.weight, batch, scratch);
        }
        output
    }
}

/// How each convolution is computed.
fn plans(generator: &Net, batch: usize) -> Vec<ConvPlan> {
    let plan = |shape| ConvPlan::with_algorithm(shape, batch, Algorithm::select_prepared(&shape));
    generator.conv_shapes().map(plan).collect()
}

/// Values of the largest output of `batch` pictures, and of the scratch memory that any pass needs.
fn working_lens(cpu: &Cpu, plans: &[ConvPlan], batch: usize) -> [usize; 2] {
    let most = |len: &dyn Fn(&ConvPlan) -> usize| plans.iter().map(len).max().unwrap_or(0);
    [batch * most(&|plan| plan.shape().big.len()), most(&|plan| plan.scratch_len(cpu))]
}
