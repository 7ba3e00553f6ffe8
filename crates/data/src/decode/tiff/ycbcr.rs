//! From YCbCr to RGB.

use super::error::refused;
use super::tags::{REFERENCE_BLACK_WHITE, YCBCR_COEFFICIENTS};
use crate::decode::directory::Directory;
use crate::decode::error::DecodeError;

/// Converts YCbCr to RGB in the integers of libtiff, which Pillow uses here: TIFF 6.0, section 21, with 16 binary
/// places.
pub(super) struct YCbCrToRgb {
    /// What each value of Y adds to all three.
    luma: Vec<i32>,
    /// What each value of Cr adds to red, and of Cb to blue.
    red: Vec<i32>,
    blue: Vec<i32>,
    /// What they add to green, with 16 binary places.
    green_of_red: Vec<i32>,
    green_of_blue: Vec<i32>,
}

impl YCbCrToRgb {
    /// Reads the coefficients and the reference black and white.
    pub(super) fn new(directory: &Directory<'_>) -> Result<Self, DecodeError> {
        let numbers = |tag: u16, default: &[f32]| -> Result<Vec<f32>, DecodeError> {
            let Some(values) = directory.find(tag) else { return Ok(default.to_vec()) };
            let numbers: Option<Vec<f32>> = (0..default.len()).map(|i| values.number(i).map(|n| n as f32)).collect();
            let numbers = numbers.filter(|numbers| numbers.iter().all(|n| n.is_finite()));
            numbers.ok_or_else(|| refused(format!("tag {tag} has no {} numbers", default.len())))
        };
        let weights = numbers(YCBCR_COEFFICIENTS, &[0.299, 0.587, 0.114])?;
        let range = numbers(REFERENCE_BLACK_WHITE, &[0.0, 255.0, 128.0, 255.0, 128.0, 255.0])?;
        let fixed = |factor: f32| (f64::from(factor.clamp(0.0, 2.0)) * 65_536.0 + 0.5) as i32;
        let (of_red, of_blue) = (2.0 - 2.0 * weights[0], 2.0 - 2.0 * weights[2]);
        let red = fixed(of_red);
        let green_of_red = fixed(weights[0] * of_red / weights[1]);
        let blue = fixed(of_blue);
        let green_of_blue = fixed(weights[2] * of_blue / weights[1]);
        // From what is stored to the range 0 to 255, or −127 to 127.
        let scaled = |value: f32, black: f32, white: f32, most: f32, bound: f32| {
            let width = if white == black { 1.0 } else { white - black };
            ((value - black) * most / width).clamp(-bound, bound) as i32
        };
        let chroma = |value: i32, at: usize| {
            scaled((value - 128) as f32, range[at] - 128.0, range[at + 1] - 128.0, 127.0, 4096.0)
        };
        const HALF: i32 = 1 << 15;
        let table = |entry: &dyn Fn(i32) -> i32| (0..256).map(entry).collect::<Vec<i32>>();
        Ok(YCbCrToRgb {
            luma: table(&|y| scaled(y as f32, range[0], range[1], 255.0, 8192.0)),
            red: table(&|cr| (red * chroma(cr, 4) + HALF) >> 16),
            blue: table(&|cb| (blue * chroma(cb, 2) + HALF) >> 16),
            green_of_red: table(&|cr| -green_of_red * chroma(cr, 4)),
            green_of_blue: table(&|cb| -green_of_blue * chroma(cb, 2) + HALF),
        })
    }

    /// Converts a pixel to RGB.
    pub(super) fn convert(&self, [y, cb, cr]: [u8; 3]) -> [u8; 3] {
        let (cb, cr) = (usize::from(cb), usize::from(cr));
        let green = (self.green_of_red[cr] + self.green_of_blue[cb]) >> 16;
        [self.red[cr], green, self.blue[cb]].map(|chroma| (self.luma[usize::from(y)] + chroma).clamp(0, 255) as u8)
    }
}
