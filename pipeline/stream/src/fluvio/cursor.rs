//! Where reading of the topic goes on after a restart, as a file beside the copy.
//!
//! It is written after the copy has what it speaks of, and never before: it may lag behind the copy,
//! and then some envelopes are read again and compared. Without it, or with one of another topic,
//! the topic is read from its start.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::chain::{Chain, Joined};
use super::envelope::Holder;
use crate::error::StreamError;
use crate::key::PartitionId;

const FORMAT: &str = "flightline place in a topic, format 2";
/// Before several could write: the same without the last words of a line.
const FORMAT_1: &str = "flightline place in a topic, format 1";

/// Writes the file anew, durably.
pub(super) fn save(path: &Path, topic: &str, chains: &[Chain]) -> Result<(), StreamError> {
    use std::fmt::Write as _;
    let mut body = format!("{FORMAT}\ntopic {topic}\n");
    for chain in chains {
        let _ = write!(
            body,
            "{} {} {:016x} {} {:016x} {} {} {:032x} {}",
            chain.partition,
            chain.topic_next,
            chain.stream,
            chain.holder.term,
            chain.holder.writer,
            chain.sequence,
            chain.next_offset,
            chain.hash,
            u8::from(chain.alone),
        );
        for joined in &chain.joined {
            let Joined {
                holder,
                sequence,
                open,
            } = joined;
            let open = u8::from(*open);
            let _ = write!(
                body,
                " {} {:016x} {sequence} {open}",
                holder.term, holder.writer
            );
        }
        body.push('\n');
    }
    let text = format!("{body}crc32 {:08x}\n", crc32fast::hash(body.as_bytes()));
    let new = path.with_extension("fluvio.new");
    let wrap = |e| StreamError::from_io("writing", &new, e);
    let mut file = File::create(&new).map_err(wrap)?;
    file.write_all(text.as_bytes()).map_err(wrap)?;
    file.sync_all().map_err(wrap)?;
    fs::rename(&new, path).map_err(wrap)
}

/// A place in a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Saved {
    pub(super) topic: String,
    /// One for each partition.
    pub(super) chains: Vec<Chain>,
}

/// Reads the file; nothing when there is none. One that is damaged is worth no more than none.
pub(super) fn load(path: &Path, partitions: u32) -> Option<Saved> {
    let text = fs::read_to_string(path).ok()?;
    let found = parse(&text, partitions);
    if found.is_none() {
        tracing::warn!(
            path = %path.display(),
            "the place in the topic is not usable: the topic is read from its start"
        );
    }
    found
}

fn parse(text: &str, partitions: u32) -> Option<Saved> {
    let (body, crc) = text.trim_end().rsplit_once("crc32 ")?;
    if crc != format!("{:08x}", crc32fast::hash(body.as_bytes())) {
        return None;
    }
    let mut lines = body.lines();
    let is_first = match lines.next()? {
        FORMAT => false,
        FORMAT_1 => true,
        _ => return None,
    };
    let topic = lines.next()?.strip_prefix("topic ")?.to_owned();
    let chains: Option<Vec<Chain>> = lines.map(|l| parse_chain(l, is_first)).collect();
    let chains = chains.filter(|c| c.len() == partitions as usize)?;
    let in_order = chains
        .iter()
        .zip(0..)
        .all(|(c, p): (_, PartitionId)| c.partition == p);
    in_order.then_some(Saved { topic, chains })
}

fn parse_chain(line: &str, is_first: bool) -> Option<Chain> {
    let mut words = line.split(' ');
    let mut word = || words.next();
    let mut chain = Chain::new(word()?.parse().ok()?);
    chain.topic_next = word()?.parse().ok()?;
    chain.stream = u64::from_str_radix(word()?, 16).ok()?;
    chain.holder = Holder {
        term: word()?.parse().ok()?,
        writer: u64::from_str_radix(word()?, 16).ok()?,
    };
    chain.sequence = word()?.parse().ok()?;
    chain.next_offset = word()?.parse().ok()?;
    chain.hash = u128::from_str_radix(word()?, 16).ok()?;
    if is_first {
        chain.alone = chain.holder.term > 0;
        return Some(chain);
    }
    let flag = |word: &str| match word {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    };
    chain.alone = flag(word()?)?;
    while let Some(term) = word() {
        chain.joined.push(Joined {
            holder: Holder {
                term: term.parse().ok()?,
                writer: u64::from_str_radix(word()?, 16).ok()?,
            },
            sequence: word()?.parse().ok()?,
            open: flag(word()?)?,
        });
    }
    Some(chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_loaded_or_nothing_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stream.fluvio");
        assert_eq!(load(&path, 2), None);
        let mut chains: Vec<_> = (0..2).map(Chain::new).collect();
        chains[1].topic_next = u64::MAX;
        chains[1].stream = 3;
        chains[1].holder = Holder {
            term: u32::MAX,
            writer: 5,
        };
        (chains[1].sequence, chains[1].next_offset) = (6, 7);
        chains[1].hash = u128::MAX;
        for term in [1, 9] {
            let writer = u64::MAX - u64::from(term);
            chains[1].joined.push(Joined {
                holder: Holder { term, writer },
                sequence: 8,
                open: term == 9,
            });
        }
        save(&path, "t", &chains).unwrap();
        let topic = "t".to_owned();
        assert_eq!(load(&path, 2), Some(Saved { topic, chains }));
        assert_eq!(load(&path, 3), None);
        let good = fs::read(&path).unwrap();
        for byte in 0..good.len() - 1 {
            let mut bad = good.clone();
            bad[byte] ^= 1;
            fs::write(&path, &bad).unwrap();
            assert_eq!(load(&path, 2), None, "byte {byte} went unseen");
        }
        for cut in 0..good.len() - 1 {
            fs::write(&path, &good[..cut]).unwrap();
            assert_eq!(load(&path, 2), None, "cut at {cut}");
        }
    }

    #[test]
    fn the_file_of_a_release_with_one_writer_is_read() {
        let body = format!(
            "{FORMAT_1}\ntopic t\n0 12 0000000000000003 4 0000000000000005 6 7 {:032x}\n",
            8
        );
        let text = format!("{body}crc32 {:08x}\n", crc32fast::hash(body.as_bytes()));
        let saved = parse(&text, 1).unwrap();
        let chain = &saved.chains[0];
        assert!(chain.alone && chain.joined.is_empty());
        assert_eq!(
            (chain.topic_next, chain.next_offset, chain.hash),
            (12, 7, 8)
        );
        assert_eq!((chain.holder.term, chain.holder.writer), (4, 5));
    }
}
