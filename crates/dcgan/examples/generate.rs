//! Draws the faces of some seeds with a trained generator, and the faces on the way between two of them.
//!
//! ```sh
//! cargo run --example generate -- runs/0000-demo
//! ```
//!
//! MODEL is a run's folder, or a file of `dcgan train` or PyTorch. Without it, a very small generator learns the
//! built-in faces for some seconds first.

use dcgan::{
    AdamConfig, Channels, Generator, ModelConfig, TrainConfig, Training, compose, demo_faces, seed_noise, slerp,
};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let generator = match std::env::args_os().nth(1) {
        Some(model) => Generator::load(model)?,
        None => learn_a_little()?,
    };
    let config = *generator.config();
    println!("pictures of {} × {size} × {size}", config.channels, size = config.image_size);

    // A seed's face is always the same.
    let faces = generator.draw_seeds(0..32)?;
    compose(&faces).save_png("faces.png")?;
    println!("32 faces in faces.png");

    // Noise can also be made by hand: 8 steps from the face of seed 3 to that of seed 4.
    let [from, to] = [3, 4].map(|seed| seed_noise(seed, config.latent_dim));
    let noise: Vec<f32> = (0..8).flat_map(|step| slerp(&from, &to, f64::from(step) / 7.0)).collect();
    compose(&generator.draw(&noise)?).save_png("walk.png")?;
    println!("8 faces from seed 3 to seed 4 in walk.png");
    Ok(())
}

fn learn_a_little() -> Result<Generator, Box<dyn Error>> {
    println!("no MODEL is named: a very small one learns for some seconds");
    let model = ModelConfig { image_size: 32, latent_dim: 32, ..ModelConfig::default() }.with_base_channels(16);
    let quick = AdamConfig { lr: 1e-3, ..AdamConfig::default() };
    let config = TrainConfig { model, adam: quick, batch_size: 32, epochs: 10, ..TrainConfig::default() };
    let pictures = demo_faces(1024, model.image_size, Channels::Rgb)?;
    Ok(Training::new(config, pictures)?.run()?.generator)
}
