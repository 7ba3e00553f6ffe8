//! The coordinate system of the canvas.

/// A point of the image in percent: x runs from −50 at the left to 50 at the right, y from 0 at the top to 100 at the
/// bottom.
pub(crate) type Point = (f32, f32);
