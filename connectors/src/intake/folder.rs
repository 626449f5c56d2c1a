//! A watched folder: whole files in, reports out.
//!
//! A file is taken when its name, size and time of change have stood still for a while, so that one
//! that is still being written is left alone. Best is to write under another name (`.part`, `.tmp`, a
//! leading dot) and to rename: names like these are never read. What was taken to its end is moved to
//! `done/`, what could not be is moved to `rejected/`, and in both `NAME.report.json` says what became of
//! it. The report is written first: a file that was moved has one.
//!
//! The folder is looked through at each turn, not watched through the system's notices, which network
//! file systems do not send.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::breaker::Breaker;
use super::source::{Doing, Source};
use super::{Door, FeedKind, NotTaken, Receipt};
use crate::webhooks::Clock;

/// Endings of files that are still being written.
const UNFINISHED: [&str; 5] = [".part", ".tmp", ".filepart", ".partial", ".crdownload"];

/// Where finished files go.
const DONE: &str = "done";
/// Where files go that could not be used.
const REJECTED: &str = "rejected";
/// Ending of the name of a report.
const REPORT: &str = ".report.json";

/// A folder to watch.
#[derive(Clone, Debug)]
pub struct FolderConfig {
    /// The folder. It is made when it is not there; `done` and `rejected` are made in it.
    pub path: PathBuf,
    /// How long a file must have stood still.
    pub settle: Duration,
    /// How often the folder is looked through.
    pub every: Duration,
}

/// What a file looked like.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Look {
    size: u64,
    modified: SystemTime,
}

impl Look {
    fn of(metadata: &fs::Metadata) -> io::Result<Self> {
        Ok(Self {
            size: metadata.len(),
            modified: metadata.modified()?,
        })
    }
}

/// Why a file stays where it is, to be taken later.
enum Left {
    /// It is about this file: the others go on.
    One(String),
    /// No file can be taken now.
    All(String),
}

/// A folder that is watched.
pub struct DropFolder {
    config: FolderConfig,
    kind: FeedKind,
    door: Arc<dyn Door>,
    clock: Arc<dyn Clock>,
    source: Source,
    /// Files that are there: what they looked like, and since when.
    seen: HashMap<OsString, (Look, i64)>,
    breaker: Breaker,
}

impl std::fmt::Debug for DropFolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DropFolder")
            .field("config", &self.config)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// What is written beside a file.
#[derive(Serialize)]
struct Report<'a> {
    file: &'a str,
    provider: &'a str,
    format: &'a str,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(flatten)]
    receipt: Option<&'a Receipt>,
    finished_at: String,
}

impl DropFolder {
    /// Makes the folders.
    ///
    /// # Errors
    ///
    /// The folder cannot be made or written to.
    pub fn open(
        config: FolderConfig,
        kind: FeedKind,
        door: Arc<dyn Door>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        for folder in [DONE, REJECTED] {
            let path = config.path.join(folder);
            fs::create_dir_all(&path)
                .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
            // Better to hear now that files cannot be moved than with the first one.
            let trial = path.join(".flightline");
            File::create(&trial)
                .and_then(|_| fs::remove_file(&trial))
                .map_err(|e| {
                    let why = format!("{}: files cannot be moved here: {e}", path.display());
                    io::Error::new(e.kind(), why)
                })?;
        }
        let source = Source::new(&format!("folder {}", config.path.display()));
        Ok(Self {
            breaker: Breaker::new(Duration::from_secs(1), Duration::from_secs(60)),
            config,
            kind,
            door,
            clock,
            source,
            seen: HashMap::new(),
        })
    }

    /// How it stands.
    pub fn source(&self) -> Source {
        self.source.clone()
    }

    /// How often to call [`DropFolder::turn`].
    pub fn every(&self) -> Duration {
        self.config.every
    }

    /// Looks the folder through once, and takes what is ready, oldest first. Blocks meanwhile.
    /// `is_stopping` is asked between files.
    pub fn turn(&mut self, is_stopping: &dyn Fn() -> bool) {
        if self.breaker.wait_ms(self.clock.now_ms()) > 0 {
            return;
        }
        let ready = match self.ready() {
            Ok(ready) => ready,
            Err(error) => return self.put_off(&error.to_string()),
        };
        let mut left = None;
        for (look, name) in ready {
            if is_stopping() {
                return;
            }
            self.source.doing(Doing::Taking);
            match self.take(&name, look) {
                Ok(()) => {
                    self.seen.remove(&name);
                }
                Err(Left::All(why)) => return self.put_off(&why),
                Err(Left::One(why)) => left = left.or(Some(why)),
            }
        }
        match left {
            Some(why) => self.put_off(&why),
            None => {
                self.breaker.succeeded();
                self.source.doing(Doing::Waiting);
            }
        }
    }

    fn put_off(&mut self, why: &str) {
        let now_ms = self.clock.now_ms();
        self.breaker.failed(now_ms, None, rand::random());
        self.source.failed(why.to_owned(), self.breaker.is_open());
        tracing::warn!(
            provider = %self.kind.provider,
            source = self.source.name(),
            again_in_ms = self.breaker.wait_ms(now_ms),
            "{why}"
        );
    }

    /// Files that stood still for long enough, oldest first.
    fn ready(&mut self) -> io::Result<Vec<(Look, OsString)>> {
        let now_ms = self.clock.now_ms();
        let settle_ms = i64::try_from(self.config.settle.as_millis()).unwrap_or(i64::MAX);
        let mut there = HashMap::new();
        let mut ready = Vec::new();
        for entry in fs::read_dir(&self.config.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // Renamed since.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if !metadata.is_file() || is_unfinished(&name) {
                continue;
            }
            let look = Look::of(&metadata)?;
            let since_ms = match self.seen.get(&name) {
                Some((before, since_ms)) if *before == look => *since_ms,
                _ => now_ms,
            };
            if now_ms.saturating_sub(since_ms) >= settle_ms {
                ready.push((look, name.clone()));
            }
            there.insert(name, (look, since_ms));
        }
        self.seen = there;
        ready.sort_by(|(a, one), (b, other)| (a.modified, one).cmp(&(b.modified, other)));
        Ok(ready)
    }

    /// Takes one file. An error means that it is still there, to be taken later.
    fn take(&self, name: &OsString, look: Look) -> Result<(), Left> {
        let path = self.config.path.join(name);
        let shown = name.to_string_lossy();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Left::One(format!("{}: {error}", path.display()))),
        };
        let taken = match self.door.take(&self.kind, &shown, Box::new(file)) {
            Err(NotTaken::Later(why)) => return Err(Left::All(format!("{shown}: {why}"))),
            taken => taken,
        };
        let after = fs::metadata(&path).and_then(|metadata| Look::of(&metadata));
        if after.is_ok_and(|after| after != look) {
            // Its sender had only paused. What was read stands; the rest would be lost in `done`.
            let why = format!("{shown} has grown or changed while it was read, and is read again");
            return Err(Left::One(why));
        }
        let now_ms = self.clock.now_ms();
        let (folder, outcome, reason, receipt) = match &taken {
            Ok(receipt) if receipt.is_useful() => (DONE, "taken", None, Some(receipt)),
            Ok(receipt) if receipt.read == 0 => {
                let why = "there is no record in it";
                (REJECTED, "rejected", Some(why), Some(receipt))
            }
            Ok(receipt) => {
                let why = "every record was rejected";
                (REJECTED, "rejected", Some(why), Some(receipt))
            }
            Err(NotTaken::Refused { why, receipt }) => {
                (REJECTED, "rejected", Some(why.as_str()), receipt.as_deref())
            }
            Err(NotTaken::Later(_)) => return Ok(()),
        };
        let report = Report {
            file: &shown,
            provider: self.kind.provider.as_str(),
            format: &self.kind.format,
            outcome,
            reason,
            receipt,
            finished_at: instant(now_ms),
        };
        self.put_away(name, folder, &report).map_err(|e| {
            Left::One(format!(
                "{shown} was read, but cannot be moved to {folder}/: {e}"
            ))
        })?;
        let counts = receipt.cloned().unwrap_or_default();
        tracing::info!(
            provider = %self.kind.provider,
            file = %shown,
            outcome,
            read = counts.read,
            accepted = counts.accepted,
            duplicate = counts.duplicate,
            stale = counts.stale,
            rejected = counts.rejected,
            reason,
            "file from the folder"
        );
        match reason {
            None => self.source.taken(now_ms),
            Some(why) => self.source.refused(format!("{shown}: {why}")),
        }
        Ok(())
    }

    /// Writes the report, then moves the file beside it, under a name that is free.
    fn put_away(&self, name: &OsString, folder: &str, report: &Report<'_>) -> io::Result<()> {
        let folder = self.config.path.join(folder);
        let free = free_name(&folder, name)?;
        let mut report_name = free.clone();
        report_name.push(REPORT);
        let mut text = serde_json::to_vec_pretty(report).map_err(io::Error::other)?;
        text.push(b'\n');
        let hidden = folder.join(".report.tmp");
        let mut file = File::create(&hidden)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&hidden, folder.join(&report_name))?;
        fs::rename(self.config.path.join(name), folder.join(&free))?;
        File::open(&folder)?.sync_all()
    }
}

/// Is it still being written, by its name?
fn is_unfinished(name: &OsString) -> bool {
    let name = name.to_string_lossy().to_ascii_lowercase();
    name.starts_with('.') || UNFINISHED.iter().any(|ending| name.ends_with(ending))
}

/// The name, or with a number where one of that name is there from before, or could be the report of
/// another file.
fn free_name(folder: &Path, name: &OsString) -> io::Result<OsString> {
    let like_a_report = name.to_string_lossy().ends_with(REPORT);
    let mut free = name.clone();
    let mut number = 1_u32;
    while number == 1 && like_a_report || folder.join(&free).try_exists()? {
        number = number.saturating_add(1);
        free = name.clone();
        free.push(format!(".{number}"));
    }
    Ok(free)
}

fn instant(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms).map_or_else(String::new, |time| {
        time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
    })
}
