//! Changes of views as lines of JSON in files, one file a view.
//!
//! A line is `{"diff":1,"row":{…}}` or `{"diff":-1,…}`, in the order of epochs; `{"epoch_end":true}` follows the last
//! of each. `{"reset":true}` begins what a start of the replica (or another version of the view) says anew: forget what
//! was before it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use flightline_dataflows::changelog::{Epoch, ViewChanges};
use flightline_dataflows::sql::Named;

/// The files.
#[derive(Debug)]
pub struct Changelogs {
    dir: PathBuf,
    /// By view; `None` when its file could not be written.
    files: BTreeMap<String, Option<BufWriter<File>>>,
}

impl Changelogs {
    /// In this folder, which is made when a view wants it.
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            files: BTreeMap::new(),
        }
    }

    /// Writes what an epoch says of views that are written to files.
    pub fn take(&mut self, epoch: &Epoch) {
        for view in &epoch.ended_views {
            self.files.remove(&view.name);
        }
        for changes in epoch.views.iter().filter(|changes| changes.view.changelog) {
            if changes.rows.is_empty() && self.files.contains_key(&changes.view.name) {
                continue;
            }
            if let Err(error) = self.write(changes) {
                let name = &changes.view.name;
                tracing::error!(
                    view = %name, folder = %self.dir.display(), %error,
                    "the changes of a view cannot be written to its file; they are not until the next start"
                );
                self.files.insert(name.clone(), None);
            }
        }
    }

    fn write(&mut self, changes: &ViewChanges) -> io::Result<()> {
        let name = &changes.view.name;
        if !self.files.contains_key(name) || changes.begins {
            std::fs::create_dir_all(&self.dir)?;
            let path = self.dir.join(format!("{name}.ndjson"));
            let file = OpenOptions::new().create(true).append(true).open(path)?;
            let mut file = BufWriter::new(file);
            // What a kill cut off must not run into this.
            file.write_all(b"\n{\"reset\":true}\n")?;
            self.files.insert(name.clone(), Some(file));
        }
        let Some(Some(file)) = self.files.get_mut(name) else {
            return Ok(());
        };
        for (row, diff) in &changes.rows {
            write!(file, "{{\"diff\":{diff},\"row\":")?;
            serde_json::to_writer(&mut *file, &Named(&changes.view, row))?;
            file.write_all(b"}\n")?;
        }
        file.write_all(b"{\"epoch_end\":true}\n")?;
        file.flush()
    }
}
