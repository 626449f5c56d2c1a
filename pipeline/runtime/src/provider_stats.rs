//! Counts of every provider's feed, since the stream began.

use flightline_ledger::command::{Numbered, SourceVersion};
use flightline_ledger::{Date, Decision, Outcome, ProviderCode, Replay};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};

use crate::serials::{Gap, Serials};

/// What a record of a provider is, as far as counting goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// An event with its version.
    Event(SourceVersion),
    /// A record that could not be read.
    Reject,
    /// A message that its sender numbers: what it says are other records.
    Numbered(Numbered),
}

/// Counts of one provider on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayCounts {
    /// Events applied.
    pub accepted: u64,
    /// Events that came again.
    pub duplicate: u64,
    /// Events older than what was known.
    pub stale: u64,
    /// Events refused and records that could not be read.
    pub rejected: u64,
}

impl DayCounts {
    fn add(&mut self, other: &DayCounts) {
        self.accepted += other.accepted;
        self.duplicate += other.duplicate;
        self.stale += other.stale;
        self.rejected += other.rejected;
    }
}

/// How many days are counted one by one; the oldest are given up first.
const DAYS_MAX: usize = 400;

/// Counts of one provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events applied.
    pub accepted: u64,
    /// Events that came again.
    pub duplicate: u64,
    /// Events older than what was known.
    pub stale: u64,
    /// Events refused and records that could not be read.
    pub rejected: u64,
    /// Version of the newest event.
    pub last_version: Option<SourceVersion>,
    /// Clock of its partition when the last record was decided, Unix time in milliseconds.
    pub last_at_ms: Option<i64>,
    /// By day since 1970-01-01, in UTC, by the clocks of the partitions.
    pub days: BTreeMap<i32, DayCounts>,
    /// Messages that are numbered.
    pub serials: Serials,
}

/// Counts of all providers; shared between threads.
#[derive(Debug, Default)]
pub struct ProviderStats {
    counts: Mutex<HashMap<ProviderCode, Counts>>,
}

/// Which of the four counts an outcome belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tally {
    Accepted,
    Duplicate,
    Stale,
    Rejected,
}

/// Sorts a provider event's decision into one of the four counts. A refusal stays one when the event
/// is sent again.
fn tally(decision: &Decision) -> Tally {
    match (decision.replay, decision.outcome) {
        (Replay::Different { .. }, _) | (_, Outcome::Refused(_)) => Tally::Rejected,
        (Replay::Same { .. }, _) => Tally::Duplicate,
        (_, Outcome::Stale) => Tally::Stale,
        _ => Tally::Accepted,
    }
}

impl Counts {
    /// Counts one decision.
    pub fn note(&mut self, report: Report, decision: &Decision) {
        if let Report::Numbered(numbered) = &report {
            return self.serials.note(numbered, decision.at_ms);
        }
        self.last_at_ms = self.last_at_ms.max(Some(decision.at_ms));
        let mut one = DayCounts::default();
        match report {
            Report::Reject | Report::Numbered(_) => one.rejected = 1,
            Report::Event(version) => {
                self.last_version = self.last_version.max(Some(version));
                match tally(decision) {
                    Tally::Accepted => one.accepted = 1,
                    Tally::Duplicate => one.duplicate = 1,
                    Tally::Stale => one.stale = 1,
                    Tally::Rejected => one.rejected = 1,
                }
            }
        }
        self.accepted += one.accepted;
        self.duplicate += one.duplicate;
        self.stale += one.stale;
        self.rejected += one.rejected;
        if let Ok(day) = i32::try_from(decision.at_ms.div_euclid(86_400_000)) {
            self.count(day, &one);
        }
    }

    /// Adds to a day.
    pub fn count(&mut self, day: i32, counts: &DayCounts) {
        self.days.entry(day).or_default().add(counts);
        while self.days.len() > DAYS_MAX {
            self.days.pop_first();
        }
    }

    /// What came on a day.
    pub fn day(&self, day: Date) -> DayCounts {
        self.days.get(&day.0).copied().unwrap_or_default()
    }
}

impl ProviderStats {
    /// Counts one decision.
    pub fn note(&self, provider: ProviderCode, report: Report, decision: &Decision) {
        let mut all = self.counts.lock();
        all.entry(provider).or_default().note(report, decision);
    }

    /// Adds what was counted elsewhere, of other records.
    pub fn add(&self, provider: ProviderCode, counted: &Counts) {
        let mut all = self.counts.lock();
        let counts = all.entry(provider).or_default();
        counts.accepted += counted.accepted;
        counts.duplicate += counted.duplicate;
        counts.stale += counted.stale;
        counts.rejected += counted.rejected;
        counts.last_version = counts.last_version.max(counted.last_version);
        counts.last_at_ms = counts.last_at_ms.max(counted.last_at_ms);
        counts.serials.add(&counted.serials);
        for (day, of_day) in &counted.days {
            counts.count(*day, of_day);
        }
    }

    /// Is a message of a provider's known to have come?
    pub fn has(&self, provider: ProviderCode, numbered: &Numbered) -> bool {
        let all = self.counts.lock();
        all.get(&provider)
            .is_some_and(|counts| counts.serials.has(numbered))
    }

    /// Messages of a provider's that are missing, see [`Serials::gaps`].
    pub fn gaps(&self, provider: ProviderCode, before_ms: i64, daily: bool) -> Vec<Gap> {
        let all = self.counts.lock();
        let counts = all.get(&provider);
        counts.map_or_else(Vec::new, |counts| counts.serials.gaps(before_ms, daily))
    }

    /// The providers that number their messages.
    pub fn numbered(&self) -> Vec<ProviderCode> {
        let all = self.counts.lock();
        let numbered = all.iter().filter(|(_, counts)| !counts.serials.is_empty());
        let mut codes: Vec<_> = numbered.map(|(provider, _)| *provider).collect();
        codes.sort_unstable();
        codes
    }

    /// Counts of one provider; `None` when it never sent anything.
    pub fn of(&self, provider: ProviderCode) -> Option<Counts> {
        self.counts.lock().get(&provider).cloned()
    }
}
