//! Animated WebP. It keeps every pixel: frames are the `image-webp` crate's lossless VP8L. The crate writes no
//! animations, so the container around the frames is written here. Encoders of WebP's lossy kind are C, or not free.

use super::writer::{Form, FrameWriter, Timing};
use crate::picture_file::PictureFormat;
use anyhow::{Result, anyhow, bail};
use dcgan_files::NewFile;
use dcgan_image::Picture;
use rayon::prelude::*;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

/// Writes the extended WebP file format: `RIFF`, then the chunks `VP8X` (what is in the file), `ANIM` (that it repeats)
/// and one `ANMF` a frame. See RFC 9649, section 2.7.
pub(super) struct WebPWriter {
    new: NewFile,
    file: BufWriter<File>,
    form: Form,
}

impl WebPWriter {
    /// `RIFF` and the length of what follows it.
    const RIFF_HEADER: u64 = 8;
    /// The flag in `VP8X` that there is an animation.
    const ANIMATION: u8 = 1 << 1;
    /// The flag in `ANMF` that a frame replaces what was there.
    const DO_NOT_BLEND: u8 = 1 << 1;

    /// Creates the file and writes everything before the first frame.
    pub(super) fn create(path: &Path, form: Form) -> Result<Self> {
        let (new, file) = NewFile::create(path)?;
        let mut file = BufWriter::new(file);
        // The length is written at the end.
        file.write_all(b"RIFF\0\0\0\0WEBP")?;
        let canvas = [[Self::ANIMATION, 0, 0].as_slice(), &[0], &u24(form.width - 1), &u24(form.height - 1)].concat();
        write_chunk(&mut file, b"VP8X", &[&canvas])?;
        // A transparent background, and 0 for endless repetition.
        write_chunk(&mut file, b"ANIM", &[&[0; 4], &[0; 2]])?;
        Ok(Self { new, file, form })
    }
}

impl FrameWriter for WebPWriter {
    fn push(&mut self, frames: &[Picture], timing: Timing) -> Result<()> {
        let images: Vec<Vec<u8>> = frames.par_iter().map(vp8l_chunk).collect::<Result<_>>()?;
        for (index, image) in images.iter().enumerate() {
            let duration = timing.duration(index, 1000).min(0x00ff_ffff) as usize;
            let corner = [u24(0), u24(0)].concat();
            let size = [u24(self.form.width - 1), u24(self.form.height - 1), u24(duration)].concat();
            write_chunk(&mut self.file, b"ANMF", &[&corner, &size, &[Self::DO_NOT_BLEND], image])?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        let len = self.file.stream_position()? - Self::RIFF_HEADER;
        let len = u32::try_from(len).map_err(|_| anyhow!("it would be longer than the 4 GiB that WebP can have"))?;
        self.file.seek(SeekFrom::Start(4))?;
        self.file.write_all(&len.to_le_bytes())?;
        self.file.flush()?;
        Ok(self.new.commit()?)
    }
}

/// The three low bytes of `value`, the lowest first.
fn u24(value: usize) -> [u8; 3] {
    let [a, b, c, ..] = value.to_le_bytes();
    [a, b, c]
}

/// A RIFF chunk: name, length, payload, and a byte to make it even.
fn write_chunk(out: &mut impl Write, name: &[u8; 4], payload: &[&[u8]]) -> io::Result<()> {
    let len: usize = payload.iter().map(|part| part.len()).sum();
    out.write_all(name)?;
    out.write_all(&u32::try_from(len).map_err(io::Error::other)?.to_le_bytes())?;
    payload.iter().try_for_each(|part| out.write_all(part))?;
    if len.is_multiple_of(2) { Ok(()) } else { out.write_all(&[0]) }
}

/// The `VP8L` chunk of a picture's own WebP file, name and length included.
fn vp8l_chunk(picture: &Picture) -> Result<Vec<u8>> {
    let file = PictureFormat::WebP.encode(picture)?;
    match file.get(12..) {
        Some(chunk) if chunk.starts_with(b"VP8L") => Ok(chunk.to_vec()),
        _ => bail!("the WebP encoder gave an unknown kind of file"),
    }
}
