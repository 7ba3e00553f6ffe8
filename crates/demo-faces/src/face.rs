//! The parameters of a face, and the order in which its parts are painted.

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

/// Largest width and height of a face in pixels. The rasterizer multiplies lengths in 1/256 pixel with 32 bits, which
/// is enough for 7,000 pixels and for shapes that extend beyond the frame.
pub const MAX_SIZE: u32 = 4096;

/// All parameters of a face. Drawing uses no further random numbers, so a face looks the same at every size.
#[derive(Clone, Debug)]
pub struct Face {
    pub(crate) pose: Pose,
    pub(crate) head: Head,
    pub(crate) hair: Hair,
    pub(crate) eyes: Eyes,
    pub(crate) brows: Brows,
    pub(crate) mouth: Mouth,
    pub(crate) outfit: Outfit,
    pub(crate) accessories: Accessories,
    pub(crate) background: Background,
}

impl Face {
    /// Returns face `index` of the series that belongs to `seed`.
    pub fn random(seed: u64, index: u64) -> Self {
        let rng = &mut Rng::new(seed, index);
        let hair = Hair::random(rng);
        let accessories = Accessories::random(rng);
        let mut pose = Pose::random(rng);
        pose.make_room(accessories.height().max(hair.height()));
        Self {
            background: Background::random(rng, hair.tone),
            pose,
            head: Head::random(rng),
            hair,
            eyes: Eyes::random(rng),
            brows: Brows::random(rng),
            mouth: Mouth::random(rng),
            outfit: Outfit::random(rng),
            accessories,
        }
    }

    /// Draws the face and returns its RGB bytes, row by row: `size` × `size` × 3. Faces are designed for a size of 64;
    /// other sizes show the same picture. A size of 0 gives no bytes.
    ///
    /// # Panics
    ///
    /// If `size` is larger than [`MAX_SIZE`].
    pub fn draw(&self, size: u32) -> Vec<u8> {
        assert!(size <= MAX_SIZE, "a face of {size} pixels is larger than {MAX_SIZE}");
        let mut canvas = Canvas::new(size);
        self.paint(&mut canvas);
        canvas.into_rgb()
    }

    /// Paints all parts from back to front.
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
        // Lashes are nearly black, with a slight tint of the hair.
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Applies each change to a face and asserts that no two results are the same image. A style that is not drawn
    /// would look like another one.
    pub(crate) fn assert_all_differ<const N: usize>(changes: [impl Fn(&mut Face); N]) {
        let pictures = changes.map(|change| {
            // A face with open eyes, without accessories or hair that hides them.
            let mut face = Face::random(0, 10);
            change(&mut face);
            face.draw(64)
        });
        for (i, a) in pictures.iter().enumerate() {
            for (j, b) in pictures[..i].iter().enumerate() {
                assert!(a != b, "variants {j} and {i} look the same");
            }
        }
    }

    #[test]
    #[should_panic(expected = "a face of 4097 pixels is larger than 4096")]
    fn refuses_sizes_beyond_the_rasterizer() {
        Face::random(0, 0).draw(MAX_SIZE + 1);
    }
}
