//! From a pickle and the storages beside it to named tensors.

use super::pickle::{Object, Pickle, Storage, TensorView, Value};
use crate::error::FormatError;
use crate::stored::{Dtype, StoredTensor, TensorReader};
use dcgan_model::Tensor;
use indexmap::IndexMap;
use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

/// Tensors and modules in one file.
const MAX_NAMES: usize = 10_000;
const MAX_NAME_LEN: usize = 512;
/// Modules inside each other.
const MAX_DEPTH: usize = 32;
/// How many times the bytes of a file may be read, and become of its tensors. Tensors may be pieces of each other, and
/// float16 doubles.
const MAX_GROWTH: u64 = 8;
/// What small files may become beyond that: a number that stands for a whole tensor.
const MAX_REPEATED: u64 = 1 << 20;

/// Where the values of tensors are.
pub(crate) trait Storages {
    /// Length of the whole file in bytes. No honest storage is longer.
    fn file_len(&self) -> u64;

    /// The `len` bytes of a storage; `len` is at most [`file_len`](Self::file_len).
    fn read(&mut self, storage: &Storage, len: u64) -> Result<Vec<u8>, FormatError>;
}

/// What a file of PyTorch's holds.
#[derive(Debug)]
pub(crate) struct Contents {
    /// Tensors by their path, in the file's order.
    pub(crate) tensors: IndexMap<String, StoredTensor>,
    /// Classes by the path of the module, for example `2` and `__torch__.torch.nn.modules.activation.ReLU`; empty for a
    /// state_dict.
    pub(crate) modules: IndexMap<String, String>,
    /// Tensors by their places.
    views: Vec<TensorView>,
    /// Names in the pickle that stand for nothing known.
    pub(crate) unknown: Vec<Rc<str>>,
}

impl Contents {
    /// Finds the tensors below the root of `pickle`.
    pub(super) fn new(pickle: &Pickle) -> Result<Self, FormatError> {
        let mut names = Names::new(pickle);
        names.visit(&pickle.root, "")?;
        let Names { tensors: found, modules, .. } = names;
        let (mut tensors, mut views) = (IndexMap::new(), Vec::new());
        for (name, view) in found {
            let shape = view.shape.iter().map(|&size| usize::try_from(size).unwrap_or(usize::MAX)).collect();
            tensors.insert(name, StoredTensor { shape, dtype: dtype_of(&view.kind), place: views.len() });
            views.push(view.clone());
        }
        Ok(Self { tensors, modules, views, unknown: pickle.unknown.iter().cloned().collect() })
    }

    /// A reader of the tensors' values.
    pub(crate) fn reader<'a, S: Storages>(&'a self, storages: &'a mut S) -> Reader<'a, S> {
        let most = storages.file_len().saturating_mul(MAX_GROWTH).saturating_add(MAX_REPEATED);
        let mut uses: HashMap<Rc<str>, usize> = HashMap::new();
        for view in &self.views {
            *uses.entry(view.storage.key.clone()).or_default() += 1;
        }
        Reader { views: &self.views, storages, uses, kept: HashMap::new(), left_to_read: most, left_to_make: most }
    }
}

/// The type that a storage of the old types has.
fn dtype_of(kind: &str) -> Dtype {
    match kind {
        "FloatStorage" => Dtype::F32,
        "HalfStorage" => Dtype::F16,
        "BFloat16Storage" => Dtype::BF16,
        "DoubleStorage" => Dtype::F64,
        "LongStorage" => Dtype::I64,
        "IntStorage" => Dtype::I32,
        "ShortStorage" => Dtype::I16,
        "CharStorage" => Dtype::I8,
        "ByteStorage" => Dtype::U8,
        "BoolStorage" => Dtype::Other("bool".to_owned()),
        "ComplexFloatStorage" => Dtype::Other("complex64".to_owned()),
        "ComplexDoubleStorage" => Dtype::Other("complex128".to_owned()),
        other => Dtype::Other(other.to_owned()),
    }
}

/// Collects tensors and modules with their paths.
struct Names<'a> {
    pickle: &'a Pickle,
    /// Which objects are tensors or modules, or hold some. The others may be as many and as deep as they like.
    holds_some: Vec<bool>,
    /// Objects that are being visited: one that holds itself adds nothing.
    open: Vec<usize>,
    /// What objects hold, which may be visited in many ways.
    parts: HashMap<usize, Rc<Parts<'a>>>,
    left: usize,
    tensors: IndexMap<String, &'a TensorView>,
    modules: IndexMap<String, String>,
}

/// Objects that are tensors or modules, or hold some, by the names that they have in one that holds them.
type Parts<'a> = IndexMap<Cow<'a, str>, &'a Value>;

impl<'a> Names<'a> {
    /// Starts a visit of all objects of a pickle.
    fn new(pickle: &'a Pickle) -> Self {
        Self {
            pickle,
            holds_some: holders(pickle),
            open: Vec::new(),
            parts: HashMap::new(),
            left: MAX_NAMES,
            tensors: IndexMap::new(),
            modules: IndexMap::new(),
        }
    }

    /// Collects the tensors and modules below a value whose path is `path`.
    fn visit(&mut self, value: &'a Value, path: &str) -> Result<(), FormatError> {
        let (Value::Object(index), Some(object)) = (value, self.pickle.object(value)) else { return Ok(()) };
        if let Object::Tensor(view) = object {
            // Without its state there is nothing of it.
            let Some(view) = view else { return Ok(()) };
            self.count(path)?;
            return match self.tensors.insert(path.to_owned(), view) {
                None => Ok(()),
                Some(_) => Err(FormatError::malformed(format!("tensor {path} is there twice"))),
            };
        }
        let parts = self.parts(*index, object);
        if let Object::Module { class, state } = object {
            if !matches!(self.pickle.object(state), Some(Object::Dict(_))) {
                return Err(FormatError::malformed(format!("module {path} has no attributes")));
            }
            self.modules.insert(path.to_owned(), class.to_string());
        }
        if self.open.contains(index) {
            return Ok(());
        }
        self.count(path)?;
        if self.open.len() > MAX_DEPTH {
            return Err(FormatError::limit(format!("modules are nested more than {MAX_DEPTH} deep")));
        }
        self.open.push(*index);
        for (name, value) in &*parts {
            let dot = if path.is_empty() { "" } else { "." };
            self.visit(value, &format!("{path}{dot}{name}"))?;
        }
        self.open.pop();
        Ok(())
    }

    /// The parts of an object, each with its name.
    ///
    /// Networks may be kept in a list, or in a dict by numbers; they are called `[0]`, `[1]`, which no layer is.
    /// Tensors kept so belong to none.
    fn parts(&mut self, index: usize, object: &'a Object) -> Rc<Parts<'a>> {
        if let Some(parts) = self.parts.get(&index) {
            return Rc::clone(parts);
        }
        let pickle = self.pickle;
        let entries = match object {
            Object::Module { state, .. } => match pickle.object(state) {
                Some(Object::Dict(entries)) => &entries[..],
                _ => &[],
            },
            Object::Dict(entries) | Object::Unknown { items: entries } => entries,
            _ => &[],
        };
        let mut parts = Parts::new();
        let numbered = |number: i64| Cow::Owned(format!("[{number}]"));
        // Of two entries with one key the later counts, as in Python.
        for (key, value) in entries {
            match key {
                Value::Text(key) => parts.insert(Cow::Borrowed(&**key), value),
                Value::Int(number) if !self.is_tensor(value) => parts.insert(numbered(*number), value),
                _ => None,
            };
        }
        // An optimizer keeps tensors by the numbers of the parameters.
        if parts.contains_key("param_groups") {
            parts.shift_remove("state");
        }
        if let Object::List(list) | Object::Tuple(list) = object {
            let groups = (0..).zip(list).filter(|(_, value)| !self.is_tensor(value));
            parts.extend(groups.map(|(number, value)| (numbered(number), value)));
        }
        let holds_some =
            |value: &Value| matches!(value, Value::Object(index) if self.holds_some.get(*index) == Some(&true));
        parts.retain(|_, value| holds_some(value));
        let parts = Rc::new(parts);
        self.parts.insert(index, Rc::clone(&parts));
        parts
    }

    /// Whether a value is a tensor.
    fn is_tensor(&self, value: &Value) -> bool {
        matches!(self.pickle.object(value), Some(Object::Tensor(_)))
    }

    /// The same module may be reached in many ways, so what is counted is visits.
    fn count(&mut self, path: &str) -> Result<(), FormatError> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| FormatError::limit(format!("it has more than {MAX_NAMES} tensors and modules")))?;
        if path.len() > MAX_NAME_LEN {
            return Err(FormatError::limit(format!("a name has {} bytes, more than {MAX_NAME_LEN}", path.len())));
        }
        Ok(())
    }
}

/// Finds out which objects are tensors or modules, or hold some, however deep.
fn holders(pickle: &Pickle) -> Vec<bool> {
    let mut holds_some: Vec<bool> = Vec::with_capacity(pickle.objects.len());
    // Each part with what it is a part of.
    let mut wholes: Vec<(usize, usize)> = Vec::new();
    for (whole, object) in pickle.objects.iter().enumerate() {
        holds_some.push(matches!(object, Object::Tensor(Some(_)) | Object::Module { .. }));
        let mut add = |value: &Value| {
            if let Value::Object(part) = value {
                wholes.push((*part, whole));
            }
        };
        match object {
            Object::Tuple(values) | Object::List(values) => values.iter().for_each(add),
            Object::Dict(entries) | Object::Unknown { items: entries } => {
                entries.iter().for_each(|(_, value)| add(value));
            }
            Object::Module { state, .. } => add(state),
            Object::Storage(_) | Object::Tensor(_) => {}
        }
    }
    wholes.sort_unstable();
    let mut new: Vec<usize> = (0..holds_some.len()).filter(|&index| holds_some[index]).collect();
    while let Some(part) = new.pop() {
        let first = wholes.partition_point(|&(other, _)| other < part);
        for &(_, whole) in wholes[first..].iter().take_while(|&&(other, _)| other == part) {
            if !std::mem::replace(&mut holds_some[whole], true) {
                new.push(whole);
            }
        }
    }
    holds_some
}

/// Reads tensors. A storage that several of them are pieces of is read once. So that a small file cannot ask for much
/// memory or work, what is read and what comes of it is counted.
pub(crate) struct Reader<'a, S> {
    views: &'a [TensorView],
    storages: &'a mut S,
    /// How many tensors a storage has.
    uses: HashMap<Rc<str>, usize>,
    /// Storages of several tensors.
    kept: HashMap<Rc<str>, Rc<Vec<u8>>>,
    left_to_read: u64,
    left_to_make: u64,
}

impl<S: Storages> Reader<'_, S> {
    /// Returns the first `len` bytes of a storage, which are kept if several tensors use it.
    fn storage(&mut self, storage: &Storage, len: u64) -> Result<Rc<Vec<u8>>, FormatError> {
        if let Some(bytes) = self.kept.get(&storage.key).filter(|bytes| bytes.len() as u64 == len) {
            return Ok(Rc::clone(bytes));
        }
        self.left_to_read = self.left_to_read.checked_sub(len).ok_or_else(too_much)?;
        let bytes = Rc::new(self.storages.read(storage, len)?);
        if self.uses.get(&storage.key).is_some_and(|&uses| uses > 1) {
            self.kept.insert(storage.key.clone(), Rc::clone(&bytes));
        }
        Ok(bytes)
    }
}

/// Returns the error for files that ask for more memory than their size allows.
fn too_much() -> FormatError {
    FormatError::limit("tensors share their values over and over: save clones of them")
}

impl<S: Storages> TensorReader for Reader<'_, S> {
    fn read(&mut self, tensor: &StoredTensor, as_integers: bool) -> Result<Tensor, FormatError> {
        let view = &self.views[tensor.place];
        let needed = if as_integers { "a whole number" } else { "a float" };
        let value_size = tensor.dtype.size().ok_or_else(|| tensor.dtype.unfit(needed))?;
        let stated = &view.storage;
        let is_untyped = &*stated.kind == "UntypedStorage";
        let len = if is_untyped { Some(stated.len) } else { stated.len.checked_mul(value_size) };
        let len = len.filter(|&len| len <= self.storages.file_len()).ok_or_else(|| {
            let (values, bytes) = (stated.len, self.storages.file_len());
            FormatError::malformed(format!("it claims {values} values in a file of {bytes} bytes"))
        })?;
        let count = check_view(view, len / value_size)?;
        self.left_to_make =
            count.checked_mul(8).and_then(|bytes| self.left_to_make.checked_sub(bytes)).ok_or_else(too_much)?;
        let bytes = self.storage(&view.storage, len)?;
        let values = gather(view, &bytes, value_size as usize);
        Ok(Tensor { shape: tensor.shape.clone(), data: tensor.dtype.convert(&values, as_integers)? })
    }

    fn is_same(&self, one: &StoredTensor, other: &StoredTensor) -> bool {
        self.views[one.place] == self.views[other.place]
    }
}

/// Checks that a view lies inside its storage of so many values, and returns its number of values.
fn check_view(view: &TensorView, len: u64) -> Result<u64, FormatError> {
    let outside = || {
        FormatError::malformed(format!(
            "shape {:?} with strides {:?} from {} on does not fit into a storage of {len} values",
            view.shape, view.strides, view.offset
        ))
    };
    if view.shape.len() != view.strides.len() {
        return Err(outside());
    }
    let count = view.shape.iter().try_fold(1_u64, |count, &size| count.checked_mul(size)).ok_or_else(outside)?;
    if count == 0 {
        return Ok(0);
    }
    let last = view.shape.iter().zip(&view.strides).try_fold(view.offset, |last, (&size, &stride)| {
        (size - 1).checked_mul(stride).and_then(|step| last.checked_add(step))
    });
    match last {
        Some(last) if last < len => Ok(count),
        _ => Err(outside()),
    }
}

/// The values of a checked view in row-major order, as bytes. Networks kept in `channels_last` have their strides
/// otherwise.
fn gather<'a>(view: &TensorView, bytes: &'a [u8], value_size: usize) -> Cow<'a, [u8]> {
    if view.shape.contains(&0) {
        return (&[]).into();
    }
    let mut row_major = 1;
    let is_contiguous = view.shape.iter().zip(&view.strides).rev().all(|(&size, &stride)| {
        let fits = size == 1 || stride == row_major;
        row_major *= size;
        fits
    });
    if is_contiguous {
        let start = view.offset as usize * value_size;
        return bytes[start..start + row_major as usize * value_size].into();
    }
    let mut indices = vec![view.offset];
    for (&size, &stride) in view.shape.iter().zip(&view.strides) {
        indices = indices.iter().flat_map(|&start| (0..size).map(move |i| start + i * stride)).collect();
    }
    let value = |index: u64| &bytes[index as usize * value_size..][..value_size];
    indices.into_iter().flat_map(value).copied().collect::<Vec<u8>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dcgan_model::TensorData;

    fn view(offset: u64, shape: &[u64], strides: &[u64]) -> TensorView {
        let storage = Storage { kind: "FloatStorage".into(), key: "0".into(), len: 24, start: 0 };
        TensorView { kind: storage.kind.clone(), storage, offset, shape: shape.to_vec(), strides: strides.to_vec() }
    }

    fn gathered(view: &TensorView) -> Vec<i64> {
        let bytes: Vec<u8> = (0..24_i64).flat_map(i64::to_le_bytes).collect();
        check_view(view, 24).unwrap();
        let TensorData::I64(values) = Dtype::I64.convert(&gather(view, &bytes, 8), true).unwrap() else { panic!() };
        values
    }

    /// The names of the tensors in a pickle: a `T` outside of strings is a tensor.
    fn names(pickle: &[u8]) -> Result<Vec<String>, FormatError> {
        const TENSOR: &[u8] =
            b"ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU\x017U\x03cpuK\x06\
            tQK\0(K\x02t(K\x01t\x89NtR";
        let parts: Vec<&[u8]> = pickle.split(|&byte| byte == b'T').collect();
        let contents = Contents::new(&Pickle::parse(&parts.join(TENSOR))?)?;
        Ok(contents.tensors.into_keys().collect())
    }

    #[test]
    fn tensors_have_the_names_of_what_holds_them() {
        // {'a': {'b': tensor, 'c': 1}, 'd': tensor, 'e': [tensor, {'b': tensor}, ({'b': tensor},)]}
        assert_eq!(
            names(b"}(U\x01a}(U\x01bTU\x01cK\x01uU\x01dTU\x01e](T}U\x01bTs(}U\x01bTsteu.").unwrap(),
            ["a.b", "d", "e.[1].b", "e.[2].[0].b"]
        );
        // {9: {'b': tensor}, 10: tensor, -1: {'b': tensor}}: by numbers as in a list.
        assert_eq!(names(b"}(K\x09}U\x01bTsK\x0aTJ\xff\xff\xff\xff}U\x01bTsu.").unwrap(), ["[9].b", "[-1].b"]);
        // What is written later counts, even if it is no tensor: {'a': tensor, 'a': 1, 'b': 1, 'b': tensor}.
        assert_eq!(names(b"}(U\x01aTU\x01aK\x01U\x01bK\x01U\x01bTu.").unwrap(), ["b"]);
        // An optimizer's own: {'a': {'state': {0: {'b': tensor}}, 'param_groups': 1, 'c': tensor}}.
        assert_eq!(names(b"}U\x01a}(U\x05state}K\0}U\x01bTssU\x0cparam_groupsK\x01U\x01cTus.").unwrap(), ["a.c"]);
        assert_eq!(names(b"}U\x05state}K\0}U\x01bTsss.").unwrap(), ["state.[0].b"]);
    }

    #[test]
    fn what_holds_no_tensors_may_be_large_and_deep() {
        let history = b"}U\x04lossK\x01s".repeat(3 * MAX_NAMES);
        assert_eq!(names(&[b"}(U\x01h](", &history[..], b"eU\x01aTu."].concat()).unwrap(), ["a"]);
        let deep = [&b"}U\x01x".repeat(3 * MAX_DEPTH)[..], b"N", &b"s".repeat(3 * MAX_DEPTH)].concat();
        assert_eq!(names(&[b"}(U\x01h", &deep[..], b"U\x01aTu."].concat()).unwrap(), ["a"]);
        let tensors = [b"}(U\x01h](", &b"T".repeat(2 * MAX_NAMES)[..], b"eU\x01aTu."].concat();
        assert_eq!(names(&tensors).unwrap(), ["a"], "tensors in a list");
    }

    #[test]
    fn what_holds_itself_is_visited_once() {
        assert_eq!(names(b"}q\0(U\x01aTU\x02meh\0U\x01l]h\0au.").unwrap(), ["a"]);
        // Each of two holds the other, so that the tensor is reached in two ways.
        assert_eq!(names(b"}q\0(U\x01b}q\x01(U\x01ch\0U\x01tTuU\x01dh\x01u.").unwrap(), ["b.t", "d.t"]);
    }

    #[test]
    fn views_are_gathered_in_row_major_order() {
        assert_eq!(gathered(&view(0, &[2, 3, 4], &[12, 4, 1])), (0..24).collect::<Vec<i64>>());
        // The last two dimensions exchanged, as in channels_last.
        assert_eq!(gathered(&view(0, &[2, 4, 3], &[12, 1, 4]))[..6], [0, 4, 8, 1, 5, 9]);
        assert_eq!(gathered(&view(5, &[], &[])), [5]);
        assert_eq!(gathered(&view(6, &[2, 3], &[3, 1])), [6, 7, 8, 9, 10, 11]);
        assert_eq!(gathered(&view(20, &[1, 2], &[99, 2])), [20, 22]);
        assert_eq!(gathered(&view(3, &[4], &[0])), [3; 4], "expanded");
        assert!(gathered(&view(0, &[u64::MAX / 2, 0, 7], &[1, 1, 1])).is_empty());
    }

    #[test]
    fn views_outside_their_storage_are_refused() {
        let big = u64::MAX / 2;
        for bad in [
            view(0, &[25], &[1]),
            view(1, &[24], &[1]),
            view(24, &[], &[]),
            view(0, &[2, 2], &[1]),
            view(0, &[big, big], &[0, 0]),
            view(0, &[2], &[big + 24]),
            view(u64::MAX, &[2], &[1]),
        ] {
            assert!(check_view(&bad, 24).is_err(), "{bad:?}");
        }
    }
}
