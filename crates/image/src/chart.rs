//! Charts of values over the steps of a training.

use crate::Picture;
use crate::font::{self, FONT};
use plotters::backend::{BitMapBackend, DrawingBackend};
use plotters::chart::ChartBuilder;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Text};
use plotters::style::{BLACK, Color as _, IntoFont, RGBColor, WHITE};
use std::io;

/// Largest number of points of a line. A longer line is cut into parts: the means of the parts are drawn as the line,
/// and the range of each part as an area behind it.
const MAX_POINTS: usize = 500;

/// Number of rows above the diagram of a chart of points, for its title and its legend.
const HEAD: i32 = 64;

/// Red, green and blue of a curve.
pub type Color = [u8; 3];

/// The rectangle of an image that a chart fills, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// First column.
    pub left: usize,
    /// First row.
    pub top: usize,
    /// Number of columns.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
}

/// A chart with its title and axes. The horizontal axis shows steps.
#[derive(Debug, Clone)]
pub enum Chart<'a> {
    /// Curves with a value for every step.
    Lines(LineChart<'a>),
    /// Curves with a few points, each of which is marked.
    Points(PointChart<'a>),
}

/// A chart of curves with a value for every step.
#[derive(Debug, Clone)]
pub struct LineChart<'a> {
    /// Text above the chart.
    pub title: String,
    /// Text beside the vertical axis.
    pub value_name: &'a str,
    /// Step of the first value of each curve.
    pub first_step: u64,
    /// Smallest and largest value of the vertical axis. Values outside are drawn at its ends.
    pub range: [f32; 2],
    /// The curves.
    pub curves: Vec<Curve<'a>>,
}

/// A curve with a value for every step.
#[derive(Debug, Clone, Copy)]
pub struct Curve<'a> {
    /// Name in the legend.
    pub name: &'a str,
    /// Color of the curve.
    pub color: Color,
    /// Values of consecutive steps.
    pub values: &'a [f32],
}

/// A chart of curves with a few points.
#[derive(Debug, Clone)]
pub struct PointChart<'a> {
    /// Text above the chart.
    pub title: &'a str,
    /// Smallest and largest value of the vertical axis.
    pub range: [f32; 2],
    /// The curves.
    pub curves: Vec<PointCurve<'a>>,
}

/// A curve with a few points.
#[derive(Debug, Clone)]
pub struct PointCurve<'a> {
    /// Name in the legend.
    pub name: &'a str,
    /// Color of the curve.
    pub color: Color,
    /// Step and value of each point, by step.
    pub points: Vec<(f32, f32)>,
}

/// Draws charts on a white image of `width` × `height` pixels, each in its area.
///
/// # Errors
/// If the plotting library fails.
pub fn draw_charts(width: usize, height: usize, charts: &[(Area, Chart<'_>)]) -> io::Result<Picture> {
    font::register();
    let mut picture = Picture::black(width, height, 3);
    {
        let root = BitMapBackend::with_buffer(&mut picture.pixels, (width as u32, height as u32)).into_drawing_area();
        let drawn = root.fill(&WHITE).and_then(|()| {
            for (area, chart) in charts {
                let Area { left, top, width, height } = *area;
                let part = root.clone().shrink((left as u32, top as u32), (width as u32, height as u32));
                match chart {
                    Chart::Lines(chart) => draw_lines(&part, width, chart)?,
                    Chart::Points(chart) => draw_points(&part, chart)?,
                }
            }
            root.present()
        });
        drawn.map_err(|error| io::Error::other(error.to_string()))?;
    }
    Ok(picture)
}

/// Converts a color to the type of the plotting library.
fn rgb([red, green, blue]: Color) -> RGBColor {
    RGBColor(red, green, blue)
}

/// Draws a chart of lines into `area`, which is `width` pixels wide.
fn draw_lines<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    width: usize,
    chart: &LineChart<'_>,
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    let LineChart { title, value_name, first_step, range: [bottom, top], curves } = chart;
    let (bottom, top) = (*bottom, *top);
    let steps = curves.iter().map(|curve| curve.values.len()).max().unwrap_or(0);
    let (left, right) = (*first_step as f32, (first_step + steps.max(2) as u64 - 1) as f32);
    let mut chart = ChartBuilder::on(area)
        .caption(title, (FONT, 20).into_font())
        .margin(12)
        .margin_right(24)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(left..right, bottom..top)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(BLACK.mix(0.12))
        .axis_style(BLACK.mix(0.6))
        .x_labels(10)
        .y_labels(8)
        .x_desc("step")
        .y_desc(*value_name)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .label_style((FONT, 14))
        .axis_desc_style((FONT, 15))
        .draw()?;
    for curve in curves {
        let color = rgb(curve.color);
        let parts = parts(curve.values, left);
        let range = parts.iter().map(|part| (part.step, part.max.clamp(bottom, top)));
        let range = range.chain(parts.iter().rev().map(|part| (part.step, part.min.clamp(bottom, top))));
        chart.draw_series([Polygon::new(range.collect::<Vec<_>>(), color.mix(0.2))])?;
        let line = parts.iter().map(|part| (part.step, part.mean.clamp(bottom, top))).collect::<Vec<_>>();
        chart.draw_series([PathElement::new(line, color.stroke_width(2))])?;
    }
    // The legend is beside the title, because inside the diagram it could hide a curve.
    for (index, curve) in curves.iter().enumerate() {
        draw_legend(area, curve.name, curve.color, width as i32 - 260 + 150 * index as i32, 22)?;
    }
    Ok(())
}

/// Draws a chart of marked points into `area`.
fn draw_points<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    chart: &PointChart<'_>,
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    let PointChart { title, range: [bottom, top], curves } = chart;
    let right = curves.iter().flat_map(|curve| &curve.points).map(|point| point.0).fold(1.0, f32::max);
    // The legend has a line of its own, because inside the diagram it could hide a curve.
    let (head, diagram) = area.split_vertically(HEAD);
    let _ = head.margin(12, 0, 0, 0).titled(title, (FONT, 17))?;
    for (index, PointCurve { name, color, .. }) in curves.iter().enumerate() {
        draw_legend(&head, name, *color, 70 + 150 * index as i32, HEAD - 12)?;
    }
    let mut chart = ChartBuilder::on(&diagram)
        .margin(12)
        .margin_top(0)
        .margin_right(24)
        .x_label_area_size(40)
        .y_label_area_size(48)
        .build_cartesian_2d(0.0..right, *bottom..*top)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(BLACK.mix(0.12))
        .axis_style(BLACK.mix(0.6))
        .x_labels(6)
        .y_labels(6)
        .x_desc("step")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .label_style((FONT, 14))
        .axis_desc_style((FONT, 15))
        .draw()?;
    for PointCurve { color, points, .. } in curves {
        chart.draw_series([PathElement::new(points.clone(), rgb(*color).stroke_width(2))])?;
        chart.draw_series(points.iter().map(|&point| Circle::new(point, 3, rgb(*color).filled())))?;
    }
    Ok(())
}

/// Draws the line of a legend and the name beside it, from (x, y) on.
fn draw_legend<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    name: &str,
    color: Color,
    x: i32,
    y: i32,
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    area.draw(&PathElement::new([(x, y), (x + 18, y)], rgb(color).stroke_width(3)))?;
    area.draw(&Text::new(name.to_owned(), (x + 26, y - 8), (FONT, 15)))
}

/// A part of a line that is drawn as one point.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Part {
    /// Step in the middle of the part.
    step: f32,
    min: f32,
    mean: f32,
    max: f32,
}

/// Cuts a line into at most [`MAX_POINTS`] parts of equal length.
fn parts(values: &[f32], first_step: f32) -> Vec<Part> {
    let len = values.len().div_ceil(MAX_POINTS).max(1);
    let part = |(index, part): (usize, &[f32])| Part {
        step: first_step + (index * len) as f32 + (part.len() - 1) as f32 / 2.0,
        min: part.iter().copied().fold(f32::INFINITY, f32::min),
        mean: part.iter().sum::<f32>() / part.len() as f32,
        max: part.iter().copied().fold(f32::NEG_INFINITY, f32::max),
    };
    values.chunks(len).enumerate().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: Color = [200, 30, 40];

    /// Number of pixels of a color in an area.
    fn count(picture: &Picture, area: Area, color: Color) -> usize {
        let row = |y: usize| &picture.pixels[(y * picture.width + area.left) * 3..][..area.width * 3];
        let rows = (area.top..area.top + area.height).flat_map(|y| row(y).as_chunks::<3>().0);
        rows.filter(|&&pixel| pixel == color).count()
    }

    #[test]
    fn charts_are_drawn_in_their_areas() {
        let values: Vec<f32> = (0..900).map(|step| (step as f32 / 50.0).sin()).collect();
        let lines = LineChart {
            title: "Lines".to_owned(),
            value_name: "value",
            first_step: 1,
            range: [-1.0, 1.0],
            curves: vec![Curve { name: "sine", color: RED, values: &values }],
        };
        let points = PointChart {
            title: "Points",
            range: [0.0, 1.0],
            curves: vec![PointCurve { name: "few", color: RED, points: vec![(10.0, 0.2), (500.0, 0.9)] }],
        };
        let [left, right] = [0, 500].map(|left| Area { left, top: 20, width: 500, height: 300 });
        let picture = draw_charts(1000, 340, &[(left, Chart::Lines(lines)), (right, Chart::Points(points))]).unwrap();
        assert_eq!((picture.width, picture.height, picture.channels), (1000, 340, 3));
        assert!(count(&picture, left, RED) > 500 && count(&picture, right, RED) > 200);
        for top in [0, 320] {
            let outside = Area { left: 0, top, width: 1000, height: 20 };
            assert_eq!(count(&picture, outside, [255; 3]), 20_000, "nothing is drawn outside");
        }
    }

    #[test]
    fn no_legend_hides_a_point() {
        let (blue, size) = ([20, 30, 220], Area { left: 0, top: 0, width: 500, height: 320 });
        let chart = |points: &[(f32, f32)]| {
            let curve = |name, color, points: &[(f32, f32)]| PointCurve { name, color, points: points.to_vec() };
            let curves = vec![curve("first", RED, points), curve("second", blue, &[])];
            let chart = PointChart { title: "Points", range: [0.0, 1.0], curves };
            draw_charts(500, 320, &[(size, Chart::Points(chart))]).unwrap()
        };
        // Points at the top, beside each other.
        let points: Vec<(f32, f32)> = (0..100).map(|step| (step as f32, 1.0)).collect();
        let (with, without) = (chart(&points), chart(&[]));
        let rows = |picture: &Picture, color| {
            let row = |&top: &usize| count(picture, Area { top, height: 1, ..size }, color) > 0;
            (0..320).filter(row).collect::<Vec<usize>>()
        };
        let (legend, curve) = (rows(&without, RED), rows(&with, RED));
        assert_eq!(legend, rows(&with, blue), "both names are in one line");
        let below = curve.iter().find(|row| !legend.contains(row)).unwrap();
        assert!(below > legend.last().unwrap(), "{legend:?} {curve:?}");
    }

    #[test]
    fn lines_of_any_length_have_few_parts() {
        for len in [0, 1, 2, 499, 501, 20_000] {
            let values = vec![1.0; len];
            assert!(parts(&values, 1.0).len() <= MAX_POINTS);
            let curves = vec![Curve { name: "", color: RED, values: &values }];
            let chart = LineChart { title: String::new(), value_name: "", first_step: 1, range: [0.0, 2.0], curves };
            let area = Area { left: 0, top: 0, width: 400, height: 200 };
            draw_charts(400, 200, &[(area, Chart::Lines(chart))]).unwrap();
        }
    }

    #[test]
    fn a_part_is_its_mean_and_its_range() {
        let mut values = vec![1.0; MAX_POINTS];
        values.extend([3.0; MAX_POINTS]);
        values[1] = 5.0;
        let parts = parts(&values, 1.0);
        assert_eq!(parts.len(), MAX_POINTS);
        assert_eq!(parts[0], Part { step: 1.5, min: 1.0, mean: 3.0, max: 5.0 });
        assert_eq!(parts[MAX_POINTS - 1], Part { step: 999.5, min: 3.0, mean: 3.0, max: 3.0 });
    }
}
