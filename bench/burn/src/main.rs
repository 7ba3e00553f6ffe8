//! A DCGAN's training step in burn, on its CPU backend `flex`: `cargo run --release -- --threads 2`.
//!
//! The generator is not differentiated in the discriminator's step, nor the discriminator's weights in the generator's.

#[path = "../../timing.rs"]
mod timing;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::loss::{BinaryCrossEntropyLoss, BinaryCrossEntropyLossConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Distribution, Int, Tensor, activation};
use timing::Options;

#[derive(Module, Debug)]
struct DownStage {
    conv: Conv2d,
    norm: Option<BatchNorm>,
}

#[derive(Module, Debug)]
struct Discriminator {
    stages: Vec<DownStage>,
    last: Conv2d,
}

#[derive(Module, Debug)]
struct UpStage {
    conv: ConvTranspose2d,
    norm: BatchNorm,
}

#[derive(Module, Debug)]
struct Generator {
    stages: Vec<UpStage>,
    last: ConvTranspose2d,
}

impl Discriminator {
    fn new(options: &Options, device: &Device) -> Self {
        let mut channels = 3;
        let mut stages = Vec::new();
        for width in options.widths() {
            let conv = Conv2dConfig::new([channels, width], [4, 4])
                .with_stride([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_bias(false)
                .init(device);
            let norm = (channels > 3).then(|| BatchNormConfig::new(width).init(device));
            stages.push(DownStage { conv, norm });
            channels = width;
        }
        let last = Conv2dConfig::new([channels, 1], [4, 4]).with_bias(false).init(device);
        Self { stages, last }
    }

    /// N × 3 × size × size to N logits.
    fn forward(&self, pictures: Tensor<4>) -> Tensor<1> {
        let mut x = pictures;
        for DownStage { conv, norm } in &self.stages {
            x = conv.forward(x);
            if let Some(norm) = norm {
                x = norm.forward(x);
            }
            x = activation::leaky_relu(x, 0.2);
        }
        self.last.forward(x).flatten(0, 3)
    }
}

impl Generator {
    fn new(options: &Options, device: &Device) -> Self {
        let conv = |from, to, stride, padding| {
            ConvTranspose2dConfig::new([from, to], [4, 4])
                .with_stride([stride; 2])
                .with_padding([padding; 2])
                .with_bias(false)
                .init(device)
        };
        let mut channels = options.latent_dim;
        let mut stages = Vec::new();
        for (level, width) in options.widths().into_iter().rev().enumerate() {
            let (stride, padding) = if level == 0 { (1, 0) } else { (2, 1) };
            let norm = BatchNormConfig::new(width).init(device);
            stages.push(UpStage { conv: conv(channels, width, stride, padding), norm });
            channels = width;
        }
        Self { stages, last: conv(channels, 3, 2, 1) }
    }

    /// N × latent × 1 × 1 to N × 3 × size × size.
    fn forward(&self, noise: Tensor<4>) -> Tensor<4> {
        let mut x = noise;
        for UpStage { conv, norm } in &self.stages {
            x = activation::relu(norm.forward(conv.forward(x)));
        }
        activation::tanh(self.last.forward(x))
    }
}

/// One step of `adam` on `module` for `loss`.
fn update<M: Module>(adam: &mut ModuleOptimizer, module: M, loss: &Tensor<1>) -> M {
    let gradients = GradientsParams::from_grads(loss.backward(), &module);
    adam.step(2e-4, module, gradients)
}

fn main() {
    let options = Options::parse();
    let device = Device::flex().autodiff();
    let adam = || AdamConfig::new().with_beta_1(0.5).with_beta_2(0.999).with_epsilon(1e-8).init();
    let (mut adam_d, mut adam_g) = (adam(), adam());
    let bce: BinaryCrossEntropyLoss = BinaryCrossEntropyLossConfig::new().with_logits(true).init(&device);
    let (mut d, mut g) = (Discriminator::new(&options, &device), Generator::new(&options, &device));

    let (batch, size) = (options.batch_size, options.image_size);
    let images = Tensor::<4>::random([batch, 3, size, size], Distribution::Uniform(-1.0, 1.0), &device);
    let noise = || Tensor::<4>::random([batch, options.latent_dim, 1, 1], Distribution::Normal(0.0, 1.0), &device);
    let (real, fake) = (Tensor::<1, Int>::ones([batch], &device), Tensor::<1, Int>::zeros([batch], &device));

    // Parameters come into being at their first use; only then do clones share them.
    d.forward(g.forward(noise()));

    options.time("burn (flex)", "0.22.0", || {
        let real_loss = bce.forward(d.forward(images.clone()), real.clone());
        d = update(&mut adam_d, d.clone(), &real_loss);
        let fakes = g.clone().no_grad().forward(noise()).detach();
        let fake_loss = bce.forward(d.forward(fakes), fake.clone());
        d = update(&mut adam_d, d.clone(), &fake_loss);
        let g_loss = bce.forward(d.clone().no_grad().forward(g.forward(noise())), real.clone());
        g = update(&mut adam_g, g.clone(), &g_loss);
        let loss: f32 = (real_loss + fake_loss + g_loss).into_scalar();
        assert!(loss.is_finite(), "the loss is {loss}");
    });
}
