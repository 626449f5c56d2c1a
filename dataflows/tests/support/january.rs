//! The real schedule of January, with simulated bookings on it.

use flightline_connectors::nycflights13::{JANUARY_CSV_GZ, JANUARY_NAME, NycFlights13};
use flightline_connectors::{Push, PushConfig, Source};
use flightline_dataflows::changelog::Record;
use flightline_ledger::{Command, CommandId, FlightCommand, FlightKey, HoldRequest, Input};

use super::Dice;

pub const PARTITIONS: u32 = 64;
pub const FLIGHTS: usize = 27_004;
const BOOKINGS: usize = 12_000;
/// 2012-12-20: before every departure.
pub const NOW_MS: i64 = 1_355_961_600_000;

struct Maker<T> {
    /// When a record comes, by its place.
    at_ms: T,
    offsets: Vec<u64>,
    records: Vec<Record>,
}

impl<T: Fn(usize) -> i64> Maker<T> {
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
                at_ms: (self.at_ms)(self.records.len()),
                id,
                command: Command::Flight(flight, command),
            },
            note: None,
        });
    }
}

/// The schedule as the connector reads it, then seeded bookings on a few hundred of its flights so
/// that some sell out. `at_ms`: when a record comes, by its place.
pub fn history(at_ms: impl Fn(usize) -> i64) -> Vec<Record> {
    let mut maker = Maker {
        at_ms,
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
