//! Views of activations and gradients that are computed while they are read.
//!
//! Convolutions read their inputs through a [`InputView`], so that batch norm, activation and their gradients cost no
//! sweep over memory of their own: a normalized activation exists only in registers.

use crate::simd::{Simd, multiversion};
use crate::{Cpu, Isa};

/// A view of N × H × W pixels with channels innermost.
#[derive(Debug, Clone, Copy)]
pub enum InputView<'a> {
    /// Values as they are in memory.
    Plain(&'a [f32]),
    /// f(scale · x + shift), with scale and shift per channel: the output of batch norm and activation.
    AffineActivation(AffineActivation<'a>),
    /// The gradient of batch norm's input from that of its activated output.
    NormGradient(NormGradient<'a>),
}

/// LeakyReLU(scale · x + shift).
#[derive(Debug, Clone, Copy)]
pub struct AffineActivation<'a> {
    /// Batch norm's input.
    pub x: &'a [f32],
    /// γ · rstd, per channel.
    pub scale: &'a [f32],
    /// β − mean · γ · rstd, per channel.
    pub shift: &'a [f32],
    /// Slope for negative values: 0 for ReLU, 1 for no activation.
    pub slope: f32,
}

/// The gradient of batch norm's input, computed from that of its activated output.
#[derive(Debug, Clone, Copy)]
pub struct NormGradient<'a> {
    /// Gradient of the activated output.
    pub gradient: &'a [f32],
    /// Coefficients of the backward pass.
    pub norm: NormBackward<'a>,
}

/// Computes α · g + β · x + κ per channel, where g is the gradient of the activated output times the activation's
/// slope there. See [`crate::batch_norm`] for the coefficients.
#[derive(Debug, Clone, Copy)]
pub struct NormBackward<'a> {
    /// The forward pass.
    pub forward: AffineActivation<'a>,
    /// α, per channel.
    pub gradient_factor: &'a [f32],
    /// β, per channel.
    pub x_factor: &'a [f32],
    /// κ, per channel.
    pub constant: &'a [f32],
}

impl NormBackward<'_> {
    /// Replaces the gradient of batch norm's activated output by that of its input, as [`InputView::NormGradient`]
    /// computes it.
    ///
    /// # Panics
    /// If lengths do not fit together.
    pub fn apply(self, cpu: &Cpu, gradient: &mut [f32]) {
        let channels = self.constant.len();
        InputView::NormGradient(NormGradient { gradient, norm: self }).check(channels);
        cpu.for_each_chunk(gradient, piece_len(channels), |start, gradient| {
            let forward = AffineActivation { x: &self.forward.x[start..start + gradient.len()], ..self.forward };
            apply_piece(cpu.isa(), gradient, Self { forward, ..self });
        });
    }

    /// Returns the gradient of the input from that of the activated output, `dy`, for channels `c` … of the pixel
    /// that starts at `pixel`.
    ///
    /// # Safety
    /// As [`Load::load`].
    #[inline(always)]
    unsafe fn input_gradient<S: Simd>(self, s: S, dy: S::V, pixel: usize, c: usize, channels: usize) -> S::V {
        let AffineActivation { x, scale, shift, slope } = self.forward;
        // SAFETY: the caller vouches for the pixel; all slices of values per channel have `channels` values.
        unsafe {
            let x = load_channels(s, x.as_ptr().add(pixel), c, channels);
            let y = s.mul_add(
                x,
                load_channels(s, scale.as_ptr(), c, channels),
                load_channels(s, shift.as_ptr(), c, channels),
            );
            let g = s.where_positive(y, dy, s.mul(s.splat(slope), dy));
            let constant = load_channels(s, self.constant.as_ptr(), c, channels);
            let with_x = s.mul_add(x, load_channels(s, self.x_factor.as_ptr(), c, channels), constant);
            s.mul_add(g, load_channels(s, self.gradient_factor.as_ptr(), c, channels), with_x)
        }
    }
}

impl<'a> InputView<'a> {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Plain(values) => values.len(),
            Self::AffineActivation(activated) => activated.x.len(),
            Self::NormGradient(gradient) => gradient.gradient.len(),
        }
    }

    /// Returns whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the view of the `len` values from `start`, a whole number of pixels.
    ///
    /// # Panics
    /// If there are fewer values.
    pub fn part(&self, start: usize, len: usize) -> Self {
        let part = |values: &'a [f32]| &values[start..start + len];
        match *self {
            Self::Plain(values) => Self::Plain(part(values)),
            Self::AffineActivation(activated) => {
                Self::AffineActivation(AffineActivation { x: part(activated.x), ..activated })
            }
            Self::NormGradient(gradient) => Self::NormGradient(NormGradient {
                gradient: part(gradient.gradient),
                norm: NormBackward {
                    forward: AffineActivation { x: part(gradient.norm.forward.x), ..gradient.norm.forward },
                    ..gradient.norm
                },
            }),
        }
    }

    /// Returns the slices that are read to compute these values, without those that are the same for all pixels.
    pub(crate) fn in_memory(&self) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        let (values, x) = match *self {
            Self::Plain(values) => (values, None),
            Self::AffineActivation(activated) => (activated.x, None),
            Self::NormGradient(gradient) => (gradient.gradient, Some(gradient.norm.forward.x)),
        };
        std::iter::once(values).chain(x)
    }

    /// Returns the values as a slice. Values that are not plain are computed into `scratch`.
    pub(crate) fn values<'s>(&self, isa: Isa, scratch: &'s mut [f32], channels: usize) -> &'s [f32]
    where
        'a: 's,
    {
        match *self {
            Self::Plain(values) => values,
            source => {
                let scratch = &mut scratch[..source.len()];
                source.write_piece(isa, scratch, channels);
                scratch
            }
        }
    }

    /// Asserts that all parts have the lengths they should have for pixels of `channels` channels.
    pub(crate) fn check(&self, channels: usize) {
        let check = |activated: &AffineActivation<'_>, len: usize| {
            assert!(activated.x.len() == len, "x of {} values, not {len}", activated.x.len());
            assert!(activated.scale.len() == channels && activated.shift.len() == channels, "scale and shift");
        };
        assert!(self.len().is_multiple_of(channels), "{} values of {channels} channels", self.len());
        match self {
            Self::Plain(_) => {}
            Self::AffineActivation(activated) => check(activated, activated.x.len()),
            Self::NormGradient(g) => {
                check(&g.norm.forward, g.gradient.len());
                let coefficients = [g.norm.gradient_factor.len(), g.norm.x_factor.len(), g.norm.constant.len()];
                assert!(coefficients == [channels; 3], "coefficients");
            }
        }
    }

    /// Computes all values into `out`, on this thread.
    pub(crate) fn write_piece(&self, isa: Isa, out: &mut [f32], channels: usize) {
        write_values(isa, out, *self, channels);
    }

    /// Computes all values into `out`.
    ///
    /// # Panics
    /// If lengths do not fit together.
    pub fn write_to(&self, cpu: &Cpu, out: &mut [f32], channels: usize) {
        self.check(channels);
        assert_eq!(out.len(), self.len());
        cpu.for_each_chunk(out, piece_len(channels), |start, out| {
            self.part(start, out.len()).write_piece(cpu.isa(), out, channels);
        });
    }
}

/// Number of values of a piece of work: whole pixels.
fn piece_len(channels: usize) -> usize {
    (crate::activation::PIECE / channels).max(1) * channels
}

multiversion! {
    fn write_values(s, out: &mut [f32], source: InputView<'_>, channels: usize) {
        source.check(channels);
        assert!(out.len() == source.len());
        match source {
            InputView::Plain(values) => out.copy_from_slice(values),
            // SAFETY: the view has been checked, and has as many values as `out`.
            InputView::AffineActivation(activated) => unsafe { write_loaded(s, out, activated, channels) },
            // SAFETY: as above.
            InputView::NormGradient(gradient) => unsafe { write_loaded(s, out, gradient, channels) },
        }
    }
}

multiversion! {
    fn apply_piece(s, gradient: &mut [f32], norm: NormBackward<'_>) {
        let channels = norm.constant.len();
        InputView::NormGradient(NormGradient { gradient, norm }).check(channels);
        for pixel in (0..gradient.len()).step_by(channels) {
            for c in (0..channels).step_by(S::LANES) {
                // SAFETY: a channel of a pixel of everything (asserted).
                unsafe {
                    let gradient = gradient.as_mut_ptr().add(pixel);
                    let dx = norm.input_gradient(s, load_channels(s, gradient, c, channels), pixel, c, channels);
                    store_channels(s, gradient, c, channels, dx);
                }
            }
        }
    }
}

/// Computes all values of a view into `out`.
///
/// # Safety
/// The view must have passed [`InputView::check`] for `channels` channels, and have as many values as `out`.
#[inline(always)]
unsafe fn write_loaded<S: Simd>(s: S, out: &mut [f32], source: impl Load, channels: usize) {
    for pixel in (0..out.len()).step_by(channels) {
        for c in (0..channels).step_by(S::LANES) {
            // SAFETY: the view has as many values as `out`, as the caller promises, and `c` is a channel of the pixel.
            unsafe {
                let values = source.load(s, pixel, c, channels);
                store_channels(s, out.as_mut_ptr().add(pixel), c, channels, values);
            }
        }
    }
}

/// Reads vectors of channels of a view.
pub(crate) trait Load: Copy {
    /// Returns a vector of the channels from `c` of the pixel that starts at `pixel`, with zeros beyond the last
    /// channel.
    ///
    /// # Safety
    /// The view must have passed [`InputView::check`], `pixel` must be the start of one of its pixels and `c` <
    /// `channels`.
    unsafe fn load<S: Simd>(self, s: S, pixel: usize, c: usize, channels: usize) -> S::V;
}

impl Load for &[f32] {
    #[inline(always)]
    unsafe fn load<S: Simd>(self, s: S, pixel: usize, c: usize, channels: usize) -> S::V {
        // SAFETY: the caller vouches for the pixel.
        unsafe { load_channels(s, self.as_ptr().add(pixel), c, channels) }
    }
}

impl Load for AffineActivation<'_> {
    #[inline(always)]
    unsafe fn load<S: Simd>(self, s: S, pixel: usize, c: usize, channels: usize) -> S::V {
        // SAFETY: the caller vouches for the pixel; there are `channels` scales and shifts.
        let y = unsafe {
            let x = load_channels(s, self.x.as_ptr().add(pixel), c, channels);
            let scale = load_channels(s, self.scale.as_ptr(), c, channels);
            s.mul_add(x, scale, load_channels(s, self.shift.as_ptr(), c, channels))
        };
        s.where_positive(y, y, s.mul(s.splat(self.slope), y))
    }
}

impl Load for NormGradient<'_> {
    #[inline(always)]
    unsafe fn load<S: Simd>(self, s: S, pixel: usize, c: usize, channels: usize) -> S::V {
        // SAFETY: handed on to the caller.
        unsafe {
            let dy = self.gradient.load(s, pixel, c, channels);
            self.norm.input_gradient(s, dy, pixel, c, channels)
        }
    }
}

/// Returns a vector of the channels from `c`, with zeros beyond `channels`.
///
/// # Safety
/// `channels` values must be readable at `ptr`, and `c` ≤ `channels`.
#[inline(always)]
pub(crate) unsafe fn load_channels<S: Simd>(s: S, ptr: *const f32, c: usize, channels: usize) -> S::V {
    // SAFETY: whole vectors lie within the pixel; of the last, partial one only what exists is read.
    unsafe {
        if c + S::LANES <= channels {
            s.load(ptr.add(c))
        } else {
            let mut lanes = [0.0f32; 16];
            std::ptr::copy_nonoverlapping(ptr.add(c), lanes.as_mut_ptr(), channels - c);
            s.load(lanes.as_ptr())
        }
    }
}

/// Writes a vector of the channels from `c`, without those beyond `channels`.
///
/// # Safety
/// `channels` values must be writable at `ptr`, and `c` < `channels`.
#[inline(always)]
pub(crate) unsafe fn store_channels<S: Simd>(s: S, ptr: *mut f32, c: usize, channels: usize, v: S::V) {
    // SAFETY: as in `load_channels`.
    unsafe {
        if c + S::LANES <= channels {
            s.store(ptr.add(c), v);
        } else {
            let mut lanes = [0.0f32; 16];
            s.store(lanes.as_mut_ptr(), v);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), ptr.add(c), channels - c);
        }
    }
}
