//! `dcgan generate`: new pictures from a trained generator.

use crate::model_file;
use crate::progress;
use crate::seeds::Seeds;
use crate::threads::ThreadArgs;
use crate::usage::UsageError;
use anyhow::{Context, Result, bail};
use dcgan_engine_cpu::{Cpu, CpuGenerator};
use dcgan_formats::Model;
use dcgan_model::{ModelConfig, Role, TorchRng};
use dcgan_train::{Picture, compose, sheet_size, write_atomic};
use rayon::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

/// Arguments of `dcgan generate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A trained generator (.pt or .safetensors), or a run's folder
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Faces on the sheet, 8 to a row
    #[arg(short = 'n', long, value_name = "N", default_value_t = 32)]
    count: usize,
    /// Seed of the sheet's noise: that of torch.manual_seed(SEED); torch.randn(N, latent)
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// One picture per seed instead of a sheet, for example 0-999,2000
    #[arg(long, value_name = "LIST", conflicts_with_all = ["count", "seed"], requires = "out")]
    seeds: Option<Seeds>,
    /// File to write the sheet to, or with --seeds the folder for the pictures
    #[arg(long, value_name = "PATH", default_value = "faces.png")]
    out: PathBuf,
    #[command(flatten)]
    threads: ThreadArgs,
}

/// Pictures drawn at a time. It bounds the memory; a face does not depend on it.
const BATCH: usize = 128;

/// The largest sheet, in bytes of pixels.
const MAX_SHEET: usize = 1 << 30;

pub(crate) fn run(args: Args) -> Result<()> {
    args.threads.start()?;
    let (path, model) = model_file::load(&args.model)?;
    if model.network.role != Role::Generator {
        bail!("{path:?} holds a {}, and only a generator can draw", model.network.role);
    }
    let mut artist = Artist::new(args.threads.cpu()?, &model).with_context(|| format!("cannot draw with {path:?}"))?;
    match args.seeds {
        Some(seeds) => single_faces(&mut artist, &seeds, &args.out),
        None => sheet(&mut artist, args.count, args.seed, &args.out),
    }
}

/// A generator that gives finished pictures.
struct Artist {
    generator: CpuGenerator,
    config: ModelConfig,
}

impl Artist {
    fn new(cpu: Cpu, model: &Model) -> Result<Self> {
        let generator = CpuGenerator::new(cpu, &model.network, &model.tensors)?;
        Ok(Self { generator, config: model.network.config })
    }

    /// The pictures of `noise` (N × latent).
    fn draw(&mut self, noise: &[f32]) -> Result<Vec<Picture>> {
        let ModelConfig { image_size, channels, .. } = self.config;
        Ok(Picture::from_nchw(&self.generator.generate(noise)?, channels, image_size))
    }
}

/// `count` faces on one sheet.
fn sheet(artist: &mut Artist, count: usize, seed: u64, file: &Path) -> Result<()> {
    let ModelConfig { image_size, channels, latent_dim, .. } = artist.config;
    let most = MAX_SHEET / (channels * image_size * image_size);
    if !(1..=most).contains(&count) {
        let message =
            format!("-n {count}: choose 1 to {most}, or draw one picture per seed with --seeds 0-{}", count.max(1) - 1);
        bail!(UsageError::new(message));
    }
    let noise = TorchRng::seed_from_u64(seed).randn(count * latent_dim);
    let mut faces = Vec::with_capacity(count);
    for batch in noise.chunks(BATCH * latent_dim) {
        faces.extend(artist.draw(batch)?);
    }
    create_parent(file)?;
    compose(&faces).save_png(file).with_context(|| format!("cannot write {file:?}"))?;
    let (width, height) = sheet_size(count, image_size);
    progress::say(&format!("{count} faces in {} ({width} × {height} pixels)", file.display()));
    Ok(())
}

/// One file per seed. A seed's noise is drawn on its own, so its face is the same in any list.
fn single_faces(artist: &mut Artist, seeds: &Seeds, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot write to {folder:?}"))?;
    let bar = progress::bar(seeds.count(), "drawing faces {wide_bar} {human_pos}/{human_len}  {eta} left");
    let latent_dim = artist.config.latent_dim;
    let mut rest = seeds.iter();
    loop {
        let batch: Vec<u64> = rest.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            break;
        }
        let noise: Vec<f32> =
            batch.par_iter().flat_map_iter(|&seed| TorchRng::seed_from_u64(seed).randn(latent_dim)).collect();
        let faces = artist.draw(&noise)?;
        batch.par_iter().zip(faces).try_for_each(|(seed, face)| {
            let path = folder.join(format!("seed-{seed:04}.png"));
            let written = face.to_png().and_then(|png| write_atomic(&path, &png));
            written.with_context(|| format!("cannot write {path:?}"))
        })?;
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    progress::say(&format!("{} faces in {}", seeds.count(), folder.display()));
    Ok(())
}

fn create_parent(file: &Path) -> Result<()> {
    match file.parent() {
        Some(parent) if parent != Path::new("") => {
            fs::create_dir_all(parent).with_context(|| format!("cannot write to {parent:?}"))
        }
        _ => Ok(()),
    }
}
