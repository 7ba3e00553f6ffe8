//! Numbers for people.

/// 3576704 as 3,576,704.
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

/// Bytes as "47 MiB"; what is less than one is still one.
pub(crate) fn mebibytes(bytes: usize) -> String {
    format!("{} MiB", thousands(bytes.div_ceil(1 << 20)))
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
    }

    #[test]
    fn memory_is_rounded_up() {
        assert_eq!(
            [0, 1, 1 << 20, (1 << 20) + 1, 5000 << 20].map(mebibytes),
            ["0 MiB", "1 MiB", "1 MiB", "2 MiB", "5,000 MiB"]
        );
    }
}
