//! What is printed reads as the same event.

use flightline_connectors::canonical::{
    CanonicalEvent, to_line, to_replace_begin_line, to_replace_end_line,
};
use flightline_connectors::{Observed, Options, Parsed, Replacement, Scope, nycflights13};
use flightline_ledger::command::{
    Availability, CabinPlan, ClassPlan, Counts, Equipment, Fare, Leg, LegTimes, Level, SaleStatus,
    Schedule, SourceVersion,
};
use flightline_ledger::{Cabin, Class, CommandId, Date, FlightKey, Money, ProviderBody, Station};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use crate::support::{events, parse, parse_with, rejects};

fn read(line: &str) -> CanonicalEvent {
    let items = parse("canonical", format!("{line}\n").as_bytes());
    assert!(rejects(&items).is_empty(), "{line}\n{:?}", rejects(&items));
    let mut all = events(&items);
    assert_eq!(all.len(), 1, "{line}");
    all.remove(0)
}

#[test]
fn january_prints_and_reads_the_same() {
    let options = Options::new().with("shift_days", "5072");
    let wanted = events(&parse_with(
        "nycflights13",
        &options,
        nycflights13::JANUARY_CSV_GZ,
    ));
    let mut printed = String::new();
    for event in &wanted {
        printed += &to_line(event);
        printed.push('\n');
    }
    assert_eq!(events(&parse("canonical", printed.as_bytes())), wanted);
}

fn station() -> impl Strategy<Value = Station> {
    prop_oneof![
        3 => prop::sample::select(vec!["EWR", "JFK", "IAH", "SJU", "HNL", "LHR", "KTM", "SYD"]),
        1 => prop::sample::select(vec!["QQQ", "ZZZ", "AAA"]),
    ]
    .prop_map(|code| code.parse().unwrap())
}

fn letter() -> impl Strategy<Value = u8> {
    b'A'..=b'Z'
}

fn cabin() -> impl Strategy<Value = Cabin> {
    letter().prop_map(|l| Cabin::new(l).unwrap())
}

fn class() -> impl Strategy<Value = Class> {
    letter().prop_map(|l| Class::new(l).unwrap())
}

fn flight() -> impl Strategy<Value = FlightKey> {
    (
        prop::sample::select(vec!["UA", "9E", "W2", "BAW"]),
        1_u16..=9999,
        option::of(letter()),
        // 1960 to 2900, so that local days of any offset lie inside of what is taken.
        -3_000_i32..340_000,
        station(),
    )
        .prop_map(|(carrier, number, suffix, days, board)| FlightKey {
            carrier: carrier.parse().unwrap(),
            number,
            suffix: suffix.unwrap_or(0),
            origin_date: Date(days),
            board,
        })
}

fn version() -> impl Strategy<Value = SourceVersion> {
    (
        -300_000_000_000_i64..4_000_000_000_000,
        any::<u32>(),
        any::<u32>(),
    )
        .prop_map(|(time_ms, group, sequence)| SourceVersion {
            time_ms,
            group,
            sequence,
        })
}

fn aircraft() -> impl Strategy<Value = [u8; 3]> {
    prop_oneof![Just([0; 3]), Just(*b"738"), Just(*b"73G")]
}

/// Classes are distinct over the whole leg, so they are dealt out to the cabins.
fn cabins() -> impl Strategy<Value = Vec<CabinPlan>> {
    (
        btree_map(
            letter(),
            (option::of(0_u16..=2000), option::of(0_u16..=9999)),
            0..4,
        ),
        btree_map(
            letter(),
            (option::of(0_u16..=9999), any::<prop::sample::Index>()),
            0..8,
        ),
    )
        .prop_map(|(cabins, classes)| {
            let mut plans: Vec<_> = cabins
                .into_iter()
                .map(|(letter, (seats, authorised))| CabinPlan {
                    cabin: Cabin::new(letter).unwrap(),
                    seats,
                    authorised,
                    classes: Vec::new(),
                })
                .collect();
            if !plans.is_empty() {
                for (letter, (limit, to)) in classes {
                    let n = to.index(plans.len());
                    plans[n].classes.push(ClassPlan {
                        class: Class::new(letter).unwrap(),
                        limit,
                    });
                }
            }
            plans
        })
}

/// Minutes on the ground and in the air, and the offsets.
type Hop = (i64, i64, i16, i16);

fn hop() -> impl Strategy<Value = Hop> {
    (0..600_i64, 0..1200_i64, -840_i16..=840, -840_i16..=840)
}

fn times(board: Station, from_s: i64, (ground, air, out, back): Hop) -> LegTimes {
    let departs_s = from_s + ground * 60;
    LegTimes {
        board,
        departs_s,
        arrives_s: departs_s + air * 60,
        departs_offset_min: out,
        arrives_offset_min: back,
    }
}

fn schedule(flight: FlightKey) -> impl Strategy<Value = ProviderBody> {
    (
        vec((station(), hop(), aircraft(), letter(), cabins()), 1..=4),
        vec(any::<[prop::sample::Index; 2]>(), 0..3),
        option::of(self::flight()),
    )
        .prop_map(move |(hops, pairs, operating)| {
            let mut legs: Vec<Leg> = Vec::new();
            for (off, hop, aircraft, service, cabins) in hops {
                let (board, from_s) = legs.last().map_or(
                    (flight.board, i64::from(flight.origin_date.0) * 86_400),
                    |leg: &Leg| (leg.off, leg.times.arrives_s),
                );
                legs.push(Leg {
                    board,
                    off,
                    times: times(board, from_s, hop),
                    aircraft,
                    service,
                    cabins,
                });
            }
            let mut stations: Vec<Station> = legs.iter().map(|leg| leg.off).collect();
            stations.push(flight.board);
            let restricted = pairs
                .iter()
                .map(|[a, b]| {
                    (
                        stations[a.index(stations.len())],
                        stations[b.index(stations.len())],
                    )
                })
                .filter(|(a, b)| a != b)
                .collect();
            ProviderBody::Schedule(Schedule {
                legs,
                restricted,
                operating: operating.filter(|key| *key != flight),
            })
        })
}

fn time_change(flight: FlightKey) -> impl Strategy<Value = ProviderBody> {
    vec((station(), hop()), 1..=4).prop_map(move |legs| {
        let from_s = i64::from(flight.origin_date.0) * 86_400;
        let mut out: Vec<LegTimes> = Vec::new();
        for (board, hop) in legs {
            if out.iter().all(|leg| leg.board != board) {
                out.push(times(board, from_s, hop));
            }
        }
        ProviderBody::TimeChange(out)
    })
}

fn availability() -> impl Strategy<Value = ProviderBody> {
    let level = prop_oneof![
        Just(Level::Flight),
        station().prop_map(Level::Leg),
        (station(), station())
            .prop_filter("two stations", |(a, b)| a != b)
            .prop_map(|(a, b)| Level::Segment(a, b)),
    ];
    let status = prop::sample::select(vec![
        SaleStatus::Open,
        SaleStatus::Request,
        SaleStatus::WaitlistOpen,
        SaleStatus::Closed,
        SaleStatus::NotOperating,
    ]);
    (
        level,
        option::of(cabin()),
        option::of(class()),
        status,
        option::of((-9999..=9999_i32, any::<bool>(), any::<bool>())),
    )
        .prop_map(|(level, cabin, class, status, count)| {
            let (seats, is_floor, remaining) = match count {
                Some((n, is_floor, remaining)) => (Some(n), is_floor, remaining),
                None => (None, false, false),
            };
            ProviderBody::Availability(Availability {
                level,
                cabin,
                class,
                status,
                seats,
                is_floor,
                counts: if remaining {
                    Counts::Remaining
                } else {
                    Counts::Total
                },
                expires_ms: None,
            })
        })
}

fn fares() -> impl Strategy<Value = ProviderBody> {
    let price = (
        0..i64::MAX,
        prop::sample::select(vec![
            ("USD", 2),
            ("JPY", 0),
            ("KWD", 3),
            ("CLF", 4),
            ("QQQ", 2),
        ]),
    )
        .prop_map(|(minor, (currency, exponent))| Money {
            minor,
            currency: currency.parse().unwrap(),
            exponent,
        });
    let segment = option::of((station(), station()).prop_filter("two stations", |(a, b)| a != b));
    btree_map((segment, cabin(), option::of(class())), price, 1..6).prop_map(|fares| {
        ProviderBody::Fares(
            fares
                .into_iter()
                .map(|((segment, cabin, class), price)| Fare {
                    segment,
                    cabin,
                    class,
                    price,
                })
                .collect(),
        )
    })
}

fn body(flight: FlightKey) -> impl Strategy<Value = ProviderBody> {
    prop_oneof![
        4 => schedule(flight),
        1 => time_change(flight),
        1 => (option::of(station()), aircraft(), cabins()).prop_map(|(board, aircraft, cabins)| {
            ProviderBody::Equipment(Equipment { board, aircraft, cabins })
        }),
        1 => availability(),
        1 => fares(),
        1 => btree_map(cabin(), 0_u16..=9999, 0..4)
            .prop_map(|terms| ProviderBody::Terms(terms.into_iter().collect())),
        1 => Just(ProviderBody::Cancel),
        1 => Just(ProviderBody::Reinstate),
        1 => Just(ProviderBody::Withdraw),
        1 => vec(any::<u128>().prop_map(CommandId), 1..5).prop_map(ProviderBody::Acknowledge),
    ]
}

fn observed() -> impl Strategy<Value = Observed> {
    (
        option::of(-2_000_000_000_000..32_000_000_000_000_i64),
        option::of("\\PC{1,20}"),
        option::of(station()),
        option::of("[A-Z]{2,3}"),
        vec(flight(), 0..3),
        option::of(0..10_000_000_i64),
        option::of(0_u16..=999),
    )
        .prop_map(
            |(expires_ms, offer, place, point_of_sale, journey, minor, passengers)| Observed {
                expires_ms,
                offer: offer.map(String::into_boxed_str),
                origin: place,
                destination: place,
                point_of_sale: point_of_sale.map(String::into_boxed_str),
                journey,
                total: minor.map(|minor| Money {
                    minor,
                    currency: "KWD".parse().unwrap(),
                    exponent: 3,
                }),
                passengers,
            },
        )
}

fn event() -> impl Strategy<Value = CanonicalEvent> {
    (
        flight(),
        version(),
        option::of("\\PC{0,20}"),
        0_u32..256,
        option::of(observed()),
    )
        .prop_flat_map(|(flight, version, message_id, quality, observed)| {
            body(flight).prop_map(move |body| CanonicalEvent {
                flight,
                version,
                message_id: message_id.clone().map(String::into_boxed_str),
                quality,
                body,
                observed: observed.clone().map(Box::new),
            })
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// Reading may add marks (an unknown station, an offset that the zone denies), never change
    /// anything else; and what was read once prints and reads as itself.
    #[test]
    fn events_print_and_read_the_same(event in event()) {
        let line = to_line(&event);
        prop_assert!(!line.contains('\n'));
        let once = read(&line);
        prop_assert_eq!(once.quality & event.quality, event.quality);
        let same_but_marks = CanonicalEvent { quality: once.quality, ..event };
        prop_assert_eq!(&once, &same_but_marks);
        prop_assert_eq!(read(&to_line(&once)), once);
    }

    #[test]
    fn marks_print_and_read_the_same(
        carrier in option::of(Just("UA".parse().unwrap())),
        from in -20_000..300_000_i32,
        days in 0..4000_i32,
        version in version(),
        message_id in option::of("\\PC{0,20}"),
        counted in any::<bool>(),
    ) {
        let replacement = Replacement {
            scope: Scope { carrier, from: Date(from), to: Date(from + days) },
            version,
            message_id: message_id.map(String::into_boxed_str),
        };
        let lines = format!(
            "{}\n{}\n",
            to_replace_begin_line(&replacement),
            to_replace_end_line(&replacement, counted.then_some(0)),
        );
        let wanted = [
            Parsed::ReplaceBegin { line: 1, replacement: replacement.clone() },
            Parsed::ReplaceEnd { line: 2, replacement },
        ];
        prop_assert_eq!(parse("canonical", lines.as_bytes()), wanted);
    }
}
