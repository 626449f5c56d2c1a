//! The next record of a random history.

use std::collections::VecDeque;

use flightline_ledger::command::{FeedReject, Settings};
use flightline_ledger::order::{OrderAction, OrderId};
use flightline_ledger::{Command, CommandId, FlightCommand, FlightKey, Input};

use super::aim::{self, Versions};
use super::feeds;
use super::rng::Rng;
use super::schedules::Flavour;
use crate::model::{Hold, HoldState, Model};

pub(super) const MINUTE_MS: i64 = 60 * 1000;
pub(super) const HOUR_MS: i64 = 60 * MINUTE_MS;

/// How many commands back a duplicate can reach.
const SENT_MAX: usize = 300;

#[derive(Clone, Copy)]
pub(super) enum What {
    Hold,
    Confirm,
    Release,
    Cancel,
    Reseat,
    Event,
    Same,
    Different,
    Elsewhere,
    Tick,
    Configure,
    FeedReject,
    Fence,
    Order,
    ConfigureOrders,
    Feed,
}

/// Makes the records of one partition, one after another.
///
/// Sees the model's state to aim by, and is a function of its seed and of that state alone.
#[derive(Clone, Debug)]
pub struct Generator {
    pub(super) rng: Rng,
    pub(super) flavour: Flavour,
    pub(super) versions: Versions,
    pub(super) keys: Vec<FlightKey>,
    pub(super) sent: VecDeque<(FlightKey, CommandId, FlightCommand)>,
    pub(super) offset: u64,
    pub(super) commands: u64,
    pub(super) now_ms: i64,
    pub(super) next_id: u128,
    pub(super) id_step: u128,
}

impl Generator {
    /// For a history of about `commands` records. The count only tells when the values that end
    /// a partition's life for good, such as the last moment there is, may come up.
    pub fn new(seed: u64, commands: u64) -> Self {
        let mut rng = Rng::new(seed);
        let flavour = Flavour {
            seats: rng.weighted(&[(4, 6), (6, 20), (6, 80), (3, 300), (1, 9000)]),
            legs: rng.weighted(&[(6, 1), (6, 2), (6, 3), (5, 4), (1, 12)]),
            crowd: rng.chance(15),
            hostile: rng.chance(250),
            repeats: rng.chance(150),
            events: rng.weighted(&[(1, 60), (2, 200), (1, 450)]),
            unsettled: rng.chance(200),
            fickle: rng.chance(150),
        };
        let now_ms = 1_800_000_000_000 + rng.between(0, 90 * 24) * HOUR_MS;
        let flights = rng.weighted(&[(20, 1), (30, 2), (30, 3), (20, 5), (2, 40)]);
        let keys = (0..flights)
            .map(|_| aim::flight_key(&mut rng, now_ms))
            .collect();
        let next_id = u128::from(rng.bits()) << 40;
        // Ids that differ in some of their bits only must be told apart like any others.
        let id_step = rng.weighted(&[
            (8, 1),
            (1, 1 << 32),
            (1, 1 << 64),
            (1, 1 << 96),
            (1, 1 << 116),
        ]);
        Self {
            rng,
            flavour,
            versions: Versions::default(),
            keys,
            sent: VecDeque::new(),
            offset: 0,
            commands,
            now_ms,
            next_id,
            id_step,
        }
    }

    /// The next record. `model` has folded all the earlier ones.
    pub fn next(&mut self, model: &Model) -> Input {
        let first = self.offset == 0;
        let (id, command) = if first && self.rng.chance(900) {
            (self.new_id(), Command::Configure(self.usual_settings()))
        } else {
            self.command(model)
        };
        let input = Input {
            offset: self.offset,
            at_ms: self.time(model),
            id,
            command,
        };
        self.offset += 1;
        if let Command::Flight(key, command) = &input.command {
            self.sent.push_back((*key, input.id, command.clone()));
            if self.sent.len() > SENT_MAX {
                self.sent.pop_front();
            }
        }
        input
    }

    fn new_id(&mut self) -> CommandId {
        self.next_id = self.next_id.wrapping_add(self.id_step);
        CommandId(self.next_id)
    }

    /// Moments at which something is due, soon: deadlines, ends of sale, retirements.
    fn due_soon(&self, model: &Model) -> Vec<i64> {
        let mut due = Vec::new();
        for seller in model.sellers.values() {
            let limit = seller.silence_max_ms.unwrap_or(u64::MAX);
            due.push(seller.heard_ms.saturating_add_unsigned(limit));
        }
        for flight in model.flights.values() {
            let cabins = flight.providers.values().flat_map(|p| p.cabins.values());
            due.extend(cabins.filter_map(|cabin| cabin.own.until_ms));
            let live = |h: &&Hold| matches!(h.state, HoldState::Held | HoldState::Waiting);
            let live = flight.holds.iter().filter(live);
            due.extend(live.map(|hold| hold.deadline_ms));
            due.push(flight.retire_at_ms(&model.settings));
            let close_ms = model
                .settings
                .close_before_departure_ms
                .min(i64::MAX as u64) as i64;
            for leg in &flight.legs {
                let departs_ms = leg.times.departs_s.saturating_mul(1000);
                due.push(departs_ms.saturating_sub(close_ms));
            }
        }
        due.retain(|at| (self.now_ms + 1..self.now_ms + 20 * MINUTE_MS).contains(at));
        due
    }

    fn time(&mut self, model: &Model) -> i64 {
        if self.rng.chance(15) {
            let due = self.due_soon(model);
            if let Some(at) = self.rng.pick_some(&due) {
                // To the millisecond, or one to either side of it.
                self.now_ms = at + self.rng.between(-1, 1);
                return self.now_ms;
            }
        }
        let over = |key: &FlightKey| {
            let flight = model.flights.get(key);
            flight.is_some_and(|f| f.legs[0].times.departs_s < self.now_ms / 1000)
        };
        // Nothing is left to sell: on to the next day.
        if self.keys.iter().all(over) && self.rng.chance(50) {
            self.now_ms += HOUR_MS;
        }
        let rng = &mut self.rng;
        let late = self.offset * 100 > self.commands * 85;
        match rng.below(1000) {
            0..=1 => self.now_ms += rng.between(HOUR_MS, 4 * HOUR_MS),
            2..=14 => self.now_ms += rng.between(5 * MINUTE_MS, 30 * MINUTE_MS),
            15..=120 => return self.now_ms - rng.between(1, 10 * MINUTE_MS),
            121..=123 if self.flavour.hostile => return i64::MIN,
            124 if self.flavour.hostile && late => return rng.pick(&[i64::MAX, i64::MAX - 1]),
            125..=500 => {}
            _ => self.now_ms += rng.between(0, 60_000),
        }
        self.now_ms
    }

    fn usual_settings(&mut self) -> Settings {
        let rng = &mut self.rng;
        let mut close_before = vec![0, 1, 30 * MINUTE_MS as u64];
        if self.flavour.unsettled {
            close_before.push(12 * HOUR_MS as u64);
        }
        Settings {
            hold_ttl_default_ms: rng.between(1, 60 * MINUTE_MS) as u64,
            hold_ttl_max_ms: rng.between(60 * MINUTE_MS, 48 * HOUR_MS) as u64,
            close_before_departure_ms: rng.pick(&close_before),
            retire_after_ms: rng.between(0, 2 * HOUR_MS) as u64,
        }
    }

    fn settings(&mut self) -> Settings {
        let mut settings = self.usual_settings();
        if self.rng.chance(if self.flavour.hostile { 150 } else { 40 }) {
            let extreme = self.rng.pick(&[0, 1, u64::MAX, i64::MAX as u64]);
            match self.rng.below(4) {
                0 => settings.hold_ttl_default_ms = extreme,
                1 => settings.hold_ttl_max_ms = extreme,
                2 => settings.close_before_departure_ms = extreme,
                _ => settings.retire_after_ms = extreme,
            }
        }
        settings
    }

    pub(super) fn flight_key(&mut self, model: &Model) -> FlightKey {
        let mut at = self.rng.below(self.keys.len());
        // Flights that sell are more worth asking for.
        let sells = |key: &FlightKey| {
            model.flights.get(key).is_none_or(|flight| {
                let departs_s = flight.legs[0].times.departs_s;
                !flight.cancelled
                    && flight.operating.is_none()
                    && departs_s.saturating_mul(1000) > self.now_ms
            })
        };
        if !sells(&self.keys[at]) && self.rng.chance(800) {
            at = self.rng.below(self.keys.len());
        }
        let key = self.keys[at];
        // A flight that is over is asked for a few times more, then another takes its place.
        if model.retired.contains(&key) && self.rng.chance(250) {
            let mut next = aim::flight_key(&mut self.rng, self.now_ms);
            if self.rng.chance(100) {
                next.number = key.number;
            }
            self.keys[at] = next;
        }
        match self.rng.below(1000) {
            0..=5 => aim::flight_key(&mut self.rng, self.now_ms),
            _ => self.keys[at],
        }
    }

    fn command(&mut self, model: &Model) -> (CommandId, Command) {
        let events = self.flavour.events;
        let what = self.rng.weighted(&[
            (400, What::Hold),
            (150, What::Confirm),
            (50, What::Release),
            (70, What::Cancel),
            (70, What::Reseat),
            (events, What::Event),
            (60, What::Same),
            (25, What::Different),
            (5, What::Elsewhere),
            (15, What::Tick),
            (if self.flavour.unsettled { 60 } else { 7 }, What::Configure),
            (2, What::FeedReject),
            (2, What::Fence),
            (4, What::Order),
            (1, What::ConfigureOrders),
            (if self.flavour.fickle { 25 } else { 3 }, What::Feed),
        ]);
        let command = match what {
            What::Tick => Command::Tick,
            What::Configure => Command::Configure(self.settings()),
            What::FeedReject => Command::FeedReject(Box::new(FeedReject {
                provider: aim::any_provider(&mut self.rng, self.flavour.crowd),
                message: "daily.csv".into(),
                line: self.rng.bits(),
                code: "bad_time".into(),
                reason: "a time is HHMM".into(),
                raw: vec![0xFF; self.rng.below(64)],
            })),
            What::Fence => Command::Fence,
            // To seats a command about an order is time that passes, whatever it asks.
            What::Order => {
                let order = OrderId(u128::from(self.rng.bits()));
                Command::Order(order, Box::new(OrderAction::QuoteCancel))
            }
            What::ConfigureOrders => Command::ConfigureOrders(Box::default()),
            What::Feed => feeds::command(&mut self.rng, &self.flavour, self.now_ms),
            _ => return self.about_flight(model, what),
        };
        // An id seen on a flight means nothing to a record about none.
        let id = match self.rng.below(4) {
            0 => self.sent.back().map_or(CommandId(0), |(_, id, _)| *id),
            _ => self.new_id(),
        };
        (id, command)
    }

    fn about_flight(&mut self, model: &Model, what: What) -> (CommandId, Command) {
        let again = matches!(what, What::Same | What::Different | What::Elsewhere);
        if again && !self.sent.is_empty() {
            return self.again(model, what);
        }
        let key = self.flight_key(model);
        let flight = model.flights.get(&key);
        // Nothing goes well before the flight exists.
        let what = if flight.is_none() && self.rng.chance(700) {
            What::Event
        } else {
            what
        };
        let command = self.flight_command(model, what, key, flight);
        (self.new_id(), Command::Flight(key, command))
    }
}

/// A whole history: `commands` records, with offsets from 0.
pub fn history(seed: u64, commands: u64) -> Vec<Input> {
    let mut generator = Generator::new(seed, commands);
    let mut model = Model::new();
    let mut all = Vec::new();
    for _ in 0..commands {
        let input = generator.next(&model);
        model.decide(&input);
        all.push(input);
    }
    all
}
