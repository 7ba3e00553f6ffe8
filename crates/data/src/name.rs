//! Values that users choose by their names.

/// Implements `FromStr` and `Display` for a type by the names in its constant `ALL`.
macro_rules! impl_names {
    ($Type:ty) => {
        impl std::str::FromStr for $Type {
            type Err = String;

            /// Returns the variant of this name. The error lists the names.
            fn from_str(text: &str) -> Result<Self, String> {
                let variant = Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, variant)| *variant);
                variant.ok_or_else(|| {
                    let [others @ .., last] = Self::ALL.map(|(name, _)| name);
                    format!("choose {} or {last}", others.join(", "))
                })
            }
        }

        impl std::fmt::Display for $Type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let name = Self::ALL.iter().find(|(_, variant)| variant == self).map(|(name, _)| *name);
                f.write_str(name.unwrap_or_default())
            }
        }
    };
}

pub(crate) use impl_names;

#[cfg(test)]
mod tests {
    use crate::{Filter, Fit};

    #[test]
    fn values_are_written_as_they_are_read() {
        for (name, filter) in Filter::ALL {
            assert_eq!((name.parse(), filter.to_string()), (Ok(filter), name.to_owned()));
        }
        assert_eq!("squash".parse::<Fit>(), Err("choose stretch, crop or pad".to_owned()));
        let message = "choose nearest, box, bilinear, hamming, bicubic or lanczos";
        assert_eq!("".parse::<Filter>(), Err(message.to_owned()));
    }
}
