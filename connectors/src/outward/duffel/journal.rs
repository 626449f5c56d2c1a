//! Which offer was chosen for a placement, written down before it is ordered. No passenger is named in it.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::outward::files::{self, at};
use crate::outward::port::{Kept, PlacementKey};

/// The file is its owner's alone.
const MODE: u32 = 0o600;
/// After this nobody is still writing a file.
const PARTIAL_KEPT: Duration = Duration::from_secs(24 * 3600);

/// A folder with a file for each placement.
#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
}

/// What was chosen.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Chosen {
    /// For which order, as [`Placement::order`](crate::outward::port::Placement::order).
    #[serde(default)]
    pub(super) order: String,
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

    fn name(key: PlacementKey) -> String {
        format!("{key}.json")
    }

    pub(super) fn read(&self, key: PlacementKey) -> Result<Option<Chosen>, String> {
        let path = self.folder.join(Self::name(key));
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| format!("{}: {error}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(&path, &error)),
        }
    }

    /// Durable when it returns.
    pub(super) fn write(&self, key: PlacementKey, chosen: &Chosen) -> Result<(), String> {
        let name = Self::name(key);
        let written = || -> std::io::Result<()> {
            files::make_private(&self.folder)?;
            files::put(&self.folder, &name, &serde_json::to_vec(chosen)?, MODE)
        };
        written().map_err(|error| at(&self.folder.join(&name), &error))
    }

    /// What is kept of placements.
    pub(super) fn kept(&self) -> Result<Vec<Kept>, String> {
        let all = files::list(&self.folder).map_err(|error| at(&self.folder, &error))?;
        let mut kept = Vec::new();
        for file in all {
            let key = file
                .name
                .strip_suffix(".json")
                .and_then(|key| key.parse().ok());
            let Some(key) = key else { continue };
            if let Some(chosen) = self.read(key)? {
                kept.push(Kept {
                    key,
                    order: chosen.order,
                    written: file.written,
                    names_people: false,
                });
            }
        }
        Ok(kept)
    }

    /// Drops what was chosen for placements that are settled, and what a crash has left.
    pub(super) fn forget(
        &self,
        settled: &[PlacementKey],
        now: SystemTime,
    ) -> Result<usize, String> {
        let mut names: Vec<String> = settled.iter().map(|key| Self::name(*key)).collect();
        let left = files::list(&self.folder).map_err(|error| at(&self.folder, &error))?;
        let left = left
            .into_iter()
            .filter(|file| file.is_partial() && file.is_older(PARTIAL_KEPT, now));
        names.extend(left.map(|file| file.name));
        let mut gone = 0;
        for name in names {
            let path = self.folder.join(name);
            gone += usize::from(files::remove(&path).map_err(|error| at(&path, &error))?);
        }
        Ok(gone)
    }
}
