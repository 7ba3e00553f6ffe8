//! Texture of images in a few numbers: how rough their smooth parts are, how sharp their edges, whether they have a
//! checkerboard.
//!
//! Generated images fail in their smallest details first: they are noise, later they have grain where the real ones are
//! smooth. Both show in the detail of small blocks of pixels, which is the difference of each pixel from the mean of
//! its four neighbors. All values are in steps of 255.

/// Height and width of the blocks whose detail is measured.
const BLOCK: usize = 4;

/// Texture of a set of images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Texture {
    /// Lower quartile of the detail of all blocks: that of smooth parts.
    pub(crate) smooth: f64,
    /// 90th percentile of the detail of all blocks: that of edges.
    pub(crate) sharp: f64,
    /// Strength of patterns that repeat every two pixels in the whole image, the mean over the images. It is greater
    /// than 0 for checkerboards and stripes only, which transposed convolutions make (Odena et al. 2016, *Deconvolution
    /// and Checkerboard Artifacts*).
    pub(crate) checkerboard: f64,
}

impl Texture {
    /// Measures images of `size` × `size` pixels with channels innermost. `None` if there are none, or they are
    /// smaller than a few blocks.
    pub(crate) fn of<'a>(images: impl Iterator<Item = &'a [u8]>, size: usize) -> Option<Self> {
        if size < 4 * BLOCK {
            return None;
        }
        let (mut details, mut patterns, mut count) = (Vec::new(), 0.0, 0);
        for image in images {
            let gray = gray(image, size);
            details.extend(block_details(&gray, size));
            patterns += pattern(&gray, size);
            count += 1;
        }
        details.sort_by(f64::total_cmp);
        let quantile = |q: f64| details[((details.len() - 1) as f64 * q) as usize];
        (count > 0).then(|| Self {
            smooth: quantile(0.25),
            sharp: quantile(0.9),
            checkerboard: patterns / f64::from(count),
        })
    }
}

/// Returns the mean of the channels of each pixel.
fn gray(image: &[u8], size: usize) -> Vec<f64> {
    let channels = image.len() / (size * size);
    let mean = |pixel: &[u8]| pixel.iter().map(|&value| f64::from(value)).sum::<f64>() / channels as f64;
    image.chunks_exact(channels).map(mean).collect()
}

/// Returns the root mean square of the detail of each block.
fn block_details(gray: &[f64], size: usize) -> Vec<f64> {
    let detail = |y: usize, x: usize| {
        let at = |y: usize, x: usize| gray[y * size + x];
        at(y, x) - (at(y - 1, x) + at(y + 1, x) + at(y, x - 1) + at(y, x + 1)) / 4.0
    };
    let places = || (1..size - BLOCK).step_by(BLOCK);
    let block = |top: usize, left: usize| {
        let pixels = (top..top + BLOCK).flat_map(|y| (left..left + BLOCK).map(move |x| (y, x)));
        (pixels.map(|(y, x)| detail(y, x).powi(2)).sum::<f64>() / (BLOCK * BLOCK) as f64).sqrt()
    };
    places().flat_map(|top| places().map(move |left| (top, left))).map(|(top, left)| block(top, left)).collect()
}

/// Returns the strength of the strongest pattern of 2 × 2 pixels: checkerboard, rows or columns. It is the median over
/// the image, so that the content, whose sign varies, cancels out.
fn pattern(gray: &[f64], size: usize) -> f64 {
    let signs = [[1.0, -1.0, -1.0, 1.0], [1.0, 1.0, -1.0, -1.0], [1.0, -1.0, 1.0, -1.0]];
    let strength = |signs: [f64; 4]| {
        let places = (0..size / 2).flat_map(|y| (0..size / 2).map(move |x| (2 * y, 2 * x)));
        let mut values: Vec<f64> = places
            .map(|(y, x)| {
                let pixels = [(y, x), (y, x + 1), (y + 1, x), (y + 1, x + 1)];
                pixels.iter().zip(signs).map(|(&(y, x), sign)| sign * gray[y * size + x]).sum::<f64>() / 4.0
            })
            .collect();
        let middle = values.len() / 2;
        let (_, median, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
        median.abs()
    };
    signs.map(strength).into_iter().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dcgan_model::TorchRng;

    const SIZE: usize = 32;

    /// A disc on a plain ground, with `change` added to each pixel.
    fn disc(mut change: impl FnMut(usize, usize) -> f64) -> Vec<u8> {
        let pixels = (0..SIZE).flat_map(|y| (0..SIZE).map(move |x| (y, x)));
        let value = |(y, x): (usize, usize)| {
            let inside = (y as f64 - 15.5).powi(2) + (x as f64 - 15.5).powi(2) < 81.0;
            (if inside { 200.0 } else { 80.0 } + change(y, x)) as u8
        };
        pixels.map(value).collect()
    }

    fn texture(image: &[u8]) -> Texture {
        Texture::of(std::iter::once(image), SIZE).unwrap()
    }

    #[test]
    fn smooth_parts_have_no_detail_and_edges_have_much() {
        let plain = texture(&disc(|_, _| 0.0));
        assert!(plain.smooth == 0.0 && plain.sharp > 20.0 && plain.checkerboard == 0.0, "{plain:?}");
        assert_eq!(Texture::of(std::iter::empty(), SIZE), None);
        assert_eq!(Texture::of(std::iter::once(&[0; 64][..]), 8), None);
    }

    #[test]
    fn grain_shows_where_the_image_is_smooth() {
        let mut rng = TorchRng::seed_from_u64(1);
        let mut noise = rng.randn(SIZE * SIZE).into_iter();
        let grain = texture(&disc(|_, _| 5.0 * f64::from(noise.next().unwrap())));
        // The detail of noise with deviation 5 has the deviation 5 · √(1 + ¼) = 5.6. The root mean square of a block of
        // 16 pixels deviates from that by about 5.6 / √32 = 1, so the lower quartile is near 4.9; the range is twice
        // the deviation around it.
        assert!((3.0..7.0).contains(&grain.smooth), "{grain:?}");
        // The mean of 4 pixels has the deviation 2.5, and a median of 256 of them 1.25 · 2.5 / √256 = 0.2; 1 is five
        // times that.
        assert!(grain.checkerboard < 1.0, "{grain:?}");
    }

    #[test]
    fn checkerboards_and_stripes_are_patterns() {
        let patterns: [fn(usize, usize) -> usize; 3] = [|y, x| y + x, |y, _| y, |_, x| x];
        for pattern in patterns {
            let striped = texture(&disc(|y, x| if pattern(y, x).is_multiple_of(2) { 4.0 } else { -4.0 }));
            assert_eq!(striped.checkerboard, 4.0, "the median is a block without an edge, whose sums are exact");
        }
        // Stripes of the image itself are not in all of it.
        let content = texture(&disc(|y, x| if y < 12 && x % 2 == 0 { 20.0 } else { 0.0 }));
        assert_eq!(content.checkerboard, 0.0);
    }
}
