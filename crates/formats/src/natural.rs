//! The order of tensor names in which `2.weight` comes before `10.weight`.

use std::cmp::Ordering;

/// Compares two names part by part, numbers by value.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    a.split('.').map(part).cmp(b.split('.').map(part)).then_with(|| a.cmp(b))
}

/// Numbers before words.
fn part(text: &str) -> (u64, &str) {
    match text.parse() {
        Ok(number) => (number, ""),
        Err(_) => (u64::MAX, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_ordered_by_value() {
        let mut names = ["10.weight", "main.3.weight", "3.weight", "3.bias", "main.12.bias", "0.weight"];
        names.sort_by(|a, b| compare(a, b));
        assert_eq!(names, ["0.weight", "3.bias", "3.weight", "10.weight", "main.3.weight", "main.12.bias"]);
    }
}
