//! Measures of how close generated images are to real ones, without a pretrained network.
//!
//! | measure | depends on | better | between two sets of real images |
//! |---|---|---|---|
//! | [`SlicedWasserstein`] × 1000 | patches of 7 × 7 pixels: grain, checkerboards, blur, colors | lower | above 0¹ |
//! | `fd`, Fréchet distance | mean and covariance of [features](FeatureNetwork): textures, kinds | lower | above 0¹ |
//! | `kid`, kernel distance | the same features, without assuming a normal distribution | lower | about 0 |
//! | `precision` | share of generated images that are within the real ones | higher | below 1 |
//! | `recall` | share of real images that are within the generated ones | higher | below 1 |
//! | `authenticity` | share of generated images that are not copies of the nearest real one | higher | about 0.5 |
//!
//! ¹ Less with more images.
//!
//! [`Evaluator`] also computes each measure between two halves of the real images: the *floor*, which is the value of a
//! perfect generator. Values can be compared between generators of the same images with the same number of samples.
//!
//! ```
//! use dcgan_kernels::{Cpu, Isa};
//! use dcgan_metrics::{Evaluator, Images};
//! # let random = |count: usize, seed: u64| -> Vec<u8> {
//! #     let mut rng = dcgan_model::TorchRng::seed_from_u64(seed);
//! #     (0..count * 32 * 32 * 3).map(|_| rng.next_u32() as u8).collect()
//! # };
//! let (real, generated) = (random(40, 1), random(20, 2));
//!
//! let cpu = Cpu::new(Isa::select()?, 2)?;
//! let evaluator = Evaluator::new(&cpu, Images::new(&real, 32, 3)?, 10_000)?;
//! let evaluation = evaluator.evaluate(Images::new(&generated, 32, 3)?)?;
//! println!("SWD {:.1}, of real images {:.1}", evaluation.swd.mean, evaluation.swd_floor.mean);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod evaluator;
mod features;
mod frechet;
mod images;
mod neighbors;
mod products;
mod sliced_wasserstein;

pub use evaluator::{Evaluation, Evaluator};
pub use features::{FeatureNetwork, Features};
pub use frechet::frechet_distance;
pub use images::{Images, MetricsError};
pub use neighbors::{Comparison, compare};
pub use sliced_wasserstein::{SlicedWasserstein, sliced_wasserstein};
