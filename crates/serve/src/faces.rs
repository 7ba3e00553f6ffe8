//! Requests for faces: seeds by address, and points of the noise space by JSON.

use crate::animation::Kind;
use crate::counters::Counters;
use crate::draw::Artist;
use crate::error::{Answer, RequestError};
use crate::models::{LoadedModel, Models};
use crate::point::Point;
use crate::query::{Params, parse_seed, parse_seeds};
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::response::Response;
use dcgan::{Picture, enlarge, seed_noise};
use dcgan_data::resize::Resizer;
use dcgan_formats::{LatentFormat, LatentWriter};
use dcgan_image::{COLUMNS, compose_columns, sheet_size};
use rayon::prelude::*;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::io;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;

/// Largest number of pictures of a request.
const MAX_PICTURES: usize = 1024;
/// Largest number of bytes of all pixels of an answer.
const MAX_PIXELS: usize = 48 << 20;
/// Pictures of more bytes are encoded on a thread of their own, so that other requests need not wait.
const SMALL: usize = 1 << 16;
/// Number of large pictures that are encoded at the same time.
const LARGE_AT_A_TIME: usize = 2;
/// Largest number of frames between two points of a walk.
const MAX_FRAMES: usize = 120;

/// Draws and encodes faces.
#[derive(Debug)]
pub(crate) struct Faces {
    pub(crate) models: Arc<Models>,
    artist: Artist,
    counters: Arc<Counters>,
    large: Arc<Semaphore>,
}

/// The body of `POST …/draw`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Drawing {
    /// The faces, or the stations of a walk.
    points: Vec<Point>,
    #[serde(default)]
    format: Format,
    /// Faces to a row of a sheet.
    #[serde(default = "default_columns")]
    columns: usize,
    /// Whether a single face has the border of a sheet.
    #[serde(default)]
    sheet: bool,
    #[serde(default = "one")]
    scale: usize,
    /// Frames from one station of a walk to the next.
    #[serde(default = "default_frames")]
    frames: usize,
    /// Frames a second.
    #[serde(default = "default_fps")]
    fps: u16,
    /// Whether a walk returns to its first station.
    #[serde(default, rename = "loop")]
    is_loop: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// A face, or a sheet of several.
    #[default]
    Png,
    /// The noise, for `numpy.load` and `dcgan generate --latents`.
    Npy,
    /// A walk from point to point.
    Gif,
    /// The same as an animated PNG.
    Apng,
}

fn one() -> usize {
    1
}

fn default_columns() -> usize {
    COLUMNS
}

fn default_frames() -> usize {
    24
}

fn default_fps() -> u16 {
    24
}

/// How the pictures of an answer are combined in one file.
#[derive(Debug, Clone, Copy)]
enum Layout {
    Single,
    Sheet { columns: usize },
    Animation { kind: Kind, fps: u16 },
}

impl Layout {
    /// Media type of the answer.
    fn media_type(self) -> &'static str {
        match self {
            Self::Animation { kind, .. } => kind.media_type(),
            _ => "image/png",
        }
    }

    /// Enlarges the pictures `scale` times and encodes them in one file.
    fn encode(self, pictures: Vec<Picture>, scale: usize) -> io::Result<Vec<u8>> {
        let pictures: Vec<Picture> = match scale {
            1 => pictures,
            _ => pictures
                .into_par_iter()
                .map_init(Resizer::new, |resizer, picture| enlarge(resizer, picture, scale))
                .collect(),
        };
        match self {
            Self::Single => pictures.first().ok_or(io::ErrorKind::InvalidInput)?.to_png(),
            Self::Sheet { columns } => compose_columns(&pictures, columns).to_png(),
            Self::Animation { kind, fps } => kind.encode(&pictures, fps),
        }
    }
}

impl Faces {
    pub(crate) fn new(models: Arc<Models>, counters: Arc<Counters>) -> io::Result<Self> {
        let artist = Artist::start(Arc::clone(&counters))?;
        Ok(Self { models, artist, counters, large: Arc::new(Semaphore::new(LARGE_AT_A_TIME)) })
    }

    /// Returns a model. While it is read, this thread can answer other requests.
    pub(crate) async fn model(&self, id: String) -> Answer<Arc<LoadedModel>> {
        if let Some(model) = self.models.get_loaded(&id) {
            return Ok(model);
        }
        let models = Arc::clone(&self.models);
        blocking(move || models.get(&id)).await?
    }

    /// `GET …/face.png?seed=7`: the bytes of `dcgan generate --seeds 7 --out FOLDER`.
    pub(crate) async fn face(&self, id: String, query: Option<&str>, headers: &HeaderMap) -> Answer {
        let params = Params::parse(query, &["seed", "scale", "trunc", "v"])?;
        let seed = parse_seed(params.get("seed").unwrap_or("0"))?;
        self.seeds(id, &[seed], Layout::Single, &params, headers).await
    }

    /// `GET …/faces.png?seeds=0-31&columns=8`: the bytes of `dcgan generate --seeds 0-31 --columns 8 --scale 1`.
    pub(crate) async fn sheet(&self, id: String, query: Option<&str>, headers: &HeaderMap) -> Answer {
        let params = Params::parse(query, &["seeds", "columns", "scale", "trunc", "v"])?;
        let seeds = parse_seeds(params.get("seeds").unwrap_or("0-31"), MAX_PICTURES)?;
        let columns = params.number("columns", COLUMNS, 1..=MAX_PICTURES)?;
        self.seeds(id, &seeds, Layout::Sheet { columns }, &params, headers).await
    }

    /// Answers a request for the faces of `seeds`. The answer has an entity tag made of the weights and all parameters.
    /// If the address names the weights (`v`), clients may keep it forever.
    async fn seeds(&self, id: String, seeds: &[u64], layout: Layout, params: &Params, headers: &HeaderMap) -> Answer {
        let scale = params.number("scale", 1, 1..=32)?;
        let trunc = params.number("trunc", 1.0f32, 0.0..=10.0)?;
        let model = self.model(id).await?;
        check_size(&model, seeds.len(), layout, scale)?;
        let tag = entity_tag(model.fingerprint(), &format!("{seeds:?} {layout:?} {scale} {trunc:?}"));
        // The address names the weights, so that what it stands for never changes.
        let is_forever = params.get("v") == Some(model.fingerprint());
        let cache = if is_forever { "private, max-age=31536000, immutable" } else { "private, no-cache" };
        let mut response = if is_known(headers, &tag) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            let latent_dim = model.config().latent_dim;
            let mut noise: Vec<f32> = seeds.iter().flat_map(|&seed| seed_noise(seed, latent_dim)).collect();
            noise.iter_mut().for_each(|z| *z *= trunc);
            self.draw(model, noise, layout, scale).await?
        };
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        Ok(response)
    }

    /// Answers `POST …/draw`.
    pub(crate) async fn drawing(&self, id: String, body: Bytes) -> Answer {
        let drawing: Drawing =
            serde_json::from_slice(&body).map_err(|error| RequestError::bad(format!("the body: {error}")))?;
        let in_range = |name: &str, value: usize, most: usize| match value {
            value if (1..=most).contains(&value) => Ok(()),
            _ => Err(RequestError::bad(format!("{name} {value}: choose a number from 1 to {most}"))),
        };
        in_range("the number of points", drawing.points.len(), MAX_PICTURES)?;
        in_range("scale", drawing.scale, 32)?;
        in_range("columns", drawing.columns, MAX_PICTURES)?;
        in_range("frames", drawing.frames, MAX_FRAMES)?;
        in_range("fps", drawing.fps.into(), 50)?;
        let model = self.model(id).await?;
        let latent_dim = model.config().latent_dim;
        // The first use of directions computes them.
        let of_points = Arc::clone(&model);
        let Drawing { points, format, columns, sheet, scale, frames, fps, is_loop } = drawing;
        let stations = blocking(move || {
            let directions = of_points.directions();
            points.iter().map(|point| point.noise(latent_dim, directions)).collect::<Answer<Vec<Vec<f32>>>>()
        })
        .await??;
        let layout = match format {
            Format::Npy => return npy(&stations, latent_dim),
            Format::Gif => Layout::Animation { kind: Kind::Gif, fps },
            Format::Apng => Layout::Animation { kind: Kind::Apng, fps },
            Format::Png if stations.len() == 1 && !sheet => Layout::Single,
            Format::Png => Layout::Sheet { columns },
        };
        let vectors = if matches!(layout, Layout::Animation { .. }) {
            let count = walk_len(stations.len(), frames, is_loop);
            in_range("the number of frames", count, MAX_PICTURES)?;
            check_size(&model, count, layout, scale)?;
            walk(&stations, frames, is_loop)
        } else {
            stations
        };
        check_size(&model, vectors.len(), layout, scale)?;
        let mut response = self.draw(model, vectors.concat(), layout, scale).await?;
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    /// Draws the faces of `noise` (N × latent) and answers with the encoded picture. Large pictures are encoded on a
    /// thread of their own, some at a time.
    async fn draw(&self, model: Arc<LoadedModel>, noise: Vec<f32>, layout: Layout, scale: usize) -> Answer {
        let start = Instant::now();
        let pictures = self.artist.draw(model, noise).await?;
        let bytes = pictures.iter().map(|picture| picture.pixels.len()).sum::<usize>() * scale * scale;
        let encoded = if bytes <= SMALL {
            layout.encode(pictures, scale)
        } else {
            let large = Arc::clone(&self.large);
            let _permit = large.acquire().await.map_err(|_| RequestError::internal("the service is stopping"))?;
            blocking(move || layout.encode(pictures, scale)).await?
        };
        let encoded = encoded.map_err(|error| RequestError::internal(format!("cannot encode the picture: {error}")))?;
        let mut response = Response::new(Body::from(encoded));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(layout.media_type()));
        self.counters.draw_seconds.add(start.elapsed());
        Ok(response)
    }
}

/// Runs `work`, which may take long, without blocking the threads that answer requests.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Answer<T> {
    tokio::task::spawn_blocking(work).await.map_err(|_| RequestError::internal("the request failed"))
}

/// Returns an entity tag (`ETag`) for what `key` describes in the version `version`.
pub(crate) fn entity_tag(version: &str, key: &str) -> String {
    let hash: String = Sha256::digest(key)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{version}-{hash}\"")
}

/// Returns whether the sender already has the version with this entity tag (`If-None-Match`).
pub(crate) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(|known| known.trim().trim_start_matches("W/"));
    tags.any(|known| known == tag || known == "*")
}

/// Checks that the answer has at most [`MAX_PIXELS`] values, before anything is drawn.
fn check_size(model: &LoadedModel, count: usize, layout: Layout, scale: usize) -> Answer<()> {
    let config = model.config();
    let side = config.image_size * scale;
    let pixels = match layout {
        Layout::Single => side * side,
        Layout::Sheet { columns } => {
            let (width, height) = sheet_size(count, columns, side);
            width.saturating_mul(height)
        }
        Layout::Animation { .. } => count.saturating_mul(side * side),
    };
    if pixels.saturating_mul(config.channels) <= MAX_PIXELS {
        return Ok(());
    }
    Err(RequestError::bad("that is too large a picture: ask for fewer faces, or a smaller scale"))
}

/// Answers with noise vectors as an `.npy` file.
fn npy(vectors: &[Vec<f32>], latent_dim: usize) -> Answer {
    let mut file = Vec::new();
    let mut write = || -> io::Result<()> {
        let mut writer = LatentWriter::new(&mut file, LatentFormat::Npy, vectors.len() as u64, latent_dim)?;
        vectors.iter().try_for_each(|vector| writer.write(vector))?;
        writer.finish()
    };
    write().map_err(|error| RequestError::internal(error.to_string()))?;
    let mut response = Response::new(Body::from(file));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    Ok(response)
}

/// Returns the number of frames of a walk.
fn walk_len(stations: usize, frames: usize, is_loop: bool) -> usize {
    if is_loop { stations.saturating_mul(frames) } else { (stations - 1).saturating_mul(frames).saturating_add(1) }
}

/// Returns the noise of each frame of a walk from station to station, with `frames` frames from one to the next.
fn walk(stations: &[Vec<f32>], frames: usize, is_loop: bool) -> Vec<Vec<f32>> {
    let at = |frame: usize| {
        let (from, step) = (frame / frames, frame % frames);
        let (a, b) = (&stations[from % stations.len()], &stations[(from + 1) % stations.len()]);
        if step == 0 { a.clone() } else { dcgan::slerp(a, b, step as f64 / frames as f64) }
    };
    (0..walk_len(stations.len(), frames, is_loop)).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_passes_its_stations() {
        let stations: Vec<Vec<f32>> = (0..3).map(|seed| seed_noise(seed, 8)).collect();
        let open = walk(&stations, 4, false);
        assert_eq!(open.len(), 9);
        assert_eq!([&open[0], &open[4], &open[8]], [&stations[0], &stations[1], &stations[2]]);
        let closed = walk(&stations, 4, true);
        assert_eq!(closed.len(), 12);
        assert_eq!(closed[9], dcgan::slerp(&stations[2], &stations[0], 0.25));
        assert_eq!(walk(&stations[..1], 4, false), &stations[..1]);
    }

    #[test]
    fn known_tags_are_recognised() {
        let tag = entity_tag("0123", "key");
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
            is_known(&headers, &tag)
        };
        assert!(with(&tag) && with(&format!("\"a\", W/{tag}")) && with("*"));
        assert!(!with("\"a\"") && !with("") && !is_known(&HeaderMap::new(), &tag));
        assert_ne!(tag, entity_tag("0124", "key"));
        assert_ne!(tag, entity_tag("0123", "kez"));
    }
}
