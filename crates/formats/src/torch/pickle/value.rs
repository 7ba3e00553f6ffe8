//! What a pickle is made of.

use std::rc::Rc;

/// A value on the machine's stack.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    Global(Global),
    Object(usize),
    /// Something that no tensor needs: bytes, a long integer, what a call of something unknown gives.
    Inert,
}

/// A name that a pickle may refer to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Global {
    /// `collections.OrderedDict`, `collections.Counter`, `dict` and the like.
    Dict,
    /// `torch.Size`, and `torch.jit._pickle.build_intlist` and its like, which give their argument back.
    Same,
    /// `torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)`, and `_rebuild_tensor` of
    /// PyTorch 0.3 and before, which ends with `stride`.
    RebuildTensor,
    /// `torch._utils._rebuild_tensor_v3(storage, offset, size, stride, requires_grad, hooks, dtype, …)`
    RebuildTensorOfType,
    /// `torch._tensor._rebuild_from_type_v2(function, type, arguments, state)`: a tensor with attributes.
    RebuildFromType,
    /// `torch.nn.parameter.Parameter(tensor, …)`, `torch._utils._rebuild_parameter(tensor, …)` and other functions
    /// that begin with a tensor and give it back.
    SameTensor,
    /// `torch.FloatTensor` and its like: an empty tensor, whose state (storage, offset, size, stride) follows.
    Tensor,
    /// `torch.FloatStorage` and its like: the type of a storage's values.
    StorageType(Rc<str>),
    /// A TorchScript class, `__torch__.…`.
    Class(Rc<str>),
    /// `torch.float32` and its like.
    Dtype(Rc<str>),
    /// Any other name. What comes of it is inert.
    Other(Rc<str>),
}

/// Something with parts.
#[derive(Debug)]
pub(crate) enum Object {
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// An instance of a TorchScript class; its state is a dict of attributes.
    Module {
        class: Rc<str>,
        state: Value,
    },
    Storage(Storage),
    /// A tensor; `None` until its state is there.
    Tensor(Option<TensorView>),
    /// An instance of something unknown, which may be a kind of dict.
    Unknown {
        items: Vec<(Value, Value)>,
    },
}

/// A block of values kept beside the pickle.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Storage {
    /// `FloatStorage`, `LongStorage`, …
    pub(crate) kind: Rc<str>,
    /// Its name in the archive's `data` folder.
    pub(crate) key: Rc<str>,
    /// Number of values; of an `UntypedStorage`, of bytes.
    pub(crate) len: u64,
    /// Before PyTorch 1.6 a storage could be a piece of another: where it begins in that one. Otherwise 0.
    pub(crate) start: u64,
}

/// A tensor as a view of a storage; nothing about it is checked yet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TensorView {
    pub(crate) storage: Storage,
    /// The type of its values, as that of a storage: `FloatStorage`. An untyped storage does not tell.
    pub(crate) kind: Rc<str>,
    /// Index of the first value.
    pub(crate) offset: u64,
    pub(crate) shape: Vec<u64>,
    /// In values, as many as dimensions.
    pub(crate) strides: Vec<u64>,
}
