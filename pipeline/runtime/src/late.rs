//! Reports that came before their flights, over restarts.
//!
//! What is kept follows from the stream: see [`Late`]. A start has it from the checkpoint and the
//! records behind it, and sends what should have followed a schedule when the process ended. Records
//! of one flight are in one partition, in order; what names no single flight is in the partition of the
//! provider's feed, and is put beside the others by the time it was appended at.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use flightline_api::backend::{BATCH_MAX, Submit};
use flightline_connectors::{Late, PushCommand, Scope, Unplaced};
use flightline_ledger::command::{FeedCommand, Schedule};
use flightline_ledger::{
    Command, CommandId, Date, Decision, FlightCommand, FlightKey, Outcome, ProviderBody,
    ProviderCode, ProviderEvent, Replay,
};
use parking_lot::Mutex;

use crate::backend::Inner;
use crate::feed::flights_around;

/// How many days after a flight what came before it is still kept.
const KEPT_DAYS: i32 = 30;

/// How many accepted schedules of a partition a checkpoint keeps, for the withdrawals that should follow
/// them: by far more than feeds bring before they send those, which is within eight batches.
const SCHEDULES_MAX: usize = 16_384;

/// Something that names no single flight, as the stream has it.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    /// When it was appended, Unix time in milliseconds.
    pub(crate) at_ms: i64,
    pub(crate) provider: ProviderCode,
    pub(crate) command: FeedCommand,
}

impl Note {
    /// The note that a record is, if it is one.
    pub(crate) fn of(at_ms: i64, command: &Command) -> Option<Self> {
        match command {
            Command::Feed(provider, command) => match **command {
                FeedCommand::Unplaced(_) | FeedCommand::Replaced(_) => Some(Self {
                    at_ms,
                    provider: *provider,
                    command: (**command).clone(),
                }),
                _ => None,
            },
            _ => None,
        }
    }

    /// The last day that it is about.
    fn last_day(&self) -> Date {
        match &self.command {
            FeedCommand::Unplaced(report) => report.date,
            FeedCommand::Replaced(replaced) => replaced.to,
            _ => Date(i32::MIN),
        }
    }
}

/// What a partition's records leave of reports that came before their flights.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) late: Late,
    pub(crate) notes: Vec<Note>,
    /// The last that were accepted, the oldest first.
    pub(crate) schedules: VecDeque<Scheduled>,
}

impl Kept {
    /// The next record of the partition.
    pub(crate) fn take(
        &mut self,
        at_ms: i64,
        command: &Command,
        id: CommandId,
        decided: &Decision,
    ) {
        match command {
            Command::Flight(flight, FlightCommand::Provider(event)) => {
                self.late
                    .decided(*flight, id, event, &decided.outcome, decided.replay);
                if let Some(scheduled) = Scheduled::of(at_ms, *flight, event, decided) {
                    if self.schedules.len() == SCHEDULES_MAX {
                        self.schedules.pop_front();
                    }
                    self.schedules.push_back(scheduled);
                }
            }
            Command::Feed(..) => self.notes.extend(Note::of(at_ms, command)),
            _ => {}
        }
    }

    /// Forgets what is about days that are long over by this clock.
    pub(crate) fn tidy(&mut self, clock_ms: i64) {
        let today = i32::try_from(clock_ms.div_euclid(86_400_000)).unwrap_or(i32::MIN);
        let first = Date(today.saturating_sub(KEPT_DAYS));
        self.late.forget_before(first);
        self.notes.retain(|note| note.last_day() >= first);
    }
}

/// A schedule that was accepted: enough of it to tell whether an earlier replacement withdraws the flight.
#[derive(Clone, Debug)]
pub(crate) struct Scheduled {
    /// When it was appended, Unix time in milliseconds.
    pub(crate) at_ms: i64,
    pub(crate) flight: FlightKey,
    /// With no legs.
    pub(crate) event: ProviderEvent,
}

impl Scheduled {
    fn of(
        at_ms: i64,
        flight: FlightKey,
        event: &ProviderEvent,
        decision: &Decision,
    ) -> Option<Self> {
        let is_accepted = matches!(decision.outcome, Outcome::Accepted { .. });
        let schedules = matches!(event.body, ProviderBody::Schedule(_));
        (is_accepted && schedules && decision.replay == Replay::First).then(|| Self {
            at_ms,
            flight,
            event: ProviderEvent {
                provider: event.provider,
                version: event.version,
                authority: event.authority,
                quality: event.quality,
                body: ProviderBody::Schedule(Schedule {
                    legs: Vec::new(),
                    restricted: Vec::new(),
                    operating: None,
                }),
            },
        })
    }
}

#[derive(Debug, Default)]
struct Past {
    notes: Vec<Note>,
    schedules: Vec<Scheduled>,
}

/// What came before its flight, shared by those who read feeds.
#[derive(Debug, Default)]
pub(crate) struct LateDesk {
    late: Mutex<Late>,
    /// Of the stream as it was found, until the start is through.
    past: Mutex<Past>,
    /// The start is through: what other replicas append is known at once.
    is_live: AtomicBool,
}

impl LateDesk {
    /// A partition of a checkpoint is gone on from.
    pub(crate) fn load(&self, kept: &Kept) {
        let mut late = self.late.lock();
        for (flight, event, refused) in kept.late.placed() {
            late.refused(flight, event, refused);
        }
        for command in kept.late.outstanding() {
            late.expect(command.clone());
        }
        let mut past = self.past.lock();
        past.notes.extend(kept.notes.iter().cloned());
        past.schedules.extend(kept.schedules.iter().cloned());
    }

    /// A record that is about no flight: behind the checkpoint, or of another replica.
    pub(crate) fn note(&self, note: Note) {
        if self.is_live.load(Ordering::Acquire) {
            keep(&mut self.late.lock(), &note);
        } else {
            self.past.lock().notes.push(note);
        }
    }

    /// A provider's event was decided that nobody here waits for: behind the checkpoint, or of another
    /// replica, which sends what follows.
    pub(crate) fn folded(&self, flight: FlightKey, event: ProviderEvent, decision: &Decision) {
        self.decided(flight, &event, decision);
        if !self.is_live.load(Ordering::Acquire) {
            let scheduled = Scheduled::of(decision.at_ms, flight, &event, decision);
            self.past.lock().schedules.extend(scheduled);
        }
    }

    /// A provider's event was decided. Gives what has to follow it.
    pub(crate) fn decided(
        &self,
        flight: FlightKey,
        event: &ProviderEvent,
        decision: &Decision,
    ) -> Vec<PushCommand> {
        let mut late = self.late.lock();
        late.decided(
            flight,
            decision.id,
            event,
            &decision.outcome,
            decision.replay,
        )
    }

    /// Keeps a report about a number and a day. Gives the record to append, unless there is one.
    pub(crate) fn unplaced(
        &self,
        provider: ProviderCode,
        authority: u8,
        event: &Unplaced,
    ) -> Option<FeedCommand> {
        let is_new = self.late.lock().unplaced(provider, event);
        let report = || FeedCommand::Unplaced(Box::new(event.to_report(provider, authority)));
        is_new.then(report)
    }

    /// Remembers a full replacement. Gives the record to append, unless there is one.
    pub(crate) fn closed(
        &self,
        close: &flightline_connectors::ReplacementClose,
    ) -> Option<FeedCommand> {
        let (version, scope) = (close.replacement.version, close.replacement.scope);
        let is_new = self.late.lock().closed(close.provider, version, scope);
        is_new.then_some(FeedCommand::Replaced(
            flightline_ledger::command::Replaced {
                version,
                carrier: scope.carrier,
                from: scope.from,
                to: scope.to,
            },
        ))
    }

    /// The start is through: everything that the stream has is folded and in the index. Gives what
    /// should have followed, as far as the flights do not know it.
    pub(crate) fn resume(
        &self,
        inner: &Inner,
    ) -> Result<Vec<PushCommand>, flightline_dataflows::Failure> {
        let Past {
            mut notes,
            mut schedules,
        } = std::mem::take(&mut *self.past.lock());
        notes.sort_by_key(|note| note.at_ms);
        schedules.sort_by_key(|schedule| schedule.at_ms);
        let mut missing: Vec<PushCommand> = self.late.lock().outstanding().cloned().collect();
        let mut known = Late::new();
        let mut next = notes.iter().peekable();
        for schedule in &schedules {
            while let Some(note) = next.next_if(|note| note.at_ms <= schedule.at_ms) {
                close(&mut known, note);
            }
            let withdrawal = known.withdrawal(schedule.flight, &schedule.event);
            missing.extend(withdrawal.map(|(_, command)| command));
        }
        for note in &notes {
            keep(&mut self.late.lock(), note);
        }
        self.is_live.store(true, Ordering::Release);
        missing.extend(not_sent(inner, &notes));
        unknown(inner, missing)
    }

    /// Sends what should have followed, and what follows that. Blocking.
    pub(crate) fn send(&self, inner: &Inner, commands: Vec<PushCommand>) {
        let mut rest = VecDeque::from(commands);
        while !rest.is_empty() {
            let part: Vec<_> = rest.drain(..rest.len().min(BATCH_MAX)).collect();
            let submits: Vec<_> = part.iter().cloned().map(submit).collect();
            let Ok(receiver) = crate::feed::submit_patiently(inner, &submits) else {
                return;
            };
            let Ok(answers) = receiver.blocking_recv() else {
                return;
            };
            for (command, answer) in part.iter().zip(&answers) {
                if let FlightCommand::Provider(event) = &command.command {
                    rest.extend(self.decided(command.flight, event, &answer.decision));
                }
            }
        }
    }
}

fn keep(late: &mut Late, note: &Note) {
    close(late, note);
    if let FeedCommand::Unplaced(report) = &note.command {
        late.unplaced(note.provider, &Unplaced::of_report(report));
    }
}

fn close(late: &mut Late, note: &Note) {
    if let FeedCommand::Replaced(replaced) = &note.command {
        let scope = Scope {
            carrier: replaced.carrier,
            from: replaced.from,
            to: replaced.to,
        };
        late.closed(note.provider, replaced.version, scope);
    }
}

/// The commands that reports about numbers and days make for the flights there are.
fn not_sent(inner: &Inner, notes: &[Note]) -> Vec<PushCommand> {
    let mut reports: Vec<(ProviderCode, u8, Unplaced)> = Vec::new();
    for note in notes {
        if let FeedCommand::Unplaced(report) = &note.command {
            let event = Unplaced::of_report(report);
            reports.push((note.provider, report.event.authority, event));
        }
    }
    reports.sort_by_key(|(provider, ..)| *provider);
    let mut commands = Vec::new();
    for of_one in reports.chunk_by(|a, b| a.0 == b.0) {
        let provider = of_one[0].0;
        let flights = flights_around(inner, provider, of_one.iter().map(|(_, _, event)| event));
        for (_, authority, event) in of_one {
            for flight in flights.of(inner, event) {
                commands.push(event.command(flight, provider, *authority, 0));
            }
        }
    }
    commands
}

/// Those that the flights have not decided. One that is over, or gone, needs nothing any more.
fn unknown(
    inner: &Inner,
    mut commands: Vec<PushCommand>,
) -> Result<Vec<PushCommand>, flightline_dataflows::Failure> {
    use flightline_api::backend::Backend;
    let Some(reader) = inner.dataflow.get() else {
        return Ok(Vec::new());
    };
    commands.sort_by_key(|command| (inner.partition_of(&command.flight), command.id));
    commands.dedup_by_key(|command| command.id);
    let mut unknown = Vec::new();
    for part in
        commands.chunk_by(|a, b| inner.partition_of(&a.flight) == inner.partition_of(&b.flight))
    {
        let asked: Vec<_> = part.iter().map(|c| (c.flight, c.id)).collect();
        let is_unknown =
            reader.with_ledger(inner.partition_of(&part[0].flight), move |ledger| {
                let asked = asked.iter().map(|(flight, id)| {
                    let at = ledger.find(flight);
                    at.is_some_and(|at| !ledger.flight(at).knows(*id))
                });
                asked.collect::<Vec<bool>>()
            })?;
        let these = part.iter().zip(is_unknown);
        unknown.extend(
            these
                .filter(|(_, is)| *is)
                .map(|(command, _)| command.clone()),
        );
    }
    Ok(unknown)
}

fn submit(command: PushCommand) -> Submit {
    let actor = match &command.command {
        FlightCommand::Provider(event) => Some(event.provider.as_str().into()),
        _ => None,
    };
    Submit {
        id: command.id,
        command: Command::Flight(command.flight, command.command),
        ref_text: None,
        actor,
    }
}
