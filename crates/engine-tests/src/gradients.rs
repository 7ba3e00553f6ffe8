//! The gradients of whole networks against a plain f64 implementation, on sizes where convolutions go by Winograd's algorithm: PyTorch's
//! fixtures are too narrow for it.

use crate::reference::{self, BatchNorm, wide};
use crate::{Subject, gradients};
use dcgan_kernels::augment::{self, Change, Size};
use dcgan_kernels::conv::{ConvShape, Plane};
use dcgan_kernels::{Cpu, Isa};
use dcgan_model::{
    Augmentation, Engine, Init, Layer, Loss, ModelConfig, Network, NetworkState, Recipe, Shape, StateDict, StepReport,
    TorchRng, initial_state,
};
use dcgan_testkit::{assert_close, assert_close_scaled, for_each_case, permute, random_bytes};
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
                    // Where an augmentation leaves nothing, a convolution gives exactly nothing, in f32 too.
                    let values = x.iter().filter(|v| **v != 0.0);
                    self.margin = values.fold(self.margin, |margin, v| margin.min(v.abs()));
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

/// What D is asked in a part of a step.
#[derive(Clone, Copy, PartialEq)]
enum Goal {
    Real,
    Fake,
    Deceive,
}

/// The recipe's mean loss of D's outputs and its gradient.
fn loss(recipe: &Recipe, goal: Goal, outputs: &[f64]) -> (f64, Vec<f64>) {
    let label = match goal {
        Goal::Real => f64::from(recipe.real_label),
        Goal::Fake => 0.0,
        Goal::Deceive => 1.0,
    };
    let each = |&x: &f64| match (recipe.loss, goal) {
        (Loss::Bce, _) => {
            let sigmoid = 1.0 / (1.0 + (-x).exp());
            (-label * sigmoid.ln() - (1.0 - label) * (1.0 - sigmoid).ln(), sigmoid - label)
        }
        (Loss::LeastSquares, _) => ((x - label).powi(2) / 2.0, x - label),
        (Loss::Hinge, Goal::Real) => ((1.0 - x).max(0.0), if x < 1.0 { -1.0 } else { 0.0 }),
        (Loss::Hinge, Goal::Fake) => ((1.0 + x).max(0.0), if x > -1.0 { 1.0 } else { 0.0 }),
        (Loss::Hinge, Goal::Deceive) => (-x, -1.0),
    };
    let count = outputs.len() as f64;
    let (losses, slopes): (Vec<f64>, Vec<f64>) = outputs.iter().map(each).unzip();
    (losses.iter().sum::<f64>() / count, slopes.iter().map(|slope| slope / count).collect())
}

/// Sizes of a case: image size, channels, base channels, batch, seed.
type Case = (usize, usize, usize, usize, u64);

/// All three parts of a step, each from the same start, D seeing pictures as `augmentations` has them.
fn check_step(subjects: &[&dyn Subject], case: &Case, recipe: Recipe, augmentations: &[Augmentation]) {
    let (image_size, channels, base_channels, batch, seed) = *case;
    let config = ModelConfig { image_size, channels, latent_dim: 10, base_channels };
    let mut rng = TorchRng::seed_from_u64(seed);
    let start = initial_state(&config, Init::Default, &mut rng);
    let noise = rng.randn(batch * config.latent_dim);
    let images = random_bytes(batch * config.image_len(), seed);
    let real: Vec<f64> = images.iter().map(|v| f64::from(*v) / 127.5 - 1.0).collect();

    // The kernels' own tests hold augmentation to its definition; here its place in a step is in question.
    let changes: Vec<Change> = augmentations.iter().map(change).collect();
    let size = Size { height: image_size, width: image_size, channels };
    let cpu = Cpu::new(Isa::PORTABLE, 1).unwrap();
    let augment = |work: fn(&Cpu, &mut [f32], &[f32], &[Change], Size), x: Vec<f64>| {
        if changes.is_empty() {
            return x;
        }
        let narrow: Vec<f32> = x.iter().map(|&v| v as f32).collect();
        let mut out = vec![0.0; x.len()];
        work(&cpu, &mut out, &narrow, &changes, size);
        wide(&out)
    };

    let networks = [Network::discriminator(&config), Network::generator(&config)];
    let states = [&start.discriminator, &start.generator].map(|NetworkState { tensors, .. }| tensors);
    let wide_d = || Wide::new(&networks[0], states[0], batch);
    let (mut on_real, mut on_fake, mut g) = (wide_d(), wide_d(), Wide::new(&networks[1], states[1], batch));
    let (real_loss, dlogits) = loss(&recipe, Goal::Real, &on_real.forward(augment(augment::forward, real)));
    let (_, real_gradients) = on_real.backward(dlogits);
    let fakes = g.forward(wide(&noise));
    let logits = on_fake.forward(augment(augment::forward, fakes));
    let (fake_loss, dlogits) = loss(&recipe, Goal::Fake, &logits);
    let (_, fake_gradients) = on_fake.backward(dlogits);
    let (generator_loss, dlogits) = loss(&recipe, Goal::Deceive, &logits);
    let (_, generator_gradients) = g.backward(augment(augment::backward, on_fake.backward(dlogits).0));
    let margin = [&on_real, &on_fake, &g].iter().fold(f64::INFINITY, |margin, net| margin.min(net.margin));
    assert!(margin > 3e-5, "a value of {margin:e} may change its sign by rounding: choose another seed");

    for subject in subjects {
        let mut engine = subject.engine(&config, recipe, batch);
        let subject = subject.name();
        let check = |part: &str, loss: f32, want_loss: f64, got: &StateDict, want: &Gradients| {
            assert_close(&format!("{subject}, {part} loss"), &[f64::from(loss)], &[want_loss], LOSS_TOLERANCE, 0.0);
            assert_eq!(got.len(), want.len());
            for (name, tensor) in got {
                let name_of_check = format!("{subject}, {part} gradient of {name}");
                assert_close_scaled(&name_of_check, &wide(tensor.as_f32().unwrap()), &want[name], TOLERANCE);
            }
        };
        let prepare = |engine: &mut dyn Engine| {
            engine.load_state(&start).unwrap();
            if !augmentations.is_empty() {
                engine.set_augmentations(augmentations).unwrap();
            }
        };
        prepare(&mut *engine);
        engine.train_discriminator_real(&images).unwrap();
        let report = last_report(&mut *engine);
        check("real", report.loss, real_loss, &gradients(&*engine)[0], &real_gradients);
        prepare(&mut *engine);
        engine.train_discriminator_fake(&noise).unwrap();
        let report = last_report(&mut *engine);
        check("fake", report.loss, fake_loss, &gradients(&*engine)[0], &fake_gradients);
        prepare(&mut *engine);
        engine.train_generator(&noise).unwrap();
        let report = last_report(&mut *engine);
        check("generator", report.loss, generator_loss, &gradients(&*engine)[1], &generator_gradients);
    }
}

/// That of the last part.
fn last_report(engine: &mut dyn Engine) -> StepReport {
    let mut reports = Vec::new();
    engine.take_reports(&mut reports).unwrap();
    reports.pop().unwrap()
}

fn change(augmentation: &Augmentation) -> Change {
    let Augmentation { brightness, saturation, contrast, translation, cutout } = *augmentation;
    Change { brightness, saturation, contrast, translation, cutout: cutout.map(|[start, end]| start..end) }
}

/// Gradients are right.
pub fn gradients_are_right(subjects: &[&dyn Subject]) {
    // Small batches keep the values few enough that none lies at a kink.
    for_each_case([(32, 3, 16, 2, 42), (32, 1, 24, 3, 39)], |case| check_step(subjects, case, Recipe::default(), &[]));
}

/// Every recipe has the right gradients.
pub fn every_recipe_has_the_right_gradients(subjects: &[&dyn Subject]) {
    let augment = [
        Augmentation {
            brightness: 0.2,
            saturation: 1.6,
            contrast: 0.7,
            translation: [-3, 4],
            cutout: [[4, 20], [0, 9]],
        },
        Augmentation { translation: [2, -1], contrast: 1.3, ..Augmentation::NONE },
    ];
    let recipe = |loss, real_label| Recipe { loss, real_label, augment: true, ..Recipe::default() };
    let recipes = [
        (recipe(Loss::Bce, 0.9), 0),
        (recipe(Loss::LeastSquares, 0.9), 0),
        (recipe(Loss::Hinge, 1.0), 0),
        (recipe(Loss::Bce, 1.0), 2),
        (recipe(Loss::Hinge, 1.0), 2),
    ];
    for_each_case(recipes, |&(recipe, count)| {
        // Augmented pictures have other kinks.
        let seed = if count == 0 { 42 } else { 11 };
        check_step(subjects, &(32, 3, 16, 2, seed), recipe, &augment[..count]);
    });
}
