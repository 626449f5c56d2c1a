//! Views in SQL while a replica runs: their files, and how they come, are replaced and go.
//!
//! The folder of views says which there are: what is in it is live after the next start. So a view is added by
//! reading all that there is for it, and when it is ready, writing its file, and then making it live; it is removed
//! by removing its file first. Whenever the process ends in between, the next start finds a folder that is as before,
//! or as it was to become, and sees that the tables are too.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use flightline_api::backend::{ViewChange, ViewFault, ViewLine};
use flightline_dataflows::changelog::EpochSink;
use flightline_dataflows::live::{Phase, Refusal, Views, ViewsConfig, ViewsHandle};
use flightline_dataflows::sql::{Problem, Text, View, compile, name_of, run_examples};
use flightline_sinks::followed::{Changelogs, Tee, ViewFollowers};
use flightline_sinks::postgres::{PostgresError, rehearse};
use parking_lot::Mutex;

use crate::config::ViewFiles;
use crate::database::Database;
use crate::names;

/// The views of a running replica.
pub(crate) struct LiveViews {
    handle: ViewsHandle,
    /// Several replicas write the same tables in turn: they must have the same views.
    is_shared: bool,
    followers: Arc<ViewFollowers>,
    folder: Option<PathBuf>,
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
        partitions: u32,
        workers: usize,
        files: ViewFiles,
        data_dir: &Path,
        is_shared: bool,
        sink: impl EpochSink,
        on_failure: impl Fn(&str) + Send + Sync + 'static,
    ) -> anyhow::Result<(Views, Self)> {
        let mut config = ViewsConfig::new(partitions);
        config.workers = workers;
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

    /// The views that are installed.
    pub(crate) fn installed(&self) -> Vec<Arc<View>> {
        self.handle.installed()
    }

    /// How the views stand.
    pub(crate) fn list(&self) -> Vec<ViewLine> {
        let line = |status: flightline_dataflows::live::ViewStatus| {
            let view = &status.view;
            let (state, reason, backfill) = match status.phase {
                Phase::Filling { read, of } => ("backfilling", None, Some((read, of))),
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
                self.remove(&mut files, &name)?;
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
            "the view \"{name}\" is from {}, which is not in the folder of views {}: change it there, and start the \
             replica again",
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
                "the file {} exists, though no view of it runs: take it away, or start the replica again",
                path.display()
            )));
        }
        let mut texts: Vec<Text> = files.texts.clone();
        texts.retain(|text| text.file != new.file);
        texts.push(new.clone());
        let views =
            compile(texts.clone()).map_err(|found| self.judged(files, name, &new, found))?;
        let failed: Vec<String> = self
            .list()
            .into_iter()
            .filter(|line| line.state == "failed")
            .map(|line| line.name)
            .collect();
        // One that has stopped begins anew, though its file says what it said.
        let goes_on = |view: &Arc<View>| {
            files.views.contains(view) && !(view.name == name && failed.contains(&view.name))
        };
        let adds: Vec<Arc<View>> = views.iter().filter(|v| !goes_on(v)).cloned().collect();
        for view in &adds {
            let failed = run_examples(view).into_iter().filter_map(|o| o.problem);
            let failed: Vec<Problem> = failed.collect();
            if !failed.is_empty() {
                return Err(problems(&failed));
            }
        }
        ask(database, &adds)?;
        let ended: BTreeSet<String> = adds
            .iter()
            .map(|view| view.name.clone())
            .filter(|name| files.view(name).is_some())
            .collect();
        let ended: Vec<String> = ended.into_iter().collect();
        let before = files.text(&new.file).cloned();
        if adds.is_empty() {
            // It means what it meant: only its file says it otherwise.
            write_file(&path, &new.text).map_err(unwritable)?;
        } else {
            let coming = self.handle.prepare(adds).map_err(refused)?;
            coming.wait().map_err(refused)?;
            write_file(&path, &new.text).map_err(unwritable)?;
            if let Err(refusal) = coming.commit(&ended) {
                let back = match &before {
                    Some(before) => write_file(&path, &before.text),
                    None => std::fs::remove_file(&path).map_err(anyhow::Error::from),
                };
                if let Err(error) = back {
                    tracing::error!(file = %path.display(), %error, "the file of a view that was refused stays");
                }
                return Err(refused(refusal));
            }
        }
        tracing::info!(view = name, file = %path.display(), replaced = ?ended, "a view is live");
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

    fn remove(&self, files: &mut Files, name: &str) -> Result<(), ViewFault> {
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
        remove_file(&path).map_err(unwritable)?;
        if let Err(refusal) = self.handle.remove(&[name.to_owned()]) {
            let back = text.map(|text| write_file(&path, &text.text));
            if let Some(Err(error)) = back {
                tracing::error!(file = %path.display(), %error, "the file of a view could not be put back");
            }
            return Err(refused(refusal));
        }
        tracing::info!(view = name, "a view is removed");
        files.texts.retain(|text| text.file != view.file);
        files.views.retain(|other| other.name != name);
        Ok(())
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

fn refused(refusal: Refusal) -> ViewFault {
    match refusal {
        Refusal::View(failure) => ViewFault::Failed(format!(
            "nothing was changed, since the view fails: {failure}"
        )),
        Refusal::Stopped(failure) => ViewFault::Unavailable(failure.to_string()),
    }
}

fn unwritable(error: anyhow::Error) -> ViewFault {
    ViewFault::Unavailable(format!("{error:#}; nothing was changed"))
}

/// How long an answer waits for the tables. They follow in any case.
const TABLES_WAIT: Duration = Duration::from_secs(60);

/// Waits until the tables of views are as it was just decided.
fn await_tables(database: &Database) {
    let (Some(sink), Ok(runtime)) = (database.sink(), tokio::runtime::Handle::try_current()) else {
        return;
    };
    if !runtime.block_on(sink.wait_taken(TABLES_WAIT)) {
        tracing::warn!("PostgreSQL is behind: the tables of views follow when it has caught up");
    }
}

/// Asks PostgreSQL whether it would make these tables.
fn ask(database: &Database, views: &[Arc<View>]) -> Result<(), ViewFault> {
    let away = |error: &dyn std::fmt::Display| {
        ViewFault::Unavailable(format!(
            "PostgreSQL cannot be asked about the table, so nothing was changed: {error}"
        ))
    };
    let failed = database.sink().and_then(|sink| sink.status().failed);
    if let Some(error) = failed {
        return Err(ViewFault::Unavailable(format!(
            "the tables are not written any more, so nothing was changed: {error}"
        )));
    }
    let asked = async {
        let mut client = database
            .client()
            .await
            .map_err(|e| away(&format!("{e:#}")))?;
        match rehearse(&mut client, views).await {
            Ok(()) => Ok(()),
            Err(error @ PostgresError::TableNotOurs { .. }) => {
                Err(ViewFault::Conflict(error.to_string()))
            }
            Err(error) if error.is_passing() => Err(away(&error)),
            Err(error) => Err(ViewFault::Conflict(format!(
                "PostgreSQL refuses the table: {error}"
            ))),
        }
    };
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.block_on(asked),
        Err(error) => Err(away(&error)),
    }
}

/// Writes a file as a whole or not at all, also when the machine loses its power.
fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
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

fn remove_file(path: &Path) -> anyhow::Result<()> {
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
