//! The computation of one convolution, planned for batches up to a fixed size.

use super::algorithm::Algorithm;
use super::args::ConvArgs;
use super::direct::Direct;
use super::shape::ConvShape;
use super::winograd::{SchemeKind, Winograd};
use crate::input::InputView;
use crate::{Cpu, Isa};

/// The computation of one convolution on batches up to a fixed size: algorithm, sizes of all pieces of work and of
/// memory, found out once.
#[derive(Debug, Clone)]
pub struct ConvPlan {
    cpu: Cpu,
    shape: ConvShape,
    max_batch: usize,
    implementation: Implementation,
    scratch_len: usize,
}

/// An algorithm with the sizes it has for a shape and an instruction set.
#[derive(Debug, Clone, Copy)]
enum Implementation {
    Direct(Direct),
    Winograd(Winograd),
}

/// The small side of a convolution as [`ConvPlan::weight_gradient`] reads it: images, and their transform if the
/// algorithm has one.
///
/// Only [`ConvPlan::adjoint_keeping`] and [`ConvPlan::transform_small`] make it, so images and transform always belong
/// together.
#[derive(Debug, Clone, Copy)]
pub struct SmallTransform<'a> {
    images: InputView<'a>,
    /// Empty for [`Algorithm::Direct`].
    transform: &'a [f32],
    batch: usize,
    layout: TransformLayout,
}

/// What the layout of a transform depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TransformLayout {
    shape: ConvShape,
    algorithm: Algorithm,
    isa: Isa,
    max_batch: usize,
}

impl ConvPlan {
    /// Plans for batches of 1 to `max_batch` images on `cpu`, with the fastest algorithm.
    ///
    /// # Panics
    /// As [`ConvPlan::with_algorithm`].
    pub fn new(cpu: &Cpu, shape: ConvShape, max_batch: usize) -> Self {
        Self::with_algorithm(cpu, shape, max_batch, Algorithm::select(&shape))
    }

    /// Plans with a given algorithm.
    ///
    /// # Panics
    /// If the algorithm is not [`Algorithm::applicable`], if the two sides of `shape` do not belong together, or if the
    /// sizes are beyond what can be addressed.
    pub fn with_algorithm(cpu: &Cpu, shape: ConvShape, max_batch: usize, algorithm: Algorithm) -> Self {
        shape.check(max_batch);
        assert!(Algorithm::applicable(&shape).contains(&algorithm), "{algorithm:?} of {shape:?}");
        let winograd = |scheme| Implementation::Winograd(Winograd::new(cpu.isa(), shape, scheme, max_batch));
        let implementation = match algorithm {
            Algorithm::Direct => Implementation::Direct(Direct::new(cpu.isa(), &shape)),
            Algorithm::Winograd2 => winograd(SchemeKind::F2),
            Algorithm::Winograd4 => winograd(SchemeKind::F4),
        };
        let scratch_len = match &implementation {
            Implementation::Direct(direct) => direct.scratch_len(cpu, max_batch),
            Implementation::Winograd(winograd) => winograd.scratch_len(cpu),
        };
        Self { cpu: cpu.clone(), shape, max_batch, implementation, scratch_len }
    }

    /// Returns the sizes of the convolution.
    pub fn shape(&self) -> &ConvShape {
        &self.shape
    }

    /// Returns the algorithm.
    pub fn algorithm(&self) -> Algorithm {
        match &self.implementation {
            Implementation::Direct(_) => Algorithm::Direct,
            Implementation::Winograd(winograd) => winograd.algorithm(),
        }
    }

    /// Number of scratch values that a pass needs.
    pub fn scratch_len(&self) -> usize {
        self.scratch_len
    }

    /// Number of values of the transform of the small side; 0 if the algorithm has none.
    pub fn small_transform_len(&self) -> usize {
        match &self.implementation {
            Implementation::Direct(_) => 0,
            Implementation::Winograd(winograd) => winograd.small_len(),
        }
    }

    /// Number of pieces that [`ConvPlan::forward`] and [`ConvPlan::adjoint`] write `batch` images in. An
    /// [`Epilogue`](crate::epilogue::Epilogue) that sums needs [`crate::batch_norm::sums_len`] values for each.
    pub fn pieces(&self, batch: usize) -> usize {
        match &self.implementation {
            Implementation::Direct(direct) => direct.pieces(batch),
            Implementation::Winograd(winograd) => winograd.pieces(batch),
        }
    }

    /// Returns whether [`ConvPlan::forward`] and [`ConvPlan::adjoint`] cut the work on `batch` images into columns, and
    /// not into steps of images. That changes the time it takes, and no bit of the result.
    pub fn is_cut_by_columns(&self, batch: usize) -> bool {
        match &self.implementation {
            Implementation::Direct(_) => false,
            Implementation::Winograd(winograd) => winograd.is_cut_by_columns(&self.cpu, batch, false),
        }
    }

    /// Computes small = epilogue(conv(big, weight)).
    ///
    /// # Panics
    /// If a slice does not have the length that the shape and the batch say, scratch is shorter than
    /// [`ConvPlan::scratch_len`], or the batch is larger than planned.
    pub fn forward(&self, small: &mut [f32], args: ConvArgs<'_, '_>) {
        self.check_args(&args, self.shape.big.channels, self.shape.weight_len());
        self.check_sides(args.input.len(), small.len(), args.batch);
        match &self.implementation {
            Implementation::Direct(direct) => direct.forward(&self.cpu, small, args),
            Implementation::Winograd(winograd) => winograd.forward(&self.cpu, small, args),
        }
    }

    /// Number of values of a weight prepared for the adjoint pass.
    pub fn prepared_len(&self) -> usize {
        match &self.implementation {
            Implementation::Direct(direct) => direct.prepared_len(),
            Implementation::Winograd(winograd) => winograd.prepared_len(),
        }
    }

    /// Prepares a weight for [`ConvPlan::adjoint_prepared`]: transforms it, and lays it out as the pass reads it.
    ///
    /// # Panics
    /// If `prepared` does not have [`ConvPlan::prepared_len`] values, or `weight` does not have the length that the
    /// shape says.
    pub fn prepare_adjoint(&self, prepared: &mut [f32], weight: &[f32]) {
        assert_eq!(weight.len(), self.shape.weight_len(), "weight");
        assert_eq!(prepared.len(), self.prepared_len(), "prepared weight");
        match &self.implementation {
            Implementation::Direct(direct) => direct.prepare_adjoint(&self.cpu, prepared, weight),
            Implementation::Winograd(winograd) => winograd.prepare_adjoint(&self.cpu, prepared, weight),
        }
    }

    /// Computes big = epilogue(convᵀ(small, weight)).
    ///
    /// # Panics
    /// As [`ConvPlan::forward`].
    pub fn adjoint(&self, big: &mut [f32], args: ConvArgs<'_, '_>) {
        self.run_adjoint(big, args, None);
    }

    /// As [`ConvPlan::adjoint`], and keeps the transform of the small side in `memory` for
    /// [`ConvPlan::weight_gradient`].
    ///
    /// # Panics
    /// As [`ConvPlan::forward`], and if `memory` is shorter than [`ConvPlan::small_transform_len`].
    pub fn adjoint_keeping<'i>(
        &self,
        big: &mut [f32],
        args: ConvArgs<'i, '_>,
        memory: &'i mut [f32],
    ) -> SmallTransform<'i> {
        let (images, batch, memory) = (args.input, args.batch, &mut memory[..self.small_transform_len()]);
        self.run_adjoint(big, args, Some(&mut *memory));
        SmallTransform { images, transform: memory, batch, layout: self.transform_layout() }
    }

    /// Runs the adjoint pass. `keep` receives the transform of the small side, of Winograd's algorithm only.
    fn run_adjoint(&self, big: &mut [f32], args: ConvArgs<'_, '_>, keep: Option<&mut [f32]>) {
        self.check_args(&args, self.shape.small.channels, self.shape.weight_len());
        self.check_sides(big.len(), args.input.len(), args.batch);
        match &self.implementation {
            Implementation::Direct(direct) => direct.adjoint(&self.cpu, big, args),
            Implementation::Winograd(winograd) => winograd.adjoint(&self.cpu, big, args, keep),
        }
    }

    /// As [`ConvPlan::adjoint`], with a weight that [`ConvPlan::prepare_adjoint`] has prepared. An image's values do
    /// not depend on which others it is computed with.
    ///
    /// # Panics
    /// As [`ConvPlan::forward`].
    pub fn adjoint_prepared(&self, big: &mut [f32], args: ConvArgs<'_, '_>) {
        self.check_args(&args, self.shape.small.channels, self.prepared_len());
        self.check_sides(big.len(), args.input.len(), args.batch);
        match &self.implementation {
            Implementation::Direct(direct) => direct.adjoint_prepared(&self.cpu, big, args),
            Implementation::Winograd(winograd) => winograd.adjoint_prepared(&self.cpu, big, args),
        }
    }

    /// Transforms `batch` images of the small side into `memory`, for [`ConvPlan::weight_gradient`].
    ///
    /// # Panics
    /// If `images` does not have the length that the shape and `batch` say, `memory` is shorter than
    /// [`ConvPlan::small_transform_len`], or `batch` is larger than planned.
    pub fn transform_small<'a>(
        &self,
        images: InputView<'a>,
        batch: usize,
        memory: &'a mut [f32],
    ) -> SmallTransform<'a> {
        images.check(self.shape.small.channels);
        self.check_sides(batch * self.shape.big.len(), images.len(), batch);
        let memory = &mut memory[..self.small_transform_len()];
        if let Implementation::Winograd(winograd) = &self.implementation {
            winograd.transform_small(&self.cpu, memory, images, batch);
        }
        SmallTransform { images, transform: memory, batch, layout: self.transform_layout() }
    }

    /// Computes dweight = ∂⟨conv(big, weight), small⟩ / ∂weight. Replaces `dweight`: every gradient is computed
    /// once per optimizer step.
    ///
    /// # Panics
    /// If a slice does not have the length that the shape and the batch of `small` say, `scratch` is shorter than
    /// [`ConvPlan::scratch_len`], or `small` comes from a plan with another layout.
    pub fn weight_gradient(
        &self,
        dweight: &mut [f32],
        big: InputView<'_>,
        small: SmallTransform<'_>,
        scratch: &mut [f32],
    ) {
        let SmallTransform { images, transform, batch, layout } = small;
        assert_eq!(layout, self.transform_layout(), "transform of another plan");
        big.check(self.shape.big.channels);
        self.check_sides(big.len(), images.len(), batch);
        assert_eq!(dweight.len(), self.shape.weight_len(), "weight");
        assert!(scratch.len() >= self.scratch_len, "scratch");
        match &self.implementation {
            Implementation::Direct(direct) => direct.weight_gradient(&self.cpu, dweight, big, images, batch, scratch),
            Implementation::Winograd(winograd) => {
                winograd.weight_gradient(&self.cpu, dweight, big, transform, batch, scratch);
            }
        }
    }

    /// Returns what a transform of the small side depends on, so that one of another plan is noticed.
    fn transform_layout(&self) -> TransformLayout {
        let Self { shape, max_batch, .. } = *self;
        TransformLayout { shape, algorithm: self.algorithm(), isa: self.cpu.isa(), max_batch }
    }

    /// Checks the input's channels, the weight and the scratch of a pass.
    fn check_args(&self, args: &ConvArgs<'_, '_>, channels: usize, weight_len: usize) {
        args.input.check(channels);
        assert_eq!(args.weight.len(), weight_len, "weight");
        assert!(args.scratch.len() >= self.scratch_len, "scratch");
    }

    /// Checks that both sides have the values of `batch` images, which is at most the largest batch.
    fn check_sides(&self, big: usize, small: usize, batch: usize) {
        assert!(batch <= self.max_batch, "batch {batch} of at most {}", self.max_batch);
        assert_eq!(big, batch * self.shape.big.len(), "big side");
        assert_eq!(small, batch * self.shape.small.len(), "small side");
    }
}
