//! Larger pictures for people to look at.

use crate::Picture;
use dcgan_data::resize::{Extent, Filter, Resizer};

/// Returns the picture enlarged `factor` times by Lanczos' filter, as `--scale` of `dcgan generate` does.
pub fn enlarge(resizer: &mut Resizer, picture: Picture, factor: usize) -> Picture {
    if factor == 1 {
        return picture;
    }
    let Picture { width, height, channels, pixels } = picture;
    let mut large = Picture::black(width * factor, height * factor, channels);
    let [from, to] = [(width, height), (large.width, large.height)].map(|(width, height)| Extent { width, height });
    resizer.resize(&mut large.pixels, to, &pixels, from, from.into(), Filter::Lanczos, channels);
    large
}
