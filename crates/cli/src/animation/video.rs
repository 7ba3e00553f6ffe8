//! Videos, by way of the installed `ffmpeg`.

use super::writer::{Form, FrameWriter, Timing};
use anyhow::{Context, Result, anyhow, bail};
use dcgan_files::NewFile;
use dcgan_image::Picture;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::thread::JoinHandle;

/// The frames are raw bytes on the stdin of `ffmpeg`, which writes the file.
pub(super) struct VideoWriter {
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
    /// Starts ffmpeg, which reads raw frames from a pipe and writes a temporary file.
    pub(super) fn create(path: &Path, form: Form) -> Result<Self> {
        let Form { width, height, channels, fps, .. } = form;
        let (new, _) = NewFile::create(path)?;
        // The temporary name has no extension that tells the format.
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
        // Players need 4:2:0, which needs even sides.
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
        let stderr = process.stderr.take();
        let mut ffmpeg = Ffmpeg { process, stdin, complaints: None };
        let listen = |mut stderr: ChildStderr| {
            std::thread::Builder::new().spawn(move || {
                let mut text = Vec::new();
                let _ = stderr.read_to_end(&mut text);
                String::from_utf8_lossy(&text).into_owned()
            })
        };
        ffmpeg.complaints = stderr.map(listen).transpose().context(crate::threads::CANNOT_START)?;
        Ok(Self { ffmpeg, new })
    }
}

impl FrameWriter for VideoWriter {
    fn push(&mut self, frames: &[Picture], timing: Timing) -> Result<()> {
        let Some(stdin) = &mut self.ffmpeg.stdin else { return Ok(()) };
        let mut frames = frames.iter().flat_map(|frame| (0..timing.ticks).map(move |_| frame));
        if frames.try_for_each(|frame| stdin.write_all(&frame.pixels)).is_err() {
            // ffmpeg has ended, and its own error says more than that of the pipe.
            self.ffmpeg.wait()?;
            bail!("ffmpeg ended before it had all frames");
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
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
        // The first line has the cause.
        bail!("ffmpeg failed ({status}): {}", complaints.lines().next().unwrap_or("it does not say why"))
    }
}

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        // Neither has an effect if the process has been waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
