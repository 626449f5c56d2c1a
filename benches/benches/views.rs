//! Views in SQL: what they cost, how fresh they are, and how soon a new one is live; beside PostgreSQL, which
//! computes a materialized view again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use flightline_benches::args::{Args, Extra};
use flightline_benches::flow::{Arrivals, Batches, Decisions};
use flightline_benches::latency::Latencies;
use flightline_benches::pace::{Pace, wait_until};
use flightline_benches::postgres::Rival;
use flightline_benches::random::Zipf;
use flightline_benches::report::{Goal, Quantile, Report, Unit};
use flightline_benches::scratch;
use flightline_benches::traffic::{self, Spread};
use flightline_dataflows::live::{Views, ViewsConfig, ViewsHandle};
use flightline_dataflows::sql::{Text, View, compile};
use flightline_dataflows::{Config, Dataflow};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ABOUT: &str = "views in SQL, beside PostgreSQL's materialized views";
const PARTITIONS: u32 = 64;
const BATCH: usize = 4096;

/// Bookings a second in the open loop, and with how many views and milliseconds between epochs. A replica
/// closes one each 5 ms under load.
const OPEN_RATE: usize = 10_000;
const OPEN: [(usize, usize); 4] = [(1, 1), (1, 5), (10, 1), (10, 5)];

const EXTRAS: &[Extra] = &[
    Extra {
        name: "records",
        value: 500_000,
        smoke: 5_000,
        help: "records a turn of the throughput",
    },
    Extra {
        name: "flights",
        value: 10_000,
        smoke: 100,
        help: "flights that they are spread over, by Zipf",
    },
    Extra {
        name: "rows",
        value: 1_000_000,
        smoke: 3_000,
        help: "rows of the source that a view is refreshed over, and added over",
    },
    Extra {
        name: "open-seconds",
        value: 10,
        smoke: 1,
        help: "length of a turn of the open loop",
    },
    Extra {
        name: "refreshes",
        value: 5,
        smoke: 1,
        help: "refreshes of the materialized view a turn",
    },
];

/// How long anything may take.
const LONG: Duration = Duration::from_secs(600);

/// The view that is refreshed and added: sales of a flight by provider and state.
const SALES: &str = "\
name: bench_sales
description: Holds of a flight.
sql: |
  SELECT flight_key, status, count(*) AS holds, sum(seats) AS seats, max(created_at) AS latest
  FROM holds
  GROUP BY flight_key, status
sink: {postgres: {key: [flight_key, status]}}
";

/// The same in PostgreSQL, over as many rows.
const RIVAL: &str = "\
CREATE MATERIALIZED VIEW sales AS
SELECT flight_key, status, count(*) AS holds, sum(seats) AS seats, max(created_at) AS latest
FROM hold GROUP BY flight_key, status";

fn main() -> anyhow::Result<()> {
    let args = Args::read("views", ABOUT, 3, EXTRAS);
    let mut report = Report::new(&args, ABOUT);
    for _ in 0..args.rounds {
        if args.wants(THROUGHPUT) {
            throughput(&args, &mut report)?;
        }
        if args.wants(OPEN_LOOP) {
            open_loop(&args, &mut report)?;
        }
        if args.wants(REFRESH) || args.wants(ADD) {
            large(&args, &mut report)?;
        }
    }
    report.finish()
}

const THROUGHPUT: &str = "records a second with so many views";
/// In the place of a number of views: the twins.
const TWINS: usize = usize::MAX;

const OPEN_LOOP: &str = "open loop, 10,000 bookings/s";
const REFRESH: &str = "a view brought up to date after one booking";
const ADD: &str = "a view added";

/// So many of the views that come with the program; more than there are have other names and other constants, so that
/// nothing but the sources is shared.
fn views(count: usize) -> anyhow::Result<Vec<Arc<View>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dataflows/views");
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.sort();
    let mut texts = Vec::new();
    for at in 0..count {
        let path = paths.get(at % paths.len()).context("there are no views")?;
        let mut text = std::fs::read_to_string(path)?;
        if at >= paths.len() {
            let name = text
                .lines()
                .next()
                .context("a view has a first line")?
                .to_owned();
            text = text.replacen(&name, &format!("{name}_{at}"), 1);
            text = text.replacen("WHERE ", &format!("WHERE {at} = {at} AND "), 1);
        }
        let file = format!("{at}.yaml");
        texts.push(Text { file, text });
    }
    compiled(texts)
}

fn compiled(texts: Vec<Text>) -> anyhow::Result<Vec<Arc<View>>> {
    compile(texts).map_err(|problems| {
        let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!(all.join("\n"))
    })
}

/// Two tables that the dataflow maintains by operators of its own, as files.
fn twins() -> anyhow::Result<Vec<Arc<View>>> {
    let file = |name: &str, key: &str, sql: &str| Text {
        file: format!("{name}.yaml"),
        text: format!(
            "name: {name}\ndescription: A twin.\nsql: {sql}\nsink: {{postgres: {{key: [{key}]}}}}\n"
        ),
    };
    compiled(vec![
        file(
            "twin_availability",
            "board, off, date, cabin",
            "SELECT board, off, date, cabin, count(*) AS flights, count(*) FILTER (WHERE seats > 0) AS flights_open, \
             sum(seats) AS seats FROM (SELECT flight_key, board, off, date, cabin, max(seats) AS seats FROM offers \
             GROUP BY flight_key, board, off, date, cabin) best GROUP BY board, off, date, cabin",
        ),
        file(
            "twin_cheapest",
            "board, off, date, cabin, currency",
            "SELECT board, off, date, cabin, currency, price, flight_key, provider, class FROM (SELECT o.*, \
             row_number() OVER (PARTITION BY board, off, date, cabin, currency ORDER BY price, flight_key, provider, \
             class) AS n FROM offers o WHERE seats > 0) r WHERE n = 1",
        ),
    ])
}

/// A dataflow with views behind it.
struct Run {
    flow: Dataflow,
    views: ViewsHandle,
    told: Arc<Decisions>,
    arrivals: crossbeam_channel::Receiver<flightline_benches::flow::Arrival>,
    sent: u64,
}

impl Run {
    fn start(views: Vec<Arc<View>>, creation: &Batches) -> anyhow::Result<Self> {
        let told = Decisions::new();
        let (arrived, arrivals) = crossbeam_channel::unbounded();
        let mut config = ViewsConfig::new(PARTITIONS);
        config.views = views;
        let sink = Views::start(config, Arrivals(arrived))?;
        let views = sink.handle();
        let flow = Dataflow::start(Config::new(PARTITIONS), told.clone(), sink)?;
        let mut run = Self {
            flow,
            views,
            told,
            arrivals,
            sent: 0,
        };
        run.send(creation)?;
        run.await_all()?;
        Ok(run)
    }

    /// Sends batches, each an epoch.
    fn send(&mut self, batches: &Batches) -> anyhow::Result<()> {
        for batch in batches.batches.clone() {
            self.sent += batch.len() as u64;
            self.flow.send(batch)?;
            self.flow.close_epoch()?;
        }
        Ok(())
    }

    /// Waits until all that was sent has come out, through the views.
    fn await_all(&self) -> anyhow::Result<Instant> {
        loop {
            let arrival = self
                .arrivals
                .recv_timeout(LONG)
                .context("an epoch did not come out")?;
            if arrival.covers == self.sent {
                return Ok(arrival.at);
            }
        }
    }

    /// Every view is live, and has had something to say.
    fn check(&self, at_least: usize) -> anyhow::Result<()> {
        let list = self.views.list();
        for view in &list {
            let failed = matches!(view.phase, flightline_dataflows::live::Phase::Failed(_));
            ensure!(!failed, "{}: {:?}", view.view.name, view.phase);
        }
        let active = list.iter().filter(|view| view.updates > 0).count();
        ensure!(
            active >= at_least,
            "only {active} of {} views have rows",
            list.len()
        );
        Ok(())
    }
}

/// Flights, and bookings on them, in groups of so many.
fn load(args: &Args, records: usize, group: usize) -> (Batches, Batches) {
    let flights = args.extra("flights") as usize;
    let spread = Spread::Zipf(Zipf::new(flights, 1.0));
    let traffic = traffic::make(flights, records, spread, 1);
    let (creation, inputs) = traffic.inputs.split_at(traffic.creation);
    let mut next = vec![0; PARTITIONS as usize];
    let creation = Batches::new(creation, BATCH, &mut next);
    let records = Batches::new(inputs, group, &mut next);
    (creation, records)
}

fn throughput(args: &Args, report: &mut Report) -> anyhow::Result<()> {
    let (creation, records) = load(args, args.extra("records") as usize, BATCH);
    let none = "no view";
    let mut rates = Vec::new();
    for count in [0, 1, 4, 16, TWINS] {
        let these = if count == TWINS {
            twins()?
        } else {
            views(count)?
        };
        let at_least = these.len().min(16) / 4;
        let mut run = Run::start(these, &creation)?;
        let start = Instant::now();
        run.send(&records)?;
        let elapsed = run.await_all()?.duration_since(start).as_secs_f64();
        run.check(at_least)?;
        let updates: u64 = run.views.list().iter().map(|view| view.updates).sum();
        let kept: u64 = run.views.list().iter().map(|view| view.kept.bytes).sum();
        rates.push((
            count,
            records.len() as f64 / elapsed,
            updates as f64 / elapsed,
            kept,
        ));
        run.flow.shutdown()?;
    }
    let section = report.section(THROUGHPUT);
    for (count, rate, updates, kept) in rates {
        if count == 0 {
            section.turn(none, Unit::PerSecond, rate);
            continue;
        }
        if count == TWINS {
            let name = "availability and cheapest once more, as files";
            section.turn(name, Unit::PerSecond, rate).against(none);
            section.turn(
                "memory that they say they keep, those two",
                Unit::Bytes,
                kept as f64,
            );
            continue;
        }
        let s = if count == 1 { "" } else { "s" };
        section
            .turn(&format!("{count} view{s}"), Unit::PerSecond, rate)
            .against(none);
        section.turn(
            &format!("rows that came and went, {count} view{s}"),
            Unit::PerSecond,
            updates,
        );
        section.turn(
            &format!("memory that they say they keep, {count} view{s}"),
            Unit::Bytes,
            kept as f64,
        );
    }
    section.remark(
        "the views that come with the program, in the order of their names, then again under other names; 1 worker for the \
         ledger and 1 for the views; epochs of 4 k records",
    );
    Ok(())
}

fn open_loop(args: &Args, report: &mut Report) -> anyhow::Result<()> {
    for (views, epoch_ms) in OPEN {
        let latencies = open_turn(args, views, epoch_ms)?;
        let s = if views == 1 { "" } else { "s" };
        report
            .section(OPEN_LOOP)
            .delays(
                &format!("booking due → its rows in the changelog, {views} view{s}, an epoch each {epoch_ms} ms"),
                &latencies,
            )
            .goal(Quantile::P99, 50.0);
    }
    let section = report.section(OPEN_LOOP);
    section
        .remark("counted from the first booking of an epoch; durability and PostgreSQL left aside");
    Ok(())
}

/// Each epoch is closed when it is due, whether the one before is done or not.
fn open_turn(args: &Args, count: usize, epoch_ms: usize) -> anyhow::Result<Latencies> {
    let group = OPEN_RATE * epoch_ms / 1000;
    let groups = args.extra("open-seconds") as usize * OPEN_RATE / group;
    let (creation, records) = load(args, groups * group, group);
    let mut run = Run::start(views(count)?, &creation)?;
    let mut pace = Pace::new(OPEN_RATE as f64 / group as f64);
    let mut first = None;
    for batch in records.batches.iter().take(groups).cloned() {
        wait_until(pace.next_due());
        pace.take(Instant::now());
        run.sent += batch.len() as u64;
        run.flow.send(batch)?;
        let epoch = run.flow.close_epoch()?;
        first.get_or_insert(epoch);
    }
    let first = first.context("nothing was sent")?;
    let waited = Duration::from_millis(epoch_ms as u64);
    let mut latencies = Latencies::default();
    for _ in 0..groups.min(records.batches.len()) {
        let arrival = run
            .arrivals
            .recv_timeout(LONG)
            .context("an epoch is missing")?;
        let due = pace.due(arrival.number - first);
        latencies.record(arrival.at.saturating_duration_since(due) + waited);
    }
    run.check(1)?;
    run.flow.shutdown()?;
    Ok(latencies)
}

/// Over a large source: one booking more, and a new view.
fn large(args: &Args, report: &mut Report) -> anyhow::Result<()> {
    let rows = args.extra("rows") as usize;
    // Some commands are no holds, and some holds find their flight sold out.
    let (creation, records) = load(args, rows * 5, BATCH);
    let mut batches = records.batches.into_iter();
    let mut run = Run::start(compiled(vec![sales()])?, &creation)?;
    // Decided before it is counted, so that each turn has the same rows.
    while run.told.tally().held < rows as u64 {
        let batch = batches.next().context("there are too few records")?;
        run.sent += batch.len() as u64;
        run.flow.send(batch)?;
        run.flow.close_epoch()?;
        run.await_all()?;
    }
    let held = run.told.tally().held;
    let last = batches.next().context("there are too few records")?;
    if args.wants(REFRESH) {
        refresh(args, report, &mut run, &last, held)?;
    }
    if args.wants(ADD) {
        add(report, run, held)?;
    }
    Ok(())
}

fn sales() -> Text {
    Text {
        file: "bench_sales.yaml".to_owned(),
        text: SALES.to_owned(),
    }
}

fn refresh(
    args: &Args,
    report: &mut Report,
    run: &mut Run,
    last: &[flightline_dataflows::changelog::Record],
    held: u64,
) -> anyhow::Result<()> {
    let mut latencies = Latencies::default();
    // The records of a batch are sorted by partition, and in order within each.
    for record in last.iter().take(args.size(1_000, 50)) {
        let start = Instant::now();
        run.sent += 1;
        run.flow.send(vec![record.clone()])?;
        run.flow.close_epoch()?;
        latencies.record(run.await_all()?.duration_since(start));
    }
    let folder = scratch::folder()?;
    let rival = Rival::start(&folder.path().join("postgres"))?;
    let flights = args.extra("flights");
    rival.run(
        "CREATE TABLE hold (partition integer, \"offset\" bigint, flight_key text COLLATE \"C\", status text, seats integer, \
         created_at timestamptz, PRIMARY KEY (partition, \"offset\"))",
    )?;
    rival.run(&format!(
        "INSERT INTO hold SELECT n % 64, n, 'UA' || (n::bigint * 7919 % {flights}) || '.2027-01-05.EWR', \
         (ARRAY['held', 'confirmed', 'expired', 'released'])[1 + n % 4], 1 + n % 4, now() + n * interval '1 ms' \
         FROM generate_series(1, {held}) AS n"
    ))?;
    rival.run("VACUUM ANALYZE hold")?;
    rival.run(RIVAL)?;
    let mut best = f64::MAX;
    for turn in 0..args.extra("refreshes") {
        rival.run(&format!(
            "UPDATE hold SET status = 'confirmed' WHERE partition = {turn} AND \"offset\" = {turn}"
        ))?;
        let start = Instant::now();
        rival.run("REFRESH MATERIALIZED VIEW sales")?;
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    let title = format!("{REFRESH}, over {held} rows of the source");
    let section = report.section(&title);
    section.delays("booking sent → its rows in the changelog", &latencies);
    let p99_ms = latencies.percentiles().p99_ms;
    let ours = "ours, 99 in 100 bookings";
    section.turn(ours, Unit::Milliseconds, p99_ms);
    section
        .turn(
            "PostgreSQL, REFRESH MATERIALIZED VIEW, the best",
            Unit::Milliseconds,
            best,
        )
        .against(ours)
        .goal(Goal::RatioAtLeast(50.0));
    section.remark("the same aggregate over as many rows; a view that is as fresh must be refreshed after each booking");
    Ok(())
}

/// Adds the view once more under another name, while others book.
fn add(report: &mut Report, mut run: Run, held: u64) -> anyhow::Result<()> {
    let mut text = sales();
    text.text = text.text.replace("bench_sales", "bench_added");
    text.file = "bench_added.yaml".to_owned();
    let view = compiled(vec![text])?;
    let before = decisions(&mut run, None)?;
    let handle = run.views.clone();
    let is_done = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&is_done);
    let adding = std::thread::spawn(move || -> anyhow::Result<f64> {
        let start = Instant::now();
        let coming = handle.prepare(view)?;
        coming.wait()?;
        coming.commit(&[])?;
        let elapsed = start.elapsed().as_secs_f64();
        done.store(true, Ordering::Release);
        Ok(elapsed)
    });
    let during = decisions(&mut run, Some(&is_done))?;
    let took = match adding.join() {
        Ok(took) => took?,
        Err(_) => anyhow::bail!("adding the view panicked"),
    };
    run.await_all()?;
    let list = run.views.list();
    let rows = |name: &str| {
        list.iter()
            .find(|view| view.view.name == name)
            .map(|v| v.rows)
    };
    ensure!(
        rows("bench_added").is_some_and(|n| n > 0) && rows("bench_added") == rows("bench_sales"),
        "the view that was added has other rows"
    );
    let title = format!("{ADD}, over {held} rows of the source");
    let section = report.section(&title);
    section
        .turn("asked for → live", Unit::Seconds, took)
        .goal(Goal::AtMost(5.0));
    section.delays("record sent → decided, before", &before);
    section.delays("record sent → decided, while it is added", &during);
    section.remark("one record after the other, one each millisecond, each an epoch; PostgreSQL and durability left aside");
    run.flow.shutdown()?;
    Ok(())
}

/// Time from sending a record to its decision, a record each millisecond: for so long as something lasts.
fn decisions(run: &mut Run, until: Option<&AtomicBool>) -> anyhow::Result<Latencies> {
    use flightline_dataflows::changelog::Record;
    use flightline_ledger::{Command, CommandId, Input};
    let mut latencies = Latencies::default();
    let mut pace = Pace::new(1_000.0);
    let mut sent = 0;
    while match until {
        Some(done) => !done.load(Ordering::Acquire),
        None => sent < 500,
    } {
        wait_until(pace.next_due());
        pace.take(Instant::now());
        let partition = 0;
        let offset = run.flow.next_offsets()[partition as usize];
        let record = Record {
            partition,
            input: Input {
                offset,
                at_ms: 0,
                id: CommandId(0),
                command: Command::Tick,
            },
            note: None,
        };
        let before = run.told.tally().decisions;
        let start = Instant::now();
        run.sent += 1;
        run.flow.send(vec![record])?;
        run.told.wait(before + 1)?;
        latencies.record(start.elapsed());
        run.flow.close_epoch()?;
        sent += 1;
    }
    Ok(latencies)
}
