//! Checking that a training fits into the memory that this process may use.

use crate::limits::{Limit, LimitKind};
use crate::text::mebibytes;
use crate::usage::UsageError;
use anyhow::Result;
use dcgan_engine_cpu::{Cpu, CpuEngine};
use dcgan_model::{ModelConfig, Network, Recipe, Transport};
use dcgan_settings::{CacheLocation, DataSource, Settings};
use dcgan_train::TrainConfig;
use std::sync::Arc;

/// Bytes that a training takes beside the engine, the pictures and the last checkpoint: the program itself, stacks,
/// file buffers. With the default settings the estimate is 6% above the 547 MiB that were measured.
const REST: u64 = 32 << 20;
/// Address space of a thread: what the allocator of glibc reserves for it, of which little becomes memory, and the
/// stack.
const RESERVED_PER_THREAD: u64 = 66 << 20;
/// Threads beside those that compute and those for pictures: two for signals, one that prepares batches, one more.
const OTHER_THREADS: usize = 4;
/// Address space of the program and its libraries.
const PROGRAM: u64 = 24 << 20;
/// Number of batches in memory: the one in use and those that are prepared ahead.
const BATCHES: u64 = 3;

/// Checks that a training fits into memory. The error says which batch size would fit.
///
/// # Errors
/// If the training takes more memory than `limit`, if there is one.
pub(crate) fn check(
    cpu: &Cpu,
    settings: &Settings,
    transport: Option<&Arc<dyn Transport>>,
    limit: Option<Limit>,
) -> Result<()> {
    // Files are not counted in vain.
    if limit.is_none() {
        return Ok(());
    }
    let pictures = picture_bytes(settings);
    let (batch_size, threads) = (settings.train.batch_size, threads(cpu));
    let without_pictures = |batch| needed(cpu, settings, transport, batch);
    let checked = check_batch(batch_size, threads, |batch| without_pictures(batch) + pictures, limit);
    let Some(DataSource::Folder { images, .. }) = &settings.source else { return checked };
    match checked {
        Err(error) if pictures > 0 && check_batch(batch_size, threads, without_pictures, limit).is_ok() => {
            let advice = match images.cache {
                CacheLocation::Off => "drop --no-cache, so that they are kept in a file",
                _ => "name a folder with --cache, so that they are kept in a file",
            };
            let pictures = mebibytes(pictures as usize);
            Err(UsageError::new(format_args!("{error}. The decoded pictures take {pictures} of it: {advice}")).into())
        }
        checked => checked,
    }
}

/// As [`check`], for steps that are only timed, without pictures and checkpoint.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_steps(
    cpu: &Cpu,
    config: &ModelConfig,
    recipe: Recipe,
    batch_size: usize,
    transport: Option<&Arc<dyn Transport>>,
    limit: Option<Limit>,
) -> Result<()> {
    let needed = |batch| engine(cpu, config, recipe, transport, batch) + REST;
    check_batch(batch_size, threads(cpu), needed, limit)
}

/// Number of threads of a training.
fn threads(cpu: &Cpu) -> usize {
    rayon::current_num_threads() + cpu.threads() - 1 + OTHER_THREADS
}

/// Checks that `needed(batch_size)` bytes are within the limit. The address space that threads reserve counts only if
/// the limit is on address space. The error names the largest batch that fits.
fn check_batch(batch_size: usize, threads: usize, needed: impl Fn(usize) -> u64, limit: Option<Limit>) -> Result<()> {
    let Some(Limit { bytes: most, kind }) = limit else { return Ok(()) };
    let reserved = match kind {
        LimitKind::ControlGroup => 0,
        LimitKind::AddressSpace => PROGRAM + threads as u64 * RESERVED_PER_THREAD,
    };
    let needed = |batch| needed(batch) + reserved;
    let all = needed(batch_size);
    if all <= most {
        return Ok(());
    }
    let fits = largest_batch(batch_size, |batch| needed(batch) <= most);
    let advice = match fits {
        Some(batch) => format!("choose --batch-size {batch} or less, or raise the limit"),
        None => "raise the limit, or choose a smaller --threads, --base-channels or --image-size".to_owned(),
    };
    let (needed, most) = (mebibytes(all as usize), mebibytes(most as usize));
    let (what, name) = (kind.what(), kind.name());
    let message = format!("training takes about {needed} of {what}, and {name} allows {most}: {advice}");
    Err(UsageError::new(message).into())
}

/// Approximate bytes of the pictures that a training holds in memory: drawn ones, and those of a folder or archive if
/// there is no cache to read them from.
fn picture_bytes(settings: &Settings) -> u64 {
    let count = match &settings.source {
        Some(DataSource::Demo { count }) => *count,
        Some(DataSource::Folder { images, .. }) if images.cache.folder().is_some() => 0,
        Some(DataSource::Folder { path, max_images, .. }) => {
            // What is wrong with the path is reported when the pictures are read.
            let count = dcgan_data::source::FileSource::open(path).map_or(0, |source| source.listing.likely_pictures());
            max_images.map_or(count, |most| count.min(most))
        }
        None => 0,
    };
    count as u64 * settings.train.model.image_len() as u64
}

/// Approximate bytes that a training takes beside its pictures.
fn needed(cpu: &Cpu, settings: &Settings, transport: Option<&Arc<dyn Transport>>, batch: usize) -> u64 {
    let TrainConfig { model, d_steps, .. } = &settings.train;
    let engine = engine(cpu, model, settings.train.recipe(), transport, batch);
    let parameters: usize =
        [Network::discriminator(model), Network::generator(model)].iter().map(Network::parameter_count).sum();
    // Weights and two moments: the last checkpoint stays in memory.
    let state = (3 * size_of::<f32>() * parameters) as u64;
    let batches = BATCHES * (batch * d_steps * model.image_len()) as u64;
    engine + state + batches + REST
}

/// Returns the number of bytes that the engine of this rank takes. The engine itself refuses impossible shards.
fn engine(cpu: &Cpu, model: &ModelConfig, recipe: Recipe, transport: Option<&Arc<dyn Transport>>, batch: usize) -> u64 {
    CpuEngine::planned_bytes(cpu, model, recipe, batch, transport).unwrap_or(0) as u64
}

/// Returns the largest batch size below `batch` that fits.
fn largest_batch(batch: usize, fits: impl Fn(usize) -> bool) -> Option<usize> {
    let (mut least, mut most) = (0, batch);
    // `least` fits, or is 0; `most` does not.
    while most - least > 1 {
        let middle = least.midpoint(most);
        if fits(middle) { least = middle } else { most = middle }
    }
    (least > 0).then_some(least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dcgan_engine_cpu::Isa;

    #[test]
    fn the_largest_batch_is_found() {
        assert_eq!(largest_batch(128, |batch| batch <= 37), Some(37));
        assert_eq!(largest_batch(128, |batch| batch < 128), Some(127));
        assert_eq!(largest_batch(128, |_| false), None);
        assert_eq!(largest_batch(1, |_| false), None);
    }

    #[test]
    fn pictures_count_if_they_are_not_cached() {
        let cpu = Cpu::new(Isa::select().unwrap(), 1).unwrap();
        let folder = tempfile::tempdir().unwrap();
        // As many pictures of 64 × 64 × 3 bytes as take 12 MiB, and a file that is named like none.
        (0..1024).for_each(|i| std::fs::write(folder.path().join(format!("{i}.png")), "").unwrap());
        std::fs::write(folder.path().join("notes.txt"), "").unwrap();
        let small = "base-channels = 2\nbatch-size = 2";
        let settings = |more: &str| {
            let text = format!("data = {:?}\n{small}\n{more}", folder.path());
            dcgan_settings::TrainOptions::from_toml(&text).unwrap().resolve().unwrap()
        };
        let [cached, uncached, few] =
            ["cache = \"/nowhere\"", "no-cache = true", "no-cache = true\nmax-images = 100"].map(settings);
        assert_eq!([&cached, &uncached, &few].map(picture_bytes), [0, 12 << 20, 100 * 12_288]);
        let bytes = needed(&cpu, &cached, None, 2) + (6 << 20);
        let limit = Some(Limit { bytes, kind: LimitKind::ControlGroup });
        check(&cpu, &cached, None, limit).unwrap();
        check(&cpu, &few, None, limit).unwrap();
        let error = check(&cpu, &uncached, None, limit).unwrap_err().to_string();
        assert!(error.contains("pictures take 12 MiB of it: drop --no-cache"), "{error}");
        let none = Some(Limit { bytes: 1 << 20, kind: LimitKind::ControlGroup });
        let error = check(&cpu, &uncached, None, none).unwrap_err().to_string();
        assert!(!error.contains("--no-cache"), "it would not help: {error}");
    }

    #[test]
    fn what_does_not_fit_is_refused_with_a_batch_that_does() {
        let cpu = Cpu::new(Isa::select().unwrap(), 1).unwrap();
        let settings = |line: &str| dcgan_settings::TrainOptions::from_toml(line).unwrap().resolve().unwrap();
        let limit = |mib: u64| Some(Limit { bytes: mib << 20, kind: LimitKind::ControlGroup });
        let tutorial = settings("demo = true");
        check(&cpu, &tutorial, None, None).unwrap();
        check(&cpu, &tutorial, None, limit(4096)).unwrap();
        let error = check(&cpu, &tutorial, None, limit(400)).unwrap_err().to_string();
        let batch: usize = error.split("--batch-size ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!((2..128).contains(&batch), "{error}");
        check(&cpu, &settings(&format!("demo = true\nbatch-size = {batch}")), None, limit(400)).unwrap();
        check(&cpu, &settings(&format!("demo = true\nbatch-size = {}", batch + 1)), None, limit(400)).unwrap_err();
        let error = check(&cpu, &tutorial, None, limit(100)).unwrap_err().to_string();
        assert!(error.contains("control group") && error.contains("--base-channels"), "{error}");
    }
}
