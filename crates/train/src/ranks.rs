//! What the ranks of one training agree on beside sums: that they train the same thing, when they stop, and what rank 0
//! has read.

use dcgan_data::{Channels, DataError, Dataset};
use dcgan_formats::{Metadata, read_checkpoint, write_checkpoint};
use dcgan_model::{Checkpoint, Transport, TransportError};
use std::sync::Arc;

/// Largest number of bytes sent in one call.
const CHUNK: usize = 64 << 20;

/// The ranks that train together, as this one sees them.
#[derive(Debug, Clone)]
pub struct Ranks {
    transport: Arc<dyn Transport>,
}

/// Error of an agreement between ranks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RanksError {
    /// Another rank has failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// A rank was started in another way than rank 0.
    #[error("rank {rank} differs from rank 0 in its {what} ({there} on rank {rank}, {here} on rank 0): {advice}")]
    Different {
        /// The first rank that differs.
        rank: usize,
        /// In what, such as "version".
        what: String,
        /// Its value.
        there: String,
        /// Rank 0's value.
        here: String,
        /// What to do.
        advice: &'static str,
    },
    /// The pictures of rank 0 cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// What rank 0 sent cannot be used.
    #[error("what rank 0 has sent cannot be used: {0}")]
    Received(String),
}

/// Something in which all ranks must be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What it is, such as "version".
    pub what: &'static str,
    /// This rank's value.
    pub value: String,
    /// What to do about a difference.
    pub advice: &'static str,
}

impl Ranks {
    /// The ranks of a transport.
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self { transport }
    }

    /// Number of this rank.
    pub fn rank(&self) -> usize {
        self.transport.rank()
    }

    /// Number of ranks.
    pub fn count(&self) -> usize {
        self.transport.ranks()
    }

    /// Whether this is rank 0, which draws, writes and reports.
    pub fn is_root(&self) -> bool {
        self.rank() == 0
    }

    /// The transport between the ranks.
    pub fn transport(&self) -> &Arc<dyn Transport> {
        &self.transport
    }

    /// Returns whether `own` is true on any rank.
    ///
    /// # Errors
    /// If another rank has failed.
    pub fn any(&self, own: bool) -> Result<bool, TransportError> {
        if self.count() == 1 {
            return Ok(own);
        }
        let mut all = vec![0; self.count()];
        self.transport.gather_bytes(&[u8::from(own)], &mut all, &vec![1; self.count()])?;
        Ok(all.contains(&1))
    }

    /// Returns rank 0's `own`.
    ///
    /// # Errors
    /// If another rank has failed.
    pub fn of_root(&self, own: bool) -> Result<bool, TransportError> {
        let mut byte = [u8::from(own)];
        self.transport.broadcast(&mut byte)?;
        Ok(byte[0] == 1)
    }

    /// Checks that all ranks have the same facts. Every rank finds the same difference.
    ///
    /// # Errors
    /// [`RanksError::Different`] for the first fact and rank that differ from rank 0.
    pub fn check_same(&self, facts: &[Fact]) -> Result<(), RanksError> {
        for fact in facts {
            let values = self.gather(fact.value.as_bytes())?;
            if let Some(rank) = values.iter().position(|value| *value != values[0]) {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let (there, here) = (text(&values[rank]), text(&values[0]));
                let what = fact.what.to_owned();
                return Err(RanksError::Different { rank, what, there, here, advice: fact.advice });
            }
        }
        Ok(())
    }

    /// Returns the text of every rank.
    ///
    /// # Errors
    /// If another rank has failed.
    pub fn gather_texts(&self, own: &str) -> Result<Vec<String>, RanksError> {
        let text =
            |bytes| String::from_utf8(bytes).map_err(|_| RanksError::Received("text that is no UTF-8".to_owned()));
        self.gather(own.as_bytes())?.into_iter().map(text).collect()
    }

    /// Returns the bytes of every rank.
    fn gather(&self, own: &[u8]) -> Result<Vec<Vec<u8>>, TransportError> {
        let mut lens = vec![0; 8 * self.count()];
        self.transport.gather_bytes(&(own.len() as u64).to_le_bytes(), &mut lens, &vec![8; self.count()])?;
        let (lens, _) = lens.as_chunks::<8>();
        let lens: Vec<usize> = lens.iter().map(|len| u64::from_le_bytes(*len) as usize).collect();
        let mut all = vec![0; lens.iter().sum()];
        self.transport.gather_bytes(own, &mut all, &lens)?;
        let mut rest = &all[..];
        Ok(lens
            .into_iter()
            .map(|len| {
                let (own, others) = rest.split_at(len);
                rest = others;
                own.to_vec()
            })
            .collect())
    }

    /// Sends rank 0's bytes to all ranks; those of the others are replaced.
    fn share(&self, bytes: &mut Vec<u8>) -> Result<(), TransportError> {
        let mut len = (bytes.len() as u64).to_le_bytes();
        self.transport.broadcast(&mut len)?;
        bytes.resize(u64::from_le_bytes(len) as usize, 0);
        bytes.chunks_mut(CHUNK).try_for_each(|chunk| self.transport.broadcast(chunk))
    }

    /// Returns rank 0's text on all ranks.
    ///
    /// # Errors
    /// If another rank has failed.
    pub fn share_text(&self, text: &str) -> Result<String, RanksError> {
        let mut bytes = text.as_bytes().to_vec();
        self.share(&mut bytes)?;
        String::from_utf8(bytes).map_err(|_| RanksError::Received("text that is no UTF-8".to_owned()))
    }

    /// Returns rank 0's checkpoint on all ranks.
    ///
    /// # Errors
    /// If another rank has failed, or what arrives is no checkpoint.
    pub fn share_checkpoint(&self, checkpoint: Option<Checkpoint>) -> Result<Option<Checkpoint>, RanksError> {
        if self.count() == 1 || !self.of_root(checkpoint.is_some())? {
            return Ok(checkpoint.filter(|_| self.is_root()));
        }
        let mut bytes = Vec::new();
        if let Some(checkpoint) = &checkpoint {
            write_checkpoint(&mut bytes, checkpoint, &Metadata::new())
                .map_err(|error| RanksError::Received(error.to_string()))?;
        }
        self.share(&mut bytes)?;
        let (received, _) = read_checkpoint(&bytes).map_err(|error| RanksError::Received(error.to_string()))?;
        Ok(Some(received))
    }

    /// Returns rank 0's pictures on all ranks, in memory. `own` is rank 0's.
    ///
    /// # Errors
    /// If another rank has failed, or there is not enough memory.
    pub fn share_pictures(&self, own: Option<Dataset>, size: usize, channels: Channels) -> Result<Dataset, RanksError> {
        let mut len = own.as_ref().map_or(0, |data| data.len() as u64).to_le_bytes();
        self.transport.broadcast(&mut len)?;
        let len = u64::from_le_bytes(len) as usize;
        let image_bytes = size * size * channels.count();
        let at_once = (CHUNK / image_bytes).max(1);
        let mut bytes = Vec::new();
        let memory = || RanksError::Received(format!("there is no memory for {len} pictures"));
        if own.is_none() {
            bytes.try_reserve_exact(len * image_bytes).map_err(|_| memory())?;
        }
        let mut chunk = vec![0; at_once.min(len) * image_bytes];
        for first in (0..len).step_by(at_once) {
            let count = at_once.min(len - first);
            let chunk = &mut chunk[..count * image_bytes];
            if let Some(data) = &own {
                for (i, out) in chunk.chunks_exact_mut(image_bytes).enumerate() {
                    out.copy_from_slice(&data.image(first + i)?);
                }
            }
            self.transport.broadcast(chunk)?;
            if own.is_none() {
                bytes.extend_from_slice(chunk);
            }
        }
        match own {
            Some(data) => Ok(data),
            None => Ok(Dataset::from_bytes(bytes, size, channels)),
        }
    }
}
