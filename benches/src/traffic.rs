//! Mixed records about a fleet of flights, as a busy day would append them.
//!
//! Who confirms or releases a hold must have got it, so the records are made beside a ledger that
//! decides them; the time this takes is never measured. Of 100 records about 50 ask for seats, 24
//! confirm, 13 release, 6 cancel a sale, 5 are provider reports (counts, statuses, fares), and 2
//! are sent again with their old id. Some holds nobody comes back to lapse.

use flightline_ledger::command::{Availability, Counts, Fare, HoldRequest, Level, SaleStatus};
use flightline_ledger::{
    Command, CommandId, FlightCommand, FlightKey, Input, Ledger, Money, Outcome, ProviderBody,
    Silent,
};

use crate::fleet::{self, Plan};
use crate::random::{Dice, Zipf};

/// The first record's time. Flights leave years later.
const START_MS: i64 = 1_900_000_000_000;

/// Records of one millisecond: ten million records a second would be a quarter of an hour in two
/// minutes, and holds lapse after a quarter of an hour.
const RECORDS_PER_MS: u64 = 10;

/// How often each flight is met.
#[derive(Clone, Debug)]
pub enum Spread {
    /// By rank: the first of 10,000 in a tenth of all records.
    Zipf(Zipf),
    /// Only the first.
    Hot,
}

/// Records before they have a place in a stream.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// What creates the flights, then what happens to them. Offsets count from 0, as if all flights
    /// were in one partition.
    pub inputs: Vec<Input>,
    /// How many of them create flights.
    pub creation: usize,
    /// Of the others, the share that took seats, and the share that was refused as sold out.
    pub held_share: f64,
    /// See `held_share`.
    pub sold_out_share: f64,
}

/// Makes records, as many as are asked for, piece by piece.
pub struct Maker {
    dice: Dice,
    flights: Vec<FlightKey>,
    spread: Spread,
    ledger: Ledger,
    inputs: Vec<Input>,
    next_offset: u64,
    /// Records of late, to send again.
    recent: std::collections::VecDeque<Input>,
    /// Holds that are live, as far as is known, and sales.
    open: Vec<(FlightKey, CommandId)>,
    sold: Vec<(FlightKey, CommandId)>,
    reports: u64,
    held: u64,
    sold_out: u64,
}

const RECENT: usize = 10_000;

/// Makes `records` records about so many airliners, from a seed.
pub fn make(flights: usize, records: usize, spread: Spread, seed: u64) -> Traffic {
    let mut maker = Maker::new(flights, spread, seed);
    let mut inputs = maker.take();
    let creation = inputs.len();
    inputs.reserve_exact(records);
    inputs.append(&mut maker.make(records));
    Traffic {
        creation,
        held_share: maker.held as f64 / records as f64,
        sold_out_share: maker.sold_out as f64 / records as f64,
        inputs,
    }
}

impl Maker {
    /// Flights that are on sale. What created them is the first piece, to be taken.
    pub fn new(flights: usize, spread: Spread, seed: u64) -> Self {
        let mut maker = Self {
            dice: Dice::new(seed),
            flights: (0..flights).map(|n| fleet::key(n, 40)).collect(),
            spread,
            ledger: Ledger::new(),
            inputs: Vec::with_capacity(2 * flights),
            next_offset: 0,
            recent: std::collections::VecDeque::new(),
            open: Vec::new(),
            sold: Vec::new(),
            reports: 0,
            held: 0,
            sold_out: 0,
        };
        let plan = Plan::airliner();
        for n in 0..flights {
            let key = maker.flights[n];
            for body in fleet::events(&key, fleet::station(100 + n % 50), &plan) {
                let (id, command) = maker.report(body);
                let outcome = maker.push(key, id, command);
                assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
            }
        }
        maker
    }

    /// The piece that is ready.
    pub fn take(&mut self) -> Vec<Input> {
        std::mem::take(&mut self.inputs)
    }

    /// The next `records` records.
    pub fn make(&mut self, records: usize) -> Vec<Input> {
        self.inputs.reserve_exact(records);
        for _ in 0..records {
            self.step();
        }
        self.take()
    }
}

impl Maker {
    fn push(&mut self, key: FlightKey, id: CommandId, command: FlightCommand) -> Outcome {
        let offset = self.next_offset;
        self.next_offset += 1;
        let input = Input {
            offset,
            at_ms: START_MS + (offset / RECORDS_PER_MS) as i64,
            id,
            command: Command::Flight(key, command),
        };
        let outcome = self.ledger.apply(&input, &mut Silent).outcome;
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(input.clone());
        self.inputs.push(input);
        outcome
    }

    fn report(&mut self, body: ProviderBody) -> (CommandId, FlightCommand) {
        self.reports += 1;
        fleet::command(self.dice.wide(), fleet::version(self.reports), body)
    }

    fn flight(&mut self) -> FlightKey {
        let at = match &self.spread {
            Spread::Zipf(zipf) => zipf.sample(&mut self.dice),
            Spread::Hot => 0,
        };
        self.flights[at]
    }

    fn step(&mut self) {
        match self.dice.below(100) {
            0..24 => self.follow_up(true),
            24..37 => self.follow_up(false),
            37..43 => self.cancel(),
            43..48 => {
                let key = self.flight();
                let body = self.provider_body();
                let (id, command) = self.report(body);
                self.push(key, id, command);
            }
            48..50 => self.again(),
            _ => self.hold(),
        }
    }

    fn hold(&mut self) {
        let key = self.flight();
        let business = self.dice.below(16) == 0;
        let letter = ['Y', 'M', 'Q'][self.dice.below(3) as usize];
        let request = HoldRequest {
            provider: (self.dice.below(2) == 0).then(fleet::provider),
            cabin: fleet::cabin(if business { 'C' } else { 'Y' }),
            class: (!business).then(|| fleet::class(letter)),
            board: None,
            off: None,
            seats: 1 + self.dice.below(8).saturating_sub(5) as u16,
            ttl_ms: (self.dice.below(4) == 0).then_some(60_000),
            expected_price: None,
            wait_ms: None,
        };
        let id = CommandId(self.dice.wide());
        match self.push(key, id, FlightCommand::Hold(request)) {
            Outcome::Held { .. } => {
                self.held += 1;
                self.open.push((key, id));
            }
            Outcome::Refused(_) => self.sold_out += 1,
            other => panic!("a hold was answered {other:?}"),
        }
    }

    /// Somebody comes back to a hold: the older they are, the fewer come.
    fn follow_up(&mut self, confirms: bool) {
        if self.open.is_empty() {
            return self.hold();
        }
        let recent = self.open.len().min(20_000) as u64;
        let at = self.open.len() - 1 - self.dice.below(recent) as usize;
        let (key, hold) = self.open.swap_remove(at);
        let command = if confirms {
            self.sold.push((key, hold));
            FlightCommand::Confirm { hold }
        } else {
            FlightCommand::Release { hold }
        };
        let id = CommandId(self.dice.wide());
        self.push(key, id, command);
    }

    fn cancel(&mut self) {
        if self.sold.is_empty() {
            return self.hold();
        }
        let at = self.dice.below(self.sold.len() as u64) as usize;
        let (key, hold) = self.sold.swap_remove(at);
        let id = CommandId(self.dice.wide());
        self.push(key, id, FlightCommand::Cancel { hold });
    }

    fn again(&mut self) {
        let at = self.dice.below(self.recent.len() as u64) as usize;
        let Command::Flight(key, command) = self.recent[at].command.clone() else {
            unreachable!("all records here are about flights");
        };
        let id = self.recent[at].id;
        self.push(key, id, command);
    }

    fn provider_body(&mut self) -> ProviderBody {
        if self.dice.below(5) == 0 {
            return ProviderBody::Fares(vec![Fare {
                segment: None,
                cabin: fleet::cabin('Y'),
                class: Some(fleet::class('Q')),
                price: Money {
                    minor: 8_000 + 100 * self.dice.below(50) as i64,
                    currency: usd(),
                    exponent: 2,
                },
            }]);
        }
        // A class closes now and then, and opens again; otherwise the cabin's count changes by a few
        // seats, and fewer displace the newest holds.
        let of_class = self.dice.below(8) == 0;
        let closes = of_class && self.dice.below(3) == 0;
        ProviderBody::Availability(Availability {
            level: Level::Flight,
            cabin: Some(fleet::cabin('Y')),
            class: of_class.then(|| fleet::class('Q')),
            status: if closes {
                SaleStatus::Closed
            } else {
                SaleStatus::Open
            },
            seats: (!of_class).then(|| 170 + self.dice.below(15) as i32),
            is_floor: false,
            counts: Counts::Total,
            expires_ms: None,
        })
    }
}

fn usd() -> flightline_ledger::Currency {
    match "USD".parse() {
        Ok(usd) => usd,
        Err(_) => unreachable!("USD is a currency"),
    }
}

#[cfg(test)]
mod tests {
    use flightline_ledger::HoldState;

    use super::*;

    #[test]
    fn every_kind_of_thing_happens() {
        let traffic = make(50, 60_000, Spread::Zipf(Zipf::new(50, 1.0)), 7);
        let mut ledger = Ledger::new();
        let mut names = std::collections::BTreeMap::new();
        for input in &traffic.inputs {
            let decision = ledger.apply(input, &mut Silent);
            let name = decision
                .outcome
                .reason()
                .map_or(decision.outcome.name(), |r| r.code());
            *names.entry(name).or_insert(0_u32) += 1;
        }
        ledger.check_invariants();
        for name in [
            "held",
            "confirmed",
            "released",
            "cancelled",
            "accepted",
            "sold_out",
            "closed",
        ] {
            assert!(
                names.get(name).is_some_and(|n| *n > 10),
                "{name}: {names:?}"
            );
        }
        let states = |state| {
            let holds = ledger
                .unpacked_flights()
                .flat_map(|(_, flight)| flight.holds());
            holds.filter(|hold| hold.state == state).count()
        };
        assert!(states(HoldState::Displaced) > 0);
        assert_eq!(traffic.creation, 100);
        assert!(traffic.held_share > 0.05, "{}", traffic.held_share);
    }
}
