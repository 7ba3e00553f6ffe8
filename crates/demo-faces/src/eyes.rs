//! Eyes and eyebrows.

use crate::canvas::{Canvas, Pen, Shape};
use crate::head::Pose;
use crate::ink::Ink;
use crate::palette::{IRISES, Tone, WHITE, tone};
use crate::point::Point;
use crate::rng::Rng;

/// y of the middle of the eyes.
const EYE_LINE: f32 = 57.0;

/// Both eyes.
#[derive(Clone, Debug)]
pub(crate) struct Eyes {
    /// Colors of the left and the right iris. They differ in one of thirty faces.
    irises: [Tone; 2],
    /// Lids of the left and the right eye.
    lids: [Lids; 2],
    /// Half of the distance between the eyes.
    apart: f32,
    /// Half the width of one eye.
    width: f32,
    /// Height of the opening above and below its middle.
    up: f32,
    down: f32,
    /// Height by which the outer corner is raised.
    slant: f32,
    /// Part of `up` that the upper lid covers.
    droop: f32,
    /// Direction of the gaze, as a fraction of the distance that the iris can move.
    gaze: (f32, f32),
    pupil: Pupil,
    highlight: Highlight,
    lashes: Lashes,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Lids {
    Open,
    /// Closed in a smile: an arch upwards.
    Smiling,
    /// Closed in rest: an arch downwards.
    Closed,
}

#[derive(Clone, Copy, Debug)]
enum Pupil {
    Round,
    Slit,
    Ring,
    Star,
    Heart,
}

#[derive(Clone, Copy, Debug)]
enum Highlight {
    /// One large and one small circle.
    Classic,
    /// One tall oval.
    Oval,
    /// Three circles, for moist eyes.
    Moist,
}

#[derive(Clone, Copy, Debug)]
enum Lashes {
    Plain,
    Wing,
    Long,
}

impl Eyes {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        let iris = rng.weighted(&IRISES).jitter(rng);
        let other = if rng.chance(0.035) { rng.weighted(&IRISES).jitter(rng) } else { iris };
        let lids = match rng.weighted(&[(0, 86), (1, 5), (2, 3), (3, 3), (4, 3)]) {
            1 => [Lids::Smiling; 2],
            2 => [Lids::Closed; 2],
            3 => [Lids::Open, Lids::Smiling],
            4 => [Lids::Smiling, Lids::Open],
            _ => [Lids::Open; 2],
        };
        // Round, tall, sharp (raised), gentle (lowered), narrow.
        let (width, up, down, slant) = rng.pick(&[
            (8.9, 8.6, 7.4, 0.3),
            (8.2, 9.6, 8.2, 0.0),
            (9.3, 8.0, 6.6, 2.2),
            (9.0, 8.3, 7.4, -1.9),
            (9.2, 7.0, 6.2, 1.0),
        ]);
        Self {
            irises: [iris, other],
            lids,
            apart: rng.around(14.6, 0.8),
            width: width + 0.4 + rng.around(0.0, 0.6),
            up: up + 0.4 + rng.around(0.0, 0.9),
            down: down + 0.4 + rng.around(0.0, 0.7),
            slant: slant + rng.around(0.0, 0.8),
            droop: if rng.chance(0.12) { rng.range(0.25, 0.5) } else { 0.0 },
            gaze: (rng.around(0.0, 1.0), rng.around(0.0, 0.6)),
            pupil: rng.weighted(&[
                (Pupil::Round, 80),
                (Pupil::Slit, 5),
                (Pupil::Ring, 8),
                (Pupil::Star, 3),
                (Pupil::Heart, 2),
            ]),
            highlight: rng.weighted(&[(Highlight::Classic, 6), (Highlight::Oval, 3), (Highlight::Moist, 2)]),
            lashes: rng.weighted(&[(Lashes::Plain, 4), (Lashes::Wing, 4), (Lashes::Long, 2)]),
        }
    }

    /// Returns a pen with the middle of one eye as the origin and x pointing outwards.
    fn pen(&self, side: f32, pose: &Pose) -> Pen {
        // The eye on the far side is narrower.
        let foreshortening = 1.0 - 0.12 * (side * pose.turn).max(0.0);
        Pen::local(self.center(side, pose), (side * foreshortening, 1.0))
    }

    /// Returns the middle of one eye.
    fn center(&self, side: f32, pose: &Pose) -> (f32, f32) {
        (side * self.apart + pose.slide(0.85), EYE_LINE)
    }

    /// Adds the upper lid from the inner to the outer corner, raised by `lift` and extended by `flick` at the outer
    /// corner.
    fn upper_lid(&self, pen: Pen, lift: f32) -> Pen {
        let (w, up) = (self.width, self.up * (1.0 - self.droop));
        pen.cubic((-w * 0.75, -up * 1.12 - lift), (w * 0.5, -up * 1.32 - lift), (w, -self.slant - lift * 0.5))
    }

    /// Returns the shape of the opening between the lids.
    fn opening(&self, side: f32, pose: &Pose) -> Shape {
        let (w, down) = (self.width, self.down);
        self.upper_lid(self.pen(side, pose).from(-w, 2.0), 0.0)
            .cubic((w * 0.86, down * 0.95), (w * 0.4, down), (0.0, down))
            .cubic((-w * 0.5, down), (-w * 0.85, down * 0.8), (-w, 2.0))
            .close()
            .shape()
    }

    /// Draws both eyes with lashes of the color `ink`.
    pub(crate) fn draw(&self, canvas: &mut Canvas, pose: &Pose, skin: Tone, ink: Tone) {
        for (i, side) in [-1.0, 1.0].into_iter().enumerate() {
            match self.lids[i] {
                Lids::Open => self.draw_open(canvas, pose, side, self.irises[i], skin, ink),
                Lids::Smiling => self.draw_closed(canvas, pose, side, ink, -1.0),
                Lids::Closed => self.draw_closed(canvas, pose, side, ink, 1.0),
            }
        }
    }

    /// Draws an open eye.
    fn draw_open(&self, canvas: &mut Canvas, pose: &Pose, side: f32, iris: Tone, skin: Tone, ink: Tone) {
        let opening = self.opening(side, pose);
        let (cx, cy) = self.center(side, pose);
        canvas.clip(&opening);
        let white = tone(0.975, 0.008, 260.0);
        canvas.fill(
            &opening,
            Ink::linear((cx, cy - self.up), (cx, cy), &[(0.0, white.shade(1.2).color()), (1.0, white.color())]),
        );
        self.draw_iris(canvas, pose, side, iris);
        // The shadow of the lid on the eyeball.
        let (w, up) = (self.width, self.up * (1.0 - self.droop));
        let shadow = self
            .upper_lid(self.pen(side, pose).from(-w, 2.0), 2.0)
            .line(w, 1.5)
            .cubic((w * 0.5, -up * 0.85), (-w * 0.6, -up * 0.7), (-w, 4.5))
            .close()
            .shape();
        canvas.fill(&shadow, ink.shade(0.4).alpha(0.38));
        canvas.unclip();
        self.draw_highlights(canvas, pose, side);
        self.draw_lashes(canvas, pose, side, skin, ink);
    }

    /// Draws iris, pupil and highlights of an eye.
    fn draw_iris(&self, canvas: &mut Canvas, pose: &Pose, side: f32, iris: Tone) {
        let (cx, cy) = self.center(side, pose);
        let (rx, ry) = (self.width * 0.68, (self.up + self.down) * 0.52);
        let (x, y) = (cx - side * 0.6 + self.gaze.0 * 1.5 + pose.turn, cy - 0.2 + self.gaze.1);
        let dark = tone(iris.lightness * 0.42, iris.chroma * 0.75, iris.hue + 8.0);
        let bright = tone((iris.lightness + 0.16).min(0.95), iris.chroma * 0.95, iris.hue - 8.0);
        canvas.fill(&Pen::new().oval((x, y), (rx, ry)).shape(), dark.color());
        let colors = Ink::linear(
            (x, y - ry),
            (x, y + ry),
            &[(0.0, dark.color()), (0.42, iris.shade(0.4).color()), (0.95, bright.color())],
        );
        canvas.fill(&Pen::new().oval((x, y + 0.3), (rx * 0.86, ry * 0.88)).shape(), colors);
        // Light through the iris brightens the side opposite to the light source.
        let glow = Pen::new().oval((x, y + ry * 0.52), (rx * 0.55, ry * 0.28)).shape();
        canvas.fill(&glow, bright.light(0.8).alpha(0.75));
        self.draw_pupil(canvas, (x, y - 0.2), (rx, ry), tone(dark.lightness * 0.55, dark.chroma * 0.7, dark.hue));
    }

    /// Draws a pupil at (x, y) in an iris of the half axes (rx, ry).
    fn draw_pupil(&self, canvas: &mut Canvas, (x, y): (f32, f32), (rx, ry): (f32, f32), dark: Tone) {
        let pen = Pen::new();
        match self.pupil {
            Pupil::Round => canvas.fill(&pen.oval((x, y), (rx * 0.4, ry * 0.42)).shape(), dark.color()),
            Pupil::Slit => canvas.fill(&pen.oval((x, y), (rx * 0.2, ry * 0.62)).shape(), dark.color()),
            Pupil::Ring => {
                let ring = pen.oval((x, y), (rx * 0.42, ry * 0.42)).shape();
                canvas.stroke(&ring, 1.3, dark.color());
            }
            Pupil::Star => canvas.fill(&star((x, y), rx * 0.75, 0.45), WHITE.alpha(0.92)),
            Pupil::Heart => canvas.fill(&heart((x, y), rx * 0.72), tone(0.62, 0.2, 10.0).color()),
        }
    }

    /// Draws the highlights of an eye.
    fn draw_highlights(&self, canvas: &mut Canvas, pose: &Pose, side: f32) {
        let (cx, cy) = self.center(side, pose);
        let (x, y) = (cx - side * 0.6 + pose.turn, cy - 0.2);
        let lower = self.up * self.droop * 0.8;
        let (w, up) = (self.width, self.up);
        // Center and half axes, as fractions of the size of the eye.
        let spots: &[(Point, Point)] = match self.highlight {
            Highlight::Classic => &[((-0.26, -0.36), (0.25, 0.27)), ((0.28, 0.36), (0.11, 0.12))],
            Highlight::Oval => &[((-0.22, -0.3), (0.19, 0.36))],
            Highlight::Moist => {
                &[((-0.28, -0.32), (0.24, 0.25)), ((0.26, 0.3), (0.15, 0.15)), ((-0.18, 0.5), (0.1, 0.09))]
            }
        };
        for &((dx, dy), (rx, ry)) in spots {
            let spot = Pen::new().oval((x + dx * w, y + dy * up + lower), (rx * w, ry * up)).shape();
            canvas.fill(&spot, [255; 4]);
        }
    }

    /// Draws the lash lines and the crease of an open eye.
    fn draw_lashes(&self, canvas: &mut Canvas, pose: &Pose, side: f32, skin: Tone, ink: Tone) {
        let (w, up, down) = (self.width, self.up * (1.0 - self.droop), self.down);
        let flick = match self.lashes {
            Lashes::Plain => 0.8,
            Lashes::Wing => 2.4,
            Lashes::Long => 1.8,
        };
        // The upper lash line: a crescent that is thickest at the outer corner.
        let upper = self
            .upper_lid(self.pen(side, pose).from(-w - 0.6, 2.6), 0.9)
            .line(w + flick, -self.slant - flick * 0.7 - 0.4)
            .quad((w + 0.7, 0.3 - self.slant), (w - 0.4, 2.6 - self.slant))
            .cubic((w * 0.62, -up * 0.98), (-w * 0.55, -up * 0.95), (-w - 0.6, 2.6))
            .close()
            .shape();
        canvas.fill(&upper, ink.color());
        if matches!(self.lashes, Lashes::Long) {
            for (x, y, length) in [(0.72, -0.78, 2.9), (0.98, -0.42, 2.6)] {
                let root = (w * x, up * y - self.slant * 0.7);
                let tip = (root.0 + length, root.1 - length * 0.75);
                let lash =
                    self.pen(side, pose).from(root.0 - 1.4, root.1 - 0.6).line(tip.0, tip.1).line(root.0, root.1 + 1.4);
                canvas.fill(&lash.close().shape(), ink.color());
            }
        }
        // The crease above, and the lower lash line, which is open towards the nose.
        let crease = self.pen(side, pose).taper(
            (-w * 0.6, -up - 1.6),
            (w * 0.25, -up * 1.2 - 3.2),
            (w * 0.95, -up * 0.55 - self.slant - 2.6),
            0.6,
        );
        canvas.fill(&crease.shape(), skin.line().alpha(0.7));
        let lower =
            self.pen(side, pose).taper((-w * 0.45, down + 0.1), (w * 0.55, down + 0.9), (w * 0.86, down * 0.35), 0.7);
        canvas.fill(&lower.shape(), ink.mix(skin.line(), 0.5).alpha(0.85));
    }

    /// Draws a closed eye as an arch upwards (`bend` −1) or downwards (1).
    fn draw_closed(&self, canvas: &mut Canvas, pose: &Pose, side: f32, ink: Tone, bend: f32) {
        let w = self.width;
        let y = if bend < 0.0 { 4.5 } else { 2.0 };
        let arc = self.pen(side, pose).taper((-w, y), (0.0, y + bend * 11.0), (w, y - self.slant * 0.6), 2.3);
        canvas.fill(&arc.shape(), ink.color());
        let mut lashes = self.pen(side, pose);
        for (x, drop, out, down) in [(0.66, 3.0, 1.8, 2.6), (0.95, 0.6, 3.0, 1.4)] {
            let root = (w * x, y + bend * drop - self.slant * 0.5);
            let tip = (root.0 + out, root.1 + if bend < 0.0 { down * 0.4 } else { down });
            lashes = lashes.taper(root, ((root.0 + tip.0) / 2.0 + 0.5, (root.1 + tip.1) / 2.0), tip, 0.8);
        }
        canvas.fill(&lashes.shape(), ink.color());
    }
}

/// Both eyebrows.
#[derive(Clone, Debug)]
pub(crate) struct Brows {
    mood: Mood,
    thickness: f32,
    height: f32,
    length: f32,
}

#[derive(Clone, Copy, Debug)]
enum Mood {
    Calm,
    Happy,
    Stern,
    Worried,
    Curious,
}

impl Brows {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        Self {
            mood: rng.weighted(&[
                (Mood::Calm, 5),
                (Mood::Happy, 4),
                (Mood::Stern, 3),
                (Mood::Worried, 3),
                (Mood::Curious, 1),
            ]),
            thickness: rng.range(1.0, 2.2),
            height: rng.around(0.0, 1.2),
            length: rng.range(0.85, 1.1),
        }
    }

    /// Draws both eyebrows. They are drawn over the fringe, as usual in anime.
    pub(crate) fn draw(&self, canvas: &mut Canvas, pose: &Pose, eyes: &Eyes, hair: Tone) {
        let ink = hair.line().mix(hair, 0.25);
        for side in [-1.0, 1.0] {
            // Heights of the inner end, the middle and the outer end above the middle of the eyes.
            let (inner, middle, outer) = match self.mood {
                Mood::Calm => (-13.0, -15.6, -12.6),
                Mood::Happy => (-14.0, -18.6, -13.0),
                Mood::Stern => (-10.6, -14.4, -14.6),
                Mood::Worried => (-16.0, -14.8, -11.4),
                Mood::Curious if side < 0.0 => (-15.0, -19.6, -14.6),
                Mood::Curious => (-12.0, -13.8, -12.6),
            };
            let y = self.height - (eyes.up - 8.5);
            let x = self.length;
            let brow = eyes.pen(side, pose).taper(
                (-7.0 * x, inner + y),
                (0.5, middle + y),
                (8.5 * x, outer + y),
                self.thickness,
            );
            canvas.fill(&brow.shape(), ink.alpha(0.85));
        }
    }
}

/// Returns a star with five points. Its notches are at the fraction `inner` of the radius.
pub(crate) fn star(center: (f32, f32), radius: f32, inner: f32) -> Shape {
    let mut pen = Pen::local(center, (radius, radius));
    for i in 0..10 {
        let angle = i as f32 * core::f32::consts::PI / 5.0;
        let r = if i % 2 == 0 { 1.0 } else { inner };
        let (x, y) = (r * libm::sinf(angle), -r * libm::cosf(angle));
        pen = if i == 0 { pen.from(x, y) } else { pen.line(x, y) };
    }
    pen.close().shape()
}

/// Returns a heart that fits into a circle of this radius.
pub(crate) fn heart(center: (f32, f32), radius: f32) -> Shape {
    Pen::local(center, (radius, radius))
        .from(0.0, -0.4)
        .cubic((0.3, -1.1), (1.3, -0.7), (0.9, 0.05))
        .quad((0.6, 0.55), (0.0, 1.0))
        .quad((-0.6, 0.55), (-0.9, 0.05))
        .cubic((-1.3, -0.7), (-0.3, -1.1), (0.0, -0.4))
        .close()
        .shape()
}
