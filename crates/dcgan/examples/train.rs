//! Trains with a listener of one's own: it prints a line an epoch, keeps the sheets of faces, and ends the run when D
//! has won.
//!
//! ```sh
//! cargo run --example train -- pictures/
//! ```
//!
//! Without a folder it learns the built-in faces. The networks are small, so that it takes seconds.

use dcgan::{
    AdamConfig, Channels, Dataset, Event, Listener, ListenerError, LoadOptions, ModelConfig, TrainConfig, TrainError,
    Training, compose,
};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

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
                compose(faces).save_png(self.folder.join(format!("epoch-{epoch}.png")))?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let model = ModelConfig { image_size: 32, latent_dim: 32, ..ModelConfig::default() }.with_base_channels(16);
    let quick = AdamConfig { lr: 1e-3, ..AdamConfig::default() };
    let config = TrainConfig { model, adam: quick, batch_size: 32, epochs: 10, ..TrainConfig::default() };
    let pictures = match std::env::args_os().nth(1) {
        Some(folder) => {
            let options = LoadOptions::new(model.image_size, Channels::Rgb);
            Dataset::load(Path::new(&folder), &options, |_| {})?.0
        }
        None => Dataset::from_fn(1024, model.image_size, Channels::Rgb, |index, pixels| {
            pixels.copy_from_slice(&dcgan::demo_face(0, index as u64, model.image_size, Channels::Rgb));
        })?,
    };

    let folder = PathBuf::from("train-example");
    fs::create_dir_all(&folder)?;
    let mut watcher = Watcher { folder, lost: 0 };
    match Training::new(config, pictures)?.listener(&mut watcher).run() {
        Ok(trained) => {
            trained.generator.save("train-example/generator.pt")?;
            println!("{} steps; the faces and generator.pt are in train-example", trained.summary.steps);
        }
        Err(dcgan::Error::Train(TrainError::Listener(reason))) => println!("stopped: {reason}"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
