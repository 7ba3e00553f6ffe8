//! What the parts of a face are drawn with: a [`Pen`] that outlines [`Shape`]s, [`Ink`] to fill them, and the [`Canvas`]
//! they land on.
//!
//! Coordinates are percent of the picture: x runs from −50 at the left to 50 at the right, so that the two sides of a
//! face differ by a sign; y runs from 0 at the top to 100 at the bottom.

use tiny_skia::{
    Color, FillRule, GradientStop, LineCap, LineJoin, LinearGradient, Mask, Paint, Path, PathBuilder, Pixmap, Point,
    RadialGradient, Rect, Shader, SpreadMode, Stroke, Transform,
};

/// A point of the picture in percent.
pub(crate) type At = (f32, f32);

/// Outlines a shape, point by point. Everything is relative to the pen's origin, and mirrored if the pen is.
pub(crate) struct Pen {
    path: PathBuilder,
    origin: At,
    scale: At,
}

impl Pen {
    /// A pen in picture coordinates.
    pub(crate) fn new() -> Self {
        Self::local((0.0, 0.0), (1.0, 1.0))
    }

    /// A pen that mirrors x if `side` is −1: draws the left side of a face from numbers for the right.
    pub(crate) fn side(side: f32) -> Self {
        Self::local((0.0, 0.0), (side, 1.0))
    }

    /// A pen whose (0, 0) is `origin` and whose unit is `scale` (negative to mirror).
    pub(crate) fn local(origin: At, scale: At) -> Self {
        Self { path: PathBuilder::new(), origin, scale }
    }

    fn map(&self, (x, y): At) -> At {
        (self.origin.0 + x * self.scale.0, self.origin.1 + y * self.scale.1)
    }

    /// Starts a new outline.
    pub(crate) fn from(mut self, x: f32, y: f32) -> Self {
        let (x, y) = self.map((x, y));
        self.path.move_to(x, y);
        self
    }

    /// A straight line to a point.
    pub(crate) fn line(mut self, x: f32, y: f32) -> Self {
        let (x, y) = self.map((x, y));
        self.path.line_to(x, y);
        self
    }

    /// A curve with one control point.
    pub(crate) fn quad(mut self, control: At, end: At) -> Self {
        let (c, e) = (self.map(control), self.map(end));
        self.path.quad_to(c.0, c.1, e.0, e.1);
        self
    }

    /// A curve with two control points.
    pub(crate) fn cubic(mut self, control1: At, control2: At, end: At) -> Self {
        let (c, d, e) = (self.map(control1), self.map(control2), self.map(end));
        self.path.cubic_to(c.0, c.1, d.0, d.1, e.0, e.1);
        self
    }

    /// Back to where this outline started.
    pub(crate) fn close(mut self) -> Self {
        self.path.close();
        self
    }

    /// A whole ellipse.
    pub(crate) fn oval(mut self, center: At, radius: At) -> Self {
        let (x, y) = self.map(center);
        let (rx, ry) = (radius.0 * self.scale.0.abs(), radius.1 * self.scale.1.abs());
        if let Some(bounds) = Rect::from_ltrb(x - rx, y - ry, x + rx, y + ry) {
            self.path.push_oval(bounds);
        }
        self
    }

    /// A whole circle.
    pub(crate) fn circle(self, center: At, radius: f32) -> Self {
        self.oval(center, (radius, radius))
    }

    /// A brush stroke from `start` to `end` that bends towards `control`: thin at both ends, `width` in the middle.
    pub(crate) fn taper(self, start: At, control: At, end: At, width: f32) -> Self {
        // A quadratic passes half-way between its chord and its control point, so controls that are 2·width apart give
        // two curves that are `width` apart.
        let (dx, dy) = (end.0 - start.0, end.1 - start.1);
        let length = (dx * dx + dy * dy).sqrt().max(1e-3);
        let (nx, ny) = (-dy / length * width, dx / length * width);
        self.from(start.0, start.1)
            .quad((control.0 + nx, control.1 + ny), end)
            .quad((control.0 - nx, control.1 - ny), start)
            .close()
    }

    /// The finished shape.
    pub(crate) fn shape(self) -> Shape {
        Shape(self.path.finish())
    }
}

/// An outline, ready to be drawn. One without points draws nothing.
#[derive(Clone)]
pub(crate) struct Shape(Option<Path>);

impl Shape {
    /// The same shape elsewhere.
    pub(crate) fn moved(&self, dx: f32, dy: f32) -> Self {
        Self(self.0.clone().and_then(|path| path.transform(Transform::from_translate(dx, dy))))
    }
}

/// What a shape is filled with.
pub(crate) struct Ink(Shader<'static>);

impl From<Color> for Ink {
    fn from(color: Color) -> Self {
        Self(Shader::SolidColor(color))
    }
}

impl Ink {
    /// Colours along the line from `start` to `end`; stops are (share of the way, colour).
    pub(crate) fn linear(start: At, end: At, stops: &[(f32, Color)]) -> Self {
        let first = stops[0].1;
        let shader =
            LinearGradient::new(point(start), point(end), gradient(stops), SpreadMode::Pad, Transform::identity());
        Self(shader.unwrap_or(Shader::SolidColor(first)))
    }

    /// Colours outwards from `center` to `radius`; stops are (share of the radius, colour).
    pub(crate) fn radial(center: At, radius: f32, stops: &[(f32, Color)]) -> Self {
        let (first, center) = (stops[0].1, point(center));
        let shader =
            RadialGradient::new(center, 0.0, center, radius, gradient(stops), SpreadMode::Pad, Transform::identity());
        Self(shader.unwrap_or(Shader::SolidColor(first)))
    }
}

fn point((x, y): At) -> Point {
    Point::from_xy(x, y)
}

fn gradient(stops: &[(f32, Color)]) -> Vec<GradientStop> {
    stops.iter().map(|&(position, color)| GradientStop::new(position, color)).collect()
}

/// The picture being drawn.
pub(crate) struct Canvas {
    pixmap: Pixmap,
    /// From percent to pixels, before any pose.
    to_pixels: Transform,
    /// From percent to pixels, as things are drawn now.
    transform: Transform,
    /// If set, only what it covers is drawn on.
    clip: Option<Mask>,
    /// Width in percent of the thinnest line that still shows.
    hairline: f32,
}

impl Canvas {
    /// A picture of `size` × `size` pixels, or `None` if that is nothing, or more than can be addressed.
    pub(crate) fn new(size: u32) -> Option<Self> {
        let unit = size as f32 / 100.0;
        let to_pixels = Transform::from_row(unit, 0.0, 0.0, unit, 50.0 * unit, 0.0);
        Some(Self {
            pixmap: Pixmap::new(size, size)?,
            to_pixels,
            transform: to_pixels,
            clip: None,
            // Three quarters of a pixel.
            hairline: 75.0 / size as f32,
        })
    }

    /// Draws from now on with `pose` applied, a map from percent to percent.
    pub(crate) fn pose(&mut self, pose: Transform) {
        self.transform = self.to_pixels.pre_concat(pose);
    }

    /// Draws from now on only inside `shape`, until [`Canvas::unclip`].
    pub(crate) fn clip(&mut self, shape: &Shape) {
        let (width, height) = (self.pixmap.width(), self.pixmap.height());
        if let (Some(path), Some(mut mask)) = (&shape.0, Mask::new(width, height)) {
            mask.fill_path(path, FillRule::Winding, true, self.transform);
            self.clip = Some(mask);
        }
    }

    /// Draws from now on everywhere.
    pub(crate) fn unclip(&mut self) {
        self.clip = None;
    }

    /// Fills a shape.
    pub(crate) fn fill(&mut self, shape: &Shape, ink: impl Into<Ink>) {
        if let Some(path) = &shape.0 {
            let paint = paint(ink.into());
            self.pixmap.fill_path(path, &paint, FillRule::Winding, self.transform, self.clip.as_ref());
        }
    }

    /// Draws along a shape with a round pen of the given width, at least three quarters of a pixel.
    pub(crate) fn stroke(&mut self, shape: &Shape, width: f32, ink: impl Into<Ink>) {
        if let Some(path) = &shape.0 {
            let paint = paint(ink.into());
            let stroke = Stroke {
                width: width.max(self.hairline),
                line_cap: LineCap::Round,
                line_join: LineJoin::Round,
                ..Stroke::default()
            };
            self.pixmap.stroke_path(path, &paint, &stroke, self.transform, self.clip.as_ref());
        }
    }

    /// Fills a shape and outlines it. The outline is drawn first and twice as wide, so that half of it shows around the
    /// shape, and parts that overlap run into each other.
    pub(crate) fn outlined(&mut self, shape: &Shape, ink: impl Into<Ink>, width: f32, line: Color) {
        self.stroke(shape, 2.0 * width, line);
        self.fill(shape, ink);
    }

    /// Fills the whole picture, whatever the pose.
    pub(crate) fn flood(&mut self, ink: impl Into<Ink>) {
        if let Some(everything) = Rect::from_xywh(-50.0, 0.0, 100.0, 100.0) {
            self.pixmap.fill_rect(everything, &paint(ink.into()), self.to_pixels, None);
        }
    }

    /// The picture as RGB bytes, row by row. It must have been flooded, so that nothing is transparent.
    pub(crate) fn into_rgb(self) -> Vec<u8> {
        self.pixmap.data().chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect()
    }
}

fn paint(ink: Ink) -> Paint<'static> {
    Paint { shader: ink.0, ..Paint::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canvas() -> Canvas {
        let mut canvas = Canvas::new(10).unwrap();
        canvas.flood(Color::WHITE);
        canvas
    }

    /// Rows of the picture, `#` where it was painted black.
    fn rows(canvas: Canvas) -> Vec<String> {
        let rgb = canvas.into_rgb();
        rgb.chunks(30).map(|row| row.chunks(3).map(|p| if p[0] < 128 { '#' } else { '.' }).collect()).collect()
    }

    #[test]
    fn percents_become_pixels() {
        let mut canvas = canvas();
        canvas.fill(
            &Pen::new().from(-50.0, 0.0).line(-20.0, 0.0).line(-20.0, 20.0).line(-50.0, 20.0).close().shape(),
            Color::BLACK,
        );
        let rows = rows(canvas);
        assert_eq!(rows[..3], ["###.......", "###.......", ".........."]);
    }

    #[test]
    fn sides_mirror() {
        let half = |side| {
            let mut canvas = canvas();
            canvas
                .fill(&Pen::side(side).from(10.0, 0.0).line(50.0, 0.0).line(10.0, 90.0).close().shape(), Color::BLACK);
            rows(canvas)
        };
        let mirrored: Vec<String> = half(-1.0).iter().map(|row| row.chars().rev().collect()).collect();
        assert_eq!(half(1.0), mirrored);
        assert_ne!(half(1.0), half(-1.0));
    }

    #[test]
    fn clips_and_unclips() {
        let mut canvas = canvas();
        let left = Pen::new().from(-50.0, 0.0).line(0.0, 0.0).line(0.0, 100.0).line(-50.0, 100.0).close().shape();
        let top = Pen::new().from(-50.0, 0.0).line(50.0, 0.0).line(50.0, 10.0).line(-50.0, 10.0).close().shape();
        canvas.clip(&left);
        canvas.fill(&top, Color::BLACK);
        canvas.unclip();
        canvas.fill(&top.moved(0.0, 10.0), Color::BLACK);
        assert_eq!(rows(canvas)[..3], ["#####.....", "##########", ".........."]);
    }

    #[test]
    fn nothing_can_be_drawn_on_nothing() {
        assert!(Canvas::new(0).is_none());
    }
}
