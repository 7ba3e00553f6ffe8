//! Numbers and lines for messages.

pub(crate) use dcgan::text::{printable, thousands};
use std::path::Path;

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
    format!(", {}", size(metadata.len()))
}

/// Formats the size of a file as "470 KiB" or "5.3 MiB", rounded up to whole KiB.
pub(crate) fn size(bytes: u64) -> String {
    let kibibytes = bytes.div_ceil(1024);
    if kibibytes < 1024 { format!("{kibibytes} KiB") } else { format!("{:.1} MiB", kibibytes as f64 / 1024.0) }
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
    fn sizes_of_files_have_a_unit_that_fits() {
        let sizes = [0, 1, 266_057, (1 << 20) - 1, 1 << 20, 4_504_116].map(size);
        assert_eq!(sizes, ["0 KiB", "1 KiB", "260 KiB", "1.0 MiB", "1.0 MiB", "4.3 MiB"]);
    }

    #[test]
    fn memory_is_rounded_up() {
        assert_eq!(
            [0, 1, 1 << 20, (1 << 20) + 1, 5000 << 20].map(mebibytes),
            ["0 MiB", "1 MiB", "1 MiB", "2 MiB", "5,000 MiB"]
        );
    }
}
