//! One network: its stages, forward and backward.

use crate::weights::{Layout, sort};
use dcgan_kernels::Cpu;
use dcgan_kernels::activation::{self, Activation};
use dcgan_kernels::batch_norm::{self, Running, Saved, Statistics};
use dcgan_kernels::conv::{ConvPlan, ConvShape, Operand, Plane};
use dcgan_model::{Conv, Layer, Network, Shape, StateDict};
use std::ops::Range;

/// A convolution with what follows it. `Sigmoid` and `Flatten` do nothing here: the loss works on logits.
#[derive(Debug)]
struct Stage {
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// With the batch's statistics, moving the running ones.
    Train,
    /// The same, but the weights will get no gradient: what only that needs is not kept.
    TrainFrozen,
    /// With running statistics.
    Eval,
}

/// The weights and running statistics of a network, planned for batches up to a fixed size.
#[derive(Debug)]
pub(crate) struct Net {
    network: Network,
    pub(crate) layout: Layout,
    stages: Vec<Stage>,
    pub(crate) parameters: Vec<f32>,
    buffers: Vec<f32>,
    batches_tracked: i64,
}

/// What a forward pass leaves behind for the backward pass, for the largest batch.
#[derive(Debug)]
pub(crate) struct Activations {
    stages: Vec<StageActivations>,
}

#[derive(Debug)]
struct StageActivations {
    /// The convolution's transform of the stage's input, kept for the weight gradient.
    kept: Vec<f32>,
    /// The convolution's output; without batch norm, activated in place.
    conv: Vec<f32>,
    /// Normalised and activated; empty without batch norm.
    normed: Vec<f32>,
    mean: Vec<f32>,
    rstd: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl StageActivations {
    fn output(&self) -> &[f32] {
        if self.normed.is_empty() { &self.conv } else { &self.normed }
    }
}

/// Memory that backward passes work in.
#[derive(Debug)]
pub(crate) struct Gradients {
    /// Gradient of the current activation.
    pub(crate) current: Vec<f32>,
    /// Gradient of the one before it.
    next: Vec<f32>,
    /// The convolution's transform of the current gradient.
    transform: Vec<f32>,
}

impl Gradients {
    /// Memory for the largest activation and transform of `nets`.
    pub(crate) fn new(cpu: &Cpu, nets: [&Net; 2], batch: usize) -> Self {
        let [activation, transform] = Self::lens(cpu, nets, batch);
        Self { current: vec![0.0; activation], next: vec![0.0; activation], transform: vec![0.0; transform] }
    }

    /// Values of all of it.
    pub(crate) fn len(cpu: &Cpu, nets: [&Net; 2], batch: usize) -> usize {
        let [activation, transform] = Self::lens(cpu, nets, batch);
        2 * activation + transform
    }

    fn lens(cpu: &Cpu, nets: [&Net; 2], batch: usize) -> [usize; 2] {
        let [a, b] = nets;
        [
            batch * a.largest_activation().max(b.largest_activation()),
            a.gradient_transform_len(cpu).max(b.gradient_transform_len(cpu)),
        ]
    }
}

/// Which gradients a backward pass computes.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// Gradients of the parameters, in the network's layout.
    pub(crate) parameters: Option<&'a mut [f32]>,
    /// Gradient of the network's input.
    pub(crate) input: bool,
}

fn plane(shape: Shape) -> Plane {
    Plane { height: shape.height, width: shape.width, channels: shape.channels }
}

impl Net {
    pub(crate) fn new(network: &Network, max_batch: usize) -> Self {
        let plan = Self::plan(network, max_batch);
        let (parameters, buffers) = (vec![0.0; plan.layout.parameters_len], vec![0.0; plan.layout.buffers_len]);
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
                stages.push(Stage { conv, transposed, weight, norm: None, activation: Activation::Identity });
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
        let (parameters, buffers) = (Vec::new(), Vec::new());
        Self { network: network.clone(), layout, stages, parameters, buffers, batches_tracked: 0 }
    }

    /// Takes over a checked state_dict.
    pub(crate) fn load(&mut self, state: &StateDict) {
        self.layout.read(&mut self.parameters, state, true);
        self.layout.read(&mut self.buffers, state, false);
        let batches = state.values().find_map(|tensor| tensor.as_i64()?.first().copied());
        self.batches_tracked = batches.unwrap_or(0);
    }

    pub(crate) fn state(&self) -> StateDict {
        let mut state = StateDict::new();
        self.layout.write(&mut state, &self.parameters, true);
        self.layout.write(&mut state, &self.buffers, false);
        sort(state, &self.network, self.batches_tracked)
    }

    /// Memory for the activations of `batch` pictures, with or without what only training needs.
    pub(crate) fn activations(&self, cpu: &Cpu, batch: usize, train: bool) -> Activations {
        let stages = self.stages.iter().map(|stage| {
            let [kept, conv, normed, channels] = stage.activation_lens(cpu, batch, train);
            let zeros = |len| vec![0.0; len];
            StageActivations {
                kept: zeros(kept),
                conv: zeros(conv),
                normed: zeros(normed),
                mean: zeros(channels),
                rstd: zeros(channels),
                scale: zeros(channels),
                shift: zeros(channels),
            }
        });
        Activations { stages: stages.collect() }
    }

    /// Values of all memory that training this network on `batch` pictures takes: weights, gradient, two moments, and activations.
    pub(crate) fn train_len(&self, cpu: &Cpu, batch: usize) -> usize {
        let activations = self.stages.iter().map(|stage| {
            let [kept, conv, normed, channels] = stage.activation_lens(cpu, batch, true);
            kept + conv + normed + 4 * channels
        });
        4 * self.layout.parameters_len + self.layout.buffers_len + activations.sum::<usize>()
    }

    /// Values of the largest activation of one picture, input included: what a gradient buffer must hold.
    fn largest_activation(&self) -> usize {
        self.stages.iter().flat_map(|stage| [stage.input().len(), stage.output().len()]).max().unwrap_or(0)
    }

    /// Values of the largest transform of an output's gradient.
    fn gradient_transform_len(&self, cpu: &Cpu) -> usize {
        self.stages.iter().map(|stage| stage.output_transform_len(cpu)).max().unwrap_or(0)
    }

    /// Values of scratch memory that any pass needs.
    pub(crate) fn scratch_len(&self, cpu: &Cpu, batch: usize) -> usize {
        let norms = self.stages.iter().map(|stage| {
            let output = stage.output();
            // The backward pass keeps its two sums per channel in front of its partial sums.
            batch_norm::scratch_len(batch * output.pixels(), output.channels) + 2 * output.channels
        });
        self.stages.iter().map(|stage| stage.conv.scratch_len(cpu)).chain(norms).max().unwrap_or(0)
    }

    /// Runs the network on `batch` inputs (NHWC) and returns its output (NHWC; logits for the discriminator).
    pub(crate) fn forward<'a>(
        &mut self,
        cpu: &Cpu,
        mode: Mode,
        acts: &'a mut Activations,
        input: &[f32],
        batch: usize,
        scratch: &mut [f32],
    ) -> &'a [f32] {
        if mode != Mode::Eval {
            self.batches_tracked += 1;
        }
        for (index, stage) in self.stages.iter().enumerate() {
            let (before, acts) = acts.stages.split_at_mut(index);
            let acts = &mut acts[0];
            let input = match before.last() {
                Some(previous) => &previous.output()[..batch * stage.input().len()],
                None => input,
            };
            let len = batch * stage.output().len();
            let conv = &mut acts.conv[..len];
            let weight = &self.parameters[stage.weight.clone()];
            let keep = (mode == Mode::Train).then_some(&mut acts.kept[..]);
            if stage.transposed {
                stage.conv.adjoint(cpu, conv, input, weight, batch, keep, scratch);
            } else {
                stage.conv.forward(cpu, conv, input, weight, batch, keep, scratch);
            }
            let Some(norm) = &stage.norm else {
                activation::forward(cpu, conv, stage.activation);
                continue;
            };
            let (running_mean, running_var) = two(&mut self.buffers, &norm.running_mean, &norm.running_var);
            match mode {
                Mode::Train | Mode::TrainFrozen => {
                    let stats = Statistics { mean: &mut acts.mean, rstd: &mut acts.rstd };
                    let running = Running { mean: running_mean, var: running_var };
                    batch_norm::statistics(cpu, stats, running, conv, scratch);
                }
                Mode::Eval => {
                    acts.mean.copy_from_slice(running_mean);
                    for (rstd, var) in acts.rstd.iter_mut().zip(running_var) {
                        *rstd = 1.0 / (*var + batch_norm::EPS).sqrt();
                    }
                }
            }
            let (weight, bias) = (&self.parameters[norm.weight.clone()], &self.parameters[norm.bias.clone()]);
            batch_norm::fold(&mut acts.scale, &mut acts.shift, &acts.mean, &acts.rstd, weight, bias);
            batch_norm::forward(cpu, &mut acts.normed[..len], conv, &acts.scale, &acts.shift, stage.activation);
        }
        let last = acts.stages.last().map_or(&[] as &[f32], StageActivations::output);
        &last[..batch * self.stages.last().map_or(0, |stage| stage.output().len())]
    }

    /// Backpropagates the gradient of the output, which lies in `gradients.current`, through the last forward pass in training mode.
    /// Gradients of parameters are wanted only after [`Mode::Train`]; that of the input ends up in `gradients.current`.
    pub(crate) fn backward(
        &self,
        cpu: &Cpu,
        acts: &mut Activations,
        input: &[f32],
        gradients: &mut Gradients,
        mut wanted: Wanted<'_>,
        batch: usize,
        scratch: &mut [f32],
    ) {
        for (index, stage) in self.stages.iter().enumerate().rev() {
            let Gradients { current, next, transform } = &mut *gradients;
            let current = &mut current[..batch * stage.output().len()];
            let (before, acts) = acts.stages.split_at_mut(index);
            let acts = &mut acts[0];
            self.norm_backward(cpu, stage, acts, current, wanted.parameters.as_deref_mut(), scratch);

            let wants_input = index > 0 || wanted.input;
            if wants_input {
                let weight = &self.parameters[stage.weight.clone()];
                let next = &mut next[..batch * stage.input().len()];
                let keep = wanted.parameters.is_some().then_some(&mut transform[..]);
                if stage.transposed {
                    stage.conv.forward(cpu, next, current, weight, batch, keep, scratch);
                } else {
                    stage.conv.adjoint(cpu, next, current, weight, batch, keep, scratch);
                }
            }
            if let Some(parameters) = &mut wanted.parameters {
                let values = match before.last() {
                    Some(previous) => &previous.output()[..batch * stage.input().len()],
                    None => input,
                };
                let input = Operand { values, transform: &mut acts.kept, ready: true };
                let gradient = Operand { values: current, transform, ready: wants_input };
                let (big, small) = if stage.transposed { (gradient, input) } else { (input, gradient) };
                let dweight = &mut parameters[stage.weight.clone()];
                stage.conv.weight_gradient(cpu, dweight, big, small, batch, scratch);
            }
            if wants_input {
                std::mem::swap(&mut gradients.current, &mut gradients.next);
            }
        }
    }

    /// From the gradient of a stage's output to that of its convolution's output, in place.
    fn norm_backward(
        &self,
        cpu: &Cpu,
        stage: &Stage,
        acts: &StageActivations,
        gradient: &mut [f32],
        parameters: Option<&mut [f32]>,
        scratch: &mut [f32],
    ) {
        let len = gradient.len();
        let Some(norm) = &stage.norm else {
            activation::backward(cpu, gradient, &acts.conv[..len], stage.activation);
            return;
        };
        let slope = match stage.activation {
            Activation::LeakyRelu(slope) => slope,
            Activation::Identity | Activation::Tanh => 1.0,
        };
        let saved = Saved {
            x: &acts.conv[..len],
            y: &acts.normed[..len],
            mean: &acts.mean,
            rstd: &acts.rstd,
            weight: &self.parameters[norm.weight.clone()],
        };
        // The two sums are needed for the input gradient even where nobody asks for dγ and dβ.
        let channels = acts.mean.len();
        let (sums, scratch) = scratch.split_at_mut(2 * channels);
        let (dweight, dbias) = sums.split_at_mut(channels);
        batch_norm::backward(cpu, gradient, dweight, dbias, saved, slope, scratch);
        if let Some(parameters) = parameters {
            parameters[norm.weight.clone()].copy_from_slice(dweight);
            parameters[norm.bias.clone()].copy_from_slice(dbias);
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

    /// Values of a stage's [`StageActivations`]: kept, conv, normed, and channels of each of the four statistics.
    fn activation_lens(&self, cpu: &Cpu, batch: usize, train: bool) -> [usize; 4] {
        let output = self.output();
        let (normed, channels) = if self.norm.is_some() { (output.len(), output.channels) } else { (0, 0) };
        let kept = if train { self.input_transform_len(cpu) } else { 0 };
        [kept, batch * output.len(), batch * normed, channels]
    }

    fn input_transform_len(&self, cpu: &Cpu) -> usize {
        if self.transposed { self.conv.small_transform_len(cpu) } else { self.conv.big_transform_len(cpu) }
    }

    fn output_transform_len(&self, cpu: &Cpu) -> usize {
        if self.transposed { self.conv.big_transform_len(cpu) } else { self.conv.small_transform_len(cpu) }
    }
}

/// Two disjoint ranges of one block, the first before the second.
fn two<'a>(block: &'a mut [f32], first: &Range<usize>, second: &Range<usize>) -> (&'a mut [f32], &'a mut [f32]) {
    let (head, tail) = block.split_at_mut(second.start);
    (&mut head[first.clone()], &mut tail[..second.len()])
}
