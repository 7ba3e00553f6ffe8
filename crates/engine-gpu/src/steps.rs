//! The parts of a training step.

use crate::augment::AugmentationTensors;
use crate::batch_norm::{MOMENTUM, Mode};
use crate::engine::{GpuEngine, PendingReport, Side};
use crate::inference::to_nhwc;
use crate::loss::{Evaluation, evaluate, evaluate_pairs};
use crate::transfer::upload_bytes;
use burn_tensor::Tensor;
use dcgan_model::{EngineError, Loss, ModelConfig, Objective, Recipe};

impl GpuEngine {
    /// Keeps a part's report, with the mean of the squared gradients of its images if they were computed.
    fn push_report(&mut self, report: Tensor<1>, norms: Option<Tensor<1>>) {
        let has_gradient_norm = norms.is_some();
        let norm = norms.map_or_else(|| Tensor::zeros([1], self.gpu.burn()), |norms| norms.mean().reshape([1]));
        self.reports.push(PendingReport { values: Tensor::cat(vec![report, norm], 0), has_gradient_norm });
    }

    /// Copies u8 images to the device and normalizes them.
    pub(crate) fn upload_images(&self, images: &[u8]) -> Tensor<4> {
        let ModelConfig { image_size, channels, .. } = self.config;
        let batch = images.len() / self.config.image_len();
        let bytes = upload_bytes(images, [batch, image_size, image_size, channels], self.gpu.burn());
        // torchvision's ToTensor and Normalize(0.5, 0.5), with their roundings.
        bytes.div_scalar(255.0).sub_scalar(0.5).div_scalar(0.5)
    }

    /// Takes the transforms of the part that begins now, which has `batch` images.
    pub(crate) fn take_augmentations(&mut self, batch: usize) -> Result<Option<AugmentationTensors>, EngineError> {
        match &self.augmentations {
            Some(augmentations) if augmentations.len() != batch => Err(EngineError::AUGMENTATION_COUNT),
            _ => Ok(self.augmentations.take()),
        }
    }

    /// Returns G's images of `noise` in training mode, without the values for a backward pass.
    pub(crate) fn fakes(&mut self, noise: &[f32]) -> Tensor<4> {
        let noise = to_nhwc(noise, &self.generator.network, self.gpu.burn());
        self.generator.net.forward(Mode::Train(MOMENTUM), noise).0
    }

    /// Runs D forward on `pictures`, the loss, D backward and Adam of D.
    pub(crate) fn train_discriminator(
        &mut self,
        pictures: Tensor<4>,
        objective: Objective,
        augmentations: Option<AugmentationTensors>,
    ) {
        let pictures = match augmentations {
            Some(augmentations) => augmentations.forward(pictures),
            None => pictures,
        };
        let Side { net, optimizer, .. } = &mut self.discriminator;
        let (outputs, trace) = net.forward(Mode::Train(MOMENTUM), pictures);
        let Evaluation { report, gradient } = evaluate(&self.recipe, objective, outputs);
        let gradients = net.parameter_gradients(trace, gradient);
        optimizer.step(net, gradients);
        self.push_report(report, None);
    }

    /// Runs D forward on real and generated images in one batch, the losses, D backward and Adam of D.
    pub(crate) fn train_discriminator_on_both(
        &mut self,
        images: &[u8],
        noise: &[f32],
        augmentations: Option<AugmentationTensors>,
    ) {
        let (reals, fakes) = (self.upload_images(images), self.fakes(noise));
        let [real_count, fake_count] = [reals.dims()[0], fakes.dims()[0]];
        let pictures = Tensor::cat(vec![reals, fakes], 0);
        let pictures = match augmentations {
            Some(augmentations) => augmentations.forward(pictures),
            None => pictures,
        };
        self.reals = Some(pictures.clone().narrow(0, 0, real_count));
        let Self { recipe, discriminator: Side { net, optimizer, .. }, gpu, .. } = self;
        let (outputs, trace) = net.forward(Mode::Train(MOMENTUM), pictures);
        let (on_reals, on_fakes) =
            (outputs.clone().narrow(0, 0, real_count), outputs.narrow(0, real_count, fake_count));
        let (real, fake) = if recipe.loss == Loss::Relativistic {
            let (Evaluation { report, gradient }, dfake) = evaluate_pairs(on_reals, on_fakes);
            let (loss, output) = (report.clone().narrow(0, 0, 1).mul_scalar(0.5), report.narrow(0, 1, 1));
            let fake_report = Tensor::cat(vec![loss.clone(), output.clone().neg().add_scalar(1.0)], 0);
            let real_report = Tensor::cat(vec![loss, output], 0);
            (Evaluation { report: real_report, gradient }, Evaluation { report: fake_report, gradient: dfake })
        } else {
            (evaluate(recipe, Objective::Real, on_reals), evaluate(recipe, Objective::Fake, on_fakes))
        };
        let gradient = Tensor::cat(vec![real.gradient, fake.gradient], 0);
        let (gradients, norms) = if recipe.has_penalty() {
            let factors = |gamma: f64, count: usize| {
                Tensor::<4>::ones([count, 1, 1, 1], gpu.burn()).mul_scalar(gamma / count as f64)
            };
            let factors = Tensor::cat(vec![factors(recipe.r1, real_count), factors(recipe.r2, fake_count)], 0);
            let (gradients, norms) = net.penalty_gradients(trace, gradient, factors);
            let norms = [norms.clone().narrow(0, 0, real_count), norms.narrow(0, real_count, fake_count)];
            (gradients, norms.map(Some))
        } else {
            (net.parameter_gradients(trace, gradient), [None, None])
        };
        optimizer.step(net, gradients);
        let [on_reals, on_fakes] = norms;
        self.push_report(real.report, on_reals);
        self.push_report(fake.report, on_fakes);
    }

    /// Runs G and D forward on `noise`, the loss, D backward to its inputs, G backward and Adam of G.
    pub(crate) fn train_generator(&mut self, noise: &[f32], augmentations: Option<&AugmentationTensors>) {
        let noise = to_nhwc(noise, &self.generator.network, self.gpu.burn());
        let Side { net, optimizer, .. } = &mut self.generator;
        let (fakes, trace) = net.forward(Mode::Train(MOMENTUM), noise);
        let shown = match augmentations {
            Some(augmentations) => augmentations.forward(fakes),
            None => fakes,
        };
        let discriminator = &mut self.discriminator.net;
        let (outputs, d_trace) = discriminator.forward(Mode::Train(MOMENTUM), shown);
        let Evaluation { report, gradient } = match (&self.reals, self.recipe.loss) {
            (Some(reals), Loss::Relativistic) => evaluate_pairs(outputs, discriminator.infer(reals.clone())).0,
            _ => evaluate(&self.recipe, Objective::FoolDiscriminator, outputs),
        };
        let gradient = discriminator.input_gradient(d_trace, gradient);
        let gradient = match augmentations {
            Some(augmentations) => augmentations.backward(gradient),
            None => gradient,
        };
        let gradients = net.parameter_gradients(trace, gradient);
        optimizer.step(net, gradients);
        if let Some(decay) = self.recipe.ema {
            let weight = 1.0 - Recipe::average_decay(decay, optimizer.steps());
            for (average, parameter) in self.average.iter_mut().zip(&net.parameters) {
                average.inplace(|average| average.clone() + (parameter.value.clone() - average).mul_scalar(weight));
            }
        }
        self.push_report(report, None);
    }
}
