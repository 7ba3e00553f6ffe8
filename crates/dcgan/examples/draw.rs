//! Draws a sheet of faces with a trained generator, without the parts of the library that train.
//!
//! ```sh
//! cargo run -p dcgan --no-default-features --example draw -- runs/0000-demo faces.png
//! ```

use dcgan::{Generator, compose};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(model), Some(sheet)) = (arguments.next(), arguments.next()) else {
        return Err("name a run's folder or a generator's file, and a .png file to write".into());
    };
    compose(&Generator::load(model)?.draw_seeds(0..32)?).save_png(sheet)?;
    Ok(())
}
