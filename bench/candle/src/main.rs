//! A DCGAN's training step in candle, on the CPU: `cargo run --release -- --threads 2`.
//!
//! Fakes are detached in the discriminator's step. Freezing the discriminator in the generator's step would save
//! nothing here: candle's backward pass of a convolution computes both gradients whenever it computes one.

#[path = "../../timing.rs"]
mod timing;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{
    AdamW, BatchNorm, Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig, Module, Optimizer, ParamsAdamW,
    VarBuilder, VarMap, batch_norm, conv_transpose2d_no_bias, conv2d_no_bias, loss, ops,
};
use timing::Options;

struct Discriminator {
    stages: Vec<(Conv2d, Option<BatchNorm>)>,
    last: Conv2d,
}

struct Generator {
    stages: Vec<(ConvTranspose2d, BatchNorm)>,
    last: ConvTranspose2d,
}

impl Discriminator {
    fn new(options: &Options, vars: VarBuilder<'_>) -> Result<Self> {
        let halving = Conv2dConfig { stride: 2, padding: 1, ..Default::default() };
        let mut channels = 3;
        let mut stages = Vec::new();
        for (level, width) in options.widths().into_iter().enumerate() {
            let conv = conv2d_no_bias(channels, width, 4, halving, vars.pp(format!("conv{level}")))?;
            let norm = (level > 0).then(|| batch_norm(width, 1e-5, vars.pp(format!("norm{level}")))).transpose()?;
            stages.push((conv, norm));
            channels = width;
        }
        let last = conv2d_no_bias(channels, 1, 4, Default::default(), vars.pp("last"))?;
        Ok(Self { stages, last })
    }

    /// N × 3 × size × size to N logits.
    fn forward(&self, pictures: &Tensor) -> Result<Tensor> {
        let mut x = pictures.clone();
        for (conv, norm) in &self.stages {
            x = conv.forward(&x)?;
            if let Some(norm) = norm {
                x = norm.forward_train(&x)?;
            }
            x = ops::leaky_relu(&x, 0.2)?;
        }
        self.last.forward(&x)?.flatten_all()
    }
}

impl Generator {
    fn new(options: &Options, vars: VarBuilder<'_>) -> Result<Self> {
        let doubling = ConvTranspose2dConfig { stride: 2, padding: 1, ..Default::default() };
        let mut channels = options.latent_dim;
        let mut stages = Vec::new();
        for (level, width) in options.widths().into_iter().rev().enumerate() {
            let config = if level == 0 { Default::default() } else { doubling };
            let conv = conv_transpose2d_no_bias(channels, width, 4, config, vars.pp(format!("conv{level}")))?;
            stages.push((conv, batch_norm(width, 1e-5, vars.pp(format!("norm{level}")))?));
            channels = width;
        }
        let last = conv_transpose2d_no_bias(channels, 3, 4, doubling, vars.pp("last"))?;
        Ok(Self { stages, last })
    }

    /// N × latent × 1 × 1 to N × 3 × size × size.
    fn forward(&self, noise: &Tensor) -> Result<Tensor> {
        let mut x = noise.clone();
        for (conv, norm) in &self.stages {
            x = norm.forward_train(&conv.forward(&x)?)?.relu()?;
        }
        self.last.forward(&x)?.tanh()
    }
}

fn adam(vars: &VarMap) -> Result<AdamW> {
    AdamW::new(vars.all_vars(), ParamsAdamW { lr: 2e-4, beta1: 0.5, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 })
}

fn main() -> Result<()> {
    let options = Options::parse();
    let device = Device::Cpu;
    let (d_vars, g_vars) = (VarMap::new(), VarMap::new());
    let d = Discriminator::new(&options, VarBuilder::from_varmap(&d_vars, DType::F32, &device))?;
    let g = Generator::new(&options, VarBuilder::from_varmap(&g_vars, DType::F32, &device))?;
    let (mut adam_d, mut adam_g) = (adam(&d_vars)?, adam(&g_vars)?);

    let (batch, size) = (options.batch_size, options.image_size);
    let images = Tensor::rand(-1f32, 1f32, (batch, 3, size, size), &device)?;
    let noise = || Tensor::randn(0f32, 1f32, (batch, options.latent_dim, 1, 1), &device);
    let (real, fake) = (Tensor::ones(batch, DType::F32, &device)?, Tensor::zeros(batch, DType::F32, &device)?);

    let mut step = || -> Result<f32> {
        let real_loss = loss::binary_cross_entropy_with_logit(&d.forward(&images)?, &real)?;
        adam_d.backward_step(&real_loss)?;
        let fakes = g.forward(&noise()?)?.detach();
        let fake_loss = loss::binary_cross_entropy_with_logit(&d.forward(&fakes)?, &fake)?;
        adam_d.backward_step(&fake_loss)?;
        let g_loss = loss::binary_cross_entropy_with_logit(&d.forward(&g.forward(&noise()?)?)?, &real)?;
        adam_g.backward_step(&g_loss)?;
        (real_loss + fake_loss)?.add(&g_loss)?.to_scalar()
    };
    options.time("candle", "0.11.1", || {
        let loss = step().expect("candle fails");
        assert!(loss.is_finite(), "the loss is {loss}");
    });
    Ok(())
}
