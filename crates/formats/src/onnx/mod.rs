//! ONNX, which most inference programs read: a protobuf message with the network as a graph of operators and the
//! tensors in it.
//!
//! A layer is one operator of the same meaning, and initializers have the state_dict's names, so a tensor is found
//! under its name in every format. Operators are those of opset 11 with IR version 6, ONNX 1.6 of September 2019: none
//! of them has changed for our use since opset 9, and later versions only shut out programs that stayed behind. The
//! batch is a size with a name, so it may differ from call to call.
//!
//! Messages are written with `prost`, which is what Rust's programs write protobuf with; [`proto`] has the few that are
//! needed, so no schema has to be compiled.

mod proto;

use crate::bytes::{byte_len, write_values};
use crate::error::{ErrorKind, FormatError};
use crate::model::{Metadata, check_draws};
use crate::spectral_norm::without_spectral_norm;
use dcgan_model::{Conv, Layer, Network, Role, StateDict, Tensor, TensorData};
use prost::Message;
use proto::{
    AttributeProto, AttributeType, DataType, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    StringStringEntryProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use std::io::Write;

const IR_VERSION: i64 = 6;
const OPSET: i64 = 11;
/// Protobuf's limit is 2 GiB for a whole message; the graph around the tensors has some kilobytes.
const MAX_TENSOR_BYTES: u64 = (2 << 30) - (1 << 20);
/// The name of the batch size.
const BATCH: &str = "N";

/// Writes a network as an ONNX model.
///
/// A generator takes `noise` N × latent × 1 × 1 and gives `pictures` N × C × H × W in \[−1, 1\]; a
/// discriminator takes `pictures` and gives `probabilities` N × 1. Running statistics are used, as in evaluation. The
/// same input always gives the same bytes.
///
/// # Errors
/// [`ErrorKind::Malformed`] if `tensors` are not exactly the network's, [`ErrorKind::Limit`] if they have 2 GiB or
/// more, which protobuf cannot hold, and [`ErrorKind::Io`] if `out` cannot be written.
pub(crate) fn write_onnx(
    out: &mut impl Write,
    network: &Network,
    tensors: &StateDict,
    metadata: &Metadata,
) -> Result<(), FormatError> {
    network.check(tensors).map_err(|error| FormatError::malformed(error.to_string()))?;
    let (network, tensors) = without_spectral_norm(network, tensors);
    let graph = match network.role {
        Role::Generator => Graph::new(&network, "noise", "pictures"),
        Role::Discriminator => Graph::new(&network, "pictures", "probabilities"),
    };
    graph.write(out, &tensors, metadata)
}

/// Writes a generator as an ONNX model that takes `noise` N × latent and gives uint8 `pictures` N × 3 × H × W, the
/// bytes that a picture file has. Grey pictures become RGB.
///
/// # Errors
/// As [`write_onnx`]; and [`ErrorKind::Unsupported`] for a discriminator.
pub(crate) fn write_onnx_uint8(
    out: &mut impl Write,
    network: &Network,
    tensors: &StateDict,
    metadata: &Metadata,
) -> Result<(), FormatError> {
    network.check(tensors).map_err(|error| FormatError::malformed(error.to_string()))?;
    check_draws(network)?;
    Graph::uint8(network).write(out, tensors, metadata)
}

/// A graph without the network's tensors.
struct Graph<'a> {
    network: &'a Network,
    nodes: Vec<NodeProto>,
    /// Tensors that are not the network's.
    constants: Vec<TensorProto>,
    input: ValueInfoProto,
    output: ValueInfoProto,
}

impl<'a> Graph<'a> {
    /// Starts the graph of a network with the names of its input and output.
    fn new(network: &'a Network, input: &str, output: &str) -> Self {
        let shapes = network.shapes();
        let first = network.input_shape();
        let (_, _, last) = shapes[shapes.len() - 1];
        let mut end = vec![last.channels, last.height, last.width];
        if network.layers.last() == Some(&Layer::Flatten) {
            end.truncate(1);
        }
        Self {
            network,
            nodes: layers(network, input, output),
            constants: Vec::new(),
            input: value(input, DataType::Float, &[first.channels, first.height, first.width]),
            output: value(output, DataType::Float, &end),
        }
    }

    /// Returns the graph of a generator that gives bytes.
    fn uint8(network: &'a Network) -> Self {
        let config = &network.config;
        let mut graph = Self::new(network, "z", "values");
        graph.input = value("noise", DataType::Float, &[config.latent_dim]);
        graph.output = value("pictures", DataType::Uint8, &[3, config.image_size, config.image_size]);

        let shape: Vec<u8> = [-1, config.latent_dim as i64, 1, 1].iter().flat_map(|n: &i64| n.to_le_bytes()).collect();
        graph.constants.push(TensorProto {
            dims: vec![4],
            data_type: DataType::Int64.into(),
            name: "shape".to_owned(),
            raw_data: shape,
        });
        for (name, value) in [("one", 1.0), ("half", 0.5), ("zero", 0.0), ("most", 255.0)] {
            graph.constants.push(scalar(name, value));
        }
        graph.nodes.insert(0, node("reshape", "Reshape", &["noise", "shape"], "z", vec![]));
        // torchvision's save_image: ⌊(x + 1) / 2 · 255 + ½⌋, kept within 0 to 255.
        graph.nodes.extend([
            node("shift", "Add", &["values", "one"], "shifted", vec![]),
            node("halve", "Mul", &["shifted", "half"], "shares", vec![]),
            node("scale", "Mul", &["shares", "most"], "scaled", vec![]),
            node("round", "Add", &["scaled", "half"], "rounded", vec![]),
            node("clip", "Clip", &["rounded", "zero", "most"], "clipped", vec![]),
        ]);
        let to = int("to", DataType::Uint8 as i64);
        if config.channels == 1 {
            graph.nodes.push(node("cast", "Cast", &["clipped"], "grey", vec![to]));
            graph.nodes.push(node("repeat", "Concat", &["grey"; 3], "pictures", vec![int("axis", 1)]));
        } else {
            graph.nodes.push(node("cast", "Cast", &["clipped"], "pictures", vec![to]));
        }
        graph
    }

    /// Writes the model file.
    fn write(self, out: &mut impl Write, tensors: &StateDict, metadata: &Metadata) -> Result<(), FormatError> {
        let total: u64 = tensors.values().map(|tensor| byte_len(&tensor.data)).sum();
        if total > MAX_TENSOR_BYTES {
            let message = format!("its tensors have {total} bytes, and an ONNX file holds less than 2 GiB");
            return Err(FormatError::limit(message));
        }
        // Running statistics count their batches for training alone.
        let initializers = tensors.iter().filter(|(_, tensor)| matches!(tensor.data, TensorData::F32(_)));
        let graph = GraphProto {
            node: self.nodes,
            name: self.network.role.to_string(),
            initializer: initializers.map(|(name, tensor)| initializer(name, tensor)).chain(self.constants).collect(),
            input: vec![self.input],
            output: vec![self.output],
        };
        let model = ModelProto {
            ir_version: IR_VERSION,
            producer_name: "dcgan".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(graph),
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
            metadata_props: metadata
                .iter()
                .map(|(key, value)| StringStringEntryProto { key: key.clone(), value: value.clone() })
                .collect(),
        };
        let written = out.write_all(&model.encode_to_vec()).and_then(|()| out.flush());
        written.map_err(|error| FormatError::new(ErrorKind::Io, error.to_string()))
    }
}

/// One node per layer, from the value `input` to the value `output`.
fn layers(network: &Network, input: &str, output: &str) -> Vec<NodeProto> {
    let last = network.layers.len() - 1;
    let name = |index: usize| if index == last { output.to_owned() } else { format!("x{index}") };
    let mut from = input.to_owned();
    let mut nodes = Vec::new();
    for (index, layer) in network.layers.iter().enumerate() {
        let tensor = |suffix: &str| format!("{index}.{suffix}");
        let to = name(index);
        let (op_type, tensors, attributes): (_, &[&str], _) = match layer {
            Layer::Conv2d(conv) if conv.bias => ("Conv", &["weight", "bias"], convolution(conv)),
            Layer::Conv2d(conv) => ("Conv", &["weight"], convolution(conv)),
            Layer::ConvTranspose2d(conv) => ("ConvTranspose", &["weight"], convolution(conv)),
            Layer::BatchNorm2d { .. } => (
                "BatchNormalization",
                &["weight", "bias", "running_mean", "running_var"],
                vec![float("epsilon", Layer::BATCH_NORM_EPS)],
            ),
            Layer::LeakyRelu { slope } => ("LeakyRelu", &[], vec![float("alpha", *slope)]),
            Layer::Relu => ("Relu", &[], vec![]),
            Layer::Tanh => ("Tanh", &[], vec![]),
            Layer::Sigmoid => ("Sigmoid", &[], vec![]),
            Layer::Flatten => ("Flatten", &[], vec![int("axis", 1)]),
        };
        let inputs: Vec<String> = [from].into_iter().chain(tensors.iter().map(|suffix| tensor(suffix))).collect();
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        nodes.push(node(&index.to_string(), op_type, &inputs, &to, attributes));
        from = to;
    }
    nodes
}

/// Returns the attributes of a convolution.
fn convolution(conv: &Conv) -> Vec<AttributeProto> {
    let both = |name: &str, size: usize, count: usize| AttributeProto {
        name: name.to_owned(),
        ints: vec![size as i64; count],
        r#type: AttributeType::Ints.into(),
        ..Default::default()
    };
    vec![
        both("kernel_shape", conv.kernel, 2),
        both("strides", conv.stride, 2),
        both("pads", conv.padding, 4),
        both("dilations", 1, 2),
        int("group", 1),
    ]
}

/// Returns a node with one output.
fn node(name: &str, op_type: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        input: inputs.iter().map(|&input| input.to_owned()).collect(),
        output: vec![output.to_owned()],
        name: name.to_owned(),
        op_type: op_type.to_owned(),
        attribute,
    }
}

/// Returns an attribute.
fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { name: name.to_owned(), f: Some(value), r#type: AttributeType::Float.into(), ..Default::default() }
}

/// Returns an attribute.
fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), i: Some(value), r#type: AttributeType::Int.into(), ..Default::default() }
}

/// Returns a tensor without dimensions.
fn scalar(name: &str, value: f32) -> TensorProto {
    initializer(name, &Tensor::f32([], vec![value]))
}

/// Returns a tensor with its values.
fn initializer(name: &str, tensor: &Tensor) -> TensorProto {
    let mut raw_data = Vec::with_capacity(byte_len(&tensor.data) as usize);
    // A Vec takes everything.
    let _ = write_values(&mut raw_data, &tensor.data);
    let data_type = match tensor.data {
        TensorData::F32(_) => DataType::Float,
        TensorData::I64(_) => DataType::Int64,
    };
    TensorProto {
        dims: tensor.shape.iter().map(|&size| size as i64).collect(),
        data_type: data_type.into(),
        name: name.to_owned(),
        raw_data,
    }
}

/// An input or output of any number of items of this shape.
fn value(name: &str, elem_type: DataType, shape: &[usize]) -> ValueInfoProto {
    let batch = DimensionProto { dim_param: Some(BATCH.to_owned()), ..Default::default() };
    let sizes = shape.iter().map(|&size| DimensionProto { dim_value: Some(size as i64), ..Default::default() });
    let shape = TensorShapeProto { dim: [batch].into_iter().chain(sizes).collect() };
    let tensor_type = TensorTypeProto { elem_type: elem_type.into(), shape: Some(shape) };
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor_type) }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::describe;
    use dcgan_model::{Init, ModelConfig, TorchRng, initial_network};

    fn written(network: &Network, uint8: bool) -> (ModelProto, StateDict) {
        let tensors = initial_network(network, Init::Default, &mut TorchRng::seed_from_u64(1));
        let write = || {
            let mut bytes = Vec::new();
            match uint8 {
                false => write_onnx(&mut bytes, network, &tensors, &describe(network)).unwrap(),
                true => write_onnx_uint8(&mut bytes, network, &tensors, &describe(network)).unwrap(),
            }
            bytes
        };
        let bytes = write();
        assert!(bytes == write(), "the same input gives the same bytes");
        (ModelProto::decode(bytes.as_slice()).unwrap(), tensors)
    }

    /// Follows the values from the input to the output; everything that is used has been made.
    fn assert_connected(graph: &GraphProto) {
        let mut known: Vec<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
        known.push(&graph.input[0].name);
        for node in &graph.node {
            for input in &node.input {
                assert!(known.contains(&input.as_str()), "{}: {input} is not there", node.name);
            }
            assert!(!known.contains(&node.output[0].as_str()), "{} is there twice", node.output[0]);
            known.push(&node.output[0]);
        }
        assert_eq!(known.last().copied(), Some(graph.output[0].name.as_str()));
    }

    fn sizes(value: &ValueInfoProto) -> (i32, Vec<String>) {
        let tensor = value.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()).unwrap();
        let size = |dim: &DimensionProto| match (&dim.dim_value, &dim.dim_param) {
            (Some(value), None) => value.to_string(),
            (None, Some(name)) => name.clone(),
            both => panic!("{both:?}"),
        };
        (tensor.elem_type, tensor.shape.as_ref().unwrap().dim.iter().map(size).collect())
    }

    #[test]
    fn a_graph_has_the_layers_and_the_tensors() {
        for image_size in ModelConfig::IMAGE_SIZES {
            let config =
                ModelConfig { image_size, channels: 1, latent_dim: 5, ..ModelConfig::TUTORIAL }.with_base_channels(1);
            for network in [Network::generator(&config), Network::discriminator(&config)] {
                let (model, tensors) = written(&network, false);
                assert_eq!((model.ir_version, model.opset_import[0].version), (6, 11));
                let metadata: Vec<&str> = model.metadata_props.iter().map(|entry| entry.key.as_str()).collect();
                assert_eq!(metadata, describe(&network).keys().collect::<Vec<_>>());
                let graph = model.graph.unwrap();
                assert_connected(&graph);
                assert_eq!(graph.node.len(), network.layers.len());
                let size = image_size.to_string();
                let (input, output): (&[&str], &[&str]) = match network.role {
                    Role::Generator => (&["N", "5", "1", "1"], &["N", "1", &size, &size]),
                    Role::Discriminator => (&["N", "1", &size, &size], &["N", "1"]),
                };
                let expect = |sizes: &[&str]| (1, sizes.iter().map(|&size| size.to_owned()).collect::<Vec<_>>());
                assert_eq!(sizes(&graph.input[0]), expect(input));
                assert_eq!(sizes(&graph.output[0]), expect(output));
                let floats: Vec<&String> =
                    tensors.iter().filter(|(_, t)| t.as_f32().is_some()).map(|(n, _)| n).collect();
                assert_eq!(graph.initializer.iter().map(|tensor| &tensor.name).collect::<Vec<_>>(), floats);
                for initializer in &graph.initializer {
                    let tensor = &tensors[&initializer.name];
                    assert_eq!(crate::bytes::f32s(&initializer.raw_data), tensor.as_f32().unwrap());
                    assert_eq!(initializer.dims, tensor.shape.iter().map(|&size| size as i64).collect::<Vec<_>>());
                }
            }
        }
    }

    #[test]
    fn uint8_pictures_are_rgb() {
        for channels in [1, 3] {
            let network = Network::generator(
                &ModelConfig { image_size: 32, channels, latent_dim: 5, ..ModelConfig::TUTORIAL }.with_base_channels(1),
            );
            let graph = written(&network, true).0.graph.unwrap();
            assert_connected(&graph);
            assert_eq!(sizes(&graph.input[0]).1, ["N", "5"]);
            assert_eq!(
                sizes(&graph.output[0]),
                (DataType::Uint8.into(), ["N", "3", "32", "32"].map(str::to_owned).into())
            );
        }
        let discriminator = Network::discriminator(&ModelConfig::default());
        let tensors = initial_network(&discriminator, Init::Default, &mut TorchRng::seed_from_u64(1));
        let error = write_onnx_uint8(&mut Vec::new(), &discriminator, &tensors, &Metadata::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn what_protobuf_cannot_hold_is_refused() {
        let config = ModelConfig { image_size: 256, ..ModelConfig::default() }.with_base_channels(1024);
        let network = Network::generator(&config);
        let graph = Graph::new(&network, "noise", "pictures");
        // Memory that is never touched is never taken.
        let tensors = StateDict::from([("0.weight".to_owned(), Tensor::f32([1 << 29], vec![0.0; 1 << 29]))]);
        let error = graph.write(&mut Vec::new(), &tensors, &Metadata::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert!(error.to_string().contains("2 GiB"), "{error}");
    }
}
