//! The one error of this crate.

use std::fmt::Display;

/// The longest message, and the longest path before it.
const MAX_CHARS: usize = 1000;
const MAX_PATH_CHARS: usize = 4096;
/// The longest word of a message. Names of tensors, layers and classes come from the file and may have any length.
const MAX_WORD_CHARS: usize = 120;

/// Why a model file could not be read or written. The message is one sentence for the user; the kind is for programs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FormatError {
    kind: ErrorKind,
    message: String,
}

/// What sort of failure a [`FormatError`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The operating system refused: no such file, no permission, disk full.
    Io,
    /// The file is something else: a picture, text, any other archive.
    NotThisFormat,
    /// A sound file of a kind, a type or a network that this program does not handle.
    Unsupported,
    /// A broken file: truncated, damaged or made to deceive.
    Malformed,
    /// The file asks for more memory, entries or depth than it may.
    Limit,
}

impl FormatError {
    /// What sort of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Creates an error with a message of one line.
    pub(crate) fn new(kind: ErrorKind, message: impl AsRef<str>) -> Self {
        Self { kind, message: printable(message.as_ref(), MAX_CHARS, MAX_WORD_CHARS) }
    }

    /// Creates an error for something that is not supported.
    pub(crate) fn unsupported(message: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// Creates an error for a damaged file.
    pub(crate) fn malformed(message: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::Malformed, message)
    }

    /// Creates an error for something beyond a limit.
    pub(crate) fn limit(message: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::Limit, message)
    }

    /// An error of the operating system, or of the data where there was none: the end of the file, a checksum.
    pub(crate) fn from_io(error: &std::io::Error) -> Self {
        match error.raw_os_error() {
            Some(_) => Self::new(ErrorKind::Io, error.to_string()),
            None => Self::malformed(format!("it is damaged or truncated ({error})")),
        }
    }

    /// Puts more behind the message.
    pub(crate) fn followed_by(self, what: &str) -> Self {
        Self { kind: self.kind, message: self.message + &printable(what, MAX_CHARS, MAX_WORD_CHARS) }
    }

    /// Puts the file it happened in before the message.
    pub(crate) fn within(self, what: impl Display) -> Self {
        self.behind(&printable(&what.to_string(), MAX_PATH_CHARS, MAX_PATH_CHARS))
    }

    /// Puts the entry or tensor it happened in before the message.
    pub(crate) fn within_part(self, what: impl Display) -> Self {
        self.behind(&printable(&what.to_string(), MAX_CHARS, MAX_WORD_CHARS))
    }

    /// Returns the error with `place` before its message.
    fn behind(self, place: &str) -> Self {
        Self { kind: self.kind, message: format!("{place}: {}", self.message) }
    }
}

/// Names come from the file: they may hold line feeds and what a terminal would obey, and be megabytes long.
fn printable(text: &str, max_chars: usize, max_word_chars: usize) -> String {
    let (mut printable, mut count, mut word) = (String::new(), 0, 0);
    for c in text.chars().flat_map(escaped) {
        word = if c == ' ' { 0 } else { word + 1 };
        if count == max_chars || word == max_word_chars + 1 {
            printable.push('…');
        }
        if count == max_chars {
            break;
        }
        if word <= max_word_chars {
            printable.push(c);
            count += 1;
        }
    }
    printable
}

/// A character that leaves the line, the terminal and the direction of writing as they are; any other as its number.
fn escaped(c: char) -> impl Iterator<Item = char> {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let escape = (turns || c.is_control()).then(|| c.escape_default());
    let plain = escape.is_none().then_some(c);
    escape.into_iter().flatten().chain(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_says_where() {
        let error = FormatError::limit("too large").within("0.weight").within("g.pt");
        assert_eq!(error.to_string(), "g.pt: 0.weight: too large");
        assert_eq!(error.kind(), ErrorKind::Limit);
    }

    #[test]
    fn a_name_cannot_break_out_of_the_message() {
        let error = FormatError::malformed("tensor a\nb\u{1b}[2J\u{202e}é").within("数据\r");
        assert_eq!(error.to_string(), r"数据\r: tensor a\nb\u{1b}[2J\u{202e}é");
        for long in ["x ", "\u{1b} "] {
            let error = FormatError::malformed(long.repeat(10_000_000));
            assert_eq!(error.to_string().chars().count(), MAX_CHARS + 1);
        }
        let error = FormatError::malformed(format!("tensor {} is missing", "x".repeat(1000)));
        assert_eq!(error.to_string(), format!("tensor {}… is missing", "x".repeat(MAX_WORD_CHARS)));
        let error = error.within_part("y".repeat(1000)).within("z".repeat(1000));
        assert!(error.to_string().starts_with(&format!("{}: {}…: ", "z".repeat(1000), "y".repeat(MAX_WORD_CHARS))));
    }
}
