//! What a training shows in the terminal.
//!
//! The tutorial's epoch lines go to stdout. Everything else goes to stderr: a progress bar, or now and then a plain line where stderr is no
//! terminal, and faces where it can show pictures. After [`be_quiet`] only errors are shown.

use crate::preview::Screen;
use crate::text::{mebibytes, thousands};
use dcgan_model::Network;
use dcgan_train::{
    EpochSummary, Event, Listener, ListenerError, Plan, Progress, Rollback, StepMetrics, TrainConfig, compose,
};
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Time between plain lines.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// Set once, at the start of a command; whoever has something to say need not know.
static QUIET: AtomicBool = AtomicBool::new(false);

/// From now on, no bar and no line.
pub(crate) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// A progress bar over `len` things; without a terminal it is silent.
pub(crate) fn bar(len: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let target = if is_quiet() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(10) };
    ProgressBar::with_draw_target(Some(len), target).with_style(style.progress_chars("━╸─"))
}

/// The listener that shows a run to whoever started it.
#[derive(Debug)]
pub(crate) struct TrainingProgress {
    bar: ProgressBar,
    epochs: u64,
    steps: u64,
    /// Steps that were taken before this process.
    steps_before: u64,
    start: Instant,
    /// When the last plain line was written; `None` if a progress bar is shown.
    plain: Option<Instant>,
    speed: Speed,
    /// Where faces are shown.
    screen: Option<Screen>,
}

impl TrainingProgress {
    pub(crate) fn new(screen: Option<Screen>) -> Self {
        let now = Instant::now();
        let plain = (!io::stderr().is_terminal()).then_some(now);
        let (bar, speed) = (ProgressBar::hidden(), Speed::default());
        Self { bar, epochs: 0, steps: 0, steps_before: 0, start: now, plain, speed, screen }
    }

    fn started(&mut self, config: &TrainConfig, plan: &Plan, progress: &Progress) {
        say_plan(config, plan);
        self.start = Instant::now();
        self.steps = plan.steps;
        self.steps_before = progress.step;
        let steps_from_epoch = progress.sums.steps + plan.steps.saturating_sub(progress.step);
        self.epochs = config.epochs.min(progress.epoch + steps_from_epoch.div_ceil(plan.batches_per_epoch));
        if self.plain.is_none() {
            self.bar = bar(plan.steps, "{prefix} {wide_bar} step {human_pos}/{human_len}  {msg}  {eta} left");
            self.bar.set_prefix(format!("epoch {}/{}", progress.epoch + 1, self.epochs));
            self.bar.set_position(progress.step);
            self.bar.reset_eta();
        }
    }

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

    fn epoch_done(&self, summary: &EpochSummary) {
        if is_quiet() {
            return;
        }
        self.bar.suspend(|| {
            // A reader who has closed the pipe must not end hours of training.
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
            Event::Preview { faces, .. } => {
                if let Some(screen) = &self.screen {
                    self.bar.suspend(|| screen.show(&compose(faces)));
                }
            }
            Event::Health(health) => self.bar.suspend(|| say(&format!("health    {health}"))),
            Event::RolledBack(rollback) => self.bar.suspend(|| say_rolled_back(rollback)),
            Event::Stopped { .. } | Event::Finished { .. } => self.bar.finish_and_clear(),
            _ => {}
        }
        Ok(())
    }
}

/// What will happen, before it takes hours.
fn say_plan(config: &TrainConfig, plan: &Plan) {
    let TrainConfig { model, epochs, batch_size, seed, .. } = config;
    let [generator, discriminator] =
        [Network::generator(model), Network::discriminator(model)].map(|network| thousands(network.parameter_count()));
    let (batches, steps) = (thousands(plan.batches_per_epoch as usize), thousands(plan.steps as usize));
    say(&format!("networks  generator {generator} parameters, discriminator {discriminator}"));
    say(&format!("training  {epochs} epochs of {batches} batches of {batch_size}: {steps} steps, seed {seed}"));
    say(&format!("engine    {}", plan.engine));
    let (engine, data) = (mebibytes(plan.engine_bytes), mebibytes(plan.data_bytes));
    say(&format!("memory    {engine} for the engine; the pictures have {data}"));
}

fn say_rolled_back(Rollback { problem, step, learning_rate_scale, .. }: &Rollback) {
    say(&format!(
        "warning   {problem}; the run goes on from step {step} with {learning_rate_scale} of the learning rate it was started with"
    ));
}

/// A line for people on stderr; that nobody reads it is no reason to stop.
pub(crate) fn say(line: &str) {
    if is_quiet() {
        return;
    }
    let _ = writeln!(io::stderr(), "{line}");
}

/// Pictures per second, smoothed so that one can read it.
#[derive(Debug, Default)]
struct Speed {
    mean: f32,
    steps: u32,
}

impl Speed {
    /// A plain mean at first, a moving one over about 20 steps later.
    fn add(&mut self, images_per_second: f32) {
        self.steps = (self.steps + 1).min(20);
        self.mean += (images_per_second - self.mean) / self.steps as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_starts_as_a_mean_and_then_follows() {
        let mut speed = Speed::default();
        [100.0, 200.0].into_iter().for_each(|s| speed.add(s));
        assert_eq!(speed.mean, 150.0);
        (0..200).for_each(|_| speed.add(400.0));
        assert!((speed.mean - 400.0).abs() < 0.1, "{}", speed.mean);
    }
}
