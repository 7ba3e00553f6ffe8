//! Animated PNG. It keeps every pixel.

use super::writer::{Form, FrameWriter, Timing};
use anyhow::Result;
use dcgan_files::NewFile;
use dcgan_image::Picture;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

/// Writes an animated PNG.
pub(super) struct ApngWriter {
    new: NewFile,
    writer: png::Writer<BufWriter<File>>,
}

impl ApngWriter {
    /// Creates the file and writes its header. APNG states the number of frames there, so exactly `form.frames` must
    /// follow.
    pub(super) fn create(path: &Path, form: Form) -> Result<Self> {
        let (new, file) = NewFile::create(path)?;
        let side = |len: usize| u32::try_from(len).map_err(io::Error::other);
        let mut encoder = png::Encoder::new(BufWriter::new(file), side(form.width)?, side(form.height)?);
        encoder.set_color(if form.channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb });
        encoder.set_depth(png::BitDepth::Eight);
        // The default takes 17 times as long, on the one thread that writes, and saves 12%.
        encoder.set_compression(png::Compression::Fast);
        encoder.set_animated(form.frames, 0)?;
        encoder.validate_sequence(true);
        Ok(Self { new, writer: encoder.write_header()? })
    }
}

impl FrameWriter for ApngWriter {
    /// On one thread: the crate compresses as it writes.
    fn push(&mut self, frames: &[Picture], timing: Timing) -> Result<()> {
        let ticks = u16::try_from(timing.ticks).unwrap_or(u16::MAX);
        for frame in frames {
            self.writer.set_frame_delay(ticks, timing.fps)?;
            self.writer.write_image_data(&frame.pixels)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.writer.finish()?;
        Ok(self.new.commit()?)
    }
}
