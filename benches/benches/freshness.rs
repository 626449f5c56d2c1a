//! How soon a decision is seen: by a search, and in PostgreSQL.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use flightline_benches::args::{Args, Extra};
use flightline_benches::holds::{Asking, Flights};
use flightline_benches::http::{self, Answer, Client, Line, Pool};
use flightline_benches::latency::Latencies;
use flightline_benches::report::{Quantile, Report, Unit};
use flightline_benches::scratch;
use flightline_benches::server::{self, Replica};
use tokio_postgres::NoTls;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ABOUT: &str = "from a decision to the search and to the row that show it, under load";

const EXTRAS: &[Extra] = &[
    Extra {
        name: "rate",
        value: 10_000,
        smoke: 200,
        help: "holds due in a second",
    },
    Extra {
        name: "seconds",
        value: 10,
        smoke: 2,
        help: "length of a turn",
    },
    Extra {
        name: "sample",
        value: 50,
        smoke: 5,
        help: "of so many holds, one is followed",
    },
    Extra {
        name: "flights",
        value: 10_000,
        smoke: 50,
        help: "flights that they are spread over",
    },
];

const CONNECTIONS: usize = 64;

/// How often PostgreSQL is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A hold that is followed.
#[derive(Clone, Copy, Debug)]
struct Followed {
    flight: usize,
    partition: usize,
    offset: u64,
    /// The client has its answer: the decision was made before.
    answered: Instant,
}

/// Asks for seats, and hands some of the answers on.
struct Following<'a> {
    asking: Asking<'a>,
    sample: u64,
    seen: u64,
    to: [Sender<Followed>; 2],
}

impl Client for Following<'_> {
    fn request(&mut self, connection: usize, out: &mut Vec<u8>) -> bool {
        self.asking.request(connection, out)
    }

    fn answer(&mut self, connection: usize, answer: &Answer<'_>) -> anyhow::Result<()> {
        self.asking.answer(connection, answer)?;
        self.seen += 1;
        if !self.seen.is_multiple_of(self.sample) {
            return Ok(());
        }
        let position = answer
            .header("flightline-offset")
            .context("an answer without its offset")?;
        let (partition, offset) = position
            .split_once(':')
            .context("an offset is PARTITION:OFFSET")?;
        let followed = Followed {
            flight: self.asking.asked_on(connection),
            partition: partition.parse()?,
            offset: offset.parse()?,
            answered: Instant::now(),
        };
        for to in &self.to {
            to.send(followed)?;
        }
        Ok(())
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::read("freshness", ABOUT, 5, EXTRAS);
    let mut report = Report::new(&args, ABOUT);
    let folder = scratch::folder()?;
    let replica = Replica::start(&server::program()?, &folder.path().join("replica"), "")?;
    let mut flights = Flights::new(0, args.extra("flights") as usize, 1);
    replica.push(&flights.events()?)?;
    replica.caught_up(Duration::from_secs(120))?;
    let mut pool = Pool::connect(replica.address(), CONNECTIONS)?;
    for turn in 0..args.rounds {
        measure(&args, &mut report, &replica, &mut pool, &mut flights, turn)?;
        replica.caught_up(Duration::from_secs(120))?;
    }
    flights.check(replica.address())?;
    report.finish()?;
    replica.stop()
}

fn measure(
    args: &Args,
    report: &mut Report,
    replica: &Replica,
    pool: &mut Pool,
    flights: &mut Flights,
    turn: usize,
) -> anyhow::Result<()> {
    let rate = args.extra("rate") as f64;
    let (to_search, search) = channel();
    let (to_tables, tables) = channel();
    let searches = flights.searches();
    let address = replica.address();
    let searcher = std::thread::spawn(move || follow_search(address, &searches, &search));
    let config = replica.database()?;
    let reader = std::thread::spawn(move || follow_tables(&config, &tables));
    let cpu = replica.cpu_s();
    let outcome = {
        let mut client = Following {
            asking: Asking::new(flights, CONNECTIONS, turn as u32 + 1),
            sample: args.extra("sample"),
            seen: 0,
            to: [to_search, to_tables],
        };
        let length = Duration::from_secs(args.extra("seconds"));
        http::open(pool, &mut client, rate, length)?
        // Here both followers learn that no more come.
    };
    let cores = (replica.cpu_s() - cpu) / outcome.elapsed_s;
    let in_search = joined(searcher)?;
    let in_tables = joined(reader)?;
    ensure!(
        in_search.count() > 0 && in_search.count() == in_tables.count(),
        "{} decisions were found by search, {} in PostgreSQL",
        in_search.count(),
        in_tables.count()
    );
    let section = report.section(&format!("{rate:.0} holds a second, open loop"));
    section.delays("request due → answered", &outcome.latencies);
    section
        .delays("answered → a search shows it", &in_search)
        .goal(Quantile::P99, 20.0);
    section
        .delays("answered → its row can be read in PostgreSQL", &in_tables)
        .goal(Quantile::P99, 500.0);
    section.turn("replica's share of the machine", Unit::Cores, cores);
    section.turn(
        "answered in a second",
        Unit::PerSecond,
        outcome.per_second(),
    );
    section.remark(
        "the search is a request of its own, which waits for the hold's offset; it and the hold's \
         own way back are counted",
    );
    section.remark(format!(
        "PostgreSQL is asked every {} ms how far its tables are; that is counted too",
        LOOK_EVERY.as_millis()
    ));
    Ok(())
}

fn joined(thread: std::thread::JoinHandle<anyhow::Result<Latencies>>) -> anyhow::Result<Latencies> {
    let result = thread.join();
    result.map_err(|_| anyhow::anyhow!("a thread of the benchmark panicked"))?
}

/// Searches for each hold's flight, asking for an answer that reflects the hold.
fn follow_search(
    address: SocketAddr,
    searches: &[String],
    followed: &Receiver<Followed>,
) -> anyhow::Result<Latencies> {
    let mut line = Line::connect(address)?;
    let mut latencies = Latencies::default();
    while let Ok(hold) = followed.recv() {
        let at_least = format!(
            "flightline-at-least: {}:{}\r\n",
            hold.partition, hold.offset
        );
        let reply = line.get(&searches[hold.flight], &at_least)?;
        ensure!(
            reply.status == 200,
            "a search for a hold was answered {}: {}",
            reply.status,
            String::from_utf8_lossy(&reply.body)
        );
        latencies.record(hold.answered.elapsed());
    }
    Ok(latencies)
}

/// Asks PostgreSQL how far it is until it has every hold.
fn follow_tables(
    config: &tokio_postgres::Config,
    followed: &Receiver<Followed>,
) -> anyhow::Result<Latencies> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let client = runtime.block_on(async {
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok::<_, tokio_postgres::Error>(client)
    })?;
    let sql = "SELECT partition, next_offset FROM flightline.sink_progress";
    let statement = runtime.block_on(client.prepare(sql))?;
    let mut latencies = Latencies::default();
    // By partition and offset, what is waited for.
    let mut waiting: BTreeMap<(usize, u64), Instant> = BTreeMap::new();
    let mut more = true;
    let mut seen = Instant::now();
    while more || !waiting.is_empty() {
        let begun = Instant::now();
        while more {
            match followed.recv_timeout(LOOK_EVERY.saturating_sub(begun.elapsed())) {
                Ok(hold) => {
                    waiting.insert((hold.partition, hold.offset), hold.answered);
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => more = false,
            }
        }
        if waiting.is_empty() {
            continue;
        }
        if !more {
            std::thread::park_timeout(LOOK_EVERY);
        }
        let rows = runtime.block_on(client.query(&statement, &[]))?;
        let now = Instant::now();
        for row in rows {
            let partition = usize::try_from(row.get::<_, i32>(0))?;
            let next = u64::try_from(row.get::<_, i64>(1))?;
            let later = waiting.split_off(&(partition, next));
            let earlier = waiting.split_off(&(partition, 0));
            waiting.extend(later);
            for answered in earlier.into_values() {
                latencies.record(now.saturating_duration_since(answered));
                seen = now;
            }
        }
        ensure!(
            more || seen.elapsed() < Duration::from_secs(60),
            "PostgreSQL misses {} holds and took none for a minute",
            waiting.len()
        );
    }
    Ok(latencies)
}
