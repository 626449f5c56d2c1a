//! What this replica last knew of the views that several replicas run: a note in its data directory.
//!
//! Their common database says which views there are; the folder of each replica is a copy for people. The note tells
//! the one from the other when the replica comes back: a file that is as the note has it is a copy that may be old, and
//! one that is not was changed here. It also has the views themselves, for a start while the database is away.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use flightline_dataflows::sql::{Text, name_of};
use serde::{Deserialize, Serialize};

use super::file::{remove_file, write_file};
use crate::several::views::{Line, Set};

/// What was known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    /// Count of changes.
    version: i64,
    /// By name.
    views: BTreeMap<String, Noted>,
    /// By file: other texts that it may still have, since it was not written (yet).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    before: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Noted {
    text: String,
    version: i64,
    /// Absent = there is no folder for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

/// What is done to a file so that it is as all replicas have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Write {
        file: String,
        text: String,
    },
    Remove {
        file: String,
    },
    /// Somebody wrote it, and it is not what all have: it gets another name.
    SetAside {
        file: String,
    },
}

fn path_of(data_dir: &Path) -> PathBuf {
    data_dir.join("shared-views.json")
}

impl Note {
    /// The note of a data directory, if there is one.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub(super) fn load(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = path_of(data_dir);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).with_context(|| {
                format!(
                    "{} is damaged: remove it, and start this replica when the database of database.url is there",
                    path.display()
                )
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
        }
    }

    pub(super) fn save(&self, data_dir: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self).context("the note of the views")?;
        write_file(&path_of(data_dir), &text)
    }

    /// These are the views now, and these their files. What the files were known to have, they may still have.
    pub(super) fn next(&self, set: &Set, homes: &BTreeMap<String, String>) -> Self {
        let mut before = self.before.clone();
        for (name, noted) in &self.views {
            let stays = set.views.get(name).map(|line| &line.text) == Some(&noted.text);
            if let Some(file) = noted.file.as_ref().filter(|_| !stays) {
                put_once(&mut before, file, &noted.text);
            }
        }
        let views = set.views.iter().map(|(name, line)| {
            let noted = Noted {
                text: line.text.clone(),
                version: line.version,
                file: homes.get(name).cloned(),
            };
            (name.clone(), noted)
        });
        Self {
            version: set.version,
            views: views.collect(),
            before,
        }
    }

    /// What is in the way of these deeds is not to be taken for a change, should it stay there.
    pub(super) fn expect(&mut self, deeds: &[Deed], found: &BTreeMap<String, String>) {
        for deed in deeds {
            if let Deed::SetAside { file } = deed
                && let Some(text) = found.get(file)
            {
                put_once(&mut self.before, file, text);
            }
        }
    }

    /// A file has what the views have.
    pub(super) fn written(&mut self, file: &str) {
        self.before.remove(file);
    }

    pub(super) fn version(&self) -> i64 {
        self.version
    }

    /// The views, as the common database had them.
    pub(super) fn set(&self) -> Set {
        let line = |noted: &Noted| Line {
            text: noted.text.clone(),
            version: noted.version,
        };
        let views = self.views.iter().map(|(name, n)| (name.clone(), line(n)));
        Set {
            version: self.version,
            views: views.collect(),
        }
    }

    /// Where the file of a view is.
    pub(super) fn file(&self, name: &str) -> Option<&str> {
        self.views.get(name)?.file.as_deref()
    }

    /// Is that what the file had, or was about to have, when the replica knew of it last? Then nobody changed it here.
    pub(super) fn knows(&self, file: &str, text: &str) -> bool {
        let noted = self.views.values();
        let mut noted = noted.filter(|noted| noted.file.as_deref() == Some(file));
        let before = self.before.get(file);
        noted.any(|noted| noted.text == text)
            || before.is_some_and(|texts| texts.iter().any(|before| before == text))
    }
}

fn put_once(before: &mut BTreeMap<String, Vec<String>>, file: &str, text: &str) {
    let texts = before.entry(file.to_owned()).or_default();
    if !texts.iter().any(|known| known == text) {
        texts.push(text.to_owned());
    }
}

/// What is to be done to `found`, files and their texts, so that the views of `homes`, which are in these files, are
/// there as `set` has them, and others are not. What was changed here is left, for the views to follow it, unless
/// the view was changed elsewhere, too. Without a note nothing tells an old file from one that was changed.
pub(super) fn deeds(
    note: Option<&Note>,
    set: &Set,
    homes: &BTreeMap<String, String>,
    found: &BTreeMap<String, String>,
) -> Vec<Deed> {
    let mut deeds = Vec::new();
    let knows = |file: &str, text: &str| note.is_some_and(|note| note.knows(file, text));
    for (name, file) in homes {
        let Some(line) = set.views.get(name) else {
            continue;
        };
        let (file, text) = (file.clone(), line.text.clone());
        let noted = note.and_then(|note| note.views.get(name));
        match found.get(&file) {
            Some(there) if *there == text => continue,
            Some(there) if !knows(&file, there) => {
                if noted.is_some_and(|noted| noted.text == text) {
                    continue;
                }
                deeds.push(Deed::SetAside { file: file.clone() });
            }
            _ => {}
        }
        deeds.push(Deed::Write { file, text });
    }
    for (file, text) in found {
        if homes.values().any(|home| home == file) {
            continue;
        }
        let named = || {
            let (file, text) = (file.clone(), text.clone());
            name_of(&Text { file, text }).ok()
        };
        // The file of a view that went elsewhere, or that view in another file.
        let is_old = |note: &Note| {
            let mut noted = note.views.values();
            noted.any(|noted| noted.file.as_ref() == Some(file))
                || named().is_some_and(|name| note.views.contains_key(&name))
        };
        if knows(file, text) {
            deeds.push(Deed::Remove { file: file.clone() });
        } else if note.is_none_or(is_old) {
            deeds.push(Deed::SetAside { file: file.clone() });
        }
    }
    deeds
}

/// Does it. What cannot be done is said, and the views run all the same.
pub(super) fn carry_out(deeds: &[Deed], note: &mut Note) {
    for deed in deeds {
        let (file, done) = match deed {
            Deed::Write { file, text } => (file, write_file(Path::new(file), text)),
            Deed::Remove { file } => (file, remove_file(Path::new(file))),
            Deed::SetAside { file } => (file, set_aside(file)),
        };
        match done {
            Ok(()) => note.written(file),
            Err(error) => {
                tracing::warn!(
                    "{error:#}; the views run as all replicas have them, whatever it says"
                );
            }
        }
    }
}

fn set_aside(file: &str) -> anyhow::Result<()> {
    let path = Path::new(file);
    let name = path.file_name().and_then(|name| name.to_str());
    let aside = path.with_file_name(format!(".{}.before", name.unwrap_or("view")));
    std::fs::rename(path, &aside).with_context(|| format!("the file {file} cannot be renamed"))?;
    tracing::warn!(
        "{file} is not what the replicas of this stream have: it is {} now. To have it, put it back while this replica runs",
        aside.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(version: i64, views: &[(&str, &str)]) -> Set {
        let line = |(name, text): &(&str, &str)| {
            let text = (*text).to_owned();
            ((*name).to_owned(), Line { text, version })
        };
        Set {
            version,
            views: views.iter().map(line).collect(),
        }
    }

    fn homes(set: &Set) -> BTreeMap<String, String> {
        let names = set.views.keys();
        names.map(|n| (n.clone(), format!("f/{n}.yaml"))).collect()
    }

    fn found(files: &[(&str, &str)]) -> BTreeMap<String, String> {
        let file = |(name, text): &(&str, &str)| (format!("f/{name}.yaml"), (*text).to_owned());
        files.iter().map(file).collect()
    }

    fn note(set: &Set) -> Note {
        Note::default().next(set, &homes(set))
    }

    /// What is done at a start that knew `knew`.
    fn start(knew: Option<&Set>, now: &Set, files: &[(&str, &str)]) -> Vec<String> {
        let note = knew.map(note);
        let deeds = deeds(note.as_ref(), now, &homes(now), &found(files));
        let told = deeds.iter().map(|deed| match deed {
            Deed::Write { file, text } => format!("{file} = {text}"),
            Deed::Remove { file } => format!("{file} goes"),
            Deed::SetAside { file } => format!("{file} aside"),
        });
        told.collect()
    }

    const TWO: &str = "name: two\n";

    #[test]
    fn who_was_down_gets_what_changed_meanwhile_and_brings_nothing_back() {
        let knew = set(3, &[("one", "a"), ("two", TWO)]);
        let now = set(7, &[("one", "b"), ("three", "c")]);
        let files = [("one", "a"), ("two", TWO)];
        assert_eq!(
            start(Some(&knew), &now, &files),
            ["f/one.yaml = b", "f/three.yaml = c", "f/two.yaml goes"]
        );
        // A file that is missing is no removal.
        assert_eq!(
            start(Some(&knew), &knew, &[("two", TWO)]),
            ["f/one.yaml = a"]
        );
        assert!(start(Some(&knew), &knew, &files).is_empty());
    }

    #[test]
    fn what_was_changed_here_is_left_unless_it_was_changed_elsewhere_too() {
        let knew = set(3, &[("one", "a"), ("two", TWO)]);
        let (mine, new) = (("one", "mine"), ("four", "name: four\n"));
        assert!(start(Some(&knew), &knew, &[mine, ("two", TWO), new]).is_empty());
        let now = set(4, &[("one", "b")]);
        assert_eq!(
            start(Some(&knew), &now, &[mine, ("two", "name: two\nmine")]),
            ["f/one.yaml aside", "f/one.yaml = b", "f/two.yaml aside"]
        );
    }

    #[test]
    fn a_folder_that_nothing_is_known_of_gives_way_and_loses_nothing() {
        let now = set(4, &[("one", "b"), ("two", TWO)]);
        assert_eq!(
            start(None, &now, &[("one", "a"), ("two", TWO), ("old", "x")]),
            ["f/one.yaml aside", "f/one.yaml = b", "f/old.yaml aside"]
        );
    }

    #[test]
    fn a_process_that_ended_while_it_wrote_files_finds_its_way_from_either_text() {
        let (knew, now) = (set(3, &[("one", "a")]), set(4, &[("two", TWO)]));
        let note = note(&knew).next(&now, &homes(&now));
        // Neither file was done, then both: and the next change undoes it.
        let later = set(5, &[]);
        let told = |files: &[(&str, &str)]| {
            deeds(Some(&note), &later, &homes(&later), &found(files)).len()
        };
        assert_eq!(told(&[("one", "a")]), 1);
        assert_eq!(told(&[("two", TWO)]), 1);
        assert_eq!(told(&[]), 0);
        assert!(note.knows("f/one.yaml", "a") && note.knows("f/two.yaml", TWO));
    }

    #[test]
    fn a_note_comes_back_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Note::load(dir.path()).unwrap(), None);
        let mut note = note(&set(3, &[("one", "a")]));
        let aside = Deed::SetAside {
            file: "f/one.yaml".to_owned(),
        };
        note.expect(&[aside], &found(&[("one", "old")]));
        assert!(note.knows("f/one.yaml", "old"));
        note.save(dir.path()).unwrap();
        assert_eq!(Note::load(dir.path()).unwrap(), Some(note));
        std::fs::write(path_of(dir.path()), "{").unwrap();
        let error = format!("{:#}", Note::load(dir.path()).unwrap_err());
        assert!(error.contains("shared-views.json"), "{error}");
    }
}
