//! Files that are whole or not there, and what is remembered of them.
//!
//! | folder | what is in it |
//! |---|---|
//! | `out` | messages for the provider, which takes them away |
//! | `in` | its answers; whoever writes there renames a whole file into place |
//! | `in/done`, `in/rejected` | answers that were taken, and those that could not be read, with why |
//! | `journal` | what was sent and what was answered, by placement |

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::message::{self, Reply};
use crate::outward::config::OutwardError;
use crate::outward::port::PlacementKey;

/// Longer files are no answers.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

#[derive(Debug)]
pub(super) struct Folder {
    out: PathBuf,
    answers: PathBuf,
    done: PathBuf,
    rejected: PathBuf,
    journal: PathBuf,
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

    fn sent_mark(&self, key: PlacementKey, kind: &str) -> PathBuf {
        self.journal.join(format!("{key}.{kind}"))
    }

    /// Was the message handed over?
    pub(super) fn is_sent(&self, key: PlacementKey, kind: &str) -> bool {
        // One that was written and not noted any more is in the folder, or was taken from there.
        self.sent_mark(key, kind).exists() || self.out.join(file_name(key, kind)).exists()
    }

    /// Notes that a placement is withdrawn.
    pub(super) fn mark_gone(&self, key: PlacementKey) -> Result<(), String> {
        let name = format!("{key}.gone");
        put(&self.journal, &name, b"").map_err(|error| at(&self.journal.join(name), &error))
    }

    /// Was it withdrawn?
    pub(super) fn is_gone(&self, key: PlacementKey) -> bool {
        self.journal.join(format!("{key}.gone")).exists()
    }

    /// Hands a message over, unless it was. A crash between handing over and remembering it hands it over
    /// again: the same text under the same name.
    pub(super) fn send(&self, key: PlacementKey, kind: &str, text: &str) -> Result<(), String> {
        if self.sent_mark(key, kind).exists() {
            return Ok(());
        }
        let name = file_name(key, kind);
        let path = self.out.join(&name);
        if !path.exists() {
            put(&self.out, &name, text.as_bytes()).map_err(|error| at(&path, &error))?;
        }
        let mark = format!("{key}.{kind}");
        put(&self.journal, &mark, b"").map_err(|error| at(&self.journal.join(mark), &error))
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
        let mut keys = Vec::new();
        let mut names = BTreeSet::new();
        match fs::read_dir(&self.answers) {
            Ok(entries) => {
                let files = entries.flatten().filter(|e| e.path().is_file());
                names.extend(files.map(|entry| entry.file_name()));
            }
            Err(error) => {
                tracing::warn!("{}", at(&self.answers, &error));
            }
        }
        for name in names {
            let path = self.answers.join(&name);
            let text = name.to_string_lossy();
            let is_partial = text.starts_with('.')
                || [".tmp", ".part", ".filepart"]
                    .iter()
                    .any(|end| text.ends_with(end));
            if is_partial {
                continue;
            }
            match self.take(&path) {
                Ok(Ok(key)) => {
                    keys.push(key);
                    self.file_away(&path, &self.done);
                }
                Ok(Err(why)) => {
                    tracing::warn!("{}: {why}", path.display());
                    let report = format!("{text}.report");
                    let written = put(&self.rejected, &report, format!("{why}\n").as_bytes());
                    if let Err(error) = written {
                        tracing::warn!("{}", at(&self.rejected.join(report), &error));
                    }
                    self.file_away(&path, &self.rejected);
                }
                // Another process may have taken it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => tracing::warn!("{}", at(&path, &error)),
            }
        }
        keys
    }

    /// Reads an answer and remembers it.
    fn take(&self, path: &Path) -> io::Result<Result<PlacementKey, String>> {
        let mut bytes = Vec::new();
        let file = fs::File::open(path)?;
        file.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > ANSWER_BYTES_MAX {
            return Ok(Err(format!("it has more than {ANSWER_BYTES_MAX} bytes")));
        }
        let text = String::from_utf8_lossy(&bytes);
        let reply = match message::read(&text) {
            Ok(reply) => reply,
            Err(why) => return Ok(Err(why)),
        };
        if !self.is_sent(reply.key, "SS") {
            let key = reply.key;
            return Ok(Err(format!(
                "no message with FLREF {key} was sent from here"
            )));
        }
        let name = format!("{}.answer", reply.key);
        if !self.journal.join(&name).exists() {
            put(&self.journal, &name, text.as_bytes())?;
        }
        Ok(Ok(reply.key))
    }

    fn file_away(&self, path: &Path, to: &Path) {
        let Some(name) = path.file_name() else { return };
        let mut place = to.join(name);
        // Two answers may have one name.
        for number in 2.. {
            if !place.exists() {
                break;
            }
            place = to.join(format!("{}.{number}", name.to_string_lossy()));
        }
        if let Err(error) = fs::rename(path, &place) {
            tracing::warn!("{}", at(path, &error));
        }
    }
}

fn file_name(key: PlacementKey, kind: &str) -> String {
    format!("{kind}-{key}.txt")
}

fn at(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// Writes a file that is whole, and durable, when it appears under its name.
fn put(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let partial = folder.join(format!(".{name}.part"));
    // Passengers are named in it.
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o660)
        .open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, folder.join(name))?;
    fs::File::open(folder)?.sync_all()
}
