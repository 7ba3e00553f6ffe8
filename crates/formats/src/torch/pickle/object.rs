//! What calls, instances and states come to: tensors, storages, modules and dicts. Nothing is run.

use super::machine::{Machine, Result, misplaced};
use super::name;
use super::value::{Global, Object, Storage, TensorView, Value};
use crate::error::FormatError;
use std::rc::Rc;

/// More arguments than any of the known functions takes.
const MAX_ARGUMENTS: usize = 16;

/// More dimensions than any of our tensors has.
const MAX_RANK: usize = 8;

/// Names of unknown things that are kept; more are as good as these.
const MAX_UNKNOWN: usize = 16;

impl Machine<'_> {
    /// The arguments of a call of something known. They are copied, for the memo may still need them; a pickle that
    /// calls with the same huge tuple over and over must not make us copy it each time.
    fn arguments(&self, value: &Value) -> Result<Vec<Value>> {
        match self.object(value) {
            Some(Object::Tuple(parts)) if parts.len() > MAX_ARGUMENTS => {
                Err(FormatError::limit(format!("the pickle calls something with {} arguments", parts.len())))
            }
            Some(Object::Tuple(parts)) => Ok(parts.clone()),
            Some(other) => Err(misplaced(other, "a tuple")),
            None => Err(FormatError::malformed("the pickle has a plain value where a tuple belongs")),
        }
    }

    /// What a function gives for its arguments, if it is one of the known ones; of others something inert. Nothing is
    /// run.
    pub(super) fn call(&mut self, function: &Value, arguments: &Value) -> Result<Value> {
        let function = match function {
            Value::Global(Global::Other(_)) => return self.add(Object::Unknown { items: Vec::new() }),
            Value::Global(function) => function.clone(),
            // What something unknown gave may be a function, too.
            Value::Inert | Value::Object(_) => return Ok(Value::Inert),
            _ => return Err(FormatError::malformed("the pickle calls something that is no function")),
        };
        let arguments = self.arguments(arguments)?;
        match (function, arguments.as_slice()) {
            (Global::Dict, arguments) => self.dict_of(arguments),
            (Global::Same, [value]) => Ok(value.clone()),
            (Global::SameTensor, [tensor, ..]) => Ok(tensor.clone()),
            (Global::RebuildTensor, [storage, offset, shape, strides, ..]) => {
                let view = self.tensor(storage, offset, shape, strides, None)?;
                self.add(Object::Tensor(Some(view)))
            }
            (Global::RebuildTensorOfType, [storage, offset, shape, strides, _, _, dtype, ..]) => {
                let Value::Global(Global::Dtype(dtype)) = dtype else {
                    return Err(FormatError::malformed("a tensor's type is none"));
                };
                let view = self.tensor(storage, offset, shape, strides, Some(name::storage_of(dtype)))?;
                self.add(Object::Tensor(Some(view)))
            }
            (Global::RebuildFromType, [function, _type, arguments, ..]) => match function {
                Value::Global(Global::RebuildFromType) => {
                    Err(FormatError::malformed("the pickle calls a function that calls itself"))
                }
                function => self.call(function, arguments),
            },
            (Global::Tensor, []) => self.add(Object::Tensor(None)),
            // Types that are called, with what they hold.
            (Global::Tensor | Global::StorageType(_) | Global::Dtype(_) | Global::Class(_), _) => Ok(Value::Inert),
            (function, arguments) => Err(FormatError::malformed(format!(
                "the pickle calls {function:?} with {} unfit arguments",
                arguments.len()
            ))),
        }
    }

    /// A dict from another one or from a list of pairs, if there is one among the arguments, and otherwise an empty
    /// one.
    fn dict_of(&mut self, arguments: &[Value]) -> Result<Value> {
        let Some(source) = arguments.iter().find(|argument| self.object(argument).is_some()) else {
            return self.add(Object::Dict(Vec::new()));
        };
        let pair = |value: &Value| match self.object(value)? {
            Object::Tuple(pair) | Object::List(pair) => Some((pair.first()?.clone(), pair.get(1)?.clone())),
            _ => None,
        };
        let (pairs, copied) = match self.object(source) {
            // Nobody else changes the one that it is made from.
            Some(Object::Dict(_)) => return Ok(source.clone()),
            Some(Object::List(list)) if list.len() > self.copies => {
                return Err(FormatError::limit("the pickle makes dicts of the same list over and over"));
            }
            Some(Object::List(list)) => (list.iter().filter_map(pair).collect(), list.len()),
            _ => (Vec::new(), 0),
        };
        self.copies -= copied;
        self.add(Object::Dict(pairs))
    }

    /// Builds a tensor from the arguments of `torch._utils._rebuild_tensor_v2`.
    fn tensor(
        &self,
        storage: &Value,
        offset: &Value,
        shape: &Value,
        strides: &Value,
        kind: Option<Rc<str>>,
    ) -> Result<TensorView> {
        let Some(Object::Storage(storage)) = self.object(storage) else {
            return Err(FormatError::malformed("a tensor is built from something that is no storage"));
        };
        let Value::Int(offset) = *offset else {
            return Err(FormatError::malformed("a tensor's offset is no number"));
        };
        let offset = non_negative(offset)?.checked_add(storage.start);
        Ok(TensorView {
            kind: kind.unwrap_or_else(|| storage.kind.clone()),
            storage: storage.clone(),
            offset: offset.ok_or_else(|| FormatError::malformed("a tensor's offset is beyond everything"))?,
            shape: self.sizes(shape)?,
            strides: self.sizes(strides)?,
        })
    }

    /// Returns the numbers of a tuple of sizes or strides.
    fn sizes(&self, value: &Value) -> Result<Vec<u64>> {
        let Some(Object::Tuple(parts)) = self.object(value) else {
            return Err(FormatError::malformed("a tensor's shape is no tuple"));
        };
        if parts.len() > MAX_RANK {
            return Err(FormatError::limit(format!("a tensor has {} dimensions", parts.len())));
        }
        parts
            .iter()
            .map(|part| match part {
                Value::Int(size) => non_negative(*size),
                _ => Err(FormatError::malformed("a tensor's shape holds something that is no number")),
            })
            .collect()
    }

    /// Creates an instance of a class.
    pub(super) fn new_object(&mut self, class: &Value, arguments: &Value) -> Result<Value> {
        match class {
            Value::Global(Global::Class(class)) => {
                let class = class.clone();
                if !self.arguments(arguments)?.is_empty() {
                    return Err(FormatError::malformed("the pickle makes a module with arguments"));
                }
                self.add(Object::Module { class, state: Value::None })
            }
            class => self.call(class, arguments),
        }
    }

    /// Applies a state to the object on the stack.
    pub(super) fn build(&mut self) -> Result<()> {
        let new = self.pop()?;
        match self.top_object("a module")? {
            Some(Object::Module { state, .. }) => *state = new,
            Some(Object::Tensor(None)) => {
                let parts = self.arguments(&new)?;
                let [storage, offset, shape, strides] = parts.as_slice() else {
                    return Err(FormatError::malformed("a tensor's state has not four parts"));
                };
                let view = self.tensor(storage, offset, shape, strides, None)?;
                if let Some(Object::Tensor(tensor)) = self.top_object("a tensor")? {
                    *tensor = Some(view);
                }
            }
            // A state_dict carries version numbers of its modules as attributes, a parameter whether it is trained.
            Some(Object::Dict(_) | Object::Tensor(_) | Object::Unknown { .. }) | None => {}
            Some(other) => return Err(misplaced(other, "a module")),
        }
        Ok(())
    }

    /// A storage: `('storage', type, key, device, length)`. The device it was saved from does not matter. Before
    /// PyTorch 1.6 there was a sixth part: `None`, or if the storage is a piece of another, `(key, start, length)` of
    /// the piece. A module pickled whole was `('module', class, file, source)` then.
    pub(super) fn persistent(&mut self) -> Result<()> {
        let id = self.pop()?;
        let id = self.arguments(&id)?;
        match id.as_slice() {
            [
                Value::Text(tag),
                Value::Global(Global::StorageType(kind)),
                Value::Text(key),
                _,
                Value::Int(len),
                rest @ ..,
            ] if &**tag == "storage" => {
                let start = match rest {
                    [] | [Value::None] => 0,
                    [piece] => match self.arguments(piece)?.as_slice() {
                        [_, Value::Int(start), Value::Int(_)] => non_negative(*start)?,
                        _ => return Err(FormatError::malformed("a piece of a storage has no place in it")),
                    },
                    _ => return Err(FormatError::malformed("a storage has too many parts")),
                };
                let storage = Storage { kind: kind.clone(), key: key.clone(), len: non_negative(*len)?, start };
                self.push(Object::Storage(storage))
            }
            [Value::Text(tag), class, ..] if &**tag == "module" => {
                let class = class.clone();
                self.stack.push(class);
                Ok(())
            }
            _ => Err(FormatError::malformed("the pickle refers to something outside that is no tensor storage")),
        }
    }

    /// What a name stands for.
    pub(super) fn global(&mut self, module: &str, name: &str) -> Result<Global> {
        if name::is_dangerous(module, name) {
            return Err(FormatError::unsupported(format!(
                "it refers to {module}.{name}, which serves to run programs and has no place in a model file; nothing \
                 of it was run, and nothing else should open this file either"
            )));
        }
        let global = name::known(module, name).unwrap_or_else(|| Global::Other(format!("{module}.{name}").into()));
        if let Global::Other(full) = &global
            && !name::is_ordinary(module, name)
            && self.unknown.len() < MAX_UNKNOWN
        {
            self.unknown.insert(full.clone());
        }
        Ok(global)
    }
}

/// Converts a number that must not be negative.
fn non_negative(value: i64) -> Result<u64> {
    u64::try_from(value).map_err(|_| FormatError::malformed(format!("the size {value} is negative")))
}
