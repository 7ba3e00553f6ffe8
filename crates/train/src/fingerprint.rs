//! Which pictures a run has learnt from.

use dcgan_data::Dataset;

/// A short text that is another one if a picture, their order, number, size or colour is: the CRC-32 of all pixels after the numbers.
pub fn fingerprint(data: &Dataset) -> String {
    let mut crc = crc32fast::Hasher::new();
    let numbers = [data.len(), data.size(), data.channels().count()];
    numbers.into_iter().for_each(|number| crc.update(&(number as u64).to_le_bytes()));
    (0..data.len()).for_each(|index| crc.update(data.image(index)));
    format!("crc32:{:08x}", crc.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dcgan_data::Channels;

    #[test]
    fn any_change_of_the_pictures_changes_it() {
        let pictures = |len, size, channels, draw: fn(usize, &mut [u8])| {
            fingerprint(&Dataset::from_fn(len, size, channels, draw).unwrap())
        };
        let usual: fn(usize, &mut [u8]) = |index, out| out.fill(index as u8);
        let first = pictures(4, 6, Channels::Grey, usual);
        assert_eq!(first, pictures(4, 6, Channels::Grey, usual));
        for other in [
            pictures(5, 6, Channels::Grey, usual),
            pictures(4, 5, Channels::Grey, usual),
            pictures(4, 6, Channels::Rgb, usual),
            pictures(4, 6, Channels::Grey, |index, out| out.fill(3 - index as u8)),
            pictures(4, 6, Channels::Grey, |index, out| {
                out.fill(index as u8);
                out[35] ^= u8::from(index == 3);
            }),
        ] {
            assert_ne!(first, other);
        }
        // Without the numbers, one row of black pixels would be as good as another.
        let black: fn(usize, &mut [u8]) = |_, _| {};
        assert_ne!(pictures(3, 4, Channels::Grey, black), pictures(12, 2, Channels::Grey, black));
    }
}
