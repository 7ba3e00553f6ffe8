//! Points of the latent space: how requests describe them in JSON, and how their noise is computed.

use crate::error::{Answer, RequestError};
use crate::query::parse_seed;
use crate::sefa::Directions;
use dcgan::{seed_noise, slerp};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Largest depth of points inside points.
const MAX_DEPTH: usize = 6;
/// Largest number of points in one point, all levels together.
const MAX_PARTS: usize = 64;
/// Largest absolute value of a noise value, a weight or an amount.
const MAX_VALUE: f32 = 1000.0;

/// A point of the latent space. Its noise is that of a base (`seed`, `noise`, `mix` or `sum`), to which amounts of
/// directions are added; then single values are replaced, and all are multiplied by the truncation.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Point {
    /// Base: the noise of a seed.
    seed: Option<Seed>,
    /// Base: the noise itself.
    noise: Option<Vec<f32>>,
    /// Base: points that are interpolated spherically (slerp) by their weights.
    mix: Option<Vec<Point>>,
    /// Base: points that are added, each times its weight. The sum is scaled to the length of the points, because faces
    /// of other lengths look unusual.
    sum: Option<Vec<Point>>,
    /// Weights of `mix` or `sum`.
    weights: Vec<f32>,
    /// Amounts of the principal directions by their index from 0.
    directions: BTreeMap<usize, f32>,
    /// Noise values that are replaced, by their index from 0.
    numbers: BTreeMap<usize, f32>,
    /// Factor of the noise.
    trunc: Option<f32>,
}

/// A seed as a number or as text, because numbers of JavaScript are exact only up to 2⁵³.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum Seed {
    Positive(u64),
    Negative(i64),
    Text(String),
}

impl Seed {
    /// Returns the seed as PyTorch takes it: −1 is 2⁶⁴ − 1.
    fn value(&self) -> Answer<u64> {
        match self {
            Self::Positive(seed) => Ok(*seed),
            Self::Negative(seed) => Ok(seed.cast_unsigned()),
            Self::Text(text) => parse_seed(text),
        }
    }
}

impl Point {
    /// Returns the noise of the point, `latent_dim` values.
    ///
    /// # Errors
    /// If a number is out of range, or the point has no or several bases.
    pub(crate) fn noise(&self, latent_dim: usize, directions: &Directions) -> Answer<Vec<f32>> {
        let mut parts = 0;
        self.evaluate(latent_dim, directions, 0, &mut parts)
    }

    /// Computes the noise of a point (`latent` values). `depth` counts points inside points, and `parts` all points of
    /// the request; both are limited.
    fn evaluate(&self, latent: usize, known: &Directions, depth: usize, parts: &mut usize) -> Answer<Vec<f32>> {
        *parts += 1;
        if depth > MAX_DEPTH || *parts > MAX_PARTS {
            return Err(RequestError::bad(format!(
                "a point may have {MAX_PARTS} parts, {MAX_DEPTH} inside each other, and this one has more"
            )));
        }
        let mut noise = self.base(latent, known, depth, parts)?;
        for (&index, &amount) in &self.directions {
            check(amount)?;
            let Some(direction) = known.vectors.get(index) else {
                let count = known.vectors.len();
                return Err(RequestError::bad(format!("there is no direction {index}: the generator has {count}")));
            };
            noise.iter_mut().zip(direction).for_each(|(z, d)| *z += amount * d);
        }
        for (&place, &value) in &self.numbers {
            check(value)?;
            let Some(z) = noise.get_mut(place) else {
                return Err(RequestError::bad(format!("there is no noise number {place}: the noise has {latent}")));
            };
            *z = value;
        }
        if let Some(trunc) = self.trunc {
            if !(0.0..=10.0).contains(&trunc) {
                return Err(RequestError::bad(format!("trunc {trunc}: choose a number from 0 to 10")));
            }
            noise.iter_mut().for_each(|z| *z *= trunc);
        }
        Ok(noise)
    }

    /// Computes the noise of the base. A point must have exactly one.
    fn base(&self, latent: usize, known: &Directions, depth: usize, parts: &mut usize) -> Answer<Vec<f32>> {
        let mut all = |points: &[Self]| -> Answer<Vec<Vec<f32>>> {
            points.iter().map(|point| point.evaluate(latent, known, depth + 1, parts)).collect()
        };
        match (&self.seed, &self.noise, &self.mix, &self.sum) {
            (Some(seed), None, None, None) => Ok(seed_noise(seed.value()?, latent)),
            (None, Some(noise), None, None) => {
                if noise.len() != latent {
                    let len = noise.len();
                    return Err(RequestError::bad(format!("noise of {len} numbers: the generator takes {latent}")));
                }
                noise.iter().try_for_each(|&z| check(z))?;
                Ok(noise.clone())
            }
            (None, None, Some(points), None) => {
                if self.weights.iter().any(|&weight| weight < 0.0) || !self.weights.iter().any(|&weight| weight > 0.0) {
                    return Err(RequestError::bad("the weights of a mix are not negative, and one is above 0"));
                }
                self.check_weights(points)?;
                Ok(mix(&all(points)?, &self.weights))
            }
            (None, None, None, Some(points)) => {
                self.check_weights(points)?;
                Ok(sum(&all(points)?, &self.weights))
            }
            _ => Err(RequestError::bad("a point has exactly one of seed, noise, mix and sum")),
        }
    }

    /// Checks that there is one weight for each point, and at least one.
    fn check_weights(&self, points: &[Self]) -> Answer<()> {
        self.weights.iter().try_for_each(|&weight| check(weight))?;
        if points.is_empty() || points.len() != self.weights.len() {
            return Err(RequestError::bad("mix and sum need one weight for each of their points"));
        }
        Ok(())
    }
}

/// Checks that a number of a request is finite and within ±[`MAX_VALUE`].
fn check(value: f32) -> Answer<()> {
    if value.is_finite() && value.abs() <= MAX_VALUE {
        return Ok(());
    }
    Err(RequestError::bad(format!("{value} is out of range: choose a number from -{MAX_VALUE} to {MAX_VALUE}")))
}

/// Interpolates vectors spherically: from the first towards each of the others in turn, by the share that its weight
/// has in the weights so far. If only one weight is not 0, the result is its vector.
fn mix(vectors: &[Vec<f32>], weights: &[f32]) -> Vec<f32> {
    let mut total = weights[0];
    let mut mixed = vectors[0].clone();
    for (vector, &weight) in vectors.iter().zip(weights).skip(1) {
        total += weight;
        if weight > 0.0 {
            mixed = slerp(&mixed, vector, f64::from(weight / total));
        }
    }
    mixed
}

/// Adds vectors, and scales the sum to the root mean square of their lengths.
fn sum(vectors: &[Vec<f32>], weights: &[f32]) -> Vec<f32> {
    let square = |vector: &[f32]| vector.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
    let mut total = vec![0.0f32; vectors[0].len()];
    for (vector, &weight) in vectors.iter().zip(weights) {
        total.iter_mut().zip(vector).for_each(|(t, &x)| *t += weight * x);
    }
    let usual = vectors.iter().map(|vector| square(vector)).sum::<f64>() / vectors.len() as f64;
    let length = square(&total).sqrt();
    if length > 0.0 {
        let factor = usual.sqrt() / length;
        total.iter_mut().for_each(|t| *t = (f64::from(*t) * factor) as f32);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(json: &str) -> Answer<Vec<f32>> {
        let directions = Directions { vectors: vec![vec![1.0, 0.0, 0.0], vec![0.0, 1.0, 0.0]], gains: vec![1.0; 2] };
        let point: Point = serde_json::from_str(json).map_err(|error| RequestError::bad(error.to_string()))?;
        point.noise(3, &directions)
    }

    #[test]
    fn points_stand_for_noise() {
        assert_eq!(noise(r#"{"seed": 7}"#).unwrap(), seed_noise(7, 3));
        assert_eq!(noise(r#"{"seed": "-1"}"#).unwrap(), seed_noise(u64::MAX, 3));
        assert_eq!(noise(r#"{"seed": -1}"#).unwrap(), seed_noise(u64::MAX, 3));
        let moved = noise(r#"{"noise": [1, 2, 3], "directions": {"1": 0.5}, "numbers": {"2": -1}, "trunc": 2}"#);
        assert_eq!(moved.unwrap(), [2.0, 5.0, -2.0]);
        let corner = noise(r#"{"mix": [{"seed": 1}, {"seed": 2}, {"seed": 3}], "weights": [0, 0, 2]}"#);
        assert_eq!(corner.unwrap(), seed_noise(3, 3));
        let half = noise(r#"{"mix": [{"noise": [2, 0, 0]}, {"noise": [0, 2, 0]}], "weights": [3, 3]}"#).unwrap();
        assert!((half[0] - 2f32.sqrt()).abs() < 1e-6 && (half[1] - 2f32.sqrt()).abs() < 1e-6, "{half:?}");
        let sum = noise(
            r#"{"sum": [{"noise": [3, 0, 0]}, {"noise": [0, 3, 0]}, {"noise": [0, 0, 3]}], "weights": [1, -1, 1]}"#,
        );
        let expected = 3f32.sqrt();
        for (got, want) in sum.unwrap().iter().zip([expected, -expected, expected]) {
            assert!((got - want).abs() < 1e-6, "{got} and not {want}");
        }
    }

    #[test]
    fn wrong_points_are_explained() {
        let nested = |depth: usize| {
            let (open, close) = (r#"{"sum": ["#.repeat(depth), r#"], "weights": [1]}"#.repeat(depth));
            format!(r#"{open}{{"seed": 1}}{close}"#)
        };
        assert!(noise(&nested(6)).is_ok());
        let many =
            format!(r#"{{"sum": [{}], "weights": [{}]}}"#, vec![r#"{"seed":1}"#; 64].join(","), ["1"; 64].join(","));
        for (json, words) in [
            ("{}", "exactly one"),
            (r#"{"seed": 1, "noise": [1, 2, 3]}"#, "exactly one"),
            (r#"{"noise": [1]}"#, "takes 3"),
            (r#"{"noise": [1, 2, 1e9]}"#, "out of range"),
            (r#"{"seed": 1, "directions": {"2": 1}}"#, "no direction 2"),
            (r#"{"seed": 1, "numbers": {"3": 1}}"#, "no noise number 3"),
            (r#"{"seed": 1, "trunc": -1}"#, "from 0 to 10"),
            (r#"{"seed": "x"}"#, "no seed"),
            (r#"{"mix": [{"seed": 1}], "weights": [0]}"#, "one is above 0"),
            (r#"{"mix": [{"seed": 1}], "weights": [1, 1]}"#, "one weight for each"),
            (r#"{"mix": [], "weights": [1]}"#, "one weight for each"),
            (r#"{"sum": [], "weights": []}"#, "one weight for each"),
            (r#"{"seed": 1, "other": 2}"#, "unknown field"),
            (&nested(7), "inside each other"),
            (&many, "64 parts"),
        ] {
            let error = noise(json).unwrap_err();
            assert!(error.message().contains(words), "{json}: {}", error.message());
        }
    }
}
