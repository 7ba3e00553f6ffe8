//! The mouth.

use crate::canvas::{Canvas, Pen, Shape};
use crate::head::Pose;
use crate::palette::{Tone, WHITE, tone};
use crate::rng::Rng;

/// The mouth.
#[derive(Clone, Debug)]
pub(crate) struct Mouth {
    kind: Kind,
    /// Width relative to the usual one.
    width: f32,
    y: f32,
    /// Side (−1 or 1) on which asymmetric mouths are higher and a fang is drawn.
    side: f32,
    fang: bool,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Smile,
    Flat,
    Pout,
    Smirk,
    Cat,
    Laugh,
    Open,
    Grin,
    Surprised,
    Wavy,
    Tongue,
    Lips,
}

/// The kinds with their weights.
const KINDS: [(Kind, u32); 12] = [
    (Kind::Smile, 9),
    (Kind::Flat, 4),
    (Kind::Pout, 3),
    (Kind::Smirk, 3),
    (Kind::Cat, 4),
    (Kind::Laugh, 6),
    (Kind::Open, 6),
    (Kind::Grin, 3),
    (Kind::Surprised, 3),
    (Kind::Wavy, 2),
    (Kind::Tongue, 2),
    (Kind::Lips, 2),
];

impl Mouth {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        Self {
            kind: rng.weighted(&KINDS),
            width: rng.around(1.0, 0.2),
            y: rng.around(74.6, 0.9),
            side: rng.pick(&[-1.0, 1.0]),
            fang: rng.chance(0.18),
        }
    }

    /// Draws the mouth.
    pub(crate) fn draw(&self, canvas: &mut Canvas, pose: &Pose, skin: Tone) {
        let line = tone(skin.lightness * 0.42, 0.085, 22.0).color();
        let w = self.width;
        let pen = || Pen::local((pose.slide(0.95), self.y), (self.side * w, w));
        let line_shape = match self.kind {
            Kind::Smile => pen().taper((-5.0, -0.8), (0.0, 3.6), (5.0, -0.8), 1.0),
            Kind::Flat => pen().taper((-3.6, 0.2), (0.0, 0.5), (3.6, 0.2), 1.0),
            Kind::Pout => pen().taper((-3.4, 1.4), (0.0, -2.4), (3.4, 1.4), 1.1),
            Kind::Smirk => pen().taper((-4.2, 0.9), (1.5, 2.6), (5.0, -1.6), 1.1),
            Kind::Cat => {
                pen().taper((-5.4, -0.8), (-2.8, 3.8), (0.0, 0.0), 1.0).taper((0.0, 0.0), (2.8, 3.8), (5.4, -0.8), 1.0)
            }
            Kind::Wavy => pen()
                .taper((-4.6, 0.6), (-3.0, -1.8), (-1.2, 0.3), 1.0)
                .taper((-1.6, 0.0), (0.2, 2.4), (1.8, 0.2), 1.0)
                .taper((1.4, 0.5), (3.0, -1.8), (4.6, 0.6), 1.0),
            Kind::Tongue => {
                let tongue = pen().from(-0.6, 0.6).cubic((-0.6, 5.0), (4.0, 5.0), (4.0, -0.2)).close().shape();
                canvas.outlined(&tongue, TONGUE.color(), 0.5, line);
                pen().taper((-5.0, -0.8), (0.0, 3.4), (5.0, -1.2), 1.0)
            }
            Kind::Lips => {
                let lips = tone(skin.lightness * 0.74, 0.13, 15.0);
                let lower = pen().from(-4.0, 0.0).quad((0.0, 4.6), (4.0, 0.0)).close().shape();
                let upper = pen().from(-4.0, 0.2).cubic((-2.0, -2.2), (-1.0, -1.6), (0.0, -1.0)).cubic(
                    (1.0, -1.6),
                    (2.0, -2.2),
                    (4.0, 0.2),
                );
                canvas.fill(&lower, lips.color());
                canvas.fill(&upper.close().shape(), lips.shade(0.7).color());
                pen().taper((-4.2, 0.1), (0.0, 0.7), (4.2, 0.1), 0.7)
            }
            Kind::Laugh => {
                let shape = pen()
                    .from(-6.4, -1.6)
                    .quad((0.0, 0.2), (6.4, -1.6))
                    .cubic((5.4, 7.6), (-5.4, 7.6), (-6.4, -1.6))
                    .close()
                    .shape();
                return self.draw_open(canvas, pose, &shape, line, 4.6, true);
            }
            Kind::Open => {
                let shape = pen()
                    .from(-4.0, -0.8)
                    .quad((0.0, -0.2), (4.0, -0.8))
                    .cubic((3.6, 5.0), (-3.6, 5.0), (-4.0, -0.8))
                    .close()
                    .shape();
                return self.draw_open(canvas, pose, &shape, line, 3.6, false);
            }
            Kind::Grin => {
                let shape = pen()
                    .from(-6.0, -1.4)
                    .quad((0.0, 0.4), (6.0, -1.4))
                    .cubic((5.0, 4.4), (-5.0, 4.4), (-6.0, -1.4))
                    .close()
                    .shape();
                canvas.outlined(&shape, WHITE.color(), 0.6, line);
                pen().taper((-4.8, 1.2), (0.0, 2.0), (4.8, 1.2), 0.4)
            }
            Kind::Surprised => {
                let shape = pen().oval((0.0, 0.8), (2.3, 2.9)).shape();
                return self.draw_open(canvas, pose, &shape, line, 4.0, false);
            }
        };
        canvas.fill(&line_shape.shape(), line);
        if self.fang && matches!(self.kind, Kind::Smile | Kind::Cat | Kind::Smirk) {
            let fang = pen().from(1.6, 1.0).line(2.6, 3.2).line(3.6, 0.6).close().shape();
            canvas.outlined(&fang, WHITE.color(), 0.25, line);
        }
    }

    /// Draws an open mouth with a tongue, and with teeth or a fang if they are visible.
    fn draw_open(
        &self,
        canvas: &mut Canvas,
        pose: &Pose,
        shape: &Shape,
        line: crate::ink::Color,
        tongue: f32,
        teeth: bool,
    ) {
        let pen = || Pen::local((pose.slide(0.95), self.y), (self.side * self.width, self.width));
        canvas.outlined(shape, tone(0.46, 0.13, 18.0).color(), 0.6, line);
        canvas.clip(shape);
        canvas.fill(&pen().oval((0.0, tongue + 0.6), (3.4, 2.4)).shape(), TONGUE.color());
        if teeth {
            canvas.fill(
                &pen().from(-5.4, -2.0).line(5.4, -2.0).quad((0.0, 1.8), (-5.4, -2.0)).close().shape(),
                WHITE.color(),
            );
        }
        if self.fang {
            canvas.fill(&pen().from(1.2, -2.0).line(3.4, -2.0).line(2.4, 2.2).close().shape(), WHITE.color());
        }
        canvas.unclip();
    }
}

const TONGUE: Tone = tone(0.72, 0.14, 15.0);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::{Face, tests::assert_all_differ};

    #[test]
    fn all_mouths_differ() {
        assert_all_differ(KINDS.map(|(kind, _)| move |face: &mut Face| face.mouth.kind = kind));
    }
}
