//! Vector drawing: a [`Pen`] outlines [`Shape`]s, and a [`Canvas`] fills them with pixels.
//!
//! Coordinates are percent of the image: x runs from −50 at the left to 50 at the right, so that the two sides of a
//! face differ by a sign; y runs from 0 at the top to 100 at the bottom.

use zeno::{Cap, Command, Join, Mask, PathBuilder, Scratch, Stroke, Style, Transform};

use crate::ink::{Color, Gradient, Ink};
use crate::point::Point;

/// Builds the outline of a shape point by point. All points are relative to the pen's origin and scale, which may
/// mirror.
pub(crate) struct Pen {
    path: Vec<Command>,
    origin: Point,
    scale: Point,
}

impl Pen {
    /// Returns a pen in coordinates of the image.
    pub(crate) fn new() -> Self {
        Self::local((0.0, 0.0), (1.0, 1.0))
    }

    /// Returns a pen that mirrors x if `side` is −1, to draw the left side of a face with coordinates of the right
    /// side.
    pub(crate) fn side(side: f32) -> Self {
        Self::local((0.0, 0.0), (side, 1.0))
    }

    /// Returns a pen with the origin `origin` and the unit `scale`, which is negative to mirror.
    pub(crate) fn local(origin: Point, scale: Point) -> Self {
        Self { path: Vec::new(), origin, scale }
    }

    /// Converts a point of the pen to coordinates of the image.
    fn map(&self, (x, y): Point) -> [f32; 2] {
        [self.origin.0 + x * self.scale.0, self.origin.1 + y * self.scale.1]
    }

    /// Starts a new outline at a point.
    pub(crate) fn from(mut self, x: f32, y: f32) -> Self {
        let start = self.map((x, y));
        self.path.move_to(start);
        self
    }

    /// Adds a straight line to a point.
    pub(crate) fn line(mut self, x: f32, y: f32) -> Self {
        let end = self.map((x, y));
        self.path.line_to(end);
        self
    }

    /// Adds a quadratic Bézier curve.
    pub(crate) fn quad(mut self, control: Point, end: Point) -> Self {
        let (c, e) = (self.map(control), self.map(end));
        self.path.quad_to(c, e);
        self
    }

    /// Adds a cubic Bézier curve.
    pub(crate) fn cubic(mut self, control1: Point, control2: Point, end: Point) -> Self {
        let (c, d, e) = (self.map(control1), self.map(control2), self.map(end));
        self.path.curve_to(c, d, e);
        self
    }

    /// Closes the outline with a straight line to its start.
    pub(crate) fn close(mut self) -> Self {
        self.path.close();
        self
    }

    /// Adds an ellipse.
    pub(crate) fn oval(mut self, center: Point, radius: Point) -> Self {
        let (rx, ry) = (radius.0 * self.scale.0.abs(), radius.1 * self.scale.1.abs());
        let center = self.map(center);
        self.path.add_ellipse(center, rx, ry);
        self
    }

    /// Adds a circle.
    pub(crate) fn circle(self, center: Point, radius: f32) -> Self {
        self.oval(center, (radius, radius))
    }

    /// Adds a brush stroke from `start` to `end` that bends towards `control`. It is pointed at both ends and `width`
    /// wide in the middle.
    pub(crate) fn taper(self, start: Point, control: Point, end: Point, width: f32) -> Self {
        // A quadratic curve passes half-way between its chord and its control point, so two curves whose control points
        // are 2·width apart are `width` apart.
        let (dx, dy) = (end.0 - start.0, end.1 - start.1);
        let length = (dx * dx + dy * dy).sqrt().max(1e-3);
        let (nx, ny) = (-dy / length * width, dx / length * width);
        self.from(start.0, start.1)
            .quad((control.0 + nx, control.1 + ny), end)
            .quad((control.0 - nx, control.1 - ny), start)
            .close()
    }

    /// Returns the finished shape.
    pub(crate) fn shape(self) -> Shape {
        Shape(self.path)
    }
}

/// One or more outlines. A shape without points draws nothing.
#[derive(Clone)]
pub(crate) struct Shape(Vec<Command>);

impl Shape {
    /// Returns the shape moved by (`dx`, `dy`).
    pub(crate) fn moved(&self, dx: f32, dy: f32) -> Self {
        let by = Transform::translation(dx, dy);
        Self(self.0.iter().map(|command| command.transform(&by)).collect())
    }

    /// Returns the pixels that the shape may touch if it is drawn with the transform `to_pixels` and a pen of radius
    /// `margin` pixels on a canvas of `size` pixels. A curve lies within the hull of its control points.
    fn area(&self, to_pixels: &Transform, margin: f32, size: usize) -> Area {
        let (mut min, mut max) = ((f32::MAX, f32::MAX), (f32::MIN, f32::MIN));
        for command in &self.0 {
            let points: &[zeno::Point] = match command {
                Command::MoveTo(a) | Command::LineTo(a) => &[*a],
                Command::QuadTo(a, b) => &[*a, *b],
                Command::CurveTo(a, b, c) => &[*a, *b, *c],
                Command::Close => &[],
            };
            for point in points {
                let p = to_pixels.transform_point(*point);
                min = (min.0.min(p.x), min.1.min(p.y));
                max = (max.0.max(p.x), max.1.max(p.y));
            }
        }
        let low = |value: f32| (value - margin).clamp(0.0, size as f32) as usize;
        let high = |value: f32| ((value + margin).clamp(0.0, size as f32) + 0.999) as usize;
        let (left, top) = (low(min.0), low(min.1));
        let (right, bottom) = (high(max.0).min(size), high(max.1).min(size));
        Area { left, top, width: right.saturating_sub(left), height: bottom.saturating_sub(top) }
    }
}

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug)]
struct Area {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

/// The image that is drawn on.
pub(crate) struct Canvas {
    /// Width and height in pixels.
    size: usize,
    /// Red, green and blue in the three low bytes, from the lowest up.
    pixels: Vec<u32>,
    /// Transform from percent to pixels, without a pose.
    to_pixels: Transform,
    /// Transform from percent to pixels with the current pose.
    transform: Transform,
    /// Coverage of each pixel by the clip; empty without a clip.
    clip: Vec<u8>,
    /// Width in percent of the thinnest line that is visible.
    hairline: f32,
    /// Memory of the rasterizer and of the coverage of one shape, reused for every shape.
    scratch: Scratch,
    coverage: Vec<u8>,
}

impl Canvas {
    /// Returns a black image of `size` × `size` pixels.
    pub(crate) fn new(size: u32) -> Self {
        let unit = size as f32 / 100.0;
        let to_pixels = Transform::new(unit, 0.0, 0.0, unit, 50.0 * unit, 0.0);
        let size = size as usize;
        Self {
            size,
            pixels: vec![0; size * size],
            to_pixels,
            transform: to_pixels,
            clip: Vec::new(),
            // Three quarters of a pixel.
            hairline: 0.75 / unit,
            scratch: Scratch::new(),
            coverage: Vec::new(),
        }
    }

    /// Sets the pose that is applied to everything drawn after this call: a transform from percent to percent.
    pub(crate) fn pose(&mut self, pose: &Transform) {
        self.transform = pose.then(&self.to_pixels);
    }

    /// Limits drawing to the inside of `shape` until [`Canvas::unclip`].
    pub(crate) fn clip(&mut self, shape: &Shape) {
        let area = self.cover(shape, Style::default(), 0.0);
        self.clip.clear();
        self.clip.resize(self.size * self.size, 0);
        for y in 0..area.height {
            let start = (area.top + y) * self.size + area.left;
            self.clip[start..start + area.width].copy_from_slice(&self.coverage[y * area.width..(y + 1) * area.width]);
        }
    }

    /// Removes the clip.
    pub(crate) fn unclip(&mut self) {
        self.clip.clear();
    }

    /// Fills a shape.
    pub(crate) fn fill(&mut self, shape: &Shape, ink: impl Into<Ink>) {
        let area = self.cover(shape, Style::default(), 0.0);
        self.blend(area, &ink.into());
    }

    /// Draws the outline of a shape with a round pen of this width, but at least three quarters of a pixel wide.
    pub(crate) fn stroke(&mut self, shape: &Shape, width: f32, ink: impl Into<Ink>) {
        let width = width.max(self.hairline);
        let mut stroke = Stroke::new(width);
        stroke.join(Join::Miter).cap(Cap::Round);
        // A miter reaches up to four times the radius of the pen; poses scale by a few percent more.
        let margin = 2.2 * width * self.to_pixels.xx;
        let area = self.cover(shape, Style::Stroke(stroke), margin);
        self.blend(area, &ink.into());
    }

    /// Fills a shape and outlines it. The outline is drawn first and twice as wide, so that half of it remains visible
    /// around the shape and overlapping parts join without a line.
    pub(crate) fn outlined(&mut self, shape: &Shape, ink: impl Into<Ink>, width: f32, line: Color) {
        self.stroke(shape, 2.0 * width, line);
        self.fill(shape, ink);
    }

    /// Fills the whole image, independent of the pose.
    pub(crate) fn flood(&mut self, ink: impl Into<Ink>) {
        self.coverage.clear();
        self.coverage.resize(self.size * self.size, 255);
        self.transform = self.to_pixels;
        self.blend(Area { left: 0, top: 0, width: self.size, height: self.size }, &ink.into());
    }

    /// Returns the RGB bytes of the image, row by row.
    pub(crate) fn into_rgb(self) -> Vec<u8> {
        let rgb = |&pixel: &u32| {
            let [red, green, blue, _] = pixel.to_le_bytes();
            [red, green, blue]
        };
        self.pixels.iter().map(rgb).collect::<Vec<_>>().into_flattened()
    }

    /// Computes the coverage of each pixel by a shape into `self.coverage`, row by row of the returned area.
    fn cover(&mut self, shape: &Shape, style: Style<'_>, margin: f32) -> Area {
        let area = shape.area(&self.transform, margin, self.size);
        self.coverage.clear();
        self.coverage.resize(area.width * area.height, 0);
        if !self.coverage.is_empty() {
            Mask::with_scratch(&shape.0, &mut self.scratch)
                .style(style)
                .transform(Some(self.transform))
                .size(area.width as u32, area.height as u32)
                .offset([-(area.left as f32), -(area.top as f32)])
                .render_into(&mut self.coverage, None);
        }
        area
    }

    /// Blends ink onto the pixels of `area` by their coverage.
    fn blend(&mut self, area: Area, ink: &Ink) {
        match ink {
            Ink::Solid(color) => self.blend_colors(area, |_, _| core::iter::repeat(*color)),
            Ink::Gradient { geometry, stops } => {
                let gradient = Gradient::new(*geometry, stops, &self.transform);
                self.blend_colors(area, |x, y| gradient.row(x, y));
            }
        }
    }

    /// As [`Canvas::blend`], with the colors that `colors(x, y)` yields for the pixels of a row from (x, y) to the
    /// right.
    fn blend_colors<I: Iterator<Item = Color>>(&mut self, area: Area, colors: impl Fn(usize, usize) -> I) {
        if self.coverage.is_empty() {
            return;
        }
        for (y, coverage) in self.coverage.chunks_exact_mut(area.width).enumerate() {
            let y = area.top + y;
            let start = y * self.size + area.left;
            if !self.clip.is_empty() {
                for (c, &limit) in coverage.iter_mut().zip(&self.clip[start..]) {
                    *c = scale(*c, limit);
                }
            }
            // Skips empty pixels, which are the most around a slanted shape.
            let Some(first) = coverage.iter().position(|&c| c != 0) else { continue };
            let last = coverage.iter().rposition(|&c| c != 0).unwrap_or(first);
            let pixels = &mut self.pixels[start + first..=start + last];
            for ((pixel, &c), color) in pixels.iter_mut().zip(&coverage[first..=last]).zip(colors(area.left + first, y))
            {
                lay(pixel, color, c);
            }
        }
    }
}

/// Returns a · b, where 255 represents 1.
fn scale(a: u8, b: u8) -> u8 {
    ((u32::from(a) * u32::from(b) + 127) / 255) as u8
}

/// Blends a color onto a pixel by the color's alpha and the coverage.
fn lay(pixel: &mut u32, color: Color, coverage: u8) {
    let cover = u32::from(scale(color[3], coverage));
    // Maps 255 to 256, so that the division is a shift and full coverage replaces the pixel exactly.
    let weight = cover + (cover >> 7);
    let ink = u32::from_le_bytes(color);
    // Two channels at a time, each in 16 bits: 255 · 256 + 128 fits.
    let mix = |pixel: u32, ink: u32| {
        const PAIR: u32 = 0x00ff_00ff;
        (((pixel & PAIR) * (256 - weight) + (ink & PAIR) * weight + 0x0080_0080) >> 8) & PAIR
    };
    *pixel = mix(*pixel, ink) | mix(*pixel >> 8, ink >> 8) << 8;
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLACK: Color = [0, 0, 0, 255];

    fn canvas() -> Canvas {
        let mut canvas = Canvas::new(10);
        canvas.flood([255; 4]);
        canvas
    }

    /// Returns the rows of the image as text, with `#` for black pixels.
    fn rows(canvas: Canvas) -> Vec<String> {
        let rgb = canvas.into_rgb();
        rgb.chunks(30).map(|row| row.chunks(3).map(|p| if p[0] < 128 { '#' } else { '.' }).collect()).collect()
    }

    #[test]
    fn percents_become_pixels() {
        let mut canvas = canvas();
        canvas.fill(
            &Pen::new().from(-50.0, 0.0).line(-20.0, 0.0).line(-20.0, 20.0).line(-50.0, 20.0).close().shape(),
            BLACK,
        );
        let rows = rows(canvas);
        assert_eq!(rows[..3], ["###.......", "###.......", ".........."]);
    }

    #[test]
    fn sides_mirror() {
        let half = |side| {
            let mut canvas = canvas();
            canvas.fill(&Pen::side(side).from(10.0, 0.0).line(50.0, 0.0).line(10.0, 90.0).close().shape(), BLACK);
            rows(canvas)
        };
        let mirrored: Vec<String> = half(-1.0).iter().map(|row| row.chars().rev().collect()).collect();
        assert_eq!(half(1.0), mirrored);
        assert_ne!(half(1.0), half(-1.0));
    }

    #[test]
    fn ink_covers_by_its_share() {
        let laid = |coverage, alpha| {
            let mut pixel = u32::from_le_bytes([10, 200, 255, 0]);
            lay(&mut pixel, [250, 100, 0, alpha], coverage);
            pixel.to_le_bytes()
        };
        assert_eq!(laid(0, 255)[..3], [10, 200, 255]);
        assert_eq!(laid(255, 0)[..3], [10, 200, 255]);
        assert_eq!(laid(255, 255)[..3], [250, 100, 0]);
        // 128 of 255 is 129 of 256 after rounding: 10 + 240 · 129/256 = 130.9, and so on.
        assert_eq!(laid(128, 255)[..3], [131, 150, 127]);
        assert_eq!(laid(255, 128)[..3], laid(128, 255)[..3]);
    }

    #[test]
    fn clips_and_unclips() {
        let mut canvas = canvas();
        let left = Pen::new().from(-50.0, 0.0).line(0.0, 0.0).line(0.0, 100.0).line(-50.0, 100.0).close().shape();
        let top = Pen::new().from(-50.0, 0.0).line(50.0, 0.0).line(50.0, 10.0).line(-50.0, 10.0).close().shape();
        canvas.clip(&left);
        canvas.fill(&top, BLACK);
        canvas.unclip();
        canvas.fill(&top.moved(0.0, 10.0), BLACK);
        assert_eq!(rows(canvas)[..3], ["#####.....", "##########", ".........."]);
    }
}
