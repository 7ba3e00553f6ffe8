//! The memory that training takes is the memory that was planned.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use dcgan_engine_gpu::{AdapterKind, GpuDevice, GpuEngine, adapters};
use dcgan_model::{Engine, Init, ModelConfig, Recipe, TorchRng, initial_state};
use dcgan_testkit::random_bytes;

const CONFIG: ModelConfig =
    ModelConfig { image_size: 32, channels: 3, latent_dim: 16, ..ModelConfig::TUTORIAL }.with_base_channels(16);
const BATCH: usize = 64;

/// One test, alone in its process: the device's pools are everybody's.
#[test]
fn training_takes_what_was_planned() {
    let adapter = adapters().into_iter().find(|adapter| adapter.kind == AdapterKind::Software).unwrap();
    let device = GpuDevice::open(&adapter).unwrap();
    let before = device.reserved_memory().unwrap();
    let mut engine = GpuEngine::new(&device, &CONFIG, Recipe::default(), BATCH).unwrap();
    engine.load_state(&initial_state(&CONFIG, Init::Default, &mut TorchRng::seed_from_u64(1))).unwrap();
    let mut reports = Vec::new();
    for step in 0..3 {
        let noise = TorchRng::seed_from_u64(step).randn(BATCH * CONFIG.latent_dim);
        engine.train_discriminator_real(&random_bytes(BATCH * CONFIG.image_len(), step)).unwrap();
        engine.train_discriminator_fake(&noise).unwrap();
        engine.train_generator(&noise).unwrap();
        engine.take_reports(&mut reports).unwrap();
    }
    assert_eq!(reports.len(), 9);
    let taken = (device.reserved_memory().unwrap() - before) as f64;
    let planned = engine.memory_bytes() as f64;
    println!("planned {:.1} MiB, taken {:.1} MiB", planned / 1048576.0, taken / 1048576.0);
    assert!(taken < planned, "{taken} bytes were taken, {planned} planned");
}
