//! The fringe: the hair on the top of the head and the locks over the forehead, as one outline.

use super::style::{Fringe, Hair};
use crate::canvas::{Canvas, Pen, Shape};
use crate::head::Pose;
use crate::ink::Ink;
use crate::point::Point;

/// A lock: its tip, and the notch between it and the next lock to the right.
type Lock = (Point, Point);

/// Start and end of the fringe at the temples.
const TEMPLE: Point = (26.0, 44.0);

const BLUNT: &[Lock] = &[
    ((-21.0, 48.5), (-17.5, 45.8)),
    ((-13.0, 48.0), (-8.5, 45.2)),
    ((-4.0, 47.8), (0.5, 45.0)),
    ((5.0, 47.8), (9.0, 45.2)),
    ((13.5, 48.0), (18.0, 45.8)),
    ((22.0, 48.5), TEMPLE),
];
const LAYERED: &[Lock] = &[
    ((-22.0, 54.0), (-16.0, 41.0)),
    ((-9.0, 48.0), (-4.5, 38.0)),
    ((2.0, 51.5), (7.0, 38.0)),
    ((13.0, 47.5), (17.0, 41.0)),
    ((22.0, 54.0), TEMPLE),
];
const CURTAIN: &[Lock] = &[
    ((-24.5, 59.0), (-20.5, 47.0)),
    ((-17.0, 51.0), (1.0, 19.0)),
    ((17.0, 51.0), (20.5, 47.0)),
    ((24.5, 59.0), TEMPLE),
];
const SWEPT: &[Lock] = &[
    ((-25.0, 58.0), (-20.0, 48.0)),
    ((-16.5, 53.0), (-10.5, 44.0)),
    ((-6.0, 48.5), (14.0, 20.0)),
    ((23.0, 53.0), TEMPLE),
];
const SPIKY: &[Lock] = &[
    ((-25.0, 52.0), (-18.5, 39.0)),
    ((-15.5, 49.0), (-10.5, 36.0)),
    ((-6.0, 53.0), (-0.5, 34.0)),
    ((3.5, 47.0), (8.0, 36.0)),
    ((11.0, 51.5), (16.5, 38.0)),
    ((21.0, 50.0), TEMPLE),
];
const WISPY: &[Lock] = &[
    ((-24.0, 55.0), (-20.5, 37.0)),
    ((-15.0, 48.0), (-12.5, 34.0)),
    ((-5.0, 50.0), (-2.0, 32.0)),
    ((0.5, 47.0), (5.5, 32.0)),
    ((13.0, 49.0), (18.5, 37.0)),
    ((23.5, 55.0), TEMPLE),
];
const OVER_ONE_EYE: &[Lock] = &[
    ((-26.0, 70.0), (-21.5, 62.0)),
    ((-15.0, 68.0), (-9.5, 57.0)),
    ((-4.0, 53.0), (14.0, 20.0)),
    ((22.0, 51.0), TEMPLE),
];
const SWEPT_BACK: &[Lock] = &[((0.0, 34.0), TEMPLE)];
const CENTER_LOCK: &[Lock] = &[((-24.0, 56.0), (-7.0, 22.0)), ((0.5, 55.0), (8.0, 22.0)), ((24.0, 56.0), TEMPLE)];
const ARCHED: &[Lock] = &[
    ((-22.5, 52.0), (-17.0, 45.5)),
    ((-12.0, 46.5), (-6.5, 42.5)),
    ((0.0, 44.5), (6.5, 42.5)),
    ((12.0, 46.5), (17.0, 45.5)),
    ((22.5, 52.0), TEMPLE),
];
const CHOPPY: &[Lock] = &[
    ((-23.0, 50.5), (-20.0, 44.0)),
    ((-16.5, 47.0), (-13.0, 42.0)),
    ((-10.0, 49.5), (-6.0, 41.0)),
    ((-3.5, 46.5), (0.5, 41.0)),
    ((3.0, 50.0), (6.5, 41.0)),
    ((10.0, 46.5), (13.0, 42.0)),
    ((16.0, 50.0), (20.0, 44.0)),
    ((23.0, 48.5), TEMPLE),
];
const HEAVY: &[Lock] = &[
    ((-21.5, 52.5), (-17.5, 48.5)),
    ((-11.0, 51.5), (-5.0, 46.5)),
    ((1.0, 53.5), (5.5, 46.5)),
    ((12.0, 51.0), (17.5, 48.0)),
    ((22.0, 53.0), TEMPLE),
];

impl Fringe {
    /// Returns the locks from left to right, and the sideways swing of their tips.
    fn locks(self) -> (&'static [Lock], f32) {
        match self {
            Self::Blunt => (BLUNT, 0.0),
            Self::Layered => (LAYERED, 1.2),
            Self::Curtain => (CURTAIN, 0.0),
            Self::Swept => (SWEPT, 1.0),
            Self::Spiky => (SPIKY, 1.6),
            Self::Wispy => (WISPY, 1.0),
            Self::OverOneEye => (OVER_ONE_EYE, 0.5),
            Self::SweptBack => (SWEPT_BACK, 0.0),
            Self::CenterLock => (CENTER_LOCK, 0.6),
            Self::Arched => (ARCHED, 0.5),
            Self::Choppy => (CHOPPY, 0.6),
            Self::Heavy => (HEAVY, 1.0),
        }
    }
}

/// Returns a pen in the coordinates of the fringe: parted on the right, on a head that is not turned.
fn pen(hair: &Hair) -> Pen {
    Pen::side(hair.part)
}

/// Returns the distance that a point at this height slides when the head is turned, in the coordinates of the fringe.
fn slide(hair: &Hair, pose: &Pose, height: f32) -> f32 {
    // The crown does not slide, and the tips slide as the eyebrows do.
    hair.part * pose.slide(0.75) * ((height - 15.0) / 35.0).clamp(0.0, 1.0)
}

/// Returns the locks on this head, with its random displacements.
fn locks(hair: &Hair, pose: &Pose) -> impl Iterator<Item = Lock> {
    let (locks, _) = hair.fringe.locks();
    locks.iter().enumerate().map(move |(i, &(tip, notch))| {
        let tip = (tip.0 + hair.wobble(i, 1.6) + slide(hair, pose, tip.1), tip.1 + hair.wobble(i + 4, 1.6));
        if notch == TEMPLE {
            return (tip, notch);
        }
        (tip, (notch.0 + hair.wobble(i + 7, 1.2) + slide(hair, pose, notch.1), notch.1 + hair.wobble(i + 2, 1.0)))
    })
}

/// Returns the outline of the fringe.
pub(super) fn shape(hair: &Hair, pose: &Pose) -> Shape {
    let w = hair.half_width;
    let pen = hair.over_the_crown(pen(hair).from(w, 46.0)).quad((-w, 52.0), (-w + 3.0, 56.0));
    hang(hair, pose, pen).quad((w, 52.0), (w, 46.0)).close().shape()
}

/// Returns the lower edge of the fringe.
fn edge(hair: &Hair, pose: &Pose) -> Shape {
    hang(hair, pose, pen(hair).from(-hair.half_width + 3.0, 56.0)).shape()
}

/// Adds the lower edge of the fringe, from the left temple to the right one.
fn hang(hair: &Hair, pose: &Pose, pen: Pen) -> Pen {
    let (_, sway) = hair.fringe.locks();
    let mut pen = pen.quad((-TEMPLE.0 - 1.5, 50.0), (-TEMPLE.0, TEMPLE.1));
    let mut previous = (-TEMPLE.0, TEMPLE.1);
    for (tip, notch) in locks(hair, pose) {
        // The curve leaves the notch almost straight down and turns towards the tip late, for round, pointed locks.
        let bend = |from: Point| (from.0 + (tip.0 - from.0) * 0.25 + sway, from.1 + (tip.1 - from.1) * 0.7);
        pen = pen.quad(bend(previous), tip).quad(bend(notch), notch);
        previous = notch;
    }
    pen.quad((TEMPLE.0 + 1.5, 50.0), (hair.half_width - 3.0, 56.0))
}

/// Draws the fringe.
pub(super) fn draw(hair: &Hair, canvas: &mut Canvas, pose: &Pose) {
    let w = hair.half_width;
    let (tone, line) = (hair.tone, hair.tone.line().color());
    let top = hair.crown;
    let ends = (1.0, tone.shade(0.3).color());
    if hair.back.flows_into_fringe() {
        let ink = Ink::linear((0.0, top), (0.0, 56.0), &[(0.0, tone.color()), (0.45, tone.color()), ends]);
        canvas.stroke(&edge(hair, pose), 2.0 * hair.line_width(), line);
        canvas.fill(&shape(hair, pose), ink);
    } else {
        let crown = (0.0, tone.light(0.12).color());
        let ink = Ink::linear((0.0, top), (0.0, 56.0), &[crown, (0.45, tone.color()), ends]);
        canvas.outlined(&shape(hair, pose), ink, hair.line_width(), line);
        // The side opposite to the light.
        let shade = Pen::new()
            .from(w - 0.2, 50.0)
            .cubic((w + 0.3, 26.0), (w * 0.64, top + 0.4), (5.0, top + 0.3))
            .cubic((w * 0.5, top + 5.0), (w - 6.5, 30.0), (w - 5.0, 52.0))
            .close()
            .shape();
        canvas.fill(&shade, tone.shade(1.0).alpha(0.75));
    }
    // Strands run from the notches to the parting.
    let crown =
        if matches!(hair.fringe, Fringe::Swept | Fringe::OverOneEye) { (14.0, top + 6.0) } else { (1.0, top + 3.0) };
    let mut strands = pen(hair);
    for (i, (tip, notch)) in locks(hair, pose).enumerate() {
        if notch == TEMPLE || notch.1 < 28.0 {
            continue;
        }
        let reach = 0.5 + hair.wobble(i + 1, 0.15);
        let end = (notch.0 + (crown.0 - notch.0) * reach, notch.1 + (crown.1 - notch.1) * reach);
        let bend = ((notch.0 + end.0) / 2.0 + (notch.0 - crown.0) * 0.16, (notch.1 + end.1) / 2.0 - 1.0);
        strands = strands.taper((notch.0, notch.1 + 0.4), bend, end, 0.75);
        // A shorter one inside the lock.
        let inner = (tip.0 + (crown.0 - tip.0) * 0.12, tip.1 + (crown.1 - tip.1) * 0.12);
        let outer = (tip.0 + (crown.0 - tip.0) * 0.42, tip.1 + (crown.1 - tip.1) * 0.42);
        strands = strands.taper(
            inner,
            ((inner.0 + outer.0) / 2.0 + (tip.0 - crown.0) * 0.08, (inner.1 + outer.1) / 2.0),
            outer,
            0.45,
        );
    }
    canvas.fill(&strands.shape(), tone.shade(1.9).alpha(0.8));
    if hair.dyed_strand {
        draw_dyed_strand(hair, canvas, pose, crown);
    }
}

/// Draws one lock in the color of the dye, from the crown to the tip.
fn draw_dyed_strand(hair: &Hair, canvas: &mut Canvas, pose: &Pose, crown: Point) {
    if let Some((tip, _)) = locks(hair, pose).nth(1) {
        let strand = pen(hair)
            .from(crown.0 - 1.0, crown.1)
            .cubic((tip.0 - 7.0, crown.1 + 8.0), (tip.0 - 3.5, tip.1 - 14.0), tip)
            .cubic((tip.0 + 2.5, tip.1 - 12.0), (tip.0 + 2.0, crown.1 + 14.0), (crown.0 + 0.5, crown.1 + 1.0))
            .close()
            .shape();
        canvas.fill(&strand, hair.dye.color());
    }
}
