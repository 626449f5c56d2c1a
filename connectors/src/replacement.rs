//! Full replacements: a provider's whole truth about a period, which closes what it does not name.

use std::collections::HashSet;
use std::fmt;

use flightline_ledger::command::SourceVersion;
use flightline_ledger::{
    Carrier, Date, FlightCommand, FlightKey, ProviderBody, ProviderCode, ProviderEvent,
};

use crate::ids;
use crate::push::PushCommand;

/// Which flights a full replacement speaks for: the provider's own, by carrier and origin date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// Flights of this airline only; absent = of every airline.
    pub carrier: Option<Carrier>,
    /// First origin date.
    pub from: Date,
    /// Last origin date, included.
    pub to: Date,
}

impl Scope {
    /// Whether the replacement speaks for the flight.
    pub fn contains(&self, flight: &FlightKey) -> bool {
        self.carrier.is_none_or(|carrier| carrier == flight.carrier)
            && (self.from..=self.to).contains(&flight.origin_date)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.carrier {
            Some(carrier) => write!(f, "{carrier} {} to {}", self.from, self.to),
            None => write!(f, "{} to {}", self.from, self.to),
        }
    }
}

/// A full replacement, as its begin and end marks state it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// Which flights it speaks for.
    pub scope: Scope,
    /// Its place in the provider's own order. What it closes is closed with this version, so that
    /// a flight that a newer report named stays as it is.
    pub version: SourceVersion,
    /// The provider's name for the message, if it gave one.
    pub message_id: Option<Box<str>>,
}

/// A full replacement that came to its end whole: everything it did not name is to be withdrawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplacementClose {
    /// Line of the end mark, from 1.
    pub line: u64,
    /// Whose flights.
    pub provider: ProviderCode,
    /// The provider's weight, as in [`ProviderEvent::authority`].
    pub authority: u8,
    /// Scope and version.
    pub replacement: Replacement,
    /// The flights in scope that it named, rejected records included.
    pub named: HashSet<FlightKey>,
}

impl ReplacementClose {
    /// The commands that withdraw what was not named, in the order of `existing`: the flights on
    /// which the provider is, which may hold any more (those out of scope are passed over).
    pub fn withdrawals<'a>(
        &'a self,
        existing: impl IntoIterator<Item = FlightKey> + 'a,
    ) -> impl Iterator<Item = PushCommand> + 'a {
        existing
            .into_iter()
            .filter(|flight| {
                self.replacement.scope.contains(flight) && !self.named.contains(flight)
            })
            .map(|flight| {
                let event = ProviderEvent {
                    provider: self.provider,
                    version: self.replacement.version,
                    authority: self.authority,
                    quality: 0,
                    body: ProviderBody::Withdraw,
                };
                PushCommand {
                    line: self.line,
                    id: ids::provider_event_id(&flight, &event),
                    flight,
                    command: FlightCommand::Provider(Box::new(event)),
                    observed: None,
                }
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_flights_in_scope_that_were_not_named_are_withdrawn() {
        let key = |text: &str| text.parse::<FlightKey>().unwrap();
        let close = ReplacementClose {
            line: 9,
            provider: "p".parse().unwrap(),
            authority: 3,
            replacement: Replacement {
                scope: Scope {
                    carrier: Some("UA".parse().unwrap()),
                    from: "2027-01-01".parse().unwrap(),
                    to: "2027-01-31".parse().unwrap(),
                },
                version: SourceVersion {
                    time_ms: 5,
                    group: 1,
                    sequence: 2,
                },
                message_id: None,
            },
            named: HashSet::from([key("UA1.2027-01-05.EWR")]),
        };
        let existing = [
            "UA1.2027-01-05.EWR",
            "UA2.2027-01-01.EWR",
            "UA3.2027-01-31.EWR",
            "UA4.2027-02-01.EWR",
            "UA5.2026-12-31.EWR",
            "AA1.2027-01-05.JFK",
        ];
        let withdrawn: Vec<_> = close.withdrawals(existing.map(key)).collect();
        assert_eq!(
            withdrawn
                .iter()
                .map(|c| c.flight.to_string())
                .collect::<Vec<_>>(),
            ["UA2.2027-01-01.EWR", "UA3.2027-01-31.EWR"]
        );
        for command in withdrawn {
            let FlightCommand::Provider(event) = command.command else {
                panic!("not a provider's event");
            };
            assert_eq!(event.body, ProviderBody::Withdraw);
            assert_eq!(event.version, close.replacement.version);
            assert_eq!((event.authority, command.line), (3, 9));
        }
    }
}
