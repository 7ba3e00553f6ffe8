//! Model files: TorchScript and safetensors, to and from named tensors.
