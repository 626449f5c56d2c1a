//! Views in SQL: files, good and bad, and what they compute.
#![allow(unreachable_pub)]

mod bad;
mod live;
mod moving;
mod recent;
mod shipped;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};

use flightline_dataflows::sql::Text;

/// A folder of this package.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The YAML files of a folder, by name.
pub fn files(folder: &Path) -> Vec<Text> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ext| ext == "yaml"));
    paths.sort();
    let read = |path: &PathBuf| Text {
        file: path.file_name().unwrap().to_str().unwrap().to_owned(),
        text: std::fs::read_to_string(path).unwrap(),
    };
    paths.iter().map(read).collect()
}
