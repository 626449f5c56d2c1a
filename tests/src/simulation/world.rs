//! What all machines share: the time, the dice, the topic, the database, the payment service; and what is written
//! down of it.

use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::database::Database;
use super::payments::Desk;
use super::topic::Topic;
use crate::history::Rng;

/// How often things go wrong, in one of 1000 times.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rates {
    /// Something happens to a question that writes.
    pub(super) produce: u32,
    /// Something happens to a question that reads.
    pub(super) fetch: u32,
    /// A commit fails.
    pub(super) disk: u32,
    /// A transaction's answer is lost.
    pub(super) commit: u32,
    /// A payment's answer, or the ask itself, is lost.
    pub(super) payment: u32,
}

/// One machine as others see it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outside {
    /// Its process is being ended, or has ended.
    pub(super) is_killed: bool,
    /// It cannot reach the cluster.
    pub(super) is_cut: bool,
    /// It cannot reach the database.
    pub(super) is_cut_from_tables: bool,
    /// Its clock is so far ahead, in milliseconds.
    pub(super) skew_ms: i64,
    /// Wrong answers of the cluster in a row.
    pub(super) wrong_in_a_row: u32,
    /// A commit of this process has failed.
    pub(super) disk_failed: bool,
}

/// What all share.
pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) now_ms: u64,
    pub(super) rates: Rates,
    pub(super) machines: Vec<Outside>,
    pub(super) topic: Topic,
    pub(super) database: Database,
    pub(super) payments: Desk,
    ids: u64,
    trace: String,
    /// What must never happen, and did.
    pub(super) wrong: Vec<String>,
    /// The cluster has lost records: replicas may part before they find out.
    pub(super) has_lost: bool,
    /// What may happen to those that have parted, and to nobody else.
    pub(super) parted: Vec<String>,
}

/// The simulation begins then, Unix time in milliseconds: 23 November 2026.
pub(super) const BEGINS_MS: i64 = 1_795_392_000_000;

impl World {
    pub(super) fn new(seed: u64, machines: usize, partitions: u32, rates: Rates) -> Self {
        Self {
            rng: Rng::new(seed),
            now_ms: 0,
            rates,
            machines: vec![Outside::default(); machines],
            topic: Topic::new(partitions),
            database: Database::new(partitions),
            payments: Desk::default(),
            ids: 0,
            trace: String::new(),
            wrong: Vec::new(),
            has_lost: false,
            parted: Vec::new(),
        }
    }

    /// Writes a line down.
    pub(super) fn note(&mut self, line: impl std::fmt::Display) {
        let now_ms = self.now_ms;
        let _ = writeln!(self.trace, "{now_ms:>8} {line}");
    }

    /// Everything that was written down.
    pub(super) fn trace(&self) -> &str {
        &self.trace
    }

    /// Something that must never happen.
    pub(super) fn blame(&mut self, what: impl Into<String>) {
        let what = what.into();
        self.note(format_args!("WRONG {what}"));
        self.wrong.push(what);
    }

    /// Something that happens only to replicas that have parted.
    pub(super) fn blame_unless_parted(&mut self, what: impl Into<String>) {
        match self.has_lost {
            true => {
                let what = what.into();
                self.note(format_args!("parted? {what}"));
                self.parted.push(what);
            }
            false => self.blame(what),
        }
    }

    /// A number that was never given before; they do not follow on one another, as those of writers do not.
    pub(super) fn new_id(&mut self) -> u64 {
        self.ids += 1;
        (self.ids.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1) >> 1 | 1
    }

    /// What a machine's clock shows, Unix time in milliseconds.
    pub(super) fn clock_of(&self, machine: usize) -> i64 {
        BEGINS_MS + self.now_ms as i64 + self.machines[machine].skew_ms
    }
}

/// A handle on it.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub(super) fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    /// Held for as long as it takes to look, never while a thread stops.
    pub(super) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
