//! Which pictures make up which batch.

use dcgan_model::TorchRng;

/// The order of the pictures in epoch `epoch` (from 0): `torch.manual_seed(seed + epoch); torch.randperm(pictures)`. A function of seed
/// and epoch alone, so that a run can begin in the middle.
pub fn epoch_order(seed: u64, epoch: u64, pictures: usize) -> Vec<u32> {
    TorchRng::seed_from_u64(seed.wrapping_add(epoch)).randperm(pictures)
}

/// The batches from a place in the run to the end of its `epochs` epochs as indices of pictures, each epoch's last one as short as it comes.
/// The place is epoch `epoch` (from 0) after the first `seen` pictures of its order.
pub fn batches(
    seed: u64,
    (epoch, seen): (u64, usize),
    epochs: u64,
    pictures: usize,
    batch_size: usize,
) -> impl Iterator<Item = Vec<u32>> + Send {
    (epoch..epochs).flat_map(move |current| {
        let mut order = epoch_order(seed, current, pictures);
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
        let batches: Vec<Vec<u32>> = batches(3, (0, 0), 2, 10, 4).collect();
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
        let all: Vec<Vec<u32>> = batches(3, (0, 0), 3, 10, 4).collect();
        for done in 0..=9 {
            let place = (done / 3, (done % 3 * 4) as usize);
            let rest: Vec<Vec<u32>> = batches(3, place, 3, 10, 4).collect();
            assert_eq!(rest, all[done as usize..], "after {done} batches");
        }
        // Another batch size takes the rest of the order.
        let rest: Vec<Vec<u32>> = batches(3, (2, 8), 3, 10, 1).collect();
        assert_eq!(rest.concat(), all[8]);
    }

    #[test]
    fn the_order_is_pytorchs() {
        // torch.manual_seed(7); torch.randperm(10), PyTorch 2.11
        assert_eq!(epoch_order(5, 2, 10), [5, 0, 3, 4, 1, 7, 9, 6, 8, 2]);
    }
}
