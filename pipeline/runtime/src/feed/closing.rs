//! Full replacements that have come to their end and are not closed yet.
//!
//! Which flights a replacement closes can only be told when all that it named is decided and in the index,
//! and waiting for that stops the feed. A file of hundreds of airlines has a replacement for each of them, so
//! they wait together: as long as nothing else comes that one of them speaks for.

use std::collections::HashSet;

use flightline_connectors::ReplacementClose;
use flightline_ledger::{Carrier, FlightKey};

/// Replacements that wait together, at most.
const CLOSES_MAX: usize = 256;

/// Flights that they name, at most, give or take one replacement: they are kept in memory.
const NAMED_MAX: usize = 500_000;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Closing {
    closes: Vec<ReplacementClose>,
    /// Whose flights they speak for.
    carriers: HashSet<Carrier>,
    /// One of them speaks for those of every carrier.
    is_wide: bool,
    named: usize,
}

impl Closing {
    /// Whether one of them may speak for the flight.
    pub(super) fn is_about(&self, flight: &FlightKey) -> bool {
        self.is_wide || self.carriers.contains(&flight.carrier)
    }

    /// Whether one of them may speak for a flight that this one speaks for as well.
    pub(super) fn overlaps(&self, close: &ReplacementClose) -> bool {
        match close.replacement.scope.carrier {
            Some(carrier) => self.is_wide || self.carriers.contains(&carrier),
            None => !self.is_empty(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.closes.is_empty()
    }

    /// There are so many that they should be closed.
    pub(super) fn is_full(&self) -> bool {
        self.closes.len() >= CLOSES_MAX || self.named >= NAMED_MAX
    }

    pub(super) fn push(&mut self, close: ReplacementClose) {
        match close.replacement.scope.carrier {
            Some(carrier) => {
                self.carriers.insert(carrier);
            }
            None => self.is_wide = true,
        }
        self.named += close.named.len();
        self.closes.push(close);
    }

    /// All of them, in the order in which they ended.
    pub(super) fn take(&mut self) -> Vec<ReplacementClose> {
        std::mem::take(self).closes
    }
}

#[cfg(test)]
mod tests {
    use flightline_connectors::{Replacement, Scope};
    use flightline_ledger::command::SourceVersion;

    use super::*;

    fn close(carrier: Option<&str>, named: &[&str]) -> ReplacementClose {
        ReplacementClose {
            line: 1,
            provider: "p".parse().unwrap(),
            authority: 1,
            replacement: Replacement {
                scope: Scope {
                    carrier: carrier.map(|carrier| carrier.parse().unwrap()),
                    from: "2027-01-01".parse().unwrap(),
                    to: "2027-01-31".parse().unwrap(),
                },
                version: SourceVersion::default(),
                message_id: None,
            },
            named: named.iter().map(|key| key.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn replacements_wait_together_while_they_speak_for_different_flights() {
        let ua: FlightKey = "UA1.2027-01-05.EWR".parse().unwrap();
        let aa: FlightKey = "AA1.2027-01-05.JFK".parse().unwrap();
        let mut closing = Closing::default();
        assert!(!closing.is_about(&ua) && !closing.overlaps(&close(None, &[])));
        closing.push(close(Some("UA"), &["UA1.2027-01-05.EWR"]));
        assert!(closing.is_about(&ua) && !closing.is_about(&aa));
        assert!(closing.overlaps(&close(Some("UA"), &[])));
        assert!(closing.overlaps(&close(None, &[])));
        assert!(!closing.overlaps(&close(Some("AA"), &[])));
        closing.push(close(None, &[]));
        assert!(closing.is_about(&aa) && closing.overlaps(&close(Some("AA"), &[])));
        assert_eq!(closing.take().len(), 2);
        assert!(closing.is_empty() && !closing.is_about(&ua) && !closing.is_full());
        for _ in 0..CLOSES_MAX {
            assert!(!closing.is_full());
            closing.push(close(Some("UA"), &[]));
        }
        assert!(closing.is_full());
    }
}
