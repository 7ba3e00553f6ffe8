//! Winograd's algorithm for k4 s2 p1 convolutions: 2.56 (tiles of 4 × 4) or 1.78 (2 × 2) times fewer multiplications.
//!
//! All three passes are one scheme and its transposes. With big image x, small image y, weight g, and for every
//! evaluation point p one matrix product:
//!
//! ```text
//! forward   V = Bᵀ x B     M_p = V_p · U_p      y = Aᵀ M A
//! adjoint   N = A y Aᵀ     W_p = N_p · U_pᵀ     x = B W Bᵀ   (overlapping tiles add)
//! weights                  P_p = V_pᵀ · N_p     dg = Gᵀ P G          U = G g Gᵀ
//! ```
//!
//! Images are taken in *blocks* of whole images, and those in *steps*, the pieces of work, small enough that what a
//! step transforms stays near the processor between the transform, the 9 or 25 products, and the transform back; where
//! there are too few blocks, threads share the channels of one (`passes`). N can be kept for the weight gradient, whose
//! products sum over whole blocks.

mod gradient;
mod passes;
mod plan;
mod scheme;
mod transform;
mod weight;

pub(super) use plan::Winograd;
pub(super) use scheme::SchemeKind;
