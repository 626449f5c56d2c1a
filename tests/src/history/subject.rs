//! What is judged.

use std::collections::BTreeMap;

use flightline_ledger::{
    Decision, Flight, FlightKey, FlightStatus, HoldState, Input, InventoryLine, Ledger, OfferLine,
};

use super::judge::Difference;
use super::rng::Rng;
use super::witness::{Protocol, Witness};
use crate::model::{self, FlightView, Model, OfferKey, OfferView, Snapshot};

/// A ledger before the judge.
pub trait Subject {
    /// Folds one record and answers it.
    fn decide(&mut self, input: &Input) -> Decision;

    /// The whole state.
    fn snapshot(&self) -> Snapshot;

    /// One flight, if it exists.
    fn flight(&self, key: FlightKey) -> Option<FlightView>;

    /// What can be bought on a flight.
    fn offers(&self, key: FlightKey) -> BTreeMap<OfferKey, OfferView>;

    /// Checks what the subject claims of itself: its own invariants, and what it told while it
    /// folded the records since the last check.
    fn check(&mut self) -> Result<(), String>;
}

impl Subject for Model {
    fn decide(&mut self, input: &Input) -> Decision {
        Model::decide(self, input)
    }

    fn snapshot(&self) -> Snapshot {
        Model::snapshot(self)
    }

    fn flight(&self, key: FlightKey) -> Option<FlightView> {
        Model::flight(self, key)
    }

    fn offers(&self, key: FlightKey) -> BTreeMap<OfferKey, OfferView> {
        Model::offers(self, key)
    }

    fn check(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// The ledger, which packs what it can.
#[derive(Clone)]
pub struct LedgerSubject {
    ledger: Ledger,
    witness: Witness,
}

impl Default for LedgerSubject {
    fn default() -> Self {
        let mut ledger = Ledger::new();
        ledger.keep_unpacked(1);
        Self {
            ledger,
            witness: Witness::default(),
        }
    }
}

impl LedgerSubject {
    /// Digest of the state.
    pub fn hash_state(&self) -> u128 {
        self.ledger.hash_state()
    }
}

/// The ledger, stored and read back before every so many records.
#[derive(Clone, Default)]
pub struct StoredSubject {
    subject: LedgerSubject,
    every: usize,
    count: usize,
}

impl StoredSubject {
    /// Stored before every `every`th record.
    pub fn new(every: usize) -> Self {
        Self {
            every,
            ..Self::default()
        }
    }
}

impl Subject for StoredSubject {
    fn decide(&mut self, input: &Input) -> Decision {
        if self.count.is_multiple_of(self.every) {
            let before = &self.subject.ledger;
            let mut bytes = Vec::new();
            before.save(&mut bytes);
            let mut after = Ledger::load(&bytes).expect("what was stored can be read");
            assert_eq!(
                after.hash_state(),
                before.hash_state(),
                "stored at {}",
                self.count
            );
            assert_eq!(after.live_holds(), before.live_holds());
            after.keep_unpacked(1);
            self.subject.ledger = after;
        }
        self.count += 1;
        self.subject.decide(input)
    }

    fn snapshot(&self) -> Snapshot {
        self.subject.snapshot()
    }

    fn flight(&self, key: FlightKey) -> Option<FlightView> {
        self.subject.flight(key)
    }

    fn offers(&self, key: FlightKey) -> BTreeMap<OfferKey, OfferView> {
        self.subject.offers(key)
    }

    fn check(&mut self) -> Result<(), String> {
        self.subject.check()
    }
}

impl Subject for LedgerSubject {
    fn decide(&mut self, input: &Input) -> Decision {
        let decision = self.ledger.apply(input, &mut self.witness);
        self.witness.after(&self.ledger, input, &decision);
        decision
    }

    fn snapshot(&self) -> Snapshot {
        let view = |flight: &Flight| (flight.key(), view(flight));
        Snapshot {
            clock_ms: self.ledger.clock_ms(),
            flights: self.ledger.flights().map(|(_, f)| view(&f)).collect(),
        }
    }

    fn flight(&self, key: FlightKey) -> Option<FlightView> {
        let at = self.ledger.find(&key)?;
        Some(view(&self.ledger.flight(at)))
    }

    fn offers(&self, key: FlightKey) -> BTreeMap<OfferKey, OfferView> {
        let Some(at) = self.ledger.find(&key) else {
            return BTreeMap::new();
        };
        let flight = self.ledger.flight(at);
        let offers = flight.offers().map(|line| {
            assert_quoted(&flight, &line);
            let legs = (usize::from(line.first_leg), usize::from(line.last_leg));
            let view = OfferView {
                price: line.price,
                seats: line.seats,
            };
            ((line.provider, legs, line.cabin, line.class), view)
        });
        offers.collect()
    }

    fn check(&mut self) -> Result<(), String> {
        self.ledger.check_invariants();
        for (_, flight) in self.ledger.flights() {
            let beyond = |line: &InventoryLine| line.oversold > 0 && line.held > 0;
            if let Some(line) = flight.inventory().find(beyond) {
                return Err(format!(
                    "{}: live holds beyond the bound: {line:?}",
                    flight.key()
                ));
            }
        }
        self.witness.check(&self.ledger)
    }
}

/// An offer is what a client would be quoted.
fn assert_quoted(flight: &Flight, line: &OfferLine) {
    let whole = line.first_leg == 0 && usize::from(line.last_leg) == flight.legs().len() - 1;
    let (board, off) = if whole {
        (None, None)
    } else {
        (Some(line.board), Some(line.off))
    };
    let quote = flight.quote(line.provider, board, off, line.cabin, line.class);
    let quote = quote.expect("what is offered can be quoted");
    assert_eq!(quote.price, Some(line.price), "{line:?}");
    if flight.status() == FlightStatus::Scheduled {
        assert_eq!(quote.available, line.seats, "{line:?}");
    }
}

/// The state of a flight in the model's terms.
pub(crate) fn view(flight: &Flight) -> FlightView {
    let line = |line: InventoryLine| {
        let key = (line.provider, usize::from(line.leg), line.cabin, line.class);
        let view = model::Line {
            authorised: line.authorised,
            held: line.held,
            sold: line.sold,
            available: line.available,
            oversold: line.oversold,
            status: line.status,
            is_floor: line.is_floor,
        };
        (key, view)
    };
    let drift = flight.drift().map(|line| {
        let key = (line.provider, usize::from(line.leg), line.cabin, line.class);
        let view = model::DriftView {
            counts: line.counts,
            reported: line.reported,
            expected: line.expected,
            at: (line.offset, line.at_ms),
        };
        (key, view)
    });
    let providers = flight.providers().map(|provider| {
        let view = model::ProviderView {
            sells: provider.sells,
            owner: provider.owner,
        };
        (provider.code, view)
    });
    let limits = flight.providers().flat_map(|provider| {
        let limits = flight.segment_limits(provider.code);
        limits.map(move |(stations, cabin, class, bound, held, sold, status)| {
            let view = model::LimitView {
                bound,
                used: held + sold,
                status,
            };
            ((provider.code, stations, cabin, class), view)
        })
    });
    let aircraft = flight.aircraft().map(|line| {
        let key = (usize::from(line.leg), line.cabin);
        (key, (line.seats, line.used))
    });
    let leg = |leg: &flightline_ledger::LegView| model::LegView {
        board: leg.board,
        off: leg.off,
        times: leg.times,
        aircraft: leg.aircraft,
        service: leg.service,
    };
    FlightView {
        cancelled: flight.status() == FlightStatus::Cancelled,
        authority: flight.owner_authority(),
        operating: flight.operating(),
        restricted: flight.restricted().to_vec(),
        legs: flight.legs().iter().map(leg).collect(),
        aircraft: aircraft.collect(),
        providers: providers.collect(),
        lines: flight.inventory().map(line).collect(),
        limits: limits.collect(),
        holds: flight.holds().map(|h| (h.id, hold(&h))).collect(),
        drift: drift.collect(),
    }
}

fn hold(hold: &flightline_ledger::HoldView) -> model::HoldView {
    model::HoldView {
        provider: hold.provider,
        cabin: hold.cabin,
        class: hold.class,
        board: hold.board,
        off: hold.off,
        seats: hold.seats,
        price: hold.price,
        deadline_ms: hold.deadline_ms,
        made: (hold.offset, hold.created_at_ms),
        state: match hold.state {
            HoldState::Held => model::HoldState::Held,
            HoldState::Confirmed => model::HoldState::Confirmed,
            HoldState::Released => model::HoldState::Released,
            HoldState::Cancelled => model::HoldState::Cancelled,
            HoldState::Expired => model::HoldState::Expired,
            HoldState::Displaced => model::HoldState::Displaced,
            HoldState::Waiting => model::HoldState::Waiting,
        },
        changed: (hold.changed_offset, hold.changed_at_ms),
        acknowledged_at: hold.acknowledged_offset,
    }
}

/// Checks that records folded in batches, cut at random, give the same state, and tell an observer
/// the same, as records folded one by one.
pub fn batches_agree(history: &[Input], seed: u64) -> Result<(), Difference> {
    let mut one_by_one = Ledger::new();
    let mut heard_one_by_one = Protocol::default();
    for input in history {
        one_by_one.apply(input, &mut heard_one_by_one);
    }
    let mut rng = Rng::new(seed);
    let mut batched = Ledger::new();
    // What is packed and when changes nothing.
    batched.keep_unpacked(rng.pick(&[1, 2, 5, 4096]));
    let mut heard = Protocol::default();
    let mut rest = history;
    while !rest.is_empty() {
        let longest = rng.pick(&[1, 3, 64, 5000]);
        let (batch, after) = rest.split_at(1 + rng.below(longest.min(rest.len())));
        batched.apply_batch(batch, &mut heard);
        rest = after;
    }
    let differs = |what: String| {
        Err(Difference {
            step: history.len().saturating_sub(1),
            what,
        })
    };
    if let Some(what) = heard_one_by_one.differs(&heard) {
        return differs(format!("told one by one, and in batches:\n{what}"));
    }
    let (one, batch) = (one_by_one.hash_state(), batched.hash_state());
    if one != batch {
        return differs(format!(
            "state one by one {one:032x}, in batches {batch:032x}"
        ));
    }
    Ok(())
}
