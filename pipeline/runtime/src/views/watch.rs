//! Files that somebody puts among those of the views, changes there or takes away: the views follow.
//!
//! The paths are looked through twice a second, not watched through the system's notices, which network file systems
//! do not send. A file counts when it has stood still for a while, so that one that is being written is left alone;
//! so does its absence, since editors and `git` take files away for a moment. What counts goes the way of every other
//! change: with its examples, PostgreSQL asked before, all of it or nothing. Files that came together are tried
//! together, since they may read each other; those that are at fault are set aside, with the reason, until they change
//! or something else does, and what was there before goes on. Of several replicas, each sees here what the others have
//! changed, too.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use flightline_api::backend::ViewFileLine;

use crate::backend::Inner;

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
    pub(super) is_watching: bool,
    /// Why the paths cannot be looked through.
    pub(super) problem: Option<String>,
    /// By file.
    pub(super) files: BTreeMap<String, ViewFileLine>,
    pub(super) taken: u64,
    pub(super) refused: u64,
    pub(super) removed: u64,
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
pub(super) struct Settled {
    pub(super) path: PathBuf,
    pub(super) file: String,
    pub(super) text: Option<String>,
    /// Why there is no text though there is a file.
    pub(super) unreadable: Option<String>,
    /// It was tried before and looks otherwise now.
    pub(super) is_touched: bool,
}

impl Settled {
    /// Has it changed since it was read? A command may have written it meanwhile; it will come to rest again.
    pub(super) fn is_outdated(&self) -> bool {
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
        let Some(views) = inner.views.get() else {
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
        views.follow();
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
