//! The macro `options`, which generates the struct of options and the functions over all options from one table.

/// Declares each option once, in a table, and generates from it
///
/// - the struct, which clap (with the feature `clap`) and serde read from the command line and a configuration file; a
///   row's doc is its help text,
/// - `NAMES`: the names of all options,
/// - `set_text`: sets an option by its name,
/// - `or_each`: takes the values that are missing here from options of lower precedence,
/// - `apply_to` and `from_config`: copy the rows with `sets` to and from a [`TrainConfig`](dcgan_train::TrainConfig),
/// - `file_entries`: the lines of a configuration file, with a comment above each,
/// - `RECIPE` and `recipe_from_matches`: the rows of the `group(recipe)`, for [`RecipeOptions`](crate::RecipeOptions).
///
/// A row is `#[doc] #[arg(...)] [#[serde(...)]] name: type [, group(recipe)] [, sets(field)]
/// [, file("comment") | file_if_set("comment")];`. Rows of the group have the type `Option`. Without `file` or
/// `file_if_set` the option is not written to a configuration file. With `file`, an option without a value is written
/// too, commented out. The rows in `file_only` are keys of a configuration file, but no options of the command line.
macro_rules! options {
    (
        $(#[$meta:meta])*
        pub struct $Options:ident;
        $(
            $(#[doc = $doc:tt])+
            #[arg($($arg:tt)*)]
            $(#[serde($($serde:tt)*)])?
            $name:ident: $type:ty
            $(, group($group:ident))?
            $(, sets($($path:ident).+))?
            $(, file($comment:literal))?
            $(, file_if_set($set_comment:literal))?;
        )+
        file_only {
            $($(#[doc = $file_doc:tt])+ $file_name:ident: $file_type:ty;)+
        }
    ) => {
        $(#[$meta])*
        #[cfg_attr(feature = "clap", derive(clap::Args))]
        pub struct $Options {
            $(
                $(#[doc = $doc])+
                #[cfg_attr(feature = "clap", arg($($arg)*))]
                $(#[serde($($serde)*)])?
                pub $name: $type,
            )+
            $(
                $(#[doc = $file_doc])+
                #[cfg_attr(feature = "clap", arg(skip))]
                pub $file_name: $file_type,
            )+
        }

        impl $Options {
            /// Names of all options as fields, with underscores.
            pub const NAMES: &[&str] = &[$(stringify!($name)),+];

            /// Sets the option `name`, spelled with underscores, to the value that `text` stands for. Returns `None` if
            /// there is no such option, and the reason if `text` is not a value of it.
            fn set_text(&mut self, name: &str, text: &str) -> Option<Result<(), String>> {
                $(
                    if name == stringify!($name) {
                        return Some($crate::value::SetText::set_text(&mut self.$name, text));
                    }
                )+
                None
            }

            /// Returns these options, with the values of `others` where these have none.
            fn or_each(self, others: Self) -> Self {
                Self {
                    $($name: $crate::value::Merge::or(self.$name, others.$name),)+
                    $($file_name: $crate::value::Merge::or(self.$file_name, others.$file_name),)+
                }
            }

            /// Copies each option that has a value to the field of `config` that its row names in `sets`.
            pub(crate) fn apply_to(&self, config: &mut dcgan_train::TrainConfig) {
                $($($crate::value::Field::put(&self.$name, &mut config.$($path).+);)?)+
            }

            /// Returns options with the values of `config`, for the rows with `sets`.
            pub(crate) fn from_config(config: &dcgan_train::TrainConfig) -> Self {
                let mut options = Self::default();
                $($(options.$name = $crate::value::Field::get(&config.$($path).+);)?)+
                options
            }

            /// Names of the options of the group as fields.
            #[cfg(feature = "clap")]
            pub(crate) const RECIPE: &[&str] = &[$($($crate::table::in_group!($group, stringify!($name)),)?)+];

            /// Takes the options of the group from the command line.
            #[cfg(feature = "clap")]
            pub(crate) fn recipe_from_matches(matches: &mut clap::ArgMatches) -> Self {
                let mut options = Self::default();
                $($(options.$name = $crate::table::in_group!($group, matches.remove_one(stringify!($name)));)?)+
                options
            }

            /// Returns the entries of a configuration file with these options, in the order of the table.
            pub(crate) fn file_entries(&self) -> Vec<$crate::toml_value::Entry> {
                vec![
                    $(
                        $($crate::toml_value::Entry::new(stringify!($name), $comment, &self.$name, true),)?
                        $($crate::toml_value::Entry::new(stringify!($name), $set_comment, &self.$name, false),)?
                    )+
                ]
            }
        }
    };
}

/// Returns its second argument. The first is the name of a group, of which there is one.
#[cfg(feature = "clap")]
macro_rules! in_group {
    (recipe, $value:expr) => {
        $value
    };
}

#[cfg(feature = "clap")]
pub(crate) use in_group;
pub(crate) use options;
