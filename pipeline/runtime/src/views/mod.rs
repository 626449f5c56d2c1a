//! Views in SQL while a replica runs: their files, and how they come, are replaced and go.
//!
//! The folder of views says which there are: what is in it is live after the next start. So a view is added by
//! reading all that there is for it, and when it is ready, writing its file, and then making it live; it is removed
//! by removing its file first. Whenever the process ends in between, the next start finds a folder that is as before,
//! or as it was to become, and sees that the tables are too.
//!
//! - this file: the change itself, all of it or nothing. `ask`: PostgreSQL beforehand. `file`: files, whole.
//! - `past`: what was decided before a view came that asks for it.
//! - `watch`: files that somebody puts into the folder, changes there or takes away. `adopt`: the views follow them.

mod adopt;
mod ask;
mod file;
mod past;
mod watch;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use flightline_api::backend::{Backfill, BackfillUnit, ViewChange, ViewFault, ViewLine, ViewSize};
use flightline_dataflows::changelog::EpochSink;
use flightline_dataflows::live::{History, Kept, Phase, Refusal, Views, ViewsConfig, ViewsHandle};
use flightline_dataflows::sql::{Problem, Text, View, compile, name_of, run_examples};
use flightline_sinks::followed::{Changelogs, Tee, ViewFollowers};
use parking_lot::Mutex;

use crate::config::ViewFiles;
use crate::database::Database;
use crate::names;

use ask::{ask, await_tables};
use file::{remove_file, write_file};
pub(crate) use past::Refold;
pub(crate) use watch::Watching;

/// Who runs the views.
pub(crate) struct Setup<'a> {
    pub(crate) partitions: u32,
    pub(crate) workers: usize,
    pub(crate) data_dir: &'a Path,
    /// Several replicas write the same tables in turn.
    pub(crate) is_shared: bool,
    pub(crate) past: Arc<dyn History>,
}

/// The views of a running replica.
pub(crate) struct LiveViews {
    handle: ViewsHandle,
    /// Several replicas write the same tables in turn: they must have the same views.
    is_shared: bool,
    followers: Arc<ViewFollowers>,
    folder: Option<PathBuf>,
    /// Where files of views are looked for.
    paths: Vec<PathBuf>,
    /// What became of the files that were found.
    watched: Mutex<watch::Watched>,
    /// Held while a change is made: one after the other.
    files: Mutex<Files>,
}

#[derive(Clone)]
struct Files {
    texts: Vec<Text>,
    views: Vec<Arc<View>>,
}

impl Files {
    fn view(&self, name: &str) -> Option<&Arc<View>> {
        self.views.iter().find(|view| view.name == name)
    }

    fn text(&self, file: &str) -> Option<&Text> {
        self.texts.iter().find(|text| text.file == file)
    }

    /// The views that read one.
    fn readers(&self, name: &str) -> Vec<&str> {
        let readers = self.views.iter().filter(|view| view.reads.contains(name));
        readers.map(|view| view.name.as_str()).collect()
    }
}

impl LiveViews {
    /// Starts the threads that run the views; what they say goes to `sink` with the epochs.
    pub(crate) fn start(
        setup: Setup<'_>,
        files: ViewFiles,
        sink: impl EpochSink,
        on_failure: impl Fn(&str) + Send + Sync + 'static,
    ) -> anyhow::Result<(Views, Self)> {
        let Setup {
            partitions,
            workers,
            data_dir,
            is_shared,
            past,
        } = setup;
        let mut config = ViewsConfig::new(partitions);
        config.workers = workers;
        config.history = Some(past);
        config.views.clone_from(&files.views);
        config.reference = names::reference();
        config.on_failure = Some(Arc::new(move |failure| on_failure(&failure.to_string())));
        let followers = Arc::new(ViewFollowers::default());
        let tee = Tee {
            followers: Arc::clone(&followers),
            logs: Changelogs::new(data_dir.join("changelogs")),
            next: sink,
        };
        let views = Views::start(config, tee).context("the views in SQL")?;
        let handle = views.handle();
        let live = Self {
            handle,
            is_shared,
            followers,
            folder: files.folder,
            paths: files.paths,
            watched: Mutex::default(),
            files: Mutex::new(Files {
                texts: files.texts,
                views: files.views,
            }),
        };
        Ok((views, live))
    }

    /// Who follows their changes.
    pub(crate) fn followers(&self) -> &Arc<ViewFollowers> {
        &self.followers
    }

    /// What all views keep together.
    pub(crate) fn shared(&self) -> ViewSize {
        size(self.handle.shared())
    }

    /// When time will change a view though nothing happens, Unix time in milliseconds.
    pub(crate) fn due_ms(&self) -> Option<i64> {
        self.handle.due_ms()
    }

    /// The views that are installed.
    pub(crate) fn installed(&self) -> Vec<Arc<View>> {
        self.handle.installed()
    }

    /// The replica is about to stop: nobody waits any more for what was decided before.
    pub(crate) fn leave(&self) {
        self.handle.leave();
    }

    /// How the views stand.
    pub(crate) fn list(&self) -> Vec<ViewLine> {
        let line = |status: flightline_dataflows::live::ViewStatus| {
            let view = &status.view;
            let (state, reason, backfill) = match status.phase {
                Phase::LookingBack { read, of } => {
                    let unit = BackfillUnit::Records;
                    ("backfilling", None, Some(Backfill { read, of, unit }))
                }
                Phase::Filling { read, of } => {
                    let unit = BackfillUnit::Rows;
                    ("backfilling", None, Some(Backfill { read, of, unit }))
                }
                Phase::Ready => ("backfilling", None, None),
                Phase::Live => ("live", None, None),
                Phase::Failed(failure) => ("failed", Some(failure.to_string()), None),
            };
            ViewLine {
                name: view.name.clone(),
                description: view.description.clone(),
                file: view.file.clone(),
                table: format!("{}.{}", view.schema, view.table),
                state,
                reason,
                backfill,
                rows: status.rows,
                updates: status.updates,
                epochs_behind: status.epochs_behind,
                kept: size(status.kept),
            }
        };
        self.handle.list().into_iter().map(line).collect()
    }

    /// Makes a change, or leaves everything as it was. Blocking.
    pub(crate) fn change(
        &self,
        database: &Database,
        change: ViewChange,
    ) -> Result<Option<ViewLine>, ViewFault> {
        if self.is_shared {
            return Err(ViewFault::Conflict(
                "the tables are those of several replicas, which must have the same views: change the files of all of \
                 them, and start them again one after the other"
                    .to_owned(),
            ));
        }
        let mut files = self.files.lock();
        let name = match change {
            ViewChange::Add { name, text } => {
                if let Some(known) = files.view(&name) {
                    return Err(ViewFault::Conflict(format!(
                        "there is a view \"{name}\" already, from {}; `flightline dataflow replace` takes its place",
                        known.file
                    )));
                }
                self.put(&mut files, database, &name, text)?;
                name
            }
            ViewChange::Replace { name, text } => {
                if files.view(&name).is_none() {
                    return Err(unknown(&files, &name));
                }
                self.put(&mut files, database, &name, text)?;
                name
            }
            ViewChange::Remove { name } => {
                self.remove(&mut files, database, &name)?;
                await_tables(database);
                return Ok(None);
            }
        };
        await_tables(database);
        Ok(self.list().into_iter().rev().find(|line| line.name == name))
    }

    /// Where the file of a view is, or goes.
    fn path(&self, files: &Files, name: &str) -> Result<PathBuf, ViewFault> {
        let Some(folder) = &self.folder else {
            return Err(ViewFault::Conflict(
                "this replica was given files of views and no folder, so that there is none to keep this one in: \
                 start it with `--views DIR`"
                    .to_owned(),
            ));
        };
        let Some(view) = files.view(name) else {
            return Ok(folder.join(format!("{name}.yaml")));
        };
        let path = PathBuf::from(&view.file);
        if path.parent() == Some(folder) {
            return Ok(path);
        }
        Err(ViewFault::Conflict(format!(
            "the view \"{name}\" is from {}, which is not in the folder of views {}: change it there",
            view.file,
            folder.display()
        )))
    }

    fn put(
        &self,
        files: &mut Files,
        database: &Database,
        name: &str,
        text: String,
    ) -> Result<(), ViewFault> {
        let path = self.path(files, name)?;
        let new = Text {
            file: path.display().to_string(),
            text,
        };
        let named = name_of(&new).map_err(|problem| problems(&[problem]))?;
        if named != name {
            return Err(ViewFault::Problems(format!(
                "{}: the file names its view \"{named}\", and the request \"{name}\"",
                new.file
            )));
        }
        let is_new = files.view(name).is_none();
        if is_new && path.exists() {
            return Err(ViewFault::Conflict(format!(
                "the file {} exists, though no view of it runs: `flightline dataflow list` says why, if it was refused; \
                 correct it there, or take it away",
                path.display()
            )));
        }
        let mut texts: Vec<Text> = files.texts.clone();
        texts.retain(|text| text.file != new.file);
        texts.push(new.clone());
        let before = files.text(&new.file).cloned();
        let write = || write_file(&path, &new.text).map_err(unwritable);
        let unwrite = || {
            let back = match &before {
                Some(before) => write_file(&path, &before.text),
                None => std::fs::remove_file(&path).map_err(anyhow::Error::from),
            };
            if let Err(error) = back {
                tracing::error!(file = %path.display(), %error, "the file of a view that was refused stays");
            }
        };
        // One that has stopped begins anew, though its file says what it said.
        let anew = BTreeSet::from([name.to_owned()]);
        self.make(files, database, texts, &anew, write, unwrite)
            .map_err(|hindrance| match hindrance {
                Hindrance::Problems(found) => self.judged(files, name, &new, found),
                Hindrance::Fault { fault, .. } => fault,
            })
    }

    /// Makes the views those of `texts`, or leaves everything as it was. What has stopped begins anew if it is one of
    /// `anew`. `write` is called when everything is ready, before any of it is live, and `unwrite` when it comes to
    /// nothing after all.
    fn make(
        &self,
        files: &mut Files,
        database: &Database,
        texts: Vec<Text>,
        anew: &BTreeSet<String>,
        write: impl FnOnce() -> Result<(), ViewFault>,
        unwrite: impl FnOnce(),
    ) -> Result<(), Hindrance> {
        let views = compile(texts.clone()).map_err(Hindrance::Problems)?;
        let failed: Vec<String> = self
            .list()
            .into_iter()
            .filter(|line| line.state == "failed" && anew.contains(&line.name))
            .map(|line| line.name)
            .collect();
        let goes_on = |view: &Arc<View>| files.views.contains(view) && !failed.contains(&view.name);
        let adds: Vec<Arc<View>> = views.iter().filter(|v| !goes_on(v)).cloned().collect();
        for view in &adds {
            let failed = run_examples(view).into_iter().filter_map(|o| o.problem);
            let failed: Vec<Problem> = failed.collect();
            if !failed.is_empty() {
                return Err(Hindrance::Problems(failed));
            }
        }
        let fault = |fault| Hindrance::Fault { fault, file: None };
        if !adds.is_empty() {
            ask(database, &adds).map_err(fault)?;
        }
        let is_over = |view: &&Arc<View>| !views.iter().any(|v| v.name == view.name && goes_on(v));
        let ended = files.views.iter().filter(is_over);
        let ended: Vec<String> = ended.map(|view| view.name.clone()).collect();
        if adds.is_empty() {
            write().map_err(fault)?;
            if !ended.is_empty()
                && let Err(refusal) = self.handle.remove(&ended)
            {
                unwrite();
                return Err(refused(refusal));
            }
        } else {
            let coming = self.handle.prepare(adds.clone()).map_err(refused)?;
            coming.wait().map_err(refused)?;
            write().map_err(fault)?;
            if let Err(refusal) = coming.commit(&ended) {
                unwrite();
                return Err(refused(refusal));
            }
        }
        for view in &adds {
            tracing::info!(view = view.name, file = view.file, "a view is live");
        }
        for name in ended
            .iter()
            .filter(|name| !adds.iter().any(|v| v.name == **name))
        {
            tracing::info!(view = name, "a view is removed");
        }
        *files = Files { texts, views };
        Ok(())
    }

    /// What to say of problems: of those in other files, which read this view, only which they are.
    fn judged(&self, files: &Files, name: &str, new: &Text, found: Vec<Problem>) -> ViewFault {
        let (own, others): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|problem| problem.file == new.file);
        if !own.is_empty() {
            return problems(&own);
        }
        ViewFault::Conflict(format!(
            "views that read \"{name}\" ({}) do not go with this one: change them first, or keep what they read\n{}",
            files.readers(name).join(", "),
            told(&others)
        ))
    }

    fn remove(&self, files: &mut Files, database: &Database, name: &str) -> Result<(), ViewFault> {
        let Some(view) = files.view(name).cloned() else {
            return Err(unknown(files, name));
        };
        let readers = files.readers(name);
        if !readers.is_empty() {
            return Err(ViewFault::Conflict(format!(
                "other views read \"{name}\": {}; remove those first",
                readers.join(", ")
            )));
        }
        let path = self.path(files, name)?;
        let text = files.text(&view.file).cloned();
        let write = || remove_file(&path).map_err(unwritable);
        let unwrite = || {
            let back = text.as_ref().map(|text| write_file(&path, &text.text));
            if let Some(Err(error)) = back {
                tracing::error!(file = %path.display(), %error, "the file of a view could not be put back");
            }
        };
        let mut texts = files.texts.clone();
        texts.retain(|text| text.file != view.file);
        self.make(files, database, texts, &BTreeSet::new(), write, unwrite)
            .map_err(|hindrance| match hindrance {
                Hindrance::Problems(found) => problems(&found),
                Hindrance::Fault { fault, .. } => fault,
            })
    }
}

/// Why views stay as they are.
enum Hindrance {
    /// Something is wrong with files.
    Problems(Vec<Problem>),
    /// Everything else; and the file of the view that it is about, if it is about one.
    Fault {
        fault: ViewFault,
        file: Option<String>,
    },
}

fn size(kept: Kept) -> ViewSize {
    ViewSize {
        records: kept.records,
        bytes: kept.bytes,
    }
}

fn unknown(files: &Files, name: &str) -> ViewFault {
    let names: Vec<&str> = files.views.iter().map(|view| view.name.as_str()).collect();
    ViewFault::Unknown(match names.is_empty() {
        true => format!("there is no view \"{name}\": there are none"),
        false => format!(
            "there is no view \"{name}\"; there are {}",
            names.join(", ")
        ),
    })
}

fn told(problems: &[Problem]) -> String {
    let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
    all.join("\n")
}

fn problems(found: &[Problem]) -> ViewFault {
    ViewFault::Problems(told(found))
}

fn refused(refusal: Refusal) -> Hindrance {
    match refusal {
        Refusal::View(failure) => Hindrance::Fault {
            fault: ViewFault::Failed(format!(
                "nothing was changed, since the view fails: {failure}"
            )),
            file: Some(failure.file.clone()),
        },
        Refusal::Past(_) => Hindrance::Fault {
            fault: ViewFault::Unavailable(format!("{refusal}; nothing was changed")),
            file: None,
        },
        Refusal::Stopped(failure) => Hindrance::Fault {
            fault: ViewFault::Unavailable(failure.to_string()),
            file: None,
        },
    }
}

fn unwritable(error: anyhow::Error) -> ViewFault {
    ViewFault::Unavailable(format!("{error:#}; nothing was changed"))
}
