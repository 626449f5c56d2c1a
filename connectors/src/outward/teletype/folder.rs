//! Messages, answers, and what is remembered of them.
//!
//! | folder | what is in it |
//! |---|---|
//! | `out` | messages for the provider, which takes them away |
//! | `in` | its answers; whoever writes there renames a whole file into place |
//! | `in/done`, `in/rejected` | answers that were taken, and those that could not be read, with why |
//! | `journal` | what was sent and what was answered, by placement |
//!
//! A file of the journal is named by its placement and what it is: `KEY.ord_…` says whose placement it is,
//! and is there before anything else is; `KEY.SS` and `KEY.XX` that a message was handed over, `KEY.gone`
//! that it is withdrawn, `KEY.answer` what was answered. `….asked` says which messages of the feed were asked
//! for again. Passengers are named in `out` alone, and in answers that could not be read; see `tidy`.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::message::{self, Reply};
use crate::outward::config::OutwardError;
use crate::outward::files::{self, at};
use crate::outward::port::{Placement, PlacementKey};

/// Longer files are no answers.
pub(super) const ANSWER_BYTES_MAX: u64 = 64 << 10;
/// Whoever exchanges the files is of the same group.
pub(super) const MODE: u32 = 0o660;
/// What journal files of a placement are called that say what became of it.
const SENT: &str = "SS";
const CANCELLED: &str = "XX";
/// What stands behind the name of a file that could not be read, with why.
pub(super) const REPORT: &str = ".report";
/// What notes that messages of a feed were asked for again end with.
pub(super) const ASKED: &str = ".asked";
/// Both kinds of messages.
pub(super) const KINDS: [&str; 2] = [SENT, CANCELLED];

#[derive(Debug)]
pub(super) struct Folder {
    pub(super) out: PathBuf,
    answers: PathBuf,
    pub(super) done: PathBuf,
    pub(super) rejected: PathBuf,
    pub(super) journal: PathBuf,
}

impl Folder {
    pub(super) fn open(folder: &Path) -> Result<Self, OutwardError> {
        let answers = folder.join("in");
        let all = Self {
            out: folder.join("out"),
            done: answers.join("done"),
            rejected: answers.join("rejected"),
            journal: folder.join("journal"),
            answers,
        };
        for path in [&all.out, &all.done, &all.rejected, &all.journal] {
            fs::create_dir_all(path).map_err(|error| OutwardError::Folder {
                path: path.clone(),
                error,
            })?;
        }
        Ok(all)
    }

    fn write(&self, folder: &Path, name: &str, bytes: &[u8]) -> Result<(), String> {
        files::put(folder, name, bytes, MODE).map_err(|error| at(&folder.join(name), &error))
    }

    /// Notes something of a placement, unless it is noted.
    fn mark(&self, key: PlacementKey, what: &str, bytes: &[u8]) -> Result<(), String> {
        let name = format!("{key}.{what}");
        if self.journal.join(&name).exists() {
            return Ok(());
        }
        self.write(&self.journal, &name, bytes)
    }

    fn is_marked(&self, key: PlacementKey, what: &str) -> bool {
        self.journal.join(format!("{key}.{what}")).exists()
    }

    /// Notes whose placement it is. Before anything else, so that nothing is here of which that is not known.
    fn enter(&self, placement: &Placement) -> Result<(), String> {
        let booking = format!("{}\n", placement.booking);
        self.mark(placement.key, &placement.order, booking.as_bytes())
    }

    /// Was the sale handed over?
    pub(super) fn is_sold(&self, key: PlacementKey) -> bool {
        // One that was written and not noted any more is in the folder, or was taken from there.
        self.is_marked(key, SENT) || self.out.join(file_name(key, SENT)).exists()
    }

    /// Notes that a placement is withdrawn.
    pub(super) fn mark_gone(&self, placement: &Placement) -> Result<(), String> {
        self.enter(placement)?;
        self.mark(placement.key, "gone", b"")
    }

    /// Was it withdrawn?
    pub(super) fn is_gone(&self, key: PlacementKey) -> bool {
        self.is_marked(key, "gone")
    }

    /// Hands the sale over, unless it was.
    pub(super) fn sell(&self, placement: &Placement, text: &str) -> Result<(), String> {
        self.send(placement, SENT, text)
    }

    /// Hands the cancellation over, unless it was.
    pub(super) fn cancel(&self, placement: &Placement, text: &str) -> Result<(), String> {
        self.send(placement, CANCELLED, text)
    }

    /// A crash between handing over and remembering it hands it over again: the same text under the same name.
    fn send(&self, placement: &Placement, kind: &str, text: &str) -> Result<(), String> {
        let key = placement.key;
        if self.is_marked(key, kind) {
            return Ok(());
        }
        self.enter(placement)?;
        let name = file_name(key, kind);
        if !self.out.join(&name).exists() {
            self.write(&self.out, &name, text.as_bytes())?;
        }
        self.mark(key, kind, b"")
    }

    /// Hands over a message that asks for others again, unless it was. Gives whether it was new.
    pub(super) fn ask_again(&self, missing: &str, text: &str) -> Result<bool, String> {
        let name = missing.replace(' ', "-");
        let mark = format!("{name}{ASKED}");
        if self.journal.join(&mark).exists() {
            return Ok(false);
        }
        self.write(&self.out, &format!("RPT-{name}.txt"), text.as_bytes())?;
        self.write(&self.journal, &mark, b"")?;
        Ok(true)
    }

    /// What was answered to a placement.
    pub(super) fn answer(&self, key: PlacementKey) -> Result<Option<Reply>, String> {
        let path = self.journal.join(format!("{key}.answer"));
        match fs::read_to_string(&path) {
            Ok(text) => message::read(&text)
                .map(Some)
                .map_err(|why| format!("{}: {why}", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(&path, &error)),
        }
    }

    /// Takes the answers that lie there. Gives the placements that were answered by them, whether for the
    /// first time or not: the first answer is the one that counts.
    pub(super) fn take_answers(&self) -> Vec<PlacementKey> {
        let found = files::list(&self.answers).unwrap_or_else(|error| {
            tracing::warn!("{}", at(&self.answers, &error));
            Vec::new()
        });
        let mut keys = Vec::new();
        for file in found {
            let is_partial = file.name.starts_with('.')
                || [".tmp", ".part", ".filepart"]
                    .iter()
                    .any(|end| file.name.ends_with(end));
            if is_partial {
                continue;
            }
            match self.take(&file.name) {
                Ok(Some(key)) => keys.push(key),
                Ok(None) => {}
                Err(why) => tracing::warn!("{why}"),
            }
        }
        keys
    }

    /// Takes a file: into the journal what it answers, if it can be read, and out of the way. Absent = it is no
    /// answer, or somebody else has taken it.
    fn take(&self, name: &str) -> Result<Option<PlacementKey>, String> {
        let path = self.answers.join(name);
        let text = match read_bounded(&path) {
            // Another process may have taken it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at(&path, &error)),
            Ok(text) => text,
        };
        let read = text.and_then(|text| Ok((message::read(&text)?.key, text)));
        // What is not read may name people, and is of no use to anybody here.
        let read = read.map(|(key, text)| (key, message::read_lines(&text)));
        let (why, lines) = match read {
            Ok((key, lines)) if self.is_sold(key) => {
                self.mark(key, "answer", lines.as_bytes())?;
                let kept = free_name(&self.done, name, Some((key, &lines)));
                self.file(&self.done, name, &kept, &lines)?;
                return Ok(Some(key));
            }
            Ok((key, lines)) => (
                format!("no message with FLREF {key} was sent from here, or it is long over"),
                Some((key, lines)),
            ),
            Err(why) => (why, None),
        };
        let known = lines.as_ref().map(|(key, lines)| (*key, lines.as_str()));
        let kept = free_name(&self.rejected, name, known);
        let report = format!("{kept}{REPORT}");
        // Why it was not read may repeat a name: it stands where names are erased, and not in the log.
        tracing::warn!(
            "{} is no answer that was waited for: see {}",
            path.display(),
            self.rejected.join(&report).display()
        );
        self.write(&self.rejected, &report, format!("{why}\n").as_bytes())?;
        match lines {
            Some((_, lines)) => self.file(&self.rejected, name, &kept, &lines)?,
            None => match fs::rename(&path, self.rejected.join(kept)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(at(&path, &error));
                }
                _ => {}
            },
        }
        Ok(None)
    }

    /// Puts what is read of an answer into a folder, and the answer out of the way.
    fn file(&self, folder: &Path, name: &str, kept: &str, lines: &str) -> Result<(), String> {
        let path = self.answers.join(name);
        self.write(folder, kept, lines.as_bytes())?;
        files::remove(&path).map_err(|error| at(&path, &error))?;
        Ok(())
    }
}

/// The text of a file, or why it is none that is read.
pub(super) fn read_bounded(path: &Path) -> io::Result<Result<String, String>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path)?;
    file.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > ANSWER_BYTES_MAX {
        return Ok(Err(format!("it has more than {ANSWER_BYTES_MAX} bytes")));
    }
    Ok(Ok(String::from_utf8_lossy(&bytes).into_owned()))
}

/// A name that nothing has in a folder, or that has these lines already. Whoever writes answers may give all of them
/// one name: what they answer is tried before they are numbered.
fn free_name(folder: &Path, name: &str, known: Option<(PlacementKey, &str)>) -> String {
    let is_free = |name: &String| {
        let path = folder.join(name);
        let Ok(data) = fs::metadata(&path) else {
            return true;
        };
        // Not read when it is longer, as what is no answer may be.
        known.is_some_and(|(_, lines)| {
            let is_as_long = data.len() == lines.len() as u64;
            is_as_long && fs::read(path).is_ok_and(|bytes| bytes == lines.as_bytes())
        })
    };
    let of_key = known.map(|(key, _)| format!("{name}.{key}"));
    let numbered = (2_u64..).map(|number| format!("{name}.{number}"));
    let mut names = std::iter::once(name.to_owned())
        .chain(of_key)
        .chain(numbered);
    names.find(is_free).unwrap_or_default()
}

/// What a message is called.
pub(super) fn file_name(key: PlacementKey, kind: &str) -> String {
    format!("{kind}-{key}.txt")
}
