//! The background behind the head.

use crate::canvas::{Canvas, Pen};
use crate::eyes::{heart, star};
use crate::ink::Ink;
use crate::palette::{Tone, WHITE, tone};
use crate::rng::Rng;

/// The background.
#[derive(Clone, Debug)]
pub(crate) struct Background {
    kind: Kind,
    base: Tone,
    accent: Tone,
    /// Offset of patterns as a fraction of their period.
    phase: (f32, f32),
    /// Distance between the elements of a pattern.
    pitch: f32,
    /// Sizes and positions of scattered elements.
    scatter: [(f32, f32, f32); 9],
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Flat,
    Vertical,
    Diagonal,
    Split,
    Disc,
    Dots,
    Stripes,
    Checks,
    Sunburst,
    Bokeh,
    Stars,
    Hearts,
    Glow,
    Sky,
    Night,
}

/// The kinds with their weights.
const KINDS: [(Kind, u32); 15] = [
    (Kind::Flat, 8),
    (Kind::Vertical, 8),
    (Kind::Diagonal, 7),
    (Kind::Split, 4),
    (Kind::Disc, 5),
    (Kind::Dots, 4),
    (Kind::Stripes, 4),
    (Kind::Checks, 2),
    (Kind::Sunburst, 3),
    (Kind::Bokeh, 5),
    (Kind::Stars, 2),
    (Kind::Hearts, 2),
    (Kind::Glow, 5),
    (Kind::Sky, 4),
    (Kind::Night, 3),
];

impl Background {
    /// Returns a random background that contrasts with the hair.
    pub(crate) fn random(rng: &mut Rng, hair: Tone) -> Self {
        // A hue opposite or next to that of the hair, rarely the same.
        let hue = hair.hue + rng.pick(&[180.0, 150.0, 210.0, 120.0, 240.0, 60.0, -60.0, 30.0]) + rng.around(0.0, 20.0);
        let deep = hair.lightness > 0.72 && rng.chance(0.35);
        // Dark yellows look muddy, so dark backgrounds have cool hues.
        let hue = if deep { 180.0 + (hue - 180.0).rem_euclid(170.0) } else { hue };
        let base = if deep {
            tone(rng.range(0.42, 0.62), rng.range(0.05, 0.1), hue)
        } else {
            tone(rng.range(0.82, 0.94), rng.range(0.025, 0.085), hue)
        };
        let accent = if rng.chance(0.35) {
            base.mix(WHITE, 0.6)
        } else {
            tone(base.lightness + rng.pick(&[-0.07, 0.05]), base.chroma * 1.2, hue + rng.around(0.0, 60.0))
        };
        Self {
            kind: rng.weighted(&KINDS),
            base,
            accent,
            phase: (rng.unit(), rng.unit()),
            pitch: rng.range(11.0, 17.0),
            scatter: core::array::from_fn(|_| (rng.range(-50.0, 50.0), rng.range(0.0, 100.0), rng.unit())),
        }
    }

    /// Draws the background.
    pub(crate) fn draw(&self, canvas: &mut Canvas) {
        let (base, accent) = (self.base.color(), self.accent.color());
        match self.kind {
            Kind::Flat => canvas.flood(base),
            Kind::Vertical => canvas.flood(Ink::linear((0.0, 0.0), (0.0, 100.0), &[(0.0, base), (1.0, accent)])),
            Kind::Diagonal => canvas.flood(Ink::linear((-50.0, 0.0), (50.0, 100.0), &[(0.0, accent), (1.0, base)])),
            Kind::Glow => canvas.flood(Ink::radial(
                (0.0, 45.0),
                62.0,
                &[(0.0, self.base.light(0.9).color()), (1.0, self.base.shade(0.35).color())],
            )),
            Kind::Split => {
                canvas.flood(base);
                let lean = 80.0 * (self.phase.0 - 0.5);
                let half = Pen::new().from(lean, 0.0).line(50.0, 0.0).line(50.0, 100.0).line(-lean, 100.0).close();
                canvas.fill(&half.shape(), accent);
            }
            Kind::Disc => {
                canvas.flood(base);
                canvas.fill(&Pen::new().circle((0.0, 46.0), 40.0 + 6.0 * self.phase.0).shape(), accent);
            }
            Kind::Dots => {
                canvas.flood(base);
                self.scatter_grid(canvas, |pen, at| pen.circle(at, 2.6));
            }
            Kind::Stripes => {
                canvas.flood(base);
                let slope = if self.phase.1 < 0.3 { 0.0 } else { 40.0 * (self.phase.1 - 0.65) / 0.35 };
                let mut pen = Pen::new();
                let mut x = -100.0 + self.phase.0 * self.pitch;
                while x < 100.0 {
                    let half = self.pitch / 2.0;
                    pen = pen
                        .from(x, 0.0)
                        .line(x + half, 0.0)
                        .line(x + half - slope, 100.0)
                        .line(x - slope, 100.0)
                        .close();
                    x += self.pitch;
                }
                canvas.fill(&pen.shape(), accent);
            }
            Kind::Checks => {
                canvas.flood(base);
                let half = self.pitch * 0.36;
                self.scatter_grid(canvas, |pen, (x, y)| {
                    pen.from(x, y - half).line(x + half, y).line(x, y + half).line(x - half, y).close()
                });
            }
            Kind::Sunburst => {
                canvas.flood(base);
                let mut pen = Pen::local((0.0, 50.0), (80.0, 80.0));
                for i in 0..10 {
                    let angle = (i as f32 + self.phase.0) * core::f32::consts::TAU / 10.0;
                    let end = angle + core::f32::consts::TAU / 20.0;
                    pen = pen
                        .from(0.0, 0.0)
                        .line(libm::cosf(angle), libm::sinf(angle))
                        .line(libm::cosf(end), libm::sinf(end))
                        .close();
                }
                canvas.fill(&pen.shape(), accent);
            }
            Kind::Bokeh => {
                canvas.flood(Ink::linear(
                    (0.0, 0.0),
                    (0.0, 100.0),
                    &[(0.0, base), (1.0, self.base.shade(0.5).color())],
                ));
                for &(x, y, size) in &self.scatter {
                    let spot = self.accent.light(0.8).alpha(0.25 + 0.3 * size);
                    canvas.fill(&Pen::new().circle((x, y), 4.0 + 8.0 * size).shape(), spot);
                }
            }
            Kind::Stars => {
                canvas.flood(base);
                for &(x, y, size) in &self.scatter {
                    canvas.fill(&star((x, y), 2.5 + 3.5 * size, 0.45), accent);
                }
            }
            Kind::Hearts => {
                canvas.flood(base);
                for &(x, y, size) in &self.scatter {
                    canvas.fill(&heart((x, y), 2.5 + 3.0 * size), accent);
                }
            }
            Kind::Sky => {
                let (high, low) = (tone(0.74, 0.1, 240.0 + 10.0 * self.phase.0), tone(0.93, 0.04, 225.0));
                canvas.flood(Ink::linear((0.0, 0.0), (0.0, 90.0), &[(0.0, high.color()), (1.0, low.color())]));
                for &(x, y, size) in &self.scatter[..4] {
                    let s = 5.0 + 5.0 * size;
                    let cloud = Pen::local((x, y * 0.7), (s, s))
                        .oval((0.0, 0.0), (1.5, 0.5))
                        .circle((-0.4, -0.4), 0.6)
                        .circle((0.45, -0.25), 0.5);
                    canvas.fill(&cloud.shape(), WHITE.alpha(0.85));
                }
            }
            Kind::Night => {
                let (high, low) = (tone(0.28, 0.09, 280.0), tone(0.58, 0.12, 310.0 + 50.0 * self.phase.0));
                canvas.flood(Ink::linear((0.0, 0.0), (0.0, 100.0), &[(0.0, high.color()), (1.0, low.color())]));
                for &(x, y, size) in &self.scatter {
                    canvas.fill(&Pen::new().circle((x, y * 0.8), 0.6 + 0.9 * size).shape(), WHITE.alpha(0.9));
                }
            }
        }
    }

    /// Draws a pattern of elements in staggered rows as one shape. `element(pen, center)` adds one element.
    fn scatter_grid(&self, canvas: &mut Canvas, element: impl Fn(Pen, (f32, f32)) -> Pen) {
        let mut pen = Pen::new();
        let mut row = 0;
        let mut y = (self.phase.1 - 1.0) * self.pitch;
        while y < 100.0 + self.pitch {
            let mut x = -50.0 + (self.phase.0 - 1.0) * self.pitch + (row % 2) as f32 * self.pitch / 2.0;
            while x < 50.0 + self.pitch {
                pen = element(pen, (x, y));
                x += self.pitch;
            }
            y += self.pitch * 0.75;
            row += 1;
        }
        canvas.fill(&pen.shape(), self.accent.color());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::{Face, tests::assert_all_differ};

    #[test]
    fn all_backgrounds_differ() {
        assert_all_differ(KINDS.map(|(kind, _)| move |face: &mut Face| face.background.kind = kind));
    }
}
