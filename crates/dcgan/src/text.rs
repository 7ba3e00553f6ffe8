//! Texts for messages: errors as one line, numbers, and characters that a terminal would obey.

use std::error::Error;
use std::io;

/// Length of the longest message, in characters.
const MAX_MESSAGE: usize = 4000;

/// Formats an error as one line: each cause once, and what to do if disk space or file sizes are limited.
///
/// ```
/// use std::io::{Error, ErrorKind};
/// let message = dcgan::text::error_message(&Error::from(ErrorKind::StorageFull));
/// assert!(message.ends_with("; free space on the disk and try again"));
/// ```
pub fn error_message(error: &(dyn Error + 'static)) -> String {
    let chain = || std::iter::successors(Some(error), |&error| error.source());
    let mut message = String::new();
    for cause in chain().map(ToString::to_string) {
        // Some errors repeat their causes.
        if !message.contains(&cause) {
            let colon = if message.is_empty() { "" } else { ": " };
            message += &format!("{colon}{cause}");
        }
    }
    let kind = chain().find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    message += match kind {
        Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => "; free space on the disk and try again",
        Some(io::ErrorKind::FileTooLarge) => "; raise the limit of a file's size (ulimit -f)",
        _ => "",
    };
    printable(&shortened(&message, MAX_MESSAGE))
}

/// Formats 3576704 as 3,576,704.
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a number with what it counts: "1 epoch", "2,000 steps".
pub fn count(n: usize, one: &str, many: &str) -> String {
    format!("{} {}", thousands(n), if n == 1 { one } else { many })
}

/// Returns the first `most` characters, and an ellipsis if there are more.
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Makes a line safe for the terminal. Control characters, which a terminal would obey, and marks that change the
/// direction of writing are replaced by their escapes, because file names may contain them.
pub fn printable(line: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut text = String::with_capacity(line.len());
    for c in line.chars() {
        if c.is_control() || turns(c) { text.extend(c.escape_default()) } else { text.push(c) }
    }
    text
}

/// Returns sorted numbers as text: `1 to 4, 8, 12`.
pub fn ranges(numbers: &[u64]) -> String {
    let runs = numbers.chunk_by(|a, b| a + 1 == *b);
    let text = |run: &[u64]| match run {
        [first, _, .., last] => format!("{first} to {last}"),
        run => run.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
    };
    runs.map(text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let table = [(0, "0"), (999, "999"), (1000, "1,000"), (3_576_704, "3,576,704"), (100_000, "100,000")];
        for (n, expected) in table {
            assert_eq!(thousands(n), expected);
        }
        assert_eq!([1, 2000].map(|n| count(n, "step", "steps")), ["1 step", "2,000 steps"]);
    }

    #[test]
    fn lines_do_not_reach_into_the_terminal() {
        assert_eq!(printable("动漫\u{1b}[2J\n\u{202e}é"), "动漫\\u{1b}[2J\\n\\u{202e}é");
        assert_eq!(shortened("动漫é", 2), "动漫…");
        assert_eq!(shortened("动漫é", 3), "动漫é");
    }

    #[test]
    fn numbers_in_a_row_are_a_range() {
        assert_eq!(ranges(&[1, 2, 3, 5, 6, 9]), "1 to 3, 5, 6, 9");
    }
}
