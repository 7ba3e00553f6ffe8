//! Writes the source text of the TorchScript classes of a network.
//!
//! TorchScript is a typed subset of Python. A class fixes the constants of its module, such as `kernel_size`, so layers
//! that differ need different classes. PyTorch puts the second and later classes of the same name into namespaces
//! `___torch_mangle_N`, and so do we. The classes have the names, attributes and constants of those of `torch.nn`, so
//! that a loaded module looks like a scripted one.

use dcgan_model::{Conv, Layer, ModelConfig, Network};
use indexmap::IndexMap;
use std::fmt::Write;

/// `eps` of `torch.nn.BatchNorm2d`, its default.
const EPS: f32 = Layer::BATCH_NORM_EPS;
/// `momentum` of `torch.nn.BatchNorm2d`, its default.
const MOMENTUM: f64 = 0.1;

/// The qualified name of a class, for example module `__torch__.torch.nn.modules.conv` and name `Conv2d`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClassName {
    pub(crate) module: String,
    pub(crate) name: &'static str,
}

/// The classes of a network and their source files.
pub(crate) struct Script {
    /// The class of the `nn.Sequential`.
    pub(crate) root: ClassName,
    /// The class of each layer.
    pub(crate) layers: Vec<ClassName>,
    /// Source text by the name of its entry in the archive, such as `code/__torch__/torch/nn/modules/conv.py`.
    pub(crate) files: IndexMap<String, String>,
}

/// A layer's attribute other than `training`.
pub(crate) enum Attribute {
    /// A trained tensor.
    Parameter(&'static str),
    /// A tensor that is not trained.
    Buffer(&'static str),
    /// A parameter that is `None`, such as the bias of a convolution without bias.
    NoParameter(&'static str),
}

/// Returns the name of a layer's class in `torch.nn`.
pub(crate) fn class_name(layer: &Layer) -> &'static str {
    match layer {
        Layer::Conv2d(_) => "Conv2d",
        Layer::ConvTranspose2d(_) => "ConvTranspose2d",
        Layer::BatchNorm2d { .. } => "BatchNorm2d",
        Layer::LeakyRelu { .. } => "LeakyReLU",
        Layer::Relu => "ReLU",
        Layer::Tanh => "Tanh",
        Layer::Sigmoid => "Sigmoid",
        Layer::Flatten => "Flatten",
    }
}

/// Returns the attributes of a layer other than `training`, in PyTorch's order.
pub(crate) fn attributes(layer: &Layer) -> &'static [Attribute] {
    use Attribute::{Buffer, NoParameter, Parameter};
    match layer {
        Layer::Conv2d(conv) | Layer::ConvTranspose2d(conv) if conv.bias => &[Parameter("weight"), Parameter("bias")],
        Layer::Conv2d(_) | Layer::ConvTranspose2d(_) => &[Parameter("weight"), NoParameter("bias")],
        Layer::BatchNorm2d { .. } => &[
            Parameter("weight"),
            Parameter("bias"),
            Buffer("running_mean"),
            Buffer("running_var"),
            Buffer("num_batches_tracked"),
        ],
        _ => &[],
    }
}

impl Script {
    /// Writes the classes of `network`.
    pub(crate) fn new(network: &Network) -> Self {
        let mut classes: Vec<(Layer, ClassName)> = Vec::new();
        let mut files = IndexMap::new();
        let mut mangled = 0;
        let mut layers = Vec::new();
        for &layer in &network.layers {
            let known = classes.iter().find(|(other, _)| *other == layer).map(|(_, class)| class.clone());
            let class = known.unwrap_or_else(|| {
                let name = class_name(&layer);
                let mut module = format!("__torch__.torch.nn.modules.{}", python_file(&layer));
                if classes.iter().any(|(_, class)| class.name == name) {
                    write_to(&mut module, format_args!(".___torch_mangle_{mangled}"));
                    mangled += 1;
                }
                let class = ClassName { module, name };
                add(&mut files, &class, layer_class(&layer, &class));
                classes.push((layer, class.clone()));
                class
            });
            layers.push(class);
        }
        let root = ClassName { module: "__torch__.torch.nn.modules.container".to_owned(), name: "Sequential" };
        add(&mut files, &root, sequential(&root, &layers));
        Self { root, layers, files }
    }
}

/// Name of the class that [`Script::uint8_class`] writes.
const UINT8: &str = "Uint8Generator";

impl Script {
    /// Adds a class whose `forward` takes noise N × latent, or N × latent × 1 × 1, and returns RGB images N × 3 × H × W
    /// of type uint8, with the values that an image file has. Programs that evaluate generators, such as
    /// torch-fidelity, expect this. The attribute `generator` of the class is the `nn.Sequential`.
    pub(crate) fn uint8_class(&mut self, config: &ModelConfig) -> ClassName {
        let class = ClassName { module: "__torch__.dcgan".to_owned(), name: UINT8 };
        // The first argument of `to` is the number of torch.uint8. The sum is torchvision's save_image's.
        let mut text = format!(
            "\
class {UINT8}(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  _is_full_backward_hook : Optional[bool]
  generator : {root}
  def forward(self: {class},
    noise: Tensor) -> Tensor:
    x = (self.generator).forward(torch.reshape(noise, [-1, {latent_dim}, 1, 1]), )
    y = torch.add(torch.mul(torch.mul(torch.add(x, 1.), 0.5), 255.), 0.5)
    pictures = torch.to(torch.clamp(y, 0., 255.), 0)
",
            root = self.root,
            latent_dim = config.latent_dim,
        );
        text.push_str(match config.channels {
            1 => "    return torch.repeat(pictures, [1, 3, 1, 1])\n",
            _ => "    return pictures\n",
        });
        add(&mut self.files, &class, text);
        class
    }
}

impl std::fmt::Display for ClassName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.module, self.name)
    }
}

/// Appends the text of a class to the file that it belongs to.
fn add(files: &mut IndexMap<String, String>, class: &ClassName, text: String) {
    let entry = format!("code/{}.py", class.module.replace('.', "/"));
    files.entry(entry).or_default().push_str(&text);
}

/// Appends formatted text to `text`, as `write!` does; writing to a `String` cannot fail.
fn write_to(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(arguments);
}

/// Returns the file in `torch/nn/modules` that defines the layer, without `.py`.
fn python_file(layer: &Layer) -> &'static str {
    match layer {
        Layer::Conv2d(_) | Layer::ConvTranspose2d(_) => "conv",
        Layer::BatchNorm2d { .. } => "batchnorm",
        Layer::LeakyRelu { .. } | Layer::Relu | Layer::Tanh | Layer::Sigmoid => "activation",
        Layer::Flatten => "flatten",
    }
}

/// Returns the text of the class of a layer.
fn layer_class(layer: &Layer, class: &ClassName) -> String {
    let mut parameters = String::new();
    let mut buffers = String::new();
    let mut types = String::new();
    for attribute in attributes(layer) {
        let (list, name, kind) = match attribute {
            Attribute::Parameter(name) => (&mut parameters, name, "Tensor"),
            Attribute::Buffer(name) => (&mut buffers, name, "Tensor"),
            Attribute::NoParameter(name) => (&mut parameters, name, "Optional[Tensor]"),
        };
        write_to(list, format_args!("\"{name}\", "));
        write_to(&mut types, format_args!("  {name} : {kind}\n"));
    }
    let mut constants = String::new();
    for (name, kind, value) in constants_of(layer) {
        write_to(&mut constants, format_args!("  {name} : Final[{kind}] = {value}\n"));
    }
    format!(
        "\
class {name}(Module):
  __parameters__ = [{parameters}]
  __buffers__ = [{buffers}]
{types}  training : bool
  _is_full_backward_hook : Optional[bool]
{constants}  def forward(self: {class},
    input: Tensor) -> Tensor:
{body}",
        name = class.name,
        body = forward(layer)
    )
}

/// Returns the constants of a layer: names, types and values.
fn constants_of(layer: &Layer) -> Vec<(&'static str, &'static str, String)> {
    let pair = |value: usize| format!("({value}, {value})");
    match layer {
        Layer::Conv2d(c) | Layer::ConvTranspose2d(c) => vec![
            ("in_channels", "int", c.in_channels.to_string()),
            ("out_channels", "int", c.out_channels.to_string()),
            ("kernel_size", "Tuple[int, int]", pair(c.kernel)),
            ("stride", "Tuple[int, int]", pair(c.stride)),
            ("padding", "Tuple[int, int]", pair(c.padding)),
            ("output_padding", "Tuple[int, int]", pair(0)),
            ("dilation", "Tuple[int, int]", pair(1)),
            ("groups", "int", "1".to_owned()),
            ("padding_mode", "str", "\"zeros\"".to_owned()),
        ],
        Layer::BatchNorm2d { channels } => vec![
            ("num_features", "int", channels.to_string()),
            ("eps", "float", format!("{EPS:?}")),
            ("momentum", "float", format!("{MOMENTUM:?}")),
            ("affine", "bool", "True".to_owned()),
            ("track_running_stats", "bool", "True".to_owned()),
        ],
        Layer::LeakyRelu { slope } => {
            vec![("negative_slope", "float", format!("{slope:?}")), ("inplace", "bool", "True".to_owned())]
        }
        Layer::Relu => vec![("inplace", "bool", "True".to_owned())],
        Layer::Flatten => vec![("start_dim", "int", "1".to_owned()), ("end_dim", "int", "-1".to_owned())],
        Layer::Tanh | Layer::Sigmoid => Vec::new(),
    }
}

/// Returns the statements of a layer's `forward`.
fn forward(layer: &Layer) -> String {
    match layer {
        Layer::Conv2d(Conv { stride, padding, .. }) => format!(
            "    return torch.conv2d(input, self.weight, self.bias, [{stride}, {stride}], [{padding}, {padding}], [1, \
             1], 1)\n"
        ),
        Layer::ConvTranspose2d(Conv { stride, padding, .. }) => format!(
            "    return torch.conv_transpose2d(input, self.weight, self.bias, [{stride}, {stride}], [{padding}, \
             {padding}], [0, 0], 1, [1, 1])\n"
        ),
        // Without the check, a single picture without the batch dimension would be normalised along the wrong one.
        Layer::BatchNorm2d { .. } => format!(
            "    if torch.ne(torch.dim(input), 4):
      _0 = torch.format(\"expected 4D input (got {{}}D input)\", torch.dim(input))
      ops.prim.RaiseException(_0, \"builtins.ValueError\")
    else:
      pass
    if self.training:
      _1 = torch.add_(self.num_batches_tracked, 1)
    else:
      pass
    return torch.batch_norm(input, self.weight, self.bias, self.running_mean, self.running_var, \
             self.training, {MOMENTUM:?}, {EPS:?}, True)
"
        ),
        Layer::LeakyRelu { slope } => format!("    return torch.leaky_relu_(input, {slope:?})\n"),
        Layer::Relu => "    return torch.relu_(input)\n".to_owned(),
        Layer::Tanh => "    return torch.tanh(input)\n".to_owned(),
        Layer::Sigmoid => "    return torch.sigmoid(input)\n".to_owned(),
        Layer::Flatten => "    return torch.flatten(input, 1, -1)\n".to_owned(),
    }
}

/// Returns the text of the class of a `Sequential` of layers.
fn sequential(class: &ClassName, layers: &[ClassName]) -> String {
    let mut annotations = String::new();
    let mut body = String::new();
    let mut input = "input".to_owned();
    for (index, layer) in layers.iter().enumerate() {
        write_to(&mut annotations, format_args!("  __annotations__[\"{index}\"] = {layer}\n"));
        write_to(&mut body, format_args!("    x{index} = (getattr(self, \"{index}\")).forward({input}, )\n"));
        input = format!("x{index}");
    }
    format!(
        "\
class {name}(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  _is_full_backward_hook : Optional[bool]
{annotations}  def forward(self: {class},
    input: Tensor) -> Tensor:
{body}    return {input}
",
        name = class.name
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_layers_share_a_class_and_different_ones_do_not() {
        let network = Network::generator(&ModelConfig::default());
        let script = Script::new(&network);
        assert_eq!(script.layers.len(), network.layers.len());
        for (i, a) in network.layers.iter().enumerate() {
            for (j, b) in network.layers.iter().enumerate() {
                assert_eq!(a == b, script.layers[i] == script.layers[j], "layers {i} and {j}");
            }
        }
        assert_eq!(script.layers[0].to_string(), "__torch__.torch.nn.modules.conv.ConvTranspose2d");
        assert_eq!(script.layers[3].to_string(), "__torch__.torch.nn.modules.conv.___torch_mangle_0.ConvTranspose2d");
        assert!(script.files["code/__torch__/torch/nn/modules/activation.py"].contains("class Tanh(Module):"));
    }

    #[test]
    fn attributes_are_the_tensors_of_the_state_dict() {
        for network in [Network::generator(&ModelConfig::default()), Network::discriminator(&ModelConfig::default())] {
            let mut names = Vec::new();
            for (index, layer) in network.layers.iter().enumerate() {
                for attribute in attributes(layer) {
                    match attribute {
                        Attribute::Parameter(name) => names.push((format!("{index}.{name}"), true)),
                        Attribute::Buffer(name) => names.push((format!("{index}.{name}"), false)),
                        Attribute::NoParameter(_) => {}
                    }
                }
            }
            let specs: Vec<_> = network.tensors().into_iter().map(|spec| (spec.name, spec.is_parameter)).collect();
            assert_eq!(names, specs);
        }
    }
}
