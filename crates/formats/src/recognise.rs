//! From named tensors to networks.

use crate::error::FormatError;
use crate::torch::class_name;
use crate::{Format, Metadata, Model, natural};
use dcgan_model::{Layer, ModelConfig, Network, Role, StateDict, Tensor};
use indexmap::{IndexMap, IndexSet};

/// Modules around the network: `module.generator.main.0.weight` has three.
const MAX_WRAPPERS: usize = 8;
/// Networks, optimizers and the like beside each other.
const MAX_PARTS: usize = 16;
/// Such groups inside each other.
const MAX_DEPTH: usize = 4;

/// The networks of a file, one at least.
#[derive(Debug, Clone, PartialEq)]
pub struct Models(Vec<Model>);

impl Models {
    /// All of them, in the file's order.
    pub fn into_vec(self) -> Vec<Model> {
        self.0
    }

    /// The network of a role. Without a role it is the only one, or else the only generator.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if there are several or none.
    pub fn choose(mut self, role: Option<Role>) -> Result<Model, FormatError> {
        let role = match role {
            None if self.0.len() == 1 => self.0[0].network.role,
            role => role.unwrap_or(Role::Generator),
        };
        let names: Vec<String> = self.0.iter().map(|model| format!("{} {}", model.network.role, model.name)).collect();
        self.0.retain(|model| model.network.role == role);
        match (self.0.pop(), self.0.len()) {
            (Some(model), 0) => Ok(model),
            (None, _) if names.len() == 1 => {
                Err(FormatError::unsupported(format!("it holds a {}, no {role}", names[0].trim_end())))
            }
            (None, _) => Err(FormatError::unsupported(format!("it holds no {role} ({})", names.join(", ")))),
            _ => Err(FormatError::unsupported(format!("it holds more than one {role} ({})", names.join(", ")))),
        }
    }
}

/// Finds out which networks the tensors are of, and gives them their names and order.
pub(crate) fn recognise(
    tensors: StateDict,
    modules: &IndexMap<String, String>,
    metadata: &Metadata,
    format: Format,
) -> Result<Models, FormatError> {
    let mut search = Search { modules, metadata, format, found: Vec::new(), refused: None };
    search.visit(tensors, String::new(), 0);
    match (search.found, search.refused) {
        (found, _) if !found.is_empty() => Ok(Models(found)),
        (_, Some(refused)) => Err(refused),
        (_, None) => Err(FormatError::unsupported("it holds no tensors")),
    }
}

struct Search<'a> {
    modules: &'a IndexMap<String, String>,
    metadata: &'a Metadata,
    format: Format,
    found: Vec<Model>,
    /// Why the first tensors that were looked at are no network.
    refused: Option<FormatError>,
}

impl Search<'_> {
    /// Takes `tensors`, whose names stand below `prefix`, as a network, or else as several.
    fn visit(&mut self, mut tensors: StateDict, mut prefix: String, depth: usize) {
        let mut wrappers = 0;
        while wrappers < MAX_WRAPPERS
            && let Some(part) = common_first_part(&tensors)
        {
            tensors = tensors.into_iter().map(|(name, tensor)| (name[part.len()..].to_owned(), tensor)).collect();
            prefix.push_str(&part);
            wrappers += 1;
        }
        let parts = parts(&tensors);
        match self.network(tensors, &prefix) {
            Ok(model) => self.found.push(model),
            Err(Refusal { tensors, error }) => {
                self.refused.get_or_insert(error);
                if let Some(parts) = parts
                    && depth < MAX_DEPTH
                {
                    let mut rest = tensors;
                    for part in parts {
                        let own;
                        (own, rest) = rest.into_iter().partition(|(name, _)| name.starts_with(&part));
                        self.visit(own, prefix.clone(), depth + 1);
                    }
                }
            }
        }
    }

    fn network(&self, mut tensors: StateDict, prefix: &str) -> Result<Model, Refusal> {
        tensors.sort_by(|a, _, b, _| natural::compare(a, b));
        count_batches(&mut tensors);
        let network = Network::recognise(&tensors).map_err(|error| error.to_string());
        let network = network.and_then(|network| check_modules(&network, self.modules, prefix).map(|()| network));
        let mut network = match network {
            Ok(network) => network,
            Err(message) => {
                let below = if prefix.is_empty() { String::new() } else { format!(" (names are below {prefix})") };
                return Err(Refusal { tensors, error: FormatError::unsupported(format!("{message}{below}")) });
            }
        };
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
fn check_modules(network: &Network, modules: &IndexMap<String, String>, prefix: &str) -> Result<(), String> {
    if modules.is_empty() {
        return Ok(());
    }
    let role = network.role;
    for (index, layer) in network.layers.iter().enumerate() {
        let (path, expected) = (format!("{prefix}{index}"), class_name(layer));
        match modules.get(&path) {
            Some(class) if class == expected => {}
            Some(class) => {
                return Err(format!("it looks like a {role}, but module {path} is a {class} and not a {expected}"));
            }
            // PyTorch's example flattens outside of the nn.Sequential.
            None if *layer == Layer::Flatten => {}
            None => return Err(format!("it looks like a {role}, but module {path}, a {expected}, is missing")),
        }
    }
    let index = |path: &str| path.strip_prefix(prefix).and_then(|name| name.parse::<usize>().ok());
    match modules.iter().find(|(path, _)| index(path).is_some_and(|index| index >= network.layers.len())) {
        Some((path, class)) => {
            Err(format!("it looks like a {role}, but module {path}, a {class}, does not belong to one"))
        }
        None => Ok(()),
    }
}
