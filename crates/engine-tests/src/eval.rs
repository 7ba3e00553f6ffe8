//! Both networks in eval mode against a plain f64 implementation: the gradient with respect to the noise, and D's
//! judgement.

use crate::Subject;
use dcgan_model::{
    DiscriminatorNorm, EngineError, Init, Layer, ModelConfig, Network, Shape, StateDict, TorchRng, initial_network,
};
use dcgan_testkit::reference::{self, ConvShape, wide};
use dcgan_testkit::{
    assert_close_scaled, for_each_case, nchw_to_nhwc, nhwc_to_nchw, numeric_gradient, permute, random,
};

/// In units of the largest value, as in `gradients.rs`.
const TOLERANCE: f64 = 4e-5;

/// Returns a network with first weights, and running statistics that are not those of a new network.
fn network(network: &Network, seed: u64) -> StateDict {
    let mut state = initial_network(network, Init::Default, &mut TorchRng::seed_from_u64(seed));
    for (salt, (name, tensor)) in state.iter_mut().enumerate() {
        let values = random(tensor.len(), seed + salt as u64);
        let dcgan_model::TensorData::F32(data) = &mut tensor.data else { continue };
        let suffix = name.rsplit('.').next().unwrap();
        for (x, r) in data.iter_mut().zip(values) {
            match suffix {
                "running_mean" | "bias" => *x = 0.3 * r,
                "running_var" => *x = 0.05 + 0.04 * r,
                // Spectral norm's estimates of singular vectors.
                "_u" | "_v" => {}
                _ if tensor.shape.len() == 1 => *x = 1.0 + 0.5 * r,
                _ => {}
            }
        }
    }
    state
}

/// Returns the network on NHWC input in f64: output (logits for D), and how close a value came to the kink of a ReLU.
fn forward(network: &Network, state: &StateDict, input: &[f64], batch: usize) -> (Vec<f64>, f64) {
    let tensor = |layer: usize, suffix: &str| wide(state[&format!("{layer}.{suffix}")].as_f32().unwrap());
    let plane = |shape: Shape| [shape.height, shape.width, shape.channels];
    let (mut x, mut margin) = (input.to_vec(), f64::INFINITY);
    for (layer, (kind, input, output)) in network.shapes().into_iter().enumerate() {
        x = match kind {
            Layer::Conv2d(conv) | Layer::ConvTranspose2d(conv) => {
                let transposed = matches!(kind, Layer::ConvTranspose2d(_));
                let (big, small) =
                    if transposed { (plane(output), plane(input)) } else { (plane(input), plane(output)) };
                let shape = ConvShape { big, small, kernel: conv.kernel, stride: conv.stride, padding: conv.padding };
                let name = kind.weight_suffix();
                let torch_shape: [usize; 4] = state[&format!("{layer}.{name}")].shape.as_slice().try_into().unwrap();
                let mut weight = tensor(layer, name);
                if conv.spectral_norm {
                    let [u, v] = [Layer::SPECTRAL_U, Layer::SPECTRAL_V].map(|suffix| tensor(layer, suffix));
                    let dot = |row: &[f64]| row.iter().zip(&v).map(|(w, v)| w * v).sum::<f64>();
                    let sigma: f64 = weight.chunks(v.len()).zip(&u).map(|(row, u)| u * dot(row)).sum();
                    weight.iter_mut().for_each(|w| *w /= sigma);
                }
                let weight = permute(&weight, torch_shape, [2, 3, 1, 0]);
                let run = if transposed { reference::conv_adjoint } else { reference::conv_forward };
                let mut outputs = run(&shape, &x, &weight, batch);
                if conv.bias {
                    let bias = tensor(layer, "bias");
                    outputs.iter_mut().enumerate().for_each(|(i, y)| *y += bias[i % bias.len()]);
                }
                outputs
            }
            Layer::BatchNorm2d { .. } => {
                let [weight, bias] = ["weight", "bias"].map(|suffix| tensor(layer, suffix));
                let [mean, var] = ["running_mean", "running_var"].map(|suffix| tensor(layer, suffix));
                let channels = weight.len();
                let normed = x.iter().enumerate().map(|(i, x)| {
                    let c = i % channels;
                    (x - mean[c]) / (var[c] + 1e-5).sqrt() * weight[c] + bias[c]
                });
                normed.collect()
            }
            Layer::LeakyRelu { .. } | Layer::Relu => {
                let slope = if let Layer::LeakyRelu { slope } = kind { f64::from(slope) } else { 0.0 };
                margin = x.iter().fold(margin, |margin, v| margin.min(v.abs()));
                x.iter().map(|v| if *v > 0.0 { *v } else { slope * v }).collect()
            }
            Layer::Tanh => x.iter().map(|v| v.tanh()).collect(),
            Layer::Sigmoid | Layer::Flatten => x,
        };
    }
    (x, margin)
}

/// The gradient of the noise is that of finite differences.
pub fn the_gradient_of_the_noise_is_that_of_finite_differences(subjects: &[&dyn Subject]) {
    // The second width is enough for Winograd's algorithm. Small batches and steps keep values away from the kinks.
    for_each_case([(32, 3, 2, 3, 5), (32, 1, 16, 1, 6)], |&(image_size, channels, base_channels, batch, seed)| {
        let config = ModelConfig { image_size, channels, latent_dim: 5, ..ModelConfig::TUTORIAL }
            .with_base_channels(base_channels);
        let generator = Network::generator(&config);
        let state = network(&generator, seed);
        let noise = TorchRng::seed_from_u64(seed).randn(batch * config.latent_dim);
        let nchw = [batch, channels, image_size, image_size];
        let dpictures = random(batch * config.image_len(), seed);
        let upstream = wide(&nchw_to_nhwc(&dpictures, nchw));

        let (pictures, margin) = forward(&generator, &state, &wide(&noise), batch);
        // A step of 1e-6 moves no value by more than some 1e-5; the two furthest points are two steps away.
        assert!(margin > 3e-5, "a value of {margin:e} may change its sign: choose another seed");
        let objective = |z: &[f64]| {
            let (pictures, _) = forward(&generator, &state, z, batch);
            pictures.iter().zip(&upstream).map(|(y, d)| y * d).sum::<f64>()
        };
        let expected = numeric_gradient(&wide(&noise), 1e-6, objective);

        for subject in subjects {
            let name = subject.name();
            let mut engine = subject.differentiable(&generator, &state, batch + 2);
            let got = engine.forward(&noise).unwrap();
            assert_close_scaled(&format!("{name}, pictures"), &wide(&got), &nhwc_to_nchw(&pictures, nchw), TOLERANCE);
            let got = engine.backward(&dpictures).unwrap();
            assert_close_scaled(&format!("{name}, gradient"), &wide(&got), &expected, TOLERANCE);
            // Each noise vector has a gradient of its own, whatever the others are.
            let (latent, image) = (config.latent_dim, config.image_len());
            engine.forward(&noise[..latent]).unwrap();
            let alone = engine.backward(&dpictures[..image]).unwrap();
            subject.assert_same("gradient alone", &alone, &got[..latent]);
        }
    });
}

/// The differentiable generator draws what the other draws.
pub fn both_generators_compute_the_same_images(subjects: &[&dyn Subject]) {
    let config =
        ModelConfig { image_size: 64, channels: 3, latent_dim: 7, ..ModelConfig::TUTORIAL }.with_base_channels(8);
    let generator = Network::generator(&config);
    let state = network(&generator, 1);
    let noise = TorchRng::seed_from_u64(2).randn(5 * config.latent_dim);
    for subject in subjects {
        let mut differentiable = subject.differentiable(&generator, &state, 8);
        let got = differentiable.forward(&noise).unwrap();
        let want = subject.generator(&generator, &state).generate(&noise).unwrap();
        assert_close_scaled(&format!("{}, pictures", subject.name()), &wide(&got), &wide(&want), TOLERANCE);

        let too_many = differentiable.forward(&vec![0.0; 9 * config.latent_dim]).unwrap_err();
        assert_eq!(too_many, EngineError::Batch { got: 63, max_batch: 8, item_len: 7 });
        assert!(differentiable.forward(&noise[1..]).is_err() && differentiable.forward(&[]).is_err());
    }
}

/// A judgement depends on its image only.
pub fn logits_depend_on_their_image_only(subjects: &[&dyn Subject]) {
    let cases = [
        (DiscriminatorNorm::Batch, 3, 2, 3),
        (DiscriminatorNorm::Batch, 1, 16, 4),
        (DiscriminatorNorm::None, 3, 4, 5),
        (DiscriminatorNorm::Spectral, 1, 16, 6),
    ];
    for_each_case(cases, |&(norm_d, channels, base_channels, seed)| {
        let image_size = 32;
        let config = ModelConfig { image_size, channels, latent_dim: 5, norm_d, ..ModelConfig::TUTORIAL }
            .with_base_channels(base_channels);
        let discriminator = Network::discriminator(&config);
        let state = network(&discriminator, seed);
        // More than the CPU judges at a time.
        let count = 35;
        let pictures = random(count * config.image_len(), seed);
        let nhwc = nchw_to_nhwc(&pictures, [count, channels, image_size, image_size]);
        let (expected, _) = forward(&discriminator, &state, &wide(&nhwc), count);
        for subject in subjects {
            let name = subject.name();
            let mut engine = subject.discriminator(&discriminator, &state);
            let logits = engine.logits(&pictures).unwrap();
            assert_close_scaled(&format!("{name}, logits"), &wide(&logits), &expected, TOLERANCE);
            let alone = engine.logits(&pictures[34 * config.image_len()..]).unwrap();
            subject.assert_same("logit alone", &alone, &logits[34..]);
        }
    });
}
