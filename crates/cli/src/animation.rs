//! Moving pictures, written to disk frame by frame: GIF, APNG, WebP, a folder of frames, or a video by way of ffmpeg.
//!
//! Only the frames that are handed over at a time are in memory. They are compressed on all threads, then written in
//! their order.

mod apng;
mod frames;
mod gif;
mod video;
mod webp;
mod writer;

pub(crate) use writer::Form;

use crate::output::{Output, WriteArgs, is_stdout};
use crate::picture_file;
use crate::usage::UsageError;
use anyhow::{Context, Result, bail};
use apng::ApngWriter;
use dcgan_image::Picture;
use frames::FramesWriter;
use gif::GifWriter;
use std::path::{Path, PathBuf};
use video::VideoWriter;
use webp::WebPWriter;
use writer::{FrameWriter, Timing};

/// What holds the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    Gif,
    Apng,
    WebP,
    /// Anything that ffmpeg knows by its extension.
    Video,
    /// A folder of PNG files.
    Frames,
}

impl Container {
    /// By the extension of the file; a name without one is a folder for frames.
    ///
    /// # Errors
    /// [`UsageError`] for an extension that is none of these.
    fn from_path(path: &Path) -> Result<Self> {
        if picture_file::names_folder(path) {
            return Ok(Self::Frames);
        }
        match path.extension().unwrap_or_default().to_string_lossy().to_lowercase().as_str() {
            "gif" => Ok(Self::Gif),
            "png" | "apng" => Ok(Self::Apng),
            "webp" => Ok(Self::WebP),
            "mp4" | "m4v" | "mkv" | "mov" | "webm" => Ok(Self::Video),
            other => bail!(UsageError::new(format_args!(
                "{path:?}: an animation is a .gif, .png (APNG), .webp or .mp4 file or a folder of frames, not .{other}"
            ))),
        }
    }

    /// The largest width and height.
    fn max_side(self) -> usize {
        match self {
            Self::Gif => u16::MAX.into(),
            Self::WebP => 1 << 14,
            Self::Apng | Self::Video | Self::Frames => i32::MAX as usize,
        }
    }

    /// The most frames a second. Browsers slow down a GIF whose frames take less than 0.02 s.
    fn max_fps(self) -> u16 {
        if self == Self::Gif { 50 } else { Form::MAX_FPS }
    }
}

/// Returns where the animation of a command goes, and whether that is a folder for frames. A GIF goes to standard
/// output.
///
/// # Errors
/// [`UsageError`] for a name of no kind of animation, and as [`WriteArgs::output`] and [`ForceArgs::check_folder`].
///
/// [`ForceArgs::check_folder`]: crate::output::ForceArgs::check_folder
pub(crate) fn output(write: WriteArgs, asked: Option<&Path>, default: &Path) -> Result<(Output, bool)> {
    let container = asked.filter(|out| !is_stdout(out)).map(Container::from_path).transpose()?;
    let output = write.output("--out", asked, default)?;
    let is_folder = container == Some(Container::Frames);
    if is_folder {
        write.force.check_folder("--out", output.path(), frames::is_frame_name)?;
    }
    Ok((output, is_folder))
}

/// An animation that is being written. It repeats for ever when it is shown.
pub(crate) struct Animation {
    path: PathBuf,
    form: Form,
    writer: Box<dyn FrameWriter>,
    /// Ticks written.
    ticks: u64,
    /// Frames written.
    frames: u32,
}

impl Animation {
    /// Begins to write `path`, whose name decides what kind of file it is.
    ///
    /// # Errors
    /// [`UsageError`] if this kind of file cannot have this form; else whatever stands in the way of writing there.
    pub(crate) fn create(path: &Path, form: Form) -> Result<Self> {
        let container = Container::from_path(path)?;
        let Form { width, height, fps, .. } = form;
        let (most, fastest) = (container.max_side(), container.max_fps());
        if width.max(height) > most {
            bail!(UsageError::new(format_args!(
                "{path:?}: {width} × {height} pixels are more than such a file can have ({most} a side)"
            )));
        }
        if !(1..=fastest).contains(&fps) {
            bail!(UsageError::new(format_args!("{path:?}: {fps} frames a second, but such a file has 1 to {fastest}")));
        }
        match container {
            Container::Frames => picture_file::prepare_folder(path)?,
            _ => picture_file::check_output(path)?,
        }
        let writer = create_writer(container, path, form).with_context(|| cannot_write(path))?;
        Ok(Self { path: path.to_owned(), form, writer, ticks: 0, frames: 0 })
    }

    /// Adds frames, each shown for `ticks` of the animation's ticks.
    ///
    /// # Errors
    /// Whatever stands in the way of writing.
    ///
    /// # Panics
    /// If a picture has another form than the animation.
    pub(crate) fn push(&mut self, frames: &[Picture], ticks: u32) -> Result<()> {
        let Form { width, height, channels, .. } = self.form;
        for frame in frames {
            assert_eq!((frame.width, frame.height, frame.channels), (width, height, channels), "a frame's form");
        }
        let timing = Timing { start: self.ticks, ticks, fps: self.form.fps };
        self.writer.push(frames, timing).with_context(|| cannot_write(&self.path))?;
        self.ticks += frames.len() as u64 * u64::from(ticks);
        self.frames += frames.len() as u32;
        Ok(())
    }

    /// Writes what is left, and gives the file its name.
    ///
    /// # Errors
    /// Whatever stands in the way of writing; the file is then removed.
    pub(crate) fn finish(self) -> Result<()> {
        debug_assert_eq!(self.frames, self.form.frames, "frames announced and written");
        self.writer.finish().with_context(|| cannot_write(&self.path))
    }
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {path:?}")
}

/// Creates the file or folder at `path` and the writer for its format.
fn create_writer(container: Container, path: &Path, form: Form) -> Result<Box<dyn FrameWriter>> {
    Ok(match container {
        Container::Gif => Box::new(GifWriter::create(path, form)?),
        Container::Apng => Box::new(ApngWriter::create(path, form)?),
        Container::WebP => Box::new(WebPWriter::create(path, form)?),
        Container::Video => Box::new(VideoWriter::create(path, form)?),
        Container::Frames => Box::new(FramesWriter::create(path)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::gif::{ColorOutput, DecodeOptions, Repeat};
    use std::fs::{self, File};
    use std::io;

    const FORM: Form = Form { width: 12, height: 7, channels: 3, fps: 30, frames: 5 };

    /// Frame `index`, of few colours, so that GIF has them all.
    fn frame(index: u8, form: Form) -> Picture {
        let mut picture = Picture::black(form.width, form.height, form.channels);
        picture.pixels.iter_mut().enumerate().for_each(|(i, p)| *p = (i % 5) as u8 * 50 + index);
        picture
    }

    /// Writes five frames in two pieces, all of them for two ticks, and returns what the folder then holds.
    fn write(name: &str, form: Form) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let frames: Vec<Picture> = (0..5).map(|index| frame(index, form)).collect();
        let mut animation = Animation::create(&path, form).unwrap();
        animation.push(&frames[..3], 2).unwrap();
        assert!(!path.is_file(), "half a file is never seen");
        animation.push(&frames[3..], 2).unwrap();
        animation.finish().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside the file");
        (folder, path)
    }

    #[test]
    fn the_name_decides_the_kind() {
        let kind = |name: &str| Container::from_path(Path::new(name)).unwrap();
        assert_eq!(kind("a/walk.GIF"), Container::Gif);
        assert_eq!(["walk.png", "walk.apng"].map(kind), [Container::Apng; 2]);
        assert_eq!(kind("walk.webp"), Container::WebP);
        assert_eq!(["walk.mp4", "walk.webm"].map(kind), [Container::Video; 2]);
        assert_eq!(["walk", "out/walk/"].map(kind), [Container::Frames; 2]);
        let error = Container::from_path(Path::new("walk.bmp")).unwrap_err();
        assert!(error.is::<UsageError>() && error.to_string().contains(".gif, .png (APNG), .webp or .mp4"), "{error}");
    }

    #[test]
    fn gif_has_all_frames_with_their_colours_and_times() {
        for channels in [1, 3] {
            let form = Form { channels, ..FORM };
            let (_folder, path) = write("walk.gif", form);
            let mut options = DecodeOptions::new();
            options.set_color_output(ColorOutput::RGBA);
            let mut decoder = options.read_info(File::open(path).unwrap()).unwrap();
            assert_eq!((decoder.width(), decoder.height()), (12, 7));
            let mut delays = Vec::new();
            while let Some(read) = decoder.read_next_frame().unwrap() {
                let expected = frame(delays.len() as u8, form);
                let rgba: Vec<u8> = expected
                    .pixels
                    .chunks(channels)
                    .flat_map(|p| [p[0], p[channels / 2], p[channels - 1], 255])
                    .collect();
                assert!(read.buffer == rgba, "frame {} of {channels} channels", delays.len());
                delays.push(read.delay);
            }
            // Two thirtieths are 6.67 hundredths.
            assert_eq!(delays, [7, 6, 7, 7, 6]);
            assert_eq!(decoder.repeat(), Repeat::Infinite);
        }
    }

    #[test]
    fn apng_has_all_frames_and_times() {
        for channels in [1, 3] {
            let form = Form { channels, ..FORM };
            let (_folder, path) = write("walk.png", form);
            let mut reader = png::Decoder::new(io::BufReader::new(File::open(path).unwrap())).read_info().unwrap();
            let control = reader.info().animation_control.unwrap();
            assert_eq!((control.num_frames, control.num_plays), (5, 0));
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            for index in 0..5 {
                reader.next_frame(&mut pixels).unwrap();
                assert_eq!(pixels, frame(index, form).pixels);
                let shown = reader.info().frame_control.unwrap();
                assert_eq!((shown.delay_num, shown.delay_den), (2, 30));
            }
        }
    }

    #[test]
    fn webp_has_all_frames_and_times() {
        for channels in [1, 3] {
            let form = Form { channels, ..FORM };
            let (_folder, path) = write("walk.webp", form);
            let bytes = fs::read(path).unwrap();
            assert_eq!(u32::from_le_bytes(*bytes[4..].first_chunk().unwrap()) as usize, bytes.len() - 8);
            let mut decoder = image_webp::WebPDecoder::new(io::Cursor::new(bytes)).unwrap();
            assert_eq!((decoder.dimensions(), decoder.num_frames()), ((12, 7), 5));
            assert_eq!(decoder.loop_count(), image_webp::LoopCount::Forever);
            let mut pixels = vec![0; decoder.output_buffer_size().unwrap()];
            let mut durations = Vec::new();
            for index in 0..5 {
                durations.push(decoder.read_frame(&mut pixels).unwrap());
                let pixel = pixels.len() / (12 * 7);
                for (read, expected) in pixels.chunks(pixel).zip(frame(index, form).pixels.chunks(channels)) {
                    assert_eq!(read[..3], [expected[0], expected[channels / 2], expected[channels - 1]]);
                }
            }
            assert_eq!(durations, [67, 66, 67, 67, 66]);
        }
    }

    #[test]
    fn a_folder_has_a_picture_a_tick() {
        let (_folder, path) = write("walk", FORM);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 10);
        for tick in 0..10 {
            let png = fs::read(path.join(format!("frame-{tick:05}.png"))).unwrap();
            assert!(png == frame(tick / 2, FORM).to_png().unwrap(), "tick {tick}");
        }
    }

    #[test]
    fn what_a_kind_of_file_cannot_have_is_wrong_usage() {
        let refusals = [
            ("a.gif", Form { fps: 60, ..FORM }, "1 to 50"),
            ("a.webp", Form { fps: 0, ..FORM }, "1 to 240"),
            ("a.gif", Form { width: 70_000, ..FORM }, "65535 a side"),
            ("a.webp", Form { height: 16_385, ..FORM }, "16384 a side"),
        ];
        for (name, form, words) in refusals {
            let error = Animation::create(Path::new(name), form).err().unwrap();
            assert!(error.is::<UsageError>() && error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn many_colours_become_256_near_ones() {
        let mut picture = Picture::black(64, 64, 3);
        for (i, pixel) in picture.pixels.chunks_mut(3).enumerate() {
            pixel.copy_from_slice(&[(i % 64 * 4) as u8, (i / 64 * 4) as u8, (i % 64 * 2) as u8]);
        }
        let frame = GifWriter::quantise(&picture);
        let palette = frame.palette.as_ref().unwrap();
        assert_eq!((frame.width, frame.height, palette.len()), (64, 64, 3 * 256));
        let error = frame.buffer.iter().zip(picture.pixels.chunks(3)).flat_map(|(&index, pixel)| {
            let near = &palette[usize::from(index) * 3..][..3];
            [0, 1, 2].map(|c| (f64::from(near[c]) - f64::from(pixel[c])).powi(2))
        });
        // A plane of colours in 256 cells of 16 × 16 levels has an error of 4.0; NeuQuant may have twice that.
        let rms = (error.sum::<f64>() / picture.pixels.len() as f64).sqrt();
        assert!(rms < 8.0, "{rms} levels");
    }
}
