//! Progress of a training in the terminal.
//!
//! The tutorial's epoch lines go to stdout. Everything else goes to stderr: a progress bar, or now and then a plain
//! line if stderr is not a terminal, and faces if the terminal can show pictures. After [`be_quiet`] only errors are
//! shown.

use crate::preview::Screen;
use crate::text::{counted, mebibytes, printable, thousands, wrapped};
use dcgan_image::compose;
use dcgan_model::Network;
use dcgan_train::{
    EpochSummary, Evaluation, Event, Listener, ListenerError, Plan, Progress, Rollback, StepMetrics, TrainConfig,
};
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Time between two plain lines.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// Whether only errors are shown. Set once, at the start of a command.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Shows no progress bars and lines from now on.
pub(crate) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Creates a progress bar over `len` items. It shows nothing if stderr is not a terminal.
pub(crate) fn bar(len: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let style = style.with_key("left", |state: &ProgressState, out: &mut dyn fmt::Write| {
        let _ = out.write_str(&time_left(state.eta(), state.pos(), state.len()));
    });
    let target = if is_quiet() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(10) };
    ProgressBar::with_draw_target(Some(len), target).with_style(style.progress_chars("━╸─"))
}

/// Returns the remaining time of a task that has completed `done` of `all` parts, as "5m left". It is unknown before
/// the first part.
fn time_left(left: Duration, done: u64, all: Option<u64>) -> String {
    if left.is_zero() && all.is_none_or(|all| done < all) {
        return "estimating the time".to_owned();
    }
    format!("{:#} left", HumanDuration(left))
}

/// A listener that shows the progress of a run.
#[derive(Debug)]
pub(crate) struct TrainingProgress {
    bar: ProgressBar,
    epochs: u64,
    steps: u64,
    /// Number of steps that earlier sessions have taken.
    steps_before: u64,
    start: Instant,
    /// Time of the last plain line; `None` if a progress bar is shown.
    plain: Option<Instant>,
    speed: Speed,
    /// Screen for the faces.
    screen: Option<Screen>,
}

impl TrainingProgress {
    /// Creates the listener; the bar appears when the training starts. `screen` shows the faces of each epoch.
    pub(crate) fn new(screen: Option<Screen>) -> Self {
        let now = Instant::now();
        let plain = (!io::stderr().is_terminal()).then_some(now);
        let (bar, speed) = (ProgressBar::hidden(), Speed::default());
        Self { bar, epochs: 0, steps: 0, steps_before: 0, start: now, plain, speed, screen }
    }

    /// Prints the plan and creates the bar. A resumed training starts at its step.
    fn started(&mut self, config: &TrainConfig, plan: &Plan, progress: &Progress) {
        say_plan(config, plan);
        self.start = Instant::now();
        self.steps = plan.steps;
        self.steps_before = progress.step;
        let steps_from_epoch = progress.sums.steps + plan.steps.saturating_sub(progress.step);
        self.epochs = config.epochs.min(progress.epoch + steps_from_epoch.div_ceil(plan.batches_per_epoch));
        if self.plain.is_none() {
            self.bar = bar(plan.steps, "{prefix} {wide_bar} step {human_pos}/{human_len}  {msg}  {left}");
            self.bar.set_prefix(format!("epoch {}/{}", progress.epoch + 1, self.epochs));
            self.bar.set_position(progress.step);
            self.bar.reset_eta();
        }
    }

    /// Updates the bar, or prints a plain line if the last is [`PLAIN_INTERVAL`] old.
    fn step(&mut self, metrics: &StepMetrics) {
        self.speed.add(metrics.images_per_second);
        let state = format!("{:.0} images/s  D(x) {:.2}  D(G(z)) {:.2}", self.speed.mean, metrics.d_x, metrics.d_g_z1);
        match &mut self.plain {
            None => {
                self.bar.set_prefix(format!("epoch {}/{}", metrics.epoch, self.epochs));
                self.bar.set_message(state);
                self.bar.set_position(metrics.step);
            }
            Some(last) if last.elapsed() >= PLAIN_INTERVAL => {
                *last = Instant::now();
                let done = (metrics.step - self.steps_before) as f64;
                let left = self.start.elapsed().div_f64(done).mul_f64((self.steps - metrics.step) as f64);
                let (epoch, epochs, step, steps) = (metrics.epoch, self.epochs, metrics.step, self.steps);
                say(&format!("epoch {epoch}/{epochs}, step {step}/{steps}, {state}, {} left", HumanDuration(left)));
            }
            Some(_) => {}
        }
    }

    /// Prints the line that the tutorial prints after an epoch.
    fn epoch_done(&self, summary: &EpochSummary) {
        if is_quiet() {
            return;
        }
        self.bar.suspend(|| {
            // A closed pipe must not end the training.
            let EpochSummary { epoch, d_loss, g_loss, .. } = summary;
            let _ = writeln!(io::stdout(), "epoch {epoch}, dloss: {d_loss:.4}, gloss {g_loss:.4}");
        });
    }
}

impl Listener for TrainingProgress {
    fn on_event(&mut self, event: &Event<'_>) -> Result<(), ListenerError> {
        match event {
            Event::Started { config, plan, progress } => self.started(config, plan, progress),
            Event::Step(metrics) => self.step(metrics),
            Event::EpochDone(summary) => self.epoch_done(summary),
            Event::Preview { faces, .. } | Event::Sample { faces, .. } => {
                if let Some(screen) = &self.screen {
                    self.bar.suspend(|| screen.show(&compose(faces)));
                }
            }
            Event::Evaluated { evaluation, best, .. } => {
                self.bar.suspend(|| say_evaluation(&evaluation.evaluation, best.is_some()));
            }
            Event::Health(health) => self.bar.suspend(|| say(&format!("health    {health}"))),
            Event::RolledBack(rollback) => self.bar.suspend(|| say_rolled_back(rollback)),
            Event::Stopped { .. } | Event::Finished { .. } => self.bar.finish_and_clear(),
            _ => {}
        }
        Ok(())
    }
}

/// Number of steps below which the faces of a run are usually noise. On the avatars at 64 × 64, 2,000 steps of 32
/// pictures give clean ones.
const FEW_STEPS: u64 = 1000;

/// Prints what a run will do, before it takes hours.
fn say_plan(config: &TrainConfig, plan: &Plan) {
    let TrainConfig { model, epochs, batch_size, seed, .. } = config;
    let [generator, discriminator] =
        [Network::generator(model), Network::discriminator(model)].map(|network| thousands(network.parameter_count()));
    say(&format!("networks  generator {generator} parameters, discriminator {discriminator}"));
    let (epochs, batches, steps) = (
        counted(*epochs, "epoch", "epochs"),
        counted(plan.batches_per_epoch, "batch", "batches"),
        counted(plan.steps, "step", "steps"),
    );
    say(&format!("training  {epochs} of {batches} of {batch_size}: {steps}, seed {seed}"));
    if plan.steps < FEW_STEPS {
        say(&format!(
            "note      faces usually need {} steps or more: use --preset best, --batch-size 32 or more --epochs",
            thousands(FEW_STEPS as usize)
        ));
    }
    say(&format!("engine    {}", plan.engine));
    let (engine, data) = (mebibytes(plan.engine_bytes), mebibytes(plan.data_bytes));
    say(&format!("memory    {engine} for the engine; the pictures have {data}"));
}

/// Returns the measures of the generator, each with its floor, as a line.
fn say_evaluation(evaluation: &Evaluation, is_best: bool) {
    let Evaluation { swd, swd_floor, precision, precision_floor, recall, recall_floor, .. } = evaluation;
    say(&format!(
        "measures  SWD x 1000 {:.1} (real {:.1}), precision {precision:.2} ({precision_floor:.2}), recall {recall:.2} \
         ({recall_floor:.2}){}",
        swd.mean,
        swd_floor.mean,
        if is_best { ", the best so far" } else { "" }
    ));
}

fn say_rolled_back(Rollback { problem, step, learning_rate_scale, .. }: &Rollback) {
    say(&format!(
        "warning   {problem}; the run goes on from step {step} with {learning_rate_scale} of the learning rate it was \
         started with"
    ));
}

/// Prints a line to stderr. Errors are ignored: a closed stderr must not end a training.
pub(crate) fn say(line: &str) {
    if is_quiet() {
        return;
    }
    let width = console::Term::stderr().size_checked().filter(|_| io::stderr().is_terminal());
    let _ = writeln!(io::stderr(), "{}", wrapped(&printable(line), width.map(|(_, columns)| usize::from(columns))));
}

/// Pictures per second, smoothed so that the figure can be read.
#[derive(Debug, Default)]
struct Speed {
    mean: f32,
    steps: u32,
}

impl Speed {
    /// Adds a value: a plain mean at first, later a moving average over about 20 steps.
    fn add(&mut self, images_per_second: f32) {
        self.steps = (self.steps + 1).min(20);
        self.mean += (images_per_second - self.mean) / self.steps as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_only_at_the_end() {
        let left = |seconds, done| time_left(Duration::from_secs(seconds), done, Some(9));
        assert_eq!([left(0, 0), left(0, 3)], ["estimating the time"; 2]);
        assert_eq!([left(7, 0), left(0, 9)], ["7s left", "0s left"]);
    }

    #[test]
    fn speed_starts_as_a_mean_and_then_follows() {
        let mut speed = Speed::default();
        [100.0, 200.0].into_iter().for_each(|s| speed.add(s));
        assert_eq!(speed.mean, 150.0);
        (0..200).for_each(|_| speed.add(400.0));
        // 250 · (19 / 20)¹⁸² = 0.02 are left of the difference.
        assert!((speed.mean - 400.0).abs() < 0.1, "{}", speed.mean);
    }
}
