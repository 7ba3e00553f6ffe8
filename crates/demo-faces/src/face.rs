//! A face as data, and the order in which its parts are painted.

use crate::accessories::Accessories;
use crate::background::Background;
use crate::canvas::Canvas;
use crate::eyes::{Brows, Eyes};
use crate::hair::Hair;
use crate::head::{Head, Pose};
use crate::mouth::Mouth;
use crate::outfit::Outfit;
use crate::palette::tone;
use crate::rng::Rng;

/// Everything that makes one face differ from another. Drawing it uses no more randomness, so it looks the same at every
/// size.
#[derive(Clone, Debug)]
pub struct Face {
    pose: Pose,
    head: Head,
    hair: Hair,
    eyes: Eyes,
    brows: Brows,
    mouth: Mouth,
    outfit: Outfit,
    accessories: Accessories,
    background: Background,
}

impl Face {
    /// Face number `index` of the endless series that belongs to `seed`.
    pub fn random(seed: u64, index: u64) -> Self {
        let rng = &mut Rng::new(seed, index);
        let hair = Hair::random(rng);
        Self {
            background: Background::random(rng, hair.tone),
            pose: Pose::random(rng),
            head: Head::random(rng),
            hair,
            eyes: Eyes::random(rng),
            brows: Brows::random(rng),
            mouth: Mouth::random(rng),
            outfit: Outfit::random(rng),
            accessories: Accessories::random(rng),
        }
    }

    /// The face as RGB bytes, row by row: `size` × `size` × 3 of them. 64 is what it was composed for; any other size
    /// shows the same picture. A size of 0 gives no bytes.
    pub fn draw(&self, size: u32) -> Vec<u8> {
        let mut canvas = Canvas::new(size);
        self.paint(&mut canvas);
        canvas.into_rgb()
    }

    /// Paints from back to front.
    fn paint(&self, canvas: &mut Canvas) {
        let Self { pose, head, hair, eyes, brows, mouth, outfit, accessories, background } = self;
        background.draw(canvas);

        canvas.pose(&pose.head());
        hair.draw_back(canvas, pose);
        canvas.pose(&pose.body());
        outfit.draw_skin(canvas, head.skin);
        head.draw_neck(canvas);
        outfit.draw(canvas);

        canvas.pose(&pose.head());
        hair.draw_over_shoulders(canvas);
        head.draw_ears(canvas, pose);
        head.draw_face(canvas, pose);
        canvas.clip(&head.outline(pose));
        head.draw_marks(canvas, pose);
        hair.draw_shadow(canvas, pose, head.skin);
        canvas.unclip();
        // Lashes are nearly black, with a little of the hair in them.
        let ink = tone(0.2, 0.03, hair.tone.hue).mix(hair.tone.line(), 0.25);
        mouth.draw(canvas, pose, head.skin);
        eyes.draw(canvas, pose, head.skin, ink);
        accessories.draw_on_face(canvas, pose, head);
        accessories.draw_behind_fringe(canvas, pose, hair);
        hair.draw_front(canvas, pose);
        brows.draw(canvas, pose, eyes, hair.tone);
        accessories.draw_on_hair(canvas, pose, hair);
    }
}
