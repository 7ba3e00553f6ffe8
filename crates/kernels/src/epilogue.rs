//! Elementwise work on the output of a convolution, done while it is still in the cache.

use crate::Isa;
use crate::activation::{self, Activation};
use crate::batch_norm;
use crate::bias;
use crate::cpu::SharedMut;
use crate::input::AffineActivation;

/// Work on the values that a convolution has just written, done piece by piece.
#[derive(Debug)]
pub enum Epilogue<'a> {
    /// Leaves the output as it is.
    Identity,
    /// Applies an activation.
    Activation(Activation),
    /// Adds a bias to each channel, then applies an activation.
    BiasActivation {
        /// One value per channel.
        bias: &'a [f32],
        /// The activation.
        activation: Activation,
    },
    /// Multiplies the output, a gradient, by the derivative of an activation.
    ActivationBackward {
        /// The activation.
        activation: Activation,
        /// The outputs of the activation, from which its derivative is computed.
        outputs: &'a [f32],
    },
    /// Writes the sums that batch norm's statistics are computed from.
    BatchNormSums(PieceSums<'a>),
    /// Writes the sums that batch norm's gradients are computed from. The output is the gradient of batch norm's
    /// activated output.
    BatchNormBackwardSums {
        /// The forward pass.
        forward: AffineActivation<'a>,
        /// Mean of batch norm's input, per channel.
        mean: &'a [f32],
        /// Memory for the sums.
        sums: PieceSums<'a>,
    },
}

/// Memory for the sums of the pieces of an output: [`batch_norm::sums_len`] values for each.
#[derive(Debug)]
pub struct PieceSums<'a> {
    /// The memory.
    pub memory: &'a mut [f32],
    /// What a piece is.
    pub pieces: SumPieces,
}

/// How an output is cut into pieces for sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SumPieces {
    /// As the convolution writes it: [`crate::conv::ConvPlan::pieces`] pieces of a few images, which depend on where in
    /// the batch an image is.
    Convolution,
    /// Each image by itself.
    Images {
        /// Number of values of an image.
        len: usize,
    },
}

/// An [`Epilogue`] that several threads apply to different pieces of one output.
pub(crate) enum SharedEpilogue<'a> {
    Identity,
    Activation(Activation),
    BiasActivation { bias: &'a [f32], activation: Activation },
    ActivationBackward { activation: Activation, outputs: &'a [f32] },
    BatchNormSums(SharedSums<'a>),
    BatchNormBackwardSums { forward: AffineActivation<'a>, mean: &'a [f32], sums: SharedSums<'a> },
}

/// [`PieceSums`] that several threads write to.
pub(crate) struct SharedSums<'a> {
    memory: SharedMut<'a>,
    pieces: SumPieces,
}

impl SharedSums<'_> {
    /// Calls `sum(memory for the sums, start, values)` for every piece among `values`, which start at `start` in the
    /// output and are piece `piece` of the convolution.
    fn for_each(
        &self,
        piece: usize,
        start: usize,
        values: &[f32],
        channels: usize,
        sum: impl Fn(&mut [f32], usize, &[f32]),
    ) {
        let len = batch_norm::sums_len(channels);
        let (first, piece_len) = match self.pieces {
            SumPieces::Convolution => (piece, values.len().max(1)),
            SumPieces::Images { len } => (start / len, len),
        };
        for (index, values) in values.chunks(piece_len).enumerate() {
            // SAFETY: each piece has sums of its own, and no two calls have values of the same piece: pieces of a
            // convolution are whole images.
            let own = unsafe { self.memory.range((first + index) * len, len) };
            sum(own, start + index * piece_len, values);
        }
    }
}

impl<'a> SharedEpilogue<'a> {
    /// Prepares the epilogue of an output of `len` values written in `pieces` pieces.
    ///
    /// # Panics
    /// If memory for sums is too short, or another slice does not have the length of the output or one value per
    /// channel.
    pub(crate) fn new(epilogue: Epilogue<'a>, len: usize, channels: usize, pieces: usize) -> Self {
        let sums = |PieceSums { memory, pieces: cut }: PieceSums<'a>| {
            let pieces = match cut {
                SumPieces::Convolution => pieces,
                SumPieces::Images { len: image } => {
                    assert!(image > 0 && len.is_multiple_of(image), "images of {image} values in {len}");
                    len / image
                }
            };
            assert!(memory.len() >= pieces * batch_norm::sums_len(channels), "{} sums, {pieces} pieces", memory.len());
            SharedSums { memory: SharedMut::new(memory), pieces: cut }
        };
        match epilogue {
            Epilogue::Identity => Self::Identity,
            Epilogue::Activation(activation) => Self::Activation(activation),
            Epilogue::BiasActivation { bias, activation } => {
                assert_eq!(bias.len(), channels, "values of the bias");
                Self::BiasActivation { bias, activation }
            }
            Epilogue::ActivationBackward { activation, outputs } => {
                assert_eq!(outputs.len(), len, "outputs of the activation");
                Self::ActivationBackward { activation, outputs }
            }
            Epilogue::BatchNormSums(memory) => Self::BatchNormSums(sums(memory)),
            Epilogue::BatchNormBackwardSums { forward, mean, sums: memory } => {
                assert_eq!(forward.x.len(), len, "input of batch norm");
                Self::BatchNormBackwardSums { forward, mean, sums: sums(memory) }
            }
        }
    }

    /// Returns the values that [`SharedEpilogue::apply`] reads besides the `len` values that start at `start`.
    pub(crate) fn reads(&self, start: usize, len: usize) -> Option<&'a [f32]> {
        match self {
            Self::Identity | Self::Activation(_) | Self::BiasActivation { .. } | Self::BatchNormSums(_) => None,
            Self::ActivationBackward { outputs, .. } => Some(&outputs[start..start + len]),
            Self::BatchNormBackwardSums { forward, .. } => Some(&forward.x[start..start + len]),
        }
    }

    /// Applies the epilogue to the values of piece `piece`, which start at `start` in the output.
    pub(crate) fn apply(&self, isa: Isa, piece: usize, start: usize, values: &mut [f32], channels: usize) {
        match self {
            Self::Identity => {}
            Self::Activation(activation) => activation::forward_piece(isa, values, *activation),
            Self::BiasActivation { bias, activation } => {
                bias::add_piece(isa, values, bias);
                activation::forward_piece(isa, values, *activation);
            }
            Self::ActivationBackward { activation, outputs } => {
                activation::backward_piece(isa, values, &outputs[start..start + values.len()], *activation);
            }
            Self::BatchNormSums(sums) => sums.for_each(piece, start, values, channels, |sums, _, values| {
                batch_norm::statistics_sums(isa, sums, values, channels);
            }),
            Self::BatchNormBackwardSums { forward, mean, sums } => {
                sums.for_each(piece, start, values, channels, |sums, start, values| {
                    let forward = AffineActivation { x: &forward.x[start..start + values.len()], ..*forward };
                    batch_norm::gradient_sums(isa, sums, values, forward, mean);
                });
            }
        }
    }
}
