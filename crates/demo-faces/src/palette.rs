//! Colors as lightness, chroma and hue in OKLCH (Björn Ottosson, "A perceptual color space for image processing",
//! 2020). Equal steps look equal there, so a shadow or a highlight is the same arithmetic for every hue.

use crate::ink::Color;
use crate::rng::Rng;

/// Hue in degrees that shadows move towards: a cool violet.
const SHADOW_HUE: f32 = 300.0;
/// Hue in degrees that highlights move towards: a warm yellow.
const LIGHT_HUE: f32 = 85.0;

/// An opaque color in OKLCH: lightness 0 to 1, chroma 0 (gray) to about 0.3, hue in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tone {
    pub(crate) lightness: f32,
    pub(crate) chroma: f32,
    pub(crate) hue: f32,
}

/// Returns a tone. Shorthand for the tables below.
pub(crate) const fn tone(lightness: f32, chroma: f32, hue: f32) -> Tone {
    Tone { lightness, chroma, hue }
}

/// A slightly warm white.
pub(crate) const WHITE: Tone = tone(0.985, 0.004, 90.0);

impl Tone {
    /// Returns the color with a small random change.
    pub(crate) fn jitter(self, rng: &mut Rng) -> Self {
        tone(
            (self.lightness + rng.around(0.0, 0.035)).clamp(0.0, 1.0),
            self.chroma * rng.around(1.0, 0.15),
            self.hue + rng.around(0.0, 9.0),
        )
    }

    /// Returns the color in the shade. A `depth` of 1 is the usual shadow of cel shading.
    pub(crate) fn shade(self, depth: f32) -> Self {
        tone(
            (self.lightness * (1.0 - 0.17 * depth)).max(0.0),
            // Deep shadows are less saturated.
            self.chroma * (1.0 + 0.1 * depth.min(1.0) - 0.12 * (depth - 1.0).max(0.0)) + 0.008 * depth.min(1.0),
            self.toward(SHADOW_HUE, 8.0 * depth.min(1.2)),
        )
    }

    /// Returns the color in the light. An `amount` of 1 is a highlight on hair.
    pub(crate) fn light(self, amount: f32) -> Self {
        tone(
            self.lightness + (0.99 - self.lightness) * (0.45 * amount).min(1.0),
            self.chroma * (1.0 - 0.25 * amount).max(0.0),
            self.toward(LIGHT_HUE, 10.0 * amount),
        )
    }

    /// Returns the color of the outline around this color: a much darker shade of it.
    pub(crate) fn line(self) -> Self {
        tone(self.lightness * 0.47, self.chroma * 0.85 + 0.02, self.toward(SHADOW_HUE, 18.0))
    }

    /// Returns the mix of `self` and `other`, of which `share` (0 to 1) is from `other`. It interpolates in a straight
    /// line through the color space, not around the circle of hues.
    pub(crate) fn mix(self, other: Self, share: f32) -> Self {
        let (a, b) = (self.chroma_axes(), other.chroma_axes());
        let (x, y) = (a.0 + (b.0 - a.0) * share, a.1 + (b.1 - a.1) * share);
        tone(
            self.lightness + (other.lightness - self.lightness) * share,
            (x * x + y * y).sqrt(),
            libm::atan2f(y, x).to_degrees(),
        )
    }

    /// Converts to an opaque sRGB color, clipped to the gamut.
    pub(crate) fn color(self) -> Color {
        self.alpha(1.0)
    }

    /// Converts to an sRGB color with this alpha (0 to 1).
    pub(crate) fn alpha(self, alpha: f32) -> Color {
        let (a, b) = self.chroma_axes();
        let l = self.lightness + 0.396_337_78 * a + 0.215_803_76 * b;
        let m = self.lightness - 0.105_561_346 * a - 0.063_854_17 * b;
        let s = self.lightness - 0.089_484_18 * a - 1.291_485_5 * b;
        let (l, m, s) = (l * l * l, m * m * m, s * s * s);
        let red = 4.076_741_7 * l - 3.307_711_6 * m + 0.230_969_94 * s;
        let green = -1.268_438 * l + 2.609_757_4 * m - 0.341_319_38 * s;
        let blue = -0.004_196_086_3 * l - 0.703_418_6 * m + 1.707_614_7 * s;
        [gamma(red), gamma(green), gamma(blue), alpha].map(|share| (share.clamp(0.0, 1.0) * 255.0 + 0.5) as u8)
    }

    /// Returns chroma and hue as the coordinates a and b of OKLab.
    fn chroma_axes(self) -> (f32, f32) {
        let hue = self.hue.to_radians();
        (self.chroma * libm::cosf(hue), self.chroma * libm::sinf(hue))
    }

    /// Returns the hue moved by at most `degrees` towards `target`, in the shorter direction.
    fn toward(self, target: f32, degrees: f32) -> f32 {
        let mut way = (target - self.hue) % 360.0;
        if way > 180.0 {
            way -= 360.0;
        } else if way < -180.0 {
            way += 360.0;
        }
        self.hue + way.clamp(-degrees, degrees)
    }
}

/// Transfer function of sRGB. It uses `libm` instead of the platform's `powf`, so that every platform has the same
/// bits.
fn gamma(linear: f32) -> f32 {
    let linear = linear.clamp(0.0, 1.0);
    if linear <= 0.003_130_8 { 12.92 * linear } else { 1.055 * libm::powf(linear, 1.0 / 2.4) - 0.055 }
}

/// Tones of skin with their weights.
pub(crate) const SKINS: [(Tone, u32); 8] = [
    (tone(0.945, 0.027, 62.0), 22),
    (tone(0.925, 0.038, 60.0), 30),
    (tone(0.900, 0.050, 62.0), 22),
    (tone(0.860, 0.065, 64.0), 12),
    (tone(0.790, 0.080, 62.0), 8),
    (tone(0.690, 0.085, 57.0), 6),
    (tone(0.580, 0.078, 52.0), 5),
    (tone(0.480, 0.062, 48.0), 4),
];

/// Tones of hair with their weights, natural ones and others.
pub(crate) const HAIRS: [(Tone, u32); 24] = [
    (tone(0.300, 0.030, 290.0), 9), // black
    (tone(0.370, 0.045, 270.0), 5), // blue black
    (tone(0.400, 0.055, 40.0), 8),  // dark brown
    (tone(0.500, 0.080, 52.0), 9),  // brown
    (tone(0.560, 0.110, 47.0), 6),  // chestnut
    (tone(0.700, 0.080, 68.0), 5),  // ash brown
    (tone(0.865, 0.105, 90.0), 10), // blonde
    (tone(0.780, 0.125, 80.0), 6),  // honey
    (tone(0.925, 0.045, 92.0), 4),  // platinum
    (tone(0.820, 0.020, 275.0), 5), // silver
    (tone(0.940, 0.012, 280.0), 4), // white
    (tone(0.550, 0.180, 27.0), 6),  // red
    (tone(0.700, 0.155, 50.0), 6),  // orange
    (tone(0.810, 0.105, 5.0), 8),   // pink
    (tone(0.680, 0.180, 0.0), 3),   // rose
    (tone(0.780, 0.095, 308.0), 6), // lavender
    (tone(0.540, 0.150, 303.0), 5), // purple
    (tone(0.410, 0.110, 275.0), 4), // navy
    (tone(0.600, 0.140, 260.0), 6), // blue
    (tone(0.790, 0.095, 235.0), 6), // sky
    (tone(0.680, 0.105, 200.0), 4), // teal
    (tone(0.860, 0.085, 170.0), 4), // mint
    (tone(0.640, 0.125, 150.0), 3), // green
    (tone(0.420, 0.110, 12.0), 3),  // wine
];

/// Tones of irises with their weights.
pub(crate) const IRISES: [(Tone, u32); 13] = [
    (tone(0.600, 0.160, 255.0), 12), // blue
    (tone(0.720, 0.125, 225.0), 9),  // sky
    (tone(0.660, 0.150, 150.0), 9),  // green
    (tone(0.700, 0.115, 185.0), 6),  // teal
    (tone(0.740, 0.150, 75.0), 8),   // amber
    (tone(0.830, 0.150, 93.0), 5),   // gold
    (tone(0.500, 0.090, 50.0), 10),  // brown
    (tone(0.400, 0.060, 40.0), 5),   // dark brown
    (tone(0.560, 0.200, 24.0), 7),   // red
    (tone(0.650, 0.190, 358.0), 6),  // pink
    (tone(0.560, 0.180, 300.0), 9),  // violet
    (tone(0.620, 0.035, 260.0), 4),  // grey
    (tone(0.800, 0.140, 130.0), 3),  // lime
];

/// Tones of cloth, ribbons and frames of glasses with their weights.
pub(crate) const CLOTHS: [(Tone, u32); 14] = [
    (tone(0.960, 0.008, 250.0), 8), // white
    (tone(0.330, 0.070, 268.0), 9), // navy
    (tone(0.260, 0.020, 290.0), 6), // black
    (tone(0.560, 0.190, 25.0), 8),  // red
    (tone(0.440, 0.130, 18.0), 4),  // wine
    (tone(0.800, 0.110, 2.0), 7),   // pink
    (tone(0.780, 0.145, 70.0), 5),  // orange
    (tone(0.890, 0.130, 95.0), 5),  // yellow
    (tone(0.600, 0.120, 155.0), 4), // green
    (tone(0.860, 0.080, 170.0), 4), // mint
    (tone(0.780, 0.090, 232.0), 6), // sky
    (tone(0.560, 0.150, 260.0), 5), // blue
    (tone(0.600, 0.140, 303.0), 5), // violet
    (tone(0.880, 0.040, 80.0), 4),  // cream
];

#[cfg(test)]
mod tests {
    use super::*;

    fn rgb(tone: Tone) -> [u8; 3] {
        let [red, green, blue, _] = tone.color();
        [red, green, blue]
    }

    /// sRGB's primaries in OKLCH, as CSS Color 4 gives them, to within the rounding of their published digits.
    #[test]
    fn known_colors() {
        for (tone, expected) in [
            (tone(0.62796, 0.25768, 29.234), [255, 0, 0]),
            (tone(0.86644, 0.29483, 142.495), [0, 255, 0]),
            (tone(0.45201, 0.31321, 264.052), [0, 0, 255]),
            (tone(1.0, 0.0, 0.0), [255, 255, 255]),
            (tone(0.0, 0.0, 0.0), [0, 0, 0]),
        ] {
            for (got, want) in rgb(tone).into_iter().zip(expected) {
                assert!(got.abs_diff(want) <= 1, "{tone:?}: {:?} is not {expected:?}", rgb(tone));
            }
        }
    }

    #[test]
    fn shadows_are_darker_and_lights_lighter() {
        for (tone, _) in SKINS.into_iter().chain(HAIRS) {
            assert!(tone.line().lightness < tone.shade(1.0).lightness);
            assert!(tone.shade(1.0).lightness < tone.lightness);
            assert!(tone.lightness < tone.light(1.0).lightness);
        }
    }

    #[test]
    fn hues_take_the_short_way() {
        assert_eq!(tone(0.5, 0.1, 350.0).toward(85.0, 20.0), 370.0);
        assert_eq!(tone(0.5, 0.1, 10.0).toward(300.0, 20.0), -10.0);
        assert_eq!(tone(0.5, 0.1, 299.0).toward(300.0, 20.0), 300.0);
    }
}
