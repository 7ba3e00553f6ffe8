//! Accessories on the head and the face.

use crate::canvas::{Canvas, Pen};
use crate::eyes::{heart, star};
use crate::hair::Hair;
use crate::head::{Head, Pose};
use crate::ink::Ink;
use crate::outfit::draw_bow;
use crate::palette::{CLOTHS, Tone, WHITE, tone};
use crate::rng::Rng;

/// The accessories of a face; most faces have one or none.
#[derive(Clone, Debug)]
pub(crate) struct Accessories {
    on_head: OnHead,
    on_face: OnFace,
    earrings: bool,
    tone: Tone,
    second: Tone,
    /// Side (−1 or 1) of accessories that are worn on one side.
    side: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum OnHead {
    Nothing,
    CatEars,
    FoxEars,
    BunnyEars,
    Horns,
    Halo,
    Headband,
    Frill,
    Beret,
    WitchHat,
    Headphones,
    BigBow,
    SideBow,
    Flower,
    Pins,
    Star,
    Heart,
    Crown,
    Cap,
    FlowerWreath,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum OnFace {
    Nothing,
    RoundGlasses,
    SquareGlasses,
    HalfRims,
    EyePatch,
    Plaster,
    Tear,
    Sticker,
}

/// The kinds with their weights.
const ON_HEAD: [(OnHead, u32); 20] = [
    (OnHead::Nothing, 46),
    (OnHead::CatEars, 6),
    (OnHead::FoxEars, 2),
    (OnHead::BunnyEars, 2),
    (OnHead::Horns, 2),
    (OnHead::Halo, 1),
    (OnHead::Headband, 5),
    (OnHead::Frill, 3),
    (OnHead::Beret, 3),
    (OnHead::WitchHat, 2),
    (OnHead::Headphones, 3),
    (OnHead::BigBow, 4),
    (OnHead::SideBow, 5),
    (OnHead::Flower, 4),
    (OnHead::Pins, 6),
    (OnHead::Star, 3),
    (OnHead::Heart, 2),
    (OnHead::Crown, 2),
    (OnHead::Cap, 2),
    (OnHead::FlowerWreath, 2),
];

/// The kinds with their weights.
const ON_FACE: [(OnFace, u32); 8] = [
    (OnFace::Nothing, 84),
    (OnFace::RoundGlasses, 5),
    (OnFace::SquareGlasses, 4),
    (OnFace::HalfRims, 3),
    (OnFace::EyePatch, 2),
    (OnFace::Plaster, 3),
    (OnFace::Tear, 2),
    (OnFace::Sticker, 2),
];

impl Accessories {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        Self {
            on_head: rng.weighted(&ON_HEAD),
            on_face: rng.weighted(&ON_FACE),
            earrings: rng.chance(0.12),
            tone: rng.weighted(&CLOTHS).jitter(rng),
            second: rng.weighted(&CLOTHS).jitter(rng),
            side: rng.pick(&[-1.0, 1.0]),
        }
    }

    /// Returns the height of the accessories above the hair in percent of the image.
    pub(crate) fn height(&self) -> f32 {
        match self.on_head {
            OnHead::WitchHat => 16.0,
            OnHead::BigBow | OnHead::Crown => 8.0,
            OnHead::CatEars | OnHead::FoxEars | OnHead::Horns | OnHead::Halo => 6.0,
            _ => 0.0,
        }
    }

    /// Draws accessories behind the hair of the crown.
    pub(crate) fn draw_behind_fringe(&self, canvas: &mut Canvas, pose: &Pose, hair: &Hair) {
        let fur = hair.tone;
        let line = fur.line().color();
        let x = pose.slide(0.1);
        match self.on_head {
            OnHead::CatEars | OnHead::FoxEars => {
                let tall = if self.on_head == OnHead::FoxEars { 5.0 } else { 0.0 };
                for side in [-1.0, 1.0] {
                    let pen = || Pen::local((x, 0.0), (side, 1.0));
                    let ear = pen()
                        .from(8.0, 14.0)
                        .quad((14.0, 2.0), (27.0 + tall * 0.3, -1.0 - tall))
                        .quad((33.0, 10.0), (32.0, 29.0))
                        .close();
                    canvas.outlined(&ear.shape(), fur.color(), 0.7, line);
                    let inside = pen()
                        .from(14.0, 13.0)
                        .quad((18.0, 6.0), (25.5, 3.5 - tall))
                        .quad((29.0, 11.0), (28.5, 24.0))
                        .close();
                    let inner = if tall > 0.0 { WHITE } else { tone(0.82, 0.09, 12.0) };
                    canvas.fill(
                        &inside.shape(),
                        Ink::linear((0.0, 2.0), (0.0, 24.0), &[(0.0, inner.shade(0.5).color()), (1.0, inner.color())]),
                    );
                }
            }
            OnHead::BunnyEars => {
                let fur = if fur.lightness > 0.6 { fur.light(0.9) } else { WHITE };
                for side in [-1.0, 1.0] {
                    let pen = || Pen::local((x, 0.0), (side, 1.0));
                    let ear = pen()
                        .from(12.0, 16.0)
                        .cubic((20.0, 0.0), (40.0, 0.0), (44.0, 22.0))
                        .cubic((47.0, 38.0), (46.0, 52.0), (41.0, 55.0))
                        .cubic((33.0, 54.0), (36.0, 30.0), (25.0, 25.0))
                        .close();
                    canvas.outlined(&ear.shape(), fur.color(), 0.7, fur.line().color());
                    let inside = pen()
                        .from(28.0, 12.0)
                        .cubic((38.0, 8.0), (42.0, 24.0), (43.0, 34.0))
                        .cubic((43.0, 44.0), (42.0, 50.0), (40.5, 51.0))
                        .cubic((37.0, 44.0), (39.0, 22.0), (28.0, 12.0))
                        .close();
                    canvas.fill(&inside.shape(), tone(0.84, 0.08, 10.0).color());
                }
            }
            _ => {}
        }
    }

    /// Draws earrings, glasses and plasters, which are under the fringe.
    pub(crate) fn draw_on_face(&self, canvas: &mut Canvas, pose: &Pose, head: &Head) {
        let x = pose.slide(0.85);
        let frame = if self.tone.lightness > 0.7 { self.tone.shade(2.2) } else { self.tone };
        let glass = tone(0.93, 0.03, 230.0).alpha(0.22);
        let (frame, thickness) = (frame.color(), 1.3);
        match self.on_face {
            OnFace::Nothing => {}
            OnFace::RoundGlasses | OnFace::SquareGlasses | OnFace::HalfRims => {
                for side in [-1.0, 1.0] {
                    let pen = Pen::local((x + side * 14.6, 58.5), (side, 1.0));
                    let rim = match self.on_face {
                        OnFace::RoundGlasses => pen.circle((0.0, 0.0), 12.2).shape(),
                        OnFace::SquareGlasses => pen
                            .from(-11.5, -8.0)
                            .quad((0.0, -9.5), (12.0, -8.5))
                            .quad((13.5, 0.0), (10.5, 8.0))
                            .quad((0.0, 11.0), (-9.5, 8.5))
                            .quad((-13.0, 0.0), (-11.5, -8.0))
                            .close()
                            .shape(),
                        _ => pen.from(-11.5, -1.0).cubic((-11.0, 12.5), (11.0, 12.5), (12.0, -2.0)).shape(),
                    };
                    if self.on_face != OnFace::HalfRims {
                        canvas.fill(&rim, glass);
                        let glint = Pen::local((x + side * 14.6, 58.5), (1.0, 1.0)).taper(
                            (-8.0, -1.0),
                            (-7.0, -6.5),
                            (-2.0, -8.0),
                            1.0,
                        );
                        canvas.fill(&glint.shape(), [255; 4]);
                    }
                    canvas.stroke(&rim, thickness, frame);
                    let temple = Pen::side(side).from(side * x + 26.6, 56.0).line(head.cheek + 1.0, 54.0);
                    canvas.stroke(&temple.shape(), thickness, frame);
                }
                canvas.stroke(
                    &Pen::new().from(x - 3.0, 58.0).quad((x, 55.8), (x + 3.0, 58.0)).shape(),
                    thickness,
                    frame,
                );
            }
            OnFace::Tear => {
                let tear = Pen::local((x + self.side * 21.0, 67.0), (1.0, 1.0))
                    .from(0.0, -3.4)
                    .cubic((1.0, -1.0), (2.4, 0.2), (2.4, 1.8))
                    .cubic((2.4, 4.6), (-2.4, 4.6), (-2.4, 1.8))
                    .cubic((-2.4, 0.2), (-1.0, -1.0), (0.0, -3.4))
                    .close();
                let water = tone(0.83, 0.09, 235.0);
                canvas.outlined(&tear.shape(), water.alpha(0.9), 0.35, water.shade(1.8).color());
                canvas.fill(&Pen::new().circle((x + self.side * 21.0 - 0.8, 68.2), 0.7).shape(), WHITE.color());
            }
            OnFace::Sticker => {
                let at = (x + self.side * 20.0, 69.5);
                let shape = if self.second.hue > 180.0 { star(at, 3.2, 0.5) } else { heart(at, 3.0) };
                canvas.outlined(&shape, self.tone.color(), 0.3, self.tone.line().color());
            }
            OnFace::EyePatch => {
                let cx = x + self.side * 14.6;
                let cloth = if self.tone.lightness > 0.6 { WHITE } else { tone(0.27, 0.02, 290.0) };
                canvas.stroke(
                    &Pen::new().from(-self.side * 20.0, 36.0).line(cx, 55.0).line(self.side * head.cheek, 57.0).shape(),
                    1.4,
                    cloth.color(),
                );
                let patch = Pen::local((cx, 57.5), (1.0, 1.0))
                    .from(-10.5, -7.0)
                    .quad((0.0, -10.0), (10.5, -7.0))
                    .cubic((11.0, 4.0), (5.0, 10.0), (0.0, 10.5))
                    .cubic((-5.0, 10.0), (-11.0, 4.0), (-10.5, -7.0))
                    .close();
                canvas.outlined(
                    &patch.shape(),
                    Ink::linear(
                        (cx - 8.0, 48.0),
                        (cx + 8.0, 68.0),
                        &[(0.0, cloth.light(0.2).color()), (1.0, cloth.shade(0.6).color())],
                    ),
                    0.6,
                    cloth.line().color(),
                );
            }
            OnFace::Plaster => {
                let pen = Pen::local((x + self.side * 16.0, 70.5), (self.side, 1.0));
                let strip = pen.from(-5.0, -0.6).line(4.6, -3.0).line(5.4, 0.4).line(-4.2, 2.8).close();
                canvas.outlined(&strip.shape(), tone(0.86, 0.06, 70.0).color(), 0.4, head.skin.line().color());
                let pad = Pen::local((x + self.side * 16.0, 70.5), (self.side, 1.0)).oval((0.2, -0.1), (1.5, 1.4));
                canvas.fill(&pad.shape(), tone(0.94, 0.03, 80.0).color());
            }
        }
        if self.earrings {
            for side in [-1.0, 1.0] {
                let drop = Pen::local((side * (head.cheek + 1.0) - pose.slide(0.4), 68.0), (side, 1.0))
                    .circle((0.0, 1.0), 1.7)
                    .shape();
                canvas.outlined(&drop, self.second.light(0.4).color(), 0.4, self.second.line().color());
            }
        }
    }

    /// Draws accessories over the hair.
    pub(crate) fn draw_on_hair(&self, canvas: &mut Canvas, pose: &Pose, hair: &Hair) {
        let (main, line) = (self.tone.color(), self.tone.line().color());
        let x = pose.slide(0.3);
        let (w, top) = (hair.half_width, hair.crown);
        let pen = || Pen::local((x, 0.0), (self.side, 1.0));
        match self.on_head {
            OnHead::Nothing | OnHead::CatEars | OnHead::FoxEars | OnHead::BunnyEars => {}
            OnHead::Horns => {
                for side in [-1.0, 1.0] {
                    let horn = Pen::local((x, 0.0), (side, 1.0))
                        .from(15.0, 17.0)
                        .cubic((18.0, 6.0), (25.0, 1.0), (34.0, -1.0))
                        .cubic((33.0, 8.0), (30.0, 18.0), (24.0, 22.0))
                        .quad((20.0, 17.0), (15.0, 17.0))
                        .close();
                    let bone = if self.tone.lightness > 0.5 { tone(0.9, 0.03, 80.0) } else { tone(0.36, 0.05, 20.0) };
                    canvas.outlined(
                        &horn.shape(),
                        Ink::linear(
                            (side * 15.0, 20.0),
                            (side * 34.0, 0.0),
                            &[(0.0, bone.shade(1.2).color()), (1.0, bone.light(0.3).color())],
                        ),
                        0.6,
                        bone.line().color(),
                    );
                }
            }
            OnHead::Halo => {
                let gold = tone(0.9, 0.13, 95.0);
                let halo = Pen::new().oval((x, 5.5), (19.0, 3.8)).shape();
                canvas.stroke(&halo, 3.4, gold.shade(1.3).color());
                canvas.stroke(&halo, 2.0, gold.light(0.5).color());
            }
            OnHead::Headband | OnHead::Headphones => {
                let wide = if self.on_head == OnHead::Headband { 3.4 } else { 2.6 };
                let lift = if self.on_head == OnHead::Headband { 7.0 } else { -1.5 };
                let band = Pen::new()
                    .from(-w - 0.6, 42.0)
                    .cubic((-w * 0.86 + x, 14.0 + lift), (-w * 0.45 + x, top + lift), (x, top + lift))
                    .cubic((w * 0.45 + x, top + lift), (w * 0.86 + x, 14.0 + lift), (w + 0.6, 42.0));
                let band = band.shape();
                canvas.stroke(&band, wide + 1.3, line);
                canvas.stroke(&band, wide, main);
                if self.on_head == OnHead::Headphones {
                    for side in [-1.0, 1.0] {
                        let cup = || Pen::local((side * (w + 0.5), 52.0), (side, 1.0));
                        canvas.outlined(
                            &cup().oval((0.0, 0.0), (5.5, 10.5)).shape(),
                            self.tone.shade(0.8).color(),
                            0.7,
                            line,
                        );
                        canvas.fill(&cup().oval((1.4, -0.5), (3.2, 7.5)).shape(), self.second.color());
                    }
                }
            }
            OnHead::Frill => {
                let mut pen = Pen::new();
                for i in 0..9 {
                    let t = (i as f32 - 4.0) / 4.0;
                    pen = pen.circle((x + t * 24.0, top + 3.5 + t * t * 12.0), 4.6);
                }
                canvas.outlined(&pen.shape(), WHITE.color(), 0.6, WHITE.line().color());
                let ribbon = Pen::new()
                    .from(x - 26.0, top + 20.5)
                    .quad((x - 15.0, top + 6.0), (x, top + 6.0))
                    .quad((x + 15.0, top + 6.0), (x + 26.0, top + 20.5));
                canvas.stroke(&ribbon.shape(), 2.6, main);
            }
            OnHead::Beret => {
                let beret = pen()
                    .from(-33.0, 33.0)
                    .cubic((-50.0, 14.0), (-20.0, -3.0), (8.0, 2.0))
                    .cubic((30.0, 5.0), (38.0, 18.0), (29.0, 25.0))
                    .cubic((16.0, 15.0), (-16.0, 17.0), (-33.0, 33.0))
                    .close();
                let light = (x - 10.0, 8.0);
                let ink = Ink::radial(
                    light,
                    42.0,
                    &[(0.0, self.tone.light(0.3).color()), (1.0, self.tone.shade(0.9).color())],
                );
                canvas.outlined(&beret.shape(), ink, 0.7, line);
                let rim = pen().taper((-33.0, 33.0), (-12.0, 13.5), (29.0, 25.0), 1.6).shape();
                canvas.fill(&rim, self.tone.shade(1.4).color());
                canvas.stroke(&pen().from(-5.0, 0.5).line(-3.5, -2.5).shape(), 1.8, line);
            }
            OnHead::Cap => {
                let crown = Pen::new()
                    .from(x - w - 1.0, 32.0)
                    .cubic((x - w, -2.0), (x + w, -2.0), (x + w + 1.0, 32.0))
                    .quad((x, 20.0), (x - w - 1.0, 32.0))
                    .close();
                let ink = Ink::radial(
                    (x - 10.0, 8.0),
                    46.0,
                    &[(0.0, self.tone.light(0.2).color()), (1.0, self.tone.shade(0.9).color())],
                );
                canvas.outlined(&crown.shape(), ink, 0.7, line);
                let brim = Pen::new()
                    .from(x - w + 1.0, 30.0)
                    .quad((x, 15.0), (x + w - 1.0, 30.0))
                    .cubic((x + 27.0, 42.0), (x - 27.0, 42.0), (x - w + 1.0, 30.0))
                    .close();
                canvas.outlined(&brim.shape(), self.second.color(), 0.7, self.second.line().color());
                canvas.fill(&star((x, 15.0), 5.0, 0.45), WHITE.color());
            }
            OnHead::WitchHat => {
                let cone = pen()
                    .from(-25.0, 24.0)
                    .cubic((-16.0, 8.0), (-8.0, -10.0), (4.0, -22.0))
                    .line(22.0, -16.0)
                    .cubic((18.0, -4.0), (22.0, 10.0), (26.0, 24.0))
                    .close();
                let dark = self.tone.shade(1.2);
                let ink = Ink::linear(
                    (-26.0, 0.0),
                    (26.0, 10.0),
                    &[(0.0, dark.light(0.12).color()), (1.0, dark.shade(0.9).color())],
                );
                canvas.outlined(&cone.shape(), ink, 0.7, dark.line().color());
                let band = pen()
                    .from(-25.0, 24.0)
                    .quad((-23.0, 20.5), (-21.0, 16.5))
                    .quad((2.0, 10.0), (24.2, 16.5))
                    .line(26.0, 24.0)
                    .close();
                canvas.fill(&band.shape(), self.second.color());
                let brim = pen()
                    .from(-47.0, 29.0)
                    .cubic((-20.0, 12.0), (20.0, 12.0), (47.0, 29.0))
                    .cubic((26.0, 36.0), (18.0, 26.0), (0.0, 26.0))
                    .cubic((-18.0, 26.0), (-26.0, 36.0), (-47.0, 29.0))
                    .close();
                canvas.outlined(&brim.shape(), dark.color(), 0.7, dark.line().color());
            }
            OnHead::BigBow => draw_bow(canvas, (x, top + 1.0), 17.0, self.tone),
            OnHead::SideBow => draw_bow(canvas, (x + self.side * 24.0, 24.0), 10.0, self.tone),
            OnHead::Flower => draw_flower(canvas, (x + self.side * 25.0, 28.0), 7.5, self.tone),
            OnHead::FlowerWreath => {
                for i in 0..7 {
                    let t = (i as f32 - 3.0) / 3.0;
                    let petals = if i % 2 == 0 { self.tone } else { self.second };
                    draw_flower(canvas, (x + t * 27.0, top + 8.0 + t * t * 14.0), 5.4, petals);
                }
            }
            OnHead::Pins => {
                let pins = [((17.0, 36.0), (26.5, 33.0)), ((17.5, 40.0), (27.0, 37.5))];
                for ((x0, y0), (x1, y1)) in pins {
                    let pin = pen().from(x0, y0).line(x1, y1).shape();
                    canvas.stroke(&pin, 2.9, line);
                    canvas.stroke(&pin, 1.9, self.tone.light(0.2).color());
                }
            }
            OnHead::Star => {
                let at = (x + self.side * 22.0, 34.0);
                canvas.outlined(&star(at, 6.0, 0.5), tone(0.89, 0.14, 95.0).color(), 0.6, tone(0.5, 0.1, 70.0).color());
            }
            OnHead::Heart => {
                canvas.outlined(
                    &heart((x + self.side * 22.0, 34.0), 5.2),
                    tone(0.68, 0.2, 8.0).color(),
                    0.6,
                    tone(0.4, 0.13, 5.0).color(),
                );
            }
            OnHead::Crown => {
                let gold = tone(0.86, 0.14, 90.0);
                let y = top - 9.5;
                let crown = Pen::local((x, y), (1.0, 1.0))
                    .from(-14.0, 15.0)
                    .line(-16.0, 1.0)
                    .line(-7.5, 8.0)
                    .line(0.0, -2.0)
                    .line(7.5, 8.0)
                    .line(16.0, 1.0)
                    .line(14.0, 15.0)
                    .quad((0.0, 11.0), (-14.0, 15.0))
                    .close();
                let ink = Ink::linear(
                    (x - 14.0, 0.0),
                    (x + 14.0, 10.0),
                    &[(0.0, gold.light(0.5).color()), (1.0, gold.shade(0.9).color())],
                );
                canvas.outlined(&crown.shape(), ink, 0.6, gold.line().color());
                canvas.fill(&Pen::new().circle((x, y + 8.0), 1.8).shape(), self.tone.color());
            }
        }
    }
}

/// Draws a flower whose petals have this color.
fn draw_flower(canvas: &mut Canvas, center: (f32, f32), size: f32, petals: Tone) {
    let mut pen = Pen::local(center, (size, size));
    for i in 0..5 {
        let angle = i as f32 * core::f32::consts::TAU / 5.0;
        pen = pen.circle((0.55 * libm::sinf(angle), -0.55 * libm::cosf(angle)), 0.42);
    }
    let petals = if petals.lightness < 0.45 { petals.light(1.3) } else { petals };
    canvas.outlined(&pen.shape(), petals.color(), 0.5, petals.line().color());
    canvas.fill(&Pen::new().circle(center, size * 0.3).shape(), tone(0.88, 0.14, 92.0).color());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::{Face, tests::assert_all_differ};

    #[test]
    fn all_accessories_are_visible() {
        assert_all_differ(ON_HEAD.map(|(on_head, _)| move |face: &mut Face| face.accessories.on_head = on_head));
        assert_all_differ(ON_FACE.map(|(on_face, _)| move |face: &mut Face| face.accessories.on_face = on_face));
    }
}
