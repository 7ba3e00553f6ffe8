//! Drawing with the generator in training: previews, evaluations, and the generator that is saved.

use super::Run;
use crate::TrainError;
use crate::{BestGenerator, EpochEvaluation, Evaluation, Evaluator, Event, PREVIEW_FACES, TrainConfig};
use dcgan_image::Picture;
use dcgan_metrics::Images;
use dcgan_model::{Engine, EngineError, ModelConfig, Network, StateDict, TorchRng};

/// Number of faces that are drawn at a time for an evaluation.
const DRAWN_TOGETHER: usize = 512;

/// Number of batches of noise, drawn from `torch.manual_seed(seed - 1)`, from which running statistics are computed.
pub(super) const CALIBRATION_BATCHES: usize = 16;

/// Returns the noise of the preview: `torch.manual_seed(seed); torch.randn(32, latent)`, as of `dcgan generate --seed`.
pub(super) fn preview_noise(model: &ModelConfig, seed: u64) -> Vec<f32> {
    TorchRng::seed_from_u64(seed).randn(PREVIEW_FACES * model.latent_dim)
}

/// Returns the tensors of the generator that `engine` has trained: those that previews show and that a run saves. With
/// [`TrainConfig::ema`] they are the moving average; with it or [`TrainConfig::recalibrate`], the running statistics of
/// batch norm are computed from noise.
///
/// # Errors
/// [`EngineError::Device`] if the engine's device fails.
pub fn trained_generator(engine: &mut (impl Engine + ?Sized), config: &TrainConfig) -> Result<StateDict, EngineError> {
    match better_generator(engine, config)? {
        Some(generator) => Ok(generator),
        None => Ok(engine.state()?.generator.tensors),
    }
}

/// Returns the generator that is drawn with and saved, if it is not the one in training: the average of its weights, or
/// the same weights, with running statistics computed from noise.
fn better_generator(
    engine: &mut (impl Engine + ?Sized),
    config: &TrainConfig,
) -> Result<Option<StateDict>, EngineError> {
    let TrainConfig { recalibrate, seed, batch_size, model, .. } = *config;
    let generator = match engine.averaged_generator()? {
        Some(average) => average,
        None if recalibrate => engine.state()?.generator.tensors,
        None => return Ok(None),
    };
    let noise =
        TorchRng::seed_from_u64(seed.wrapping_sub(1)).randn(CALIBRATION_BATCHES * batch_size * model.latent_dim);
    Ok(Some(engine.calibrate(&generator, &noise)?))
}

impl<E: Engine + ?Sized> Run<'_, '_, E> {
    /// Draws the faces of the preview after `epoch`, tells the listeners, and returns them.
    pub(super) fn preview(&mut self, epoch: u64) -> Result<Vec<Picture>, TrainError> {
        let faces = self.preview_faces()?;
        self.tell(&Event::Preview { epoch, faces: &faces })?;
        Ok(faces)
    }

    /// Draws the faces of the preview within an epoch.
    pub(super) fn sample(&mut self) -> Result<(), TrainError> {
        let faces = self.preview_faces()?;
        let (epoch, step) = (self.progress.epoch + 1, self.progress.step);
        self.tell(&Event::Sample { epoch, step, faces: &faces })
    }

    /// Draws the faces of the noise that is the same throughout the run.
    fn preview_faces(&mut self) -> Result<Vec<Picture>, TrainError> {
        let noise = std::mem::take(&mut self.preview_noise);
        let faces = self.draw_preview(&noise);
        self.preview_noise = noise;
        faces
    }

    /// Draws a preview. The generator in training is shown as in the tutorial's `test_epoch`, in training mode: its
    /// running statistics lag behind its weights, which tints the faces of the first epochs. One that has statistics of
    /// its own weights is shown as it is saved.
    fn draw_preview(&mut self, noise: &[f32]) -> Result<Vec<Picture>, TrainError> {
        let ModelConfig { image_size, channels, .. } = self.config.model;
        // All ranks take part in this.
        let better = self.better_generator()?;
        if !self.is_root {
            return Ok(Vec::new());
        }
        match better {
            Some(generator) => self.draw_with(Some(&generator), noise),
            None => {
                let values = self.engine.generate_with_batch_statistics(noise)?;
                Ok(Picture::from_nchw(&values, channels, image_size))
            }
        }
    }

    /// Draws with the generator that is saved.
    fn draw(&mut self, noise: &[f32]) -> Result<Vec<Picture>, TrainError> {
        // As in a preview.
        let better = self.better_generator()?;
        if self.is_root { self.draw_with(better.as_ref(), noise) } else { Ok(Vec::new()) }
    }

    /// Draws with `generator` or, if there is none, with the one in training, in eval mode.
    fn draw_with(&mut self, generator: Option<&StateDict>, noise: &[f32]) -> Result<Vec<Picture>, TrainError> {
        let ModelConfig { image_size, channels, latent_dim, .. } = self.config.model;
        let mut faces = Vec::with_capacity(noise.len() / latent_dim);
        for noise in noise.chunks(DRAWN_TOGETHER * latent_dim) {
            let values = match generator {
                Some(generator) => self.engine.generate_from(generator, noise)?,
                None => self.engine.generate(noise)?,
            };
            faces.extend(Picture::from_nchw(&values, channels, image_size));
        }
        Ok(faces)
    }

    /// See [`trained_generator`].
    pub(super) fn generator(&mut self) -> Result<StateDict, TrainError> {
        Ok(trained_generator(self.engine, self.config)?)
    }

    /// Evaluates the generator if the epoch is a multiple of [`TrainConfig::evaluate_every`] or the run's last. The
    /// noise is that of `torch.manual_seed(seed - 2)` each time.
    pub(super) fn evaluate(&mut self, epoch: u64) -> Result<Option<EpochEvaluation>, TrainError> {
        let TrainConfig { evaluate_every: Some(every), model, .. } = *self.config else { return Ok(None) };
        let step = self.progress.step;
        if !epoch.is_multiple_of(every.get()) && step < self.steps {
            return Ok(None);
        }
        let evaluation = self.evaluation()?;
        let is_best = evaluation
            .as_ref()
            .is_some_and(|evaluation| self.progress.best.is_none_or(|best| evaluation.swd.mean < best.swd));
        let is_best = match self.ranks {
            Some(ranks) => ranks.of_root(is_best)?,
            None => is_best,
        };
        let best = if is_best { Some(self.generator()?) } else { None };
        let Some(evaluation) = evaluation else { return Ok(None) };
        let (swd, swd_floor) = (evaluation.swd.mean, evaluation.swd_floor.mean);
        if is_best {
            self.progress.best = Some(BestGenerator { epoch, step, swd, swd_floor });
        }
        let network = Network::generator(&model);
        let evaluation = EpochEvaluation { step, epoch, evaluation };
        self.tell(&Event::Evaluated { evaluation: &evaluation, network: &network, best: best.as_ref() })?;
        Ok(Some(evaluation))
    }

    /// Compares what the generator draws with the pictures, on rank 0.
    fn evaluation(&mut self) -> Result<Option<Evaluation>, TrainError> {
        let TrainConfig { model, seed, .. } = *self.config;
        let samples = self.evaluator.map_or(0, Evaluator::samples);
        let noise = TorchRng::seed_from_u64(seed.wrapping_sub(2)).randn(samples * model.latent_dim);
        let faces = self.draw(&noise)?;
        let Some(evaluator) = self.evaluator.filter(|_| self.is_root) else { return Ok(None) };
        let pixels: Vec<u8> = faces.into_iter().flat_map(|face| face.pixels).collect();
        Ok(Some(evaluator.evaluate(Images::new(&pixels, model.image_size, model.channels)?)?))
    }

    /// See [`better_generator`].
    fn better_generator(&mut self) -> Result<Option<StateDict>, TrainError> {
        Ok(better_generator(self.engine, self.config)?)
    }
}
