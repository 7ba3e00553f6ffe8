//! The query parameters of an address.

use crate::error::{Answer, RequestError};
use percent_encoding::percent_decode_str;
use std::str::FromStr;

/// Names and values, in their order. An unknown or repeated name is an error, so that a misspelt one is noticed.
#[derive(Debug)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Parses `query`, in which only the names in `known` are allowed.
    pub(crate) fn parse(query: Option<&str>, known: &[&str]) -> Answer<Self> {
        let mut params: Vec<(String, String)> = Vec::new();
        for pair in query.unwrap_or("").split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if !known.contains(&name.as_str()) {
                let message = format!("there is no parameter {name:?}: use {}", known.join(", "));
                return Err(RequestError::bad(message));
            }
            if params.iter().any(|(other, _)| *other == name) {
                return Err(RequestError::bad(format!("the parameter {name:?} is given twice")));
            }
            params.push((name, value));
        }
        Ok(Self(params))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns the number of this name, or `default` if it is missing. A number outside `range` is an error.
    pub(crate) fn number<T: FromStr + PartialOrd + std::fmt::Display + Copy>(
        &self,
        name: &str,
        default: T,
        range: std::ops::RangeInclusive<T>,
    ) -> Answer<T> {
        let Some(text) = self.get(name) else { return Ok(default) };
        let number = text.parse().ok().filter(|number| range.contains(number));
        let (least, most) = (range.start(), range.end());
        number.ok_or_else(|| RequestError::bad(format!("{name}={text}: choose a number from {least} to {most}")))
    }
}

/// Decodes a name or value of a query: `+` is a space, and %XX a byte of UTF-8.
fn decode(text: &str) -> Answer<String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded.map(Into::into).map_err(|_| RequestError::bad("a parameter is not UTF-8"))
}

/// Parses a list of at most `most` seeds, such as `0-31,40`, as `dcgan generate --seeds` does.
pub(crate) fn parse_seeds(text: &str, most: usize) -> Answer<Vec<u64>> {
    let mut seeds = Vec::new();
    for part in text.split(',').map(str::trim) {
        // The first minus may be a sign.
        let dash = part.char_indices().skip(1).find(|&(_, c)| c == '-').map(|(at, _)| at);
        let (first, last) = dash.map_or((part, part), |dash| (&part[..dash], &part[dash + 1..]));
        let (first, last) = (seed_number(first)?, seed_number(last)?);
        if first > last {
            return Err(RequestError::bad(format!("the range {part} runs backwards: write {last}-{first}")));
        }
        if (last - first) as u128 >= (most - seeds.len()) as u128 {
            return Err(RequestError::bad(format!("too many seeds: name {most} or fewer")));
        }
        // The lowest 64 bits: a negative seed is one of the largest, as in PyTorch.
        seeds.extend((first..=last).map(|seed| seed as u64));
    }
    Ok(seeds)
}

/// Parses a seed from −2⁶³ to 2⁶⁴ − 1; a negative one wraps, as in `torch.manual_seed`.
pub(crate) fn parse_seed(text: &str) -> Answer<u64> {
    seed_number(text).map(|seed| seed as u64)
}

/// Parses a seed and checks its range, −2⁶³ to 2⁶⁴ − 1.
fn seed_number(text: &str) -> Answer<i128> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let shown: String = text.chars().take(40).collect();
        return Err(RequestError::bad(format!("{shown:?} is no seed: write numbers and ranges, such as 0-31,40")));
    }
    let number = text.parse().unwrap_or(i128::MAX);
    let range = i128::from(i64::MIN)..=i128::from(u64::MAX);
    let out_of_range = || format!("a seed goes from {} to {}", range.start(), range.end());
    if range.contains(&number) { Ok(number) } else { Err(RequestError::bad(out_of_range())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_checked() {
        let params = Params::parse(Some("seeds=0%2D3%2c9&scale=2"), &["seeds", "scale"]).unwrap();
        assert_eq!((params.get("seeds"), params.number("scale", 1, 1..=32)), (Some("0-3,9"), Ok(2)));
        assert_eq!(params.number("columns", 8, 1..=64), Ok(8));
        for query in ["scal=2", "scale=2&scale=3", "scale=%ff"] {
            assert!(Params::parse(Some(query), &["scale"]).is_err(), "{query}");
        }
        for scale in ["0", "33", "x", "", "1.5", "-1"] {
            let params = Params::parse(Some(&format!("scale={scale}")), &["scale"]).unwrap();
            let error = params.number("scale", 1, 1..=32).unwrap_err();
            assert!(error.message().contains("from 1 to 32"), "{scale}");
        }
        let nan = Params::parse(Some("trunc=nan"), &["trunc"]).unwrap();
        assert!(nan.number("trunc", 1.0, 0.0..=10.0f32).is_err());
    }

    #[test]
    fn lists_of_seeds_are_those_of_the_command_line() {
        assert_eq!(parse_seeds("0-3,9, 5 - 6,2", 8).unwrap(), [0, 1, 2, 3, 9, 5, 6, 2]);
        assert_eq!(parse_seeds("-1,-3--2,-1-1", 6).unwrap(), [u64::MAX, u64::MAX - 2, u64::MAX - 1, u64::MAX, 0, 1]);
        assert_eq!(parse_seeds("18446744073709551615", 1).unwrap(), [u64::MAX]);
        for text in ["", "1,", "a", "1-", "-", "--3", "1-2-3", "1.5", "9-3", "18446744073709551616", "é-1"] {
            assert!(parse_seeds(text, 100).is_err(), "{text}");
        }
        assert!(parse_seeds("9-3", 100).unwrap_err().message().contains("write 3-9"));
        assert_eq!(parse_seeds("0-99", 100).unwrap().len(), 100);
        for text in ["0-100", "0-99,5", "0-18446744073709551615", "-9223372036854775808-18446744073709551615"] {
            assert!(parse_seeds(text, 100).unwrap_err().message().contains("100 or fewer"), "{text}");
        }
    }
}
