//! Commands that messages suggest, ready to be pasted into a shell.

use os_display::Quotable;
use std::ffi::OsStr;
use std::fmt::Display;
use std::path::Path;

/// A `dcgan` command that a message suggests. Arguments are quoted for the shell where they need it; a path that is not
/// UTF-8 as `$'…'`.
#[derive(Debug, Clone)]
pub(crate) struct Hint(String);

impl Hint {
    /// Creates a `dcgan` command with these words, which are not quoted.
    pub(crate) fn new(words: &str) -> Self {
        Self(format!("dcgan {words}"))
    }

    /// Adds a path.
    pub(crate) fn path(self, path: &Path) -> Self {
        // A name that starts with a hyphen would be an option.
        let name = path.as_os_str();
        let is_like_option = name.as_encoded_bytes().starts_with(b"-");
        let dotted = Path::new(".").join(path);
        self.argument(if is_like_option { dotted.as_os_str() } else { name })
    }

    /// Adds words, which are not quoted.
    pub(crate) fn words(self, words: &str) -> Self {
        Self(format!("{} {words}", self.0))
    }

    /// Adds an option and its value.
    pub(crate) fn option(self, name: &str, value: impl Display) -> Self {
        self.words(name).argument(value.to_string().as_ref())
    }

    /// Appends one argument, quoted for a shell if it has to be.
    fn argument(mut self, argument: &OsStr) -> Self {
        self.0.push_str(&format!(" {}", argument.maybe_quote()));
        self
    }
}

impl Display for Hint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_shell_reads_the_arguments_back() {
        use std::os::unix::ffi::OsStrExt;
        let names: [&[u8]; 9] = [
            b"runs/0000-faces",
            b"my run",
            b"it's",
            b"$HOME `id` \"x\" \\",
            b"*?[a];&|<>(){}#~!",
            "动漫".as_bytes(),
            b"f\xe9es",
            b"line\nfeed\x1b[2J",
            b"",
        ];
        for name in names {
            let hint = Hint::new("").path(Path::new(OsStr::from_bytes(name))).to_string();
            assert!(!hint.chars().any(char::is_control), "{hint:?}");
            let arguments = hint.strip_prefix("dcgan  ").unwrap();
            let script = format!("printf %s {arguments}");
            let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
            assert_eq!(output.stdout, name, "{hint}");
        }
        let hint = Hint::new("train --resume").path(Path::new("my run")).option("--lr-d", "2e-5");
        assert_eq!(hint.to_string(), "dcgan train --resume 'my run' --lr-d 2e-5");
        assert_eq!(Hint::new("generate").path(Path::new("-n")).to_string(), "dcgan generate ./-n");
    }
}
