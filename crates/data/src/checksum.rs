//! CRC-32 of data in parts.

use crc32fast::Hasher;

/// Appends parts of one length to data of which only the CRC-32 is known.
///
/// The CRC-32 of two concatenated parts is `shift(crc(first)) ^ crc(second)`, where `shift` is linear over GF(2) and
/// depends on the second part's length alone. So a table of what `shift` makes of each of the 32 bits is enough.
#[derive(Debug)]
pub(crate) struct Append {
    shifted: [u32; 32],
}

impl Append {
    /// Prepares to append parts of `len` bytes.
    pub(crate) fn new(len: usize) -> Append {
        let shift = |bit: usize| {
            let mut hasher = Hasher::new_with_initial(1 << bit);
            hasher.combine(&Hasher::new_with_initial_len(0, len as u64));
            hasher.finalize()
        };
        Append { shifted: std::array::from_fn(shift) }
    }

    /// The CRC-32 of the data with CRC-32 `first` followed by a part with CRC-32 `second`.
    pub(crate) fn apply(&self, first: u32, second: u32) -> u32 {
        (0..32).filter(|bit| first >> bit & 1 == 1).fold(second, |crc, bit| crc ^ self.shifted[bit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_parts_give_that_of_the_whole() {
        for len in [1, 7, 192, 12_288] {
            let bytes: Vec<u8> = (0..5 * len).map(|i| (i * i + i / 7) as u8).collect();
            let append = Append::new(len);
            let crc = bytes.chunks(len).map(crc32fast::hash).fold(crc32fast::hash(b"start"), |a, b| append.apply(a, b));
            assert_eq!(crc, crc32fast::hash(&[b"start".as_slice(), &bytes].concat()), "parts of {len}");
        }
    }
}
