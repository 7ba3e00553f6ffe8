//! Whether a picture moves; only its first frame is used then.

use super::format::ImageFormat;
use gif::DecodeOptions;

/// Whether a picture that can be decoded has more than one frame.
pub(super) fn is_animated(bytes: &[u8], format: ImageFormat) -> bool {
    match format {
        ImageFormat::Gif => gif_frames(bytes) > 1,
        ImageFormat::WebP => is_animated_webp(bytes),
        ImageFormat::Png => is_animated_png(bytes),
        ImageFormat::Jpeg | ImageFormat::Bmp | ImageFormat::Tiff | ImageFormat::Pnm => false,
    }
}

/// Frames of a GIF, counted up to 2. What is broken behind the first one harms nobody.
fn gif_frames(bytes: &[u8]) -> usize {
    let mut options = DecodeOptions::new();
    options.skip_frame_decoding(true);
    let Ok(mut decoder) = options.read_info(bytes) else { return 0 };
    (0..2).take_while(|_| matches!(decoder.next_frame_info(), Ok(Some(_)))).count()
}

/// A WebP says so in a flag of its extended header.
fn is_animated_webp(bytes: &[u8]) -> bool {
    const ANIMATION: u8 = 2;
    bytes.get(12..16) == Some(b"VP8X") && bytes.get(20).is_some_and(|flags| flags & ANIMATION != 0)
}

/// An APNG has a chunk with the number of frames before its pixels.
fn is_animated_png(bytes: &[u8]) -> bool {
    /// Length of the signature, and of a chunk's length, name and checksum.
    const SIGNATURE: usize = 8;
    const AROUND: usize = 12;
    let mut rest = bytes.get(SIGNATURE..).unwrap_or_default();
    while let Some((head, _)) = rest.split_first_chunk::<8>() {
        let [a, b, c, d, name @ ..] = *head;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        match &name {
            b"acTL" => return rest.get(8..12).is_some_and(|frames| *frames > [0, 0, 0, 1][..]),
            b"IDAT" | b"IEND" => return false,
            _ => rest = rest.get(length.saturating_add(AROUND)..).unwrap_or_default(),
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Channels, decode};

    fn gif(frames: usize) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = gif::Encoder::new(&mut file, 4, 4, &[0, 0, 0, 255, 255, 255]).unwrap();
        for _ in 0..frames {
            encoder
                .write_frame(&gif::Frame { width: 4, height: 4, buffer: vec![1; 16].into(), ..Default::default() })
                .unwrap();
        }
        drop(encoder);
        file
    }

    fn png(frames: u32) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 2, 2);
        if frames > 0 {
            encoder.set_animated(frames, 0).unwrap();
        }
        let mut writer = encoder.write_header().unwrap();
        for _ in 0..frames.max(1) {
            writer.write_image_data(&[9; 4]).unwrap();
        }
        drop(writer);
        file
    }

    #[test]
    fn pictures_with_more_than_one_frame_are_animated() {
        let is_animated = |file: &[u8]| decode(file, Channels::Rgb, [255; 3]).unwrap().is_animated;
        assert_eq!([1, 2, 3].map(|frames| is_animated(&gif(frames))), [false, true, true]);
        assert_eq!([0, 1, 2].map(|frames| is_animated(&png(frames))), [false, false, true]);
        let mut webp = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02".to_vec();
        assert!(is_animated_webp(&webp));
        webp[20] = 0x10;
        assert!(!is_animated_webp(&webp) && !is_animated_webp(&webp[..18]));
    }

    #[test]
    fn damaged_files_are_no_animations() {
        for end in 0..60 {
            is_animated_png(&png(2)[..end]);
            is_animated(&gif(2)[..end.min(gif(2).len())], ImageFormat::Gif);
        }
        assert!(!is_animated_png(b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffabcd"));
    }
}
