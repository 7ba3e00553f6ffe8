//! What the numbers of an epoch say about how the training goes.
//!
//! Three things go wrong with GANs again and again, and each shows in numbers that are there anyway:
//!
//! | finding | when | where it shows |
//! |---|---|---|
//! | D wins outright | D(x) > [`WINNING_D_X`] and D(G(z)) < [`WINNING_D_G_Z`], means over the epoch | D tells all fakes, and G learns little from it |
//! | the faces collapse into one | diversity < [`COLLAPSED_DIVERSITY`] | the preview: whatever the noise, G draws the same |
//! | the losses are flat | both within [`FLAT_CHANGE`] over [`FLAT_EPOCHS`] epochs | nothing is learnt any more, or was ever |
//!
//! *Diversity* is the mean distance from a face of the preview to the one most like it, divided by the same of as many real pictures; the
//! distance of two pictures is the root mean square of the differences of their values.

use crate::{PREVIEW_FACES, Picture};
use dcgan_data::Dataset;
use dcgan_formats::EpochMeans;
use std::fmt;

/// D(x) above which D wins, if [`WINNING_D_G_Z`] agrees.
pub const WINNING_D_X: f64 = 0.97;
/// D(G(z)) below which D wins, if [`WINNING_D_X`] agrees.
pub const WINNING_D_G_Z: f64 = 0.03;
/// Diversity below which the faces have collapsed into one.
pub const COLLAPSED_DIVERSITY: f64 = 0.1;
/// Epochs that a loss has to be flat for.
pub const FLAT_EPOCHS: usize = 4;
/// (largest − smallest) / largest of a loss's means over [`FLAT_EPOCHS`] epochs, below which it is flat.
pub const FLAT_CHANGE: f64 = 0.002;

/// How the training goes after an epoch. [`Display`](fmt::Display) puts it in words.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// The epoch, counted from 1.
    pub epoch: u64,
    /// Of the preview's faces, in terms of the real pictures' diversity; `None` if the pictures have none.
    pub diversity: Option<f64>,
    /// What is wrong; nothing if all is well.
    pub findings: Vec<Finding>,
}

/// Something that is wrong with a training.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Finding {
    /// D tells real from fake without effort.
    DiscriminatorWins {
        /// Mean D(x).
        d_x: f64,
        /// Mean D(G(z)).
        d_g_z: f64,
    },
    /// The faces are nearly one.
    Collapsed {
        /// See [`Health::diversity`].
        diversity: f64,
    },
    /// The losses do not change.
    Flat {
        /// For so many epochs.
        epochs: usize,
    },
}

/// Judges epochs.
#[derive(Debug)]
pub(crate) struct Monitor {
    /// Diversity of real pictures in values of 0 to 255.
    real: f64,
}

impl Monitor {
    /// Looks at real pictures, evenly spaced over the data set.
    pub(crate) fn new(data: &Dataset) -> Self {
        let count = PREVIEW_FACES.min(data.len());
        let pictures: Vec<&[u8]> = (0..count).map(|i| data.image(i * data.len() / count)).collect();
        Self { real: mean_nearest_distance(&pictures) }
    }

    /// Judges epoch `epoch` by the means of the last epochs, this one last, and by its preview.
    pub(crate) fn judge(&self, epoch: u64, recent: &[EpochMeans], faces: &[Picture]) -> Health {
        let faces: Vec<&[u8]> = faces.iter().map(|face| face.pixels.as_slice()).collect();
        let diversity = (self.real > 0.0).then(|| mean_nearest_distance(&faces) / self.real);
        let mut findings = Vec::new();
        if let Some(&EpochMeans { d_x, d_g_z1: d_g_z, .. }) = recent.last()
            && d_x > WINNING_D_X
            && d_g_z < WINNING_D_G_Z
        {
            findings.push(Finding::DiscriminatorWins { d_x, d_g_z });
        }
        if let Some(diversity) = diversity.filter(|&diversity| diversity < COLLAPSED_DIVERSITY) {
            findings.push(Finding::Collapsed { diversity });
        }
        if let Some(last) = recent.len().checked_sub(FLAT_EPOCHS).map(|start| &recent[start..])
            && is_flat(last.iter().map(|means| means.d_loss))
            && is_flat(last.iter().map(|means| means.g_loss))
        {
            findings.push(Finding::Flat { epochs: FLAT_EPOCHS });
        }
        Health { epoch, diversity, findings }
    }
}

fn is_flat(losses: impl Iterator<Item = f64> + Clone) -> bool {
    let largest = losses.clone().fold(f64::MIN, f64::max);
    let smallest = losses.fold(f64::MAX, f64::min);
    largest - smallest <= FLAT_CHANGE * largest
}

/// The mean distance from a picture to the one most like it; 0 for fewer than two.
fn mean_nearest_distance(pictures: &[&[u8]]) -> f64 {
    let nearest = |index: usize| {
        let others = pictures.iter().enumerate().filter(|(other, _)| *other != index);
        others.map(|(_, other)| squared_distance(pictures[index], other)).min().unwrap_or(0)
    };
    let Some(first) = pictures.first() else { return 0.0 };
    let distances = (0..pictures.len()).map(|index| (nearest(index) as f64 / first.len() as f64).sqrt());
    distances.sum::<f64>() / pictures.len() as f64
}

fn squared_distance(a: &[u8], b: &[u8]) -> u64 {
    a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum()
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
            Finding::DiscriminatorWins { d_x, d_g_z } => write!(
                f,
                "D is winning outright (it gives real pictures {d_x:.3} and faces {d_g_z:.3}), so G learns little: use more pictures, or \
                 make D's task harder"
            ),
            Finding::Collapsed { diversity } => write!(
                f,
                "the faces are collapsing into one (they are {:.1}% as varied as the pictures): if that lasts, start anew with a smaller \
                 learning rate or another seed",
                diversity * 100.0
            ),
            Finding::Flat { epochs } => write!(
                f,
                "the losses have been flat for {epochs} epochs, so nothing is learnt any more: stop here, or try a larger learning rate"
            ),
        }
    }
}
