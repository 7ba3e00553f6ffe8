//! The training engine: both networks and the three parts of a step.

use crate::net::{Activations, Gradients, Mode, Net, Wanted};
use crate::optimizer::Optimizer;
use crate::timing::LayerTime;
use dcgan_kernels::loss::{Bce, bce_with_logits};
use dcgan_kernels::memory::Buffer;
use dcgan_kernels::{Cpu, pixels};
use dcgan_model::{
    AdamConfig, AdamState, Engine, EngineError, ModelConfig, Network, NetworkState, StateDict, StepReport, TrainState,
};

/// Trains a DCGAN on the CPU; see [`Engine`] for what it does.
#[derive(Debug)]
pub struct CpuEngine {
    cpu: Cpu,
    config: ModelConfig,
    batch: usize,
    discriminator: Side,
    generator: Side,
    memory: Memory,
    /// Of all the memory above.
    bytes: usize,
}

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
    gradients: Gradients,
    scratch: Buffer,
}

impl Side {
    fn new(cpu: &Cpu, network: Network, batch: usize, adam: AdamConfig) -> Self {
        let net = Net::new(&network, batch);
        let (optimizer, acts) = (Optimizer::new(&net, adam), net.activations(cpu, batch));
        Self { network, net, optimizer, acts }
    }

    fn check(&self, state: &NetworkState) -> Result<(), EngineError> {
        let role = self.network.role;
        self.network.check(&state.tensors).map_err(|error| EngineError::State {
            name: format!("of the {role}'s state"),
            problem: error.to_string(),
        })?;
        for spec in self.network.tensors().into_iter().filter(|spec| spec.is_parameter) {
            for moments in [&state.adam.exp_avg, &state.adam.exp_avg_sq] {
                let fits = moments.get(&spec.name).is_some_and(|t| t.shape == spec.shape && t.as_f32().is_some());
                if !fits {
                    let name = format!("{} of the {role}'s Adam", spec.name);
                    return Err(EngineError::State { name, problem: "missing or of another shape".to_owned() });
                }
            }
        }
        Ok(())
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
    pub fn new(cpu: Cpu, config: &ModelConfig, adam: AdamConfig, batch: usize) -> Result<Self, EngineError> {
        assert!(batch > 0, "a batch of no pictures");
        let networks = [Network::discriminator(config), Network::generator(config)];
        let images = batch * config.image_len();
        let bytes = {
            let nets = [&networks[0], &networks[1]].map(|network| Net::plan(network, batch));
            let nets = [&nets[0], &nets[1]];
            let scratch = scratch_len(&cpu, nets);
            let trained: usize = nets.iter().map(|net| net.train_len(&cpu, batch)).sum();
            size_of::<f32>() * (trained + Gradients::len(&cpu, nets, batch) + images + scratch)
        };
        // Asking for all of it at once tells whether the system has it, before anything is built.
        if Vec::<u8>::new().try_reserve_exact(bytes).is_err() {
            return Err(EngineError::OutOfMemory { mib: bytes.div_ceil(1 << 20) });
        }
        let [discriminator, generator] = networks.map(|network| Side::new(&cpu, network, batch, adam));
        let nets = [&discriminator.net, &generator.net];
        let memory = Memory {
            images: Buffer::zeros(images),
            gradients: Gradients::new(&cpu, nets, batch),
            scratch: Buffer::zeros(scratch_len(&cpu, nets)),
        };
        Ok(Self { cpu, config: *config, batch, discriminator, generator, memory, bytes })
    }

    /// The discriminator's gradient of the last step that computed one, by parameter name, in PyTorch's layout.
    pub fn discriminator_gradient(&self) -> StateDict {
        self.discriminator.optimizer.gradient(&self.discriminator.net)
    }

    /// The generator's gradient of the last step that computed one.
    pub fn generator_gradient(&self) -> StateDict {
        self.generator.optimizer.gradient(&self.generator.net)
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

    /// D forward on the first network input of `images`, loss, D backward, Adam(D).
    fn train_discriminator(&mut self, source: Source<'_>, batch: usize) -> StepReport {
        let Self { cpu, discriminator, generator, memory, .. } = self;
        let Memory { images, gradients, scratch } = memory;
        let cpu = &*cpu;
        cpu.run(|| {
            let input: &[f32] = match source {
                Source::Images(bytes) => {
                    pixels::normalize(cpu, &mut images[..bytes.len()], bytes);
                    &images[..bytes.len()]
                }
                Source::Noise(noise) => {
                    generator.net.forward(cpu, Mode::Train, &mut generator.acts, noise, batch, scratch);
                    generator.net.output(&generator.acts, batch)
                }
            };
            let Side { net, acts, optimizer, .. } = discriminator;
            net.forward(cpu, Mode::Train, acts, input, batch, scratch);
            let is_real = matches!(source, Source::Images(_));
            let bce = bce_with_logits(&mut gradients.current[..batch], net.output(acts, batch), is_real);
            let wanted = Wanted { parameters: Some(&mut optimizer.gradient), input: None };
            net.backward(cpu, acts, input, gradients, wanted, batch, scratch);
            optimizer.step(cpu, net);
            report(bce)
        })
    }

    /// G and D forward, loss, backward through D's inputs and G, Adam(G).
    fn train_generator(&mut self, noise: &[f32], batch: usize) -> StepReport {
        let Self { cpu, discriminator, generator, memory, .. } = self;
        let Memory { gradients, scratch, .. } = memory;
        let cpu = &*cpu;
        cpu.run(|| {
            let Side { net, acts, optimizer, .. } = generator;
            net.forward(cpu, Mode::Train, acts, noise, batch, scratch);
            let fakes = net.output(acts, batch);
            let Side { net: d_net, acts: d_acts, .. } = discriminator;
            d_net.forward(cpu, Mode::Train, d_acts, fakes, batch, scratch);
            let bce = bce_with_logits(&mut gradients.current[..batch], d_net.output(d_acts, batch), true);
            let wanted = Wanted { parameters: None, input: Some(net.output_gradient_finish(acts, batch)) };
            d_net.backward(cpu, d_acts, fakes, gradients, wanted, batch, scratch);
            let wanted = Wanted { parameters: Some(&mut optimizer.gradient), input: None };
            net.backward(cpu, acts, noise, gradients, wanted, batch, scratch);
            optimizer.step(cpu, net);
            report(bce)
        })
    }
}

fn scratch_len(cpu: &Cpu, nets: [&Net; 2]) -> usize {
    nets.iter().map(|net| net.scratch_len(cpu)).max().unwrap_or(0)
}

fn report(Bce { loss, mean_output }: Bce) -> StepReport {
    StepReport { loss, mean_output }
}

impl Engine for CpuEngine {
    fn description(&self) -> String {
        format!("CPU, {}, {} threads", self.cpu.isa().name(), self.cpu.threads())
    }

    fn memory_bytes(&self) -> usize {
        self.bytes
    }

    fn load_state(&mut self, state: &TrainState) -> Result<(), EngineError> {
        self.discriminator.check(&state.discriminator)?;
        self.generator.check(&state.generator)?;
        self.discriminator.load(&state.discriminator);
        self.generator.load(&state.generator);
        Ok(())
    }

    fn state(&self) -> TrainState {
        TrainState { discriminator: self.discriminator.state(), generator: self.generator.state() }
    }

    fn scale_learning_rates(&mut self, scale: f64) {
        self.discriminator.optimizer.scale_learning_rate(scale);
        self.generator.optimizer.scale_learning_rate(scale);
    }

    fn non_finite(&self) -> Option<String> {
        let Self { cpu, discriminator, generator, .. } = self;
        let sides = [discriminator, generator];
        let in_network = |place: String, side: &Side| format!("{place} in the {} is not finite", side.network.role);
        cpu.run(|| {
            // Gradients first: they are what makes the rest go wrong.
            let gradients =
                sides.iter().find_map(|side| Some(in_network(side.optimizer.non_finite(cpu, &side.net)?, side)));
            gradients.or_else(|| sides.iter().find_map(|side| Some(in_network(side.net.non_finite(cpu)?, side))))
        })
    }

    fn train_discriminator_real(&mut self, images: &[u8]) -> Result<StepReport, EngineError> {
        let batch = self.batch_of(images.len(), self.config.image_len())?;
        Ok(self.train_discriminator(Source::Images(images), batch))
    }

    fn train_discriminator_fake(&mut self, noise: &[f32]) -> Result<StepReport, EngineError> {
        let batch = self.batch_of(noise.len(), self.config.latent_dim)?;
        Ok(self.train_discriminator(Source::Noise(noise), batch))
    }

    fn train_generator(&mut self, noise: &[f32]) -> Result<StepReport, EngineError> {
        let batch = self.batch_of(noise.len(), self.config.latent_dim)?;
        Ok(self.train_generator(noise, batch))
    }

    fn generate(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
        let Self { cpu, generator: Side { net, acts, .. }, memory, batch, config, .. } = self;
        crate::generator::generate(cpu, net, acts, &mut memory.scratch, config, *batch, noise)
    }
}
