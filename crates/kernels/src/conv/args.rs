//! Arguments of the passes.

use crate::epilogue::Epilogue;
use crate::input::InputView;

/// Arguments of a pass from one side to the other.
#[derive(Debug)]
pub struct ConvArgs<'i, 'a> {
    /// Images of the side that the pass reads.
    pub input: InputView<'i>,
    /// The weight, k × k × big channels × small channels; for
    /// [`ConvPlan::adjoint_prepared`](super::ConvPlan::adjoint_prepared) the weight prepared by
    /// [`ConvPlan::prepare_adjoint`](super::ConvPlan::prepare_adjoint).
    pub weight: &'a [f32],
    /// Elementwise work on the output.
    pub epilogue: Epilogue<'a>,
    /// Number of images.
    pub batch: usize,
    /// Scratch memory of at least [`ConvPlan::scratch_len`](super::ConvPlan::scratch_len) values.
    pub scratch: &'a mut [f32],
}
