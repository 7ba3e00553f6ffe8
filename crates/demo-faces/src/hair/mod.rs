//! Hair: what lies behind the head, what falls over the forehead, and what frames the cheeks.

mod back;
mod fringe;

use crate::canvas::{Canvas, Pen, Shape};
use crate::head::Pose;
use crate::ink::Ink;
use crate::palette::{CLOTHS, HAIRS, Tone, WHITE};
use crate::rng::Rng;

use back::Back;
use fringe::Fringe;

/// A head of hair.
#[derive(Clone, Debug)]
pub(crate) struct Hair {
    pub(crate) tone: Tone,
    /// The colour of dyed ends, or of a dyed strand in the fringe.
    dye: Tone,
    dyed_ends: bool,
    dyed_strand: bool,
    back: Back,
    fringe: Fringe,
    sides: Sides,
    gloss: Gloss,
    /// 1 if the hair is parted on the right of the picture, −1 on the left.
    part: f32,
    /// Half the width of the hair at the temples.
    pub(crate) half_width: f32,
    /// Height of the crown in the picture.
    pub(crate) crown: f32,
    /// Strands that stand up on the crown.
    ahoge: Ahoge,
    /// What ties tails and braids.
    pub(crate) tie: Tone,
    /// Small random displacements in −1 to 1, handed out by [`Hair::wobble`].
    wobbles: [f32; 12],
}

/// The locks in front of the ears.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sides {
    None,
    Short,
    Cheek,
    Long,
    Blunt,
    FlickedOut,
}

#[derive(Clone, Copy, Debug)]
enum Gloss {
    /// The zigzag ring of light that drawn hair has.
    Ring,
    /// The same, on one side.
    Half,
    /// A soft sheen.
    Soft,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ahoge {
    None,
    Curl,
    Pair,
    Tuft,
}

impl Hair {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        let tone = rng.weighted(&HAIRS).jitter(rng);
        let back = Back::random(rng);
        let sides = if back.is_short() {
            [(Sides::None, 5), (Sides::Short, 5), (Sides::Cheek, 2), (Sides::FlickedOut, 1)].as_slice()
        } else {
            &[
                (Sides::None, 1),
                (Sides::Short, 2),
                (Sides::Cheek, 5),
                (Sides::Long, 5),
                (Sides::Blunt, 2),
                (Sides::FlickedOut, 1),
            ]
        };
        Self {
            tone,
            dye: if rng.chance(0.3) { WHITE } else { rng.weighted(&HAIRS).jitter(rng) },
            dyed_ends: rng.chance(0.1),
            dyed_strand: rng.chance(0.06),
            back,
            fringe: Fringe::random(rng),
            sides: rng.weighted(sides),
            gloss: rng.weighted(&[(Gloss::Ring, 5), (Gloss::Half, 3), (Gloss::Soft, 2)]),
            part: rng.pick(&[-1.0, 1.0]),
            half_width: rng.around(33.0, 1.5),
            crown: rng.around(9.5, 2.0),
            ahoge: rng.weighted(&[(Ahoge::None, 11), (Ahoge::Curl, 4), (Ahoge::Pair, 2), (Ahoge::Tuft, 2)]),
            tie: rng.weighted(&CLOTHS).jitter(rng),
            wobbles: core::array::from_fn(|_| rng.around(0.0, 1.0)),
        }
    }

    /// The `i`-th small random displacement, times `amount`.
    fn wobble(&self, i: usize, amount: f32) -> f32 {
        self.wobbles[i % self.wobbles.len()] * amount
    }

    /// The colour at the ends of long hair.
    fn ends(&self) -> Tone {
        if self.dyed_ends { self.dye } else { self.tone.shade(0.7) }
    }

    /// How far it stands up above the crown, in percent of the picture.
    pub(crate) fn height(&self) -> f32 {
        if matches!(self.back, Back::TopBun | Back::TwinBuns | Back::BunsAndTails) { 5.0 } else { 0.0 }
    }

    fn line_width(&self) -> f32 {
        0.65
    }

    /// Adds the top of the head to a pen that is at the right temple; leaves it at the left one. The pen mirrors by
    /// itself, so this is symmetric but for the crown, which slides with the turn of the head.
    fn over_the_crown(&self, pen: Pen) -> Pen {
        let (w, top) = (self.half_width, self.crown);
        pen.cubic((w + 0.5, 24.0), (w * 0.62, top), (0.0, top)).cubic((-w * 0.62, top), (-w - 0.5, 24.0), (-w, 46.0))
    }

    /// Everything behind the face and the shoulders.
    pub(crate) fn draw_back(&self, canvas: &mut Canvas, pose: &Pose) {
        back::draw_behind(self, canvas, pose);
    }

    /// What hangs over the shoulders: braids, low tails.
    pub(crate) fn draw_over_shoulders(&self, canvas: &mut Canvas) {
        back::draw_over_shoulders(self, canvas);
    }

    /// The shadow the hair throws on the face. The canvas must be clipped to the face.
    pub(crate) fn draw_shadow(&self, canvas: &mut Canvas, pose: &Pose, skin: Tone) {
        let shade = skin.shade(1.15).color();
        for side in [-1.0, 1.0] {
            canvas.fill(&self.side_lock(side, pose).moved(1.0, 1.2), shade);
        }
        canvas.fill(&fringe::shape(self, pose).moved(0.6, 3.0), shade);
    }

    /// Side locks, fringe, gloss, and what stands up.
    pub(crate) fn draw_front(&self, canvas: &mut Canvas, pose: &Pose) {
        let line = self.tone.line().color();
        self.draw_ahoge(canvas, pose);
        for side in [-1.0, 1.0] {
            let lock = self.side_lock(side, pose);
            let long = self.sides == Sides::Long;
            let end = if long && self.dyed_ends { self.dye } else { self.tone.shade(0.35) };
            let bottom = if long { 98.0 } else { 74.0 };
            let ink = Ink::linear(
                (0.0, 40.0),
                (0.0, bottom),
                &[(0.0, self.tone.color()), (0.55, self.tone.color()), (1.0, end.color())],
            );
            canvas.outlined(&lock, ink, self.line_width(), line);
            if self.sides != Sides::None {
                self.draw_side_strand(canvas, side, pose);
            }
        }
        fringe::draw(self, canvas, pose);
        self.draw_gloss(canvas, pose);
        back::draw_ties(self, canvas, pose);
    }

    /// The lock in front of one ear; with no side locks, the short hair at the temple.
    fn side_lock(&self, side: f32, pose: &Pose) -> Shape {
        let w = self.half_width;
        let i = if side < 0.0 { 0 } else { 1 };
        let (dx, dy) = (self.wobble(i, 1.2), self.wobble(i + 2, 3.0));
        let pen = Pen::local((pose.slide(0.15), 0.0), (side, 1.0)).from(w - 2.5, 33.0);
        let pen = match self.sides {
            Sides::None => pen.quad((w - 0.5, 50.0), (27.5 + dx, 57.0)).quad((27.0, 50.0), (24.0, 40.0)),
            Sides::Short => pen.cubic((w + 0.5, 48.0), (w - 2.0, 58.0), (26.5 + dx, 66.0 + dy)).cubic(
                (26.0, 58.0),
                (26.0, 50.0),
                (23.0, 40.0),
            ),
            Sides::Cheek => pen.cubic((w + 2.0, 52.0), (w - 0.5, 66.0), (25.5 + dx, 76.0 + dy)).cubic(
                (25.5, 66.0),
                (26.5, 54.0),
                (23.0, 41.0),
            ),
            Sides::Long => pen.cubic((w + 3.5, 58.0), (w + 1.0, 80.0), (29.0 + dx, 101.0)).cubic(
                (25.0, 84.0),
                (27.0, 60.0),
                (23.0, 41.0),
            ),
            Sides::Blunt => pen
                .cubic((w + 0.8, 50.0), (w + 0.2, 60.0), (w - 1.0, 70.0 + dy))
                .quad((29.0, 72.5 + dy), (25.5, 71.5 + dy))
                .cubic((25.8, 62.0), (26.5, 52.0), (23.0, 41.0)),
            Sides::FlickedOut => pen.cubic((w + 1.0, 52.0), (w - 4.0, 64.0), (w + 3.0 + dx, 75.0 + dy)).cubic(
                (26.0, 73.0),
                (25.0, 58.0),
                (23.0, 41.0),
            ),
        };
        pen.close().shape()
    }

    fn draw_side_strand(&self, canvas: &mut Canvas, side: f32, pose: &Pose) {
        let pen = Pen::local((pose.slide(0.15), 0.0), (side, 1.0));
        let end = match self.sides {
            Sides::Long => 86.0,
            Sides::Short => 58.0,
            _ => 68.0,
        };
        let strand = pen.taper((28.5, 42.0), (31.0, (42.0 + end) / 2.0), (28.0, end), 0.7).shape();
        canvas.fill(&strand, self.tone.shade(1.6).alpha(0.7));
    }

    fn draw_gloss(&self, canvas: &mut Canvas, pose: &Pose) {
        let light = self.tone.light(1.15);
        let x = pose.slide(0.35);
        if let Gloss::Soft = self.gloss {
            let (center, radius) = ((x - 8.0, self.crown + 13.5), (18.0, 9.0));
            let ink = Ink::oval(
                center,
                radius,
                &[(0.0, light.alpha(0.85)), (0.4, light.alpha(0.6)), (1.0, light.alpha(0.0))],
            );
            canvas.fill(&Pen::new().oval(center, radius).shape(), ink);
            return;
        }
        // A ribbon of light on an arc that follows the skull, frayed along the strands: short at the top, long below.
        let (from, to) = match self.gloss {
            Gloss::Half => (-22.0, 2.0),
            _ => (-21.0, 21.0),
        };
        let on_arc = |share: f32, out: f32| {
            let across = from + (to - from) * share;
            let along = (1.0 - (across / 31.0) * (across / 31.0)).sqrt();
            (x + across * (1.0 + out * 0.02), 46.0 - 22.0 * along + self.crown - 9.5 - out)
        };
        let teeth = if let Gloss::Half = self.gloss { 5 } else { 9 };
        // How wide it is at each share of its length: nothing at its ends.
        let swell = |share: f32| 4.0 * share * (1.0 - share);
        let start = on_arc(0.0, 0.0);
        let mut pen = Pen::new().from(start.0, start.1);
        for i in 0..teeth {
            let at = |part: f32| (i as f32 + part) / teeth as f32;
            let out = |part: f32, low: f32, high: f32| on_arc(at(part), low + high * swell(at(part)));
            let tip = out(0.5, 0.4 + self.wobble(i, 0.8), 3.0);
            pen = pen.quad(out(0.35, 0.0, 1.6), tip).quad(out(0.65, 0.0, 1.6), out(1.0, 0.0, 1.2));
        }
        for i in (0..teeth).rev() {
            let at = |part: f32| (i as f32 + part) / teeth as f32;
            let out = |part: f32, low: f32, high: f32| on_arc(at(part), low + high * swell(at(part)));
            let tip = out(0.5, -0.8 + self.wobble(i + 5, 1.3), -4.6);
            pen = pen.quad(out(0.75, 0.0, -2.6), tip).quad(out(0.25, 0.0, -2.6), out(0.0, 0.0, -1.8));
        }
        canvas.fill(&pen.close().shape(), light.alpha(0.8));
    }

    fn draw_ahoge(&self, canvas: &mut Canvas, pose: &Pose) {
        let top = self.crown;
        let pen = Pen::local((pose.slide(0.2), top), (self.part, 1.0));
        let strands = match self.ahoge {
            Ahoge::None => return,
            Ahoge::Curl => pen
                .from(-2.0, 3.0)
                .cubic((-4.0, -9.0), (8.0, -12.0), (11.0, -2.0))
                .cubic((7.0, -7.5), (1.5, -6.0), (2.0, 3.0))
                .close(),
            Ahoge::Pair => pen
                .from(-2.5, 3.0)
                .quad((-3.0, -6.0), (-10.0, -6.5))
                .quad((-3.5, -8.5), (1.0, 3.0))
                .close()
                .from(-1.0, 3.0)
                .quad((2.0, -8.0), (11.0, -6.0))
                .quad((5.0, -5.0), (3.0, 3.0))
                .close(),
            Ahoge::Tuft => pen
                .from(-7.0, 3.0)
                .quad((-6.0, -3.0), (-10.0, -5.0))
                .quad((-3.0, -4.0), (-1.5, 1.0))
                .quad((-0.5, -5.0), (3.0, -8.0))
                .quad((2.5, -3.0), (4.0, 1.0))
                .quad((6.0, -3.0), (11.0, -3.5))
                .quad((8.0, 0.0), (7.0, 4.0))
                .close(),
        };
        canvas.outlined(&strands.shape(), self.tone.color(), self.line_width(), self.tone.line().color());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::{Face, tests::assert_all_differ};

    #[test]
    fn all_hair_styles_differ() {
        assert_all_differ(back::BACKS.map(|(back, _)| move |face: &mut Face| face.hair.back = back));
        assert_all_differ(fringe::FRINGES.map(|(fringe, _)| move |face: &mut Face| face.hair.fringe = fringe));
    }
}
