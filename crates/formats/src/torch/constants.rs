//! The numbers of a script's modules that no tensor tells: batch norm's eps and LeakyReLU's slope.
//!
//! They stand in the code, which is searched and not run. A scripted class has a line `eps : Final[float] =
//! 1.0000000000000001e-05`; a traced one hands the number to `torch.batch_norm(…, 1.0000000000000001e-05, True)`.

use super::archive::Archive;
use std::io::{Read, Seek};

/// A class takes one to four kilobytes.
pub(super) const MAX_CODE: u64 = 1 << 20;

/// The class of a module.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ModuleClass {
    /// Its name in `torch.nn`.
    pub(crate) name: String,
    /// Its whole name, for example `__torch__.torch.nn.modules.container.Sequential`.
    pub(crate) full_name: String,
    /// Batch norm's eps, LeakyReLU's slope, if they are found.
    pub(crate) constant: Option<f64>,
    /// Whether it is a batch norm that was traced in training mode, and has stayed in it.
    pub(crate) is_in_training: bool,
}

impl ModuleClass {
    /// Looks up a class such as `__torch__.torch.nn.modules.batchnorm.___torch_mangle_1.BatchNorm2d`.
    pub(super) fn read(archive: &mut Archive<impl Read + Seek>, class: &str) -> Self {
        let (module, name) = class.rsplit_once('.').unwrap_or(("", class));
        let (mut constant, mut is_in_training) = (None, false);
        if matches!(name, "BatchNorm2d" | "LeakyReLU")
            && let Some(code) = archive.text(&format!("code/{}.py", module.replace('.', "/")), MAX_CODE)
        {
            constant = find(&code, name);
            is_in_training = name == "BatchNorm2d" && was_traced_in_training(&code);
        }
        Self { name: name.to_owned(), full_name: class.to_owned(), constant, is_in_training }
    }
}

/// The constant of class `name` in `code`.
fn find(code: &str, name: &str) -> Option<f64> {
    let (_, class) = code.split_once(&format!("class {name}(Module):"))?;
    // A file may hold several classes.
    let class = class.split("\nclass ").next()?;
    let (attribute, call, from_end) = match name {
        "BatchNorm2d" => ("eps : Final[float] = ", "torch.batch_norm(", 1),
        _ => ("negative_slope : Final[float] = ", "torch.leaky_relu", 0),
    };
    if let Some((_, value)) = class.split_once(attribute) {
        return value.lines().next()?.trim().parse().ok();
    }
    let (_, arguments) = class.split_once(call)?;
    arguments.split_once(')')?.0.rsplit(',').nth(from_end)?.trim().parse().ok()
}

/// Whether a batch norm's code calls `torch.batch_norm(input, weight, bias, mean, variance, True, …)`. A scripted one
/// asks each time.
fn was_traced_in_training(code: &str) -> bool {
    let class = code.split_once("class BatchNorm2d(Module):").map_or("", |(_, class)| class);
    let class = class.split("\nclass ").next().unwrap_or(class);
    let Some((_, arguments)) = class.split_once("torch.batch_norm(") else { return false };
    arguments.split(',').nth(5).is_some_and(|training| training.trim() == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_found_in_both_kinds_of_code() {
        let scripted = concat!(
            "class A(Module):\n",
            "  eps : Final[float] = 9.\n",
            "class BatchNorm2d(Module):\n",
            "  training : bool\n",
            "  eps : Final[float] = 1.0000000000000001e-05\n",
        );
        assert_eq!(find(scripted, "BatchNorm2d"), Some(1e-5));
        assert_eq!(find(scripted, "LeakyReLU"), None);
        let traced = concat!(
            "class BatchNorm2d(Module):\n",
            "  def forward(\n",
            "    input = torch.batch_norm(x, weight, bias, m, v, False, 0.1, 0.8, True)\n",
            "    return input\n",
        );
        assert_eq!(find(traced, "BatchNorm2d"), Some(0.8));
        assert!(!was_traced_in_training(traced) && was_traced_in_training(&traced.replace("False", "True")));
        assert!(
            !was_traced_in_training(scripted)
                && !was_traced_in_training("class BatchNorm2d(Module):\n  x = torch.batch_norm(")
        );
        let leaky = concat!(
            "class LeakyReLU(Module):\n",
            "    input = torch.leaky_relu_(argument_1, 0.20000000000000001)\n",
            "    return input\n",
        );
        assert_eq!(find(leaky, "LeakyReLU"), Some(0.2));
        // A number that is handed on from elsewhere is none.
        assert_eq!(find("class LeakyReLU(Module):\n    y = torch.leaky_relu(input, slope)\n", "LeakyReLU"), None);
        assert_eq!(find("class BatchNorm2d(Module):\n  eps : Final[float] = ", "BatchNorm2d"), None);
    }
}
