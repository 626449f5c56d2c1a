//! The real schedule of January through the dataflow, with simulated bookings on it: all 27,004
//! flights, the same whatever the workers, batches and restarts.

mod support;

use std::collections::BTreeMap;

use flightline_connectors::nycflights13::{JANUARY_CSV_GZ, JANUARY_NAME, NycFlights13};
use flightline_connectors::{Push, PushConfig, Source};
use flightline_dataflows::changelog::Record;
use flightline_dataflows::rows::FlightStatus;
use flightline_ledger::{
    Command, CommandId, FlightCommand, FlightKey, HoldRequest, Input, Outcome,
};
use support::Dice;
use support::naive::{Naive, Tables};
use support::sinks::{Feed, Run};

const PARTITIONS: u32 = 64;
const FLIGHTS: usize = 27_004;
const BOOKINGS: usize = 12_000;
/// 2012-12-20: before every departure.
const NOW_MS: i64 = 1_355_961_600_000;

struct Maker {
    offsets: Vec<u64>,
    records: Vec<Record>,
}

impl Maker {
    fn push(&mut self, id: CommandId, flight: FlightKey, command: FlightCommand) {
        let sum = flight
            .to_bytes()
            .iter()
            .fold(0_u32, |sum, b| sum.wrapping_mul(16_777_619) ^ u32::from(*b));
        let partition = (sum ^ sum >> 15) % PARTITIONS;
        let offset = self.offsets[partition as usize];
        self.offsets[partition as usize] += 1;
        self.records.push(Record {
            partition,
            input: Input {
                offset,
                at_ms: NOW_MS + self.records.len() as i64 * 20,
                id,
                command: Command::Flight(flight, command),
            },
            note: None,
        });
    }
}

/// The schedule as the connector reads it, then seeded bookings on a few hundred of its flights so
/// that some sell out.
fn history() -> Vec<Record> {
    let mut maker = Maker {
        offsets: vec![0; PARTITIONS as usize],
        records: Vec::new(),
    };
    let source = Source::new(JANUARY_NAME, JANUARY_CSV_GZ);
    let config = PushConfig::new("nyc".parse().unwrap());
    for batch in Push::new(&NycFlights13::default(), source, config) {
        assert!(batch.rejects.is_empty(), "{:?}", batch.rejects);
        for command in batch.commands {
            maker.push(command.id, command.flight, command.command);
        }
    }
    let mut flights: Vec<FlightKey> = Vec::new();
    for record in &maker.records {
        if let Command::Flight(key, FlightCommand::Provider(_)) = &record.input.command {
            flights.push(*key);
        }
    }
    flights.sort();
    flights.dedup();
    assert_eq!(flights.len(), FLIGHTS);
    let mut dice = Dice(2013);
    let hot: Vec<FlightKey> = (0..60).map(|_| dice.pick(&flights)).collect();
    let mut holds: Vec<(FlightKey, CommandId)> = Vec::new();
    for number in 0..BOOKINGS {
        let id = CommandId(number as u128 + 1);
        if dice.below(10) < 6 || holds.is_empty() {
            let flight = if dice.one_in(3) {
                dice.pick(&flights)
            } else {
                dice.pick(&hot)
            };
            let request = HoldRequest {
                provider: None,
                cabin: "Y".parse().unwrap(),
                class: None,
                board: None,
                off: None,
                seats: 1 + dice.below(6) as u16,
                ttl_ms: Some(20_000 + dice.below(600_000)),
                expected_price: None,
                wait_ms: None,
            };
            holds.push((flight, id));
            maker.push(id, flight, FlightCommand::Hold(request));
        } else {
            let (flight, hold) = dice.pick(&holds);
            let command = match dice.below(10) {
                0..=6 => FlightCommand::Confirm { hold },
                7 => FlightCommand::Release { hold },
                _ => FlightCommand::Cancel { hold },
            };
            maker.push(id, flight, command);
        }
    }
    maker.records
}

fn feed(workers: usize, batch: usize) -> Feed {
    Feed {
        partitions: PARTITIONS,
        workers,
        batch,
        // The schedule in two large epochs, the bookings in small ones.
        epochs: vec![40_000, 25_000, 700, 1_300],
        snapshot: None,
        resume: None,
    }
}

fn end(run: &Run) -> Tables {
    let mut tables = Tables::default();
    for epoch in &run.epochs {
        tables.apply(epoch);
    }
    tables
}

#[test]
fn the_real_january_comes_out_the_same_in_every_way() {
    let history = history();
    let one = feed(1, 10_000).run(&history);
    for (workers, batch) in [(1, 1), (2, 10_000), (4, 1), (4, 10_000)] {
        let other = feed(workers, batch).run(&history);
        assert!(
            other == one,
            "{workers} workers with batches of {batch} gave something else"
        );
    }

    let tables = end(&one);
    let mut naive = Naive::new(PARTITIONS);
    let until = &one.epochs.last().unwrap().covers;
    naive.fold(&history, until);
    tables.assert_equals(&naive.tables(), "the end of January");
    assert!(one.decisions == naive.decisions);

    // What a user would look at.
    assert_eq!(tables.flights.0.len(), FLIGHTS);
    let cancelled: Vec<FlightKey> = tables
        .flights
        .0
        .iter()
        .filter(|row| row.status == FlightStatus::Cancelled)
        .map(|row| row.flight)
        .collect();
    assert_eq!(cancelled.len(), 521, "flights of January without departure");
    let sold_on_cancelled = tables
        .offers
        .0
        .iter()
        .filter(|row| row.seats > 0 && cancelled.binary_search(&row.flight).is_ok());
    assert_eq!(sold_on_cancelled.count(), 0);
    assert!(tables.oversold.0.is_empty());
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    for decision in one.decisions.values().flatten() {
        let name = match decision.outcome {
            Outcome::Refused(reason) => reason.code(),
            ref outcome => outcome.name(),
        };
        *outcomes.entry(name).or_default() += 1;
    }
    for expected in ["held", "confirmed", "sold_out", "expired", "released"] {
        assert!(outcomes.contains_key(expected), "{outcomes:?}");
    }

    // Restarts, from offsets of which some are among the bookings.
    let mut dice = Dice(31);
    for round in 0..2 {
        let cut: Vec<u64> = until
            .iter()
            .map(|end| end - dice.below(1 + end / [1, 10][round]))
            .collect();
        let restart = Feed {
            snapshot: Some(cut.clone()),
            ..feed(1 + round, 5_000)
        };
        let resumed = restart.run(&history);
        end(&resumed).assert_equals(&tables, "after a restart");
        let rows = |run: &Run| {
            let epochs = run.epochs.iter();
            let mut rows: Vec<_> = epochs.flat_map(|e| e.decisions.iter().cloned()).collect();
            rows.retain(|row| row.decision.offset >= cut[row.partition as usize]);
            rows.sort_by_key(|row| (row.partition, row.decision.offset));
            rows
        };
        assert!(rows(&resumed) == rows(&one), "decisions after {cut:?}");
    }
}
