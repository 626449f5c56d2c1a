//! A file, deltas, cancellations and reinstatements in any order, with duplicates, end in one
//! state: that of a model which knows nothing of files, messages and streams.

use std::collections::{BTreeMap, BTreeSet};

use flightline_connectors::{Late, Options, Push, PushCommand, PushConfig, Source, format};
use flightline_ledger::{
    Command, FlightCommand, FlightKey, FlightStatus, Input, Ledger, Outcome, Reason, Silent,
};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::ssim_file::{LegRow, carrier, file};

/// What one report says, in terms of numbers, days of January and minutes.
#[derive(Clone, Debug)]
enum Says {
    /// Everything that flies: (number, day, departs, seats), from Paris.
    File(Vec<(u16, u32, u32, u16)>),
    New(u16, u32, u32, u16),
    /// The flight now begins at this station.
    Replace(u16, u32, &'static str, u32, u16),
    Cancel(u16, u32),
    Reinstate(u16, u32),
    Times(u16, u32, u32),
    Equipment(u16, u32, u16),
}

/// A report with its place in the order of the provider: day of December and number. A file is
/// older than the messages of its day.
#[derive(Clone, Debug)]
struct Report {
    day: u32,
    number: u32,
    says: Says,
}

fn hhmm(minutes: u32) -> String {
    format!("{:02}{:02}", minutes / 60, minutes % 60)
}

impl Report {
    fn text(&self) -> (&'static str, String) {
        let created = format!("{:02}DEC26", self.day);
        if let Says::File(flights) = &self.says {
            let carrier = carrier('L', "FL", "01JAN27", "31JAN27", &created);
            let rows: Vec<String> = flights
                .iter()
                .map(|(number, day, departs, seats)| {
                    let texts = [
                        number.to_string(),
                        format!("{day:02}JAN27"),
                        hhmm(*departs),
                        hhmm(departs + 80),
                        format!("Y{seats:03}"),
                    ];
                    let [number, day, departs, arrives, seats] = texts.map(|t| &*t.leak());
                    LegRow {
                        number,
                        from: day,
                        to: day,
                        departs,
                        arrives,
                        configuration: seats,
                        classes: "Y",
                        ..LegRow::default()
                    }
                    .text()
                })
                .collect();
            return ("ssim", file(&carrier, &rows));
        }
        let period = |day: &u32| format!("{day:02}JAN27 {day:02}JAN27 1234567");
        let leg = |board: &str, departs: &u32| {
            format!("{board}{} AMS{}", hhmm(*departs), hhmm(departs + 80))
        };
        let body = match &self.says {
            Says::File(_) => unreachable!(),
            Says::New(n, day, departs, seats) => format!(
                "NEW\nFL{n}\n{}\nJ 738 Y.Y{seats}\n{}",
                period(day),
                leg("CDG", departs)
            ),
            Says::Replace(n, day, board, departs, seats) => format!(
                "RPL\nFL{n}\n{}\nJ 738 Y.Y{seats}\n{}",
                period(day),
                leg(board, departs)
            ),
            Says::Cancel(n, day) => format!("CNL\nFL{n}\n{}", period(day)),
            Says::Reinstate(n, day) => format!("RIN\nFL{n}\n{}", period(day)),
            Says::Times(n, day, departs) => {
                format!("TIM\nFL{n}\n{}\n{}", period(day), leg("CDG", departs))
            }
            Says::Equipment(n, day, seats) => {
                format!("EQT\nFL{n}\n{}\nJ 320 Y.Y{seats}", period(day))
            }
        };
        (
            "ssm",
            format!(
                "SSM\nLT\n{:02}DEC{:05}E001\n{body}\n",
                self.day, self.number
            ),
        )
    }

    fn version(&self) -> (u32, bool, u32) {
        (self.day, !matches!(self.says, Says::File(_)), self.number)
    }
}

/// A flight at the end: departs, seats, flies.
type End = BTreeMap<(u16, u32, String), (u32, u16, bool)>;

/// The end by looking back over everything that was ever said, the newest first.
fn model(reports: &[Report]) -> End {
    let mut sorted: Vec<_> = reports.to_vec();
    sorted.sort_by_key(|r| std::cmp::Reverse(r.version()));
    let mut all = BTreeSet::new();
    for report in &sorted {
        match &report.says {
            Says::File(flights) => all.extend(flights.iter().map(|f| (f.0, f.1, "CDG"))),
            Says::New(n, day, ..) => drop(all.insert((*n, *day, "CDG"))),
            Says::Replace(n, day, board, ..) => drop(all.insert((*n, *day, *board))),
            _ => {}
        }
    }
    let mut end = End::new();
    for (number, day, board) in all {
        let (mut departs, mut seats, mut flies) = (None, None, None);
        for report in &sorted {
            let mut is = |d: Option<u32>, s: Option<u16>, f: Option<bool>| {
                departs = departs.or(d);
                seats = seats.or(s);
                flies = flies.or(f);
            };
            match &report.says {
                Says::File(flights) => {
                    let own = flights
                        .iter()
                        .find(|f| (f.0, f.1, "CDG") == (number, day, board));
                    match own {
                        Some(f) => is(Some(f.2), Some(f.3), Some(true)),
                        None => is(None, None, Some(false)),
                    }
                }
                Says::New(n, d, t, s) if (*n, *d, "CDG") == (number, day, board) => {
                    is(Some(*t), Some(*s), Some(true))
                }
                Says::Replace(n, d, b, t, s) if (*n, *d) == (number, day) => {
                    if *b == board {
                        is(Some(*t), Some(*s), Some(true))
                    } else {
                        is(None, None, Some(false))
                    }
                }
                Says::Cancel(n, d) if (*n, *d) == (number, day) => is(None, None, Some(false)),
                Says::Reinstate(n, d) if (*n, *d) == (number, day) => is(None, None, Some(true)),
                // Times name stations: they are those of the flight from there.
                Says::Times(n, d, t) if (*n, *d, "CDG") == (number, day, board) => {
                    is(Some(*t), None, None)
                }
                Says::Equipment(n, d, s) if (*n, *d) == (number, day) => is(None, Some(*s), None),
                _ => {}
            }
        }
        end.insert(
            (number, day, board.to_owned()),
            (departs.unwrap(), seats.unwrap(), flies.unwrap()),
        );
    }
    end
}

/// What stands between the connectors and the ledger, as a replica has it.
struct Desk {
    ledger: Ledger,
    late: Late,
    offset: u64,
}

impl Desk {
    fn apply(&mut self, command: PushCommand) {
        let input = Input {
            offset: self.offset,
            at_ms: 0,
            id: command.id,
            command: Command::Flight(command.flight, command.command.clone()),
        };
        self.offset += 1;
        let decision = self.ledger.apply(&input, &mut Silent);
        let FlightCommand::Provider(event) = &command.command else {
            panic!("{command:?}");
        };
        if let Outcome::Refused(reason) = decision.outcome {
            let kept = [Reason::NotScheduled, Reason::InvalidEvent];
            assert!(kept.contains(&reason), "{reason:?}");
        }
        let follow = self.late.decided(
            command.flight,
            command.id,
            event,
            &decision.outcome,
            decision.replay,
        );
        for follow in follow {
            self.apply(follow);
        }
    }

    fn flights(&self) -> Vec<FlightKey> {
        self.ledger
            .flights()
            .map(|(_, flight)| flight.key())
            .collect()
    }

    fn push(&mut self, name: &str, text: &str) {
        let provider = "acme".parse().unwrap();
        let options = match name {
            "ssm" => Options::new().with("received", "2026-12-15"),
            _ => Options::new(),
        };
        let connector = format(name).unwrap().connector(&options).unwrap();
        for batch in Push::new(
            &*connector,
            Source::new("m", text.as_bytes()),
            PushConfig::new(provider),
        ) {
            assert!(batch.rejects.is_empty(), "{:?}", batch.rejects);
            for command in batch.commands {
                self.apply(command);
            }
            for (line, event) in batch.unplaced {
                self.late.unplaced(provider, &event);
                for flight in self.flights() {
                    if event.flights.contains(&flight, None) {
                        self.apply(event.command(flight, provider, 0, line));
                    }
                }
            }
            if let Some(close) = batch.close {
                let of = &close.replacement;
                self.late.closed(close.provider, of.version, of.scope);
                let existing = self.flights();
                for command in close.withdrawals(existing).collect::<Vec<_>>() {
                    self.apply(command);
                }
            }
        }
    }

    fn end(&self) -> End {
        self.ledger
            .flights()
            .map(|(_, flight)| {
                let key = flight.key();
                let leg = flight.legs()[0];
                let wall_min = (leg.times.departs_s / 60 + i64::from(leg.times.departs_offset_min))
                    .rem_euclid(1440);
                let seats = flight.aircraft().map(|line| line.seats.unwrap()).sum();
                let (_, _, day) = key.origin_date.ymd();
                (
                    (key.number, day, key.board.to_string()),
                    (
                        wall_min as u32,
                        seats,
                        flight.status() == FlightStatus::Scheduled,
                    ),
                )
            })
            .collect()
    }
}

fn any_report(random: &mut StdRng, n: u32) -> Report {
    let number = random.random_range(1..=3);
    let day = random.random_range(5..=7);
    let departs = random.random_range(360..1200);
    let seats = random.random_range(100..=190);
    let says = match random.random_range(0..10) {
        0 | 1 => Says::New(number, day, departs, seats),
        2 => Says::Replace(
            number,
            day,
            ["CDG", "LHR", "ORY"][random.random_range(0..3)],
            departs,
            seats,
        ),
        3..=5 => Says::Cancel(number, day),
        6 => Says::Reinstate(number, day),
        7 => Says::Times(number, day, departs),
        _ => Says::Equipment(number, day, seats),
    };
    Report {
        day: random.random_range(10..=12),
        number: n,
        says,
    }
}

fn any_file(random: &mut StdRng, day: u32) -> Report {
    let mut flights = Vec::new();
    for number in 1..=3 {
        for on in 5..=7 {
            if random.random_bool(0.6) {
                flights.push((
                    number,
                    on,
                    random.random_range(360..1200),
                    random.random_range(100..=190),
                ));
            }
        }
    }
    Report {
        day,
        number: 0,
        says: Says::File(flights),
    }
}

#[test]
fn pitfalls_8_and_9_any_order_with_duplicates_ends_in_one_state() {
    for seed in 0..40 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut reports: Vec<_> = (10..=12).map(|day| any_file(&mut random, day)).collect();
        let deltas = random.random_range(5..20);
        reports.extend((1..=deltas).map(|n| any_report(&mut random, n)));
        let wanted = model(&reports);
        for order in 0..25 {
            let mut sent = reports.clone();
            for _ in 0..random.random_range(0..6) {
                sent.push(reports[random.random_range(0..reports.len())].clone());
            }
            sent.shuffle(&mut random);
            let mut desk = Desk {
                ledger: Ledger::new(),
                late: Late::new(),
                offset: 0,
            };
            for report in &sent {
                let (name, text) = report.text();
                desk.push(name, &text);
            }
            assert_eq!(desk.end(), wanted, "seed {seed}, order {order}: {sent:#?}");
        }
    }
}
