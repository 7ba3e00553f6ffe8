//! The parts of a training step.

use crate::activations::{Gradients, Mode};
use crate::batch::Batch;
use crate::engine::{CpuEngine, Memory, Side};
use crate::outputs::DiscriminatorInput;
use crate::passes::GradientRequest;
use dcgan_kernels::augment::{self, Size};
use dcgan_kernels::epilogue::Epilogue;
use dcgan_kernels::loss::{self, LossReport};
use dcgan_kernels::{ema, pixels};
use dcgan_model::{EngineError, Loss, ModelConfig, Objective, Recipe, StepReport};

impl CpuEngine {
    fn size(&self) -> Size {
        let ModelConfig { image_size, channels, .. } = self.config;
        Size { height: image_size, width: image_size, channels }
    }

    /// Returns whether the next part's images, `batch` of them, are augmented.
    fn augments(&self, batch: usize) -> Result<bool, EngineError> {
        match self.augmentations.len() {
            0 => Ok(false),
            len if len == batch => Ok(true),
            _ => Err(EngineError::AUGMENTATION_COUNT),
        }
    }

    /// Runs D forward on one batch, the loss, D backward and Adam of D.
    pub(crate) fn train_discriminator(
        &mut self,
        source: DiscriminatorInput<'_>,
        count: usize,
    ) -> Result<(), EngineError> {
        let (augments, size) = (self.augments(count)?, self.size());
        let Self { cpu, discriminator, generator, memory, recipe, augmentations, config, shards, .. } = self;
        let Memory { images, inputs: augmented, gradients, outputs, scratch, .. } = memory;
        let cpu = &*cpu;
        let own = shards.own_images(count);
        let mut batch = Batch::new(shards, count);
        let report: Result<_, EngineError> = cpu.run(|| {
            let input: &[f32] = match source {
                DiscriminatorInput::Images(bytes) => {
                    let bytes = &bytes[own.start * config.image_len()..own.end * config.image_len()];
                    pixels::normalize(cpu, &mut images[..bytes.len()], bytes);
                    &images[..bytes.len()]
                }
                DiscriminatorInput::Noise(noise) => {
                    let noise = &noise[own.start * config.latent_dim..own.end * config.latent_dim];
                    generator.net.forward(cpu, Mode::TRAIN, &mut generator.acts, noise, &mut batch, scratch)?;
                    generator.net.output(&generator.acts, batch.len())
                }
            };
            let input = if augments {
                let augmented = &mut augmented[..input.len()];
                augment::forward(cpu, augmented, input, &augmentations[own.clone()], size);
                augmented
            } else {
                input
            };
            let Side { net, acts, optimizer, .. } = discriminator;
            net.forward(cpu, Mode::TRAIN, acts, input, &mut batch, scratch)?;
            let objective =
                if matches!(source, DiscriminatorInput::Images(_)) { Objective::Real } else { Objective::Fake };
            let own_outputs = net.output(acts, batch.len());
            let loss_report =
                outputs.evaluate(&mut batch, count, own_outputs, &mut gradients.current, |gradient, outputs| {
                    evaluate(recipe, objective, gradient, outputs)
                })?;
            let wanted = GradientRequest { parameters: Some(&mut optimizer.gradient), input: None };
            net.backward(cpu, acts, input, gradients, wanted, &mut batch, scratch)?;
            optimizer.step(cpu, net);
            Ok(report(loss_report))
        });
        self.augmentations.clear();
        self.reports.push(report?);
        Ok(())
    }

    /// Runs D forward on G(`noise`) and real images in one batch, the losses, D backward and Adam of D.
    pub(crate) fn train_discriminator_on_both(
        &mut self,
        bytes: &[u8],
        noise: &[f32],
        counts: [usize; 2],
    ) -> Result<(), EngineError> {
        let [reals, fakes] = counts;
        let count = fakes + reals;
        let (augments, size) = (self.augments(count)?, self.size());
        let Self { cpu, discriminator, generator, memory, recipe, augmentations, config, shards, .. } = self;
        let Memory { images, inputs, reals: places, gradients, penalty, outputs, scratch } = memory;
        let cpu = &*cpu;
        let [own_reals, own_fakes] = [reals, fakes].map(|count| shards.own_images(count));
        let own_count = own_fakes.len() + own_reals.len();
        let reports: Result<_, EngineError> = cpu.run(|| {
            let noise = &noise[own_fakes.start * config.latent_dim..own_fakes.end * config.latent_dim];
            let bytes = &bytes[own_reals.start * config.image_len()..own_reals.end * config.image_len()];
            let mut batch = Batch::new(shards, fakes);
            generator.net.forward(cpu, Mode::TRAIN, &mut generator.acts, noise, &mut batch, scratch)?;
            let output = generator.net.output(&generator.acts, own_fakes.len());
            let input = &mut inputs[..own_count * config.image_len()];
            let (fake_input, real_input) = input.split_at_mut(output.len());
            if augments {
                let images = &mut images[..bytes.len()];
                pixels::normalize(cpu, images, bytes);
                let (real_augmentations, fake_augmentations) = augmentations.split_at(reals);
                augment::forward(cpu, real_input, images, &real_augmentations[own_reals.clone()], size);
                augment::forward(cpu, fake_input, output, &fake_augmentations[own_fakes.clone()], size);
            } else {
                pixels::normalize(cpu, real_input, bytes);
                fake_input.copy_from_slice(output);
            }
            *places = own_fakes.len()..own_count;
            let mut batch = Batch::of_kinds(shards, [fakes, reals]);
            let Side { net, acts, optimizer, .. } = discriminator;
            net.forward(cpu, Mode::TRAIN, acts, input, &mut batch, scratch)?;
            let own_outputs = net.output(acts, own_count);
            let own_gradient = match penalty {
                None => &mut gradients.current[..],
                Some(penalty) => &mut penalty.loss_factors[..],
            };
            let mut reports = outputs.evaluate(&mut batch, count, own_outputs, own_gradient, |gradient, outputs| {
                evaluate_both(recipe, gradient, outputs, fakes)
            })?;
            match penalty {
                None => {
                    let wanted = GradientRequest { parameters: Some(&mut optimizer.gradient), input: None };
                    net.backward(cpu, acts, input, gradients, wanted, &mut batch, scratch)?;
                }
                Some(penalty) => {
                    let weight = |gamma: f64, count: usize| (gamma / count as f64) as f32;
                    penalty.factors[..own_fakes.len()].fill(weight(recipe.r2, fakes));
                    penalty.factors[own_fakes.len()..own_count].fill(weight(recipe.r1, reals));
                    let start = if recipe.r2 > 0.0 { 0 } else { own_fakes.len() };
                    let end = if recipe.r1 > 0.0 { own_count } else { own_fakes.len() };
                    net.backward_with_penalty(
                        cpu,
                        acts,
                        input,
                        gradients,
                        penalty,
                        start..end,
                        &mut optimizer.gradient,
                        &mut batch,
                        scratch,
                    )?;
                    let means = outputs.means(&mut batch, [fakes, reals], &penalty.squared_norms[..own_count])?;
                    let [on_fakes, on_reals] = means.map(Some);
                    [reports[0].gradient_norm, reports[1].gradient_norm] = [on_reals, on_fakes];
                }
            }
            optimizer.step(cpu, net);
            Ok(reports)
        });
        self.augmentations.clear();
        self.reports.extend(reports?);
        Ok(())
    }

    /// Runs G and D forward, the loss, D backward to its inputs, G backward and Adam of G.
    pub(crate) fn train_generator(&mut self, noise: &[f32], count: usize) -> Result<(), EngineError> {
        let (augments, size) = (self.augments(count)?, self.size());
        let is_relativistic = self.recipe.loss == Loss::Relativistic;
        if is_relativistic && self.reals == 0 {
            return Err(EngineError::NO_PAIRS);
        }
        let Self {
            cpu, discriminator, generator, memory, recipe, average, augmentations, config, shards, reals, ..
        } = self;
        let Memory { inputs, reals: places, gradients, outputs, scratch, .. } = memory;
        let cpu = &*cpu;
        let own = shards.own_images(count);
        let augmentations = if augments { &augmentations[own.clone()] } else { &[] };
        let noise = &noise[own.start * config.latent_dim..own.end * config.latent_dim];
        let own_count = own.len();
        let report: Result<_, EngineError> = cpu.run(|| {
            let Side { net, acts, optimizer, .. } = generator;
            net.forward(cpu, Mode::TRAIN, acts, noise, &mut Batch::new(shards, count), scratch)?;
            let fakes = net.output(acts, own_count);
            let mut counts = [count, 0];
            if is_relativistic {
                // The real images of the discriminator's part lie behind its generated ones.
                let image_len = config.image_len();
                inputs.copy_within(places.start * image_len..places.end * image_len, own_count * image_len);
                *places = own_count..own_count + places.len();
                counts[1] = *reals;
            }
            let shown_count = if is_relativistic { places.end } else { own_count };
            let shown: &[f32] = if augments || is_relativistic {
                let shown = &mut inputs[..fakes.len()];
                if augments {
                    augment::forward(cpu, shown, fakes, augmentations, size);
                } else {
                    shown.copy_from_slice(fakes);
                }
                &inputs[..shown_count * config.image_len()]
            } else {
                fakes
            };
            let Side { net: d_net, acts: d_acts, .. } = discriminator;
            let mut batch = Batch::of_kinds(shards, counts);
            d_net.forward(cpu, Mode::TRAIN, d_acts, shown, &mut batch, scratch)?;
            let own_outputs = d_net.output(d_acts, shown_count);
            let all = counts.iter().sum();
            let loss_report =
                outputs.evaluate(&mut batch, all, own_outputs, &mut gradients.current, |gradient, outputs| {
                    let (gradient, real_gradient) = gradient.split_at_mut(count);
                    let (outputs, real_outputs) = outputs.split_at(count);
                    real_gradient.fill(0.0);
                    match is_relativistic {
                        true => loss::relativistic_generator(gradient, outputs, real_outputs),
                        false => evaluate(recipe, Objective::FoolDiscriminator, gradient, outputs),
                    }
                })?;
            let epilogue = if augments { Epilogue::Identity } else { net.output_epilogue(acts, own_count) };
            let wanted = GradientRequest { parameters: None, input: Some(epilogue) };
            let mut batch = Batch::new(shards, count);
            d_net.backward(cpu, d_acts, &shown[..fakes.len()], gradients, wanted, &mut batch, scratch)?;
            if augments {
                let Gradients { current, next, .. } = &mut *gradients;
                let gradient = &mut next[..fakes.len()];
                augment::backward(cpu, gradient, &current[..fakes.len()], augmentations, size);
                net.output_gradient(cpu, acts, gradient, own_count);
                std::mem::swap(current, next);
            }
            let wanted = GradientRequest { parameters: Some(&mut optimizer.gradient), input: None };
            net.backward(cpu, acts, noise, gradients, wanted, &mut batch, scratch)?;
            optimizer.step(cpu, net);
            if let Some(decay) = recipe.ema {
                ema::step(cpu, average, &net.parameters, Recipe::average_decay(decay, optimizer.steps()));
            }
            Ok(report(loss_report))
        });
        self.augmentations.clear();
        self.reports.push(report?);
        Ok(())
    }
}

/// Computes the recipe's loss of the discriminator's outputs on `fakes` generated images and on the real ones after
/// them, and its gradient. Returns the report on the real images, then that on the generated ones.
fn evaluate_both(recipe: &Recipe, gradient: &mut [f32], outputs: &[f32], fakes: usize) -> [StepReport; 2] {
    let (dfake, dreal) = gradient.split_at_mut(fakes);
    let (fake, real) = outputs.split_at(fakes);
    let reports = match recipe.loss {
        Loss::Relativistic => loss::relativistic_discriminator(dreal, dfake, real, fake),
        Loss::Bce | Loss::LeastSquares | Loss::Hinge => {
            [evaluate(recipe, Objective::Real, dreal, real), evaluate(recipe, Objective::Fake, dfake, fake)]
        }
    };
    reports.map(report)
}

/// Computes the recipe's loss of the discriminator's outputs, and its gradient.
fn evaluate(recipe: &Recipe, objective: Objective, gradient: &mut [f32], outputs: &[f32]) -> LossReport {
    let label = recipe.label(objective);
    match (recipe.loss, objective) {
        (Loss::Bce, Objective::Real) if label != 1.0 => loss::bce_with_label(gradient, outputs, label),
        (Loss::Bce, _) => loss::bce_with_logits(gradient, outputs, objective != Objective::Fake),
        (Loss::LeastSquares, _) => loss::least_squares(gradient, outputs, label),
        (Loss::Hinge, Objective::FoolDiscriminator) => loss::hinge_generator(gradient, outputs),
        (Loss::Hinge, _) => loss::hinge(gradient, outputs, objective == Objective::Real),
        (Loss::Relativistic, _) => unreachable!("a loss of pairs"),
    }
}

fn report(LossReport { loss, mean_output }: LossReport) -> StepReport {
    StepReport { loss, mean_output, gradient_norm: None }
}
