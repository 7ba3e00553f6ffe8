//! The options of `dcgan train` that other commands have too.

use crate::{SettingsError, TrainOptions};
use dcgan_train::TrainConfig;

/// The options of `dcgan train` that decide what a training step computes, for a command that runs steps without a run.
/// They are the rows of the table of [`TrainOptions`] that have the group `recipe`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecipeOptions(TrainOptions);

impl RecipeOptions {
    /// Returns these options, with `shards` shards if they do not name a number.
    #[must_use]
    pub fn with_default_shards(mut self, shards: usize) -> Self {
        self.0.shards.get_or_insert(shards);
        self
    }

    /// Fills in the preset and the defaults, and checks the result.
    ///
    /// # Errors
    /// See [`SettingsError`].
    pub fn resolve(self) -> Result<TrainConfig, SettingsError> {
        Ok(self.0.resolve_for_images_in_memory()?.train)
    }
}

#[cfg(feature = "clap")]
impl clap::Args for RecipeOptions {
    fn augment_args(command: clap::Command) -> clap::Command {
        let train = TrainOptions::augment_args(clap::Command::new("train"));
        let is_kept = |arg: &&clap::Arg| TrainOptions::RECIPE.contains(&arg.get_id().as_str());
        command.args(train.get_arguments().filter(is_kept).cloned())
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

#[cfg(feature = "clap")]
impl clap::FromArgMatches for RecipeOptions {
    fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        Self::from_arg_matches_mut(&mut matches.clone())
    }

    fn from_arg_matches_mut(matches: &mut clap::ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(TrainOptions::recipe_from_matches(matches)))
    }

    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        self.update_from_arg_matches_mut(&mut matches.clone())
    }

    fn update_from_arg_matches_mut(&mut self, matches: &mut clap::ArgMatches) -> Result<(), clap::Error> {
        let others = std::mem::take(&mut self.0);
        self.0 = TrainOptions::recipe_from_matches(matches).or(others);
        Ok(())
    }
}
