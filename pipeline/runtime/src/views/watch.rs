//! Files that somebody puts among those of the views, changes there or takes away: the views follow.
//!
//! The paths are looked through twice a second, not watched through the system's notices, which network file systems
//! do not send. A file counts when it has stood still for a while, so that one that is being written is left alone;
//! so does its absence, since editors and `git` take files away for a moment. What counts goes the way of every other
//! change: with its examples, PostgreSQL asked before, all of it or nothing. Files that came together are tried
//! together, since they may read each other; those that are at fault are set aside, with the reason, until they change
//! or something else does, and what was there before goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use flightline_api::backend::{ViewFault, ViewFileLine, ViewFolder};
use flightline_dataflows::sql::Text;

use super::ask::await_tables;
use super::{Files, Hindrance, LiveViews, told};
use crate::backend::Inner;
use crate::database::Database;

/// How often the paths are looked through.
const LOOK: Duration = Duration::from_millis(500);
/// How long a file must have stood still, or have been gone.
const SETTLE: Duration = Duration::from_secs(1);
/// The same for a file whose last line has no end: it may be cut off.
const SETTLE_CUT_OFF: Duration = Duration::from_secs(5);
/// When a change is tried again that failed for a reason that passes.
const AGAIN: Duration = Duration::from_secs(5);

/// What became of files, for whoever asks.
#[derive(Debug, Default)]
pub(super) struct Watched {
    is_watching: bool,
    /// Why the paths cannot be looked through.
    problem: Option<String>,
    /// By file.
    files: BTreeMap<String, ViewFileLine>,
    taken: u64,
    refused: u64,
    removed: u64,
}

/// What a file looked like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    bytes: u64,
    modified: SystemTime,
}

/// A file, or the place where it was.
struct Seen {
    /// `None` = it is gone.
    look: Option<Look>,
    since: Instant,
    /// What it looked like when it was tried; `None` = not yet.
    tried: Option<Option<Look>>,
}

/// A file that has come to rest: its text, or that it is gone.
struct Settled {
    path: PathBuf,
    file: String,
    text: Option<String>,
    /// Why there is no text though there is a file.
    unreadable: Option<String>,
    /// It was tried before and looks otherwise now.
    is_touched: bool,
}

impl Settled {
    /// Has it changed since it was read? A command may have written it meanwhile; it will come to rest again.
    fn is_outdated(&self) -> bool {
        let now = std::fs::read(&self.path).ok();
        self.unreadable.is_none() && now.as_deref() != self.text.as_ref().map(String::as_bytes)
    }
}

/// The files of `paths`: those that are files, and in folders those that end in `.yaml` or `.yml`. What editors and
/// copying programs write for themselves begins with a dot.
///
/// # Errors
/// When a folder cannot be read: then nothing is known of it, least of all that its files are gone.
fn look_through(paths: &[PathBuf]) -> anyhow::Result<BTreeMap<PathBuf, Look>> {
    let look = |metadata: &std::fs::Metadata| -> std::io::Result<Look> {
        Ok(Look {
            bytes: metadata.len(),
            modified: metadata.modified()?,
        })
    };
    let mut found = BTreeMap::new();
    let mut put = |path: PathBuf| -> anyhow::Result<()> {
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => {
                let cannot = || format!("the file {} cannot be looked at", path.display());
                found.insert(path.clone(), look(&metadata).with_context(cannot)?);
                Ok(())
            }
            Ok(_) => Ok(()),
            // It went a moment ago, or is not there (yet).
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error)
                .with_context(|| format!("the file {} cannot be looked at", path.display())),
        }
    };
    for path in paths {
        let is_file = path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        if is_file && !path.is_dir() {
            put(path.clone())?;
            continue;
        }
        let cannot = || {
            format!(
                "the folder of views {} cannot be read, so that nothing is changed: make it readable again",
                path.display()
            )
        };
        for entry in std::fs::read_dir(path).with_context(cannot)? {
            let entry = entry.with_context(cannot)?.path();
            let is_hidden = entry
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with('.'));
            let is_yaml = entry
                .extension()
                .is_some_and(|extension| extension == "yaml" || extension == "yml");
            if is_yaml && !is_hidden {
                put(entry)?;
            }
        }
    }
    Ok(found)
}

/// A thread that watches.
pub(crate) struct Watching {
    is_stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watching {
    /// Begins, when there are views that can change. Inside a tokio runtime.
    pub(crate) fn start(inner: &Arc<Inner>) -> anyhow::Result<Self> {
        let is_stopping = Arc::new(AtomicBool::new(false));
        let mut watching = Self {
            is_stopping: Arc::clone(&is_stopping),
            thread: None,
        };
        let Some(views) = inner.views.get().filter(|views| !views.is_shared) else {
            return Ok(watching);
        };
        let mut watcher = Watcher {
            inner: Arc::downgrade(inner),
            paths: views.paths.clone(),
            seen: BTreeMap::new(),
            again: None,
        };
        views.watched.lock().is_watching = true;
        let runtime = tokio::runtime::Handle::current();
        let thread = std::thread::Builder::new()
            .name("flightline-view-files".to_owned())
            .spawn(move || {
                let _entered = runtime.enter();
                while !is_stopping.load(Ordering::Acquire) {
                    watcher.turn();
                    std::thread::park_timeout(LOOK);
                }
            })
            .context("the thread that watches files of views cannot be started")?;
        watching.thread = Some(thread);
        Ok(watching)
    }

    /// Takes nothing more, and waits for what is being taken.
    pub(crate) async fn stop(self) {
        self.is_stopping.store(true, Ordering::Release);
        let Some(thread) = self.thread else { return };
        thread.thread().unpark();
        // One that panicked has nothing left to take.
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}

struct Watcher {
    /// The replica holds the thread, not the other way round.
    inner: Weak<Inner>,
    paths: Vec<PathBuf>,
    seen: BTreeMap<PathBuf, Seen>,
    /// When what failed for a passing reason is tried again.
    again: Option<Instant>,
}

impl Watcher {
    fn turn(&mut self) {
        let Some(inner) = self.inner.upgrade() else {
            return;
        };
        let (Some(views), Some(database)) = (inner.views.get(), inner.postgres.get()) else {
            return;
        };
        let now = Instant::now();
        let found = match look_through(&self.paths) {
            Ok(found) => found,
            Err(error) => {
                let problem = format!("{error:#}");
                let mut watched = views.watched.lock();
                if watched.problem.as_ref() != Some(&problem) {
                    tracing::warn!("{problem}");
                    watched.problem = Some(problem);
                }
                return;
            }
        };
        views.watched.lock().problem = None;
        self.note(&found, now);
        if self.again.is_some_and(|again| again <= now) {
            self.again = None;
            self.try_again(&views.watched.lock());
        }
        let settled = self.settled(now);
        if settled.is_empty() {
            return;
        }
        let outcome = views.adopt(database, settled);
        if outcome.has_changed {
            // What was refused may go with what there is now.
            self.try_again(&views.watched.lock());
        }
        for path in outcome.put_off {
            if let Some(seen) = self.seen.get_mut(&path) {
                seen.tried = None;
            }
            // Not at once: it would be asked for twice a second.
            self.again = Some(now + AGAIN);
        }
        // Of a file that is gone nothing more is to be known, unless its view could not go with it.
        let watched = views.watched.lock();
        self.seen.retain(|path, seen| {
            let is_known = || watched.files.contains_key(&path.display().to_string());
            seen.look.is_some() || seen.tried != Some(None) || is_known()
        });
    }

    /// Since when files are as they are.
    fn note(&mut self, found: &BTreeMap<PathBuf, Look>, now: Instant) {
        for (path, look) in found {
            let seen = self.seen.entry(path.clone()).or_insert(Seen {
                look: None,
                since: now,
                tried: None,
            });
            if seen.look != Some(*look) {
                (seen.look, seen.since) = (Some(*look), now);
            }
        }
        for (path, seen) in &mut self.seen {
            if seen.look.is_some() && !found.contains_key(path) {
                (seen.look, seen.since) = (None, now);
            }
        }
    }

    /// Lets what was refused be tried once more.
    fn try_again(&mut self, watched: &Watched) {
        for (path, seen) in &mut self.seen {
            let line = watched.files.get(&path.display().to_string());
            if line.is_some_and(|line| line.reason.is_some()) {
                seen.tried = None;
            }
        }
    }

    /// Files that stand still and look otherwise than when they were tried.
    fn settled(&mut self, now: Instant) -> Vec<Settled> {
        let mut settled = Vec::new();
        if self.again.is_some() {
            return settled;
        }
        for (path, seen) in &mut self.seen {
            let still = now.duration_since(seen.since);
            if seen.tried == Some(seen.look) || still < SETTLE {
                continue;
            }
            let file = path.display().to_string();
            let (mut text, mut unreadable) = (None, None);
            if let Some(look) = &seen.look {
                match std::fs::read(path) {
                    // It is being written again.
                    Ok(bytes) if bytes.len() as u64 != look.bytes => continue,
                    Ok(bytes) if !bytes.ends_with(b"\n") && still < SETTLE_CUT_OFF => continue,
                    Ok(bytes) => match String::from_utf8(bytes) {
                        Ok(read) => text = Some(read),
                        Err(_) => unreadable = Some(format!("{file}: it is not UTF-8 text")),
                    },
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    Err(error) => {
                        unreadable = Some(format!("{file}: it cannot be read: {error}"));
                    }
                }
            }
            let is_touched = seen.tried.is_some();
            seen.tried = Some(seen.look);
            settled.push(Settled {
                file,
                path: path.clone(),
                text,
                unreadable,
                is_touched,
            });
        }
        settled
    }
}

/// How files that settled fared.
#[derive(Default)]
struct Adopted {
    has_changed: bool,
    /// To be tried later.
    put_off: Vec<PathBuf>,
}

impl LiveViews {
    /// How the files stand.
    pub(crate) fn folder(&self) -> ViewFolder {
        let watched = self.watched.lock();
        ViewFolder {
            paths: self.paths.iter().map(|p| p.display().to_string()).collect(),
            is_watched: watched.is_watching,
            problem: watched.problem.clone(),
            files: watched.files.values().cloned().collect(),
            taken: watched.taken,
            refused: watched.refused,
            removed: watched.removed,
        }
    }

    /// Lets the views follow files.
    fn adopt(&self, database: &Database, settled: Vec<Settled>) -> Adopted {
        let mut files = self.files.lock();
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
    };
    let named = batch.iter().filter(|at| is_named(&todo[**at].file));
    named.copied().collect()
}

/// What to say of a file that was refused.
fn fault_of(hindrance: &Hindrance, one: &Settled) -> ViewFault {
    let fault = match hindrance {
        Hindrance::Fault { fault, .. } => fault.clone(),
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
