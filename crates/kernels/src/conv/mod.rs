//! Convolutions: three passes that serve `Conv2d`, `ConvTranspose2d` and all their gradients.
//!
//! A strided convolution maps a *big* image (H × W × C) to a *small* one (h × w × K); a transposed convolution with
//! the same sizes maps small to big, and is the adjoint. So, with one weight of k × k × C × K (row-major: ky, kx,
//! big channel, small channel):
//!
//! | pass | computes | is |
//! |---|---|---|
//! | [`ConvPlan::forward`] | big → small | Conv2d forward, ConvTranspose2d input gradient |
//! | [`ConvPlan::adjoint`] | small → big | Conv2d input gradient, ConvTranspose2d forward |
//! | [`ConvPlan::weight_gradient`] | big, small → weight | the weight gradient of both |
//!
//! PyTorch's weights, out × in × k × k for `Conv2d` and in × out × k × k for `ConvTranspose2d`, are both *small
//! × big × k × k*.

mod algorithm;
mod args;
mod direct;
mod plan;
mod shape;
mod winograd;

pub use algorithm::Algorithm;
pub use args::ConvArgs;
pub use plan::{ConvPlan, SmallTransform};
pub use shape::{ConvShape, Plane};
