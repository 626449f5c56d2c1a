//! Durable holds over HTTP against the real program, beside a handler that does nothing and beside
//! PostgreSQL as the booking engine.

use std::time::Duration;

use anyhow::ensure;
use flightline_benches::args::{Args, Extra};
use flightline_benches::holds::{Asking, Flights};
use flightline_benches::http::{self, Outcome, Pool};
use flightline_benches::pause::Paused;
use flightline_benches::postgres::{Rival, booking};
use flightline_benches::report::{Goal, Report, Unit};
use flightline_benches::scratch;
use flightline_benches::server::{self, Replica, Server};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ABOUT: &str =
    "durable holds over HTTP, beside a warp handler that does nothing and PostgreSQL that books";

const EXTRAS: &[Extra] = &[
    Extra {
        name: "connections",
        value: 64,
        smoke: 8,
        help: "connections that stay open",
    },
    Extra {
        name: "flights",
        value: 10_000,
        smoke: 50,
        help: "flights that spread load is spread over, evenly",
    },
    Extra {
        name: "seconds",
        value: 4,
        smoke: 1,
        help: "length of a turn of each subject",
    },
];

/// Cabins of the hot flight, of 9,999 seats each: it must not sell out while it is measured.
const HOT_CABINS: u8 = 26;

const NULL: &str = "warp, a handler that does nothing";
const SPREAD: &str = "flightline, spread, tables paused";
const SPREAD_TABLES: &str = "flightline, spread, tables written";
const HOT: &str = "flightline, one hot flight, tables paused";
const PG_SPREAD: &str = "PostgreSQL, spread";
const PG_HOT: &str = "PostgreSQL, one hot row";

struct Bench {
    replica: Replica,
    replica_pool: Pool,
    null: Server,
    null_pool: Pool,
    rival: Rival,
    spread: Flights,
    /// A hot flight for each turn.
    hot: Vec<Flights>,
    length: Duration,
    connections: usize,
    /// Best client counts of PostgreSQL, spread and hot.
    clients: (usize, usize),
    asked: u32,
}

fn main() -> anyhow::Result<()> {
    server::be_null_server_if_asked()?;
    let args = Args::read("http_holds", ABOUT, 5, EXTRAS);
    let mut report = Report::new(&args, ABOUT);
    let folder = scratch::folder()?;
    let program = server::program()?;
    let connections = args.extra("connections") as usize;
    let flights = args.extra("flights") as usize;

    let replica = Replica::start(&program, &folder.path().join("replica"), "")?;
    let spread = Flights::new(0, flights, 1);
    let hot: Vec<_> = (0..args.rounds)
        .map(|turn| Flights::new(flights + turn, 1, HOT_CABINS))
        .collect();
    replica.push(&spread.events()?)?;
    for flight in &hot {
        replica.push(&flight.events()?)?;
    }
    replica.caught_up(Duration::from_secs(120))?;
    let null = server::null_server()?;
    let rival = Rival::start(&folder.path().join("rival"))?;
    booking::prepare(&rival, flights.max(1), 1_000_000_000)?;
    let pgbench = rival.pgbench()?;
    let clients = if args.smoke {
        (4, 4)
    } else {
        (
            pgbench.best_clients(&booking::script(flights), &booking::CLIENTS, booking::TRY)?,
            pgbench.best_clients(&booking::script(1), &booking::CLIENTS, booking::TRY)?,
        )
    };
    let mut bench = Bench {
        replica_pool: Pool::connect(replica.address(), connections)?,
        null_pool: Pool::connect(null.address(), connections)?,
        replica,
        null,
        rival,
        spread,
        hot,
        length: Duration::from_secs(args.extra("seconds")),
        connections,
        clients,
        asked: 0,
    };
    for turn in 0..args.rounds {
        // Another subject begins each time.
        for part in 0..3 {
            match (part + turn) % 3 {
                0 => bench.ours(&mut report, turn)?,
                1 => bench.nothing(&mut report)?,
                _ => bench.postgres(&mut report)?,
            }
        }
    }
    bench.finish(&mut report)?;
    report.finish()
}

const TITLE: &str = "holds in a second";

impl Bench {
    /// Asks for seats on the hot flight of a turn, or on all others.
    fn ask(&mut self, hot: Option<usize>) -> anyhow::Result<Outcome> {
        self.asked += 1;
        let flights = match hot {
            Some(turn) => &mut self.hot[turn],
            None => &mut self.spread,
        };
        let mut asking = Asking::new(flights, self.connections, self.asked);
        let outcome = http::closed(&mut self.replica_pool, &mut asking, self.length)?;
        ensure!(
            asking.held == outcome.answered && asking.sold_out == 0,
            "{} of {} requests were refused: the flights must not sell out here",
            asking.sold_out,
            outcome.answered
        );
        Ok(outcome)
    }

    fn ours(&mut self, report: &mut Report, turn: usize) -> anyhow::Result<()> {
        let paused = Paused::new(&self.replica)?;
        let cpu = self.replica.cpu_s();
        let spread = self.ask(None)?;
        let cores = (self.replica.cpu_s() - cpu) / spread.elapsed_s;
        let hot = self.ask(Some(turn))?;
        paused.end()?;
        let behind = spread.answered + hot.answered;
        let caught_up = self.replica.caught_up(Duration::from_secs(600))?;

        let written = self.ask(None)?;
        let lag = self
            .replica
            .metric("flightline_postgres_lag_milliseconds")?;
        let after = self.replica.caught_up(Duration::from_secs(600))?;

        let section = report.section(TITLE);
        section
            .turn(SPREAD, Unit::PerSecond, spread.per_second())
            .against(NULL)
            .goal(Goal::RatioAtLeast(0.5));
        section
            .turn(SPREAD_TABLES, Unit::PerSecond, written.per_second())
            .against(NULL)
            .goal(Goal::RatioAtLeast(0.35));
        section
            .turn(HOT, Unit::PerSecond, hot.per_second())
            .against(SPREAD)
            .goal(Goal::RatioAtLeast(1.0));
        section.delays("flightline, spread, tables paused", &spread.latencies);
        section.delays("flightline, spread, tables written", &written.latencies);
        section.delays("flightline, one hot flight", &hot.latencies);

        let section = report.section("beside PostgreSQL");
        section
            .turn(
                "flightline, spread, tables written",
                Unit::PerSecond,
                written.per_second(),
            )
            .against(PG_SPREAD)
            .goal(Goal::RatioAtLeast(5.0));
        section
            .turn(HOT, Unit::PerSecond, hot.per_second())
            .against(PG_HOT)
            .goal(Goal::RatioAtLeast(15.0));

        let section = report.section("tables");
        section.turn(
            "lag at the end of a turn with tables written",
            Unit::Milliseconds,
            lag,
        );
        section.turn(
            "then, until they had everything",
            Unit::Milliseconds,
            after.as_secs_f64() * 1e3,
        );
        section.turn(
            "catching up after a pause, decisions in a second",
            Unit::PerSecond,
            behind as f64 / caught_up.as_secs_f64(),
        );
        section.turn(
            "replica's share of the machine, tables paused",
            Unit::Cores,
            cores,
        );
        section.remark(
            "paused: its sink waits for a lock; epochs are kept, PostgreSQL has nothing to do",
        );
        Ok(())
    }

    fn nothing(&mut self, report: &mut Report) -> anyhow::Result<()> {
        self.asked += 1;
        let mut flights = self.spread.clone();
        let mut asking = Asking::new(&mut flights, self.connections, self.asked);
        let outcome = http::closed(&mut self.null_pool, &mut asking, self.length)?;
        let section = report.section(TITLE);
        section.turn(NULL, Unit::PerSecond, outcome.per_second());
        section.delays(NULL, &outcome.latencies);
        Ok(())
    }

    fn postgres(&mut self, report: &mut Report) -> anyhow::Result<()> {
        let pgbench = self.rival.pgbench()?;
        let flights = self.spread.keys.len();
        let length = self.length;
        let spread = pgbench.run(&booking::script(flights), self.clients.0, length)?;
        let hot = pgbench.run(&booking::script(1), self.clients.1, length)?;
        let section = report.section("beside PostgreSQL");
        section.turn(PG_SPREAD, Unit::PerSecond, spread.per_second);
        section.turn(PG_HOT, Unit::PerSecond, hot.per_second);
        section.delays(PG_SPREAD, &spread.latencies);
        section.delays(PG_HOT, &hot.latencies);
        section.remark(format!(
            "one function call a booking, guarded update and insert, synchronous_commit on, by pgbench with {} clients spread and {} hot, the best of {:?}",
            self.clients.0, self.clients.1, booking::CLIENTS
        ));
        Ok(())
    }

    /// What every client was told is what the replica counts.
    fn finish(self, report: &mut Report) -> anyhow::Result<()> {
        self.spread.check(self.replica.address())?;
        for flight in &self.hot {
            flight.check(self.replica.address())?;
        }
        booking::check(&self.rival)?;
        let section = report.section("tables");
        let memory = self.replica.memory();
        section.turn(
            "replica's memory at the end",
            Unit::Bytes,
            memory.resident_bytes as f64,
        );
        section.remark(format!(
            "{} holds in all; every count equals what clients were told",
            self.spread
                .granted
                .iter()
                .chain(self.hot.iter().flat_map(|flight| &flight.granted))
                .sum::<u64>()
        ));
        drop(self.null);
        self.replica.stop()
    }
}
