//! Trains with a listener of one's own: it prints a line an epoch, keeps the sheets of faces, and ends the run when D has won.
//!
//! ```sh
//! cargo run --example train -- pictures/
//! ```
//!
//! Without a folder it learns the built-in faces. The networks are small, so that it takes seconds.

use dcgan::{
    AdamConfig, Channels, CpuEngine, Dataset, Event, Listener, ListenerError, LoadOptions, ModelConfig, Session,
    TrainConfig, TrainError, compose,
};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the run is watched by.
struct Watcher {
    /// Where the sheets go.
    folder: PathBuf,
    /// Steps in a row in which D was never deceived.
    lost: u32,
}

impl Listener for Watcher {
    fn on_event(&mut self, event: &Event<'_>) -> Result<(), ListenerError> {
        match event {
            Event::Started { plan, .. } => println!("{} pictures, {} steps", plan.pictures, plan.steps),
            Event::Step(step) => {
                self.lost = if step.d_g_z2 < 0.001 { self.lost + 1 } else { 0 };
                if self.lost == 50 {
                    // An error of a listener ends the run; the engine keeps what it has learnt.
                    return Err("G has not deceived D for 50 steps".into());
                }
            }
            Event::EpochDone(epoch) => {
                println!("epoch {}: D {:.3}, G {:.3}", epoch.epoch, epoch.d_loss, epoch.g_loss);
            }
            Event::Preview { epoch, faces } => {
                compose(faces).save_png(&self.folder.join(format!("epoch-{epoch}.png")))?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let model = ModelConfig { image_size: 32, base_channels: 16, latent_dim: 32, ..ModelConfig::default() };
    let quick = AdamConfig { lr: 1e-3, ..AdamConfig::default() };
    let config = TrainConfig { model, adam: quick, batch_size: 32, epochs: 10, ..TrainConfig::default() };
    let pictures = match std::env::args_os().nth(1) {
        Some(folder) => {
            let options = LoadOptions::new(model.image_size, Channels::Rgb);
            Dataset::load(Path::new(&folder), &options, |_| {})?.0
        }
        None => Dataset::from_fn(1024, model.image_size, Channels::Rgb, |index, pixels| {
            pixels.copy_from_slice(&dcgan_demo_faces::draw(0, index as u64, model.image_size as u32));
        })?,
    };

    let folder = PathBuf::from("train-example");
    fs::create_dir_all(&folder)?;
    let mut engine = CpuEngine::new(dcgan::cpu(None)?, &model, config.adam, config.batch_size)?;
    let mut watcher = Watcher { folder, lost: 0 };
    match dcgan::train(&config, Session::default(), &Arc::new(pictures), &mut engine, &mut [&mut watcher]) {
        Ok(summary) => println!("{} steps; the faces are in train-example", summary.steps),
        Err(TrainError::Listener(reason)) => println!("stopped: {reason}"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
