//! The parameters of the hair.

use crate::canvas::Pen;
use crate::palette::{CLOTHS, HAIRS, Tone, WHITE};
use crate::rng::Rng;

/// The hair of a face.
#[derive(Clone, Debug)]
pub(crate) struct Hair {
    pub(crate) tone: Tone,
    /// Color of dyed ends or of a dyed strand in the fringe.
    pub(super) dye: Tone,
    pub(super) dyed_ends: bool,
    pub(super) dyed_strand: bool,
    pub(super) back: Back,
    pub(super) fringe: Fringe,
    pub(super) sides: Sides,
    pub(super) gloss: Gloss,
    /// Side of the parting: 1 on the right of the image, −1 on the left.
    pub(super) part: f32,
    /// Half the width of the hair at the temples.
    pub(crate) half_width: f32,
    /// y of the crown.
    pub(crate) crown: f32,
    /// Strands that stand up on the crown.
    pub(super) ahoge: Ahoge,
    /// Color of the ties of tails and braids.
    pub(crate) tie: Tone,
    /// Random displacements from −1 to 1, used by [`Hair::wobble`].
    pub(super) wobbles: [f32; 12],
}

/// The locks in front of the ears.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sides {
    None,
    Short,
    Cheek,
    Long,
    Blunt,
    FlickedOut,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Gloss {
    /// A zigzag ring of light.
    Ring,
    /// The same ring on one side only.
    Half,
    /// A soft sheen.
    Soft,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Ahoge {
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

    /// Returns random displacement number `i`, from −`amount` to `amount`.
    pub(super) fn wobble(&self, i: usize, amount: f32) -> f32 {
        self.wobbles[i % self.wobbles.len()] * amount
    }

    /// Returns the color at the ends of long hair.
    pub(super) fn ends(&self) -> Tone {
        if self.dyed_ends { self.dye } else { self.tone.shade(0.7) }
    }

    /// Returns the height of the hair above the crown in percent of the image.
    pub(crate) fn height(&self) -> f32 {
        if matches!(self.back, Back::TopBun | Back::TwinBuns | Back::BunsAndTails) { 5.0 } else { 0.0 }
    }

    /// Returns the width of outlines.
    pub(super) fn line_width(&self) -> f32 {
        0.65
    }

    /// Adds the outline of the top of the head to a pen, from the right temple to the left one. The outline is
    /// symmetric.
    pub(super) fn over_the_crown(&self, pen: Pen) -> Pen {
        let (w, top) = (self.half_width, self.crown);
        pen.cubic((w + 0.5, 24.0), (w * 0.62, top), (0.0, top)).cubic((-w * 0.62, top), (-w - 0.5, 24.0), (-w, 46.0))
    }
}

/// Style of the hair behind the face.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Back {
    Short,
    Spiky,
    Bob,
    Flipped,
    Fluffy,
    Long,
    Wavy,
    Curly,
    TwinTails,
    LowTails,
    Ponytail,
    SideTail,
    Braids,
    TopBun,
    TwinBuns,
    BunsAndTails,
    Drills,
}

/// The styles with their weights.
pub(super) const BACKS: [(Back, u32); 17] = [
    (Back::Short, 8),
    (Back::Spiky, 8),
    (Back::Bob, 12),
    (Back::Flipped, 8),
    (Back::Fluffy, 5),
    (Back::Long, 16),
    (Back::Wavy, 9),
    (Back::Curly, 5),
    (Back::TwinTails, 9),
    (Back::LowTails, 5),
    (Back::Ponytail, 6),
    (Back::SideTail, 4),
    (Back::Braids, 5),
    (Back::TopBun, 4),
    (Back::TwinBuns, 4),
    (Back::BunsAndTails, 2),
    (Back::Drills, 4),
];

impl Back {
    pub(super) fn random(rng: &mut Rng) -> Self {
        rng.weighted(&BACKS)
    }

    /// Whether the top of the head and the silhouette join without a line.
    pub(super) fn flows_into_fringe(self) -> bool {
        matches!(self, Self::Spiky | Self::Fluffy | Self::Curly)
    }

    /// Whether the ears are visible.
    pub(super) fn is_short(self) -> bool {
        matches!(self, Self::Short | Self::Spiky | Self::TopBun)
    }
}

/// Style of the hair over the forehead.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fringe {
    Blunt,
    Layered,
    Curtain,
    Swept,
    Spiky,
    Wispy,
    OverOneEye,
    SweptBack,
    CenterLock,
    Arched,
    Choppy,
    Heavy,
}

/// The styles with their weights.
pub(super) const FRINGES: [(Fringe, u32); 12] = [
    (Fringe::Blunt, 7),
    (Fringe::Layered, 10),
    (Fringe::Curtain, 7),
    (Fringe::Swept, 9),
    (Fringe::Spiky, 7),
    (Fringe::Wispy, 6),
    (Fringe::OverOneEye, 3),
    (Fringe::SweptBack, 3),
    (Fringe::CenterLock, 6),
    (Fringe::Arched, 5),
    (Fringe::Choppy, 6),
    (Fringe::Heavy, 5),
];

impl Fringe {
    pub(super) fn random(rng: &mut Rng) -> Self {
        rng.weighted(&FRINGES)
    }
}
