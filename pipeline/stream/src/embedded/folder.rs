//! The log's folder: who may use it, and what it was created as.
//!
//! `lock` is locked while a process has the log open and names the process. `stream` says what the
//! log is, as lines of text that a person can read; written when the log is created, and once more
//! when it turns out whose copy it is. `data/` belongs to the storage library.

use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::config::EmbeddedConfig;
use super::preflight::{is_created, sync_folder, used_len};
use crate::error::StreamError;

const FORMAT: &str = "flightline stream, format 1";

/// What a log was created as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) partitions: u32,
    pub(super) producer: u64,
    /// Of the stream that it is a copy of; absent = none, or not known.
    pub(super) copy_of: Option<u64>,
}

/// Where a log is, as far as it notes something beside its records. What locks it goes with it.
pub(super) trait Notes: Send + Sync {
    /// Of which stream it is a copy, if that was ever noted.
    fn copy_of(&self) -> Option<u64>;

    /// Notes of which stream it is a copy, durably.
    fn note_copy_of(&self, stream: u64) -> Result<(), StreamError>;
}

/// The folder, locked for this process until it is dropped.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) data: PathBuf,
    pub(super) identity: Identity,
    path: PathBuf,
    copy_of: Mutex<Option<u64>>,
    /// Holds the lock.
    _lock: File,
}

impl Folder {
    pub(super) fn open(config: &EmbeddedConfig) -> Result<Self, StreamError> {
        let path = &config.path;
        fs::create_dir_all(path).map_err(|e| StreamError::from_io("creating", path, e))?;
        let lock = lock(path)?;
        let identity = match read_identity(path)? {
            Some(identity) => identity,
            None => create(config)?,
        };
        if identity.partitions != config.partitions {
            return Err(StreamError::PartitionCountMismatch {
                path: path.clone(),
                stored: identity.partitions,
                asked: config.partitions,
            });
        }
        let data = path.join("data");
        remove_unfinished(&data)?;
        Ok(Self {
            data,
            identity,
            path: path.clone(),
            copy_of: Mutex::new(identity.copy_of),
            _lock: lock,
        })
    }
}

impl Notes for Folder {
    fn copy_of(&self) -> Option<u64> {
        *self.copy_of.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_copy_of(&self, stream: u64) -> Result<(), StreamError> {
        let mut noted = self.copy_of.lock().unwrap_or_else(PoisonError::into_inner);
        if *noted == Some(stream) {
            return Ok(());
        }
        let identity = Identity {
            copy_of: Some(stream),
            ..self.identity
        };
        write_identity(&self.path, &identity)?;
        *noted = Some(stream);
        Ok(())
    }
}

fn lock(folder: &Path) -> Result<File, StreamError> {
    let path = folder.join("lock");
    let wrap = |doing| {
        let path = path.clone();
        move |e| StreamError::from_io(doing, &path, e)
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(wrap("opening"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(e)) => return Err(wrap("locking")(e)),
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Only for the message.
            let _ = file.read_to_string(&mut holder);
            return Err(StreamError::Locked {
                path: folder.to_owned(),
                holder: match holder.trim() {
                    "" => "another process".to_owned(),
                    pid => format!("the process with id {pid}"),
                },
            });
        }
    }
    // Likewise: a disk too full for the number must not keep anyone from reading the log.
    let _ = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

fn read_identity(folder: &Path) -> Result<Option<Identity>, StreamError> {
    let path = folder.join("stream");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(StreamError::from_io("reading", &path, e)),
    };
    let not_a_log = |what: &str| StreamError::NotALog {
        path: path.clone(),
        what: what.to_owned(),
    };
    let (body, crc) = text
        .trim_end()
        .rsplit_once("\ncrc32 ")
        .ok_or_else(|| not_a_log("is not what describes a log: restore it from a backup"))?;
    if crc != format!("{:08x}", crc32fast::hash(body.as_bytes())) {
        return Err(not_a_log("was changed: restore it from a backup"));
    }
    let mut lines = body.lines();
    if lines.next() != Some(FORMAT) {
        return Err(not_a_log(
            "describes a log of a newer format: open it with the program that created it",
        ));
    }
    let (mut partitions, mut producer, mut copy_of) = (None, None, None);
    for line in lines {
        match line.split_once(' ') {
            Some(("partitions", n)) => partitions = n.parse().ok(),
            Some(("producer", id)) => producer = u64::from_str_radix(id, 16).ok(),
            Some(("copy-of", id)) => copy_of = u64::from_str_radix(id, 16).ok(),
            _ => {}
        }
    }
    match (partitions, producer) {
        (Some(partitions), Some(producer)) => Ok(Some(Identity {
            partitions,
            producer,
            copy_of,
        })),
        _ => Err(not_a_log("lacks a value: restore it from a backup")),
    }
}

fn create(config: &EmbeddedConfig) -> Result<Identity, StreamError> {
    let path = &config.path;
    let entries = fs::read_dir(path).map_err(|e| StreamError::from_io("listing", path, e))?;
    for entry in entries {
        let name = entry
            .map_err(|e| StreamError::from_io("listing", path, e))?
            .file_name();
        // What a creation that was interrupted may have left.
        if name != "lock" && name != "stream.new" {
            return Err(StreamError::NotALog {
                path: path.clone(),
                what: format!(
                    "holds {} but no stream: give the log an empty folder, or restore the file \
                     `stream` if this is one",
                    name.display()
                ),
            });
        }
    }
    let identity = Identity {
        partitions: config.partitions,
        // The hasher's keys come from the system's random numbers.
        producer: config
            .producer_id
            .unwrap_or_else(|| RandomState::new().build_hasher().finish()),
        copy_of: None,
    };
    write_identity(path, &identity)?;
    Ok(identity)
}

/// Writes the file anew: whole and durable, or not at all.
fn write_identity(path: &Path, identity: &Identity) -> Result<(), StreamError> {
    let mut body = format!(
        "{FORMAT}\npartitions {}\nproducer {:016x}",
        identity.partitions, identity.producer
    );
    if let Some(stream) = identity.copy_of {
        body.push_str(&format!("\ncopy-of {stream:016x}"));
    }
    let text = format!("{body}\ncrc32 {:08x}\n", crc32fast::hash(body.as_bytes()));
    let new = path.join("stream.new");
    let wrap = |e| StreamError::from_io("creating", &new, e);
    let mut file = File::create(&new).map_err(wrap)?;
    file.write_all(text.as_bytes()).map_err(wrap)?;
    file.sync_all().map_err(wrap)?;
    fs::rename(&new, path.join("stream")).map_err(wrap)?;
    sync_folder(path)
}

/// The library cannot go on with a creation that was interrupted. Nothing was stored then.
fn remove_unfinished(data: &Path) -> Result<(), StreamError> {
    if is_created(data)? {
        return Ok(());
    }
    let wrap = |e| StreamError::from_io("clearing", data, e);
    let entries = match fs::read_dir(data) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(wrap(e)),
    };
    for entry in entries {
        let name = entry.map_err(wrap)?.file_name();
        if !["lock", "keyspaces", "0.jnl"].iter().any(|n| name == *n) {
            return Err(StreamError::NotALog {
                path: data.to_owned(),
                what: "its version file is missing: restore the folder from a backup".to_owned(),
            });
        }
    }
    let journal = data.join("0.jnl");
    match fs::read(&journal) {
        Ok(bytes) if used_len(&bytes) > 0 => {
            return Err(StreamError::NotALog {
                path: data.to_owned(),
                what: "its version file is missing although it holds records: restore the folder \
                       from a backup"
                    .to_owned(),
            });
        }
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(wrap(e)),
        _ => {}
    }
    fs::remove_dir_all(data).map_err(wrap)
}
