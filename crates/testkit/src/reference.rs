//! Convolutions and batch norm in f64, written as plainly as possible: the reference that kernels and engines are
//! compared with.
//!
//! The tests of `dcgan-kernels` compare it with PyTorch (`layers.rs`) and with finite differences (`oracle.rs`). A
//! convolution has a *big* and a *small* side, of which `Conv2d` reads the big one and `ConvTranspose2d` the small one.
//! Images are NHWC, weights k × k × big channels × small channels.

/// The sizes of a convolution, without the batch.
#[derive(Debug, Clone, Copy)]
pub struct ConvShape {
    /// Height, width and channels of the big side.
    pub big: [usize; 3],
    /// Height, width and channels of the small side.
    pub small: [usize; 3],
    /// Kernel height and width.
    pub kernel: usize,
    /// Distance of neighboring small pixels on the big side.
    pub stride: usize,
    /// Zeros around the big side.
    pub padding: usize,
}

impl ConvShape {
    fn len(image: [usize; 3]) -> usize {
        image.iter().product()
    }
}

/// Converts f32 values to f64.
pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

/// Returns conv(big, weight) of `batch` images.
pub fn conv_forward(shape: &ConvShape, big: &[f64], weight: &[f64], batch: usize) -> Vec<f64> {
    let ([_, _, c], [_, _, k]) = (shape.big, shape.small);
    let mut small = vec![0.0; batch * ConvShape::len(shape.small)];
    for_each_tap(shape, batch, |small_pixel, big_pixel, tap| {
        for ic in 0..c {
            for ik in 0..k {
                small[small_pixel * k + ik] += big[big_pixel * c + ic] * weight[(tap * c + ic) * k + ik];
            }
        }
    });
    small
}

/// Returns convᵀ(small, weight) of `batch` images.
pub fn conv_adjoint(shape: &ConvShape, small: &[f64], weight: &[f64], batch: usize) -> Vec<f64> {
    let ([_, _, c], [_, _, k]) = (shape.big, shape.small);
    let mut big = vec![0.0; batch * ConvShape::len(shape.big)];
    for_each_tap(shape, batch, |small_pixel, big_pixel, tap| {
        for ic in 0..c {
            for ik in 0..k {
                big[big_pixel * c + ic] += small[small_pixel * k + ik] * weight[(tap * c + ic) * k + ik];
            }
        }
    });
    big
}

/// Returns ∂⟨conv(big, weight), small⟩ / ∂weight.
pub fn conv_weight_gradient(shape: &ConvShape, big: &[f64], small: &[f64], batch: usize) -> Vec<f64> {
    let ([_, _, c], [_, _, k]) = (shape.big, shape.small);
    let mut dweight = vec![0.0; shape.kernel * shape.kernel * c * k];
    for_each_tap(shape, batch, |small_pixel, big_pixel, tap| {
        for ic in 0..c {
            for ik in 0..k {
                dweight[(tap * c + ic) * k + ik] += big[big_pixel * c + ic] * small[small_pixel * k + ik];
            }
        }
    });
    dweight
}

/// Calls `visit(small pixel, big pixel, tap)` for every tap of every small pixel that does not lie in the padding.
/// Pixels are counted through the whole batch.
fn for_each_tap(shape: &ConvShape, batch: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let ConvShape { big: [big_height, big_width, _], small: [small_height, small_width, _], kernel, stride, padding } =
        *shape;
    for n in 0..batch {
        for sy in 0..small_height {
            for sx in 0..small_width {
                for ky in 0..kernel {
                    for kx in 0..kernel {
                        let (y, x) = (sy * stride + ky, sx * stride + kx);
                        let in_picture =
                            (padding..padding + big_height).contains(&y) && (padding..padding + big_width).contains(&x);
                        if in_picture {
                            let small_pixel = (n * small_height + sy) * small_width + sx;
                            let big_pixel = (n * big_height + y - padding) * big_width + x - padding;
                            visit(small_pixel, big_pixel, ky * kernel + kx);
                        }
                    }
                }
            }
        }
    }
}

/// A batch norm in training mode, followed by a LeakyReLU.
#[derive(Debug)]
pub struct BatchNorm<'a> {
    /// The input, rows × channels.
    pub x: &'a [f64],
    /// The scale γ, one value per channel.
    pub weight: &'a [f64],
    /// The shift β, one value per channel.
    pub bias: &'a [f64],
    /// Slope of the LeakyReLU for negative values; 1 for no activation.
    pub slope: f64,
}

impl BatchNorm<'_> {
    const EPS: f64 = 1e-5;

    fn rows(&self) -> f64 {
        (self.x.len() / self.weight.len()) as f64
    }

    /// Returns a channel's values of a tensor.
    fn channel<'t>(&self, values: &'t [f64], c: usize) -> impl Iterator<Item = f64> + Clone + use<'t> {
        values.iter().skip(c).step_by(self.weight.len()).copied()
    }

    /// Returns mean and biased variance of a channel.
    pub fn moments(&self, c: usize) -> (f64, f64) {
        let mean = self.channel(self.x, c).sum::<f64>() / self.rows();
        (mean, self.channel(self.x, c).map(|x| (x - mean).powi(2)).sum::<f64>() / self.rows())
    }

    /// Returns the running statistics of a channel after this batch: they move a tenth of the way to the mean and the
    /// unbiased variance.
    pub fn updated_running_statistics(&self, c: usize, running_mean: f64, running_var: f64) -> (f64, f64) {
        let (mean, var) = self.moments(c);
        let unbiased = var * self.rows() / (self.rows() - 1.0);
        (0.9 * running_mean + 0.1 * mean, 0.9 * running_var + 0.1 * unbiased)
    }

    /// Returns the values before the activation.
    fn normed(&self) -> Vec<f64> {
        let channels = self.weight.len();
        let moments: Vec<_> = (0..channels).map(|c| self.moments(c)).collect();
        let normed = self.x.iter().enumerate().map(|(i, x)| {
            let (c, (mean, var)) = (i % channels, moments[i % channels]);
            (x - mean) / (var + Self::EPS).sqrt() * self.weight[c] + self.bias[c]
        });
        normed.collect()
    }

    /// Returns the output.
    pub fn forward(&self) -> Vec<f64> {
        self.normed().into_iter().map(|v| if v > 0.0 { v } else { self.slope * v }).collect()
    }

    /// Returns the gradients of input, scale and shift, computed by the chain rule through variance and mean as in the
    /// paper (Ioffe & Szegedy 2015, section 3).
    pub fn backward(&self, dy: &[f64]) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let channels = self.weight.len();
        let gradient: Vec<f64> =
            self.normed().iter().zip(dy).map(|(v, dy)| if *v > 0.0 { *dy } else { self.slope * dy }).collect();
        let (mut dx, mut dweight, mut dbias) = (vec![0.0; self.x.len()], Vec::new(), Vec::new());
        for c in 0..channels {
            let (mean, var) = self.moments(c);
            let root = (var + Self::EPS).sqrt();
            let pairs = self.channel(self.x, c).zip(self.channel(&gradient, c));
            dweight.push(pairs.clone().map(|(x, g)| g * (x - mean) / root).sum::<f64>());
            dbias.push(self.channel(&gradient, c).sum::<f64>());
            let dnormed = pairs.map(|(x, g)| (x, g * self.weight[c]));
            let dvar = dnormed.clone().map(|(x, g)| g * (x - mean) * -0.5 / root.powi(3)).sum::<f64>();
            // The variance's own term, −2 Σ (x − mean) / M, is zero.
            let dmean = dnormed.clone().map(|(_, g)| -g / root).sum::<f64>();
            for (row, (x, g)) in dnormed.enumerate() {
                dx[row * channels + c] = g / root + dvar * 2.0 * (x - mean) / self.rows() + dmean / self.rows();
            }
        }
        (dx, dweight, dbias)
    }
}
