//! What the embedded log costs, beside a plain file that is appended to and synced with the same
//! bytes, in the same run.
//!
//! `cargo bench -p flightline-stream` runs all of it, `-- codec`, `-- append`, `-- scan` or `-- fluvio` a
//! part, and `-- quick` runs small. The log goes to the folder in `FLIGHTLINE_BENCH_DIR`, or to one in the target
//! folder.

#[path = "stream/fluvio.rs"]
mod fluvio;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flightline_ledger::{Command, CommandId, FlightCommand, FlightKey, HoldRequest};
use flightline_stream::{
    Checker, Draft, EmbeddedConfig, EmbeddedLog, Group, RecordView, Stamp, StreamLog,
    partition_of_flight, record,
};

const RECORD_BYTES: usize = 120;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let given = |name: &str| args.iter().any(|a| a == name);
    let quick = given("quick") || given("--test");
    let all = !["codec", "append", "scan", "fluvio"].into_iter().any(given);
    let dir = std::env::var_os("FLIGHTLINE_BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from)
        .join("stream-bench");
    let scale = if quick { 50 } else { 1 };
    if all || given("codec") {
        codec(1_000_000 / scale);
    }
    if all || given("append") {
        for round in 0..if quick { 1 } else { 3 } {
            say(&format!("round {round}"));
            for (group, records) in [(1, 4_000), (100, 1_000_000), (10_000, 10_000_000)] {
                let records = (records / scale).max(group * 3);
                durable(&dir, group, records);
            }
            open_loop(&dir, 2_000 / scale.min(4));
        }
    }
    if all || given("scan") {
        scan(&dir, 10_000_000 / scale);
    }
    if all || given("fluvio") {
        fluvio::run(&dir, quick);
    }
    let _ = fs::remove_dir_all(&dir);
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn hold() -> Command {
    let key: FlightKey = "UA1545.2027-01-05.EWR".parse().expect("a key");
    Command::Flight(
        key,
        FlightCommand::Hold(HoldRequest {
            provider: Some("united".parse().expect("a provider")),
            cabin: "Y".parse().expect("a cabin"),
            class: Some("Q".parse().expect("a class")),
            board: Some("EWR".parse().expect("a station")),
            off: Some("IAH".parse().expect("a station")),
            seats: 2,
            ttl_ms: Some(900_000),
            expected_price: None,
            wait_ms: None,
        }),
    )
}

fn codec(n: usize) {
    let command = hold();
    let draft = Draft {
        ref_text: Some("4f9c1c3a-6f0e-4d7e-9d55"),
        actor: Some("web"),
        ..Draft::new(CommandId(7), 1_800_000_000_000, &command)
    };
    let mut buffer = Vec::with_capacity(256);
    let per = |name: &str, f: &mut dyn FnMut(u64)| {
        // The best of many short runs: others use the processor too.
        let (mut best, run) = (f64::MAX, (n as u64 / 50).max(1));
        for first in (0..n as u64).step_by(run as usize) {
            let last = (first + run).min(n as u64);
            let start = Instant::now();
            (first..last).for_each(&mut *f);
            best = best.min(start.elapsed().as_nanos() as f64 / (last - first) as f64);
        }
        say(&format!("{name:44} {best:7.1} ns"));
    };
    let stamp = |sequence| Stamp {
        producer: 1,
        epoch: 1,
        sequence,
    };
    per("encode a hold with reference text and actor", &mut |i| {
        buffer.clear();
        record::encode(&mut buffer, stamp(i), std::hint::black_box(&draft)).expect("encodes");
    });
    let bytes = {
        let mut bytes = Vec::new();
        record::encode(&mut bytes, stamp(0), &draft).expect("encodes");
        bytes
    };
    say(&format!("  its size: {} bytes", bytes.len()));
    per("checksum and header", &mut |_| {
        std::hint::black_box(RecordView::parse(std::hint::black_box(&bytes)).expect("a record"));
    });
    per("checksum, header and body", &mut |_| {
        let view = RecordView::parse(std::hint::black_box(&bytes)).expect("a record");
        std::hint::black_box(view.command().expect("a command"));
    });
    let records: Vec<Vec<u8>> = (0..n as u64)
        .map(|i| {
            let mut out = Vec::new();
            record::encode(&mut out, stamp(i), &draft).expect("encodes");
            out
        })
        .collect();
    let mut checker = Checker::new(0);
    per("checker: all but the body", &mut |i| {
        if i == 0 {
            checker = Checker::new(0);
        }
        std::hint::black_box(checker.check(i, &records[i as usize]).expect("clean"));
    });
    let Command::Flight(key, _) = command else {
        unreachable!("a hold is about a flight");
    };
    per("partition of a flight", &mut |_| {
        std::hint::black_box(partition_of_flight(std::hint::black_box(&key), 64));
    });
}

fn fresh(dir: &Path) {
    let _ = fs::remove_dir_all(dir);
    fs::create_dir_all(dir).expect("a folder for the bench");
}

fn open(dir: &Path) -> EmbeddedLog {
    EmbeddedLog::open(EmbeddedConfig::new(dir.join("log"))).expect("the log opens")
}

/// Processor seconds and bytes written to disk by this process so far.
fn used() -> (f64, u64) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let ticks = |i: usize| {
        fields
            .get(i)
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let written = io.lines().find_map(|l| l.strip_prefix("write_bytes: "));
    let written = written.and_then(|w| w.parse().ok()).unwrap_or(0);
    ((ticks(11) + ticks(12)) / 100.0, written)
}

fn measure(name: &str, group: usize, records: usize, mut append: impl FnMut(usize)) {
    let mut latencies = Vec::with_capacity(records / group);
    let (cpu, written) = used();
    let start = Instant::now();
    for n in 0..records / group {
        let begin = Instant::now();
        append(n);
        latencies.push(begin.elapsed());
    }
    let elapsed = start.elapsed().as_secs_f64();
    let (cpu_after, written_after) = used();
    latencies.sort_unstable();
    let ms = |q: f64| {
        let at = ((latencies.len() - 1) as f64 * q) as usize;
        latencies[at].as_secs_f64() * 1e3
    };
    say(&format!(
        "{name:34} groups of {group:6}: {:9.0} records/s, p50 {:7.3} ms, p99 {:7.3} ms, max {:7.1} ms, \
         cpu {:4.2} s of {elapsed:4.2} s, written x{:.2}",
        records as f64 / elapsed,
        ms(0.5),
        ms(0.99),
        ms(1.0),
        cpu_after - cpu,
        (written_after - written) as f64 / (records * RECORD_BYTES) as f64,
    ));
}

fn durable(dir: &Path, group: usize, records: usize) {
    fresh(dir);
    let record = [0x5a; RECORD_BYTES];
    let bytes = record.repeat(group);
    let mut file = File::create(dir.join("raw")).expect("a file");
    measure("a file, write + fdatasync", group, records, |_| {
        file.write_all(&bytes).expect("write");
        file.sync_data().expect("sync");
    });
    fs::remove_file(dir.join("raw")).expect("remove");
    {
        use std::os::unix::fs::FileExt;
        // The best that a file can do: its blocks are there already.
        let total = bytes.len() * (records / group);
        let mut file = File::create(dir.join("raw")).expect("a file");
        let zeros = vec![0; 1 << 20];
        (0..total.div_ceil(1 << 20)).for_each(|_| file.write_all(&zeros).expect("write"));
        file.sync_all().expect("sync");
        measure("a file written before, + fdatasync", group, records, |n| {
            file.write_all_at(&bytes, (n * bytes.len()) as u64)
                .expect("write");
            file.sync_data().expect("sync");
        });
    }
    fs::remove_file(dir.join("raw")).expect("remove");
    let log = open(dir);
    let mut batch = Group::new();
    measure("the log, one appender", group, records, |n| {
        batch.clear();
        for k in 0..group {
            // As flights would spread them.
            let at = (n * group + k) as u64;
            batch.push(
                (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as u32,
                &record,
            );
        }
        log.append(&batch).expect("append");
    });
}

/// Lone records from several threads at once: they share syncs.
fn open_loop(dir: &Path, each: usize) {
    fresh(dir);
    let log = open(dir);
    let record = [0x5a; RECORD_BYTES];
    for threads in [1, 8, 64] {
        let start = Instant::now();
        let each = (each / threads).max(20);
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let log = &log;
                scope.spawn(move || {
                    let mut group = Group::new();
                    for _ in 0..each {
                        group.clear();
                        group.push(thread as u32, &record);
                        log.append(&group).expect("append");
                    }
                });
            }
        });
        let rate = (each * threads) as f64 / start.elapsed().as_secs_f64();
        say(&format!(
            "the log, {threads:2} appenders, lone records: {rate:9.0} records/s"
        ));
    }
}

/// A replica's start: everything, checked and decoded or not.
fn scan(dir: &Path, records: usize) {
    fresh(dir);
    let command = hold();
    for group in [100, 10_000] {
        fresh(dir);
        let log = open(dir);
        let mut producer = log.producer();
        let mut batch = Group::new();
        for n in 0..records / group {
            batch.clear();
            for k in 0..group {
                let at = (n * group + k) as u64;
                let partition = (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as u32;
                let draft = Draft::new(CommandId(u128::from(at)), at as i64, &command);
                producer
                    .push(&mut batch, partition, &draft)
                    .expect("encodes");
            }
            log.append(&batch).expect("append");
        }
        drop(log);
        let start = Instant::now();
        let log = open(dir);
        say(&format!(
            "open a log of {records} records in groups of {group}: {:.3} s",
            start.elapsed().as_secs_f64()
        ));
        let pass = |name: &str, f: &mut dyn FnMut(u32, u64, &[u8])| {
            let (start, (cpu, _)) = (Instant::now(), used());
            let (mut count, mut bytes) = (0_u64, 0);
            for frames in log.scan(&[0; 64]).expect("scan") {
                for frame in frames.expect("scan") {
                    for (offset, record) in &frame {
                        f(frame.partition(), offset, record);
                        count += 1;
                        bytes += record.len();
                    }
                }
            }
            let elapsed = start.elapsed().as_secs_f64();
            assert_eq!(count as usize, records);
            say(&format!(
                "scan, groups of {group:6}, {name:24} {:5.1} M records/s, {:6.2} GB/s, {elapsed:.2} s, \
                 cpu {:.2} s",
                count as f64 / elapsed / 1e6,
                bytes as f64 / elapsed / 1e9,
                used().0 - cpu
            ));
        };
        let mut sum = 0_u64;
        pass("touching each record", &mut |_, _, record| {
            sum = sum.wrapping_add(u64::from(record[0]));
        });
        let mut checkers: Vec<_> = (0..64).map(Checker::new).collect();
        pass("checked and decoded", &mut |partition, offset, record| {
            let view = checkers[partition as usize]
                .check(offset, record)
                .expect("clean");
            std::hint::black_box(view.command().expect("a command"));
        });
        let start = Instant::now();
        let mut reads = 0;
        while start.elapsed() < Duration::from_millis(300) {
            let offset = (reads * 7919) % (records as u64 / 128);
            log.read((reads % 64) as u32, offset, 10, usize::MAX)
                .expect("read");
            reads += 1;
        }
        say(&format!(
            "read 10 records anywhere: {:.0} µs",
            3e5 / reads as f64
        ));
    }
}
