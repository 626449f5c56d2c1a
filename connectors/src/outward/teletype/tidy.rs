//! What of the files goes, and when.
//!
//! Messages in `out` are the provider's: they stay until it takes them. When the passengers of an order are
//! erased, they lose the names. The journal goes with the placements that are settled, answers by their age.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::time::{Duration, SystemTime};

use super::folder::{ASKED, Folder, KINDS, MODE, REPORT, file_name, read_bounded};
use super::message;
use crate::outward::files::{self, Found, at};
use crate::outward::port::{Kept, PlacementKey};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long answers that were taken are kept.
const DONE_KEPT: Duration = DAY.saturating_mul(30);
/// How long those that could not be read are kept: somebody has to look at them.
const REJECTED_KEPT: Duration = DAY.saturating_mul(90);
/// How long it is known which messages of a feed were asked for again: longer than they are missed.
const ASKED_KEPT: Duration = DAY.saturating_mul(30);
/// After this nobody is still writing a file.
const PARTIAL_KEPT: Duration = DAY;

/// What the file of a message is called while the names are taken out of it.
fn held_name(name: &str) -> String {
    format!(".{name}.erased")
}

impl Folder {
    /// What is kept of placements.
    pub(super) fn kept(&self) -> Result<Vec<Kept>, String> {
        let journal = files::list(&self.journal).map_err(|error| at(&self.journal, &error))?;
        let out = files::list(&self.out).map_err(|error| at(&self.out, &error))?;
        let out: BTreeSet<String> = out.into_iter().map(|file| file.name).collect();
        let mut all: BTreeMap<PlacementKey, (Option<String>, SystemTime)> = BTreeMap::new();
        for file in journal {
            let Some((key, what)) = part_of(&file) else {
                continue;
            };
            let known = all.entry(key).or_insert((None, file.written));
            known.1 = known.1.max(file.written);
            if what.starts_with("ord_") {
                known.0 = Some(what.to_owned());
            }
        }
        let lies_there = |key: PlacementKey| {
            KINDS.iter().any(|kind| {
                let name = file_name(key, kind);
                out.contains(&name)
                    || out.contains(&held_name(&name))
                    || out.contains(&files::partial(&name))
            })
        };
        let rejected = self.rejected_with_names()?;
        let mut kept = Vec::new();
        for (key, (order, written)) in all {
            let Some(order) = order else { continue };
            let names_people = lies_there(key)
                || !rejected.is_empty() && {
                    let named = [key.to_string(), self.booking_of(key, &order)?];
                    rejected.iter().any(|(_, text)| speaks_of(text, &named))
                };
            kept.push(Kept {
                key,
                order,
                written,
                names_people,
            });
        }
        Ok(kept)
    }

    /// The booking reference of a placement, as it is noted with whose it is; empty when that is gone by now.
    fn booking_of(&self, key: PlacementKey, order: &str) -> Result<String, String> {
        let path = self.journal.join(format!("{key}.{order}"));
        match fs::read_to_string(&path) {
            Ok(booking) => Ok(booking.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(at(&path, &error)),
        }
    }

    /// Drops the journal of placements that are settled, and what is too old.
    pub(super) fn forget(
        &self,
        settled: &[PlacementKey],
        now: SystemTime,
    ) -> Result<usize, String> {
        let settled: BTreeSet<&PlacementKey> = settled.iter().collect();
        let mut gone = 0;
        let in_journal = |file: &Found| match part_of(file) {
            Some((key, what)) => settled.contains(&key) && !what.starts_with("ord_"),
            None if file.name.ends_with(ASKED) => file.is_older(ASKED_KEPT, now),
            None => file.is_partial() && file.is_older(PARTIAL_KEPT, now),
        };
        // Whose placement it is goes last: whatever is left after a crash is known by it.
        let names = |file: &Found| {
            part_of(file)
                .is_some_and(|(key, what)| settled.contains(&key) && what.starts_with("ord_"))
        };
        let left = |file: &Found| file.is_partial() && file.is_older(PARTIAL_KEPT, now);
        gone += remove_where(&self.journal, in_journal)?;
        gone += remove_where(&self.journal, names)?;
        gone += remove_where(&self.out, left)?;
        gone += remove_where(&self.done, |file| file.is_older(DONE_KEPT, now))?;
        gone += remove_where(&self.rejected, |file| file.is_older(REJECTED_KEPT, now))?;
        Ok(gone)
    }

    /// Takes the passengers of an order out of everything that lies here.
    pub(super) fn erase(&self, order: &str) -> Result<usize, String> {
        let journal = files::list(&self.journal).map_err(|error| at(&self.journal, &error))?;
        let mut named = BTreeSet::new();
        let mut erased = 0;
        for file in journal {
            let Some((key, what)) = part_of(&file) else {
                continue;
            };
            if what != order {
                continue;
            }
            named.insert(key.to_string());
            named.insert(self.booking_of(key, order)?);
            for kind in KINDS {
                erased += usize::from(self.erase_message(&file_name(key, kind))?);
            }
        }
        if !named.is_empty() {
            erased += self.erase_rejected(&named)?;
        }
        Ok(erased)
    }

    /// Takes the names out of a message that nobody has taken away. It is hidden meanwhile, so that either
    /// the provider has it or we have.
    fn erase_message(&self, name: &str) -> Result<bool, String> {
        let unfinished = self.out.join(files::partial(name));
        let mut was_there = files::remove(&unfinished).map_err(|error| at(&unfinished, &error))?;
        let (path, held) = (self.out.join(name), self.out.join(held_name(name)));
        match fs::read_to_string(&path) {
            Ok(text) if message::without_names(&text).is_none() => {}
            Ok(_) => match fs::rename(&path, &held) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(at(&path, &error));
                }
                // Or it was taken away in this moment.
                _ => {}
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(at(&path, &error)),
        }
        // Here now, or since a process died at this place.
        let text = match fs::read_to_string(&held) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(was_there),
            Err(error) => return Err(at(&held, &error)),
        };
        was_there = true;
        let text = message::without_names(&text).unwrap_or(text);
        files::put(&self.out, name, text.as_bytes(), MODE).map_err(|error| at(&path, &error))?;
        files::remove(&held).map_err(|error| at(&held, &error))?;
        files::sync(&self.out).map_err(|error| at(&self.out, &error))?;
        Ok(was_there)
    }

    /// Of answers that could not be read, and speak of these placements or this booking, the lines that are
    /// read stay.
    fn erase_rejected(&self, named: &BTreeSet<String>) -> Result<usize, String> {
        let mut erased = 0;
        for (name, text) in self.rejected_with_names()? {
            if !speaks_of(&text, named) {
                continue;
            }
            // Why it was not read may repeat what stood there.
            let report = format!("{name}{REPORT}");
            let why =
                "it could not be read; its other lines went when the passengers were erased\n";
            let kept = message::read_lines(&text);
            for (name, text) in [(&report, why), (&name, &kept)] {
                files::put(&self.rejected, name, text.as_bytes(), MODE)
                    .map_err(|error| at(&self.rejected.join(name), &error))?;
            }
            erased += 1;
        }
        Ok(erased)
    }

    /// Answers that could not be read and have lines that may name people, with their names.
    fn rejected_with_names(&self) -> Result<Vec<(String, String)>, String> {
        let all = files::list(&self.rejected).map_err(|error| at(&self.rejected, &error))?;
        let names: BTreeSet<&str> = all.iter().map(|file| &*file.name).collect();
        let mut found = Vec::new();
        for name in &names {
            // Whoever writes answers may call one so: a report is of a file that is there.
            let of = name.strip_suffix(REPORT);
            if of.is_some_and(|of| names.contains(of)) {
                continue;
            }
            let path = self.rejected.join(name);
            match read_bounded(&path) {
                Ok(Ok(text)) if message::read_lines(&text) != text => {
                    found.push(((*name).to_owned(), text));
                }
                // Or too long to be looked through: it goes by its age.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(at(&path, &error)),
            }
        }
        Ok(found)
    }
}

/// Whether a text has one of these in it that is not empty.
fn speaks_of<'a>(text: &str, named: impl IntoIterator<Item = &'a String>) -> bool {
    let mut named = named.into_iter().filter(|name| !name.is_empty());
    named.any(|name| text.contains(name.as_str()))
}

/// Which placement a file of the journal is of, and what it says.
fn part_of(file: &Found) -> Option<(PlacementKey, &str)> {
    let (key, what) = file.name.split_once('.')?;
    Some((key.parse().ok()?, what))
}

fn remove_where(folder: &std::path::Path, goes: impl Fn(&Found) -> bool) -> Result<usize, String> {
    let all = files::list(folder).map_err(|error| at(folder, &error))?;
    let mut gone = 0;
    for file in all.iter().filter(|file| goes(file)) {
        let path = folder.join(&file.name);
        gone += usize::from(files::remove(&path).map_err(|error| at(&path, &error))?);
    }
    Ok(gone)
}
