//! Numbers and lines for messages.

use std::path::Path;

/// Formats 3576704 as 3,576,704.
pub(crate) fn thousands(n: usize) -> String {
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
pub(crate) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(n as usize), if n == 1 { one } else { many })
}

/// Formats a number of bytes as "47 MiB", rounded up.
pub(crate) fn mebibytes(bytes: usize) -> String {
    format!("{} MiB", thousands(bytes.div_ceil(1 << 20)))
}

/// Returns the size of a file after a comma, ", 5.3 MiB", for a list of its properties; empty if it cannot be read.
pub(crate) fn file_size(path: &Path) -> String {
    let Ok(metadata) = std::fs::metadata(path) else { return String::new() };
    let kibibytes = metadata.len().div_ceil(1024);
    if kibibytes < 1024 { format!(", {kibibytes} KiB") } else { format!(", {:.1} MiB", kibibytes as f64 / 1024.0) }
}

/// Returns the first `most` characters, and an ellipsis if there are more.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Breaks a line at spaces so that no part is wider than `width` columns, as far as there are spaces. Further lines are
/// indented like the text of messages.
pub(crate) fn wrapped(line: &str, width: Option<usize>) -> String {
    const INDENT: &str = "          ";
    let Some(width) = width.filter(|&width| width > 2 * INDENT.len()) else { return line.to_owned() };
    let (mut text, mut used) = (String::new(), 0);
    for part in line.split_inclusive(' ') {
        let columns = console::measure_text_width(part.trim_end());
        if used > INDENT.len() && used + columns > width {
            text.truncate(text.trim_end().len());
            text.push('\n');
            text.push_str(INDENT);
            used = INDENT.len();
        }
        text.push_str(part);
        used += console::measure_text_width(part);
    }
    text
}

/// Makes a line safe for the terminal. Control characters, which a terminal would obey, and marks that change the
/// direction of writing are replaced by their escapes, because file names may contain them.
pub(crate) fn printable(line: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut text = String::with_capacity(line.len());
    for c in line.chars() {
        if c.is_control() || turns(c) { text.extend(c.escape_default()) } else { text.push(c) }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_at_spaces() {
        let line = "odd       one two three four five six seven";
        assert_eq!(wrapped(line, None), line);
        assert_eq!(wrapped(line, Some(30)), "odd       one two three four\n          five six seven");
        let name = format!("odd       {}", "x".repeat(50));
        assert_eq!(wrapped(&name, Some(30)), name, "a name stays whole");
    }

    #[test]
    fn numbers_are_grouped() {
        let table = [(0, "0"), (999, "999"), (1000, "1,000"), (3_576_704, "3,576,704"), (100_000, "100,000")];
        for (n, expected) in table {
            assert_eq!(thousands(n), expected);
        }
    }

    #[test]
    fn memory_is_rounded_up() {
        assert_eq!(
            [0, 1, 1 << 20, (1 << 20) + 1, 5000 << 20].map(mebibytes),
            ["0 MiB", "1 MiB", "1 MiB", "2 MiB", "5,000 MiB"]
        );
    }

    #[test]
    fn lines_do_not_reach_into_the_terminal() {
        assert_eq!(printable("动漫\u{1b}[2J\n\u{202e}é"), "动漫\\u{1b}[2J\\n\\u{202e}é");
        assert_eq!(shortened("动漫é", 2), "动漫…");
        assert_eq!(shortened("动漫é", 3), "动漫é");
    }
}
