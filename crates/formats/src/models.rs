//! The networks of a file, and the choice among them.

use crate::error::FormatError;
use crate::model::Model;
use dcgan_model::Role;

/// The networks of a file, one at least.
#[derive(Debug, Clone, PartialEq)]
pub struct Models {
    pub(crate) found: Vec<Model>,
    /// Tensors that look like a network of this role, and what does not fit.
    pub(crate) refused: Vec<(Role, FormatError)>,
}

impl Models {
    /// All of them, in the file's order.
    pub fn into_vec(self) -> Vec<Model> {
        self.found
    }

    /// The network of a role. Without a role it is the generator, or else the only network. Networks with the same
    /// values count as one.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if there are several or none; what looks like one is
    /// explained.
    pub fn choose(self, role: Option<Role>) -> Result<Model, FormatError> {
        let wanted = role.unwrap_or(Role::Generator);
        let Models { found, mut refused } = self;
        let names = names(&found);
        let (chosen, others): (Vec<Model>, Vec<Model>) =
            found.into_iter().partition(|model| model.network.role == wanted);
        match only(chosen) {
            Ok(Some(model)) => return Ok(model),
            Err(several) => {
                let last = several.last().map_or("", |model| &model.name);
                // Shells have a use for brackets.
                let quote = if last.contains('[') { "'" } else { "" };
                let message = format!(
                    "it holds more than one {wanted}: {names}; choose one by its name, as with --network \
                     {quote}{last}{quote}"
                );
                return Err(FormatError::unsupported(message));
            }
            Ok(None) => {}
        }
        if let Some(at) = refused.iter().position(|(role, _)| *role == wanted) {
            return Err(refused.swap_remove(at).1);
        }
        match (role, only(others)) {
            (None, Ok(Some(only))) => Ok(only),
            _ => Err(FormatError::unsupported(format!("it holds no {wanted}, but a {names}"))),
        }
    }

    /// The network of a name: [`Model::name`], or a part of that between dots (`netG` for `netG.main`), or else
    /// `generator` or `discriminator` for the only one of that role.
    ///
    /// # Errors
    /// As [`choose`](Self::choose).
    pub fn choose_named(self, name: &str) -> Result<Model, FormatError> {
        let known = names(&self.found);
        let is_part = |model: &&Model| {
            let full = format!(".{}.", model.name);
            full.contains(&format!(".{name}."))
        };
        let exact: Vec<Model> = self.found.iter().filter(|model| model.name == name).cloned().collect();
        let parts: Vec<Model> = self.found.iter().filter(is_part).cloned().collect();
        match only(if exact.is_empty() { parts } else { exact }) {
            Ok(Some(model)) => Ok(model),
            Ok(None) => {
                match [Role::Generator, Role::Discriminator].into_iter().find(|role| role.to_string() == name) {
                    Some(role) => self.choose(Some(role)),
                    None => Err(FormatError::unsupported(format!("it holds no network {name}, but a {known}"))),
                }
            }
            Err(_) => Err(FormatError::unsupported(format!("it holds more than one network {name}: {known}"))),
        }
    }

    /// Adds a note to every network.
    pub(crate) fn add_note(&mut self, note: &str) {
        self.found.iter_mut().for_each(|model| model.notes.push(note.to_owned()));
    }
}

/// `generator netG, discriminator netD`
fn names(models: &[Model]) -> String {
    let names = models.iter().map(|model| format!("{} {}", model.network.role, model.name).trim_end().to_owned());
    names.collect::<Vec<_>>().join(", ")
}

/// The only network of a list, or the first one if they all have the same values: a checkpoint may hold the best
/// network and the last, and they may be one. Several are given back.
fn only(mut models: Vec<Model>) -> Result<Option<Model>, Vec<Model>> {
    let are_same = |one: &Model, other: &Model| one.network == other.network && one.tensors == other.tensors;
    match models.as_slice() {
        [first, rest @ ..] if rest.iter().all(|other| are_same(first, other)) => Ok(Some(models.swap_remove(0))),
        [] => Ok(None),
        _ => Err(models),
    }
}
