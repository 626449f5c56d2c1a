//! Files of views that have come to rest: the views follow them, or say why not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use flightline_api::backend::{ViewFault, ViewFileLine, ViewFolder};
use flightline_dataflows::sql::Text;

use super::ask::await_tables;
use super::watch::Settled;
use super::{Files, Hindrance, LiveViews, Together, told};
use crate::database::Database;

/// How files that settled fared.
#[derive(Default)]
pub(super) struct Adopted {
    pub(super) has_changed: bool,
    /// To be tried later.
    pub(super) put_off: Vec<PathBuf>,
}

impl LiveViews {
    /// How the files stand.
    pub(crate) fn folder(&self) -> ViewFolder {
        let mut lines = self.watched.lock().files.clone();
        let left_out = self.together.iter().flat_map(Together::left_out);
        lines.extend(left_out.map(|line| (line.file.clone(), line)));
        let watched = self.watched.lock();
        ViewFolder {
            paths: self.paths.iter().map(|p| p.display().to_string()).collect(),
            is_watched: watched.is_watching,
            problem: watched.problem.clone(),
            files: lines.into_values().collect(),
            taken: watched.taken,
            refused: watched.refused,
            removed: watched.removed,
        }
    }

    /// Lets the views follow files.
    pub(super) fn adopt(&self, database: &Database, settled: Vec<Settled>) -> Adopted {
        let mut files = self.files.lock();
        self.catch_up(&mut files);
        let mut outcome = Adopted::default();
        let failed: BTreeSet<String> = self
            .list()
            .into_iter()
            .filter(|line| line.state == "failed")
            .map(|line| line.name)
            .collect();
        let stopped = |files: &Files, file: &str| -> Option<String> {
            let view = files.views.iter().find(|view| view.file == file)?;
            failed.contains(&view.name).then(|| view.name.clone())
        };
        let mut anew = BTreeSet::new();
        let mut todo: Vec<Settled> = Vec::new();
        for one in settled {
            if one.is_outdated() {
                continue;
            }
            if let Some(why) = &one.unreadable {
                self.settle(&one, Err(ViewFault::Problems(why.clone())), true);
                continue;
            }
            let known = files.text(&one.file).map(|text| &text.text);
            let stopped = stopped(&files, &one.file).filter(|_| one.is_touched);
            if known == one.text.as_ref() && (one.text.is_none() || stopped.is_none()) {
                // It was put there by a command, or is as it was.
                self.settle(&one, Ok(()), false);
                continue;
            }
            if known != one.text.as_ref()
                && let Some(together) = &self.together
                && together.is_copy(&one.file, one.text.as_ref())
            {
                // It is what all replicas have, or had: nobody changed it here.
                continue;
            }
            anew.extend(stopped);
            todo.push(one);
        }
        let mut singly = false;
        while !todo.is_empty() {
            let batch: Vec<usize> = (0..todo.len()).collect();
            let mut done: BTreeSet<usize> = BTreeSet::new();
            let mut faults: BTreeMap<usize, ViewFault> = BTreeMap::new();
            let batches = match singly {
                false => vec![batch],
                true => batch.into_iter().map(|at| vec![at]).collect(),
            };
            for batch in batches {
                let texts = with(&files, batch.iter().map(|at| &todo[*at]));
                match self.make(&mut files, database, texts, &anew, || Ok(()), || ()) {
                    Ok(()) => {
                        // What is taken has its table.
                        await_tables(database);
                        done.extend(batch);
                    }
                    Err(hindrance) => {
                        let named = at_fault(&hindrance, &todo, &batch);
                        // With nobody to blame, or everybody, one after the other finds out.
                        let blamed = if named.is_empty() { batch } else { named };
                        for at in blamed {
                            faults.insert(at, fault_of(&hindrance, &todo[at]));
                        }
                    }
                }
            }
            outcome.has_changed |= !done.is_empty();
            for at in &done {
                self.settle(&todo[*at], Ok(()), true);
            }
            let all_at_fault = faults.len() + done.len() == todo.len();
            if !singly && all_at_fault && todo.len() > 1 {
                // Perhaps they only do not go together.
                singly = true;
                continue;
            }
            let mut left = Vec::new();
            for (at, one) in todo.into_iter().enumerate() {
                match faults.remove(&at) {
                    _ if done.contains(&at) => {}
                    // Others have come that it may read.
                    Some(_) if singly && !done.is_empty() => left.push(one),
                    Some(fault) => {
                        if matches!(fault, ViewFault::Unavailable(_)) {
                            outcome.put_off.push(one.path.clone());
                        }
                        self.settle(&one, Err(fault), true);
                    }
                    None => left.push(one),
                }
            }
            todo = left;
        }
        outcome
    }

    /// Writes down what became of a file.
    fn settle(&self, one: &Settled, result: Result<(), ViewFault>, is_news: bool) {
        let mut watched = self.watched.lock();
        let before = watched.files.get(&one.file).and_then(|l| l.reason.clone());
        let at_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as i64);
        let reason = result.err().map(|fault| fault.to_string());
        match (&reason, &one.text) {
            (None, None) => {
                watched.files.remove(&one.file);
                watched.removed += u64::from(is_news);
                return;
            }
            (None, Some(_)) => watched.taken += u64::from(is_news),
            (Some(reason), _) => {
                if before.as_ref() == Some(reason) {
                    // Said before.
                    return;
                }
                watched.refused += 1;
                tracing::warn!(file = one.file, "a file of a view is refused: {reason}");
            }
        }
        if !is_news && watched.files.contains_key(&one.file) && before.is_none() {
            return;
        }
        let line = ViewFileLine {
            file: one.file.clone(),
            reason,
            at_ms,
        };
        watched.files.insert(one.file.clone(), line);
    }
}

/// The texts that there are, with these in their places.
fn with<'a>(files: &Files, changed: impl Iterator<Item = &'a Settled>) -> Vec<Text> {
    let mut texts = files.texts.clone();
    for one in changed {
        texts.retain(|text| text.file != one.file);
        if let Some(text) = &one.text {
            texts.push(Text {
                file: one.file.clone(),
                text: text.clone(),
            });
        }
    }
    texts
}

/// Which of the files of a batch are named as being at fault.
fn at_fault(hindrance: &Hindrance, todo: &[Settled], batch: &[usize]) -> Vec<usize> {
    let is_named = |file: &str| match hindrance {
        Hindrance::Problems(found) => found.iter().any(|problem| problem.file == file),
        Hindrance::Fault { file: named, .. } => named.as_deref() == Some(file),
        Hindrance::Overtaken => false,
    };
    let named = batch.iter().filter(|at| is_named(&todo[**at].file));
    named.copied().collect()
}

/// What to say of a file that was refused.
fn fault_of(hindrance: &Hindrance, one: &Settled) -> ViewFault {
    let fault = match hindrance {
        Hindrance::Fault { fault, .. } => fault.clone(),
        Hindrance::Overtaken => ViewFault::Unavailable(
            "the views were changed at another replica meanwhile: this is tried again in a moment"
                .to_owned(),
        ),
        Hindrance::Problems(found) => {
            let own = found.iter().filter(|problem| problem.file == one.file);
            let own: Vec<_> = own.cloned().collect();
            match own.is_empty() {
                false => ViewFault::Problems(told(&own)),
                true => ViewFault::Conflict(format!(
                    "other views do not go with that: change them first, or keep what they read\n{}",
                    told(found)
                )),
            }
        }
    };
    let gone = |why: String| {
        format!(
            "{} is gone, but its view goes on: put it back, since the next start needs it; {why}",
            Path::new(&one.file).display()
        )
    };
    match (fault, &one.text) {
        (ViewFault::Conflict(why), None) => ViewFault::Conflict(gone(why)),
        (fault, _) => fault,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use flightline_dataflows::changelog::{Epoch, EpochSink};
    use flightline_dataflows::live::History;
    use flightline_dataflows::rows::DecisionRow;
    use flightline_dataflows::sql::compile;

    use super::super::{LiveViews, Setup};
    use super::*;
    use crate::config::ViewFiles;

    struct Nobody;

    impl EpochSink for Nobody {
        fn epoch(&mut self, _: Arc<Epoch>) {}
    }

    impl History for Nobody {
        fn decisions(
            &self,
            _: &[u64],
            _: i64,
            _: &mut dyn FnMut(DecisionRow) -> bool,
        ) -> Result<(), String> {
            Ok(())
        }
    }

    fn sold_by(column: &str) -> String {
        format!(
            "name: sold\ndescription: Holds.\nsql: |\n  SELECT {column}, count(*) AS n FROM holds GROUP BY {column}\n\
             sink: {{postgres: {{key: [{column}]}}}}\n"
        )
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_that_was_changed_after_it_was_read_is_left_for_the_next_look() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sold.yaml");
        let file = path.display().to_string();
        // What a command has written, and what runs.
        std::fs::write(&path, sold_by("cabin")).unwrap();
        let texts = vec![Text {
            file: file.clone(),
            text: sold_by("cabin"),
        }];
        let files = ViewFiles {
            views: compile(texts.clone()).unwrap(),
            texts,
            folder: Some(folder.path().to_owned()),
            paths: vec![folder.path().to_owned()],
        };
        let setup = Setup {
            partitions: 1,
            workers: 1,
            data_dir: folder.path(),
            together: None,
            past: Arc::new(Nobody),
        };
        let (running, live) = LiveViews::start(setup, files, Nobody, |_| {}).unwrap();
        // A database that is away: whatever is tried is put off, and that can be seen.
        let away = Database::of_stopped(folder.path(), Some("postgres://nobody@127.0.0.1:1/none"));
        let away = away.await.unwrap().unwrap();
        let read = |text: String| Settled {
            path: path.clone(),
            file: file.clone(),
            text: Some(text),
            unreadable: None,
            is_touched: true,
        };
        let (before, after) = (read(sold_by("provider")), read(sold_by("class")));
        let adopting = tokio::task::spawn_blocking(move || {
            // Read before the command wrote: the view must not go back to it.
            let outcome = live.adopt(&away, vec![before]);
            assert!(!outcome.has_changed && outcome.put_off.is_empty());
            assert!(live.folder().files.is_empty(), "{:?}", live.folder());
            // As it is in the folder: that is tried.
            std::fs::write(&after.path, sold_by("class")).unwrap();
            let path = after.path.clone();
            let outcome = live.adopt(&away, vec![after]);
            assert_eq!(outcome.put_off, [path]);
            assert!(live.folder().files[0].reason.is_some());
        });
        adopting.await.unwrap();
        drop(running);
    }
}
