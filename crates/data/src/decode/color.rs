//! From what a file stores for a pixel to gray or RGB, in Pillow's integers.

use super::image::Channels;
use super::raw::Layout;
/// Converts pixels of `layout` to `channels`. Transparent pixels are blended onto `background` (red, green, blue).
pub(super) fn convert(pixels: Vec<u8>, layout: Layout, channels: Channels, background: [u8; 3]) -> Vec<u8> {
    let blend = |rgb, alpha| blend(rgb, alpha, background);
    match (layout, channels) {
        (Layout::Gray, Channels::Gray) | (Layout::Rgb, Channels::Rgb) => pixels,
        (Layout::Gray, Channels::Rgb) => map(&pixels, |[gray]: [u8; 1]| [gray; 3]),
        (Layout::GrayAlpha, Channels::Gray) => map(&pixels, |[gray, alpha]| [luma(blend([gray; 3], alpha))]),
        (Layout::GrayAlpha, Channels::Rgb) => map(&pixels, |[gray, alpha]| blend([gray; 3], alpha)),
        (Layout::Rgb, Channels::Gray) => map(&pixels, |rgb| [luma(rgb)]),
        (Layout::Rgba, Channels::Gray) => map(&pixels, |[r, g, b, alpha]| [luma(blend([r, g, b], alpha))]),
        (Layout::Rgba, Channels::Rgb) => map(&pixels, |[r, g, b, alpha]| blend([r, g, b], alpha)),
        (Layout::Cmyk, Channels::Gray) => map(&pixels, |cmyk| [luma(cmyk_to_rgb(cmyk))]),
        (Layout::Cmyk, Channels::Rgb) => map(&pixels, cmyk_to_rgb),
    }
}

/// Applies `f` to every pixel.
fn map<const FROM: usize, const TO: usize>(pixels: &[u8], f: impl Fn([u8; FROM]) -> [u8; TO]) -> Vec<u8> {
    pixels.as_chunks().0.iter().map(|&pixel| f(pixel)).collect::<Vec<_>>().into_flattened()
}

/// Gray from RGB as Pillow's `convert("L")`: 0.299 R + 0.587 G + 0.114 B in 16-bit fixed point, rounded.
///
/// The weights add up to 2¹⁶, so a gray pixel keeps its value.
pub fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7_471 + 0x8000) >> 16) as u8
}

/// A sum of two bytes' products that is at most 255², divided by 255 and rounded to nearest.
fn divide_by_255(product: u32) -> u32 {
    let product = product + 128;
    ((product >> 8) + product) >> 8
}

/// Pillow's `alpha_composite` onto an opaque background: color · α + background · (1 − α).
fn blend(rgb: [u8; 3], alpha: u8, background: [u8; 3]) -> [u8; 3] {
    let (alpha, rest) = (u32::from(alpha), 255 - u32::from(alpha));
    std::array::from_fn(|c| divide_by_255(u32::from(rgb[c]) * alpha + u32::from(background[c]) * rest) as u8)
}

/// Pillow's `convert("RGB")` of CMYK: 255 − K − C·(255 − K)/255, the division rounded to nearest, clipped at 0.
fn cmyk_to_rgb([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    let light = 255 - u32::from(k);
    [c, m, y].map(|ink| light.saturating_sub(divide_by_255(u32::from(ink) * light)) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luma_keeps_gray_and_rounds_like_pillow() {
        for v in 0..=255 {
            assert_eq!(luma([v; 3]), v);
        }
        // 76.245, 149.685 and 29.07 rounded; then 0.299 + 0.587 = 0.886, and 0.114 * 4 = 0.456.
        assert_eq!(luma([255, 0, 0]), 76);
        assert_eq!(luma([0, 255, 0]), 150);
        assert_eq!(luma([0, 0, 255]), 29);
        assert_eq!(luma([1, 1, 0]), 1);
        assert_eq!(luma([0, 0, 4]), 0);
    }

    #[test]
    fn cmyk_rounds_like_pillow() {
        assert_eq!(cmyk_to_rgb([0, 255, 128, 0]), [255, 0, 127]);
        assert_eq!(cmyk_to_rgb([0, 100, 255, 255]), [0, 0, 0]);
        // 127/255 rounds to 0 and 128 · 127/255 = 63.7 to 64.
        assert_eq!(cmyk_to_rgb([1, 128, 255, 128]), [127, 63, 0]);
    }

    #[test]
    fn a_blend_is_the_exact_mean_rounded() {
        for alpha in 0..=255_u8 {
            for (front, back) in [(0, 255), (255, 0), (7, 7), (200, 31)] {
                let exact = (f64::from(front) * f64::from(alpha) + f64::from(back) * f64::from(255 - alpha)) / 255.0;
                assert_eq!(
                    blend([front; 3], alpha, [back; 3]),
                    [(exact + 0.5).floor() as u8; 3],
                    "{front} {back} {alpha}"
                );
            }
        }
        let white = convert(vec![1, 2, 3, 0, 4, 5, 6, 255], Layout::Rgba, Channels::Rgb, [255, 254, 253]);
        assert_eq!(white, [255, 254, 253, 4, 5, 6]);
        // Gray under a colored background is no longer gray before it becomes luma.
        assert_eq!(convert(vec![9, 0, 9, 255], Layout::GrayAlpha, Channels::Gray, [255, 0, 0]), [76, 9]);
        assert_eq!(convert(vec![9, 0], Layout::GrayAlpha, Channels::Rgb, [255, 0, 0]), [255, 0, 0]);
    }
}
