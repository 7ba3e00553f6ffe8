//! The parts of a training step.

use crate::augment::AugmentationTensors;
use crate::batch::{Batch, join};
use crate::batch_norm::{MOMENTUM, Mode};
use crate::engine::{GpuEngine, PendingReport, Reals, Side};
use crate::inputs::{DiscriminatorInput, upload_augmentations, upload_images, upload_noise};
use crate::loss::{Evaluation, evaluate, evaluate_pairs};
use crate::passes::PenaltyGradients;
use crate::reduce::sum;
use burn_tensor::Tensor;
use dcgan_model::{Augmentation, EngineError, Loss, Objective, Recipe};

/// Returns the images with their transforms.
fn augmented(
    images: Vec<Tensor<4>>,
    augmentations: Option<&[AugmentationTensors]>,
    batch: &Batch<'_>,
) -> Result<Vec<Tensor<4>>, EngineError> {
    match augmentations {
        Some(augmentations) => batch.each(images.into_iter().zip(augmentations), |(x, augment)| augment.forward(x)),
        None => Ok(images),
    }
}

impl GpuEngine {
    /// Keeps a part's report, with the squared gradients of all of its images if they were computed.
    fn push_report(&mut self, report: Tensor<1>, norms: Option<Tensor<4>>) {
        let has_gradient_norm = norms.is_some();
        let mean = |norms: Tensor<4>| {
            let [count, ..] = norms.dims();
            sum(norms).div_scalar(count as f64)
        };
        let norm = norms.map_or_else(|| Tensor::zeros([1], self.gpu.burn()), mean);
        self.reports.push(PendingReport { values: Tensor::cat(vec![report, norm], 0), has_gradient_norm });
    }

    /// Takes the transforms of the part that begins now, which has `batch` images.
    pub(crate) fn take_augmentations(&mut self, batch: usize) -> Result<Vec<Augmentation>, EngineError> {
        match self.augmentations.len() {
            0 => Ok(Vec::new()),
            len if len == batch => Ok(std::mem::take(&mut self.augmentations)),
            _ => Err(EngineError::AUGMENTATION_COUNT),
        }
    }

    /// Runs D forward on a batch of `count` images, the loss, D backward and Adam of D.
    pub(crate) fn train_discriminator(
        &mut self,
        source: DiscriminatorInput<'_>,
        count: usize,
        augmentations: &[Augmentation],
    ) -> Result<(), EngineError> {
        let Self { gpu, config, recipe, shards, discriminator, generator, .. } = self;
        let device = gpu.burn();
        let batch = &mut Batch::new(shards, device, count);
        let (images, objective) = match source {
            DiscriminatorInput::Images(images) => (upload_images(images, config, batch)?, Objective::Real),
            DiscriminatorInput::Noise(noise) => {
                let noise = upload_noise(noise, &generator.network, batch);
                (generator.net.forward(Mode::Train(MOMENTUM), noise, batch)?.0, Objective::Fake)
            }
        };
        let augmentations = upload_augmentations(augmentations, config.image_size, batch);
        let images = augmented(images, augmentations.as_deref(), batch)?;
        let Side { net, optimizer, .. } = discriminator;
        let (outputs, trace) = net.forward(Mode::Train(MOMENTUM), images, batch)?;
        let Evaluation { report, gradient } = evaluate(recipe, objective, batch.gather(outputs)?);
        let gradients = batch.take_own(&gradient)?;
        let gradients = net.parameter_gradients(trace, gradients, batch)?;
        optimizer.step(net, gradients);
        self.push_report(report, None);
        Ok(())
    }

    /// Runs D forward on real and generated images in one batch, the losses, D backward and Adam of D.
    pub(crate) fn train_discriminator_on_both(
        &mut self,
        images: &[u8],
        noise: &[f32],
        counts: [usize; 2],
        augmentations: &[Augmentation],
    ) -> Result<(), EngineError> {
        let [real_count, fake_count] = counts;
        let Self { gpu, config, recipe, shards, discriminator, generator, .. } = self;
        let device = gpu.burn();
        let reals = upload_images(images, config, &Batch::new(shards, device, real_count))?;
        let batch = &mut Batch::new(shards, device, fake_count);
        let noise = upload_noise(noise, &generator.network, batch);
        let (fakes, _) = generator.net.forward(Mode::Train(MOMENTUM), noise, batch)?;
        let batch = &mut Batch::of_kinds(shards, device, counts);
        // A shard may have images of one kind only.
        let (mut reals, mut fakes) = (reals.into_iter(), fakes.into_iter());
        let pictures = batch.each(batch.parts(), |part| {
            let [real, fake] = part.lens();
            join([if real > 0 { reals.next() } else { None }, if fake > 0 { fakes.next() } else { None }])
        })?;
        let augmentations = upload_augmentations(augmentations, config.image_size, batch);
        let pictures = augmented(pictures, augmentations.as_deref(), batch)?;
        let with_reals = batch.parts().iter().zip(&pictures).filter(|(part, _)| part.lens()[0] > 0);
        let parts = with_reals.map(|(part, x)| x.clone().narrow(0, 0, part.lens()[0])).collect();
        self.reals = Some(Reals { count: real_count, parts });
        let Side { net, optimizer, .. } = discriminator;
        let (outputs, trace) = net.forward(Mode::Train(MOMENTUM), pictures, batch)?;
        let of_kinds = |x: Tensor<4>| [x.clone().narrow(0, 0, real_count), x.narrow(0, real_count, fake_count)];
        let [on_reals, on_fakes] = of_kinds(batch.gather(outputs)?);
        let (real, fake) = if recipe.loss == Loss::Relativistic {
            let (Evaluation { report, gradient }, dfake) = evaluate_pairs(on_reals, on_fakes);
            let (loss, output) = (report.clone().narrow(0, 0, 1).mul_scalar(0.5), report.narrow(0, 1, 1));
            let fake_report = Tensor::cat(vec![loss.clone(), output.clone().neg().add_scalar(1.0)], 0);
            let real_report = Tensor::cat(vec![loss, output], 0);
            (Evaluation { report: real_report, gradient }, Evaluation { report: fake_report, gradient: dfake })
        } else {
            (evaluate(recipe, Objective::Real, on_reals), evaluate(recipe, Objective::Fake, on_fakes))
        };
        let gradients = batch.take_own(&Tensor::cat(vec![real.gradient, fake.gradient], 0))?;
        let (gradients, norms) = if recipe.has_penalty() {
            // No tensor without values, even if it is never used: with one among its operations, Burn computes wrong
            // gradients, which `four_steps_with_penalties_match_pytorch` shows with 9 shards.
            let factors = |gamma: f64, count: usize, len: usize| {
                (len > 0).then(|| Tensor::<4>::ones([len, 1, 1, 1], device).mul_scalar(gamma / count as f64))
            };
            let factors = batch.each(batch.parts(), |part| {
                let [real, fake] = part.lens();
                join([factors(recipe.r1, real_count, real), factors(recipe.r2, fake_count, fake)])
            })?;
            let PenaltyGradients { parameters, squared_norms } =
                net.penalty_gradients(trace, gradients, factors, batch)?;
            (parameters, of_kinds(batch.gather(squared_norms)?).map(Some))
        } else {
            (net.parameter_gradients(trace, gradients, batch)?, [None, None])
        };
        optimizer.step(net, gradients);
        let [on_reals, on_fakes] = norms;
        self.push_report(real.report, on_reals);
        self.push_report(fake.report, on_fakes);
        Ok(())
    }

    /// Runs G and D forward on `noise`, `count` vectors, the loss, D backward to its inputs, G backward and Adam of G.
    pub(crate) fn train_generator(
        &mut self,
        noise: &[f32],
        count: usize,
        augmentations: &[Augmentation],
    ) -> Result<(), EngineError> {
        let Self { gpu, config, recipe, shards, discriminator, generator, average, reals, .. } = self;
        let device = gpu.burn();
        let batch = &mut Batch::new(shards, device, count);
        let noise = upload_noise(noise, &generator.network, batch);
        let Side { net, optimizer, .. } = generator;
        let (fakes, trace) = net.forward(Mode::Train(MOMENTUM), noise, batch)?;
        let augmentations = upload_augmentations(augmentations, config.image_size, batch);
        let shown = augmented(fakes, augmentations.as_deref(), batch)?;
        let discriminator = &mut discriminator.net;
        let (outputs, d_trace) = discriminator.forward(Mode::Train(MOMENTUM), shown, batch)?;
        let outputs = batch.gather(outputs)?;
        let Evaluation { report, gradient } = match (reals, recipe.loss) {
            (Some(Reals { count, parts }), Loss::Relativistic) => {
                let batch = &mut Batch::new(batch.shards, device, *count);
                let on_reals = batch.each(parts.iter(), |reals| discriminator.infer(reals.clone()))?;
                evaluate_pairs(outputs, batch.gather(on_reals)?).0
            }
            _ => evaluate(recipe, Objective::FoolDiscriminator, outputs),
        };
        let gradients = batch.take_own(&gradient)?;
        let gradients = discriminator.input_gradients(d_trace, gradients, batch)?;
        let gradients = match &augmentations {
            Some(augmentations) => {
                batch.each(gradients.into_iter().zip(augmentations), |(dy, augment)| augment.backward(dy))?
            }
            None => gradients,
        };
        let gradients = net.parameter_gradients(trace, gradients, batch)?;
        optimizer.step(net, gradients);
        if let Some(decay) = recipe.ema {
            let weight = 1.0 - Recipe::average_decay(decay, optimizer.steps());
            for (average, parameter) in average.iter_mut().zip(&net.parameters) {
                average.inplace(|average| average.clone() + (parameter.value.clone() - average).mul_scalar(weight));
            }
        }
        self.push_report(report, None);
        Ok(())
    }
}
