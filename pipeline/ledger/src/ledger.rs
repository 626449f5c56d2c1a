//! The fold over one partition.

use std::collections::BTreeSet;

use crate::batch::Ahead;
use crate::codes::FlightKey;
use crate::command::{Command, FlightCommand, Input, ProviderBody, ProviderEvent, Settings};
use crate::details;
use crate::expiry::{Due, Expiry};
use crate::flight::{Flight, Step};
use crate::flights::Flights;
use crate::index::Index;
use crate::kind::{kind_of, kind_of_feed};
use crate::mix;
use crate::observer::{FlightIx, Observer};
use crate::outcome::{Decision, Kind, Outcome, Reason, Replay};
use crate::prefetch;
use crate::seller::Sellers;
use crate::view::HoldState;

/// The state of one partition: its clock, settings, flights, and what has been decided.
///
/// Feed it every record of the partition in offset order, with [`Ledger::apply`] or
/// [`Ledger::apply_batch`]. The rules are in `docs/ledger.md`. No input makes it panic; a broken
/// invariant of its own does.
///
/// ```
/// use flightline_ledger::{Command, CommandId, Input, Ledger, Outcome, Silent};
///
/// let mut ledger = Ledger::new();
/// let tick = Input { offset: 0, at_ms: 1_000, id: CommandId(1), command: Command::Tick };
/// assert_eq!(ledger.apply(&tick, &mut Silent).outcome, Outcome::Noted);
/// assert_eq!(ledger.clock_ms(), 1_000);
/// ```
#[derive(Clone)]
pub struct Ledger {
    pub(crate) clock_ms: i64,
    /// No hold lapses and no flight retires while the clock is below this.
    due_ms: i64,
    pub(crate) settings: Settings,
    index: Index,
    /// A retired flight leaves nothing.
    pub(crate) flights: Flights,
    /// Retired by the last call, still there to be read.
    graveyard: Vec<FlightIx>,
    pub(crate) expiry: Expiry,
    /// Flights by when they end, before the time they are kept beyond that.
    pub(crate) ends: BTreeSet<(i64, FlightKey, FlightIx)>,
    pub(crate) live: usize,
    /// Holds that wait.
    pub(crate) waiting: usize,
    /// Providers that may not sell.
    pub(crate) sellers: Sellers,
    /// Flights by when something that was said of them lapses next. Those that were told otherwise
    /// since are void.
    pub(crate) lapses: BTreeSet<(i64, FlightIx)>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

impl Ledger {
    /// The state before the first record.
    pub fn new() -> Self {
        Self {
            clock_ms: i64::MIN,
            due_ms: i64::MAX,
            settings: Settings::default(),
            index: Index::default(),
            flights: Flights::default(),
            graveyard: Vec::new(),
            expiry: Expiry::default(),
            ends: BTreeSet::new(),
            live: 0,
            waiting: 0,
            sellers: Sellers::default(),
            lapses: BTreeSet::new(),
        }
    }

    /// Decides the next record.
    pub fn apply<O: Observer>(&mut self, input: &Input, observer: &mut O) -> Decision {
        self.bury();
        self.step(input, &Ahead::now(input), observer)
    }

    /// Drops the flights that the last call retired.
    #[inline(always)]
    pub(crate) fn bury(&mut self) {
        if !self.graveyard.is_empty() {
            for flight in self.graveyard.drain(..) {
                self.flights.remove(flight);
            }
        }
    }

    /// Decides one record.
    #[inline(always)]
    pub(crate) fn step<O: Observer>(
        &mut self,
        input: &Input,
        ahead: &Ahead,
        observer: &mut O,
    ) -> Decision {
        self.clock_ms = self.clock_ms.max(input.at_ms);
        let is_heard = match &input.command {
            Command::Configure(_) | Command::Feed(..) => true,
            Command::Flight(_, FlightCommand::Provider(event)) if !self.sellers.is_empty() => {
                self.sellers.hear_event(event, self.clock_ms)
            }
            _ => false,
        };
        if self.clock_ms >= self.due_ms || is_heard {
            self.pass_time(input, observer);
        }
        let mut decision = Decision {
            offset: input.offset,
            at_ms: self.clock_ms,
            id: input.id,
            flight: FlightKey::NONE,
            kind: Kind::Tick,
            outcome: Outcome::Noted,
            replay: Replay::First,
        };
        match &input.command {
            Command::Flight(key, command) => {
                decision.flight = *key;
                decision.kind = kind_of(command);
                (decision.outcome, decision.replay) =
                    self.decide(input, key, command, ahead, observer);
            }
            Command::Tick => {}
            Command::Configure(_) => decision.kind = Kind::Configure,
            Command::FeedReject(_) => decision.kind = Kind::FeedReject,
            Command::Fence => decision.kind = Kind::Fence,
            Command::Order(..) => decision.kind = Kind::Order,
            Command::ConfigureOrders(_) => decision.kind = Kind::ConfigureOrders,
            Command::Feed(_, command) => decision.kind = kind_of_feed(command),
        }
        observer.decided(input, &decision);
        decision
    }

    /// Holds lapse, settings change, flights retire.
    #[cold]
    #[inline(never)]
    fn pass_time<O: Observer>(&mut self, input: &Input, observer: &mut O) {
        if let Command::Feed(provider, command) = &input.command {
            self.sellers.told(*provider, command, self.clock_ms);
        }
        let mut freed = Vec::new();
        self.pause_and_lapse(observer, &mut freed);
        let flights = &mut self.flights;
        loop {
            let due = self.expiry.pop_due(self.clock_ms, |distance, later| {
                if distance > 8 {
                    if let Some(flight) = flights.address(flights.place(later.flight)) {
                        prefetch::fetch(flight);
                    }
                } else if let Some(flight) = flights.at_work(later.flight)
                    && let Some(hold) = flight.holds.get(later.hold as usize)
                {
                    prefetch::fetch(hold);
                }
            });
            let Some(due) = due else { break };
            let Some(flight) = flights.get_mut(due.flight, observer) else {
                continue;
            };
            let Some(state) = lapsing(flight, &due) else {
                continue;
            };
            let mut step = Step {
                offset: input.offset,
                clock_ms: self.clock_ms,
                flight: due.flight,
                observer,
            };
            flight.settle(due.hold, HoldState::Expired, &mut step);
            match state {
                HoldState::Waiting => self.waiting -= 1,
                _ => self.live -= 1,
            }
            if flight.waiting > 0 {
                freed.push(due.flight);
            }
            observer.flight_changed(due.flight);
        }
        if let Command::Configure(settings) = &input.command {
            self.settings = *settings;
            // Sale may close later by these: everybody's turn may have come.
            if self.waiting > 0 {
                let waiting = self.unpacked_flights();
                let waiting = waiting.filter(|(_, flight)| flight.waiting > 0);
                freed = waiting.map(|(at, _)| at).collect();
            }
        }
        self.retire(input.offset, observer);
        freed.sort_unstable();
        freed.dedup();
        for flight in freed {
            self.seat_waiting(flight, input.offset, observer);
        }
        self.find_due();
    }

    /// Providers fall silent, stop and go on; what was said until now lapses.
    fn pause_and_lapse(&mut self, observer: &mut dyn Observer, freed: &mut Vec<FlightIx>) {
        for provider in self.sellers.settle(self.clock_ms) {
            let pause = self.sellers.pause_of(provider);
            let code = provider.as_str().as_bytes();
            // Its name is in what is stored of its flights. One without a name has none that are stored.
            let may_be = |stored: &[u8]| {
                let mut parts = stored.windows(code.len().max(1));
                parts.any(|part| part == code)
            };
            for at in 0..self.flights.len() {
                let mut waiting = false;
                let is = |flight: &Flight| {
                    !flight.retired && flight.paused_otherwise(provider, pause).is_some()
                };
                let change = |flight: &mut Flight| {
                    waiting = flight.waiting > 0;
                    flight.pause(provider, pause);
                };
                if self.flights.change(at, may_be, is, change, observer) {
                    observer.flight_changed(at);
                    observer.sale_changed(at);
                    // Also by a stop: a dearer provider may be the one whose price was expected.
                    freed.extend(waiting.then_some(at));
                }
            }
        }
        while let Some((lapses_ms, at)) = self.lapses.first().copied()
            && lapses_ms <= self.clock_ms
        {
            self.lapses.pop_first();
            let flight = self.flights.get_mut(at, &mut &mut *observer);
            let Some(flight) = flight.filter(|flight| !flight.retired) else {
                continue;
            };
            if flight.lapse(self.clock_ms) {
                observer.flight_changed(at);
                observer.sale_changed(at);
                freed.extend((flight.waiting > 0).then_some(at));
            }
            let next = flight.next_lapse_ms().map(|ms| (ms, at));
            self.lapses.extend(next);
        }
    }

    /// Holds seats for those that wait on a flight, as far as they fit by now.
    #[cold]
    #[inline(never)]
    fn seat_waiting(&mut self, at: FlightIx, offset: u64, observer: &mut dyn Observer) {
        let flight = self.flights.get_mut(at, &mut &mut *observer);
        let Some(flight) = flight.filter(|flight| !flight.retired) else {
            return;
        };
        let mut step = Step {
            offset,
            clock_ms: self.clock_ms,
            flight: at,
            observer,
        };
        let seated = flight.seat_waiting(&self.settings, &mut step);
        if !seated.is_empty() {
            step.observer.flight_changed(at);
        }
        for due in seated {
            self.waiting -= 1;
            self.live += 1;
            self.due_ms = self.due_ms.min(due.deadline_ms);
            self.expiry.push(due);
        }
    }

    /// The table of keys, made elsewhere.
    pub(crate) fn index_is(&mut self, index: Index) {
        self.index = index;
    }

    /// Works out when the clock next has something to do.
    pub(crate) fn find_due(&mut self) {
        if self.live + self.waiting == 0 {
            self.expiry.clear();
        }
        let hold = self.expiry.first().map(|due| due.deadline_ms);
        let flight = self.ends.first().map(|end| self.retires_at_ms(end.0));
        let due = hold.into_iter().chain(flight).chain(self.feeds_due_ms());
        self.due_ms = due.min().unwrap_or(i64::MAX);
    }

    /// When a provider next falls silent, or something that one said lapses.
    pub(crate) fn feeds_due_ms(&self) -> Option<i64> {
        let lapse = self.lapses.first().map(|lapse| lapse.0);
        lapse.into_iter().chain(self.sellers.due_ms()).min()
    }

    pub(crate) fn retires_at_ms(&self, end_ms: i64) -> i64 {
        end_ms.saturating_add_unsigned(self.settings.retire_after_ms)
    }

    /// Forgets the flights that are over.
    fn retire<O: Observer>(&mut self, offset: u64, observer: &mut O) {
        let mut over = Vec::new();
        while let Some(end) = self.ends.first() {
            let retires_at_ms = self.retires_at_ms(end.0);
            if retires_at_ms > self.clock_ms {
                break;
            }
            over.push((retires_at_ms, end.1, end.2));
            self.ends.pop_first();
        }
        // The order of ends is that of retirement, but where the sum stops at the highest value.
        over.sort_unstable();
        for (_, key, at) in over {
            let Some(flight) = self.flights.get_mut(at, observer) else {
                unreachable!("a flight retires twice");
            };
            let mut live: Vec<_> = (0..flight.holds.len() as u32)
                .filter(|hold| ends(flight.holds[*hold as usize].state))
                .collect();
            live.sort_by_key(|hold| (flight.holds[*hold as usize].deadline_ms, *hold));
            for hold in live {
                let mut step = Step {
                    offset,
                    clock_ms: self.clock_ms,
                    flight: at,
                    observer: &mut *observer,
                };
                match flight.holds[hold as usize].state {
                    HoldState::Waiting => self.waiting -= 1,
                    _ => self.live -= 1,
                }
                flight.settle(hold, HoldState::Expired, &mut step);
            }
            flight.retired = true;
            self.graveyard.push(at);
            observer.flight_changed(at);
            observer.flight_retired(at, key);
        }
    }

    /// Where a flight is, retired ones included.
    #[inline(always)]
    pub(crate) fn locate(&self, hash: u32, key: &FlightKey) -> Option<FlightIx> {
        let keys = &self.flights.keys;
        self.index.find(hash, |at| keys[at as usize] == *key)
    }

    /// Where a flight is, given where it probably is.
    #[inline(always)]
    fn resolve(&self, key: &FlightKey, ahead: &Ahead) -> Option<FlightIx> {
        if let Some(flight) = self.flights.at_place(ahead.place)
            && flight.key == *key
        {
            return Some(ahead.flight);
        }
        self.locate(mix::hash_key(key), key)
    }

    /// Where the search for a key begins, to be fetched ahead.
    #[inline(always)]
    pub(crate) fn slot_address(&self, hash: u32) -> *const u8 {
        self.index.address(hash)
    }

    /// Where a flight with this hash of its key probably is.
    #[inline(always)]
    pub(crate) fn guess(&self, hash: u32) -> Option<FlightIx> {
        self.index.find(hash, |_| true)
    }

    /// Decides a command about a flight.
    #[inline(always)]
    fn decide<O: Observer>(
        &mut self,
        input: &Input,
        key: &FlightKey,
        command: &FlightCommand,
        ahead: &Ahead,
        observer: &mut O,
    ) -> (Outcome, Replay) {
        let Some(at) = self.resolve(key, ahead) else {
            let outcome = self.decide_new(input, key, command, observer);
            return (outcome, Replay::First);
        };
        let flight = match self.flights.get_mut(at, observer) {
            Some(flight) if !flight.retired => flight,
            _ => return (Outcome::Refused(Reason::Retired), Replay::First),
        };
        let hash = ahead.id_hash;
        let details = details::fingerprint(command);
        if let Some(found) = flight.look_up(hash, input.id) {
            let (first_details, first_offset, outcome) = flight.first_answer(found);
            let replay = if first_details == details {
                Replay::Same { first_offset }
            } else {
                Replay::Different { first_offset }
            };
            return (outcome, replay);
        }
        let mut step = Step {
            offset: input.offset,
            clock_ms: self.clock_ms,
            flight: at,
            observer,
        };
        let (live, waiting) = (flight.live, flight.waiting);
        let outcome = match command {
            FlightCommand::Hold(request) => {
                let made =
                    flight.hold_seats(input.id, hash, details, request, &self.settings, &mut step);
                match made {
                    Ok((outcome, due)) => {
                        self.live += 1;
                        self.due_ms = self.due_ms.min(due.deadline_ms);
                        self.expiry.push(due);
                        step.observer.flight_changed(at);
                        if waiting > 0 {
                            self.seat_waiting(at, input.offset, observer);
                        }
                        return (outcome, Replay::First);
                    }
                    Err(reason @ Reason::SoldOut { .. }) if request.wait_ms.is_some() => {
                        let mut step = Step {
                            offset: step.offset,
                            clock_ms: step.clock_ms,
                            flight: at,
                            observer: step.observer as &mut dyn Observer,
                        };
                        let settings = &self.settings;
                        let waits = flight
                            .start_waiting(input.id, hash, details, request, settings, &mut step);
                        if let Some((outcome, due)) = waits {
                            self.waiting += 1;
                            self.due_ms = self.due_ms.min(due.deadline_ms);
                            self.expiry.push(due);
                            return (outcome, Replay::First);
                        }
                        Outcome::Refused(reason)
                    }
                    Err(reason) => Outcome::Refused(reason),
                }
            }
            FlightCommand::Reseat(ask) => {
                match flight.reseat(input.id, hash, details, ask, &self.settings, &mut step) {
                    Ok((outcome, due)) => {
                        self.live += 1;
                        self.due_ms = self.due_ms.min(due.deadline_ms);
                        self.expiry.push(due);
                        step.observer.flight_changed(at);
                        if waiting > 0 {
                            self.seat_waiting(at, input.offset, observer);
                        }
                        return (outcome, Replay::First);
                    }
                    Err(reason) => Outcome::Refused(reason),
                }
            }
            FlightCommand::Confirm { hold } => {
                flight.settle_hold(*hold, ahead.hold, HoldState::Confirmed, &mut step)
            }
            FlightCommand::Release { hold } => {
                flight.settle_hold(*hold, ahead.hold, HoldState::Released, &mut step)
            }
            FlightCommand::Cancel { hold } => {
                flight.settle_hold(*hold, ahead.hold, HoldState::Cancelled, &mut step)
            }
            FlightCommand::Provider(event) => {
                let end_ms = flight.latest_ms();
                let mut step = Step {
                    offset: step.offset,
                    clock_ms: step.clock_ms,
                    flight: at,
                    observer: step.observer as &mut dyn Observer,
                };
                let outcome = flight.hear(event, &mut step);
                if !self.sellers.is_empty() {
                    flight.pause(event.provider, self.sellers.pause_of(event.provider));
                }
                if lapses(event)
                    && let Some(lapses_ms) = flight.next_lapse_ms()
                {
                    self.lapses.insert((lapses_ms, at));
                    self.due_ms = self.due_ms.min(lapses_ms);
                }
                let new_end_ms = flight.latest_ms();
                if end_ms != new_end_ms {
                    self.ends.remove(&(end_ms, *key, at));
                    self.ends.insert((new_end_ms, *key, at));
                    let retires_at_ms =
                        new_end_ms.saturating_add_unsigned(self.settings.retire_after_ms);
                    self.due_ms = self.due_ms.min(retires_at_ms);
                }
                outcome
            }
        };
        self.live -= (live - flight.live) as usize;
        flight.remember(hash, input.id, details, input.offset, &outcome);
        let has_changed = changes_flight(&outcome);
        if has_changed {
            step.observer.flight_changed(at);
        }
        // Where nobody waits, this look at what was read anyway is all that waiting costs.
        if waiting > 0 && has_changed {
            self.waiting -= (waiting - flight.waiting) as usize;
            self.seat_waiting(at, input.offset, observer);
        }
        (outcome, Replay::First)
    }

    /// Decides a command about a flight that nobody scheduled yet.
    #[cold]
    #[inline(never)]
    fn decide_new<O: Observer>(
        &mut self,
        input: &Input,
        key: &FlightKey,
        command: &FlightCommand,
        observer: &mut O,
    ) -> Outcome {
        let event = match command {
            FlightCommand::Provider(event) => event,
            _ => return Outcome::Refused(Reason::UnknownFlight),
        };
        if !matches!(event.body, ProviderBody::Schedule(_)) {
            return Outcome::Refused(Reason::NotScheduled);
        }
        let at = self.flights.len();
        let mut step = Step {
            offset: input.offset,
            clock_ms: self.clock_ms,
            flight: at,
            observer: observer as &mut dyn Observer,
        };
        let Some((mut flight, outcome)) = Flight::create(*key, event, &mut step) else {
            return Outcome::Refused(Reason::InvalidEvent);
        };
        flight.pause(event.provider, self.sellers.pause_of(event.provider));
        let details = details::fingerprint(command);
        let hash = mix::hash_id(input.id);
        flight.remember(hash, input.id, details, input.offset, &outcome);
        let end_ms = flight.latest_ms();
        self.index.insert(mix::hash_key(key), at);
        self.flights.push(flight, observer);
        self.ends.insert((end_ms, *key, at));
        self.due_ms = self.due_ms.min(self.retires_at_ms(end_ms));
        observer.flight_changed(at);
        outcome
    }
}

/// Does what the event says hold for a time only?
fn lapses(event: &ProviderEvent) -> bool {
    match &event.body {
        ProviderBody::Availability(report) => report.expires_ms.is_some(),
        _ => false,
    }
}

/// Does time end a hold in this state?
#[inline(always)]
const fn ends(state: HoldState) -> bool {
    matches!(state, HoldState::Held | HoldState::Waiting)
}

/// The state of a hold that is to lapse, unless it has ended before. One that got its seats after
/// waiting has another deadline since: the entry of the first one is void.
#[inline(always)]
pub(crate) fn lapsing(flight: &Flight, due: &Due) -> Option<HoldState> {
    let hold = &flight.holds[due.hold as usize];
    let is_due = ends(hold.state) && hold.deadline_ms == due.deadline_ms;
    is_due.then_some(hold.state)
}

/// Did the command change anything that [`Observer::flight_changed`] tells of?
#[inline(always)]
fn changes_flight(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Confirmed { already: false, .. }
            | Outcome::Released { already: false, .. }
            | Outcome::Cancelled { already: false, .. }
            | Outcome::Accepted { .. }
    )
}
