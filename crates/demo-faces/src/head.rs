//! The pose of the head, and its skin: outline of the face, ears, neck, nose and blush.

use zeno::Transform;

use crate::canvas::{Canvas, Pen, Shape};
use crate::ink::{Color, Ink};
use crate::palette::{SKINS, Tone, tone};
use crate::rng::Rng;

/// Pose of the head, which turns around the neck at (0, 84).
#[derive(Clone, Debug)]
pub(crate) struct Pose {
    /// Tilt in degrees, clockwise.
    tilt: f32,
    /// Turn from −1 (to the left of the image) to 1 (to the right). Parts of the face slide sideways by their depth.
    pub(crate) turn: f32,
    offset: (f32, f32),
    scale: f32,
}

impl Pose {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        Self {
            tilt: rng.around(0.0, 9.0),
            turn: rng.around(0.0, 1.0),
            offset: (rng.around(0.0, 3.0), rng.around(0.5, 2.5)),
            scale: rng.around(1.0, 0.07),
        }
    }

    /// Moves the head down to make room for something above it that is `tall` percent high.
    pub(crate) fn make_room(&mut self, tall: f32) {
        self.offset.1 += tall * 0.55;
        self.scale *= 1.0 - tall * 0.008;
    }

    /// Returns the transform of the shoulders, which move with the head but do not tilt.
    pub(crate) fn body(&self) -> Transform {
        let (x, y) = self.offset;
        Transform::new(self.scale, 0.0, 0.0, self.scale, x, y + 84.0 * (1.0 - self.scale))
    }

    /// Returns the transform of the head.
    pub(crate) fn head(&self) -> Transform {
        let angle = self.tilt.to_radians();
        let (sin, cos) = (libm::sinf(angle), libm::cosf(angle));
        // Rotation about the neck, (x, y) ↦ R · (x, y − 84) + (0, 84).
        Transform::new(cos, sin, -sin, cos, 84.0 * sin, 84.0 - 84.0 * cos).then(&self.body())
    }

    /// Returns the distance in percent that parts slide sideways which are `depth` in front of the middle of the head.
    /// The nose has a depth of 1.
    pub(crate) fn slide(&self, depth: f32) -> f32 {
        4.5 * self.turn * depth
    }
}

/// The head without hair, eyes and mouth.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) skin: Tone,
    /// Half the width at the cheek bones.
    pub(crate) cheek: f32,
    /// Half the width at the corner of the jaw.
    jaw: f32,
    /// Half the width of the chin; a small value makes it pointed.
    chin_width: f32,
    /// y of the chin.
    pub(crate) chin: f32,
    pub(crate) pointed_ears: bool,
    nose: Nose,
    blush: Blush,
    blush_strength: f32,
    mole: Option<(f32, f32)>,
}

#[derive(Clone, Copy, Debug)]
enum Nose {
    Dot,
    Shadow,
    Hook,
}

#[derive(Clone, Copy, Debug)]
enum Blush {
    None,
    Soft,
    Round,
    Hatched,
    Freckles,
    AcrossNose,
}

impl Head {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        use Blush::{AcrossNose, Freckles, Hatched, None as Pale, Round, Soft};
        let blush = [(Pale, 2), (Soft, 9), (Round, 3), (Hatched, 3), (Freckles, 1), (AcrossNose, 1)];
        Self {
            skin: rng.weighted(&SKINS).jitter_skin(rng),
            cheek: rng.around(28.5, 1.8),
            jaw: rng.around(20.0, 3.0),
            chin_width: rng.range(3.0, 7.0),
            chin: rng.around(84.0, 1.8),
            pointed_ears: rng.chance(0.06),
            nose: rng.weighted(&[(Nose::Dot, 3), (Nose::Shadow, 4), (Nose::Hook, 3)]),
            blush: rng.weighted(&blush),
            blush_strength: rng.range(0.5, 1.0),
            mole: rng.chance(0.08).then(|| (rng.pick(&[-1.0, 1.0]) * rng.range(10.0, 17.0), rng.range(68.0, 72.0))),
        }
    }

    /// Returns the outline of the face from the crown to the chin.
    pub(crate) fn outline(&self, pose: &Pose) -> Shape {
        let Self { cheek, jaw, chin_width, chin, .. } = *self;
        let x = pose.slide(0.55);
        Pen::new()
            .from(-cheek, 48.0)
            .cubic((-cheek, 59.0), (-cheek + 1.5, 65.0), (-jaw + 0.4 * x, 73.5))
            .cubic((-jaw + 4.5 + 0.6 * x, 79.0), (x - chin_width - 3.0, chin), (x, chin))
            .cubic((x + chin_width + 3.0, chin), (jaw - 4.5 + 0.6 * x, 79.0), (jaw + 0.4 * x, 73.5))
            .cubic((cheek - 1.5, 65.0), (cheek, 59.0), (cheek, 48.0))
            .cubic((cheek, 10.0), (-cheek, 10.0), (-cheek, 48.0))
            .close()
            .shape()
    }

    /// Draws the neck and the top of the chest, which the clothes cover.
    pub(crate) fn draw_neck(&self, canvas: &mut Canvas) {
        let neck = Pen::new()
            .from(-8.5, 72.0)
            .cubic((-8.5, 84.0), (-9.0, 89.0), (-20.0, 93.0))
            .line(-24.0, 104.0)
            .line(24.0, 104.0)
            .line(20.0, 93.0)
            .cubic((9.0, 89.0), (8.5, 84.0), (8.5, 72.0))
            .close()
            .shape();
        canvas.outlined(&neck, self.skin.color(), 0.6, self.skin.line().color());
        let shadow = Pen::new().from(-8.4, 72.0).line(8.4, 72.0).cubic((9.0, 92.0), (1.0, 95.0), (-8.6, 86.0)).close();
        canvas.fill(&shadow.shape(), self.skin.shade(1.1).color());
    }

    /// Draws the ears.
    pub(crate) fn draw_ears(&self, canvas: &mut Canvas, pose: &Pose) {
        let (fill, line) = (self.skin.color(), self.skin.line().color());
        for side in [-1.0, 1.0] {
            let pen = Pen::local((side * (self.cheek - 1.0) - pose.slide(0.4), 58.0), (side, 1.0));
            let (ear, inside) = if self.pointed_ears {
                let ear = pen.from(-2.0, -6.0).quad((6.0, -9.0), (14.0, -12.0)).quad((11.0, 2.0), (-2.0, 9.0)).close();
                (ear, (0.5, -3.5, 7.0, -5.5, 2.0, 3.0))
            } else {
                let ear = pen
                    .from(-2.0, -6.0)
                    .cubic((3.0, -9.0), (7.0, -6.0), (5.5, 0.0))
                    .cubic((4.5, 5.0), (2.0, 8.5), (-2.0, 8.0))
                    .close();
                (ear, (0.5, -3.5, 3.5, -4.0, 2.0, 3.5))
            };
            canvas.outlined(&ear.shape(), fill, 0.6, line);
            let (x0, y0, cx, cy, x1, y1) = inside;
            let fold = Pen::local((side * (self.cheek - 1.0) - pose.slide(0.4), 58.0), (side, 1.0));
            canvas.fill(&fold.taper((x0, y0), (cx, cy), (x1, y1), 1.1).shape(), self.skin.shade(1.6).color());
        }
    }

    /// Draws the face, with soft light from the upper left.
    pub(crate) fn draw_face(&self, canvas: &mut Canvas, pose: &Pose) {
        let outline = self.outline(pose);
        let ink = Ink::radial(
            (-6.0, 56.0),
            42.0,
            &[(0.0, self.skin.light(0.35).color()), (0.6, self.skin.color()), (1.0, self.skin.shade(0.5).color())],
        );
        canvas.outlined(&outline, ink, 0.6, self.skin.line().color());
    }

    /// Draws nose, blush and moles, which are on the face and under the hair.
    pub(crate) fn draw_marks(&self, canvas: &mut Canvas, pose: &Pose) {
        self.draw_blush(canvas, pose);
        let x = pose.slide(1.0);
        let shade = self.skin.shade(1.9);
        match self.nose {
            Nose::Dot => canvas.fill(&Pen::new().oval((x, 67.0), (0.9, 0.7)).shape(), shade.color()),
            Nose::Shadow => {
                let nose = Pen::new().from(x - 0.3, 64.4).line(x + 1.7, 67.8).quad((x, 68.6), (x - 1.3, 67.6)).close();
                canvas.fill(&nose.shape(), shade.alpha(0.75));
            }
            Nose::Hook => {
                let way = if pose.turn < 0.0 { -1.0 } else { 1.0 };
                let nose = Pen::local((x, 66.3), (way, 1.0)).taper((0.3, -1.8), (2.2, 1.4), (-0.8, 1.4), 0.9);
                canvas.fill(&nose.shape(), self.skin.shade(2.4).color());
            }
        }
        if let Some((mx, my)) = self.mole {
            canvas.fill(&Pen::new().circle((mx + x, my), 0.7).shape(), self.skin.line().color());
        }
    }

    /// Draws the blush of the cheeks.
    fn draw_blush(&self, canvas: &mut Canvas, pose: &Pose) {
        let flush = tone((self.skin.lightness * 0.84).max(0.4), 0.13, 18.0);
        let strength = self.blush_strength;
        let middle = pose.slide(0.9);
        for side in [-1.0, 1.0] {
            let center = (middle + side * 17.5, 68.0);
            let at = |dx: f32, dy: f32| (center.0 + dx, center.1 + dy);
            match self.blush {
                Blush::None => {}
                Blush::Soft | Blush::Hatched => {
                    glow(canvas, center, (8.5, 5.5), flush.alpha(0.7 * strength), flush.alpha(0.0));
                }
                Blush::Round => canvas.fill(&Pen::new().oval(center, (4.6, 3.0)).shape(), flush.alpha(0.65 * strength)),
                Blush::Freckles => {
                    for (dx, dy) in [(-3.0, -0.8), (0.0, 0.6), (3.0, -0.6), (-1.5, 2.2), (1.8, 2.4)] {
                        canvas.fill(&Pen::new().circle(at(dx, dy), 0.6).shape(), self.skin.shade(2.2).color());
                    }
                }
                Blush::AcrossNose => {
                    // Two wide glows that meet at the nose.
                    let (x, y) = (middle + side * 11.0, 66.8);
                    glow(canvas, (x, y), (15.0, 5.5), flush.alpha(0.7 * strength), flush.alpha(0.0));
                }
            }
            if matches!(self.blush, Blush::Hatched) {
                for dx in [-3.2, 0.0, 3.2] {
                    let (from, to) = (at(dx + 0.9, -1.8), at(dx - 0.9, 1.8));
                    canvas.fill(&Pen::new().taper(from, at(dx, 0.0), to, 0.9).shape(), flush.shade(1.2).alpha(0.8));
                }
            }
        }
    }
}

/// Draws an oval of `color` that fades out to `clear`, the same color with an alpha of 0.
fn glow(canvas: &mut Canvas, center: (f32, f32), radius: (f32, f32), color: Color, clear: Color) {
    let ink = Ink::oval(center, radius, &[(0.0, color), (1.0, clear)]);
    canvas.fill(&Pen::new().oval(center, radius).shape(), ink);
}

impl Tone {
    /// Returns the color with a small random change of lightness and hue, less than for hair.
    fn jitter_skin(self, rng: &mut Rng) -> Self {
        tone(
            self.lightness + rng.around(0.0, 0.015),
            self.chroma * rng.around(1.0, 0.12),
            self.hue + rng.around(0.0, 6.0),
        )
    }
}
