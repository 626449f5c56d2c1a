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
//! - `together`: several replicas on one database have the same views: what is changed at one becomes live at all.
//!   `note`: what a replica last knew of them. `begin`: which views a start begins with.

mod adopt;
mod ask;
mod begin;
mod file;
mod note;
mod past;
#[cfg(test)]
mod tests;
mod together;
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

use ask::{ask, await_others, await_tables};
pub(crate) use begin::begin;
use file::{remove_file, write_file};
pub(crate) use past::Refold;
pub(crate) use together::Together;
pub(crate) use watch::Watching;

/// Who runs the views.
pub(crate) struct Setup<'a> {
    pub(crate) partitions: u32,
    pub(crate) workers: usize,
    pub(crate) data_dir: &'a Path,
    /// Several replicas write the same tables in turn, and have the same views.
    pub(crate) together: Option<Together>,
    pub(crate) past: Arc<dyn History>,
}

/// The views of a running replica.
pub(crate) struct LiveViews {
    handle: ViewsHandle,
    /// Several replicas write the same tables in turn: they have the same views.
    together: Option<Together>,
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
            together,
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
            together,
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
        let mut files = self.files.lock();
        self.catch_up(&mut files);
        let before = files.views.clone();
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
                self.await_tables(database, &before, &files);
                return Ok(None);
            }
        };
        self.await_tables(database, &before, &files);
        Ok(self.list().into_iter().rev().find(|line| line.name == name))
    }

    /// Waits until the tables are those of the views, whoever writes them.
    fn await_tables(&self, database: &Database, before: &[Arc<View>], files: &Files) {
        if self.together.is_some() && database.sink().is_none() {
            await_others(database, before, &files.views);
        } else {
            await_tables(database);
        }
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
                other => other.into_fault(),
            })
    }

    /// Makes the views those of `texts`, or leaves everything as it was. What has stopped begins anew if it is one of
    /// `anew`. `write` is called when everything is ready, before any of it is live, and `unwrite` when it comes to
    /// nothing after all; not where several replicas have the same views: there the files follow.
    fn make(
        &self,
        files: &mut Files,
        database: &Database,
        texts: Vec<Text>,
        anew: &BTreeSet<String>,
        write: impl FnOnce() -> Result<(), ViewFault>,
        unwrite: impl FnOnce(),
    ) -> Result<(), Hindrance> {
        let plan = self.plan(files, texts, anew)?;
        for view in &plan.adds {
            let failed = run_examples(view).into_iter().filter_map(|o| o.problem);
            let failed: Vec<Problem> = failed.collect();
            if !failed.is_empty() {
                return Err(Hindrance::Problems(failed));
            }
        }
        if !plan.adds.is_empty() {
            ask(database, &plan.adds).map_err(Hindrance::of)?;
        }
        let Some(together) = &self.together else {
            let write = |_: &Files, _: &Plan| write().map_err(Hindrance::of);
            return self.enact(files, plan, write, |()| unwrite());
        };
        let publish = |files: &Files, plan: &Plan| together.publish(files, plan, anew);
        let withdraw = |published| together.withdraw(&published);
        let published = self.enact(files, plan, publish, withdraw)?;
        together.keep(published, files, self.folder.as_deref());
        Ok(())
    }

    /// What is to be done so that the views are those of `texts`.
    fn plan(
        &self,
        files: &Files,
        texts: Vec<Text>,
        anew: &BTreeSet<String>,
    ) -> Result<Plan, Hindrance> {
        let views = compile(texts.clone()).map_err(Hindrance::Problems)?;
        let failed: Vec<String> = self
            .list()
            .into_iter()
            .filter(|line| line.state == "failed" && anew.contains(&line.name))
            .map(|line| line.name)
            .collect();
        let goes_on = |view: &Arc<View>| files.views.contains(view) && !failed.contains(&view.name);
        let adds: Vec<Arc<View>> = views.iter().filter(|v| !goes_on(v)).cloned().collect();
        let is_over = |view: &&Arc<View>| !views.iter().any(|v| v.name == view.name && goes_on(v));
        let ended = files.views.iter().filter(is_over);
        let ended: Vec<String> = ended.map(|view| view.name.clone()).collect();
        Ok(Plan {
            texts,
            views,
            adds,
            ended,
        })
    }

    /// Does it, or leaves everything as it was. `write` and `unwrite` as for [`Self::make`]; what the one gives the
    /// other gets.
    fn enact<T>(
        &self,
        files: &mut Files,
        plan: Plan,
        write: impl FnOnce(&Files, &Plan) -> Result<T, Hindrance>,
        unwrite: impl FnOnce(T),
    ) -> Result<T, Hindrance> {
        let coming = match plan.adds.is_empty() {
            true => None,
            false => {
                let coming = self.handle.prepare(plan.adds.clone()).map_err(refused)?;
                coming.wait().map_err(refused)?;
                Some(coming)
            }
        };
        let written = write(files, &plan)?;
        let done = match coming {
            Some(coming) => coming.commit(&plan.ended),
            None if plan.ended.is_empty() => Ok(()),
            None => self.handle.remove(&plan.ended),
        };
        if let Err(refusal) = done {
            unwrite(written);
            return Err(refused(refusal));
        }
        for view in &plan.adds {
            tracing::info!(view = view.name, file = view.file, "a view is live");
        }
        let is_replaced = |name: &String| plan.adds.iter().any(|v| v.name == *name);
        for name in plan.ended.iter().filter(|name| !is_replaced(name)) {
            tracing::info!(view = name, "a view is removed");
        }
        *files = Files {
            texts: plan.texts,
            views: plan.views,
        };
        Ok(written)
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
            .map_err(Hindrance::into_fault)
    }
}

/// What is to be done so that the views are others.
struct Plan {
    texts: Vec<Text>,
    views: Vec<Arc<View>>,
    /// Those that come, also in the place of others.
    adds: Vec<Arc<View>>,
    /// Names of those that go, also for others.
    ended: Vec<String>,
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
    /// Another replica was faster: what was checked is not what all have.
    Overtaken,
}

impl Hindrance {
    /// One that is about no file.
    fn of(fault: ViewFault) -> Self {
        Self::Fault { fault, file: None }
    }

    fn into_fault(self) -> ViewFault {
        match self {
            Self::Problems(found) => problems(&found),
            Self::Fault { fault, .. } => fault,
            Self::Overtaken => ViewFault::Conflict(
                "the views were changed at another replica meanwhile, so nothing was changed here: look at them with \
                 `flightline dataflow list`, and try again"
                    .to_owned(),
            ),
        }
    }
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
