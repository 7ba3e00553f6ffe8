//! The hair behind the face, which determines the silhouette of the head.

use super::style::{Back, Hair};
use crate::canvas::{Canvas, Pen, Shape};
use crate::head::Pose;
use crate::ink::Ink;
use crate::point::Point;

/// Draws all hair behind the face.
pub(super) fn draw_behind(hair: &Hair, canvas: &mut Canvas, pose: &Pose) {
    let line = hair.tone.line().color();
    let x = -pose.slide(0.3);
    let flowing = Ink::linear(
        (0.0, 30.0),
        (0.0, 100.0),
        &[(0.0, hair.tone.color()), (0.5, hair.tone.shade(0.3).color()), (1.0, hair.ends().color())],
    );
    // Parts that are farther back are drawn first: tails and buns, then the hair on the head.
    match hair.back {
        Back::TwinTails | Back::BunsAndTails => {
            for side in [-1.0, 1.0] {
                let tail = twin_tail(hair, side, x);
                let ink = Ink::linear(
                    (0.0, 20.0),
                    (0.0, 100.0),
                    &[(0.0, hair.tone.color()), (0.5, hair.tone.color()), (1.0, hair.ends().color())],
                );
                canvas.outlined(&tail, ink, hair.line_width(), line);
                let strands = Pen::local((x, 0.0), (side, 1.0))
                    .taper((37.0, 27.0), (47.0, 44.0), (42.0, 78.0), 0.9)
                    .taper((35.0, 32.0), (41.0, 48.0), (37.5, 70.0), 0.7);
                canvas.fill(&strands.shape(), hair.tone.shade(1.6).alpha(0.7));
            }
        }
        Back::Ponytail | Back::SideTail => {
            let high = hair.back == Back::Ponytail;
            let pen = Pen::local((x, 0.0), (-hair.part, 1.0));
            let tail = if high {
                pen.from(10.0, 10.0)
                    .cubic((26.0, -4.0), (50.0, 8.0), (46.0, 44.0))
                    .cubic((45.0, 60.0), (40.0, 68.0), (43.0, 82.0))
                    .cubic((30.0, 74.0), (31.0, 56.0), (33.0, 44.0))
                    .cubic((34.0, 30.0), (28.0, 22.0), (14.0, 22.0))
            } else {
                pen.from(28.0, 40.0)
                    .cubic((48.0, 36.0), (50.0, 62.0), (44.0, 80.0))
                    .cubic((43.0, 88.0), (44.0, 94.0), (47.0, 101.0))
                    .cubic((32.0, 100.0), (29.0, 84.0), (32.0, 70.0))
                    .cubic((34.0, 60.0), (33.0, 54.0), (28.0, 54.0))
            };
            canvas.outlined(&tail.close().shape(), flowing, hair.line_width(), line);
            let strand = Pen::local((x, 0.0), (-hair.part, 1.0));
            let strand = if high {
                strand.taper((24.0, 8.0), (44.0, 16.0), (39.0, 60.0), 0.9)
            } else {
                strand.taper((35.0, 44.0), (43.0, 56.0), (38.0, 86.0), 0.9)
            };
            canvas.fill(&strand.shape(), hair.tone.shade(1.6).alpha(0.7));
        }
        _ => {}
    }
    if matches!(hair.back, Back::TopBun | Back::TwinBuns | Back::BunsAndTails) {
        draw_buns(hair, canvas, x);
    }
    let shape = silhouette(hair, x);
    // The hair is dark in the shadow under the head.
    let ink = Ink::radial(
        (x, 74.0),
        44.0,
        &[
            (0.0, hair.tone.shade(2.0).color()),
            (0.45, hair.tone.shade(1.5).color()),
            (0.78, hair.tone.shade(0.45).color()),
            (1.0, hair.tone.color()),
        ],
    );
    canvas.outlined(&shape, ink, hair.line_width(), line);
    if matches!(hair.back, Back::Fluffy | Back::Curly) {
        draw_curls(hair, canvas, x);
    }
    if reaches_down(hair.back) {
        draw_ends(hair, canvas, x);
    }
}

/// Draws small hooks that make the outline of puffs look like curls.
fn draw_curls(hair: &Hair, canvas: &mut Canvas, x: f32) {
    let mut pen = Pen::new();
    for side in [-1.0, 1.0] {
        for (cx, cy) in [(26.0, 17.0), (35.0, 31.0), (38.0, 46.0), (37.0, 61.0), (34.0, 75.0)] {
            let c = (x + side * cx, cy);
            pen = pen.taper(
                (c.0 - side * 3.0, c.1 + 2.5),
                (c.0 + side * 4.0, c.1 + 4.5),
                (c.0 + side * 3.0, c.1 - 2.5),
                0.8,
            );
        }
    }
    canvas.fill(&pen.shape(), hair.tone.shade(1.7).alpha(0.65));
}

/// Whether the hair reaches the lower edge of the image.
fn reaches_down(back: Back) -> bool {
    matches!(back, Back::Long | Back::Wavy)
}

/// Draws dyed ends, and strands along the length of loose hair.
fn draw_ends(hair: &Hair, canvas: &mut Canvas, x: f32) {
    if hair.dyed_ends {
        let dye = hair.dye;
        let ink = Ink::linear((0.0, 66.0), (0.0, 98.0), &[(0.0, dye.alpha(0.0)), (1.0, dye.alpha(1.0))]);
        canvas.fill(&silhouette(hair, x), ink);
    }
    let mut pen = Pen::new();
    for side in [-1.0, 1.0] {
        pen = pen.taper((x + side * 33.0, 52.0), (x + side * 37.0, 72.0), (x + side * 35.5, 97.0), 0.8).taper(
            (x + side * 29.0, 62.0),
            (x + side * 31.0, 80.0),
            (x + side * 29.5, 99.0),
            0.7,
        );
    }
    canvas.fill(&pen.shape(), hair.tone.shade(1.8).alpha(0.6));
}

/// Returns the outline of the hair on the head or down from it.
fn silhouette(hair: &Hair, x: f32) -> Shape {
    let w = hair.half_width + 0.6;
    let (a, b) = (hair.wobble(3, 2.0), hair.wobble(8, 2.0));
    let pen = Pen::local((x, 0.0), (1.0, 1.0));
    match hair.back {
        Back::Short | Back::TopBun => {
            let pen = hair.over_the_crown(pen.from(w, 46.0));
            pen.cubic((-w, 60.0), (-27.0, 66.0), (-20.0, 74.0))
                .line(20.0, 74.0)
                .cubic((27.0, 66.0), (w, 60.0), (w, 46.0))
                .close()
        }
        Back::Spiky => spikes(Pen::local((x, 0.0), (hair.part, 1.0)), hair),
        Back::Bob => hair
            .over_the_crown(pen.from(w, 46.0))
            .cubic((-w - 5.0, 58.0), (-w - 5.5 + a, 76.0), (-w + 3.0, 84.0 + b))
            .quad((-w + 8.0, 86.5 + b), (-19.0, 80.0))
            .line(19.0, 80.0)
            .quad((w - 8.0, 86.5 - b), (w - 3.0, 84.0 - b))
            .cubic((w + 5.5 + a, 76.0), (w + 5.0, 58.0), (w, 46.0))
            .close(),
        Back::Flipped => hair
            .over_the_crown(pen.from(w, 46.0))
            .cubic((-w - 3.0, 58.0), (-w + 0.5, 70.0), (-w - 9.0, 76.0 + a))
            .quad((-w - 1.0, 79.0), (-w + 2.0, 75.0))
            .quad((-w - 1.0, 84.0), (-w - 6.0, 87.0 + b))
            .quad((-w + 5.0, 88.0), (-w + 9.0, 80.0))
            .quad((-w + 9.0, 88.0), (-w + 6.0, 93.0))
            .quad((-w + 16.0, 90.0), (-15.0, 80.0))
            .line(15.0, 80.0)
            .quad((w - 16.0, 90.0), (w - 6.0, 93.0))
            .quad((w - 9.0, 88.0), (w - 9.0, 80.0))
            .quad((w - 5.0, 88.0), (w + 6.0, 87.0 - b))
            .quad((w + 1.0, 84.0), (w - 2.0, 75.0))
            .quad((w + 1.0, 79.0), (w + 9.0, 76.0 - a))
            .cubic((w - 0.5, 70.0), (w + 3.0, 58.0), (w, 46.0))
            .close(),
        Back::Fluffy => puffs(pen, 9.5, 74.0, hair),
        Back::Curly => puffs(pen, 8.5, 104.0, hair),
        Back::Wavy => waves(hair.over_the_crown(pen.from(w, 46.0)), w, a, b),
        Back::Long => hair
            .over_the_crown(pen.from(w, 46.0))
            .cubic((-w - 3.0, 60.0), (-w - 7.0 - a, 78.0), (-w - 7.0 - a + b, 104.0))
            .line(w + 7.0 + a + b, 104.0)
            .cubic((w + 7.0 + a, 78.0), (w + 3.0, 60.0), (w, 46.0))
            .close(),
        // Tied low on both sides.
        Back::LowTails | Back::Braids | Back::Drills => hair
            .over_the_crown(pen.from(w, 46.0))
            .cubic((-w - 1.0, 60.0), (-w + 1.0, 72.0), (-26.0, 80.0))
            .quad((0.0, 74.0), (26.0, 80.0))
            .cubic((w - 1.0, 72.0), (w + 1.0, 60.0), (w, 46.0))
            .close(),
        Back::TwinTails | Back::BunsAndTails | Back::Ponytail | Back::SideTail | Back::TwinBuns => hair
            .over_the_crown(pen.from(w, 46.0))
            .cubic((-w, 64.0), (-26.0, 74.0), (-14.0, 78.0))
            .line(14.0, 78.0)
            .cubic((26.0, 74.0), (w, 64.0), (w, 46.0))
            .close(),
    }
    .shape()
}

/// Adds drooping spikes around the head.
fn spikes(pen: Pen, hair: &Hair) -> Pen {
    const SPIKES: [Point; 11] = [
        (25.0, 83.0),
        (39.0, 74.0),
        (46.0, 54.0),
        (44.0, 31.0),
        (30.0, 10.0),
        (7.0, 0.5),
        (-18.0, 4.0),
        (-38.0, 18.0),
        (-46.0, 42.0),
        (-42.0, 66.0),
        (-27.0, 82.0),
    ];
    // The tips are on a circle around the middle of the skull, the notches on the skull.
    let middle = (0.0, 44.0);
    let mut previous = (13.0, 78.0);
    let mut pen = pen.from(previous.0, previous.1);
    for (i, &(x, y)) in SPIKES.iter().enumerate() {
        let tip = (x + hair.wobble(i, 2.5), y + hair.wobble(i + 6, 2.5));
        let next = SPIKES.get(i + 1).copied().unwrap_or((-20.0, 98.0));
        let (dx, dy) = ((x + next.0) / 2.0 - middle.0, (y + next.1) / 2.0 - middle.1);
        let length = (dx * dx + dy * dy).sqrt().max(1.0);
        let notch = (middle.0 + dx / length * 33.5, middle.1 + dy / length * 33.5);
        let above = |a: Point, b: Point| ((a.0 + b.0) / 2.0, (a.1 + b.1) / 2.0 - 2.5);
        pen = pen.quad(above(previous, tip), tip).quad(above(tip, notch), notch);
        previous = notch;
    }
    pen.close()
}

/// Adds the outline of curls down both sides.
fn puffs(pen: Pen, radius: f32, bottom: f32, hair: &Hair) -> Pen {
    let mut pen = pen.oval((0.0, 44.0), (34.0, 34.0));
    for i in 0..9 {
        // From above the brow down the sides: first along an arc, then straight.
        let angle = i as f32 * 0.36 + 0.15;
        let (sin, cos) = (libm::sinf(angle.min(1.6)), libm::cosf(angle.min(1.6)));
        let y = 44.0 - 33.0 * cos + (angle - 1.6).max(0.0) * 34.0;
        if y > bottom {
            continue;
        }
        for side in [-1.0, 1.0] {
            let r = radius + hair.wobble(i + if side < 0.0 { 0 } else { 5 }, 1.5);
            pen = pen.circle((side * (33.0 * sin + 1.5), y), r);
        }
    }
    if bottom > 90.0 {
        pen = pen.oval((0.0, 78.0), (33.0, 24.0));
    } else {
        pen = pen.oval((0.0, 62.0), (32.0, 20.0));
    }
    pen
}

/// Adds loose waves down to the lower edge. The pen is at the left temple.
fn waves(pen: Pen, w: f32, a: f32, b: f32) -> Pen {
    pen.cubic((-w - 8.0, 54.0), (-w - 7.0, 58.0), (-w - 4.0, 63.0))
        .cubic((-w - 1.0, 68.0), (-w - 4.0, 72.0 + a), (-w - 8.0, 76.0))
        .cubic((-w - 13.0, 82.0), (-w - 9.0, 86.0), (-w - 5.0, 90.0 + b))
        .quad((-w - 2.0, 94.0), (-w - 8.0, 104.0))
        .line(w + 8.0, 104.0)
        .quad((w + 2.0, 94.0), (w + 5.0, 90.0 - b))
        .cubic((w + 9.0, 86.0), (w + 13.0, 82.0), (w + 8.0, 76.0))
        .cubic((w + 4.0, 72.0 - a), (w + 1.0, 68.0), (w + 4.0, 63.0))
        .cubic((w + 7.0, 58.0), (w + 8.0, 54.0), (w, 46.0))
        .close()
}

/// Returns the outline of one of two tails.
fn twin_tail(hair: &Hair, side: f32, x: f32) -> Shape {
    let (a, b) = (hair.wobble(if side < 0.0 { 4 } else { 5 }, 2.5), hair.wobble(6, 3.0));
    Pen::local((x, 0.0), (side, 1.0))
        .from(27.0, 22.0)
        .cubic((42.0, 12.0), (53.0, 30.0), (50.0, 56.0 + b))
        .cubic((49.0, 70.0), (44.0, 84.0), (48.0 + a, 100.0))
        .cubic((41.0, 97.0), (38.0, 92.0), (37.0, 86.0))
        .quad((36.0, 93.0), (38.0, 100.0))
        .cubic((31.0, 92.0), (33.0, 66.0), (35.0, 54.0))
        .cubic((36.0, 44.0), (34.0, 36.0), (27.0, 34.0))
        .close()
        .shape()
}

/// Draws one bun or two.
fn draw_buns(hair: &Hair, canvas: &mut Canvas, x: f32) {
    let line = hair.tone.line().color();
    let top = hair.crown - 9.5;
    let buns: &[(Point, f32)] =
        if hair.back == Back::TopBun { &[((0.0, 7.0), 11.0)] } else { &[((-23.0, 12.0), 9.5), ((23.0, 12.0), 9.5)] };
    for &((bx, by), r) in buns {
        let center = (bx + x, by + top);
        let ink = Ink::radial(
            (center.0 - r * 0.3, center.1 - r * 0.3),
            r * 1.4,
            &[(0.0, hair.tone.light(0.5).color()), (0.5, hair.tone.color()), (1.0, hair.tone.shade(0.9).color())],
        );
        canvas.outlined(&Pen::new().circle(center, r).shape(), ink, hair.line_width(), line);
        let swirl = Pen::local(center, (r, r)).taper((-0.7, 0.2), (-0.1, -0.9), (0.6, -0.2), 0.09).taper(
            (-0.4, 0.55),
            (0.3, 0.1),
            (0.7, 0.35),
            0.08,
        );
        canvas.fill(&swirl.shape(), hair.tone.shade(1.7).alpha(0.8));
    }
}

/// Draws braids and low tails over the shoulders.
pub(super) fn draw_over_shoulders(hair: &Hair, canvas: &mut Canvas) {
    let line = hair.tone.line().color();
    let strand = hair.tone.shade(1.6).alpha(0.75);
    for side in [-1.0, 1.0] {
        let pen = || Pen::side(side);
        match hair.back {
            Back::LowTails => {
                let tail = pen()
                    .from(25.0, 74.0)
                    .cubic((38.0, 70.0), (44.0, 82.0), (40.0 + hair.wobble(2, 2.0), 102.0))
                    .line(28.0, 102.0)
                    .cubic((32.0, 92.0), (30.0, 84.0), (25.0, 80.0))
                    .close();
                let ink =
                    Ink::linear((0.0, 70.0), (0.0, 102.0), &[(0.0, hair.tone.color()), (1.0, hair.ends().color())]);
                canvas.outlined(&tail.shape(), ink, hair.line_width(), line);
                canvas.fill(&pen().taper((31.0, 76.0), (37.0, 84.0), (35.0, 99.0), 0.8).shape(), strand);
                canvas.outlined(
                    &pen().oval((28.0, 77.0), (2.6, 4.2)).shape(),
                    hair.tie.color(),
                    0.5,
                    hair.tie.line().color(),
                );
            }
            Back::Braids => {
                for i in 0..5 {
                    let t = i as f32;
                    let (cx, cy) = (29.5 + t * 0.9 - t * t * 0.25, 72.0 + t * 7.0);
                    let link = pen()
                        .from(cx - 5.0, cy - 3.0)
                        .quad((cx, cy - 6.5), (cx + 5.2, cy - 3.0))
                        .quad((cx + 6.0, cy + 3.0), (cx, cy + 5.5))
                        .quad((cx - 6.0, cy + 3.0), (cx - 5.0, cy - 3.0))
                        .close();
                    canvas.outlined(&link.shape(), hair.tone.shade(0.12 * t).color(), hair.line_width(), line);
                    canvas.fill(
                        &pen().taper((cx - 4.2, cy - 2.4), (cx + 0.8, cy + 0.2), (cx + 0.3, cy + 4.0), 0.7).shape(),
                        strand,
                    );
                }
            }
            Back::Drills => {
                for i in 0..5 {
                    let t = i as f32;
                    let (cx, cy, r) = (36.0 + t * 0.4, 56.0 + t * 10.0, 8.6 - t * 0.9);
                    let ring = pen()
                        .from(cx - r, cy - 3.0)
                        .cubic((cx - r * 0.6, cy - 9.0), (cx + r, cy - 8.0), (cx + r, cy - 2.0))
                        .cubic((cx + r * 0.9, cy + 5.0), (cx - r * 0.5, cy + 8.0), (cx - r, cy + 3.5))
                        .close();
                    let ink = Ink::linear(
                        (side * (cx - r), cy),
                        (side * (cx + r), cy),
                        &[
                            (0.0, hair.tone.shade(0.6).color()),
                            (0.45, hair.tone.light(0.35).color()),
                            (1.0, hair.tone.shade(0.8).color()),
                        ],
                    );
                    canvas.outlined(&ring.shape(), ink, hair.line_width(), line);
                    canvas.fill(
                        &pen().taper((cx - r * 0.9, cy - 1.0), (cx, cy + 4.0), (cx + r * 0.9, cy - 2.5), 0.8).shape(),
                        strand,
                    );
                }
            }
            _ => {}
        }
    }
}

/// Draws the ties of tails and braids over all hair.
pub(super) fn draw_ties(hair: &Hair, canvas: &mut Canvas, pose: &Pose) {
    let (tie, line) = (hair.tie.color(), hair.tie.line().color());
    let x = -pose.slide(0.3);
    match hair.back {
        Back::TwinTails => {
            for side in [-1.0, 1.0] {
                let band = Pen::local((x, 0.0), (side, 1.0)).oval((30.5, 27.0), (3.0, 5.4)).shape();
                canvas.outlined(&band, tie, 0.5, line);
            }
        }
        Back::SideTail => {
            let band = Pen::local((x, 0.0), (-hair.part, 1.0)).oval((32.5, 47.0), (3.0, 5.6)).shape();
            canvas.outlined(&band, tie, 0.5, line);
        }
        _ => {}
    }
}
