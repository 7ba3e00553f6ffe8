//! The order of the pictures and their batches.

use dcgan_model::TorchRng;

/// Returns the order of the pictures in epoch `epoch` (from 0): `torch.manual_seed(seed + epoch);
/// torch.randperm(pictures)`. It depends on seed and epoch only, so that a run can start in the middle.
pub(crate) fn epoch_order(seed: u64, epoch: u64, pictures: usize) -> Vec<u32> {
    TorchRng::seed_from_u64(seed.wrapping_add(epoch)).randperm(pictures)
}

/// Returns [`epoch_order`] with `pictures` added to the number of each picture that is mirrored, as
/// [`Prefetcher`](dcgan_data::Prefetcher) takes it. After the order, the same stream draws `torch.rand(pictures) <
/// 0.5`, a value for each position of the order.
pub(crate) fn epoch_order_with_flips(seed: u64, epoch: u64, pictures: usize) -> Vec<u32> {
    let mut rng = TorchRng::seed_from_u64(seed.wrapping_add(epoch));
    let order = rng.randperm(pictures);
    let mut draws = vec![0.0; pictures];
    rng.fill_uniform(&mut draws, 0.0, 1.0);
    order
        .iter()
        .zip(draws)
        .map(|(&picture, draw)| if draw < 0.5 { picture + pictures as u32 } else { picture })
        .collect()
}

/// The order in which a run sees its pictures.
///
/// There are passes over the data set, each in its own order, and an epoch is the next `epoch_size` pictures of them.
/// If that is the size of the data set, as in the tutorial, an epoch is one pass.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PictureOrder {
    pub(crate) seed: u64,
    /// Number of pictures in the data set.
    pub(crate) pictures: usize,
    /// Number of pictures in an epoch.
    pub(crate) epoch_size: usize,
    /// Whether half of the pictures are mirrored.
    pub(crate) flip: bool,
}

impl PictureOrder {
    /// Returns the pictures of an epoch (from 0), as [`Prefetcher`](dcgan_data::Prefetcher) takes them.
    fn epoch(&self, epoch: u64) -> Vec<u32> {
        let Self { seed, pictures, epoch_size, flip } = *self;
        let order_of = if flip { epoch_order_with_flips } else { epoch_order };
        let (len, size) = (pictures as u128, epoch_size as u128);
        let (mut place, end) = (u128::from(epoch) * size, (u128::from(epoch) + 1) * size);
        let mut order = Vec::with_capacity(epoch_size);
        while place < end {
            let (pass, start) = ((place / len) as u64, (place % len) as usize);
            let count = (pictures - start).min((end - place) as usize);
            order.extend_from_slice(&order_of(seed, pass, pictures)[start..start + count]);
            place += count as u128;
        }
        order
    }

    /// Returns the batches after the first `seen` pictures of epoch `epoch` (from 0) to the end of `epochs` epochs. The
    /// last batch of each epoch may be smaller.
    pub(crate) fn batches(
        self,
        (epoch, seen): (u64, usize),
        epochs: u64,
        batch_size: usize,
    ) -> impl Iterator<Item = Vec<u32>> + Send {
        (epoch..epochs).flat_map(move |current| {
            let mut order = self.epoch(current);
            if current == epoch {
                order.drain(..seen.min(self.epoch_size));
            }
            dcgan_data::batches(order, batch_size)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches of a data set of ten pictures.
    fn batches(place: (u64, usize), epochs: u64, batch_size: usize) -> Vec<Vec<u32>> {
        let order = PictureOrder { seed: 3, pictures: 10, epoch_size: 10, flip: false };
        order.batches(place, epochs, batch_size).collect()
    }

    #[test]
    fn every_epoch_has_every_picture_once_in_its_own_order() {
        let batches = batches((0, 0), 2, 4);
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2, 4, 4, 2]);
        let (first, second) = (batches[..3].concat(), batches[3..].concat());
        assert_ne!(first, second);
        for mut epoch in [first.clone(), second.clone()] {
            epoch.sort_unstable();
            assert_eq!(epoch, (0..10).collect::<Vec<_>>());
        }
        assert_eq!(first, epoch_order(3, 0, 10));
        assert_eq!(second, epoch_order(4, 0, 10));
    }

    #[test]
    fn a_run_can_begin_in_the_middle() {
        let all = batches((0, 0), 3, 4);
        for done in 0..=9 {
            let place = (done / 3, (done % 3 * 4) as usize);
            let rest = batches(place, 3, 4);
            assert_eq!(rest, all[done as usize..], "after {done} batches");
        }
        // Another batch size takes the rest of the order.
        let rest = batches((2, 8), 3, 1);
        assert_eq!(rest.concat(), all[8]);
    }

    #[test]
    fn epochs_of_another_size_go_on_through_the_passes() {
        let passes: Vec<u32> = (0..6).flat_map(|pass| epoch_order(3, pass, 10)).collect();
        for epoch_size in [1, 3, 10, 14, 25] {
            let order = PictureOrder { seed: 3, pictures: 10, epoch_size, flip: false };
            let epochs = 60 / epoch_size as u64;
            let all: Vec<Vec<u32>> = order.batches((0, 0), epochs, 4).collect();
            assert_eq!(all.concat(), passes[..epochs as usize * epoch_size], "{epoch_size}");
            let sizes: Vec<usize> = all.iter().map(Vec::len).collect();
            let last = if epoch_size % 4 == 0 { 4 } else { epoch_size % 4 };
            assert_eq!(sizes[epoch_size.div_ceil(4) - 1], last, "the last batch of an epoch ends it");
            // From within the second epoch.
            let rest: Vec<Vec<u32>> = order.batches((1, 2), epochs, 4).collect();
            let start = epoch_size + epoch_size.min(2);
            assert_eq!(rest.concat(), passes[start..epochs as usize * epoch_size], "{epoch_size}");
        }
        let flipped = PictureOrder { seed: 3, pictures: 10, epoch_size: 20, flip: true };
        assert_eq!(flipped.epoch(0), [epoch_order_with_flips(3, 0, 10), epoch_order_with_flips(3, 1, 10)].concat());
    }

    #[test]
    fn the_order_is_pytorchs() {
        // torch.manual_seed(7); torch.randperm(10), PyTorch 2.11
        assert_eq!(epoch_order(5, 2, 10), [5, 0, 3, 4, 1, 7, 9, 6, 8, 2]);
    }

    #[test]
    fn about_half_of_the_pictures_are_mirrored_and_others_each_time() {
        let flips = |epoch: u64| -> Vec<bool> {
            let order = epoch_order_with_flips(5, epoch, 1000);
            let plain: Vec<u32> = order.iter().map(|picture| picture % 1000).collect();
            assert_eq!(plain, epoch_order(5, epoch, 1000), "the order stays as it is");
            let mut flips = vec![false; 1000];
            order.iter().for_each(|&picture| flips[picture as usize % 1000] = picture >= 1000);
            flips
        };
        let (first, second) = (flips(0), flips(1));
        // Binomial with n = 1000 and p = ½: the deviation is √250 = 15.8, and 70 is 4.4 of them.
        for flips in [&first, &second] {
            assert!((430..570).contains(&flips.iter().filter(|&&flip| flip).count()));
        }
        assert!((430..570).contains(&first.iter().zip(&second).filter(|(a, b)| a != b).count()));
        // torch.manual_seed(7); torch.randperm(10); torch.rand(10) < 0.5, PyTorch 2.11
        assert_eq!(epoch_order_with_flips(5, 2, 10), [5, 0, 3, 14, 11, 17, 19, 6, 18, 2]);
    }
}
