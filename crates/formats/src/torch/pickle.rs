//! A pickle machine that can build what tensors need, and nothing else.
//!
//! Python's pickle is a program for a stack machine, and its GLOBAL and REDUCE instructions call anything by name. This machine knows
//! the instructions that PyTorch writes (protocol 2) and [the few names](Global) that stand for tensors, modules and containers; every
//! other name is refused, so reading a file runs nothing.
//!
//! All objects live in one list and refer to each other by index, as the pickle's own memo wants it. That makes cycles harmless and
//! frees any depth of nesting without recursion. Memory is proportional to the length of the pickle.

use crate::error::FormatError;
use std::collections::HashMap;
use std::rc::Rc;

/// More arguments than any of the known functions takes.
const MAX_ARGUMENTS: usize = 16;
/// More dimensions than any of our tensors has.
const MAX_RANK: usize = 8;

/// What a finished pickle holds.
#[derive(Debug)]
pub(crate) struct Pickle {
    /// Every object that was built; [`Value::Object`] is an index into it.
    pub(crate) objects: Vec<Object>,
    /// The object the pickle is of.
    pub(crate) root: Value,
}

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
}

/// A name that a pickle may refer to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Global {
    /// `collections.OrderedDict`
    OrderedDict,
    /// `torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)`
    RebuildTensor,
    /// `torch._utils._rebuild_parameter(tensor, requires_grad, hooks)`
    RebuildParameter,
    /// `torch.jit._pickle.build_intlist(list)` and its like
    BuildList,
    /// `torch.FloatStorage` and its like: the type of a storage's values
    StorageType(Rc<str>),
    /// A TorchScript class, `__torch__.…`
    Class(Rc<str>),
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
    Tensor(TensorView),
}

/// A block of values kept beside the pickle.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Storage {
    /// `FloatStorage`, `LongStorage`, …
    pub(crate) kind: Rc<str>,
    /// Its name in the archive's `data` folder.
    pub(crate) key: Rc<str>,
    /// Number of values.
    pub(crate) len: u64,
}

/// A tensor as a view of a storage; nothing about it is checked yet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TensorView {
    pub(crate) storage: Storage,
    /// Index of the first value.
    pub(crate) offset: u64,
    pub(crate) shape: Vec<u64>,
    /// In values, as many as dimensions.
    pub(crate) strides: Vec<u64>,
}

impl Pickle {
    /// Runs a pickle.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) for a name or an instruction that is not known,
    /// [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) for one that makes no sense. The message gives the offset.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        Self::parse_at(bytes, &mut 0)
    }

    /// Runs the pickle that begins `at` a byte, and moves `at` behind it.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub(crate) fn parse_at(bytes: &[u8], at: &mut usize) -> Result<Self, FormatError> {
        let mut machine =
            Machine { bytes, at: *at, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new(), objects: Vec::new() };
        loop {
            let start = machine.at;
            match machine.step() {
                Ok(None) => {}
                Ok(Some(root)) => {
                    *at = machine.at;
                    return Ok(Self { objects: machine.objects, root });
                }
                Err(error) => return Err(error.within(format_args!("byte {start}"))),
            }
        }
    }

    pub(crate) fn object(&self, value: &Value) -> Option<&Object> {
        match value {
            Value::Object(index) => self.objects.get(*index),
            _ => None,
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    /// Heights of the stack at which MARK was seen.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    objects: Vec<Object>,
}

type Result<T, E = FormatError> = std::result::Result<T, E>;

impl<'a> Machine<'a> {
    /// Executes one instruction; STOP gives the result.
    fn step(&mut self) -> Result<Option<Value>> {
        let [opcode] = self.take()?;
        match opcode {
            b'\x80' => {
                let [protocol] = self.take()?;
                if protocol != 2 {
                    return Err(FormatError::unsupported(format!(
                        "pickle protocol {protocol}: save the file with PyTorch's default, 2"
                    )));
                }
            }
            b'.' => return self.pop().map(Some),
            b'(' => self.marks.push(self.stack.len()),
            b'N' => self.stack.push(Value::None),
            b'\x88' => self.stack.push(Value::Bool(true)),
            b'\x89' => self.stack.push(Value::Bool(false)),
            b'K' => {
                let [byte] = self.take()?;
                self.stack.push(Value::Int(byte.into()));
            }
            b'M' => {
                let value = u16::from_le_bytes(self.take()?);
                self.stack.push(Value::Int(value.into()));
            }
            b'J' => {
                let value = i32::from_le_bytes(self.take()?);
                self.stack.push(Value::Int(value.into()));
            }
            b'\x8a' => self.long()?,
            b'G' => {
                let value = f64::from_be_bytes(self.take()?);
                self.stack.push(Value::Float(value));
            }
            b'X' => {
                let len = u32::from_le_bytes(self.take()?);
                let text = self.text(len as usize)?;
                self.stack.push(Value::Text(text.into()));
            }
            b'c' => {
                let module = self.line()?;
                let name = self.line()?;
                self.stack.push(Value::Global(global(module, name)?));
            }
            b')' => self.push(Object::Tuple(Vec::new())),
            b']' => self.push(Object::List(Vec::new())),
            b'}' => self.push(Object::Dict(Vec::new())),
            b't' => {
                let parts = self.pop_to_mark()?;
                self.push(Object::Tuple(parts));
            }
            b'\x85'..=b'\x87' => {
                let start = self.height_below((opcode - b'\x84').into())?;
                let parts = self.stack.split_off(start);
                self.push(Object::Tuple(parts));
            }
            b'a' => {
                let value = self.pop()?;
                self.append(vec![value])?;
            }
            b'e' => {
                let values = self.pop_to_mark()?;
                self.append(values)?;
            }
            b's' => {
                let start = self.height_below(2)?;
                let pair = self.stack.split_off(start);
                self.set_items(pair)?;
            }
            b'u' => {
                let pairs = self.pop_to_mark()?;
                self.set_items(pairs)?;
            }
            b'q' => {
                let [slot] = self.take()?;
                self.remember(slot.into())?;
            }
            b'r' => {
                let slot = u32::from_le_bytes(self.take()?);
                self.remember(slot)?;
            }
            b'h' => {
                let [slot] = self.take()?;
                self.recall(slot.into())?;
            }
            b'j' => {
                let slot = u32::from_le_bytes(self.take()?);
                self.recall(slot)?;
            }
            b'R' => self.reduce()?,
            b'\x81' => self.new_object()?,
            b'b' => self.build()?,
            b'Q' => self.persistent()?,
            other => {
                return Err(FormatError::unsupported(format!(
                    "pickle instruction 0x{other:02x} is not one that PyTorch's model files need"
                )));
            }
        }
        Ok(None)
    }

    fn slice(&mut self, len: usize) -> Result<&'a [u8]> {
        let slice = self.at.checked_add(len).and_then(|end| self.bytes.get(self.at..end));
        let slice = slice.ok_or_else(|| FormatError::malformed("the pickle ends in the middle"))?;
        self.at += len;
        Ok(slice)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.slice(N)?);
        Ok(array)
    }

    fn text(&mut self, len: usize) -> Result<&'a str> {
        std::str::from_utf8(self.slice(len)?).map_err(|_| FormatError::malformed("a text is not UTF-8"))
    }

    /// A name that ends with a line feed.
    fn line(&mut self) -> Result<&'a str> {
        let rest = &self.bytes[self.at..];
        let len = rest.iter().position(|&byte| byte == b'\n');
        let len = len.ok_or_else(|| FormatError::malformed("the pickle ends in the middle of a name"))?;
        let name = self.text(len)?;
        self.at += 1;
        Ok(name)
    }

    /// A two's complement integer of any length, of which 8 bytes are enough for us.
    fn long(&mut self) -> Result<()> {
        let [len] = self.take()?;
        let bytes = self.slice(len.into())?;
        if bytes.len() > 8 {
            return Err(FormatError::limit("an integer has more than 64 bits"));
        }
        let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
        let mut extended = if negative { [0xff; 8] } else { [0; 8] };
        extended[..bytes.len()].copy_from_slice(bytes);
        self.stack.push(Value::Int(i64::from_le_bytes(extended)));
        Ok(())
    }

    fn push(&mut self, object: Object) {
        self.stack.push(Value::Object(self.objects.len()));
        self.objects.push(object);
    }

    /// The height of the stack without its top `count` values, all of them above the last mark.
    fn height_below(&self, count: usize) -> Result<usize> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let height = self.stack.len().checked_sub(count).filter(|&height| height >= floor);
        height.ok_or_else(missing)
    }

    fn pop(&mut self) -> Result<Value> {
        self.height_below(1)?;
        self.stack.pop().ok_or_else(missing)
    }

    fn pop_object(&mut self, what: &str) -> Result<&mut Object> {
        let value = self.pop()?;
        self.object_mut(&value, what)
    }

    fn top_object(&mut self, what: &str) -> Result<&mut Object> {
        let value = self.stack[self.height_below(1)?].clone();
        self.object_mut(&value, what)
    }

    fn object_mut(&mut self, value: &Value, what: &str) -> Result<&mut Object> {
        match value {
            Value::Object(index) => Ok(&mut self.objects[*index]),
            _ => Err(FormatError::malformed(format!("the pickle has a plain value where {what} belongs"))),
        }
    }

    /// The arguments of a call. They are copied, for the memo may still need them; a pickle that calls with the same huge tuple over
    /// and over must not make us copy it each time.
    fn pop_tuple(&mut self) -> Result<Vec<Value>> {
        match self.pop_object("a tuple")? {
            Object::Tuple(parts) if parts.len() > MAX_ARGUMENTS => {
                Err(FormatError::limit(format!("the pickle calls something with {} arguments", parts.len())))
            }
            Object::Tuple(parts) => Ok(parts.clone()),
            other => Err(misplaced(other, "a tuple")),
        }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>> {
        let mark =
            self.marks.pop().ok_or_else(|| FormatError::malformed("the pickle ends a list that it never began"))?;
        Ok(self.stack.split_off(mark))
    }

    fn append(&mut self, values: Vec<Value>) -> Result<()> {
        match self.top_object("a list")? {
            Object::List(list) => list.extend(values),
            other => return Err(misplaced(other, "a list")),
        }
        Ok(())
    }

    fn set_items(&mut self, items: Vec<Value>) -> Result<()> {
        let (pairs, []) = items.as_chunks::<2>() else {
            return Err(FormatError::malformed("a dict has a key without a value"));
        };
        match self.top_object("a dict")? {
            Object::Dict(dict) => dict.extend(pairs.iter().cloned().map(|[key, value]| (key, value))),
            other => return Err(misplaced(other, "a dict")),
        }
        Ok(())
    }

    fn remember(&mut self, slot: u32) -> Result<()> {
        let value = self.stack[self.height_below(1)?].clone();
        self.memo.insert(slot, value);
        Ok(())
    }

    fn recall(&mut self, slot: u32) -> Result<()> {
        let value = self.memo.get(&slot).cloned();
        self.stack.push(value.ok_or_else(|| FormatError::malformed(format!("memo {slot} is empty")))?);
        Ok(())
    }

    /// Calls one of the known functions.
    fn reduce(&mut self) -> Result<()> {
        let args = self.pop_tuple()?;
        let Value::Global(function) = self.pop()? else {
            return Err(FormatError::malformed("the pickle calls something that is no function"));
        };
        match (function, args.as_slice()) {
            (Global::OrderedDict, []) => self.push(Object::Dict(Vec::new())),
            (Global::BuildList, [list]) => self.stack.push(list.clone()),
            (Global::RebuildParameter, [tensor, ..]) => self.stack.push(tensor.clone()),
            (Global::RebuildTensor, [storage, Value::Int(offset), shape, strides, ..]) => {
                let Object::Storage(storage) = self.object_mut(storage, "a storage")? else {
                    return Err(FormatError::malformed("a tensor is built from something that is no storage"));
                };
                let storage = storage.clone();
                let view = TensorView {
                    storage,
                    offset: non_negative(*offset)?,
                    shape: self.sizes(shape)?,
                    strides: self.sizes(strides)?,
                };
                self.push(Object::Tensor(view));
            }
            (function, args) => {
                return Err(FormatError::malformed(format!(
                    "the pickle calls {function:?} with {} unfit arguments",
                    args.len()
                )));
            }
        }
        Ok(())
    }

    fn sizes(&mut self, value: &Value) -> Result<Vec<u64>> {
        let Object::Tuple(parts) = self.object_mut(value, "a shape")? else {
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

    fn new_object(&mut self) -> Result<()> {
        let args = self.pop_tuple()?;
        match (self.pop()?, args.as_slice()) {
            (Value::Global(Global::Class(class)), []) => self.push(Object::Module { class, state: Value::None }),
            _ => return Err(FormatError::malformed("the pickle makes an object of something that is no module class")),
        }
        Ok(())
    }

    fn build(&mut self) -> Result<()> {
        let new = self.pop()?;
        match self.top_object("a module")? {
            Object::Module { state, .. } => *state = new,
            // A state_dict carries version numbers of its modules as attributes.
            Object::Dict(_) => {}
            other => return Err(misplaced(other, "a module")),
        }
        Ok(())
    }

    /// A storage: `('storage', type, key, device, length)`. The device it was saved from does not matter. Before PyTorch 1.6 there was a
    /// sixth part, `None` unless the storage was a piece of another.
    fn persistent(&mut self) -> Result<()> {
        let id = self.pop_tuple()?;
        match id.as_slice() {
            [
                Value::Text(tag),
                Value::Global(Global::StorageType(kind)),
                Value::Text(key),
                _,
                Value::Int(len),
                rest @ ..,
            ] if &**tag == "storage" && matches!(rest, [] | [Value::None]) => {
                let storage = Storage { kind: kind.clone(), key: key.clone(), len: non_negative(*len)? };
                self.push(Object::Storage(storage));
                Ok(())
            }
            _ => Err(FormatError::malformed("the pickle refers to something outside that is no tensor storage")),
        }
    }
}

fn missing() -> FormatError {
    FormatError::malformed("the pickle takes a value that is not there")
}

fn non_negative(value: i64) -> Result<u64> {
    u64::try_from(value).map_err(|_| FormatError::malformed(format!("the size {value} is negative")))
}

fn misplaced(found: &Object, wanted: &str) -> FormatError {
    let found = match found {
        Object::Tuple(_) => "a tuple",
        Object::List(_) => "a list",
        Object::Dict(_) => "a dict",
        Object::Module { .. } => "a module",
        Object::Storage(_) => "a storage",
        Object::Tensor(_) => "a tensor",
    };
    FormatError::malformed(format!("the pickle has {found} where {wanted} belongs"))
}

/// What a name stands for, if it is one of the few.
fn global(module: &str, name: &str) -> Result<Global> {
    Ok(match (module, name) {
        ("collections", "OrderedDict") => Global::OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2") => Global::RebuildTensor,
        ("torch._utils", "_rebuild_parameter") => Global::RebuildParameter,
        ("torch.jit._pickle", "build_intlist" | "build_doublelist" | "build_boollist" | "build_tensorlist") => {
            Global::BuildList
        }
        ("torch", name) if name.ends_with("Storage") => Global::StorageType(name.into()),
        (module, name) if module == "__torch__" || module.starts_with("__torch__.") => {
            Global::Class(format!("{module}.{name}").into())
        }
        (module, name) => {
            let advice = if module.starts_with("torch.nn") || module == "__main__" {
                " (it is a module pickled whole: save its state_dict() or torch.jit.script of it instead)"
            } else {
                ""
            };
            return Err(FormatError::unsupported(format!(
                "it refers to {module}.{name}, which is no part of tensors or scripted modules; nothing of it was run{advice}"
            )));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn failure(bytes: &[u8]) -> (ErrorKind, String) {
        let error = Pickle::parse(bytes).unwrap_err();
        (error.kind(), error.to_string())
    }

    #[test]
    fn a_forbidden_name_is_refused_by_name_and_offset() {
        let (kind, message) = failure(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00echo\x85R.");
        assert_eq!(kind, ErrorKind::Unsupported);
        assert!(message.starts_with("byte 2: it refers to os.system"), "{message}");
        let (_, message) = failure(b"\x80\x02ctorch.nn.modules.container\nSequential\n)\x81.");
        assert!(message.contains("state_dict()"), "{message}");
        for name in ["builtins\neval", "torch\nload", "torch.storage\n_load_from_bytes", "__torch__x\ny"] {
            let (kind, _) = failure(format!("\x02c{name}\n.").replacen('\x02', "", 1).as_bytes());
            assert_eq!(kind, ErrorKind::Unsupported, "{name}");
        }
    }

    #[test]
    fn numbers_have_their_values() {
        let int = |bytes: &[u8]| Pickle::parse(bytes).unwrap().root;
        assert_eq!(int(b"K\xff."), Value::Int(255));
        assert_eq!(int(b"M\x01\x02."), Value::Int(513));
        assert_eq!(int(b"J\xfe\xff\xff\xff."), Value::Int(-2));
        assert_eq!(int(b"\x8a\x00."), Value::Int(0));
        assert_eq!(int(b"\x8a\x02\x00\xff."), Value::Int(-256));
        assert_eq!(int(b"\x8a\x05\x00\x00\x00\x00\x01."), Value::Int(1 << 32));
        assert_eq!(int(b"G\x3f\xf8\x00\x00\x00\x00\x00\x00."), Value::Float(1.5));
        assert_eq!(failure(b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01.").0, ErrorKind::Limit);
    }

    #[test]
    fn senseless_programs_are_malformed() {
        let cases: [&[u8]; 14] = [
            b"",
            b".",
            b"(.",                        // the mark hides what is below
            b"N(\x85.",                   // a tuple of something below the mark
            b"t.",                        // no mark
            b"h\x00.",                    // an empty memo slot
            b"q\x00.",                    // nothing to remember
            b"}(NNNu.",                   // a key without a value
            b"]NNs.",                     // an item of a list
            b"}Na.",                      // appended to a dict
            b"N)R.",                      // a call of None
            b"N)\x81.",                   // an instance of None
            b"ccollections\nOrderedDict", // no end of line
            b"X\xff\xff\xff\xffabc.",     // a text of 4 GiB
        ];
        for case in cases {
            assert_eq!(failure(case).0, ErrorKind::Malformed, "{}", case.escape_ascii());
        }
    }

    #[test]
    fn cycles_and_depth_are_harmless() {
        // A list that holds itself, and a million tuples in each other.
        let pickle = Pickle::parse(b"]q\x00h\x00a.").unwrap();
        assert!(matches!(&pickle.objects[0], Object::List(list) if *list == [Value::Object(0)]));
        let deep = [&b"N"[..], &[b'\x85'; 1_000_000], b"."].concat();
        assert_eq!(Pickle::parse(&deep).unwrap().objects.len(), 1_000_000);
    }

    #[test]
    fn calls_with_huge_tuples_are_refused() {
        let huge = [&b"ccollections\nOrderedDict\n("[..], &[b'N'; 1000], b"tq\x00R."].concat();
        assert_eq!(failure(&huge).0, ErrorKind::Limit);
    }

    #[test]
    fn a_tensor_is_a_checked_view() {
        let program = |offset: &[u8]| {
            [
                &b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"[..],
                b"X\x01\x00\x00\x007X\x03\x00\x00\x00cpuK\x06tQ",
                offset,
                b"K\x02K\x03\x86K\x03K\x01\x86\x89NtR.",
            ]
            .concat()
        };
        let pickle = Pickle::parse(&program(b"K\x00")).unwrap();
        let Some(Object::Tensor(view)) = pickle.object(&pickle.root) else { panic!("{pickle:?}") };
        assert_eq!((&view.shape[..], &view.strides[..], view.offset), (&[2, 3][..], &[3, 1][..], 0));
        assert_eq!((&*view.storage.kind, &*view.storage.key, view.storage.len), ("FloatStorage", "7", 6));
        assert_eq!(failure(&program(b"J\xff\xff\xff\xff")).0, ErrorKind::Malformed);
        assert_eq!(failure(&program(b"N")).0, ErrorKind::Malformed);
    }
}
