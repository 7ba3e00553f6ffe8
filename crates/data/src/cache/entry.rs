//! What the cache knows about one file.

use serde::{Deserialize, Serialize};

use crate::error::SkipReason;
use crate::report::ImageInfo;
use crate::source::Stamp;

/// What is known about one file of the data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Path below the root of the data set.
    pub(crate) name: Vec<u8>,
    pub(crate) stamp: Stamp,
    /// Whether the stamp was old enough to be trusted; see [`Stamp::is_settled`].
    pub(crate) settled: bool,
    /// The SHA-256 of the file's bytes, if all of them were read.
    pub(crate) content: Option<[u8; 32]>,
    /// The CRC-32 of the fitted pixels, if the file is usable.
    pub(crate) checksum: u32,
    pub(crate) outcome: Outcome,
}

/// What a file is. The order of the variants is that of the cache's format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// A picture of the data set.
    Usable(ImageInfo),
    /// It seems to be a picture, but cannot be used.
    Unusable(SkipReason),
    /// It is no picture and is not named like one.
    OtherFile,
}

impl Outcome {
    pub(crate) fn is_usable(&self) -> bool {
        matches!(self, Outcome::Usable(_))
    }
}

impl Entry {
    /// Whether a file of this name with this stamp is sure to have the bytes that it had.
    pub(crate) fn is_current(&self, stamp: Stamp) -> bool {
        let is_lasting = match &self.outcome {
            Outcome::Unusable(reason) => reason.is_about_content(),
            Outcome::Usable(_) | Outcome::OtherFile => true,
        };
        is_lasting && self.settled && self.stamp == stamp
    }
}
