//! A partition to play with, and short names for what is said to it.

use flightline_ledger::command::{
    Availability, CabinPlan, ClassPlan, Counts, Fare, Leg, LegTimes, Level, SaleStatus, Schedule,
    SourceVersion,
};
use flightline_ledger::{
    Cabin, Class, Command, CommandId, Decision, Flight, FlightCommand, FlightKey, HoldRequest,
    HoldState, Input, InventoryLine, Ledger, Money, Outcome, ProviderBody, ProviderCode,
    ProviderEvent, Reason, Replay, Silent, Station,
};

/// Departure of the first leg of every flight here, Unix time in seconds.
pub(crate) const DEPARTS_S: i64 = 2_000_000_000;
/// One hour.
pub(crate) const HOUR_MS: i64 = 3_600_000;

pub(crate) fn station(text: &str) -> Station {
    text.parse().unwrap()
}

pub(crate) fn cabin(letter: char) -> Cabin {
    Cabin::new(letter as u8).unwrap()
}

pub(crate) fn class(letter: char) -> Class {
    Class::new(letter as u8).unwrap()
}

pub(crate) fn provider(text: &str) -> ProviderCode {
    text.parse().unwrap()
}

pub(crate) fn key() -> FlightKey {
    "UA1.2033-05-18.AAA".parse().unwrap()
}

pub(crate) fn usd(minor: i64) -> Money {
    Money {
        minor,
        currency: "USD".parse().unwrap(),
        exponent: 2,
    }
}

/// An id from a name.
pub(crate) fn id(name: &str) -> CommandId {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    CommandId(u128::from_be_bytes(bytes))
}

/// A cabin with seats, and classes with limits.
pub(crate) fn plan(
    letter: char,
    seats: impl Into<Option<u16>>,
    classes: &[(char, Option<u16>)],
) -> CabinPlan {
    let classes = classes.iter().map(|(letter, limit)| ClassPlan {
        class: class(*letter),
        limit: *limit,
    });
    CabinPlan {
        cabin: cabin(letter),
        seats: seats.into(),
        authorised: None,
        classes: classes.collect(),
    }
}

/// A schedule over stations such as `AAA-BBB-CCC`; each leg takes an hour and leaves two hours after
/// the one before, with the same cabins.
pub(crate) fn schedule(route: &str, cabins: &[CabinPlan]) -> Schedule {
    let stations: Vec<Station> = route.split('-').map(station).collect();
    let legs = stations.windows(2).zip(0..).map(|(pair, at)| Leg {
        board: pair[0],
        off: pair[1],
        times: LegTimes {
            board: pair[0],
            departs_s: DEPARTS_S + at * 7200,
            arrives_s: DEPARTS_S + at * 7200 + 3600,
            departs_offset_min: 0,
            arrives_offset_min: 60,
        },
        aircraft: *b"738",
        service: b'J',
        cabins: cabins.to_vec(),
    });
    Schedule {
        legs: legs.collect(),
        restricted: Vec::new(),
        operating: None,
    }
}

/// Seats in cabin Y, of the whole flight, from the provider `own`.
pub(crate) fn ask(seats: u16) -> HoldRequest {
    HoldRequest {
        provider: Some(provider("own")),
        cabin: cabin('Y'),
        class: None,
        board: None,
        off: None,
        seats,
        ttl_ms: None,
        expected_price: None,
        wait_ms: None,
    }
}

/// The same in a class.
pub(crate) fn ask_class(seats: u16, letter: char) -> HoldRequest {
    HoldRequest {
        class: Some(class(letter)),
        ..ask(seats)
    }
}

/// The same between two stations.
pub(crate) fn ask_part(seats: u16, board: &str, off: &str) -> HoldRequest {
    HoldRequest {
        board: Some(station(board)),
        off: Some(station(off)),
        ..ask(seats)
    }
}

/// A count of a cabin on the whole flight.
pub(crate) fn count(letter: char, counts: Counts, seats: i32) -> Availability {
    Availability {
        level: Level::Flight,
        cabin: Some(cabin(letter)),
        class: None,
        status: SaleStatus::Open,
        seats: Some(seats),
        is_floor: false,
        counts,
        expires_ms: None,
    }
}

/// A count of a class.
pub(crate) fn count_class(letter: char, of: char, counts: Counts, seats: i32) -> Availability {
    Availability {
        class: Some(class(of)),
        ..count(letter, counts, seats)
    }
}

/// A status alone.
pub(crate) fn status(letter: char, status: SaleStatus) -> Availability {
    Availability {
        status,
        seats: None,
        ..count(letter, Counts::Total, 0)
    }
}

/// A fare for the whole flight.
pub(crate) fn fare(letter: char, of: Option<char>, minor: i64) -> Fare {
    Fare {
        segment: None,
        cabin: cabin(letter),
        class: of.map(class),
        price: usd(minor),
    }
}

pub(crate) fn available(body: Availability) -> ProviderBody {
    ProviderBody::Availability(body)
}

pub(crate) fn refused(reason: Reason) -> Outcome {
    Outcome::Refused(reason)
}

pub(crate) fn sold_out(available: u16) -> Outcome {
    refused(Reason::SoldOut { available })
}

pub(crate) const fn accepted(displaced: u32) -> Outcome {
    Outcome::Accepted {
        displaced,
        partly_stale: false,
    }
}

pub(crate) const fn partly(displaced: u32) -> Outcome {
    Outcome::Accepted {
        displaced,
        partly_stale: true,
    }
}

/// One partition with its records.
pub(crate) struct World {
    pub(crate) ledger: Ledger,
    pub(crate) records: Vec<Input>,
    pub(crate) now_ms: i64,
    serial: u32,
}

impl World {
    pub(crate) fn empty() -> Self {
        Self {
            ledger: Ledger::new(),
            records: Vec::new(),
            now_ms: 1_000,
            serial: 0,
        }
    }

    /// With a flight of the provider `own` at version 10 and authority 10.
    pub(crate) fn with(schedule: Schedule) -> Self {
        let mut world = Self::empty();
        assert_eq!(world.schedule("own", 10, schedule), accepted(0));
        world
    }

    /// One leg with so many seats in cabin Y.
    pub(crate) fn simple(seats: u16) -> Self {
        Self::with(schedule("AAA-BBB", &[plan('Y', seats, &[])]))
    }

    pub(crate) fn record(&mut self, id: CommandId, command: Command) -> Decision {
        let input = Input {
            offset: self.records.len() as u64,
            at_ms: self.now_ms,
            id,
            command,
        };
        let decision = self.ledger.apply(&input, &mut Silent);
        self.ledger.check_invariants();
        assert_eq!((decision.offset, decision.id), (input.offset, id));
        assert_eq!(decision.at_ms, self.ledger.clock_ms());
        self.records.push(input);
        decision
    }

    pub(crate) fn about(&mut self, key: FlightKey, name: &str, command: FlightCommand) -> Decision {
        let decision = self.record(id(name), Command::Flight(key, command));
        assert_eq!(decision.flight, key);
        decision
    }

    /// A command about the flight; it must be a new one.
    pub(crate) fn say(&mut self, name: &str, command: FlightCommand) -> Outcome {
        let decision = self.about(key(), name, command);
        assert_eq!(decision.replay, Replay::First, "{name}");
        decision.outcome
    }

    pub(crate) fn tick(&mut self, at_ms: i64) {
        self.now_ms = at_ms;
        let decision = self.record(CommandId(0), Command::Tick);
        assert_eq!(decision.outcome, Outcome::Noted);
    }

    pub(crate) fn hold(&mut self, name: &str, request: HoldRequest) -> Outcome {
        self.say(name, FlightCommand::Hold(request))
    }

    /// A hold that must succeed.
    pub(crate) fn held(&mut self, name: &str, request: HoldRequest) {
        let outcome = self.hold(name, request);
        assert!(
            matches!(outcome, Outcome::Held { .. }),
            "{name}: {outcome:?}"
        );
    }

    /// A sale that must succeed.
    pub(crate) fn sold(&mut self, name: &str, request: HoldRequest) {
        let seats = request.seats;
        self.held(name, request);
        let confirmed = Outcome::Confirmed {
            seats,
            already: false,
        };
        assert_eq!(self.confirm(name), confirmed);
    }

    fn serial(&mut self) -> String {
        self.serial += 1;
        format!("#{}", self.serial)
    }

    pub(crate) fn confirm(&mut self, hold: &str) -> Outcome {
        let name = self.serial();
        self.say(&name, FlightCommand::Confirm { hold: id(hold) })
    }

    pub(crate) fn release(&mut self, hold: &str) -> Outcome {
        let name = self.serial();
        self.say(&name, FlightCommand::Release { hold: id(hold) })
    }

    pub(crate) fn cancel(&mut self, hold: &str) -> Outcome {
        let name = self.serial();
        self.say(&name, FlightCommand::Cancel { hold: id(hold) })
    }

    /// An event of authority 10.
    pub(crate) fn event(&mut self, from: &str, version: i64, body: ProviderBody) -> Outcome {
        self.event_of(10, from, version, body)
    }

    pub(crate) fn event_of(
        &mut self,
        authority: u8,
        from: &str,
        version: i64,
        body: ProviderBody,
    ) -> Outcome {
        let name = self.serial();
        self.say(&name, event(authority, from, version, body))
    }

    pub(crate) fn schedule(&mut self, from: &str, version: i64, schedule: Schedule) -> Outcome {
        self.event(from, version, ProviderBody::Schedule(schedule))
    }

    pub(crate) fn available(&mut self, version: i64, body: Availability) -> Outcome {
        self.event("own", version, available(body))
    }

    pub(crate) fn flight(&self) -> &Flight {
        let at = self.ledger.find(&key()).expect("the flight");
        self.ledger.get_unpacked(at).expect("it is the only one")
    }

    pub(crate) fn state(&self, hold: &str) -> HoldState {
        let flight = self.flight();
        let at = flight.find_hold(id(hold)).expect("the hold");
        flight.hold(at).state
    }

    /// States of some holds.
    pub(crate) fn states<const N: usize>(&self, holds: [&str; N]) -> [HoldState; N] {
        holds.map(|hold| self.state(hold))
    }

    pub(crate) fn line(
        &self,
        from: &str,
        leg: u8,
        letter: char,
        of: Option<char>,
    ) -> InventoryLine {
        let mut lines = self.flight().inventory();
        let wanted = (provider(from), leg, cabin(letter), of.map(class));
        lines
            .find(|line| (line.provider, line.leg, line.cabin, line.class) == wanted)
            .unwrap_or_else(|| panic!("no line {wanted:?}"))
    }

    /// Seats that cabin Y of `own` offers on a leg.
    pub(crate) fn left(&self, leg: u8) -> i64 {
        self.line("own", leg, 'Y', None).available
    }

    /// Seats that a class in cabin Y of `own` offers on the first leg.
    pub(crate) fn left_in(&self, of: char) -> i64 {
        self.line("own", 0, 'Y', Some(of)).available
    }
}

pub(crate) fn event(authority: u8, from: &str, version: i64, body: ProviderBody) -> FlightCommand {
    FlightCommand::Provider(Box::new(ProviderEvent {
        provider: provider(from),
        version: SourceVersion {
            time_ms: version,
            group: 0,
            sequence: 0,
        },
        authority,
        quality: 0,
        body,
    }))
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let state = self.ledger.hash_state();
        let mut batch = Ledger::new();
        batch.keep_unpacked(1);
        batch.apply_batch(&self.records, &mut Silent);
        assert_eq!(
            batch.hash_state(),
            state,
            "one batch folds to another state"
        );
        let (first, second) = self.records.split_at(self.records.len() / 2);
        let mut ledger = Ledger::new();
        ledger.apply_batch(first, &mut Silent);
        let mut stored = Vec::new();
        ledger.save(&mut stored);
        let mut copy = Ledger::load(&stored).expect("what was stored can be read");
        copy.check_invariants();
        copy.keep_unpacked(1);
        for record in second {
            copy.apply(record, &mut Silent);
        }
        assert_eq!(
            copy.hash_state(),
            state,
            "two pieces, the first of them stored, fold to another state"
        );
    }
}
