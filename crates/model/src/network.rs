//! Networks as ordered lists of layers.

use crate::{DiscriminatorNorm, ModelConfig, StateDict};
use std::fmt;

/// Sizes and options of a convolution. Kernel, stride and padding are the same in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv {
    /// Number of input channels.
    pub in_channels: usize,
    /// Number of output channels.
    pub out_channels: usize,
    /// Kernel height and width.
    pub kernel: usize,
    /// Stride.
    pub stride: usize,
    /// Zeros around the (larger) image.
    pub padding: usize,
    /// Whether a bias is added to each output channel.
    pub bias: bool,
    /// Whether the weight is divided by its largest singular value, as in
    /// `torch.nn.utils.parametrizations.spectral_norm`.
    pub spectral_norm: bool,
}

/// One entry of a network, named as in `torch.nn`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Layer {
    /// Convolution, weight out × in × k × k.
    Conv2d(Conv),
    /// Transposed convolution, weight in × out × k × k.
    ConvTranspose2d(Conv),
    /// Batch norm with eps [`Layer::BATCH_NORM_EPS`] and momentum 0.1.
    BatchNorm2d {
        /// Channels.
        channels: usize,
    },
    /// x for x > 0, else slope · x.
    LeakyRelu {
        /// Slope for negative values.
        slope: f32,
    },
    /// max(x, 0).
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// N × C × H × W to N × CHW.
    Flatten,
}

impl Layer {
    /// Value that batch norm adds to the variance, the default of `torch.nn.BatchNorm2d`.
    pub const BATCH_NORM_EPS: f32 = 1e-5;
    /// Suffix of the weight of a convolution with spectral norm, before it is normalized.
    pub const ORIGINAL_WEIGHT: &'static str = "parametrizations.weight.original";
    /// Suffix of spectral norm's estimate of the first left singular vector (one value per output channel).
    pub const SPECTRAL_U: &'static str = "parametrizations.weight.0._u";
    /// Suffix of spectral norm's estimate of the first right singular vector (input channels × k × k).
    pub const SPECTRAL_V: &'static str = "parametrizations.weight.0._v";
}

/// Channels, height and width of an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Channels.
    pub channels: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
}

/// One of the two networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The network from noise to images.
    Generator,
    /// The network from images to the probability that they are real.
    Discriminator,
}

/// An ordered list of layers; a layer's index is its index in the tutorial's `nn.Sequential`.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// Generator or discriminator.
    pub role: Role,
    /// The configuration that it was made from. Of a network that was recognized from its tensors only its own half is
    /// known.
    pub config: ModelConfig,
    /// The layers, first to last.
    pub layers: Vec<Layer>,
}

/// Name and shape of one tensor of a state_dict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// For example `1.running_mean`.
    pub name: String,
    /// PyTorch's shape.
    pub shape: Vec<usize>,
    /// Whether the optimizer trains it; false for running statistics.
    pub is_parameter: bool,
    /// Whether its type is `torch.int64` and not `torch.float32`.
    pub is_integer: bool,
}

impl TensorSpec {
    /// PyTorch's name of the type.
    fn dtype(&self) -> &'static str {
        if self.is_integer { "int64" } else { "float32" }
    }
}

impl Shape {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Returns whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Layer {
    /// PyTorch's shape of the layer's `weight`, if it has one.
    pub fn weight_shape(&self) -> Option<Vec<usize>> {
        match *self {
            Layer::Conv2d(c) => Some(vec![c.out_channels, c.in_channels, c.kernel, c.kernel]),
            Layer::ConvTranspose2d(c) => Some(vec![c.in_channels, c.out_channels, c.kernel, c.kernel]),
            Layer::BatchNorm2d { channels } => Some(vec![channels]),
            _ => None,
        }
    }

    /// Suffix of the trained weight's name: "weight", or the one that stands for it with spectral norm.
    pub fn weight_suffix(&self) -> &'static str {
        match self {
            Layer::Conv2d(conv) | Layer::ConvTranspose2d(conv) if conv.spectral_norm => Self::ORIGINAL_WEIGHT,
            _ => "weight",
        }
    }

    /// Returns the shape that leaves the layer when `input` enters it.
    pub fn output_shape(&self, input: Shape) -> Shape {
        match *self {
            Layer::Conv2d(c) => {
                let size = |len: usize| (len + 2 * c.padding - c.kernel) / c.stride + 1;
                Shape { channels: c.out_channels, height: size(input.height), width: size(input.width) }
            }
            Layer::ConvTranspose2d(c) => {
                let size = |len: usize| (len - 1) * c.stride + c.kernel - 2 * c.padding;
                Shape { channels: c.out_channels, height: size(input.height), width: size(input.width) }
            }
            Layer::Flatten => Shape { channels: input.len(), height: 1, width: 1 },
            _ => input,
        }
    }

    /// Returns the tensors of the layer: suffix, shape, is_parameter, is_integer.
    fn tensors(&self) -> Vec<(&'static str, Vec<usize>, bool, bool)> {
        let Some(weight) = self.weight_shape() else { return Vec::new() };
        if let Layer::Conv2d(conv) | Layer::ConvTranspose2d(conv) = self {
            let bias = conv.bias.then(|| ("bias", vec![conv.out_channels], true, false));
            return if conv.spectral_norm {
                // PyTorch registers the parametrized weight behind the bias. u and v are the singular vectors.
                let [rows, columns] = [weight[0], weight[1..].iter().product()];
                let parametrized = [
                    (self.weight_suffix(), weight, true, false),
                    (Self::SPECTRAL_U, vec![rows], false, false),
                    (Self::SPECTRAL_V, vec![columns], false, false),
                ];
                bias.into_iter().chain(parametrized).collect()
            } else {
                std::iter::once((self.weight_suffix(), weight, true, false)).chain(bias).collect()
            };
        }
        let mut tensors = vec![("weight", weight.clone(), true, false)];
        if let Layer::BatchNorm2d { .. } = self {
            tensors.push(("bias", weight.clone(), true, false));
            tensors.push(("running_mean", weight.clone(), false, false));
            tensors.push(("running_var", weight, false, false));
            tensors.push(("num_batches_tracked", Vec::new(), false, true));
        }
        tensors
    }
}

/// `torch.nn`'s way of printing a layer.
impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let conv = |f: &mut fmt::Formatter<'_>, name: &str, c: &Conv| {
            write!(
                f,
                "{name}({}, {}, kernel_size={}, stride={}, padding={}{}){}",
                c.in_channels,
                c.out_channels,
                c.kernel,
                c.stride,
                c.padding,
                if c.bias { "" } else { ", bias=False" },
                if c.spectral_norm { " with spectral norm" } else { "" }
            )
        };
        match self {
            Layer::Conv2d(c) => conv(f, "Conv2d", c),
            Layer::ConvTranspose2d(c) => conv(f, "ConvTranspose2d", c),
            Layer::BatchNorm2d { channels } => write!(f, "BatchNorm2d({channels})"),
            Layer::LeakyRelu { slope } => write!(f, "LeakyReLU({slope})"),
            Layer::Relu => f.write_str("ReLU()"),
            Layer::Tanh => f.write_str("Tanh()"),
            Layer::Sigmoid => f.write_str("Sigmoid()"),
            Layer::Flatten => f.write_str("Flatten()"),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Generator => "generator",
            Role::Discriminator => "discriminator",
        })
    }
}

impl Network {
    /// Returns the generator, from noise (latent × 1 × 1) to an image (channels × size × size) in [−1, 1].
    pub fn generator(config: &ModelConfig) -> Self {
        let doublings = config.doublings();
        let width = |level: u32| config.base_channels_g << level;
        let mut layers = Vec::new();
        let conv = |in_channels, out_channels, stride, padding| {
            let (bias, spectral_norm) = (false, false);
            Layer::ConvTranspose2d(Conv { in_channels, out_channels, kernel: 4, stride, padding, bias, spectral_norm })
        };
        let mut push = |in_channels, out_channels, stride, padding| {
            layers.push(conv(in_channels, out_channels, stride, padding));
            layers.push(Layer::BatchNorm2d { channels: out_channels });
            layers.push(Layer::Relu);
        };
        push(config.latent_dim, width(doublings - 1), 1, 0);
        for level in (1..doublings).rev() {
            push(width(level), width(level - 1), 2, 1);
        }
        layers.push(conv(config.base_channels_g, config.channels, 2, 1));
        layers.push(Layer::Tanh);
        Self { role: Role::Generator, config: *config, layers }
    }

    /// Returns the discriminator, from an image in [−1, 1] to the probability that it is real.
    pub fn discriminator(config: &ModelConfig) -> Self {
        let doublings = config.doublings();
        let width = |level: u32| config.base_channels_d << level;
        let leaky = Layer::LeakyRelu { slope: 0.2 };
        let (bias, spectral_norm) = match config.norm_d {
            DiscriminatorNorm::Batch => (false, false),
            DiscriminatorNorm::Spectral => (true, true),
            DiscriminatorNorm::None => (true, false),
        };
        let conv = |in_channels, out_channels, stride, padding| {
            Layer::Conv2d(Conv { in_channels, out_channels, kernel: 4, stride, padding, bias, spectral_norm })
        };
        let mut layers = vec![conv(config.channels, width(0), 2, 1), leaky];
        for level in 1..doublings {
            layers.push(conv(width(level - 1), width(level), 2, 1));
            if config.norm_d == DiscriminatorNorm::Batch {
                layers.push(Layer::BatchNorm2d { channels: width(level) });
            }
            layers.push(leaky);
        }
        layers.push(conv(width(doublings - 1), 1, 1, 0));
        layers.extend([Layer::Sigmoid, Layer::Flatten]);
        Self { role: Role::Discriminator, config: *config, layers }
    }

    /// Number of channels of the layer next to the image.
    pub fn base_channels(&self) -> usize {
        match self.role {
            Role::Generator => self.config.base_channels_g,
            Role::Discriminator => self.config.base_channels_d,
        }
    }

    /// Returns the shape that enters the first layer.
    pub fn input_shape(&self) -> Shape {
        match self.role {
            Role::Generator => Shape { channels: self.config.latent_dim, height: 1, width: 1 },
            Role::Discriminator => {
                Shape { channels: self.config.channels, height: self.config.image_size, width: self.config.image_size }
            }
        }
    }

    /// Returns each layer with the shapes that enter and leave it.
    pub fn shapes(&self) -> Vec<(Layer, Shape, Shape)> {
        let mut shape = self.input_shape();
        self.layers
            .iter()
            .map(|layer| {
                let input = shape;
                shape = layer.output_shape(input);
                (*layer, input, shape)
            })
            .collect()
    }

    /// Returns the tensors of the network's state_dict, in PyTorch's order.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        self.layers
            .iter()
            .enumerate()
            .flat_map(|(index, layer)| {
                layer.tensors().into_iter().map(move |(suffix, shape, is_parameter, is_integer)| TensorSpec {
                    name: format!("{index}.{suffix}"),
                    shape,
                    is_parameter,
                    is_integer,
                })
            })
            .collect()
    }

    /// Number of trained values.
    pub fn parameter_count(&self) -> usize {
        self.tensors().iter().filter(|t| t.is_parameter).map(|t| t.shape.iter().product::<usize>()).sum()
    }

    /// Checks that `state` holds exactly this network's tensors.
    ///
    /// # Errors
    /// Names the first tensor that is missing, has another shape or type, or does not belong here.
    pub fn check(&self, state: &StateDict) -> Result<(), RecognizeError> {
        let misfit = |name: &str, how: Misfit| {
            Err(RecognizeError::Tensor {
                role: self.role,
                image_size: self.config.image_size,
                name: name.to_owned(),
                how,
            })
        };
        let specs = self.tensors();
        for spec in &specs {
            let Some(tensor) = state.get(&spec.name) else {
                let first = state.keys().next().cloned().unwrap_or_default();
                return misfit(&spec.name, Misfit::Missing { shape: spec.shape.clone(), first });
            };
            if tensor.shape != spec.shape {
                let (found, expected) = (tensor.shape.clone(), spec.shape.clone());
                return misfit(&spec.name, Misfit::Shape { found, expected });
            }
            if tensor.as_i64().is_some() != spec.is_integer {
                return misfit(&spec.name, Misfit::Type { expected: spec.dtype() });
            }
        }
        match state.iter().find(|(name, _)| !specs.iter().any(|spec| spec.name == **name)) {
            Some((name, tensor)) => misfit(name, Misfit::Unknown { shape: tensor.shape.clone() }),
            None => Ok(()),
        }
    }

    /// Recognizes the network that `state` belongs to by names and shapes.
    ///
    /// # Errors
    /// Says which tensor does not fit a DCGAN, and how.
    pub fn recognize(state: &StateDict) -> Result<Self, RecognizeError> {
        let convs: Vec<(&String, &[usize])> =
            state.iter().filter(|(_, t)| t.shape.len() == 4).map(|(name, t)| (name, t.shape.as_slice())).collect();
        let (Some(&(first_name, first)), Some(&(last_name, last))) = (convs.first(), convs.last()) else {
            return Err(RecognizeError::NoConvolutions { tensors: state.len() });
        };
        let counts = ModelConfig::IMAGE_SIZES.map(|size| size.ilog2() as usize - 1);
        if !counts.contains(&convs.len()) {
            return Err(RecognizeError::ConvolutionCount {
                count: convs.len(),
                first: (first_name.clone(), first.to_vec()),
                last: (last_name.clone(), last.to_vec()),
            });
        }
        // The generator's first convolution is followed by a batch norm, the discriminator's is not. Of n convolutions
        // n − 1 double the image, from 4 pixels.
        let image_size = 4 << (convs.len() - 1);
        let is_generator = state.contains_key("1.weight");
        // A network says nothing of the other one, which then has the same width, and the tutorial's noise and
        // normalization.
        let defaults = ModelConfig { image_size, ..ModelConfig::default() };
        let config = if is_generator {
            ModelConfig { channels: last[1], latent_dim: first[0], ..defaults }.with_base_channels(last[0])
        } else {
            let has = |suffix: &str| state.keys().any(|name| name.ends_with(suffix));
            let norm_d = if has(Layer::SPECTRAL_U) {
                DiscriminatorNorm::Spectral
            } else if state.contains_key("0.bias") && !has(".running_mean") {
                DiscriminatorNorm::None
            } else {
                DiscriminatorNorm::Batch
            };
            ModelConfig { channels: first[1], norm_d, ..defaults }.with_base_channels(first[0])
        };
        config.validate().map_err(|source| RecognizeError::Convolutions {
            first: (first_name.clone(), first.to_vec()),
            last: (last_name.clone(), last.to_vec()),
            source,
        })?;
        let network = if is_generator { Self::generator(&config) } else { Self::discriminator(&config) };
        network.check(state)?;
        Ok(network)
    }
}

/// Error returned when tensors are not those of a DCGAN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecognizeError {
    /// No tensor has four dimensions.
    #[error("none of its {tensors} tensors is a convolution's weight, so it is no DCGAN")]
    NoConvolutions {
        /// How many tensors there are.
        tensors: usize,
    },
    /// Too few or too many convolutions.
    #[error(
        "it has {count} convolutions, {} {:?} to {} {:?}, and a DCGAN has 4 to 7",
        first.0, first.1, last.0, last.1
    )]
    ConvolutionCount {
        /// How many there are.
        count: usize,
        /// Name and shape of the first weight.
        first: (String, Vec<usize>),
        /// Name and shape of the last weight.
        last: (String, Vec<usize>),
    },
    /// The shapes of the convolutions belong to an impossible network.
    #[error(
        "its convolutions, {} {:?} to {} {:?}, are not those of a DCGAN: {source}",
        first.0, first.1, last.0, last.1
    )]
    Convolutions {
        /// Name and shape of the first weight.
        first: (String, Vec<usize>),
        /// Name and shape of the last weight.
        last: (String, Vec<usize>),
        /// What is impossible.
        #[source]
        source: crate::ConfigError,
    },
    /// A tensor is missing, has another shape or type, or is one too many.
    #[error("it looks like a {role} of {image_size} × {image_size} pictures, but tensor {name} {how}")]
    Tensor {
        /// The network it was taken for.
        role: Role,
        /// Height and width of that network's images in pixels.
        image_size: usize,
        /// The tensor.
        name: String,
        /// What is wrong with it.
        how: Misfit,
    },
}

/// The reason why a tensor does not fit a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The tensor is missing.
    #[error("of shape {shape:?} is missing (the first tensor is {first})")]
    Missing {
        /// The shape it should have.
        shape: Vec<usize>,
        /// A name that is there.
        first: String,
    },
    /// The tensor has another shape.
    #[error("has shape {found:?} where {expected:?} belongs")]
    Shape {
        /// The shape it has.
        found: Vec<usize>,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// The tensor has values of another type.
    #[error("is not of type {expected}")]
    Type {
        /// PyTorch's name of the type it should have.
        expected: &'static str,
    },
    /// The network has no such tensor.
    #[error("of shape {shape:?} does not belong to one")]
    Unknown {
        /// Its shape.
        shape: Vec<usize>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Init, Tensor, TorchRng, initial_network};

    fn numbers(text: &str) -> Vec<usize> {
        text.split([',', ' ', '[', ']']).filter(|word| !word.is_empty()).map(|word| word.parse().unwrap()).collect()
    }

    /// Layers, shapes, state_dict names and parameter counts against those of the tutorial's `nn.Sequential`, for every
    /// image size.
    #[test]
    fn networks_are_those_of_pytorch() {
        let text = include_str!("../tests/fixtures/networks.txt");
        let mut networks = Vec::new();
        let mut expected: Vec<Vec<&str>> = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (word, rest) = line.split_once(' ').unwrap();
            let build = match word {
                "generator" => Network::generator,
                "discriminator" => Network::discriminator,
                _ => {
                    expected.last_mut().unwrap().push(line);
                    continue;
                }
            };
            let (norm, rest) = rest.split_once(' ').unwrap();
            let norm_d = DiscriminatorNorm::ALL.into_iter().find(|(name, _)| *name == norm).unwrap().1;
            let [image_size, channels, latent_dim, base_channels, parameters] = numbers(rest)[..] else {
                panic!("{line}")
            };
            let config = ModelConfig { image_size, channels, latent_dim, norm_d, ..ModelConfig::TUTORIAL }
                .with_base_channels(base_channels);
            assert_eq!(config.validate(), Ok(()), "{line}");
            let network = build(&config);
            assert_eq!(network.role.to_string(), word);
            assert_eq!(network.parameter_count(), parameters, "{line}");
            networks.push((line, network));
            expected.push(Vec::new());
        }
        for (_, norm) in DiscriminatorNorm::ALL {
            assert!(networks.iter().any(|(_, network)| network.config.norm_d == norm), "{norm:?}");
        }
        for size in ModelConfig::IMAGE_SIZES {
            assert!(networks.iter().any(|(_, network)| network.config.image_size == size), "{size}");
        }
        for ((name, network), expected) in networks.iter().zip(expected) {
            let tensors = network.tensors().into_iter().map(|t| {
                let kind = if t.is_parameter { "parameter" } else { "buffer" };
                format!("tensor {} {:?} {} {kind}", t.name, t.shape, t.dtype())
            });
            let layers = network.shapes().into_iter().map(|(layer, _, output)| match layer {
                Layer::Flatten => format!("layer {layer} -> [{}]", output.len()),
                _ => format!("layer {layer} -> [{}, {}, {}]", output.channels, output.height, output.width),
            });
            assert_eq!(tensors.chain(layers).collect::<Vec<_>>(), expected, "{name}");
        }
    }

    fn state(network: &Network) -> StateDict {
        initial_network(network, Init::Default, &mut TorchRng::seed_from_u64(0))
    }

    #[test]
    fn a_state_dict_says_which_network_it_is() {
        for image_size in ModelConfig::IMAGE_SIZES {
            for channels in [1, 3] {
                let config =
                    ModelConfig { image_size, channels, latent_dim: 7, ..ModelConfig::TUTORIAL }.with_base_channels(2);
                let generator = Network::generator(&config);
                assert_eq!(Network::recognize(&state(&generator)), Ok(generator));
                // The noise leaves no trace in a discriminator.
                for (_, norm_d) in DiscriminatorNorm::ALL {
                    let config = ModelConfig { norm_d, ..config };
                    let discriminator = Network::discriminator(&config);
                    let found = Network::recognize(&state(&discriminator)).unwrap();
                    assert_eq!(found.layers, discriminator.layers);
                    assert_eq!(found.config, ModelConfig { latent_dim: 100, ..config });
                }
            }
        }
    }

    #[test]
    fn a_state_dict_that_does_not_fit_is_refused_by_name() {
        let config =
            ModelConfig { image_size: 32, channels: 3, latent_dim: 5, ..ModelConfig::TUTORIAL }.with_base_channels(2);
        let generator = Network::generator(&config);
        let refuse = |change: &dyn Fn(&mut StateDict)| {
            let mut state = state(&generator);
            change(&mut state);
            let error = generator.check(&state).unwrap_err();
            assert!(Network::recognize(&state).is_err());
            error.to_string()
        };
        let missing = refuse(&|state| drop(state.shift_remove("4.running_var")));
        assert!(
            missing.contains("generator") && missing.contains("4.running_var of shape [4] is missing"),
            "{missing}"
        );
        let unknown = refuse(&|state| drop(state.insert("9.bias".to_owned(), Tensor::f32([3], vec![0.0; 3]))));
        assert!(unknown.contains("9.bias of shape [3] does not belong"), "{unknown}");
        let shape = refuse(&|state| drop(state.insert("4.bias".to_owned(), Tensor::f32([3], vec![0.0; 3]))));
        assert!(shape.contains("4.bias has shape [3] where [4] belongs"), "{shape}");
        let dtype = refuse(&|state| drop(state.insert("4.num_batches_tracked".to_owned(), Tensor::f32([], vec![0.0]))));
        assert!(dtype.contains("4.num_batches_tracked is not of type int64"), "{dtype}");
        assert_eq!(Network::recognize(&StateDict::new()), Err(RecognizeError::NoConvolutions { tensors: 0 }));
    }

    #[test]
    fn strange_convolutions_are_refused_without_panic() {
        let conv = |shape: [usize; 4]| Tensor::f32(shape, vec![0.0; shape.iter().product()]);
        for count in [1, 2, 3, 7, 40, 70] {
            let state: StateDict = (0..count).map(|i| (format!("{i}.weight"), conv([2, 2, 1, 1]))).collect();
            let error = Network::recognize(&state).unwrap_err();
            let expected = match error {
                RecognizeError::ConvolutionCount { .. } => [1, 2, 3, 40, 70].contains(&count),
                RecognizeError::Convolutions { .. } => count == 7,
                _ => false,
            };
            assert!(expected, "{count}: {error}");
        }
        // Sizes that could be a DCGAN's, but kernels that are not.
        let state: StateDict = (0..4).map(|i| (format!("{}.weight", 3 * i), conv([3, 3, 1, 1]))).collect();
        let error = Network::recognize(&state).unwrap_err().to_string();
        assert!(error.contains("0.weight has shape [3, 3, 1, 1] where [3, 3, 4, 4] belongs"), "{error}");
    }
}
