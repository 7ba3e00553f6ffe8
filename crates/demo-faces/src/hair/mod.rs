//! The hair: behind the head, over the forehead, and beside the cheeks.

mod back;
mod fringe;
mod style;

use crate::canvas::{Canvas, Pen, Shape};
use crate::head::Pose;
use crate::ink::Ink;
use crate::palette::Tone;
use style::{Ahoge, Gloss, Sides};

pub(crate) use style::Hair;

impl Hair {
    /// Draws the hair behind the face and the shoulders.
    pub(crate) fn draw_back(&self, canvas: &mut Canvas, pose: &Pose) {
        back::draw_behind(self, canvas, pose);
    }

    /// Draws the hair over the shoulders: braids and low tails.
    pub(crate) fn draw_over_shoulders(&self, canvas: &mut Canvas) {
        back::draw_over_shoulders(self, canvas);
    }

    /// Draws the shadow of the hair on the face. The canvas must be clipped to the face.
    pub(crate) fn draw_shadow(&self, canvas: &mut Canvas, pose: &Pose, skin: Tone) {
        let shade = skin.shade(1.15).color();
        for side in [-1.0, 1.0] {
            canvas.fill(&self.side_lock(side, pose).moved(1.0, 1.2), shade);
        }
        canvas.fill(&fringe::shape(self, pose).moved(0.6, 3.0), shade);
    }

    /// Draws the hair in front of the face: side locks, fringe, gloss and ahoge.
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

    /// Returns the lock in front of one ear; without side locks, the short hair at the temple.
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

    /// Draws a light strand on a side lock.
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

    /// Draws the highlight on the hair.
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
        // A ribbon on an arc around the skull with teeth along the strands: short ones at the top, long ones below.
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
        // Width at each fraction of the length: 0 at both ends.
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

    /// Draws the strands that stand up on the crown.
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
        assert_all_differ(style::BACKS.map(|(back, _)| move |face: &mut Face| face.hair.back = back));
        assert_all_differ(style::FRINGES.map(|(fringe, _)| move |face: &mut Face| face.hair.fringe = fringe));
    }
}
