//! Diagnosis of a training after an epoch: common failures of GANs, found by their numbers.
//!
//! | finding | condition |
//! |---|---|
//! | the faces are noise | detail of the smooth parts of the preview > [`NOISE`] + 2 · that of the pictures |
//! | the faces have grain | detail of the smooth parts > [`GRAIN`] + 1.3 · that of the pictures |
//! | the faces have a checkerboard | [`Texture::checkerboard`] > [`CHECKERBOARD`] + that of the pictures |
//! | the faces are blurred | detail of the sharp parts < [`BLURRED`] · that of the pictures |
//! | the faces collapse into one | diversity of the preview < [`COLLAPSED_DIVERSITY`] |
//! | few kinds of face¹ | recall < [`FEW_KINDS`] · its floor |
//! | the faces are unlike the pictures¹ | precision < [`UNLIKE`] · its floor |
//! | the faces are copies¹ | authenticity < [`COPIES`] · its floor |
//! | D wins outright, and G learns little | epoch means D(x) > [`WINNING_D_X`] and D(G(z)) < [`WINNING_D_G_Z`]² |
//! | the losses are flat | means of both within [`FLAT_CHANGE`] over [`FLAT_EPOCHS`] epochs³ |
//!
//! ¹ After epochs whose generator was evaluated. ² D(x) is divided by the label of real pictures, which is less than 1
//! with label smoothing. The hinge loss is 0 from D(x) = σ(1) = 0.73 on, far from the threshold, so with it D's mean
//! loss < [`WINNING_HINGE_LOSS`] is the condition. ³ The relativistic loss of a run that goes well is level from its
//! first thousand steps on while the faces still become better, so with it also D(x) < [`TELLS_NOTHING_D_X`].
//!
//! *Diversity* is the mean distance from a face of the preview to its nearest other face, divided by the same value of
//! as many real pictures. The distance of two pictures is the root mean square of the differences of 8 × 8 mean colors.
//! Differences of pixels do not work, because a collapsed generator draws one texture with noise on it. On 4,000
//! avatars at 64 × 64 the faces of a good run had 0.91 after 20 epochs; those of a run that D had won had 0.04 to 0.11,
//! but 0.2 to 0.7 by their pixels.
//!
//! *Detail* is explained in `texture.rs`. In runs on the avatars, whose smooth parts have 0.04, the faces' smooth parts
//! had 25 to 29 before training and 1.0 to 1.5 when they looked good.

use crate::texture::Texture;
use crate::{Evaluation, PREVIEW_FACES};
use dcgan_data::{DataError, Dataset};
use dcgan_image::Picture;
use dcgan_model::EpochMeans;
use dcgan_model::{Loss, Recipe};
use serde::Serialize;
use std::fmt;

/// D(x), divided by the label of real pictures, above which D wins if D(G(z)) is below [`WINNING_D_G_Z`].
const WINNING_D_X: f64 = 0.99;
/// D(G(z)) below which D wins if D(x) is above [`WINNING_D_X`].
const WINNING_D_G_Z: f64 = 0.01;
/// D's hinge loss below which D wins. It is 2 at first. The binary cross-entropy at the two thresholds above is −ln
/// 0.99 − ln(1 − 0.01) = 0.02.
const WINNING_HINGE_LOSS: f64 = 0.02;
/// Detail of smooth parts, in steps of 255, above which faces are noise, if the pictures are smooth.
const NOISE: f64 = 4.0;
/// Detail of smooth parts, in steps of 255, above which faces have grain, if the pictures are smooth.
const GRAIN: f64 = 2.0;
/// Strength, in steps of 255, above which a checkerboard is visible.
const CHECKERBOARD: f64 = 1.5;
/// Fraction of the pictures' sharpness below which faces are blurred.
const BLURRED: f64 = 0.5;
/// Fraction of its floor below which the recall means few kinds of face.
const FEW_KINDS: f64 = 0.1;
/// Fraction of its floor below which the precision means faces unlike the pictures.
const UNLIKE: f64 = 0.1;
/// Fraction of its floor below which the authenticity means copies.
const COPIES: f64 = 0.2;
/// Diversity below which the faces have collapsed into one.
const COLLAPSED_DIVERSITY: f64 = 0.2;
/// Number of epochs for which the losses have to be flat.
pub(crate) const FLAT_EPOCHS: usize = 4;
/// (largest − smallest) / largest of a loss's means over [`FLAT_EPOCHS`] epochs, below which it is flat.
const FLAT_CHANGE: f64 = 0.03;
/// D(x) of the relativistic loss, the probability that D gives a real picture more than a generated one, below which D
/// cannot tell them apart. In runs of 16,000 steps on four sets of pictures it was 0.61 to 0.76.
const TELLS_NOTHING_D_X: f64 = 0.55;

/// Number of mean colours along each side of a picture; picture sizes are multiples of it.
const BLOCKS: usize = 8;

/// Diagnosis of a training after an epoch. [`Display`](fmt::Display) writes it as a sentence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Health {
    /// The epoch, counted from 1.
    pub epoch: u64,
    /// Diversity of the preview's faces, divided by that of the real pictures; `None` if the pictures have none.
    pub diversity: Option<f64>,
    /// Problems that were found; empty if there are none.
    pub findings: Vec<Finding>,
}

/// A problem of a training. Serialized, it has its name under `finding` and its figures beside it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finding {
    /// The faces are noise.
    Noise {
        /// Detail of the faces where they are smoothest, in steps of 255.
        faces: f64,
        /// Detail of the pictures where they are smoothest.
        pictures: f64,
    },
    /// The faces have grain where the pictures are smooth.
    Grain {
        /// Detail of the faces where they are smoothest, in steps of 255.
        faces: f64,
        /// Detail of the pictures where they are smoothest.
        pictures: f64,
    },
    /// The faces have a pattern that repeats every two pixels.
    Checkerboard {
        /// Its strength in steps of 255.
        strength: f64,
    },
    /// The faces have no sharp edges.
    Blurred {
        /// Detail of the faces where they are sharpest, divided by that of the pictures.
        sharpness: f64,
    },
    /// The faces have few of the kinds that the pictures have.
    FewKinds {
        /// Share of the pictures that lie among the faces.
        recall: f64,
        /// The same for other real pictures.
        floor: f64,
    },
    /// Hardly any face is like the pictures.
    Unlike {
        /// Share of the faces that lie among the pictures.
        precision: f64,
        /// The same for other real pictures.
        floor: f64,
    },
    /// Most faces are copies of pictures.
    Copies {
        /// Share of the faces that are not copies.
        authenticity: f64,
        /// The same for other real pictures.
        floor: f64,
    },
    /// D tells real from generated pictures almost always, so that G learns little.
    DiscriminatorWins {
        /// Mean D(x).
        d_x: f64,
        /// Mean D(G(z)).
        d_g_z: f64,
    },
    /// The faces are nearly the same.
    Collapsed {
        /// See [`Health::diversity`].
        diversity: f64,
    },
    /// The losses do not change.
    Flat {
        /// Number of epochs without a change.
        epochs: usize,
    },
}

/// Diagnoses epochs.
#[derive(Debug)]
pub(crate) struct Monitor {
    /// Mean distance from a real picture to its nearest other one.
    real: f64,
    texture: Option<Texture>,
    loss: Loss,
    /// Label of real pictures.
    real_label: f64,
}

impl Monitor {
    /// Looks at real pictures, evenly spaced over the data set.
    ///
    /// # Errors
    /// If a picture cannot be read.
    pub(crate) fn new(data: &Dataset, recipe: &Recipe) -> Result<Self, DataError> {
        let pixels = data.evenly_spaced(PREVIEW_FACES)?;
        let pictures = || pixels.chunks_exact(data.image_bytes());
        let colours = pictures().map(|picture| mean_colours(picture, data.size()));
        let real = mean_nearest_distance(&colours.collect::<Vec<_>>());
        let texture = Texture::of(pictures(), data.size());
        Ok(Self { real, texture, loss: recipe.loss, real_label: recipe.real_label.into() })
    }

    /// Diagnoses epoch `epoch` from the means of the last epochs, of which it is the last, from its preview, and from
    /// the measures of the generator, if there are any.
    pub(crate) fn judge(
        &self,
        epoch: u64,
        recent: &[EpochMeans],
        faces: &[Picture],
        evaluation: Option<&Evaluation>,
    ) -> Health {
        let texture = self.judge_texture(faces);
        let faces: Vec<Vec<f64>> = faces.iter().map(|face| mean_colours(&face.pixels, face.width)).collect();
        let diversity = (self.real > 0.0).then(|| mean_nearest_distance(&faces) / self.real);
        // Causes come before their symptoms.
        let mut findings = Vec::new();
        if let Some(&EpochMeans { d_loss, d_x, d_g_z1: d_g_z, .. }) = recent.last()
            && match self.loss {
                Loss::Bce | Loss::LeastSquares | Loss::Relativistic => {
                    d_x > WINNING_D_X * self.real_label && d_g_z < WINNING_D_G_Z
                }
                Loss::Hinge => d_loss < WINNING_HINGE_LOSS,
            }
        {
            findings.push(Finding::DiscriminatorWins { d_x, d_g_z });
        }
        if let Some(diversity) = diversity.filter(|&diversity| diversity < COLLAPSED_DIVERSITY) {
            findings.push(Finding::Collapsed { diversity });
        }
        if let Some(last) = recent.len().checked_sub(FLAT_EPOCHS).map(|start| &recent[start..])
            && is_flat(last.iter().map(|means| means.d_loss))
            && is_flat(last.iter().map(|means| means.g_loss))
            && (self.loss != Loss::Relativistic || last.iter().all(|means| means.d_x < TELLS_NOTHING_D_X))
        {
            findings.push(Finding::Flat { epochs: FLAT_EPOCHS });
        }
        findings.extend(evaluation.into_iter().flat_map(judge_evaluation));
        findings.extend(texture);
        Health { epoch, diversity, findings }
    }

    /// Returns the problems that the texture of the preview shows.
    fn judge_texture(&self, faces: &[Picture]) -> Vec<Finding> {
        let size = faces.first().map_or(0, |face| face.width);
        let of_faces = Texture::of(faces.iter().map(|face| &*face.pixels), size);
        let (Some(real), Some(drawn)) = (self.texture, of_faces) else { return Vec::new() };
        let mut findings = Vec::new();
        let (faces, pictures) = (drawn.smooth, real.smooth);
        if faces > NOISE + 2.0 * pictures {
            findings.push(Finding::Noise { faces, pictures });
        } else if faces > GRAIN + 1.3 * pictures {
            findings.push(Finding::Grain { faces, pictures });
        }
        if drawn.checkerboard > CHECKERBOARD + real.checkerboard {
            findings.push(Finding::Checkerboard { strength: drawn.checkerboard });
        }
        if drawn.sharp < BLURRED * real.sharp {
            findings.push(Finding::Blurred { sharpness: drawn.sharp / real.sharp });
        }
        findings
    }
}

/// Returns the problems that the measures of a generator show.
fn judge_evaluation(evaluation: &Evaluation) -> Vec<Finding> {
    let Evaluation { precision, precision_floor, recall, recall_floor, authenticity, authenticity_floor, .. } =
        *evaluation;
    let mut findings = Vec::new();
    if authenticity < COPIES * authenticity_floor {
        findings.push(Finding::Copies { authenticity, floor: authenticity_floor });
    }
    if precision < UNLIKE * precision_floor {
        findings.push(Finding::Unlike { precision, floor: precision_floor });
    } else if recall < FEW_KINDS * recall_floor {
        findings.push(Finding::FewKinds { recall, floor: recall_floor });
    }
    findings
}

/// Returns whether the means of a loss differ by at most [`FLAT_CHANGE`] of the largest of them.
fn is_flat(losses: impl Iterator<Item = f64> + Clone) -> bool {
    let largest = losses.clone().fold(f64::MIN, f64::max);
    let smallest = losses.fold(f64::MAX, f64::min);
    // Hinge losses may be negative.
    largest - smallest <= FLAT_CHANGE * largest.abs().max(smallest.abs())
}

/// Returns the means of the [`BLOCKS`] × [`BLOCKS`] parts of a picture of `size` × `size`, channel by channel.
fn mean_colours(pixels: &[u8], size: usize) -> Vec<f64> {
    let channels = pixels.len() / (size * size);
    let side = size.div_ceil(BLOCKS);
    let mut sums = vec![0.0; BLOCKS * BLOCKS * channels];
    for (position, &value) in pixels.iter().enumerate() {
        let (y, x, channel) = (position / channels / size, position / channels % size, position % channels);
        sums[(y / side * BLOCKS + x / side) * channels + channel] += f64::from(value);
    }
    sums.iter().map(|sum| sum / (side * side) as f64).collect()
}

/// Returns the mean distance from an item to its nearest other item; 0 for fewer than two items.
fn mean_nearest_distance(items: &[Vec<f64>]) -> f64 {
    if items.len() < 2 {
        return 0.0;
    }
    let nearest = |index: usize| {
        let others = items.iter().enumerate().filter(|(other, _)| *other != index);
        others.map(|(_, other)| distance(&items[index], other)).fold(f64::MAX, f64::min)
    };
    (0..items.len()).map(nearest).sum::<f64>() / items.len() as f64
}

/// Returns the root mean square of the differences.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    (a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / a.len() as f64).sqrt()
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{finding}")?;
        }
        match (self.findings.is_empty(), self.diversity) {
            (false, _) => Ok(()),
            (true, None) => f.write_str("D and G are in balance"),
            (true, Some(diversity)) => {
                write!(f, "D and G are in balance, the faces are {:.0}% as varied as the pictures", diversity * 100.0)
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Noise { faces, pictures } => write!(
                f,
                "the faces are noise (their smoothest parts vary by {faces:.1} steps of 255, the pictures' by \
                 {pictures:.1}), as is usual in the first few hundred steps; if it lasts, take more and smaller steps \
                 (--batch-size 32) or a smaller learning rate"
            ),
            Finding::Grain { faces, pictures } => write!(
                f,
                "the faces have grain (their smoothest parts vary by {faces:.1} steps of 255, the pictures' by \
                 {pictures:.1}): more steps and --ema smooth it"
            ),
            Finding::Checkerboard { strength } => write!(
                f,
                "the faces have a checkerboard of {strength:.1} steps of 255: more steps or --init smooth take it away"
            ),
            Finding::Blurred { sharpness } => write!(
                f,
                "the faces are blurred (their edges are {:.0}% as sharp as the pictures'): more steps sharpen them",
                sharpness * 100.0
            ),
            Finding::FewKinds { recall, floor } => write!(
                f,
                "the faces are of few kinds (recall {recall:.2}, other pictures {floor:.2}): take more steps, or \
                 --augment translation if there are few pictures"
            ),
            Finding::Unlike { precision, floor } => write!(
                f,
                "hardly any face is like the pictures yet (precision {precision:.2}, other pictures {floor:.2}): take \
                 more steps"
            ),
            Finding::Copies { authenticity, floor } => write!(
                f,
                "most faces are copies of training pictures (authenticity {authenticity:.2}, other pictures \
                 {floor:.2}): use more pictures, or --augment translation"
            ),
            Finding::DiscriminatorWins { d_x, d_g_z } => write!(
                f,
                "D is winning outright (it gives real pictures {d_x:.3} and faces {d_g_z:.3}), so G learns little: use \
                 more pictures, or make D's task harder"
            ),
            Finding::Collapsed { diversity } => write!(
                f,
                "the faces are all alike ({:.0}% as varied as the pictures), as is usual in the first few hundred \
                 steps; if it lasts or comes back, they have collapsed into one: try a smaller learning rate or \
                 another seed",
                diversity * 100.0
            ),
            Finding::Flat { epochs } => write!(
                f,
                "the losses have been flat for {epochs} epochs: the training has settled, or never begun; if the faces \
                 are not good, try a larger learning rate"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dcgan_data::Channels;

    fn means(d_loss: f64, g_loss: f64, d_x: f64, d_g_z1: f64) -> EpochMeans {
        EpochMeans { d_loss, g_loss, d_x, d_g_z1 }
    }

    /// Grey pictures of 16 × 16, number i all of value i · `step`.
    fn monitor(step: u8) -> Monitor {
        monitor_of(step, Recipe::default())
    }

    fn monitor_of(step: u8, recipe: Recipe) -> Monitor {
        let draw = |index: usize, out: &mut [u8]| out.fill(index as u8 * step);
        Monitor::new(&Dataset::from_fn(20, 16, Channels::Gray, draw).unwrap(), &recipe).unwrap()
    }

    fn faces(step: u8) -> Vec<Picture> {
        let face = |index: u8| Picture { pixels: vec![index * step; 256], ..Picture::black(16, 16, 1) };
        (0..20).map(face).collect()
    }

    #[test]
    fn diversity_is_that_of_neighbours_in_terms_of_the_pictures() {
        let recent = [means(1.0, 1.0, 0.5, 0.5)];
        let diversity = |real: u8, faces: &[Picture]| monitor(real).judge(1, &recent, faces, None).diversity;
        assert_eq!(diversity(10, &faces(10)), Some(1.0));
        assert_eq!(diversity(10, &faces(5)), Some(0.5));
        assert_eq!(diversity(10, &faces(0)), Some(0.0));
        assert_eq!(diversity(0, &faces(5)), None, "pictures that are all one say nothing of the faces");
        // Two of each: every face has one like it.
        let twice: Vec<Picture> = faces(10).into_iter().flat_map(|face| [face.clone(), face]).collect();
        assert_eq!(diversity(10, &twice), Some(0.0));
        // Noise of single pixels is nothing.
        let mut noisy = faces(0);
        for (index, face) in noisy.iter_mut().enumerate() {
            let pattern = |i: usize| if (i % 16 + i / 16 + index).is_multiple_of(2) { 255 } else { 0 };
            face.pixels.iter_mut().enumerate().for_each(|(i, value)| *value = pattern(i));
        }
        assert_eq!(diversity(10, &noisy), Some(0.0));
    }

    #[test]
    fn colours_are_told_apart() {
        let mut pixels = vec![0; 16 * 16 * 3];
        pixels.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| *pixel = [10, 20, 30]);
        assert_eq!(mean_colours(&pixels, 16)[..6], [10.0, 20.0, 30.0, 10.0, 20.0, 30.0]);
        // The second block of the first row is columns 2 and 3 of rows 0 and 1.
        pixels[(16 + 3) * 3] = 50;
        assert_eq!(mean_colours(&pixels, 16)[..4], [10.0, 20.0, 30.0, 20.0]);
    }

    #[test]
    fn thresholds_are_where_they_are_said_to_be() {
        let findings = |recent: &[EpochMeans], step: u8| monitor(10).judge(4, recent, &faces(step), None).findings;
        let good = means(1.0, 1.0, 0.6, 0.3);
        assert_eq!(findings(&[good], 5), []);
        let wins = Finding::DiscriminatorWins { d_x: 0.991, d_g_z: 0.009 };
        assert_eq!(findings(&[good, means(0.1, 5.0, 0.991, 0.009)], 5), [wins]);
        assert_eq!(findings(&[good, means(0.1, 5.0, 0.989, 0.009)], 5), []);
        assert_eq!(findings(&[good, means(0.1, 5.0, 0.991, 0.011)], 5), []);
        assert_eq!(findings(&[means(0.1, 5.0, 0.991, 0.009), good], 5), [], "what was is past");
        assert!(matches!(findings(&[good], 1)[..], [Finding::Collapsed { .. }]));
        // Twice 3% apart is not flat in three epochs, nor if one loss moves.
        let epochs = |losses: [(f64, f64); 4]| losses.map(|(d, g)| means(d, g, 0.6, 0.3));
        let flat = [(1.0, 2.0), (0.98, 2.0), (1.0, 1.96), (0.975, 2.0)];
        assert_eq!(findings(&epochs(flat), 5), [Finding::Flat { epochs: 4 }]);
        assert_eq!(findings(&epochs(flat)[1..], 5), []);
        assert_eq!(findings(&epochs([(1.0, 2.0), (0.96, 2.0), (1.0, 2.0), (1.0, 2.0)]), 5), []);
        assert_eq!(findings(&epochs([(1.0, 2.0), (1.0, 1.9), (1.0, 2.0), (1.0, 2.0)]), 5), []);
    }

    /// Level losses are the balance that pairs aim at, unless D cannot tell real from generated pictures.
    #[test]
    fn the_relativistic_loss_may_be_level() {
        let findings = |loss: Loss, d_x: f64| {
            let recent = [means(0.4, 1.6, d_x, 1.0 - d_x); FLAT_EPOCHS];
            monitor_of(10, Recipe { loss, ..Recipe::default() }).judge(4, &recent, &faces(5), None).findings
        };
        assert_eq!(findings(Loss::Relativistic, 0.7), []);
        assert_eq!(findings(Loss::Relativistic, 0.52), [Finding::Flat { epochs: 4 }]);
        assert_eq!(findings(Loss::Bce, 0.7), [Finding::Flat { epochs: 4 }]);
    }

    /// What D aims at is not 1 with smoothed labels, and the hinge loss is 0 from D(x) = σ(1) = 0.73 on.
    #[test]
    fn the_discriminator_can_win_with_every_loss() {
        let wins = |recipe: Recipe, d_loss: f64, d_x: f64, d_g_z: f64| {
            let findings = monitor_of(10, recipe).judge(4, &[means(d_loss, 5.0, d_x, d_g_z)], &faces(5), None).findings;
            findings == [Finding::DiscriminatorWins { d_x, d_g_z }]
        };
        let smoothed = Recipe { real_label: 0.9, ..Recipe::default() };
        assert!(wins(smoothed, 0.4, 0.9, 0.001) && !wins(smoothed, 0.4, 0.88, 0.001));
        let least_squares = Recipe { loss: Loss::LeastSquares, ..Recipe::default() };
        assert!(wins(least_squares, 0.001, 0.995, -0.001) && !wins(least_squares, 0.3, 0.7, 0.2));
        let hinge = Recipe { loss: Loss::Hinge, ..Recipe::default() };
        assert!(wins(hinge, 0.01, 0.8, 0.2) && !wins(hinge, 0.3, 0.8, 0.2));
    }

    #[test]
    fn findings_are_said_together() {
        let health = Health {
            epoch: 3,
            diversity: Some(0.01),
            findings: vec![
                Finding::DiscriminatorWins { d_x: 0.9951, d_g_z: 0.0012 },
                Finding::Collapsed { diversity: 0.01 },
                Finding::Flat { epochs: 4 },
            ],
        };
        let text = health.to_string();
        for words in
            ["real pictures 0.995 and faces 0.001", "; the faces are all alike (1% as varied", "; the losses have been"]
        {
            assert!(text.contains(words), "{text}");
        }
        let good = Health { epoch: 1, diversity: None, findings: Vec::new() };
        assert_eq!(good.to_string(), "D and G are in balance");
    }
}
