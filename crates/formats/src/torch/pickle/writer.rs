//! Writes the pickles that PyTorch reads, protocol 2.

use super::opcode;

/// A pickle being written; each method adds one value or instruction. Nothing is memoised: PyTorch does not need it,
/// and what is shared in our pickles is a few short strings.
pub(crate) struct PickleWriter {
    bytes: Vec<u8>,
}

impl PickleWriter {
    /// Starts a pickle of protocol 2.
    pub(crate) fn new() -> Self {
        Self { bytes: vec![opcode::PROTO, 2] }
    }

    /// Ends the pickle and returns its bytes.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes.push(opcode::STOP);
        self.bytes
    }

    /// Writes `None`.
    pub(crate) fn none(&mut self) {
        self.bytes.push(opcode::NONE);
    }

    /// Writes a boolean.
    pub(crate) fn bool(&mut self, value: bool) {
        self.bytes.push(if value { opcode::NEWTRUE } else { opcode::NEWFALSE });
    }

    /// Writes an integer.
    pub(crate) fn int(&mut self, value: usize) {
        if let Ok(value) = u8::try_from(value) {
            self.bytes.extend([opcode::BININT1, value]);
        } else if let Ok(value) = i32::try_from(value) {
            self.bytes.push(opcode::BININT);
            self.bytes.extend(value.to_le_bytes());
        } else {
            self.bytes.extend([opcode::LONG1, 8]);
            self.bytes.extend((value as u64).to_le_bytes());
        }
    }

    /// Writes a string.
    pub(crate) fn text(&mut self, text: &str) {
        self.bytes.push(opcode::BINUNICODE);
        self.bytes.extend((text.len() as u32).to_le_bytes());
        self.bytes.extend(text.as_bytes());
    }

    /// Writes a reference to a class or function.
    pub(crate) fn global(&mut self, module: &str, name: &str) {
        self.bytes.push(opcode::GLOBAL);
        self.bytes.extend(format!("{module}\n{name}\n").as_bytes());
    }

    /// Writes a tuple whose parts `parts` writes.
    pub(crate) fn tuple(&mut self, parts: impl FnOnce(&mut Self)) {
        self.bytes.push(opcode::MARK);
        parts(self);
        self.bytes.push(opcode::TUPLE);
    }

    /// Calls the function written last with these arguments.
    pub(crate) fn call(&mut self, arguments: impl FnOnce(&mut Self)) {
        self.tuple(arguments);
        self.bytes.push(opcode::REDUCE);
    }

    /// An object of a class without arguments, then its attributes: `text` and value in turn.
    pub(crate) fn object(&mut self, module: &str, class: &str, attributes: impl FnOnce(&mut Self)) {
        self.global(module, class);
        self.bytes.extend([opcode::EMPTY_TUPLE, opcode::NEWOBJ, opcode::EMPTY_DICT, opcode::MARK]);
        attributes(self);
        self.bytes.extend([opcode::SETITEMS, opcode::BUILD]);
    }

    /// A `collections.OrderedDict`: keys and values in turn.
    pub(crate) fn ordered_dict(&mut self, items: impl FnOnce(&mut Self)) {
        self.global("collections", "OrderedDict");
        self.call(|_| {});
        self.bytes.push(opcode::MARK);
        items(self);
        self.bytes.push(opcode::SETITEMS);
    }

    /// A dense row-major tensor whose values are the entry `data/KEY`.
    pub(crate) fn tensor(&mut self, storage_type: &str, key: &str, shape: &[usize], requires_grad: bool) {
        let len = shape.iter().product();
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.call(|p| {
            p.tuple(|p| {
                p.text("storage");
                p.global("torch", storage_type);
                p.text(key);
                p.text("cpu");
                p.int(len);
            });
            p.bytes.push(opcode::BINPERSID);
            p.int(0);
            p.tuple(|p| shape.iter().for_each(|&size| p.int(size)));
            p.tuple(|p| (1..=shape.len()).for_each(|i| p.int(shape[i..].iter().product())));
            p.bool(requires_grad);
            p.global("collections", "OrderedDict");
            p.call(|_| {});
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torch::pickle::{Object, Pickle, Value};

    #[test]
    fn what_is_written_can_be_read() {
        let mut writer = PickleWriter::new();
        writer.object("__torch__.m", "Net", |p| {
            p.text("weight");
            p.tensor("FloatStorage", "3", &[70_000, 2, 300], true);
            p.text("bias");
            p.none();
            p.text("sizes");
            p.tuple(|p| [0, 255, 256, 70_000, i32::MAX as usize + 1].iter().for_each(|&i| p.int(i)));
        });
        let pickle = Pickle::parse(&writer.finish()).unwrap();
        let Some(Object::Module { class, state }) = pickle.object(&pickle.root) else { panic!("{pickle:?}") };
        assert_eq!(&**class, "__torch__.m.Net");
        let Some(Object::Dict(attributes)) = pickle.object(state) else { panic!("{pickle:?}") };
        let Some(Object::Tensor(Some(view))) = pickle.object(&attributes[0].1) else { panic!("{pickle:?}") };
        assert_eq!(view.strides, [600, 300, 1]);
        assert_eq!((view.storage.len, &*view.storage.key), (42_000_000, "3"));
        assert_eq!(attributes[1].1, Value::None);
        let Some(Object::Tuple(sizes)) = pickle.object(&attributes[2].1) else { panic!("{pickle:?}") };
        let ints: Vec<Value> = [0, 255, 256, 70_000, 1 << 31].map(Value::Int).into();
        assert_eq!(*sizes, ints);
    }
}
