//! The stack machine that runs a pickle.

use super::opcode;
use super::value::{Object, Value};
use crate::error::FormatError;
use indexmap::IndexSet;
use std::collections::HashMap;
use std::rc::Rc;

/// Objects, and entries of the memo. A checkpoint of large networks with their optimizers has some thousand.
pub(super) const MAX_OBJECTS: usize = 1 << 20;

pub(super) type Result<T, E = FormatError> = std::result::Result<T, E>;

/// The machine that runs a pickle.
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
    pub(super) stack: Vec<Value>,
    /// Heights of the stack at which MARK was seen.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    pub(super) objects: Vec<Object>,
    pub(super) unknown: IndexSet<Rc<str>>,
    /// How many values may still be copied, so that calls with the same long list do not add up.
    pub(super) copies: usize,
}

impl<'a> Machine<'a> {
    /// A machine that is at the instruction `at` of `bytes`.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self {
            bytes,
            at,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            objects: Vec::new(),
            unknown: IndexSet::new(),
            copies: bytes.len(),
        }
    }

    /// Executes one instruction; STOP gives the result.
    pub(super) fn step(&mut self) -> Result<Option<Value>> {
        let [instruction] = self.take()?;
        match instruction {
            opcode::PROTO => {
                let [protocol] = self.take()?;
                if protocol > 5 {
                    return Err(FormatError::unsupported(format!(
                        "pickle protocol {protocol}: save the file with PyTorch's default, 2"
                    )));
                }
            }
            // A frame is a hint for reading.
            opcode::FRAME => drop(self.take::<8>()?),
            opcode::STOP => return self.pop().map(Some),
            opcode::MARK => self.marks.push(self.stack.len()),
            opcode::POP => match self.marks.last() {
                Some(&mark) if mark == self.stack.len() => drop(self.marks.pop()),
                _ => drop(self.pop()?),
            },
            opcode::POP_MARK => drop(self.pop_to_mark()?),
            opcode::DUP => {
                let value = self.stack[self.height_below(1)?].clone();
                self.stack.push(value);
            }
            opcode::NONE => self.stack.push(Value::None),
            opcode::NEWTRUE => self.stack.push(Value::Bool(true)),
            opcode::NEWFALSE => self.stack.push(Value::Bool(false)),
            opcode::BININT1 => {
                let [byte] = self.take()?;
                self.stack.push(Value::Int(byte.into()));
            }
            opcode::BININT2 => {
                let value = u16::from_le_bytes(self.take()?);
                self.stack.push(Value::Int(value.into()));
            }
            opcode::BININT => {
                let value = i32::from_le_bytes(self.take()?);
                self.stack.push(Value::Int(value.into()));
            }
            opcode::LONG1 => {
                let [len] = self.take()?;
                self.long(len.into())?;
            }
            opcode::LONG4 => {
                let len = u32::from_le_bytes(self.take()?);
                self.long(len as usize)?;
            }
            opcode::INT | opcode::LONG => {
                let text = self.line()?;
                let value = match (instruction, text) {
                    (opcode::INT, "00") => Value::Bool(false),
                    (opcode::INT, "01") => Value::Bool(true),
                    _ => text.trim_end_matches('L').parse().map_or(Value::Inert, Value::Int),
                };
                self.stack.push(value);
            }
            opcode::BINFLOAT => {
                let value = f64::from_be_bytes(self.take()?);
                self.stack.push(Value::Float(value));
            }
            opcode::FLOAT => {
                let text = self.line()?;
                let value = text.parse().map_err(|_| FormatError::malformed("a number is none"))?;
                self.stack.push(Value::Float(value));
            }
            // Texts, from Python 2 as bytes.
            opcode::BINUNICODE | opcode::BINSTRING => {
                let len = u32::from_le_bytes(self.take()?);
                self.text(len.into())?;
            }
            opcode::SHORT_BINUNICODE | opcode::SHORT_BINSTRING => {
                let [len] = self.take()?;
                self.text(len.into())?;
            }
            opcode::BINUNICODE8 => {
                let len = u64::from_le_bytes(self.take()?);
                self.text(len)?;
            }
            opcode::UNICODE => {
                let text = self.line_bytes()?;
                self.push_text(text);
            }
            opcode::STRING => {
                let text = self.line()?;
                let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
                // With an escape it is no name of a tensor.
                let value = if inner.contains('\\') { Value::Inert } else { Value::Text(inner.into()) };
                self.stack.push(value);
            }
            // Bytes.
            opcode::SHORT_BINBYTES => {
                let [len] = self.take()?;
                self.bytes(len.into())?;
            }
            opcode::BINBYTES => {
                let len = u32::from_le_bytes(self.take()?);
                self.bytes(len.into())?;
            }
            opcode::BINBYTES8 | opcode::BYTEARRAY8 => {
                let len = u64::from_le_bytes(self.take()?);
                self.bytes(len)?;
            }
            opcode::GLOBAL => {
                let module = self.line()?;
                let name = self.line()?;
                let global = self.global(module, name)?;
                self.stack.push(Value::Global(global));
            }
            opcode::STACK_GLOBAL => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(module), Value::Text(name)) = (module, name) else {
                    return Err(FormatError::malformed("a name is no text"));
                };
                let global = self.global(&module, &name)?;
                self.stack.push(Value::Global(global));
            }
            opcode::EMPTY_TUPLE => self.push(Object::Tuple(Vec::new()))?,
            opcode::EMPTY_LIST => self.push(Object::List(Vec::new()))?,
            opcode::EMPTY_DICT => self.push(Object::Dict(Vec::new()))?,
            opcode::EMPTY_SET => self.push(Object::Unknown { items: Vec::new() })?,
            opcode::TUPLE => {
                let parts = self.pop_to_mark()?;
                self.push(Object::Tuple(parts))?;
            }
            opcode::LIST => {
                let parts = self.pop_to_mark()?;
                self.push(Object::List(parts))?;
            }
            opcode::DICT => {
                let pairs = pairs(self.pop_to_mark()?)?;
                self.push(Object::Dict(pairs))?;
            }
            opcode::FROZENSET => {
                self.pop_to_mark()?;
                self.stack.push(Value::Inert);
            }
            opcode::TUPLE1 | opcode::TUPLE2 | opcode::TUPLE3 => {
                let start = self.height_below((instruction - opcode::TUPLE1 + 1).into())?;
                let parts = self.stack.split_off(start);
                self.push(Object::Tuple(parts))?;
            }
            opcode::APPEND => {
                let value = self.pop()?;
                self.append(vec![value])?;
            }
            opcode::APPENDS | opcode::ADDITEMS => {
                let values = self.pop_to_mark()?;
                self.append(values)?;
            }
            opcode::SETITEM => {
                let start = self.height_below(2)?;
                let pair = self.stack.split_off(start);
                self.set_items(pair)?;
            }
            opcode::SETITEMS => {
                let pairs = self.pop_to_mark()?;
                self.set_items(pairs)?;
            }
            opcode::BINPUT => {
                let [slot] = self.take()?;
                self.remember(slot.into())?;
            }
            opcode::LONG_BINPUT => {
                let slot = u32::from_le_bytes(self.take()?);
                self.remember(slot)?;
            }
            opcode::PUT => {
                let slot = self.slot()?;
                self.remember(slot)?;
            }
            opcode::MEMOIZE => {
                let slot = self.memo.len() as u32;
                self.remember(slot)?;
            }
            opcode::BINGET => {
                let [slot] = self.take()?;
                self.recall(slot.into())?;
            }
            opcode::LONG_BINGET => {
                let slot = u32::from_le_bytes(self.take()?);
                self.recall(slot)?;
            }
            opcode::GET => {
                let slot = self.slot()?;
                self.recall(slot)?;
            }
            opcode::REDUCE => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                let result = self.call(&function, &arguments)?;
                self.stack.push(result);
            }
            opcode::NEWOBJ => {
                let (arguments, class) = (self.pop()?, self.pop()?);
                let result = self.new_object(&class, &arguments)?;
                self.stack.push(result);
            }
            opcode::NEWOBJ_EX => {
                let (_keywords, arguments, class) = (self.pop()?, self.pop()?, self.pop()?);
                let result = self.new_object(&class, &arguments)?;
                self.stack.push(result);
            }
            // Python 2's instances: a class and arguments since the mark.
            opcode::INST => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)?;
                self.pop_to_mark()?;
                self.push(Object::Unknown { items: Vec::new() })?;
            }
            opcode::OBJ => {
                self.pop_to_mark()?;
                self.push(Object::Unknown { items: Vec::new() })?;
            }
            opcode::BUILD => self.build()?,
            opcode::BINPERSID => self.persistent()?,
            other => {
                return Err(FormatError::unsupported(format!(
                    "pickle instruction 0x{other:02x} is not one that PyTorch's model files need"
                )));
            }
        }
        Ok(None)
    }

    /// Returns the next `len` bytes.
    fn slice(&mut self, len: usize) -> Result<&'a [u8]> {
        let slice = self.at.checked_add(len).and_then(|end| self.bytes.get(self.at..end));
        self.at = slice.map_or(self.bytes.len(), |slice| self.at + slice.len());
        slice.ok_or_else(|| FormatError::malformed("the pickle ends in the middle"))
    }

    /// Returns the next N bytes.
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.slice(N)?);
        Ok(array)
    }

    /// So many bytes as a text.
    fn text(&mut self, len: u64) -> Result<()> {
        let bytes = self.slice(usize::try_from(len).unwrap_or(usize::MAX))?;
        self.push_text(bytes);
        Ok(())
    }

    /// Python's texts may hold what UTF-8 does not, such as a path in another encoding. No tensor is called so.
    fn push_text(&mut self, bytes: &[u8]) {
        self.stack.push(std::str::from_utf8(bytes).map_or(Value::Inert, |text| Value::Text(text.into())));
    }

    /// So many bytes as bytes, which no tensor needs.
    fn bytes(&mut self, len: u64) -> Result<()> {
        self.slice(usize::try_from(len).unwrap_or(usize::MAX))?;
        self.stack.push(Value::Inert);
        Ok(())
    }

    /// What stands before the next line feed.
    fn line_bytes(&mut self) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let len = rest.iter().position(|&byte| byte == b'\n');
        self.at = len.map_or(self.bytes.len(), |len| self.at + len + 1);
        let len = len.ok_or_else(|| FormatError::malformed("the pickle ends in the middle of a name"))?;
        Ok(&rest[..len])
    }

    /// A name that ends with a line feed.
    fn line(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.line_bytes()?).map_err(|_| FormatError::malformed("a name is not UTF-8"))
    }

    /// Returns the next byte as a slot of the memo.
    fn slot(&mut self) -> Result<u32> {
        self.line()?.parse().map_err(|_| FormatError::malformed("a place in the memo is no number"))
    }

    /// A two's complement integer of any length. Of more than 8 bytes it is no size of anything.
    fn long(&mut self, len: usize) -> Result<()> {
        let bytes = self.slice(len)?;
        let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
        let mut extended = if negative { [0xff; 8] } else { [0; 8] };
        let value = match extended.get_mut(..bytes.len()) {
            Some(start) => {
                start.copy_from_slice(bytes);
                Value::Int(i64::from_le_bytes(extended))
            }
            None => Value::Inert,
        };
        self.stack.push(value);
        Ok(())
    }

    /// Adds an object and pushes a reference to it.
    pub(super) fn push(&mut self, object: Object) -> Result<()> {
        let value = self.add(object)?;
        self.stack.push(value);
        Ok(())
    }

    /// Adds an object, up to a limit, and returns a reference to it.
    pub(super) fn add(&mut self, object: Object) -> Result<Value> {
        if self.objects.len() >= MAX_OBJECTS {
            return Err(FormatError::limit(format!("the pickle has more than {MAX_OBJECTS} objects")));
        }
        self.objects.push(object);
        Ok(Value::Object(self.objects.len() - 1))
    }

    /// The height of the stack without its top `count` values, all of them above the last mark.
    fn height_below(&self, count: usize) -> Result<usize> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let height = self.stack.len().checked_sub(count).filter(|&height| height >= floor);
        height.ok_or_else(missing)
    }

    /// Pops a value.
    pub(super) fn pop(&mut self) -> Result<Value> {
        self.height_below(1)?;
        self.stack.pop().ok_or_else(missing)
    }

    /// Returns the object that a value refers to.
    pub(super) fn object(&self, value: &Value) -> Option<&Object> {
        match value {
            Value::Object(index) => self.objects.get(*index),
            _ => None,
        }
    }

    /// The object on top of the stack; `None` if it is something inert, of which nothing is asked.
    pub(super) fn top_object(&mut self, what: &str) -> Result<Option<&mut Object>> {
        let value = self.stack[self.height_below(1)?].clone();
        match value {
            Value::Object(index) => Ok(Some(&mut self.objects[index])),
            Value::Inert | Value::Global(_) => Ok(None),
            _ => Err(FormatError::malformed(format!("the pickle has a plain value where {what} belongs"))),
        }
    }

    /// Pops all values above the last mark, and the mark.
    fn pop_to_mark(&mut self) -> Result<Vec<Value>> {
        let mark =
            self.marks.pop().ok_or_else(|| FormatError::malformed("the pickle ends a list that it never began"))?;
        Ok(self.stack.split_off(mark))
    }

    /// Appends values to the list on the stack.
    fn append(&mut self, values: Vec<Value>) -> Result<()> {
        match self.top_object("a list")? {
            Some(Object::List(list)) => list.extend(values),
            Some(Object::Unknown { .. }) | None => {}
            Some(other) => return Err(misplaced(other, "a list")),
        }
        Ok(())
    }

    /// Sets items of the dict on the stack; keys and values alternate.
    fn set_items(&mut self, items: Vec<Value>) -> Result<()> {
        let pairs = pairs(items)?;
        match self.top_object("a dict")? {
            Some(Object::Dict(dict) | Object::Unknown { items: dict }) => dict.extend(pairs),
            None => {}
            Some(other) => return Err(misplaced(other, "a dict")),
        }
        Ok(())
    }

    /// Stores the top of the stack in the memo.
    fn remember(&mut self, slot: u32) -> Result<()> {
        let value = self.stack[self.height_below(1)?].clone();
        if self.memo.len() >= MAX_OBJECTS {
            return Err(FormatError::limit(format!("the pickle remembers more than {MAX_OBJECTS} objects")));
        }
        self.memo.insert(slot, value);
        Ok(())
    }

    /// Pushes a value of the memo.
    fn recall(&mut self, slot: u32) -> Result<()> {
        let value = self.memo.get(&slot).cloned();
        self.stack.push(value.ok_or_else(|| FormatError::malformed(format!("memo {slot} is empty")))?);
        Ok(())
    }
}

/// Returns the error for an empty stack.
fn missing() -> FormatError {
    FormatError::malformed("the pickle takes a value that is not there")
}

/// Keys and values that stand one after the other.
fn pairs(items: Vec<Value>) -> Result<Vec<(Value, Value)>> {
    let (pairs, []) = items.as_chunks::<2>() else {
        return Err(FormatError::malformed("a dict has a key without a value"));
    };
    Ok(pairs.iter().cloned().map(|[key, value]| (key, value)).collect())
}

/// Returns the error for an object of another kind than the operation needs.
pub(super) fn misplaced(found: &Object, wanted: &str) -> FormatError {
    let found = match found {
        Object::Tuple(_) => "a tuple",
        Object::List(_) => "a list",
        Object::Dict(_) => "a dict",
        Object::Module { .. } => "a module",
        Object::Storage(_) => "a storage",
        Object::Tensor(_) => "a tensor",
        Object::Unknown { .. } => "something unknown",
    };
    FormatError::malformed(format!("the pickle has {found} where {wanted} belongs"))
}
