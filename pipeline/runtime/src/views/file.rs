//! Files of views, written and removed such that a loss of power leaves the one or the other.

use std::io::Write;
use std::path::Path;

use anyhow::Context;

/// Writes a file as a whole or not at all, also when the machine loses its power.
pub(super) fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    let cannot = || format!("the file {} cannot be written", path.display());
    let name = path.file_name().and_then(|name| name.to_str());
    let aside = path.with_file_name(format!(".{}.new", name.unwrap_or("view")));
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&aside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&aside, path)
    };
    write()
        .inspect_err(|_| {
            // It may not even be there.
            let _ = std::fs::remove_file(&aside);
        })
        .and_then(|()| sync_folder(path))
        .with_context(cannot)
}

pub(super) fn remove_file(path: &Path) -> anyhow::Result<()> {
    std::fs::remove_file(path)
        .and_then(|()| sync_folder(path))
        .with_context(|| format!("the file {} cannot be removed", path.display()))
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) if folder != Path::new("") => std::fs::File::open(folder)?.sync_all(),
        _ => std::fs::File::open(".")?.sync_all(),
    }
}
