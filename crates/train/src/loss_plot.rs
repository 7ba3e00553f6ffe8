//! `losses.png`: losses and measures of a run as a plot.

use crate::{EpochEvaluation, Event, Listener, ListenerError, RunFolderError, StepMetrics};
use dcgan_image::{Area, Chart, Color, Curve, LineChart, Picture, PointChart, PointCurve, draw_charts};
use dcgan_metrics::{Evaluation, SlicedWasserstein};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

const WIDTH: usize = 1000;
const HEIGHT: usize = 800;
/// Height of the measures below the losses, if there are any.
const MEASURES_HEIGHT: usize = 360;
/// The largest losses leave the picture, so that a peak does not flatten the rest.
const SHOWN_QUANTILE: f64 = 0.995;

// The first colors of matplotlib.
const BLUE: Color = [31, 119, 180];
const ORANGE: Color = [255, 127, 14];
const GREEN: Color = [44, 160, 44];

/// A listener that draws `losses.png` after every epoch: the losses above, D(x) and D(G(z)) below, and the measures of
/// the generator at the bottom if they are computed.
#[derive(Debug)]
pub struct LossPlot {
    path: PathBuf,
    /// `metrics.jsonl`, from which a resumed run reads its earlier steps.
    metrics: PathBuf,
    history: History,
}

/// The values of the plot, one per step.
#[derive(Debug, Default)]
struct History {
    /// The step of the first values.
    first_step: u64,
    d_loss: Vec<f32>,
    g_loss: Vec<f32>,
    d_x: Vec<f32>,
    d_g_z1: Vec<f32>,
    measures: Vec<Measures>,
}

/// The measures of the generator after a step: those of [`Evaluation`] that are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
struct Measures {
    step: u64,
    swd: Mean,
    swd_floor: Mean,
    precision: f64,
    recall: f64,
}

/// The mean over the levels of a sliced Wasserstein distance.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
struct Mean {
    mean: f64,
}

impl Measures {
    fn new(evaluation: &EpochEvaluation) -> Self {
        let Evaluation { swd, swd_floor, precision, recall, .. } = &evaluation.evaluation;
        let mean = |swd: &SlicedWasserstein| Mean { mean: swd.mean };
        Self {
            step: evaluation.step,
            swd: mean(swd),
            swd_floor: mean(swd_floor),
            precision: *precision,
            recall: *recall,
        }
    }
}

impl History {
    /// Appends a step.
    fn push(&mut self, metrics: &StepMetrics) {
        if self.d_loss.is_empty() {
            self.first_step = metrics.step;
        }
        // Steps without metrics get those of the step before.
        let len = metrics.step.saturating_sub(self.first_step) as usize;
        for values in [&mut self.d_loss, &mut self.g_loss, &mut self.d_x, &mut self.d_g_z1] {
            if let Some(&last) = values.last().filter(|_| values.len() < len) {
                values.resize(len, last);
            }
        }
        self.d_loss.push(metrics.d_loss_real + metrics.d_loss_fake);
        self.g_loss.push(metrics.g_loss);
        self.d_x.push(metrics.d_x);
        self.d_g_z1.push(metrics.d_g_z1);
    }

    /// Removes the steps after `step`.
    fn truncate(&mut self, step: u64) {
        let len = (step + 1).saturating_sub(self.first_step) as usize;
        for values in [&mut self.d_loss, &mut self.g_loss, &mut self.d_x, &mut self.d_g_z1] {
            values.truncate(len);
        }
        self.measures.retain(|measures| measures.step <= step);
    }

    fn last_step(&self) -> u64 {
        self.first_step + self.d_loss.len().saturating_sub(1) as u64
    }
}

impl LossPlot {
    /// Creates a listener that draws `losses.png` in the folder of a run.
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join("losses.png"), metrics: folder.join("metrics.jsonl"), history: History::default() }
    }

    /// Reads the steps up to `step` from `metrics.jsonl`.
    fn read(&mut self, step: u64) -> io::Result<()> {
        self.history = History::default();
        if step == 0 {
            return Ok(());
        }
        // Placed by step, because the file may have lost lines.
        let mut steps = BTreeMap::new();
        for line in io::BufReader::new(File::open(&self.metrics)?).split(b'\n') {
            let line = line?;
            if let Ok(metrics) = serde_json::from_slice::<StepMetrics>(&line) {
                if metrics.step <= step {
                    steps.insert(metrics.step, metrics);
                }
            } else if let Ok(measures) = serde_json::from_slice::<Measures>(&line) {
                self.history.measures.extend(Some(measures).filter(|measures| measures.step <= step));
            }
        }
        steps.values().for_each(|metrics| self.history.push(metrics));
        Ok(())
    }

    /// Draws the plot and replaces its file.
    fn write(&self, epoch: u64) -> io::Result<()> {
        draw(&self.history, epoch)?.save_png(&self.path)
    }
}

impl Listener for LossPlot {
    fn on_event(&mut self, event: &Event<'_>) -> Result<(), ListenerError> {
        match event {
            Event::Started { progress, .. } => {
                self.read(progress.step)
                    .map_err(|source| RunFolderError::Read { path: self.metrics.clone(), source })?;
            }
            Event::RolledBack(rollback) => self.history.truncate(rollback.step),
            Event::Step(metrics) => self.history.push(metrics),
            Event::Evaluated { evaluation, .. } => {
                self.history.measures.push(Measures::new(evaluation));
                self.write(evaluation.epoch)
                    .map_err(|source| RunFolderError::Io { path: self.path.clone(), source })?;
            }
            Event::EpochDone(summary) => {
                self.write(summary.epoch).map_err(|source| RunFolderError::Io { path: self.path.clone(), source })?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Draws the losses and the mean outputs of D, and below them the measures, if there are any.
fn draw(history: &History, epoch: u64) -> io::Result<Picture> {
    let outputs_top = HEIGHT * 5 / 9;
    let (losses, outputs) = (losses(history, epoch), outputs(history));
    let mut charts = vec![
        (Area { left: 0, top: 0, width: WIDTH, height: outputs_top }, Chart::Lines(losses)),
        (Area { left: 0, top: outputs_top, width: WIDTH, height: HEIGHT - outputs_top }, Chart::Lines(outputs)),
    ];
    let height = if history.measures.is_empty() { HEIGHT } else { HEIGHT + MEASURES_HEIGHT };
    if !history.measures.is_empty() {
        let area = |left| Area { left, top: HEIGHT, width: WIDTH / 2, height: MEASURES_HEIGHT };
        charts.push((area(0), Chart::Points(distances(&history.measures))));
        charts.push((area(WIDTH / 2), Chart::Points(shares(&history.measures))));
    }
    draw_charts(WIDTH, height, &charts)
}

/// Returns the chart of the losses.
fn losses(history: &History, epoch: u64) -> LineChart<'_> {
    let History { first_step, d_loss, g_loss, .. } = history;
    LineChart {
        title: format!("Losses until epoch {epoch}, step {}", history.last_step()),
        value_name: "loss",
        first_step: *first_step,
        range: range_of([d_loss, g_loss]),
        curves: vec![
            Curve { name: "D (real + fake)", color: BLUE, values: d_loss },
            Curve { name: "G", color: ORANGE, values: g_loss },
        ],
    }
}

/// Returns the chart of D(x) and D(G(z)).
fn outputs(history: &History) -> LineChart<'_> {
    let History { first_step, d_x, d_g_z1, .. } = history;
    // Probabilities, but for least squares, whose outputs have no bounds.
    let are_probabilities = d_x.iter().chain(d_g_z1).all(|value| (0.0..=1.0).contains(value));
    LineChart {
        title: "What D says of real and of generated pictures".to_owned(),
        value_name: "mean output of D",
        first_step: *first_step,
        range: if are_probabilities { [0.0, 1.0] } else { range_of([d_x, d_g_z1]) },
        curves: vec![
            Curve { name: "D(x)", color: BLUE, values: d_x },
            Curve { name: "D(G(z))", color: GREEN, values: d_g_z1 },
        ],
    }
}

/// The distance of generated images from the real ones.
fn distances(measures: &[Measures]) -> PointChart<'static> {
    let curves = vec![
        PointCurve { name: "generated", color: BLUE, points: points(measures, |m| m.swd.mean) },
        PointCurve { name: "other real ones", color: GREEN, points: points(measures, |m| m.swd_floor.mean) },
    ];
    let top = curves.iter().flat_map(|curve| &curve.points).map(|point| point.1).fold(1.0, f32::max);
    PointChart { title: "Distance from the real pictures (SWD x 1000)", range: [0.0, 1.05 * top], curves }
}

/// Returns the chart of precision and recall.
fn shares(measures: &[Measures]) -> PointChart<'static> {
    let curves = vec![
        PointCurve { name: "precision", color: BLUE, points: points(measures, |m| m.precision) },
        PointCurve { name: "recall", color: ORANGE, points: points(measures, |m| m.recall) },
    ];
    PointChart { title: "Precision and recall", range: [0.0, 1.0], curves }
}

/// Returns (step, value) of a measure after each evaluation.
fn points(measures: &[Measures], of: fn(&Measures) -> f64) -> Vec<(f32, f32)> {
    measures.iter().map(|measures| (measures.step as f32, of(measures) as f32)).collect()
}

/// Least and greatest value of an axis for these curves.
fn range_of(curves: [&[f32]; 2]) -> [f32; 2] {
    let quantile = |values: &[f32], q: f64| {
        let mut sorted: Vec<f32> = values.iter().copied().filter(|value| value.is_finite()).collect();
        sorted.sort_by(f32::total_cmp);
        let index = (sorted.len().saturating_sub(1) as f64 * q).round() as usize;
        sorted.get(index).copied().unwrap_or(0.0)
    };
    let top = curves.map(|curve| quantile(curve, SHOWN_QUANTILE)).into_iter().fold(0.0, f32::max);
    // The hinge loss of G may be negative.
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
                ..StepMetrics::default()
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
            picture.save_png(&path).unwrap();
        }
        let of = |color: Color| picture.pixels.as_chunks::<3>().0.iter().filter(|&&pixel| pixel == color).count();
        assert!(of(BLUE) > 1000 && of(ORANGE) > 500 && of(GREEN) > 500, "{} {} {}", of(BLUE), of(ORANGE), of(GREEN));
        // The title stands above the diagram, where nothing but text is.
        assert!(inked(&picture, 300..700, 12..34) > 300, "no title");
        // So do the names of the axes beside it.
        assert!(inked(&picture, 0..28, 150..300) > 50, "no name of the axis");
    }

    #[test]
    fn measures_are_drawn_below() {
        let mut history = history(640);
        for step in (64..=640).step_by(64) {
            let swd = Mean { mean: 3000.0 / step as f64 + 10.0 };
            let share = step as f64 / 800.0;
            history.measures.push(Measures {
                step,
                swd,
                swd_floor: Mean { mean: 8.0 },
                precision: share,
                recall: share / 2.0,
            });
        }
        let picture = draw(&history, 20).unwrap();
        if let Some(path) = std::env::var_os("SAVE_PLOT") {
            picture.save_png(Path::new(&path).with_extension("measures.png")).unwrap();
        }
        assert_eq!(picture.height, HEIGHT + MEASURES_HEIGHT);
        for columns in [0..WIDTH / 2, WIDTH / 2..WIDTH] {
            assert!(inked(&picture, columns, HEIGHT..picture.height) > 2000, "nothing is drawn");
        }
        history.truncate(320);
        assert_eq!(history.measures.len(), 5);
    }

    #[test]
    fn runs_of_any_length_can_be_drawn() {
        for steps in [1, 2, 499, 501, 20_000] {
            let history = history(steps);
            draw(&history, 1).unwrap();
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
                ..StepMetrics::default()
            };
            text += &(serde_json::to_string(&metrics).unwrap() + "\n");
        }
        // The lines of two evaluations, of which the second comes again.
        let evaluation = |step: u64| {
            format!(
                "{{\"step\":{step},\"epoch\":1,\"swd\":{{\"mean\":2.0}},\"swd_floor\":{{\"mean\":1.0}},\"precision\":0.5,\"recall\":0.25}}\n"
            )
        };
        let text = evaluation(3) + &text + &evaluation(9);
        std::fs::write(folder.path().join("metrics.jsonl"), text + "{\"step\":1").unwrap();
        let mut plot = LossPlot::new(folder.path());
        plot.read(7).unwrap();
        assert_eq!((plot.history.first_step, plot.history.last_step()), (1, 7));
        assert_eq!(plot.history.d_loss, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        assert_eq!(plot.history.measures.iter().map(|m| (m.step, m.recall)).collect::<Vec<_>>(), [(3, 0.25)]);
        plot.history.truncate(5);
        assert_eq!((plot.history.last_step(), plot.history.d_x.len()), (5, 5));
        plot.history.truncate(0);
        assert!(plot.history.d_loss.is_empty());
        plot.read(9).unwrap();
        assert_eq!(plot.history.last_step(), 9);

        // A line that is lost, and one with a wrong number, leave the others where they are.
        let damaged = std::fs::read_to_string(folder.path().join("metrics.jsonl")).unwrap();
        let damaged = damaged.replace("\"step\":4,", "\"step\":4?").replace("\"step\":6,", "\"step\":96,");
        std::fs::write(folder.path().join("metrics.jsonl"), damaged).unwrap();
        plot.read(8).unwrap();
        assert_eq!(plot.history.d_loss, [1.0, 2.0, 3.0, 3.0, 5.0, 5.0, 7.0, 8.0]);
        assert!(LossPlot::new(Path::new("nowhere")).read(1).is_err());
    }

    #[test]
    fn one_peak_does_not_flatten_the_rest() {
        let mut losses = vec![1.0; 1000];
        losses[3] = 100.0;
        let [bottom, top] = range_of([&losses, &[]]);
        assert!(bottom == 0.0 && (top - 1.05).abs() < 1e-6, "{bottom} to {top}");
        assert_eq!(range_of([&[], &[f32::NAN]]), [0.0, 0.1]);
        assert_eq!(range_of([&[-2.0, 1.0], &[]]), [-2.1, 1.05]);
    }
}
