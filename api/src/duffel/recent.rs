//! The latest offer requests, for lists of them. In memory only, of all clients together, the oldest
//! forgotten first: ids of offer requests answer for themselves for as long as they are known.

use std::collections::VecDeque;
use std::sync::Arc;

use flightline_sinks::serving::Covers;
use parking_lot::Mutex;

use super::token::Nonce;

/// The most memory for what was reflected when requests were made, in bytes.
const OFFSETS_BYTES_MAX: usize = 64 << 20;

/// The memory.
#[derive(Debug)]
pub(crate) struct Recent {
    max: usize,
    entries: Mutex<VecDeque<Entry>>,
}

#[derive(Clone, Debug)]
struct Entry {
    client: Arc<str>,
    nonce: Nonce,
    id: Arc<str>,
    covers: Arc<Covers>,
}

impl Recent {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            entries: Mutex::default(),
        }
    }

    /// Remembers a request, and what was reflected when it was made.
    pub(crate) fn push(&self, client: Arc<str>, nonce: Nonce, id: &str, covers: Arc<Covers>) {
        if self.max == 0 {
            return;
        }
        let entry = Entry {
            client,
            nonce,
            id: id.into(),
            covers,
        };
        // With very many partitions fewer are kept: each entry may have a list of offsets of its own.
        let offsets_bytes = entry.covers.offsets.len().max(1) * size_of::<u64>();
        let most = self.max.min((OFFSETS_BYTES_MAX / offsets_bytes).max(1));
        let mut entries = self.entries.lock();
        while entries.len() >= most {
            entries.pop_front();
        }
        entries.push_back(entry);
    }

    /// Ids of a client's requests, the latest first.
    pub(crate) fn of(&self, client: &str) -> Vec<Arc<str>> {
        let entries = self.entries.lock();
        let own = entries
            .iter()
            .rev()
            .filter(|entry| &*entry.client == client);
        own.map(|entry| Arc::clone(&entry.id)).collect()
    }

    /// What was reflected when a request was made. With it a search that runs again gives its offers
    /// the ids that they had.
    pub(crate) fn covers(&self, nonce: &Nonce) -> Option<Arc<Covers>> {
        let entries = self.entries.lock();
        let mut found = entries.iter().rev().filter(|entry| entry.nonce == *nonce);
        found.next().map(|entry| Arc::clone(&entry.covers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_come_first_and_the_oldest_are_forgotten() {
        let recent = Recent::new(3);
        for (n, client) in ["a", "b", "a", "a"].into_iter().enumerate() {
            recent.push(
                client.into(),
                [n as u8; 16],
                &format!("orq_{n}"),
                Arc::default(),
            );
        }
        let ids: Vec<String> = recent.of("a").iter().map(|id| id.to_string()).collect();
        assert_eq!(ids, ["orq_3", "orq_2"]);
        assert_eq!(recent.of("c").len(), 0);
        assert!(recent.covers(&[0; 16]).is_none());
        assert!(recent.covers(&[1; 16]).is_some());
    }
}
