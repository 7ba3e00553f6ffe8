//! From named tensors to networks.

use crate::error::FormatError;
use crate::torch::{ModuleClass, class_name};
use crate::{Format, Metadata, Model, natural};
use dcgan_model::{Layer, ModelConfig, Network, RecogniseError, Role, StateDict, Tensor};
use indexmap::{IndexMap, IndexSet};

/// Modules around the network: `module.generator.main.0.weight` has three.
const MAX_WRAPPERS: usize = 8;
/// Networks, optimizers and the like beside each other.
const MAX_PARTS: usize = 16;
/// Such groups inside each other.
const MAX_DEPTH: usize = 4;

/// The networks of a file, one at least.
#[derive(Debug, Clone, PartialEq)]
pub struct Models {
    found: Vec<Model>,
    /// Tensors that look like a network of this role, and what does not fit.
    refused: Vec<(Role, FormatError)>,
}

impl Models {
    /// All of them, in the file's order.
    pub fn into_vec(self) -> Vec<Model> {
        self.found
    }

    /// The network of a role. Without a role it is the generator, or else the only network.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if there are several or none; what looks like one is explained.
    pub fn choose(mut self, role: Option<Role>) -> Result<Model, FormatError> {
        let wanted = role.unwrap_or(Role::Generator);
        let names: Vec<String> =
            self.found.iter().map(|model| format!("{} {}", model.network.role, model.name)).collect();
        let names = names.iter().map(|name| name.trim_end()).collect::<Vec<_>>().join(", ");
        let (mut chosen, mut others): (Vec<Model>, Vec<Model>) =
            self.found.into_iter().partition(|model| model.network.role == wanted);
        match (chosen.pop(), chosen.len()) {
            (Some(model), 0) => Ok(model),
            (Some(_), _) => Err(FormatError::unsupported(format!("it holds more than one {wanted}: {names}"))),
            (None, _) => {
                if let Some(at) = self.refused.iter().position(|(role, _)| *role == wanted) {
                    return Err(self.refused.swap_remove(at).1);
                }
                match (role, others.pop()) {
                    (None, Some(only)) if others.is_empty() => Ok(only),
                    _ => Err(FormatError::unsupported(format!("it holds no {wanted}, but a {names}"))),
                }
            }
        }
    }
}

/// Finds out which networks the tensors are of, and gives them their names and order.
pub(crate) fn recognise(
    tensors: StateDict,
    modules: &IndexMap<String, ModuleClass>,
    metadata: &Metadata,
    format: Format,
) -> Result<Models, FormatError> {
    if tensors.is_empty() {
        return Err(FormatError::unsupported("it holds no tensors"));
    }
    let mut search = Search { modules, metadata, format, models: Models { found: Vec::new(), refused: Vec::new() } };
    match search.visit(tensors, String::new(), 0) {
        // What looks like a network but is none says more than that the file is none.
        Some(refused) if search.models.found.is_empty() => {
            let mut closest = search.models.refused;
            closest.sort_by_key(|(role, _)| *role != Role::Generator);
            Err(closest.into_iter().next().map_or(refused, |(_, error)| error))
        }
        _ => Ok(search.models),
    }
}

struct Search<'a> {
    modules: &'a IndexMap<String, ModuleClass>,
    metadata: &'a Metadata,
    format: Format,
    models: Models,
}

impl Search<'_> {
    /// Takes `tensors`, whose names stand below `prefix`, as a network, or else as several. Says why they are not one.
    fn visit(&mut self, mut tensors: StateDict, mut prefix: String, depth: usize) -> Option<FormatError> {
        for _ in 0..MAX_WRAPPERS {
            let Some(part) = common_first_part(&tensors) else { break };
            tensors = tensors.into_iter().map(|(name, tensor)| (name[part.len()..].to_owned(), tensor)).collect();
            prefix.push_str(&part);
        }
        let parts = parts(&tensors);
        let Refusal { tensors: mut rest, role, error } = match self.network(tensors, &prefix) {
            Ok(model) => {
                self.models.found.push(model);
                return None;
            }
            Err(refusal) => refusal,
        };
        if let Some(parts) = parts
            && depth < MAX_DEPTH
        {
            for part in parts {
                let own;
                (own, rest) = rest.into_iter().partition(|(name, _)| name.starts_with(&part));
                self.visit(own, prefix.clone(), depth + 1);
            }
        } else if let Some(role) = role {
            self.models.refused.push((role, error.clone()));
        }
        Some(error)
    }

    fn network(&self, tensors: StateDict, prefix: &str) -> Result<Model, Refusal> {
        // Numbers in the names say which layer is which. Otherwise it is the order, unless a script could have another.
        let numbered = self.modules.is_empty().then(|| number_layers(&tensors)).flatten();
        let (mut tensors, old_names, original) = match numbered {
            Some((numbered, old_names)) => (numbered, old_names, Some(tensors)),
            None => (tensors, IndexMap::new(), None),
        };
        tensors.sort_by(|a, _, b, _| natural::compare(a, b));
        count_batches(&mut tensors);
        let below = if prefix.is_empty() { String::new() } else { format!(" (names are below {prefix})") };
        let refuse = |role, message: String, tensors| {
            let tensors = original.unwrap_or(tensors);
            Err(Refusal { tensors, role, error: FormatError::unsupported(format!("{message}{below}")) })
        };
        let mut network = match Network::recognise(&tensors) {
            Ok(network) => network,
            Err(mut error) => {
                let role = match &mut error {
                    RecogniseError::Tensor { role, name, .. } => {
                        *name = old_names.get(name).unwrap_or(name).clone();
                        Some(*role)
                    }
                    _ => None,
                };
                return refuse(role, error.to_string(), tensors);
            }
        };
        if let Err(message) = check_modules(&network, self.modules, prefix) {
            return refuse(Some(network.role), message, tensors);
        }
        if network.role == Role::Discriminator {
            // Its tensors do not tell the length of the noise.
            let told = self.metadata.get("latent_dim").and_then(|text| text.parse().ok());
            let config = ModelConfig { latent_dim: told.unwrap_or(network.config.latent_dim), ..network.config };
            if config.validate().is_ok() {
                network.config = config;
            }
        }
        let order: IndexSet<String> = network.tensors().into_iter().map(|spec| spec.name).collect();
        tensors.sort_by_key(|name, _| order.get_index_of(name));
        let name = prefix.trim_end_matches('.').to_owned();
        Ok(Model { name, network, tensors, metadata: self.metadata.clone(), format: self.format })
    }
}

/// Tensors that are no network, and why.
struct Refusal {
    tensors: StateDict,
    /// What they look like, if it is one of the two.
    role: Option<Role>,
    error: FormatError,
}

/// `main.` if all names begin so: networks are often kept inside another module. The layers' own numbers differ.
fn common_first_part(tensors: &StateDict) -> Option<String> {
    let (first, _) = tensors.keys().next()?.split_once('.')?;
    let part = format!("{first}.");
    tensors.keys().all(|name| name.starts_with(&part)).then_some(part)
}

/// `netG.` and `netD.`, if these words and no numbers stand first. What has no parts of its own is left out.
fn parts(tensors: &StateDict) -> Option<IndexSet<String>> {
    let mut parts = IndexSet::new();
    for name in tensors.keys() {
        let Some((first, _)) = name.split_once('.') else { continue };
        if first.parse::<u64>().is_ok() {
            return None;
        }
        parts.insert(format!("{first}."));
        if parts.len() > MAX_PARTS {
            return None;
        }
    }
    (parts.len() > 1).then_some(parts)
}

/// Gives the layers of a network whose names are words (`conv1`, `bn1`) or groups (`0.1`, `block.conv`) the numbers that they have in the
/// tutorial's `nn.Sequential`. As PyTorch keeps modules in the order in which they were made, the nth convolution and the nth batch norm there
/// are those of the network; if they are not, their shapes do not fit. Behind all but the last convolution of a generator there is a batch norm,
/// of a discriminator all but the first and last. The second part of the answer has the old names by the new ones.
fn number_layers(tensors: &StateDict) -> Option<(StateDict, IndexMap<String, String>)> {
    let mut layers: IndexMap<&str, Vec<(&String, &Tensor)>> = IndexMap::new();
    for (name, tensor) in tensors {
        let (layer, _) = name.rsplit_once('.')?;
        layers.entry(layer).or_default().push((name, tensor));
    }
    if layers.keys().all(|layer| layer.parse::<usize>().is_ok()) {
        return None;
    }
    let is_conv = |tensors: &[(&String, &Tensor)]| tensors.iter().any(|(_, tensor)| tensor.shape.len() == 4);
    let (convs, norms): (Vec<_>, Vec<_>) = layers.into_values().partition(|tensors| is_conv(tensors));
    let first_norm = match convs.len().checked_sub(norms.len())? {
        1 => 0,
        2 => 1,
        _ => return None,
    };
    let (mut numbered, mut old_names) = (StateDict::new(), IndexMap::new());
    let mut index = 0;
    let mut norms = norms.into_iter();
    let mut add = |index: usize, tensors: Vec<(&String, &Tensor)>| {
        for (name, tensor) in tensors {
            let suffix = name.rsplit('.').next().unwrap_or(name);
            let number = format!("{index}.{suffix}");
            numbered.insert(number.clone(), tensor.clone());
            old_names.insert(number, name.clone());
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
    Some((numbered, old_names))
}

/// Gives batch norms that do not count their batches a count of zero, as PyTorch's `load_state_dict` does: before 0.4.1 there was none, and
/// nothing depends on it.
fn count_batches(tensors: &mut StateDict) {
    let layers = tensors.keys().filter_map(|name| name.strip_suffix(".running_var"));
    let counts: Vec<String> = layers.map(|layer| format!("{layer}.num_batches_tracked")).collect();
    for count in counts {
        tensors.entry(count).or_insert_with(|| Tensor::scalar_i64(0));
    }
}

/// Checks that the modules of a script are the network's layers: an activation has no tensors to tell it by.
fn check_modules(network: &Network, modules: &IndexMap<String, ModuleClass>, prefix: &str) -> Result<(), String> {
    if modules.is_empty() {
        return Ok(());
    }
    let role = network.role;
    for (index, layer) in network.layers.iter().enumerate() {
        let (path, expected) = (format!("{prefix}{index}"), class_name(layer));
        let looks_like = |what: String| Err(format!("it looks like a {role}, but module {path}{what}"));
        match modules.get(&path) {
            Some(class) if class.name != expected => {
                return looks_like(format!(" is a {} and not a {expected}", class.name));
            }
            Some(class) => {
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
        None => Ok(()),
    }
}
