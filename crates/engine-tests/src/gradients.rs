//! Compares the gradients of whole networks with a plain f64 implementation, on sizes where convolutions use Winograd's
//! algorithm: the fixtures from PyTorch have too few channels for it.

use crate::{Subject, gradients};
use dcgan_kernels::augment::{self, Size, Transform};
use dcgan_kernels::{Cpu, Isa};
use dcgan_model::{
    AdamConfig, Augmentation, Conv, DiscriminatorNorm, Engine, Init, Layer, Loss, ModelConfig, Network, NetworkState,
    Objective, Recipe, Shape, StateDict, StepReport, TorchRng, initial_state,
};
use dcgan_testkit::reference::{self, BatchNorm, ConvShape, wide};
use dcgan_testkit::{assert_close, for_each_case, permute, random_bytes};
use std::collections::BTreeMap;

/// Tolerance of a gradient, relative to the largest value of its tensor: four times the largest error found, 9e-6,
/// which is about that of one convolution by F(4 × 4, 2 × 2).
pub(crate) const TOLERANCE: f64 = 4e-5;

/// Absolute tolerance of a loss: four times the largest error found, 1.1e-6. It is less than that of one convolution by
/// F(4 × 4, 2 × 2), 6.8e-6 of its largest value, because a loss moves no further than the logits, and averages them.
/// PyTorch's fixtures, whose networks are too narrow for Winograd's algorithm, keep the tolerance of direct sums.
pub(crate) const LOSS_TOLERANCE: f64 = 4.5e-6;

/// A network in f64, with the inputs of all its layers (NHWC) after a forward pass in training mode.
struct F64Network<'a> {
    network: &'a Network,
    state: &'a StateDict,
    /// Spectral norm of each layer that has it, after one power iteration.
    spectral_norms: BTreeMap<usize, SpectralNorm>,
    batch: usize,
    inputs: Vec<Vec<f64>>,
    /// Least distance of a value from 0 at the input of a ReLU or LeakyReLU. If it is less than the rounding errors of
    /// f32, the engine may take the other slope, and the gradients cannot be compared.
    margin: f64,
}

/// First singular vectors and largest singular value of a weight as a matrix, whose rows are the output channels.
struct SpectralNorm {
    u: Vec<f64>,
    v: Vec<f64>,
    sigma: f64,
}

impl SpectralNorm {
    /// Makes one power iteration from `v`, as PyTorch does in a forward pass in training mode.
    fn new(weight: &[f64], v: &[f64]) -> Self {
        let unit = |values: Vec<f64>| {
            let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
            values.into_iter().map(|value| value / norm).collect::<Vec<_>>()
        };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let u = unit(weight.chunks(v.len()).map(|row| dot(row, v)).collect());
        let columns = (0..v.len()).map(|c| u.iter().enumerate().map(|(r, u)| u * weight[r * v.len() + c]).sum());
        let product: Vec<f64> = columns.collect();
        let v = unit(product.clone());
        let sigma = dot(&product, &v);
        Self { u, v, sigma }
    }

    /// Converts the gradient of `weight` / sigma to that of `weight`. The singular vectors are constants, as in
    /// PyTorch.
    fn weight_gradient(&self, weight: &[f64], gradient: &[f64]) -> Vec<f64> {
        let Self { u, v, sigma } = self;
        let product = weight.iter().zip(gradient).map(|(weight, g)| weight / sigma * g).sum::<f64>();
        let outer = u.iter().flat_map(|u| v.iter().map(move |v| u * v));
        gradient.iter().zip(outer).map(|(g, outer)| (g - product * outer) / sigma).collect()
    }
}

/// Gradients by parameter name, in PyTorch's layout.
type Gradients = BTreeMap<String, Vec<f64>>;

impl<'a> F64Network<'a> {
    fn new(network: &'a Network, state: &'a StateDict, batch: usize) -> Self {
        let values = |layer: usize, suffix: &str| wide(state[&format!("{layer}.{suffix}")].as_f32().unwrap());
        let layers = network.layers.iter().enumerate();
        let layers = layers.filter(|(_, kind)| matches!(kind, Layer::Conv2d(conv) if conv.spectral_norm));
        let spectral_norms = layers.map(|(layer, _)| {
            let weight = values(layer, Layer::ORIGINAL_WEIGHT);
            (layer, SpectralNorm::new(&weight, &values(layer, Layer::SPECTRAL_V)))
        });
        let spectral_norms = spectral_norms.collect();
        Self { network, state, spectral_norms, batch, inputs: Vec::new(), margin: f64::INFINITY }
    }

    /// Returns the tensor `suffix` of a layer, such as `weight`.
    fn tensor(&self, layer: usize, suffix: &str) -> Vec<f64> {
        wide(self.state[&format!("{layer}.{suffix}")].as_f32().unwrap())
    }

    /// Returns the sizes of a convolution, and its weight as k × k × big × small.
    fn conv(&self, layer: usize, input: Shape, output: Shape) -> (ConvShape, Vec<f64>) {
        let kind = self.network.layers[layer];
        let weight_shape: [usize; 4] = kind.weight_shape().unwrap().try_into().unwrap();
        let mut weight = self.tensor(layer, kind.weight_suffix());
        if let Some(norm) = self.spectral_norms.get(&layer) {
            weight.iter_mut().for_each(|weight| *weight /= norm.sigma);
        }
        let plane = |shape: Shape| [shape.height, shape.width, shape.channels];
        let (big, small, conv) = match kind {
            Layer::Conv2d(conv) => (plane(input), plane(output), conv),
            Layer::ConvTranspose2d(conv) => (plane(output), plane(input), conv),
            other => panic!("{other} is no convolution"),
        };
        let shape = ConvShape { big, small, kernel: conv.kernel, stride: conv.stride, padding: conv.padding };
        (shape, permute(&weight, weight_shape, [2, 3, 1, 0]))
    }

    /// Computes the network's output, NHWC as `input`; for the discriminator the logits. Keeps the inputs of all
    /// layers.
    fn forward(&mut self, input: Vec<f64>) -> Vec<f64> {
        let mut x = input;
        for (layer, (kind, input, output)) in self.network.shapes().into_iter().enumerate() {
            let y = match kind {
                Layer::Conv2d(conv) => {
                    let (shape, weight) = self.conv(layer, input, output);
                    let mut y = reference::conv_forward(&shape, &x, &weight, self.batch);
                    if conv.bias {
                        let bias = self.tensor(layer, "bias");
                        y.iter_mut().zip(bias.iter().cycle()).for_each(|(y, bias)| *y += bias);
                    }
                    y
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

    /// Returns the gradients of the input and of all parameters, from the gradient of the output of [`Self::forward`].
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
                    let taps_first = [shape.kernel, shape.kernel, shape.big[2], shape.small[2]];
                    let mut dweight = permute(&dweight, taps_first, [3, 2, 0, 1]);
                    if let Some(norm) = self.spectral_norms.get(&layer) {
                        dweight = norm.weight_gradient(&self.tensor(layer, kind.weight_suffix()), &dweight);
                    }
                    gradients.insert(format!("{layer}.{}", kind.weight_suffix()), dweight);
                    if let Layer::Conv2d(Conv { bias: true, out_channels, .. }) = kind {
                        let dbias = (0..out_channels).map(|c| dy.iter().skip(c).step_by(out_channels).sum());
                        gradients.insert(format!("{layer}.bias"), dbias.collect());
                    }
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

/// Returns the derivative of a ReLU or LeakyReLU at `x`.
fn slope_at(activation: Layer, x: f64) -> f64 {
    match activation {
        Layer::LeakyRelu { slope } if x <= 0.0 => f64::from(slope),
        Layer::Relu if x <= 0.0 => 0.0,
        _ => 1.0,
    }
}

/// Returns the recipe's mean loss over D's outputs (logits), and its gradient with respect to them.
fn loss(recipe: &Recipe, objective: Objective, outputs: &[f64]) -> (f64, Vec<f64>) {
    let label = match objective {
        Objective::Real => f64::from(recipe.real_label),
        Objective::Fake => 0.0,
        Objective::FoolDiscriminator => 1.0,
    };
    let each = |&x: &f64| match (recipe.loss, objective) {
        (Loss::Bce, _) => {
            let sigmoid = 1.0 / (1.0 + (-x).exp());
            (-label * sigmoid.ln() - (1.0 - label) * (1.0 - sigmoid).ln(), sigmoid - label)
        }
        (Loss::LeastSquares, _) => ((x - label).powi(2) / 2.0, x - label),
        (Loss::Hinge, Objective::Real) => ((1.0 - x).max(0.0), if x < 1.0 { -1.0 } else { 0.0 }),
        (Loss::Hinge, Objective::Fake) => ((1.0 + x).max(0.0), if x > -1.0 { 1.0 } else { 0.0 }),
        (Loss::Hinge, Objective::FoolDiscriminator) => (-x, -1.0),
        (Loss::Relativistic, _) => panic!("a loss of pairs"),
    };
    let count = outputs.len() as f64;
    let (losses, slopes): (Vec<f64>, Vec<f64>) = outputs.iter().map(each).unzip();
    (losses.iter().sum::<f64>() / count, slopes.iter().map(|slope| slope / count).collect())
}

/// Sizes of a case: image size, channels, base channels, batch, seed.
type Case = (usize, usize, usize, usize, u64);

/// Checks the losses and gradients of all three parts of a training step (real, fake, generator). Each part starts from
/// the same state. The images are augmented by `augmentations` before D sees them.
fn check_step(subjects: &[&dyn Subject], case: &Case, recipe: Recipe, augmentations: &[Augmentation]) {
    let (image_size, channels, base_channels, batch, seed) = *case;
    let config =
        ModelConfig { image_size, channels, latent_dim: 10, ..ModelConfig::TUTORIAL }.with_base_channels(base_channels);
    let mut rng = TorchRng::seed_from_u64(seed);
    let start = initial_state(&config, Init::Default, &mut rng);
    let noise = rng.randn(batch * config.latent_dim);
    let images = random_bytes(batch * config.image_len(), seed);
    let real: Vec<f64> = images.iter().map(|v| f64::from(*v) / 127.5 - 1.0).collect();

    // The kernels' own tests hold augmentation to its definition; here its place in a step is in question.
    let size = Size { height: image_size, width: image_size, channels };
    let cpu = Cpu::new(Isa::PORTABLE, 1).unwrap();
    let transforms: Vec<_> = augmentations
        .iter()
        .map(|&Augmentation { brightness, saturation, contrast, translation, cutout }| Transform {
            brightness,
            saturation,
            contrast,
            translation,
            cutout,
        })
        .collect();
    let augment = |work: fn(&Cpu, &mut [f32], &[f32], &[Transform], Size), x: Vec<f64>| {
        if transforms.is_empty() {
            return x;
        }
        let narrow: Vec<f32> = x.iter().map(|&v| v as f32).collect();
        let mut out = vec![0.0; x.len()];
        work(&cpu, &mut out, &narrow, &transforms, size);
        wide(&out)
    };

    let networks = [Network::discriminator(&config), Network::generator(&config)];
    let states = [&start.discriminator, &start.generator].map(|NetworkState { tensors, .. }| tensors);
    let wide_d = || F64Network::new(&networks[0], states[0], batch);
    let (mut on_real, mut on_fake, mut g) = (wide_d(), wide_d(), F64Network::new(&networks[1], states[1], batch));
    let (real_loss, dlogits) = loss(&recipe, Objective::Real, &on_real.forward(augment(augment::forward, real)));
    let (_, real_gradients) = on_real.backward(dlogits);
    let fakes = g.forward(wide(&noise));
    let logits = on_fake.forward(augment(augment::forward, fakes));
    let (fake_loss, dlogits) = loss(&recipe, Objective::Fake, &logits);
    let (_, fake_gradients) = on_fake.backward(dlogits);
    let (generator_loss, dlogits) = loss(&recipe, Objective::FoolDiscriminator, &logits);
    let (_, generator_gradients) = g.backward(augment(augment::backward, on_fake.backward(dlogits).0));
    let margin = [&on_real, &on_fake, &g].iter().fold(f64::INFINITY, |margin, net| margin.min(net.margin));
    assert!(margin > 3e-5, "a value of {margin:e} may change its sign by rounding: choose another seed");

    for subject in subjects {
        let mut engine = subject.engine(&config, recipe, batch);
        let subject = subject.name();
        let check = |part: &str, loss: f32, want_loss: f64, got: &StateDict, want: &Gradients| {
            assert_close(&format!("{subject}, {part} loss"), &[f64::from(loss)], &[want_loss], LOSS_TOLERANCE, 0.0);
            check_gradients(&format!("{subject}, {part}"), got, want);
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

/// Returns the relativistic loss, the mean of −ln σ(a − b) over pairs, and its gradients with respect to `a` and `b`.
/// The smaller set is repeated.
fn relativistic_loss(a: &[f64], b: &[f64]) -> (f64, [Vec<f64>; 2]) {
    let pairs = a.len().max(b.len());
    let (mut loss, mut da, mut db) = (0.0, vec![0.0; a.len()], vec![0.0; b.len()]);
    for pair in 0..pairs {
        let (i, j) = (pair % a.len(), pair % b.len());
        let sigmoid = 1.0 / (1.0 + (b[j] - a[i]).exp());
        loss -= sigmoid.ln() / pairs as f64;
        da[i] -= (1.0 - sigmoid) / pairs as f64;
        db[j] += (1.0 - sigmoid) / pairs as f64;
    }
    (loss, [da, db])
}

/// Returns the gradient of γ/2 · E‖∇D(x)‖² in D's parameters, and E‖∇D(x)‖².
///
/// With g = ∇D(x) taken as a constant, it is γ · E[∂/∂ε of the parameters' gradient of D(x + εg)]. Within a
/// piece of the piecewise linear D a difference is that derivative, whatever its length.
fn penalty_gradient(
    network: &Network,
    state: &StateDict,
    images: &[f64],
    count: usize,
    gamma: f64,
) -> (Gradients, f64) {
    let one_each = || vec![1.0; count];
    let mut at = F64Network::new(network, state, count);
    at.forward(images.to_vec());
    let (gradient, _) = at.backward(one_each());
    let norm = gradient.iter().map(|g| g * g).sum::<f64>() / count as f64;
    let epsilon = 1e-6;
    let [less, more] = [-epsilon, epsilon].map(|step| {
        let mut moved = F64Network::new(network, state, count);
        moved.forward(images.iter().zip(&gradient).map(|(x, g)| x + step * g).collect());
        moved.backward(one_each()).1
    });
    let difference = |name: &String| {
        let values = more[name].iter().zip(&less[name]);
        values.map(|(more, less)| gamma * (more - less) / (2.0 * epsilon) / count as f64).collect()
    };
    // The gradient of a bias does not change: the penalty has none.
    (more.keys().map(|name| (name.clone(), difference(name))).collect(), norm)
}

/// Checks both parts of a training step (discriminator, generator) of a discriminator without batch norm, on
/// `counts[0]` real and `counts[1]` generated images.
fn check_joint_step(
    subjects: &[&dyn Subject],
    norm_d: DiscriminatorNorm,
    recipe: Recipe,
    counts: [usize; 2],
    seed: u64,
) {
    let [reals, fakes] = counts;
    let config = ModelConfig { image_size: 32, latent_dim: 10, norm_d, ..ModelConfig::TUTORIAL }.with_base_channels(16);
    // The discriminator's own step must not move the weights that the generator's part is compared on.
    let recipe = Recipe { discriminator: AdamConfig { lr: 1e-12, ..AdamConfig::TUTORIAL }, ..recipe };
    let mut rng = TorchRng::seed_from_u64(seed);
    let start = initial_state(&config, Init::Default, &mut rng);
    let noise = rng.randn(fakes * config.latent_dim);
    let images = random_bytes(reals * config.image_len(), seed);
    let real: Vec<f64> = images.iter().map(|v| f64::from(*v) / 127.5 - 1.0).collect();

    let networks = [Network::discriminator(&config), Network::generator(&config)];
    let states = [&start.discriminator, &start.generator].map(|NetworkState { tensors, .. }| tensors);
    let mut on_real = F64Network::new(&networks[0], states[0], reals);
    let mut on_fake = F64Network::new(&networks[0], states[0], fakes);
    let mut g = F64Network::new(&networks[1], states[1], fakes);
    let real_outputs = on_real.forward(real.clone());
    let fake = g.forward(wide(&noise));
    let fake_outputs = on_fake.forward(fake.clone());
    let is_relativistic = recipe.loss == Loss::Relativistic;
    let ((real_loss, dreal), (fake_loss, dfake)) = if is_relativistic {
        let (loss, [dreal, dfake]) = relativistic_loss(&real_outputs, &fake_outputs);
        ((loss / 2.0, dreal), (loss / 2.0, dfake))
    } else {
        (loss(&recipe, Objective::Real, &real_outputs), loss(&recipe, Objective::Fake, &fake_outputs))
    };
    let mut gradients_d = on_real.backward(dreal).1;
    let mut norms = Vec::new();
    let mut others = vec![on_fake.backward(dfake).1];
    for (images, count, gamma) in [(&real, reals, recipe.r1), (&fake, fakes, recipe.r2)] {
        let (gradient, norm) = penalty_gradient(&networks[0], states[0], images, count, gamma);
        others.push(gradient);
        norms.push(recipe.has_penalty().then_some(norm));
    }
    for (name, values) in others.into_iter().flatten() {
        let sums = gradients_d.get_mut(&name).unwrap();
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    }
    let margin = [&on_real, &on_fake, &g].iter().fold(f64::INFINITY, |margin, net| margin.min(net.margin));
    assert!(margin > 1e-5, "a value of {margin:e} may change its sign by rounding: choose another seed");

    for subject in subjects {
        let mut engine = subject.engine(&config, recipe, reals.max(fakes));
        let name = format!("{}, {norm_d:?}, {:?}, R1 {}, R2 {}", subject.name(), recipe.loss, recipe.r1, recipe.r2);
        engine.load_state(&start).unwrap();
        engine.train_discriminator(&images, &noise).unwrap();
        let mut reports = Vec::new();
        engine.take_reports(&mut reports).unwrap();
        let losses: Vec<f64> = reports.iter().map(|report| f64::from(report.loss)).collect();
        assert_close(&format!("{name}, losses"), &losses, &[real_loss, fake_loss], LOSS_TOLERANCE, 0.0);
        for (report, norm) in reports.iter().zip(&norms) {
            assert_eq!(report.gradient_norm.is_some(), norm.is_some(), "{name}");
            if let (Some(got), Some(want)) = (report.gradient_norm, norm) {
                assert_close(&format!("{name}, norm"), &[f64::from(got)], &[*want], 0.0, 1e-4);
            }
        }
        check_gradients(&format!("{name}, D"), &gradients(&*engine)[0], &gradients_d);

        // Spectral norm makes another power iteration.
        let state = engine.state().unwrap().discriminator.tensors;
        let mut on_real = F64Network::new(&networks[0], &state, reals);
        let mut on_fake = F64Network::new(&networks[0], &state, fakes);
        let fake_outputs = on_fake.forward(fake.clone());
        let (generator_loss, dlogits) = if is_relativistic {
            let (loss, [dlogits, _]) = relativistic_loss(&fake_outputs, &on_real.forward(real.clone()));
            (loss, dlogits)
        } else {
            loss(&recipe, Objective::FoolDiscriminator, &fake_outputs)
        };
        assert!(on_real.margin.min(on_fake.margin) > 1e-5, "{name}: choose another seed");
        let want = g.backward(on_fake.backward(dlogits).0).1;
        engine.train_generator(&noise).unwrap();
        let report = last_report(&mut *engine);
        assert_close(&name, &[f64::from(report.loss)], &[generator_loss], LOSS_TOLERANCE, 0.0);
        check_gradients(&format!("{name}, G"), &gradients(&*engine)[1], &want);
    }
}

/// Asserts that all gradients agree with `want`, tensor by tensor.
fn check_gradients(name: &str, got: &StateDict, want: &Gradients) {
    assert_eq!(got.len(), want.len(), "{name}");
    for (tensor, values) in got {
        let name = format!("{name}, gradient of {tensor}");
        let largest = want[tensor].iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        // The relativistic loss has no gradient in the last bias, where what is left is the rounding of a sum of
        // numbers of about 0.1.
        let atol = (TOLERANCE * largest).max(f64::from(f32::EPSILON));
        assert_close(&name, &wide(values.as_f32().unwrap()), &want[tensor], atol, 0.0);
    }
}

/// Tests that discriminators without batch norm have the right gradients, with every loss and penalty.
pub fn penalties_and_spectral_norm_have_the_right_gradients(subjects: &[&dyn Subject]) {
    let recipe = |loss, r1, r2| Recipe { loss, r1, r2, ..Recipe::default() };
    let cases = [
        (DiscriminatorNorm::None, recipe(Loss::Bce, 0.0, 0.0), [1, 2], 4),
        (DiscriminatorNorm::None, recipe(Loss::Bce, 1.5, 0.0), [1, 2], 4),
        (DiscriminatorNorm::None, recipe(Loss::LeastSquares, 0.0, 0.7), [2, 1], 1),
        (DiscriminatorNorm::None, recipe(Loss::Relativistic, 0.3, 0.7), [1, 2], 4),
        (DiscriminatorNorm::Spectral, recipe(Loss::Hinge, 0.0, 0.0), [1, 1], 2),
        (DiscriminatorNorm::Spectral, recipe(Loss::Bce, 2.0, 1.0), [2, 1], 2),
        (DiscriminatorNorm::Spectral, recipe(Loss::Relativistic, 0.0, 0.0), [2, 1], 2),
    ];
    for_each_case(cases, |&(norm_d, recipe, counts, seed)| check_joint_step(subjects, norm_d, recipe, counts, seed));
}

/// Takes the engine's reports and returns the last one.
fn last_report(engine: &mut dyn Engine) -> StepReport {
    let mut reports = Vec::new();
    engine.take_reports(&mut reports).unwrap();
    reports.pop().unwrap()
}

/// Tests the gradients of the tutorial's recipe.
pub fn gradients_are_right(subjects: &[&dyn Subject]) {
    // Small batches keep the values few enough that none lies at a kink.
    for_each_case([(32, 3, 16, 2, 42), (32, 1, 24, 3, 39)], |case| check_step(subjects, case, Recipe::default(), &[]));
}

/// Tests the gradients of other losses, of a smoothed label and of augmentation.
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
        // Augmented images have other kinks.
        let seed = if count == 0 { 42 } else { 11 };
        check_step(subjects, &(32, 3, 16, 2, seed), recipe, &augment[..count]);
    });
}
