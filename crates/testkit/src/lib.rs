//! Test helpers that all crates share: fixtures, tolerances, gradient checks and an f64 reference of the layers. A
//! dev-dependency only; everything here panics on failure.
//!
//! ```
//! use dcgan_testkit::{assert_close, for_each_case, random};
//!
//! // Runs all cases and then names those that failed.
//! for_each_case([0, 1, 17], |&len| {
//!     let x = random(len, 1);
//!     let doubled: Vec<f32> = x.iter().map(|v| v + v).collect();
//!     let want: Vec<f32> = x.iter().map(|v| 2.0 * v).collect();
//!     assert_close("x + x", &doubled, &want, 0.0, 0.0);
//! });
//! ```

mod cases;
mod close;
mod fixture;
mod gradient;
mod layout;
mod random;
pub mod reference;

pub use cases::for_each_case;
pub use close::{Difference, assert_close, assert_close_scaled, difference};
pub use fixture::Fixture;
pub use gradient::{assert_adjoint, numeric_gradient};
pub use layout::{nchw_to_nhwc, nhwc_to_nchw, permute};
pub use random::{random, random_bytes};
