//! Flights, and what a provider says to put them on sale.

use flightline_ledger::command::{
    CabinPlan, ClassPlan, Fare, Leg, LegTimes, Schedule, SourceVersion,
};
use flightline_ledger::{
    Cabin, Class, CommandId, Currency, Date, FlightCommand, FlightKey, Money, ProviderBody,
    ProviderCode, ProviderEvent, Station,
};

/// The first day that flights depart on: far enough that no benchmark meets its departure.
pub const FIRST_DAY: (i32, u32, u32) = (2035, 6, 1);

const DAY_S: i64 = 86_400;

/// Texts in the benchmarks' own source: they parse, or the benchmark is wrong.
fn fixed<T: std::str::FromStr>(text: &str) -> T {
    match text.parse() {
        Ok(value) => value,
        Err(_) => panic!("'{text}' in the benchmark's source does not parse"),
    }
}

/// The provider that all flights are from.
pub fn provider() -> ProviderCode {
    fixed("bench")
}

/// A cabin by its letter.
pub fn cabin(letter: char) -> Cabin {
    fixed(letter.encode_utf8(&mut [0; 4]))
}

/// A booking class by its letter.
pub fn class(letter: char) -> Class {
    fixed(letter.encode_utf8(&mut [0; 4]))
}

/// The n-th of 17,576 stations: AAA, AAB, …
pub fn station(n: usize) -> Station {
    let letter = |n: usize| char::from(b'A' + (n % 26) as u8);
    fixed(
        &[letter(n / 676), letter(n / 26), letter(n)]
            .iter()
            .collect::<String>(),
    )
}

/// The n-th day of the fleet's schedule.
pub fn day(n: usize) -> Date {
    let (year, month, day) = FIRST_DAY;
    match Date::from_ymd(year, month, day) {
        Some(first) => Date(first.0 + n as i32),
        None => panic!("the first day exists"),
    }
}

/// What a flight offers.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Cabins with their seats and classes.
    pub cabins: Vec<CabinPlan>,
    /// Fares for the whole flight.
    pub fares: Vec<(Cabin, Option<Class>, i64)>,
}

impl Plan {
    /// As airlines sell: 16 seats in business, 180 in economy, of these in nested classes.
    pub fn airliner() -> Self {
        let nest = |letters: &[(char, Option<u16>)]| {
            letters
                .iter()
                .map(|(letter, limit)| ClassPlan {
                    class: class(*letter),
                    limit: *limit,
                })
                .collect()
        };
        let plan = |letter, seats, classes| CabinPlan {
            cabin: cabin(letter),
            seats: Some(seats),
            authorised: None,
            classes,
        };
        Self {
            cabins: vec![
                plan('C', 16, nest(&[('C', None)])),
                plan(
                    'Y',
                    180,
                    nest(&[('Y', None), ('M', Some(150)), ('Q', Some(90))]),
                ),
            ],
            fares: vec![
                (cabin('C'), None, 120_000),
                (cabin('Y'), None, 42_000),
                (cabin('Y'), Some(class('M')), 24_000),
                (cabin('Y'), Some(class('Q')), 9_900),
            ],
        }
    }

    /// More seats than any aircraft has, in so many cabins from A on: a flight that does not sell
    /// out while it is measured. 9,999 a cabin, the most that can be authorised.
    pub fn endless(cabins: u8) -> Self {
        let letters = || (0..cabins.min(26)).map(|n| cabin(char::from(b'A' + n)));
        Self {
            cabins: letters()
                .map(|cabin| CabinPlan {
                    cabin,
                    seats: None,
                    authorised: Some(9_999),
                    classes: Vec::new(),
                })
                .collect(),
            fares: letters().map(|cabin| (cabin, None, 10_000)).collect(),
        }
    }

    /// One cabin, Y, with so many seats.
    pub fn single(seats: u16) -> Self {
        Self {
            cabins: vec![CabinPlan {
                cabin: cabin('Y'),
                seats: None,
                authorised: Some(seats),
                classes: Vec::new(),
            }],
            fares: vec![(cabin('Y'), None, 10_000)],
        }
    }
}

/// The key of the n-th flight of a fleet: 9,000 flights a day from one of `boards` stations each.
pub fn key(n: usize, boards: usize) -> FlightKey {
    FlightKey {
        carrier: fixed("FL"),
        number: (n % 9_000 + 1) as u16,
        suffix: 0,
        origin_date: day(n / 9_000),
        board: station(n % boards.max(1)),
    }
}

/// The provider's words that create a flight to `off` and price it: a schedule, then its fares.
/// Leaves at 10:00 UTC on its origin date and takes two hours.
pub fn events(key: &FlightKey, off: Station, plan: &Plan) -> [ProviderBody; 2] {
    let departs_s = i64::from(key.origin_date.0) * DAY_S + 10 * 3600;
    let usd: Currency = fixed("USD");
    let leg = Leg {
        board: key.board,
        off,
        times: LegTimes {
            board: key.board,
            departs_s,
            arrives_s: departs_s + 2 * 3600,
            departs_offset_min: 0,
            arrives_offset_min: 0,
        },
        aircraft: *b"32N",
        service: b'J',
        cabins: plan.cabins.clone(),
    };
    let fares = plan
        .fares
        .iter()
        .map(|(cabin, class, minor)| Fare {
            segment: None,
            cabin: *cabin,
            class: *class,
            price: Money {
                minor: *minor,
                currency: usd,
                exponent: 2,
            },
        })
        .collect();
    [
        ProviderBody::Schedule(Schedule {
            legs: vec![leg],
            restricted: Vec::new(),
            operating: None,
        }),
        ProviderBody::Fares(fares),
    ]
}

/// The provider's n-th report.
pub fn version(n: u64) -> SourceVersion {
    SourceVersion {
        time_ms: 1_800_000_000_000 + n as i64,
        group: 0,
        sequence: 0,
    }
}

/// A provider's report as a command, with an id made from `id`.
pub fn command(id: u128, version: SourceVersion, body: ProviderBody) -> (CommandId, FlightCommand) {
    let event = ProviderEvent {
        provider: provider(),
        version,
        authority: 0,
        quality: 0,
        body,
    };
    (CommandId(id), FlightCommand::Provider(Box::new(event)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn keys_differ_and_read_back() {
        let keys: HashSet<_> = (0..60_000).map(|n| key(n, 40)).collect();
        assert_eq!(keys.len(), 60_000);
        for key in keys.iter().take(100) {
            assert_eq!(key.to_string().parse::<FlightKey>().unwrap(), *key);
        }
    }
}
