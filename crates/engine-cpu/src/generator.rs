//! Drawing without training.

use crate::net::{Folded, Net};
use dcgan_kernels::activation::Activation;
use dcgan_kernels::conv::{Algorithm, ConvPlan};
use dcgan_kernels::finish::Finish;
use dcgan_kernels::memory::Buffer;
use dcgan_kernels::source::{Activated, Source};
use dcgan_kernels::{Cpu, pixels};
use dcgan_model::{EngineError, ModelConfig, Network, RecogniseError, StateDict};

/// Pictures computed at a time: enough to use each weight many times, few enough to stay in the caches.
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
        let prepared = PreparedGenerator::new(&cpu, &net, &network.config);
        Ok(Self { cpu, prepared })
    }

    /// Pictures from `noise` (N × latent, any N), as `G.eval()(noise)`: N × C × H × W in [−1, 1]. A picture depends on its own noise
    /// vector only, not on the others or the number of threads.
    ///
    /// # Errors
    /// [`EngineError::Batch`] if `noise` is no whole number of vectors.
    pub fn generate(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        self.prepared.generate(&self.cpu, noise)
    }
}

/// The weights of a generator as drawing reads them, and the memory it works in.
#[derive(Debug)]
pub(crate) struct PreparedGenerator {
    config: ModelConfig,
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
    pub(crate) fn new(cpu: &Cpu, generator: &Net, config: &ModelConfig) -> Self {
        let folded = generator.folded();
        let plan =
            |stage: &Folded| ConvPlan::with_algorithm(stage.shape, BATCH, Algorithm::select_prepared(&stage.shape));
        let plans: Vec<ConvPlan> = folded.iter().map(plan).collect();
        let most = |len: &dyn Fn(&ConvPlan) -> usize| plans.iter().map(len).max().unwrap_or(0);
        let mut scratch = Buffer::zeros(most(&|plan| plan.scratch_len(cpu)));
        let outputs = [(); 2].map(|()| Buffer::zeros(BATCH * most(&|plan| plan.shape().big.len())));
        let stages = folded.into_iter().zip(plans).map(|(stage, conv)| {
            let mut weight = Buffer::zeros(conv.prepared_len(cpu));
            conv.prepare_adjoint(cpu, &mut weight, &stage.weight, &mut scratch);
            let norm = stage.shift.map(|shift| [vec![1.0; shift.len()], shift]);
            Stage { conv, weight, activation: stage.activation, norm }
        });
        let stages = stages.collect();
        Self { config: *config, stages, outputs, scratch }
    }

    /// See [`CpuGenerator::generate`].
    pub(crate) fn generate(&mut self, cpu: &Cpu, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        let (latent, image) = (self.config.latent_dim, self.config.image_len());
        if !noise.len().is_multiple_of(latent) {
            return Err(EngineError::Batch { got: noise.len(), max_batch: usize::MAX, item_len: latent });
        }
        let mut pictures = vec![0.0; noise.len() / latent * image];
        cpu.run(|| {
            for (noise, pictures) in noise.chunks(BATCH * latent).zip(pictures.chunks_mut(BATCH * image)) {
                let ModelConfig { image_size, channels, .. } = self.config;
                let out = self.forward(cpu, noise);
                pixels::nhwc_to_nchw(pictures, &out[..pictures.len()], image_size * image_size, channels);
            }
        });
        Ok(pictures)
    }

    /// Runs the stages on up to [`BATCH`] noise vectors.
    fn forward(&mut self, cpu: &Cpu, noise: &[f32]) -> &[f32] {
        let Self { config, stages, outputs: [output, before], scratch } = self;
        let batch = noise.len() / config.latent_dim;
        for (index, stage) in stages.iter().enumerate() {
            std::mem::swap(output, before);
            let x = &before[..batch * stage.conv.shape().small.len()];
            let input = match index.checked_sub(1).map(|previous| &stages[previous]) {
                None => Source::Plain(noise),
                Some(Stage { norm: Some([scale, shift]), activation, .. }) => {
                    Source::Activated(Activated { x, scale, shift, slope: activation.slope() })
                }
                Some(Stage { norm: None, .. }) => Source::Plain(x),
            };
            let finish = if stage.norm.is_some() { Finish::Nothing } else { Finish::Activate(stage.activation) };
            let out = &mut output[..batch * stage.conv.shape().big.len()];
            stage.conv.adjoint_prepared(cpu, out, finish, input, &stage.weight, batch, None, scratch);
        }
        output
    }
}
