//! Comparison within a stated tolerance.

use std::fmt;

/// The worst of all differences, measured in tolerances: at `index`, |got − want| is `ratio` times atol +
/// rtol·|want|.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// |got − want| / (atol + rtol·|want|) at `index`; infinite for NaN.
    pub ratio: f64,
    /// Where.
    pub index: usize,
    /// The value under test.
    pub got: f64,
    /// The value it should have.
    pub want: f64,
    /// How many values are out of tolerance.
    pub failing: usize,
    /// The largest |got − want| anywhere.
    pub max_abs: f64,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ratio, index, got, want, failing, max_abs } = self;
        write!(
            f,
            "max error {max_abs:.3e}; worst is {ratio:.3} tolerances, at index {index}: got {got:e}, want {want:e}"
        )?;
        if *failing > 0 { write!(f, "; {failing} values are out of tolerance") } else { Ok(()) }
    }
}

/// Compares value by value; `None` if there are no values. NaN equals nothing, an infinity equals only itself.
///
/// # Panics
/// If the lengths differ.
pub fn difference<T: Copy + Into<f64>>(got: &[T], want: &[T], atol: f64, rtol: f64) -> Option<Difference> {
    assert_eq!(got.len(), want.len(), "number of values: got {}, want {}", got.len(), want.len());
    let mut worst: Option<Difference> = None;
    let (mut failing, mut max_abs) = (0, 0f64);
    for (index, (&got, &want)) in got.iter().zip(want).enumerate() {
        let (got, want): (f64, f64) = (got.into(), want.into());
        let error = if got == want { 0.0 } else { (got - want).abs() };
        let ratio = match error {
            0.0 => 0.0,
            _ if error.is_finite() => error / (atol + rtol * want.abs()),
            _ => f64::INFINITY,
        };
        failing += usize::from(ratio > 1.0);
        max_abs = max_abs.max(if error.is_nan() { f64::INFINITY } else { error });
        if worst.is_none_or(|w| ratio > w.ratio) {
            worst = Some(Difference { ratio, index, got, want, failing: 0, max_abs: 0.0 });
        }
    }
    worst.map(|w| Difference { failing, max_abs, ..w })
}

/// Asserts |got − want| ≤ atol + rtol·|want| for every value, and prints the worst, passing or not.
///
/// # Panics
/// If a value is out of tolerance or NaN, or the lengths differ.
#[track_caller]
pub fn assert_close<T: Copy + Into<f64>>(name: &str, got: &[T], want: &[T], atol: f64, rtol: f64) {
    assert_eq!(got.len(), want.len(), "{name}: got {} values, want {}", got.len(), want.len());
    if let Some(worst) = difference(got, want, atol, rtol) {
        assert!(worst.failing == 0, "{name}: {worst} of {} (atol {atol:e}, rtol {rtol:e})", got.len());
        println!("{name}: {worst} (atol {atol:e}, rtol {rtol:e})");
    }
}

/// [`assert_close`] with atol = `tolerance` · max |want| and no rtol: for sums of products, whose rounding error does
/// not shrink where the terms happen to cancel.
///
/// # Panics
/// As [`assert_close`]; also if `want` is all zeros and `got` is not.
#[track_caller]
pub fn assert_close_scaled<T: Copy + Into<f64>>(name: &str, got: &[T], want: &[T], tolerance: f64) {
    let largest = want.iter().map(|&v| v.into().abs()).fold(0.0, f64::max);
    assert_close(name, got, want, tolerance * largest, 0.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tolerance_is_atol_plus_rtol_times_want() {
        assert_close("equal", &[1.0f32, -2.0, f32::INFINITY], &[1.0, -2.0, f32::INFINITY], 0.0, 0.0);
        let worst = difference(&[1.0f64, 10.5, -3.0], &[1.0, 10.0, -3.0], 0.1, 0.04).unwrap();
        assert_eq!((worst.index, worst.failing, worst.max_abs), (1, 0, 0.5));
        assert!((worst.ratio - 1.0).abs() < 1e-12);
        assert_eq!(difference(&[1.0f64, 10.51], &[1.0, 10.0], 0.1, 0.04).unwrap().failing, 1);
        assert_eq!(difference::<f32>(&[], &[], 0.0, 0.0), None);
    }

    #[test]
    #[should_panic(expected = "at index 1: got 2.5e0, want 2e0; 1 values are out of tolerance")]
    fn a_planted_error_fails() {
        assert_close("planted", &[1.0f32, 2.5, 3.0], &[1.0, 2.0, 3.0], 1e-6, 1e-6);
    }

    #[test]
    fn the_scaled_tolerance_follows_the_largest_value() {
        assert_close_scaled("scaled", &[0.0f32, -99.95], &[0.09, -100.0], 1e-3);
        let outcome =
            std::panic::catch_unwind(|| assert_close_scaled("scaled", &[0.0f32, 100.0], &[0.11, 100.0], 1e-3));
        assert!(outcome.is_err());
        let outcome = std::panic::catch_unwind(|| assert_close_scaled("zeros", &[1e-30f32], &[0.0], 1e-3));
        assert!(outcome.is_err());
    }

    #[test]
    fn nan_and_infinity_fail_on_either_side() {
        for (got, want) in [
            (f32::NAN, 1.0),
            (1.0, f32::NAN),
            (f32::NAN, f32::NAN),
            (f32::INFINITY, 1.0),
            (1.0, f32::INFINITY),
            (f32::NEG_INFINITY, f32::INFINITY),
        ] {
            let worst = difference(&[0.0, got], &[0.0, want], 1e30, 1e30).unwrap();
            assert_eq!((worst.failing, worst.index, worst.ratio), (1, 1, f64::INFINITY), "got {got}, want {want}");
        }
    }

    #[test]
    #[should_panic(expected = "short: got 1 values, want 2")]
    fn another_length_fails() {
        assert_close("short", &[1.0f32], &[1.0, 1.0], 1.0, 1.0);
    }
}
