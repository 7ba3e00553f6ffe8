//! A training step allocates nothing. The only test of its program, so that nothing else allocates at the same time:
//! the allocator counts those of all threads.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use dcgan_engine_cpu::{Cpu, CpuEngine, Isa};
use dcgan_model::{AdamConfig, DiscriminatorNorm, Engine, Init, Loss, ModelConfig, Recipe, TorchRng, initial_state};
use dcgan_testkit::random_bytes;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What `work` allocates, on whatever thread.
fn allocations(work: impl FnOnce()) -> Stats {
    let region = Region::new(ALLOCATOR);
    work();
    region.change()
}

#[test]
fn a_step_allocates_nothing() {
    let config = ModelConfig { image_size: 32, latent_dim: 10, ..ModelConfig::TUTORIAL }.with_base_channels(16);
    no_allocations(&config, AdamConfig::default().into());
    let config = ModelConfig { norm_d: DiscriminatorNorm::Spectral, ..config };
    no_allocations(
        &config,
        Recipe { loss: Loss::Relativistic, r1: 0.5, r2: 0.25, ema: Some(0.9), ..Recipe::default() },
    );
}

fn no_allocations(config: &ModelConfig, recipe: Recipe) {
    let batch = 20;
    let images = random_bytes(batch * config.image_len(), 1);
    let noise = TorchRng::seed_from_u64(2).randn(batch * config.latent_dim);
    for isa in Isa::available() {
        for threads in [1, 2] {
            let cpu = Cpu::new(isa, threads).unwrap();
            let mut engine = CpuEngine::new(cpu, config, recipe, batch).unwrap();
            engine.load_state(&initial_state(config, Init::Default, &mut TorchRng::seed_from_u64(1))).unwrap();
            let mut reports = Vec::with_capacity(3);
            let mut step = || {
                if config.norm_d == DiscriminatorNorm::Batch {
                    engine.train_discriminator_real(&images).unwrap();
                    engine.train_discriminator_fake(&noise).unwrap();
                } else {
                    engine.train_discriminator(&images, &noise).unwrap();
                }
                engine.train_generator(&noise).unwrap();
                reports.clear();
                engine.take_reports(&mut reports).unwrap();
                assert_eq!(reports.len(), 3);
            };
            // Threads that have never slept set something up when they first do.
            step();
            let stats = allocations(&mut step);
            assert_eq!((stats.allocations, stats.reallocations), (0, 0), "{isa:?}, {threads} threads: {stats:?}");
        }
    }
}
