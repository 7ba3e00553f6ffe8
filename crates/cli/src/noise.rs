//! Where the noise of faces comes from: one random stream, seeds, or a file. It is made some vectors at a time, so that
//! a million take no more memory than a hundred.

use crate::seeds::Seeds;
use crate::usage::UsageError;
use anyhow::{Result, bail};
use dcgan::seed_noise;
use dcgan_formats::LatentReader;
use dcgan_model::TorchRng;
use dcgan_settings::Seed;
use rayon::prelude::*;
use std::collections::VecDeque;
use std::path::PathBuf;

/// Which faces.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct NoiseArgs {
    /// Seed of the noise, which is torch.manual_seed(SEED); torch.randn(N, latent)
    #[arg(long, value_name = "SEED", default_value_t = Seed(0), allow_negative_numbers = true)]
    seed: Seed,
    /// Draw a face for each seed, for example 0-999,2000, from the noise torch.manual_seed(SEED); torch.randn(1,
    /// latent)
    #[arg(long, value_name = "LIST", conflicts_with_all = ["count", "seed"], allow_hyphen_values = true)]
    pub(crate) seeds: Option<Seeds>,
    /// Draw a face for each noise vector of a .npy or .safetensors file, N x latent
    #[arg(long, value_name = "FILE", conflicts_with_all = ["count", "seed", "seeds"])]
    latents: Option<PathBuf>,
    /// Factor of the noise: below 1, faces are more typical and more alike
    #[arg(long, value_name = "PSI", default_value_t = 1.0, value_parser = parse_trunc, allow_negative_numbers = true)]
    trunc: f32,
}

/// `--trunc`
pub(crate) fn parse_trunc(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(psi) if (0.0..=10.0).contains(&psi) => Ok(psi),
        _ => Err("choose a number from 0 to 10, such as 0.7".to_owned()),
    }
}

/// Noise vectors that are yet to come.
#[derive(Debug)]
pub(crate) struct Noise {
    source: NoiseSource,
    latent_dim: usize,
    count: u64,
    /// Vectors given out.
    done: u64,
    trunc: f32,
    /// Vectors to choose one face from.
    candidates: usize,
}

#[derive(Debug)]
enum NoiseSource {
    Stream(Box<RandnStream>),
    Seeds(SeedIter),
    File(LatentReader),
}

type SeedIter = std::iter::Peekable<std::vec::IntoIter<std::ops::RangeInclusive<u64>>>;

/// Some faces' noise.
#[derive(Debug)]
pub(crate) struct NoiseBatch {
    /// What each face is called in a file name: `seed-0007`, or `face-0007` if it has no seed of its own.
    pub(crate) names: Vec<String>,
    /// Faces × candidates × latent.
    pub(crate) vectors: Vec<f32>,
}

impl NoiseArgs {
    /// The noise of these seeds, or of one random stream.
    #[cfg(test)]
    pub(crate) fn of_seeds(seeds: Option<Seeds>) -> Self {
        Self { seed: Seed(0), seeds, latents: None, trunc: 1.0 }
    }

    /// The noise of these faces, `count` of them where neither seeds nor a file tell how many, for a generator that
    /// takes `latent_dim` values. With more than one of `candidates`, each face has so many vectors to choose from.
    ///
    /// # Errors
    /// If the file cannot be read, its vectors are of another length, or there is nothing to choose from in a file.
    pub(crate) fn open(&self, count: u64, latent_dim: usize, candidates: usize) -> Result<Noise> {
        let (source, count) = if let Some(path) = &self.latents {
            let reader = LatentReader::open(path)?;
            if reader.latent_dim() != latent_dim {
                bail!(
                    "{path:?} holds vectors of {} values, and this generator takes {latent_dim}",
                    reader.latent_dim()
                );
            }
            let count = reader.count();
            (NoiseSource::File(reader), count)
        } else if let Some(seeds) = &self.seeds {
            (NoiseSource::Seeds(seeds.ranges().into_iter().peekable()), seeds.count())
        } else {
            let values = count.checked_mul(latent_dim as u64).and_then(|values| values.checked_mul(candidates as u64));
            let Some(values) = values else { bail!(UsageError::new(format_args!("-n {count}: that is too many"))) };
            (NoiseSource::Stream(Box::new(RandnStream::new(self.seed.0, values))), count)
        };
        Ok(Noise { source, latent_dim, count, done: 0, trunc: self.trunc, candidates })
    }
}

impl Noise {
    /// How many faces there will be in all.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The noise of the next faces: so many that about `vectors` vectors are drawn at a time. `None` at the end. What a
    /// face gets does not depend on `vectors`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(crate) fn next(&mut self, vectors: usize) -> Result<Option<NoiseBatch>> {
        let most = (vectors / self.candidates).max(1) as u64;
        let faces = most.min(self.count - self.done) as usize;
        if faces == 0 {
            return Ok(None);
        }
        let (latent_dim, candidates) = (self.latent_dim, self.candidates);
        let numbers = self.done..self.done + faces as u64;
        let numbered = || numbers.clone().map(|number| format!("face-{number:04}")).collect();
        let (names, mut vectors) = match &mut self.source {
            NoiseSource::Stream(stream) => (numbered(), stream.take(faces * candidates * latent_dim)),
            NoiseSource::File(reader) => (numbered(), reader.read(faces)?),
            NoiseSource::Seeds(ranges) => {
                let seeds: Vec<u64> = std::iter::from_fn(|| next_seed(ranges)).take(faces).collect();
                let names = seeds.iter().map(|seed| format!("seed-{seed:04}")).collect();
                (names, seeds.par_iter().flat_map_iter(|&seed| candidate_noise(seed, latent_dim, candidates)).collect())
            }
        };
        vectors.iter_mut().for_each(|z| *z *= self.trunc);
        self.done += faces as u64;
        Ok(Some(NoiseBatch { names, vectors }))
    }
}

/// The noise of a seed's face, then what follows it in the seed's stream: the first candidate is the face that the seed
/// has without a choice.
fn candidate_noise(seed: u64, latent_dim: usize, candidates: usize) -> Vec<f32> {
    if candidates == 1 {
        return seed_noise(seed, latent_dim);
    }
    let mut rng = TorchRng::seed_from_u64(seed);
    (0..candidates).flat_map(|_| rng.randn(latent_dim)).collect()
}

/// Takes the next seed from the ranges; `None` after the last.
fn next_seed(ranges: &mut SeedIter) -> Option<u64> {
    loop {
        match ranges.peek_mut()?.next() {
            Some(seed) => return Some(seed),
            None => ranges.next(),
        };
    }
}

/// `torch.manual_seed(seed); torch.randn(len)`, piece by piece.
#[derive(Debug)]
struct RandnStream {
    rng: TorchRng,
    /// Values that are not drawn yet.
    rest: u64,
    /// Values that are drawn and not taken.
    drawn: VecDeque<f32>,
}

impl RandnStream {
    /// Values drawn at a time. PyTorch makes normal numbers in blocks of 16, so a multiple of that cuts none.
    const PIECE: u64 = 4096;
    /// If the last block is not full, the last 16 values are drawn once more. They must be in one piece.
    const BLOCK: u64 = 16;

    /// Creates the stream of `len` values of `seed`.
    fn new(seed: u64, len: u64) -> Self {
        Self { rng: TorchRng::seed_from_u64(seed), rest: len, drawn: VecDeque::new() }
    }

    /// The next `len` values.
    ///
    /// # Panics
    /// If there are fewer.
    fn take(&mut self, len: usize) -> Vec<f32> {
        while self.drawn.len() < len {
            assert!(self.rest > 0, "more values than the stream has");
            let piece = if self.rest < Self::PIECE + Self::BLOCK { self.rest } else { Self::PIECE };
            self.drawn.extend(self.rng.randn(piece as usize));
            self.rest -= piece;
        }
        self.drawn.drain(..len).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> NoiseArgs {
        NoiseArgs { seed: Seed(5), seeds: None, latents: None, trunc: 1.0 }
    }

    fn all(args: &NoiseArgs, count: u64, latent_dim: usize, candidates: usize, at_a_time: usize) -> NoiseBatch {
        let mut noise = args.open(count, latent_dim, candidates).unwrap();
        let mut whole = NoiseBatch { names: Vec::new(), vectors: Vec::new() };
        while let Some(batch) = noise.next(at_a_time).unwrap() {
            assert_eq!(batch.vectors.len(), batch.names.len() * latent_dim * candidates);
            whole.names.extend(batch.names);
            whole.vectors.extend(batch.vectors);
        }
        assert_eq!(whole.names.len() as u64, noise.count());
        whole
    }

    #[test]
    fn a_stream_in_pieces_is_the_whole_stream() {
        for len in [1, 15, 16, 17, 4095, 4096, 4097, 4111, 4112, 4113, 8193, 12_300] {
            let whole = TorchRng::seed_from_u64(9).randn(len);
            for at_a_time in [1, 7, 16, 5000] {
                let mut stream = RandnStream::new(9, len as u64);
                let mut pieces = Vec::new();
                while pieces.len() < len {
                    pieces.extend(stream.take(at_a_time.min(len - pieces.len())));
                }
                assert!(pieces == whole, "{len} values, {at_a_time} at a time");
            }
        }
    }

    #[test]
    fn what_a_face_gets_does_not_depend_on_the_batch() {
        let seeds = NoiseArgs { seeds: Some("3,0-20".parse().unwrap()), ..args() };
        for args in [args(), seeds] {
            for candidates in [1, 3] {
                let whole = all(&args, 22, 7, candidates, 1000);
                for at_a_time in [1, 2, 10] {
                    let pieces = all(&args, 22, 7, candidates, at_a_time);
                    assert!(pieces.vectors == whole.vectors && pieces.names == whole.names, "{at_a_time}");
                }
            }
        }
    }

    #[test]
    fn the_first_candidate_is_the_seeds_own_face() {
        let args = NoiseArgs { seeds: Some("8".parse().unwrap()), ..args() };
        let batch = all(&args, 0, 100, 4, 64);
        assert_eq!(batch.vectors[..100], seed_noise(8, 100));
        assert_eq!(batch.names, ["seed-0008"]);
        assert!(batch.vectors[100..200] != batch.vectors[..100]);
    }

    #[test]
    fn truncation_multiplies() {
        let half = all(&NoiseArgs { trunc: 0.5, ..args() }, 3, 7, 1, 64);
        let whole = all(&args(), 3, 7, 1, 64);
        assert!(half.vectors.iter().zip(&whole.vectors).all(|(h, w)| *h == w * 0.5));
        assert_eq!(whole.names, ["face-0000", "face-0001", "face-0002"]);
        assert!(parse_trunc("-1").is_err() && parse_trunc("nan").is_err() && parse_trunc("0.7") == Ok(0.7));
    }
}
