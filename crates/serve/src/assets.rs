//! The files of the page, which are built into the program.
//!
//! The page names its files by a version, which is a fingerprint of all of them, so that a browser may keep them
//! forever and never has files of two versions.

use crate::error::ServeError;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::path::Path;

/// A file of the page.
#[derive(Debug, Clone)]
pub(crate) struct Asset {
    pub(crate) name: &'static str,
    pub(crate) media_type: &'static str,
    pub(crate) content: Cow<'static, [u8]>,
}

macro_rules! asset {
    ($name:literal, $media_type:literal) => {
        Asset {
            name: $name,
            media_type: $media_type,
            content: Cow::Borrowed(include_bytes!(concat!("../assets/", $name))),
        }
    };
}

/// Scripts in the order in which they are run.
pub(crate) const SCRIPTS: [&str; 8] =
    ["vendor/uplot-1.6.32.min.js", "words.js", "dom.js", "chart.js", "charts.js", "run.js", "explorer.js", "app.js"];
/// Style sheets in their order.
pub(crate) const STYLES: [&str; 2] = ["vendor/uplot-1.6.32.min.css", "style.css"];

/// All files of the page.
#[derive(Debug)]
pub(crate) struct Assets {
    pub(crate) version: String,
    files: Vec<Asset>,
}

impl Assets {
    /// Takes the files that are built in, or those in `folder`.
    ///
    /// # Errors
    /// If a file in `folder` cannot be read.
    pub(crate) fn new(folder: Option<&Path>) -> Result<Self, ServeError> {
        let mut files = vec![
            asset!("index.html", "text/html; charset=utf-8"),
            asset!("icon.svg", "image/svg+xml"),
            asset!("style.css", "text/css; charset=utf-8"),
            asset!("vendor/uplot-1.6.32.min.css", "text/css; charset=utf-8"),
            asset!("vendor/uplot-1.6.32.min.js", "text/javascript; charset=utf-8"),
            asset!("vendor/LICENSE-uPlot", "text/plain; charset=utf-8"),
            asset!("words.js", "text/javascript; charset=utf-8"),
            asset!("dom.js", "text/javascript; charset=utf-8"),
            asset!("chart.js", "text/javascript; charset=utf-8"),
            asset!("charts.js", "text/javascript; charset=utf-8"),
            asset!("run.js", "text/javascript; charset=utf-8"),
            asset!("explorer.js", "text/javascript; charset=utf-8"),
            asset!("app.js", "text/javascript; charset=utf-8"),
            asset!("openapi.json", "application/json"),
        ];
        if let Some(folder) = folder {
            for file in &mut files {
                let path = folder.join(file.name);
                let content = std::fs::read(&path).map_err(|source| ServeError::Read { path, source })?;
                file.content = Cow::Owned(content);
            }
        }
        let mut hash = Sha256::new();
        files.iter().for_each(|file| hash.update(&file.content));
        let version = hash.finalize()[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { version, files })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Asset> {
        self.files.iter().find(|file| file.name == name)
    }

    /// Returns the text of a file.
    pub(crate) fn text(&self, name: &str) -> Cow<'_, str> {
        self.get(name).map(|file| String::from_utf8_lossy(&file.content)).unwrap_or_default()
    }

    /// Returns the HTML of the page, with the addresses of its files.
    pub(crate) fn page(&self) -> String {
        let base = format!("/assets/{}", self.version);
        let styles = STYLES.map(|name| format!("<link rel=\"stylesheet\" href=\"{base}/{name}\">\n")).concat();
        let scripts = SCRIPTS.map(|name| format!("<script src=\"{base}/{name}\" defer></script>\n")).concat();
        let icon = format!("<link rel=\"icon\" type=\"image/svg+xml\" href=\"{base}/icon.svg\">\n");
        self.text("index.html").replace("<!-- head -->", &(icon + &styles + &scripts)).replace("<!-- data -->", "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_files_that_are_there() {
        let assets = Assets::new(None).unwrap();
        let page = assets.page();
        for name in SCRIPTS.iter().chain(&STYLES) {
            assert!(assets.get(name).is_some(), "{name}");
            assert!(page.contains(&format!("/assets/{}/{name}\"", assets.version)), "{name}");
        }
        assert!(!page.contains("<!-- head"), "the place of the head was filled");
        let description: serde_json::Value = serde_json::from_str(&assets.text("openapi.json")).unwrap();
        assert_eq!(description["openapi"], "3.1.0");
    }
}
