//! Reference values from `.safetensors` files.

use safetensors::{Dtype, SafeTensors};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

/// The tensors of one file, by name. Every accessor panics with the file's and the tensor's name.
#[derive(Debug)]
pub struct Fixture {
    path: PathBuf,
    metadata: HashMap<String, String>,
    tensors: BTreeMap<String, (Vec<usize>, Values)>,
}

#[derive(Debug)]
enum Values {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I64(Vec<i64>),
    U8(Vec<u8>),
}

/// Loads a [`Fixture`] by its path in the calling crate: `fixture!("tests/fixtures/layers.safetensors")`.
#[macro_export]
macro_rules! fixture {
    ($path:expr) => {
        $crate::Fixture::load(::std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join($path))
    };
}

impl Fixture {
    /// Reads a file; [`fixture!`](crate::fixture) finds it in the calling crate.
    ///
    /// # Panics
    /// If the file cannot be read, is no safetensors file, or holds values other than f32, f64, i64 and u8.
    pub fn load(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let bad = |e| -> ! { panic!("{}: {e}", path.display()) };
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap_or_else(|e| bad(e));
        let metadata = header.metadata().clone().unwrap_or_default();
        let file = SafeTensors::deserialize(&bytes).unwrap_or_else(|e| bad(e));
        let tensors = file
            .iter()
            .map(|(name, view)| {
                let data = view.data();
                let values = match view.dtype() {
                    Dtype::F32 => Values::F32(data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
                    Dtype::F64 => Values::F64(data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect()),
                    Dtype::I64 => Values::I64(data.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect()),
                    Dtype::U8 => Values::U8(data.to_vec()),
                    other => panic!("{}: tensor {name} is of type {other:?}", path.display()),
                };
                (name.to_owned(), (view.shape().to_vec(), values))
            })
            .collect();
        Self { path, metadata, tensors }
    }

    /// Returns the names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Returns the names without `prefix` of the tensors whose name starts with it, sorted.
    pub fn names_under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.names().filter_map(move |name| name.strip_prefix(prefix))
    }

    /// Returns whether there is a tensor of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Returns a tensor's shape.
    ///
    /// # Panics
    /// If there is no such tensor.
    #[track_caller]
    pub fn shape(&self, name: &str) -> &[usize] {
        &self.get(name).0
    }

    /// Returns a tensor's shape as an array, for example `let [n, c, h, w] = fixture.dims("x")`.
    ///
    /// # Panics
    /// If there is no such tensor or it has another number of dimensions.
    #[track_caller]
    pub fn dims<const N: usize>(&self, name: &str) -> [usize; N] {
        let shape = self.shape(name);
        shape.try_into().unwrap_or_else(|_| self.fail(name, &format!("has shape {shape:?}, not {N} dimensions")))
    }

    /// Returns the values of an f32 tensor.
    ///
    /// # Panics
    /// If there is no such tensor or it is of another type.
    #[track_caller]
    pub fn f32(&self, name: &str) -> &[f32] {
        let Values::F32(values) = &self.get(name).1 else { self.fail(name, "is not f32") };
        values
    }

    /// Returns the values of an f64 tensor.
    ///
    /// # Panics
    /// If there is no such tensor or it is of another type.
    #[track_caller]
    pub fn f64(&self, name: &str) -> &[f64] {
        let Values::F64(values) = &self.get(name).1 else { self.fail(name, "is not f64") };
        values
    }

    /// Returns the values of an i64 tensor.
    ///
    /// # Panics
    /// If there is no such tensor or it is of another type.
    #[track_caller]
    pub fn i64(&self, name: &str) -> &[i64] {
        let Values::I64(values) = &self.get(name).1 else { self.fail(name, "is not i64") };
        values
    }

    /// Returns the values of a u8 tensor.
    ///
    /// # Panics
    /// If there is no such tensor or it is of another type.
    #[track_caller]
    pub fn u8(&self, name: &str) -> &[u8] {
        let Values::U8(values) = &self.get(name).1 else { self.fail(name, "is not u8") };
        values
    }

    /// Returns whether a tensor is i64.
    ///
    /// # Panics
    /// If there is no such tensor.
    #[track_caller]
    pub fn is_i64(&self, name: &str) -> bool {
        matches!(self.get(name).1, Values::I64(_))
    }

    /// Returns an entry of the file's metadata, where the scripts note seeds, sizes and versions.
    ///
    /// # Panics
    /// If there is no such entry or it is no `T`.
    #[track_caller]
    pub fn metadata<T: std::str::FromStr>(&self, key: &str) -> T {
        let text = self.metadata.get(key).unwrap_or_else(|| panic!("{}: no metadata {key}", self.path.display()));
        text.parse().unwrap_or_else(|_| panic!("{}: metadata {key} is {text:?}", self.path.display()))
    }

    #[track_caller]
    fn get(&self, name: &str) -> &(Vec<usize>, Values) {
        self.tensors.get(name).unwrap_or_else(|| self.fail(name, "does not exist"))
    }

    #[track_caller]
    fn fail(&self, name: &str, problem: &str) -> ! {
        panic!("{}: tensor {name} {problem}", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::TensorView;

    fn sample() -> Fixture {
        let floats: Vec<u8> = [1.5f32, -2.0, 0.25].iter().flat_map(|v| v.to_le_bytes()).collect();
        let doubles = (-0.1f64).to_le_bytes();
        let longs = (-3i64).to_le_bytes();
        let views = [
            ("a.x", TensorView::new(Dtype::F32, vec![1, 3], &floats).unwrap()),
            ("a.d", TensorView::new(Dtype::F64, vec![1], &doubles).unwrap()),
            ("b.n", TensorView::new(Dtype::I64, vec![], &longs).unwrap()),
            ("b.u", TensorView::new(Dtype::U8, vec![2], &[7, 255]).unwrap()),
        ];
        let metadata = HashMap::from([("seed".to_owned(), "12".to_owned())]);
        let bytes = safetensors::serialize(views, Some(metadata)).unwrap();
        // Test threads and concurrent runs must not share the file.
        let unique = format!("dcgan-testkit-{}-{:?}.safetensors", std::process::id(), std::thread::current().id());
        let path = std::env::temp_dir().join(unique);
        std::fs::write(&path, bytes).unwrap();
        let fixture = Fixture::load(&path);
        std::fs::remove_file(path).unwrap();
        fixture
    }

    #[test]
    fn values_shapes_and_metadata_are_read() {
        let fixture = sample();
        assert_eq!(fixture.f32("a.x"), [1.5, -2.0, 0.25]);
        assert_eq!(fixture.shape("a.x"), [1, 3]);
        assert_eq!(fixture.dims::<2>("a.x"), [1, 3]);
        assert_eq!(fixture.f64("a.d"), [-0.1]);
        assert_eq!(fixture.i64("b.n"), [-3]);
        assert_eq!(fixture.u8("b.u"), [7, 255]);
        assert_eq!(fixture.names().collect::<Vec<_>>(), ["a.d", "a.x", "b.n", "b.u"]);
        assert_eq!(fixture.names_under("b.").collect::<Vec<_>>(), ["n", "u"]);
        assert_eq!(fixture.metadata::<u64>("seed"), 12);
        assert!(fixture.contains("a.x") && !fixture.contains("x") && fixture.is_i64("b.n"));
    }

    #[test]
    #[should_panic(expected = "tensor a.y does not exist")]
    fn a_missing_tensor_is_named() {
        sample().f32("a.y");
    }

    #[test]
    #[should_panic(expected = "tensor b.n is not f32")]
    fn another_type_is_refused() {
        sample().f32("b.n");
    }

    #[test]
    #[should_panic(expected = "tests/none.safetensors")]
    fn a_missing_file_is_named() {
        fixture!("tests/none.safetensors");
    }
}
