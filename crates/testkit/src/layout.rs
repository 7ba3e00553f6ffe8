//! Between PyTorch's order of axes and the engine's.

/// N × C × H × W to N × H × W × C; `[n, c, h, w]` are the sizes.
///
/// # Panics
/// If the number of values is not the product of the sizes.
pub fn nchw_to_nhwc<T: Copy>(values: &[T], nchw: [usize; 4]) -> Vec<T> {
    permute(values, nchw, [0, 2, 3, 1])
}

/// N × H × W × C to N × C × H × W; `[n, c, h, w]` are the sizes, in this order here too.
///
/// # Panics
/// If the number of values is not the product of the sizes.
pub fn nhwc_to_nchw<T: Copy>(values: &[T], nchw: [usize; 4]) -> Vec<T> {
    let [n, c, h, w] = nchw;
    permute(values, [n, h, w, c], [0, 3, 1, 2])
}

/// `tensor.permute(axes).contiguous()` for four axes: axis i of the result is axis `axes[i]` of `values`.
///
/// # Panics
/// If the number of values is not the product of `shape`, or `axes` is no permutation of 0 to 3.
pub fn permute<T: Copy>(values: &[T], shape: [usize; 4], axes: [usize; 4]) -> Vec<T> {
    assert_eq!(values.len(), shape.iter().product::<usize>(), "shape {shape:?}");
    let mut sorted = axes;
    sorted.sort_unstable();
    assert_eq!(sorted, [0, 1, 2, 3], "axes {axes:?}");
    let [_, b, c, d] = shape;
    let strides = [b * c * d, c * d, d, 1];
    let [(na, sa), (nb, sb), (nc, sc), (nd, sd)] = axes.map(|axis| (shape[axis], strides[axis]));
    let mut out = Vec::with_capacity(values.len());
    for ia in 0..na {
        for ib in 0..nb {
            for ic in 0..nc {
                out.extend((0..nd).map(|id| values[ia * sa + ib * sb + ic * sc + id * sd]));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_moves_where_its_indices_say() {
        let nchw = [2, 3, 4, 5];
        let [n, c, h, w] = nchw;
        let values: Vec<usize> = (0..120).collect();
        let nhwc = nchw_to_nhwc(&values, nchw);
        for i in 0..n * c * h * w {
            let (x, y, ch, image) = (i % w, i / w % h, i / (w * h) % c, i / (w * h * c));
            assert_eq!(nhwc[((image * h + y) * w + x) * c + ch], i);
        }
        assert_eq!(nhwc_to_nchw(&nhwc, nchw), values);
        // torch.arange(6).reshape(1, 2, 3, 1).permute(2, 0, 3, 1).flatten()
        assert_eq!(permute(&[0, 1, 2, 3, 4, 5], [1, 2, 3, 1], [2, 0, 3, 1]), [0, 3, 1, 4, 2, 5]);
    }

    #[test]
    #[should_panic(expected = "axes [0, 1, 1, 3]")]
    fn axes_must_be_a_permutation() {
        permute(&[0; 24], [1, 2, 3, 4], [0, 1, 1, 3]);
    }
}
