//! Values that users choose by their names.

/// Returns the value of `all` that has the name `text`.
///
/// # Errors
/// A sentence with the names that are possible.
pub fn parse_name<T: Copy>(all: &[(&str, T)], text: &str) -> Result<T, String> {
    all.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        let (others, last) = names.split_at(names.len().saturating_sub(1));
        format!("choose {} or {}", others.join(", "), last.concat())
    })
}

/// Returns the name of `value` in `all`; empty if it has none.
pub fn name_of<T: PartialEq>(all: &[(&'static str, T)], value: &T) -> &'static str {
    all.iter().find(|(_, one)| one == value).map_or("", |(name, _)| name)
}

/// Implements `FromStr` and `Display` for a type by the names in its constant `ALL`.
macro_rules! impl_names {
    ($Type:ty) => {
        impl std::str::FromStr for $Type {
            type Err = String;

            /// Returns the variant of this name.
            fn from_str(text: &str) -> Result<Self, String> {
                $crate::parse_name(&Self::ALL, text)
            }
        }

        impl std::fmt::Display for $Type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($crate::name_of(&Self::ALL, self))
            }
        }
    };
}

pub(crate) use impl_names;

#[cfg(test)]
mod tests {
    use crate::{DiscriminatorNorm, Init, Loss};

    #[test]
    fn values_are_written_as_they_are_read() {
        for (name, loss) in Loss::ALL {
            assert_eq!((name.parse(), loss.to_string()), (Ok(loss), name.to_owned()));
        }
        assert_eq!(Init::Smooth.to_string(), "smooth");
        assert_eq!("batches".parse::<DiscriminatorNorm>(), Err("choose batch, spectral or none".to_owned()));
    }
}
