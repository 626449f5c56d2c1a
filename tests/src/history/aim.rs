//! The words the histories are made of, and how they are picked.

use flightline_ledger::command::SourceVersion;
use flightline_ledger::{
    Cabin, Class, CommandId, Currency, FlightKey, Money, ProviderCode, Station,
};

use super::rng::Rng;
use crate::model::{CabinOnLeg, Flight};

const STATIONS: [&str; 16] = [
    "EWR", "ORD", "DEN", "SFO", "LAX", "JFK", "BOS", "SEA", "ATL", "IAH", "MIA", "AAA", "ZZZ",
    "HNL", "GUM", "KWA",
];
const PROVIDERS: [&str; 5] = ["ua", "b-2", "gds_a", "sixteen-long-16_", "0"];
const CURRENCIES: [(&str, u8); 3] = [("USD", 2), ("EUR", 2), ("JPY", 0)];

pub(crate) fn code<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("a word of the vocabulary parses")
}

pub(crate) fn station(rng: &mut Rng) -> Station {
    code(rng.pick(&STATIONS))
}

pub(crate) fn any_provider(rng: &mut Rng, crowd: bool) -> ProviderCode {
    if crowd && rng.chance(800) {
        return code(&format!("p{}", rng.below(400)));
    }
    code(rng.pick(&PROVIDERS))
}

/// Mostly economy, now and then one that nobody has.
pub(crate) fn any_cabin(rng: &mut Rng) -> Cabin {
    code(rng.weighted(&[(60, "Y"), (30, "C"), (8, "F"), (2, "Z")]))
}

pub(crate) fn any_class(rng: &mut Rng) -> Class {
    code(rng.weighted(&[
        (30, "Y"),
        (25, "B"),
        (20, "M"),
        (10, "J"),
        (10, "C"),
        (5, "X"),
    ]))
}

pub(crate) fn price(rng: &mut Rng) -> Money {
    let (currency, exponent) =
        rng.weighted(&[(80, CURRENCIES[0]), (12, CURRENCIES[1]), (8, CURRENCIES[2])]);
    Money {
        minor: rng.between(1, 6) * 1000,
        currency: code::<Currency>(currency),
        exponent,
    }
}

/// A provider that is on the flight, the owner often.
pub(crate) fn provider_on(rng: &mut Rng, flight: Option<&Flight>, crowd: bool) -> ProviderCode {
    let Some(flight) = flight else {
        return any_provider(rng, crowd);
    };
    let others = if crowd { 60 } else { 10 };
    match rng.weighted(&[(45, 0), (45, 1), (others, 2)]) {
        0 => flight.owner,
        1 => {
            let codes: Vec<ProviderCode> = flight.providers.keys().copied().collect();
            rng.pick(&codes)
        }
        _ => any_provider(rng, crowd),
    }
}

/// The provider's cabins, or all providers', on the first leg concerned or on any.
fn cabins_on(
    flight: Option<&Flight>,
    provider: Option<ProviderCode>,
    legs: Option<(usize, usize)>,
) -> impl Iterator<Item = (Cabin, &CabinOnLeg)> {
    flight
        .into_iter()
        .flat_map(|flight| &flight.providers)
        .filter(move |(code, _)| provider.is_none_or(|p| p == **code))
        .flat_map(|(_, provider)| &provider.cabins)
        .filter(move |((leg, _), _)| legs.is_none_or(|legs| *leg == legs.0))
        .map(|((_, cabin), line)| (*cabin, line))
}

/// A cabin that the provider has, mostly.
pub(crate) fn cabin_of(
    rng: &mut Rng,
    flight: Option<&Flight>,
    provider: Option<ProviderCode>,
    legs: Option<(usize, usize)>,
) -> Cabin {
    let known: Vec<Cabin> = cabins_on(flight, provider, legs).map(|(c, _)| c).collect();
    match rng.pick_some(&known) {
        Some(cabin) if !rng.chance(50) => cabin,
        _ => any_cabin(rng),
    }
}

/// A class that is in the cabin, mostly.
pub(crate) fn class_of(
    rng: &mut Rng,
    flight: Option<&Flight>,
    provider: Option<ProviderCode>,
    cabin: Cabin,
    legs: Option<(usize, usize)>,
) -> Class {
    let known: Vec<Class> = cabins_on(flight, provider, legs)
        .filter(|(c, _)| *c == cabin)
        .flat_map(|(_, line)| line.classes.iter().map(|(class, _)| *class))
        .collect();
    match rng.pick_some(&known) {
        Some(class) if !rng.chance(50) => class,
        _ => any_class(rng),
    }
}

/// A segment of the flight, now and then of no flight.
pub(crate) fn segment(rng: &mut Rng, flight: Option<&Flight>) -> (Station, Station) {
    match flight {
        Some(flight) if !rng.chance(40) => {
            let from = rng.below(flight.legs.len());
            let to = from + rng.below(flight.legs.len() - from);
            (flight.legs[from].board, flight.legs[to].off)
        }
        _ => (station(rng), station(rng)),
    }
}

/// A station from which the flight departs, now and then another.
pub(crate) fn departure(rng: &mut Rng, flight: Option<&Flight>) -> Station {
    match flight {
        Some(flight) if !rng.chance(40) => {
            let leg = rng.below(flight.legs.len());
            flight.legs[leg].board
        }
        _ => station(rng),
    }
}

pub(crate) fn flight_key(rng: &mut Rng, now_ms: i64) -> FlightKey {
    let day = now_ms.div_euclid(86_400_000) as i32 + rng.between(0, 1) as i32;
    FlightKey {
        carrier: code(rng.pick(&["UA", "9E", "BAW"])),
        number: rng.between(1, 9999) as u16,
        suffix: if rng.chance(100) { b'A' } else { 0 },
        origin_date: flightline_ledger::Date(day),
        board: station(rng),
    }
}

/// The versions that providers give their reports: mostly rising, with late and repeated ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions {
    last: i64,
}

impl Versions {
    pub(crate) fn next(&mut self, rng: &mut Rng, hostile: bool) -> SourceVersion {
        let time_ms = match rng.weighted(&[(760, 0), (90, 1), (110, 2), (40, 3), (3, 4)]) {
            0 => {
                self.last += rng.between(1, 3);
                self.last
            }
            1 => self.last,
            2 => self.last - rng.between(1, 12),
            3 => self.last - rng.between(1, 300),
            _ if hostile && rng.chance(200) => rng.pick(&[i64::MIN, i64::MAX]),
            _ => self.last + 20,
        };
        let (group, sequence) = match rng.below(10) {
            0 => (rng.below(3) as u32, rng.below(3) as u32),
            1 if hostile => (u32::MAX, u32::MAX),
            _ => (0, 0),
        };
        SourceVersion {
            time_ms,
            group,
            sequence,
        }
    }
}

pub(crate) fn unknown_id(rng: &mut Rng) -> CommandId {
    let random = u128::from(rng.bits());
    CommandId(rng.pick(&[0, u128::MAX, 1 << 100, random]))
}
