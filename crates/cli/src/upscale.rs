//! `--scale`: larger pictures for people to look at.

use dcgan_data::resize::{Extent, Filter, Resizer};
use dcgan_train::Picture;

/// The largest factor.
const MAX: usize = 32;

/// `--scale`
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct ScaleArgs {
    /// Enlarge every face so many times, by Lanczos' filter
    #[arg(long = "scale", value_name = "FACTOR", default_value_t = 1, value_parser = parse)]
    pub(crate) factor: usize,
}

fn parse(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(factor @ 1..=MAX) => Ok(factor),
        _ => Err(format!("choose a whole number from 1 to {MAX}")),
    }
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
