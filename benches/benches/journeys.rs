//! Journeys with up to two connections over a generated day of 3,000 flights, beside the direct
//! search in the same index.

#[path = "../../sinks/tests/journeys/hubs.rs"]
mod hubs;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, ensure};
use flightline_benches::args::{Args, Extra};
use flightline_benches::latency::Latencies;
use flightline_benches::report::{Goal, Quantile, Report, Unit};
use flightline_benches::stopwatch::CoreTime;
use flightline_dataflows::changelog::{Change, Epoch};
use flightline_dataflows::rows::OfferRow;
use flightline_sinks::serving::{ConnectionRules, JourneyQuery, SearchQuery, Serving};
use hubs::{Hubs, Seeded, Size};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ABOUT: &str = "journeys with connections, beside the direct search over the same offers";

const EXTRAS: &[Extra] = &[
    Extra {
        name: "queries",
        value: 2_000,
        smoke: 40,
        help: "queries of each kind a turn",
    },
    Extra {
        name: "days",
        value: 30,
        smoke: 5,
        help: "days with flights",
    },
    Extra {
        name: "density",
        value: 4,
        smoke: 1,
        help: "flights a day from a hub to a station near it, on average: 4 makes 3,000 a day in all",
    },
    Extra {
        name: "epochs",
        value: 400,
        smoke: 10,
        help: "epochs of 500 offers applied beside a search",
    },
];

const DIRECT_SEARCH: &str = "direct search, best offer of each flight";
const KINDS: [(&str, u8); 3] = [
    ("journeys, direct", 0),
    ("journeys, up to 1 connection", 1),
    ("journeys, up to 2 connections", 2),
];
const BETWEEN_HUBS: &str = "journeys, up to 2 connections, between hubs";
const ALONE: &str = "epochs of 500 changed offers, alone";
const BESIDE: &str = "epochs of 500 changed offers, beside searches with 2 connections";

/// Offers that an epoch changes.
const CHANGED: usize = 500;

fn main() -> anyhow::Result<()> {
    let args = Args::read("journeys", ABOUT, 5, EXTRAS);
    let mut report = Report::new(&args, ABOUT);
    let size = Size {
        days: args.extra("days") as i32,
        around_hubs: args.extra("density").max(1),
        ..Size::default()
    };
    let hubs = Hubs::new(size, 1);
    let serving = Arc::new(Serving::new(1));
    serving.apply(&Arc::new(hubs.epoch()));
    ensure!(serving.counts().offers == hubs.offers.len() as u64);
    let rules = Arc::new(ConnectionRules {
        places: hubs.places(),
        ..ConnectionRules::default()
    });
    let daily = hubs.flown / size.days as usize;
    let mut writer = Writer::new(&hubs);
    for turn in 0..args.rounds {
        let mut dice = Seeded(turn as u64 + 1);
        let queries = queries(&hubs, size, &rules, &mut dice, args.extra("queries"));
        for part in 0..=KINDS.len() {
            match (part + turn) % (KINDS.len() + 1) {
                0 => direct(&mut report, &serving, &queries),
                at => journeys(&mut report, &serving, &queries, KINDS[at - 1])?,
            }
        }
        let hardest = between_hubs(&hubs, &queries, &mut dice);
        journeys(&mut report, &serving, &hardest, (BETWEEN_HUBS, 2))?;
        beside(
            &mut report,
            &serving,
            &mut writer,
            &queries,
            args.extra("epochs"),
        )?;
    }
    let section = report.section("searches in a second, one core");
    section.remark(format!(
        "GENERATED schedule over real airports: {} stations, {daily} flights a day on {} days, {} offers; {} queries of each kind a turn between random stations or cities, one seat in economy, at most 50 journeys by price",
        hubs.stations.len(),
        size.days,
        hubs.offers.len(),
        args.extra("queries"),
    ));
    section.remark(
        "in process, no HTTP; rates by processor time of the searching thread, latencies by the clock on the wall",
    );
    report.finish()
}

/// Between random stations or cities, in the first days.
fn queries(
    hubs: &Hubs,
    size: Size,
    rules: &Arc<ConnectionRules>,
    dice: &mut Seeded,
    count: u64,
) -> Vec<JourneyQuery> {
    let queries = (0..count).map(|_| {
        let date = size.first;
        let any = hubs.stations[0];
        let mut query = JourneyQuery::new(any, any, date, Arc::clone(rules));
        query.origins = hubs.ends(dice);
        query.destinations = hubs.ends(dice);
        // Room for a night at each of two connections.
        query.date.0 += dice.below(size.days.saturating_sub(4).max(1) as u64) as i32;
        query.cabin = "Y".parse().ok();
        query
    });
    queries.collect()
}

/// The same queries between hubs: the most flights to begin with, and the most ways.
fn between_hubs(hubs: &Hubs, queries: &[JourneyQuery], dice: &mut Seeded) -> Vec<JourneyQuery> {
    let mut queries = queries.to_vec();
    for query in &mut queries {
        let from = dice.below(hubs::HUBS as u64);
        let to = (from + 1 + dice.below(hubs::HUBS as u64 - 1)) % hubs::HUBS as u64;
        query.origins = vec![hubs.stations[from as usize]];
        query.destinations = vec![hubs.stations[to as usize]];
    }
    queries
}

fn direct(report: &mut Report, serving: &Serving, queries: &[JourneyQuery]) {
    let mut latencies = Latencies::default();
    let core = CoreTime::start();
    for query in queries {
        let begun = Instant::now();
        for board in &query.origins {
            for off in &query.destinations {
                let mut search = SearchQuery::new(*board, *off, query.date);
                search.cabin = query.cabin;
                black_box(serving.search(&search));
            }
        }
        latencies.record(begun.elapsed());
    }
    let per_second = queries.len() as f64 / core.elapsed_s();
    let section = report.section("searches in a second, one core");
    section.turn(DIRECT_SEARCH, Unit::PerSecond, per_second);
    section.delays(DIRECT_SEARCH, &latencies);
}

fn journeys(
    report: &mut Report,
    serving: &Serving,
    queries: &[JourneyQuery],
    (name, connections_max): (&str, u8),
) -> anyhow::Result<()> {
    let mut latencies = Latencies::default();
    let (mut found, mut work, mut work_max, mut truncated) = (0, 0, 0, 0);
    let core = CoreTime::start();
    for query in queries {
        let mut query = query.clone();
        query.connections_max = connections_max;
        let begun = Instant::now();
        let result = serving.journeys(&query);
        latencies.record(begun.elapsed());
        found += result.total;
        work += result.work;
        work_max = work_max.max(result.work);
        truncated += usize::from(result.truncated);
    }
    let per_second = queries.len() as f64 / core.elapsed_s();
    ensure!(truncated == 0, "{truncated} answers were cut");
    ensure!(found > 0, "{name}: nothing was found");
    let section = report.section("searches in a second, one core");
    section
        .turn(name, Unit::PerSecond, per_second)
        .against(DIRECT_SEARCH);
    let delay = section.delays(name, &latencies);
    if connections_max == 2 {
        delay.goal(Quantile::P99, 20.0);
    }
    let queries = queries.len() as f64;
    let of = |what: &str| format!("{name}: {what}");
    section.turn(&of("found"), Unit::Count, found as f64 / queries);
    section.turn(&of("steps of work"), Unit::Count, work as f64 / queries);
    section.turn(&of("most steps"), Unit::Count, work_max as f64);
    Ok(())
}

/// Makes epochs in which the seats of offers change, as bookings do.
struct Writer {
    offers: Vec<OfferRow>,
    next: usize,
    epoch: u64,
}

impl Writer {
    fn new(hubs: &Hubs) -> Self {
        Self {
            offers: hubs.offers.clone(),
            next: 0,
            epoch: 1,
        }
    }

    fn epoch(&mut self) -> Arc<Epoch> {
        let mut changes: Vec<Change<OfferRow>> = Vec::new();
        for _ in 0..CHANGED {
            // A stride that meets every offer before one comes again.
            self.next = (self.next + 7_919) % self.offers.len();
            let row = &mut self.offers[self.next];
            changes.push((row.clone(), -1));
            row.seats = (row.seats + 9) % 10;
            changes.push((row.clone(), 1));
        }
        changes.sort();
        let epoch = Epoch {
            number: self.epoch,
            covers: vec![self.epoch + 1],
            offers: changes,
            ..Epoch::default()
        };
        self.epoch += 1;
        Arc::new(epoch)
    }
}

/// How much a search on another core holds the writer up.
fn beside(
    report: &mut Report,
    serving: &Arc<Serving>,
    writer: &mut Writer,
    queries: &[JourneyQuery],
    epochs: u64,
) -> anyhow::Result<()> {
    let section = report.section("the writer beside searches");
    for name in [ALONE, BESIDE] {
        let made: Vec<_> = (0..epochs).map(|_| writer.epoch()).collect();
        let done = Arc::new(AtomicBool::new(false));
        let reader = (name == BESIDE).then(|| {
            let (serving, done) = (Arc::clone(serving), Arc::clone(&done));
            let queries = queries.to_vec();
            std::thread::spawn(move || {
                let mut searches = 0_u64;
                for query in queries.iter().cycle() {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let mut query = query.clone();
                    query.connections_max = 2;
                    black_box(serving.journeys(&query));
                    searches += 1;
                }
                searches
            })
        });
        let mut latencies = Latencies::default();
        let begun = Instant::now();
        for epoch in &made {
            let begun = Instant::now();
            serving.apply(epoch);
            latencies.record(begun.elapsed());
        }
        let elapsed_s = begun.elapsed().as_secs_f64();
        done.store(true, Ordering::Relaxed);
        if let Some(reader) = reader {
            let searches = reader.join().ok().context("the searching thread failed")?;
            ensure!(searches > 0, "nothing was searched beside the writer");
        }
        let figure = section.turn(name, Unit::PerSecond, epochs as f64 / elapsed_s);
        if name == BESIDE {
            figure.against(ALONE).goal(Goal::RatioAtLeast(0.5));
        }
        section.delays(name, &latencies);
    }
    Ok(())
}
