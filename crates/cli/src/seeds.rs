//! Lists of seeds such as `0-999,2000`.

use std::ops::RangeInclusive;
use std::str::FromStr;

/// Seeds in the order they are written in. A million of them take no more memory than one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seeds {
    ranges: Vec<RangeInclusive<u64>>,
}

impl Seeds {
    /// PyTorch's generator looks at 32 bits of a seed, so a larger one would silently repeat a smaller one's face.
    pub(crate) const MAX: u64 = u32::MAX as u64;

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.ranges.iter().map(|range| range.end() - range.start() + 1).sum()
    }

    /// The seeds, as ranges one after the other.
    pub(crate) fn ranges(&self) -> Vec<RangeInclusive<u64>> {
        self.ranges.clone()
    }

    /// The seed at `index`, counted from 0; `None` behind the last.
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

    /// The same seeds rising, each of them once.
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
        let ranges = text.split(',').map(|part| parse_range(part.trim())).collect::<Result<_, _>>()?;
        Ok(Self { ranges })
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
        assert_eq!(read("3,1-2,8").get(4), None);
        assert_eq!(read("3,1-2,8").ranges(), [3..=3, 1..=2, 8..=8]);
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
