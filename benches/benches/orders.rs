//! Orders from creation to ticket inside one process, beside bare holds through the same door.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use flightline_benches::args::{Args, Extra};
use flightline_benches::booking::shop::{self, FARE_MINOR, Outcomes, Shop, Wish};
use flightline_benches::booking::stamps::{self, STEPS};
use flightline_benches::booking::till::Till;
use flightline_benches::holds::Flights;
use flightline_benches::report::{Goal, Report, Unit};
use flightline_benches::{scratch, threads};
use flightline_runtime::Replica;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ABOUT: &str =
    "orders from creation to ticket in one process, beside bare holds; payment by the sandbox";

const EXTRAS: &[Extra] = &[
    Extra {
        name: "few",
        value: 64,
        smoke: 2,
        help: "clients at once where each waits for its own order",
    },
    Extra {
        name: "many",
        value: 2_048,
        smoke: 16,
        help: "clients at once where the replica is never idle",
    },
    Extra {
        name: "flights",
        value: 10_000,
        smoke: 20,
        help: "flights that they are spread over, evenly",
    },
    Extra {
        name: "seconds",
        value: 4,
        smoke: 1,
        help: "length of a turn of each subject",
    },
];

const HOLDS: &str = "bare holds";
const SUBJECTS: [(&str, Wish); 3] = [
    (HOLDS, Wish::Hold),
    ("orders of one segment", Wish::Order(1)),
    ("orders of two segments", Wish::Order(2)),
];

/// The least share of the rate of bare holds that orders should reach.
const RATIO: f64 = 0.3;

/// What the threads of clients do, beside [`threads::OF_A_REPLICA`].
const CLIENTS: (&str, &str) = ("bench-client", "clients, payments and answers");

fn main() -> anyhow::Result<()> {
    let args = Args::read("orders", ABOUT, 5, EXTRAS);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("bench-client")
        .enable_all()
        .build()?;
    runtime.block_on(run(&args))
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let mut report = Report::new(args, ABOUT);
    let folder = scratch::folder()?;
    let data_dir = folder.path().join("replica");
    let till = Till::new();
    let replica = shop::start(&data_dir, till.clone()).await?;
    let flights = Flights::new(0, args.extra("flights") as usize, 1);
    let mut bench = Bench {
        shop: Shop::open(&replica, &flights).await?,
        replica,
        till,
        length: Duration::from_secs(args.extra("seconds")),
        turns: BTreeMap::new(),
        seats: (0, 0),
    };
    for turn in 0..args.rounds {
        for (load, goal) in [("few", None), ("many", Some(RATIO))] {
            // Another subject begins each time.
            for part in 0..SUBJECTS.len() {
                let subject = SUBJECTS[(part + turn) % SUBJECTS.len()];
                let clients = args.extra(load) as usize;
                bench
                    .measure(&mut report, subject, clients, goal, turn)
                    .await?;
            }
        }
    }
    bench.finish(&mut report, &data_dir).await?;
    report.finish()
}

struct Bench {
    shop: Arc<Shop>,
    replica: Replica,
    till: Arc<Till>,
    length: Duration,
    /// By the tag of their orders: the section, the subject, and what clients saw.
    turns: BTreeMap<String, (String, &'static str, Outcomes)>,
    /// Seats that clients were told are held, and sold.
    seats: (i64, i64),
}

/// Counters of the writer.
struct Writer {
    groups: f64,
    records: f64,
    append_us: f64,
}

impl Bench {
    fn writer(&self) -> anyhow::Result<Writer> {
        let text = self.replica.backend().metrics();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let value = line.and_then(|rest| rest.trim().parse().ok());
            value.with_context(|| format!("the replica has no metric {name}"))
        };
        Ok(Writer {
            groups: value("flightline_stream_groups_total ")?,
            records: value("flightline_stream_records_total ")?,
            append_us: value("flightline_stream_append_microseconds_total ")?,
        })
    }

    async fn measure(
        &mut self,
        report: &mut Report,
        (name, wish): (&'static str, Wish),
        clients: usize,
        goal: Option<f64>,
        turn: usize,
    ) -> anyhow::Result<()> {
        let tag = format!("{clients}/{name}/{turn}");
        let before = (self.writer()?, threads::cpu_s(), self.till.spent());
        let outcomes = self.shop.turn(wish, clients, self.length, &tag).await?;
        let after = (self.writer()?, threads::cpu_s(), self.till.spent());
        let count = outcomes.latencies.count();
        match wish {
            Wish::Hold => self.seats.0 += count as i64,
            Wish::Order(segments) => self.seats.1 += count as i64 * i64::from(segments),
        }

        let title = format!("{clients} clients at once");
        let section = report.section(&title);
        let figure = section.turn(name, Unit::PerSecond, outcomes.per_second());
        if wish != Wish::Hold {
            figure.against(HOLDS);
            if let Some(ratio) = goal {
                figure.goal(Goal::RatioAtLeast(ratio));
            }
        }
        section.delays(name, &outcomes.latencies);
        section.remark(
            "each client has one request at a time: a hold until it is held, an order until it is \
             booked; tables are written meanwhile",
        );

        let section = report.section(&format!("{title}: {name}, where time goes"));
        let records = after.0.records - before.0.records;
        let groups = (after.0.groups - before.0.groups).max(1.0);
        section.turn("records for each", Unit::Count, records / count as f64);
        section.turn("records a sync", Unit::Count, records / groups);
        section.turn(
            "an append of a group, write and sync",
            Unit::Milliseconds,
            (after.0.append_us - before.0.append_us) / 1e3 / groups,
        );
        for (what, cores) in threads::by_purpose(CLIENTS, &before.1, &after.1, outcomes.elapsed_s) {
            section.turn(&format!("processor: {what}"), Unit::Cores, cores);
        }
        if wish != Wish::Hold {
            let asked_s = after.2.1 - before.2.1;
            section.turn(
                "inside the payment service, for each",
                Unit::Milliseconds,
                asked_s * 1e3 / count as f64,
            );
            self.turns.insert(tag, (title, name, outcomes));
        }
        // A turn begins with nothing left over from the one before.
        self.replica.flushed(Duration::from_secs(600)).await
    }

    /// What the stream says of it all: the same as clients were told.
    async fn finish(self, report: &mut Report, data_dir: &Path) -> anyhow::Result<()> {
        drop(self.shop);
        self.replica.shutdown().await?;
        let story = stamps::read(&data_dir.join("stream"))?;
        ensure!(
            (story.held, story.sold) == self.seats,
            "clients were told of {:?} seats held and sold, the stream has {} and {}",
            self.seats,
            story.held,
            story.sold
        );
        ensure!(
            story.kept_minor == story.sold * FARE_MINOR
                && story.kept_minor == self.till.kept_minor(),
            "{} seats were sold, orders keep {}, the payment service {}",
            story.sold,
            story.kept_minor,
            self.till.kept_minor()
        );
        for (tag, (title, name, outcomes)) in &self.turns {
            let spent = story.spent.get(tag).cloned().unwrap_or_default();
            ensure!(
                spent.orders == outcomes.latencies.count(),
                "{tag}: the stream has {} orders, clients were told of {}",
                spent.orders,
                outcomes.latencies.count()
            );
            let section = report.section(&format!("{title}: {name}, where time goes"));
            let mut from = "created";
            let mut stamped_ms = 0.0;
            for (at, step) in STEPS.iter().enumerate() {
                let to = heard(*step);
                let ms = spent.mean_ms(at);
                section.turn(&format!("mean, {from} → {to}"), Unit::Milliseconds, ms);
                stamped_ms += ms;
                from = to;
            }
            let whole_ms = outcomes.waited_s * 1e3 / outcomes.latencies.count().max(1) as f64;
            section.turn(
                "mean, first wait and last answer",
                Unit::Milliseconds,
                whole_ms - stamped_ms,
            );
            section.turn("mean, the whole order", Unit::Milliseconds, whole_ms);
            section.remark(
                "means from the records' stamps, whole milliseconds, taken when a record leaves the \
                 queue to be synced",
            );
            section.remark(
                "ticketed − captured is one pass: sync, fold, queue. Held and confirmed are two \
                 passes each, authorised and captured one and the payment service",
            );
        }
        Ok(())
    }
}

fn heard(step: flightline_ledger::order::Step) -> &'static str {
    use flightline_ledger::order::Step;
    match step {
        Step::Hold => "held",
        Step::Authorise => "authorised",
        Step::Confirm => "confirmed",
        Step::Capture => "captured",
        Step::Ticket => "ticketed",
        other => other.name(),
    }
}
