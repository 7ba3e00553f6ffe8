//! From a picture back to the noise whose face is nearest to it.

use crate::Error;
use dcgan_model::{AdamConfig, Differentiate, ModelConfig, TorchRng};

/// Options of [`project`]. [`ProjectOptions::default`] is a thorough search of a few seconds at 64 × 64.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProjectOptions {
    /// Number of searches. A single one often ends in a local minimum.
    pub starts: usize,
    /// Number of random faces for each search; the searches start at the nearest of all.
    pub candidates: usize,
    /// Number of steps of each search.
    pub steps: usize,
    /// Adam's learning rate at the first step; it falls to zero along a half cosine.
    pub lr: f64,
    /// Weight of the mean square of the noise beside that of the pixels: λ. It stands for noise being normally
    /// distributed, and keeps the search from noise that the generator was never trained on.
    pub prior: f64,
    /// Seed of the random faces.
    pub seed: u64,
}

impl Default for ProjectOptions {
    fn default() -> Self {
        Self { starts: 8, candidates: 64, steps: 400, lr: 0.1, prior: 1e-3, seed: 0 }
    }
}

impl ProjectOptions {
    /// Checks the numbers.
    ///
    /// # Errors
    /// A sentence that names the option and what is possible.
    pub fn validate(&self) -> Result<(), String> {
        let Self { starts, candidates, steps, lr, prior, .. } = *self;
        if starts == 0 || candidates == 0 || steps == 0 {
            return Err("--starts and --steps: choose 1 or more".to_owned());
        }
        if !(lr.is_finite() && lr > 0.0) {
            return Err(format!("--lr {lr}: choose a number above 0, such as 0.1"));
        }
        if !(prior.is_finite() && prior >= 0.0) {
            return Err(format!("--prior {prior}: choose 0 or more, such as 0.001"));
        }
        Ok(())
    }
}

/// Result of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    /// The noise.
    pub noise: Vec<f32>,
    /// Mean square error of its picture, with values in [−1, 1].
    pub error: f64,
    /// Noise at which this search started.
    pub start: Vec<f32>,
    /// Mean square error at the start.
    pub start_error: f64,
}

/// Searches for the noise whose picture is nearest to `target` (channels × size × size in [−1, 1]): from several
/// random faces that are near already, Adam descends along the gradient of
///
/// ```text
/// mean((G(z) − target)²) + λ · mean(z²)
/// ```
///
/// through the generator in eval mode. The result is the best z on the way of any search, by the first term. The same
/// input gives the same bits. `on_step` is called after every step with the number of steps and the least error so far.
///
/// # Errors
/// Only if the engine fails.
///
/// # Panics
/// If `target` has another length, a number in `options` is zero, or `generator` takes fewer pictures at a time than
/// there are starts.
pub fn project(
    generator: &mut dyn Differentiate,
    target: &[f32],
    options: &ProjectOptions,
    mut on_step: impl FnMut(usize, f64),
) -> Result<Projection, Error> {
    let ModelConfig { latent_dim, .. } = *generator.config();
    assert_eq!(target.len(), generator.config().image_len(), "values of the target");
    let ProjectOptions { starts, candidates, steps, lr, prior, seed } = *options;
    assert!(starts > 0 && candidates > 0 && steps > 0, "a search without starts, candidates or steps");

    let mut rng = TorchRng::seed_from_u64(seed);
    // The nearest faces so far, nearest first.
    let mut searches: Vec<Search> = Vec::new();
    for _ in 0..candidates {
        let noise = rng.randn(starts * latent_dim);
        let pictures = generator.forward(&noise)?;
        for (noise, picture) in noise.chunks(latent_dim).zip(pictures.chunks(target.len())) {
            searches.push(Search::new(noise, mean_square_error(picture, target)));
        }
        searches.sort_by(|a, b| a.best.error.total_cmp(&b.best.error));
        searches.truncate(starts);
    }

    for step in 1..=steps {
        let noise: Vec<f32> = searches.iter().flat_map(|search| search.noise.iter().copied()).collect();
        let pictures = generator.forward(&noise)?;
        let scale = 2.0 / target.len() as f32;
        let residuals = pictures.chunks(target.len()).flat_map(|picture| picture.iter().zip(target));
        let dpictures: Vec<f32> = residuals.map(|(y, t)| scale * (y - t)).collect();
        let dnoise = generator.backward(&dpictures)?;
        // Half a cosine from 1 to 0.
        let annealed = lr * 0.5 * (1.0 + (std::f64::consts::PI * (step - 1) as f64 / steps as f64).cos());
        let parts = pictures.chunks(target.len()).zip(dnoise.chunks(latent_dim));
        for (search, (picture, gradient)) in searches.iter_mut().zip(parts) {
            search.visit(mean_square_error(picture, target));
            search.step(gradient, prior, annealed);
        }
        let least = searches.iter().map(|search| search.best.error).fold(f64::INFINITY, f64::min);
        on_step(step, least);
    }
    // The picture of the last step's noise has not been compared yet.
    let noise: Vec<f32> = searches.iter().flat_map(|search| search.noise.iter().copied()).collect();
    let pictures = generator.forward(&noise)?;
    for (search, picture) in searches.iter_mut().zip(pictures.chunks(target.len())) {
        search.visit(mean_square_error(picture, target));
    }
    let best = searches.into_iter().map(|search| search.best).min_by(|a, b| a.error.total_cmp(&b.error));
    Ok(best.expect("there is a start"))
}

/// One search.
struct Search {
    /// Current noise.
    noise: Vec<f32>,
    /// Adam's moments.
    exp_avg: Vec<f64>,
    exp_avg_sq: Vec<f64>,
    steps: i32,
    /// Best noise so far.
    best: Projection,
}

impl Search {
    fn new(noise: &[f32], error: f64) -> Self {
        let zeros = || vec![0.0; noise.len()];
        let best = Projection { noise: noise.to_vec(), error, start: noise.to_vec(), start_error: error };
        Self { noise: noise.to_vec(), exp_avg: zeros(), exp_avg_sq: zeros(), steps: 0, best }
    }

    /// Keeps the current noise if it is the best.
    fn visit(&mut self, error: f64) {
        if error < self.best.error {
            self.best.error = error;
            self.best.noise.copy_from_slice(&self.noise);
        }
    }

    /// Takes one Adam step with PyTorch's betas; `gradient` is that of the pixels' term.
    fn step(&mut self, gradient: &[f32], prior: f64, lr: f64) {
        let AdamConfig { beta1, beta2, eps, .. } = AdamConfig { beta1: 0.9, ..AdamConfig::default() };
        self.steps += 1;
        let [correction1, correction2] = [beta1, beta2].map(|beta| 1.0 - beta.powi(self.steps));
        let latent_dim = self.noise.len() as f64;
        let moments = self.exp_avg.iter_mut().zip(&mut self.exp_avg_sq);
        for ((z, gradient), (m, v)) in self.noise.iter_mut().zip(gradient).zip(moments) {
            let gradient = f64::from(*gradient) + prior * 2.0 * f64::from(*z) / latent_dim;
            *m = beta1 * *m + (1.0 - beta1) * gradient;
            *v = beta2 * *v + (1.0 - beta2) * gradient * gradient;
            *z -= (lr * (*m / correction1) / ((*v / correction2).sqrt() + eps)) as f32;
        }
    }
}

fn mean_square_error(picture: &[f32], target: &[f32]) -> f64 {
    let squares = picture.iter().zip(target).map(|(y, t)| f64::from(y - t).powi(2));
    squares.sum::<f64>() / target.len() as f64
}

/// Error, in levels of 255, above which a result usually shows another face.
const POOR: f64 = 25.0;
/// Fraction of a random face's error above which a search has failed.
const LITTLE: f64 = 0.8;

/// Returns a warning if a search that has reduced the error from `before` to `after` levels has a poor result.
pub fn poor_projection(before: f64, after: f64) -> Option<String> {
    if after <= POOR {
        return None;
    }
    let cause = if after > LITTLE * before {
        "the search has found hardly anything better than a random face: the generator may be untrained, or of few \
         kinds of faces; train it longer, or try --starts 32"
    } else {
        "the picture may be unlike those that the generator has learnt, in style, background or crop: crop it as they \
         are, or try --starts 32 and --prior 0"
    };
    Some(format!("an error of {after:.0} is poor (faces are alike below {POOR:.0}): {cause}"))
}

/// Converts a mean square error of values in [−1, 1] to a root mean square error in levels of 255.
pub fn levels(mean_square: f64) -> f64 {
    mean_square.sqrt() * 127.5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poor_result_is_explained() {
        assert_eq!(poor_projection(60.0, 20.0), None);
        assert!(poor_projection(60.0, 55.0).unwrap().contains("untrained"));
        assert!(poor_projection(90.0, 40.0).unwrap().contains("unlike those"));
    }
}
