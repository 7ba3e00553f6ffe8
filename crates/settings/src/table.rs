//! The macro that turns the table of options into a struct and everything that follows from it.

/// Declares options, each once. From the table come
///
/// - the struct, which reads the command line (with the feature `clap`) and a configuration file; a row's doc is its
///   help text,
/// - `or`: merging with options of lower precedence,
/// - `set`: an option by its name and text,
/// - `apply_to` and `from_config`: the rows that `set` a field of [`TrainConfig`](dcgan_train::TrainConfig),
/// - `file_entries`: what a configuration file says of each option, with the comment above it,
/// - `RECIPE` and `recipe_from_matches`: the rows of the `group(recipe)`, for [`RecipeOptions`](crate::RecipeOptions).
///
/// A row is `#[doc] #[arg(...)] name: type [group(recipe)] [sets(field)] [file("comment") | file_if_set("comment")];`.
/// Without an entry for the file an option is not written to it. `file` also writes, as a comment, an option without a
/// value. Rows of the group are of the type `Option`.
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

            /// Sets the option `name`, which has underscores, to what `text` stands for. `None` if there is no such
            /// option.
            fn set_text(&mut self, name: &str, text: &str) -> Option<Result<(), String>> {
                $(
                    if name == stringify!($name) {
                        return Some($crate::value::SetText::set_text(&mut self.$name, text));
                    }
                )+
                None
            }

            /// Returns, option by option, these, or those of `others` where these have none.
            fn or_each(self, others: Self) -> Self {
                Self {
                    $($name: $crate::value::Merge::or(self.$name, others.$name),)+
                    $($file_name: $crate::value::Merge::or(self.$file_name, others.$file_name),)+
                }
            }

            /// Sets the fields of `config` that are named in the table.
            pub(crate) fn apply_to(&self, config: &mut dcgan_train::TrainConfig) {
                $($($crate::value::Field::put(&self.$name, &mut config.$($path).+);)?)+
            }

            /// Returns the options that stand for the fields of `config` that are named in the table.
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

            /// Returns what a configuration file says of each option that it holds, in the order of the table.
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
