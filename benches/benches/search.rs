//! Search over a million offers, beside an indexed table in PostgreSQL.

use std::time::Duration;

use anyhow::ensure;
use flightline_benches::args::{Args, Extra};
use flightline_benches::http::{self, Pool};
use flightline_benches::offers::{Market, Searching};
use flightline_benches::postgres::search::By;
use flightline_benches::postgres::{Rival, search};
use flightline_benches::report::{Goal, Quantile, Report, Unit};
use flightline_benches::scratch;
use flightline_benches::server::{self, Replica};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ABOUT: &str = "search over HTTP, beside an indexed query in PostgreSQL over the same offers";

const EXTRAS: &[Extra] = &[
    Extra {
        name: "routes",
        value: 400,
        smoke: 10,
        help: "routes",
    },
    Extra {
        name: "days",
        value: 16,
        smoke: 2,
        help: "days",
    },
    Extra {
        name: "flights",
        value: 8,
        smoke: 4,
        help: "flights a day on each route, of 20 offers each",
    },
    Extra {
        name: "connections",
        value: 64,
        smoke: 8,
        help: "connections that stay open",
    },
    Extra {
        name: "seconds",
        value: 4,
        smoke: 1,
        help: "length of a turn of each subject",
    },
];

const OURS: &str = "flightline";
const OURS_BEST: &str = "flightline, the best offer of each flight (the default)";
const PG: &str = "PostgreSQL, index on route, day, cabin, price";
const PG_COVERING: &str = "PostgreSQL, covering partial index";

/// Client counts that are tried for PostgreSQL's best.
const CLIENTS: [usize; 4] = [2, 4, 8, 16];

fn main() -> anyhow::Result<()> {
    let args = Args::read("search", ABOUT, 5, EXTRAS);
    let mut report = Report::new(&args, ABOUT);
    let market = Market {
        routes: args.extra("routes") as usize,
        days: args.extra("days") as usize,
        flights: args.extra("flights") as usize,
    };
    ensure!(market.routes <= 520 && market.routes * market.flights < 9_999);
    let length = Duration::from_secs(args.extra("seconds"));
    let connections = args.extra("connections") as usize;
    let folder = scratch::folder()?;

    let replica = Replica::start(&server::program()?, &folder.path().join("replica"), "")?;
    for piece in market.events() {
        replica.push(&piece)?;
    }
    replica.caught_up(Duration::from_secs(600))?;
    let offers = replica.metric("flightline_serving_offers")?;
    ensure!(
        offers == market.offers() as f64,
        "the index has {offers} offers, not {}",
        market.offers()
    );
    let rival = Rival::start(&folder.path().join("rival"))?;
    search::prepare(&rival, &market)?;
    let rows = rival.number("SELECT count(*) FROM offer")?;
    ensure!(
        rows as usize == market.offers(),
        "the table has {rows} offers"
    );
    let pgbench = rival.pgbench()?;
    let mut rivals = Vec::new();
    for (name, by) in [(PG, By::Index), (PG_COVERING, By::Covering)] {
        let script = search::script(&market, by);
        let clients = if args.smoke {
            2
        } else {
            pgbench.best_clients(&script, &CLIENTS, Duration::from_secs(2))?
        };
        rivals.push((name, script, clients));
    }

    let all = format!("&all_offers=true&limit={}", search::LIMIT);
    let asking = |seed| Searching::new(&market, &all, search::LIMIT, seed);
    let best = |seed| Searching::new(&market, "", market.flights, seed);
    asking(0).look(replica.address(), 0)?;
    best(0).look(replica.address(), market.routes * market.days - 1)?;
    let mut pool = Pool::connect(replica.address(), connections)?;
    let mut rate = 0.0;
    for turn in 0..args.rounds {
        for part in 0..2 {
            if (part + turn) % 2 == 0 {
                let seed = turn as u64;
                let closed = http::closed(&mut pool, &mut asking(seed), length)?;
                let of_best = http::closed(&mut pool, &mut best(seed), length)?;
                rate = closed.per_second();
                let half = http::open(&mut pool, &mut asking(seed), rate / 2.0, length)?;
                let section = report.section("searches in a second");
                section
                    .turn(OURS, Unit::PerSecond, rate)
                    .against(PG)
                    .goal(Goal::RatioAtLeast(5.0));
                section
                    .turn(OURS_BEST, Unit::PerSecond, of_best.per_second())
                    .against(PG);
                section.delays("flightline, all connections busy", &closed.latencies);
                section
                    .delays("flightline, half of that rate, open loop", &half.latencies)
                    .goal(Quantile::P99, 5.0);
            } else {
                for (name, script, clients) in &rivals {
                    let run = pgbench.run(script, *clients, length)?;
                    let section = report.section("searches in a second");
                    section.turn(name, Unit::PerSecond, run.per_second);
                    section.delays(&format!("{name}, all clients busy"), &run.latencies);
                }
            }
        }
    }
    ensure!(rate > 0.0);
    asking(0).look(replica.address(), 1)?;
    let section = report.section("searches in a second");
    section.remark(format!(
        "{} offers; {} routes, {} days, {} flights each; the {} cheapest economy offers on a route and day",
        market.offers(),
        market.routes,
        market.days,
        market.flights,
        search::LIMIT
    ));
    section.remark(format!(
        "{connections} connections here, JSON over HTTP; PostgreSQL by pgbench over its socket with {} and {} clients, the best of {CLIENTS:?}",
        rivals[0].2, rivals[1].2
    ));
    let memory = replica.memory();
    section.turn(
        "replica's memory",
        Unit::Bytes,
        memory.resident_bytes as f64,
    );
    replica.stop()?;
    report.finish()
}
