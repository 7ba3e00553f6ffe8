//! The gradients of whole networks against a plain f64 implementation, on sizes where convolutions go by Winograd's algorithm: PyTorch's
//! fixtures are too narrow for it.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "../../kernels/tests/reference/mod.rs"]
#[allow(dead_code)]
mod reference;

use dcgan_engine_cpu::{Cpu, CpuEngine, Isa};
use dcgan_kernels::conv::{ConvShape, Plane};
use dcgan_model::{
    AdamConfig, Engine, Init, Layer, ModelConfig, Network, NetworkState, Shape, StateDict, TorchRng, initial_state,
};
use dcgan_testkit::{assert_close, assert_close_scaled, for_each_case, permute, random_bytes};
use reference::{BatchNorm, wide};
use std::collections::BTreeMap;

/// In units of the largest value: four times the largest error found, 9e-6, which is about that of one convolution by F(4 × 4, 2 × 2).
const TOLERANCE: f64 = 4e-5;

/// Of a loss: four times the largest error found, 1.1e-6. It is less than that of one convolution by F(4 × 4, 2 × 2), 6.8e-6 of its largest
/// value, because a loss moves no further than the logits, and averages them. PyTorch's fixtures, whose networks are too narrow for
/// Winograd's algorithm, keep the tolerance of direct sums.
const LOSS_TOLERANCE: f64 = 4.5e-6;

/// A network in f64, with the inputs of all its layers (NHWC) after a forward pass in training mode.
struct Wide<'a> {
    network: &'a Network,
    state: &'a StateDict,
    batch: usize,
    inputs: Vec<Vec<f64>>,
    /// How close a value came to the kink of a ReLU or LeakyReLU.
    margin: f64,
}

/// Gradients by parameter name, in PyTorch's layout.
type Gradients = BTreeMap<String, Vec<f64>>;

impl<'a> Wide<'a> {
    fn new(network: &'a Network, state: &'a StateDict, batch: usize) -> Self {
        Self { network, state, batch, inputs: Vec::new(), margin: f64::INFINITY }
    }

    fn tensor(&self, layer: usize, suffix: &str) -> Vec<f64> {
        wide(self.state[&format!("{layer}.{suffix}")].as_f32().unwrap())
    }

    /// The kernels' shape of a convolution, and its weight as k × k × big × small.
    fn conv(&self, layer: usize, input: Shape, output: Shape) -> (ConvShape, Vec<f64>) {
        let weight = &self.state[&format!("{layer}.weight")];
        let weight_shape: [usize; 4] = weight.shape.as_slice().try_into().unwrap();
        let plane = |shape: Shape| Plane { height: shape.height, width: shape.width, channels: shape.channels };
        let (big, small, conv) = match self.network.layers[layer] {
            Layer::Conv2d(conv) => (plane(input), plane(output), conv),
            Layer::ConvTranspose2d(conv) => (plane(output), plane(input), conv),
            other => panic!("{other} is no convolution"),
        };
        let shape = ConvShape { big, small, kernel: conv.kernel, stride: conv.stride, padding: conv.padding };
        (shape, permute(&self.tensor(layer, "weight"), weight_shape, [2, 3, 1, 0]))
    }

    /// The output; for the discriminator its logits.
    fn forward(&mut self, input: Vec<f64>) -> Vec<f64> {
        let mut x = input;
        for (layer, (kind, input, output)) in self.network.shapes().into_iter().enumerate() {
            let y = match kind {
                Layer::Conv2d(_) => {
                    let (shape, weight) = self.conv(layer, input, output);
                    reference::conv_forward(&shape, &x, &weight, self.batch)
                }
                Layer::ConvTranspose2d(_) => {
                    let (shape, weight) = self.conv(layer, input, output);
                    reference::conv_adjoint(&shape, &x, &weight, self.batch)
                }
                Layer::BatchNorm2d { .. } => {
                    let (weight, bias) = (self.tensor(layer, "weight"), self.tensor(layer, "bias"));
                    BatchNorm { x: &x, weight: &weight, bias: &bias, slope: 1.0 }.forward()
                }
                Layer::LeakyRelu { .. } | Layer::Relu => {
                    self.margin = x.iter().fold(self.margin, |margin, v| margin.min(v.abs()));
                    x.iter().map(|v| v * slope_at(kind, *v)).collect()
                }
                Layer::Tanh => x.iter().map(|v| v.tanh()).collect(),
                Layer::Sigmoid | Layer::Flatten => x.clone(),
            };
            self.inputs.push(std::mem::replace(&mut x, y));
        }
        x
    }

    /// From the gradient of the output to that of the input and all parameters.
    fn backward(&self, gradient: Vec<f64>) -> (Vec<f64>, Gradients) {
        let mut gradients = Gradients::new();
        let mut dy = gradient;
        for (layer, (kind, input, output)) in self.network.shapes().into_iter().enumerate().rev() {
            let x = &self.inputs[layer];
            dy = match kind {
                Layer::Conv2d(_) | Layer::ConvTranspose2d(_) => {
                    let (shape, weight) = self.conv(layer, input, output);
                    let transposed = matches!(kind, Layer::ConvTranspose2d(_));
                    let (big, small) = if transposed { (&dy, x) } else { (x, &dy) };
                    let dweight = reference::conv_weight_gradient(&shape, big, small, self.batch);
                    let taps_first = [shape.kernel, shape.kernel, shape.big.channels, shape.small.channels];
                    gradients.insert(format!("{layer}.weight"), permute(&dweight, taps_first, [3, 2, 0, 1]));
                    if transposed {
                        reference::conv_forward(&shape, &dy, &weight, self.batch)
                    } else {
                        reference::conv_adjoint(&shape, &dy, &weight, self.batch)
                    }
                }
                Layer::BatchNorm2d { .. } => {
                    let (weight, bias) = (self.tensor(layer, "weight"), self.tensor(layer, "bias"));
                    let norm = BatchNorm { x, weight: &weight, bias: &bias, slope: 1.0 };
                    let (dx, dweight, dbias) = norm.backward(&dy);
                    gradients.insert(format!("{layer}.weight"), dweight);
                    gradients.insert(format!("{layer}.bias"), dbias);
                    dx
                }
                Layer::LeakyRelu { .. } | Layer::Relu => {
                    x.iter().zip(&dy).map(|(x, dy)| dy * slope_at(kind, *x)).collect()
                }
                Layer::Tanh => x.iter().zip(&dy).map(|(x, dy)| dy * (1.0 - x.tanh().powi(2))).collect(),
                Layer::Sigmoid | Layer::Flatten => dy,
            };
        }
        (dy, gradients)
    }
}

fn slope_at(activation: Layer, x: f64) -> f64 {
    match activation {
        Layer::LeakyRelu { slope } if x <= 0.0 => f64::from(slope),
        Layer::Relu if x <= 0.0 => 0.0,
        _ => 1.0,
    }
}

/// Mean binary cross-entropy and its gradient.
fn bce(logits: &[f64], is_real: bool) -> (f64, Vec<f64>) {
    let count = logits.len() as f64;
    let sign = if is_real { -1.0 } else { 1.0 };
    let loss = logits.iter().map(|z| (1.0 + (sign * z).exp()).ln()).sum::<f64>() / count;
    (loss, logits.iter().map(|z| sign / (1.0 + (-sign * z).exp()) / count).collect())
}

/// All three parts of a step, each from the same start.
#[test]
fn gradients_by_winograd_are_right() {
    // Small batches keep the values few enough that none lies at a kink.
    for_each_case([(32, 3, 16, 2, 42), (32, 1, 24, 3, 39)], |&(image_size, channels, base_channels, batch, seed)| {
        let config = ModelConfig { image_size, channels, latent_dim: 10, base_channels };
        let mut rng = TorchRng::seed_from_u64(seed);
        let start = initial_state(&config, Init::Default, &mut rng);
        let noise = rng.randn(batch * config.latent_dim);
        let images = random_bytes(batch * config.image_len(), seed);
        let real: Vec<f64> = images.iter().map(|v| f64::from(*v) / 127.5 - 1.0).collect();

        let networks = [Network::discriminator(&config), Network::generator(&config)];
        let states = [&start.discriminator, &start.generator].map(|NetworkState { tensors, .. }| tensors);
        let wide_d = || Wide::new(&networks[0], states[0], batch);
        let (mut on_real, mut on_fake, mut g) = (wide_d(), wide_d(), Wide::new(&networks[1], states[1], batch));
        let (real_loss, dlogits) = bce(&on_real.forward(real), true);
        let (_, real_gradients) = on_real.backward(dlogits);
        let fakes = g.forward(wide(&noise));
        let logits = on_fake.forward(fakes.clone());
        let (fake_loss, dlogits) = bce(&logits, false);
        let (_, fake_gradients) = on_fake.backward(dlogits);
        let (generator_loss, dlogits) = bce(&logits, true);
        let (_, generator_gradients) = g.backward(on_fake.backward(dlogits).0);
        let margin = [&on_real, &on_fake, &g].iter().fold(f64::INFINITY, |margin, net| margin.min(net.margin));
        assert!(margin > 3e-5, "a value of {margin:e} may change its sign by rounding: choose another seed");

        for isa in Isa::available() {
            let mut engine = CpuEngine::new(Cpu::new(isa, 2).unwrap(), &config, AdamConfig::default(), batch).unwrap();
            let check = |part: &str, loss: f32, want_loss: f64, got: &StateDict, want: &Gradients| {
                assert_close(&format!("{isa:?}, {part} loss"), &[f64::from(loss)], &[want_loss], LOSS_TOLERANCE, 0.0);
                assert_eq!(got.len(), want.len());
                for (name, tensor) in got {
                    let name_of_check = format!("{isa:?}, {part} gradient of {name}");
                    assert_close_scaled(&name_of_check, &wide(tensor.as_f32().unwrap()), &want[name], TOLERANCE);
                }
            };
            engine.load_state(&start).unwrap();
            let report = engine.train_discriminator_real(&images).unwrap();
            check("real", report.loss, real_loss, &engine.discriminator_gradient(), &real_gradients);
            engine.load_state(&start).unwrap();
            let report = engine.train_discriminator_fake(&noise).unwrap();
            check("fake", report.loss, fake_loss, &engine.discriminator_gradient(), &fake_gradients);
            engine.load_state(&start).unwrap();
            let report = engine.train_generator(&noise).unwrap();
            check("generator", report.loss, generator_loss, &engine.generator_gradient(), &generator_gradients);
        }
    });
}
