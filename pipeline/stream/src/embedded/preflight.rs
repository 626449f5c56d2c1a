//! A look at the storage library's journals before it opens them.
//!
//! On its own, fjall cuts a journal at the first entry that it does not understand, whatever follows
//! (a flipped bit in the middle takes every later group with it, silently), and refuses a journal
//! whose last batch was half written by a power cut. Both are the wrong way round, so this goes
//! first:
//!
//! - batches are written one at a time, each holding one group and each synced before the next is
//!   begun. So a damaged batch with an intact later group after it was acknowledged: the log is
//!   damaged, and is refused, with the place, untouched.
//! - a damaged batch with nothing of ours after it is a torn tail: never acknowledged, unless bits
//!   rotted in the very last group of a log that was not closed (no log can tell). It is cut off.
//! - a damaged envelope around an intact group at the end: the group is kept; writing it again is
//!   left to the opening.
//!
//! Knows the journal format of fjall 3 (`fjall/src/journal/entry.rs`), which the version file in
//! the folder vouches for: `1 count:u32 seqno:u64`, then items `2 type:u8 compression:u8
//! keyspace:u64 key_len:u16 len:u32 stored_len:u32 key value` or `4 keyspace:u64`, then `3
//! xxh3_64 of the items:u64 "FJL" 3`; all little-endian; zeros up to the end of the file.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::format::{MAGIC, recognise};
use crate::error::{Place, StreamError};

/// The version file of the journal format that is known here.
const VERSION_FILE: [u8; 4] = *b"FJL\x03";

/// What was seen.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Preflight {
    /// The first and the last group in the journals.
    pub(super) groups: Option<(u64, u64)>,
    /// A group at the end whose envelope was damaged.
    pub(super) salvaged: Option<Bytes>,
    /// Bytes that were cut off.
    pub(super) torn_bytes: u64,
    /// The library's sequence number of the last batch.
    sequence: Option<u64>,
}

/// The library counts batches, and little else: more than this between two is damage.
const SEQUENCE_STEP_MAX: u64 = 1 << 24;

/// Has the library finished creating its folder?
pub(super) fn is_created(folder: &Path) -> Result<bool, StreamError> {
    let path = folder.join("version");
    path.try_exists()
        .map_err(|e| StreamError::from_io("reading", &path, e))
}

/// Verifies every journal in the folder, and cuts a torn tail off.
pub(super) fn check(folder: &Path) -> Result<Preflight, StreamError> {
    let version_path = folder.join("version");
    let version =
        fs::read(&version_path).map_err(|e| StreamError::from_io("reading", &version_path, e))?;
    if version != VERSION_FILE {
        return Err(StreamError::NotALog {
            path: folder.to_owned(),
            what: "its storage has a format that this program does not know: open it with the \
                   program version that wrote it"
                .to_owned(),
        });
    }
    let mut seen = Preflight::default();
    let mut torn: Option<Torn> = None;
    for path in journals(folder)? {
        let mut bytes = fs::read(&path).map_err(|e| StreamError::from_io("reading", &path, e))?;
        bytes.truncate(used_len(&bytes));
        if torn.is_none() {
            torn = walk(&path, &bytes, &mut seen)?;
        } else if let (Some(torn), Some(found)) = (&torn, first_group(&bytes)) {
            // A journal is only begun when the one before is complete.
            return Err(torn.refuse(found.0));
        }
    }
    if let Some(torn) = torn {
        torn.cut(&mut seen)?;
    }
    Ok(seen)
}

/// The journals, oldest first.
fn journals(folder: &Path) -> Result<Vec<PathBuf>, StreamError> {
    let wrap = |e| StreamError::from_io("listing", folder, e);
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder).map_err(wrap)? {
        let path = entry.map_err(wrap)?.path();
        let number = path
            .file_name()
            .and_then(|n| n.to_str())
            .and_then(|n| n.strip_suffix(".jnl"))
            .and_then(|n| n.parse().ok());
        found.extend(number.map(|n| (n, path)));
    }
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// The length without the zeros at the end. (No whole batch ends with one.)
pub(super) fn used_len(bytes: &[u8]) -> usize {
    const PAGE: usize = 4096;
    let mut len = bytes.len();
    while len >= PAGE && bytes[len - PAGE..len] == [0; PAGE] {
        len -= PAGE;
    }
    let page = len.saturating_sub(PAGE);
    bytes[page..len]
        .iter()
        .rposition(|b| *b != 0)
        .map_or(page, |at| page + at + 1)
}

struct Torn {
    path: PathBuf,
    at: u64,
    len: u64,
    /// The number of the group that the torn batch was to hold.
    expected: Option<u64>,
    salvaged: Option<Bytes>,
}

impl Torn {
    fn refuse(&self, later: u64) -> StreamError {
        StreamError::Corrupt {
            place: Place::File {
                path: self.path.clone(),
                byte: self.at,
            },
            what: match self.expected {
                Some(n) => format!("group {n} is damaged, and group {later} was written after it"),
                None => format!("a group before group {later} is damaged"),
            },
        }
    }

    fn cut(self, seen: &mut Preflight) -> Result<(), StreamError> {
        let wrap = |e| StreamError::from_io("cutting the torn end off", &self.path, e);
        let file = OpenOptions::new()
            .write(true)
            .open(&self.path)
            .map_err(wrap)?;
        file.set_len(self.at).map_err(wrap)?;
        file.sync_all().map_err(wrap)?;
        seen.torn_bytes = self.len - self.at;
        tracing::warn!(
            journal = %self.path.display(),
            at = self.at,
            kept = self.salvaged.is_some(),
            "cut a half-written group off the end of the log; it was never acknowledged"
        );
        seen.salvaged = self.salvaged;
        Ok(())
    }
}

/// Goes over the batches of one journal, up to the first that is not whole.
fn walk(path: &Path, bytes: &[u8], seen: &mut Preflight) -> Result<Option<Torn>, StreamError> {
    let mut at = 0;
    while let Some(Batch {
        len,
        sequence,
        group,
    }) = batch(&bytes[at..])
    {
        // The library's checksum leaves its own sequence number out, and what is below that of its
        // tables is skipped: so it must at least grow, and in small steps.
        let step = seen.sequence.map_or(1, |last| sequence.wrapping_sub(last));
        if step == 0 || step > SEQUENCE_STEP_MAX {
            break;
        }
        seen.sequence = Some(sequence);
        if let Some(number) = group {
            let first = seen.groups.map_or(number, |(first, _)| first);
            if let Some((_, last)) = seen.groups
                && number != last + 1
            {
                return Err(StreamError::Corrupt {
                    place: Place::File {
                        path: path.to_owned(),
                        byte: at as u64,
                    },
                    what: format!("group {number} follows group {last}"),
                });
            }
            seen.groups = Some((first, number));
        }
        at += len;
    }
    let rest = &bytes[at.min(bytes.len())..];
    if rest.is_empty() {
        return Ok(None);
    }
    let torn = Torn {
        path: path.to_owned(),
        at: at as u64,
        len: bytes.len() as u64,
        expected: seen.groups.map(|(_, last)| last + 1),
        salvaged: None,
    };
    let Some((number, group)) = first_group(rest) else {
        return Ok(Some(torn));
    };
    let after = group.0 + group.1;
    if torn.expected.is_some_and(|n| n != number) {
        return Err(torn.refuse(number));
    }
    if let Some((later, _)) = first_group(&rest[after..]) {
        return Err(torn.refuse(later));
    }
    // With nothing before it, a damaged first batch cannot be placed in the order; a log's first
    // group is 0, and journals are only dropped when a later one has begun.
    let in_order = torn.expected.is_some() || number == 0;
    Ok(Some(Torn {
        salvaged: in_order.then(|| Bytes::copy_from_slice(&rest[group.0..after])),
        ..torn
    }))
}

/// The first intact group anywhere in the bytes: its number, and its place and length.
fn first_group(bytes: &[u8]) -> Option<(u64, (usize, usize))> {
    let mut at = 0;
    while let Some(found) = find(&bytes[at..], &MAGIC) {
        at += found;
        if let Some((number, len)) = recognise(&bytes[at..]) {
            return Some((number, (at, len)));
        }
        at += 1;
    }
    None
}

fn find(bytes: &[u8], what: &[u8; 4]) -> Option<usize> {
    bytes.windows(4).position(|window| window == what)
}

struct Batch {
    /// In bytes.
    len: usize,
    /// The library's own number.
    sequence: u64,
    /// The number of the group in it.
    group: Option<u64>,
}

/// The whole batch at the start of the bytes.
fn batch(bytes: &[u8]) -> Option<Batch> {
    let mut cursor = Cursor { bytes, at: 0 };
    if cursor.byte()? != 1 {
        return None;
    }
    let count = cursor.u32()?;
    let sequence = u64::from_le_bytes(cursor.array()?);
    let items_at = cursor.at;
    let mut group = None;
    for _ in 0..count {
        match cursor.byte()? {
            2 => {
                cursor.byte()?;
                // Compression; never asked for.
                if cursor.byte()? != 0 {
                    return None;
                }
                cursor.skip(8)?;
                let key_len = usize::from(u16::from_le_bytes(cursor.array()?));
                let len = cursor.u32()?;
                let stored_len = cursor.u32()?;
                if len != stored_len {
                    return None;
                }
                cursor.skip(key_len)?;
                let value = cursor.skip(len as usize)?;
                if let Some((number, whole)) = recognise(value)
                    && whole == value.len()
                {
                    group = Some(number);
                }
            }
            4 => {
                cursor.skip(8)?;
            }
            _ => return None,
        }
    }
    let items = &bytes[items_at..cursor.at];
    if cursor.byte()? != 3 || cursor.array()? != xxh3_64(items).to_le_bytes() {
        return None;
    }
    (cursor.array()? == VERSION_FILE).then_some(Batch {
        len: cursor.at,
        sequence,
        group,
    })
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn skip(&mut self, n: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(n)?;
        let skipped = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(skipped)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.skip(N)?.try_into().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[b]| b)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }
}

/// Makes a change of a folder's entries durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), StreamError> {
    let file = File::open(path).map_err(|e| StreamError::from_io("opening", path, e))?;
    file.sync_all()
        .map_err(|e| StreamError::from_io("syncing", path, e))
}
