//! Lists of seeds such as `0-999,2000`.

use dcgan_settings::Seed;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A list of seeds, stored as ranges in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seeds {
    ranges: Vec<RangeInclusive<u64>>,
}

impl Seeds {
    /// Largest number of seeds of a list. PyTorch's generator uses 32 bits of a seed, so more would repeat faces.
    const MAX_COUNT: u64 = 1 << 32;

    /// Returns the number of seeds.
    pub(crate) fn count(&self) -> u64 {
        self.ranges.iter().map(|range| range.end() - range.start() + 1).sum()
    }

    /// Returns the ranges of seeds in their order.
    pub(crate) fn ranges(&self) -> Vec<RangeInclusive<u64>> {
        self.ranges.clone()
    }

    /// Returns the seed at `index`, counted from 0; `None` after the last.
    pub(crate) fn get(&self, index: u64) -> Option<u64> {
        let mut index = index;
        for range in &self.ranges {
            let count = range.end() - range.start() + 1;
            if index < count {
                return Some(range.start() + index);
            }
            index -= count;
        }
        None
    }

    /// Returns whether the list contains a seed.
    pub(crate) fn contains(&self, seed: u64) -> bool {
        self.ranges.iter().any(|range| range.contains(&seed))
    }

    /// Returns the seeds sorted and without repetitions.
    pub(crate) fn distinct(&self) -> Self {
        let mut ranges = self.ranges.clone();
        ranges.sort_by_key(|range| *range.start());
        let mut distinct: Vec<RangeInclusive<u64>> = Vec::new();
        for range in ranges {
            match distinct.last_mut() {
                Some(last) if range.start() <= last.end() => *last = *last.start()..=*last.end().max(range.end()),
                _ => distinct.push(range),
            }
        }
        Self { ranges: distinct }
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut ranges = Vec::new();
        let mut count: u128 = 0;
        for part in text.split(',') {
            for range in parse_range(part.trim())? {
                count += u128::from(range.end() - range.start()) + 1;
                ranges.push(range);
            }
        }
        if count > Self::MAX_COUNT.into() {
            return Err(format!("{count} seeds are too many: name {} or fewer", Self::MAX_COUNT));
        }
        Ok(Self { ranges })
    }
}

/// Parses a seed or a range of seeds. A range that starts at a negative seed becomes two ranges, because negative seeds
/// stand for the largest ones.
fn parse_range(part: &str) -> Result<Vec<RangeInclusive<u64>>, String> {
    let unclear = || format!("\"{part}\" is neither a seed nor a range: write numbers and ranges, such as 0-999,2000");
    let number = |text: &str| -> Result<i128, String> {
        let text = text.trim();
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(unclear());
        }
        let number = text.parse().unwrap_or(i128::MAX);
        Seed::new(number).map_err(|message| format!("{text} is out of range: {message}"))?;
        Ok(number)
    };
    // The first minus may be a sign.
    let dash = part.char_indices().skip(1).find(|&(_, c)| c == '-').map(|(at, _)| at);
    let (first, last) = dash.map_or((part, part), |dash| (&part[..dash], &part[dash + 1..]));
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(format!("the range {part} runs backwards: write {last}-{first}"));
    }
    Ok(if first < 0 && last >= 0 {
        vec![first as u64..=u64::MAX, 0..=last as u64]
    } else {
        vec![first as u64..=last as u64]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(seeds: &Seeds) -> Vec<u64> {
        (0..seeds.count()).map(|index| seeds.get(index).unwrap()).collect()
    }

    #[test]
    fn lists_are_read() {
        let read = |text: &str| text.parse::<Seeds>().unwrap();
        assert_eq!(all(&read("7")), [7]);
        assert_eq!(all(&read("0-3,9, 5 - 6,2")), [0, 1, 2, 3, 9, 5, 6, 2]);
        assert_eq!(all(&read("4-6,5,2,6-7,2").distinct()), [2, 4, 5, 6, 7]);
        assert_eq!(read("0-4294967295").count(), 1 << 32);
        assert_eq!(read("18446744073709551614-18446744073709551615,0").count(), 3);
        assert_eq!(all(&read("-1, -3--2,-2-1")), [u64::MAX, u64::MAX - 2, u64::MAX - 1, u64::MAX - 1, u64::MAX, 0, 1]);
        assert_eq!(all(&read("-9223372036854775808")), [1 << 63]);
        assert_eq!(read("3,1-2,8").get(4), None);
        assert_eq!(read("3,1-2,8").ranges(), [3..=3, 1..=2, 8..=8]);
    }

    #[test]
    fn mistakes_are_explained() {
        let error = |text: &str| text.parse::<Seeds>().unwrap_err();
        for text in ["", "1,", "a", "1-", "-", "--3", "1-2-3", "1.5", "0x3", "--out"] {
            assert!(error(text).contains("such as 0-999,2000"), "{text}: {}", error(text));
        }
        assert!(error("9-3").contains("write 3-9"));
        assert!(error("18446744073709551616").contains("goes from -9223372036854775808 to 18446744073709551615"));
        assert!(error("-9223372036854775809").contains("goes from -9223372036854775808"));
        assert!(error("0-4294967296").contains("4294967297 seeds are too many"));
        assert!(error("0-18446744073709551615,0-18446744073709551615").contains("too many"));
    }
}
