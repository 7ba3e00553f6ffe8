//! Writes an untrained generator and discriminator in every format, for other programs to open.
//!
//! ```text
//! cargo run -p dcgan-formats --example write_models -- FOLDER [IMAGE_SIZE CHANNELS LATENT_DIM BASE_CHANNELS]
//! ```

use dcgan_formats::{Format, WriteOptions, describe, write};
use dcgan_model::{Init, ModelConfig, Network, TorchRng, initial_state};
use std::error::Error;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().ok_or("name a folder to write to")?);
    let mut config = ModelConfig::default();
    for size in [&mut config.image_size, &mut config.channels, &mut config.latent_dim, &mut config.base_channels] {
        if let Some(arg) = args.next() {
            *size = arg.parse()?;
        }
    }
    config.validate()?;
    fs::create_dir_all(&folder)?;

    let state = initial_state(&config, Init::Default, &mut TorchRng::seed_from_u64(0));
    for (network, tensors) in [
        (Network::generator(&config), state.generator.tensors),
        (Network::discriminator(&config), state.discriminator.tensors),
    ] {
        for (extension, format) in [
            ("pt", Format::TorchScript),
            ("pth", Format::StateDict),
            ("safetensors", Format::Safetensors),
            ("onnx", Format::Onnx),
        ] {
            let path = folder.join(format!("{}.{extension}", network.role));
            let out = BufWriter::new(File::create(&path)?);
            write(out, format, &network, &tensors, &describe(&network), &WriteOptions::default())?;
            println!("{}", path.display());
        }
    }
    Ok(())
}
