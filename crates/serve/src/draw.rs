//! Draws the faces of concurrent requests in common batches.
//!
//! One thread draws. It takes up to [`BATCH`] noise vectors from the requests that wait, some from each, so that a
//! request for a single face never waits behind all of a large sheet. The engine computes every face from its own
//! noise alone, so a face's bytes do not depend on the batch.

use crate::counters::Counters;
use crate::error::{Answer, RequestError};
use crate::models::LoadedModel;
use dcgan::Picture;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Largest number of noise vectors in a batch. More would not make the engine faster.
const BATCH: usize = 64;
/// Number of vectors that a batch takes from one request while others wait.
const SHARE: usize = 16;
/// Largest number of bytes of the pictures of waiting requests: 4,096 faces of 64 × 64 pixels.
const MAX_QUEUED: usize = 48 << 20;

/// The thread that draws, and the queue of its requests.
#[derive(Debug)]
pub(crate) struct Artist {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Bytes of the pictures of all jobs.
    bytes: usize,
    is_closed: bool,
}

/// A request for faces.
#[derive(Debug)]
struct Job {
    model: Arc<LoadedModel>,
    /// Faces × latent.
    noise: Vec<f32>,
    /// The faces drawn so far.
    pictures: Vec<Picture>,
    reply: oneshot::Sender<Result<Vec<Picture>, String>>,
}

impl Job {
    fn latent_dim(&self) -> usize {
        self.model.config().latent_dim
    }

    /// Number of faces of the request.
    fn count(&self) -> usize {
        self.noise.len() / self.latent_dim()
    }

    /// Number of faces that are not drawn yet.
    fn left(&self) -> usize {
        self.count() - self.pictures.len()
    }

    /// Number of bytes of all its pictures.
    fn bytes(&self) -> usize {
        self.count() * self.model.config().image_len()
    }
}

/// A piece of a job that is part of a batch.
struct Piece {
    job: Job,
    faces: usize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // The queue is consistent between any two statements that could panic.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for requests and returns the next batch, which is for one model; `None` when the service ends.
    fn next(&self) -> Option<Vec<Piece>> {
        let mut queue = self.lock();
        loop {
            if queue.is_closed {
                return None;
            }
            let pieces = queue.take();
            if !pieces.is_empty() {
                return Some(pieces);
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Draws a batch and answers the requests that are complete.
    fn draw(&self, mut pieces: Vec<Piece>) {
        let noise: Vec<f32> = pieces
            .iter()
            .flat_map(|Piece { job, faces }| {
                let start = job.pictures.len() * job.latent_dim();
                &job.noise[start..start + faces * job.latent_dim()]
            })
            .copied()
            .collect();
        let Some(first) = pieces.first() else { return };
        let drawn = first.job.model.generator().draw(&noise).map_err(|error| error.to_string());
        self.counters.batches.fetch_add(1, Relaxed);
        let mut queue = self.lock();
        match drawn {
            Ok(pictures) => {
                self.counters.faces.fetch_add(pictures.len() as u64, Relaxed);
                let mut pictures = pictures.into_iter();
                for Piece { job, faces } in &mut pieces {
                    job.pictures.extend(pictures.by_ref().take(*faces));
                }
                // Those that have been served wait behind the others.
                let (complete, rest): (Vec<Job>, Vec<Job>) =
                    pieces.into_iter().map(|piece| piece.job).partition(|job| job.left() == 0);
                queue.jobs.extend(rest);
                for Job { reply, pictures, model, .. } in complete {
                    queue.bytes = queue.bytes.saturating_sub(pictures.len() * model.config().image_len());
                    let _ = reply.send(Ok(pictures));
                }
            }
            Err(message) => {
                for Piece { job, .. } in pieces {
                    queue.bytes = queue.bytes.saturating_sub(job.bytes());
                    let _ = job.reply.send(Err(message.clone()));
                }
            }
        }
        self.counters.queued.store(queue.jobs.iter().map(|job| job.left() as u64).sum(), Relaxed);
    }
}

impl Queue {
    /// Takes pieces of the jobs in front that draw with the same model.
    fn take(&mut self) -> Vec<Piece> {
        // Whoever has gone away needs no faces.
        let bytes = &mut self.bytes;
        self.jobs.retain(|job| {
            let is_wanted = !job.reply.is_closed();
            if !is_wanted {
                *bytes = bytes.saturating_sub(job.bytes());
            }
            is_wanted
        });
        let Some(model) = self.jobs.front().map(|job| Arc::clone(&job.model)) else { return Vec::new() };
        let share = if self.jobs.len() == 1 { BATCH } else { SHARE };
        let mut free = BATCH;
        let mut pieces = Vec::new();
        let mut others = VecDeque::new();
        while let Some(job) = self.jobs.pop_front() {
            if free == 0 || !Arc::ptr_eq(&job.model, &model) {
                others.push_back(job);
                continue;
            }
            let faces = job.left().min(share).min(free);
            free -= faces;
            pieces.push(Piece { job, faces });
        }
        self.jobs = others;
        pieces
    }
}

impl Artist {
    /// Starts the thread that draws.
    pub(crate) fn start(counters: Arc<Counters>) -> io::Result<Self> {
        let shared = Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new(), counters });
        let of_thread = Arc::clone(&shared);
        std::thread::Builder::new().name("draw".to_owned()).spawn(move || {
            while let Some(pieces) = of_thread.next() {
                of_thread.draw(pieces);
            }
            // Nobody is left waiting.
            of_thread.lock().jobs.clear();
        })?;
        Ok(Self { shared })
    }

    /// Draws the faces of `noise` (faces × latent).
    ///
    /// # Errors
    /// [`RequestError::busy`] if too much is waiting already; otherwise only if the engine fails.
    pub(crate) async fn draw(&self, model: Arc<LoadedModel>, noise: Vec<f32>) -> Answer<Vec<Picture>> {
        let (reply, drawn) = oneshot::channel();
        let job = Job { model, noise, pictures: Vec::new(), reply };
        if job.count() == 0 {
            return Ok(Vec::new());
        }
        {
            let mut queue = self.shared.lock();
            // A single request is answered whatever its size; its own limit is elsewhere.
            if queue.bytes > 0 && queue.bytes + job.bytes() > MAX_QUEUED {
                self.shared.counters.refused.fetch_add(1, Relaxed);
                return Err(RequestError::busy("too many faces are waiting to be drawn: try again in a second"));
            }
            queue.bytes += job.bytes();
            self.shared.counters.queued.fetch_add(job.count() as u64, Relaxed);
            queue.jobs.push_back(job);
        }
        self.shared.changed.notify_one();
        match drawn.await {
            Ok(pictures) => pictures.map_err(RequestError::internal),
            Err(_) => Err(RequestError::internal("the service is stopping")),
        }
    }
}

impl Drop for Artist {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::tests::tiny_model;
    use dcgan::seed_noise;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
    }

    #[test]
    fn a_face_does_not_depend_on_the_requests_beside_it() {
        let model = tiny_model();
        let latent = model.config().latent_dim;
        let noise = |seeds: std::ops::Range<u64>| seeds.flat_map(|seed| seed_noise(seed, latent)).collect::<Vec<f32>>();
        let expected = model.generator().draw(&noise(0..300)).unwrap();
        let artist = Arc::new(Artist::start(Arc::default()).unwrap());
        runtime().block_on(async {
            let starts = [(0, 100), (100, 101), (101, 102), (102, 133), (133, 300), (7, 8)];
            let tasks: Vec<_> = starts
                .map(|(start, end)| {
                    let (artist, model, noise) = (Arc::clone(&artist), Arc::clone(&model), noise(start..end));
                    (start, tokio::spawn(async move { artist.draw(model, noise).await }))
                })
                .into();
            for (start, task) in tasks {
                let drawn = task.await.unwrap().unwrap();
                let start = start as usize;
                assert!(drawn == expected[start..start + drawn.len()], "from seed {start}");
            }
        });
        let counters = &artist.shared.counters;
        assert_eq!(counters.faces.load(Relaxed), 301);
        assert_eq!(artist.shared.lock().bytes, 0);
    }

    #[test]
    fn a_large_request_does_not_hold_up_a_small_one() {
        let model = tiny_model();
        let job = |count: usize| {
            let noise = vec![0.5; count * model.config().latent_dim];
            let (reply, answer) = oneshot::channel();
            (Job { model: Arc::clone(&model), noise, pictures: Vec::new(), reply }, answer)
        };
        let mut queue = Queue::default();
        let (large, _large_answer) = job(1000);
        let (small, _small_answer) = job(1);
        let (gone, _) = job(1000);
        queue.jobs = [gone, large, small].into();
        let pieces = queue.take();
        assert_eq!(pieces.iter().map(|piece| piece.faces).collect::<Vec<_>>(), [SHARE, 1]);
        assert!(queue.jobs.is_empty(), "the request whose sender has gone is dropped");
    }

    #[test]
    fn what_is_too_much_is_refused() {
        let model = tiny_model();
        let artist = Artist::start(Arc::default()).unwrap();
        artist.shared.lock().bytes = MAX_QUEUED;
        let noise = vec![0.0; model.config().latent_dim];
        let error = runtime().block_on(artist.draw(model, noise)).unwrap_err();
        assert_eq!(error.status(), axum::http::StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(artist.shared.counters.refused.load(Relaxed), 1);
    }
}
