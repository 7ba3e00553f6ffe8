//! Cartoon anime faces drawn in code: a data set for those who have none at hand.

mod accessories;
mod background;
mod canvas;
mod eyes;
mod face;
mod hair;
mod head;
mod ink;
mod mouth;
mod outfit;
mod palette;
mod rng;

pub use face::Face;

/// Draws face number `index` of `seed` as RGB bytes, row by row: `size` × `size` × 3 of them.
pub fn draw(seed: u64, index: u64, size: u32) -> Vec<u8> {
    Face::random(seed, index).draw(size)
}
