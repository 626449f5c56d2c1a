//! The whole state in plain values, to compare with.

use std::collections::BTreeMap;

use flightline_ledger::command::{Counts, LegTimes, SaleStatus};
use flightline_ledger::{Cabin, Class, CommandId, FlightKey, Money, ProviderCode, Station};

use super::Model;
use super::flight::{Allotment, Flight, Hold, HoldState};
use super::usage::Bucket;

/// Every flight of a partition, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Unix time in milliseconds.
    pub clock_ms: i64,
    /// Those that exist.
    pub flights: BTreeMap<FlightKey, FlightView>,
}

/// One flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlightView {
    /// It will not fly.
    pub cancelled: bool,
    /// By which its owner owns it.
    pub authority: u8,
    /// The flight that operates it, for a codeshare's number.
    pub operating: Option<FlightKey>,
    /// Pairs of stations between which nothing is sold.
    pub restricted: Vec<(Station, Station)>,
    /// In flying order.
    pub legs: Vec<LegView>,
    /// Seats of the aircraft (absent = unknown) and seats used, by leg and cabin; only where either
    /// is known.
    pub aircraft: BTreeMap<(usize, Cabin), (Option<u16>, i64)>,
    /// Who is on the flight.
    pub providers: BTreeMap<ProviderCode, ProviderView>,
    /// Every provider's cabins and classes by leg.
    pub lines: BTreeMap<LineKey, Line>,
    /// Limits on exact segments.
    pub limits: BTreeMap<LimitKey, LimitView>,
    /// Every hold there ever was, dead ones too.
    pub holds: BTreeMap<CommandId, HoldView>,
    /// The last counts that providers reported.
    pub drift: BTreeMap<LineKey, DriftView>,
}

/// One leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegView {
    /// From.
    pub board: Station,
    /// To.
    pub off: Station,
    /// Times, as the owner gave them.
    pub times: LegTimes,
    /// Aircraft type.
    pub aircraft: [u8; 3],
    /// Service type.
    pub service: u8,
}

/// One provider on a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProviderView {
    /// It has not cancelled or withdrawn.
    pub sells: bool,
    /// Its schedule is the flight's.
    pub owner: bool,
}

/// One hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldView {
    /// From whose allotment.
    pub provider: ProviderCode,
    /// The cabin.
    pub cabin: Cabin,
    /// The class, if one was named.
    pub class: Option<Class>,
    /// From.
    pub board: Station,
    /// To.
    pub off: Station,
    /// Seats.
    pub seats: u16,
    /// Price of a seat.
    pub price: Option<Money>,
    /// Unix time in milliseconds.
    pub deadline_ms: i64,
    /// Offset and clock at which it was made.
    pub made: (u64, i64),
    /// Where it is in its life.
    pub state: HoldState,
    /// Offset and clock at which it came there.
    pub changed: (u64, i64),
    /// Offset at which its provider acknowledged the sale.
    pub acknowledged_at: Option<u64>,
}

/// Whose count of what: provider, leg from 0, cabin, class or the cabin itself.
pub type LineKey = (ProviderCode, usize, Cabin, Option<Class>);

/// The count of one cabin or class of one provider on one leg, in seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// What may be sold, with the overbooking allowance; a class's limit. Absent when not stated.
    pub authorised: Option<i64>,
    /// In live holds; for a class those of exactly this class.
    pub held: i64,
    /// In sales; for a class those of exactly this class.
    pub sold: i64,
    /// What the leg alone still offers, never below 0.
    pub available: i64,
    /// Used beyond the bound; for a class with those nested after it.
    pub oversold: i64,
    /// What the provider says of sale.
    pub status: SaleStatus,
    /// The count behind the bound is a floor.
    pub is_floor: bool,
}

/// What an exact segment's limit is about.
pub type LimitKey = (ProviderCode, (Station, Station), Cabin, Option<Class>);

/// A limit on an exact segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitView {
    /// Seats that may be sold; absent = only the status is known.
    pub bound: Option<i64>,
    /// Seats held and sold.
    pub used: i64,
    /// What the provider says of sale.
    pub status: SaleStatus,
}

/// Who sells which legs, from the first to the last, in which cabin and class.
pub type OfferKey = (ProviderCode, (usize, usize), Cabin, Option<Class>);

/// Something that can be bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferView {
    /// Price of one seat.
    pub price: Money,
    /// Seats that a hold would get now.
    pub seats: u16,
}

/// The last count of a bucket that a provider reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriftView {
    /// How to read it.
    pub counts: Counts,
    /// The count.
    pub reported: i32,
    /// What was expected, in the same terms.
    pub expected: Option<i64>,
    /// Offset and clock of the report.
    pub at: (u64, i64),
}

impl Model {
    /// The whole state.
    pub fn snapshot(&self) -> Snapshot {
        let view = |(key, flight): (&FlightKey, &Flight)| (*key, flight.view());
        Snapshot {
            clock_ms: self.clock_ms,
            flights: self.flights.iter().map(view).collect(),
        }
    }

    /// One flight, if it exists.
    pub fn flight(&self, key: FlightKey) -> Option<FlightView> {
        self.flights.get(&key).map(Flight::view)
    }

    /// What can be bought on a flight.
    pub fn offers(&self, key: FlightKey) -> BTreeMap<OfferKey, OfferView> {
        self.flights
            .get(&key)
            .map(Flight::offers)
            .unwrap_or_default()
    }
}

impl Flight {
    fn view(&self) -> FlightView {
        let mut aircraft: BTreeMap<(usize, Cabin), (Option<u16>, i64)> = BTreeMap::new();
        for (key, seats) in &self.aircraft {
            aircraft.insert(*key, (*seats, self.used(Bucket::Aircraft(key.0, key.1))));
        }
        let providers = self.providers.iter().map(|(code, provider)| {
            let view = ProviderView {
                sells: provider.sells,
                owner: *code == self.owner,
            };
            (*code, view)
        });
        let mut lines = BTreeMap::new();
        let mut drift = BTreeMap::new();
        for (key, allotment) in self.all_lines() {
            lines.insert(key, self.line(key, allotment));
            if let Some(reported) = allotment.reported {
                let view = DriftView {
                    counts: reported.counts,
                    reported: reported.seats,
                    expected: reported.expected,
                    at: (reported.at.offset, reported.at.clock_ms),
                };
                drift.insert(key, view);
            }
        }
        let mut limits = BTreeMap::new();
        for (code, provider) in &self.providers {
            for ((board, off, cabin, class), limit) in &provider.segments {
                let bucket = Bucket::Segment(*code, *board, *off, *cabin, *class);
                let view = LimitView {
                    bound: limit.bound,
                    used: self.used(bucket),
                    status: limit.status,
                };
                limits.insert((*code, (*board, *off), *cabin, *class), view);
            }
        }
        FlightView {
            cancelled: self.cancelled,
            authority: self.authority,
            operating: self.operating,
            restricted: self.restricted.clone(),
            legs: self.legs.iter().map(|leg| leg.view()).collect(),
            aircraft,
            providers: providers.collect(),
            lines,
            limits,
            holds: self.holds.iter().map(|h| (h.id, h.view())).collect(),
            drift,
        }
    }

    fn all_lines(&self) -> Vec<(LineKey, &Allotment)> {
        let mut all = Vec::new();
        for (code, provider) in &self.providers {
            for ((leg, cabin), on_leg) in &provider.cabins {
                all.push(((*code, *leg, *cabin, None), &on_leg.own));
                for (class, allotment) in &on_leg.classes {
                    all.push(((*code, *leg, *cabin, Some(*class)), allotment));
                }
            }
        }
        all
    }

    fn line(&self, key: LineKey, allotment: &Allotment) -> Line {
        let (code, leg, cabin, class) = key;
        let (bucket, allowance) = match class {
            Some(class) => (Bucket::Class(code, leg, cabin, class), 0),
            None => (
                Bucket::Cabin(code, leg, cabin),
                self.providers[&code].allowance(cabin),
            ),
        };
        let (available, _) = self.available(code, (leg, leg), None, cabin, class);
        let exactly = |state: HoldState| {
            let counts = |hold: &&Hold| {
                hold.state == state
                    && (class.is_none() || hold.class == class)
                    && self.uses(hold, Bucket::Cabin(code, leg, cabin))
            };
            let seats = |hold: &Hold| i64::from(hold.seats);
            self.holds.iter().filter(counts).map(seats).sum()
        };
        Line {
            authorised: allotment.bound.map(|bound| bound + allowance),
            held: exactly(HoldState::Held),
            sold: exactly(HoldState::Confirmed),
            available: available.max(0),
            oversold: self.oversold(bucket),
            status: allotment.status,
            is_floor: allotment.is_floor,
        }
    }
}

impl super::flight::FlownLeg {
    fn view(&self) -> LegView {
        LegView {
            board: self.board,
            off: self.off,
            times: self.times,
            aircraft: self.aircraft,
            service: self.service,
        }
    }
}

impl Hold {
    fn view(&self) -> HoldView {
        HoldView {
            provider: self.provider,
            cabin: self.cabin,
            class: self.class,
            board: self.stations.0,
            off: self.stations.1,
            seats: self.seats,
            price: self.price,
            deadline_ms: self.deadline_ms,
            made: (self.made.offset, self.made.clock_ms),
            state: self.state,
            changed: (self.changed.offset, self.changed.clock_ms),
            acknowledged_at: self.acknowledged_at,
        }
    }
}
