//! Reports that came before what they are about.
//!
//! The ledger puts reports about a flight into their order by version, once the flight exists.
//! What comes before it exists would be lost: a cancellation that overtakes the schedule, or a full
//! replacement that does not name a flight which an older file then brings. [`Late`] keeps both, and
//! gives out the commands that have to follow when a flight is scheduled. So the end is the same, in
//! whatever order files and messages come.
//!
//! All of it follows from the stream, which is where it is kept: a refused report is a record like any
//! other, and what names no single flight (a report about a number and a day, a replacement that
//! closed) is appended as a record of its own before it counts. Whoever folds the stream gives every
//! decision about a provider's event to [`Late::decided`] and every such record to [`Late::unplaced`]
//! and [`Late::closed`], and has what was known when the stream ended. What should have followed
//! a schedule and is not in the stream, because the process ended between the two, is then
//! [`Late::outstanding`].
//!
//! It is no part of the ledger: what follows a schedule is a command with an id and an outcome of its
//! own in the stream, so that its history shows it, and a flight's fold stays a flight's alone.

use std::collections::BTreeMap;

use flightline_ledger::command::SourceVersion;
use flightline_ledger::{
    Carrier, CommandId, Date, FlightCommand, FlightKey, Outcome, ProviderBody, ProviderCode,
    ProviderEvent, Reason, Replay,
};

use crate::ids;
use crate::push::PushCommand;
use crate::replacement::Scope;
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
    /// Given out to follow a schedule, and not decided yet.
    following: BTreeMap<CommandId, PushCommand>,
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

    /// A provider's event was decided. Gives what has to follow it, the oldest first: something, when
    /// it is a schedule that was accepted. What was refused since the flight is not there, or not in
    /// the shape that the event speaks of, is kept.
    ///
    /// For a schedule that was sent again as well: what followed the first time is a duplicate then,
    /// and what did not follow, because the process ended before, follows now. But for withdrawals:
    /// a replacement that came in between may have named the flight.
    pub fn decided(
        &mut self,
        flight: FlightKey,
        id: CommandId,
        event: &ProviderEvent,
        outcome: &Outcome,
        replay: Replay,
    ) -> Vec<PushCommand> {
        self.following.remove(&id);
        let schedules = matches!(event.body, ProviderBody::Schedule(_));
        match outcome {
            // Sent again, a refused schedule would be refused again.
            Outcome::Refused(Reason::NotScheduled) if !schedules => {
                self.refused(flight, event, None);
            }
            Outcome::Refused(Reason::InvalidEvent) if !schedules => {
                self.refused(flight, event, Some(id));
            }
            Outcome::Accepted { .. } if schedules => {
                return self.after(flight, id, event, replay == Replay::First);
            }
            _ => {}
        }
        Vec::new()
    }

    /// What was given out to follow a schedule and was not decided.
    pub fn outstanding(&self) -> impl Iterator<Item = &PushCommand> {
        self.following.values()
    }

    /// What is to follow and was not decided as far as another fold knows.
    pub fn expect(&mut self, command: PushCommand) {
        self.following.insert(command.id, command);
    }

    /// Reports about one flight that are kept: refused because it was not there, or with the id of
    /// the refusal because they did not fit it.
    pub fn placed(&self) -> impl Iterator<Item = (FlightKey, &ProviderEvent, Option<CommandId>)> {
        let all = self.reports.values().flatten();
        all.filter_map(|report| match report {
            Kept::Placed(flight, event, refused) => Some((*flight, &**event, *refused)),
            Kept::Unplaced(_) => None,
        })
    }

    /// Forgets the reports about days before this one.
    pub fn forget_before(&mut self, date: Date) {
        while let Some(first) = self.reports.first_entry()
            && first.key().0 < date
        {
            self.count -= first.remove().len();
        }
        self.following
            .retain(|_, command| command.flight.origin_date >= date);
    }

    /// Keeps an event that was refused: see [`Late::placed`].
    pub fn refused(&mut self, flight: FlightKey, event: &ProviderEvent, id: Option<CommandId>) {
        let place = (
            flight.origin_date,
            event.provider,
            flight.carrier,
            flight.number,
            flight.suffix,
        );
        self.keep(place, Kept::Placed(flight, Box::new(event.clone()), id));
    }

    /// Keeps a report about a number and a day, whatever flights of them there are already. Gives
    /// whether it was not kept yet.
    pub fn unplaced(&mut self, provider: ProviderCode, event: &Unplaced) -> bool {
        let f = &event.flights;
        let place = (f.date, provider, f.carrier, f.number, f.suffix);
        self.keep(place, Kept::Unplaced(Box::new(event.clone())))
    }

    fn keep(&mut self, place: Place, report: Kept) -> bool {
        let kept = self.reports.entry(place).or_default();
        if kept.contains(&report) {
            return false;
        }
        kept.push(report);
        self.count += 1;
        while self.count > LATE_REPORTS_MAX {
            let Some((_, given_up)) = self.reports.pop_first() else {
                break;
            };
            self.count -= given_up.len();
        }
        true
    }

    /// Remembers a full replacement that has closed. Gives whether that is news.
    pub fn closed(&mut self, provider: ProviderCode, version: SourceVersion, scope: Scope) -> bool {
        let entry = (version, scope);
        let replaced = self.replaced.entry(provider).or_default();
        let Err(at) = replaced.binary_search(&entry) else {
            return false;
        };
        replaced.insert(at, entry);
        if replaced.len() > REPLACEMENTS_MAX {
            replaced.remove(0);
        }
        true
    }

    /// What has to follow a schedule that the ledger accepted, the oldest first.
    fn after(
        &mut self,
        flight: FlightKey,
        schedule_id: CommandId,
        event: &ProviderEvent,
        is_new: bool,
    ) -> Vec<PushCommand> {
        let ProviderBody::Schedule(schedule) = &event.body else {
            return Vec::new();
        };
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
                            &format!("{id} behind {schedule_id}"),
                        ),
                    };
                    let command = PushCommand {
                        observed: None,
                        line: 0,
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
                    let command = unplaced.command(flight, event.provider, event.authority, 0);
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
        if is_new {
            follow.extend(self.withdrawal(flight, event));
        }
        follow.sort_by_key(|(version, _)| *version);
        let follow: Vec<_> = follow.into_iter().map(|(_, command)| command).collect();
        for command in &follow {
            self.following.insert(command.id, command.clone());
        }
        follow
    }

    /// What withdraws a flight that a schedule brought which is older than a replacement of its scope.
    /// One that had named the flight would have made that schedule stale.
    pub fn withdrawal(
        &self,
        flight: FlightKey,
        event: &ProviderEvent,
    ) -> Option<(SourceVersion, PushCommand)> {
        let replaced = self.replaced.get(&event.provider)?;
        let newer = replaced.iter().rev();
        let (version, _) = newer
            .take_while(|(version, _)| *version > event.version)
            .find(|(_, scope)| scope.contains(&flight))?;
        let event = ProviderEvent {
            provider: event.provider,
            version: *version,
            authority: event.authority,
            quality: 0,
            body: ProviderBody::Withdraw,
        };
        let command = PushCommand {
            observed: None,
            line: 0,
            id: ids::provider_event_id(&flight, &event),
            flight,
            command: FlightCommand::Provider(Box::new(event)),
        };
        Some((*version, command))
    }
}
