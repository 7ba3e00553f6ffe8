//! Batches gathered by a thread of their own, so that training does not wait for them.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use crate::dataset::Dataset;
use crate::decode::Channels;
use crate::error::DataError;

/// How many batches are gathered ahead of the one in use.
const AHEAD: usize = 2;

/// A batch of pictures.
#[derive(Debug, Default)]
pub struct Batch {
    /// Which pictures these are, in order.
    pub indices: Vec<u32>,
    /// Their bytes: `indices.len()` × size × size × channels (NHWC).
    pub pixels: Vec<u8>,
}

/// Gathers the batches that an iterator of indices names, two ahead of the one in use. In a data set of n pictures,
/// index n + i is picture i mirrored left to right.
///
/// Which pictures make up a batch, and in what order, is the caller's choice alone. Three buffers go round between
/// the thread and the caller; after the first three batches nothing is allocated here. Dropping a `Prefetcher` at any
/// time ends its thread.
#[derive(Debug)]
pub struct Prefetcher {
    /// `None` once the batches have ended, and while dropping.
    worker: Option<Worker>,
    current: Batch,
}

#[derive(Debug)]
struct Worker {
    gathered: Receiver<Result<Batch, DataError>>,
    emptied: SyncSender<Batch>,
    thread: JoinHandle<()>,
}

impl Prefetcher {
    /// Starts gathering: each item of `batches` is one batch's indices into `dataset`.
    ///
    /// # Errors
    /// If the system refuses to start a thread.
    pub fn new<B>(dataset: Arc<Dataset>, batches: B) -> io::Result<Prefetcher>
    where
        B: IntoIterator<Item = Vec<u32>> + Send + 'static,
    {
        // The buffers alone bound the queues: with room for each of them, no send ever waits.
        let (to_caller, gathered) = sync_channel(AHEAD + 1);
        let (emptied, from_caller) = sync_channel::<Batch>(AHEAD + 1);
        for _ in 0..AHEAD {
            let _ = emptied.send(Batch::default());
        }
        let gather_all = move || {
            for indices in batches {
                // An error on either queue means that the `Prefetcher` is gone.
                let Ok(mut batch) = from_caller.recv() else { return };
                batch.indices = indices;
                let gathered = gather(&mut batch.pixels, &dataset, &batch.indices).map(|()| batch);
                let is_last = gathered.is_err();
                if to_caller.send(gathered).is_err() || is_last {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("prefetcher".to_owned()).spawn(gather_all)?;
        Ok(Prefetcher { worker: Some(Worker { gathered, emptied, thread }), current: Batch::default() })
    }

    /// Returns the next batch, or `None` after the last or after an error. Waits if it is not gathered yet.
    ///
    /// # Errors
    /// [`DataError::CacheChanged`] if a picture cannot be read from the cache's file.
    ///
    /// # Panics
    /// If an index is not below twice the data set's length, or the iterator of batches panics.
    pub fn next_batch(&mut self) -> Result<Option<&Batch>, DataError> {
        let Some(worker) = &self.worker else { return Ok(None) };
        // The thread is gone after its last batch; then nobody needs the buffer.
        let _ = worker.emptied.send(std::mem::take(&mut self.current));
        let gathered = worker.gathered.recv();
        if !matches!(gathered, Ok(Ok(_)))
            && let Some(worker) = self.worker.take()
            && let Err(panic) = worker.thread.join()
        {
            std::panic::resume_unwind(panic);
        }
        match gathered {
            Ok(batch) => {
                self.current = batch?;
                Ok(Some(&self.current))
            }
            Err(_) => Ok(None),
        }
    }
}

impl Drop for Prefetcher {
    fn drop(&mut self) {
        if let Some(Worker { gathered, emptied, thread }) = self.worker.take() {
            // Without its queues the thread stops at the next batch, wherever it is now.
            drop((gathered, emptied));
            let _ = thread.join();
        }
    }
}

/// Fills `pixels` with the pictures that `indices` name.
fn gather(pixels: &mut Vec<u8>, dataset: &Dataset, indices: &[u32]) -> Result<(), DataError> {
    let (image_bytes, row_bytes) = (dataset.image_bytes(), dataset.size() * dataset.channels().count());
    pixels.resize(indices.len() * image_bytes, 0);
    for (image, &index) in pixels.chunks_exact_mut(image_bytes).zip(indices) {
        let index = index as usize;
        match index.checked_sub(dataset.len()) {
            None => dataset.read(index, image)?,
            Some(mirrored) => {
                dataset.read(mirrored, image)?;
                image.chunks_exact_mut(row_bytes).for_each(|row| mirror(row, dataset.channels()));
            }
        }
    }
    Ok(())
}

/// Reverses the pixels of a row.
fn mirror(row: &mut [u8], channels: Channels) {
    match channels {
        Channels::Gray => row.reverse(),
        Channels::Rgb => row.as_chunks_mut::<3>().0.reverse(),
    }
}

/// Cuts an epoch's order into batches; the last one may be short.
///
/// # Panics
/// If `batch_size` is 0.
pub fn batches(order: Vec<u32>, batch_size: usize) -> impl Iterator<Item = Vec<u32>> + Send {
    assert!(batch_size > 0, "batches of no pictures");
    (0..order.len()).step_by(batch_size).map(move |start| {
        let end = order.len().min(start + batch_size);
        order[start..end].to_vec()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    fn dataset(len: usize) -> Arc<Dataset> {
        Arc::new(Dataset::from_fn(len, 2, Channels::Rgb, |i, out| out.fill(i as u8)).unwrap())
    }

    #[test]
    fn batches_keep_the_short_last_one() {
        let cut: Vec<Vec<u32>> = batches(vec![5, 4, 3, 2, 1], 2).collect();
        assert_eq!(cut, [vec![5, 4], vec![3, 2], vec![1]]);
        assert_eq!(batches(vec![1, 2], 2).count(), 1);
        assert_eq!(batches(vec![], 2).count(), 0);
    }

    #[test]
    fn pictures_arrive_in_the_order_asked_for() {
        let order: Vec<u32> = (0..50).map(|i| i * 37 % 100).collect();
        let mut prefetcher = Prefetcher::new(dataset(100), batches(order.clone(), 7)).unwrap();
        let mut seen = Vec::new();
        while let Some(batch) = prefetcher.next_batch().unwrap() {
            let expected: Vec<u8> = batch.indices.iter().flat_map(|&i| [i as u8; 12]).collect();
            assert_eq!(batch.pixels, expected);
            seen.extend_from_slice(&batch.indices);
        }
        assert_eq!(seen, order);
        assert!(prefetcher.next_batch().unwrap().is_none(), "the end is final");
    }

    #[test]
    fn indices_beyond_the_last_picture_are_mirrored_ones() {
        for (channels, expected) in
            [(Channels::Gray, vec![1, 0, 3, 2]), (Channels::Rgb, vec![3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8])]
        {
            let fill = |i: usize, out: &mut [u8]| {
                out.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at + 100 * i) as u8)
            };
            let data = Arc::new(Dataset::from_fn(2, 2, channels, fill).unwrap());
            let mut prefetcher = Prefetcher::new(data, [vec![2, 0, 3]]).unwrap();
            let batch = prefetcher.next_batch().unwrap().unwrap();
            let second: Vec<u8> = expected.iter().map(|byte| byte + 100).collect();
            let plain: Vec<u8> = (0..expected.len() as u8).collect();
            assert_eq!(batch.pixels, [expected, plain, second].concat());
        }
    }

    #[test]
    fn buffers_are_used_again() {
        let mut prefetcher = Prefetcher::new(dataset(10), (0..30).map(|_| vec![1, 2, 3])).unwrap();
        let mut buffers = std::collections::HashSet::new();
        while let Some(batch) = prefetcher.next_batch().unwrap() {
            buffers.insert(batch.pixels.as_ptr());
        }
        assert!(buffers.len() <= AHEAD + 1, "{} buffers", buffers.len());
    }

    /// Waits until `condition` holds, and fails if it does not within ten seconds.
    fn wait_until(condition: impl Fn() -> bool) {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < Duration::from_secs(10), "waited in vain");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn gathers_two_ahead_and_no_more() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let endless = std::iter::repeat_with(move || {
            counter.fetch_add(1, Ordering::SeqCst);
            vec![0]
        });
        let mut prefetcher = Prefetcher::new(dataset(1), endless).unwrap();
        // The thread holds the indices of one more batch while it waits for a buffer.
        wait_until(|| asked.load(Ordering::SeqCst) == AHEAD + 1);
        prefetcher.next_batch().unwrap().unwrap();
        wait_until(|| asked.load(Ordering::SeqCst) == AHEAD + 2);
        thread::sleep(Duration::from_millis(20));
        assert_eq!(asked.load(Ordering::SeqCst), AHEAD + 2);
    }

    #[test]
    fn dropping_early_ends_the_thread() {
        for taken in 0..5 {
            let dataset = dataset(4);
            let mut prefetcher = Prefetcher::new(dataset.clone(), std::iter::repeat_with(|| vec![0, 1, 2, 3])).unwrap();
            for _ in 0..taken {
                assert!(prefetcher.next_batch().unwrap().is_some());
            }
            drop(prefetcher);
            assert_eq!(Arc::strong_count(&dataset), 1, "the thread has let go of the data");
        }
    }

    #[test]
    fn a_wrong_index_panics_in_the_caller() {
        let mut prefetcher = Prefetcher::new(dataset(4), [vec![0], vec![8]]).unwrap();
        assert!(prefetcher.next_batch().unwrap().is_some());
        assert!(catch_unwind(AssertUnwindSafe(|| prefetcher.next_batch().unwrap().is_some())).is_err());
        assert!(prefetcher.next_batch().unwrap().is_none());
    }
}
