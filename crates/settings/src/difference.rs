//! What is not the same in the settings of two runs, or of two parts of one.

use crate::{DataSource, Settings};
use std::fmt;

/// A setting with two values, as they are in a configuration file.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Key of the setting.
    pub key: String,
    /// Value of the first run, as TOML; `None` if it has none.
    pub before: Option<String>,
    /// Value of the second run.
    pub now: Option<String>,
}

/// `key: before → now`
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        write!(f, "{}: {} → {}", self.key, text(&self.before), text(&self.now))
    }
}

impl Settings {
    /// Returns the settings that differ from those of `before`, by their keys.
    pub fn differences(&self, before: &Self) -> Vec<Difference> {
        let (entries_before, entries_now) = (before.entries(), self.entries());
        let mut keys: Vec<&str> = entries_before.iter().chain(&entries_now).map(|entry| &*entry.key).collect();
        keys.sort_unstable();
        keys.dedup();
        let difference = |key: &str| {
            let [before, now] = [&entries_before, &entries_now]
                .map(|entries| entries.iter().find(|entry| entry.key == key).and_then(|entry| entry.value.clone()));
            (before != now).then(|| Difference { key: key.to_owned(), before, now })
        };
        keys.into_iter().filter_map(difference).collect()
    }

    /// Returns whether these settings may come to another result than `before`. Where images lie, what the networks
    /// are computed on, and what is kept do not matter.
    pub fn has_other_result(&self, before: &Self) -> bool {
        let source = |settings: &Self| match &settings.source {
            Some(DataSource::Folder { max_images, images, .. }) => {
                Some((None, *max_images, Some((images.fit, images.filter, images.background))))
            }
            Some(DataSource::Demo { count }) => Some((Some(*count), None, None)),
            None => None,
        };
        self.train != before.train || source(self) != source(before)
    }
}
