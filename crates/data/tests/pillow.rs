//! Pixels against Pillow's, from the fixtures that `tools/reference/pillow_fixtures.py` writes.
//!
//! PNG is lossless and the resize is Pillow's arithmetic, so every byte must be equal.
//!
//! JPEG leaves the last bit to the decoder. Against libjpeg, which Pillow uses, a sample of a plane may be off by 1,
//! from the rounding of its inverse transform, and an upsampled chroma sample by 1 more: both decoders interpolate
//! chroma with the same 3:1 triangle, but round between its two passes in their own ways. So with |ΔY| ≤ 1,
//! |ΔCb|, |ΔCr| ≤ 2 and one more rounding at the end,
//!
//! ```text
//! |ΔB| ≤ 1 + 1.772 · 2 + ½ ≤ 5      |ΔR| ≤ 1 + 1.402 · 2 + ½ ≤ 4      |ΔG| ≤ 1 + (0.344 + 0.714) · 2 + ½ ≤ 3
//! ```
//!
//! Luma is a convex sum of the three and stays below. On average the roundings cancel, so the mean error must not
//! exceed half a level: a decoder that is one off everywhere passes the first bound but not the second.

// The exemption of tests in clippy.toml does not reach helpers outside of `#[test]` functions.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use dcgan_data::resize::{Extent, Filter, Resizer};
use dcgan_data::{Channels, Picture, decode};

const JPEG_MAX_ERROR: u8 = 5;
const JPEG_MEAN_ERROR: f64 = 0.5;

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The lines of cases.txt whose file has this extension: name, extent, and for PNG the size resized to.
fn cases(extension: &str) -> Vec<(String, Extent, Option<usize>)> {
    let text = String::from_utf8(fixture("cases.txt")).unwrap();
    let parse = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let name = words[0].strip_suffix(extension)?.to_owned();
        let number = |i: usize| words.get(i).map(|word| word.parse().unwrap());
        Some((name, Extent { width: number(1).unwrap(), height: number(2).unwrap() }, number(3)))
    };
    text.lines().filter_map(parse).collect()
}

/// Decodes a fixture both ways and hands each over with the bytes that Pillow made of it.
fn check(name: &str, extension: &str, extent: Extent, mut compare: impl FnMut(&str, Picture, Vec<u8>)) {
    let file = fixture(&format!("{name}{extension}"));
    for (channels, ending) in [(Channels::Rgb, "rgb"), (Channels::Grey, "grey")] {
        let label = format!("{name}{extension} as {ending}");
        let picture = decode(&file, channels).unwrap_or_else(|error| panic!("{label}: {error}"));
        assert_eq!((picture.width, picture.height), (extent.width, extent.height), "{label}");
        compare(&label, picture, fixture(&format!("{name}.{ending}")));
    }
}

#[test]
fn png_decoded_and_resized_is_pillows_to_the_byte() {
    let cases = cases(".png");
    assert_eq!(cases.len(), 26);
    let mut resizer = Resizer::new();
    for (name, from, size) in cases {
        let size = size.unwrap();
        check(&name, ".png", from, |label, picture, expected| {
            let channels = picture.channels.count();
            let mut resized = vec![0; size * size * channels];
            let to = Extent { width: size, height: size };
            resizer.resize(&mut resized, to, &picture.pixels, from, from.into(), Filter::Bilinear, channels);
            assert_eq!(resized.len(), expected.len(), "{label}");
            let wrong = resized.iter().zip(&expected).filter(|(a, b)| a != b).count();
            let first = resized.iter().zip(&expected).position(|(a, b)| a != b);
            assert_eq!(first, None, "{label}: {wrong} of {} bytes differ", expected.len());
        });
    }
}

#[test]
fn jpeg_decoded_is_pillows_within_the_decoders_tolerance() {
    let cases = cases(".jpg");
    assert_eq!(cases.len(), 10);
    for (name, extent, _) in cases {
        check(&name, ".jpg", extent, |label, picture, expected| {
            assert_eq!(picture.pixels.len(), expected.len(), "{label}");
            let errors = picture.pixels.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b));
            let max = errors.clone().max().unwrap();
            let mean = errors.map(f64::from).sum::<f64>() / expected.len() as f64;
            println!("{label}: error at most {max}, mean {mean:.3}");
            assert!(max <= JPEG_MAX_ERROR && mean <= JPEG_MEAN_ERROR, "{label}: error up to {max}, mean {mean:.3}");
        });
    }
}
