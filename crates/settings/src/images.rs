//! Where the images of a run come from, and what happens to them before the network.

use crate::Background;
use dcgan_data::{Channels, Filter, Fit, LoadOptions};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Number of built-in faces that a run learns from by default. Enough for faces to appear within minutes on two cores;
/// the tutorial has 63,632 images.
pub const DEMO_FACES: usize = 4096;

/// Where the images of a run come from.
#[derive(Debug, Clone, PartialEq)]
pub enum DataSource {
    /// A folder or archive.
    Folder {
        /// The folder or archive.
        path: PathBuf,
        /// Largest number of its images to use.
        max_images: Option<usize>,
        /// What is done to them.
        images: ImageOptions,
    },
    /// The built-in faces.
    Demo {
        /// Number of faces.
        count: usize,
    },
}

/// How images are fitted into squares, and where the decoded ones are kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageOptions {
    /// What happens to images that are not square.
    pub fit: Fit,
    /// How pixels are weighed.
    pub filter: Filter,
    /// What transparent pixels and bars show.
    pub background: Background,
    /// Whether a file that has to be left out is an error.
    pub strict: bool,
    /// Where decoded images are kept.
    pub cache: CacheLocation,
}

/// Where decoded images are kept for the next run.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum CacheLocation {
    /// In the user's cache folder.
    #[default]
    Default,
    /// In this folder.
    Folder(PathBuf),
    /// Nowhere.
    Off,
}

impl CacheLocation {
    /// Returns the location that the options `cache` and `no-cache` mean.
    pub fn new(folder: Option<PathBuf>, is_off: bool) -> Self {
        if is_off { Self::Off } else { folder.map_or(Self::Default, Self::Folder) }
    }

    /// The folder; `None` to keep nothing.
    pub fn folder(&self) -> Option<PathBuf> {
        match self {
            Self::Default => user_cache_folder(),
            Self::Folder(folder) => Some(folder.clone()),
            Self::Off => None,
        }
    }
}

impl ImageOptions {
    /// Returns the options of [`Dataset::load`](dcgan_data::Dataset::load) for images of `size` × `size` pixels, of
    /// which at most `max_images` are used.
    pub fn load_options(&self, size: usize, channels: Channels, max_images: Option<usize>) -> LoadOptions {
        LoadOptions {
            fit: self.fit,
            filter: self.filter,
            background: self.background.0,
            max_images: max_images.and_then(NonZeroUsize::new),
            cache: self.cache.folder(),
            ..LoadOptions::new(size, channels)
        }
    }
}

/// The user's cache folder, where the system says it is.
fn user_cache_folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = if cfg!(windows) {
        variable("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        variable("HOME").map(|home| home.join("Library/Caches"))
    } else {
        variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")))
    };
    Some(folder?.join("dcgan"))
}
