//! What one message says of each flight, put together into events.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use flightline_ledger::codes::Money;
use flightline_ledger::command::{
    Availability, Counts, Fare, Level, SaleStatus, SourceVersion, quality,
};
use flightline_ledger::{Cabin, Class, FlightKey, ProviderBody, Station};

use super::config::Terms;
use super::flight::{Operator, Shown};
use crate::canonical::CanonicalEvent;
use crate::connector::{Parsed, Warning};
use crate::money::unknown_currency;
use crate::observed::{JOURNEY_FLIGHTS_MAX, Observed};
use crate::reject::{Code, Fault, Reject};

/// The most flights that one message may name. What is remembered of each has some hundred bytes.
const FLIGHTS_MAX: usize = 100_000;

/// The most flights that may wait for the end of the message, to be linked to their operator.
const WAITING_MAX: usize = 20_000;

/// The most flights between the same stations at the same instant that are looked at to tell who flies them:
/// each is compared with all. Real ones are a handful, with all their codeshares.
const TWINS_MAX: usize = 64;

/// What is kept of a record whose flight waits, in bytes.
const WAITING_RAW_BYTES: usize = 512;

/// Seats seen to be free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seats {
    pub(crate) count: i32,
    /// As many or more.
    pub(crate) is_floor: bool,
}

/// What was seen of one cabin or class on one flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// The cabin, where it is told.
    pub(crate) cabin: Option<Cabin>,
    pub(crate) class: Option<Class>,
    pub(crate) status: SaleStatus,
    pub(crate) seats: Option<Seats>,
    /// Price of one seat on this flight alone, where that is what the price is for.
    pub(crate) price: Option<Money>,
}

/// One record of a message: flights of a journey, seen together.
pub(super) struct Seen<'a> {
    line: u64,
    raw: &'a [u8],
    /// When the record says it was made.
    own_ms: Option<i64>,
    observed: Observed,
}

struct Known {
    shown: Shown,
    operating: Option<FlightKey>,
    line: u64,
    own_ms: Option<i64>,
}

struct Waiting {
    line: u64,
    raw: Vec<u8>,
    own_ms: Option<i64>,
    observed: Observed,
    shown: Shown,
    looks: Vec<Look>,
}

type Bucket = (FlightKey, Station, Cabin, Option<Class>);
type PriceTag = (FlightKey, Station, Cabin, Option<Class>);
/// Board, off, and instant of departure.
type Place = (Station, Station, i64);

/// The events of one source, in the making.
pub(crate) struct Gather {
    message: Arc<str>,
    pub(crate) terms: Terms,
    ready: VecDeque<Parsed>,
    known: HashMap<FlightKey, Known>,
    places: HashMap<Place, Vec<FlightKey>>,
    seats: HashMap<Bucket, (SaleStatus, Option<Seats>)>,
    prices: HashMap<PriceTag, Money>,
    waiting: Vec<Waiting>,
}

impl Gather {
    pub(crate) fn new(message: Arc<str>, terms: Terms) -> Self {
        Self {
            message,
            terms,
            ready: VecDeque::new(),
            known: HashMap::new(),
            places: HashMap::new(),
            seats: HashMap::new(),
            prices: HashMap::new(),
            waiting: Vec::new(),
        }
    }

    /// The next item that is ready.
    pub(crate) fn pop(&mut self) -> Option<Parsed> {
        self.ready.pop_front()
    }

    /// Sets a record aside.
    pub(crate) fn reject(&mut self, line: u64, fault: Fault, raw: &[u8]) {
        self.reject_flight(line, fault, raw, None);
    }

    fn reject_flight(&mut self, line: u64, fault: Fault, raw: &[u8], flight: Option<FlightKey>) {
        let mut reject = Reject::new(&self.message, line, fault.code, fault.reason, raw);
        reject.flight = flight;
        self.ready.push_back(Parsed::Reject(reject));
    }

    /// Remarks on a record that was taken.
    pub(crate) fn warn(&mut self, line: u64, flight: Option<FlightKey>, text: String) {
        self.ready
            .push_back(Parsed::Warning(Warning { line, flight, text }));
    }

    /// Hands an event out as it is.
    pub(crate) fn event(&mut self, line: u64, event: CanonicalEvent) {
        self.ready.push_back(Parsed::Event { line, event });
    }

    /// Takes the flights of one journey with what was seen of each. `own_ms`: when the record says it
    /// was made. `raw`: the record, for rejects.
    pub(crate) fn journey(
        &mut self,
        (line, raw): (u64, &[u8]),
        own_ms: Option<i64>,
        observed: &Observed,
        flights: Vec<(Shown, Vec<Look>)>,
    ) {
        let mut observed = observed.clone();
        if observed.point_of_sale.is_none() {
            observed.point_of_sale.clone_from(&self.terms.point_of_sale);
        }
        if observed.expires_ms.is_none() {
            let seen_ms = own_ms.unwrap_or(self.terms.observed_ms);
            observed.expires_ms = (seen_ms > 0).then(|| seen_ms + self.terms.valid_ms);
        }
        if let Some(remark) = observed.total.as_ref().and_then(unknown_currency) {
            self.warn(line, None, remark);
        }
        if flights.len() > 1 {
            observed.journey = flights
                .iter()
                .map(|(shown, _)| shown.key())
                .take(JOURNEY_FLIGHTS_MAX)
                .collect();
        }
        for (shown, looks) in flights {
            let seen = Seen {
                line,
                raw,
                own_ms,
                observed: observed.clone(),
            };
            self.flight(seen, shown, looks);
        }
    }

    fn flight(&mut self, seen: Seen<'_>, shown: Shown, looks: Vec<Look>) {
        let key = shown.key();
        if !self.known.contains_key(&key) {
            if self.known.len() >= FLIGHTS_MAX || self.waiting.len() >= WAITING_MAX {
                let reason = format!(
                    "the message names more than {FLIGHTS_MAX} flights, or {WAITING_MAX} of unknown operators; {}",
                    Code::MessageTooLarge.remedy()
                );
                let fault = Fault::new(Code::MessageTooLarge, reason);
                return self.reject_flight(seen.line, fault, seen.raw, Some(key));
            }
            let operating = match shown.operator {
                Operator::Unknown | Operator::Itself => None,
                Operator::Flight(carrier, number) => Some((shown.key_of(carrier, number), false)),
                Operator::Airline(carrier) => match self.at_place(&shown, carrier) {
                    Some(operating) => Some((operating, true)),
                    None => {
                        self.waiting.push(Waiting {
                            line: seen.line,
                            raw: seen.raw[..seen.raw.len().min(WAITING_RAW_BYTES)].to_vec(),
                            own_ms: seen.own_ms,
                            observed: seen.observed,
                            shown,
                            looks,
                        });
                        return;
                    }
                },
            };
            self.add(&seen, shown, operating);
        } else {
            self.compare(&seen, &key, &shown);
        }
        self.looks(&seen, key, &looks);
    }

    /// The flight of an airline that leaves from the same station for the same at the same instant.
    fn at_place(&self, shown: &Shown, carrier: flightline_ledger::Carrier) -> Option<FlightKey> {
        let there = self.places.get(&place_of(shown))?;
        there
            .iter()
            .find(|key| key.carrier == carrier && self.known[*key].operating.is_none())
            .copied()
    }

    /// A flight that is new in this message.
    fn add(&mut self, seen: &Seen<'_>, shown: Shown, operating: Option<(FlightKey, bool)>) {
        let key = shown.key();
        let place = place_of(&shown);
        self.known.insert(
            key,
            Known {
                shown,
                operating: operating.map(|(key, _)| key),
                line: seen.line,
                own_ms: seen.own_ms,
            },
        );
        let there = self.places.entry(place).or_default();
        let is_looked_at = there.len() < TWINS_MAX;
        if is_looked_at {
            there.push(key);
        }
        let guessed = operating.is_some_and(|(_, guessed)| guessed);
        self.schedule(&key, seen.line, guessed);
        let known = &self.known[&key];
        let warnings = known.shown.warnings.clone();
        for text in warnings {
            self.warn(seen.line, Some(key), text);
        }
        if let Some((operating, true)) = operating {
            self.warn_of_guess(seen.line, key, operating);
        }
        if is_looked_at {
            self.link_twins(seen.line, place, &key);
        } else {
            self.warn(
                seen.line,
                Some(key),
                format!(
                    "{TWINS_MAX} flights before it leave from the same station for the same at the same time: it is taken as no codeshare of theirs"
                ),
            );
        }
    }

    fn warn_of_guess(&mut self, line: u64, flight: FlightKey, operating: FlightKey) {
        self.warn(
            line,
            Some(flight),
            format!(
                "taken as a codeshare of {operating}, which flies between the same stations at the same time; its number is not told"
            ),
        );
    }

    /// Flights of which nobody says who flies them, of different airlines, with the same stations,
    /// times and type of aircraft: taken as one aircraft. The one that says it flies by itself counts
    /// as the operator, else the lowest number, whatever the order in which they come.
    fn link_twins(&mut self, line: u64, place: Place, new: &FlightKey) {
        let there = &self.places[&place];
        if there.len() < 2 {
            return;
        }
        let key_of = |known: &Known| {
            let leg = known.shown.legs[known.shown.legs.len() - 1];
            (leg.arrives.instant_s, known.shown.legs[0].aircraft)
        };
        let like = key_of(&self.known[new]);
        if like.1 == [0; 3] {
            return;
        }
        let twins: Vec<FlightKey> = there
            .iter()
            .filter(|key| {
                let known = &self.known[*key];
                key_of(known) == like
                    && matches!(known.shown.operator, Operator::Unknown | Operator::Itself)
            })
            .copied()
            .collect();
        let rank = |key: &FlightKey| {
            let is_told = self.known[key].shown.operator == Operator::Itself;
            (!is_told, key.number, key.suffix, key.carrier)
        };
        let Some(root) = twins.iter().copied().min_by_key(rank) else {
            return;
        };
        for key in twins {
            let known = &self.known[&key];
            let is_guess = known.shown.operator == Operator::Unknown && key.carrier != root.carrier;
            let operating = is_guess.then_some(root);
            if known.operating == operating {
                continue;
            }
            if let Some(known) = self.known.get_mut(&key) {
                known.operating = operating;
            }
            self.schedule(&key, line, is_guess);
            if is_guess {
                self.warn_of_guess(line, key, root);
            }
        }
    }

    /// The same flight again: it must be told the same.
    fn compare(&mut self, seen: &Seen<'_>, key: &FlightKey, shown: &Shown) {
        let known = &self.known[key];
        if known.shown.legs != shown.legs {
            let text = format!(
                "{key} was told with other stations, times or aircraft in line {}; those were taken",
                known.line
            );
            self.warn(seen.line, Some(*key), text);
        }
    }

    fn schedule(&mut self, key: &FlightKey, line: u64, guessed: bool) {
        let known = &self.known[key];
        let mut marks = known.shown.quality;
        if guessed {
            marks |= quality::GUESSED_OPERATING;
        }
        let event = CanonicalEvent {
            flight: *key,
            version: self.terms.shown_version(known.own_ms),
            message_id: None,
            quality: marks,
            body: ProviderBody::Schedule(
                known
                    .shown
                    .schedule(&self.terms.all_cabins(), known.operating),
            ),
            observed: None,
        };
        self.event(line, event);
    }

    fn looks(&mut self, seen: &Seen<'_>, key: FlightKey, looks: &[Look]) {
        let version = self.terms.version(seen.own_ms);
        let (boards, segment): (Vec<Station>, (Station, Station)) = {
            let shown = &self.known[&key].shown;
            let boards = shown.legs.iter().map(|leg| leg.board).collect();
            (boards, (shown.board(), shown.off()))
        };
        for look in looks {
            let (cabin, guessed) = match (look.cabin, look.class) {
                (Some(cabin), _) => (cabin, false),
                (None, Some(class)) => self.terms.cabin_of(class),
                // Nothing is said of where: nothing can be taken.
                (None, None) => continue,
            };
            let marks = if guessed { quality::GUESSED_CABIN } else { 0 };
            for board in &boards {
                let bucket = (key, *board, cabin, look.class);
                let Some((status, seats)) = self.merge(bucket, look) else {
                    continue;
                };
                let body = ProviderBody::Availability(Availability {
                    level: Level::Leg(*board),
                    cabin: Some(cabin),
                    class: look.class,
                    status,
                    seats: seats.map(|seats| seats.count),
                    is_floor: seats.is_some_and(|seats| seats.is_floor),
                    counts: if seats.is_some() {
                        Counts::Remaining
                    } else {
                        Counts::Total
                    },
                    expires_ms: None,
                });
                self.seen_event(seen, key, version, marks, body);
            }
            let Some(price) = look.price else { continue };
            let tag = (key, segment.1, cabin, look.class);
            let is_lower = self.prices.get(&tag).is_none_or(|known| {
                (known.currency, known.exponent) == (price.currency, price.exponent)
                    && price.minor < known.minor
            });
            if is_lower {
                self.prices.insert(tag, price);
                let fare = Fare {
                    segment: Some(segment),
                    cabin,
                    class: look.class,
                    price,
                };
                self.seen_event(seen, key, version, marks, ProviderBody::Fares(vec![fare]));
            }
        }
    }

    fn seen_event(
        &mut self,
        seen: &Seen<'_>,
        flight: FlightKey,
        version: SourceVersion,
        marks: u32,
        body: ProviderBody,
    ) {
        let mut observed = seen.observed.clone();
        let fares = match &body {
            ProviderBody::Fares(fares) => &fares[..],
            _ => &[],
        };
        let mut prices = fares.iter().map(|fare| &fare.price).chain(&observed.total);
        let guessed = prices.any(|price| unknown_currency(price).is_some());
        let unknown = if guessed { quality::UNKNOWN_CODE } else { 0 };
        observed.journey.retain(|other| *other != flight);
        let event = CanonicalEvent {
            flight,
            version,
            message_id: None,
            quality: marks | unknown,
            body,
            observed: Some(Box::new(observed)),
        };
        self.event(seen.line, event);
    }

    /// What is known of a bucket with this look; `None` when it is what was known.
    fn merge(&mut self, bucket: Bucket, look: &Look) -> Option<(SaleStatus, Option<Seats>)> {
        let new = (look.status, look.seats);
        let merged = match self.seats.get(&bucket) {
            None => new,
            Some(known) => merged(*known, new),
        };
        (self.seats.insert(bucket, merged) != Some(merged)).then_some(merged)
    }

    /// The message has ended: flights that wait for their operator are linked or set aside.
    pub(crate) fn finish(&mut self) {
        for waiting in std::mem::take(&mut self.waiting) {
            let Operator::Airline(carrier) = waiting.shown.operator else {
                continue;
            };
            let key = waiting.shown.key();
            let seen = Seen {
                line: waiting.line,
                raw: &waiting.raw,
                own_ms: waiting.own_ms,
                observed: waiting.observed,
            };
            if !self.known.contains_key(&key) {
                let Some(operating) = self.at_place(&waiting.shown, carrier) else {
                    let reason = format!(
                        "{key} is operated by {carrier}, whose number for it is not told, and no flight of {carrier} from {} to {} at that time is in the message; {}",
                        waiting.shown.board(),
                        waiting.shown.off(),
                        Code::UnknownOperating.remedy()
                    );
                    let fault = Fault::new(Code::UnknownOperating, reason);
                    self.reject_flight(seen.line, fault, seen.raw, Some(key));
                    continue;
                };
                self.add(&seen, waiting.shown, Some((operating, true)));
            }
            self.looks(&seen, key, &waiting.looks);
        }
    }
}

fn place_of(shown: &Shown) -> Place {
    (shown.board(), shown.off(), shown.legs[0].departs.instant_s)
}

/// Two looks at one bucket: of statuses the one that sells less (closed before open), an exact count before a floor, the smaller of two
/// exact counts, the greater of two floors.
fn merged(
    one: (SaleStatus, Option<Seats>),
    other: (SaleStatus, Option<Seats>),
) -> (SaleStatus, Option<Seats>) {
    let care = |status: SaleStatus| match status {
        SaleStatus::Open => 0,
        SaleStatus::Request => 1,
        SaleStatus::WaitlistOpen => 2,
        SaleStatus::Closed => 3,
        SaleStatus::NotOperating => 4,
    };
    if care(one.0).max(care(other.0)) > 0 {
        return if care(one.0) >= care(other.0) {
            one
        } else {
            other
        };
    }
    let seats = match (one.1, other.1) {
        (None, seats) | (seats, None) => seats,
        (Some(one), Some(other)) => Some(match (one.is_floor, other.is_floor) {
            (false, true) => one,
            (true, false) => other,
            (false, false) if one.count <= other.count => one,
            (true, true) if one.count >= other.count => one,
            _ => other,
        }),
    };
    (SaleStatus::Open, seats)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_at_one_bucket_are_never_summed_and_the_careful_one_wins_in_any_order() {
        let seats = |count, is_floor| (SaleStatus::Open, Some(Seats { count, is_floor }));
        let closed = (SaleStatus::Closed, None);
        for (one, other, want) in [
            (seats(4, false), seats(9, true), seats(4, false)),
            (seats(7, false), seats(6, false), seats(6, false)),
            (seats(1, true), seats(2, true), seats(2, true)),
            (seats(-3, false), seats(0, false), seats(-3, false)),
            (closed, seats(9, true), closed),
            (closed, (SaleStatus::WaitlistOpen, None), closed),
            (closed, (SaleStatus::Request, None), closed),
            (
                closed,
                (SaleStatus::NotOperating, None),
                (SaleStatus::NotOperating, None),
            ),
            ((SaleStatus::Open, None), seats(2, true), seats(2, true)),
        ] {
            assert_eq!(merged(one, other), want);
            assert_eq!(merged(other, one), want);
        }
    }
}
