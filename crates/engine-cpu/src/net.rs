//! One network: its stages, forward and backward.

use crate::timing::{LayerTime, Pass, Timer};
use crate::weights::{Layout, sort};
use dcgan_kernels::activation::{self, Activation};
use dcgan_kernels::batch_norm::{self, Running, Statistics};
use dcgan_kernels::conv::{ConvPlan, ConvShape, Plane, SmallSide};
use dcgan_kernels::finish::Finish;
use dcgan_kernels::memory::Buffer;
use dcgan_kernels::source::{Activated, NormBackward, NormGradient, Source};
use dcgan_kernels::{Cpu, finite};
use dcgan_model::{Conv, Layer, Network, Shape, StateDict};
use std::ops::Range;

// The kernels know no layers.
const _: () = assert!(batch_norm::EPS == Layer::BATCH_NORM_EPS, "one eps for the kernels and the files");

/// A convolution with what follows it. `Sigmoid` and `Flatten` do nothing here: the loss works on logits.
#[derive(Debug)]
struct Stage {
    /// Index of the convolution in the network's layers.
    layer: usize,
    conv: ConvPlan,
    /// `ConvTranspose2d`: input is the small side.
    transposed: bool,
    weight: Range<usize>,
    norm: Option<Norm>,
    activation: Activation,
}

/// Where a stage's batch norm has its tensors.
#[derive(Debug)]
struct Norm {
    weight: Range<usize>,
    bias: Range<usize>,
    running_mean: Range<usize>,
    running_var: Range<usize>,
}

/// How batch norm normalises.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    /// With the batch's statistics, moving the running ones by this momentum.
    Train(f32),
    /// With running statistics.
    Eval,
}

impl Mode {
    /// Training, as PyTorch does it.
    pub(crate) const TRAIN: Self = Self::Train(batch_norm::MOMENTUM);
}

/// The weights and running statistics of a network, planned for batches up to a fixed size.
#[derive(Debug)]
pub(crate) struct Net {
    network: Network,
    pub(crate) layout: Layout,
    stages: Vec<Stage>,
    pub(crate) parameters: Buffer,
    buffers: Vec<f32>,
    batches_tracked: i64,
    timer: Timer,
}

/// A transposed convolution of a generator in eval mode, with batch norm in it: y = f(convᵀ(x, weight) + shift).
#[derive(Debug)]
pub(crate) struct Folded {
    pub(crate) weight: Vec<f32>,
    /// Per channel; none without batch norm.
    pub(crate) shift: Option<Vec<f32>>,
    pub(crate) activation: Activation,
}

/// What a forward pass leaves behind for the backward pass, for the largest batch.
#[derive(Debug)]
pub(crate) struct Activations {
    stages: Vec<StageActivations>,
    /// Sums of the pieces of one output, for batch norm.
    sums: Vec<f32>,
    /// Of the last forward pass.
    mode: Mode,
}

#[derive(Debug)]
struct StageActivations {
    /// The convolution's output; without batch norm, activated.
    conv: Buffer,
    norm: Option<NormActivations>,
}

/// Batch norm's values per channel.
#[derive(Debug)]
struct NormActivations {
    mean: Vec<f32>,
    rstd: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    dweight: Vec<f32>,
    dbias: Vec<f32>,
    gradient_factor: Vec<f32>,
    x_factor: Vec<f32>,
    constant: Vec<f32>,
}

impl NormActivations {
    fn new(channels: usize) -> Self {
        let zeros = || vec![0.0; channels];
        Self {
            mean: zeros(),
            rstd: zeros(),
            scale: zeros(),
            shift: zeros(),
            dweight: zeros(),
            dbias: zeros(),
            gradient_factor: zeros(),
            x_factor: zeros(),
            constant: zeros(),
        }
    }

    /// Running statistics in the place of a batch's.
    fn take_running(&mut self, mean: &[f32], var: &[f32]) {
        self.mean.copy_from_slice(mean);
        for (rstd, var) in self.rstd.iter_mut().zip(var) {
            *rstd = 1.0 / (*var + batch_norm::EPS).sqrt();
        }
    }

    /// Scale and shift from the statistics and the parameters of `norm`.
    fn fold(&mut self, norm: &Norm, parameters: &[f32]) {
        let (weight, bias) = (&parameters[norm.weight.clone()], &parameters[norm.bias.clone()]);
        batch_norm::fold(&mut self.scale, &mut self.shift, &self.mean, &self.rstd, weight, bias);
    }

    fn activated<'a>(&'a self, x: &'a [f32], slope: f32) -> Activated<'a> {
        Activated { x, scale: &self.scale, shift: &self.shift, slope }
    }
}

/// Memory that backward passes work in.
#[derive(Debug)]
pub(crate) struct Gradients {
    /// Gradient of the current stage's activated output; without batch norm, of its convolution's output.
    pub(crate) current: Buffer,
    /// The same of the stage before.
    pub(crate) next: Buffer,
    /// A convolution's transform of its small side.
    transform: Buffer,
}

impl Gradients {
    /// Memory for the largest activation and transform of `nets`.
    pub(crate) fn new(cpu: &Cpu, nets: [&Net; 2], batch: usize) -> Self {
        let [activation, transform] = Self::lens(cpu, nets, batch);
        Self {
            current: Buffer::zeros(activation),
            next: Buffer::zeros(activation),
            transform: Buffer::zeros(transform),
        }
    }

    /// Values of all of it.
    pub(crate) fn len(cpu: &Cpu, nets: [&Net; 2], batch: usize) -> usize {
        let [activation, transform] = Self::lens(cpu, nets, batch);
        2 * activation + transform
    }

    fn lens(cpu: &Cpu, nets: [&Net; 2], batch: usize) -> [usize; 2] {
        let [a, b] = nets;
        let transform = |net: &Net| net.stages.iter().map(|stage| stage.conv.small_transform_len(cpu)).max();
        [batch * a.largest_activation().max(b.largest_activation()), transform(a).max(transform(b)).unwrap_or(0)]
    }
}

/// Which gradients a backward pass computes.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// Gradients of the parameters, in the network's layout.
    pub(crate) parameters: Option<&'a mut [f32]>,
    /// Gradient of the network's input, and what to do with it.
    pub(crate) input: Option<Finish<'a>>,
}

fn plane(shape: Shape) -> Plane {
    Plane { height: shape.height, width: shape.width, channels: shape.channels }
}

impl Net {
    pub(crate) fn new(network: &Network, max_batch: usize) -> Self {
        let plan = Self::plan(network, max_batch);
        let parameters = Buffer::zeros(plan.layout.parameters_len);
        let buffers = vec![0.0; plan.layout.buffers_len];
        Self { parameters, buffers, ..plan }
    }

    /// The network without memory for its weights, to find out how much memory everything will need.
    pub(crate) fn plan(network: &Network, max_batch: usize) -> Self {
        let layout = Layout::new(network);
        let mut stages: Vec<Stage> = Vec::new();
        for (index, (layer, input, _)) in network.shapes().into_iter().enumerate() {
            let mut conv = |Conv { out_channels, kernel, stride, padding, .. }: Conv, transposed: bool| {
                let shape = if transposed { ConvShape::transposed } else { ConvShape::new };
                let shape = shape(plane(input), out_channels, kernel, stride, padding);
                let weight = layout.range(index, "weight");
                let conv = ConvPlan::new(shape, max_batch);
                stages.push(Stage {
                    layer: index,
                    conv,
                    transposed,
                    weight,
                    norm: None,
                    activation: Activation::Identity,
                });
            };
            match layer {
                Layer::Conv2d(sizes) => conv(sizes, false),
                Layer::ConvTranspose2d(sizes) => conv(sizes, true),
                Layer::BatchNorm2d { .. } => {
                    if let Some(stage) = stages.last_mut() {
                        stage.norm = Some(Norm {
                            weight: layout.range(index, "weight"),
                            bias: layout.range(index, "bias"),
                            running_mean: layout.range(index, "running_mean"),
                            running_var: layout.range(index, "running_var"),
                        });
                    }
                }
                Layer::LeakyRelu { .. } | Layer::Relu | Layer::Tanh => {
                    if let Some(stage) = stages.last_mut() {
                        stage.activation = match layer {
                            Layer::LeakyRelu { slope } => Activation::LeakyRelu(slope),
                            Layer::Relu => Activation::RELU,
                            _ => Activation::Tanh,
                        };
                    }
                }
                Layer::Sigmoid | Layer::Flatten => {}
            }
        }
        let (parameters, buffers) = (Buffer::zeros(0), Vec::new());
        let timer = Timer::new(stages.len());
        Self { network: network.clone(), layout, stages, parameters, buffers, batches_tracked: 0, timer }
    }

    /// Takes over a checked state_dict.
    pub(crate) fn load(&mut self, state: &StateDict) {
        self.layout.read(&mut self.parameters, state, true);
        self.layout.read(&mut self.buffers, state, false);
        let batches = state.values().find_map(|tensor| tensor.as_i64()?.first().copied());
        self.batches_tracked = batches.unwrap_or(0);
    }

    /// The state_dict, as it would be with these parameters.
    pub(crate) fn state_with(&self, parameters: &[f32]) -> StateDict {
        let mut state = StateDict::new();
        self.layout.write(&mut state, parameters, true);
        self.layout.write(&mut state, &self.buffers, false);
        sort(state, &self.network, self.batches_tracked)
    }

    /// The sizes of the convolutions, in order.
    pub(crate) fn conv_shapes(&self) -> impl Iterator<Item = ConvShape> {
        self.stages.iter().map(|stage| *stage.conv.shape())
    }

    /// The stages of a generator with batch norm folded into the weights, by its running statistics.
    pub(crate) fn folded(&self) -> Vec<Folded> {
        let fold = |stage: &Stage| {
            debug_assert!(stage.transposed, "a generator only goes up");
            let shape = *stage.conv.shape();
            let mut weight = self.parameters[stage.weight.clone()].to_vec();
            let shift = stage.norm.as_ref().map(|norm| {
                let mut acts = NormActivations::new(shape.big.channels);
                acts.take_running(&self.buffers[norm.running_mean.clone()], &self.buffers[norm.running_var.clone()]);
                acts.fold(norm, &self.parameters);
                for row in weight.chunks_exact_mut(shape.big.channels * shape.small.channels) {
                    for (weights, scale) in row.chunks_exact_mut(shape.small.channels).zip(&acts.scale) {
                        weights.iter_mut().for_each(|weight| *weight *= scale);
                    }
                }
                acts.shift
            });
            Folded { weight, shift, activation: stage.activation }
        };
        self.stages.iter().map(fold).collect()
    }

    /// Runs `work` with other weights and running statistics, a checked state_dict's, and then has its own again.
    pub(crate) fn with<R>(&mut self, state: &StateDict, work: impl FnOnce(&mut Self) -> R) -> R {
        let own = (self.parameters.to_vec(), self.buffers.clone(), self.batches_tracked);
        self.load(state);
        let result = work(self);
        self.parameters.copy_from_slice(&own.0);
        (self.buffers, self.batches_tracked) = (own.1, own.2);
        result
    }

    pub(crate) fn state(&self) -> StateDict {
        self.state_with(&self.parameters)
    }

    /// Where the first number is that is not finite, for people.
    pub(crate) fn non_finite(&self, cpu: &Cpu) -> Option<String> {
        let blocks = [("the parameter", &*self.parameters, true), ("the running statistic", &*self.buffers, false)];
        let (what, block, parameters) = blocks.into_iter().find(|(_, block, _)| !finite::all_finite(cpu, block))?;
        Some(format!("{what} {}", self.layout.non_finite(block, parameters)?))
    }

    /// Memory for the activations of `batch` pictures.
    pub(crate) fn activations(&self, cpu: &Cpu, batch: usize) -> Activations {
        let stages = self.stages.iter().map(|stage| {
            let output = stage.output();
            let norm = stage.norm.as_ref().map(|_| NormActivations::new(output.channels));
            StageActivations { conv: Buffer::zeros(batch * output.len()), norm }
        });
        Activations { stages: stages.collect(), sums: vec![0.0; self.sums_len(cpu, batch)], mode: Mode::Eval }
    }

    /// Values of all memory that training this network on `batch` pictures takes: weights, gradient, two moments, and activations.
    pub(crate) fn train_len(&self, cpu: &Cpu, batch: usize) -> usize {
        let activations = self.stages.iter().map(|stage| batch * stage.output().len() + 9 * stage.output().channels);
        let weights = 4 * self.layout.parameters_len + self.layout.buffers_len;
        weights + activations.sum::<usize>() + self.sums_len(cpu, batch)
    }

    /// Values of the sums that batch norm needs of any output, in the forward or backward pass.
    fn sums_len(&self, cpu: &Cpu, batch: usize) -> usize {
        let sums = self.stages.iter().map(|stage| {
            let channels = stage.output().channels.max(stage.input().channels);
            stage.conv.pieces(cpu, batch) * batch_norm::sums_len(channels)
        });
        sums.max().unwrap_or(0)
    }

    /// Values of the largest activation of one picture, input included: what a gradient buffer must hold.
    fn largest_activation(&self) -> usize {
        self.stages.iter().flat_map(|stage| [stage.input().len(), stage.output().len()]).max().unwrap_or(0)
    }

    /// Values of scratch memory that any pass needs.
    pub(crate) fn scratch_len(&self, cpu: &Cpu) -> usize {
        self.stages.iter().map(|stage| stage.conv.scratch_len(cpu)).max().unwrap_or(0)
    }

    /// How long each pass of each convolution has taken.
    pub(crate) fn timings(&self) -> Vec<LayerTime> {
        let stages = self.stages.iter().map(|stage| (stage.layer, stage.conv.shape().direct_multiply_adds()));
        self.timer.times(self.network.role, stages)
    }

    /// Forgets all times.
    pub(crate) fn reset_timings(&mut self) {
        self.timer.reset();
    }

    /// Runs the network on `batch` inputs (NHWC); see [`Net::output`].
    pub(crate) fn forward(
        &mut self,
        cpu: &Cpu,
        mode: Mode,
        acts: &mut Activations,
        input: &[f32],
        batch: usize,
        scratch: &mut [f32],
    ) {
        let Self { stages, parameters, buffers, batches_tracked, timer, .. } = self;
        if matches!(mode, Mode::Train(_)) {
            *batches_tracked += 1;
        }
        let Activations { stages: acts, sums, mode: last_mode } = acts;
        *last_mode = mode;
        for (index, stage) in stages.iter().enumerate() {
            let (before, acts) = acts.split_at_mut(index);
            let StageActivations { conv, norm: norm_acts } = &mut acts[0];
            let input = match (index.checked_sub(1), before.last()) {
                (Some(previous), Some(acts)) => stages[previous].activated_output(acts, batch),
                _ => Source::Plain(input),
            };
            let finish = match (&stage.norm, mode) {
                (None, _) => Finish::Activate(stage.activation),
                (Some(_), Mode::Train(_)) => Finish::Statistics(sums),
                (Some(_), Mode::Eval) => Finish::Nothing,
            };
            let conv = &mut conv[..batch * stage.output().len()];
            let weight = &parameters[stage.weight.clone()];
            timer.time(index, Pass::Forward, || {
                if stage.transposed {
                    stage.conv.adjoint(cpu, conv, finish, input, weight, batch, None, scratch);
                } else {
                    stage.conv.forward(cpu, conv, finish, input, weight, batch, scratch);
                }
            });
            let (Some(norm), Some(acts)) = (&stage.norm, norm_acts) else { continue };
            let (running_mean, running_var) = two(buffers, &norm.running_mean, &norm.running_var);
            match mode {
                Mode::Train(momentum) => {
                    let stats = Statistics { mean: &mut acts.mean, rstd: &mut acts.rstd };
                    let running = Running { mean: running_mean, var: running_var, momentum };
                    let len = stage.conv.pieces(cpu, batch) * batch_norm::sums_len(stage.output().channels);
                    batch_norm::finish_statistics(stats, running, &sums[..len]);
                }
                Mode::Eval => acts.take_running(running_mean, running_var),
            }
            acts.fold(norm, parameters);
        }
    }

    /// What the last forward pass on `batch` inputs computed (NHWC; logits for the discriminator).
    pub(crate) fn output<'a>(&self, acts: &'a Activations, batch: usize) -> &'a [f32] {
        let last = acts.stages.last().map_or(&[] as &[f32], |acts| &*acts.conv);
        &last[..batch * self.stages.last().map_or(0, |stage| stage.output().len())]
    }

    /// What a convolution that computes the gradient of this network's output must do with it before [`Net::backward`].
    pub(crate) fn output_gradient_finish<'a>(&self, acts: &'a Activations, batch: usize) -> Finish<'a> {
        match (self.stages.last(), acts.stages.last()) {
            (Some(stage), Some(acts)) => stage.activation_gradient(acts, batch),
            _ => Finish::Nothing,
        }
    }

    /// From the gradient of this network's output to what [`Net::backward`] starts from.
    pub(crate) fn output_gradient(&self, cpu: &Cpu, acts: &Activations, gradient: &mut [f32], batch: usize) {
        if let Some(stage) = self.stages.last() {
            activation::backward(cpu, gradient, self.output(acts, batch), stage.activation);
        }
    }

    /// Backpropagates through the last forward pass. `gradients.current` holds the gradient of the last convolution's output: the
    /// last stage of both networks has no batch norm, and the gradient of its activation is the caller's. That of the input ends up in
    /// `gradients.current`.
    pub(crate) fn backward(
        &mut self,
        cpu: &Cpu,
        acts: &mut Activations,
        input: &[f32],
        gradients: &mut Gradients,
        mut wanted: Wanted<'_>,
        batch: usize,
        scratch: &mut [f32],
    ) {
        let Self { stages, parameters, timer, .. } = self;
        let Activations { stages: acts, sums, mode } = acts;
        for (index, stage) in stages.iter().enumerate().rev() {
            let Gradients { current, next, transform } = &mut *gradients;
            let (before, acts) = acts.split_at_mut(index);
            let acts = &acts[0];
            let gradient = stage.gradient(cpu, acts, current, batch);

            let finish = match (index.checked_sub(1), before.last()) {
                (Some(previous), Some(acts)) => {
                    let previous = &stages[previous];
                    match &acts.norm {
                        Some(norm) => {
                            let x = &acts.conv[..batch * previous.output().len()];
                            let forward = norm.activated(x, previous.activation.slope());
                            Some(Finish::GradientSums { forward, mean: &norm.mean, sums: &mut *sums })
                        }
                        None => Some(previous.activation_gradient(acts, batch)),
                    }
                }
                _ => wanted.input.take(),
            };
            let wants_input = finish.is_some();
            if let Some(finish) = finish {
                let weight = &parameters[stage.weight.clone()];
                let next = &mut next[..batch * stage.input().len()];
                let keep = wanted.parameters.is_some().then_some(&mut transform[..]);
                timer.time(index, Pass::InputGradient, || {
                    if stage.transposed {
                        stage.conv.forward(cpu, next, finish, gradient, weight, batch, scratch);
                    } else {
                        stage.conv.adjoint(cpu, next, finish, gradient, weight, batch, keep, scratch);
                    }
                });
            }
            if let Some(all) = &mut wanted.parameters {
                let input = match (index.checked_sub(1), before.last()) {
                    (Some(previous), Some(acts)) => stages[previous].activated_output(acts, batch),
                    _ => Source::Plain(input),
                };
                let (big, small) = if stage.transposed { (gradient, input) } else { (input, gradient) };
                // Kept above if the gradient is the small side.
                let ready = wants_input && !stage.transposed;
                let small = SmallSide { source: small, transform, ready };
                let dweight = &mut all[stage.weight.clone()];
                timer.time(index, Pass::WeightGradient, || {
                    stage.conv.weight_gradient(cpu, dweight, big, small, batch, scratch);
                });
                if let (Some(norm), Some(acts)) = (&stage.norm, &acts.norm) {
                    all[norm.weight.clone()].copy_from_slice(&acts.dweight);
                    all[norm.bias.clone()].copy_from_slice(&acts.dbias);
                }
            }
            if let (Some(previous), Some(acts)) = (index.checked_sub(1), before.last_mut()) {
                let previous = &stages[previous];
                if let (Some(norm), Some(acts)) = (&previous.norm, &mut acts.norm) {
                    let out = batch_norm::Gradients {
                        weight: &mut acts.dweight,
                        bias: &mut acts.dbias,
                        gradient_factor: &mut acts.gradient_factor,
                        x_factor: &mut acts.x_factor,
                        constant: &mut acts.constant,
                    };
                    let weight = &parameters[norm.weight.clone()];
                    let len = stage.conv.pieces(cpu, batch) * batch_norm::sums_len(previous.output().channels);
                    batch_norm::finish_gradients(out, &acts.mean, &acts.rstd, weight, &sums[..len]);
                    if *mode == Mode::Eval {
                        // Running statistics do not depend on x, which leaves scale · x + shift.
                        acts.gradient_factor.copy_from_slice(&acts.scale);
                        acts.x_factor.fill(0.0);
                        acts.constant.fill(0.0);
                    }
                }
            }
            if wants_input {
                std::mem::swap(&mut gradients.current, &mut gradients.next);
            }
        }
    }
}

impl Stage {
    fn input(&self) -> Plane {
        let shape = self.conv.shape();
        if self.transposed { shape.small } else { shape.big }
    }

    fn output(&self) -> Plane {
        let shape = self.conv.shape();
        if self.transposed { shape.big } else { shape.small }
    }

    /// The stage's output, as the next convolution reads it.
    fn activated_output<'a>(&self, acts: &'a StageActivations, batch: usize) -> Source<'a> {
        let x = &acts.conv[..batch * self.output().len()];
        match &acts.norm {
            Some(norm) => Source::Activated(norm.activated(x, self.activation.slope())),
            None => Source::Plain(x),
        }
    }

    /// The gradient of the convolution's output, from `current` as [`Gradients`] describes it.
    fn gradient<'a>(&self, cpu: &Cpu, acts: &'a StageActivations, current: &'a mut [f32], batch: usize) -> Source<'a> {
        let len = batch * self.output().len();
        let gradient = &mut current[..len];
        let Some(norm) = &acts.norm else { return Source::Plain(gradient) };
        let norm = NormBackward {
            forward: norm.activated(&acts.conv[..len], self.activation.slope()),
            gradient_factor: &norm.gradient_factor,
            x_factor: &norm.x_factor,
            constant: &norm.constant,
        };
        if self.transposed {
            // The big side: both passes read it, in tiles that overlap. One sweep over memory costs less.
            norm.apply(cpu, gradient);
            Source::Plain(gradient)
        } else {
            Source::NormGradient(NormGradient { gradient, norm })
        }
    }

    /// From the gradient of the stage's output to that of its convolution's, without batch norm.
    fn activation_gradient<'a>(&self, acts: &'a StageActivations, batch: usize) -> Finish<'a> {
        let outputs = &acts.conv[..batch * self.output().len()];
        Finish::ActivationGradient { activation: self.activation, outputs }
    }
}

/// Two disjoint ranges of one block, the first before the second.
fn two<'a>(block: &'a mut [f32], first: &Range<usize>, second: &Range<usize>) -> (&'a mut [f32], &'a mut [f32]) {
    let (head, tail) = block.split_at_mut(second.start);
    (&mut head[first.clone()], &mut tail[..second.len()])
}
