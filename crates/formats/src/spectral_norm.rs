//! Takes spectral norm out of a network, for formats that hold code: no operator of theirs is one.

use dcgan_model::{Conv, DiscriminatorNorm, Layer, ModelConfig, Network, Role, StateDict, Tensor};
use std::borrow::Cow;

/// Returns a network, and its tensors, in which each convolution has one weight: with spectral norm that is the weight
/// W / uᵀWv, which PyTorch's parametrization gives in evaluation mode. Other networks stay as they are.
///
/// `tensors` must be the network's.
pub(crate) fn without_spectral_norm<'a>(
    network: &'a Network,
    tensors: &'a StateDict,
) -> (Cow<'a, Network>, Cow<'a, StateDict>) {
    if network.role == Role::Generator || network.config.norm_d != DiscriminatorNorm::Spectral {
        return (Cow::Borrowed(network), Cow::Borrowed(tensors));
    }
    let mut plain = StateDict::new();
    for (index, layer) in network.layers.iter().enumerate() {
        let Layer::Conv2d(Conv { spectral_norm: true, .. }) = layer else { continue };
        let tensor = |suffix: &str| tensors.get(&format!("{index}.{suffix}"));
        let [weight, u, v] = [Layer::ORIGINAL_WEIGHT, Layer::SPECTRAL_U, Layer::SPECTRAL_V].map(tensor);
        if let (Some(weight), Some(u), Some(v)) = (weight, u, v) {
            plain.insert(format!("{index}.weight"), normalized(weight, u, v));
        }
        if let Some(bias) = tensor("bias") {
            plain.insert(format!("{index}.bias"), bias.clone());
        }
    }
    let config = ModelConfig { norm_d: DiscriminatorNorm::None, ..network.config };
    (Cow::Owned(Network::discriminator(&config)), Cow::Owned(plain))
}

/// W / uᵀWv, of a weight whose first dimension is that of `u`, and the others that of `v`.
fn normalized(weight: &Tensor, u: &Tensor, v: &Tensor) -> Tensor {
    let [values, u, v] = [weight, u, v].map(|tensor| tensor.as_f32().unwrap_or_default());
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let rows = values.chunks_exact(v.len().max(1));
    let sigma: f64 = rows.zip(u).map(|(row, &u)| f64::from(u) * dot(row, v)).sum();
    Tensor::f32(weight.shape.clone(), values.iter().map(|&value| (f64::from(value) / sigma) as f32).collect())
}
