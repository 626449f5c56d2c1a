//! A start over a long stream: how long until it is ready, and how much memory it takes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use flightline_benches::args::{Args, Extra};
use flightline_benches::flow::flight_of;
use flightline_benches::random::Zipf;
use flightline_benches::report::{Report, Unit};
use flightline_benches::scratch;
use flightline_benches::server::{self, Replica};
use flightline_benches::traffic::{Maker, Spread};
use flightline_stream::{
    Checker, Draft, EmbeddedConfig, EmbeddedLog, Group, StreamLog, partition_of_flight,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ABOUT: &str = "a replica's start over a long stream, without checkpoints";

const EXTRAS: &[Extra] = &[
    Extra {
        name: "records",
        value: 10_000_000,
        smoke: 30_000,
        help: "records in the stream",
    },
    Extra {
        name: "flights",
        value: 10_000,
        smoke: 200,
        help: "flights that they are about, by Zipf",
    },
];

const GROUP: usize = 10_000;

fn main() -> anyhow::Result<()> {
    let args = Args::read("restart", ABOUT, 3, EXTRAS);
    let mut report = Report::new(&args, ABOUT);
    let folder = scratch::folder()?;
    let program = server::program()?;
    let data_dir = folder.path().join("replica");
    let stream = data_dir.join("stream");
    std::fs::create_dir_all(&data_dir)?;
    let records = fill(&args, &stream)?;
    let title = format!("{records} records about {} flights", args.extra("flights"));

    // The tables are empty at first: filling them goes on after the replica is ready.
    let replica = Replica::start(&program, &data_dir, "")?;
    let section = report.section(&title);
    start(section, "first start, empty tables", &replica, records)?;
    let filled = replica.caught_up(Duration::from_secs(3_600))?;
    section.turn(
        "then, until the tables had everything",
        Unit::Seconds,
        filled.as_secs_f64(),
    );
    let memory = replica.memory().peak_bytes as f64;
    section.turn("most memory until then", Unit::Bytes, memory);
    replica.stop()?;

    for _ in 0..args.rounds {
        let scanned = scan(&stream)?;
        let replica = Replica::start(&program, &data_dir, "")?;
        let section = report.section(&title);
        start(section, "start, tables there", &replica, records)?;
        section.turn(
            "reading and checking the stream alone",
            Unit::Seconds,
            scanned,
        );
        replica.caught_up(Duration::from_secs(3_600))?;
        replica.stop()?;
    }
    let bytes = size_of(&stream)?;
    let section = report.section(&title);
    section.turn("stream on disk", Unit::Bytes, bytes as f64);
    section.remark(
        "ready: takes commands and answers searches; counted from the start of the process",
    );
    section.remark("the files were in the system's cache");
    report.finish()
}

fn start(
    section: &mut flightline_benches::report::Section,
    name: &str,
    replica: &Replica,
    records: u64,
) -> anyhow::Result<()> {
    let ready = replica.ready_after().as_secs_f64();
    let memory = replica.memory();
    let decided = replica.metric("flightline_decisions_total")?;
    ensure!(
        decided >= records as f64,
        "the replica was ready after {decided} of {records} records"
    );
    section.turn(&format!("{name}: until ready"), Unit::Seconds, ready);
    section.turn(
        &format!("{name}: records in a second"),
        Unit::PerSecond,
        records as f64 / ready,
    );
    section.turn(
        &format!("{name}: memory when ready"),
        Unit::Bytes,
        memory.resident_bytes as f64,
    );
    Ok(())
}

/// Writes the stream as a replica would have. Returns how many records it has.
fn fill(args: &Args, path: &Path) -> anyhow::Result<u64> {
    let total = args.extra("records");
    let flights = args.extra("flights") as usize;
    let spread = Spread::Zipf(Zipf::new(flights, 1.0));
    let mut maker = Maker::new(flights, spread, 1);
    let log = EmbeddedLog::open(EmbeddedConfig::new(path))?;
    let partitions = log.partitions();
    let mut producer = log.producer();
    let mut group = Group::new();
    let mut written = 0;
    let mut piece = maker.take();
    while written < total {
        for inputs in piece.chunks(GROUP) {
            group.clear();
            for input in inputs {
                let partition = partition_of_flight(&flight_of(input), partitions);
                // As a client's request: with its own name for it, and who it was.
                let text = format!("{:016x}", input.id.0 as u64);
                let draft = Draft {
                    ref_text: Some(&text),
                    actor: Some("open"),
                    ..Draft::new(input.id, input.at_ms, &input.command)
                };
                producer.push(&mut group, partition, &draft)?;
            }
            producer.append(&log, &group)?;
            written += inputs.len() as u64;
        }
        let left = total.saturating_sub(written).min(100_000);
        piece = maker.make(left as usize);
    }
    let stored: u64 = log.end_offsets()?.iter().sum();
    ensure!(
        stored == written,
        "{stored} of {written} records are in the stream"
    );
    Ok(written)
}

/// Reads, checks and decodes everything; the least that a start can take.
fn scan(path: &Path) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let log = EmbeddedLog::open(EmbeddedConfig::new(path))?;
    let partitions = log.partitions();
    let mut checkers: Vec<_> = (0..partitions).map(Checker::new).collect();
    for frames in log.scan(&vec![0; partitions as usize])? {
        for frame in frames? {
            let checker = &mut checkers[frame.partition() as usize];
            for (offset, bytes) in &frame {
                let view = checker.check(offset, bytes)?;
                std::hint::black_box(view.input(offset)?);
            }
        }
    }
    Ok(begun.elapsed().as_secs_f64())
}

fn size_of(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.metadata()?;
        bytes += if kind.is_dir() {
            size_of(&entry.path())?
        } else {
            kind.len()
        };
    }
    Ok(bytes)
}
