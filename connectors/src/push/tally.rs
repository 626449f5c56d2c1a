//! Counts of what became of the records of a push: what `feed push` prints and what the provider
//! interface answers.

use flightline_ledger::{Outcome, Replay};
use serde::{Deserialize, Serialize};

use crate::reject::Reject;

/// The most rejects a tally lists one by one; the rest are counted.
pub const REJECTS_KEPT_MAX: usize = 1000;

/// What became of what was pushed. `read = accepted + duplicate + stale + rejected`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Events that were read, bad records included.
    pub read: u64,
    /// Applied.
    pub accepted: u64,
    /// Applied before, by an earlier sending of the same report.
    pub duplicate: u64,
    /// Older than what was known: not applied.
    pub stale: u64,
    /// Set aside, or refused by the ledger.
    pub rejected: u64,
    /// The first [`REJECTS_KEPT_MAX`] of those.
    pub rejects: Vec<RejectLine>,
    /// How many more there were than `rejects` lists.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rejects_omitted: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// A rejected record, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectLine {
    /// Line in the input, from 1.
    pub line: u64,
    /// Stable code: one of [`Code`](crate::Code), or the ledger's reason.
    pub code: String,
    /// For people.
    pub message: String,
}

impl Tally {
    /// Counts a record that was set aside by the connector.
    pub fn reject(&mut self, reject: &Reject) {
        self.read += 1;
        self.refuse(reject.line, reject.code.name(), || reject.reason.clone());
    }

    /// Counts the ledger's answer to the command of a line.
    pub fn decided(&mut self, line: u64, outcome: &Outcome, replay: Replay) {
        self.read += 1;
        match (outcome, replay) {
            (_, Replay::Different { first_offset }) => {
                self.refuse(line, "different_details", || {
                    format!("another event with this id stands at offset {first_offset}")
                });
            }
            (Outcome::Refused(reason), _) => {
                self.refuse(line, reason.code(), || {
                    "the ledger refused the event: see the reasons in the provider documentation"
                        .to_owned()
                });
            }
            (_, Replay::Same { .. }) => self.duplicate += 1,
            (Outcome::Stale, Replay::First) => self.stale += 1,
            (_, Replay::First) => self.accepted += 1,
        }
    }

    /// Adds the counts of another part of the push.
    pub fn add(&mut self, other: Tally) {
        self.read += other.read;
        self.accepted += other.accepted;
        self.duplicate += other.duplicate;
        self.stale += other.stale;
        self.rejected += other.rejected;
        self.rejects_omitted += other.rejects_omitted;
        for reject in other.rejects {
            self.keep(|| reject);
        }
    }

    fn refuse(&mut self, line: u64, code: &str, message: impl FnOnce() -> String) {
        self.rejected += 1;
        self.keep(|| RejectLine {
            line,
            code: code.to_owned(),
            message: message(),
        });
    }

    fn keep(&mut self, reject: impl FnOnce() -> RejectLine) {
        if self.rejects.len() < REJECTS_KEPT_MAX {
            self.rejects.push(reject());
        } else {
            self.rejects_omitted += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use flightline_ledger::Reason;

    use super::*;

    #[test]
    fn every_answer_is_counted_once() {
        let mut tally = Tally::default();
        let accepted = Outcome::Accepted {
            displaced: 0,
            partly_stale: true,
        };
        let invalid = Outcome::Refused(Reason::InvalidEvent);
        let same = Replay::Same { first_offset: 4 };
        tally.decided(1, &accepted, Replay::First);
        tally.decided(2, &accepted, same);
        tally.decided(3, &Outcome::Stale, Replay::First);
        tally.decided(4, &Outcome::Stale, same);
        tally.decided(5, &invalid, Replay::First);
        // A refusal stays a refusal when it is sent again.
        tally.decided(6, &invalid, same);
        tally.decided(7, &accepted, Replay::Different { first_offset: 9 });
        assert_eq!(
            (tally.read, tally.accepted, tally.duplicate, tally.stale),
            (7, 1, 2, 1)
        );
        assert_eq!(tally.rejected, 3);
        let codes: Vec<_> = tally.rejects.iter().map(|r| (r.line, &*r.code)).collect();
        assert_eq!(
            codes,
            [
                (5, "invalid_event"),
                (6, "invalid_event"),
                (7, "different_details")
            ]
        );
    }

    #[test]
    fn the_list_of_rejects_is_bounded() {
        let mut tally = Tally::default();
        let invalid = Outcome::Refused(Reason::InvalidEvent);
        for line in 0..REJECTS_KEPT_MAX as u64 + 5 {
            tally.decided(line, &invalid, Replay::First);
        }
        let mut twice = tally.clone();
        twice.add(tally);
        assert_eq!(twice.rejects.len(), REJECTS_KEPT_MAX);
        assert_eq!(
            twice.rejected,
            twice.rejects.len() as u64 + twice.rejects_omitted
        );
    }
}
