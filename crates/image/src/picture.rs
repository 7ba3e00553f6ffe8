//! Images as bytes, and the conversion of a network's values to bytes.

use dcgan_files::write_durable;
use std::io;
use std::path::Path;

/// An image of 8-bit values, height × width × channels (1: gray, 3: RGB).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Number of channels, 1 or 3.
    pub channels: usize,
    /// The values, row by row, the channels of a pixel side by side.
    pub pixels: Vec<u8>,
}

/// Converts a network's value in [−1, 1] to a byte: ⌊(x + 1) / 2 · 255 + ½⌋, clamped to 0 to 255, as
/// `torchvision.utils.save_image` does.
pub fn quantize(x: f32) -> u8 {
    // A float-to-integer `as` saturates, which is the clamp, and cuts off the fraction, which is the floor.
    ((x + 1.0) / 2.0 * 255.0 + 0.5) as u8
}

impl Picture {
    /// Makes a black image.
    pub fn black(width: usize, height: usize, channels: usize) -> Self {
        Self { width, height, channels, pixels: vec![0; width * height * channels] }
    }

    /// Converts `values` (N × channels × size × size in [−1, 1]), as engines give them, to N images.
    ///
    /// # Panics
    /// If `values` is not a whole number of images.
    pub fn from_nchw(values: &[f32], channels: usize, size: usize) -> Vec<Self> {
        let area = size * size;
        assert_eq!(values.len() % (channels * area), 0, "{} values of {channels} × {size} × {size}", values.len());
        values
            .chunks_exact(channels * area)
            .map(|chw| {
                let mut picture = Self::black(size, size, channels);
                for (channel, plane) in chw.chunks_exact(area).enumerate() {
                    for (pixel, &x) in picture.pixels.chunks_exact_mut(channels).zip(plane) {
                        pixel[channel] = quantize(x);
                    }
                }
                picture
            })
            .collect()
    }

    /// Converts the image to values (channels × height × width in [−1, 1]) as networks take them: the inverse of
    /// [`Picture::from_nchw`] up to rounding.
    pub fn to_nchw(&self) -> Vec<f32> {
        let value = |byte: u8| (f32::from(byte) / 255.0 - 0.5) / 0.5;
        let plane = |channel: usize| self.pixels.iter().skip(channel).step_by(self.channels);
        (0..self.channels).flat_map(plane).map(|&byte| value(byte)).collect()
    }

    /// Encodes the image as a PNG file in memory.
    ///
    /// # Errors
    /// If the image is too large for the format (2³¹ − 1 pixels a side) or has no pixels.
    pub fn to_png(&self) -> io::Result<Vec<u8>> {
        let side = |len: usize| u32::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, side(self.width)?, side(self.height)?);
        encoder.set_color(if self.channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb });
        encoder.set_depth(png::BitDepth::Eight);
        // For a generated face, the default compression takes 17 times as long and saves 12%.
        encoder.set_compression(png::Compression::Fast);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()?;
        Ok(bytes)
    }

    /// Writes a PNG file. An existing file of that name is replaced atomically.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_png(&self, path: impl AsRef<Path>) -> io::Result<()> {
        write_durable(path.as_ref(), &self.to_png()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_bytes_as_in_torchvision() {
        // `((x + 1) / 2).mul(255).add_(0.5).clamp_(0, 255).to(torch.uint8)` in PyTorch 2.11 for these x.
        let x = [-1.5, -1.0, -0.9961, -0.9960, -0.5, -0.0001, 0.0, 0.5, 0.9960, 0.9961, 1.0, 1.5];
        let expected = [0, 0, 0, 1, 64, 127, 128, 191, 254, 255, 255, 255];
        assert_eq!(x.map(quantize), expected);
        assert_eq!(quantize(f32::NAN), 0);
    }

    #[test]
    fn planes_become_interleaved_pixels() {
        // Plane c of picture n holds only the value that becomes 10·n + c.
        let value = |byte: usize| byte as f32 / 255.0 * 2.0 - 1.0;
        let values: Vec<f32> = (0..2).flat_map(|n| (0..3).flat_map(move |c| [value(10 * n + c); 4])).collect();
        let pictures = Picture::from_nchw(&values, 3, 2);
        assert_eq!(pictures.len(), 2);
        assert_eq!(pictures[1].pixels, [10, 11, 12].repeat(4));
        let back = pictures[1].to_nchw();
        assert!(back.iter().zip(&values[12..]).all(|(a, b)| (a - b).abs() < 1e-6), "{back:?}");
    }

    #[test]
    fn png_holds_the_pixels() {
        for channels in [1, 3] {
            let mut picture = Picture::black(5, 3, channels);
            picture.pixels.iter_mut().enumerate().for_each(|(i, p)| *p = (i * 7) as u8);
            let bytes = picture.to_png().unwrap();
            let mut reader = png::Decoder::new(io::Cursor::new(bytes)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut pixels).unwrap();
            assert_eq!((info.width, info.height), (5, 3));
            assert_eq!(pixels, picture.pixels);
        }
    }
}
