//! `--scale`: larger pictures for people to look at.

use crate::usage::up_to;
use dcgan_data::resize::{Extent, Filter, Resizer};
use dcgan_train::Picture;

/// The largest factor.
const MAX: usize = 32;

/// `--scale`
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct ScaleArgs {
    /// Enlarge every face so many times, by Lanczos' filter
    #[arg(long = "scale", value_name = "FACTOR", default_value_t = 1, value_parser = up_to(MAX))]
    pub(crate) factor: usize,
}

impl ScaleArgs {
    /// The picture at its new size.
    pub(crate) fn apply(self, resizer: &mut Resizer, picture: Picture) -> Picture {
        if self.factor == 1 {
            return picture;
        }
        let Picture { width, height, channels, pixels } = picture;
        let mut large = Picture::black(width * self.factor, height * self.factor, channels);
        let [from, to] = [(width, height), (large.width, large.height)].map(|(width, height)| Extent { width, height });
        resizer.resize(&mut large.pixels, to, &pixels, from, from.into(), Filter::Lanczos, channels);
        large
    }
}
