//! One network as stages of convolution, batch norm and activation, run forward and backward by hand.

use crate::conv::Conv;
use crate::transfer::{download, upload};
use burn_tensor::{Device, Tensor};
use dcgan_model::{self as model, EngineError, Layer, Network, StateDict, TensorSpec};
use std::collections::HashMap;

/// PyTorch's `BatchNorm2d.momentum`.
pub(crate) const MOMENTUM: f64 = 0.1;

/// What a forward pass normalises with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    /// With the batch's statistics, moving the running ones by this momentum.
    Train(f64),
    /// With the running statistics.
    Eval,
}

/// A network on a device. A copy shares all tensors until one of the two gets others.
#[derive(Debug, Clone)]
pub(crate) struct Net {
    specs: Vec<TensorSpec>,
    stages: Vec<Stage>,
    /// The trained tensors, in the order of the state_dict.
    pub(crate) parameters: Vec<Parameter>,
}

/// A trained tensor with its name in the state_dict.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    /// The convolution whose weight it is; otherwise it is a row with a value for each channel.
    conv: Option<Conv>,
    pub(crate) value: Tensor<2>,
}

/// A convolution with what follows it.
#[derive(Debug, Clone)]
struct Stage {
    conv: Conv,
    /// Small to big, as `ConvTranspose2d`.
    transposed: bool,
    /// Place of the weight among the parameters. Scale and shift of batch norm follow it.
    weight: usize,
    norm: Option<Norm>,
    activation: Activation,
}

/// Batch norm's running statistics, rows with a value for each channel.
#[derive(Debug, Clone)]
struct Norm {
    /// Index in the tutorial's `nn.Sequential`.
    layer: usize,
    mean: Tensor<2>,
    /// Unbiased, as PyTorch has it.
    var: Tensor<2>,
    batches: i64,
}

#[derive(Debug, Clone, Copy)]
enum Activation {
    Identity,
    LeakyRelu { slope: f32 },
    Tanh,
}

/// What a backward pass needs of the forward pass.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    stages: Vec<StageTrace>,
}

#[derive(Debug, Clone)]
struct StageTrace {
    input: Tensor<4>,
    /// What leaves the convolution.
    conv: Tensor<4>,
    statistics: Option<Statistics>,
    /// What leaves the stage.
    output: Tensor<4>,
}

/// What a stage's way back has found.
struct Backward {
    /// The gradient of what leaves the convolution.
    dconv: Tensor<4>,
    /// Those of batch norm's parameters.
    dscale_and_shift: Option<[Tensor<2>; 2]>,
}

/// What a batch norm has normalised with: rows with a value for each channel.
#[derive(Debug, Clone)]
struct Statistics {
    mean: Tensor<2>,
    /// 1 / √(var + eps)
    inv_std: Tensor<2>,
    /// Whether they are the batch's, so that the gradient goes through them as well.
    of_batch: bool,
}

impl Net {
    /// A network of zeros.
    pub(crate) fn new(network: &Network, device: &Device) -> Self {
        let (mut stages, mut parameters) = (Vec::<Stage>::new(), Vec::new());
        for (index, (layer, input, output)) in network.shapes().into_iter().enumerate() {
            let mut parameter = |suffix: &str, conv: Option<Conv>, shape| {
                parameters.push(Parameter {
                    name: format!("{index}.{suffix}"),
                    conv,
                    value: Tensor::zeros(shape, device),
                });
            };
            if let Some((conv, transposed)) = Conv::of(layer, input, output) {
                parameter("weight", Some(conv), conv.weight_shape());
                let weight = parameters.len() - 1;
                stages.push(Stage { conv, transposed, weight, norm: None, activation: Activation::Identity });
                continue;
            }
            match (layer, stages.last_mut()) {
                (Layer::BatchNorm2d { channels }, Some(stage)) => {
                    parameter("weight", None, [1, channels]);
                    parameter("bias", None, [1, channels]);
                    let row = || Tensor::zeros([1, channels], device);
                    stage.norm = Some(Norm { layer: index, mean: row(), var: row(), batches: 0 });
                }
                (Layer::LeakyRelu { slope }, Some(stage)) => stage.activation = Activation::LeakyRelu { slope },
                (Layer::Relu, Some(stage)) => stage.activation = Activation::LeakyRelu { slope: 0.0 },
                (Layer::Tanh, Some(stage)) => stage.activation = Activation::Tanh,
                // The losses take D's logits. No network begins with anything but a convolution.
                (Layer::Sigmoid | Layer::Flatten | Layer::Conv2d(_) | Layer::ConvTranspose2d(_), _) | (_, None) => {}
            }
        }
        Self { specs: network.tensors(), stages, parameters }
    }

    /// Takes over a checked state_dict.
    pub(crate) fn load(&mut self, state: &StateDict, device: &Device) {
        let values = self.read_parameters(state, device);
        self.set_parameters(values);
        for norm in self.stages.iter_mut().filter_map(|stage| stage.norm.as_mut()) {
            let tensor = |suffix: &str| &state[&format!("{}.{suffix}", norm.layer)];
            let row = |suffix: &str| {
                let values = tensor(suffix).as_f32().unwrap_or_default();
                upload(values, [1, values.len()], device)
            };
            (norm.mean, norm.var) = (row("running_mean"), row("running_var"));
            norm.batches = tensor("num_batches_tracked").as_i64().map_or(0, |batches| batches[0]);
        }
    }

    /// A copy with the tensors of a checked state_dict.
    pub(crate) fn with(&self, state: &StateDict, device: &Device) -> Self {
        let mut net = self.clone();
        net.load(state, device);
        net
    }

    /// Puts `values` in the place of the parameters.
    pub(crate) fn set_parameters(&mut self, values: Vec<Tensor<2>>) {
        for (parameter, value) in self.parameters.iter_mut().zip(values) {
            parameter.value = value;
        }
    }

    /// The values of a copy of all parameters.
    pub(crate) fn values(&self) -> Vec<Tensor<2>> {
        self.parameters.iter().map(|parameter| parameter.value.clone()).collect()
    }

    /// Copies checked tensors with the names and shapes of the parameters, Adam's for example, to the device.
    pub(crate) fn read_parameters(&self, tensors: &StateDict, device: &Device) -> Vec<Tensor<2>> {
        let read = |parameter: &Parameter| {
            let values = tensors[&parameter.name].as_f32().unwrap_or_default();
            match parameter.conv {
                Some(conv) => conv.weight_from_torch(upload(values, conv.torch_shape(), device)),
                None => upload(values, [1, values.len()], device),
            }
        };
        self.parameters.iter().map(read).collect()
    }

    /// Copies tensors that belong to the parameters back, with their names and PyTorch's shapes.
    pub(crate) fn write_parameters(&self, values: &[Tensor<2>]) -> Result<StateDict, EngineError> {
        let flat = self.parameters.iter().zip(values).map(|(parameter, value)| parameter.flat(value.clone()));
        let mut values: HashMap<&str, Vec<f32>> = self.names().zip(download(flat.collect())?).collect();
        let specs = self.specs.iter().filter(|spec| spec.is_parameter);
        Ok(specs.map(|spec| spec_tensor(spec, values.remove(spec.name.as_str()).unwrap_or_default())).collect())
    }

    /// The network's state_dict; `values` stand in for the parameters.
    pub(crate) fn state_with(&self, values: &[Tensor<2>]) -> Result<StateDict, EngineError> {
        let norms = || self.stages.iter().filter_map(|stage| stage.norm.as_ref());
        let running = norms().flat_map(|norm| {
            let name = |suffix| format!("{}.{suffix}", norm.layer);
            [(name("running_mean"), norm.mean.clone()), (name("running_var"), norm.var.clone())]
        });
        let (running_names, running): (Vec<String>, Vec<Tensor<2>>) = running.unzip();
        let parameters = self.parameters.iter().zip(values).map(|(parameter, value)| parameter.flat(value.clone()));
        let flat = parameters.chain(running.into_iter().map(flat)).collect();
        let names = self.names().map(str::to_owned).chain(running_names);
        let mut values: HashMap<String, Vec<f32>> = names.zip(download(flat)?).collect();
        let batches: HashMap<String, i64> =
            norms().map(|norm| (format!("{}.num_batches_tracked", norm.layer), norm.batches)).collect();
        let tensors = self.specs.iter().map(|spec| match batches.get(&spec.name) {
            Some(&batches) => (spec.name.clone(), model::Tensor::scalar_i64(batches)),
            None => spec_tensor(spec, values.remove(&spec.name).unwrap_or_default()),
        });
        Ok(tensors.collect())
    }

    /// The network's state_dict.
    pub(crate) fn state(&self) -> Result<StateDict, EngineError> {
        self.state_with(&self.values())
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|parameter| parameter.name.as_str())
    }

    /// Every tensor of floats with what it is, for people.
    pub(crate) fn floats(&self) -> Vec<(String, Tensor<2>)> {
        let parameters = self.parameters.iter().map(|p| (format!("the parameter {}", p.name), p.value.clone()));
        let running = self.stages.iter().filter_map(|stage| stage.norm.as_ref()).flat_map(|norm| {
            let name = |suffix| format!("the running statistic {}.{suffix}", norm.layer);
            [(name("running_mean"), norm.mean.clone()), (name("running_var"), norm.var.clone())]
        });
        parameters.chain(running).collect()
    }

    /// The network's output for `input` (N × H × W × C), and what the way back needs. D's output is its logits, N × 1 × 1 × 1.
    pub(crate) fn forward(&mut self, mode: Mode, input: Tensor<4>) -> (Tensor<4>, Trace) {
        let mut x = input;
        let mut traces = Vec::with_capacity(self.stages.len());
        for stage in &mut self.stages {
            let trace = stage.forward(&self.parameters, mode, x);
            x = trace.output.clone();
            traces.push(trace);
        }
        (x, Trace { stages: traces })
    }

    /// The network's output in eval mode, for which nothing is kept.
    pub(crate) fn infer(&self, input: Tensor<4>) -> Tensor<4> {
        self.stages.iter().fold(input, |x, stage| {
            let conv = stage.convolve(&self.parameters, x);
            let normed = match (&stage.norm, stage.scale_and_shift(&self.parameters)) {
                (Some(norm), Some([scale, shift])) => normalise(conv, &norm.running(), scale, shift),
                _ => conv,
            };
            stage.activation.apply(normed)
        })
    }

    /// From the gradient of the output to those of the parameters, in their order.
    pub(crate) fn parameter_gradients(&self, trace: Trace, gradient: Tensor<4>) -> Vec<Tensor<2>> {
        let mut gradients = Vec::with_capacity(self.parameters.len());
        let mut dx = Some(gradient);
        for (index, (stage, trace)) in self.stages.iter().zip(trace.stages).enumerate().rev() {
            let Some(dy) = dx.take() else { break };
            let Backward { dconv, dscale_and_shift } = stage.backward(&self.parameters, &trace, dy);
            // Nobody needs that of the first stage's input.
            dx = (index > 0).then(|| stage.input_gradient(&self.parameters, dconv.clone()));
            gradients.extend(dscale_and_shift.into_iter().flat_map(|[dscale, dshift]| [dshift, dscale]));
            gradients.push(stage.weight_gradient(trace.input, dconv));
        }
        gradients.reverse();
        gradients
    }

    /// From the gradient of the output to that of the input.
    pub(crate) fn input_gradient(&self, trace: Trace, gradient: Tensor<4>) -> Tensor<4> {
        self.stages.iter().zip(trace.stages).rev().fold(gradient, |dy, (stage, trace)| {
            stage.input_gradient(&self.parameters, stage.backward(&self.parameters, &trace, dy).dconv)
        })
    }
}

impl Trace {
    /// What the network gave.
    pub(crate) fn output(&self) -> Option<&Tensor<4>> {
        self.stages.last().map(|stage| &stage.output)
    }
}

impl Parameter {
    /// `value`, which is of this parameter's kind, in PyTorch's order.
    fn flat(&self, value: Tensor<2>) -> Tensor<1> {
        match self.conv {
            Some(conv) => {
                let values = value.dims().iter().product::<usize>();
                conv.weight_to_torch(value).reshape([values])
            }
            None => flat(value),
        }
    }
}

fn flat(tensor: Tensor<2>) -> Tensor<1> {
    let values = tensor.dims().iter().product::<usize>();
    tensor.reshape([values])
}

fn spec_tensor(spec: &TensorSpec, values: Vec<f32>) -> (String, model::Tensor) {
    (spec.name.clone(), model::Tensor::f32(spec.shape.clone(), values))
}

impl Stage {
    fn convolve(&self, parameters: &[Parameter], input: Tensor<4>) -> Tensor<4> {
        let weight = parameters[self.weight].value.clone();
        if self.transposed { self.conv.adjoint(input, weight) } else { self.conv.forward(input, weight) }
    }

    /// Scale and shift of batch norm.
    fn scale_and_shift(&self, parameters: &[Parameter]) -> Option<[Tensor<2>; 2]> {
        self.norm.as_ref()?;
        Some([1, 2].map(|place| parameters[self.weight + place].value.clone()))
    }

    fn forward(&mut self, parameters: &[Parameter], mode: Mode, input: Tensor<4>) -> StageTrace {
        let conv = self.convolve(parameters, input.clone());
        let affine = self.scale_and_shift(parameters);
        let (statistics, normed) = match (&mut self.norm, affine) {
            (Some(norm), Some([scale, shift])) => {
                let statistics = match mode {
                    Mode::Train(momentum) => norm.observe(&conv, momentum),
                    Mode::Eval => norm.running(),
                };
                let normed = normalise(conv.clone(), &statistics, scale, shift);
                (Some(statistics), normed)
            }
            _ => (None, conv.clone()),
        };
        StageTrace { input, conv, statistics, output: self.activation.apply(normed) }
    }

    /// From the gradient of what leaves the stage to that of what leaves its convolution.
    fn backward(&self, parameters: &[Parameter], trace: &StageTrace, dy: Tensor<4>) -> Backward {
        let dy = self.activation.backward(dy, &trace.output);
        match (&trace.statistics, self.scale_and_shift(parameters)) {
            (Some(statistics), Some([scale, _])) => {
                let (dconv, dscale_and_shift) = denormalise(dy, trace.conv.clone(), statistics, scale);
                Backward { dconv, dscale_and_shift: Some(dscale_and_shift) }
            }
            _ => Backward { dconv: dy, dscale_and_shift: None },
        }
    }

    fn input_gradient(&self, parameters: &[Parameter], dconv: Tensor<4>) -> Tensor<4> {
        let weight = parameters[self.weight].value.clone();
        if self.transposed { self.conv.forward(dconv, weight) } else { self.conv.adjoint(dconv, weight) }
    }

    fn weight_gradient(&self, input: Tensor<4>, dconv: Tensor<4>) -> Tensor<2> {
        let (big, small) = if self.transposed { (dconv, input) } else { (input, dconv) };
        self.conv.weight_gradient(big, small)
    }
}

impl Norm {
    /// The statistics of a batch (N × H × W × C); the running ones move towards its mean and its *unbiased* variance, as in PyTorch.
    fn observe(&mut self, batch: &Tensor<4>, momentum: f64) -> Statistics {
        let count = values_of_a_channel(batch);
        let mean = sum_of_channels(batch.clone()).div_scalar(count);
        let var = sum_of_channels((batch.clone() - row(&mean)).square()).div_scalar(count);
        let unbiased = var.clone().mul_scalar(count / (count - 1.0).max(1.0));
        let step = |old: &Tensor<2>, new: Tensor<2>| old.clone() + (new - old.clone()).mul_scalar(momentum);
        self.mean = step(&self.mean, mean.clone());
        self.var = step(&self.var, unbiased);
        self.batches += 1;
        Statistics { mean, inv_std: inv_std(var), of_batch: true }
    }

    fn running(&self) -> Statistics {
        Statistics { mean: self.mean.clone(), inv_std: inv_std(self.var.clone()), of_batch: false }
    }
}

fn inv_std(var: Tensor<2>) -> Tensor<2> {
    var.add_scalar(Layer::BATCH_NORM_EPS).sqrt().recip()
}

/// scale · (x − mean) / √(var + eps) + shift.
fn normalise(x: Tensor<4>, statistics: &Statistics, scale: Tensor<2>, shift: Tensor<2>) -> Tensor<4> {
    let Statistics { mean, inv_std, .. } = statistics;
    (x - row(mean)) * row(&(scale * inv_std.clone())) + row(&shift)
}

/// Batch norm's gradients of its input, its scale and its shift. With x̂ = (x − mean) / √(var + eps), sums over the batch of M values, and
/// statistics of that batch: dx = scale / √(var + eps) · (dy − Σ dy / M − x̂ · Σ (dy · x̂) / M).
fn denormalise(dy: Tensor<4>, x: Tensor<4>, statistics: &Statistics, scale: Tensor<2>) -> (Tensor<4>, [Tensor<2>; 2]) {
    let Statistics { mean, inv_std, of_batch } = statistics;
    let count = values_of_a_channel(&x);
    let normed = (x - row(mean)) * row(inv_std);
    let dshift = sum_of_channels(dy.clone());
    let dscale = sum_of_channels(dy.clone() * normed.clone());
    let centred = match of_batch {
        true => dy - row(&dshift.clone().div_scalar(count)) - normed * row(&dscale.clone().div_scalar(count)),
        false => dy,
    };
    (centred * row(&(scale * inv_std.clone())), [dscale, dshift])
}

/// Sums over pictures and pixels; in two goes, so that many threads share them and no sum is long.
fn sum_of_channels(x: Tensor<4>) -> Tensor<2> {
    let [batch, height, width, channels] = x.dims();
    let pictures: Tensor<3> = x.reshape([batch, height * width, channels]).sum_dim(1);
    pictures.reshape([batch, channels]).sum_dim(0)
}

fn values_of_a_channel(x: &Tensor<4>) -> f64 {
    let [batch, height, width, _] = x.dims();
    (batch * height * width) as f64
}

/// A row of channels, to be combined with every pixel.
fn row(channels: &Tensor<2>) -> Tensor<4> {
    let [_, len] = channels.dims();
    channels.clone().reshape([1, 1, 1, len])
}

impl Activation {
    fn apply(self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Identity => x,
            Self::LeakyRelu { slope } => {
                let negative = x.clone().lower_equal_elem(0.0);
                let small = x.clone().mul_scalar(slope);
                x.mask_where(negative, small)
            }
            Self::Tanh => x.tanh(),
        }
    }

    /// From the gradient of the `output`, which has its input's sign, to that of the input; ReLU's at 0 is that of negative values.
    fn backward(self, dy: Tensor<4>, output: &Tensor<4>) -> Tensor<4> {
        match self {
            Self::Identity => dy,
            Self::LeakyRelu { slope } => {
                let negative = output.clone().lower_equal_elem(0.0);
                let small = dy.clone().mul_scalar(slope);
                dy.mask_where(negative, small)
            }
            Self::Tanh => dy * (output.clone().square().neg().add_scalar(1.0)),
        }
    }
}
