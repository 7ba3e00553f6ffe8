//! Lists of seeds such as `0-999,2000`.

use std::ops::RangeInclusive;
use std::str::FromStr;

/// A set of seeds, in rising order. A million of them take no more memory than one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seeds {
    /// Rising and apart from each other.
    ranges: Vec<RangeInclusive<u64>>,
}

impl Seeds {
    /// PyTorch's generator looks at 32 bits of a seed, so a larger one would silently repeat a smaller one's face.
    const MAX: u64 = u32::MAX as u64;

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.ranges.iter().map(|range| range.end() - range.start() + 1).sum()
    }

    /// The seeds, rising.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> {
        self.ranges.iter().cloned().flatten()
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut ranges = text.split(',').map(|part| parse_range(part.trim())).collect::<Result<Vec<_>, _>>()?;
        // One file per seed: a seed that is named twice is drawn once.
        ranges.sort_by_key(|range| *range.start());
        let mut merged: Vec<RangeInclusive<u64>> = Vec::new();
        for range in ranges {
            match merged.last_mut() {
                Some(last) if range.start() <= last.end() => *last = *last.start()..=*last.end().max(range.end()),
                _ => merged.push(range),
            }
        }
        Ok(Self { ranges: merged })
    }
}

fn parse_range(part: &str) -> Result<RangeInclusive<u64>, String> {
    let number = |text: &str| match text.trim().parse::<u64>() {
        Ok(seed) if seed <= Seeds::MAX => Ok(seed),
        Ok(seed) => Err(format!("{seed} is too large: seeds go from 0 to {}", Seeds::MAX)),
        Err(_) => {
            Err(format!("\"{part}\" is neither a seed nor a range: write numbers and ranges, such as 0-999,2000"))
        }
    };
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(format!("the range {part} runs backwards: write {last}-{first}"));
    }
    Ok(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        let all = |text: &str| text.parse::<Seeds>().unwrap().iter().collect::<Vec<_>>();
        assert_eq!(all("7"), [7]);
        assert_eq!(all("0-3,9, 5 - 6"), [0, 1, 2, 3, 5, 6, 9]);
        assert_eq!(all("4-6,5,2,6-7,2"), [2, 4, 5, 6, 7]);
        assert_eq!("0-4294967295".parse::<Seeds>().unwrap().count(), 1 << 32);
        assert_eq!("3,1-2,8".parse::<Seeds>().unwrap().count(), 4);
    }

    #[test]
    fn mistakes_are_explained() {
        let error = |text: &str| text.parse::<Seeds>().unwrap_err();
        for text in ["", "1,", "a", "1-", "-3", "1-2-3", "1.5", "0x3"] {
            assert!(error(text).contains("such as 0-999,2000"), "{text}: {}", error(text));
        }
        assert!(error("9-3").contains("write 3-9"));
        assert!(error("4294967296").contains("0 to 4294967295"));
    }
}
