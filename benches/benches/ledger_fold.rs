//! The full ledger on one core, beside a bare hash map that is decremented for each record.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::hint::black_box;

use anyhow::ensure;
use flightline_benches::args::{Args, Extra};
use flightline_benches::memory;
use flightline_benches::random::Zipf;
use flightline_benches::report::{Goal, Report, Section, Unit};
use flightline_benches::stopwatch::CoreTime;
use flightline_benches::traffic::{self, Spread, Traffic};
use flightline_ledger::{Command, Decision, FlightKey, Input, Ledger, Observer, Outcome};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ABOUT: &str = "the full ledger, mixed commands, one core, beside a bare hash map decrement";

/// Records folded in one call, as the dataflow does.
const BATCH: usize = 4096;

const EXTRAS: &[Extra] = &[
    Extra {
        name: "records",
        value: 2_000_000,
        smoke: 60_000,
        help: "records folded a turn",
    },
    Extra {
        name: "flights",
        value: 10_000,
        smoke: 200,
        help: "flights that they are spread over",
    },
];

/// Counts, so that decisions are looked at and nothing is optimised away.
#[derive(Default)]
struct Tally {
    decisions: u64,
    held: u64,
    refused: u64,
    changes: u64,
}

impl Observer for Tally {
    #[inline]
    fn decided(&mut self, _input: &Input, decision: &Decision) {
        self.decisions += 1;
        match decision.outcome {
            Outcome::Held { .. } => self.held += 1,
            Outcome::Refused(_) => self.refused += 1,
            _ => {}
        }
    }

    #[inline]
    fn flight_changed(&mut self, _flight: u32) {
        self.changes += 1;
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::read("ledger_fold", ABOUT, 7, EXTRAS);
    let mut report = Report::new(&args, ABOUT);
    let records = args.extra("records") as usize;
    let flights = args.extra("flights") as usize;
    let cases = [
        (format!("Zipf over {flights} flights"), flights),
        ("one hot flight".to_owned(), 1),
    ];
    for (title, flights) in cases {
        if !args.wants(&title) {
            continue;
        }
        let spread = match flights {
            1 => Spread::Hot,
            n => Spread::Zipf(Zipf::new(n, 1.0)),
        };
        let traffic = traffic::make(flights, records, spread, 1);
        let section = report.section(&title);
        for turn in 0..args.rounds {
            measure(section, &traffic, turn)?;
        }
        section.remark(format!(
            "{records} records of {} bytes; {:.0} % took seats, {:.0} % were refused seats",
            size_of::<Input>(),
            traffic.held_share * 100.0,
            traffic.sold_out_share * 100.0,
        ));
    }
    report.finish()
}

/// One turn of everything, in another order each time.
fn measure(section: &mut Section, traffic: &Traffic, turn: usize) -> anyhow::Result<()> {
    let mut states = Vec::new();
    for part in 0..4 {
        match (part + turn) % 4 {
            0 => states.push(ledger(section, traffic, "ledger, apply_batch", true, turn)?),
            1 => states.push(ledger(section, traffic, "ledger, apply", false, turn)?),
            2 => map(
                section,
                traffic,
                "hash map, foldhash",
                foldhash::fast::RandomState::default(),
            ),
            _ => map(
                section,
                traffic,
                "hash map, SipHash",
                std::hash::RandomState::new(),
            ),
        }
    }
    ensure!(
        states[0] == states[1],
        "apply and apply_batch came to different states"
    );
    Ok(())
}

/// Folds everything and returns the state's digest.
fn ledger(
    section: &mut Section,
    traffic: &Traffic,
    name: &str,
    batched: bool,
    turn: usize,
) -> anyhow::Result<u128> {
    let (creation, inputs) = traffic.inputs.split_at(traffic.creation);
    let before = memory::own().resident_bytes;
    let mut ledger = Ledger::new();
    let mut tally = Tally::default();
    ledger.apply_batch(creation, &mut tally);
    tally = Tally::default();
    let start = CoreTime::start();
    if batched {
        for batch in inputs.chunks(BATCH) {
            ledger.apply_batch(batch, &mut tally);
        }
    } else {
        for input in inputs {
            black_box(ledger.apply(input, &mut tally));
        }
    }
    let elapsed = start.elapsed_s();
    ensure!(
        tally.decisions == inputs.len() as u64,
        "{} decisions on {} records",
        tally.decisions,
        inputs.len()
    );
    ledger.check_invariants();
    let flights = ledger.unpacked_flights();
    let seats = flights.flat_map(|(_, flight)| flight.inventory());
    for line in seats.filter(|line| line.class.is_none()) {
        let used = line.held + line.sold;
        let bound = line.authorised.unwrap_or(0).max(0);
        ensure!(
            line.oversold == (used - bound).max(0),
            "oversold is not what the counts say: {line:?}"
        );
    }
    section
        .turn(name, Unit::PerSecond, inputs.len() as f64 / elapsed)
        .against("hash map, foldhash")
        .goal(Goal::AtLeast(8e6));
    if turn == 0 && batched {
        let state = memory::own().resident_bytes.saturating_sub(before);
        section.turn("state of the ledger", Unit::Bytes, state as f64);
    }
    black_box(&tally.changes);
    Ok(ledger.hash_state())
}

/// What a count of seats costs at the least: one look-up and one subtraction.
fn map<S: BuildHasher>(section: &mut Section, traffic: &Traffic, name: &str, hasher: S) {
    let (creation, inputs) = traffic.inputs.split_at(traffic.creation);
    // The standard map is hashbrown's table; only the hash function differs.
    let mut seats: HashMap<FlightKey, i64, S> = HashMap::with_hasher(hasher);
    let key_of = |input: &Input| match &input.command {
        Command::Flight(key, _) => *key,
        _ => FlightKey::NONE,
    };
    for input in creation {
        seats.insert(key_of(input), 196);
    }
    let start = CoreTime::start();
    for input in inputs {
        if let Some(left) = seats.get_mut(&key_of(input)) {
            *left -= 1;
        }
    }
    let elapsed = start.elapsed_s();
    black_box(&seats);
    section.turn(name, Unit::PerSecond, inputs.len() as f64 / elapsed);
    let bytes = seats.capacity() * (size_of::<(FlightKey, i64)>() + 1);
    section.remark(format!(
        "the hash map is about {} KiB and forgets who asked",
        bytes / 1024
    ));
}
