//! Reports that came before what they are about.
//!
//! The ledger puts reports about a flight into their order by version, once the flight exists.
//! What comes before it exists would be lost: a cancellation that overtakes the schedule, or a full
//! replacement that does not name a flight which an older file then brings. [`Late`] keeps both, and
//! gives out the commands that have to follow when a flight is scheduled. So the end is the same, in
//! whatever order files and messages come.

use std::collections::BTreeMap;

use flightline_ledger::command::SourceVersion;
use flightline_ledger::{
    Carrier, CommandId, Date, FlightCommand, FlightKey, ProviderBody, ProviderCode, ProviderEvent,
};

use crate::ids;
use crate::push::PushCommand;
use crate::replacement::{ReplacementClose, Scope};
use crate::unplaced::Unplaced;

/// The most reports that are kept for flights to come. Those of the earliest days are given up first.
pub const LATE_REPORTS_MAX: usize = 1_000_000;

/// The most full replacements that are remembered for one provider; the oldest are given up first.
pub const REPLACEMENTS_MAX: usize = 10_000;

/// The flights of a provider that a report may be about: by day first, so that the earliest go first.
type Place = (Date, ProviderCode, Carrier, u16, u8);

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub struct Late {
    reports: BTreeMap<Place, Vec<Kept>>,
    count: usize,
    replaced: BTreeMap<ProviderCode, Vec<(SourceVersion, Scope)>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kept {
    /// Refused because the flight was not there, or (with the id of that refusal) not in the shape
    /// that it speaks of.
    Placed(FlightKey, Box<ProviderEvent>, Option<CommandId>),
    /// Also about flights of the day that come later.
    Unplaced(Box<Unplaced>),
}

impl Kept {
    fn version(&self) -> SourceVersion {
        match self {
            Kept::Placed(_, event, _) => event.version,
            Kept::Unplaced(event) => event.version,
        }
    }
}

impl Late {
    /// With nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many reports are kept.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Keeps a command that the ledger refused as not scheduled, or as not fitting the flight
    /// (`invalid`). A schedule is not kept: sent again, it would be refused again.
    pub fn refused(&mut self, command: &PushCommand, invalid: bool) {
        let FlightCommand::Provider(event) = &command.command else {
            return;
        };
        if matches!(event.body, ProviderBody::Schedule(_)) {
            return;
        }
        let flight = command.flight;
        let place = (
            flight.origin_date,
            event.provider,
            flight.carrier,
            flight.number,
            flight.suffix,
        );
        let id = invalid.then_some(command.id);
        self.keep(place, Kept::Placed(flight, event.clone(), id));
    }

    /// Keeps a report about a number and a day, whatever flights of them there are already.
    pub fn unplaced(&mut self, provider: ProviderCode, event: &Unplaced) {
        let f = &event.flights;
        let place = (f.date, provider, f.carrier, f.number, f.suffix);
        self.keep(place, Kept::Unplaced(Box::new(event.clone())));
    }

    fn keep(&mut self, place: Place, report: Kept) {
        let kept = self.reports.entry(place).or_default();
        if kept.contains(&report) {
            return;
        }
        kept.push(report);
        self.count += 1;
        while self.count > LATE_REPORTS_MAX {
            let Some((_, given_up)) = self.reports.pop_first() else {
                break;
            };
            self.count -= given_up.len();
        }
    }

    /// Remembers a full replacement that has closed.
    pub fn closed(&mut self, close: &ReplacementClose) {
        let entry = (close.replacement.version, close.replacement.scope);
        let replaced = self.replaced.entry(close.provider).or_default();
        if let Err(at) = replaced.binary_search(&entry) {
            replaced.insert(at, entry);
        }
        if replaced.len() > REPLACEMENTS_MAX {
            replaced.remove(0);
        }
    }

    /// What has to follow a schedule that the ledger accepted for the first time (not one that was
    /// sent again), the oldest first. `command` is that schedule; for anything else there is nothing.
    pub fn after(&mut self, command: &PushCommand) -> Vec<PushCommand> {
        let FlightCommand::Provider(event) = &command.command else {
            return Vec::new();
        };
        let ProviderBody::Schedule(schedule) = &event.body else {
            return Vec::new();
        };
        let flight = command.flight;
        let departs_s = schedule.legs.first().map(|leg| leg.times.departs_s);
        let mut follow: Vec<(SourceVersion, PushCommand)> = Vec::new();
        for days in -1..=1 {
            let date = Date(flight.origin_date.0 + days);
            let place = (
                date,
                event.provider,
                flight.carrier,
                flight.number,
                flight.suffix,
            );
            let Some(kept) = self.reports.get_mut(&place) else {
                continue;
            };
            let before = kept.len();
            kept.retain(|report| match report {
                Kept::Placed(key, placed, refused) if *key == flight => {
                    let id = match refused {
                        None => ids::provider_event_id(key, placed),
                        // The flight remembers the refusal under the id of the report for ever.
                        Some(id) => ids::client_command_id(
                            event.provider.as_str(),
                            "late",
                            &format!("{id} behind {}", command.id),
                        ),
                    };
                    let command = PushCommand {
                        observed: None,
                        line: command.line,
                        id,
                        flight,
                        command: FlightCommand::Provider(placed.clone()),
                    };
                    follow.push((report.version(), command));
                    // If it still does not fit, the refusal brings it back.
                    false
                }
                Kept::Unplaced(unplaced)
                    if unplaced.flights.contains(&flight, departs_s)
                        && unplaced.version > event.version =>
                {
                    let command =
                        unplaced.command(flight, event.provider, event.authority, command.line);
                    follow.push((report.version(), command));
                    true
                }
                _ => true,
            });
            self.count -= before - kept.len();
            if kept.is_empty() {
                self.reports.remove(&place);
            }
        }
        // A newer replacement that had named the flight would have made this schedule stale.
        let newest = self.replaced.get(&event.provider).and_then(|replaced| {
            let newer = replaced
                .iter()
                .rev()
                .take_while(|(version, _)| *version > event.version);
            newer
                .filter(|(_, scope)| scope.contains(&flight))
                .map(|(version, _)| *version)
                .next()
        });
        if let Some(version) = newest {
            let event = ProviderEvent {
                provider: event.provider,
                version,
                authority: event.authority,
                quality: 0,
                body: ProviderBody::Withdraw,
            };
            let command = PushCommand {
                observed: None,
                line: command.line,
                id: ids::provider_event_id(&flight, &event),
                flight,
                command: FlightCommand::Provider(Box::new(event)),
            };
            follow.push((version, command));
        }
        follow.sort_by_key(|(version, _)| *version);
        follow.into_iter().map(|(_, command)| command).collect()
    }
}
