//! From named tensors to networks.

use crate::error::FormatError;
use crate::model::{Format, Metadata, Model};
use crate::models::Models;
use crate::natural;
use crate::stored::{StoredTensor, TensorReader};
use crate::torch::{ModuleClass, ScriptInfo, Step, class_name};
use dcgan_model::{Layer, ModelConfig, Network, RecognizeError, Role, StateDict, Tensor, TensorData};
use indexmap::{IndexMap, IndexSet};
use std::borrow::Cow;

/// Modules around the network: `module.generator.main.0.weight` has three.
const MAX_WRAPPERS: usize = 8;
/// Convolutions of the smallest network.
const LEAST_CONVS: usize = 4;
/// Convolutions of the largest network.
const MOST_CONVS: usize = 7;
/// What is said of a script with as many convolutions as a DCGAN whose order is not clear.
const OWN_ORDER: &str = "its layers have names, and its code is no plain sequence of them, so their order is not \
                         known: save its state_dict instead, with torch.save(net.state_dict(), \"generator.pth\")";
/// Such groups inside each other.
const MAX_DEPTH: usize = 4;
/// Parts of names below which our checkpoints have Adam's moments. Those of a network without batch norm have the names
/// and shapes of the whole network.
const MOMENTS: [&str; 2] = ["exp_avg.", "exp_avg_sq."];

/// Finds out which networks the tensors are of, reads them, and gives them their names and order.
pub(crate) fn recognize(
    tensors: &IndexMap<String, StoredTensor>,
    script: &ScriptInfo,
    metadata: &Metadata,
    format: Format,
    source: &mut dyn TensorReader,
) -> Result<Models, FormatError> {
    if tensors.is_empty() {
        return Err(FormatError::unsupported("it holds no tensors by names"));
    }
    let mut search = Search { script, found: Vec::new(), refused: Vec::new() };
    let tensors: Group<'_> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let refused = search.visit(tensors, String::new(), Vec::new(), 0);
    let Search { found: candidates, refused: mut closest, .. } = search;
    let mut found: Vec<(Candidate<'_>, Model)> = Vec::new();
    for candidate in candidates {
        // The same network under a second name.
        if found.iter().any(|(known, _)| known.is_same(&candidate, source)) {
            continue;
        }
        let model = candidate.read(metadata, format, source)?;
        found.push((candidate, model));
    }
    let found: Vec<Model> = found.into_iter().map(|(_, model)| model).collect();
    match refused {
        // What looks like a network but is none says more than that the file is none.
        Some(refused) if found.is_empty() => {
            closest.sort_by_key(|(role, _)| *role != Role::Generator);
            Err(closest.into_iter().next().map_or(refused, |(_, error)| error))
        }
        _ => Ok(Models { found, refused: closest }),
    }
}

/// Tensors by their names below a prefix.
type Group<'a> = IndexMap<&'a str, &'a StoredTensor>;

struct Search<'a> {
    script: &'a ScriptInfo,
    found: Vec<Candidate<'a>>,
    refused: Vec<(Role, FormatError)>,
}

/// A network whose tensors are known and not read.
struct Candidate<'a> {
    /// What stands before the names of its tensors, with a dot at the end if it is not empty.
    prefix: String,
    network: Network,
    /// The network's tensors by the network's names, in its order; a count that the file does not have is missing.
    tensors: IndexMap<String, &'a StoredTensor>,
    /// The names in the file of those that have others there.
    old_names: IndexMap<String, String>,
    left_out: Vec<String>,
    notes: Vec<String>,
}

impl<'a> Candidate<'a> {
    /// Whether two candidates are the same network with the same values in the same place of the file.
    fn is_same(&self, other: &Self, source: &dyn TensorReader) -> bool {
        self.network == other.network
            && self.tensors.keys().eq(other.tensors.keys())
            && self.tensors.values().zip(other.tensors.values()).all(|(one, other)| source.is_same(one, other))
    }

    /// Reads the values of the tensors.
    fn read(&self, metadata: &Metadata, format: Format, source: &mut dyn TensorReader) -> Result<Model, FormatError> {
        let mut network = self.network.clone();
        if network.role == Role::Discriminator {
            // Its tensors do not tell the length of the noise.
            let told = metadata.get("latent_dim").and_then(|text| text.parse().ok());
            let config = ModelConfig { latent_dim: told.unwrap_or(network.config.latent_dim), ..network.config };
            if config.validate().is_ok() {
                network.config = config;
            }
        }
        let mut tensors = StateDict::new();
        let mut dtypes: IndexSet<String> = IndexSet::new();
        for spec in network.tensors() {
            let Some(stored) = self.tensors.get(&spec.name) else {
                tensors.insert(spec.name, Tensor::scalar_i64(0));
                continue;
            };
            if !spec.is_integer {
                dtypes.insert(stored.dtype.to_string());
            }
            let old_name = self.old_names.get(&spec.name).unwrap_or(&spec.name);
            let tensor = source.read(stored, spec.is_integer);
            let tensor = tensor.map_err(|error| error.within_part(format_args!("tensor {}{old_name}", self.prefix)))?;
            tensors.insert(spec.name, tensor);
        }
        let dtype = dtypes.into_iter().collect::<Vec<_>>().join(", ");
        let mut notes = self.notes.clone();
        if dtype != "float32" {
            notes.push(format!("its weights are {dtype} in the file and were converted to float32"));
        }
        Ok(Model {
            name: self.prefix.trim_end_matches('.').to_owned(),
            network,
            tensors,
            metadata: metadata.clone(),
            format,
            dtype,
            left_out: self.left_out.clone(),
            notes,
        })
    }
}

impl<'a> Search<'a> {
    /// Takes `tensors`, whose names stand below `prefix`, as a network, or else as several. Says why they are not one.
    /// `left_out` has what was found beside them further up.
    fn visit(
        &mut self,
        mut tensors: Group<'a>,
        mut prefix: String,
        mut left_out: Vec<String>,
        depth: usize,
    ) -> Option<FormatError> {
        // Tensors without a dot belong to no layer: a loss, a count of averages, fixed noise. Those beside the layers
        // are looked at again.
        let mut beside = Vec::new();
        for _ in 0..MAX_WRAPPERS {
            let loose: Vec<&str> = tensors.keys().copied().filter(|name| !name.contains('.')).collect();
            if loose.len() < tensors.len() {
                left_out.append(&mut beside);
                beside = loose.iter().map(|name| format!("{prefix}{name}")).collect();
                tensors.retain(|name, _| name.contains('.'));
            }
            let Some(part) = common_first_part(&tensors) else { break };
            tensors = tensors.into_iter().map(|(name, tensor)| (&name[part.len()..], tensor)).collect();
            prefix.push_str(part);
        }
        let Refusal { role, error } = match self.network(&tensors, &prefix) {
            Ok(mut candidate) => {
                if !beside.is_empty() {
                    let names = beside.join(", ");
                    candidate.notes.push(format!("beside its layers the file has {names}, which is not used"));
                }
                left_out.append(&mut beside);
                candidate.left_out = left_out;
                self.found.push(candidate);
                return None;
            }
            Err(refusal) => refusal,
        };
        left_out.append(&mut beside);
        let parts = parts(&tensors);
        let is_network = |part: &str, convs: usize| convs >= LEAST_CONVS && !MOMENTS.contains(&part);
        let networks: Vec<&str> =
            parts.iter().filter(|(part, convs)| is_network(part, **convs)).map(|(part, _)| *part).collect();
        // One part alone has been looked at as a whole, unless others stand beside it.
        if networks.is_empty() || parts.len() == 1 || depth == MAX_DEPTH {
            self.refused.extend(role.map(|role| (role, error.clone())));
            return Some(error);
        }
        let others = parts.keys().filter(|part| !networks.contains(part));
        left_out.extend(others.map(|part| format!("{prefix}{}", part.trim_end_matches('.'))));
        for part in networks {
            let own = tensors.iter().filter(|(name, _)| name.starts_with(part)).map(|(name, tensor)| (*name, *tensor));
            self.visit(own.collect(), prefix.clone(), left_out.clone(), depth + 1);
        }
        Some(error)
    }

    /// Recognizes the tensors of a group as a network, if they are one.
    fn network(&self, tensors: &Group<'a>, prefix: &str) -> Result<Candidate<'a>, Refusal> {
        // Numbers in the names say which layer is which. Otherwise it is the order: of a script that of its code, and
        // else that of the file.
        let is_script = !self.script.modules.is_empty();
        let mut modules = Cow::Borrowed(&self.script.modules);
        let mut modules_below = prefix;
        let unnumbered = || tensors.iter().map(|(name, tensor)| ((*name).to_owned(), *tensor)).collect();
        let (mut tensors, old_names) = if has_numbers(tensors) {
            (unnumbered(), IndexMap::new())
        } else if is_script {
            match self.number_by_code(tensors, prefix) {
                Some(numbered) => {
                    (modules, modules_below) = (Cow::Owned(numbered.modules), "");
                    (numbered.tensors, numbered.old_names)
                }
                None => (unnumbered(), IndexMap::new()),
            }
        } else {
            match number_layers(tensors) {
                Some(numbered) => (numbered.tensors, numbered.old_names),
                None => (unnumbered(), IndexMap::new()),
            }
        };
        let convs = tensors.values().filter(|tensor| tensor.shape.len() == 4).count();
        let has_own_order = is_script
            && old_names.is_empty()
            && tensors.keys().any(|name| !begins_with_number(name))
            && (LEAST_CONVS..=MOST_CONVS).contains(&convs);
        tensors.sort_by(|a, _, b, _| natural::compare(a, b));
        let below = if prefix.is_empty() { String::new() } else { format!(" (names are below {prefix})") };
        let refuse = |role, message: String| {
            let message = if has_own_order { OWN_ORDER } else { &message };
            Err(Refusal { role, error: FormatError::unsupported(format!("{message}{below}")) })
        };
        let network = match Network::recognize(&shapes(&tensors)) {
            Ok(network) => network,
            Err(mut error) => {
                let role = match &mut error {
                    RecognizeError::Tensor { role, name, .. } => {
                        *name = old_names.get(name).unwrap_or(name).clone();
                        Some(*role)
                    }
                    _ => None,
                };
                return refuse(role, error.to_string());
            }
        };
        let mut notes = Vec::new();
        match check_modules(&network, &modules, modules_below) {
            Ok(note) => notes.extend(note),
            Err(message) => return refuse(Some(network.role), message),
        }
        Ok(Candidate { prefix: prefix.to_owned(), network, tensors, old_names, left_out: Vec::new(), notes })
    }
}

/// Tensors and modules of a network whose layers were renamed to their numbers in the order of the code.
struct NumberedLayers<'a> {
    tensors: IndexMap<String, &'a StoredTensor>,
    /// The names in the file by the new ones.
    old_names: IndexMap<String, String>,
    modules: IndexMap<String, ModuleClass>,
}

impl<'a> Search<'a> {
    /// Numbers the layers of the script's module at `prefix` as its code runs them; `None` if that is no plain
    /// sequence, or leaves tensors out.
    fn number_by_code(&self, tensors: &Group<'a>, prefix: &str) -> Option<NumberedLayers<'a>> {
        let ScriptInfo { modules, code } = self.script;
        let class_of = |path: &str| modules.get(path).map(|class| class.full_name.clone());
        let steps = code.steps(prefix.trim_end_matches('.'), &class_of)?;
        let mut numbered =
            NumberedLayers { tensors: IndexMap::new(), old_names: IndexMap::new(), modules: IndexMap::new() };
        for (index, step) in steps.into_iter().enumerate() {
            let class = match step {
                Step::Function { class, slope } => {
                    let (name, full_name) = (class.to_owned(), class.to_owned());
                    ModuleClass { name, full_name, constant: slope, is_in_training: false }
                }
                Step::Module(path) => {
                    let layer = format!("{}.", path.strip_prefix(prefix)?);
                    for (name, tensor) in tensors.iter().filter(|(name, _)| name.starts_with(&layer)) {
                        let number = format!("{index}.{}", &name[layer.len()..]);
                        numbered.old_names.insert(number.clone(), (*name).to_owned());
                        numbered.tensors.insert(number, tensor);
                    }
                    modules.get(&path)?.clone()
                }
            };
            numbered.modules.insert(index.to_string(), class);
        }
        // A layer that runs twice has two numbers, and one that does not run has none.
        (numbered.tensors.len() == tensors.len()).then_some(numbered)
    }
}

/// Whether the first part of a name is a number, as in `0.weight`.
fn begins_with_number(name: &str) -> bool {
    name.split('.').next().is_some_and(|first| first.parse::<usize>().is_ok())
}

/// Whether all layers have plain numbers for names.
fn has_numbers(tensors: &Group<'_>) -> bool {
    let layer = |name: &str| name.rsplit_once('.').map(|(layer, _)| layer.parse::<usize>().is_ok());
    tensors.keys().all(|name| layer(name) == Some(true))
}

/// Tensors that are no network, and why.
struct Refusal {
    /// What they look like, if it is one of the two.
    role: Option<Role>,
    error: FormatError,
}

/// Tensors of these shapes without values, as [`Network::recognize`] wants them. Of which type they are is looked at
/// when they are read. Batch norms that do not count their batches get a count, as in PyTorch's `load_state_dict`:
/// before 0.4.1 there was none, and nothing depends on it.
fn shapes(tensors: &IndexMap<String, &StoredTensor>) -> StateDict {
    let mut shapes = StateDict::new();
    for (name, tensor) in tensors {
        let is_count = name.ends_with(".num_batches_tracked");
        let data = if is_count { TensorData::I64(Vec::new()) } else { TensorData::F32(Vec::new()) };
        shapes.insert(name.clone(), Tensor { shape: tensor.shape.clone(), data });
    }
    let layers = tensors.keys().filter_map(|name| name.strip_suffix(".running_var"));
    let counts: Vec<String> = layers.map(|layer| format!("{layer}.num_batches_tracked")).collect();
    for count in counts {
        shapes.entry(count).or_insert_with(|| Tensor { shape: Vec::new(), data: TensorData::I64(Vec::new()) });
    }
    shapes
}

/// `main.` if all names begin so: networks are often kept inside another module. The layers' own numbers differ.
fn common_first_part<'a>(tensors: &Group<'a>) -> Option<&'a str> {
    let name = tensors.keys().next()?;
    let part = &name[..=name.find('.')?];
    tensors.keys().all(|name| name.starts_with(part)).then_some(part)
}

/// `netG.` and `netD.`: what stands first in the names, and how many tensors of four dimensions each has.
fn parts<'a>(tensors: &Group<'a>) -> IndexMap<&'a str, usize> {
    let mut parts = IndexMap::new();
    for (name, tensor) in tensors {
        if let Some(dot) = name.find('.') {
            *parts.entry(&name[..=dot]).or_default() += usize::from(tensor.shape.len() == 4);
        }
    }
    parts
}

/// Gives the layers of a network whose names are words (`conv1`, `bn1`) or groups (`0.1`, `block.conv`) the numbers
/// that they have in the tutorial's `nn.Sequential`. As PyTorch keeps modules in the order in which they were made, the
/// nth convolution and the nth batch norm there are those of the network; if they are not, their shapes do not fit.
/// Behind all but the last convolution of a generator there is a batch norm, of a discriminator all but the first and
/// last.
fn number_layers<'a>(tensors: &Group<'a>) -> Option<NumberedLayers<'a>> {
    let mut layers: IndexMap<&str, Vec<(&str, &'a StoredTensor)>> = IndexMap::new();
    for (name, tensor) in tensors {
        let (layer, _) = name.rsplit_once('.')?;
        layers.entry(layer).or_default().push((name, tensor));
    }
    let is_conv = |tensors: &[(&str, &StoredTensor)]| tensors.iter().any(|(_, tensor)| tensor.shape.len() == 4);
    let (convs, norms): (Vec<_>, Vec<_>) = layers.into_values().partition(|tensors| is_conv(tensors));
    let first_norm = match convs.len().checked_sub(norms.len())? {
        1 => 0,
        2 => 1,
        _ => return None,
    };
    let (mut numbered, mut old_names) = (IndexMap::new(), IndexMap::new());
    let mut index = 0;
    let mut norms = norms.into_iter();
    let mut add = |index: usize, tensors: Vec<(&str, &'a StoredTensor)>| {
        for (name, tensor) in tensors {
            let suffix = name.rsplit('.').next().unwrap_or(name);
            let number = format!("{index}.{suffix}");
            numbered.insert(number.clone(), tensor);
            old_names.insert(number, name.to_owned());
        }
    };
    for (count, conv) in convs.into_iter().enumerate() {
        add(index, conv);
        index += 1;
        if count >= first_norm
            && let Some(norm) = norms.next()
        {
            add(index, norm);
            index += 1;
        }
        // The activation has no tensors.
        index += 1;
    }
    Some(NumberedLayers { tensors: numbered, old_names, modules: IndexMap::new() })
}

/// Checks that the modules of a script are the network's layers: an activation has no tensors to tell it by.
///
/// The answer is a note on a script that does something else when it is run.
fn check_modules(
    network: &Network,
    modules: &IndexMap<String, ModuleClass>,
    prefix: &str,
) -> Result<Option<String>, String> {
    if modules.is_empty() {
        return Ok(None);
    }
    let mut is_in_training = false;
    let role = network.role;
    for (index, layer) in network.layers.iter().enumerate() {
        let (path, expected) = (format!("{prefix}{index}"), class_name(layer));
        let looks_like = |what: String| Err(format!("it looks like a {role}, but module {path}{what}"));
        match modules.get(&path) {
            Some(class) if class.name != expected => {
                return looks_like(format!(" is a {} and not a {expected}", class.name));
            }
            Some(class) => {
                is_in_training |= class.is_in_training;
                let constant = match layer {
                    Layer::BatchNorm2d { .. } => Some(("eps", Layer::BATCH_NORM_EPS)),
                    Layer::LeakyRelu { slope } => Some(("slope", *slope)),
                    _ => None,
                };
                // A script writes what was a float32 with the digits of a float64.
                if let (Some((what, needed)), Some(found)) = (constant, class.constant.map(|found| found as f32))
                    && found != needed
                {
                    return looks_like(format!(", a {expected}, has {what} {found:?} and not {needed:?}"));
                }
            }
            // PyTorch's example flattens outside of the nn.Sequential.
            None if *layer == Layer::Flatten => {}
            None => return looks_like(format!(", a {expected}, is missing")),
        }
    }
    let index = |path: &str| path.strip_prefix(prefix).and_then(|name| name.parse::<usize>().ok());
    match modules.iter().find(|(path, _)| index(path).is_some_and(|index| index >= network.layers.len())) {
        Some((path, class)) => {
            Err(format!("it looks like a {role}, but module {path}, a {}, does not belong to one", class.name))
        }
        None => Ok(is_in_training.then(|| TRACED_IN_TRAINING.to_owned())),
    }
}

const TRACED_IN_TRAINING: &str = "it was traced in training mode, so PyTorch takes batch norm's statistics from the \
                                  pictures that are drawn together and draws others than these: trace it after .eval()";
