//! The same records through the timely dataflow: decisions alone, all views, and an open loop.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use flightline_benches::args::{Args, Extra};
use flightline_benches::flow::{Arrivals, Bare, Batches, Decisions, Tally};
use flightline_benches::latency::Latencies;
use flightline_benches::memory;
use flightline_benches::pace::{Pace, wait_until};
use flightline_benches::random::Zipf;
use flightline_benches::report::{Goal, Quantile, Report, Unit};
use flightline_benches::traffic::{self, Spread};
use flightline_dataflows::{Config, Dataflow};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ABOUT: &str = "mixed commands through the timely dataflow, beside the ledger alone";
const PARTITIONS: u32 = 64;
const BATCH: usize = 4096;

/// The open loop: a group of so many records is due every millisecond and is one epoch.
const OPEN_GROUP: usize = 100;

const EXTRAS: &[Extra] = &[
    Extra {
        name: "records",
        value: 2_000_000,
        smoke: 40_000,
        help: "records a turn",
    },
    Extra {
        name: "flights",
        value: 10_000,
        smoke: 200,
        help: "flights that they are spread over, by Zipf",
    },
    Extra {
        name: "open-seconds",
        value: 5,
        smoke: 1,
        help: "length of a turn of the open loop",
    },
];

/// What all turns fold.
struct Load {
    creation: Batches,
    records: Batches,
    /// What the plain loop decided.
    expected: Tally,
}

fn main() -> anyhow::Result<()> {
    let args = Args::read("dataflow_fold", ABOUT, 5, EXTRAS);
    let mut report = Report::new(&args, ABOUT);
    let flights = args.extra("flights") as usize;
    let records = args.extra("records") as usize;
    let spread = Spread::Zipf(Zipf::new(flights, 1.0));
    let traffic = traffic::make(flights, records, spread, 1);
    let (creation, inputs) = traffic.inputs.split_at(traffic.creation);
    let mut next = vec![0; PARTITIONS as usize];
    let creation = Batches::new(creation, BATCH, &mut next);
    let records = Batches::new(inputs, BATCH, &mut next);
    let open = Batches::new(inputs, OPEN_GROUP, &mut creation.ends.clone());
    drop(traffic);
    let mut load = Load {
        creation,
        records,
        expected: Tally::default(),
    };
    for _ in 0..args.rounds {
        measure(&args, &mut report, &mut load)?;
        if args.wants("open loop") {
            open_loop(&args, &mut report, &load.creation, &open)?;
        }
    }
    report.finish()
}

const BARE: &str = "the ledger alone, a plain loop";
const DECISIONS: &str = "decisions out, views off";
const VIEWS: &str = "all views maintained";

fn measure(args: &Args, report: &mut Report, load: &mut Load) -> anyhow::Result<()> {
    // The plain loop before and after; the better one counts, since what ran before it leaves more or
    // less memory to be had without asking the system.
    let before = bare(load)?;
    let mut rates = Vec::new();
    if args.wants(DECISIONS) {
        for workers in [1, 2] {
            let name = format!("{workers} worker{}", if workers == 1 { "" } else { "s" });
            rates.push((DECISIONS, name, decisions(load, workers)?));
        }
    }
    if args.wants(VIEWS) {
        for (workers, epoch) in [(1, BATCH), (1, 16 * BATCH), (2, 16 * BATCH)] {
            let name = format!(
                "epochs of {} k, {workers} worker{}",
                epoch / 1024,
                if workers == 1 { "" } else { "s" }
            );
            rates.push((VIEWS, name, views(load, workers, epoch)?));
        }
    }
    let bare_rate = before.max(bare(load)?);
    for (title, name, rate) in rates {
        let section = report.section(title);
        let goal = match title {
            DECISIONS => Goal::RatioAtLeast(0.85),
            _ => Goal::AtLeast(1.5e6),
        };
        section
            .turn(&name, Unit::PerSecond, rate)
            .against(BARE)
            .goal(goal);
    }
    for (title, remark) in [
        (
            DECISIONS,
            "all records in one epoch declared as a snapshot: decisions are told as they are made, \
             nothing waits for views",
        ),
        (VIEWS, "to an epoch sink that counts rows and drops them"),
    ] {
        if args.wants(title) {
            let section = report.section(title);
            section.turn(BARE, Unit::PerSecond, bare_rate);
            section.remark(remark);
            section.remark(format!(
                "batches of {BATCH}, each a partition at a time, {PARTITIONS} partitions; time on the wall"
            ));
        }
    }
    Ok(())
}

/// The fold alone, over the same 64 ledgers and the same runs.
fn bare(load: &mut Load) -> anyhow::Result<f64> {
    let mut bare = Bare::new(&load.creation, &load.records);
    let start = Instant::now();
    let tally = bare.fold();
    let elapsed = start.elapsed().as_secs_f64();
    ensure!(tally.decisions == load.records.len() as u64);
    ensure!(
        load.expected == Tally::default() || load.expected == tally,
        "two plain folds differ"
    );
    load.expected = tally;
    Ok(load.records.len() as f64 / elapsed)
}

/// Folds the flights' creation, and takes back what it counted.
fn create(flow: &mut Dataflow, creation: &Batches, told: &Decisions) -> anyhow::Result<Tally> {
    for batch in &creation.batches {
        flow.send(batch.clone())?;
    }
    told.wait(creation.len() as u64)?;
    Ok(told.tally())
}

fn check(load: &Load, before: Tally, after: Tally) -> anyhow::Result<()> {
    let told = Tally {
        decisions: after.decisions - before.decisions,
        held: after.held - before.held,
        refused: after.refused - before.refused,
        mark: after.mark.wrapping_sub(before.mark),
    };
    ensure!(
        told == load.expected,
        "the dataflow decided {told:?}, the plain loop {:?}",
        load.expected
    );
    Ok(())
}

fn decisions(load: &Load, workers: usize) -> anyhow::Result<f64> {
    let told = Decisions::new();
    let (arrived, _arrivals) = crossbeam_channel::unbounded();
    let config = Config::new(PARTITIONS).with_workers(workers);
    let mut flow = Dataflow::start(config, told.clone(), Arrivals(arrived))?;
    flow.snapshot_epoch(&load.records.ends);
    let before = create(&mut flow, &load.creation, &told)?;
    let batches = load.records.batches.clone();
    let total = (load.creation.len() + load.records.len()) as u64;
    let start = Instant::now();
    for batch in batches {
        flow.send(batch)?;
    }
    told.wait(total)?;
    let elapsed = start.elapsed().as_secs_f64();
    check(load, before, told.tally())?;
    Ok(load.records.len() as f64 / elapsed)
}

fn views(load: &Load, workers: usize, epoch: usize) -> anyhow::Result<f64> {
    let told = Decisions::new();
    let (arrived, arrivals) = crossbeam_channel::unbounded();
    let config = Config::new(PARTITIONS).with_workers(workers);
    let mut flow = Dataflow::start(config, told.clone(), Arrivals(arrived))?;
    let before = create(&mut flow, &load.creation, &told)?;
    flow.close_epoch()?;
    arrivals.recv_timeout(Duration::from_secs(60))?;
    let batches = load.records.batches.clone();
    let covers: u64 = load.records.ends.iter().sum();
    let start = Instant::now();
    let mut open = 0;
    for batch in batches {
        open += batch.len();
        flow.send(batch)?;
        if open >= epoch {
            flow.close_epoch()?;
            open = 0;
        }
    }
    if open > 0 {
        flow.close_epoch()?;
    }
    let mut rows = 0;
    let end = loop {
        let arrival = arrivals
            .recv_timeout(Duration::from_secs(60))
            .context("an epoch did not come out within a minute")?;
        rows += arrival.rows;
        if arrival.covers == covers {
            break arrival.at;
        }
    };
    let elapsed = end.duration_since(start).as_secs_f64();
    ensure!(rows > 0, "the views did not change");
    check(load, before, told.tally())?;
    Ok(load.records.len() as f64 / elapsed)
}

/// A group is due every millisecond and is one epoch; counted from then until its views are out.
fn open_loop(
    args: &Args,
    report: &mut Report,
    creation: &Batches,
    open: &Batches,
) -> anyhow::Result<()> {
    let told = Decisions::new();
    let (arrived, arrivals) = crossbeam_channel::unbounded();
    let mut flow = Dataflow::start(Config::new(PARTITIONS), told.clone(), Arrivals(arrived))?;
    create(&mut flow, creation, &told)?;
    let first = flow.close_epoch()? + 1;
    arrivals.recv_timeout(Duration::from_secs(60))?;

    let groups = (args.extra("open-seconds") as usize * 1000).min(open.batches.len());
    let batches = open.batches[..groups].to_vec();
    let cpu = memory::cpu_s(std::process::id());
    let mut pace = Pace::new(1000.0);
    let start = pace.due(0);
    for batch in batches {
        wait_until(pace.next_due());
        pace.take(Instant::now());
        flow.send(batch)?;
        flow.close_epoch()?;
    }
    let mut latencies = Latencies::default();
    for _ in 0..groups {
        let arrival = arrivals
            .recv_timeout(Duration::from_secs(60))
            .context("an epoch did not come out within a minute")?;
        let due = pace.due(arrival.number - first);
        latencies.record(arrival.at.saturating_duration_since(due));
    }
    let cores = (memory::cpu_s(std::process::id()) - cpu) / start.elapsed().as_secs_f64();
    let section = report.section("open loop, 100,000 records/s in epochs of 1 ms");
    section
        .delays("group due → its views out", &latencies)
        .goal(Quantile::P99, 1.0);
    section.turn("processor, the waiting sender included", Unit::Cores, cores);
    section.remark("1 worker; each group of 100 is due at once and counts once");
    Ok(())
}
