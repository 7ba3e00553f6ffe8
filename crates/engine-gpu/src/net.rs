//! One network: its parameters, and its stages of convolution, batch norm and activation.

use crate::activation::Activation;
use crate::batch_norm::Norm;
use crate::conv::Conv;
use crate::parameter::Parameter;
use crate::spectral_norm::SpectralNorm;
use crate::stage::Stage;
use burn_tensor::{Device, Tensor};
use dcgan_model::{Layer, Network, TensorSpec};

/// A network on a device. A copy shares all tensors until one of the two gets others.
#[derive(Debug, Clone)]
pub(crate) struct Net {
    /// The tensors of the state_dict, in its order.
    pub(crate) specs: Vec<TensorSpec>,
    pub(crate) stages: Vec<Stage>,
    /// The trained tensors, in the order of the state_dict.
    pub(crate) parameters: Vec<Parameter>,
}

impl Net {
    /// Returns a network of zeros.
    pub(crate) fn new(network: &Network, device: &Device) -> Self {
        let (mut stages, mut parameters) = (Vec::<Stage>::new(), Vec::new());
        for (index, (layer, input, output)) in network.shapes().into_iter().enumerate() {
            let mut parameter = |suffix: &str, conv: Option<Conv>, shape: [usize; 2]| {
                parameters.push(Parameter {
                    name: format!("{index}.{suffix}"),
                    conv,
                    value: Tensor::zeros(shape, device),
                });
            };
            if let (Some((conv, transposed)), Layer::Conv2d(sizes) | Layer::ConvTranspose2d(sizes)) =
                (Conv::of(layer, input, output), layer)
            {
                parameter(layer.weight_suffix(), Some(conv), conv.weight_shape());
                if sizes.bias {
                    parameter("bias", None, [1, sizes.out_channels]);
                }
                let weight = parameters.len() - 1 - usize::from(sizes.bias);
                stages.push(Stage {
                    conv,
                    transposed,
                    weight,
                    has_bias: sizes.bias,
                    spectral_norm: sizes.spectral_norm.then(|| SpectralNorm::new(index, conv, device)),
                    norm: None,
                    activation: Activation::Identity,
                });
                continue;
            }
            match (layer, stages.last_mut()) {
                (Layer::BatchNorm2d { channels }, Some(stage)) => {
                    parameter("weight", None, [1, channels]);
                    parameter("bias", None, [1, channels]);
                    let row = || Tensor::zeros([1, channels], device);
                    stage.norm = Some(Norm { layer: index, mean: row(), var: row(), batches: 0 });
                }
                (Layer::LeakyRelu { slope }, Some(stage)) => stage.activation = Activation::LeakyRelu { slope },
                (Layer::Relu, Some(stage)) => stage.activation = Activation::LeakyRelu { slope: 0.0 },
                (Layer::Tanh, Some(stage)) => stage.activation = Activation::Tanh,
                // The losses take D's logits. No network begins with anything but a convolution.
                (Layer::Sigmoid | Layer::Flatten | Layer::Conv2d(_) | Layer::ConvTranspose2d(_), _) | (_, None) => {}
            }
        }
        Self { specs: network.tensors(), stages, parameters }
    }

    /// Replaces the parameters.
    pub(crate) fn set_parameters(&mut self, values: Vec<Tensor<2>>) {
        for (parameter, value) in self.parameters.iter_mut().zip(values) {
            parameter.value = value;
        }
    }

    /// Returns the values of all parameters.
    pub(crate) fn values(&self) -> Vec<Tensor<2>> {
        self.parameters.iter().map(|parameter| parameter.value.clone()).collect()
    }
}
