//! What the values of options have in common: merging, reading from text, and the fields that they set.

use crate::{AverageDecay, Seed};
use std::fmt::Display;
use std::num::NonZeroU64;
use std::str::FromStr;

/// Values of options that may be missing.
pub(crate) trait Merge {
    /// Returns this value, or `other` if this one is missing.
    fn or(self, other: Self) -> Self;
}

impl<T> Merge for Option<T> {
    fn or(self, other: Self) -> Self {
        Option::or(self, other)
    }
}

/// A flag.
impl Merge for bool {
    fn or(self, other: Self) -> Self {
        self || other
    }
}

/// Values of options that can be read from text.
pub(crate) trait SetText {
    /// Replaces the value by what `text` stands for.
    ///
    /// # Errors
    /// What is wrong with the text, or which texts are possible.
    fn set_text(&mut self, text: &str) -> Result<(), String>;
}

impl<T: FromStr<Err: Display>> SetText for Option<T> {
    fn set_text(&mut self, text: &str) -> Result<(), String> {
        *self = Some(text.parse().map_err(|error: T::Err| error.to_string())?);
        Ok(())
    }
}

impl SetText for bool {
    fn set_text(&mut self, text: &str) -> Result<(), String> {
        *self = text.parse().map_err(|_| "choose true or false".to_owned())?;
        Ok(())
    }
}

/// An option that stands for a field of type `F` of the configuration.
pub(crate) trait Field<F> {
    /// Sets the field, if the option has a value.
    fn put(&self, field: &mut F);

    /// Returns the option that stands for the field.
    fn get(field: &F) -> Self;
}

impl<T: Copy> Field<T> for Option<T> {
    fn put(&self, field: &mut T) {
        if let Some(value) = *self {
            *field = value;
        }
    }

    fn get(field: &T) -> Self {
        Some(*field)
    }
}

/// A field without a value is an option without one.
impl<T: Copy> Field<Option<T>> for Option<T> {
    fn put(&self, field: &mut Option<T>) {
        if self.is_some() {
            *field = *self;
        }
    }

    fn get(field: &Option<T>) -> Self {
        *field
    }
}

/// 0 stands for a field without a value, so that an option can take back what a preset has set.
impl Field<Option<f64>> for Option<AverageDecay> {
    fn put(&self, field: &mut Option<f64>) {
        if let Some(AverageDecay(decay)) = *self {
            *field = Some(decay).filter(|&decay| decay != 0.0);
        }
    }

    fn get(field: &Option<f64>) -> Self {
        Some(AverageDecay(field.unwrap_or(0.0)))
    }
}

/// 0 stands for a field without a value, as above.
impl Field<Option<NonZeroU64>> for Option<u64> {
    fn put(&self, field: &mut Option<NonZeroU64>) {
        if let Some(value) = *self {
            *field = NonZeroU64::new(value);
        }
    }

    fn get(field: &Option<NonZeroU64>) -> Self {
        field.map(NonZeroU64::get)
    }
}

impl Field<u64> for Option<Seed> {
    fn put(&self, field: &mut u64) {
        if let Some(Seed(seed)) = *self {
            *field = seed;
        }
    }

    fn get(field: &u64) -> Self {
        Some(Seed(*field))
    }
}
