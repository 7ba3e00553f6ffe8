//! Encodes the frames of a walk as an animation in memory.

use dcgan::Picture;
use std::io;

/// Kind of animation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Up to 256 colors a frame; opens everywhere.
    Gif,
    /// An animated PNG, with all colors.
    Apng,
}

impl Kind {
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Gif => "image/gif",
            Self::Apng => "image/apng",
        }
    }

    /// Encodes frames of one size, shown at `fps` frames per second in an endless loop.
    ///
    /// # Errors
    /// If there is no frame, or the frames are larger than the format allows.
    pub(crate) fn encode(self, frames: &[Picture], fps: u16) -> io::Result<Vec<u8>> {
        let Some(Picture { width, height, channels, .. }) = frames.first() else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let invalid = |_| io::Error::from(io::ErrorKind::InvalidInput);
        let mut bytes = Vec::new();
        match self {
            Self::Gif => {
                let (width, height) =
                    (u16::try_from(*width).map_err(invalid)?, u16::try_from(*height).map_err(invalid)?);
                let mut encoder = gif::Encoder::new(&mut bytes, width, height, &[]).map_err(io::Error::other)?;
                encoder.set_repeat(gif::Repeat::Infinite).map_err(io::Error::other)?;
                for frame in frames {
                    let rgb = match channels {
                        1 => frame.pixels.iter().flat_map(|&gray| [gray; 3]).collect(),
                        _ => frame.pixels.clone(),
                    };
                    let mut frame = gif::Frame::from_rgb_speed(width, height, &rgb, 10);
                    frame.delay = (100 / fps.max(1)).max(2);
                    encoder.write_frame(&frame).map_err(io::Error::other)?;
                }
            }
            Self::Apng => {
                let (width, height) =
                    (u32::try_from(*width).map_err(invalid)?, u32::try_from(*height).map_err(invalid)?);
                let mut encoder = png::Encoder::new(&mut bytes, width, height);
                encoder.set_color(if *channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb });
                encoder.set_depth(png::BitDepth::Eight);
                encoder.set_compression(png::Compression::Fast);
                encoder.set_animated(u32::try_from(frames.len()).map_err(invalid)?, 0)?;
                encoder.set_frame_delay(1, fps.max(1))?;
                let mut writer = encoder.write_header()?;
                for frame in frames {
                    writer.write_image_data(&frame.pixels)?;
                }
                writer.finish()?;
            }
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back() {
        for channels in [1, 3] {
            let frames: Vec<Picture> = (0..3)
                .map(|i| Picture { width: 4, height: 2, channels, pixels: vec![i * 100; 8 * channels] })
                .collect();
            let bytes = Kind::Gif.encode(&frames, 20).unwrap();
            let mut options = gif::DecodeOptions::new();
            options.set_color_output(gif::ColorOutput::RGBA);
            let mut decoder = options.read_info(&*bytes).unwrap();
            for value in [0, 100, 200] {
                let frame = decoder.read_next_frame().unwrap().unwrap();
                assert_eq!((frame.buffer[0], frame.delay), (value, 5));
            }
            let bytes = Kind::Apng.encode(&frames, 20).unwrap();
            let mut reader = png::Decoder::new(io::Cursor::new(&bytes)).read_info().unwrap();
            assert_eq!(reader.info().animation_control().unwrap().num_frames, 3);
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            for value in [0, 100, 200] {
                reader.next_frame(&mut pixels).unwrap();
                assert_eq!(pixels[0], value);
            }
        }
        assert!(Kind::Gif.encode(&[], 20).is_err());
    }
}
