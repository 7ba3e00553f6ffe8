//! A folder of frames.

use super::writer::{FrameWriter, Timing};
use anyhow::{Context, Result};
use dcgan_files::write_atomic;
use dcgan_image::Picture;
use rayon::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

/// Whether a file's name is that of a frame.
pub(super) fn is_frame_name(name: &str) -> bool {
    name.starts_with("frame-") && name.ends_with(".png")
}

/// One PNG file a tick.
pub(super) struct FramesWriter {
    folder: PathBuf,
}

impl FramesWriter {
    /// Creates the folder, and those above it, if they do not exist.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }
}

impl FrameWriter for FramesWriter {
    fn push(&mut self, frames: &[Picture], timing: Timing) -> Result<()> {
        frames.par_iter().enumerate().try_for_each(|(index, frame)| {
            let png = frame.to_png()?;
            let first = timing.start + index as u64 * u64::from(timing.ticks);
            (first..first + u64::from(timing.ticks)).try_for_each(|tick| {
                let path = self.folder.join(format!("frame-{tick:05}.png"));
                write_atomic(&path, &png).with_context(|| format!("cannot write {path:?}"))
            })
        })
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
