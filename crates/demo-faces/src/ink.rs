//! Fills of shapes: a single color or a gradient.

use zeno::Transform;

use crate::point::Point;

/// An sRGB color: red, green, blue and alpha, each 0 to 255.
pub(crate) type Color = [u8; 4];

/// The fill of a shape.
#[derive(Clone, Debug)]
pub(crate) enum Ink {
    Solid(Color),
    Gradient { geometry: Geometry, stops: Vec<(f32, Color)> },
}

/// Direction and extent of a gradient.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Geometry {
    Linear { start: Point, end: Point },
    Radial { center: Point, radius: Point },
}

impl From<Color> for Ink {
    fn from(color: Color) -> Self {
        Self::Solid(color)
    }
}

impl Ink {
    /// Returns a linear gradient from `start` to `end`. Stops are (position from 0 to 1, color), in order.
    pub(crate) fn linear(start: Point, end: Point, stops: &[(f32, Color)]) -> Self {
        Self::Gradient { geometry: Geometry::Linear { start, end }, stops: stops.to_vec() }
    }

    /// Returns a radial gradient from `center` to the circle of `radius`. Stops are (position from 0 to 1, color), in
    /// order.
    pub(crate) fn radial(center: Point, radius: f32, stops: &[(f32, Color)]) -> Self {
        Self::oval(center, (radius, radius), stops)
    }

    /// Returns a radial gradient from `center` to the ellipse with the two half axes `radius`.
    pub(crate) fn oval(center: Point, radius: Point, stops: &[(f32, Color)]) -> Self {
        Self::Gradient { geometry: Geometry::Radial { center, radius }, stops: stops.to_vec() }
    }
}

/// Number of entries of a gradient's table, more than the number of shades between any two colors in use.
const STEPS: usize = 128;

/// A gradient prepared for the pixels of a canvas.
pub(crate) struct Gradient {
    table: [Color; STEPS],
    /// Transform from pixels to a plane in which the position of a linear gradient is x and that of a radial one is the
    /// distance from the origin.
    to_plane: Transform,
    radial: bool,
}

impl Gradient {
    /// Prepares a gradient that is drawn with the transform `to_pixels`.
    pub(crate) fn new(geometry: Geometry, stops: &[(f32, Color)], to_pixels: &Transform) -> Self {
        let (plane, radial) = match geometry {
            Geometry::Linear { start, end } => {
                let (dx, dy) = (end.0 - start.0, end.1 - start.1);
                let square = (dx * dx + dy * dy).max(1e-6);
                // The position is the dot product of (p − start) with (dx, dy), divided by the squared length.
                let (sx, sy) = (dx / square, dy / square);
                (Transform::new(sx, 0.0, sy, 0.0, -(start.0 * sx + start.1 * sy), 0.0), false)
            }
            Geometry::Radial { center, radius } => {
                let (sx, sy) = (1.0 / radius.0.max(1e-3), 1.0 / radius.1.max(1e-3));
                (Transform::new(sx, 0.0, 0.0, sy, -center.0 * sx, -center.1 * sy), true)
            }
        };
        let to_plane = to_pixels.invert().unwrap_or(Transform::IDENTITY).then(&plane);
        Self { table: table(stops), to_plane, radial }
    }

    /// Returns the colors of a row of pixels from (x, y) to the right.
    pub(crate) fn row(&self, x: usize, y: usize) -> impl Iterator<Item = Color> {
        let t = self.to_plane;
        let (px, py) = (x as f32 + 0.5, y as f32 + 0.5);
        let start = (px * t.xx + py * t.yx + t.x, px * t.xy + py * t.yy + t.y);
        (0..).map(move |i| {
            let (u, v) = (start.0 + i as f32 * t.xx, start.1 + i as f32 * t.xy);
            let share = if self.radial { (u * u + v * v).sqrt() } else { u };
            self.table[(share.clamp(0.0, 1.0) * (STEPS - 1) as f32 + 0.5) as usize]
        })
    }
}

/// Returns the colors at equal steps from 0 to 1.
fn table(stops: &[(f32, Color)]) -> [Color; STEPS] {
    let mut next = 0;
    core::array::from_fn(|i| {
        let share = i as f32 / (STEPS - 1) as f32;
        while next < stops.len() && stops[next].0 <= share {
            next += 1;
        }
        match (next.checked_sub(1).map(|i| stops[i]), stops.get(next)) {
            (Some((from, a)), Some(&(to, b))) => {
                let mix = (share - from) / (to - from);
                core::array::from_fn(|c| (a[c] as f32 + (b[c] as f32 - a[c] as f32) * mix + 0.5) as u8)
            }
            (Some((_, only)), None) | (None, Some(&(_, only))) => only,
            (None, None) => [0; 4],
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLACK: Color = [0, 0, 0, 255];
    const WHITE: Color = [255, 255, 255, 255];

    fn reds(geometry: Geometry, stops: &[(f32, Color)], y: usize) -> Vec<u8> {
        // One pixel for ten units.
        let to_pixels = Transform::new(0.1, 0.0, 0.0, 0.1, 0.0, 0.0);
        Gradient::new(geometry, stops, &to_pixels).row(0, y).take(10).map(|c| c[0]).collect()
    }

    #[test]
    fn linear_gradients_run_from_start_to_end() {
        let along = Geometry::Linear { start: (20.0, 0.0), end: (80.0, 0.0) };
        let row = reds(along, &[(0.0, BLACK), (1.0, WHITE)], 3);
        // Pixel centers are at 5, 15, 25 …: positions 1/12, 3/12 …, in steps of 1/127 of 2 shades each.
        let expected = [0.0, 0.0, 21.25, 63.75, 106.25, 148.75, 191.25, 233.75, 255.0, 255.0];
        for (got, want) in row.iter().zip(expected) {
            assert!((f32::from(*got) - want).abs() <= 1.5, "{row:?}");
        }
    }

    #[test]
    fn radial_gradients_run_outwards() {
        let around = Geometry::Radial { center: (45.0, 35.0), radius: (20.0, 20.0) };
        let row = reds(around, &[(0.0, WHITE), (0.4, WHITE), (0.6, BLACK), (1.0, BLACK)], 3);
        assert_eq!(row[4], 255);
        // Half-way between the stops, where one of the table's steps is 255 / (0.2 · 127) = 10 shades.
        assert!(row[3].abs_diff(128) <= 10 && row[5].abs_diff(128) <= 10, "{row:?}");
        assert_eq!((row[2], row[6], row[0]), (0, 0, 0));
    }
}
