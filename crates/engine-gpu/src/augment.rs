//! DiffAugment on a device; `dcgan_kernels::augment` documents the formulas and their source.

use crate::transfer::upload;
use burn_tensor::{Device, Int, Tensor, TensorData};
use dcgan_model::Augmentation;

/// The [`Augmentation`]s of a batch as tensors on the device.
#[derive(Debug, Clone)]
pub(crate) struct AugmentationTensors {
    brightness: Tensor<4>,
    saturation: Tensor<4>,
    contrast: Tensor<4>,
    /// For every image and pixel the pixel that is shown in its place.
    shown: Tensor<1, Int>,
    /// And the other way round: where a pixel is shown.
    shown_at: Tensor<1, Int>,
    /// 0 for what comes from outside the image or is cut out, else 1: N × H × W × 1.
    visible: Tensor<4>,
    /// 0 for pixels that are shown nowhere, else 1.
    used: Tensor<4>,
}

impl AugmentationTensors {
    /// Copies `augmentations`, one for each image of size × size pixels, to the device.
    pub(crate) fn new(augmentations: &[Augmentation], size: usize, device: &Device) -> Self {
        let batch = augmentations.len();
        let each = |value: fn(&Augmentation) -> f32| {
            let values: Vec<f32> = augmentations.iter().map(value).collect();
            upload(&values, [batch, 1, 1, 1], device)
        };
        let forward = Shift::new(augmentations, size, 1);
        let backward = Shift::new(augmentations, size, -1);
        let cut = augmentations.iter().flat_map(|augmentation| {
            let [rows, columns] = augmentation.cutout.map(|[start, end]| start..end);
            pixels(size).map(move |[i, j]| f32::from(!(rows.contains(&i) && columns.contains(&j))))
        });
        let uncut = upload(&cut.collect::<Vec<f32>>(), [batch, size, size, 1], device);
        Self {
            brightness: each(|augmentation| augmentation.brightness),
            saturation: each(|augmentation| augmentation.saturation),
            contrast: each(|augmentation| augmentation.contrast),
            shown: forward.indices(device),
            shown_at: backward.indices(device),
            visible: forward.inside(device) * uncut,
            used: backward.inside(device),
        }
    }

    /// Returns the augmented images (N × H × W × C).
    pub(crate) fn forward(&self, pictures: Tensor<4>) -> Tensor<4> {
        let bright = pictures + self.brightness.clone();
        let mean = bright.clone().mean_dim(3);
        let saturated = (bright - mean.clone()) * self.saturation.clone() + mean;
        let mean = picture_mean(saturated.clone());
        let contrasted = (saturated - mean.clone()) * self.contrast.clone() + mean;
        moved(contrasted, &self.shown) * self.visible.clone()
    }

    /// Returns the gradient of the images from that of the augmented images.
    pub(crate) fn backward(&self, gradient: Tensor<4>) -> Tensor<4> {
        let g = moved(gradient * self.visible.clone(), &self.shown_at) * self.used.clone();
        let mix = |g: Tensor<4>, factor: &Tensor<4>, mean: Tensor<4>| {
            g * factor.clone() + mean * factor.clone().neg().add_scalar(1.0)
        };
        let mean = picture_mean(g.clone());
        let g = mix(g, &self.contrast, mean);
        let mean = g.clone().mean_dim(3);
        mix(g, &self.saturation, mean)
    }
}

/// Which pixel of an image lies `direction` times its translation away from each pixel.
struct Shift {
    batch: usize,
    size: usize,
    /// Of all pixels of all images; itself where that lies outside.
    sources: Vec<(usize, bool)>,
}

impl Shift {
    fn new(augmentations: &[Augmentation], size: usize, direction: isize) -> Self {
        let sources = augmentations.iter().enumerate().flat_map(|(picture, augmentation)| {
            let [dy, dx] = augmentation.translation.map(|d| d * direction);
            pixels(size).map(move |[i, j]| {
                let within = |at: usize, by: isize| at.checked_add_signed(by).filter(|&at| at < size);
                let source = within(i, dy).zip(within(j, dx));
                let (y, x) = source.unwrap_or((i, j));
                ((picture * size + y) * size + x, source.is_some())
            })
        });
        Self { batch: augmentations.len(), size, sources: sources.collect() }
    }

    fn indices(&self, device: &Device) -> Tensor<1, Int> {
        let indices: Vec<i32> = self.sources.iter().map(|&(index, _)| index as i32).collect();
        let len = indices.len();
        Tensor::from_data(TensorData::new(indices, [len]), device)
    }

    fn inside(&self, device: &Device) -> Tensor<4> {
        let inside: Vec<f32> = self.sources.iter().map(|&(_, inside)| f32::from(inside)).collect();
        upload(&inside, [self.batch, self.size, self.size, 1], device)
    }
}

fn pixels(size: usize) -> impl Iterator<Item = [usize; 2]> {
    (0..size).flat_map(move |i| (0..size).map(move |j| [i, j]))
}

/// Returns each pixel replaced by another one of the batch.
fn moved(pictures: Tensor<4>, sources: &Tensor<1, Int>) -> Tensor<4> {
    let shape @ [batch, height, width, channels] = pictures.dims();
    pictures.reshape([batch * height * width, channels]).select(0, sources.clone()).reshape(shape)
}

/// Returns the mean of all values of each image, N × 1 × 1 × 1.
fn picture_mean(pictures: Tensor<4>) -> Tensor<4> {
    let [batch, height, width, channels] = pictures.dims();
    pictures.reshape([batch, height * width * channels]).mean_dim(1).reshape([batch, 1, 1, 1])
}
