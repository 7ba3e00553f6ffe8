//! `--scale`: enlarging pictures.

use crate::usage::up_to;
use dcgan_data::resize::Resizer;
use dcgan_image::Picture;

/// Largest factor.
const MAX: usize = 32;
/// Width in pixels from which a picture is large enough on a screen.
const WIDE: usize = 512;
/// Width in pixels of sheets that need no enlarging: a sheet of eight faces has 530.
const ENOUGH: usize = 400;
/// Width in pixels of an animation. GIFs of twice the size take 14 MB.
const ANIMATION: usize = 192;

/// `--scale`
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct ScaleArgs {
    /// Factor by which faces are enlarged, with Lanczos' filter [default: one that makes sheets about 500 and
    /// animations about 200 pixels wide, 1 for a file per face]
    #[arg(long = "scale", value_name = "FACTOR", value_parser = up_to(MAX))]
    factor: Option<usize>,
}

/// Factor by which faces are enlarged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scale(usize);

impl ScaleArgs {
    /// Returns the factor for a sheet that is `width` pixels wide at the faces' own size.
    pub(crate) fn of_sheet(self, width: usize) -> Scale {
        let default = if width >= ENOUGH { 1 } else { WIDE.div_ceil(width.max(1)) };
        self.or(default)
    }

    /// Returns the factor for an animation that is `width` pixels wide at the faces' own size.
    pub(crate) fn of_animation(self, width: usize) -> Scale {
        self.or(ANIMATION.div_ceil(width.max(1)))
    }

    /// Returns the factor for files of one face each.
    pub(crate) fn of_faces(self) -> Scale {
        self.or(1)
    }

    /// Returns the factor that was given, or `default`, at most [`MAX`].
    fn or(self, default: usize) -> Scale {
        Scale(self.factor.unwrap_or(default.min(MAX)))
    }
}

impl Scale {
    /// The factor.
    pub(crate) fn factor(self) -> usize {
        self.0
    }

    /// The picture at its new size.
    pub(crate) fn apply(self, resizer: &mut Resizer, picture: Picture) -> Picture {
        dcgan::enlarge(resizer, picture, self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pictures_are_enlarged_for_the_screen() {
        let default = ScaleArgs { factor: None };
        let factors = |of: fn(ScaleArgs, usize) -> Scale| [68, 200, 530, 2114].map(|width| of(default, width).factor());
        assert_eq!(factors(ScaleArgs::of_sheet), [8, 3, 1, 1]);
        assert_eq!(factors(ScaleArgs::of_animation), [3, 1, 1, 1]);
        assert_eq!((default.of_animation(64).factor(), default.of_faces().factor()), (3, 1));
        assert_eq!(ScaleArgs { factor: Some(2) }.of_sheet(68).factor(), 2);
    }
}
