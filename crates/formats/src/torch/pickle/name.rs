//! Names that a pickle may refer to, and what they stand for.

use super::value::Global;
use std::rc::Rc;

/// What a name stands for, if it is one of the known ones.
pub(super) fn known(module: &str, name: &str) -> Option<Global> {
    Some(match (module, name) {
        ("collections", "OrderedDict" | "Counter" | "defaultdict") | ("builtins" | "__builtin__", "dict") => {
            Global::Dict
        }
        ("torch", "Size") => Global::Same,
        ("torch.jit._pickle", "build_intlist" | "build_doublelist" | "build_boollist" | "build_tensorlist") => {
            Global::Same
        }
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Global::RebuildTensor,
        ("torch._utils", "_rebuild_tensor_v3") => Global::RebuildTensorOfType,
        ("torch._tensor", "_rebuild_from_type_v2") => Global::RebuildFromType,
        (
            "torch._utils",
            "_rebuild_parameter" | "_rebuild_parameter_with_state" | "_rebuild_device_tensor_from_cpu_tensor",
        )
        | ("torch.nn.parameter", "Parameter" | "Buffer")
        | ("torch.autograd.variable", "Variable") => Global::SameTensor,
        // Those of a GPU were of a module of their own once.
        ("torch" | "torch.cuda" | "torch.storage", name) if name.ends_with("Storage") => {
            Global::StorageType(name.into())
        }
        ("torch" | "torch.cuda", name) if name.ends_with("Tensor") => Global::Tensor,
        ("torch", name) if is_dtype(name) => Global::Dtype(name.into()),
        (module, name) if module == "__torch__" || module.starts_with("__torch__.") => {
            Global::Class(format!("{module}.{name}").into())
        }
        _ => return None,
    })
}

/// Whether a name is that of a `torch.dtype`.
fn is_dtype(name: &str) -> bool {
    ["float", "bfloat", "int", "uint", "bool", "complex", "half", "double", "long", "short", "qint", "quint"]
        .iter()
        .any(|start| name.starts_with(start))
}

/// The storage of values of a type, as it was called when storages had types.
pub(super) fn storage_of(dtype: &str) -> Rc<str> {
    match dtype {
        "float32" | "float" => "FloatStorage",
        "float16" | "half" => "HalfStorage",
        "bfloat16" => "BFloat16Storage",
        "float64" | "double" => "DoubleStorage",
        "int64" | "long" => "LongStorage",
        "int32" | "int" => "IntStorage",
        "int16" | "short" => "ShortStorage",
        "int8" => "CharStorage",
        "uint8" => "ByteStorage",
        "bool" => "BoolStorage",
        other => return other.into(),
    }
    .into()
}

/// Names of Python's own and PyTorch's that are in ordinary checkpoints. That they are stepped over is worth no word.
pub(super) fn is_ordinary(module: &str, name: &str) -> bool {
    match module {
        "builtins" | "__builtin__" | "_codecs" | "copy_reg" | "copyreg" | "collections" => true,
        "torch" => {
            matches!(name, "device" | "layout" | "memory_format" | "strided" | "contiguous_format" | "channels_last")
                || name.starts_with("per_tensor_")
                || name.starts_with("per_channel_")
        }
        "torch.serialization" => name == "_get_layout",
        "torch._utils" => name.starts_with("_rebuild_"),
        _ => false,
    }
}

/// Whether a name serves to run programs or code. The list is not complete and need not be: nothing is run here. It is
/// for the sake of those who would open the same file with something else.
pub(super) fn is_dangerous(module: &str, name: &str) -> bool {
    let root = module.split('.').next().unwrap_or(module);
    match root {
        "os" | "posix" | "nt" | "subprocess" | "commands" | "pty" | "sys" | "runpy" | "socket" | "shutil"
        | "importlib" | "ctypes" | "webbrowser" | "pdb" | "bdb" | "code" | "codeop" | "timeit" | "profile"
        | "cProfile" | "pip" | "multiprocessing" | "asyncio" | "marshal" => true,
        "builtins" | "__builtin__" => matches!(
            name,
            "eval"
                | "exec"
                | "execfile"
                | "compile"
                | "open"
                | "apply"
                | "getattr"
                | "setattr"
                | "__import__"
                | "breakpoint"
                | "input"
                | "globals"
                | "locals"
                | "vars"
                | "memoryview"
        ),
        _ => false,
    }
}
