//! What orders act on: flights (the real ledger) and a payment and ticketing service with books.

use std::collections::{BTreeMap, BTreeSet};

use flightline_ledger::command::{
    Availability, CabinPlan, Counts, Fare, Leg, LegTimes, Level, SaleStatus, Schedule,
    SourceVersion,
};
use flightline_ledger::order::{
    Effect, EffectId, EffectResult, FlightChange, FlightNotice, MoneyAsk, OutwardAsk, Work,
};
use flightline_ledger::{
    Cabin, Command, CommandId, FlightCommand, FlightIx, FlightKey, HoldIx, HoldState, Input,
    Ledger, Observer, ProviderBody, ProviderCode, ProviderEvent,
};

use crate::rng::Rng;
use crate::support::{DEPARTS_MS, HOUR_MS, flight, other, provider, text, usd};

/// What the payment service has in its books for one authorisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) authorised: i64,
    pub(crate) captured: i64,
    pub(crate) refunded: i64,
    pub(crate) voided: bool,
}

/// Everything outside.
pub(crate) struct Outside {
    pub(crate) ledger: Ledger,
    offset: u64,
    version: i64,
    serial: u128,
    pub(crate) now_ms: i64,
    pub(crate) accounts: BTreeMap<Box<str>, Account>,
    /// Answers by idempotency key.
    answers: BTreeMap<EffectId, EffectResult>,
    /// Sales by placement, as their providers have them: false = forgotten.
    pub(crate) placements: BTreeMap<EffectId, bool>,
    /// Those that a provider would not forget.
    kept: BTreeSet<EffectId>,
    pub(crate) tickets: usize,
    /// In per cent: how often a service refuses, and how often nobody learns what it did.
    pub(crate) refuses: u64,
    pub(crate) silent: u64,
    /// Word of the flights for the orders.
    pub(crate) notices: Vec<FlightNotice>,
}

#[derive(Default)]
struct Displaced(Vec<(FlightIx, HoldIx)>);

impl Observer for Displaced {
    fn hold_changed(&mut self, flight: FlightIx, hold: HoldIx, _: Option<HoldState>) {
        self.0.push((flight, hold));
    }
}

impl Outside {
    pub(crate) fn new(flights: usize, seats: u16, now_ms: i64) -> Self {
        let mut outside = Self {
            ledger: Ledger::new(),
            offset: 0,
            version: 0,
            serial: 1 << 100,
            now_ms,
            accounts: BTreeMap::new(),
            answers: BTreeMap::new(),
            placements: BTreeMap::new(),
            kept: BTreeSet::new(),
            tickets: 0,
            refuses: 0,
            silent: 0,
            notices: Vec::new(),
        };
        for number in 0..flights {
            outside.schedule(number, seats);
            outside.fare(number, 100_00);
            // At another one too, sometimes dearer.
            outside.second(number, seats, 100_00 + 10_00 * (number as i64 % 2));
        }
        outside
    }

    fn command(
        &mut self,
        id: CommandId,
        key: FlightKey,
        command: FlightCommand,
    ) -> Option<EffectResult> {
        let input = Input {
            offset: self.offset,
            at_ms: self.now_ms,
            id,
            command: Command::Flight(key, command),
        };
        self.offset += 1;
        let mut displaced = Displaced::default();
        let decision = self.ledger.apply(&input, &mut displaced);
        for (flight, hold) in displaced.0 {
            let flight = self.ledger.flight(flight);
            let hold = flight.hold(hold);
            if hold.state == HoldState::Displaced {
                self.notices.push(FlightNotice {
                    flight: flight.key(),
                    offset: decision.offset,
                    change: FlightChange::Displaced { hold: hold.id },
                });
            }
        }
        EffectResult::of_flight(&decision)
    }

    fn event(&mut self, number: usize, body: ProviderBody) -> u64 {
        self.event_of(provider(), number, body)
    }

    fn event_of(&mut self, provider: ProviderCode, number: usize, body: ProviderBody) -> u64 {
        self.version += 1;
        self.serial += 1;
        let event = ProviderEvent {
            provider,
            version: SourceVersion {
                time_ms: self.version,
                group: 0,
                sequence: 0,
            },
            authority: 1,
            quality: 0,
            body,
        };
        let command = FlightCommand::Provider(Box::new(event));
        self.command(CommandId(self.serial), flight(number), command);
        self.offset - 1
    }

    fn leg_times(number: usize, departs_ms: i64) -> LegTimes {
        LegTimes {
            board: flight(number).board,
            departs_s: departs_ms / 1000,
            arrives_s: departs_ms / 1000 + 7200,
            departs_offset_min: 0,
            arrives_offset_min: 0,
        }
    }

    fn schedule(&mut self, number: usize, seats: u16) {
        let departs_ms = DEPARTS_MS + number as i64 * 3 * HOUR_MS;
        let leg = Leg {
            board: flight(number).board,
            off: "LAX".parse().unwrap(),
            times: Self::leg_times(number, departs_ms),
            aircraft: *b"738",
            service: b'J',
            cabins: vec![CabinPlan {
                cabin: Cabin::new(b'Y').unwrap(),
                seats: Some(seats),
                authorised: None,
                classes: Vec::new(),
            }],
        };
        let schedule = Schedule {
            legs: vec![leg],
            restricted: Vec::new(),
            operating: None,
        };
        self.event(number, ProviderBody::Schedule(schedule));
    }

    pub(crate) fn fare(&mut self, number: usize, minor: i64) {
        let fare = Fare {
            segment: None,
            cabin: Cabin::new(b'Y').unwrap(),
            class: None,
            price: usd(minor),
        };
        self.event(number, ProviderBody::Fares(vec![fare]));
    }

    /// What another provider has on the flight.
    pub(crate) fn second(&mut self, number: usize, seats: u16, minor: i64) {
        let fare = Fare {
            segment: None,
            cabin: Cabin::new(b'Y').unwrap(),
            class: None,
            price: usd(minor),
        };
        self.event_of(other(), number, ProviderBody::Fares(vec![fare]));
        let body = Self::available(i32::from(seats));
        self.event_of(other(), number, body);
    }

    pub(crate) fn capacity(&mut self, number: usize, seats: i32) {
        self.event(number, Self::available(seats));
    }

    fn available(seats: i32) -> ProviderBody {
        ProviderBody::Availability(Availability {
            level: Level::Flight,
            cabin: Some(Cabin::new(b'Y').unwrap()),
            class: None,
            status: SaleStatus::Open,
            seats: Some(seats),
            is_floor: false,
            counts: Counts::Total,
            expires_ms: None,
        })
    }

    pub(crate) fn cancel(&mut self, number: usize) {
        let offset = self.event(number, ProviderBody::Cancel);
        self.notices.push(FlightNotice {
            flight: flight(number),
            offset,
            change: FlightChange::Cancelled,
        });
    }

    pub(crate) fn reinstate(&mut self, number: usize) {
        self.event(number, ProviderBody::Reinstate);
    }

    pub(crate) fn retime(&mut self, number: usize, departs_ms: i64) {
        let times = Self::leg_times(number, departs_ms);
        let offset = self.event(number, ProviderBody::TimeChange(vec![times]));
        self.notices.push(FlightNotice {
            flight: flight(number),
            offset,
            change: FlightChange::Times {
                board: flight(number).board,
                departs_ms,
            },
        });
    }

    /// Runs an effect. What a service does under one id it does once, and says the same ever after;
    /// but what it says may be lost, before or after it acted.
    pub(crate) fn run(&mut self, effect: &Effect, rng: &mut Rng) -> EffectResult {
        if rng.percent(self.silent / 2) {
            return EffectResult::Unknown;
        }
        let result = match effect.work.flight_command() {
            Some((key, command)) => self.command(effect.id.into(), key, command),
            None => Some(self.serve(effect, rng)),
        };
        let mut result = result.unwrap_or_else(|| panic!("no answer to {effect:?}"));
        if let EffectResult::Waiting { .. } = result {
            result = self.waited(effect);
        }
        if rng.percent(self.silent / 2) {
            return EffectResult::Unknown;
        }
        result
    }

    /// What has become by now of a hold that waits or has waited.
    pub(crate) fn waited(&self, effect: &Effect) -> EffectResult {
        let Some((key, _)) = effect.work.flight_command() else {
            panic!("{effect:?} is about no flight");
        };
        let flight = self.ledger.flight(self.ledger.find(&key).unwrap());
        let hold = flight.find_hold(effect.id.into()).unwrap();
        EffectResult::of_hold(&flight.hold(hold))
    }

    /// Was a withdrawal of it refused for good?
    pub(crate) fn refused_to_forget(&self, placement: EffectId) -> bool {
        self.kept.contains(&placement)
    }

    fn serve(&mut self, effect: &Effect, rng: &mut Rng) -> EffectResult {
        if let Some(answer) = self.answers.get(&effect.id) {
            return answer.clone();
        }
        let answer = self.act(effect, rng.percent(self.refuses));
        self.answers.insert(effect.id, answer.clone());
        answer
    }

    /// Panics on what no real service would take.
    fn act(&mut self, effect: &Effect, refuse: bool) -> EffectResult {
        let failed = EffectResult::Failed { code: text("no") };
        match &effect.work {
            Work::Money(MoneyAsk::Authorise { .. }) if refuse => {
                EffectResult::Declined { code: text("no") }
            }
            Work::Outward(work) if refuse => {
                if let OutwardAsk::Withdraw { .. } = work.ask {
                    self.kept.insert(work.placement);
                }
                failed
            }
            _ if refuse => failed,
            Work::Money(MoneyAsk::Authorise { amount, .. }) => {
                let reference: Box<str> = effect.id.to_string().into();
                let account = Account {
                    authorised: amount.minor,
                    ..Account::default()
                };
                self.accounts.insert(reference.clone(), account);
                EffectResult::Authorised { reference }
            }
            Work::Money(MoneyAsk::Capture { amount, reference }) => {
                let account = self.accounts.get_mut(reference).unwrap();
                assert!(
                    !account.voided && account.captured == 0,
                    "{effect:?}: {account:?}"
                );
                assert_eq!(amount.minor, account.authorised, "{effect:?}");
                account.captured = amount.minor;
                EffectResult::Captured
            }
            Work::Money(MoneyAsk::Void { reference }) => {
                let account = self.accounts.get_mut(reference).unwrap();
                assert!(
                    !account.voided && account.captured == 0,
                    "{effect:?}: {account:?}"
                );
                account.voided = true;
                EffectResult::Voided
            }
            Work::Money(MoneyAsk::Refund { amount, reference }) => {
                let account = self.accounts.get_mut(reference).unwrap();
                account.refunded += amount.minor;
                assert!(
                    account.refunded <= account.captured,
                    "{effect:?}: {account:?}"
                );
                EffectResult::Refunded
            }
            Work::Ticket { .. } => {
                self.tickets += 1;
                EffectResult::Ticketed {
                    number: format!("016-{}", self.tickets).into(),
                }
            }
            Work::Outward(work) => {
                let is_known = self.placements.get(&work.placement).copied();
                match work.ask {
                    // It was withdrawn before it came.
                    OutwardAsk::Place if is_known == Some(false) => failed,
                    OutwardAsk::Place => {
                        self.placements.insert(work.placement, true);
                        EffectResult::Placed {
                            reference: work.placement.to_string().into(),
                        }
                    }
                    OutwardAsk::Withdraw { .. } => {
                        self.placements.insert(work.placement, false);
                        EffectResult::Withdrawn
                    }
                }
            }
            Work::Seats { .. } => unreachable!(),
        }
    }
}
