//! What happens to the output of a convolution while it is still in the cache.

use crate::Isa;
use crate::activation::{self, Activation};
use crate::batch_norm;
use crate::cpu::SharedMut;
use crate::source::Activated;

/// Work on the values that a convolution has just written, piece by piece.
#[derive(Debug)]
pub enum Finish<'a> {
    /// None.
    Nothing,
    /// Apply an activation.
    Activate(Activation),
    /// Multiply by the slope of an activation whose outputs are given: the output is a gradient.
    ActivationGradient {
        /// The activation.
        activation: Activation,
        /// Its outputs.
        outputs: &'a [f32],
    },
    /// Take the sums that batch norm's statistics need: [`batch_norm::sums_len`] values a piece.
    Statistics(&'a mut [f32]),
    /// Take the sums that batch norm's gradient needs; the output is the gradient of its activated output.
    GradientSums {
        /// The forward pass.
        forward: Activated<'a>,
        /// Mean of batch norm's input, per channel.
        mean: &'a [f32],
        /// Memory for the sums.
        sums: &'a mut [f32],
    },
}

/// [`Finish`] as pieces running at the same time see it.
pub(crate) enum Finisher<'a> {
    Nothing,
    Activate(Activation),
    ActivationGradient { activation: Activation, outputs: &'a [f32] },
    Statistics(SharedMut<'a>),
    GradientSums { forward: Activated<'a>, mean: &'a [f32], sums: SharedMut<'a> },
}

impl<'a> Finisher<'a> {
    /// For an output of `len` values written in `pieces` pieces.
    ///
    /// # Panics
    /// If there is not enough memory for the sums, or given values are not as many as the output's.
    pub(crate) fn new(finish: Finish<'a>, len: usize, channels: usize, pieces: usize) -> Self {
        let sums = |sums: &'a mut [f32]| {
            assert!(sums.len() >= pieces * batch_norm::sums_len(channels), "{} sums for {pieces} pieces", sums.len());
            SharedMut::new(sums)
        };
        match finish {
            Finish::Nothing => Self::Nothing,
            Finish::Activate(activation) => Self::Activate(activation),
            Finish::ActivationGradient { activation, outputs } => {
                assert_eq!(outputs.len(), len, "outputs of the activation");
                Self::ActivationGradient { activation, outputs }
            }
            Finish::Statistics(memory) => Self::Statistics(sums(memory)),
            Finish::GradientSums { forward, mean, sums: memory } => {
                assert_eq!(forward.x.len(), len, "input of batch norm");
                Self::GradientSums { forward, mean, sums: sums(memory) }
            }
        }
    }

    /// What [`Finisher::apply`] will read besides the `len` values that start at `start`.
    pub(crate) fn reads(&self, start: usize, len: usize) -> Option<&'a [f32]> {
        match self {
            Self::Nothing | Self::Activate(_) | Self::Statistics(_) => None,
            Self::ActivationGradient { outputs, .. } => Some(&outputs[start..start + len]),
            Self::GradientSums { forward, .. } => Some(&forward.x[start..start + len]),
        }
    }

    /// Finishes the values of piece `piece`, which start at `start` in the output.
    pub(crate) fn apply(&self, isa: Isa, piece: usize, start: usize, values: &mut [f32], channels: usize) {
        let len = batch_norm::sums_len(channels);
        // SAFETY: each piece has sums of its own.
        let own = |sums: &SharedMut<'a>| unsafe { sums.range(piece * len, len) };
        match self {
            Self::Nothing => {}
            Self::Activate(activation) => activation::forward_piece(isa, values, *activation),
            Self::ActivationGradient { activation, outputs } => {
                activation::backward_piece(isa, values, &outputs[start..start + values.len()], *activation);
            }
            Self::Statistics(sums) => batch_norm::statistics_sums(isa, own(sums), values, channels),
            Self::GradientSums { forward, mean, sums } => {
                let forward = Activated { x: &forward.x[start..start + values.len()], ..*forward };
                batch_norm::gradient_sums(isa, own(sums), values, forward, mean);
            }
        }
    }
}
