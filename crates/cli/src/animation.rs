//! Moving pictures, written to disk frame by frame: GIF, APNG, WebP, a folder of frames, or a video by way of ffmpeg.
//!
//! Only the frames that are handed over at a time are in memory. They are compressed on all threads, then written in their order.
//!
//! * GIF has 256 colours a frame. Every frame gets a palette of its own by the NeuQuant network (Dekker 1994), as the `gif` crate has it: on sheets
//!   of faces it is 2 dB better than Wu's method. There is no dithering, whose pattern would crawl from frame to frame.
//! * APNG and WebP keep every pixel. WebP frames are the `image-webp` crate's lossless VP8L; it writes no animations, so the container around the
//!   frames is written here. Encoders of WebP's lossy kind are C, or not free.
//! * A video is whatever the installed `ffmpeg` makes of raw frames on its stdin.

use crate::picture_file::{self, PictureFormat};
use crate::usage::UsageError;
use anyhow::{Context, Result, anyhow, bail};
use dcgan_train::{NewFile, Picture, write_atomic};
use rayon::prelude::*;
use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::JoinHandle;

/// What holds the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
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
    pub(crate) fn from_path(path: &Path) -> Result<Self> {
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

/// An animation that is being written. It repeats for ever when it is shown.
pub(crate) struct Animation {
    path: PathBuf,
    form: Form,
    writer: Writer,
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
        let writer = Writer::create(container, path, form).with_context(|| cannot_write(path))?;
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

/// When some frames are shown.
#[derive(Debug, Clone, Copy)]
struct Timing {
    /// The tick of the first one.
    start: u64,
    /// Of each.
    ticks: u32,
    fps: u16,
}

impl Timing {
    /// How long frame `index` is shown, in units of which `per_second` are a second. Frames begin at the nearest unit, so that rounding adds up to
    /// nothing: at 30 frames a second, GIF's hundredths are 3, 4, 3, 3, 4, 3.
    fn duration(self, index: usize, per_second: u64) -> u64 {
        let start = self.start + index as u64 * u64::from(self.ticks);
        let unit = |tick: u64| (tick * per_second + u64::from(self.fps) / 2) / u64::from(self.fps);
        unit(start + u64::from(self.ticks)) - unit(start)
    }
}

enum Writer {
    Gif(GifWriter),
    Apng(ApngWriter),
    WebP(WebPWriter),
    Video(VideoWriter),
    Frames(FramesWriter),
}

impl Writer {
    fn create(container: Container, path: &Path, form: Form) -> Result<Self> {
        Ok(match container {
            Container::Gif => Self::Gif(GifWriter::create(path, form)?),
            Container::Apng => Self::Apng(ApngWriter::create(path, form)?),
            Container::WebP => Self::WebP(WebPWriter::create(path, form)?),
            Container::Video => Self::Video(VideoWriter::create(path, form)?),
            Container::Frames => Self::Frames(FramesWriter::create(path)?),
        })
    }

    fn push(&mut self, frames: &[Picture], timing: Timing) -> Result<()> {
        match self {
            Self::Gif(writer) => writer.push(frames, timing),
            Self::Apng(writer) => writer.push(frames, timing),
            Self::WebP(writer) => writer.push(frames, timing),
            Self::Video(writer) => writer.push(frames, timing),
            Self::Frames(writer) => writer.push(frames, timing),
        }
    }

    fn finish(self) -> Result<()> {
        match self {
            Self::Gif(writer) => writer.finish(),
            Self::Apng(writer) => writer.finish(),
            Self::WebP(writer) => writer.finish(),
            Self::Video(writer) => writer.finish(),
            Self::Frames(FramesWriter { .. }) => Ok(()),
        }
    }
}

struct GifWriter {
    new: NewFile,
    encoder: gif::Encoder<BufWriter<File>>,
}

impl GifWriter {
    /// Pixels of a frame that NeuQuant learns from at its best setting; of larger frames it takes every second pixel, or every third, so that its
    /// time does not grow with them. What that costs is 0.6 dB for every fifth.
    const SAMPLES: usize = 1 << 16;

    fn create(path: &Path, form: Form) -> Result<Self> {
        let (new, file) = NewFile::create(path)?;
        let side = |len: usize| u16::try_from(len).map_err(io::Error::other);
        // Grey needs no palette per frame: there are 256 greys.
        let greys: Vec<u8> = (0..=255).flat_map(|grey| [grey; 3]).collect();
        let palette: &[u8] = if form.channels == 1 { &greys } else { &[] };
        let mut encoder = gif::Encoder::new(BufWriter::new(file), side(form.width)?, side(form.height)?, palette)?;
        encoder.set_repeat(gif::Repeat::Infinite)?;
        Ok(Self { new, encoder })
    }

    fn push(&mut self, frames: &[Picture], timing: Timing) -> Result<()> {
        let frames: Vec<gif::Frame<'static>> = frames
            .par_iter()
            .enumerate()
            .map(|(index, picture)| {
                // GIF has 16 bits for the delay, which is 10 minutes.
                let delay = timing.duration(index, 100).min(u16::MAX.into()) as u16;
                let mut frame = gif::Frame { delay, ..Self::quantise(picture) };
                frame.make_lzw_pre_encoded();
                frame
            })
            .collect();
        frames.iter().try_for_each(|frame| self.encoder.write_lzw_pre_encoded_frame(frame))?;
        Ok(())
    }

    fn quantise(picture: &Picture) -> gif::Frame<'static> {
        let (width, height) = (picture.width as u16, picture.height as u16);
        if picture.channels == 1 {
            return gif::Frame { width, height, buffer: Cow::Owned(picture.pixels.clone()), ..gif::Frame::default() };
        }
        let every = (picture.width * picture.height).div_ceil(Self::SAMPLES).min(30);
        gif::Frame::from_rgb_speed(width, height, &picture.pixels, every as i32)
    }

    fn finish(self) -> Result<()> {
        self.encoder.into_inner()?.flush()?;
        Ok(self.new.commit()?)
    }
}

struct ApngWriter {
    new: NewFile,
    writer: png::Writer<BufWriter<File>>,
}

impl ApngWriter {
    fn create(path: &Path, form: Form) -> Result<Self> {
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

    /// On one thread: the crate compresses as it writes.
    fn push(&mut self, frames: &[Picture], timing: Timing) -> Result<()> {
        let ticks = u16::try_from(timing.ticks).unwrap_or(u16::MAX);
        for frame in frames {
            self.writer.set_frame_delay(ticks, timing.fps)?;
            self.writer.write_image_data(&frame.pixels)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        self.writer.finish()?;
        Ok(self.new.commit()?)
    }
}

/// Writes the extended WebP file format: `RIFF`, then the chunks `VP8X` (what is in the file), `ANIM` (that it repeats) and one `ANMF` a frame.
/// See RFC 9649, section 2.7.
struct WebPWriter {
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

    fn create(path: &Path, form: Form) -> Result<Self> {
        let (new, file) = NewFile::create(path)?;
        let mut file = BufWriter::new(file);
        // The length is written at the end.
        file.write_all(b"RIFF\0\0\0\0WEBP")?;
        let canvas = [[Self::ANIMATION, 0, 0].as_slice(), &[0], &u24(form.width - 1), &u24(form.height - 1)].concat();
        write_chunk(&mut file, b"VP8X", &[&canvas])?;
        // A background of no colour, and no end.
        write_chunk(&mut file, b"ANIM", &[&[0; 4], &[0; 2]])?;
        Ok(Self { new, file, form })
    }

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

    fn finish(mut self) -> Result<()> {
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

/// The frames are raw bytes on the stdin of `ffmpeg`, which writes the file.
struct VideoWriter {
    /// Before the file, which cannot be removed on every system while another program writes it.
    ffmpeg: Ffmpeg,
    new: NewFile,
}

struct Ffmpeg {
    process: Child,
    /// `None` when everything is written.
    stdin: Option<BufWriter<ChildStdin>>,
    complaints: Option<JoinHandle<String>>,
}

impl VideoWriter {
    fn create(path: &Path, form: Form) -> Result<Self> {
        let Form { width, height, channels, fps, .. } = form;
        let (new, _) = NewFile::create(path)?;
        // The temporary name has no extension to tell the kind by.
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let muxer = match extension.as_str() {
            "mkv" => "matroska",
            "m4v" => "mp4",
            other => other,
        };
        let pixel_format = if channels == 1 { "gray" } else { "rgb24" };
        let mut command = Command::new("ffmpeg");
        command.args(["-hide_banner", "-nostats", "-loglevel", "error", "-y"]);
        command.args(["-f", "rawvideo", "-pixel_format", pixel_format, "-video_size", &format!("{width}x{height}")]);
        command.args(["-framerate", &fps.to_string(), "-i", "pipe:0", "-an"]);
        // Players want 4:2:0, and that needs even sides.
        command.args(["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p"]);
        if muxer == "mp4" || muxer == "mov" {
            command.args(["-movflags", "+faststart"]);
        }
        command.args(["-crf", "16", "-f", muxer]).arg(new.temporary());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => anyhow!(
                "ffmpeg makes .{extension} files and is not installed: install it, or name a .gif, .png or .webp file"
            ),
            _ => anyhow::Error::new(error).context("cannot start ffmpeg"),
        })?;
        let stdin = process.stdin.take().map(BufWriter::new);
        let complaints = process.stderr.take().map(|mut stderr| {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                let _ = stderr.read_to_end(&mut text);
                String::from_utf8_lossy(&text).into_owned()
            })
        });
        Ok(Self { ffmpeg: Ffmpeg { process, stdin, complaints }, new })
    }

    fn push(&mut self, frames: &[Picture], timing: Timing) -> Result<()> {
        let Some(stdin) = &mut self.ffmpeg.stdin else { return Ok(()) };
        let mut frames = frames.iter().flat_map(|frame| (0..timing.ticks).map(move |_| frame));
        if frames.try_for_each(|frame| stdin.write_all(&frame.pixels)).is_err() {
            // It has gone away, and knows better why than the pipe does.
            self.ffmpeg.wait()?;
            bail!("ffmpeg ended before it had all frames");
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.ffmpeg.wait()?;
        Ok(self.new.commit()?)
    }
}

impl Ffmpeg {
    /// Tells ffmpeg that there is no more, and waits until it is done.
    fn wait(&mut self) -> Result<()> {
        let flushed = self.stdin.take().map_or(Ok(()), |mut stdin| stdin.flush());
        let status = self.process.wait()?;
        let complaints = self.complaints.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        if status.success() && flushed.is_ok() {
            return Ok(());
        }
        // The last line is the consequence, the first one the cause.
        bail!("ffmpeg failed ({status}): {}", complaints.lines().next().unwrap_or("it does not say why"))
    }
}

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        // Neither has an effect on a process that has been waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One PNG file a tick.
struct FramesWriter {
    folder: PathBuf,
}

impl FramesWriter {
    fn create(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }

    fn push(&mut self, frames: &[Picture], timing: Timing) -> Result<()> {
        frames.par_iter().enumerate().try_for_each(|(index, frame)| {
            let png = frame.to_png()?;
            let first = timing.start + index as u64 * u64::from(timing.ticks);
            (first..first + u64::from(timing.ticks)).try_for_each(|tick| {
                let path = self.folder.join(format!("frame-{tick:05}.png"));
                write_atomic(&path, &png).with_context(|| cannot_write(&path))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let mut options = gif::DecodeOptions::new();
            options.set_color_output(gif::ColorOutput::RGBA);
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
            assert_eq!(decoder.repeat(), gif::Repeat::Infinite);
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
