//! Which pictures make up which batch.

use dcgan_model::TorchRng;

/// The order of the pictures in epoch `epoch` (from 0): `torch.manual_seed(seed + epoch); torch.randperm(pictures)`. A function of seed
/// and epoch alone, so that a run can begin in the middle.
pub(crate) fn epoch_order(seed: u64, epoch: u64, pictures: usize) -> Vec<u32> {
    TorchRng::seed_from_u64(seed.wrapping_add(epoch)).randperm(pictures)
}

/// [`epoch_order`], in which the number of every picture that is to be mirrored is raised by `pictures`, as
/// [`Prefetcher`](dcgan_data::Prefetcher) wants it. After the order, the same stream draws `torch.rand(pictures) < 0.5` for its places.
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

/// The batches from a place in the run to the end of its `epochs` epochs as indices of pictures, each epoch's last one as short as it comes.
/// The place is epoch `epoch` (from 0) after the first `seen` pictures of its order.
pub fn batches(
    seed: u64,
    (epoch, seen): (u64, usize),
    epochs: u64,
    pictures: usize,
    batch_size: usize,
    flip: bool,
) -> impl Iterator<Item = Vec<u32>> + Send {
    let order_of = if flip { epoch_order_with_flips } else { epoch_order };
    (epoch..epochs).flat_map(move |current| {
        let mut order = order_of(seed, current, pictures);
        if current == epoch {
            order.drain(..seen.min(pictures));
        }
        dcgan_data::batches(order, batch_size)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_has_every_picture_once_in_its_own_order() {
        let batches: Vec<Vec<u32>> = batches(3, (0, 0), 2, 10, 4, false).collect();
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
        let all: Vec<Vec<u32>> = batches(3, (0, 0), 3, 10, 4, false).collect();
        for done in 0..=9 {
            let place = (done / 3, (done % 3 * 4) as usize);
            let rest: Vec<Vec<u32>> = batches(3, place, 3, 10, 4, false).collect();
            assert_eq!(rest, all[done as usize..], "after {done} batches");
        }
        // Another batch size takes the rest of the order.
        let rest: Vec<Vec<u32>> = batches(3, (2, 8), 3, 10, 1, false).collect();
        assert_eq!(rest.concat(), all[8]);
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
        for flips in [&first, &second] {
            assert!((430..570).contains(&flips.iter().filter(|&&flip| flip).count()));
        }
        assert!((430..570).contains(&first.iter().zip(&second).filter(|(a, b)| a != b).count()));
        // torch.manual_seed(7); torch.randperm(10); torch.rand(10) < 0.5, PyTorch 2.11
        assert_eq!(epoch_order_with_flips(5, 2, 10), [5, 0, 3, 14, 11, 17, 19, 6, 18, 2]);
    }
}
