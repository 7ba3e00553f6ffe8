//! A walk from face to face.

use crate::slerp;

/// Walks from face to face by spherical interpolation, several side by side, as `dcgan interpolate` does. The faces to
/// walk through are divided among the walks in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walk {
    walks: u64,
    faces_per_walk: u64,
    steps: u32,
    frames: u64,
}

impl Walk {
    /// Plans `walks` walks through `faces` faces with `steps` frames from one face to the next. With `returns`, each
    /// walk returns to its first face, which is not shown twice. `None` if the faces cannot be divided among the walks
    /// with 2 or more for each, or a number is 0.
    pub fn new(faces: u64, walks: u64, steps: u32, returns: bool) -> Option<Self> {
        let faces_per_walk = faces.checked_div(walks)?;
        if !faces.is_multiple_of(walks) || faces_per_walk < 2 || steps == 0 {
            return None;
        }
        let legs = if returns { faces_per_walk } else { faces_per_walk - 1 };
        let frames = legs * u64::from(steps) + u64::from(!returns);
        Some(Self { walks, faces_per_walk, steps, frames })
    }

    /// Returns the number of frames.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Returns the noise of a frame, walks × latent. `face` returns the noise of a face.
    pub fn noise(&self, frame: u64, face: impl Fn(u64) -> Vec<f32>) -> Vec<f32> {
        let steps = u64::from(self.steps);
        let (leg, step) = (frame / steps, frame % steps);
        let t = step as f64 / steps as f64;
        let walk = |walk: u64| {
            let face = |leg: u64| face(walk * self.faces_per_walk + leg % self.faces_per_walk);
            if step == 0 { face(leg) } else { slerp(&face(leg), &face(leg + 1), t) }
        };
        (0..self.walks).flat_map(walk).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed_noise;

    #[test]
    fn faces_are_divided_among_the_walks() {
        for (faces, walks, steps, returns, frames) in
            [(3, 1, 4, true, Some(12)), (3, 1, 4, false, Some(9)), (6, 3, 10, true, Some(20)), (5, 2, 1, true, None)]
        {
            assert_eq!(Walk::new(faces, walks, steps, returns).map(|walk| walk.frames()), frames);
        }
        assert!(Walk::new(2, 0, 1, true).is_none() && Walk::new(1, 1, 1, true).is_none());
        assert!(Walk::new(2, 1, 0, true).is_none());
        let walk = Walk::new(4, 2, 2, true).unwrap();
        let face = |index: u64| seed_noise(index, 4);
        assert_eq!(walk.noise(0, face), [face(0), face(2)].concat());
        assert_eq!(walk.noise(3, face), [slerp(&face(1), &face(0), 0.5), slerp(&face(3), &face(2), 0.5)].concat());
    }
}
