//! Pixels against Pillow's, from the fixtures that `tools/reference/pillow_fixtures.py` writes.
//!
//! Lossless formats have one right answer, and fitting is Pillow's arithmetic, so every byte must be equal.
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
//! exceed half a level: a decoder that is one off everywhere passes the first bound but not the second. Lossy WebP has
//! one right answer for its planes, and its chroma is upsampled by the same triangle, so the same bounds are ample.

// The exemption of tests in clippy.toml does not reach helpers outside of `#[test]` functions.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use dcgan_data::fit::Fitter;
use dcgan_data::{Channels, DecodedImage, Filter, Fit, decode};

const LOSSY_MAX_ERROR: u8 = 5;
const LOSSY_MEAN_ERROR: f64 = 0.5;
/// As in the script.
const BACKGROUND: [u8; 3] = [200, 30, 90];

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A line of cases.txt.
struct Case {
    file: String,
    width: usize,
    height: usize,
    /// Size, fit and filter, and the name of what is expected.
    fitted: Option<(usize, Fit, Filter)>,
    expected: String,
}

fn cases() -> Vec<Case> {
    let parse = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |i: usize| words[i].parse().unwrap();
        let name = words[0].rsplit_once('.').unwrap().0.to_owned();
        let (fitted, expected) = match words[3..] {
            [] => (None, name),
            [_, fit, filter] => {
                let is_usual = (fit, filter) == ("stretch", "bilinear");
                let expected = if is_usual { name } else { format!("{name}-{fit}-{filter}") };
                (Some((number(3), find(&Fit::ALL, fit), find(&Filter::ALL, filter))), expected)
            }
            _ => panic!("{line}"),
        };
        Case { file: words[0].to_owned(), width: number(1), height: number(2), fitted, expected }
    };
    String::from_utf8(fixture("cases.txt")).unwrap().lines().map(parse).collect()
}

fn find<T: Copy>(all: &[(&str, T)], wanted: &str) -> T {
    all.iter().find(|(name, _)| *name == wanted).unwrap().1
}

/// Decodes a fixture both ways and hands each over with the bytes that Pillow made of it. What fails is listed, all of
/// it.
fn check(case: &Case, compare: impl Fn(DecodedImage, Vec<u8>) -> Result<(), String>) -> Vec<String> {
    let file = fixture(&case.file);
    let check = |(channels, ending): (Channels, &str)| {
        let picture = decode(&file, channels, BACKGROUND).map_err(|error| error.to_string())?;
        if (picture.width, picture.height) != (case.width, case.height) {
            return Err(format!("it is {} x {}", picture.width, picture.height));
        }
        compare(picture, fixture(&format!("{}.{ending}", case.expected)))
    };
    [(Channels::Rgb, "rgb"), (Channels::Gray, "grey")]
        .into_iter()
        .filter_map(|both| {
            check(both).err().map(|error| format!("{} from {} as {}: {error}", case.expected, case.file, both.1))
        })
        .collect()
}

#[test]
fn lossless_pictures_decoded_and_fitted_are_pillows_to_the_byte() {
    let cases: Vec<Case> = cases().into_iter().filter(|case| case.fitted.is_some()).collect();
    assert_eq!(cases.len(), 141);
    let compare = |case: &Case| {
        let (size, fit, filter) = case.fitted.unwrap();
        check(case, |picture, expected| {
            let mut square = vec![0; size * size * picture.channels.count()];
            Fitter::new(size, fit, filter, BACKGROUND).fit(&mut square, &picture);
            assert_eq!(square.len(), expected.len());
            let wrong = square.iter().zip(&expected).filter(|(a, b)| a != b).count();
            match square.iter().zip(&expected).position(|(a, b)| a != b) {
                None => Ok(()),
                Some(first) => Err(format!(
                    "{wrong} of {} bytes differ, the first at {first}: {} for {}",
                    expected.len(),
                    square[first],
                    expected[first]
                )),
            }
        })
    };
    let failures: Vec<String> = cases.iter().flat_map(compare).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn lossy_pictures_decoded_are_pillows_within_the_decoders_freedom() {
    let cases: Vec<Case> = cases().into_iter().filter(|case| case.fitted.is_none()).collect();
    assert_eq!(cases.len(), 42);
    let compare = |case: &Case| {
        check(case, |picture, expected| {
            assert_eq!(picture.pixels.len(), expected.len());
            let errors = picture.pixels.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b));
            let max = errors.clone().max().unwrap();
            let mean = errors.map(f64::from).sum::<f64>() / expected.len() as f64;
            println!("{}: error at most {max}, mean {mean:.3}", case.file);
            let is_within = max <= LOSSY_MAX_ERROR && mean <= LOSSY_MEAN_ERROR;
            if is_within { Ok(()) } else { Err(format!("error up to {max}, mean {mean:.3}")) }
        })
    };
    let failures: Vec<String> = cases.iter().flat_map(compare).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn pictures_that_are_left_out_are_left_out_for_their_true_reason() {
    let text = String::from_utf8(fixture("refused.txt")).unwrap();
    assert_eq!(text.lines().count(), 9);
    for line in text.lines() {
        let (file, words) = line.split_once(' ').unwrap();
        let reason = decode(&fixture(file), Channels::Rgb, BACKGROUND).unwrap_err().to_string();
        assert!(reason.contains(words), "{file}: {reason}, not {words}");
    }
}
