//! One network: its weights, and its stages planned for a largest batch.

use crate::gradient::ParameterPlaces;
use crate::stage::{SpectralNorm, Stage};
use crate::timing::{LayerTime, Timer};
use crate::weights::{Layout, Norm, sort};
use dcgan_kernels::activation::Activation;
use dcgan_kernels::batch_norm;
use dcgan_kernels::conv::{ConvPlan, ConvShape, Plane};
use dcgan_kernels::memory::Buffer;
use dcgan_kernels::{Cpu, finite};
use dcgan_model::{Conv, Layer, Network, Shape, StateDict};

// The kernels know no layers.
const _: () = assert!(batch_norm::EPS == Layer::BATCH_NORM_EPS, "one eps for the kernels and the files");

/// The weights and running statistics of a network, planned for batches up to a fixed size.
#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) network: Network,
    pub(crate) layout: Layout,
    pub(crate) stages: Vec<Stage>,
    pub(crate) parameters: Buffer,
    /// The weights divided by their singular values, in the layout of the parameters; empty without spectral norm.
    pub(crate) normalized: Buffer,
    pub(crate) spectral_scratch: Vec<f32>,
    pub(crate) buffers: Vec<f32>,
    pub(crate) batches_tracked: i64,
    max_batch: usize,
    pub(crate) timer: Timer,
}

fn plane(shape: Shape) -> Plane {
    Plane { height: shape.height, width: shape.width, channels: shape.channels }
}

impl Net {
    pub(crate) fn new(cpu: &Cpu, network: &Network, max_batch: usize) -> Self {
        let plan = Self::plan(cpu, network, max_batch);
        let parameters = Buffer::zeros(plan.layout.parameters_len);
        let normalized = Buffer::zeros(plan.normalized_len());
        let spectral_scratch = vec![0.0; plan.spectral_scratch_len()];
        let buffers = vec![0.0; plan.layout.buffers_len];
        Self { parameters, normalized, spectral_scratch, buffers, ..plan }
    }

    /// Returns the network without memory for its weights, to find out how much memory everything will need.
    pub(crate) fn plan(cpu: &Cpu, network: &Network, max_batch: usize) -> Self {
        let layout = Layout::new(network);
        let mut stages: Vec<Stage> = Vec::new();
        for (index, (layer, input, _)) in network.shapes().into_iter().enumerate() {
            let mut conv = |Conv { out_channels, kernel, stride, padding, bias, spectral_norm, .. }: Conv,
                            transposed: bool| {
                let shape = if transposed { ConvShape::transposed } else { ConvShape::new };
                let shape = shape(plane(input), out_channels, kernel, stride, padding);
                let conv = ConvPlan::new(cpu, shape, max_batch);
                stages.push(Stage {
                    layer: index,
                    conv,
                    transposed,
                    weight: layout.range(index, layer.weight_suffix()),
                    bias: bias.then(|| layout.range(index, "bias")),
                    spectral_norm: spectral_norm.then(|| SpectralNorm {
                        u: layout.range(index, Layer::SPECTRAL_U),
                        v: layout.range(index, Layer::SPECTRAL_V),
                        sigma: 1.0,
                    }),
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
        let timer = Timer::new(stages.len());
        Self {
            network: network.clone(),
            layout,
            stages,
            parameters: Buffer::zeros(0),
            normalized: Buffer::zeros(0),
            spectral_scratch: Vec::new(),
            buffers: Vec::new(),
            batches_tracked: 0,
            max_batch,
            timer,
        }
    }

    /// Loads a checked state_dict.
    pub(crate) fn load(&mut self, state: &StateDict) {
        self.layout.read(&mut self.parameters, state, true);
        self.layout.read(&mut self.buffers, state, false);
        let batches = state.values().find_map(|tensor| tensor.as_i64()?.first().copied());
        self.batches_tracked = batches.unwrap_or(0);
    }

    /// Returns the state_dict with `parameters` in the place of the network's own.
    pub(crate) fn state_with(&self, parameters: &[f32]) -> StateDict {
        let mut state = StateDict::new();
        self.layout.write(&mut state, parameters, true);
        self.layout.write(&mut state, &self.buffers, false);
        sort(state, &self.network, self.batches_tracked)
    }

    /// Returns the sizes of the convolutions, in order.
    pub(crate) fn conv_shapes(&self) -> impl Iterator<Item = ConvShape> {
        self.stages.iter().map(|stage| *stage.conv.shape())
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

    /// Returns the place of the first number that is not finite, for messages.
    pub(crate) fn non_finite(&self, cpu: &Cpu) -> Option<String> {
        let blocks = [("the parameter", &*self.parameters, true), ("the running statistic", &*self.buffers, false)];
        let (what, block, parameters) = blocks.into_iter().find(|(_, block, _)| !finite::all_finite(cpu, block))?;
        Some(format!("{what} {}", self.layout.non_finite(block, parameters)?))
    }

    /// Number of values of weights, gradient and two moments.
    pub(crate) fn weights_len(&self) -> usize {
        let weights = 4 * self.layout.parameters_len + self.layout.buffers_len;
        weights + self.normalized_len() + self.spectral_scratch_len()
    }

    /// Returns where the parameters whose gradients are computed stage by stage lie in the layout.
    pub(crate) fn parameter_places(&self) -> ParameterPlaces {
        let tensors = |stage: &Stage| [Some(stage.weight.clone()), stage.bias.clone()].into_iter().flatten().collect();
        ParameterPlaces { len: self.layout.parameters_len, stages: self.stages.iter().map(tensors).collect() }
    }

    /// Number of values of the largest activation of one image, input included: what a gradient buffer must hold.
    pub(crate) fn largest_activation(&self) -> usize {
        self.stages.iter().flat_map(|stage| [stage.input().len(), stage.output().len()]).max().unwrap_or(0)
    }

    /// Number of scratch values that any pass needs.
    pub(crate) fn scratch_len(&self) -> usize {
        let stage_len = |stage: &Stage| {
            // The gradient of a bias needs a row of sums for every image.
            let bias = if stage.bias.is_some() { self.max_batch * stage.output().channels } else { 0 };
            stage.conv.scratch_len().max(bias)
        };
        self.stages.iter().map(stage_len).max().unwrap_or(0)
    }

    /// Returns the time that each pass of each convolution has taken.
    pub(crate) fn timings(&self) -> Vec<LayerTime> {
        let stages = self.stages.iter().map(|stage| (stage.layer, stage.conv.shape().direct_multiply_adds()));
        self.timer.times(self.network.role, stages)
    }

    /// Forgets all times.
    pub(crate) fn reset_timings(&mut self) {
        self.timer.reset();
    }
}
