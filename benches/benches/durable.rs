//! Append with fsync, then decided: the embedded stream in front of the dataflow, in one process.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use anyhow::ensure;
use flightline_benches::args::{Args, Extra};
use flightline_benches::flow::{Arrivals, Decisions, flight_of};
use flightline_benches::latency::Latencies;
use flightline_benches::pace::{Pace, wait_until};
use flightline_benches::random::Zipf;
use flightline_benches::report::{Goal, Quantile, Report, Unit};
use flightline_benches::scratch;
use flightline_benches::traffic::{self, Spread, Traffic};
use flightline_dataflows::changelog::Record;
use flightline_dataflows::{Config, Dataflow};
use flightline_ledger::Input;
use flightline_stream::{
    Draft, EmbeddedConfig, EmbeddedLog, Group, Producer, StreamLog, partition_of_flight,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ABOUT: &str = "append with fsync to the embedded stream, then decided by the dataflow";
const PARTITIONS: u32 = 64;

/// As the replica's writer does: the epoch stays open while the views are behind by this much.
const BACKLOG_RECORDS_MAX: u64 = 4_096;

const EXTRAS: &[Extra] = &[
    Extra {
        name: "groups-of-100",
        value: 5_000,
        smoke: 20,
        help: "groups of 100 records a turn",
    },
    Extra {
        name: "groups-of-10000",
        value: 200,
        smoke: 2,
        help: "groups of 10,000 records a turn",
    },
    Extra {
        name: "lone",
        value: 1_500,
        smoke: 20,
        help: "lone requests a turn",
    },
    Extra {
        name: "lone-rate",
        value: 300,
        smoke: 300,
        help: "lone requests due in a second",
    },
];

fn main() -> anyhow::Result<()> {
    let args = Args::read("durable", ABOUT, 5, EXTRAS);
    let mut report = Report::new(&args, ABOUT);
    let groups = [
        (100, args.extra("groups-of-100") as usize),
        (10_000, args.extra("groups-of-10000") as usize),
    ];
    let most = groups.iter().map(|(size, count)| size * count).max();
    let flights = args.size(10_000, 200);
    let spread = Spread::Zipf(Zipf::new(flights, 1.0));
    let traffic = traffic::make(flights, most.unwrap_or(0), spread, 1);
    for turn in 0..args.rounds {
        for (size, count) in groups {
            let title = format!("groups of {size}");
            if args.wants(&title) {
                grouped(&mut report, &title, &traffic, size, count, turn)?;
            }
        }
        if args.wants("lone request") {
            lone(&args, &mut report, &traffic)?;
        }
    }
    report.finish()
}

const RAW: &str = "a file: write + fdatasync";
const RAW_READY: &str = "a file written before: write + fdatasync";
const OURS: &str = "durable and decided";

fn grouped(
    report: &mut Report,
    title: &str,
    traffic: &Traffic,
    size: usize,
    count: usize,
    turn: usize,
) -> anyhow::Result<()> {
    let folder = scratch::folder()?;
    let records = (size * count) as f64;
    let mut group_bytes = 0;
    let mut rates = [0.0; 3];
    // What is measured needs the size of a group, so the stream goes first in the first turn.
    for part in 0..3 {
        match (part + turn % 2) % 3 {
            0 => {
                let (elapsed, bytes) = ours(folder.path(), traffic, size, count)?;
                group_bytes = bytes;
                rates[0] = records / elapsed;
            }
            1 => rates[1] = records / raw(folder.path(), size_or(group_bytes, size), count, false)?,
            _ => rates[2] = records / raw(folder.path(), size_or(group_bytes, size), count, true)?,
        }
    }
    let goal = if size == 100 { 250e3 } else { 800e3 };
    let section = report.section(title);
    section
        .turn(OURS, Unit::PerSecond, rates[0])
        .against(RAW)
        .goal(Goal::AtLeast(goal));
    section.turn(RAW, Unit::PerSecond, rates[1]);
    section.turn(RAW_READY, Unit::PerSecond, rates[2]);
    section.remark(format!(
        "one appender, one group after the other; about {} bytes a record; views maintained behind it",
        group_bytes / size
    ));
    Ok(())
}

/// A record takes about so much; the measured size replaces it as soon as it is known.
const RECORD_BYTES: usize = 95;

fn size_or(bytes: usize, records: usize) -> usize {
    if bytes == 0 {
        records * RECORD_BYTES
    } else {
        bytes
    }
}

/// The stream and the dataflow behind it.
struct Chain {
    log: EmbeddedLog,
    producer: Producer,
    flow: Dataflow,
    told: std::sync::Arc<Decisions>,
    group: Group,
    places: Vec<u32>,
    bases: Vec<u64>,
    sent: u64,
    open: bool,
    /// Size of the last group, in bytes.
    bytes: usize,
}

impl Chain {
    fn new(path: &Path, traffic: &Traffic) -> anyhow::Result<Self> {
        let _ = std::fs::remove_dir_all(path.join("log"));
        let log = EmbeddedLog::open(EmbeddedConfig::new(path.join("log")))?;
        let told = Decisions::new();
        let (arrived, _) = crossbeam_channel::unbounded();
        let flow = Dataflow::start(Config::new(PARTITIONS), told.clone(), Arrivals(arrived))?;
        let mut chain = Self {
            producer: log.producer(),
            bases: vec![0; log.partitions() as usize],
            log,
            flow,
            told,
            group: Group::new(),
            places: Vec::new(),
            sent: 0,
            open: false,
            bytes: 0,
        };
        for inputs in traffic.inputs[..traffic.creation].chunks(10_000) {
            chain.append(inputs)?;
        }
        chain.decided()?;
        Ok(chain)
    }

    /// Makes the records durable, then sends them on, as the replica's writer does.
    fn append(&mut self, inputs: &[Input]) -> anyhow::Result<()> {
        self.group.clear();
        self.places.clear();
        let mut records = Vec::with_capacity(inputs.len());
        for input in inputs {
            let partition = partition_of_flight(&flight_of(input), PARTITIONS);
            let draft = Draft::new(input.id, input.at_ms, &input.command);
            let place = self.producer.push(&mut self.group, partition, &draft)?;
            self.places.push(place);
            records.push(Record {
                partition,
                input: input.clone(),
                note: None,
            });
        }
        self.bytes = self.group.bytes();
        let ticket = self.producer.append(&self.log, &self.group)?;
        for (partition, base) in &ticket.bases {
            self.bases[*partition as usize] = *base;
        }
        for (record, place) in records.iter_mut().zip(&self.places) {
            record.input.offset = self.bases[record.partition as usize] + u64::from(*place);
        }
        self.sent += records.len() as u64;
        self.flow.send(records)?;
        self.open = true;
        if self.flow.backlog().records < BACKLOG_RECORDS_MAX {
            self.flow.close_epoch()?;
            self.open = false;
        }
        Ok(())
    }

    fn decided(&mut self) -> anyhow::Result<()> {
        self.told.wait(self.sent)
    }
}

/// Seconds for all groups, and the bytes of one.
fn ours(path: &Path, traffic: &Traffic, size: usize, count: usize) -> anyhow::Result<(f64, usize)> {
    let mut chain = Chain::new(path, traffic)?;
    let inputs = &traffic.inputs[traffic.creation..][..size * count];
    let start = Instant::now();
    for group in inputs.chunks(size) {
        chain.append(group)?;
    }
    chain.decided()?;
    let elapsed = start.elapsed().as_secs_f64();
    let stored: u64 = chain.log.end_offsets()?.iter().sum();
    ensure!(
        stored == chain.sent && chain.told.tally().decisions == chain.sent,
        "{} records were sent, {stored} are in the stream, {} were decided",
        chain.sent,
        chain.told.tally().decisions
    );
    Ok((elapsed, chain.bytes))
}

/// Seconds for so many writes of so many bytes, each synced.
fn raw(path: &Path, bytes: usize, count: usize, ready: bool) -> anyhow::Result<f64> {
    let path = path.join("raw");
    let mut file = File::create(&path)?;
    let data = vec![0x5a; bytes];
    if ready {
        let zeros = vec![0; 1 << 20];
        for _ in 0..(bytes * count).div_ceil(zeros.len()) {
            file.write_all(&zeros)?;
        }
        file.sync_all()?;
    }
    let start = Instant::now();
    for n in 0..count {
        file.write_all_at(&data, (n * bytes) as u64)?;
        file.sync_data()?;
    }
    let elapsed = start.elapsed().as_secs_f64();
    std::fs::remove_file(&path)?;
    Ok(elapsed)
}

/// One request at a time, each due at its time, and nothing else going on.
fn lone(args: &Args, report: &mut Report, traffic: &Traffic) -> anyhow::Result<()> {
    let folder = scratch::folder()?;
    let count = args.extra("lone") as usize;
    let rate = args.extra("lone-rate") as f64;
    let mut chain = Chain::new(folder.path(), traffic)?;
    let inputs = &traffic.inputs[traffic.creation..][..count];

    let mut ours = Latencies::default();
    let mut pace = Pace::new(rate);
    for input in inputs {
        let due = pace.next_due();
        wait_until(due);
        pace.take(Instant::now());
        chain.append(std::slice::from_ref(input))?;
        chain.decided()?;
        ours.record(due.elapsed());
    }
    let bytes = chain.bytes;
    drop(chain);

    let path = folder.path().join("raw");
    let section = report.section("lone request");
    section.delays(OURS, &ours).goal(Quantile::P50, 0.4);
    let data = vec![0x5a; bytes];
    for (name, ready) in [(RAW, false), (RAW_READY, true)] {
        let mut file = File::create(&path)?;
        if ready {
            file.write_all(&vec![0; bytes * count])?;
            file.sync_all()?;
        }
        let mut latencies = Latencies::default();
        let mut pace = Pace::new(rate);
        for n in 0..count {
            let due = pace.next_due();
            wait_until(due);
            pace.take(Instant::now());
            file.write_all_at(&data, (n * bytes) as u64)?;
            file.sync_data()?;
            latencies.record(due.elapsed());
        }
        section.delays(name, &latencies);
    }
    section.remark(format!(
        "{rate:.0} due in a second, counted from when each was due"
    ));
    Ok(())
}
