//! Resizing with antialiasing, byte for byte what Pillow's `Image.resize(size, filter, box)` gives.
//!
//! Along one axis, on which the n pixels from b on become m, output x is centred on input c = b + (x + ½)·n/m and is
//!
//! ```text
//! out[x] = Σ k[i] in[i],    k[i] ∝ filter((i + ½ − c) / s),    Σ k[i] = 1,    s = max(1, n/m)
//! ```
//!
//! so in shrinking every input pixel is heard. Neither b nor n need be whole; pixels just outside of the box count too.
//! An axis that keeps its length is left alone. What makes the bytes equal is how the rest is rounded:
//!
//! * the box is f32, weights are computed in f64 and stored with 22 fractional bits;
//! * the picture between the passes is rounded to bytes;
//! * the pass along the rows comes first, unless the height loses more than twice what the width does. That exception
//!   is Pillow 13's; earlier versions never make it, and differ by a level here and there for such tall pictures.
//!
//! The `fast_image_resize` crate would be faster, but stores 15 bits and always starts with the columns: on small
//! photographs 4% of its bytes are not Pillow's, and 0.5% when it is made to follow Pillow's order.
//!
//! The algorithm is that of Pillow's `src/libImaging/Resample.c`, written anew.

use std::f64::consts::PI;

/// Fractional bits of a weight: 32, less 8 for the pixel and 2 for sums beyond 0 to 255.
const PRECISION: u32 = 32 - 8 - 2;

/// How pixels are weighed, as Pillow's `Image.Resampling`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Filter {
    /// The pixel under the centre, alone: for pixel art.
    Nearest,
    /// All pixels under the output pixel alike.
    Box,
    /// A triangle; the tutorial's filter.
    #[default]
    Bilinear,
    /// A Hamming window over a box: sharper than bilinear in shrinking.
    Hamming,
    /// Keys' cubic with a = −½.
    Bicubic,
    /// A sinc of three lobes.
    Lanczos,
}

impl Filter {
    /// All of them, by their names.
    pub const ALL: [(&'static str, Filter); 6] = [
        ("nearest", Filter::Nearest),
        ("box", Filter::Box),
        ("bilinear", Filter::Bilinear),
        ("hamming", Filter::Hamming),
        ("bicubic", Filter::Bicubic),
        ("lanczos", Filter::Lanczos),
    ];

    /// How far the filter reaches from its centre, in output pixels when shrinking.
    fn support(self) -> f64 {
        match self {
            Filter::Nearest => 0.0,
            Filter::Box => 0.5,
            Filter::Bilinear | Filter::Hamming => 1.0,
            Filter::Bicubic => 2.0,
            Filter::Lanczos => 3.0,
        }
    }

    /// The weight at distance `x`. The order of the operations is Pillow's: f64 rounding can move the last bit of a
    /// weight.
    fn weight(self, x: f64) -> f64 {
        let distance = x.abs();
        match self {
            // Never asked; see `Resizer::resize`.
            Filter::Nearest => 0.0,
            Filter::Box => f64::from(x > -0.5 && x <= 0.5),
            Filter::Bilinear => (1.0 - distance).max(0.0),
            Filter::Hamming if distance == 0.0 => 1.0,
            Filter::Hamming if distance >= 1.0 => 0.0,
            Filter::Hamming => {
                let angle = distance * PI;
                // Pillow's constants are f32.
                angle.sin() / angle * (f64::from(0.54_f32) + f64::from(0.46_f32) * angle.cos())
            }
            Filter::Bicubic if distance < 1.0 => {
                let a = -0.5;
                ((a + 2.0) * distance - (a + 3.0)) * distance * distance + 1.0
            }
            Filter::Bicubic if distance < 2.0 => (((distance - 5.0) * distance + 8.0) * distance - 4.0) * -0.5,
            Filter::Bicubic => 0.0,
            Filter::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Filter::Lanczos => 0.0,
        }
    }
}

crate::name::impl_names!(Filter);

/// Returns sin(πx) / (πx).
fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * PI;
    x.sin() / x
}

/// Resizes pictures, keeping its weights and scratch memory from one to the next.
#[derive(Debug, Default)]
pub struct Resizer {
    horizontal: Weights,
    vertical: Weights,
    /// The picture between the passes.
    between: Vec<u8>,
    /// One row's sums in the vertical pass.
    sums: Vec<i32>,
}

/// Height and width of a picture in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// The part of a picture that is resized, in pixels from its left and top.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// Where it starts in a row.
    pub left: f32,
    /// Where it starts in a column.
    pub top: f32,
    /// Where it ends in a row.
    pub right: f32,
    /// Where it ends in a column.
    pub bottom: f32,
}

impl From<Extent> for Region {
    /// All of the picture.
    fn from(extent: Extent) -> Region {
        Region { left: 0.0, top: 0.0, right: extent.width as f32, bottom: extent.height as f32 }
    }
}

impl Resizer {
    /// A resizer that has not allocated anything yet.
    pub fn new() -> Resizer {
        Resizer::default()
    }

    /// Resizes the part `region` of `src` (height × width × channels) into `dst`, stretching both sides to fit.
    ///
    /// # Panics
    /// If an extent is empty, `channels` is neither 1 nor 3, or a slice's length is not height × width × channels.
    #[allow(clippy::too_many_arguments)] // destination, source, and how to get from one to the other
    pub fn resize(
        &mut self,
        dst: &mut [u8],
        to: Extent,
        src: &[u8],
        from: Extent,
        region: Region,
        filter: Filter,
        channels: usize,
    ) {
        assert!(from.width > 0 && from.height > 0 && to.width > 0 && to.height > 0, "empty picture");
        assert_eq!(src.len(), from.width * from.height * channels, "source length");
        assert_eq!(dst.len(), to.width * to.height * channels, "destination length");
        let (columns, rows) = ((region.left, region.right), (region.top, region.bottom));
        let keeps = [(columns, from.width, to.width), (rows, from.height, to.height)]
            .map(|((start, end), from, to)| from == to && start == 0.0 && end == to as f32);
        match channels {
            _ if keeps == [true, true] => dst.copy_from_slice(src),
            1 if filter == Filter::Nearest => nearest::<1>(dst, to, src, from, region),
            3 if filter == Filter::Nearest => nearest::<3>(dst, to, src, from, region),
            1 | 3 => {
                self.horizontal.prepare(Axis { input: from.width, output: to.width, span: columns, filter });
                self.vertical.prepare(Axis { input: from.height, output: to.height, span: rows, filter });
                if channels == 1 {
                    self.resize_n::<1>(dst, to, src, from, keeps);
                } else {
                    self.resize_n::<3>(dst, to, src, from, keeps);
                }
            }
            n => panic!("{n} channels, not 1 or 3"),
        }
    }

    /// Resizes an image of C channels. A dimension that `keeps` (width, height) is copied without filtering.
    fn resize_n<const C: usize>(&mut self, dst: &mut [u8], to: Extent, src: &[u8], from: Extent, keeps: [bool; 2]) {
        let (horizontal, vertical) = (&self.horizontal, &self.vertical);
        match keeps {
            [true, true] => dst.copy_from_slice(src),
            [false, true] => resize_rows::<C>(dst, src, horizontal),
            [true, false] => resize_columns::<C>(dst, src, from.width, vertical, &mut self.sums),
            [false, false] if columns_first(from, to) => {
                self.between.resize(to.height * from.width * C, 0);
                resize_columns::<C>(&mut self.between, src, from.width, vertical, &mut self.sums);
                resize_rows::<C>(dst, &self.between, horizontal);
            }
            [false, false] => {
                self.between.resize(from.height * to.width * C, 0);
                resize_rows::<C>(&mut self.between, src, horizontal);
                resize_columns::<C>(dst, &self.between, to.width, vertical, &mut self.sums);
            }
        }
    }
}

/// Each pixel from the one under its centre. As in Pillow, centres are added up in f64, one step after the other.
fn nearest<const C: usize>(dst: &mut [u8], to: Extent, src: &[u8], from: Extent, region: Region) {
    let centres = |start: f32, end: f32, output: usize, input: usize| {
        let step = f64::from(end - start) / output as f64;
        let mut centre = f64::from(start) + step * 0.5;
        let next = move || {
            let at = (centre as usize).min(input - 1);
            centre += step;
            at
        };
        std::iter::repeat_with(next).take(output).collect::<Vec<_>>()
    };
    let columns = centres(region.left, region.right, to.width, from.width);
    let rows = centres(region.top, region.bottom, to.height, from.height);
    let pixels = src.as_chunks::<C>().0;
    for (dst_row, row) in dst.chunks_exact_mut(to.width * C).zip(rows) {
        for (pixel, column) in dst_row.as_chunks_mut::<C>().0.iter_mut().zip(&columns) {
            *pixel = pixels[row * from.width + column];
        }
    }
}

/// Whether the height loses more than twice as many pixels as the width, which may also grow.
fn columns_first(from: Extent, to: Extent) -> bool {
    from.height.saturating_sub(to.height) > 2 * from.width.saturating_sub(to.width)
}

/// Each output row from the input row at the same height.
fn resize_rows<const C: usize>(dst: &mut [u8], src: &[u8], weights: &Weights) {
    let (input, output) = weights.lengths();
    let rows = src.chunks_exact(input * C);
    for (dst_row, src_row) in dst.chunks_exact_mut(output * C).zip(rows) {
        for (pixel, (start, taps)) in dst_row.as_chunks_mut::<C>().0.iter_mut().zip(weights.iter()) {
            let mut sums = [ONE_HALF; C];
            for (input, &tap) in src_row[start * C..].as_chunks::<C>().0.iter().zip(taps) {
                for (sum, &sample) in sums.iter_mut().zip(input) {
                    *sum += i32::from(sample) * tap;
                }
            }
            *pixel = sums.map(to_byte);
        }
    }
}

/// Each output row as a weighted sum of whole input rows, both `width` pixels long.
fn resize_columns<const C: usize>(dst: &mut [u8], src: &[u8], width: usize, weights: &Weights, sums: &mut Vec<i32>) {
    let row = width * C;
    sums.resize(row, 0);
    for (dst_row, (start, taps)) in dst.chunks_exact_mut(row).zip(weights.iter()) {
        sums.fill(ONE_HALF);
        for (src_row, &tap) in src[start * row..].chunks_exact(row).zip(taps) {
            for (sum, &sample) in sums.iter_mut().zip(src_row) {
                *sum += i32::from(sample) * tap;
            }
        }
        for (byte, &sum) in dst_row.iter_mut().zip(&*sums) {
            *byte = to_byte(sum);
        }
    }
}

/// Sums start here, so that the shift in [`to_byte`] rounds to nearest.
const ONE_HALF: i32 = 1 << (PRECISION - 1);

/// Clips as Pillow does.
fn to_byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// One axis of a resize.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Axis {
    /// Pixels there are.
    input: usize,
    /// Pixels there will be.
    output: usize,
    /// Where the part that is resized starts and ends.
    span: (f32, f32),
    filter: Filter,
}

/// For every output position along one axis, the inputs that reach it and their weights.
#[derive(Debug, Default)]
struct Weights {
    axis: Option<Axis>,
    /// Per output: the first input, and how many.
    spans: Vec<(usize, usize)>,
    /// All outputs' weights one after the other, in units of 2^-PRECISION.
    taps: Vec<i32>,
}

impl Weights {
    /// Computes the weights, unless they are already those of this axis.
    fn prepare(&mut self, axis: Axis) {
        if self.axis == Some(axis) {
            return;
        }
        self.axis = Some(axis);
        self.spans.clear();
        self.taps.clear();
        let Axis { input, output, span: (from, to), filter } = axis;
        let scale = f64::from(to - from) / output as f64;
        let stretch = scale.max(1.0);
        let support = filter.support() * stretch;
        let mut exact = Vec::new();
        for x in 0..output {
            let center = f64::from(from) + (x as f64 + 0.5) * scale;
            // Casts truncate and saturate at 0.
            let start = (center - support + 0.5) as usize;
            let end = ((center + support + 0.5) as usize).min(input);
            exact.clear();
            exact.extend((start..end).map(|i| filter.weight((i as f64 - center + 0.5) * (1.0 / stretch))));
            let total: f64 = exact.iter().sum();
            self.spans.push((start, end - start));
            let half = |weight: f64| if weight < 0.0 { -0.5 } else { 0.5 };
            self.taps.extend(exact.iter().map(|w| {
                let weight = if total == 0.0 { *w } else { w / total };
                (half(weight) + weight * f64::from(1 << PRECISION)) as i32
            }));
        }
    }

    /// Pixels per row or column of the source and of the result.
    fn lengths(&self) -> (usize, usize) {
        self.axis.map_or((1, 1), |axis| (axis.input, axis.output))
    }

    fn iter(&self) -> impl Iterator<Item = (usize, &[i32])> {
        let mut rest = self.taps.as_slice();
        self.spans.iter().map(move |&(start, len)| {
            let (taps, tail) = rest.split_at(len);
            rest = tail;
            (start, taps)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resized(src: &[u8], from: (usize, usize), to: (usize, usize), channels: usize) -> Vec<u8> {
        let [from, to] = [from, to].map(|(width, height)| Extent { width, height });
        let mut dst = vec![0; to.width * to.height * channels];
        Resizer::new().resize(&mut dst, to, src, from, from.into(), Filter::Bilinear, channels);
        dst
    }

    #[test]
    fn doubling_mixes_neighbours_three_to_one() {
        // Centres fall on 0.25, 0.75, 1.25, 1.75 input pixels; the outer ones have only one neighbour.
        assert_eq!(resized(&[0, 100], (2, 1), (4, 1), 1), [0, 25, 75, 100]);
        assert_eq!(resized(&[0, 100], (1, 2), (1, 4), 1), [0, 25, 75, 100]);
    }

    #[test]
    fn halving_takes_the_antialiased_triangle() {
        // s = 2, centre 1 and 3: weights 3 : 3 : 1 over pixels 0, 1, 2, then 1 : 3 : 3.
        assert_eq!(resized(&[70, 0, 0, 0], (4, 1), (2, 1), 1), [30, 0]);
        assert_eq!(resized(&[0, 0, 70, 0], (4, 1), (2, 1), 1), [10, 30]);
    }

    #[test]
    fn columns_come_first_only_for_tall_pictures() {
        let first =
            |(width, height), size| columns_first(Extent { width, height }, Extent { width: size, height: size });
        assert!(!first((128, 128), 64), "a square");
        assert!(!first((128, 192), 64), "128 less against 2 · 64 less");
        assert!(first((128, 193), 64));
        assert!(first((20, 65), 64), "the width grows");
        assert!(!first((20, 64), 64) && !first((20, 63), 64), "the height does not shrink");
    }

    #[test]
    fn same_extent_copies_and_channels_stay_apart() {
        let pixels: Vec<u8> = (0..27).collect();
        assert_eq!(resized(&pixels, (3, 3), (3, 3), 3), pixels);
        let wide = resized(&[10, 20, 30], (1, 1), (4, 2), 3);
        assert_eq!(wide, [10, 20, 30].repeat(8));
    }

    #[test]
    fn white_stays_white_at_any_ratio() {
        let mut resizer = Resizer::new();
        for n in [1, 2, 3, 5, 63, 64, 65, 97, 1000, 65_535] {
            for m in [1, 2, 64, 256] {
                let mut dst = vec![0; m];
                let [from, to] = [n, m].map(|width| Extent { width, height: 1 });
                for (_, filter) in Filter::ALL {
                    resizer.resize(&mut dst, to, &vec![255; n], from, from.into(), filter, 1);
                    assert!(dst.iter().all(|&byte| byte == 255), "{n} to {m}, {filter:?}: {dst:?}");
                }
            }
        }
    }

    #[test]
    fn every_input_pixel_counts_when_shrinking() {
        for at in 0..48 {
            let mut src = [0; 48];
            src[at] = 255;
            assert!(resized(&src, (48, 1), (16, 1), 1).iter().any(|&byte| byte > 0), "pixel {at} is lost");
        }
    }

    #[test]
    fn a_resizer_forgets_the_last_picture() {
        let src: Vec<u8> = (0..7 * 9 * 3).map(|i| (i * 37 % 251) as u8).collect();
        let mut resizer = Resizer::new();
        for (from, to) in [((7, 9), (4, 4)), ((9, 7), (4, 4)), ((7, 9), (7, 4)), ((7, 9), (4, 9)), ((7, 9), (4, 4))] {
            let [f, t] = [from, to].map(|(width, height)| Extent { width, height });
            let mut dst = vec![0; t.width * t.height * 3];
            resizer.resize(&mut dst, t, &src, f, f.into(), Filter::Bilinear, 3);
            assert_eq!(dst, resized(&src, from, to, 3));
        }
    }
}
