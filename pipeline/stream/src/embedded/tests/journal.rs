//! Journals that were cut or damaged: what is kept, what is cut off, what is refused.

use std::fs;
use std::path::Path;

use crate::embedded::preflight::{Preflight, check, used_len};
use crate::embedded::{EmbeddedConfig, EmbeddedLog};
use crate::error::StreamError;
use crate::group::Group;
use crate::port::StreamLog;

/// A log that was not closed, as bytes of its journal and where its groups begin and end. The end
/// of a group is the end of its batch.
struct Journal {
    bytes: Vec<u8>,
    groups: Vec<(usize, usize)>,
}

const GROUPS: usize = 16;

fn journal() -> Journal {
    let dir = tempfile::tempdir().unwrap();
    let mut config = EmbeddedConfig::new(dir.path());
    config.partitions = 2;
    let log = EmbeddedLog::open(config).unwrap();
    let path = dir.path().join("data/0.jnl");
    // What the file was filled with: zeros up to a fixed size.
    let used = || {
        let bytes = fs::read(&path).unwrap();
        let end = used_len(&bytes);
        (bytes, end)
    };
    // The opening itself is group 0.
    let mut ends = vec![used().1];
    for n in 1..GROUPS {
        let mut group = Group::new();
        for k in 0..n % 4 {
            group.push((k % 2) as u32, format!("record {n}.{k}").as_bytes());
        }
        group.push(1, b"last");
        log.append(&group).unwrap();
        ends.push(used().1);
    }
    let (mut bytes, end) = used();
    bytes.truncate(end + 200);
    let starts = [0].into_iter().chain(ends.iter().copied());
    let groups: Vec<_> = starts.zip(ends.iter().copied()).collect();
    assert_eq!(groups.len(), GROUPS);
    Journal { bytes, groups }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        // In memory where there is such a place: thousands of syncs, and none has to last.
        let dir = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap();
        fs::write(dir.path().join("version"), b"FJL\x03").unwrap();
        Self(dir)
    }

    fn check(&self, journals: &[&[u8]]) -> Result<Preflight, StreamError> {
        for (n, bytes) in journals.iter().enumerate() {
            fs::write(self.path(n), bytes).unwrap();
        }
        let result = check(self.0.path());
        if result.is_err() {
            for (n, bytes) in journals.iter().enumerate() {
                assert_eq!(
                    fs::read(self.path(n)).unwrap(),
                    *bytes,
                    "refused, and touched"
                );
            }
        }
        result
    }

    fn path(&self, n: usize) -> std::path::PathBuf {
        self.0.path().join(format!("{n}.jnl"))
    }

    fn len(&self, n: usize) -> usize {
        fs::metadata(self.path(n)).unwrap().len() as usize
    }
}

#[test]
fn a_whole_journal_is_left_alone() {
    let journal = journal();
    let folder = Folder::new();
    let seen = folder.check(&[&journal.bytes]).unwrap();
    assert_eq!(seen.groups, Some((0, GROUPS as u64 - 1)));
    assert_eq!((seen.torn_bytes, &seen.salvaged), (0, &None));
    assert_eq!(folder.len(0), journal.bytes.len());
    assert_eq!(Folder::new().check(&[]).unwrap(), Preflight::default());
    assert_eq!(
        Folder::new().check(&[&[0; 99]]).unwrap(),
        Preflight::default()
    );
}

#[test]
fn cut_at_every_byte_the_whole_groups_before_it_stay() {
    let journal = journal();
    let folder = Folder::new();
    let whole = |upto| {
        journal
            .groups
            .iter()
            .filter(|(_, end)| *end <= upto)
            .count()
    };
    for cut in 0..=journal.groups[GROUPS - 1].1 {
        // Followed by nothing, and by the zeros of a file that was made long.
        for zeros in [0, 500] {
            let mut bytes = journal.bytes[..cut].to_vec();
            bytes.resize(cut + zeros, 0);
            let seen = folder.check(&[&bytes]).unwrap();
            let kept = whole(cut);
            let last = seen.groups.map(|(_, last)| last as usize + 1).unwrap_or(0);
            let salvaged = usize::from(seen.salvaged.is_some());
            assert_eq!(last, kept, "cut at {cut}");
            // An intact group in a batch that lacks its end is kept, too: it does no harm.
            assert!(kept + salvaged <= whole(cut + 500), "cut at {cut}");
            let end = kept.checked_sub(1).map_or(0, |n| journal.groups[n].1);
            let torn = bytes[end..].iter().any(|b| *b != 0);
            assert_eq!(folder.len(0), if torn { end } else { bytes.len() });
        }
    }
}

#[test]
fn a_flipped_bit_is_refused_unless_it_is_in_the_last_group() {
    let journal = journal();
    let folder = Folder::new();
    let last = journal.groups[GROUPS - 1];
    // Every byte of some batches in the middle, and of the last one.
    for (n, (start, end)) in journal.groups.iter().enumerate() {
        if n % 5 != 1 && n + 2 < GROUPS {
            continue;
        }
        for at in *start..*end {
            let mut bytes = journal.bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            let result = folder.check(&[&bytes]);
            // The library's own number of the batch: one that still fits between its neighbours
            // changes nothing.
            if (start + 5..start + 13).contains(&at)
                && let Ok(seen) = &result
            {
                let (_, last) = seen.groups.unwrap();
                let salvaged = u64::from(seen.salvaged.is_some());
                assert_eq!(last + salvaged, GROUPS as u64 - 1, "byte {at}");
                assert!(
                    salvaged == 1 || at < start + 8,
                    "byte {at}: a step that large"
                );
                continue;
            }
            if *start == last.0 {
                let seen = result.unwrap();
                assert_eq!(seen.groups, Some((0, GROUPS as u64 - 2)));
                assert_eq!(folder.len(0), last.0);
                // Damage around the group costs nothing; only within it cannot be told from a torn
                // end.
                let group = journal.bytes[last.0..]
                    .windows(4)
                    .position(|w| w == b"FLG1")
                    .unwrap();
                let len = u32::from_le_bytes(
                    journal.bytes[last.0 + group + 8..][..4].try_into().unwrap(),
                ) as usize;
                let inside = (last.0 + group..last.0 + group + len).contains(&at);
                assert_eq!(seen.salvaged.is_none(), inside, "byte {at}");
            } else {
                let error = result.unwrap_err();
                assert!(
                    matches!(error, StreamError::Corrupt { .. }),
                    "byte {at}: {error}"
                );
                // Of two neighbours that do not fit, the later one is named.
                let places = [*start, *end].map(|place| format!("byte {place}:"));
                let told = error.to_string();
                assert!(
                    places.iter().any(|place| told.contains(place)),
                    "{at}: {error}"
                );
            }
        }
    }
}

#[test]
fn a_half_written_page_at_the_end_is_cut_off() {
    let journal = journal();
    let folder = Folder::new();
    let (start, end) = journal.groups[GROUPS - 1];
    // The last batch's end reached the disk and its beginning did not, and the other way round.
    for zeroed in [start..start + 20, start + 20..end - 1, end - 9..end] {
        let mut bytes = journal.bytes.clone();
        bytes[zeroed].fill(0);
        let seen = folder.check(&[&bytes]).unwrap();
        assert_eq!(seen.groups, Some((0, GROUPS as u64 - 2)));
        assert_eq!(folder.len(0), start);
        assert!(seen.torn_bytes > 0);
    }
}

#[test]
fn damage_in_an_older_journal_is_refused() {
    let journal = journal();
    let folder = Folder::new();
    let middle = journal.groups[9].0;
    let (first, second) = journal.bytes.split_at(middle);
    assert_eq!(
        folder.check(&[first, second]).unwrap().groups,
        Some((0, GROUPS as u64 - 1)),
        "whole, in two files"
    );
    let lost_end = &first[..journal.groups[8].0 + 5];
    let lost_group = &first[..journal.groups[8].0];
    for journals in [[lost_end, second], [lost_group, second], [second, first]] {
        let error = folder.check(&journals).unwrap_err();
        assert!(matches!(error, StreamError::Corrupt { .. }), "{error}");
    }
    // Begun, and nothing written yet.
    let seen = folder.check(&[lost_end, &[0; 64]]).unwrap();
    assert_eq!(seen.groups, Some((0, 7)));
}

#[test]
fn another_format_is_not_touched() {
    let folder = Folder::new();
    fs::write(folder.0.path().join("version"), b"FJL\x04").unwrap();
    assert!(matches!(
        folder.check(&[b"junk"]),
        Err(StreamError::NotALog { .. })
    ));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            let mut bytes = fs::read(entry.path()).unwrap();
            if target.extension().is_some_and(|e| e == "jnl") {
                bytes.truncate(used_len(&bytes));
            }
            fs::write(target, bytes).unwrap();
        }
    }
}

/// The envelope of the last batch is damaged in a real folder: the group is there after opening,
/// whatever kind it was.
#[test]
fn a_group_in_a_damaged_envelope_is_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let config = |name: &str| {
        let mut config = EmbeddedConfig::new(dir.path().join(name));
        config.partitions = 2;
        config
    };
    let log = EmbeddedLog::open(config("log")).unwrap();
    let mut group = Group::new();
    group.push(1, b"kept");
    let damage = |name: &str| {
        copy(&dir.path().join("log"), &dir.path().join(name));
        let path = dir.path().join(name).join("data/0.jnl");
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(used_len(&bytes));
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        EmbeddedLog::open(config(name)).unwrap()
    };
    assert_eq!(
        damage("opened").epoch(),
        2,
        "the epoch of the lost opening is not given again"
    );
    log.append(&group).unwrap();
    let appended = damage("appended");
    assert_eq!(appended.end_offsets().unwrap(), [0, 1]);
    assert_eq!(appended.read(1, 0, 9, 99).unwrap().len(), 1);
    log.trim(1, 1).unwrap();
    let trimmed = damage("trimmed");
    assert_eq!(trimmed.low_waters().unwrap(), [0, 1]);
    drop(log);
    let closed = damage("closed");
    assert_eq!(closed.end_offsets().unwrap(), [0, 1]);
}
