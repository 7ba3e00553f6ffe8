//! From a pickle and the storages beside it to named tensors.

use super::pickle::{Object, Pickle, Storage, TensorView, Value};
use crate::bytes::{f32s, i64s};
use crate::error::FormatError;
use dcgan_model::{StateDict, Tensor, TensorData};
use indexmap::IndexMap;

/// Tensors and modules in one file.
pub(super) const MAX_NAMES: usize = 10_000;
const MAX_NAME_LEN: usize = 512;
/// Modules inside each other.
const MAX_DEPTH: usize = 32;

/// Where the values of tensors are.
pub(super) trait Storages {
    /// Length of the whole file in bytes. No honest storage is longer.
    fn file_len(&self) -> u64;

    /// The `len` bytes of a storage; `len` is at most [`file_len`](Self::file_len).
    fn read(&mut self, storage: &Storage, len: u64) -> Result<Vec<u8>, FormatError>;
}

/// What a file of PyTorch's holds.
#[derive(Debug)]
pub(crate) struct Contents {
    /// Tensors by their path, in the file's order.
    pub(crate) tensors: StateDict,
    /// Classes by the path of the module, for example `2` and `__torch__.torch.nn.modules.activation.ReLU`; empty for a state_dict.
    pub(crate) modules: IndexMap<String, String>,
}

impl Contents {
    /// Finds the tensors below the root of `pickle` and reads their values.
    pub(super) fn new(pickle: &Pickle, storages: &mut impl Storages) -> Result<Self, FormatError> {
        let mut names = Names { pickle, left: MAX_NAMES, tensors: IndexMap::new(), modules: IndexMap::new() };
        names.visit(&pickle.root, "", 0)?;
        let Names { tensors: views, modules, .. } = names;

        let mut tensors = StateDict::new();
        // Each storage may be read once, for one tensor, and no view is larger than its storage: so a small file cannot ask for much
        // memory or work.
        let mut budget = storages.file_len();
        for (name, view) in views {
            let tensor = load_tensor(storages, view, &mut budget);
            tensors.insert(name.clone(), tensor.map_err(|error| error.within(format_args!("tensor {name}")))?);
        }
        Ok(Self { tensors, modules })
    }
}

/// Collects tensors and modules with their paths.
struct Names<'a> {
    pickle: &'a Pickle,
    left: usize,
    tensors: IndexMap<String, &'a TensorView>,
    modules: IndexMap<String, String>,
}

impl<'a> Names<'a> {
    fn visit(&mut self, value: &'a Value, path: &str, depth: usize) -> Result<(), FormatError> {
        let state = match self.pickle.object(value) {
            Some(Object::Tensor(view)) => {
                self.count(path)?;
                return match self.tensors.insert(path.to_owned(), view) {
                    None => Ok(()),
                    Some(_) => Err(FormatError::malformed(format!("tensor {path} is there twice"))),
                };
            }
            Some(Object::Module { class, state }) => {
                self.modules.insert(path.to_owned(), class.to_string());
                state
            }
            Some(Object::Dict(_)) => value,
            // Flags, numbers, lists of them: no tensors.
            _ => return Ok(()),
        };
        self.count(path)?;
        if depth > MAX_DEPTH {
            return Err(FormatError::limit(format!("modules are nested more than {MAX_DEPTH} deep")));
        }
        let Some(Object::Dict(entries)) = self.pickle.object(state) else {
            return Err(FormatError::malformed(format!("module {path} has no attributes")));
        };
        for (key, value) in entries {
            match (key, value) {
                (Value::Text(key), Value::Object(_)) if path.is_empty() => self.visit(value, key, depth + 1)?,
                (Value::Text(key), Value::Object(_)) => self.visit(value, &format!("{path}.{key}"), depth + 1)?,
                _ => {}
            }
        }
        Ok(())
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

fn load_tensor(storages: &mut impl Storages, view: &TensorView, budget: &mut u64) -> Result<Tensor, FormatError> {
    let value_size = match &*view.storage.kind {
        "FloatStorage" => 4,
        "LongStorage" => 8,
        other => {
            return Err(FormatError::unsupported(format!(
                "it is a torch.{other}: only FloatStorage and LongStorage are read, save the network as float32"
            )));
        }
    };
    check_view(view)?;
    let len = view.storage.len.checked_mul(value_size).filter(|&len| len <= storages.file_len()).ok_or_else(|| {
        let (values, bytes) = (view.storage.len, storages.file_len());
        FormatError::malformed(format!("it claims {values} values in a file of {bytes} bytes"))
    })?;
    let bytes = storages.read(&view.storage, len)?;
    *budget = budget
        .checked_sub(bytes.len() as u64)
        .ok_or_else(|| FormatError::limit("tensors share their values: save clones of them"))?;
    let data = match value_size {
        4 => TensorData::F32(gather(view, f32s(&bytes))),
        _ => TensorData::I64(gather(view, i64s(&bytes))),
    };
    Ok(Tensor { shape: view.shape.iter().map(|&size| size as usize).collect(), data })
}

/// Checks that a view lies inside its storage and repeats nothing.
fn check_view(view: &TensorView) -> Result<(), FormatError> {
    let outside = || {
        FormatError::malformed(format!(
            "shape {:?} with strides {:?} from {} on does not fit into a storage of {} values",
            view.shape, view.strides, view.offset, view.storage.len
        ))
    };
    if view.shape.len() != view.strides.len() {
        return Err(outside());
    }
    let count = view.shape.iter().try_fold(1_u64, |count, &size| count.checked_mul(size)).ok_or_else(outside)?;
    if count == 0 {
        return Ok(());
    }
    let last = view.shape.iter().zip(&view.strides).try_fold(view.offset, |last, (&size, &stride)| {
        (size - 1).checked_mul(stride).and_then(|step| last.checked_add(step))
    });
    match last {
        Some(last) if last < view.storage.len && count <= view.storage.len => Ok(()),
        _ => Err(outside()),
    }
}

/// The values of a checked view in row-major order. Networks kept in `channels_last` have their strides otherwise.
fn gather<T: Copy>(view: &TensorView, values: Vec<T>) -> Vec<T> {
    if view.shape.contains(&0) {
        return Vec::new();
    }
    let mut row_major = 1;
    let contiguous = view.shape.iter().zip(&view.strides).rev().all(|(&size, &stride)| {
        let fits = size == 1 || stride == row_major;
        row_major *= size;
        fits
    });
    if contiguous && view.offset == 0 && row_major == values.len() as u64 {
        return values;
    }
    let mut indices = vec![view.offset];
    for (&size, &stride) in view.shape.iter().zip(&view.strides) {
        indices = indices.iter().flat_map(|&start| (0..size).map(move |i| start + i * stride)).collect();
    }
    indices.into_iter().map(|index| values[index as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(len: u64, offset: u64, shape: &[u64], strides: &[u64]) -> TensorView {
        let storage = Storage { kind: "FloatStorage".into(), key: "0".into(), len };
        TensorView { storage, offset, shape: shape.to_vec(), strides: strides.to_vec() }
    }

    #[test]
    fn views_are_gathered_in_row_major_order() {
        let values: Vec<i64> = (0..24).collect();
        let plain = view(24, 0, &[2, 3, 4], &[12, 4, 1]);
        check_view(&plain).unwrap();
        assert_eq!(gather(&plain, values.clone()), values);
        // The last two dimensions exchanged, as in channels_last.
        let permuted = gather(&view(24, 0, &[2, 4, 3], &[12, 1, 4]), values.clone());
        assert_eq!(permuted[..6], [0, 4, 8, 1, 5, 9]);
        assert_eq!(gather(&view(24, 5, &[], &[]), values.clone()), [5]);
        assert_eq!(gather(&view(24, 20, &[1, 2], &[99, 2]), values.clone()), [20, 22]);
        assert!(gather(&view(24, 0, &[u64::MAX, 0, u64::MAX], &[1, 1, 1]), values).is_empty());
    }

    #[test]
    fn views_outside_their_storage_are_refused() {
        let big = u64::MAX / 2;
        for bad in [
            view(24, 0, &[25], &[1]),
            view(24, 1, &[24], &[1]),
            view(24, 24, &[], &[]),
            view(24, 0, &[2, 2], &[1]),
            view(24, 0, &[big, big], &[0, 0]),
            view(24, 0, &[25], &[0]),
            view(24, 0, &[2], &[big + 24]),
            view(24, u64::MAX, &[2], &[1]),
        ] {
            assert!(check_view(&bad).is_err(), "{bad:?}");
        }
    }
}
