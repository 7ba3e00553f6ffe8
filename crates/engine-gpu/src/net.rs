//! One network as stages of convolution, batch norm and activation, run forward and backward by hand.

use crate::conv::Conv;
use crate::reduce::sum;
use crate::transfer::{download, upload};
use burn_tensor::{Device, Tensor};
use dcgan_model::{self as model, EngineError, Layer, Network, StateDict, TensorSpec};
use std::collections::HashMap;

/// PyTorch's `BatchNorm2d.momentum`.
pub(crate) const MOMENTUM: f64 = 0.1;

/// The statistics that batch norm normalizes with.
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
    /// Place of the weight among the parameters. The bias, or scale and shift of batch norm, follow it.
    weight: usize,
    has_bias: bool,
    spectral_norm: Option<SpectralNorm>,
    norm: Option<Norm>,
    activation: Activation,
}

/// Spectral norm of a weight; `dcgan_kernels::spectral_norm` documents the formulas.
#[derive(Debug, Clone)]
struct SpectralNorm {
    /// Index in the tutorial's `nn.Sequential`.
    layer: usize,
    conv: Conv,
    /// A row with a value for each column of the weight's matrix.
    u: Tensor<2>,
    /// A column with a value for each row of the weight's matrix.
    v: Tensor<2>,
    /// The singular value that the weight was last divided by, 1 × 1.
    sigma: Tensor<2>,
    /// The weight divided by it.
    normalized: Tensor<2>,
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

/// Values of a forward pass that the backward pass needs.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    stages: Vec<StageTrace>,
}

#[derive(Debug, Clone)]
struct StageTrace {
    input: Tensor<4>,
    /// The convolution's output.
    conv: Tensor<4>,
    statistics: Option<Statistics>,
    /// The stage's output.
    output: Tensor<4>,
}

/// The gradients that [`Stage::backward`] computes.
struct Backward {
    /// The gradient of the convolution's output.
    dconv: Tensor<4>,
    /// The gradients of batch norm's scale and shift.
    dscale_and_shift: Option<[Tensor<2>; 2]>,
}

/// The statistics that a batch norm has normalized with: rows with a value for each channel.
#[derive(Debug, Clone)]
struct Statistics {
    mean: Tensor<2>,
    /// 1 / √(var + eps)
    rstd: Tensor<2>,
    /// Whether they are those of the batch, so that the gradient depends on them as well.
    of_batch: bool,
}

impl Net {
    /// Returns a network of zeros.
    pub(crate) fn new(network: &Network, device: &Device) -> Self {
        let (mut stages, mut parameters) = (Vec::<Stage>::new(), Vec::new());
        for (index, (layer, input, output)) in network.shapes().into_iter().enumerate() {
            let mut parameter = |suffix: &str, conv: Option<Conv>, shape: [usize; 2]| {
                parameters.push(Parameter {
                    name: format!("{index}.{suffix}"),
                    conv,
                    value: Tensor::zeros(shape, device),
                });
            };
            if let (Some((conv, transposed)), Layer::Conv2d(sizes) | Layer::ConvTranspose2d(sizes)) =
                (Conv::of(layer, input, output), layer)
            {
                parameter(layer.weight_suffix(), Some(conv), conv.weight_shape());
                if sizes.bias {
                    parameter("bias", None, [1, sizes.out_channels]);
                }
                let weight = parameters.len() - 1 - usize::from(sizes.bias);
                stages.push(Stage {
                    conv,
                    transposed,
                    weight,
                    has_bias: sizes.bias,
                    spectral_norm: sizes.spectral_norm.then(|| SpectralNorm::new(index, conv, device)),
                    norm: None,
                    activation: Activation::Identity,
                });
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

    /// Loads a checked state_dict.
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
        for stage in &mut self.stages {
            if let Some(norm) = &mut stage.spectral_norm {
                norm.load(state, device);
                norm.normalize(&self.parameters[stage.weight].value);
            }
        }
    }

    /// Returns a copy of the network with the tensors of a checked state_dict.
    pub(crate) fn with(&self, state: &StateDict, device: &Device) -> Self {
        let mut net = self.clone();
        net.load(state, device);
        net
    }

    /// Replaces the parameters.
    pub(crate) fn set_parameters(&mut self, values: Vec<Tensor<2>>) {
        for (parameter, value) in self.parameters.iter_mut().zip(values) {
            parameter.value = value;
        }
    }

    /// Returns a copy of all parameters.
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

    /// Returns the network's state_dict with `values` in the place of its parameters.
    pub(crate) fn state_with(&self, values: &[Tensor<2>]) -> Result<StateDict, EngineError> {
        let norms = || self.stages.iter().filter_map(|stage| stage.norm.as_ref());
        let (buffer_names, buffers): (Vec<String>, Vec<Tensor<1>>) = self.buffers().into_iter().unzip();
        let parameters = self.parameters.iter().zip(values).map(|(parameter, value)| parameter.flat(value.clone()));
        let flat = parameters.chain(buffers).collect();
        let names = self.names().map(str::to_owned).chain(buffer_names);
        let mut values: HashMap<String, Vec<f32>> = names.zip(download(flat)?).collect();
        let batches: HashMap<String, i64> =
            norms().map(|norm| (format!("{}.num_batches_tracked", norm.layer), norm.batches)).collect();
        let tensors = self.specs.iter().map(|spec| match batches.get(&spec.name) {
            Some(&batches) => (spec.name.clone(), model::Tensor::scalar_i64(batches)),
            None => spec_tensor(spec, values.remove(&spec.name).unwrap_or_default()),
        });
        Ok(tensors.collect())
    }

    /// Returns the network's state_dict.
    pub(crate) fn state(&self) -> Result<StateDict, EngineError> {
        self.state_with(&self.values())
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|parameter| parameter.name.as_str())
    }

    /// Returns the float tensors that are no parameters, in PyTorch's order, with their names.
    fn buffers(&self) -> Vec<(String, Tensor<1>)> {
        let of_stage = |stage: &Stage| {
            let running = stage.norm.iter().flat_map(|norm| {
                let name = |suffix| format!("{}.{suffix}", norm.layer);
                [(name("running_mean"), flat(norm.mean.clone())), (name("running_var"), flat(norm.var.clone()))]
            });
            running.chain(stage.spectral_norm.iter().flat_map(SpectralNorm::buffers)).collect::<Vec<_>>()
        };
        self.stages.iter().flat_map(of_stage).collect()
    }

    /// Returns every float tensor with a description for messages.
    pub(crate) fn floats(&self) -> Vec<(String, Tensor<2>)> {
        let parameters = self.parameters.iter().map(|p| (format!("the parameter {}", p.name), p.value.clone()));
        let buffers = self.buffers().into_iter().map(|(name, values)| {
            let len = values.dims()[0];
            (format!("the running statistic {name}"), values.reshape([1, len]))
        });
        parameters.chain(buffers).collect()
    }

    /// Returns the network's output for `input` (N × H × W × C), and the values that the backward pass needs. The
    /// discriminator's output is its logits, N × 1 × 1 × 1.
    pub(crate) fn forward(&mut self, mode: Mode, input: Tensor<4>) -> (Tensor<4>, Trace) {
        let mut x = input;
        let mut traces = Vec::with_capacity(self.stages.len());
        for stage in &mut self.stages {
            if let Some(norm) = &mut stage.spectral_norm {
                let weight = &self.parameters[stage.weight].value;
                if let Mode::Train(_) = mode {
                    norm.iterate(weight);
                }
                norm.normalize(weight);
            }
            let trace = stage.forward(&self.parameters, mode, x);
            x = trace.output.clone();
            traces.push(trace);
        }
        (x, Trace { stages: traces })
    }

    /// Returns the network's output in eval mode. Keeps no values for a backward pass.
    pub(crate) fn infer(&self, input: Tensor<4>) -> Tensor<4> {
        self.stages.iter().fold(input, |x, stage| {
            let conv = stage.with_bias(&self.parameters, stage.convolve(&self.parameters, x));
            let normed = match (&stage.norm, stage.scale_and_shift(&self.parameters)) {
                (Some(norm), Some([scale, shift])) => batch_norm(conv, &norm.running(), scale, shift),
                _ => conv,
            };
            stage.activation.apply(normed)
        })
    }

    /// Returns the gradients of the parameters, in their order, from the gradient of the output.
    pub(crate) fn parameter_gradients(&self, trace: Trace, gradient: Tensor<4>) -> Vec<Tensor<2>> {
        let mut gradients = Vec::with_capacity(self.parameters.len());
        let mut dx = Some(gradient);
        for (index, (stage, trace)) in self.stages.iter().zip(trace.stages).enumerate().rev() {
            let Some(dy) = dx.take() else { break };
            let Backward { dconv, dscale_and_shift } = stage.backward(&self.parameters, &trace, dy);
            // The gradient of the network's input is not needed.
            dx = (index > 0).then(|| stage.input_gradient(&self.parameters, dconv.clone()));
            gradients.extend(dscale_and_shift.into_iter().flat_map(|[dscale, dshift]| [dshift, dscale]));
            gradients.extend(stage.has_bias.then(|| sum_of_channels(dconv.clone())));
            gradients.push(stage.weight_gradient(trace.input, dconv));
        }
        gradients.reverse();
        gradients
    }

    /// Returns the gradients of the parameters, in their order, of a loss with this `gradient` in the outputs (N × 1
    /// × 1 × 1) and of a penalty on the gradient of each output in its image, which `factors` weigh (N × 1 × 1 ×
    /// 1). Also returns ‖∇ₓD(x)‖² of every image.
    ///
    /// `dcgan_kernels::penalty` derives the formulas. The network has no batch norm.
    pub(crate) fn penalty_gradients(
        &self,
        trace: Trace,
        gradient: Tensor<4>,
        factors: Tensor<4>,
    ) -> (Vec<Tensor<2>>, Tensor<1>) {
        let mut deltas = Vec::with_capacity(self.stages.len());
        let mut dy = gradient.ones_like();
        for (stage, trace) in self.stages.iter().zip(&trace.stages).rev() {
            let Backward { dconv, .. } = stage.backward(&self.parameters, trace, dy);
            dy = stage.input_gradient(&self.parameters, dconv.clone());
            deltas.push(dconv);
        }
        let [batch, height, width, channels] = dy.dims();
        let norms = dy.clone().square().reshape([batch, height * width * channels]).sum_dim(1).reshape([batch]);
        let (mut tangent, mut gradients) = (dy, Vec::with_capacity(self.parameters.len()));
        for (stage, trace) in self.stages.iter().zip(trace.stages) {
            let Some(delta) = deltas.pop() else { break };
            let input = trace.input * gradient.clone() + tangent.clone() * factors.clone();
            gradients.push(stage.weight_gradient(input, delta.clone()));
            gradients.extend(stage.has_bias.then(|| sum_of_channels(delta * gradient.clone())));
            tangent = stage.activation.backward(stage.convolve(&self.parameters, tangent), &trace.output);
        }
        (gradients, norms)
    }

    /// Returns the gradient of the input from that of the output.
    pub(crate) fn input_gradient(&self, trace: Trace, gradient: Tensor<4>) -> Tensor<4> {
        self.stages.iter().zip(trace.stages).rev().fold(gradient, |dy, (stage, trace)| {
            stage.input_gradient(&self.parameters, stage.backward(&self.parameters, &trace, dy).dconv)
        })
    }
}

impl Trace {
    /// Returns the network's output.
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
    /// Returns the weight that the convolution uses: with spectral norm the normalized one.
    fn effective_weight(&self, parameters: &[Parameter]) -> Tensor<2> {
        match &self.spectral_norm {
            Some(norm) => norm.normalized.clone(),
            None => parameters[self.weight].value.clone(),
        }
    }

    /// Returns the convolution without bias.
    fn convolve(&self, parameters: &[Parameter], input: Tensor<4>) -> Tensor<4> {
        let weight = self.effective_weight(parameters);
        if self.transposed { self.conv.adjoint(input, weight) } else { self.conv.forward(input, weight) }
    }

    /// `conv` with the bias, if there is one.
    fn with_bias(&self, parameters: &[Parameter], conv: Tensor<4>) -> Tensor<4> {
        if self.has_bias { conv + row(&parameters[self.weight + 1].value) } else { conv }
    }

    /// Scale and shift of batch norm.
    fn scale_and_shift(&self, parameters: &[Parameter]) -> Option<[Tensor<2>; 2]> {
        self.norm.as_ref()?;
        Some([1, 2].map(|place| parameters[self.weight + place].value.clone()))
    }

    fn forward(&mut self, parameters: &[Parameter], mode: Mode, input: Tensor<4>) -> StageTrace {
        let conv = self.with_bias(parameters, self.convolve(parameters, input.clone()));
        let affine = self.scale_and_shift(parameters);
        let (statistics, normed) = match (&mut self.norm, affine) {
            (Some(norm), Some([scale, shift])) => {
                let statistics = match mode {
                    Mode::Train(momentum) => norm.observe(&conv, momentum),
                    Mode::Eval => norm.running(),
                };
                let normed = batch_norm(conv.clone(), &statistics, scale, shift);
                (Some(statistics), normed)
            }
            _ => (None, conv.clone()),
        };
        StageTrace { input, conv, statistics, output: self.activation.apply(normed) }
    }

    /// Returns the gradient of the convolution's output from that of the stage's output.
    fn backward(&self, parameters: &[Parameter], trace: &StageTrace, dy: Tensor<4>) -> Backward {
        let dy = self.activation.backward(dy, &trace.output);
        match (&trace.statistics, self.scale_and_shift(parameters)) {
            (Some(statistics), Some([scale, _])) => {
                let (dconv, dscale_and_shift) = batch_norm_backward(dy, trace.conv.clone(), statistics, scale);
                Backward { dconv, dscale_and_shift: Some(dscale_and_shift) }
            }
            _ => Backward { dconv: dy, dscale_and_shift: None },
        }
    }

    fn input_gradient(&self, parameters: &[Parameter], dconv: Tensor<4>) -> Tensor<4> {
        let weight = self.effective_weight(parameters);
        if self.transposed { self.conv.forward(dconv, weight) } else { self.conv.adjoint(dconv, weight) }
    }

    fn weight_gradient(&self, input: Tensor<4>, dconv: Tensor<4>) -> Tensor<2> {
        let (big, small) = if self.transposed { (dconv, input) } else { (input, dconv) };
        let gradient = self.conv.weight_gradient(big, small);
        match &self.spectral_norm {
            Some(norm) => norm.weight_gradient(gradient),
            None => gradient,
        }
    }
}

impl SpectralNorm {
    /// Vectors of zeros.
    fn new(layer: usize, conv: Conv, device: &Device) -> Self {
        let [rows, columns] = conv.weight_shape();
        Self {
            layer,
            conv,
            u: Tensor::zeros([1, columns], device),
            v: Tensor::zeros([rows, 1], device),
            sigma: Tensor::ones([1, 1], device),
            normalized: Tensor::zeros([rows, columns], device),
        }
    }

    fn names(&self) -> [String; 2] {
        [Layer::SPECTRAL_U, Layer::SPECTRAL_V].map(|suffix| format!("{}.{suffix}", self.layer))
    }

    /// Takes over the vectors of a checked state_dict. PyTorch's v is in the order of big × k × k.
    fn load(&mut self, state: &StateDict, device: &Device) {
        let [u, v] = self.names().map(|name| state[&name].as_f32().unwrap_or_default());
        let Conv { big_channels, kernel, .. } = self.conv;
        self.u = upload(u, [1, u.len()], device);
        let v: Tensor<4> = upload(v, [1, big_channels, kernel, kernel], device);
        self.v = v.permute([2, 3, 1, 0]).reshape([kernel * kernel * big_channels, 1]);
    }

    /// Returns the vectors with their names, in PyTorch's order.
    fn buffers(&self) -> [(String, Tensor<1>); 2] {
        let Conv { big_channels, kernel, .. } = self.conv;
        let v = self.v.clone().reshape([kernel, kernel, big_channels, 1]).permute([3, 2, 0, 1]);
        let v = v.reshape([kernel * kernel * big_channels]);
        let [u_name, v_name] = self.names();
        [(u_name, flat(self.u.clone())), (v_name, v)]
    }

    /// Makes one power iteration.
    fn iterate(&mut self, weight: &Tensor<2>) {
        self.u = unit(self.v.clone().transpose().matmul(weight.clone()));
        self.v = unit(weight.clone().matmul(self.u.clone().transpose()));
    }

    /// Divides the weight by its singular value.
    fn normalize(&mut self, weight: &Tensor<2>) {
        let product = weight.clone().matmul(self.u.clone().transpose());
        self.sigma = self.v.clone().transpose().matmul(product);
        self.normalized = weight.clone() / self.sigma.clone();
    }

    /// From the gradient of the normalized weight to that of the weight.
    fn weight_gradient(&self, gradient: Tensor<2>) -> Tensor<2> {
        let product = sum(gradient.clone() * self.normalized.clone()).reshape([1, 1]);
        (gradient - self.v.clone().matmul(self.u.clone()) * product) / self.sigma.clone()
    }
}

/// Returns a row or a column divided by its Euclidean norm, or by a bound if that is smaller, as
/// `torch.nn.functional.normalize`.
fn unit(vector: Tensor<2>) -> Tensor<2> {
    let norm = sum(vector.clone().square()).sqrt().clamp_min(1e-12).reshape([1, 1]);
    vector / norm
}

impl Norm {
    /// Returns the statistics of a batch (N × H × W × C); the running ones move towards its mean and its *unbiased*
    /// variance, as in PyTorch.
    fn observe(&mut self, batch: &Tensor<4>, momentum: f64) -> Statistics {
        let count = values_of_a_channel(batch);
        let mean = sum_of_channels(batch.clone()).div_scalar(count);
        let var = sum_of_channels((batch.clone() - row(&mean)).square()).div_scalar(count);
        let unbiased = var.clone().mul_scalar(count / (count - 1.0).max(1.0));
        let step = |old: &Tensor<2>, new: Tensor<2>| old.clone() + (new - old.clone()).mul_scalar(momentum);
        self.mean = step(&self.mean, mean.clone());
        self.var = step(&self.var, unbiased);
        self.batches += 1;
        Statistics { mean, rstd: rstd(var), of_batch: true }
    }

    fn running(&self) -> Statistics {
        Statistics { mean: self.mean.clone(), rstd: rstd(self.var.clone()), of_batch: false }
    }
}

fn rstd(var: Tensor<2>) -> Tensor<2> {
    var.add_scalar(Layer::BATCH_NORM_EPS).sqrt().recip()
}

/// Returns scale · (x − mean) / √(var + eps) + shift.
fn batch_norm(x: Tensor<4>, statistics: &Statistics, scale: Tensor<2>, shift: Tensor<2>) -> Tensor<4> {
    let Statistics { mean, rstd, .. } = statistics;
    (x - row(mean)) * row(&(scale * rstd.clone())) + row(&shift)
}

/// Returns batch norm's gradients of its input, and of its scale and shift. With x̂ = (x − mean) / √(var + eps),
/// sums over the batch of M values, and statistics of that batch: dx = scale / √(var + eps) · (dy − Σ dy / M −
/// x̂ · Σ (dy · x̂) / M).
fn batch_norm_backward(
    dy: Tensor<4>,
    x: Tensor<4>,
    statistics: &Statistics,
    scale: Tensor<2>,
) -> (Tensor<4>, [Tensor<2>; 2]) {
    let Statistics { mean, rstd, of_batch } = statistics;
    let count = values_of_a_channel(&x);
    let normed = (x - row(mean)) * row(rstd);
    let dshift = sum_of_channels(dy.clone());
    let dscale = sum_of_channels(dy.clone() * normed.clone());
    let centered = match of_batch {
        true => dy - row(&dshift.clone().div_scalar(count)) - normed * row(&dscale.clone().div_scalar(count)),
        false => dy,
    };
    (centered * row(&(scale * rstd.clone())), [dscale, dshift])
}

/// Sums over images and pixels; in two goes, so that many threads share them and no sum is long.
fn sum_of_channels(x: Tensor<4>) -> Tensor<2> {
    let [batch, height, width, channels] = x.dims();
    let pictures: Tensor<3> = x.reshape([batch, height * width, channels]).sum_dim(1);
    pictures.reshape([batch, channels]).sum_dim(0)
}

fn values_of_a_channel(x: &Tensor<4>) -> f64 {
    let [batch, height, width, _] = x.dims();
    (batch * height * width) as f64
}

/// Returns a row of channels, to be combined with every pixel.
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

    /// Returns the gradient of the input from that of the `output`, which has its input's sign. At 0, ReLU has the
    /// slope of negative values.
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
