//! What the writers of all kinds of animations share.

use anyhow::Result;
use dcgan_image::Picture;

/// What all frames have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// Width in pixels.
    pub(crate) width: usize,
    /// Height in pixels.
    pub(crate) height: usize,
    /// 1 or 3.
    pub(crate) channels: usize,
    /// Ticks in a second; a frame is shown for a whole number of ticks.
    pub(crate) fps: u16,
    /// How many frames there will be: APNG tells it before the first.
    pub(crate) frames: u32,
}

impl Form {
    /// The largest [`Form::fps`].
    pub(crate) const MAX_FPS: u16 = 240;
}

/// When some frames are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// The tick of the first one.
    pub(super) start: u64,
    /// Number of ticks of each.
    pub(super) ticks: u32,
    pub(super) fps: u16,
}

impl Timing {
    /// How long frame `index` is shown, in units of which `per_second` are a second. Frames begin at the nearest unit,
    /// so that rounding adds up to nothing: at 30 frames a second, GIF's hundredths are 3, 4, 3, 3, 4, 3.
    pub(super) fn duration(self, index: usize, per_second: u64) -> u64 {
        let start = self.start + index as u64 * u64::from(self.ticks);
        let unit = |tick: u64| (tick * per_second + u64::from(self.fps) / 2) / u64::from(self.fps);
        unit(start + u64::from(self.ticks)) - unit(start)
    }
}

/// An animation of one kind that is being written.
pub(super) trait FrameWriter: Send {
    /// Adds frames of the form of the animation.
    fn push(&mut self, frames: &[Picture], timing: Timing) -> Result<()>;

    /// Writes what is left, and gives the file its name.
    fn finish(self: Box<Self>) -> Result<()>;
}
