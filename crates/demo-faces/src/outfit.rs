//! Clothes: shoulders and collar.

use crate::canvas::{Canvas, Pen, Shape};
use crate::ink::Ink;
use crate::palette::{CLOTHS, Tone, WHITE};
use crate::rng::Rng;

/// The clothes of a face.
#[derive(Clone, Debug)]
pub(crate) struct Outfit {
    kind: Kind,
    cloth: Tone,
    trim: Tone,
    choker: bool,
    shoulders: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Sailor,
    ShirtAndTie,
    Hoodie,
    Turtleneck,
    Kimono,
    Tee,
    Scarf,
    Frill,
    Jacket,
    Straps,
}

/// The kinds with their weights.
const KINDS: [(Kind, u32); 10] = [
    (Kind::Sailor, 8),
    (Kind::ShirtAndTie, 7),
    (Kind::Hoodie, 6),
    (Kind::Turtleneck, 5),
    (Kind::Kimono, 5),
    (Kind::Tee, 6),
    (Kind::Scarf, 4),
    (Kind::Frill, 5),
    (Kind::Jacket, 5),
    (Kind::Straps, 4),
];

impl Outfit {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        let cloth = rng.weighted(&CLOTHS).jitter(rng);
        let trim = rng.weighted(&CLOTHS).jitter(rng);
        // The trim must differ from the cloth to be visible.
        let trim = if (trim.lightness - cloth.lightness).abs() < 0.15 && cloth.lightness < 0.7 { WHITE } else { trim };
        Self { kind: rng.weighted(&KINDS), cloth, trim, choker: rng.chance(0.12), shoulders: rng.around(40.0, 4.0) }
    }

    /// Returns the outline of the shoulders with a neckline of the width `open` and the depth `deep`.
    fn torso(&self, open: f32, deep: f32) -> Shape {
        let s = self.shoulders;
        Pen::new()
            .from(-open, 89.5)
            .cubic((-24.0, 92.5), (-s + 4.0, 93.5), (-s - 3.0, 106.0))
            .line(s + 3.0, 106.0)
            .cubic((s - 4.0, 93.5), (24.0, 92.5), (open, 89.5))
            .quad((open * 0.6, deep), (0.0, deep))
            .quad((-open * 0.6, deep), (-open, 89.5))
            .close()
            .shape()
    }

    /// Draws the clothes.
    pub(crate) fn draw(&self, canvas: &mut Canvas) {
        let (cloth, trim) = (self.cloth, self.trim);
        let (line, trim_line) = (cloth.line().color(), trim.line().color());
        let fabric = |tone: Tone| {
            Ink::linear(
                (-20.0, 88.0),
                (30.0, 104.0),
                &[(0.0, tone.light(0.12).color()), (1.0, tone.shade(0.8).color())],
            )
        };
        if self.choker {
            let choker = Pen::new()
                .from(-8.8, 85.6)
                .quad((0.0, 90.4), (8.8, 85.6))
                .line(9.2, 88.0)
                .quad((0.0, 93.0), (-9.2, 88.0));
            canvas.outlined(&choker.close().shape(), trim.color(), 0.3, trim_line);
        }
        match self.kind {
            Kind::Sailor => {
                canvas.outlined(&self.torso(14.0, 101.0), fabric(WHITE), 0.6, line);
                for side in [-1.0, 1.0] {
                    let collar = Pen::side(side)
                        .from(9.5, 87.5)
                        .quad((24.0, 90.0), (32.0, 101.0))
                        .line(6.0, 106.0)
                        .line(0.5, 101.5)
                        .quad((9.0, 96.0), (9.5, 87.5))
                        .close();
                    canvas.outlined(&collar.shape(), fabric(cloth), 0.6, line);
                    let stripe = Pen::side(side).taper((11.5, 91.0), (22.0, 93.0), (27.5, 101.5), 0.9);
                    canvas.fill(&stripe.shape(), WHITE.alpha(0.9));
                }
                draw_bow(canvas, (0.0, 100.5), 8.0, trim);
            }
            Kind::ShirtAndTie => {
                canvas.outlined(&self.torso(10.0, 97.0), fabric(cloth), 0.6, line);
                let tie = Pen::new().from(-2.6, 95.0).line(2.6, 95.0).line(3.6, 106.0).line(-3.6, 106.0).close();
                canvas.outlined(&tie.shape(), trim.color(), 0.5, trim_line);
                for side in [-1.0, 1.0] {
                    let collar = Pen::side(side)
                        .from(9.5, 86.0)
                        .line(14.5, 91.5)
                        .line(6.5, 99.5)
                        .line(0.0, 94.5)
                        .quad((7.0, 92.0), (9.5, 86.0))
                        .close();
                    canvas.outlined(&collar.shape(), WHITE.color(), 0.6, line);
                }
            }
            Kind::Hoodie => {
                canvas.outlined(&self.torso(12.0, 97.0), fabric(cloth), 0.6, line);
                for side in [-1.0, 1.0] {
                    let hood = Pen::side(side)
                        .from(9.0, 83.5)
                        .cubic((20.0, 83.0), (27.0, 89.0), (22.0, 96.0))
                        .quad((12.0, 101.0), (0.0, 100.0))
                        .quad((9.5, 95.0), (9.0, 83.5))
                        .close();
                    canvas.outlined(&hood.shape(), cloth.shade(0.4).color(), 0.6, line);
                    canvas.stroke(&Pen::side(side).from(5.5, 98.0).line(6.0, 105.0).shape(), 1.1, trim.color());
                }
            }
            Kind::Turtleneck => {
                canvas.outlined(&self.torso(10.0, 92.0), fabric(cloth), 0.6, line);
                let roll = Pen::new()
                    .from(-9.6, 84.5)
                    .quad((0.0, 88.5), (9.6, 84.5))
                    .quad((11.5, 90.0), (10.5, 93.0))
                    .quad((0.0, 97.0), (-10.5, 93.0))
                    .quad((-11.5, 90.0), (-9.6, 84.5))
                    .close();
                canvas.outlined(&roll.shape(), fabric(cloth.light(0.1)), 0.6, line);
            }
            Kind::Kimono => {
                canvas.outlined(&self.torso(13.0, 104.0), fabric(cloth), 0.6, line);
                let under = Pen::new()
                    .from(9.5, 87.0)
                    .line(15.0, 90.5)
                    .quad((8.0, 98.0), (0.0, 106.0))
                    .line(-8.0, 106.0)
                    .quad((6.5, 97.0), (9.5, 87.0))
                    .close();
                canvas.outlined(&under.shape(), trim.color(), 0.5, trim_line);
                let over = Pen::new()
                    .from(-9.5, 87.0)
                    .line(-15.0, 90.5)
                    .quad((-8.0, 99.0), (4.0, 106.0))
                    .line(12.0, 106.0)
                    .quad((-6.0, 98.0), (-9.5, 87.0))
                    .close();
                canvas.outlined(&over.shape(), trim.color(), 0.5, trim_line);
            }
            Kind::Tee => {
                canvas.outlined(&self.torso(14.0, 98.5), fabric(cloth), 0.6, line);
                let hem = Pen::new().from(-14.5, 90.0).quad((-9.0, 99.5), (0.0, 99.5)).quad((9.0, 99.5), (14.5, 90.0));
                canvas.stroke(&hem.shape(), 1.8, trim.color());
            }
            Kind::Scarf => {
                canvas.outlined(&self.torso(10.0, 96.0), fabric(cloth), 0.6, line);
                let tail = Pen::new().from(6.0, 92.0).line(16.0, 91.0).line(20.0, 106.0).line(8.0, 106.0).close();
                canvas.outlined(&tail.shape(), trim.shade(0.4).color(), 0.6, trim_line);
                let wrap = Pen::new()
                    .from(-15.0, 83.5)
                    .quad((0.0, 88.5), (15.0, 83.5))
                    .cubic((21.0, 88.0), (19.0, 95.0), (13.0, 97.0))
                    .quad((0.0, 100.5), (-13.0, 97.0))
                    .cubic((-19.0, 95.0), (-21.0, 88.0), (-15.0, 83.5))
                    .close();
                canvas.outlined(&wrap.shape(), fabric(trim), 0.6, trim_line);
                canvas.fill(
                    &Pen::new().taper((-14.0, 88.5), (0.0, 96.0), (12.0, 91.0), 0.8).shape(),
                    trim.shade(1.5).color(),
                );
            }
            Kind::Frill => {
                canvas.outlined(&self.torso(12.0, 96.0), fabric(cloth), 0.6, line);
                let mut pen = Pen::new();
                for i in 0..7 {
                    let t = (i as f32 - 3.0) / 3.0;
                    pen = pen.circle((t * 15.0, 96.5 - t * t * 5.5), 3.8);
                }
                canvas.outlined(&pen.shape(), WHITE.color(), 0.5, line);
                draw_bow(canvas, (0.0, 97.5), 6.5, trim);
            }
            Kind::Jacket => {
                canvas.outlined(&self.torso(10.0, 96.0), fabric(trim.light(0.3)), 0.6, trim_line);
                for side in [-1.0, 1.0] {
                    let s = self.shoulders;
                    let front = Pen::side(side)
                        .from(10.0, 87.0)
                        .cubic((22.0, 91.5), (s - 4.0, 93.0), (s + 3.0, 106.0))
                        .line(8.0, 106.0)
                        .quad((13.0, 96.0), (10.0, 87.0))
                        .close();
                    canvas.outlined(&front.shape(), fabric(cloth), 0.6, line);
                    let lapel = Pen::side(side)
                        .from(10.0, 86.5)
                        .line(18.5, 92.0)
                        .line(16.0, 95.5)
                        .line(18.0, 97.5)
                        .line(8.0, 106.0)
                        .quad((13.0, 96.0), (10.0, 86.5))
                        .close();
                    canvas.outlined(&lapel.shape(), cloth.light(0.2).color(), 0.5, line);
                }
            }
            Kind::Straps => {
                let dress = Pen::new()
                    .from(-27.0, 106.0)
                    .quad((-20.0, 99.0), (-15.0, 99.5))
                    .quad((0.0, 103.5), (15.0, 99.5))
                    .quad((20.0, 99.0), (27.0, 106.0))
                    .close();
                canvas.outlined(&dress.shape(), fabric(cloth), 0.6, line);
                for side in [-1.0, 1.0] {
                    canvas.stroke(
                        &Pen::side(side).from(15.0, 101.0).quad((16.0, 95.0), (13.5, 90.5)).shape(),
                        2.0,
                        cloth.color(),
                    );
                }
            }
        }
    }

    /// Draws the skin of bare shoulders, if the clothes show them.
    pub(crate) fn draw_skin(&self, canvas: &mut Canvas, skin: Tone) {
        if self.kind == Kind::Straps {
            canvas.outlined(&self.torso(12.0, 92.0), skin.color(), 0.6, skin.line().color());
        }
    }
}

/// Draws a bow of ribbon of the half width `size`.
pub(crate) fn draw_bow(canvas: &mut Canvas, center: (f32, f32), size: f32, tone: Tone) {
    let line = tone.line().color();
    let mut loops = Pen::local(center, (size, size));
    for side in [-1.0, 1.0] {
        loops = loops
            .from(0.0, 0.0)
            .cubic((0.3 * side, -0.5), (0.8 * side, -0.75), (1.0 * side, -0.55))
            .quad((1.12 * side, 0.0), (0.95 * side, 0.5))
            .cubic((0.7 * side, 0.6), (0.3 * side, 0.4), (0.0, 0.0))
            .close();
    }
    let mut tails = Pen::local(center, (size, size));
    for side in [-1.0, 1.0] {
        tails = tails.from(0.0, 0.0).line(0.62 * side, 0.95).line(0.36 * side, 0.9).line(0.2 * side, 1.15).close();
    }
    canvas.outlined(&tails.shape(), tone.shade(0.6).color(), 0.5, line);
    canvas.outlined(&loops.shape(), tone.color(), 0.5, line);
    let mut folds = Pen::local(center, (size, size));
    for side in [-1.0, 1.0] {
        folds = folds.taper((0.2 * side, -0.02), (0.5 * side, -0.1), (0.75 * side, -0.2), 0.1);
    }
    canvas.fill(&folds.shape(), tone.shade(1.3).color());
    canvas.outlined(
        &Pen::local(center, (size, size)).oval((0.0, 0.0), (0.2, 0.24)).shape(),
        tone.light(0.2).color(),
        0.4,
        line,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::{Face, tests::assert_all_differ};

    #[test]
    fn all_outfits_differ() {
        assert_all_differ(KINDS.map(|(kind, _)| move |face: &mut Face| face.outfit.kind = kind));
    }
}
