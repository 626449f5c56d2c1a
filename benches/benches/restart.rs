//! A start over a long stream, folded whole and from a checkpoint: how long until it is ready, and how
//! much memory it takes. And what answers notice of a checkpoint that is being made.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use flightline_benches::args::{Args, Extra};
use flightline_benches::flow::flight_of;
use flightline_benches::holds::{Asking, Flights};
use flightline_benches::http;
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

const ABOUT: &str = "a replica's start over a long stream, without and with a checkpoint";

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
    Extra {
        name: "seconds",
        value: 20,
        smoke: 1,
        help: "how long answers are timed, without and with checkpoints being made",
    },
    Extra {
        name: "rate",
        value: 2_000,
        smoke: 200,
        help: "holds asked for in a second meanwhile",
    },
];

/// Checkpoints are made when this asks for them.
const SETTINGS: &str = "[checkpoint]\nevery_records = 0\nevery_s = 0\n";

const WHOLE: &str = "start, tables there";
const FROM_CHECKPOINT: &str = "start from a checkpoint";

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
    let replica = Replica::start(&program, &data_dir, SETTINGS)?;
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
        let replica = Replica::start(&program, &data_dir, SETTINGS)?;
        let section = report.section(&title);
        start(section, WHOLE, &replica, records)?;
        section.turn(
            "reading and checking the stream alone",
            Unit::Seconds,
            scanned,
        );
        replica.caught_up(Duration::from_secs(3_600))?;
        replica.stop()?;
    }
    from_checkpoint(&args, &mut report, &program, &data_dir, &title)?;
    pauses(&args, &mut report, &program, &data_dir)?;
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

/// Makes a checkpoint as the command line does; its records and bytes, and how long it took.
fn checkpoint(program: &Path, data_dir: &Path) -> anyhow::Result<(u64, f64, f64)> {
    let output = std::process::Command::new(program)
        .args(["checkpoint", "take", "--json", "--data-dir"])
        .arg(data_dir)
        .output()?;
    ensure!(
        output.status.success(),
        "no checkpoint was made: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let taken: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let number = |name: &str| taken[name].as_u64().unwrap_or(0);
    Ok((
        number("records"),
        number("bytes") as f64,
        number("took_ms") as f64 / 1e3,
    ))
}

/// The same starts, from a checkpoint of everything.
fn from_checkpoint(
    args: &Args,
    report: &mut Report,
    program: &Path,
    data_dir: &Path,
    title: &str,
) -> anyhow::Result<()> {
    let (records, bytes, took) = checkpoint(program, data_dir)?;
    let section = report.section(title);
    section.turn(
        "the first checkpoint, made of all records",
        Unit::Seconds,
        took,
    );
    section.turn("checkpoint on disk", Unit::Bytes, bytes);
    for _ in 0..args.rounds {
        let replica = Replica::start(program, data_dir, SETTINGS)?;
        let ready = replica.ready_after().as_secs_f64();
        let memory = replica.memory();
        let tail = replica.metric("flightline_checkpoint_tail_records")?;
        ensure!(
            tail < 10_000.0 && records > 0,
            "the replica folded {tail} records beside its checkpoint of {records}"
        );
        let section = report.section(title);
        section
            .turn(
                &format!("{FROM_CHECKPOINT}: until ready"),
                Unit::Seconds,
                ready,
            )
            .against(&format!("{WHOLE}: until ready"));
        section.turn(
            &format!("{FROM_CHECKPOINT}: memory when ready"),
            Unit::Bytes,
            memory.resident_bytes as f64,
        );
        section.turn(
            &format!("{FROM_CHECKPOINT}: most memory until then"),
            Unit::Bytes,
            memory.peak_bytes as f64,
        );
        replica.stop()?;
    }
    Ok(())
}

/// Holds at a steady rate, alone and while one checkpoint after the other is made.
fn pauses(args: &Args, report: &mut Report, program: &Path, data_dir: &Path) -> anyhow::Result<()> {
    let replica = Replica::start(program, data_dir, SETTINGS)?;
    let mut flights = Flights::new(args.extra("flights") as usize + 1, 200, 4);
    replica.push(&flights.events()?)?;
    replica.caught_up(Duration::from_secs(600))?;
    let connections = 64;
    let mut pool = http::Pool::connect(replica.address(), connections)?;
    let (rate, length) = (
        args.extra("rate") as f64,
        Duration::from_secs(args.extra("seconds")),
    );
    for turn in 0..args.rounds as u32 {
        let mut asking = Asking::new(&mut flights, connections, 2 * turn + 1);
        let alone = http::open(&mut pool, &mut asking, rate, length)?;
        let is_over = AtomicBool::new(false);
        let mut asking = Asking::new(&mut flights, connections, 2 * turn + 2);
        let (beside, made) = std::thread::scope(|scope| {
            let checkpoints = scope.spawn(|| {
                let mut made = Vec::new();
                loop {
                    made.push(checkpoint(program, data_dir)?.2);
                    if is_over.load(Ordering::Relaxed) {
                        return Ok::<_, anyhow::Error>(made);
                    }
                }
            });
            let beside = http::open(&mut pool, &mut asking, rate, length);
            is_over.store(true, Ordering::Relaxed);
            let made = checkpoints
                .join()
                .map_err(|_| anyhow::anyhow!("a thread panicked"))??;
            Ok::<_, anyhow::Error>((beside?, made))
        })?;
        let section = report.section("answers while checkpoints are made");
        section.delays("holds, no checkpoint", &alone.latencies);
        section.delays("holds, while checkpoints are made", &beside.latencies);
        let took = made.iter().sum::<f64>() / made.len() as f64;
        section.turn("checkpoints made meanwhile", Unit::Count, made.len() as f64);
        section.turn("one of them took", Unit::Seconds, took);
        section.remark(format!(
            "{rate} holds in a second, open loop, {connections} connections; every client was answered"
        ));
    }
    flights.check(replica.address())?;
    replica.stop()
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
