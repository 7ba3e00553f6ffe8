//! `losses.png`: the course of a run in one picture.

use crate::files::write_durable;
use crate::label::{FONT, register_font};
use crate::{Event, Listener, ListenerError, Picture, StepMetrics};
use plotters::backend::{BitMapBackend, DrawingBackend};
use plotters::chart::ChartBuilder;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{PathElement, Polygon, Text};
use plotters::style::{BLACK, Color, IntoFont, RGBColor, WHITE};
use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

const WIDTH: usize = 1000;
const HEIGHT: usize = 800;
/// Points of a curve. A longer run is drawn as the means of stretches of it, with the range of each behind.
const MAX_POINTS: usize = 500;
/// The largest losses leave the picture, so that a peak does not flatten the rest.
const SHOWN_QUANTILE: f64 = 0.995;

// The first colours of matplotlib.
const BLUE: RGBColor = RGBColor(31, 119, 180);
const ORANGE: RGBColor = RGBColor(255, 127, 14);
const GREEN: RGBColor = RGBColor(44, 160, 44);

/// A listener that draws `losses.png` after every epoch: the losses above, D(x) and D(G(z)) below.
#[derive(Debug)]
pub struct LossPlot {
    path: PathBuf,
    /// Where a run that goes on finds its past.
    metrics: PathBuf,
    history: History,
}

/// What is drawn, a value per step.
#[derive(Debug, Default)]
struct History {
    /// The step of the first values.
    first_step: u64,
    d_loss: Vec<f32>,
    g_loss: Vec<f32>,
    d_x: Vec<f32>,
    d_g_z1: Vec<f32>,
}

impl History {
    fn push(&mut self, metrics: &StepMetrics) {
        if self.d_loss.is_empty() {
            self.first_step = metrics.step;
        }
        self.d_loss.push(metrics.d_loss_real + metrics.d_loss_fake);
        self.g_loss.push(metrics.g_loss);
        self.d_x.push(metrics.d_x);
        self.d_g_z1.push(metrics.d_g_z1);
    }

    /// Forgets the steps after `step`.
    fn truncate(&mut self, step: u64) {
        let len = (step + 1).saturating_sub(self.first_step) as usize;
        for values in [&mut self.d_loss, &mut self.g_loss, &mut self.d_x, &mut self.d_g_z1] {
            values.truncate(len);
        }
    }

    fn last_step(&self) -> u64 {
        self.first_step + self.d_loss.len().saturating_sub(1) as u64
    }
}

impl LossPlot {
    /// Draws to `losses.png` in a run's folder.
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join("losses.png"), metrics: folder.join("metrics.jsonl"), history: History::default() }
    }

    /// Takes up what `metrics.jsonl` has of the steps until `step`.
    fn read(&mut self, step: u64) -> io::Result<()> {
        self.history = History::default();
        if step == 0 {
            return Ok(());
        }
        for line in io::BufReader::new(File::open(&self.metrics)?).lines() {
            match serde_json::from_str::<StepMetrics>(&line?) {
                Ok(metrics) if metrics.step <= step => self.history.push(&metrics),
                // The rest comes again.
                _ => break,
            }
        }
        Ok(())
    }

    fn write(&self, epoch: u64) -> io::Result<()> {
        let picture = draw(&self.history, epoch).map_err(|error| io::Error::other(error.to_string()))?;
        write_durable(&self.path, &picture.to_png()?)
    }
}

impl Listener for LossPlot {
    fn on_event(&mut self, event: &Event<'_>) -> Result<(), ListenerError> {
        match event {
            Event::Started { progress, .. } => {
                self.read(progress.step).map_err(|error| format!("cannot read {:?}: {error}", self.metrics))?;
            }
            Event::RolledBack(rollback) => self.history.truncate(rollback.step),
            Event::Step(metrics) => self.history.push(metrics),
            Event::EpochDone(summary) => {
                self.write(summary.epoch).map_err(|error| format!("cannot write {:?}: {error}", self.path))?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// A curve: its name, its colour, a value per step.
type Curve<'a> = (&'a str, RGBColor, &'a [f32]);

fn draw(history: &History, epoch: u64) -> Result<Picture, Box<dyn Error>> {
    register_font();
    let mut picture = Picture::black(WIDTH, HEIGHT, 3);
    let root = BitMapBackend::with_buffer(&mut picture.pixels, (WIDTH as u32, HEIGHT as u32)).into_drawing_area();
    root.fill(&WHITE)?;
    let (upper, lower) = root.split_vertically((HEIGHT * 5 / 9) as u32);
    let title = format!("Losses until epoch {epoch}, step {}", history.last_step());
    let losses = [("D (real + fake)", BLUE, &*history.d_loss), ("G", ORANGE, &*history.g_loss)];
    panel(&upper, history.first_step, &title, "loss", shown(losses.map(|(.., values)| values)), &losses)?;
    let outputs = [("D(x)", BLUE, &*history.d_x), ("D(G(z))", GREEN, &*history.d_g_z1)];
    let title = "What D says of real and of generated pictures";
    // Probabilities, but for least squares, whose outputs have no bounds.
    let values = outputs.map(|(.., values)| values);
    let probabilities = values.iter().all(|values| values.iter().all(|value| (0.0..=1.0).contains(value)));
    let range = if probabilities { [0.0, 1.0] } else { shown(values) };
    panel(&lower, history.first_step, title, "mean output of D", range, &outputs)?;
    root.present()?;
    drop((upper, lower, root));
    Ok(picture)
}

/// One diagram with its axes.
fn panel<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    first_step: u64,
    title: &str,
    y_name: &str,
    [bottom, top]: [f32; 2],
    curves: &[Curve<'_>],
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    let steps = curves.iter().map(|(.., values)| values.len()).max().unwrap_or(0);
    let (left, right) = (first_step as f32, (first_step + steps.max(2) as u64 - 1) as f32);
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
        .y_desc(y_name)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .label_style((FONT, 14))
        .axis_desc_style((FONT, 15))
        .draw()?;
    for &(_, colour, values) in curves {
        let stretches = stretches(values, first_step as f32);
        let range = stretches.iter().map(|s| (s.step, s.max.clamp(bottom, top)));
        let range = range.chain(stretches.iter().rev().map(|s| (s.step, s.min.clamp(bottom, top))));
        chart.draw_series([Polygon::new(range.collect::<Vec<_>>(), colour.mix(0.2))])?;
        let line = stretches.iter().map(|s| (s.step, s.mean.clamp(bottom, top))).collect::<Vec<_>>();
        chart.draw_series([PathElement::new(line, colour.stroke_width(2))])?;
    }
    // The legend stands in the title's line: in the diagram it would hide a curve sooner or later.
    for (index, &(name, colour, _)) in curves.iter().enumerate() {
        let (x, y) = (WIDTH as i32 - 260 + 150 * index as i32, 22);
        area.draw(&PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3)))?;
        area.draw(&Text::new(name.to_owned(), (x + 26, y - 8), (FONT, 15)))?;
    }
    Ok(())
}

/// A stretch of a curve that becomes one point.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stretch {
    /// Its middle.
    step: f32,
    min: f32,
    mean: f32,
    max: f32,
}

fn stretches(values: &[f32], first_step: f32) -> Vec<Stretch> {
    let len = values.len().div_ceil(MAX_POINTS).max(1);
    let stretch = |(index, part): (usize, &[f32])| Stretch {
        step: first_step + (index * len) as f32 + (part.len() - 1) as f32 / 2.0,
        min: part.iter().copied().fold(f32::INFINITY, f32::min),
        mean: part.iter().sum::<f32>() / part.len() as f32,
        max: part.iter().copied().fold(f32::NEG_INFINITY, f32::max),
    };
    values.chunks(len).enumerate().map(stretch).collect()
}

/// The ends of the losses' axis.
fn shown(curves: [&[f32]; 2]) -> [f32; 2] {
    let quantile = |values: &[f32], q: f64| {
        let mut sorted: Vec<f32> = values.iter().copied().filter(|value| value.is_finite()).collect();
        sorted.sort_by(f32::total_cmp);
        let index = (sorted.len().saturating_sub(1) as f64 * q).round() as usize;
        sorted.get(index).copied().unwrap_or(0.0)
    };
    let top = curves.map(|curve| quantile(curve, SHOWN_QUANTILE)).into_iter().fold(0.0, f32::max);
    // The hinge loss of G goes below zero.
    let bottom = curves.map(|curve| quantile(curve, 1.0 - SHOWN_QUANTILE)).into_iter().fold(0.0, f32::min);
    [bottom * 1.05, (top * 1.05).max(0.1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(steps: usize) -> History {
        let mut history = History::default();
        for step in 1..=steps {
            let t = step as f32 / steps as f32;
            let noise = (step as f32 * 12.9898).sin() * 0.3;
            history.push(&StepMetrics {
                step: step as u64,
                epoch: 1,
                d_loss_real: 0.4 + 0.3 * t + noise * 0.3,
                d_loss_fake: 0.3,
                g_loss: 3.0 - t + noise,
                d_x: 0.7 + noise * 0.2,
                d_g_z1: 0.3 + noise * 0.2,
                d_g_z2: 0.3,
                images_per_second: 1.0,
                data_seconds: 0.0,
            });
        }
        history
    }

    /// Pixels that are not white, within a rectangle.
    fn inked(picture: &Picture, x: std::ops::Range<usize>, y: std::ops::Range<usize>) -> usize {
        let pixel = |x: usize, y: usize| &picture.pixels[(y * picture.width + x) * 3..][..3];
        y.flat_map(|y| x.clone().map(move |x| (x, y))).filter(|&(x, y)| pixel(x, y).iter().any(|&v| v < 200)).count()
    }

    #[test]
    fn curves_and_text_are_drawn() {
        let picture = draw(&history(640), 20).unwrap();
        if let Some(path) = std::env::var_os("SAVE_PLOT") {
            picture.save_png(Path::new(&path)).unwrap();
        }
        let of = |colour: RGBColor| {
            let colour = [colour.0, colour.1, colour.2];
            picture.pixels.as_chunks::<3>().0.iter().filter(|&&pixel| pixel == colour).count()
        };
        assert!(of(BLUE) > 1000 && of(ORANGE) > 500 && of(GREEN) > 500, "{} {} {}", of(BLUE), of(ORANGE), of(GREEN));
        // The title stands above the diagram, where nothing but text is.
        assert!(inked(&picture, 300..700, 12..34) > 300, "no title");
        // So do the names of the axes beside it.
        assert!(inked(&picture, 0..28, 150..300) > 50, "no name of the axis");
    }

    #[test]
    fn runs_of_any_length_can_be_drawn() {
        for steps in [1, 2, 499, 501, 20_000] {
            let history = history(steps);
            draw(&history, 1).unwrap();
            assert!(stretches(&history.d_x, 1.0).len() <= MAX_POINTS);
        }
    }

    #[test]
    fn a_run_that_goes_on_keeps_its_past() {
        let folder = tempfile::tempdir().unwrap();
        let mut text = String::new();
        for step in 1..=9 {
            let metrics = StepMetrics {
                step,
                epoch: 1,
                d_loss_real: 0.0,
                d_loss_fake: step as f32,
                g_loss: 0.0,
                d_x: 0.0,
                d_g_z1: 0.0,
                d_g_z2: 0.0,
                images_per_second: 0.0,
                data_seconds: 0.0,
            };
            text += &(serde_json::to_string(&metrics).unwrap() + "\n");
        }
        std::fs::write(folder.path().join("metrics.jsonl"), text + "{\"step\":1").unwrap();
        let mut plot = LossPlot::new(folder.path());
        plot.read(7).unwrap();
        assert_eq!((plot.history.first_step, plot.history.last_step()), (1, 7));
        assert_eq!(plot.history.d_loss, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        plot.history.truncate(5);
        assert_eq!((plot.history.last_step(), plot.history.d_x.len()), (5, 5));
        plot.history.truncate(0);
        assert!(plot.history.d_loss.is_empty());
        plot.read(9).unwrap();
        assert_eq!(plot.history.last_step(), 9);
        assert!(LossPlot::new(Path::new("nowhere")).read(1).is_err());
    }

    #[test]
    fn a_stretch_is_its_mean_and_its_range() {
        let mut values = vec![1.0; MAX_POINTS];
        values.extend([3.0; MAX_POINTS]);
        values[1] = 5.0;
        let stretches = stretches(&values, 1.0);
        assert_eq!(stretches.len(), MAX_POINTS);
        assert_eq!(stretches[0], Stretch { step: 1.5, min: 1.0, mean: 3.0, max: 5.0 });
        assert_eq!(stretches[MAX_POINTS - 1], Stretch { step: 999.5, min: 3.0, mean: 3.0, max: 3.0 });
    }

    #[test]
    fn one_peak_does_not_flatten_the_rest() {
        let mut losses = vec![1.0; 1000];
        losses[3] = 100.0;
        let [bottom, top] = shown([&losses, &[]]);
        assert!(bottom == 0.0 && (top - 1.05).abs() < 1e-6, "{bottom} to {top}");
        assert_eq!(shown([&[], &[f32::NAN]]), [0.0, 0.1]);
        assert_eq!(shown([&[-2.0, 1.0], &[]]), [-2.1, 1.05]);
    }
}
