//! The definitions in f64, as plain as they can be: what the kernels are held to. `layers.rs` pins them to PyTorch, `oracle.rs` to finite
//! differences.

use dcgan_kernels::conv::ConvShape;

/// f32 values in f64.
pub(crate) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

/// small = conv(big, weight), big and small NHWC, the weight k × k × C × K.
pub(crate) fn conv_forward(shape: &ConvShape, big: &[f64], weight: &[f64], batch: usize) -> Vec<f64> {
    let (c, k) = (shape.big.channels, shape.small.channels);
    let mut small = vec![0.0; batch * shape.small.len()];
    for_each_tap(shape, batch, |small_pixel, big_pixel, tap| {
        for ic in 0..c {
            for ik in 0..k {
                small[small_pixel * k + ik] += big[big_pixel * c + ic] * weight[(tap * c + ic) * k + ik];
            }
        }
    });
    small
}

/// big = convᵀ(small, weight).
pub(crate) fn conv_adjoint(shape: &ConvShape, small: &[f64], weight: &[f64], batch: usize) -> Vec<f64> {
    let (c, k) = (shape.big.channels, shape.small.channels);
    let mut big = vec![0.0; batch * shape.big.len()];
    for_each_tap(shape, batch, |small_pixel, big_pixel, tap| {
        for ic in 0..c {
            for ik in 0..k {
                big[big_pixel * c + ic] += small[small_pixel * k + ik] * weight[(tap * c + ic) * k + ik];
            }
        }
    });
    big
}

/// ∂⟨conv(big, weight), small⟩ / ∂weight.
pub(crate) fn conv_weight_gradient(shape: &ConvShape, big: &[f64], small: &[f64], batch: usize) -> Vec<f64> {
    let (c, k) = (shape.big.channels, shape.small.channels);
    let mut dweight = vec![0.0; shape.weight_len()];
    for_each_tap(shape, batch, |small_pixel, big_pixel, tap| {
        for ic in 0..c {
            for ik in 0..k {
                dweight[(tap * c + ic) * k + ik] += big[big_pixel * c + ic] * small[small_pixel * k + ik];
            }
        }
    });
    dweight
}

/// Calls `visit(small pixel, big pixel, tap)` for every tap of every small pixel that does not lie in the padding. Pixels are counted
/// through the whole batch.
fn for_each_tap(shape: &ConvShape, batch: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let ConvShape { big, small, kernel, stride, padding } = *shape;
    for n in 0..batch {
        for sy in 0..small.height {
            for sx in 0..small.width {
                for ky in 0..kernel {
                    for kx in 0..kernel {
                        let (y, x) = (sy * stride + ky, sx * stride + kx);
                        let in_picture =
                            (padding..padding + big.height).contains(&y) && (padding..padding + big.width).contains(&x);
                        if in_picture {
                            let small_pixel = (n * small.height + sy) * small.width + sx;
                            let big_pixel = (n * big.height + y - padding) * big.width + x - padding;
                            visit(small_pixel, big_pixel, ky * kernel + kx);
                        }
                    }
                }
            }
        }
    }
}

/// A batch norm in training mode with the leaky ReLU of `slope` behind it (1 is none).
#[derive(Debug)]
pub(crate) struct BatchNorm<'a> {
    /// Rows × channels.
    pub(crate) x: &'a [f64],
    /// γ
    pub(crate) weight: &'a [f64],
    /// β
    pub(crate) bias: &'a [f64],
    /// Of the activation.
    pub(crate) slope: f64,
}

impl BatchNorm<'_> {
    const EPS: f64 = 1e-5;

    fn rows(&self) -> f64 {
        (self.x.len() / self.weight.len()) as f64
    }

    /// A channel's values of a tensor.
    fn channel<'t>(&self, values: &'t [f64], c: usize) -> impl Iterator<Item = f64> + Clone + use<'t> {
        values.iter().skip(c).step_by(self.weight.len()).copied()
    }

    /// Mean and biased variance of a channel.
    pub(crate) fn moments(&self, c: usize) -> (f64, f64) {
        let mean = self.channel(self.x, c).sum::<f64>() / self.rows();
        (mean, self.channel(self.x, c).map(|x| (x - mean).powi(2)).sum::<f64>() / self.rows())
    }

    /// What running statistics become: a tenth of the way to the mean and the unbiased variance.
    pub(crate) fn moved(&self, c: usize, running_mean: f64, running_var: f64) -> (f64, f64) {
        let (mean, var) = self.moments(c);
        let unbiased = var * self.rows() / (self.rows() - 1.0);
        (0.9 * running_mean + 0.1 * mean, 0.9 * running_var + 0.1 * unbiased)
    }

    /// The values before the activation.
    fn normed(&self) -> Vec<f64> {
        let channels = self.weight.len();
        let moments: Vec<_> = (0..channels).map(|c| self.moments(c)).collect();
        let normed = self.x.iter().enumerate().map(|(i, x)| {
            let (c, (mean, var)) = (i % channels, moments[i % channels]);
            (x - mean) / (var + Self::EPS).sqrt() * self.weight[c] + self.bias[c]
        });
        normed.collect()
    }

    /// y
    pub(crate) fn forward(&self) -> Vec<f64> {
        self.normed().into_iter().map(|v| if v > 0.0 { v } else { self.slope * v }).collect()
    }

    /// (dx, dγ, dβ), by the chain rule through variance and mean as in the paper (Ioffe & Szegedy 2015, section 3).
    pub(crate) fn backward(&self, dy: &[f64]) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
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
