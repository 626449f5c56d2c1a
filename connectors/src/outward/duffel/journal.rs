//! Which offer was chosen for a placement, written down before it is ordered. No passenger is named in it.

use std::io::Write;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::outward::port::PlacementKey;

/// A folder with a file for each placement.
#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
}

/// What was chosen.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Chosen {
    /// The offer.
    pub(super) offer: String,
    /// The ids that the provider gave the passengers, in their order.
    pub(super) passengers: Vec<String>,
    /// What it costs.
    pub(super) amount: String,
    /// In which currency.
    pub(super) currency: String,
}

impl Journal {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn path(&self, key: PlacementKey) -> PathBuf {
        self.folder.join(format!("{key}.json"))
    }

    pub(super) fn read(&self, key: PlacementKey) -> Result<Option<Chosen>, String> {
        let path = self.path(key);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| format!("{}: {error}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// Durable when it returns.
    pub(super) fn write(&self, key: PlacementKey, chosen: &Chosen) -> Result<(), String> {
        let path = self.path(key);
        let written = || -> std::io::Result<()> {
            use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&self.folder)?;
            let partial = path.with_extension("part");
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&partial)?;
            file.write_all(&serde_json::to_vec(chosen)?)?;
            file.sync_all()?;
            std::fs::rename(&partial, &path)?;
            std::fs::File::open(&self.folder)?.sync_all()
        };
        written().map_err(|error| format!("{}: {error}", path.display()))
    }
}
